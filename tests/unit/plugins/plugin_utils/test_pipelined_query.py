# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of hosts without running a module: the program that is sent, and what is taken for an answer."""
from __future__ import annotations

import subprocess
import sys
import types

import pytest
from ansible.errors import AnsibleError

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import bootstrap
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _pipelined_query
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._trust import anchor_list

LOOKED_AT = {"store": "redhat", "bundle": "/b", "extracted": False, "anchors": [], "plan": [],
             "diff": {"before": "", "after": ""}, "changed": False, "warnings": []}


def test_what_a_look_needs_is_packed_and_what_changes_hosts_is_not():
    sources = _pipelined_query.sources("_trust.dry_run")
    assert {"_trust.dry_run", "_trust.plan", "_trust.state", "_trust.stores", "_x509.pem", "_x509.certificate",
            "_x509.der"} <= set(sources)
    assert not {"_trust.converge", "_trust.extract", "_host.command", "_nss.converge",
                "_pki.cryptography_dep"} & set(sources)
    assert all("ansible.module_utils" not in source for source in sources.values())


def test_the_program_runs_with_what_is_packed(tmp_path):
    options = {"store": "bundle", "bundle_path": str(tmp_path / "ca.pem"), "root": "/", "purge": "none",
               "extract": "auto", "anchors": [{"state": "present", "name": None, "fingerprint": 64 * "a"}]}
    text = _pipelined_query.program("_trust.dry_run", "glance", {"options": options, "check_mode": False})
    done = subprocess.run([sys.executable, *bootstrap.OPTIONS.split()], input=text.encode("utf-8"), cwd=tmp_path,
                          capture_output=True, check=False)
    assert _pipelined_query.answered(done.stdout.decode()) == {"unsent": [64 * "a"]}, done.stderr.decode()
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
    assert _pipelined_query.interpreter(action, task_vars) == python


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_program_that_fails_gives_no_answer(code):
    """Its output is ignored; the module then reports the error."""
    asked, action = [], Action()
    action._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(
        build_module_command=lambda environment, shebang, command: f"{environment} {shebang[2:]} {command}"))
    action._compute_environment_string = lambda: "LC_ALL=C"

    def execute(command, in_data):
        asked.append((command, in_data))
        return {"rc": code, "stdout": f"{bootstrap.MARK}{{\"a\": 1}}\n"}

    action._low_level_execute_command = execute
    python = {"ansible_python_interpreter": "/opt/python"}
    answer = _pipelined_query.ask(action, python, "_trust.dry_run", "glance", {"x": 1})
    assert answer == (None if code else {"a": 1})
    (command, program), = asked
    assert command == f"LC_ALL=C /opt/python {bootstrap.OPTIONS}"
    assert program.endswith(b"call(PACKED, 'glance', '{\"x\": 1}')\n")
    assert _pipelined_query.ask(action, {}, "_trust.dry_run", "glance", {}) is None and len(asked) == 1


@pytest.mark.parametrize("stdout, answer", [
    (f"{bootstrap.MARK}{{\"a\": 1}}\n", {"a": 1}),
    (f"Last login: today\n\n{bootstrap.MARK}{{\"a\": 1}}\nbye\n", {"a": 1}),
    ("", None),
    ("{\"a\": 1}\n", None),
    (f"{bootstrap.MARK}[1]\n", None),
    (f"{bootstrap.MARK}{{\"a\": 1}}\n{bootstrap.MARK}{{\"a\": 2}}\n", {"a": 2}),  # ours is the last
    (f"{bootstrap.MARK}{{\"a\": \n", None),
    (f"{bootstrap.MARK}{'[' * 100000}\n", None),
])
def test_only_an_object_behind_the_mark_is_an_answer(stdout, answer):
    assert _pipelined_query.answered(stdout) == answer


def test_a_play_gets_of_an_answer_what_it_expects_and_nothing_else():
    hostile = {**LOOKED_AT, "ansible_facts": {"x": 1}, "_ansible_no_log": True, "failed": False, "warnings": ["w"]}
    assert anchor_list.settled(LOOKED_AT) == {name: LOOKED_AT[name] for name in LOOKED_AT if name != "warnings"}
    assert anchor_list.settled(hostile) == {**LOOKED_AT, "warnings": ["w"]}
    for name in set(LOOKED_AT) - {"diff"}:
        assert anchor_list.settled({**LOOKED_AT, name: None}) is None, name
    assert "diff" not in anchor_list.settled({**LOOKED_AT, "diff": None})
    assert anchor_list.settled(None) is None and anchor_list.settled({"unsent": []}) is None
    assert anchor_list.unsent({"unsent": ["aa", 1, None]}) == {"aa"}
    assert anchor_list.unsent(None) == anchor_list.unsent(LOOKED_AT) == anchor_list.unsent({"unsent": 1}) == set()
