# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What OpenSSL does not load, our own reader refuses, and says why; what OpenSSL loads, it accepts."""
import ssl

import pki
import pytest
import raw_pki
from raw_pki import BMP, COMMON_NAME, IA5, ORGANIZATION, PRINTABLE, TELETEX, UNIVERSAL, UTF8, VISIBLE, tlv

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable, pem


def openssl_loads(data):
    """Whether the OpenSSL of this Python loads a certificate (DER)."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.to_pem(data))
    except ssl.SSLError:
        return False
    return True


def named(tag, value):
    return raw_pki.root((COMMON_NAME, PRINTABLE, b"Some CA"), (ORGANIZATION, tag, value)).der


def with_validity(*times):
    return raw_pki.root((COMMON_NAME, PRINTABLE, b"Some CA"), validity=tlv(48, *times)).der


def patched(old, new):
    """A good CA with some bytes changed."""
    data = raw_pki.root((COMMON_NAME, PRINTABLE, b"Some CA")).der
    old, new = bytes(bytearray.fromhex(old)), bytes(bytearray.fromhex(new))
    assert old in data
    return data.replace(old, new)


ACCEPTED = {
    "UTF-8": named(UTF8, u"M\u00fcller".encode("utf-8")),
    "an ampersand and more in a PrintableString": named(PRINTABLE, b"Smith & Sons_@*"),
    "eight bits in a PrintableString": named(PRINTABLE, b"M\xfcller"),
    "eight bits in an IA5String": named(IA5, b"M\xfcller"),
    "a TeletexString": named(TELETEX, b"M\xfcller"),
    "a BMPString": named(BMP, u"M\u00fcller".encode("utf-16-be")),
    "a UniversalString": named(UNIVERSAL, u"M\u00fcller".encode("utf-32-be")),
    "a SEQUENCE": named(48, tlv(UTF8, b"Street 1")),
    "a BIT STRING": named(3, b"\0\1"),
    "an empty value": named(UTF8, b""),
    "no subject": raw_pki.root().der,
    "critical FALSE": raw_pki.root(more=[raw_pki.extension("2.5.29.14", tlv(4, b"1"), b"\1\1\0")]).der,
    "an unknown critical extension": raw_pki.root(more=[raw_pki.extension("1.2.3.4", b"", b"\1\1\xff")]).der,
    "times far away": with_validity(tlv(24, b"19000101000000Z"), tlv(24, b"99991231235959Z")),
    "a negative serial number": raw_pki.root(serial=b"\xfe").der,
    "a key that is nonsense": raw_pki.root(spki=tlv(48, tlv(48, raw_pki.oid("1.2.3.4")), tlv(3, b"\0\1"))).der,
}
REFUSED = {
    "Latin-1 in a UTF8String": (
        named(UTF8, b"M\xfcller"),
        u'subject O="M\u00fcller" is not valid UTF-8 (byte 0xFC at position 2 of a UTF8String)'),
    "an overlong UTF-8": (named(UTF8, b"\xc0\xaf"), "is not valid UTF-8"),
    "an odd BMPString": (named(BMP, b"\0A\0"), "is not a valid BMPString"),
    "surrogates in a BMPString": (named(BMP, u"\U0001f600".encode("utf-16-be")), "it has surrogates"),
    "an odd UniversalString": (named(UNIVERSAL, b"\0\0A"), "is not a valid UniversalString"),
    "beyond Unicode": (named(UNIVERSAL, b"\x7f\0\0\0"), "is not a valid UniversalString"),
    "a VisibleString": (named(VISIBLE, b"A"), "has a string type that OpenSSL does not accept in a name (tag 0x1a)"),
    "a number for a name": (named(2, b"\1"), "(tag 0x02)"),
    "a malformed BIT STRING": (named(3, b"\x08"), "is a malformed BIT STRING"),
    "no time at all": (with_validity(tlv(4, b"240101000000Z"), tlv(23, b"350101000000Z")), "its validity is malformed"),
    "three times": (with_validity(*[tlv(23, b"240101000000Z")] * 3), "its validity is malformed"),
    "a serial number with a superfluous byte": (raw_pki.root(serial=b"\0\1").der, "INTEGER with a superfluous byte"),
    "a negative one": (raw_pki.root(serial=b"\xff\x80").der, "INTEGER with a superfluous byte"),
    "no serial number": (raw_pki.root(serial=b"").der, "an empty INTEGER"),
    "trailing data": (named(UTF8, b"A") + b"\n", "it has 1 bytes of trailing data"),
    "nothing": (b"", "truncated"),
    "no certificate": (tlv(48, tlv(2, b"\1")), "it is not a certificate"),
    "an object identifier with a superfluous byte": (patched("0603551d13", "060380dd13"), "superfluous byte"),
    "critical with no value": (patched("0603551d130101ff0405", "0603551d13010004ff05"), "malformed extension"),
    "unused bits": (patched("03420004", "03420904"), "malformed BIT STRING"),
}


@pytest.mark.parametrize("kind", sorted(ACCEPTED))
def test_what_openssl_loads_is_accepted(kind):
    assert loadable.fault(ACCEPTED[kind]) is None and openssl_loads(ACCEPTED[kind])


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_openssl_does_not_load_is_refused_with_the_reason(kind):
    data, reason = REFUSED[kind]
    assert reason in loadable.fault(data)
    assert kind == "trailing data" or not openssl_loads(data), "it takes more than is refused here"


def test_times_that_only_openssl_3_5_refuses():
    """Old roots have times without seconds, which OpenSSL 1.1.1 and 3.0 load."""
    data = with_validity(tlv(23, b"2401010000Z"), tlv(23, b"3501010000Z"))
    assert loadable.fault(data) == "its notBefore is too short a time for OpenSSL 3.5 (11 bytes)"


def test_ordinary_certificates_are_accepted():
    for pair in (pki.root(), pki.root(key_type="rsa"), pki.root(key_type="ed25519"), pki.server()):
        assert loadable.fault(pair.der) is None


def suspected(text):
    data = text.encode("ascii")
    return [one.reason for one in loadable.suspicions("/bundle", data, list(pem.certificate_blocks(data)))]


def test_pem_in_the_form_that_tools_write_is_not_suspected():
    text = "# a comment\n" + pki.root().pem + "\n" + pki.root().pem
    assert suspected(text) == suspected(text.replace("\n", "\r\n")) == suspected("") == []


@pytest.mark.parametrize("change", [
    lambda text: text.replace("-----END CERTIFICATE-----", "", 1), lambda text: text + pki.root().key_pem(),
    lambda text: text.replace("M", "-", 1), lambda text: text.replace("\n", " \n"), lambda text: "x" + text,
    lambda text: text.replace("\n-----END", "\n\n-----END"), lambda text: text.replace("\n", ""),
    lambda text: text[:-1] + "x"])
def test_pem_in_other_forms_is_suspected(change):
    assert suspected(change(pki.root().pem + pki.root().pem))


def test_a_suspicion_names_the_certificate():
    bad = raw_pki.latin1_root()
    data = (pki.root().pem + bad.pem).encode("ascii")
    (one,) = loadable.suspicions("/bundle", data, list(pem.certificate_blocks(data)))
    assert (one.path, one.position, one.total, one.fingerprint) == ("/bundle", 2, 2, bad.fingerprint)
    assert "CN=Mueller Root CA" in one.subject and "is not valid UTF-8" in one.reason
