# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Revocation lists that were given with a chain (RFC 5280 sections 5 and 6.3)."""

from __future__ import annotations

import collections.abc as c
import typing as t

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    PROCESSED = (x509.IssuingDistributionPoint,)
    # RFC 5280 sections 5.2.1, 5.2.3, 5.2.6 and 5.2.7
    NEVER_CRITICAL = (x509.AuthorityKeyIdentifier, x509.CRLNumber, x509.FreshestCRL, x509.AuthorityInformationAccess)
except ImportError:  # _webpki.unable() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import checks
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.certificate import (
    PathCertificate,
    label,
    said,
)
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.rules import Finding, finding


class RevocationList(t.NamedTuple):
    """A revocation list. ``malformed`` says why its extensions can't be read, else None."""

    object: x509.CertificateRevocationList
    issuer: bytes
    extensions: dict[str, x509.Extension[t.Any]]
    malformed: str | None

    @property
    def label(self) -> str:
        return f"the revocation list of {label(self.issuer)}"

    def get(self, kind: t.Any) -> t.Any:
        extension = self.extensions.get(kind.oid.dotted_string)
        return extension.value if extension else None


def read(data: bytes) -> RevocationList:
    """A list in DER; raises ValueError with the rest of a sentence."""
    try:
        found = x509.load_der_x509_crl(data)
        issuer = found.issuer.public_bytes()
    except Exception as error:  # of many kinds, by version, as in module_utils/_pki/pkcs10.py
        raise ValueError(f"it can't be read as a revocation list: {said(error)}")
    try:
        return RevocationList(found, issuer, {one.oid.dotted_string: one for one in found.extensions}, None)
    except Exception as error:
        return RevocationList(found, issuer, {}, said(error))


def of_path(path: list[PathCertificate], lists: list[RevocationList], now: float) -> c.Iterator[Finding]:
    """Findings on the revocation of each certificate of a path but its anchor; none where no list was given."""
    for one, issuer in zip(path, path[1:], strict=False) if lists else ():
        who = "" if one is path[0] else f"{one.label} "
        own = [each for each in lists if each.issuer == one.issuer]
        if not own:
            given = ", ".join(sorted({label(each.issuer) for each in lists}))
            yield finding("rfc5280-crl-missing", f"whether {who.strip() or 'it'} is revoked is not known: its issuer "
                                                 f"is {label(one.issuer)}, and the revocation lists given are of "
                                                 f"{given}")
            continue
        objections = [list(unusable(each, one, issuer, now)) for each in own]
        if all(objections):
            yield from (found for objection in objections for found in objection)
        # What is revoked stays so, whatever else is wrong with the list: it is old, or has the latest changes only.
        for each in own:
            entry = _entry(each, one) if is_signed(each, issuer) else None
            if entry is not None:
                yield from _revoked(entry, who)
                break


def _entry(one: RevocationList, certificate: PathCertificate) -> t.Any:
    """A list's entry of a certificate, or None; one that takes back an earlier one is no revocation."""
    if certificate.serial < 0:
        return None  # none can be listed, and checks.py minds it
    entry = one.object.get_revoked_certificate_by_serial_number(certificate.serial)
    if entry is None or any(isinstance(extension.value, x509.CRLReason)
                            and extension.value.reason is x509.ReasonFlags.remove_from_crl
                            for extension in _of_entry(entry)):
        return None
    return entry


def _of_entry(entry: t.Any) -> list[t.Any]:
    """The extensions of an entry, none where they can't be read: it is listed all the same."""
    try:
        return list(entry.extensions)
    except Exception:
        return []


def is_signed(one: RevocationList, issuer: PathCertificate) -> bool:
    try:
        # A key of a kind that signs nothing is a TypeError.
        return one.object.is_signature_valid(issuer.object.public_key())  # type: ignore[arg-type]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _revoked(entry: t.Any, who: str) -> c.Iterator[Finding]:
    why, unknown = "", []
    for extension in _of_entry(entry):
        if isinstance(extension.value, x509.CRLReason):
            why = f" ({extension.value.reason.value})"
        elif extension.critical:
            unknown.append(extension.oid.dotted_string)
    if unknown:
        yield finding("rfc5280-crl-extension", f"{who}is on a revocation list, in an entry with the critical extension "
                                               f"{', '.join(unknown)}, which is not known here")
    day = entry.revocation_date_utc.strftime("%Y-%m-%d")
    yield finding("rfc5280-revoked", f"{who}is revoked since {day}{why}")


def unusable(
    one: RevocationList, certificate: PathCertificate, issuer: PathCertificate, now: float
) -> c.Iterator[Finding]:
    """Why a list, which is by the issuer's name, says nothing of a certificate; nothing where it does."""
    if one.malformed:
        yield finding("rfc5280-crl-malformed", f"{one.label} has an extension that can't be read: {one.malformed}")
        return
    yield from _dates(one, now)
    yield from _extensions(one)
    yield from _scope(one, certificate)
    usage = issuer.get(x509.KeyUsage)
    if usage and not usage.crl_sign:
        yield finding("rfc5280-crl-sign", f"{one.label} counts for nothing: the keyUsage of {issuer.label} lacks "
                                          "cRLSign")
    if not is_signed(one, issuer):
        yield finding("rfc5280-crl-signature", f"{one.label} was not signed with the key of the CA of that name in "
                                               "this chain")


def _dates(one: RevocationList, now: float) -> c.Iterator[Finding]:
    begins, ends = one.object.last_update_utc.timestamp(), one.object.next_update_utc
    if ends is None:
        yield finding("rfc5280-crl-expired", f"{one.label} does not say when it ends (nextUpdate)")
    elif now > ends.timestamp():
        yield finding("rfc5280-crl-expired", f"{one.label} expired at {plain_x509.iso_time(int(ends.timestamp()))}: "
                                             "have the CA make a new one")
    if now < begins:
        yield finding("rfc5280-crl-expired", f"{one.label} begins only at {plain_x509.iso_time(int(begins))}")


def _extensions(one: RevocationList) -> c.Iterator[Finding]:
    known = {kind.oid.dotted_string for kind in PROCESSED}
    for kind in NEVER_CRITICAL:
        known.add(kind.oid.dotted_string)
        extension = one.extensions.get(kind.oid.dotted_string)
        if extension and extension.critical:
            yield finding("rfc5280-crl-extension", f"{one.label} has its {checks.named(kind)} critical, which it must "
                                                   "not be")
    if one.get(x509.DeltaCRLIndicator):
        known.add(x509.DeltaCRLIndicator.oid.dotted_string)
        yield finding("rfc5280-crl-scope", f"{one.label} is a delta list, with the latest changes only: give the "
                                           "complete one")
    for oid, extension in one.extensions.items():
        if extension.critical and oid not in known:
            yield finding("rfc5280-crl-extension", f"{one.label} has the critical extension {oid}, which is not known "
                                                   "here")


def _scope(one: RevocationList, certificate: PathCertificate) -> c.Iterator[Finding]:
    """RFC 5280 section 6.3.3 b: which certificates a list is about."""
    point = one.get(x509.IssuingDistributionPoint)
    if point is None:
        return
    is_ca = checks.is_ca(certificate)
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        yield finding("rfc5280-crl-scope", f"{one.label} is an indirect list, or not about all reasons: give a "
                                           "complete one")
    elif point.only_contains_user_certs and is_ca or point.only_contains_ca_certs and not is_ca:
        yield finding("rfc5280-crl-scope", f"{one.label} is only about {'CAs' if not is_ca else 'others than CAs'}")
    elif point.relative_name or point.full_name and not _named_in(certificate, point.full_name):
        yield finding("rfc5280-crl-scope", f"{one.label} is of a distribution point that the certificate does not name")


def _named_in(certificate: PathCertificate, full_name: t.Any) -> bool:
    points = certificate.get(x509.CRLDistributionPoints) or ()
    named = [name for point in points for name in point.full_name or ()]
    return any(name in named for name in full_name)
