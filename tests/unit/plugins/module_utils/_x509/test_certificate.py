# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as plain values: the same as cryptography and OpenSSL read."""
import datetime
import os

import pki
import pytest
from cryptography import x509 as other
from cryptography.hazmat.backends import default_backend

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der, pem

EPOCH = datetime.datetime(1970, 1, 1)
BUNDLES = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"]


def real_certificates():
    """The machine's own roots, and ours of every key type."""
    for path in BUNDLES:
        if os.path.exists(path):
            with open(path, "rb") as stream:
                for certificate in pem.read_certificates(stream.read()):
                    yield certificate.der
            break
    root = pki.root()
    for kind in ("ec", "p384", "rsa", "ed25519"):
        yield pki.server("s.example.com", root, key_type=kind, ips=["10.0.0.1", "fe80::1"]).der


def test_agrees_with_cryptography_on_real_certificates():
    count = 0
    for data in real_certificates():
        ours, theirs = x509.parse(data), other.load_der_x509_certificate(data, default_backend())
        assert ours.serial == theirs.serial_number
        assert ours.version == theirs.version.value + 1
        assert ours.not_before == (theirs.not_valid_before - EPOCH).total_seconds()
        assert ours.not_after == (theirs.not_valid_after - EPOCH).total_seconds()
        assert ours.signature == theirs.signature_algorithm_oid.dotted_string
        assert ours.subject_der == theirs.subject.public_bytes(default_backend())
        found = {extension.oid.dotted_string: extension for extension in theirs.extensions}
        assert set(found) == set(ours.extensions)
        assert all(found[oid].critical == critical for oid, (critical, _value) in ours.extensions.items())
        constraints = found[x509.BASIC_CONSTRAINTS].value if x509.BASIC_CONSTRAINTS in found else None
        assert x509.basic_constraints(ours) == ((constraints.ca, constraints.path_length) if constraints
                                                else (False, None))
        usage = found[x509.KEY_USAGE].value if x509.KEY_USAGE in found else None
        assert (x509.key_usage(ours) is None) == (usage is None)
        if usage:
            for name in x509.KEY_USAGES[:7]:
                assert getattr(usage, name) == (name in x509.key_usage(ours))
        if x509.SUBJECT_KEY_IDENTIFIER in found:
            assert x509.subject_key_identifier(ours) == found[x509.SUBJECT_KEY_IDENTIFIER].value.digest.hex()
        if x509.AUTHORITY_KEY_IDENTIFIER in found:
            identifier = found[x509.AUTHORITY_KEY_IDENTIFIER].value.key_identifier
            assert x509.authority_key_identifier(ours) == (identifier.hex() if identifier else None)
        if x509.SUBJECT_ALT_NAME in found:
            names = found[x509.SUBJECT_ALT_NAME].value
            assert x509.alt_names(ours)["dns"] == names.get_values_for_type(other.DNSName)
            assert x509.alt_names(ours)["ip"] == [str(ip) for ip in names.get_values_for_type(other.IPAddress)]
        if x509.EXTENDED_KEY_USAGE in found:
            oids = [oid.dotted_string for oid in found[x509.EXTENDED_KEY_USAGE].value]
            assert x509.extended_key_usage(ours) == [x509.EXTENDED_KEY_USAGES.get(oid, oid) for oid in oids]
        key = theirs.public_key()
        kind, size = (x509.key_type(ours).split() + [None])[:2]
        bits = getattr(key, "key_size", None)
        if "RSA" in type(key).__name__:
            assert (kind, size) == ("RSA", str(bits))
        elif "Ed25519" in type(key).__name__:
            assert (kind, size) == ("Ed25519", None)
        else:
            assert (kind, size) == ("EC", "P-%s" % bits)
        count += 1
    assert count >= 4


def test_names():
    def name(*fields):
        return x509.name(x509.parse(pki.root(list(fields)).der).subject_der)
    assert name(("O", "Corp"), ("CN", "Corp Root")) == "CN=Corp Root,O=Corp"
    assert name(("CN", 'a,b+c"\\<>;=#')) == 'CN=a\\,b\\+c\\"\\\\\\<\\>\\;=#'
    assert name(("CN", " x ")) == "CN=\\ x\\ "
    assert name(("CN", u"M\u00fcller & S\u00f6hne")) == u"CN=M\u00fcller & S\u00f6hne"
    # Nothing that a terminal would act on: escape sequences, new lines, text that runs the other way.
    assert name(("CN", "\x1b[31mred\nline\u202etxt")) == "CN=\\1B[31mred\\0Aline\\E2\\80\\AEtxt"


def test_common_name_is_the_last():
    assert x509.common_name(x509.parse(pki.root([("CN", "first"), ("CN", "second")]).der).subject_der) == "second"
    assert x509.common_name(x509.parse(pki.root([("O", "Corp")]).der).subject_der) is None


def test_label_without_subject():
    assert x509.label(x509.parse(pki.issue([], serial=0xabc).der)) == "serial abc"


def test_describe():
    pair = pki.root(serial=0x1234)
    facts = x509.describe(x509.parse(pair.der))
    assert facts["subject"] == facts["issuer"] == "CN=Corp Root CA"
    assert facts["serial"] == "1234"
    assert facts["fingerprint_sha256"] == pair.fingerprint
    assert facts["not_after"].endswith("Z") and facts["not_after"] > facts["not_before"]


@pytest.mark.parametrize("tag, text, seconds", [
    (0x17, b"700101000000Z", 0), (0x17, b"7001010000Z", 0), (0x17, b"700101010000+0100", 0),
    (0x17, b"491231235959Z", 2524607999), (0x17, b"500101000000Z", -631152000),
    (0x18, b"20500101000000Z", 2524608000), (0x18, b"99991231235959Z", 253402300799),
    (0x18, b"19700101000000.5Z", 0), (0x18, b"19691231230000-0100", 0),
])
def test_times(tag, text, seconds):
    assert x509._time(text, (tag, 0, 0, len(text))) == seconds


@pytest.mark.parametrize("tag, text", [
    (0x17, b"20500101000000Z"), (0x18, b"500101000000Z"), (0x17, b"701301000000Z"), (0x17, b""),
    (0x17, b"700101000000"), (0x18, b"00000101000000Z"),
    (0x16, b"700101000000Z"), (0x17, b"7001010000000Z"), (0x17, "７00101000000Z".encode("utf-8")),
])
def test_malformed_times(tag, text):
    with pytest.raises(der.DerError):
        x509._time(text, (tag, 0, 0, len(text)))


def test_iso_time_of_the_impossible():
    assert x509.iso_time(0) == "1970-01-01T00:00:00Z"
    assert "seconds since the epoch" in x509.iso_time(10 ** 20)


@pytest.mark.parametrize("text", ["AB:" * 31 + "ab", "ab" * 32, "sha256:" + "AB" * 32, " SHA-256=" + "ab" * 32 + "\n"])
def test_fingerprints_as_people_write_them(text):
    assert x509.plain_fingerprint(text) == "ab" * 32


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "ab" * 20])
def test_what_is_no_fingerprint(text):
    with pytest.raises(ValueError):
        x509.plain_fingerprint(text)


def test_issuers_fit_by_name_and_key_identifier():
    root = pki.root()
    child, twin = x509.parse(pki.issue("child", root).der), pki.root()
    assert x509.may_have_issued(x509.parse(root.der), child)
    assert not x509.may_have_issued(x509.parse(twin.der), child)
    assert not x509.may_have_issued(child, x509.parse(root.der))


def test_extensions_that_are_missing():
    bare = x509.parse(pki.issue("bare", key_usage=False, basic_constraints=False, identifiers=False).der)
    assert x509.basic_constraints(bare) == (False, None)
    assert x509.key_usage(bare) is x509.extended_key_usage(bare) is x509.subject_key_identifier(bare) is None
    assert x509.authority_key_identifier(bare) is None
    assert x509.alt_names(bare) == {"dns": [], "ip": [], "email": [], "uri": [], "rid": []}


def test_alternative_names_are_compared_as_they_are_and_shown_harmlessly():
    hostile = x509.parse(pki.server(dns=["\x1b[2J+a"]).der)
    assert x509.alt_names(hostile)["dns"] == ["\x1b[2J+a"]
    assert x509.shown_alt_names(hostile)["dns"] == ["\\1B[2J+a"]


def with_extension(value, oid=x509.BASIC_CONSTRAINTS):
    return x509.parse(pki.root().der)._replace(extensions={oid: (True, value)})


@pytest.mark.parametrize("value", [b"\x02\x01\xff", b"\x02\x82\x0b\xb8" + b"\x7f" * 3000])
def test_a_path_length_below_zero_or_of_kilobytes_is_malformed(value):
    """As decimal digits, it would take time, and newer Pythons make no such text at all."""
    content = b"\x01\x01\xff" + value
    head = b"\x30" + (bytes(bytearray([len(content)])) if len(content) < 128 else
                      b"\x82" + bytes(bytearray([len(content) >> 8, len(content) & 255])))
    with pytest.raises(der.DerError):
        x509.basic_constraints(with_extension(head + content))
    assert x509.is_ca(with_extension(head + content)) is False


@pytest.mark.parametrize("content", [b"\x2a" + b"\xff" * 3000 + b"\x7f", b"\x2a" + b"\1" * 100000])
def test_an_object_identifier_of_kilobytes_is_malformed(content):
    with pytest.raises(der.DerError):
        der.oid(content)


def test_a_name_of_kilobytes_is_no_certificate_s():
    with pytest.raises(der.DerError, match="a name of [0-9]+ bytes"):
        x509.parse(pki.root([("O", u"x" * 20000)]).der)


@pytest.mark.parametrize("value, expected", [
    (u" a ", "\\ a\\ "), (u" ", "\\ "), (u"  ", "\\ \\ "), (u"a,b\\\n", "a\\,b\\\\\\0A"), (u"", ""),
    (u"\u202e\x1b", "\\E2\\80\\AE\\1B"), (u"#0500", "\\#0500"), (u"a#", "a#")])
def test_escapes(value, expected):
    assert x509.escape(value) == expected


def test_only_what_is_no_text_is_written_as_its_encoding():
    name = x509.parse(pki.root(u"#0500").der).subject_der
    assert x509.name(name) == "CN=\\#0500"
    assert x509.name(name.replace(b"\x0c\x05#0500", b"\x03\x05#0500")) == "CN=#03052330353030"
