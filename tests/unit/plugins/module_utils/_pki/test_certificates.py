# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates read with what they say, compared with what is wanted, and whoever signed them told from others."""

import pki
import pytest
from certificate_options import assert_clear
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import certificates, keys
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

CA = pki.root("Corp Root")
WEB = pki.server("web1", CA, ips=["192.0.2.1"])


def read(pair):
    return certificates.read_first(pair.pem.encode())


def test_what_it_says():
    found = read(WEB)
    key_id = certificates.pkcs10.key_identifier
    assert found.facts == {
        "subject": ["CN=web1"], "issuer": ["CN=Corp Root"], "subject_alt_name": ["DNS:web1", "IP:192.0.2.1"],
        "basic_constraints": ["CA:FALSE"], "key_usage": ["digitalSignature"], "extended_key_usage": ["serverAuth"],
        "key_type": "EC P-256", "digest": "sha256", "public_key": keys.fingerprint(WEB.key.public_key()),
        "subject_key_identifier": key_id(WEB.key.public_key()), "authority_key_identifier": key_id(CA.key.public_key()),
        "critical": ["basic_constraints", "key_usage"]}
    assert certificates.label(found) == "CN=web1 (SHA-256 %s)" % WEB.fingerprint
    shown = certificates.shown(found)
    assert "serial: %x\n" % WEB.certificate.serial_number in shown and "not_after: 20" in shown
    assert certificates.shown(None) == ""


def test_all_of_a_file_and_the_first():
    data = (WEB.key_pem() + WEB.pem + CA.pem).encode()
    assert [one.plain.fingerprint for one in certificates.read(data)] == [WEB.fingerprint, CA.fingerprint]
    assert certificates.read_first(data).plain.fingerprint == WEB.fingerprint
    assert certificates.to_pem(certificates.read(data)) == WEB.pem + CA.pem


def test_one_that_is_malformed_is_named():
    der = bytearray(WEB.der)
    position = bytes(der).index(bytes(bytearray([0x55, 0x1d, 0x13, 0x01])))  # basic constraints, critical
    der[position + 8] = 0x31
    with pytest.raises(pem.CertificateFileError, match="CN=web1 is malformed: ") as error:
        certificates.read(bytes(der))
    assert_clear(error.value)


@given(st.integers(0, len(WEB.der) - 1), st.integers(1, 255))
def test_whatever_byte_is_changed_it_is_a_certificate_or_a_sentence(position, change):
    der = bytearray(WEB.der)
    der[position] ^= change
    try:
        certificates.is_signed_by(certificates.read_first(bytes(der)), CA.key.public_key())
    except pem.CertificateFileError as error:
        assert_clear(error)


@pytest.mark.parametrize("kind", ["ec", "p384", "rsa", "ed25519"])
def test_who_signed_it(kind):
    root = pki.root("Corp Root", key_type=kind)
    found = read(pki.server("web1", root))
    assert certificates.is_signed_by(found, root.key.public_key())
    assert not certificates.is_signed_by(found, CA.key.public_key())
    assert not certificates.is_signed_by(found, pki.new_key("ed25519").public_key())


def wanted(issuer=CA, public_key=None, digest=None, **changed):
    facts = {name: value for name, value in read(WEB).facts.items() if name not in (
        "issuer", "key_type", "public_key", "digest", "subject_key_identifier", "authority_key_identifier")}
    made = certificates.issuer_of(read(issuer), issuer.key)
    return certificates.wanted(dict(facts, **changed), public_key or WEB.key.public_key(), made, digest), made


@pytest.mark.parametrize("changed, reasons", [
    ({}, []),
    ({"subject": ["CN=b"]}, ["subject: CN=b instead of CN=web1"]),
    ({"digest": "sha512"}, ["digest: sha512 instead of sha256"]),
    ({"issuer": pki.root("Other")}, ["issuer: CN=Other instead of CN=Corp Root"]),
    ({"issuer": pki.root("Corp Root")}, ["issuer: CN=Corp Root has another key now"]),
    ({"issuer": pki.root("Corp Root", key=CA.key, serial=7)}, []),
    ({"public_key": pki.new_key().public_key()}, ["the key is another one"]),
    ({"public_key": pki.new_key("ed25519").public_key()}, ["the key is another one",
                                                           "key_type: Ed25519 instead of EC P-256"]),
    ({"critical": []}, ["basic_constraints is no longer critical", "key_usage is no longer critical"]),
])
def test_each_drift_has_its_reason(changed, reasons):
    assert certificates.deviations(read(WEB), *wanted(**changed)) == reasons


def test_an_identifier_of_the_issuer_s_key_that_is_another_one():
    bare = pki.server("web1", CA, key=WEB.key, ips=["192.0.2.1"], identifiers=False)
    want, issuer = wanted()
    key_id = want["authority_key_identifier"]
    assert certificates.deviations(read(bare), want, issuer) == [
        "subject_key_identifier: %s instead of none" % want["subject_key_identifier"],
        "authority_key_identifier: %s instead of none" % key_id]


def test_an_issuer_s_identifier_is_the_one_it_has():
    assert certificates.issuer_of(read(CA)).key_identifier == read(CA).facts["subject_key_identifier"]
    want, issuer = wanted()
    span = pki_validity.Validity(pki_validity.Moment(0, True), pki_validity.Moment(86400, True))
    own = certificates.issue(dict(want, subject_key_identifier="0a" * 20), WEB.key.public_key(), issuer, span)
    assert certificates.issuer_of(own).key_identifier == "0a" * 20
    bare = pki.root("Plain", identifiers=False)
    assert certificates.issuer_of(read(bare)).key_identifier == certificates.pkcs10.key_identifier(
        bare.key.public_key())
    assert certificates.issuer_of(read(CA)).key is None
