# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA on the controller signs without a process of its own for each request: a fleet has many."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec, module_runner, signed_cert
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _private_key_guard
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers


class ActionModule(base.Action):
    """Signs here where that is the same as running the module: on the controller, as its user, with no file written."""

    ANSWER = host_answers.documented("signed_cert")

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        result = self.begun(task_vars)
        try:
            _private_key_guard.refuse(self._task.args, ("csr_content",) + _private_key_guard.CA)
        except ValueError as error:
            return {**result, "failed": True, "msg": str(error)}
        if self._is_for_a_process():
            return {**result, **self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)}
        _validation, given = self.validate_argument_spec(
            argspec.signed_cert(), argspec.SIGNED_EXCLUSIVE, required_one_of=argspec.SIGNED_ONE_OF)
        try:
            outcome = module_runner.attempt(signed_cert.converge, module_runner.placed(given), self._task.check_mode)
        except Failure as error:
            return {**result, "failed": True, **error.facts, "msg": str(error)}
        return {**result, **module_runner.success(outcome)}

    def _is_for_a_process(self) -> bool:
        """Whether the module itself must run: on another machine, as another user, or because it writes files."""
        return bool(self._connection.transport != "local" or self._connection.become or self._task.async_val
                    or any(name in self._task.args for name in ("path", "fullchain_path", *FILE_COMMON_ARGUMENTS)))
