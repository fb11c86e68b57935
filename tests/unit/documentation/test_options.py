# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/options.md, and that an option is the same one in every module."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Options that have a name for other reasons, and why.
OTHERS = {
    "src": "cert_install takes several files, as a CA hands them over",
    "certificates": "trust_report wants the name of a variable",
    "endpoints": "trust_report wants the name of a variable",
    "trust": "trust_report wants the name of a variable",
}
PEERS = ("selfsigned_", "ownca_")  # community.crypto calls the same thing by what makes it


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("option_table", ROOT / "tools" / "option_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".build" / "collections"))
        patch.setenv("ANSIBLE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.chdir(ROOT)
        module.options = module.uses(module.documented())
    return module


def test_the_page_has_all_of_them(table):
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    made = table.HEAD + "\n".join(table.rows(table.options)) + "\n"
    assert page == made, "make it again: python tools/option_table.py > docs/options.md"


def test_an_option_is_the_same_in_every_module(table):
    assert len(table.options) > 100
    kinds = {name: {one.type for one in found} for name, found in table.options.items()}
    assert {name for name, found in kinds.items() if len(found) > 1} == set(OTHERS)
    names = {name: {tuple(alias for alias in one.aliases if not alias.startswith(PEERS)) for one in found}
             for name, found in table.options.items()}
    assert [name for name, found in names.items() if len(found) > 1] == []
