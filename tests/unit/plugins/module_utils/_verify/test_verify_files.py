# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files hold that are named: nothing of use, a key, certificates in the wrong order."""
import pki
import pytest
from verifying import Corp, verify, why, write

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


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
        outcome = str(verification.verify([{"content": content, "privatekey_path": write(host / "k", content)}]))
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
    assert why(Corp.web, privatekey_path="/a").endswith("the private key /a can't be used: " + sentence)
    with pytest.raises(Failure, match="the trust in /a can't be used: it can't be read: Permission denied; "
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


@pytest.mark.parametrize("empty", [{"path": ""}, {"src": ""}, {"content": ""}])
def test_a_revocation_list_that_is_empty(host, empty):
    """As of a variable that is not set."""
    given = dict({"path": None, "src": None, "content": None}, **empty)
    with pytest.raises(Failure, match=r"crls\[0\] is empty: take it off, or give it a src"):
        verification.verify([{"content": Corp.web.pem}], crls=[given])
