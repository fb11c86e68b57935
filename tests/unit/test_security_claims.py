# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/security.md claims nothing without a test, and names no test that does not exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CLAIMS = 63  # promises in the tables
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def names_in(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_claim_names_a_test_and_no_claim_is_lost():
    rows = [line for line in TEXT.partition("## Promises of the README\n")[2].splitlines() if line.startswith("| ")]
    claims = [line for line in rows if line != "| claim | shown by |"]
    assert [line for line in claims if not NAMED.search(line)] == []
    assert len(claims) == CLAIMS, "raise CLAIMS with each new claim; none may go"


def test_every_promise_of_the_readme_is_a_claim():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    promises, _heading, _rest = readme.partition("## What is promised\n")[2].partition("\n## ")
    names = re.findall(r"^- (\*\*.+?\*\*)", promises, re.MULTILINE)
    assert len(names) >= 5 and [name for name in names if f"\n| {name} " not in TEXT] == []


def test_every_test_that_is_named_is_there():
    named = NAMED.findall(TEXT)
    assert len(named) == TEXT.count("::test_") > 20, "a name is not written as the others are"
    assert [(path, name) for path, name in named if not (ROOT / path).is_file() or name not in names_in(path)] == []
