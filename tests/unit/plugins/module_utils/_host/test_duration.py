# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration


@pytest.mark.parametrize("text, expected", [
    ("30d", 2592000), ("12h", 43200), ("2w", 1209600), ("45m", 2700), ("90s", 90), ("1d12h", 129600),
    ("1d 12h", 129600), (" 30d ", 2592000), ("0", 0), ("3600", 3600), (3600, 3600), ("1w1d1h1m1s", 694861),
])
def test_spans(text, expected):
    assert duration.seconds(text) == expected


@pytest.mark.parametrize("text", [
    "", "d", "30 days", "-30d", "-1", "1.5d", "30D", "1y", "30dd", "soon", None, True, "30d!", "1d12",
    u"\u0663d", u"\u0663",
])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is no span of time: write for example 30d"):
        duration.seconds(text)


def test_a_span_beyond_all_calendars_is_refused():
    with pytest.raises(ValueError, match="longer than any certificate"):
        duration.seconds("9999999w")


@given(st.lists(st.tuples(st.integers(0, 1000), st.sampled_from("wdhms")), min_size=1))
def test_parts_add_up(parts):
    total = sum(duration.seconds("%d%s" % part) for part in parts)
    assert duration.seconds("".join("%d%s" % part for part in parts)) == total


@given(st.text())
def test_any_text_is_a_number_or_a_value_error(text):
    try:
        assert duration.seconds(text) >= 0
    except ValueError as error:
        assert len(str(error)) > 20


@pytest.mark.parametrize("span, expected", [
    (0, "less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (3 * 3600 + 59, "3 hours"),
    (86400, "1 day"), (14 * 86400 + 86399, "14 days"),
])
def test_spoken(span, expected):
    assert duration.spoken(span) == expected


def test_digits_by_the_kilobyte_are_refused_before_they_are_looked_through():
    with pytest.raises(ValueError, match="is too long"):
        duration.seconds("1" * 200000 + "x")
