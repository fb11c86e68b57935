# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of test hosts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import podman

HOSTS = Path(podman.__file__).parent
START = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import podman
with podman.fleet(["el9"]) as fleet:
    print(fleet["el9"].container, fleet["el9"].network, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def there(kind: str, name: str) -> bool:
    return podman.podman(kind, "exists", name, check=False).returncode == 0


def test_what_a_killed_run_has_left_is_removed_by_the_next(el9, tmp_path):
    """Its ports would go on leading to it, whoever gets them next; what belongs to a run that goes on stays."""
    environ = {**os.environ, **podman.environment(), "TMPDIR": str(tmp_path)}
    container, network = subprocess.run([sys.executable, "-c", START, str(HOSTS)], capture_output=True, text=True,
                                        env=environ, check=False).stdout.split()
    assert there("container", container) and there("network", network)
    done = subprocess.run([sys.executable, str(HOSTS / "build.py"), "el9"], capture_output=True, text=True, check=True)
    assert container in done.stderr and network in done.stderr
    assert not there("container", container) and not there("network", network)
    assert there("container", el9["el9"].container) and there("network", el9["el9"].network)
