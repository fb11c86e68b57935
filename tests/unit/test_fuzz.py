# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of what 'make fuzz' does, the same in every run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parents[1] / "fuzz" / "fuzz.py"
INPUTS = 4000
# A parser that hangs, one that takes memory, one that raises what it must not, one that says something raw.
WRONG = r"""
import sys
sys.path[:0] = sys.argv[1:3]
import conftest, fuzz, targeting, targets
from hypothesis import strategies as st

def hangs(_): return [number for number in iter(int, 1) if number]
def eats(_): return bytearray(300 << 20)
def raises(_): return {}["x"]
def raw(_): return "\x1b"
def good(_): return "fine"

parsers = [hangs, eats, raises, raw, good]
targets.TARGETS.update((parser.__name__, targeting.target(st.just(b""))(parser)) for parser in parsers)
fuzz.SECONDS = 0.2
for report in fuzz.run([parser.__name__ for parser in parsers], 5, True, 2):
    print(report.name, [word for word in ("TooSlow", "MemoryError", "KeyError", "not harmless")
                        if word in str(report.failure)])
"""


def test_every_parser_withstands_the_sample():
    done = subprocess.run([sys.executable, str(FUZZ), "--deterministic", "--inputs", str(INPUTS)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def test_it_finds_what_is_wrong(tmp_path):
    done = subprocess.run([sys.executable, "-c", WRONG, str(FUZZ.parents[1]), str(FUZZ.parent)], capture_output=True,
                          text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == ["hangs ['TooSlow']", "eats ['MemoryError']", "raises ['KeyError']",
                                        "raw ['not harmless']", "good []"], done.stderr
