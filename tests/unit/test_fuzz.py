# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of what 'make fuzz' does, the same in every run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FUZZ = Path(__file__).resolve().parents[1] / "fuzz" / "fuzz.py"
INPUTS = 4000
TAKES_APART = re.compile(
    r"struct\.unpack|json\.loads?\(|\.splitlines\(|fromhex\(|b64decode\(|int\([^()]*, (?:8|16)\)")
NO_TARGET = {
    "_host.run_as": "what a child of the same process has found is read",
    "_nss.converge": "the same: certificates that the child has taken out of a database",
    "_trust.plan": "lines are switched in a file of root's, and stay what they are",
    "_trust.converge": "what the system's own command has said is put into one line",
    "_webpki.pyca": "the words of a library",
}
# A parser that hangs, one that waits, one that takes memory, one that raises what it must not, one that says something
# raw.
WRONG = r"""
import sys, time
sys.path[:0] = sys.argv[1:3]
import conftest, fuzz, targeting, targets
from hypothesis import strategies as st

def hangs(_): return [number for number in iter(int, 1) if number]
def sleeps(_): return time.sleep(60)
def eats(_): return bytearray(300 << 20)
def raises(_): return {}["x"]
def raw(_): return "\x1b"
def good(_): return "fine"

parsers = [hangs, sleeps, eats, raises, raw, good]
targets.TARGETS.update((parser.__name__, targeting.target(st.just(b""))(parser)) for parser in parsers)
fuzz.SECONDS, fuzz.WAITING = 0.2, 2
for report in fuzz.run([parser.__name__ for parser in parsers], 5, True, 2):
    print(report.name, [word for word in ("TooSlow", "waits", "MemoryError", "KeyError", "not harmless")
                        if word in str(report.failure)])
"""


def test_every_parser_withstands_the_sample():
    done = subprocess.run([sys.executable, str(FUZZ), "--deterministic", "--inputs", str(INPUTS)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr


def test_what_our_reader_accepts_openssl_loads():
    """The full run is part of 'make fuzz', and 'make fuzz-openssl' asks the hosts' OpenSSL, too."""
    done = subprocess.run([sys.executable, str(FUZZ.with_name("openssl_loads.py")), "--every", "97"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    accepted, = re.findall(r"(\d+) accepted", done.stdout)
    lenient, = re.findall(r"(\d+) refused although OpenSSL loads them", done.stdout)
    assert int(accepted) > 500 > 20 * int(lenient), done.stdout


def test_it_finds_what_is_wrong(tmp_path):
    done = subprocess.run([sys.executable, "-c", WRONG, str(FUZZ.parents[1]), str(FUZZ.parent)], capture_output=True,
                          text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "hangs ['TooSlow']", "sleeps ['TooSlow', 'waits']", "eats ['MemoryError']", "raises ['KeyError']",
        "raw ['not harmless']", "good []"], done.stderr


def test_every_parser_is_a_target():
    """What takes bytes and texts apart is a module that a target has, or what it reads is nobody else's."""
    imported = {f"{package}.{name}".lstrip(".") for path in FUZZ.parent.glob("targets_*.py")
                for package, names in re.findall(r"_utils\.?(\w*) import (\([^)]*\)|[^\n]*)", path.read_text("utf-8"))
                for name in re.findall(r"\w+(?= as|,|$)", names, re.MULTILINE)}
    parsers = {".".join(path.relative_to(folder).with_suffix("").parts) for kind in ("module_utils", "plugin_utils")
               for folder in [FUZZ.parents[2] / "plugins" / kind] for path in folder.rglob("*.py")
               if TAKES_APART.search(path.read_text(encoding="utf-8"))}
    assert len(parsers & imported) > 10
    assert sorted(parsers - imported - set(NO_TARGET)) == [], "see CONTRIBUTING.md, A new parser"
    assert sorted(set(NO_TARGET) - parsers) == sorted(set(NO_TARGET) & imported) == [], "there is no reason needed"
