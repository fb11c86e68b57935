# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Whether every OpenSSL from 1.1.1 on loads a certificate: a reader as strict as the strictest of them.

OpenSSL stops at the first certificate of a PEM file that it cannot load, and the whole file counts for nothing. p11-kit
and our own reader (_x509) are more lenient. This reader follows the templates in OpenSSL's crypto/asn1 and crypto/x509:
names, integers and object identifiers are decoded when a certificate is loaded; public keys, times (but for their
length) and extension values are not. tests/fuzz/openssl_loads.py compares it with OpenSSL byte by byte.
"""

import contextlib
import functools
import hashlib
import re
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

    Blocks = t.Sequence[t.Tuple[pem.Block, bytes]]  # as pem.certificate_blocks yields them
    # Tells which certificates keep OpenSSL from loading a file: (path, its bytes, its certificates) -> refusals
    Loader = t.Callable[[str, bytes, Blocks], t.List["Refusal"]]

NULL = 0x05
UTF8_STRING, UNIVERSAL_STRING, BMP_STRING = 0x0C, 0x1C, 0x1E
# The types that OpenSSL takes for an attribute's value (B_ASN1_PRINTABLE), but for some that no name has.
STRINGS = {UTF8_STRING: "UTF8String", 0x12: "NumericString", 0x13: "PrintableString", 0x14: "TeletexString",
           0x16: "IA5String", UNIVERSAL_STRING: "UniversalString", BMP_STRING: "BMPString"}
CODECS = {UTF8_STRING: "utf-8", UNIVERSAL_STRING: "utf-32-be", BMP_STRING: "utf-16-be"}  # of types that are checked
SURROGATE = re.compile(br"(?:..)*?[\xd8-\xdf]", re.DOTALL)  # in a BMPString, where each character has two bytes
SHOWN = 3  # certificates that a sentence names
MAX_NAME = 1024 * 1024  # bytes (X509_NAME_MAX)
# Bytes of a time with seconds and Z. OpenSSL 3.5 loads no shorter ones; what the bytes are, it asks later.
TIME_BYTES = {x509.UTC_TIME: 13, x509.GENERALIZED_TIME: 15}


USUAL_VALIDITY = re.compile(br"\x17\x0d.{13}(?:\x17\x0d.{13}|\x18\x0f.{15})\Z", re.DOTALL)
FIELDS = [der.INTEGER] + [der.SEQUENCE] * 5  # of TBSCertificate, behind the version
OPTIONAL = frozenset([0x81, 0x82, 0xA3])  # fields behind these: the unique identifiers and the extensions


class Refusal(t.NamedTuple):
    path: str                       # of the PEM file
    position: "t.Optional[int]"     # of the certificate in it, from 1; None where the fault is none of a certificate's
    total: int                      # certificates in the file
    fingerprint: "t.Optional[str]"  # SHA-256, hex; None where the certificate can't be decoded
    subject: "t.Optional[str]"
    reason: str                     # the end of a sentence


class NotLoadable(der.DerError):
    """OpenSSL does not load the certificate; the message says why, as the end of a sentence."""


@functools.lru_cache(maxsize=4096)  # the bundles of a store hold the same certificates
def fault(data: bytes) -> "t.Optional[str]":
    """Why some OpenSSL does not load the certificate (DER), as the end of a sentence; None where all do."""
    try:
        _certificate(data)
    except der.DerError as error:
        return str(error)
    except IndexError:
        return "it is truncated"
    return None


def anything(_path: str, _data: bytes, _blocks: "Blocks") -> "t.List[Refusal]":
    """The Loader that nobody asks anything: whether the file is loaded does not matter, or is asked elsewhere."""
    return []


def suspicions(path: str, data: bytes, blocks: "Blocks") -> "t.List[Refusal]":
    """What in a PEM file might keep OpenSSL from loading the whole of it, by this reader alone.

    data: the file's bytes. blocks: its certificates (``pem.certificate_blocks``).
    """
    found = [refusal(path, number, len(blocks), content, fault(content) or "")
             for number, (_block, content) in enumerate(blocks, 1) if fault(content)]
    if data.count(b"-----BEGIN") != len(blocks) or data.count(b"-----END") != len(blocks) or b"\0" in data:
        found.append(Refusal(path, None, len(blocks), None, None, "it holds more than certificates"))
    elif not all(_is_tidy(data, block) for block, _content in blocks):
        found.append(Refusal(path, None, len(blocks), None, None, "its PEM form is unusual"))
    return found


def refusal(path: str, position: int, total: int, content: "t.Optional[bytes]", reason: str) -> Refusal:
    """The Refusal of a certificate (DER, None where it can't be decoded)."""
    certificate = x509.parse_leniently(content)
    return Refusal(path, position, total, hashlib.sha256(content).hexdigest() if content is not None else None,
                   x509.label(certificate) if certificate else None, reason)


def explain(path: str, refusals: "t.List[Refusal]", sources: "t.Mapping[str, t.List[str]]") -> str:
    """A sentence on a PEM file that OpenSSL does not load, with the remedy where a source of it is known.

    sources: by fingerprint, the files that a certificate in it comes from.
    """
    named = [_at_fault(one, sources) for one in refusals[:SHOWN]]
    more = ["%d more" % (len(refusals) - SHOWN)] * (len(refusals) > SHOWN)
    return "this host's OpenSSL loads no certificate of %s, so every TLS connection that relies on it fails: %s" % (
        path, "; ".join(named + more))


def _at_fault(one: Refusal, sources: "t.Mapping[str, t.List[str]]") -> str:
    if one.position is None:
        return one.reason
    places, remedy = sources.get(one.fingerprint or "", []), ""
    if places:
        remedy = "; remove it from that file" if one.path in places else "; remove %s" % " and ".join(places)
    return "certificate %d of %d, %s (SHA-256 %s), is at fault: %s%s" % (
        one.position, one.total, one.subject or "without a readable subject", one.fingerprint or "unknown",
        one.reason, remedy)


def _is_tidy(data: bytes, block: "pem.Block") -> bool:
    """Whether a PEM block has the form that tools write: markers on lines of their own, short lines between them."""
    return (data[block.start - 1:block.start] in (b"", b"\n") and data[block.end:block.end + 1] in (b"", b"\n", b"\r")
            and _is_tidy_text(block.content))


@functools.lru_cache(maxsize=4096)  # as many as pem caches
def _is_tidy_text(text: bytes) -> bool:
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    return (len(lines) > 2 and not lines[0] and not lines[-1] and all(lines[1:-1]) and len(max(lines, key=len)) <= 76
            and len(b"".join(lines).split()) == 1)


# It runs over every certificate of a store each time that a host is asked, and is written for speed: siblings are read
# in one go, and what many certificates have in common is looked at once.

def _certificate(data: bytes) -> None:
    content, end = der.expect(data, 0, len(data), der.SEQUENCE)
    if end != len(data):
        raise NotLoadable("it has %d bytes of trailing data" % (len(data) - end))
    parts = list(der.children(data, content, end))
    if [part[0] for part in parts] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise NotLoadable("it is not a certificate")
    _check_algorithm(data[parts[1][2]:parts[1][3]])
    _check_bit_string(data[parts[2][2]:parts[2][3]])
    _signed(data, list(der.children(data, parts[0][2], parts[0][3])))


def _signed(data: bytes, fields: "t.List[der.Element]") -> None:
    """Checks the fields of TBSCertificate (RFC 5280 section 4.1)."""
    if fields and fields[0][0] == 0xA0:
        content, behind = der.expect(data, fields[0][2], fields[0][3], der.INTEGER)
        _check_integer(data[content:behind])
        if behind != fields[0][3]:
            raise NotLoadable("its version is malformed")
        fields = fields[1:]
    if [field[0] for field in fields[:6]] != FIELDS:
        raise NotLoadable("it is not a certificate")
    serial, algorithm, issuer, validity, subject, key = [data[field[2]:field[3]] for field in fields[:6]]
    _check_integer(serial)
    _check_algorithm(algorithm)
    for which, name in (("subject", subject), ("issuer", issuer)):
        wrong = _check_name(name)
        if wrong:
            raise NotLoadable("%s %s" % (which, wrong))
    _check_validity(validity)
    _check_key(key)
    more = [field[0] for field in fields[6:]]
    if more != sorted(set(more)) or not OPTIONAL.issuperset(more):
        raise NotLoadable("it has an unknown field")
    for tag, _start, inner, stop in fields[6:]:
        if tag == 0xA3:
            _check_extensions(data, inner, stop)
        else:
            _check_bit_string(data[inner:stop])


def _check_integer(content: bytes) -> None:
    if not content:
        raise NotLoadable("it has an empty INTEGER")
    if len(content) > 1 and content[0] in (0, 0xFF) and content[0] >> 7 == content[1] >> 7:
        raise NotLoadable("it has an INTEGER with a superfluous byte")


def _check_bit_string(content: bytes) -> None:
    if not content or content[0] > 7:
        raise NotLoadable("it has a malformed BIT STRING")


def _check_key(data: bytes) -> None:
    """Checks the content of SubjectPublicKeyInfo. What is in the key itself, OpenSSL asks later."""
    content, behind = der.expect(data, 0, len(data), der.SEQUENCE)
    _check_algorithm(data[content:behind])
    content, behind = der.expect(data, behind, len(data), der.BIT_STRING)
    _check_bit_string(data[content:behind])
    if behind != len(data):
        raise NotLoadable("its public key is malformed")


@functools.lru_cache(maxsize=256)  # few algorithms, many certificates
def _check_algorithm(data: bytes) -> None:
    """Checks the content of an AlgorithmIdentifier: an object identifier, and parameters of any kind."""
    start = _oid(data, 0, len(data))
    if start == len(data):
        return
    tag, content, behind = der.element(data, start, len(data))
    if behind != len(data):
        raise NotLoadable("it has a malformed algorithm")
    if tag == der.OID:
        _check_oid(data[content:behind])
    elif tag != der.SEQUENCE and (tag != NULL or content != behind):
        raise NotLoadable("it has an algorithm with parameters of an unusual type (tag 0x%02x)" % tag)


def _oid(data: bytes, start: int, end: int) -> int:
    """Checks the object identifier at ``start``; returns the offset behind."""
    content, behind = der.expect(data, start, end, der.OID)
    _check_oid(data[content:behind])
    return behind


@functools.lru_cache(maxsize=1024)
def _check_oid(content: bytes) -> None:
    der.oid(content)
    if content[0] == 0x80 or any(content[place] == 0x80 and not content[place - 1] & 0x80
                                 for place in range(1, len(content))):
        raise NotLoadable("it has an object identifier with a superfluous byte")


def _check_validity(data: bytes) -> None:
    if USUAL_VALIDITY.match(data):
        return
    times = list(der.children(data, 0, len(data)))
    if len(times) != 2 or any(part[0] not in TIME_BYTES for part in times):
        raise NotLoadable("its validity is malformed")
    for which, (tag, _start, content, behind) in zip(("notBefore", "notAfter"), times):
        if behind - content < TIME_BYTES[tag]:
            raise NotLoadable("its %s is too short a time for OpenSSL 3.5 (%d bytes)" % (which, behind - content))


@functools.lru_cache(maxsize=1024)  # of a root, subject and issuer are the same
def _check_name(data: bytes) -> "t.Optional[str]":
    """What is wrong with the content of a Name, as the end of a sentence; None where nothing is."""
    if len(data) > MAX_NAME:
        return "is too long"
    start, end = 0, len(data)
    while start < end:
        inner, start = der.expect(data, start, end, 0x31)
        while inner < start:
            attribute, inner = der.expect(data, inner, start, der.SEQUENCE)
            value = _oid(data, attribute, inner)
            tag, content, behind = der.element(data, value, inner)
            if behind != inner:
                return "has a malformed attribute"
            wrong = _check_string(tag, data[content:behind])
            if wrong:
                kind = der.oid(data[attribute + 2:value])
                return "%s=%s %s" % (x509.ATTRIBUTES.get(kind, kind), _readable(tag, data[content:behind]), wrong)
    return None


def _check_string(tag: int, content: bytes) -> "t.Optional[str]":
    """What is wrong with an attribute's value; OpenSSL makes UTF-8 of all but BIT STRING and SEQUENCE."""
    if tag == UTF8_STRING:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            return "is not valid UTF-8 (byte 0x%02X at position %d of a UTF8String)" % (
                content[error.start], error.start + 1)
    elif tag in CODECS:
        try:
            content.decode(CODECS[tag])
        except UnicodeDecodeError:
            return "is not a valid %s" % STRINGS[tag]
        if tag == BMP_STRING and SURROGATE.match(content):
            return "is not a valid BMPString (it has surrogates)"
    elif tag == der.BIT_STRING:
        if not content or content[0] > 7:
            return "is a malformed BIT STRING"
    elif tag not in STRINGS and tag != der.SEQUENCE:
        return "has a string type that OpenSSL does not accept in a name (tag 0x%02x)" % tag
    return None


def _readable(tag: int, content: bytes) -> str:
    """A best guess at what a faulty value was meant to be, harmless to a terminal: so that people recognize the CA."""
    for codec in (CODECS.get(tag, "utf-8"), "latin-1"):
        with contextlib.suppress(UnicodeDecodeError):
            return '"%s"' % x509.printable(content.decode(codec)[:64])
    return ""


def _check_extensions(data: bytes, start: int, end: int) -> None:
    """Checks Extensions, without their values. Most have lengths of one byte, which are read in place."""
    place, behind = der.expect(data, start, end, der.SEQUENCE)
    if behind != end:
        raise NotLoadable("its extensions are malformed")
    while place < end:
        inner, place = der.expect(data, place, end, der.SEQUENCE)
        value = inner + 2 + data[inner + 1]
        if data[inner] != der.OID or data[inner + 1] > 0x7F or value >= place:
            raise NotLoadable("it has a malformed extension")
        _check_oid(data[inner + 2:value])
        if data[value] == der.BOOLEAN:
            if data[value + 1] != 1:
                raise NotLoadable("it has a malformed extension")
            value += 3
        if der.expect(data, value, place, der.OCTET_STRING)[1] != place:
            raise NotLoadable("it has a malformed extension")
