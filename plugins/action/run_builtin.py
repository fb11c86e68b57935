# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of ansible.builtin, whose answer is read as narrowly as that of a module of this collection."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers

ARGUMENTS = {
    "name": {"type": "str", "required": True,
             "choices": ["command", "copy", "file", "package", "service", "slurp", "stat"]},
    "options": {"type": "dict", "default": {}},
}
DOCUMENTED = host_answers.documented("run_builtin").keys or {}
# The module file compares dictionaries, and copy says with a number that a file is binary or too large to compare.
DIFF = host_answers.Shape("dict", values=(host_answers.TEXT, host_answers.Shape("int"), host_answers.Shape(
    "dict", values=host_answers.ANYTHING)))
OWN = {**host_answers.OWN, "skipped": host_answers.Shape("bool", False), "diff": DIFF}
# What is needed of the answer of each; of the others, nothing.
SAID = {"command": ("stdout", "stderr"), "slurp": ("content",), "stat": ("stat",)}


def answer(name: str) -> host_answers.Shape:
    """The Shape of the answer of a module."""
    return host_answers.Shape("dict", keys={**OWN, **{key: DOCUMENTED[key] for key in SAID.get(name, ())}})


class ActionModule(base.Action):
    """Has Ansible's own action run, in the place of this one."""

    ANSWER = host_answers.Shape("dict", keys={**OWN, **DOCUMENTED})
    _supports_async = False

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See _action.Action."""
        _validation, given = self.validate_argument_spec(ARGUMENTS)
        result = self.begun(task_vars)
        task = self._task.copy()
        task.action, task.args = f"ansible.builtin.{given['name']}", dict(given["options"])
        loader = self._shared_loader_obj.action_loader
        own = task.action if loader.has_plugin(task.action) else "ansible.builtin.normal"
        builtin = loader.get(own, task=task, connection=self._connection, play_context=self._play_context,
                             loader=self._loader, templar=self._templar, shared_loader_obj=self._shared_loader_obj)
        try:
            said = builtin.run(task_vars=task_vars)
        finally:
            builtin.cleanup()
        if isinstance(said.get("diff"), list):  # of copy: one for its file, or none without diff mode
            said["diff"] = said["diff"][0] if said["diff"] else {}
        found = self.judged(said, answer(given["name"]))
        key, python = builtin._discovered_interpreter_key, builtin._discovered_interpreter
        return {**result, **found, **self.discovered(key, python)}
