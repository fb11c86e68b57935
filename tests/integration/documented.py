# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of pages, modules and filters: what is documented is what is tested.

An example is run by a test that takes it from here by its page and its name. Those that no test takes are found by
tests/unit/documentation/test_examples.py.
"""

from __future__ import annotations

import re
import typing as t

import documents


def example(page: str, name: str) -> str:
    """The text of an example: ``name`` is the file that it is said to be, else its first line."""
    (found,) = [one.text for one in documents.examples(page) if one.name == name]
    return found


def tasks(page: str, *names: str) -> list[dict[str, t.Any]]:
    """Examples of a module or a filter, by its file and their names."""
    return [documents.tasks()[page, name] for name in names]


def examples() -> dict[str, str]:
    """Those of docs/images-and-pipelines.md that are files, by the file's name."""
    found = [one for one in documents.examples("docs/images-and-pipelines.md") if one.is_file]
    assert len({one.name for one in found}) == len(found), "two examples have the same name"
    return {one.name: one.text for one in found}


def post(kickstart: str) -> str:
    """The script of a kickstart's %post section, as an installer would run it."""
    (script,) = re.findall(r"^%post[^\n]*\n(.*?)^%end$", kickstart, re.MULTILINE | re.DOTALL)
    return script
