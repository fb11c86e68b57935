# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From when until when, and when it is time for a new certificate."""
import calendar
import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity

DAY = 86400
NOW = calendar.timegm((2026, 11, 23, 12, 0, 0))
JANUARY = calendar.timegm((2027, 1, 31, 12, 0, 0))
Span = collections.namedtuple("Span", ["not_before", "not_after"])


@pytest.mark.parametrize("text, at", [
    ("+397d", NOW + 397 * DAY), ("-1h", NOW - 3600), ("+1d12h", NOW + DAY + DAY // 2), ("+0", NOW),
    (" +30d ", NOW + 30 * DAY),
    ("-2w", NOW - 14 * DAY), ("+90", NOW + 90)])
def test_relative(text, at):
    assert pki_validity.moment("not_after", text, NOW) == (at, True)


@pytest.mark.parametrize("text, at", [
    ("20270131120000Z", JANUARY), ("2027-01-31T12:00:00Z", JANUARY), ("2027-01-31 12:00:00", JANUARY),
    ("20270131120000", JANUARY), ("2027-01-31", JANUARY - DAY // 2), (20270131, JANUARY - DAY // 2),
    ("20280229000000Z", calendar.timegm((2028, 2, 29, 0, 0, 0))),
    ("19500101000000Z", pki_validity.EARLIEST), ("99991231235959Z", pki_validity.LATEST)])
def test_absolute(text, at):
    assert pki_validity.moment("not_after", text, NOW) == (at, False)


@pytest.mark.parametrize("text", [
    "", "soon", "30d", "+", "-", "+soon", "+30y", "+-1d", "2027", "2027-13-01", "2027-02-30", "20270229000000Z",
    "2027-00-10", "20270131250000Z", "20270131126000Z", "20270131120060Z", "00000101000000Z",
    "2027-01-31T12:00:00+01:00",
    "20270131120000ZZ", "2027-1-3", "99990231000000Z"])
def test_what_is_no_time(text):
    with pytest.raises(ValueError) as error:
        pki_validity.moment("not_after", text, NOW)
    message = str(error.value)
    assert message.startswith("not_after: ")
    assert "20270131120000Z or 2027-01-31T12:00:00Z" in message or "write for example 30d" in message


@pytest.mark.parametrize("text", ["19491231235959Z", "-100000d", "+450000w", "00010101000000Z"])
def test_what_no_certificate_can_say(text):
    with pytest.raises(ValueError, match="not_before: '.*' is out of what certificates can say"):
        pki_validity.moment("not_before", text, NOW)


@given(st.text())
def test_whatever_is_written_it_is_a_time_or_a_sentence(text):
    try:
        found = pki_validity.moment("not_after", text, NOW)
        assert pki_validity.EARLIEST <= found.at <= pki_validity.LATEST
    except ValueError as error:
        assert str(error).startswith("not_after: ")


def wanted(not_before="-1h", not_after=None, renew_before="0", ca=None):
    options = {"not_before": not_before, "not_after": not_after, "renew_before": renew_before}
    return pki_validity.wanted(options, "+180d", NOW, ca)


def test_wanted():
    assert wanted() == ((NOW - 3600, True), (NOW + 180 * DAY, True))
    assert wanted("20261101", "20270131120000Z") == (
        (calendar.timegm((2026, 11, 1, 0, 0, 0)), False), (JANUARY, False))


def test_within_that_of_the_ca():
    ca = Span(NOW - 10, NOW + 90 * DAY)
    assert wanted(ca=ca) == ((NOW - 10, True), (NOW + 90 * DAY, True))
    assert wanted(not_after="+90d", ca=ca) == ((NOW - 10, True), (NOW + 90 * DAY, True))
    assert wanted(not_before="+1d", not_after="20991231", ca=ca) == ((NOW + DAY, True), (NOW + 90 * DAY, False))
    assert wanted(ca=Span(NOW - DAY, NOW + 999 * DAY)) == wanted()


@pytest.mark.parametrize("options, message", [
    ({"not_before": "+2d", "not_after": "+1d"}, "not_after .2026-11-24T12:00:00Z. is not later than not_before "),
    ({"not_before": "+1d", "not_after": "+1d"}, "is not later than not_before"),
    ({"not_before": "20200101", "not_after": "20210101"}, r"not_after \(2021-01-01T00:00:00Z\) has passed"),
    ({"not_after": "+0"}, "has passed"),
    ({"renew_before": "soon"}, "renew_before: 'soon' is no span of time"),
    ({"renew_before": "180d"}, r"renew_before \(180d\) is not shorter than the validity \(not_after: \+180d\): every "),
    ({"renew_before": "30d", "not_after": "+30d"}, r"not_after: \+30d\): every run would renew it"),
    ({"not_before": "x"}, "^not_before: 'x' is no time"),
    ({"not_after": "x"}, "^not_after: 'x' is no time"),
])
def test_what_can_not_be_wanted(options, message):
    with pytest.raises(ValueError, match=message):
        wanted(**options)


def test_boundaries_of_what_can_be_wanted():
    assert wanted(renew_before="179d")
    assert wanted(not_after="+1s").not_after.at == NOW + 1
    assert wanted(not_after="20261201", renew_before="30d")  # ends by itself: no run makes another one


HAVE = Span(NOW - DAY, NOW + 30 * DAY)


@pytest.mark.parametrize("left, renew, message", [
    (30 * DAY, 0, None),
    (30 * DAY, 30 * DAY, None),
    (30 * DAY - 1, 30 * DAY, "it expires in 29 days (2026-12-23T11:59:59Z), sooner than renew_before allows"),
    (1, 0, None),
    (0, 0, "it expired less than a second ago (2026-11-23T12:00:00Z)"),
    (-3 * DAY, 0, "it expired 3 days ago (2026-11-20T12:00:00Z)"),
    (-3 * DAY, 90 * DAY, "it expired 3 days ago (2026-11-20T12:00:00Z)"),
])
def test_expiry(left, renew, message):
    assert pki_validity.expiry(Span(NOW - 90 * DAY, NOW + left), renew, NOW) == message


def reasons(have, renew=0, **options):
    return pki_validity.reasons(have, wanted(**options), renew, NOW)


def test_relative_times_are_no_drift():
    assert reasons(Span(NOW - 99 * DAY, NOW + 5 * DAY)) == []
    assert reasons(Span(NOW - 99 * DAY, NOW + 5 * DAY), 6 * DAY) == [
        "it expires in 5 days (2026-11-28T12:00:00Z), sooner than renew_before allows"]


def test_absolute_times_are():
    have = Span(calendar.timegm((2026, 11, 1, 0, 0, 0)), JANUARY)
    assert reasons(have, not_before="20261101", not_after="20270131120000Z") == []
    assert reasons(have, not_before="20261102", not_after="20270131120000Z") == [
        "not_before: 2026-11-02T00:00:00Z instead of 2026-11-01T00:00:00Z"]
    assert reasons(have, not_before="20261101", not_after="20270131120001Z") == [
        "not_after: 2027-01-31T12:00:01Z instead of 2027-01-31T12:00:00Z"]
    # One reason is enough for what is due as well.
    assert reasons(have, 365 * DAY, not_before="20261101", not_after="20280101") == [
        "not_after: 2028-01-01T00:00:00Z instead of 2027-01-31T12:00:00Z"]
    # An end that was asked for comes, whatever renew_before says.
    assert reasons(have, 365 * DAY, not_before="20261101", not_after="20270131120000Z") == []


def test_what_the_ca_caps_is_not_renewed_to_the_same_end_in_each_run():
    ca = Span(NOW - DAY, NOW + 10 * DAY)
    have = Span(NOW - DAY, NOW + 10 * DAY)
    assert reasons(have, 30 * DAY, ca=ca) == []
    assert reasons(have, 30 * DAY, ca=ca, not_after="20991231") == []
    assert reasons(Span(NOW - DAY, NOW + 9 * DAY), 30 * DAY, ca=ca) == [
        "it expires in 9 days (2026-12-02T12:00:00Z), sooner than renew_before allows"]
    # What was asked for in full is made as soon as the CA allows more of it.
    assert reasons(Span(NOW - DAY, NOW + 9 * DAY), 0, ca=ca, not_after="20991231") == [
        "not_after: 2026-12-03T12:00:00Z instead of 2026-12-02T12:00:00Z"]
    assert reasons(Span(NOW - DAY, NOW + 11 * DAY), 0, ca=ca, not_after="20991231") == [
        "not_after: 2026-12-03T12:00:00Z instead of 2026-12-04T12:00:00Z"]
    renewed = Span(NOW - DAY, NOW + 999 * DAY)
    assert reasons(have, 30 * DAY, ca=renewed)[0].startswith("it expires in 10 days")
    assert reasons(have, 30 * DAY, ca=renewed, not_after="20270131120000Z") == [
        "not_after: 2027-01-31T12:00:00Z instead of 2026-12-03T12:00:00Z"]
