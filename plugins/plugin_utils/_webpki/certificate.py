# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""A certificate as path validation looks at it: what the rules ask of it again and again, worked out once."""

from __future__ import annotations

import functools
import typing as t
import warnings

try:
    from cryptography import __version__, x509

    cryptography_version = __version__
except ImportError:  # _webpki.unable() says so
    cryptography_version = ""

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

CACHED = 1024  # more than any host has anchors: a play judges the same ones again and again


class Malformed(Failure, ValueError):
    """Bytes that are no certificate; the message is the rest of a sentence."""


class PathCertificate(t.NamedTuple):
    """One certificate. ``extensions`` by dotted OID; ``malformed`` says why they can't be read, else None."""

    object: x509.Certificate
    der: bytes
    serial: int
    version: int
    subject: bytes
    issuer: bytes
    spki: bytes
    not_before: float
    not_after: float
    extensions: dict[str, x509.Extension[t.Any]]
    malformed: str | None

    def __eq__(self, other: t.Any) -> bool:
        return isinstance(other, PathCertificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    def get(self, kind: t.Any) -> t.Any:
        """The value of an extension by its class of ``cryptography``, None where it is not there."""
        extension = self.extensions.get(kind.oid.dotted_string)
        return extension.value if extension else None

    def is_critical(self, kind: t.Any) -> bool:
        extension = self.extensions.get(kind.oid.dotted_string)
        return extension is not None and extension.critical

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer

    @property
    def key_id(self) -> bytes | None:
        value = self.get(x509.SubjectKeyIdentifier)
        return value.digest if value else None

    @property
    def issuer_key_id(self) -> bytes | None:
        value = self.get(x509.AuthorityKeyIdentifier)
        return value.key_identifier if value else None

    @property
    def label(self) -> str:
        """What sentences call it: its common name, its whole subject where it has none."""
        return label(self.subject) or f"the certificate with serial number {self.serial:x}"


def label(name: bytes) -> str:
    """What sentences call a Name (DER); empty for an empty one."""
    try:
        common = plain_x509.common_name(name)
        return "CN=" + plain_x509.escape(common) if common else plain_x509.name(name)
    except der.DerError:
        return "a malformed name"


@functools.lru_cache(maxsize=CACHED)
def read(data: bytes) -> PathCertificate:
    """One certificate in DER; raises Malformed. Extensions that can't be read are a finding, and no error here."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what cryptography warns of is a finding of a rule
            found = x509.load_der_x509_certificate(data)
            serial, version = found.serial_number, found.version.value + 1
            extensions, malformed = _extensions(found)
            subject, issuer = found.subject.public_bytes(), found.issuer.public_bytes()
    except Exception as error:  # of many kinds, by version, as in module_utils/_pki/pkcs10.py
        raise Malformed(f"it can't be read as a certificate: {said(error)}")
    return PathCertificate(
        found, data, serial, version, subject, issuer, _spki(data), found.not_valid_before_utc.timestamp(),
        found.not_valid_after_utc.timestamp(), extensions, malformed)


def said(error: Exception) -> str:
    """What cryptography says is wrong, in one line."""
    return plain_x509.printable(str(error).partition("\n")[0]) or type(error).__name__


def _extensions(found: x509.Certificate) -> tuple[dict[str, t.Any], str | None]:
    try:
        return {one.oid.dotted_string: one for one in found.extensions}, None
    except x509.DuplicateExtension as error:
        return {}, f"has the extension {error.oid.dotted_string} twice"
    except Exception as error:  # a feature of TLS without a name here is a KeyError
        return {}, f"has an extension that can't be read: {said(error)}"


def fields(data: bytes) -> tuple[list[bytes], bytes]:
    """(the fields of TBSCertificate, the outer signatureAlgorithm), each as it is encoded."""
    content, end = der.expect(data, 0, len(data), der.SEQUENCE)
    tbs, algorithm, _signature = list(der.children(data, content, end))
    inner = [data[part[1]:part[3]] for part in der.children(data, tbs[2], tbs[3])]
    if inner[0][0] == 0xA0:  # the version, which only version 1 leaves out
        inner = inner[1:]
    return inner, data[algorithm[1]:algorithm[3]]


def _spki(data: bytes) -> bytes:
    try:
        return fields(data)[0][5]
    except (der.DerError, ValueError, IndexError):
        raise Malformed("it can't be read as a certificate: malformed")
