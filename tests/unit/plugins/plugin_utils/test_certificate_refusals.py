# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong on many hosts is told once."""

from __future__ import annotations

import types

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fleetpki.host_trust.plugins.filter.certificate_refusals import certificate_refusals
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames


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


def expired(number):
    ended = types.SimpleNamespace(not_before=0, not_after=1_700_000_000 - 7777 * number)
    return verify_reasons.validity(ended, 1_700_000_000 + 1)


def for_others(number):
    asked = [f"web{number}.example.com", f"192.0.2.{number % 250}", *["shop.example.com"] * (number % 3)]
    offered = {"dns": [f"old{number}.example.org"] * (1 + number % 4), "ip": []}
    return "; ".join(x509_hostnames.findings(asked, [], offered, f"old{number}.example.org"))


@pytest.mark.parametrize("says", [
    expired, for_others,
    lambda number: f"the private key /etc/pki/tls/private/web{number}.key belongs to another certificate",
    lambda number: f"issuer CN=web{number} is not trusted by this host",
    lambda number: f"issuer CN=Corp Root CA is not trusted by this host; the anchor of that name has another key "
                   f"(SHA-256 {number + 2 ** 62:016x}..., valid 20{number // 9:02}-0{number % 9 + 1}-01 to 2090-01-01)",
], ids=["expired", "names", "key", "self-issued", "another key"])
def test_three_hundred_reasons_that_differ_in_names_and_times_are_one(says):
    given = {f"web{number}": [{**result(f"web{number}.crt", says(number)), "subject": f"O=Corp,CN=web{number}",
                               "dns_names": [f"web{number}.example.com"], "ip_addresses": []}]
             for number in range(300)}
    assert len({one["reasons"][0] for (one,) in given.values()}) > 200
    found = certificate_refusals(given)
    where = [f"web{number}: web{number}.crt" for number in range(10)]
    assert found == {f"{says(0)}, and the like": [*where, "and 290 more"]}


@pytest.mark.parametrize("one, other", [
    ("issuer CN=Corp CA 1 is not trusted by this host", "issuer CN=Corp CA 2 is not trusted by this host"),
    ("issuer CN=a.example.com is not trusted", "issuer CN=b.example.com is not trusted"),
    ("has an RSA key of 1024 bits", "has an RSA key of 512 bits"),
    ("has the critical extension 1.2.3", "has the critical extension 1.2.4"),
    ("expired 3 days ago (2026-11-22T21:17:24Z)", "is not yet valid, begins in 3 days (2026-11-22T21:17:24Z)"),
    ("has no keyUsage (rfc5280-ca-key-usage, RFC 5280)", "has no keyUsage (rfc5280-ski, RFC 5280)"),
])
def test_what_has_another_cure_stays_another_reason(one, other):
    assert certificate_refusals({"web1": [result("x", one)], "web2": [result("x", other)]}) == {
        one: ["web1: x"], other: ["web2: x"]}


def test_a_host_called_like_a_word_of_the_sentence():
    said = "has a key that is too small"
    assert certificate_refusals({"web1": [result("x", said)], "key": [result("x", said)]}) == {
        said: ["web1: x", "key: x"]}


def test_most_are_told_first_and_not_more_reasons_than_fit_on_a_screen():
    given = {f"host{number}": [result("x", "often" if number % 2 else f"reason {'i' * number}")]
             for number in range(60)}
    found = certificate_refusals(given, most_reasons=3)
    assert list(found) == ["often", "reason ", "reason ii", "and 28 more reasons"]
    assert found["and 28 more reasons"] == ["28 certificates"]


@pytest.mark.parametrize("wrong", [[], {"a": None}, {"a": [{}]}, {"a": ["text"]}, None])
def test_other_input_is_refused(wrong):
    with pytest.raises(AnsibleFilterError, match="wants results of cert_verify"):
        certificate_refusals(wrong)
