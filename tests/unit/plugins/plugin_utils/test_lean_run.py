# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of hosts without running a module: the program that is sent, and what is taken for an answer."""
from __future__ import annotations

import subprocess
import sys
import types

import pytest
from ansible.errors import AnsibleError

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _lean as lean
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _anchor_list as anchor_list
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _lean_run as lean_run

LOOKED_AT = {"store": "redhat", "bundle": "/b", "extracted": False, "anchors": [], "plan": [], "diff": {},
             "changed": False, "warnings": []}


def test_what_a_look_needs_is_packed_and_what_changes_hosts_is_not():
    sources = lean_run.sources("_trust_look")
    assert {"_trust_look", "_trust_plan", "_trust_state", "_stores", "_pem", "_x509", "_der"} <= set(sources)
    assert not {"_trust_store", "_trust_extract", "_command", "_nss", "_cryptography"} & set(sources)
    assert all("ansible.module_utils" not in source for source in sources.values())


def test_the_program_runs_with_what_is_packed(tmp_path):
    options = {"store": "bundle", "bundle_path": str(tmp_path / "ca.pem"), "root": "/", "purge": "none",
               "extract": "auto", "anchors": [{"state": "present", "name": None, "fingerprint": 64 * "a"}]}
    text = lean_run.program("_trust_look", "glance", {"options": options, "check_mode": False})
    done = subprocess.run([sys.executable, *lean.OPTIONS.split()], input=text.encode("utf-8"), cwd=tmp_path,
                          capture_output=True, check=False)
    assert lean_run.answered(done.stdout.decode()) == {"unsent": [64 * "a"]}, done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


class Action:
    """What is asked of an action plugin, of which only Ansible itself has a real one."""

    def __init__(self, template=lambda value: value, delegate_to=None, pipelining=True):
        self._task = types.SimpleNamespace(delegate_to=delegate_to)
        self._templar = types.SimpleNamespace(template=template)
        self._is_pipelining_enabled = lambda style: pipelining and style == "new"


def raised(_value):
    raise AnsibleError("a template was resolved to omit")


FACTS = {"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.9"}}


@pytest.mark.parametrize("action, task_vars, python", [
    (Action(), {"ansible_python_interpreter": "/opt/python"}, "/opt/python"),
    (Action(lambda value: value.replace("{{ x }}", "/opt")), {"ansible_python_interpreter": "{{ x }}/py"}, "/opt/py"),
    (Action(), {"ansible_python_interpreter": "/opt/python", **FACTS}, "/opt/python"),
    (Action(), {"ansible_python_interpreter": "auto_silent", **FACTS}, "/usr/bin/python3.9"),
    (Action(), FACTS, "/usr/bin/python3.9"),
    (Action(), {"ansible_python_interpreter": "", **FACTS}, "/usr/bin/python3.9"),
    (Action(), {"ansible_python_interpreter": "auto_legacy", **FACTS}, None),
    (Action(), {}, None),
    (Action(), {"ansible_facts": {"discovered_interpreter_python": ["x"]}}, None),
    (Action(lambda _value: ["/opt/python"]), {"ansible_python_interpreter": "{{ a_list }}"}, None),
    (Action(raised), {"ansible_python_interpreter": "{{ x | default(omit) }}"}, None),
    (Action(delegate_to="other"), {"ansible_python_interpreter": "/opt/python"}, None),
    (Action(pipelining=False), {"ansible_python_interpreter": "/opt/python"}, None),
])
def test_a_python_that_is_known_and_no_other(action, task_vars, python):
    assert lean_run.interpreter(action, task_vars) == python


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_program_that_fails_gives_no_answer(code):
    """Its output is ignored; the module then reports the error."""
    asked, action = [], Action()
    action._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(
        build_module_command=lambda environment, shebang, command: f"{environment} {shebang[2:]} {command}"))
    action._compute_environment_string = lambda: "LC_ALL=C"

    def execute(command, in_data):
        asked.append((command, in_data))
        return {"rc": code, "stdout": f"{lean.MARK}{{\"a\": 1}}\n"}

    action._low_level_execute_command = execute
    answer = lean_run.ask(action, {"ansible_python_interpreter": "/opt/python"}, "_trust_look", "glance", {"x": 1})
    assert answer == (None if code else {"a": 1})
    (command, program), = asked
    assert command == f"LC_ALL=C /opt/python {lean.OPTIONS}"
    assert program.endswith(b"call(PACKED, 'glance', '{\"x\": 1}')\n")
    assert lean_run.ask(action, {}, "_trust_look", "glance", {}) is None and len(asked) == 1


@pytest.mark.parametrize("stdout, answer", [
    (f"{lean.MARK}{{\"a\": 1}}\n", {"a": 1}),
    (f"Last login: today\n\n{lean.MARK}{{\"a\": 1}}\nbye\n", {"a": 1}),
    ("", None),
    ("{\"a\": 1}\n", None),
    (f"{lean.MARK}[1]\n", None),
    (f"{lean.MARK}{{\"a\": 1}}\n{lean.MARK}{{\"a\": 2}}\n", {"a": 2}),  # ours is the last
    (f"{lean.MARK}{{\"a\": \n", None),
    (f"{lean.MARK}{'[' * 100000}\n", None),
])
def test_only_an_object_behind_the_mark_is_an_answer(stdout, answer):
    assert lean_run.answered(stdout) == answer


def test_a_play_gets_of_an_answer_what_it_expects_and_nothing_else():
    hostile = {**LOOKED_AT, "ansible_facts": {"x": 1}, "_ansible_no_log": True, "failed": False, "warnings": ["w"]}
    assert anchor_list.settled(LOOKED_AT) == {name: LOOKED_AT[name] for name in LOOKED_AT if name != "warnings"}
    assert anchor_list.settled(hostile) == {**LOOKED_AT, "warnings": ["w"]}
    for name in LOOKED_AT:
        assert anchor_list.settled({**LOOKED_AT, name: None}) is None, name
    assert anchor_list.settled(None) is None and anchor_list.settled({"unsent": []}) is None
    assert anchor_list.unsent({"unsent": ["aa", 1, None]}) == {"aa"}
    assert anchor_list.unsent(None) == anchor_list.unsent(LOOKED_AT) == anchor_list.unsent({"unsent": 1}) == set()
