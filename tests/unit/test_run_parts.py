# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tools/run-parts: what it counts, what it leaves out when time is up, and what runs side by side."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKE = """#!/bin/sh
echo "this is $2"; echo "$2 begins" >> order
case $2 in waits*) sleep 0.3;; esac
echo "$2 ends" >> order
case $2 in fails*) exit 2;; esac
"""


@pytest.fixture()
def run_parts(tmp_path):
    """A function that runs it in an empty folder; returns its exit code, its summary and everything it printed."""
    make = tmp_path / "make"
    make.write_text(MAKE)
    make.chmod(0o755)

    def run(*parts, **environment):
        # These tests themselves may be run within a budget.
        own = {name: value for name, value in os.environ.items() if name != "NOT_AFTER"}
        done = subprocess.run([ROOT / "tools/run-parts", *parts], cwd=tmp_path, capture_output=True, text=True,
                              check=False, env={**own, "MAKE": str(make), **environment})
        assert done.stderr == ""
        said = done.stdout.partition("=== summary ===\n")[2]
        return done.returncode, re.sub(r"\bin \d+ s", "in # s", said), done.stdout

    run.order = lambda: (tmp_path / "order").read_text().splitlines()
    return run


def summary(*rows, count):
    return "".join(f"{name:<22} {said}\n" for name, said in rows) + f"all of it in # s\n{count}\n"


def test_a_failure_stops_nothing_and_is_counted(run_parts):
    code, said, _output = run_parts("one", "fails", "three")
    assert code == 1 and said == summary(
        ("one", "passed in # s"), ("fails", "FAILED in # s"), ("three", "passed in # s"), count="2 passed, 1 failed")


def test_two_parts_side_by_side_are_shown_one_after_the_other(run_parts):
    code, said, output = run_parts("waits-here+waits-there", "after")
    assert code == 0 and said.endswith("3 passed, 0 failed\n")
    assert set(run_parts.order()[:2]) == {"waits-here begins", "waits-there begins"}
    assert run_parts.order()[-2:] == ["after begins", "after ends"]
    assert re.search("this is waits-here.*=== waits-there ===.*this is waits-there", output, re.DOTALL)


def test_a_failure_of_the_second_of_two_is_counted(run_parts):
    code, said, _output = run_parts("one+fails")
    assert code == 1 and said.endswith("1 passed, 1 failed\n")


def test_nothing_begins_when_the_budget_is_used_up(run_parts):
    code, said, output = run_parts("never", "nor+this", NOT_AFTER=str(int(time.time()) - 1))
    assert code == 0 and "this is" not in output
    assert "never                  not run: the budget of time was used up\n" in said
    assert said.endswith("3 parts were not run\nall of it in # s\n0 passed, 0 failed\n")
    assert run_parts("one", NOT_AFTER=str(int(time.time()) + 60))[1].endswith("1 passed, 0 failed\n")


def test_what_is_prepared_is_shown_only_if_it_fails(run_parts):
    code, _said, output = run_parts("--prepare", "hosts", "one")
    assert code == 0 and "this is hosts" not in output and "hosts begins" in run_parts.order()
    code, _said, output = run_parts("--prepare", "fails-hosts", "one")
    assert code == 0 and "this is fails-hosts" in output
