# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/security.md claims nothing without a test, and names no test that does not exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def names_in(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_claim_names_a_test():
    rows = [line for line in TEXT.partition("## Trust\n")[2].splitlines() if line.startswith("| ")]
    claims = [line for line in rows if line != "| claim | shown by |"]
    assert len(claims) > 15 and [line for line in claims if not NAMED.search(line)] == []


def test_every_test_that_is_named_is_there():
    named = NAMED.findall(TEXT)
    assert len(named) == TEXT.count("::test_") > 20, "a name is not written as the others are"
    assert [(path, name) for path, name in named if not (ROOT / path).is_file() or name not in names_in(path)] == []
