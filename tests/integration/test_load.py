# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four times as much costs about four times as much: a small part of what ``make load`` measures."""

from __future__ import annotations

import sys
from pathlib import Path

import podman

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))

import load

PART = 10  # of the sizes: enough to tell what grows with the square
ROUNDS = 2  # the smaller a size, the more of it is what other tests do beside it


def test_costs_grow_with_the_size_and_no_more(tmp_path, capsys):
    """Anchors, a large file, certificates to verify, requests to sign; no serial number comes twice."""
    with podman.fleet(["el9"]) as fleet:
        judged = list(load.judge(load.Bench(fleet, tmp_path), load.CASES, PART, ROUNDS))
    with capsys.disabled():
        print("", *(f"{case.what}: {load.sentence(costs, grown)}" for case, costs, grown in judged), sep="\n")
    for case, costs, grown in judged:
        assert max(grown) <= load.limit(costs), (case.what, grown, costs)
