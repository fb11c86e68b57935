# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest and the newest ansible-core. All other tests run with one in between; ``make matrix`` has them all."""

from __future__ import annotations

import os
import subprocess

import plays
import pytest

pytestmark = pytest.mark.versions


@pytest.mark.parametrize("version, chosen", [("2.16", ""), ("2.21", "-k whole_way")])  # 2.16 alone knows Python 3.6
def test_the_whole_way_in_short(version, chosen):
    """test_versions.py, as tools/matrix runs it."""
    environment = {**os.environ, "PARTS": "integration", "PYTEST_ADDOPTS": chosen}
    done = subprocess.run(["tools/matrix", version], cwd=plays.ROOT, env=environment, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    table = done.stdout.rpartition("=== matrix ===")[2]
    if "skipped: none of its Pythons" in table:
        pytest.skip(table.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout
    print(table)
