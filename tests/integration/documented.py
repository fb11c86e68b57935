# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of a document, as the files that it says they are: what is documented is what is tested."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "images-and-pipelines.md"
EXAMPLE = re.compile(r"^`([^`\n]+)`[^`\n]*:\n\n```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, str]:
    """Text by file name."""
    found = EXAMPLE.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len(dict(found)) == len(found), "two examples have the same name"
    return dict(found)


def post(kickstart: str) -> str:
    """The script of a kickstart's %post section, as an installer would run it."""
    (script,) = re.findall(r"^%post[^\n]*\n(.*?)^%end$", kickstart, re.MULTILINE | re.DOTALL)
    return script
