# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test belongs to a part that `make test` or `make test-rest` runs, and CONTRIBUTING says which."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parents[2]
MARKERS = {line.partition(":")[0] for line in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"]["pytest"]["ini_options"]["markers"]}
REPEATED = "platforms"  # a marker of tests that `make test` runs, too


def parts(name):
    """The parts in a variable of the Makefile, in their order."""
    printed = subprocess.run(["make", "-s", "-f", "Makefile", "-f", "-", "print"], cwd=ROOT, text=True, check=True,
                             input=f"print: ; @echo $({name})\n", stdout=subprocess.PIPE).stdout
    return printed.replace("+", " ").split()


def marks(path):
    """The names of the markers in a file of tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute) and node.value.attr == "mark"}


def test_each_marker_is_a_part_and_each_part_of_the_integration_tests_has_tests():
    found = set().union(*(marks(path) for path in (ROOT / "tests/integration").glob("test_*.py")))
    used = found - {"parametrize", "skipif", "usefixtures"}
    expected = {part.removeprefix("integration-") for part in parts("parts_of_rest") if part.startswith("integration-")}
    assert used == MARKERS == expected


def test_the_default_part_leaves_out_what_the_rest_runs_and_nothing_else():
    planned = subprocess.run(["make", "-n", "integration"], cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE)
    left_out = re.search(r"pytest .* -m 'not \(([a-z or]+)\)'", planned.stdout)[1].split(" or ")
    assert set(left_out) == MARKERS - {REPEATED}


def test_contributing_lists_each_part_in_its_order():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `make (test|test-rest)` \| `([a-z-]+)` \|", text, re.MULTILINE)
    assert rows == [*(("test", part) for part in parts("parts_of_test")),
                    *(("test-rest", part) for part in parts("parts_of_rest"))]
