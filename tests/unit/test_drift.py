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
PLAYS = set().union(*(re.findall(r"\w+", path.read_text(encoding="utf-8")) for path in ROOT.glob("playbooks/*.yml")))
FILTERS = sorted(path.stem for path in (ROOT / "plugins/filter").glob("*.py"))
# The tests of the whole, on real hosts.
ON_HOSTS = [*ROOT.glob("tests/integration/*.py"), *ROOT.glob("molecule/*/*.yml")]
# What installs packages from an index; get_pip.py installs Python's own copy of pip.
INSTALLERS = sorted(str(path.relative_to(ROOT)) for folder in ("tools", "plans", "tests/hosts", ".github/workflows")
                    for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix not in (".pyc", ".md")
                    and path.name != "get_pip.py")
# Besides, with real servers and files on this machine. (This file names everything.)
HERE = list(ROOT.glob("tests/unit/plugins/**/*.py"))


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def words(path):
    return set(re.findall(r"[A-Za-z0-9_]+", path.read_text(encoding="utf-8")))


@cache
def given(path):
    """What stands there as the key of a dict, or as the name of an argument."""
    return set(re.findall(r"""\b(\w+)["']?\]?\s*(?::|=(?!=))""", path.read_text(encoding="utf-8")))


def is_tested(*names, paths=tuple(ON_HOSTS)):
    """Whether some test has all of these as words."""
    return any(words(path).issuperset(names) for path in paths)


def is_set(name, *others):
    """Whether some test on hosts gives this a value, and has the others as words."""
    return any(name in given(path) and words(path).issuperset(others) for path in ON_HOSTS)


def specified(role):
    return read(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]


def documentation(path):
    """The DOCUMENTATION of a module, without its fragments, or of a fragment."""
    tree = ast.parse((ROOT / "plugins" / path).read_text(encoding="utf-8"))
    text, = [node.value.value for node in ast.walk(tree)
             if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "DOCUMENTATION"]
    return yaml.safe_load(text)


def options_of(module):
    return documentation(f"modules/{module}.py").get("options", {})


def options(listed):
    """The names of options and, below them, of theirs; each with its aliases."""
    for name, option in listed.items():
        yield (name, *option.get("aliases", []))
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
    own = [path for part in ("tasks", "vars", "handlers", "templates", "defaults")
           for path in (folder / part).glob("**/*") if path.is_file()]
    others = ROOT.glob("roles/*/tasks/*.yml")  # the role that issues certificates says where lists are
    used = {name for path in own for name in words(path) if re.match(rf"{role}_[a-z]", name)}
    assert not used - set(listed) - set(facts(folder)) - set(MODULES), "variables that are not specified"
    read_somewhere = set().union(*map(words, [*(path for path in own if path.parent.name != "defaults"), *others]))
    read_somewhere |= set(re.findall(r"\{\{[^}]*?\b(\w+)", (folder / "defaults/main.yml").read_text(encoding="utf-8")))
    assert not set(listed) - read_somewhere, "variables that nothing reads"
    assert not set(listed) - words(folder / "README.md"), "variables that README.md leaves out"
    assert [name for name in listed if not is_set(name)] == [], "variables that no test sets"
    below = {f"{name}: {each}": is_set(each, name) for name, option in listed.items()
             for each in option.get("options", {})}
    assert [name for name, tested in below.items() if not tested] == [], "keys that no test sets"


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_what_the_readme_says(role):
    """And choices, in its tables of variables; what it tells in words is not looked at."""
    listed, others = specified(role), set().union(*map(specified, ROLES))
    text, compared = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8"), 0
    for name, kind, default in re.findall(rf"^\| `({role}_\w+)` \| ([^|]*) \| ([^|]*?) ?\|", text, re.MULTILINE):
        option, literal = listed.get(name), re.fullmatch("`([^`]+)`", default)
        if option is None:
            assert name in PLAYS, f"{name} is no variable of the role, nor of a playbook"
        elif kind.startswith("`"):
            assert re.findall("`([^`]+)`", kind) == list(filter(None, option["choices"])), name
        if option and literal and literal.group(1) not in others:
            compared += 1
            # As text, for True is 1 to Python.
            assert repr(yaml.safe_load(literal.group(1))) == repr(option.get("default", "none")), name
    assert compared > 4


def facts(folder):
    """The names that a role registers or sets for others."""
    for path in (folder / "tasks").glob("**/*.yml"):
        text = path.read_text(encoding="utf-8")
        yield from re.findall(r"register: (\w+)", text)
        for block in re.findall(r"set_fact:\n((?:\s+\w+:.*\n)+)", text):
            yield from re.findall(r"^\s+(\w+):", block, re.MULTILINE)


@pytest.mark.parametrize("module", MODULES)
def test_a_modules_options_are_tested(module):
    """With the module, or by the role of its name."""
    assert is_tested(module)
    # The words of unit tests are those of the functions below the module.
    for names in options(options_of(module)):
        assert any(is_set(name, module) or is_set(f"{module}_{name}") or is_tested(name, paths=tuple(HERE))
                   for name in names), f"no test with this module sets {names[0]}"


def test_all_that_can_be_run_is_in_the_readme_and_tested():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for names, row in ((MODULES, "| `NAME` |"), (ROLES, "| [`NAME`](roles/NAME/README.md) |"),
                       (PLAYBOOKS, "| `fleetpki.host_trust.NAME` |")):
        assert not [name for name in names if row.replace("NAME", name) not in readme], row
    assert not [name for name in ROLES if not is_tested(name)]
    used = set().union(*map(words, [*ON_HOSTS, *ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/*/*.yml")]))
    assert not [name for name in FILTERS if name not in used]
    run = "".join(path.read_text(encoding="utf-8") for path in [*ON_HOSTS, ROOT / "Makefile"])
    assert not [name for name in PLAYBOOKS if f"fleetpki.host_trust.{name}" not in run and f'"{name}"' not in run]


def test_choices_of_roles_are_those_of_modules():
    """Where a role passes a variable on, it takes what the module takes. (A system's store is no browser's.)"""
    passed = {"ca_trust": "ca_trust_anchor", "tls_smoke_test": "tls_client_info", "trust_report": "trust_report"}
    shared = documentation("doc_fragments/trust_store.py")["options"]
    compared = 0
    for role, module in passed.items():
        theirs = {**shared, **options_of(module)}
        for name, option in specified(role).items():
            other = theirs.get(name.removeprefix(f"{role}_"), {})
            if "choices" in option and "choices" in other:
                compared += 1
                without = {"nss"} if name == "ca_trust_store" else set()
                assert set(option["choices"]) == set(other["choices"]) - without, name
    assert compared >= 4


def test_action_groups_hold_modules_that_are_there():
    groups = read(ROOT / "meta/runtime.yml")["action_groups"]
    assert groups and not [name for names in groups.values() for name in names if name not in MODULES]


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements/*.txt")), ids=lambda path: path.name)
def test_every_pinned_requirement_has_hashes(path):
    """What an index serves tomorrow is what was reviewed when the version was pinned."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    pinned = [line for line in text.splitlines() if line and line[0] != "#"]
    assert len(pinned) > 5
    for line in pinned:
        assert re.match(r"[A-Za-z0-9._\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line[:80]


@pytest.mark.parametrize("path", ["Makefile", *INSTALLERS])
def test_packages_are_installed_by_hash_alone(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    commands = re.findall(r"\bpip\W+install\b.*", text)
    assert all("--require-hashes" in command for command in commands), commands
    assert commands or path not in ("tools/make-venv", "plans/prepare.sh")


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/workflows/*.yml")), ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(path):
    """A tag can be moved to other code; a commit is what was reviewed. The comment names the release."""
    used = re.findall(r"(?m)^ *(?:- )?uses: *(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", action), action
