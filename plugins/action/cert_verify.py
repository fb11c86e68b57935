# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of cert_verify: the module asks the host's OpenSSL, and its answer is judged here once more."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.validation import check_type_bool, check_type_list, check_type_str

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import crls as x509_crls
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _controller_files, _private_key_guard
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import verdicts

CONTENTS = {"certificates": ("content", "chain_content"), "crls": ("content",)}


class ActionModule(base.Action):
    """Runs the module once, and with the engine strict judges what it has read on the host."""

    ANSWER = verdicts.ANSWER

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        result = self.begun(task_vars)
        given = dict(self._task.args)
        try:
            for option, names in CONTENTS.items():
                for number, element in enumerate(check_type_list(given.get(option) or [])):
                    if isinstance(element, dict):
                        _private_key_guard.refuse(element, names, f"{option}[{number}].")
            given["crls"] = self._lists(check_type_list(given.get("crls") or []))
            terms = self._terms(given)
        except (AnsibleError, TypeError, ValueError) as error:
            return {**result, "failed": True, "msg": str(error)}
        if terms is None:
            return {**result, **self._execute_module(
                module_args=given, task_vars=task_vars, wrap_async=self._task.async_val)}
        answer = self._execute_module(module_args={**given, "fail_on_error": False}, task_vars=task_vars)
        if "results" not in answer:
            return {**result, **answer}
        try:
            if len(answer["results"]) != len(check_type_list(given["certificates"])):
                raise host_answers.Wrong(f"results has {len(answer['results'])} elements, and certificates another "
                                         "number")
            return {**result, **verdicts.joined(answer, terms)}
        except host_answers.Wrong as error:
            return {**result, **self.refusal(str(error))}

    def _terms(self, given: dict[str, t.Any]) -> verdicts.StrictPolicy | None:
        """What is asked of the second engine, None where it is not; raises ValueError where it can't be."""
        waive = [check_type_str(one) for one in check_type_list(given.get("waive") or [])]
        if (given.get("engine") or "strict") != "strict":
            return None  # whatever else it may be, the module says what
        if self._task.async_val:
            raise ValueError("the engine 'strict' works on the module's answer, which is not there yet with async: "
                             "take async away, or say 'engine: host'")
        return verdicts.terms(waive, check_type_bool(given.get("fail_on_error", True)))

    def _lists(self, elements: list[t.Any]) -> list[t.Any]:
        """The elements of ``crls``, those that lie on the controller as content. The module says what is wrong else."""
        return [self._sent(element) if isinstance(element, dict) and element.get("src") and not (
            element.get("path") or element.get("content")) else element for element in elements]

    def _sent(self, element: dict[str, t.Any]) -> dict[str, t.Any]:
        src = check_type_str(element["src"])
        try:
            lists = x509_crls.read(_controller_files.read(self._loader, self._find_needle("files", src)))
        except AnsibleFileNotFound:
            raise ValueError(f"crls, src {src}: there is no such file on the controller: give an absolute path, or "
                             "path for a file that is on the host")
        except ValueError as error:
            raise ValueError(f"crls, src {src}: {error}")
        return {"content": "".join(x509_crls.to_pem(data) for data in lists)}
