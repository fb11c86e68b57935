# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest and the newest ansible-core. All other tests run with one in between; ``make matrix`` has them all."""

from __future__ import annotations

import os
import subprocess

import plays
import pytest


@pytest.mark.parametrize("version", ["2.16", "2.21"])
def test_the_whole_way_in_short(version):
    """test_versions.py, as tools/matrix runs it."""
    done = subprocess.run(["tools/matrix", version], cwd=plays.ROOT, env={**os.environ, "PARTS": "integration"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    table = done.stdout.rpartition("=== matrix ===")[2]
    if "skipped: none of its Pythons" in table:
        pytest.skip(table.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout
    print(table)
