# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of what 'make fuzz' does, the same in every run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parents[1] / "fuzz" / "fuzz.py"
INPUTS = 4000


def test_every_parser_withstands_the_sample():
    done = subprocess.run([sys.executable, str(FUZZ), "--deterministic", "--inputs", str(INPUTS)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    print(done.stdout)


def test_it_finds_what_is_wrong(tmp_path):
    """A parser that hangs, one that takes memory, one that raises what it must not, one that says something raw."""
    script = """
import sys
sys.path[:0] = sys.argv[1:3]
import conftest, fuzz, targets
from hypothesis import strategies as st
fuzz.SECONDS = 0.2
for name, function in {"hangs": lambda _: [None for number in iter(int, 1)], "eats": lambda _: bytearray(300 << 20),
                       "raises": lambda _: {}["x"], "raw": lambda _: "\\x1b", "good": lambda _: "fine"}.items():
    function.__name__ = name
    targets.target(st.just(b""))(function)
for report in fuzz.run(["hangs", "eats", "raises", "raw", "good"], 5, True, 2):
    print(report.name, report.failure and report.failure.strip().split("\\n")[0] and [
        word for word in ("TooSlow", "MemoryError", "KeyError", "not harmless") if word in report.failure])
"""
    done = subprocess.run([sys.executable, "-c", script.replace("\\\\", "\\"), str(FUZZ.parents[1]), str(FUZZ.parent)],
                          capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == ["hangs ['TooSlow']", "eats ['MemoryError']", "raises ['KeyError']",
                                        "raw ['not harmless']", "good None"], done.stderr
