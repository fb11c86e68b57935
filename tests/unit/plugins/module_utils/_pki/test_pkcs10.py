# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests: built, read and compared; and whatever is none is said to be none."""
import subprocess

import pki
import pytest
from certificate_options import assert_clear, openssl
from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import fields, keys, pkcs10

KEYS = {kind: keys.generate(kind) for kind in keys.TYPES if not kind.startswith("RSA")}
EC = KEYS["EC P-256"]
FACTS = {"subject": ["O=Corp", u"CN=web\u00e9"], "subject_alt_name": ["DNS:web1", "IP:192.0.2.1"],
         "key_usage": ["digitalSignature"], "critical": ["key_usage"], "subject_key_identifier": True}


def make(key=EC, digest=None, **facts):
    return pkcs10.build(pkcs10.wanted(dict(FACTS, **facts), key, digest), key)


def der_of(request):
    return x509.load_pem_x509_csr(request.pem, keys.default_backend()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_what_is_wanted_is_what_is_read(tmp_path, kind):
    wanted = pkcs10.wanted(FACTS, KEYS[kind])
    request = pkcs10.build(wanted, KEYS[kind])
    assert request.signed and request.facts == wanted == pkcs10.read(request.pem).facts
    assert wanted["key_type"] == kind
    assert len(wanted["subject_key_identifier"]) == 40
    (tmp_path / "web.csr").write_bytes(request.pem)
    assert "verify OK" in openssl("req", "-verify", "-noout", "-in", str(tmp_path / "web.csr"))


def test_the_digest_that_is_asked_for():
    assert make(digest="sha512").facts["digest"] == "sha512"
    assert make(KEYS["Ed25519"], digest="sha512").facts["digest"] is None


def test_forms():
    request = make()
    der = der_of(request)
    new = request.pem.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")
    certificate = pki.root().pem.encode()
    for content in (request.pem, der, new, b"text\n" + request.pem, certificate + request.pem,
                    request.pem + make().pem):
        assert pkcs10.read(content).facts == request.facts


def test_a_changed_signature_is_seen():
    der = bytearray(der_of(make()))
    der[-1] ^= 1
    assert not pkcs10.read(bytes(der)).signed
    inside = bytearray(der_of(make()))
    position = bytes(inside).index(b"Corp")
    inside[position] ^= 2
    assert not pkcs10.read(bytes(inside)).signed


@pytest.mark.parametrize("content, sentence", [
    (b"", "there is no certificate signing request in it: it is empty"),
    (b" \n", "there is no certificate signing request in it: it is empty"),
    (b"hello", "there is no certificate signing request in it"),
    (pki.root().pem.encode(), "there is no certificate signing request in it, but: CERTIFICATE"),
    (keys.dump(EC), "there is no certificate signing request in it, but: PRIVATE KEY"),
    (pki.root().der, "it can't be read as a certificate signing request: "),
    (make().pem[:200], "a PEM block in it has no end line of its own: is the file truncated?"),
    (make().pem.replace(b"\nM", b"\n*"), "a PEM block in it (CERTIFICATE REQUEST) is not valid base64"),
    (der_of(make())[:-9], "it can't be read as a certificate signing request: "),
])
def test_what_is_no_request(content, sentence):
    with pytest.raises(pkcs10.RequestError) as error:
        pkcs10.read(content)
    assert assert_clear(error.value, keys.dump(EC).decode()).startswith(sentence)


def test_a_version_that_there_is_not():
    der = der_of(make())
    position = der.index(b"\x02\x01\x00")
    try:  # old versions of cryptography read it; its signature is wrong then
        assert not pkcs10.read(der[:position + 2] + b"\x03" + der[position + 3:]).signed
    except pkcs10.RequestError as error:
        assert "version" in assert_clear(error)


DER = der_of(make())
# How many bits of the signature are unused: OpenSSL takes another number if those bits are 0 anyway.
UNUSED_BITS = len(DER) - len(x509.load_der_x509_csr(DER, default_backend()).signature) - 1


@given(st.integers(0, len(DER) - 1).filter(lambda position: position != UNUSED_BITS), st.integers(1, 255))
def test_whatever_byte_is_changed_it_is_a_wrong_signature_or_a_sentence(position, change):
    der = bytearray(DER)
    der[position] ^= change
    try:
        assert not pkcs10.read(bytes(der)).signed
    except pkcs10.RequestError as error:
        assert assert_clear(error)


def test_what_can_not_be_made_is_a_sentence():
    for facts in ({"subject_alt_name": ["RID:1.50.1"]}, {"extended_key_usage": ["1.50.1"]},
                  {"subject_alt_name": ["dirName:CN=x"]}, {"subject": [u"CN=\ud800"]}):
        with pytest.raises(fields.OptionError, match="can't (make|be made)") as error:
            make(**facts)
        assert_clear(error.value)


def test_what_openssl_makes_is_read(tmp_path):
    path = str(tmp_path / "web.csr")
    subprocess.check_call([
        "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha512", "-nodes",
        "-keyout",
        str(tmp_path / "web.key"), "-subj", "/C=DE/O=Corp/CN=web1", "-addext", "subjectAltName=DNS:Web1,IP:192.0.2.1",
        "-addext", "keyUsage=critical,digitalSignature", "-out", path], stderr=subprocess.DEVNULL)
    request = pkcs10.read(open(path, "rb").read())
    assert request.signed
    facts = dict(request.facts)
    assert facts.pop("public_key") == keys.fingerprint(keys.load(str(tmp_path / "web.key")).public_key())
    assert facts == {"subject": ["C=DE", "O=Corp", "CN=web1"], "subject_alt_name": ["DNS:web1", "IP:192.0.2.1"],
                     "key_usage": ["digitalSignature"], "critical": ["key_usage"], "key_type": "EC P-384",
                     "digest": "sha512"}


def test_present_and_why(tmp_path):
    path = str(tmp_path / "web.csr")
    want = pkcs10.wanted(FACTS, EC)
    assert pkcs10.why(path, pkcs10.present(path), want, False) == ["there is no request yet"]
    (tmp_path / "web.csr").write_bytes(b"something")
    assert pkcs10.why(path, pkcs10.present(path), want, False) == ["there is something else at " + path]
    (tmp_path / "web.csr").write_bytes(make().pem)
    before = pkcs10.present(path)
    assert pkcs10.why(path, before, want, False) == []
    assert pkcs10.why(path, before, want, True) == ["force"]
    other = pkcs10.wanted(dict(FACTS, subject=["CN=b"], subject_key_identifier=None), KEYS["Ed25519"])
    assert pkcs10.why(path, before, other, True)[0] == "the request is for another key"
    assert pkcs10.why(path, before._replace(signed=False), want, True) == ["the request's signature is wrong"]
