# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What every action plugin is made of: a host's facts decide nothing, and its answer is read before it is used."""

from __future__ import annotations

import re
import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers, refused_facts

# Of interpreter discovery, which asks the host: the path of a program there.
PATH = re.compile(r"/[\w./+-]{1,255}", re.ASCII)
# With async, the module's own answer is fetched by Ansible later.
ASYNC = host_answers.Shape("dict", keys={**host_answers.OWN, **host_answers.ASYNC})


class Action(NormalAction):
    """Runs a module as any other. A subclass says with ANSWER what the module's RETURN has, and may have act()."""

    ANSWER: t.ClassVar[host_answers.Shape]
    _answers_for = "the host"

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Runs the action (see ActionBase), unless the host has set what decides over it."""
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", self._answers_for))
        self._answers_for = self._task.delegate_to or host
        sentence = refused_facts.sentence(host, variables.get("ansible_facts"), variables.get("hostvars"))
        if sentence:
            return {"failed": True, "msg": sentence}
        result = self.act(variables)
        if not self._task.diff:
            result.pop("diff", None)
        return result

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the action is for. No fact has the name of a variable of this collection any more."""
        result: dict[str, t.Any] = super().run(None, task_vars)  # type: ignore[no-untyped-call]
        return result

    def begun(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """What a result begins with where act() does not run the module straight away."""
        result: dict[str, t.Any] = ActionBase.run(self, None, task_vars)
        return result

    def _execute_module(self, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
        """A module's answer as it is documented, or a failure that says what is wrong with it."""
        try:
            answer = super()._execute_module(*args, **kwargs)
        except (AttributeError, KeyError, RecursionError, TypeError) as error:  # Ansible's own code reads it first
            return self.refusal(f"Ansible can't read it ({error!r})")
        judged = self.judged(answer, ASYNC if self._task.async_val else self.ANSWER)
        return {**judged, **self.discovered(self._discovered_interpreter_key, self._discovered_interpreter)}

    def discovered(self, key: str | None, python: t.Any) -> dict[str, t.Any]:
        """The Python that the controller has found itself, for the next task; what a host says of it was dropped."""
        return {"ansible_facts": {key: python}} if key and isinstance(python, str) and PATH.fullmatch(python) else {}

    def judged(self, answer: t.Any, shape: host_answers.Shape) -> dict[str, t.Any]:
        """What a host's answer says, or a failure."""
        try:
            return host_answers.checked(answer, shape)
        except host_answers.Wrong as error:
            return self.refusal(str(error))

    def asked(self, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """An answer on servers, if it is on those that the host was asked for; else a failure."""
        args, found = self._task.args, answer.get("results")
        given = args.get("endpoints") or ([args] if args.get("host") else [])
        try:
            wanted = [(connection.plain_host(str(one["host"])), int(one.get("port") or 443)) for one in given]
            names = [one.get("name") if one is not args else None for one in given]
        except (AttributeError, KeyError, TypeError, ValueError):
            return answer  # the module says what is wrong with that
        if found is None or [(one["host"], one["port"]) for one in found] == wanted and all(
                name in (None, "", one["name"]) for name, one in zip(names, found, strict=True)):
            return answer
        return self.refusal("results is not on the servers that it was asked for")

    def refusal(self, why: str) -> dict[str, t.Any]:
        """The failure of a host whose answer can't be one."""
        host, module = self._answers_for, self._task.action.rpartition(".")[2]
        return {"failed": True, "changed": False, "msg": (
            f"{host} does not answer as {module} does: {why}. Nothing of its answer was used. Either something on "
            f"{host} prints into what its Python prints (-vvv shows it), or {host} does not run the module that it was "
            "sent: if nothing explains it, treat the host as compromised")}
