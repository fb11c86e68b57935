# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation: each is run by a test or has a reason here, and says nothing that is not known."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import documents
import pytest
import yaml

COLLECTION = "fleetpki.host_trust."
TESTS = documents.ROOT / "tests" / "integration"
EXAMPLES = [one for page in documents.pages() for one in documents.examples(page)
            if one.language in ("yaml", "sh") or one.is_file]
OTHERS = "it is what somebody has before, of others' roles and modules"
NOT_RUN = {
    ("CONTRIBUTING.md", "bugfixes:"): "antsibull-changelog lints such files",
    ("README.md", "collections:"): "it downloads; test_pipelines.py has the same in execution-environment.yml",
    ("docs/guides/coming-from-elsewhere.md", "certificate_requests:"): OTHERS,
    ("docs/guides/coming-from-elsewhere.md", "- name: Copy the company's CAs"): OTHERS,
}
FILES = {"hosts.yml", "execution-environment.yml", "handlers:", "dependencies:", "collections:"}  # no variables
FILE_OPTIONS = {"attributes", "group", "mode", "owner", "selevel", "serole", "setype", "seuser", "unsafe_writes"}
NO_MODULE = {"become", "become_user", "delegate_to", "name", "notify", "register", "run_once", "tags", "vars", "when",
             "loop", "listen", "loop_control", "no_log", "changed_when", "failed_when", "block", "module_defaults"}


def taken():
    """(page, name) of the examples that tests take from the documentation."""
    found = set()
    for path in TESTS.glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "example":
                found.add(tuple(ast.literal_eval(argument) for argument in node.args))
        if path.name in ("test_images.py", "test_pipelines.py"):  # which take those of one page, by the name alone
            found |= {("docs/images-and-pipelines.md", node.value) for node in ast.walk(tree)
                      if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


def test_every_example_is_run_or_has_a_reason():
    known = {(one.page, one.name) for one in EXAMPLES}
    assert len(known) == len(EXAMPLES) > 50, "two examples of a page begin alike"
    run = taken()
    assert sorted(known - run - set(NOT_RUN)) == [], "take it in tests/integration/test_documented.py"
    assert sorted(set(NOT_RUN) - known) == sorted(set(NOT_RUN) & run) == [], "there is no reason needed any more"
    assert all(len(reason) > 20 for reason in NOT_RUN.values())


def test_tests_that_reasons_name_are_there():
    for name in re.findall(r"test_\w+\.py", " ".join(NOT_RUN.values())):
        assert (TESTS / name).is_file()


def documentation(*names):
    """{module: its options} as ansible-doc tells them."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(documents.ROOT / ".build" / "collections"),
                   "ANSIBLE_CONFIG": str(documents.ROOT / "tools" / "ansible.cfg")}
    done = subprocess.run([Path(sys.executable).with_name("ansible-doc"), "--json", *sorted(set(names))],
                          env=environment, capture_output=True, check=True)
    return {name: told["doc"].get("options", {}) for name, told in json.loads(done.stdout).items()}


def variables():
    """{role: its variables} of all their entries."""
    found = {}
    for path in (documents.ROOT / "roles").glob("*/meta/argument_specs.yml"):
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]
        found[path.parts[-3]] = {name: option for entry in entries.values()
                                 for name, option in entry.get("options", {}).items()}
    return found


def unknown(given, options, where):
    """What of ``given`` is no option, or none of an option's choices."""
    if not isinstance(given, dict):
        return []
    named = {alias: option for name, option in options.items() for alias in [name, *option.get("aliases", [])]}
    found = []
    for name, value in given.items():
        option = named.get(name)
        if option is None:
            found.append(f"{where}: {name}")
            continue
        choices, inner = option.get("choices"), option.get("suboptions") or option.get("options")
        for one in value if isinstance(value, list) else [value]:
            if choices and "{{" not in str(one) and one not in choices:
                found.append(f"{where}: {name}: {one}")
            found += unknown(one, inner, f"{where}: {name}") if inner else []
    return found


def tasks(value):
    """All tasks in plays, blocks and lists of tasks."""
    for one in value if isinstance(value, list) else []:
        for part in ("pre_tasks", "tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from tasks(one.get(part))
        if "hosts" not in one and "role" not in one:
            yield one


def parsed():
    """(example, its value) of all that are playbooks, tasks or variables of this collection."""
    for one in EXAMPLES:
        if one.language == "yaml" and NOT_RUN.get((one.page, one.name)) != OTHERS and one.page != "CONTRIBUTING.md":
            yield one, yaml.safe_load(one.text)


def test_modules_and_their_options_are_known():
    listed = [(one, name, arguments) for one, value in parsed() if isinstance(value, list) for task in tasks(value)
              for name, arguments in task.items() if name not in NO_MODULE]
    known = documentation(*(name for _one, name, _arguments in listed))
    assert len(listed) > 15
    assert [wrong for one, name, arguments in listed if not name.endswith("_role")
            for wrong in unknown(arguments, known[name], f"{one.page}: {one.name}: {name}")] == []


def test_roles_and_their_variables_are_known():
    roles = variables()
    every = {name: option for options in roles.values() for name, option in options.items()}
    wrong = []
    for one, value in parsed():
        plays = value if isinstance(value, list) else []
        used = [(role["role"], role.get("vars", {})) for play in plays for role in play.get("roles", [])]
        used += [(task[module]["name"], task.get("vars", {})) for task in tasks(value) for module in task
                 if module in ("ansible.builtin.include_role", "ansible.builtin.import_role")]
        if one.name == "dependencies:":
            used += [(role["role"], role.get("vars", {})) for role in value["dependencies"]]
        for role, given in used:
            wrong += unknown(given, roles[role.removeprefix(COLLECTION)], f"{one.page}: {one.name}: {role}")
        for play in plays:
            wrong += unknown(play.get("vars", {}) if "hosts" in play else {}, every, f"{one.page}: {one.name}: vars")
        if isinstance(value, dict) and one.name not in FILES:
            wrong += unknown(value, every, f"{one.page}: {one.name}")
    assert wrong == []


@pytest.mark.parametrize("page", documents.pages())
def test_names_of_this_collection_are_known(page):
    kinds = ("plugins/modules/*.py", "plugins/filter/*.py", "playbooks/*.yml", "roles/*")
    known = {path.stem for kind in kinds for path in documents.ROOT.glob(kind)} | {"trust_store", "authority"}
    text = (documents.ROOT / page).read_text(encoding="utf-8")
    assert set(re.findall(r"fleetpki\.host_trust\.(\w+)", text)) - known <= {"test"}  # a label of test hosts


@pytest.mark.parametrize("module", ["openssl_privatekey", "openssl_csr", "x509_certificate", "x509_crl",
                                    "x509_certificate_info", "get_certificate"])
def test_every_option_of_community_crypto_has_a_row(module):
    page = (documents.ROOT / "docs/guides/coming-from-elsewhere.md").read_text(encoding="utf-8")
    table = page.partition(f"### {module}\n")[2].partition("\n#")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    (options,) = documentation(f"community.crypto.{module}").values()
    assert set(options) - FILE_OPTIONS - named == set()
    assert module == "x509_certificate_info" or named <= set(options), "an option that is not there"
