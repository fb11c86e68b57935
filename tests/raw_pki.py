# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-signed CAs put together byte by byte: what ``cryptography`` refuses to make, and companies have.

Runs with every ``cryptography`` from 3.2 on and in Python 3.6 syntax, as the tests of host code do.
"""
import hashlib

import pki
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

COMMON_NAME, ORGANIZATION, UNIQUE_ID, POSTAL_ADDRESS = "2.5.4.3", "2.5.4.10", "2.5.4.45", "2.5.4.16"
UTF8, NUMERIC, PRINTABLE, TELETEX, IA5, VISIBLE, UNIVERSAL, BMP = 12, 18, 19, 20, 22, 26, 28, 30
ECDSA_SHA256 = bytes(bytearray.fromhex("300a06082a8648ce3d040302"))
# A key on a curve that pyca/cryptography lacks, brainpoolP320r1: its generator (RFC 5639 section 3.5).
BRAINPOOL_SPKI = bytes(bytearray.fromhex(
    "306a301406072a8648ce3d020106092b240303020801010903520004"
    "43bd7e9afb53d8b85289bcc48ee5bfe6f20137d10a087eb6e7871e2a10a599c710af8d0d39e20611"
    "14fdd05545ec1cc8ab4093247f77275e0743ffed117182eaa9c77877aaac6ac7d35245d1692e8ee1"))
P256_FIELD = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
P256_CURVE = ("ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
              "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b")
P256_GENERATOR = ("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                  "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
P256_ORDER = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
CA_EXTENSIONS = (bytes(bytearray.fromhex("300f0603551d130101ff040530030101ff")),
                 bytes(bytearray.fromhex("300e0603551d0f0101ff040403020106")))


def tlv(tag, *contents):
    """An element in DER."""
    content = b"".join(contents)
    size, length = len(content), b""
    while size:
        length, size = bytes(bytearray([size & 255])) + length, size >> 8
    head = bytes(bytearray([len(content)])) if len(content) < 128 else bytes(bytearray([128 + len(length)])) + length
    return bytes(bytearray([tag])) + head + content


def _hex(text):
    return bytes(bytearray.fromhex(text))


def oid(dotted):
    """An object identifier in DER."""
    first, second, *arcs = [int(arc) for arc in dotted.split(".")]
    content = bytearray()
    for arc in [40 * first + second] + arcs:
        part = [arc & 127]
        while arc > 127:
            arc >>= 7
            part.insert(0, 128 | arc & 127)
        content += bytearray(part)
    return tlv(6, bytes(content))


P256_PARAMETERS = tlv(
    48, tlv(2, b"\1"), tlv(48, oid("1.2.840.10045.1.1"), tlv(2, b"\0", _hex(P256_FIELD))),
    tlv(48, *[tlv(4, _hex(number)) for number in P256_CURVE]), tlv(4, _hex(P256_GENERATOR)),
    tlv(2, b"\0", _hex(P256_ORDER)), tlv(2, b"\1"))


def name(*attributes):
    """A Name of (object identifier, tag, bytes of the value)."""
    return tlv(48, *[tlv(49, tlv(48, oid(kind), tlv(tag, value))) for kind, tag, value in attributes])


def extension(kind, value, critical=b""):
    """An Extension; ``critical`` as encoded."""
    return tlv(48, oid(kind), critical, tlv(4, value))


class Raw:
    """A certificate with its key, in the forms of ``pki.Pair`` that tests of trust stores use."""

    def __init__(self, der, key=None):
        self.der, self.key = der, key

    @property
    def pem(self):
        import base64
        text = base64.b64encode(self.der).decode()
        return "".join(line + "\n" for line in ["-----BEGIN CERTIFICATE-----"] + [
            text[start:start + 64] for start in range(0, len(text), 64)] + ["-----END CERTIFICATE-----"])

    @property
    def fingerprint(self):
        return hashlib.sha256(self.der).hexdigest()


def root(*attributes, **parts):
    """A self-signed CA (Raw) whose subject is made of (object identifier, tag, value).

    parts: ``key``, ``serial`` (content bytes), ``version``, ``validity``, ``spki``, ``identifiers``, ``extensions`` and
    ``algorithm`` (DER) in place of the usual ones; ``more`` (list of DER) are extensions besides the usual ones.
    """
    key = parts.get("key") or pki.new_key()
    subject, algorithm = name(*attributes), parts.get("algorithm", ECDSA_SHA256)
    spki = parts.get("spki") or key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    validity = parts.get("validity") or tlv(48, tlv(23, b"240101000000Z"), tlv(23, b"350101000000Z"))
    extensions = tlv(0xA3, tlv(48, *(CA_EXTENSIONS + tuple(parts.get("more", ())))))
    signed = tlv(48, parts.get("version", b"\xa0\3\2\1\2"), tlv(2, parts.get("serial", b"\1")), algorithm, subject,
                 validity, subject, spki, parts.get("identifiers", b""), parts.get("extensions", extensions))
    return Raw(tlv(48, signed, algorithm, tlv(3, b"\0", key.sign(signed, ec.ECDSA(hashes.SHA256())))), key)


def explicit_curve_root():
    """A CA whose key spells out the parameters of P-256 instead of naming it (SEC 1 appendix C.2)."""
    key = pki.new_key()
    numbers = key.public_key().public_numbers()
    point = b"\4" + b"".join(bytes(bytearray.fromhex("%064x" % number)) for number in (numbers.x, numbers.y))
    return root((COMMON_NAME, UTF8, b"Explicit Curve CA"), key=key,
                spki=tlv(48, tlv(48, oid("1.2.840.10045.2.1"), P256_PARAMETERS), tlv(3, b"\0", point)))


def latin1_root():
    """A CA with a Latin-1 letter in a UTF8String: with it, OpenSSL loads no certificate of a bundle."""
    return root((ORGANIZATION, UTF8, b"M\xfcller GmbH"), (COMMON_NAME, PRINTABLE, b"Mueller Root CA"))


def ampersand_root():
    """A CA with an ampersand in a PrintableString, which OpenSSL takes and pyca/cryptography does not."""
    return root((ORGANIZATION, PRINTABLE, b"Smith & Sons"), (COMMON_NAME, PRINTABLE, b"Smith_Sons Root CA"))


BRAINPOOL = root((COMMON_NAME, UTF8, b"Curve CA"), spki=BRAINPOOL_SPKI)
