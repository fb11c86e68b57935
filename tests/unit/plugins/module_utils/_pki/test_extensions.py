# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions as plain values: as people write them, built, and read again."""
import pki
import pytest
from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import extensions

KEY = pki.new_key()


@pytest.mark.parametrize("written, expected", [
    (["digitalSignature", "keyEncipherment"], ["digitalSignature", "keyEncipherment"]),
    (["keyEncipherment", "digitalSignature", "digitalSignature"], ["digitalSignature", "keyEncipherment"]),
    (["Digital Signature", "key_encipherment", "CRL Sign", "KEYCERTSIGN"],
     ["digitalSignature", "keyEncipherment", "keyCertSign", "cRLSign"]),
    (["nonRepudiation"], ["nonRepudiation"]), (["contentCommitment"], ["nonRepudiation"]),
    (["Certificate Sign"], ["keyCertSign"]), (["keyAgreement", "decipherOnly"], ["keyAgreement", "decipherOnly"]),
    ([], []),
])
def test_key_usages(written, expected):
    assert extensions.key_usages(written) == expected


@pytest.mark.parametrize("read, written, sentence", [
    ("key_usages", ["digitalSig"],
     "key_usage: 'digitalSig' is not known: use one of digitalSignature, nonRepudiation, "),
    ("key_usages", ["1.2.3"], "key_usage: '1.2.3' is not known"),
    ("key_usages", ["encipherOnly"], "mean something with keyAgreement alone"),
    ("key_usages", ["decipherOnly", "digitalSignature"], "mean something with keyAgreement alone"),
    ("extended_key_usages", ["server"],
     "extended_key_usage: 'server' is not known: use one of serverAuth, clientAuth, "),
    ("extended_key_usages", ["server"], "anyExtendedKeyUsage, or an object identifier"),
    ("extended_key_usages", ["1.02.3"], "is not known"),
    ("basic_constraints", ["CA"], "basic_constraints: 'CA' is none of CA:TRUE, CA:FALSE and pathlen:NUMBER"),
    ("basic_constraints", ["CA:YES"], "is none of"),
    ("basic_constraints", ["CA:TRUE", "pathlen:-1"], "'pathlen:-1' is none of"),
    ("basic_constraints", ["CA:TRUE", "pathlen:"], "is none of"),
    ("basic_constraints", ["CA:TRUE", "pathlen:1000"], "is none of"),
    ("basic_constraints", ["pathlen:1"], "pathlen is for a CA: add CA:TRUE, or leave it out"),
    ("basic_constraints", ["CA:FALSE", "pathlen:0"], "pathlen is for a CA"),
])
def test_what_is_not_known(read, written, sentence):
    with pytest.raises(ValueError) as error:
        getattr(extensions, read)(written)
    assert sentence in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("written, expected", [
    (["serverAuth", "clientAuth", "serverAuth"], ["serverAuth", "clientAuth"]),
    (["clientAuth", "TLS Web Server Authentication"], ["clientAuth", "serverAuth"]),
    (["1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.311.20.2.2", "serverauth"], ["serverAuth", "1.3.6.1.4.1.311.20.2.2"]),
    (["any"], ["anyExtendedKeyUsage"]),
])
def test_extended_key_usages(written, expected):
    assert extensions.extended_key_usages(written) == expected


@pytest.mark.parametrize("written, expected, is_ca, length", [
    (["CA:TRUE"], ["CA:TRUE"], True, None), (["ca: true", "PathLen:1"], ["CA:TRUE", "pathlen:1"], True, 1),
    (["pathlen:0", "CA:TRUE"], ["CA:TRUE", "pathlen:0"], True, 0), (["CA:FALSE"], ["CA:FALSE"], False, None),
    ([], ["CA:FALSE"], False, None),
])
def test_basic_constraints(written, expected, is_ca, length):
    found = extensions.basic_constraints(written)
    facts = {"basic_constraints": found}
    assert (found, extensions.is_ca(facts), extensions.path_length(facts)) == (expected, is_ca, length)
    assert not extensions.is_ca({}) and extensions.path_length({}) is None


def through_a_request(facts):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for extension, critical in extensions.build(facts):
        builder = builder.add_extension(extension, critical)
    request = builder.sign(KEY, hashes.SHA256(), default_backend())
    return extensions.read(lambda: request.extensions)


EVERYTHING = {
    "basic_constraints": ["CA:TRUE", "pathlen:0"], "key_usage": ["keyCertSign", "cRLSign"],
    "extended_key_usage": ["serverAuth", "1.3.6.1.4.1.311.20.2.2"],
    "subject_alt_name": ["DNS:b.example.com", "DNS:a.example.com", "IP:192.0.2.1"],
    "name_constraints_permitted": ["DNS:example.com", "IP:10.0.0.0/8"],
    "name_constraints_excluded": ["DNS:x.example.com"],
    "ocsp_must_staple": True, "subject_key_identifier": "0a" * 20, "authority_key_identifier": "0b" * 20,
    "crl_distribution_points": ["http://a/a.crl", "http://b/a.crl"], "ca_issuers": ["http://a/a.crt"],
    "ocsp": ["http://a/ocsp"], "critical": ["basic_constraints", "key_usage", "name_constraints"],
}


def test_everything_that_is_built_is_read():
    assert through_a_request(EVERYTHING) == EVERYTHING
    assert through_a_request({}) == {"critical": []}
    for name in EVERYTHING:
        if name != "critical":
            alone = {name: EVERYTHING[name], "critical": []}
            assert through_a_request(alone) == alone


@pytest.mark.parametrize("name", [
    "basic_constraints", "key_usage", "extended_key_usage", "subject_alt_name", "name_constraints", "ocsp_must_staple"])
def test_each_can_be_critical(name):
    facts = dict(EVERYTHING, critical=[name])
    assert through_a_request(facts)["critical"] == [name]


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(extensions.KEY_USAGES), min_size=1))
def test_every_set_of_key_usages(usages):
    if {"encipherOnly", "decipherOnly"} & usages:
        usages = usages | {"keyAgreement"}
    wanted = extensions.key_usages(sorted(usages))
    facts = through_a_request({"key_usage": wanted})
    assert facts.get("key_usage", []) == wanted


def test_what_is_not_known_here_is_told_by_its_number():
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    request = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
               .add_extension(unknown, True).add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request_v2]),
                                                           False)
               .add_extension(x509.OCSPNoCheck(), False).sign(KEY, hashes.SHA256(), default_backend()))
    facts = extensions.read(lambda: request.extensions)
    assert facts == {"other_extensions": ["1.2.3.4", "1.3.6.1.5.5.7.48.1.5"], "critical": ["other_extensions"]}


def test_what_can_not_be_read_is_a_sentence():
    def broken():
        raise x509.DuplicateExtension("two of\nthem", None)
    with pytest.raises(ValueError, match=r"^its extensions can't be read: two of\\0Athem$"):
        extensions.read(broken)
