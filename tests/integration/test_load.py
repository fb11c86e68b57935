# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Four times as much costs about four times as much: a small part of what ``make load`` measures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.load

LOAD = Path(__file__).resolve().parents[1] / "benchmarks" / "load.py"
PART = 10  # of the sizes: enough to tell what grows with the square
ROUNDS = 2  # the smaller a size, the more of it is what other tests do beside it


def test_costs_grow_with_the_size_and_no_more(capsys):
    """Anchors, a large file, certificates to verify, requests to sign; no serial number comes twice.

    In a process of its own: what has been in memory before a program starts counts as the program's (getrusage(2)), and
    that is more in a worker of pytest than Ansible takes.
    """
    done = subprocess.run([sys.executable, LOAD, "--divide", str(PART), "--rounds", str(ROUNDS)], capture_output=True,
                          text=True, check=False)
    with capsys.disabled():
        print("", *(line for line in done.stdout.splitlines() if " times as much " in line), sep="\n")
    assert done.returncode == 0, done.stdout + done.stderr
