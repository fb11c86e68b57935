# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who accepts whom, put together from the answers of several hosts."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fleetpki.host_trust.plugins.filter import tls_matrix, tls_refusals
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _tls_matrix


def result(name, required=("curl",), **accepted):
    """A result of tls_client_info: accepted is {client: True, False or None}."""
    return {
        "name": name, "accepted": {True} <= set(accepted.values()) <= {True, None},
        "clients": {client: {"accepted": one, "message": "no" * (one is False)} for client, one in accepted.items()},
        "violations": [f"{client} refuses it: no" for client in required if accepted.get(client) is False],
    }


FLEET = {
    "web1": [result("web2", curl=False, java=False), result("web3", curl=True, java=None)],
    "web2": [result("web1", curl=True, java=False)],
    "web10": [],
}


def test_matrix():
    assert _tls_matrix.matrix(FLEET) == [
        "       web1            web2           web3",
        "web1   -               REFUSED (all)  1 accept",
        "web2   REFUSED (java)  -              -",
        "web10  -               -              -",
    ]


def test_where_no_client_has_judged_nobody_has_refused():
    assert _tls_matrix.matrix({"web1": [result("web2", curl=None, java=None), result("web3")]}) == [
        "      web2        web3", "web1  not judged  not asked"]


def test_nobody_has_asked():
    assert _tls_matrix.matrix({}) == [""] and _tls_matrix.refusals({}) == {}


def test_refusals_are_those_of_required_clients():
    assert _tls_matrix.refusals(FLEET) == {"web2": ["web1: curl refuses it: no"]}
    both = {"a": [result("c", curl=False)], "b": [result("c", curl=False)], "c": [result("a", curl=True)]}
    assert _tls_matrix.refusals(both) == {"c": ["a: curl refuses it: no", "b: curl refuses it: no"]}


def test_who_refuses_all_that_others_accept_is_at_fault():
    fleet = {"a": [result("b", curl=False), result("c", curl=False)],
             "b": [result("a", curl=True), result("c", curl=True)],
             "c": [result("a", curl=True), result("b", curl=True)]}
    assert _tls_matrix.refusals(fleet) == {"a": [
        "it refuses all that it has asked (b, c), and others accept those, so its own trust is at fault: "
        "curl refuses it: no"]}
    fleet["c"][1] = result("b", curl=False)
    assert set(_tls_matrix.refusals(fleet)) == {"b", "c"}  # nobody accepts b, so that may be b's own fault


def test_the_filters():
    filters = {**tls_matrix.FilterModule().filters(), **tls_refusals.FilterModule().filters()}
    assert filters["tls_matrix"](FLEET) == _tls_matrix.matrix(FLEET)
    assert filters["tls_refusals"](FLEET) == _tls_matrix.refusals(FLEET)
    for name, function in filters.items():
        for nonsense in (3, [1], {"a": [{}]}, {"a": 1}):
            with pytest.raises(AnsibleFilterError, match=f"{name} wants results of tls_client_info"):
                function(nonsense)
