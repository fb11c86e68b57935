# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against what is verified: the host's default trust, or a file or directory that is named."""
import subprocess

import pki
import pytest
import raw_pki
from verifying import Corp, sources, verify, why, write

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification


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
    with pytest.raises(Failure, match="no certificates under hashed names: run 'openssl rehash"):
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


@pytest.mark.parametrize("content, sentence", [
    (None, "there is no such file"), (u"", "there is no PEM certificate in it"),
    (u"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "there is no PEM certificate in it"),
])
def test_trust_that_can_not_be_used(host, content, sentence):
    path = host / "trust.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Failure, match="the trust in %s can't be used: %s" % (path, sentence)):
        verification.verify([{"content": Corp.web.pem}], trust=str(path))


def test_trust_that_is_empty_is_not_that_of_the_host(host):
    """As of a variable that is not set: what the host trusts would be more than was meant."""
    with pytest.raises(Failure, match="'trust' is empty"):
        verification.verify([{"content": Corp.web.pem + Corp.issuing.pem}], trust="")


def test_trust_that_openssl_does_not_load_is_said_first(host, monkeypatch):
    """One certificate at fault, and OpenSSL has no anchor at all: it must not blame the CA, which is fine."""
    bad = raw_pki.latin1_root()
    path = host / "cert.pem"
    path.write_text(path.read_text() + bad.pem)
    expected = (
        u"this host's OpenSSL loads no certificate of %s, so every TLS connection that relies on it fails: certificate "
        u"3 of 3, CN=Mueller Root CA,O=#0c0b4dfc6c6c657220476d6248 (SHA-256 %s), is at fault: subject O=\"M\u00fcller "
        u"GmbH\" is not valid UTF-8 (byte 0xFC at position 2 of a UTF8String)" % (path, bad.fingerprint))
    hint = "; what the file is made from, and which file to remove, ca_trust_info says"
    assert why(Corp.web, Corp.issuing) == expected + hint
    assert why(Corp.web, Corp.issuing, trust=str(path)) == expected
    asked, whole = [], verification.openssl_loads.confirmed
    monkeypatch.setattr(verification.openssl_loads, "confirmed", lambda *given: asked.append(given) or whole(*given))
    chain = "".join(pair.pem for pair in (Corp.web, Corp.issuing))
    short = verification.verify([{"content": chain, "min_remaining": "9000d"}, {"content": chain}])
    assert [one["reasons"][0] for one in short["results"]] == [expected + hint] * 2 and len(asked) == 1, "once a run"
    assert [len(one["reasons"]) > 1 for one in short["results"]] == [True, False], "what is wrong with one alone"
    path.write_text(path.read_text().replace(bad.pem, ""))
    result, message = verify({"content": Corp.web.pem + Corp.issuing.pem})
    assert result["verified"], message
