# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""From when until when: what options such as ``+397d`` ask for, what a CA leaves of it, and when to renew.

All times are whole seconds since the epoch (int). Relative times are counted from now, in every run anew: that they
move on is no drift.
"""

import calendar
import re
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import fields
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

DAY = 86400
# What certificates can say (RFC 5280 section 4.1.2.5), from 1950-01-01 to 9999-12-31.
EARLIEST, LATEST = -631152000, 253402300799
ABSOLUTE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:[T ]?([0-9]{2}):?([0-9]{2}):?([0-9]{2})Z?)?\Z", re.ASCII)


class Moment(t.NamedTuple):
    at: int
    relative: bool


class Validity(t.NamedTuple):
    not_before: Moment
    not_after: Moment


def moment(option: str, text: t.Any, now: int) -> Moment:
    """When an option means: ``+30d``, ``-1h``, ``20270131120000Z``, ``2027-01-31T12:00:00Z``, ``2027-01-31``, in UTC.

    Raises _facts.OptionError with a sentence.
    """
    written = str(text).strip()
    if written[:1] in ("+", "-"):
        try:
            span = duration.seconds(written[1:])
        except ValueError as error:
            raise fields.OptionError("%s: %s" % (option, error))
        return _within(option, written, Moment(now + (span if written[0] == "+" else -span), True))
    match = ABSOLUTE.match(written)
    if match:
        year, month, day, hour, minute, second = (int(group or 0) for group in match.groups())
        try:
            at = calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0))
        except ValueError:  # no 13th month
            at = None
        if at is not None and time.gmtime(at)[:6] == (year, month, day, hour, minute, second):  # no 31st of February
            return _within(option, written, Moment(at, False))
    raise fields.OptionError("%s: %r is no time: write it relative to now, such as +90d or -1h, or in UTC, such as "
                             "20270131120000Z or 2027-01-31T12:00:00Z" % (option, written))


def _within(option: str, written: str, found: Moment) -> Moment:
    if not EARLIEST <= found.at <= LATEST:
        raise fields.OptionError("%s: %r is out of what certificates can say, which is from 1950 to 9999"
                                 % (option, written))
    return found


def wanted(
    options: "t.Dict[str, t.Any]", default_not_after: str, now: int, ca: "t.Optional[x509.Certificate]" = None
) -> Validity:
    """The Validity that options ask for, within that of the CA (x509.Certificate); raises _facts.OptionError."""
    not_before = moment("not_before", options["not_before"], now)
    not_after = moment("not_after", options["not_after"] or default_not_after, now)
    renew = renew_before(options)
    if not_after.at <= not_before.at:
        raise fields.OptionError("not_after (%s) is not later than not_before (%s)" % (
            x509.iso_time(not_after.at), x509.iso_time(not_before.at)))
    if not_after.at <= now:
        raise fields.OptionError("not_after (%s) has passed" % x509.iso_time(not_after.at))
    if renew and not_after.relative and not_after.at - now <= renew:
        raise fields.OptionError(
            "renew_before (%s) is not shorter than the validity (not_after: %s): every run would renew it"
            % (options["renew_before"], options["not_after"] or default_not_after))
    if ca and ca.not_before > not_before.at:
        not_before = not_before._replace(at=ca.not_before)
    if ca and ca.not_after < not_after.at:
        not_after = not_after._replace(at=ca.not_after)
    return Validity(not_before, not_after)


def renew_before(options: "t.Dict[str, t.Any]") -> int:
    """How long before its end a certificate is renewed, in seconds; raises _facts.OptionError."""
    try:
        return duration.of_option("renew_before", options["renew_before"])
    except ValueError as error:
        raise fields.OptionError(str(error))


def reasons(certificate: x509.Certificate, validity: Validity, renew: int, now: int) -> "t.List[str]":
    """Why the validity of a certificate that is there calls for a new one, as list of text."""
    found = []
    for name in ("not_before", "not_after"):
        want, have = getattr(validity, name), getattr(certificate, name)
        if not want.relative and want.at != have:
            found.append("%s: %s instead of %s" % (name, x509.iso_time(want.at), x509.iso_time(have)))
    due = expiry(certificate, renew, now)
    # What the CA caps would end at the same moment again, in every run.
    if due and validity.not_after.at > certificate.not_after and not found:
        found.append(due)
    return found


def expiry(certificate: x509.Certificate, renew: int, now: int) -> "t.Optional[str]":
    """A phrase if the certificate has expired or does so within ``renew`` seconds, or None."""
    left = certificate.not_after - now
    when = x509.iso_time(certificate.not_after)
    if left <= 0:
        return "it expired %s ago (%s)" % (duration.spoken(-left), when)
    if left < renew:
        return "it expires in %s (%s), sooner than renew_before allows" % (duration.spoken(left), when)
    return None
