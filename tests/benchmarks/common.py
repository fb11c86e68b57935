# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays timed, for the benchmarks."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "hosts"), str(TESTS / "integration")]

import images  # noqa: E402  (found through the path above)
import pki  # noqa: E402
import playbook_server  # noqa: E402
import plays  # noqa: E402
import podman  # noqa: E402
import yaml  # noqa: E402

__all__ = ["images", "pki", "plays", "podman"]  # for those who import this, which makes them found

FORKS = 5  # Ansible's default
# A benchmark measures ansible-playbook and hosts as they are, also where a test runs it.
for variable in (playbook_server.SHARED, podman.COMPILED):
    os.environ.pop(variable, None)


class BenchError(Exception):
    """What was to be measured did not do what it should have; the message is for the user."""


def end_with(main: t.Callable[[], int]) -> t.NoReturn:
    """Runs a benchmark to the end of this process; what kept it from measuring is a sentence, and exit code 2."""
    try:
        sys.exit(main())
    except (BenchError, podman.HostError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def write_play(path: Path, **play: t.Any) -> None:
    """Write a playbook of one play for all hosts."""
    path.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, **play}]), encoding="utf-8")


class Cost(t.NamedTuple):
    """What a play took on the controller."""

    seconds: float
    cpu: float  # seconds, of ansible-playbook and all that it started and waited for
    memory: float  # MiB, the largest of these processes at its peak


def run_play(inventory: Path, play: Path, changed: int | None, forks: int = FORKS) -> Cost:
    """What ansible-playbook takes; every host must report so many changes, or with None no host is to be asked."""
    command = ["ansible-playbook", "--forks", str(forks), "-i", str(inventory), str(play)]
    environment = plays.ansible_environment()
    environment.pop("ANSIBLE_PIPELINING", None)  # the inventory says
    with tempfile.TemporaryFile("w+") as output:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    changes = re.findall(r" changed=(\d+) ", said)
    if process.returncode or set(changes) != (set() if changed is None else {str(changed)}):
        raise BenchError(f"{play.name} should have succeeded with {changed} changed:\n{said}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def time_play(inventory: Path, play: Path, changed: int) -> float:
    """The seconds of it."""
    return run_play(inventory, play, changed).seconds


def say(text: str) -> None:
    """Progress, for whoever watches."""
    if sys.stderr.isatty():
        print(f"\r{text:<60}", end="\r", file=sys.stderr)


def spread(seconds: list[float]) -> str:
    """Median and extremes."""
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


def machine(forks: int = FORKS) -> str:
    """What all times depend on."""
    core, python = importlib.metadata.version("ansible-core"), platform.python_version()
    return f"{len(os.sched_getaffinity(0))} cores; ansible-core {core}, Python {python}; forks {forks}"
