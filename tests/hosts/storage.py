# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Where the test hosts' own files lie: in memory, where this machine allows it.

A host writes hundreds of small files that nobody wants to keep, and some of them synced. On a disk, making them takes
longer than all else that an extract does. The images stay where podman keeps them, and are only read from there.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import images

MEMORY = Path("/dev/shm")
STORE = MEMORY / "fleetpki-host-trust"  # one for all checkouts
CONF = images.BUILD / "storage.conf"
NEEDED = 3 << 30  # bytes; a host takes some megabytes, and one with a copy of itself mounted takes 300


def environment() -> dict[str, str]:
    """What podman needs in its environment to keep containers in memory; nothing where they stay on disk."""
    setting = os.environ.get("CONTAINERS_STORAGE_CONF", "")
    if setting != str(CONF):
        text = "" if setting else _in_memory()
        if not text:
            return {}
        keep(CONF, text)
    return {"CONTAINERS_STORAGE_CONF": str(CONF)}


def without(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without what environment() has put in it."""
    return {name: value for name, value in environ.items() if (name, value) != ("CONTAINERS_STORAGE_CONF", str(CONF))}


def keep(path: Path, text: str) -> None:
    """Write a file that others may be reading at the same time, if it says something else."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.urandom(4).hex()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


@cache
def _in_memory() -> str:
    """A storage.conf(5) for hosts in memory, or nothing.

    Only what is known to work is taken: root, podman's own settings of its store, overlay and netavark.
    """
    if os.geteuid() != 0 or not _room():
        return ""
    try:
        asked = subprocess.run(["podman", "info", "--format=json"], capture_output=True, check=False)
    except FileNotFoundError:
        return ""
    if asked.returncode:
        return ""
    said = json.loads(asked.stdout)
    store = said["store"]
    found = store["graphDriverName"], store["graphOptions"], said["host"].get("networkBackend")
    if found != ("overlay", {}, "netavark"):
        return ""
    return f"""[storage]
driver = "overlay"
graphroot = "{STORE}/root"
runroot = "{STORE}/run"
[storage.options]
additionalimagestores = ["{store["graphRoot"]}"]
"""


def _room() -> bool:
    """Whether there is memory enough, and a folder in it that is nobody else's."""
    try:
        free = os.statvfs(MEMORY)
        STORE.mkdir(mode=0o700, exist_ok=True)
        status = STORE.lstat()
        available = Path("/proc/meminfo").read_text(encoding="ascii").partition("MemAvailable:")[2].split()[0]
    except (OSError, IndexError):
        return False
    private = STORE.is_dir() and not STORE.is_symlink() and status.st_uid == 0 and not status.st_mode & 0o077
    return private and min(free.f_bavail * free.f_frsize, int(available) << 10) >= NEEDED
