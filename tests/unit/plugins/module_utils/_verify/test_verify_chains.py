# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path from a certificate to an anchor: what is said where there is none, and which one is taken."""
import time

import pki
from verifying import Corp, sources, verify, why, write

# --- no path to an anchor ---


def test_an_unknown_issuer_and_its_near_namesakes(host):
    stranger = pki.root("Corp Root CB")
    web = pki.server(issuer=stranger)
    assert why(web) == (
        "issuer CN=Corp Root CB is not trusted by this host; anchors with a near name: CN=Corp Root CA; "
        "no chain came with it: if that issuer is an intermediate, give its certificate along with this one")
    assert why(pki.server(issuer=pki.root("Elsewhere"))).startswith(
        "issuer CN=Elsewhere is not trusted by this host; no chain came with it")


def test_a_forgotten_intermediate(host):
    assert why(Corp.web) == (
        "issuer CN=Corp Issuing CA 1 is not trusted by this host; no chain came with it: if that issuer is an "
        "intermediate, give its certificate along with this one")
    assert "no chain came with it" in why(Corp.web, chain_content=Corp.web.pem)


def test_an_intermediate_whose_root_is_unknown(host):
    trust = write(host / "other.pem", pki.root("Corp Root C1"))
    assert why(Corp.web, Corp.issuing, trust=trust) == (
        "CN=Corp Issuing CA 1, sent in the chain, was issued by CN=Corp Root CA, which is not among the anchors in %s; "
        "anchors with a near name: CN=Corp Root C1" % trust)


def test_an_untrusted_root_that_was_sent(host):
    trust = write(host / "other.pem", pki.root("Different"))
    assert why(Corp.web, Corp.issuing, Corp.root, trust=trust) == (
        "the root it chains to, CN=Corp Root CA, sent in the chain, is not an anchor of %s" % trust)
    stranger = pki.root("Stranger")
    assert why(pki.server(issuer=stranger), stranger) == (
        "the root it chains to, CN=Stranger, sent in the chain, is not an anchor of this host")


def test_a_self_signed_certificate(host):
    web = pki.server()
    assert why(web) == "is self-signed and not trusted by this host"
    result, _message = verify({"content": web.pem}, trust=write(host / "self.pem", web))
    assert result["verified"]
    assert sources(result) == [("CN=web1.example.com", "trust")]


def test_an_anchor_of_the_same_name_with_another_key(host):
    renewed = pki.root("Corp Root CA")
    found = why(pki.server(issuer=renewed))
    assert found.startswith("issuer CN=Corp Root CA is not trusted by this host; the anchor of that name has another "
                            "key (SHA-256 %s..., valid 20" % Corp.root.fingerprint[:16]), found
    found = why(pki.server(issuer=renewed), renewed)
    assert "CN=Corp Root CA, sent in the chain, is not an anchor of this host; the anchor of that name has" in found


def test_the_store_is_empty(host, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nosuch")
    assert "is not trusted by this host; the store has no anchors at all" in why(Corp.web, Corp.issuing)


def test_an_intermediate_as_the_only_anchor(host):
    result, message = verify({"content": Corp.web.pem}, trust=write(host / "issuing.pem", Corp.issuing))
    assert result["reasons"] == [
        "the chain ends at the anchor CN=Corp Issuing CA 1, whose issuer CN=Corp Root CA is no anchor: this host's "
        "OpenSSL refuses such a chain; curl, GnuTLS, Go and Python 3.13 accept it"]
    assert sources(result) == [("CN=web1.example.com", "certificate"), ("CN=Corp Issuing CA 1", "trust")]
    assert message.startswith("certificates[0] (CN=web1.example.com): the chain ends at")


def test_an_intermediate_that_only_this_host_has(host):
    trust = write(host / "both.pem", Corp.root, Corp.issuing)
    result, _message = verify({"content": Corp.web.pem}, trust=trust)
    assert result["verified"]
    assert result["warnings"] == ["CN=Corp Issuing CA 1 is known here as an anchor and was not sent along: hosts that "
                                  "trust only its root refuse this chain"]
    assert [link["source"] for link in result["chain"]] == ["certificate", "trust", "trust"]
    assert not verify({"content": Corp.web.pem + Corp.issuing.pem}, trust=trust)[0]["warnings"]


# --- chains ---


def test_names_are_compared_as_rfc_5280_says(host):
    """An issuer may be written with other capitals, other blanks and another type of string than its subject."""
    root = pki.root([("CN", u"Corp  ROOT ca"), ("O", u"Corp")])
    twin = pki.issue([("CN", u"corp root CA"), ("O", u"corp")], ca=True, key=root.key)
    web = pki.server(issuer=twin)
    result, message = verify({"content": web.pem}, trust=write(host / "root.pem", root))
    assert result["verified"], message
    assert result["chain"][1]["fingerprint_sha256"] == root.fingerprint


def test_a_cross_signed_chain_takes_the_anchor_that_is_there(host):
    """The intermediate is signed by a new root too; the host knows the old one."""
    new = pki.root("New Root")
    crossed = pki.root("Corp Root CA", issuer=new, key=Corp.root.key)
    result, message = verify({"content": Corp.web.pem + Corp.issuing.pem + crossed.pem + new.pem})
    assert result["verified"], message
    assert sources(result)[-1] == ("CN=Corp Root CA", "trust")
    result, message = verify({"content": Corp.web.pem + Corp.issuing.pem + crossed.pem},
                             trust=write(host / "new.pem", new))
    assert result["verified"], message
    assert [subject for subject, _source in sources(result)][2:] == ["CN=Corp Root CA", "CN=New Root"]


def test_the_valid_one_of_two_twins_is_in_the_chain(host):
    old = pki.root("Corp Issuing CA 1", issuer=Corp.root, key=Corp.issuing.key, days=(-9, -3))
    result, message = verify({"content": Corp.web.pem + old.pem + Corp.issuing.pem})
    assert result["verified"], message
    assert result["chain"][1]["fingerprint_sha256"] == Corp.issuing.fingerprint


def test_a_loop_of_issuers_ends(host):
    one, two = pki.new_key(), pki.new_key()
    a = pki.issue("A", ca=True, key=one)
    b = pki.issue("B", issuer=a, ca=True, key=two)
    a_by_b = pki.issue("A", issuer=b, ca=True, key=one)
    result, message = verify({"content": pki.server(issuer=a_by_b).pem + a_by_b.pem + b.pem})
    assert "is not trusted by this host" in message
    assert [subject for subject, _source in sources(result)] == ["CN=web1.example.com", "CN=A", "CN=B"]


def test_of_two_anchors_of_one_name_that_with_the_right_key_is_in_the_chain(host):
    twins = [pki.root("Twin"), pki.root("Twin")]
    trust = write(host / "twins.pem", *twins)
    for twin in twins:
        result, message = verify({"content": pki.server(issuer=twin).pem}, trust=trust)
        assert result["verified"], message
        assert result["chain"][1]["fingerprint_sha256"] == twin.fingerprint


def test_many_certificates_end_soon(host):
    pairs = [pki.root("Corp Issuing CA 1", issuer=Corp.root, key=Corp.issuing.key) for _number in range(150)]
    begin = time.time()
    assert not why(Corp.web, *pairs)
    assert time.time() - begin < 10
