# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Certificates (RFC 5280) as plain values, read with the standard library alone.

It describes certificates; it does not judge them. Whether one may be trusted is decided on the controller
(plugin_utils/_trust/anchor_policy.py) and by OpenSSL.
"""

import functools
import hashlib
import re
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der


class Certificate(t.NamedTuple):
    der: bytes                                       # the whole certificate
    fingerprint: str                                 # SHA-256 of it, lower-case hex
    version: int                                     # 1, 2 or 3
    serial: int
    signature: str                                   # OID of the signature algorithm
    issuer_der: bytes                                # the issuer's Name, as encoded
    subject_der: bytes                               # the subject's Name, as encoded
    not_before: int                                  # seconds since the epoch
    not_after: int                                   # seconds since the epoch
    spki_der: bytes                                  # SubjectPublicKeyInfo
    extensions: "t.Dict[str, t.Tuple[bool, bytes]]"  # by OID: whether it is critical, its value


# RFC 4514 section 3, and two more that everybody writes.
ATTRIBUTES = {
    "2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C",
    "2.5.4.9": "STREET", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
    "2.5.4.5": "serialNumber", "1.2.840.113549.1.9.1": "emailAddress",
}
STRING_CODECS = {12: "utf-8", 18: "ascii", 19: "ascii", 20: "latin-1", 22: "ascii", 28: "utf-32-be", 30: "utf-16-be"}

SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
KEY_USAGE = "2.5.29.15"
SUBJECT_ALT_NAME = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
EXTENDED_KEY_USAGE = "2.5.29.37"

KEY_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
EXTENDED_KEY_USAGES = {
    "1.3.6.1.5.5.7.3.1": "server_auth", "1.3.6.1.5.5.7.3.2": "client_auth", "1.3.6.1.5.5.7.3.3": "code_signing",
    "1.3.6.1.5.5.7.3.4": "email_protection", "1.3.6.1.5.5.7.3.8": "time_stamping",
    "1.3.6.1.5.5.7.3.9": "ocsp_signing", "2.5.29.37.0": "any",
}
KEY_ALGORITHMS = {
    "1.2.840.113549.1.1.1": "RSA", "1.2.840.113549.1.1.10": "RSA-PSS", "1.2.840.10040.4.1": "DSA",
    "1.2.840.10045.2.1": "EC", "1.3.101.112": "Ed25519", "1.3.101.113": "Ed448",
}
WEAK_SIGNATURES = {  # algorithms that TLS clients refuse, but for a root's own signature
    "1.2.840.113549.1.1.2": "MD2", "1.2.840.113549.1.1.4": "MD5", "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.10045.4.1": "SHA-1", "1.2.840.10040.4.3": "SHA-1", "1.3.14.3.2.29": "SHA-1", "1.3.14.3.2.3": "MD5",
}
SPECIAL = re.compile(r'[,+"\\<>;]')  # in a name, by RFC 4514
HARMLESS = re.compile(r"\w(?:[\w .()/-]*\w)?\Z", re.ASCII)  # text with nothing in it that ``escape`` would change
MAX_NAME = 16 * 1024  # bytes of a subject or an issuer: it is shown and compared again and again
DOTTED = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+\Z", re.ASCII)  # an object identifier as it is written
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
DAY = 86400  # seconds
DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # each month, in a year of 365 days
_ZONE = r"(?:Z|([+-])(\d\d)(\d\d))\Z"
TIMES = {
    UTC_TIME: re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?" + _ZONE, re.ASCII),
    GENERALIZED_TIME: re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:\.\d+)?" + _ZONE, re.ASCII),
}
CURVES = {"1.2.840.10045.3.1.7": "P-256", "1.3.132.0.34": "P-384", "1.3.132.0.35": "P-521", "1.3.132.0.10": "secp256k1"}


def _to_be_signed(data: bytes) -> "t.Tuple[int, t.List[t.Tuple[int, int, int, int]]]":
    """(version, the other elements of the TBSCertificate); raises DerError (RFC 5280 section 4.1)."""
    content, end = der.expect(data, 0, len(data), der.SEQUENCE)
    if end != len(data):
        raise der.DerError("%d stray bytes behind the certificate" % (len(data) - end))
    parts = list(der.children(data, content, end))
    if [part[0] for part in parts] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise der.DerError("not a certificate")
    _tag, _start, content, end = parts[0]
    fields = list(der.children(data, content, end))
    version = 1
    if fields and fields[0][0] == 0xA0:
        inner, behind = der.expect(data, fields[0][2], fields[0][3], der.INTEGER)
        version = der.integer(data[inner:behind]) + 1
        fields = fields[1:]
    tags = [field[0] for field in fields[:6]]
    if tags != [der.INTEGER] + [der.SEQUENCE] * 5:
        raise der.DerError("not a certificate")
    return version, fields


def parse(data: bytes) -> Certificate:
    """Reads one DER certificate; raises DerError for anything else, trailing bytes included.

    The extensions' values are read only when they are asked for, by the functions below; these raise DerError too.
    """
    version, fields = _to_be_signed(data)
    serial, algorithm, issuer, validity, subject, spki = fields[:6]
    oid_start, oid_end = der.expect(data, algorithm[2], algorithm[3], der.OID)
    times = list(der.children(data, validity[2], validity[3]))
    if len(times) != 2:
        raise der.DerError("malformed validity")
    certificate = Certificate(
        der=data,
        fingerprint=hashlib.sha256(data).hexdigest(),
        version=version,
        serial=der.integer(data[serial[2]:serial[3]]),
        signature=der.oid(data[oid_start:oid_end]),
        issuer_der=data[issuer[1]:issuer[3]],
        subject_der=data[subject[1]:subject[3]],
        not_before=_time(data, times[0]),
        not_after=_time(data, times[1]),
        spki_der=data[spki[1]:spki[3]],
        extensions=_extensions(data, fields[6:]),
    )
    for each in (certificate.issuer_der, certificate.subject_der):
        if len(each) > MAX_NAME:
            raise der.DerError("a name of %d bytes" % len(each))
        name(each)  # a malformed one is an error here, not later
    return certificate


def parse_leniently(data: "t.Optional[bytes]") -> "t.Optional[Certificate]":
    """The same for what a host holds already: None for bytes that are no certificate, and for None."""
    try:
        return parse(data) if data else None
    except der.DerError:
        return None


def _extensions(data: bytes, fields: "t.Iterable[der.Element]") -> "t.Dict[str, t.Tuple[bool, bytes]]":
    return {oid: (critical, value) for oid, critical, value in _each_extension(data, fields)}


def _each_extension(data: bytes, fields: "t.Iterable[der.Element]") -> "t.Iterator[t.Tuple[str, bool, bytes]]":
    for tag, _start, content, end in fields:
        if tag != 0xA3:
            continue
        content, end = der.expect(data, content, end, der.SEQUENCE)
        for _tag, _start, inner, behind in der.children(data, content, end):
            parts = list(der.children(data, inner, behind))
            if len(parts) not in (2, 3) or parts[0][0] != der.OID or parts[-1][0] != der.OCTET_STRING:
                raise der.DerError("malformed extension")
            critical = len(parts) == 3 and data[parts[1][2]:parts[1][3]] != b"\0"
            yield der.oid(data[parts[0][2]:parts[0][3]]), critical, data[parts[-1][2]:parts[-1][3]]


def repeated_extension(certificate: Certificate) -> "t.Optional[str]":
    """The OID of an extension that is there more than once (RFC 5280 section 4.2 forbids it); None where none is."""
    data, seen = certificate.der, set()
    content, end = der.expect(data, *der.expect(data, 0, len(data), der.SEQUENCE), tag=der.SEQUENCE)
    for oid, _critical, _value in _each_extension(data, der.children(data, content, end)):
        if oid in seen:
            return oid
        seen.add(oid)
    return None


def _time(data: bytes, part: "der.Element") -> int:
    """UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5, and the looser forms of old roots) in epoch seconds."""
    tag, _start, content, end = part
    text = data[content:end].decode("ascii", "replace")
    match = TIMES[tag].match(text) if tag in TIMES else None
    if not match:
        raise der.DerError("malformed time %r" % text)
    year, month, day, hour, minute, second = (int(group or 0) for group in match.groups()[:6])
    if tag == UTC_TIME:
        year += 2000 if year < 50 else 1900
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour <= 23 and minute <= 59):
        raise der.DerError("malformed time %r" % text)
    sign, hours, minutes = match.groups()[6:]
    offset = int((sign or "+") + "1") * (int(hours or 0) * 60 + int(minutes or 0)) * 60
    return ((_days(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second - offset


def _days(year: int, month: int) -> int:
    """Days from the epoch to the first of a month. The module calendar would take longer to import than all this."""
    last = year - (month < 3)  # the last year whose February is over
    return 365 * (year - 1970) + DAYS_BEFORE[month - 1] + last // 4 - last // 100 + last // 400 - 477


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as ``2027-01-31T12:00:00Z``."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (ValueError, OverflowError):
        return "%d seconds since the epoch" % seconds


@functools.lru_cache(maxsize=4096)  # a store's certificates have few issuers, and each name is asked for several times
def name(encoded: bytes) -> str:
    """A Name in the form of RFC 4514, on one line and harmless to a terminal: what can't be printed is escaped."""
    content, end = der.expect(encoded, 0, len(encoded), der.SEQUENCE)
    rdns = []
    for _tag, _start, inner, behind in der.children(encoded, content, end):
        values = [_attribute(encoded, part[2], part[3]) for part in der.children(encoded, inner, behind)]
        rdns.append("+".join("%s=%s" % (ATTRIBUTES.get(kind, kind), escape(value) if is_text else value)
                             for kind, value, is_text in values))
    return ",".join(reversed(rdns))


def common_name(encoded: bytes) -> "t.Optional[str]":
    """The last (most specific) CN of a Name as text, or None."""
    content, end = der.expect(encoded, 0, len(encoded), der.SEQUENCE)
    found = None
    for _tag, _start, inner, behind in der.children(encoded, content, end):
        for part in der.children(encoded, inner, behind):
            kind, value, _is_text = _attribute(encoded, part[2], part[3])
            found = value if kind == "2.5.4.3" else found
    return found


def _attribute(data: bytes, content: int, end: int) -> "t.Tuple[str, str, bool]":
    """(kind, value, whether it is text); what is none is written as its encoding (RFC 4514 section 2.4)."""
    parts = list(der.children(data, content, end))
    if len(parts) != 2 or parts[0][0] != der.OID:
        raise der.DerError("malformed name")
    tag, start, inner, behind = parts[1]
    kind = der.oid(data[parts[0][2]:parts[0][3]])
    try:
        return kind, data[inner:behind].decode(STRING_CODECS[tag]), True
    except (KeyError, UnicodeDecodeError):
        return kind, "#" + "".join("%02x" % byte for byte in data[start:behind]), False


def printable(value: str) -> str:
    """Text of others, harmless to a terminal: as hex pairs what does not print (control characters, line ends, ...)."""
    if value.isprintable():
        return value
    return "".join(character if character.isprintable() else
                   "".join("\\%02X" % byte for byte in character.encode("utf-8", "surrogatepass"))
                   for character in value)


def printable_lines(text: str) -> str:
    """What a program printed, which may have names of others in it: ``printable``, line by line."""
    return "\n".join(printable(line) for line in text.split("\n"))


def escape(value: str) -> str:
    """RFC 4514 section 2.4, and ``printable``."""
    if HARMLESS.match(value):  # nearly all are
        return value
    escaped = printable(SPECIAL.sub(r"\\\g<0>", value))
    if value[:1] in (" ", "#"):
        escaped = "\\" + escaped
    if len(value) > 1 and value[-1] == " ":
        escaped = escaped[:-1] + "\\ "
    return escaped


def basic_constraints(certificate: Certificate) -> "t.Tuple[bool, t.Optional[int]]":
    """(is a CA, path length or None); (False, None) where the extension is missing (RFC 5280 section 4.2.1.9)."""
    if BASIC_CONSTRAINTS not in certificate.extensions:
        return False, None
    value = certificate.extensions[BASIC_CONSTRAINTS][1]
    content, end = der.expect(value, 0, len(value), der.SEQUENCE)
    is_ca, path_length = False, None
    for tag, _start, inner, behind in der.children(value, content, end):
        if tag == der.BOOLEAN:
            is_ca = value[inner:behind] != b"\0"
        elif tag == der.INTEGER:
            path_length = der.integer(value[inner:behind])
            if not 0 <= path_length < 1 << 64:
                raise der.DerError("malformed path length")
    return is_ca, path_length


def is_ca(certificate: Certificate) -> bool:
    """Whether it says that it is a CA; where that can't be read, it does not."""
    try:
        return basic_constraints(certificate)[0]
    except der.DerError:
        return False


def key_usage(certificate: Certificate) -> "t.Optional[t.List[str]]":
    """List of key usages by name, or None where the extension is missing (RFC 5280 section 4.2.1.3)."""
    if KEY_USAGE not in certificate.extensions:
        return None
    value = certificate.extensions[KEY_USAGE][1]
    content, end = der.expect(value, 0, len(value), der.BIT_STRING)
    bits = value[content + 1:end]
    return [usage for number, usage in enumerate(KEY_USAGES)
            if number // 8 < len(bits) and bits[number // 8] >> (7 - number % 8) & 1]


def extended_key_usage(certificate: Certificate) -> "t.Optional[t.List[str]]":
    """List of purposes by name (or OID), or None where the extension is missing (RFC 5280 section 4.2.1.12)."""
    if EXTENDED_KEY_USAGE not in certificate.extensions:
        return None
    value = certificate.extensions[EXTENDED_KEY_USAGE][1]
    content, end = der.expect(value, 0, len(value), der.SEQUENCE)
    oids = [der.oid(value[inner:behind]) for _tag, _start, inner, behind in der.children(value, content, end)]
    return [EXTENDED_KEY_USAGES.get(oid, oid) for oid in oids]


def alt_names(certificate: Certificate) -> "t.Dict[str, t.List[str]]":
    """The subject's alternative names by kind: {dns: [...], ip: [...], email: [...], uri: [...], rid: [...]}.

    They are for comparing, as somebody else has written them; see ``shown_alt_names``.
    """
    found: t.Dict[str, t.List[str]] = {"dns": [], "ip": [], "email": [], "uri": [], "rid": []}
    if SUBJECT_ALT_NAME not in certificate.extensions:
        return found
    import socket  # here, because it takes longer than all else that a look at a trust store needs
    value = certificate.extensions[SUBJECT_ALT_NAME][1]
    content, end = der.expect(value, 0, len(value), der.SEQUENCE)
    for tag, _start, inner, behind in der.children(value, content, end):
        raw = value[inner:behind]
        if tag == 0x87 and len(raw) in (4, 16):
            found["ip"].append(socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw))
        elif tag in (0x81, 0x82, 0x86):
            found[{0x81: "email", 0x82: "dns", 0x86: "uri"}[tag]].append(raw.decode("ascii", "replace"))
        elif tag == 0x88:
            found["rid"].append(der.oid(raw))
    return found


def shown_alt_names(certificate: Certificate) -> "t.Dict[str, t.List[str]]":
    """The same for results and sentences, harmless to a terminal."""
    return {kind: [printable(value) for value in values] for kind, values in alt_names(certificate).items()}


def subject_key_identifier(certificate: Certificate) -> "t.Optional[str]":
    """The identifier of the subject's key as hex, or None."""
    if SUBJECT_KEY_IDENTIFIER not in certificate.extensions:
        return None
    value = certificate.extensions[SUBJECT_KEY_IDENTIFIER][1]
    content, end = der.expect(value, 0, len(value), der.OCTET_STRING)
    return "".join("%02x" % byte for byte in value[content:end])


def authority_key_identifier(certificate: Certificate) -> "t.Optional[str]":
    """The identifier of the issuer's key as hex, or None."""
    if AUTHORITY_KEY_IDENTIFIER not in certificate.extensions:
        return None
    value = certificate.extensions[AUTHORITY_KEY_IDENTIFIER][1]
    content, end = der.expect(value, 0, len(value), der.SEQUENCE)
    for tag, _start, inner, behind in der.children(value, content, end):
        if tag == 0x80:
            return "".join("%02x" % byte for byte in value[inner:behind])
    return None


def key_type(certificate: Certificate) -> str:
    """The type of its public key, see ``spki_type``."""
    return spki_type(certificate.spki_der)


def spki_type(spki: bytes) -> str:
    """The algorithm of a public key, with size or curve where it has one: ``RSA 2048``, ``EC P-256``, ``Ed25519``."""
    content, end = der.expect(spki, 0, len(spki), der.SEQUENCE)
    algorithm, behind = der.expect(spki, content, end, der.SEQUENCE)
    key, key_end = der.expect(spki, behind, end, der.BIT_STRING)
    parts = list(der.children(spki, algorithm, behind))
    if not parts:
        raise der.DerError("malformed public key")
    oid = der.oid(spki[parts[0][2]:parts[0][3]])
    kind = KEY_ALGORITHMS.get(oid, oid)
    if kind == "EC" and len(parts) > 1 and parts[1][0] == der.OID:
        curve = der.oid(spki[parts[1][2]:parts[1][3]])
        return "EC " + CURVES.get(curve, curve)
    if kind in ("RSA", "RSA-PSS"):
        modulus, key_end = der.expect(spki, key + 1, key_end, der.SEQUENCE)
        modulus, key_end = der.expect(spki, modulus, key_end, der.INTEGER)
        return "%s %d" % (kind, der.integer(spki[modulus:key_end]).bit_length())
    return kind


def ec_bits(spki: bytes) -> int:
    """The size of an EC key's curve, whatever curve it is, from the size of the point (SEC 1 section 2.3.3)."""
    content, end = der.expect(spki, 0, len(spki), der.SEQUENCE)
    _content, behind = der.expect(spki, content, end, der.SEQUENCE)
    content, end = der.expect(spki, behind, end, der.BIT_STRING)
    point = spki[content + 1:end]
    return 8 * (len(point) - 1) // (2 if point[:1] == b"\4" else 1)


def is_self_issued(certificate: Certificate) -> bool:
    """Whether subject and issuer are the same name, as a root's are."""
    return certificate.subject_der == certificate.issuer_der


def keys_fit(issuer: Certificate, certificate: Certificate) -> bool:
    """Whether the issuer's key is the one that the certificate asks for (RFC 5280 section 4.2.1.1)."""
    wanted, offered = authority_key_identifier(certificate), subject_key_identifier(issuer)
    return wanted is None or offered is None or wanted == offered


def may_have_issued(issuer: Certificate, certificate: Certificate) -> bool:
    """Whether ``issuer`` fits by name and key identifier (RFC 5280 sections 4.2.1.1, 6.1); no signature is checked."""
    try:
        return issuer.subject_der == certificate.issuer_der and keys_fit(issuer, certificate)
    except der.DerError:
        return True  # an identifier that can't be read says nothing against it


def plain_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint as people write it (``AB:CD:…``, ``sha256:…``) in lower-case hex; ValueError otherwise."""
    plain = re.sub("[:\\s]", "", re.sub("^sha-?256[:=]", "", text.strip().lower()))
    if not re.match(r"[0-9a-f]{64}\Z", plain):
        raise ValueError("%r is not a SHA-256 fingerprint: that has 64 hexadecimal digits" % text)
    return plain


def label(certificate: Certificate) -> str:
    """What messages call a certificate: its subject, or its serial number where the subject is empty."""
    return name(certificate.subject_der) or "serial %x" % certificate.serial


def describe(certificate: Certificate) -> "t.Dict[str, str]":
    """The facts that results show of a certificate, as plain JSON values."""
    return {
        "subject": name(certificate.subject_der),
        "issuer": name(certificate.issuer_der),
        "serial": "%x" % certificate.serial,
        "fingerprint_sha256": certificate.fingerprint,
        "not_before": iso_time(certificate.not_before),
        "not_after": iso_time(certificate.not_after),
    }


def describe_leaf(certificate: Certificate, now: float) -> "t.Dict[str, t.Any]":
    """The same of a certificate that is judged at a time (seconds since the epoch), with names, key and days left."""
    names = shown_alt_names(certificate)
    return dict(describe(certificate), dns_names=names["dns"], ip_addresses=names["ip"],
                key_type=key_type(certificate), remaining_days=int(certificate.not_after - now) // DAY)
