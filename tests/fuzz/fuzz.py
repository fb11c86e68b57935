# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fires at every parser of what others wrote: python tests/fuzz/fuzz.py [--inputs N] [TARGET ...]

Each target runs in a process of its own, which may take 200 MiB more than it has when it begins. For an input it may
take a second of processor time, and wait for five, not counting what it waits for a processor. Prints for each how many
inputs it had, how long they took, and the slowest one.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import typing as t
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    importlib.import_module("conftest")  # makes this checkout importable as the collection

import targets

INPUTS = 200_000
SECONDS = 1.0            # of processor time, for one input
WAITING = 5.0            # seconds of waiting, for one input; that others have the processor is no fault of it
MEBIBYTES = 200          # above what a process has before its first input
PART = 2000              # inputs that a process gets
SHOWN = 3000             # characters of a failure
FAILURES = Path(__file__).resolve().parents[2] / ".build" / "fuzz"
STALLED = 900            # seconds after which a target that hears no signal either is given up


class TooSlow(Exception):
    """An input took longer than it may."""


class Report(t.NamedTuple):
    """What became of a target. ``failure`` has the smallest input that fails, None where all are well."""

    name: str
    inputs: int
    seconds: float
    slowest: float
    slowest_input: str
    mebibytes: int
    failure: str | None


def fire(name: str, inputs: int, deterministic: bool) -> Report:
    """Runs one target in this process."""
    one, seen = targets.TARGETS[name], {"inputs": 0, "slowest": 0.0, "input": ""}

    @settings(max_examples=inputs, derandomize=deterministic, database=None, deadline=None,
              suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink], print_blob=False)
    @given(one.inputs)
    def attempt(value: t.Any) -> None:
        begin, idle = time.process_time(), _idle()
        signal.signal(signal.SIGALRM, lambda *_: _stands_still(_idle() - idle))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, WAITING)
        try:
            one.check(value)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            took = time.process_time() - begin
            seen["inputs"] += 1
            if took > seen["slowest"]:
                seen.update(slowest=took, input=f"{str(value)[:60]!r}, {len(str(value))} characters")

    signal.signal(signal.SIGPROF, _too_slow)
    begin, before, failure = time.monotonic(), _mebibytes(), None
    _limit_memory()
    try:
        attempt()
    except BaseException:  # whatever it is, it is what was looked for
        failure = traceback.format_exc(limit=-8)
    return Report(name, seen["inputs"], time.monotonic() - begin, seen["slowest"], seen["input"],
                  _mebibytes() - before, failure)


def _too_slow(*_: t.Any) -> None:
    raise TooSlow(f"more than {SECONDS:g} s")


def _stands_still(waited: float) -> None:
    if waited >= WAITING:
        raise TooSlow(f"it waits for more than {WAITING:g} s")
    signal.setitimer(signal.ITIMER_REAL, WAITING - waited)


def _idle() -> float:
    """Seconds in which this process neither ran nor could have, had it got a processor."""
    try:
        ready = int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:  # a kernel without CONFIG_SCHED_INFO
        ready = 0.0
    return time.monotonic() - time.process_time() - ready


def _mebibytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _limit_memory() -> None:
    """From here on, what would take more than MEBIBYTES fails."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEBIBYTES * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def parts(names: list[str], inputs: int) -> list[tuple[str, int]]:
    """(target, how many of the inputs) for each process: hypothesis remembers what it has tried, and grows with it."""
    whole = sum(targets.TARGETS[name].share for name in names)
    found = []
    for name in names:
        left = int(inputs * targets.TARGETS[name].share / whole) + 1
        while left > 0:
            found.append((name, min(left, PART)))
            left -= PART
    return found


def run(names: list[str], inputs: int, deterministic: bool, workers: int) -> list[Report]:
    """Runs targets side by side; the reports come in the order of the names."""
    context = multiprocessing.get_context("fork")
    reports: dict[str, Report] = {}
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        for done in [pool.submit(_apart, name, count, deterministic) for name, count in parts(names, inputs)]:
            report = done.result()
            reports[report.name] = _joined(reports[report.name], report) if report.name in reports else report
    return list(reports.values())


def _joined(one: Report, other: Report) -> Report:
    slower = max(one, other, key=lambda report: report.slowest)
    return Report(one.name, one.inputs + other.inputs, one.seconds + other.seconds, slower.slowest,
                  slower.slowest_input, max(one.mebibytes, other.mebibytes), one.failure or other.failure)


def _apart(name: str, inputs: int, deterministic: bool) -> Report:
    """Runs a target in a child of this process, whose limits, memory and folder for temporary files are its own."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        return _in_a_child(name, inputs, deterministic, folder)


def _in_a_child(name: str, inputs: int, deterministic: bool, folder: str) -> Report:
    def target() -> None:
        tempfile.tempdir = folder
        there.send(fire(name, inputs, deterministic))

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=target)
    child.start()
    there.close()
    try:
        if here.poll(STALLED):
            return here.recv()
        failure = f"it stands still for {STALLED} s"
    except EOFError:
        child.join()
        failure = f"the process ended with exit code {child.exitcode}"
    finally:
        child.kill()
        child.join()
    return Report(name, 0, STALLED, 0.0, "", 0, failure)


def table(reports: list[Report]) -> list[str]:
    """Lines for people."""
    lines = [f"{'target':42}{'inputs':>8}{'seconds':>9}{'slowest':>9}{'MiB':>5}"]
    lines += [f"{one.name:42}{one.inputs:8d}{one.seconds:9.1f}{1000 * one.slowest:6.0f} ms{one.mebibytes:5d}"
              f"{'  FAILS' if one.failure else ''}" for one in reports]
    lines.append(f"{sum(one.inputs for one in reports)} inputs; the slowest:")
    lines += [f"{1000 * one.slowest:6.0f} ms  {one.name}: {one.slowest_input}"
              for one in sorted(reports, key=lambda one: -one.slowest)[:3]]
    return lines + [f"\n{one.name} ({_kept(one)} has all of it):\n{one.failure[:SHOWN]}"
                    for one in reports if one.failure]


def _kept(report: Report) -> Path:
    """Where the failure was written, with the whole of its input."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    path = FAILURES / f"{report.name}.txt"
    path.write_text(report.failure or "", errors="backslashreplace")
    return path


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all of them, if none is named")
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--deterministic", action="store_true", help="the same inputs as in every such run")
    given_here = parser.parse_args()
    names = given_here.targets or list(targets.TARGETS)
    reports = run(names, given_here.inputs, given_here.deterministic, os.cpu_count() or 1)
    print("\n".join(table(reports)))
    return any(one.failure for one in reports)


if __name__ == "__main__":
    sys.exit(main())
