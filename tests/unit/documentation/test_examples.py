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
COMMAND = re.compile(r"(?:[A-Z][A-Z0-9_]*=\S+ )*(?:ansible[a-z-]*|echo|git|make|openssl|pip|podman|python3?|trust) ")
DOWNLOADS = "it downloads, which tests do not; "
HOSTS = "tests have made their hosts with it before they begin: tests/hosts/README.md is about these"
SERVERS = "it is about servers of others; each of its options is in test_tls_"
OTHERS = "it is what somebody has before, of others' roles and modules"
NOT_RUN = {
    ("CONTRIBUTING.md", "bugfixes:"): "antsibull-changelog lints such files",
    ("README.md", "collections:"): "it downloads; test_pipelines.py has the same in execution-environment.yml",
    ("docs/guides/coming-from-elsewhere.md", "certificate_requests:"): OTHERS,
    ("docs/guides/coming-from-elsewhere.md", "- name: Copy the company's CAs"): OTHERS,
    ("README.md", "git clone https://github.com/fleetpki/host_trust.git"):
        DOWNLOADS + "test_release.py runs the quickstart of what is released",
    ("README.md", "make test"): "it runs this test, too",
    ("README.md", "pip install 'ansible-core>=2.16' 'cryptography>=49'"):
        DOWNLOADS + "test_release.py installs what is released",
    ("README.md", "make molecule IMAGES=ubi"): DOWNLOADS + "test_registry_images.py has a registry on the loopback",
    ("docs/guides/first-fleet.md", "python3 -m venv ~/ansible && . ~/ansible/bin/activate"):
        DOWNLOADS + "test_release.py installs what is released",
    ("docs/guides/first-fleet.md", "ansible-playbook fleetpki.host_trust.smoke_test -i hosts.yml"):
        "it needs hosts that reach each other: test_role_tls_smoke_test.py has the playbook's role on such",
    ("docs/images-and-pipelines.md", "podman build --tag corp/ubi9 ."):
        "test_images.py builds the same, with options that keep podman from the network",
    ("docs/images-and-pipelines.md", "ansible-builder build --tag localhost/host-trust-ee"):
        DOWNLOADS + "test_pipelines.py has ansible-builder make all that it builds from",
    ("docs/rotation.md", "ansible-playbook fleetpki.host_trust.rotate_ca -i hosts --ask-vault-pass"):
        "it needs hosts with services: test_role_ca_rotation.py runs the playbook on such",
    ("roles/ca_rotation/README.md", "ansible-playbook fleetpki.host_trust.rotate_ca -i hosts --ask-vault-pass"):
        "the same as in docs/rotation.md: test_role_ca_rotation.py runs the playbook",
    ("tests/hosts/README.md", "python tests/hosts/build.py                  # all that is missing: some minutes the "
                              "first time, then no time"): HOSTS,
    ("tests/hosts/README.md", "HOST_TRUST_IMAGE_EL9=quay.io/centos/centos:stream9 python tests/hosts/build.py el9"):
        DOWNLOADS + "test_registry_images.py has a registry on the loopback",
    ("tests/hosts/README.md", "make molecule IMAGES=ubi              # ubi8, ubi9 and ubi10"):
        DOWNLOADS + "test_registry_images.py has a registry on the loopback",
    ("tests/hosts/README.md", "CONTAINERS_STORAGE_CONF=.build/storage.conf podman ps --all --filter "
                              "label=fleetpki.host_trust.test-host"): "it only lists what other tests have left",
    ("plans/README.md", "tmt run --all plan --name /plans/default"): "it needs virtual machines",
    ("plugins/filter/certificate_to_serve.py", "The web server shows the certificate that the role has made"):
        SERVERS + "endpoint_info.py, the filter in test_role_tls_smoke_test.py",
    ("plugins/modules/ca_trust_anchor.py", "Chromium and Firefox of two users"):
        "it needs two users with browsers: test_nss.py has the same with such",
    ("plugins/modules/ca_trust_anchor.py", "In an image that is mounted"):
        "it needs a whole system below a folder: test_role_ca_trust.py has the same",
    ("plugins/modules/tls_client_info.py", "Everything on this host that speaks TLS accepts the company's server"):
        SERVERS + "client_info.py",
    ("plugins/modules/tls_client_info.py", "Java and curl accept the new server before DNS points to it"):
        SERVERS + "client_info.py",
    ("plugins/modules/tls_endpoint_info.py", "The web server shows a complete, trusted chain that lasts another month, "
                                             "and speaks TLS 1.2 or later"): SERVERS + "endpoint_info.py",
    ("plugins/modules/tls_endpoint_info.py", "The new server answers before DNS points to it"):
        SERVERS + "endpoint_info.py",
    ("plugins/modules/tls_endpoint_info.py", "An API with mutual TLS, behind a proxy, keeps connections and resumes "
                                             "sessions"): SERVERS + "endpoint_info.py",
}
FILES = {"hosts.yml", "execution-environment.yml", "handlers:", "dependencies:", "collections:"}  # no variables
FILE_OPTIONS = {"attributes", "group", "mode", "owner", "selevel", "serole", "setype", "seuser", "unsafe_writes"}
NO_MODULE = {"become", "become_user", "delegate_to", "name", "notify", "register", "run_once", "tags", "vars", "when",
             "loop", "listen", "loop_control", "no_log", "ignore_errors", "ignore_unreachable", "changed_when",
             "failed_when", "block", "module_defaults"}


def taken():
    """(page, name) of the examples that tests take from the documentation."""
    found = set()
    for path in [*TESTS.glob("test_*.py"), TESTS / "conftest.py"]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("documented.example", "documented.tasks"):
                given, *names = [ast.literal_eval(argument) for argument in node.args]
                found |= {(given, name) for name in names}
        if path.name in ("test_images.py", "test_pipelines.py"):  # which take those of one page, by the name alone
            found |= {("docs/images-and-pipelines.md", node.value) for node in ast.walk(tree)
                      if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found


def test_every_example_is_run_or_has_a_reason():
    known = {(one.page, one.name) for one in EXAMPLES}
    assert len(known) == len(EXAMPLES) > 60, "two examples of a page begin alike"
    known |= set(documents.tasks())
    run = taken()
    assert sorted(known - run - set(NOT_RUN)) == [], "take it in tests/integration/test_documented.py"
    assert sorted(set(NOT_RUN) - known) == sorted(set(NOT_RUN) & run) == [], "there is no reason needed any more"
    assert all(len(reason) > 20 for reason in NOT_RUN.values())


@pytest.mark.parametrize("page", documents.pages())
def test_commands_are_marked_as_such(page):
    """Or none of these tests would look at them."""
    assert [one.name for one in documents.examples(page) if not one.language and COMMAND.match(one.text)] == []


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
    every = [(one.page, task) for one, value in parsed() if isinstance(value, list) for task in tasks(value)]
    every += [(page, task) for (page, _name), task in documents.tasks().items()]
    listed = [(page, task.get("name"), name, arguments) for page, task in every for name, arguments in task.items()
              if name not in NO_MODULE]
    known = documentation(*(name for _page, _task, name, _arguments in listed))
    assert len(listed) > 60
    assert [wrong for page, task, name, arguments in listed if not name.endswith("_role")
            for wrong in unknown(arguments, known[name], f"{page}: {task}: {name}")] == []


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
