# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in several places says the same in all of them, and nothing that users can set or run is untested.

What a module's code and its documentation say is compared by ansible-test (validate-modules).
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
FILTERS = sorted(path.stem for path in (ROOT / "plugins/filter").glob("*.py"))
# Real hosts: a mock or a parser that says yes is no test of an option.
TESTS = [*(ROOT / "tests/integration").glob("*.py"), *(ROOT / "molecule").glob("*/*.yml"),
         *(ROOT / "molecule").glob("*/*.yaml"), *(ROOT / "tests/integration").glob("**/*.yml")]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def texts():
    return [path.read_text(encoding="utf-8") for path in TESTS]


def tested(*words):
    """Whether some test on real hosts has all of these as words."""
    return any(all(re.search(rf"\b{re.escape(word)}\b", text) for word in words) for text in texts())


def specified(role):
    return read(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def documentation(module):
    """A module's DOCUMENTATION without fragments."""
    tree = ast.parse((ROOT / f"plugins/modules/{module}.py").read_text(encoding="utf-8"))
    texts = {node.targets[0].id: node.value.value for node in tree.body
             if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)}
    return yaml.safe_load(texts["DOCUMENTATION"])


def options(listed):
    """The names of options and, below them, of theirs."""
    for name, option in listed.items():
        yield name
        yield from options(option.get("suboptions") or option.get("options") or {})


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_what_the_specification_says(role):
    path = ROOT / "roles" / role / "defaults/main.yml"
    defaults = (read(path) if path.exists() else None) or {}
    listed = specified(role)
    assert set(defaults) <= set(listed), "a default of a variable that is not specified"
    for name, option in listed.items():
        # A default that is an expression depends on the host, and is told in words.
        if name not in defaults:
            assert "default" not in option, f"{name} has a default in argument_specs.yml alone"
        elif not isinstance(defaults[name], str) or "{{" not in defaults[name]:
            assert option.get("default") == defaults[name], name


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_variables_are_specified_used_described_and_tested(role):
    folder, listed = ROOT / "roles" / role, specified(role)
    code = "\n".join(path.read_text(encoding="utf-8") for part in ("tasks", "vars", "handlers", "templates")
                     for path in (folder / part).glob("**/*") if path.is_file())
    readme = (folder / "README.md").read_text(encoding="utf-8")
    used = set(re.findall(rf"(?<![\w.]){role}_[a-z_]+\b", code))
    told = set(read_set_facts(folder))
    assert not used - set(listed) - told - {f"{role}_"}, "variables that are not specified"
    assert not [name for name in listed if not re.search(rf"\b{name}\b", code)], "variables that nothing reads"
    assert not [name for name in listed if not re.search(rf"\b{name}\b", readme)], "variables that README.md leaves out"
    assert not [name for name in listed if not tested(name)], "variables that no test sets"


def read_set_facts(folder):
    """The names that a role registers or sets for others."""
    for path in (folder / "tasks").glob("**/*.yml"):
        text = path.read_text(encoding="utf-8")
        yield from re.findall(r"register: (\w+)", text)
        for block in re.findall(r"set_fact:\n((?:\s+\w+:.*\n)+)", text):
            yield from re.findall(r"^\s+(\w+):", block, re.MULTILINE)


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_options_are_tested(module):
    assert tested(module)
    listed = [name for name in options(documentation(module).get("options", {})) if not tested(module, name)]
    assert not listed, "options that no test with this module sets"


def test_all_that_can_be_run_is_in_the_readme_and_tested():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for names, row in ((MODULES, "| `{}` |"), (ROLES, "| [`{}`](roles/{0}/README.md) |"),
                       (PLAYBOOKS, "| `fleetpki.host_trust.{}` |")):
        assert not [name for name in names if row.format(name) not in readme], row
    assert not [name for name in [*ROLES, *FILTERS] if not tested(name)]
    assert not [name for name in PLAYBOOKS if not tested(f"fleetpki.host_trust.{name}")]


def test_choices_of_roles_are_those_of_modules():
    """Where a role passes a variable on, it takes what the module takes. (A system's store is no browser's.)"""
    passed = {"ca_trust": "ca_trust_anchor", "tls_smoke_test": "tls_client_info", "trust_report": "trust_report"}
    fragment = (ROOT / "plugins/doc_fragments/trust_store.py").read_text(encoding="utf-8")
    shared = yaml.safe_load(re.search(r'DOCUMENTATION = r?"""(.*?)"""', fragment, re.DOTALL).group(1))["options"]
    compared = 0
    for role, module in passed.items():
        theirs = {**shared, **documentation(module).get("options", {})}
        for name, option in specified(role).items():
            other = theirs.get(name.removeprefix(f"{role}_"), {})
            if "choices" in option and "choices" in other:
                compared += 1
                assert set(option["choices"]) == set(other["choices"]) - {"nss"}, name
    assert compared >= 3


def test_action_groups_hold_modules_that_are_there():
    groups = read(ROOT / "meta/runtime.yml")["action_groups"]
    assert groups and not [name for names in groups.values() for name in names if name not in MODULES]
