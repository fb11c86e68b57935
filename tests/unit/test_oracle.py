# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_verify's engines against x509-limbo and PKITS, where their files are on the machine (tests/oracle.py)."""

from __future__ import annotations

import functools
import statistics

import oracle
import pytest

# Where the strict engine differs from limbo, and why. Cases in pairs can't be satisfied together.
FALSE_ACCEPTS = {
    "rfc5280::nc::permitted-dns-match-noncritical":
        "the contrary of webpki::nc::permitted-dns-match-noncritical: the CA/Browser Forum allows what the RFC forbids",
    "webpki::eku::ee-without-eku":
        "the contrary of rfc5280::eku::ee-without-eku: browsers and Go accept a server without extended key usage",
    "webpki::san::public-suffix-private-namespace-wildcard-san":
        "section 3.2.2.6 names ICANN's part of the list; the rest would refuse Amazon's own *.s3.amazonaws.com",
}
FALSE_REJECTS = {
    "crl::issuer-no-keyusage-extension":
        "a CA must have a keyUsage (RFC 5280 section 4.2.1.3), and clients that verify strictly refuse one without",
    "pathlen::validation-ignores-pathlen-in-leaf":
        "a server's certificate must be no CA: the contrary of webpki::ca-as-leaf",
}
MOST_FALSE_ACCEPTS, MOST_FALSE_REJECTS = 8, 5
SECONDS = 0.002  # for a chain of three


def outcomes(name, variable, engine):
    path = oracle.find(name, variable)
    if path is None:
        pytest.skip(f"{name} is not on this machine: {variable}=FILE says where it is")
    return _judged(path, engine)


@functools.cache
def _judged(path, engine):
    return oracle.judge(oracle.load(path), engine)


def ids(found):
    return {one.id for one in found}


def test_limbo_by_the_strict_engine():
    found = outcomes("limbo.json.xz", "LIMBO", "strict")
    assert not oracle.unsupported(found)
    accepts, rejects = oracle.false_accepts(found), oracle.false_rejects(found)
    assert ids(accepts) <= set(FALSE_ACCEPTS) and len(accepts) <= MOST_FALSE_ACCEPTS
    assert ids(rejects) <= set(FALSE_REJECTS) and len(rejects) <= MOST_FALSE_REJECTS
    assert {one.id for one in found if one.id.startswith("bettertls::")} and not [
        one for one in [*accepts, *rejects] if one.id.startswith("bettertls::")]


def test_limbo_better_than_pyca_alone():
    ours, theirs = (outcomes("limbo.json.xz", "LIMBO", engine) for engine in ("strict", "pyca"))
    assert len(oracle.false_accepts(ours)) < len(oracle.false_accepts(theirs))
    assert len(oracle.false_rejects(ours)) < len(oracle.false_rejects(theirs))


def test_limbo_in_time():
    found = outcomes("limbo.json.xz", "LIMBO", "strict")
    assert statistics.median(one.seconds for one in found) < SECONDS
    assert max(one.seconds for one in found) < 2


def test_pkits_by_openssl():
    found = outcomes("pkits.json.xz", "PKITS", "openssl")
    assert not oracle.false_accepts(found) and not oracle.unsupported(found)
    assert len(oracle.false_rejects(found)) <= 3  # one key of an algorithm and one path of lists that no OpenSSL knows


def test_pkits_by_the_strict_profile_accepts_nothing_but_other_policies():
    """Policies asked for are no question of cert_verify."""
    found = outcomes("pkits.json.xz", "PKITS", "strict")
    assert {one.id.split("::")[1] for one in oracle.false_accepts(found)} <= {"policies"}
    assert not oracle.unsupported(found)


def test_the_table_counts():
    made = [oracle.Outcome("a::b::one", True, True, "", 0.001), oracle.Outcome("a::b::two", False, True, "", 0.003),
            oracle.Outcome("a::c::one", True, False, "x", 0.001), oracle.Outcome("a::c::two", True, None, "x", 0.001)]
    cells = [line.split("  ") for line in oracle.table(made)]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in cells]
    assert rows[1] == ["a::b", "1 of 1", "0 of 1", "1", "0", "0", "2.00", "3.0"]
    assert rows[2] == ["a::c", "0 of 2", "0 of 0", "0", "1", "1", "1.00", "1.0"]
    assert rows[3][:6] == ["all", "1 of 3", "0 of 1", "1", "1", "1"]
