# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters are given of several hosts, of which one lies: it is told, and the others are as without it."""

from __future__ import annotations

import math

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.filter import certificate_refusals, tls_matrix, tls_refusals

ACCEPTED = {"name": "web2", "accepted": True, "clients": {"curl": {"accepted": True, "message": ""}}, "violations": []}
REFUSED = {"name": "web3", "accepted": False, "clients": {"curl": {"accepted": False, "message": "no"}},
           "violations": ["curl refuses it: no"]}
VERIFIED = {"name": "/a.crt", "verified": False, "reasons": ["expired 3 days ago"], "subject": "CN=web1"}
VALUES = st.recursive(st.sampled_from([None, True, 1, 0.5, math.nan, "maybe", "\x1b[2J", "{{ 7 * 7 }}", 2 ** 70]),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                          st.text(max_size=4), inner, max_size=3), max_leaves=6)
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
WRONG = "what it says can't be read"


@MANY
@given(st.sampled_from(["name", "accepted", "clients", "violations"]), VALUES)
def test_a_smoke_test_survives_what_one_host_says(key, value):
    honest = {"web1": [ACCEPTED, REFUSED]}
    lies = {**honest, "evil": [{**ACCEPTED, key: value}]}
    lines = tls_matrix.tls_matrix(lies)
    assert any(line.startswith("web1") for line in lines)
    refused = tls_refusals.tls_refusals(lies)
    assert refused["web3"][0] == "web1: curl refuses it: no"
    assert all(isinstance(one, str) for sentences in refused.values() for one in sentences)


@MANY
@given(st.sampled_from(["name", "verified", "reasons", "subject", "dns_names", "ip_addresses"]), VALUES)
def test_verify_survives_what_one_host_says(key, value):
    said = certificate_refusals.certificate_refusals({"web1": [VERIFIED], "evil": [{**VERIFIED, key: value}]})
    assert ["web1: /a.crt"] == [one for where in said.values() for one in where if one.startswith("web1")]
    assert all(isinstance(one, str) for where in said.values() for one in where)


def test_who_lies_is_told():
    lies = {"web1": [ACCEPTED], "evil": [{**ACCEPTED, "violations": "x"}]}
    assert tls_refusals.tls_refusals(lies) == {"evil": [
        f"{WRONG}: results[0].violations is the text 'x', and is to be a list"]}
    assert [line.split() for line in tls_matrix.tls_matrix(lies)][1:] == [["web1", "1", "accept"], ["evil", "-"]]
    said = certificate_refusals.certificate_refusals({"web1": [VERIFIED], "evil": "x"})
    assert said[f"{WRONG}: results is the text 'x', and is to be a list"] == ["evil"]


@pytest.mark.parametrize("use", [tls_matrix.tls_matrix, tls_refusals.tls_refusals,
                                 certificate_refusals.certificate_refusals])
def test_what_a_play_gives_wrongly_is_said_to_its_author(use):
    for wrong in ("x", [1], {"web1": "x"}, {"web1": [{"name": "x"}]}):
        with pytest.raises(AnsibleFilterError, match="wants results of"):
            use(wrong)
