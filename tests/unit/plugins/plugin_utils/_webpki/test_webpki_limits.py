# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains that were made to cost much end soon, and say little."""

from __future__ import annotations

import time

import pki
from cryptography import x509
from webpki_chains import ISSUING, NAME, NOW, ROOT, WEB, at_now, below, broken, constrained, judge, leaf

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import certificate as webpki_certificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import path_building, validate


def test_a_loop_is_walked_once():
    one, other = at_now.root("One"), at_now.root("Other")
    crossed = [at_now.root("One", key=one.key, issuer=other), at_now.root("Other", key=other.key, issuer=one),
               at_now.root("One", key=one.key, issuer=other), at_now.root("Other", key=other.key, issuer=one)]
    search = path_building.Search([webpki_certificate.read(pair.der) for pair in crossed], [], NOW)
    assert list(search.paths(webpki_certificate.read(at_now.server(issuer=one).der))) == []
    assert path_building.MAX_STEPS - search.steps == 1 + 2 + 4  # the leaf, either One, either Other above it


def _mesh(size):
    keys = [pki.new_key() for _number in range(size)]
    roots = [at_now.root(f"CA {number}", key=key) for number, key in enumerate(keys)]
    return roots, [at_now.root(f"CA {number}", key=keys[number], issuer=other)
                   for number in range(size) for other in roots if other is not roots[number]]


def test_pathological_chains_end_soon():
    roots, cross = _mesh(20)
    same_key = pki.new_key()
    same = [at_now.root("CA", key=same_key) for _number in range(200)]
    long = [ROOT]
    for number in range(120):
        long.append(at_now.root(f"CA {number}", issuer=long[-1]))
    many = [x509.DNSName(f"{number}.example.com") for number in range(700)]
    names = [f"{number}.example.com" for number in range(700)]
    cases = [
        ([at_now.server(issuer=roots[0]), *cross], "too-complex"),
        ([at_now.server(issuer=same[0]), *same], "too-complex"),
        ([at_now.server(issuer=long[-1]), *long[1:]], "rfc5280-too-long"),
        (below(constrained(many), dns=names), "too-complex"),
        ([WEB, *[ISSUING] * 501], "too-complex"),
    ]
    for chain, rule in cases:
        start = time.perf_counter()
        assert rule in broken(judge(*chain)), rule
        assert time.perf_counter() - start < 1
    assert judge(at_now.server(issuer=roots[0]), *cross, anchors=[roots[19]]).accepted


def test_a_thousand_findings_are_few_sentences():
    wrong = [f"{number}_.example.com" for number in range(300)]
    found = judge(*leaf(dns=[NAME, *wrong])).findings
    assert len(found) == validate.MAX_OF_A_RULE and found[-1].sentence.endswith("'4_.example.com'; and 295 more such")
