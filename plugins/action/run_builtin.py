# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module of ansible.builtin, whose answer is read as narrowly as that of a module of this collection."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible.module_utils.facts.system.pkg_mgr import PKG_MGRS
from ansible.plugins.action import ActionBase

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
# What Ansible's own action chooses another module by, where ``use`` is not given: the fact that it asks the host for,
# the variable of the inventory that outranks that, what a host may say, and what counts where it says something else.
CHOSEN_BY = {
    "package": ("pkg_mgr", "ansible_package_use", {manager["name"] for manager in PKG_MGRS} | {"yum"}, "unknown"),
    "service": ("service_mgr", None, {"launchd", "openwrt_init", "runit", "service", "systemd", "sysvinit"}, "service"),
}
ASKED = host_answers.Shape("dict", keys={**host_answers.OWN, "ansible_facts": host_answers.Shape(
    "dict", keys={f"ansible_{one[0]}": host_answers.TEXT for one in CHOSEN_BY.values()})})


def answer(name: str) -> host_answers.Shape:
    """The Shape of the answer of a module."""
    return host_answers.Shape("dict", keys={**OWN, **{key: DOCUMENTED[key] for key in SAID.get(name, ())}})


class ActionModule(base.Action):
    """Has Ansible's own action run, in the place of this one."""

    ANSWER = host_answers.Shape("dict", keys={**OWN, **DOCUMENTED})
    _supports_async = False

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        _validation, given = self.validate_argument_spec(ARGUMENTS)
        result = self.begun(task_vars)
        task = self._task.copy()
        task.action, task.args = f"ansible.builtin.{given['name']}", dict(given["options"])
        if given["name"] in CHOSEN_BY and task.args.get("use", "auto") == "auto":
            try:
                use = self._chosen(given["name"], task_vars)
            except host_answers.Wrong as error:
                return {**result, **self.refusal(str(error))}
            if isinstance(use, dict):
                return {**result, **use}
            task.args["use"] = use
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
        by = builtin if builtin._discovered_interpreter else self
        return {**result, **found, **self.discovered(by._discovered_interpreter_key, by._discovered_interpreter)}

    def _chosen(self, name: str, task_vars: dict[str, t.Any]) -> str | dict[str, t.Any]:
        """The module that manages packages or services, which a host may choose among few; or why that is not known.

        Ansible's own action would run whichever module of the controller the host names. Raises host_answers.Wrong.
        """
        fact, variable, known, otherwise = CHOSEN_BY[name]
        facts = task_vars.get("ansible_facts")
        facts = facts if isinstance(facts, c.Mapping) and not self._task.delegate_to else {}
        if variable and task_vars.get(variable) and not {variable, variable.partition("_")[2]} & set(facts):
            return str(self._templar.template(task_vars[variable]))
        said = facts.get(fact)
        if said is None:
            try:
                found = ActionBase._execute_module(
                    self, module_name="ansible.legacy.setup", task_vars=task_vars,
                    module_args={"gather_subset": "!all", "filter": f"ansible_{fact}"})
            except (AttributeError, KeyError, RecursionError, TypeError) as error:  # as in base.Action
                raise host_answers.Wrong(f"Ansible can't read it ({error!r})") from error
            found = host_answers.checked(found, ASKED)
            if found.get("failed"):
                return found
            said = (found.get("ansible_facts") or {}).get(f"ansible_{fact}")
        return said if isinstance(said, str) and said in known else otherwise
