# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Files of certificates as people have them: PEM (RFC 7468) with one or many, DER, PKCS#7; and PEM written.

One reader for controller and host, standard library alone. What it can't read it refuses with a sentence that says
what the file is and how to convert it. It never quotes what it read: it may be a private key.
"""

import base64
import binascii
import collections
import errno
import functools
import hashlib
import os
import re
import stat
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

MAX_BYTES = 128 * 1024 * 1024
LEAST_BYTES = 64 * 1024  # that are looked for in a file, for those of /proc say that they have none
CERTIFICATE_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE")
TRUSTED_LABEL = b"TRUSTED CERTIFICATE"
LOADED_LABELS = CERTIFICATE_LABELS + (TRUSTED_LABEL,)  # that OpenSSL takes for an anchor
PKCS7_LABELS = (b"PKCS7", b"CMS", b"PKCS #7 SIGNED DATA")
MARKER = re.compile(br"-----(BEGIN|END) ([A-Z0-9 #.]{1,64})-----")
SIGNED_DATA = "1.2.840.113549.1.7.2"


class Block(t.NamedTuple):
    label: bytes
    content: bytes
    start: int
    end: int


class CertificateFileError(Failure, ValueError):
    """A file that can't be used; the message says why and what to do, without the file's name."""


class PrivateKeyFound(CertificateFileError):
    """There is a private key in a file of certificates."""


def read_file(path: str) -> bytes:
    """The bytes of a regular file of at most MAX_BYTES; whatever else is there is refused without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise CertificateFileError(
            "there is no such file" if error.errno == errno.ENOENT else "it can't be read: %s" % error.strerror)
    except ValueError as error:
        raise CertificateFileError("it is no path: %s" % error)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CertificateFileError("it is not a regular file")
        if status.st_size > MAX_BYTES:
            raise CertificateFileError("it is larger than %d MiB" % (MAX_BYTES // 1024 // 1024))
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read(max(status.st_size, LEAST_BYTES))  # which takes that much memory at once
    except EnvironmentError as error:
        raise CertificateFileError("it can't be read: %s" % error.strerror)
    finally:
        os.close(descriptor)


def advised(message: str) -> str:
    """A sentence on a file that can't be read, with the advice that goes with it."""
    return message + ("; does the task need 'become'?" if "Permission denied" in message else "")


def read_given(path: "t.Optional[str]", content: "t.Optional[str]") -> bytes:
    """The bytes of a file, or of the text that was given in its place."""
    return read_file(path) if path else (content or "").encode("utf-8", "replace")


def holds_key(data: bytes) -> bool:
    """Whether there is a private key in bytes, in PEM form."""
    return any(marker.group(2).endswith(b"PRIVATE KEY") for marker in MARKER.finditer(data))


def key_lost(path: str, option: str) -> str:
    """The sentence on a file that is not written, for there is a private key in it."""
    return ("%s holds a private key, which would be lost: give the key a file of its own, or name another file in '%s'"
            % (path, option))


def is_plain_pem(data: bytes) -> bool:
    """Whether a file has its certificates as servers want them, each in PEM form: not in DER, nor as PKCS#7."""
    return b"-----BEGIN CERTIFICATE-----" in data


def blocks(data: bytes) -> "t.List[Block]":
    """The PEM blocks of ``data`` in order (list); raises CertificateFileError where one is cut off."""
    found = list(any_blocks(data))
    begins = sum(marker.group(1) == b"BEGIN" for marker in MARKER.finditer(data))
    if begins != len(found):
        raise CertificateFileError("a PEM block in it has no end line of its own: is the file truncated?")
    return found


def any_blocks(data: bytes) -> "t.Iterator[Block]":
    """Yields the PEM blocks of ``data`` as p11-kit finds them: from a begin line to the next end line of its label.

    So a block that was cut off swallows its successor, and what they hold together is no base64 any more.
    Works from marker to marker: the time is linear whatever the input.
    """
    begin = None
    for marker in MARKER.finditer(data):
        if marker.group(1) == b"BEGIN":
            begin = begin or marker
        elif begin and marker.group(2) == begin.group(2):
            yield Block(begin.group(2), data[begin.end():marker.start()], begin.start(), marker.end())
            begin = None


def holds_certificates(data: bytes) -> bool:
    """Whether there is a PEM block in a file. One without is an empty store for OpenSSL, and not a broken one."""
    return any(marker.group(1) == b"BEGIN" for marker in MARKER.finditer(data))


def certificate_blocks(data: bytes) -> "t.Iterator[t.Tuple[Block, bytes]]":
    """Yields (Block, DER of the certificate) of a PEM file, leniently: what can't be read is left out.

    With OpenSSL's trusted certificates among them: of those, what stands before the trust settings.
    """
    for block in any_blocks(data):
        if block.label in LOADED_LABELS:
            content = lenient_certificate(block)
            if content is not None:
                yield block, content


def lenient_certificate(block: Block) -> "t.Optional[bytes]":
    """The DER of the certificate in a block with one of LOADED_LABELS; None where it can't be decoded."""
    return _certificate(block.content)


@functools.lru_cache(maxsize=4096)  # the bundles of a store hold the same certificates, a bundle for each purpose
def _certificate(text: bytes) -> "t.Optional[bytes]":
    try:
        content = _decode(text)
        return content[:der.element(content, 0, len(content))[2]]
    except (binascii.Error, ValueError):
        return None


def _decode(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.split()), validate=True)


def decode(block: Block) -> bytes:
    """The bytes that a PEM block holds."""
    try:
        return _decode(block.content)
    except (binascii.Error, ValueError):
        raise CertificateFileError("a PEM block in it (%s) is not valid base64" % block.label.decode("ascii"))


def fingerprints(data: bytes) -> "t.List[str]":
    """SHA-256 fingerprints of all certificates in a PEM file that the store's tools wrote, in order, read leniently."""
    return [hashlib.sha256(content).hexdigest() for _block, content in certificate_blocks(data)]


def read_certificates(data: bytes, keys_allowed: bool = False) -> "t.List[x509.Certificate]":
    """All certificates of a file, as x509.Certificate, in order, each once.

    Raises CertificateFileError where the file holds no certificate, one that can't be read, or a private key (in PEM,
    keys_allowed passes over these: a server's key and certificate may lie in one file).
    """
    data = _plain(data)
    found = list(_of_pem(data, keys_allowed) if MARKER.search(data) else _of_der(data))
    if not found:
        raise CertificateFileError("there is no certificate in it")
    return list(collections.OrderedDict((certificate.fingerprint, certificate) for certificate in found).values())


def _plain(data: bytes) -> bytes:
    """Windows' tools write PEM as UTF-16; with a byte-order mark that is no riddle."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16").encode("utf-8")
        except UnicodeDecodeError:
            raise CertificateFileError("it begins like UTF-16 text and is not")
    return data


def _of_pem(data: bytes, keys_allowed: bool) -> "t.Iterator[x509.Certificate]":
    everything = blocks(data)
    if not keys_allowed and any(block.label.endswith(b"PRIVATE KEY") for block in everything):
        raise PrivateKeyFound("there is a private key in it, which must not lie in a trust store: "
                              "keep the key elsewhere and leave only the certificate in the file")
    for block in everything:
        if block.label == TRUSTED_LABEL:
            raise CertificateFileError("it is in OpenSSL's trusted form, whose trust settings would be lost: convert "
                                       "it with 'openssl x509 -in FILE -out FILE.pem'")
        if block.label in CERTIFICATE_LABELS or block.label in PKCS7_LABELS:
            yield from _of_der(decode(block))
    others = sorted({block.label.decode("ascii") for block in everything})
    if not any(block.label in CERTIFICATE_LABELS + PKCS7_LABELS for block in everything):
        raise CertificateFileError("there is no certificate in it, but: %s" % ", ".join(others))


def _of_der(data: bytes) -> "t.List[x509.Certificate]":
    """The certificates of a DER certificate or a PKCS#7 bundle."""
    try:
        content, end = der.expect(data, 0, len(data), der.SEQUENCE)
    except der.DerError as error:
        if not data.strip():
            raise CertificateFileError("it is empty")
        if data[:1] != b"0":
            raise CertificateFileError("there is no certificate in it: it is neither PEM nor DER nor PKCS#7")
        raise CertificateFileError(
            "it can't be read as DER (%s); if it is a PKCS#7 file in BER, convert it with "
            "'openssl pkcs7 -inform DER -in FILE -print_certs -out FILE.pem'" % error)
    try:
        parts = list(der.children(data, content, end))
        _refuse_other_der(data, parts)
        if parts and parts[0][0] == der.OID:
            return [x509.parse(raw) for raw in _of_pkcs7(data, parts)]
        return [x509.parse(data)]
    except der.DerError as error:
        raise CertificateFileError("it holds no readable certificate: %s" % error)


def _refuse_other_der(data: bytes, parts: "t.List[der.Element]") -> None:
    tags = [part[0] for part in parts]
    version = der.integer(data[parts[0][2]:parts[0][3]]) if tags[:1] == [der.INTEGER] else None
    if version == 3 and tags[1:2] == [der.SEQUENCE]:
        raise CertificateFileError("it is a PKCS#12 file, which usually holds a private key too: take the certificates "
                                   "out with 'openssl pkcs12 -in FILE -nokeys -out FILE.pem'")
    if version in (0, 1, 2) or tags == [der.SEQUENCE, der.OCTET_STRING]:
        raise PrivateKeyFound("it looks like a private key in DER form: name the file with the certificate")


def _of_pkcs7(data: bytes, parts: "t.List[der.Element]") -> "t.Iterator[bytes]":
    """The certificates field of SignedData (RFC 2315 section 9.1, RFC 5652 section 5.1), each as DER."""
    if der.oid(data[parts[0][2]:parts[0][3]]) != SIGNED_DATA or len(parts) != 2:
        raise CertificateFileError("it is PKCS#7, but not the kind that carries certificates (signedData)")
    content, end = der.expect(data, parts[1][2], parts[1][3], der.SEQUENCE)
    for tag, _start, inner, behind in der.children(data, content, end):
        if tag == 0xA0:
            for kind, start, _content, stop in der.children(data, inner, behind):
                if kind == der.SEQUENCE:
                    yield data[start:stop]


def to_pem(data: bytes, label: str = "CERTIFICATE") -> str:
    """DER bytes as a PEM block with lines of 64 characters (RFC 7468), as text."""
    body = base64.b64encode(data).decode("ascii")
    lines = [body[start:start + 64] for start in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN %s-----" % label] + lines + ["-----END %s-----" % label, ""])
