# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of test hosts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import ansible.module_utils
import plays
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


def test_compiled_code_is_kept_by_its_source_and_never_trusted_blindly(el9):
    """What a module does is what its source says, also where the kept code is damaged or may not be written."""
    ping = {"ansible.builtin.ping": {}}
    source = Path(ansible.module_utils.__file__).with_name("basic.py").read_bytes()
    kept = Path(os.environ[podman.COMPILED], f"{hashlib.sha256(source).hexdigest()}.cpython-311")
    assert plays.run(el9.inventory, [ping]).of("el9")[0]["ping"] == "pong"
    size = kept.stat().st_size
    kept.write_bytes(kept.read_bytes()[:20])
    assert plays.run(el9.inventory, [ping], "-e", "ansible_user=user").of("el9")[0]["ping"] == "pong"
    assert all(result["ping"] == "pong" for result in plays.run(el9.inventory, [ping, ping]).of("el9"))
    assert kept.stat().st_size > size / 2
