# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real certificates, judged by this machine's openssl; each sentence that a user can meet is met here."""
import os
import pathlib
import subprocess
import time

import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _openssl as openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _pem as pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _places as places
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _verification as verification

DAY = 86400
NOW = int(time.time())


class Corp:
    """The certificates that most tests start from."""

    root = pki.root("Corp Root CA")
    issuing = pki.root("Corp Issuing CA 1", issuer=root)
    web = pki.server("web1.example.com", issuing, ips=["192.0.2.1", "2001:db8::1"])


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host that trusts Corp Root CA and something else, as its default trust."""
    (tmp_path / "cert.pem").write_text(u"# the anchors\n" + pki.root("Unrelated").pem + Corp.root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "certs"))
    return tmp_path


def write(path, *pairs):
    path.write_text(u"".join(getattr(pair, "pem", pair) for pair in pairs))
    return str(path)


def verify(item, **options):
    """(the result of one certificate, the message)."""
    outcome = verification.verify([item], **options)
    assert outcome["verified"] is outcome["results"][0]["verified"]
    return outcome["results"][0], outcome["msg"]


def why(*pairs, **options):
    """The reasons against a certificate that is given with its chain, leaf first, as a string."""
    trust, purpose = options.pop("trust", None), options.pop("purpose", "server")
    item = dict(options, content="".join(pair.pem for pair in pairs))
    return "; ".join(verify(item, trust=trust, purpose=purpose)[0]["reasons"])


def sources(result):
    return [(link["subject"], link["source"]) for link in result["chain"]]


# --- what verifies ---

def test_names_without_a_folder_are_where_the_system_keeps_them(host, monkeypatch):
    monkeypatch.setattr(places, "SYSTEM", (str(host / "none"), str(host)))
    for folder in ("certs", "private"):
        (host / folder).mkdir()
    write(host / "certs" / "web1.crt", Corp.web)
    write(host / "certs" / "web1-chain.pem", Corp.issuing)
    write(host / "private" / "web1.key", Corp.web.key_pem())
    result, _message = verify({"path": "web1.crt", "chain": ["web1-chain.pem"], "private_key": "web1.key"})
    assert result["path"] == str(host / "certs" / "web1.crt") and result["name"].startswith(result["path"])
    assert result["reasons"] == [] and result["private_key_matches"] is True


def test_a_full_chain_file_verifies(host):
    path = write(host / "web1.crt", Corp.web, Corp.issuing)
    result, message = verify({"path": path, "hostnames": ["web1.example.com"], "ips": ["192.0.2.1"]})
    assert message == "1 certificate verified against what this host trusts"
    expected = {
        "path": path, "name": path + " (CN=web1.example.com)", "verified": True, "reasons": [], "warnings": [],
        "subject": "CN=web1.example.com", "issuer": "CN=Corp Issuing CA 1", "purpose": "server", "key_type": "EC P-256",
        "fingerprint_sha256": Corp.web.fingerprint, "serial": "%x" % Corp.web.certificate.serial_number,
        "dns_names": ["web1.example.com"], "ip_addresses": ["192.0.2.1", "2001:db8::1"],
        "private_key_matches": None,
        "chain": [
            {"subject": "CN=web1.example.com", "source": "certificate", "fingerprint_sha256": Corp.web.fingerprint},
            {"subject": "CN=Corp Issuing CA 1", "source": "chain", "fingerprint_sha256": Corp.issuing.fingerprint},
            {"subject": "CN=Corp Root CA", "source": "trust", "fingerprint_sha256": Corp.root.fingerprint}],
    }
    assert {key: result[key] for key in expected} == expected
    assert result["openssl"]["output"].startswith("web1.crt: OK\n")
    assert result["openssl"]["return_code"] == 0
    assert result["openssl"]["command"].endswith(
        "openssl verify -show_chain -purpose sslserver -untrusted untrusted.pem web1.crt")
    assert result["openssl"]["version"].startswith("OpenSSL ")


def der(path, pair):
    path.write_bytes(pair.der)
    return str(path)


def p7b(path, form, *pairs):
    """A PKCS#7 bundle, its certificates in the order in which DER sorts them."""
    files = [option for number, pair in enumerate(pairs)
             for option in ("-certfile", write(path.parent / ("p7b%d.pem" % number), pair))]
    subprocess.check_call(["openssl", "crl2pkcs7", "-nocrl", "-outform", form, "-out", str(path)] + files)
    return str(path)


def test_all_the_ways_to_give_a_chain(host):
    leaf, chain = write(host / "leaf.pem", Corp.web), write(host / "chain.pem", Corp.issuing)
    dashed = write(host / "-leaf with blanks.pem", Corp.web)
    for item in [
        {"path": leaf, "chain": [chain]},
        {"path": leaf, "chain_content": Corp.issuing.pem},
        {"path": leaf, "chain": [write(host / "full.pem", Corp.web, Corp.issuing, Corp.root)]},
        {"path": leaf, "chain": [der(host / "chain.der", Corp.issuing)]},
        {"path": der(host / "leaf.der", Corp.web), "chain": [chain, chain]},
        {"path": dashed, "chain": [chain]},
        {"path": p7b(host / "a.p7b", "DER", Corp.root, Corp.issuing, Corp.web)},
        {"path": p7b(host / "b.p7b", "PEM", Corp.issuing, Corp.root, Corp.web)},
        {"content": Corp.web.pem + Corp.issuing.pem},
        {"content": Corp.web.key_pem() + Corp.web.pem + Corp.issuing.pem},
        {"path": write(host / "untrusted.pem", Corp.web, Corp.issuing)},
    ]:
        result, message = verify(item)
        assert result["verified"], message
        assert result["fingerprint_sha256"] == Corp.web.fingerprint
        assert [source for _subject, source in sources(result)] == ["certificate", "chain", "trust"]


def test_given_trust_counts_instead_of_the_host_s(host):
    other = pki.root("Other Root")
    web = pki.server(issuer=other)
    trust = write(host / "other.pem", other)
    outcome = verification.verify([{"content": web.pem}], trust=trust)
    assert outcome["verified"]
    assert outcome["trust"] == {"file": trust, "directory": None, "anchors": 1}
    assert outcome["msg"] == "1 certificate verified against " + trust
    assert "CN=Other Root is not trusted by this host" in why(web)
    assert "is not among the anchors in %s" % trust in why(Corp.web, Corp.issuing, trust=trust)


def test_trust_in_a_hashed_directory(host):
    directory = host / "hashed"
    directory.mkdir()
    write(directory / "root.pem", Corp.root)
    item = {"content": Corp.web.pem, "chain_content": Corp.issuing.pem}
    with pytest.raises(verification.Unable, match="no certificates under hashed names: run 'openssl rehash"):
        verification.verify([item], trust=str(directory))
    subprocess.check_call(["openssl", "rehash", str(directory)])
    result, message = verify(item, trust=str(directory))
    assert result["verified"], message
    assert sources(result)[-1] == ("CN=Corp Root CA", "trust")


def test_the_default_s_directory_counts_too(host, monkeypatch):
    (host / "certs").mkdir()
    write(host / "certs" / "root.pem", Corp.root)
    subprocess.check_call(["openssl", "rehash", str(host / "certs")])
    monkeypatch.setenv("SSL_CERT_FILE", "/nosuch")
    (host / "certs" / "00000000.0").symlink_to("/nosuch")
    outcome = verification.verify([{"content": Corp.web.pem + Corp.issuing.pem}])
    assert outcome["verified"]
    assert outcome["trust"] == {"file": "/nosuch", "directory": str(host / "certs"), "anchors": 1}
    assert outcome["results"][0]["chain"][-1]["fingerprint_sha256"] == Corp.root.fingerprint


def test_anchors_with_trust_settings_are_found(host):
    plain = write(host / "plain.pem", Corp.root)
    subprocess.check_call(["openssl", "x509", "-in", plain, "-trustout", "-addtrust", "serverAuth",
                           "-out", str(host / "trusted.pem")])
    assert "TRUSTED" in (host / "trusted.pem").read_text()
    result, message = verify({"content": Corp.web.pem + Corp.issuing.pem}, trust=str(host / "trusted.pem"))
    assert result["verified"], message
    assert result["chain"][-1]["fingerprint_sha256"] == Corp.root.fingerprint


@pytest.mark.parametrize("setting", [["-addreject", "serverAuth"], ["-addtrust", "clientAuth"]])
def test_anchors_that_are_none_for_this_purpose(host, setting):
    trust = str(host / "trusted.pem")
    subprocess.check_call(["openssl", "x509", "-in", write(host / "plain.pem", Corp.root), "-trustout", "-out", trust]
                          + setting)
    assert why(Corp.web, Corp.issuing, trust=trust) == (
        "CN=Corp Root CA, an anchor of %s, is not to be trusted for this purpose, say the store's trust settings"
        % trust)


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


# --- time ---

def test_expired_and_not_yet_valid(host):
    found = why(pki.server(issuer=Corp.issuing, days=(-10, -3)), Corp.issuing)
    assert found.startswith("expired 3 days ago (20") and found.endswith("Z)") and ";" not in found, found
    found = why(pki.server(issuer=Corp.issuing, days=(3.5, 9)), Corp.issuing)
    assert found.startswith("is not yet valid, begins in 3 days (20") and ";" not in found, found


def test_expiry_is_told_beside_what_openssl_stops_at(host):
    found = why(pki.server(issuer=pki.root("Elsewhere"), days=(-10, -3)))
    assert "CN=Elsewhere is not trusted by this host" in found and "; expired 3 days ago" in found


def test_an_expired_certificate_of_the_chain(host):
    old = pki.root("Old Issuing", issuer=Corp.root, days=(-10, -3))
    assert why(pki.server(issuer=old), old).startswith("CN=Old Issuing, sent in the chain, expired 3 days ago (")
    gone = pki.root("Old Root", days=(-10, -3))
    trust = write(host / "gone.pem", gone)
    assert why(pki.server(issuer=gone), trust=trust).startswith(
        "CN=Old Root, an anchor of %s, expired 3 days ago (" % trust)


def test_min_remaining_of_the_certificate_and_of_its_chain(host):
    short = pki.server(issuer=Corp.issuing, days=(-1, 5.5))
    assert why(short, Corp.issuing).startswith("") and not why(short, Corp.issuing)
    assert not why(short, Corp.issuing, min_remaining="5d")
    found = why(short, Corp.issuing, min_remaining="30d")
    assert found.startswith("expires in 5 days (") and found.endswith("sooner than min_remaining=30d allows")
    ending = pki.root("Ending CA", issuer=Corp.root, days=(-1, 5.5))
    assert why(pki.server(issuer=ending), ending, min_remaining="30d").startswith(
        "CN=Ending CA, sent in the chain, expires in 5 days (")


def test_min_remaining_is_the_task_s_unless_the_certificate_says_so(host):
    short = pki.server(issuer=Corp.root, days=(-1, 5.5))
    for given, verified in [(None, False), ("1d", True)]:
        assert verify({"content": short.pem, "min_remaining": given}, min_remaining="30d")[0]["verified"] is verified
    assert verify({"content": short.pem})[0]["remaining_days"] == 5
    assert verify({"content": short.pem}, now=NOW + 7 * DAY)[0]["remaining_days"] == -2


def test_a_min_remaining_that_is_no_time(host):
    with pytest.raises(verification.Unable, match=r"certificates\[0\]: min_remaining: 'soon' is no span of time"):
        verification.verify([{"content": Corp.web.pem, "min_remaining": "soon"}])


# --- purposes ---

def test_a_purpose_that_the_extended_key_usage_does_not_have(host):
    client = pki.server("c1", Corp.root, purposes=["client"])
    assert why(client) == "is not for servers: its extended key usage is clientAuth, without serverAuth"
    assert why(client, purpose="email") == (
        "is not for email: its extended key usage is clientAuth, without emailProtection")
    assert not why(client, purpose="client") and not why(client, purpose="any")
    both = pki.server("c2", Corp.root, purposes=["server", "email"])
    assert not why(both, purpose="email")
    assert why(both, purpose="client") == (
        "is not for clients: its extended key usage is serverAuth, emailProtection, without clientAuth")


def test_the_purpose_of_one_certificate(host):
    client = pki.server("c1", Corp.root, purposes=["client"])
    assert not why(client, purpose="client")
    assert verify({"content": client.pem, "purpose": "client"}, purpose="server")[0]["verified"]


def test_a_ca_as_a_server(host):
    assert why(Corp.issuing) == "is not for servers: its key usage is only keyCertSign, cRLSign"


def test_an_intermediate_for_another_purpose(host):
    mail = pki.root("Mail CA", issuer=Corp.root, purposes=["email"])
    assert why(pki.server(issuer=mail), mail) == (
        "CN=Mail CA, sent in the chain, is not for servers: its extended key usage is emailProtection, without "
        "serverAuth")


def test_a_ca(host):
    assert not why(Corp.issuing, purpose="ca")
    assert not why(Corp.root, purpose="ca")
    assert why(Corp.web, Corp.issuing, purpose="ca") == (
        "is not a CA: its basicConstraints do not say CA; may not sign certificates: its key usage lacks keyCertSign")
    assert not why(pki.root("No usage", issuer=Corp.root, key_usage=False), purpose="ca")
    bare = pki.issue("Bare", issuer=Corp.root, basic_constraints=False, key_usage=False)
    assert why(bare, purpose="ca") == "is not a CA: its basicConstraints do not say CA"


def test_a_ca_below_one_that_allows_none(host):
    last = pki.root("Last CA", issuer=Corp.root, path_length=0)
    below = pki.root("Below", issuer=last)
    assert not why(last, purpose="ca")
    assert why(below, last, purpose="ca") == "CN=Last CA allows no CA below it: what this CA issues will be refused"
    assert "CN=Last CA, sent in the chain, allows fewer CAs below it than this chain has" in why(
        pki.server(issuer=below), below, last)
    one = pki.root("One CA", issuer=Corp.root, path_length=1)
    two = pki.root("Two CA", issuer=one)
    assert not why(two, one, purpose="ca")
    assert "CN=One CA allows only 1 CA below it" in why(pki.root("Three CA", issuer=two), two, one, purpose="ca")


def test_an_issuer_that_is_no_ca(host):
    impostor = pki.server("impostor", Corp.root)
    assert why(pki.server(issuer=impostor), impostor) == (
        "CN=impostor, sent in the chain, issued a certificate and is not a CA (its basicConstraints do not say CA)")


def test_an_issuer_that_may_not_sign(host):
    no_sign = pki.issue("No Sign CA", issuer=Corp.root, ca=True, key_usage=["digital_signature"])
    assert why(pki.server(issuer=no_sign), no_sign) == (
        "CN=No Sign CA, sent in the chain, issued a certificate, and its key usage lacks keyCertSign")


# --- signatures and damage ---

def test_a_signature_by_somebody_else(host):
    impostor = pki.issue("Corp Root CA", ca=True, identifiers=False)
    forged = pki.server(issuer=impostor, identifiers=False)
    assert why(forged) == (
        "has a signature that was not made with the key of CN=Corp Root CA (another CA of that name, or a damaged "
        "file)")


def test_a_small_key_is_warned_of(host):
    result, _message = verify({"content": pki.server(issuer=Corp.root, key_type="rsa1024").pem})
    assert "has an RSA key of 1024 bits, which TLS clients refuse" in result["warnings"]


def test_a_malformed_extension(host):
    text = Corp.web.pem
    data = pem.decode(next(pem.any_blocks(text.encode("ascii"))))
    broken = data.replace(b"\x06\x03\x55\x1d\x11\x04", b"\x06\x03\x55\x1d\x11\x04"[:5] + b"\x04", 1)
    position = broken.index(b"\x06\x03\x55\x1d\x11") + 7
    broken = broken[:position] + b"\x31" + broken[position + 1:]
    assert "it or a certificate of its chain is malformed: " in "; ".join(
        verify({"content": pem.to_pem(broken)})[0]["reasons"])


# --- names ---

def test_names(host):
    sent = [Corp.web, Corp.issuing]
    assert not why(*sent, hostnames=["WEB1.example.com.", "192.0.2.1"], ips=["2001:0db8::0:1"])
    assert why(*sent, hostnames=["www.example.com"]) == (
        "asked for www.example.com, the certificate is for web1.example.com, 192.0.2.1, 2001:db8::1")
    assert why(pki.server("old.example.com", Corp.root, dns=[]), hostnames=["old.example.com"]) == (
        "asked for old.example.com, the certificate has no subject alternative names; CN=old.example.com is not looked "
        "at (RFC 9525)")


def test_no_names_and_none_asked_for(host):
    nameless = pki.server("old.example.com", Corp.root, dns=[])
    assert verify({"content": nameless.pem})[0]["warnings"] == [
        "has no subject alternative names: no current client accepts it for any name (RFC 9525)"]
    assert not verify({"content": nameless.pem, "hostnames": ["a"]})[0]["warnings"]
    assert not verify({"content": Corp.issuing.pem, "purpose": "ca"})[0]["warnings"]


# --- private keys ---

def key(host, pair, passphrase=None, mode=0o600):
    path = host / "web1.key"
    path.write_text(pair.key_pem(passphrase))
    path.chmod(mode)
    return str(path)


def test_the_private_key_belongs_to_it(host):
    web = pki.server(issuer=Corp.root)
    for passphrase in (None, "secret"):
        result, message = verify({"content": web.pem, "private_key": key(host, web, passphrase),
                                  "private_key_passphrase": passphrase})
        assert result["verified"], message
        assert result["private_key_matches"] is True and not result["warnings"]


def test_the_private_key_in_the_file_of_the_certificate(host):
    path = write(host / "both.pem", Corp.web, Corp.issuing, Corp.web.key_pem())
    os.chmod(path, 0o600)
    assert verify({"path": path, "private_key": path})[0]["private_key_matches"] is True
    assert verify({"path": path})[0]["private_key_matches"] is None


def test_the_private_key_of_another_certificate(host):
    path = key(host, pki.server())
    result, _message = verify({"content": Corp.web.pem + Corp.issuing.pem, "private_key": path})
    assert result["reasons"] == ["the private key %s belongs to another certificate" % path]
    assert result["private_key_matches"] is False


def test_a_private_key_that_can_not_be_used(host):
    web = pki.server(issuer=Corp.root)
    path = key(host, web, "secret")
    begin = "the private key %s can't be used: " % path
    assert why(web, private_key=path) == begin + "it is encrypted and no private_key_passphrase is given"
    assert why(web, private_key=path, private_key_passphrase="wrong") == (
        begin + "it can't be decrypted: private_key_passphrase is wrong, or the file is damaged")
    assert why(web, private_key="/nosuch") == "the private key /nosuch can't be used: there is no such file"
    assert verify({"content": web.pem, "private_key": path})[0]["private_key_matches"] is None


def test_a_private_key_that_everybody_can_read(host):
    web = pki.server(issuer=Corp.root)
    path = key(host, web, mode=0o644)
    result, _message = verify({"content": web.pem, "private_key": path})
    assert result["verified"]
    assert result["warnings"] == ["the private key %s is readable by every user of the host" % path]


def test_an_rsa_pss_certificate_with_its_key_stored_as_plain_rsa(host):
    pss, plain, cert = str(host / "pss.key"), host / "plain.key", str(host / "pss.crt")
    subprocess.check_output(["openssl", "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048",
                             "-out", pss], stderr=subprocess.STDOUT)
    subprocess.check_call(["openssl", "req", "-x509", "-new", "-key", pss, "-subj", "/CN=pss", "-out", cert])
    data = pem.decode(next(pem.any_blocks((host / "pss.key").read_bytes())))
    plain.write_bytes(data[data.index(b"\x30\x82", 20):])  # the RSAPrivateKey within the PKCS#8
    plain.chmod(0o600)
    result, _message = verify({"path": cert, "private_key": pss}, trust=cert)
    assert result["verified"] and result["private_key_matches"] is True
    result, _message = verify({"path": cert, "private_key": str(plain)}, trust=cert)
    assert result["reasons"] == [
        "the private key %s fits by its numbers, but is stored as RSA where the certificate says RSA-PSS: OpenSSL "
        "refuses to use the two together" % plain]
    assert result["private_key_matches"] is False


# --- files ---

def test_files_that_can_not_be_used(host):
    for text, sentence in [
        (u"", "it is empty"), (u"hello", "neither PEM nor DER nor PKCS#7"),
        (Corp.web.pem[:300], "is the file truncated?"), (Corp.web.key_pem(), "no certificate in it, but: PRIVATE KEY"),
    ]:
        path = write(host / "x.pem", text)
        result, message = verify({"path": path})
        assert sentence in message and message.startswith(path + ": ")
        assert result["subject"] is None and result["openssl"] is None and result["chain"] == []
    assert verify({"path": "/nosuch"})[1] == "/nosuch: there is no such file"


def test_no_byte_of_a_key_is_in_a_result(host):
    text = pki.server().key_pem()
    body = "".join(text.splitlines()[1:-1])
    for content in [text, text[:-40], text.replace(body[30], "*"), Corp.web.pem + text.replace("END", "EMD")]:
        outcome = str(verification.verify([{"content": content, "private_key": write(host / "k", content)}]))
        assert not any(body[start:start + 8] in outcome for start in range(len(body) - 8))


def test_a_chain_that_can_not_be_read(host):
    assert why(Corp.web, chain=["/nosuch"]) == "its chain /nosuch can't be used: there is no such file"
    assert why(Corp.web, chain_content="x").startswith("its chain chain_content can't be used: there is no certificate")


def test_no_permission_is_answered_with_become(monkeypatch):
    """Tests may run as root, whom nothing is forbidden."""
    def refused(path):
        raise pem.CertificateFileError("it can't be read: Permission denied")
    monkeypatch.setattr(pem, "read_file", refused)
    sentence = "it can't be read: Permission denied; does the task need 'become'?"
    assert why(Corp.web, chain=["/a"]) == "its chain /a can't be used: " + sentence
    assert verify({"path": "/a"})[1] == "/a: " + sentence
    assert why(Corp.web, private_key="/a").endswith("the private key /a can't be used: " + sentence)
    with pytest.raises(verification.Unable, match="the trust in /a can't be used: it can't be read: Permission denied; "
                                                  "does the task need 'become'"):
        verify({"path": "/a"}, trust="/a")


@pytest.mark.parametrize("order, ca", [("issuing web", "Corp Issuing CA 1"), ("root issuing web", "Corp Root CA"),
                                       ("root web", "Corp Root CA")])
def test_a_ca_before_the_certificate(host, order, ca):
    path = write(host / "x.pem", *[getattr(Corp, name) for name in order.split()])
    result, message = verify({"path": path})
    assert message == "%s (CN=%s): the first certificate in the file is CN=%s, a CA; put the host's own certificate " \
                      "first" % (path, ca, ca)
    assert result["openssl"] is None


def test_an_issuer_before_the_ca(host):
    assert why(Corp.root, Corp.issuing, purpose="ca") == (
        "the first certificate in the file is CN=Corp Root CA, a CA; put the one to be judged first")
    assert not why(Corp.issuing, Corp.root, purpose="ca")


# --- the whole ---

def test_all_are_judged_and_each_has_its_sentence(host):
    items = [{"content": Corp.web.pem}, {"content": Corp.web.pem + Corp.issuing.pem}, {"path": "/nosuch"}]
    outcome = verification.verify(items)
    assert not outcome["verified"]
    assert [result["verified"] for result in outcome["results"]] == [False, True, False]
    first, second = outcome["msg"].splitlines()
    assert first.startswith("certificates[0] (CN=web1.example.com): issuer CN=Corp Issuing CA 1 is not trusted by")
    assert second == "/nosuch: there is no such file"


def test_nothing_to_verify(host):
    with pytest.raises(verification.Unable, match="'certificates' is empty"):
        verification.verify([])


def test_a_host_without_openssl(host, monkeypatch):
    monkeypatch.setenv("PATH", "/nosuch")
    monkeypatch.setattr(openssl, "SYSTEM_PATH", "/nosuch")
    with pytest.raises(verification.Unable, match="install the package 'openssl'") as error:
        verification.verify([{"content": Corp.web.pem}])
    assert error.value.facts == {"missing_packages": ["openssl"]}


@pytest.mark.parametrize("content, sentence", [
    (None, "there is no such file"), (u"", "there is no PEM certificate in it"),
    (u"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "there is no PEM certificate in it"),
])
def test_trust_that_can_not_be_used(host, content, sentence):
    path = host / "trust.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(verification.Unable, match="the trust in %s can't be used: %s" % (path, sentence)):
        verification.verify([{"content": Corp.web.pem}], trust=str(path))


def test_one_process_a_certificate_and_one_more(host, monkeypatch):
    commands, run = [], openssl.run
    monkeypatch.setattr(openssl, "run", lambda command, *rest, **more: commands.append(command[1]) or run(
        command, *rest, **more))
    verification.verify([{"content": Corp.web.pem + Corp.issuing.pem}] * 3)
    assert commands == ["version", "verify", "verify", "verify"]


def test_nothing_is_left_behind_and_no_key_is_written(host, monkeypatch, tmp_path):
    written = []
    real = openssl.verify

    def look(program, trust, purpose, directory, *files):
        written.extend(path.read_text() for path in pathlib.Path(directory).iterdir())
        return real(program, trust, purpose, directory, *files)
    monkeypatch.setattr(openssl, "verify", look)
    (tmp_path / "tmp").mkdir()
    verification.verify([{"content": Corp.web.pem + Corp.issuing.pem + Corp.web.key_pem()}],
                        tmpdir=str(tmp_path / "tmp"))
    assert len(written) == 2 and not any("KEY" in text for text in written)
    assert not os.listdir(str(tmp_path / "tmp"))


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
