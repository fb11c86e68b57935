# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Revocation lists (CRL, RFC 5280 section 5): read, compared with what is to be revoked, signed."""

import calendar
import os
import re
import time
import typing as t

try:
    from cryptography import x509
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import serialization
except ImportError:  # _cryptography.require() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration, replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    certificates,
    fields,
    issuing_ca,
    keys,
    module_runner,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import crls as x509_crls
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

BEHIND = 3600  # seconds that the clock of a host may be behind which is to accept a new list, as with certificates


class RevokedEntry(t.NamedTuple):
    date: "t.Optional[int]"  # epoch seconds, None for the moment when it is first listed
    reason: str              # in the words of RFC 5280 section 5.3.1


class IssuedList(t.NamedTuple):
    object: "x509.CertificateRevocationList"
    form: str                       # pem or der
    digest: "t.Optional[str]"       # of its signature, None for Ed25519 and Ed448
    number: "t.Optional[int]"       # None where it has none
    next_update: "t.Optional[int]"  # epoch seconds, None where it has none
    entries: "t.Dict[int, RevokedEntry]"   # by serial number


def converge(
    options: "t.Dict[str, t.Any]", check_mode: bool = False, now: "t.Optional[int]" = None
) -> module_runner.Outcome:
    """Makes the revocation list what is wanted; returns an Outcome. ``options`` are the module's, with places resolved.

    Raises Failure before anything is changed.
    """
    now = int(time.time()) if now is None else now
    wanted = _wanted(options["revoked"], now)
    next_update, renew = _next_update(options, now)  # the moment, and the seconds before it
    if check_mode and module_runner.awaited(options):
        entries = _shown_entries(wanted, now)
        return module_runner.foreseen(options, {"number": None, "next_update": None, "revoked": entries})
    authority = issuing_ca.read(options, now, "cRLSign")
    before = _present(options["path"])
    reasons = _why(before, wanted, authority, next_update, renew, options, now)
    made = before if before and not reasons else _sign(wanted, before, authority, next_update.at, options, now)
    changes = [replace.Replacement(options["path"], _encoded(made, options["format"]), 0o644)] if reasons else []
    backups = module_runner.carry_out(changes, options, check_mode)
    return module_runner.Outcome(
        reasons, [], {"filename": options["path"], "backup_files": backups, "number": made.number,
                      "next_update": made.next_update and plain_x509.iso_time(made.next_update),
                      "revoked": _shown_entries(made.entries, now)},
        module_runner.diff(options["path"], _shown(before, now), _shown(made, now)), [options["path"]], None)


def serial_number(text: t.Any) -> int:
    """A serial number as results here and OpenSSL show it, in hexadecimal digits; raises _facts.OptionError."""
    plain = re.sub(r"[:\s]", "", str(text)).lower()
    plain = plain[2:] if plain.startswith("0x") else plain
    if not re.match(r"[0-9a-f]{1,40}\Z", plain, re.ASCII) or not 0 < int(plain, 16) < 1 << 159:
        raise fields.OptionError("revoked: %r is no serial number: write its hexadecimal digits, in quotes" % text)
    return int(plain, 16)


def _wanted(revoked: "t.List[t.Dict[str, t.Any]]", now: int) -> "t.Dict[int, RevokedEntry]":
    wanted: t.Dict[int, RevokedEntry] = {}
    for one in revoked:
        serial = serial_number(one["serial"])
        if serial in wanted:
            raise fields.OptionError("revoked: %x is listed twice: leave one of them" % serial)
        wanted[serial] = RevokedEntry(_date(one["revocation_date"], now), one["reason"])
    return wanted


def _date(text: "t.Optional[str]", now: int) -> "t.Optional[int]":
    found = pki_validity.moment("revocation_date", text, now) if text else None
    if found and found.relative:
        raise fields.OptionError("revocation_date: %r would be another moment in every run: write it in UTC, such as "
                                 "20270131120000Z, or leave it out" % text)
    return found and found.at


def _next_update(options: "t.Dict[str, t.Any]", now: int) -> "t.Tuple[pki_validity.Moment, int]":
    moment = pki_validity.moment("next_update", options["next_update"], now)
    renew = pki_validity.renew_before(options)
    if moment.at - now <= renew:
        raise Failure("renew_before (%s) is not shorter than next_update (%s) is away: every run would "
                      "make a new list" % (options["renew_before"], options["next_update"]))
    return moment, renew


def _present(path: str) -> "t.Optional[IssuedList]":
    """The List that is there; None where there is none, and for what can't be read, which is written anew."""
    if not os.path.lexists(path):
        return None
    try:
        data = pem.read_file(path)
        block = next((block for block in pem.any_blocks(data) if block.label == x509_crls.LABEL), None)
        return _of_object(x509.load_der_x509_crl(pem.decode(block) if block else data, default_backend()),
                          "pem" if block else "der")
    except Exception:  # of many kinds, by version: malformed DER, doubles, unknown types of string
        return None


def _of_object(crl: "x509.CertificateRevocationList", form: str) -> IssuedList:
    number = [extension.value.crl_number for extension in crl.extensions
              if isinstance(extension.value, x509.CRLNumber)]
    entries = {one.serial_number: RevokedEntry(_seconds(one, "revocation_date"), _reason(one)) for one in crl}
    digest = crl.signature_hash_algorithm
    return IssuedList(crl, form, digest.name if digest else None, number[0] if number else None,
                      _seconds(crl, "next_update"), entries)


def _seconds(thing: t.Any, name: str) -> "t.Optional[int]":
    """A time of cryptography, which has had a zone under a name of its own since version 42, in epoch seconds."""
    at = getattr(thing, name + "_utc") if hasattr(type(thing), name + "_utc") else getattr(thing, name)
    return at and calendar.timegm(at.utctimetuple())


def _reason(revoked: "x509.RevokedCertificate") -> str:
    found = [extension.value.reason.value for extension in revoked.extensions
             if isinstance(extension.value, x509.CRLReason)]
    return found[0] if found else "unspecified"


def _why(
    before: "t.Optional[IssuedList]",
    wanted: "t.Dict[int, RevokedEntry]",
    authority: issuing_ca.Authority,
    next_update: pki_validity.Moment,
    renew: int,
    options: "t.Dict[str, t.Any]",
    now: int,
) -> "t.List[str]":
    """Why a list is made, as list of text."""
    if before is None:
        return ["there is something else at %s" % options["path"] if os.path.lexists(options["path"])
                else "there is no revocation list yet"]
    found = []
    if not _is_signed_by(before.object, authority.certificate):
        found.append("issuer: it is not signed by %s" % authority.name)
    for serial in sorted(set(wanted) | set(before.entries)):
        have, want = before.entries.get(serial), wanted.get(serial)
        if not have or not want:
            found.append("%x is %s" % (serial, "added" if want else "taken out"))
        elif have.reason != want.reason:
            found.append("%x: %s instead of %s" % (serial, want.reason, have.reason))
        elif want.date is not None and have.date is not None and want.date != have.date:
            found.append("%x: revoked on %s instead of %s" % (serial, plain_x509.iso_time(want.date),
                                                              plain_x509.iso_time(have.date)))
    digest = keys.digest_name(options["digest"], authority.certificate.public_key)
    if digest != before.digest:
        found.append("digest: %s instead of %s" % (digest or "none", before.digest or "none"))
    if before.form != options["format"]:
        found.append("format: %s instead of %s" % (options["format"], before.form))
    left = (before.next_update or now) - now
    if not next_update.relative and next_update.at != before.next_update:
        found.append("next_update: %s instead of %s" % (
            plain_x509.iso_time(next_update.at),
            "none" if before.next_update is None else plain_x509.iso_time(before.next_update)))
    elif left <= renew:
        found.append("its next_update is %s" % ("in %s" % duration.spoken(left) if left > 0 else "over"))
    return found or (["force"] if options["force"] else [])


def _is_signed_by(crl: "x509.CertificateRevocationList", issuer: certificates.IssuedCertificate) -> bool:
    try:
        return crl.issuer == issuer.object.subject and keys.signed_by(
            issuer.public_key, crl.signature, crl.tbs_certlist_bytes, crl.signature_hash_algorithm)
    except Exception:  # of many kinds, by version, as in _present: some read these only when they are asked for
        return False


def _sign(
    wanted: "t.Dict[int, RevokedEntry]",
    before: "t.Optional[IssuedList]",
    authority: issuing_ca.Authority,
    next_update: int,
    options: "t.Dict[str, t.Any]",
    now: int,
) -> IssuedList:
    """A new List. Who is listed already keeps the moment of it, and the number grows (RFC 5280 section 5.2.3).

    Where no list tells the last number, it is the time in seconds: there may have been one, with a smaller number.
    """
    issuer = certificates.issuer_of(authority.certificate)
    last = before.number if before else None
    builder = (x509.CertificateRevocationListBuilder().issuer_name(issuer.name)
               .last_update(certificates.moment(now - BEHIND)).next_update(certificates.moment(next_update))
               .add_extension(x509.AuthorityKeyIdentifier(bytes.fromhex(issuer.key_identifier), None, None), False)
               .add_extension(x509.CRLNumber(last + 1 if last and last > 0 else now), False))
    for serial, entry in sorted(wanted.items()):
        listed = before.entries.get(serial) if before else None
        at = next(date for date in (entry.date, listed.date if listed else None, now) if date is not None)
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(certificates.moment(at))
        if entry.reason != "unspecified":
            revoked = revoked.add_extension(x509.CRLReason(x509.ReasonFlags(entry.reason)), False)
        builder = builder.add_revoked_certificate(revoked.build(default_backend()))
    digest = keys.digest(keys.digest_name(options["digest"], issuer.public_key))
    return _of_object(builder.sign(authority.key, digest, default_backend()), options["format"])


def _encoded(made: IssuedList, form: str) -> bytes:
    return made.object.public_bytes(serialization.Encoding.PEM if form == "pem" else serialization.Encoding.DER)


def _shown_entries(entries: "t.Dict[int, RevokedEntry]", now: int) -> "t.List[t.Dict[str, str]]":
    return [{"serial": "%x" % serial, "reason": entry.reason,
             "revocation_date": plain_x509.iso_time(now if entry.date is None else entry.date)}
            for serial, entry in sorted(entries.items())]


def _shown(made: "t.Optional[IssuedList]", now: int) -> str:
    if made is None:
        return ""
    return "number: %s\nnext_update: %s\n%s" % (
        made.number, made.next_update and plain_x509.iso_time(made.next_update),
        "".join("revoked: %(serial)s %(revocation_date)s %(reason)s\n" % one
                for one in _shown_entries(made.entries, now)))
