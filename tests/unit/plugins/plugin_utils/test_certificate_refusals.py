# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong on many hosts is told once."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fleetpki.host_trust.plugins.filter.certificate_refusals import certificate_refusals


def result(name, *reasons):
    return {"name": name, "reasons": list(reasons), "verified": not reasons}


def test_hosts_by_reason():
    found = certificate_refusals({
        "a": [result("one", "too old", "too short"), result("two")], "b": [result("one", "too old", "too short")],
        "c": [result("three", "too old")], "d": []})
    assert found == {"too old; too short": ["a: one", "b: one"], "too old": ["c: three"]}


@pytest.mark.parametrize("count, most, expected", [(10, 10, 10), (11, 10, 11), (300, 10, 11), (3, 1, 2)])
def test_no_more_are_named_than_fit_on_a_screen(count, most, expected):
    where = certificate_refusals({f"host{number}": [result("x", "why")] for number in range(count)}, most)["why"]
    assert len(where) == expected and (where[-1] == f"and {count - most} more") is (count > most)


@pytest.mark.parametrize("wrong", [[], {"a": None}, {"a": [{}]}, {"a": ["text"]}, None])
def test_other_input_is_refused(wrong):
    with pytest.raises(AnsibleFilterError, match="wants results of cert_verify"):
        certificate_refusals(wrong)
