# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of ca_trust_anchor: find the certificates, judge them, hand over what the host is missing."""

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import argspec
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _controller_files, _pipelined_query
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._trust import anchor_list, anchor_policy

LOOK = "_trust.dry_run"
_pipelined_query.packed(LOOK)  # while this is one process, and not one for each host


class ActionModule(base.Action):
    """Looks at the host, and runs the module where something is to be done: with what is missing there."""

    ANSWER = anchor_list.ANSWER
    _supports_async = False

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        result = self.begun(task_vars)
        execute = functools.partial(self._execute_module, task_vars=task_vars)
        try:
            options = self._options()
            terms = anchor_policy.AnchorPolicy(options["allow_expired"], options["allow_non_ca"],
                                               duration.of_option("min_remaining", options["min_remaining"]))
            named = [{"path": element["path"]} for element in options["anchors"] if element["path"] is not None]
            # What the files on the host hold, in the order of the list, for judgement here.
            answer = execute(module_args={"anchors": named}) if named else {"collected": []}
            if len(answer.get("collected") or ()) != len(named):
                message = answer.get("msg") or "the host's files could not be read"
                return {**result, **answer, "failed": True, "msg": message}
            listed = anchor_list.read(options["anchors"], self._load, answer["collected"], terms)
        except (AnsibleError, anchor_list.AnchorListError, ValueError) as error:
            return {**result, "failed": True, "msg": str(error)}
        passed = {name: options[name] for name in (
            "store", "bundle_path", "nss_databases", "root", "purge", "extract")}
        # Where a file of the host had to be read, the module has been executed already.
        look = None if named else self._look(passed, listed, task_vars)
        settled = look if look and look.get("failed") else anchor_list.settled(look)
        if not settled or settled.get("changed"):
            refused = anchor_list.unloadable(listed)  # not each time: our own reader has judged, and is as strict
            if refused:
                return {**result, "failed": True, "msg": "\n".join(refused)}
        answer = settled or self._converge(execute, passed, listed, anchor_list.unsent(look))
        lacking = None if answer.get("failed") else anchor_list.missing(answer)
        if lacking:
            answer = self.refusal(f"{lacking} is missing")
        told = anchor_list.in_own_words(answer, listed)
        return {**result, **told, "invocation": {"module_args": argspec.told(options)}}

    def _converge(
        self, execute: t.Callable[..., dict[str, t.Any]], passed: dict[str, t.Any], listed: list[anchor_list.Anchor],
        asked: set[str],
    ) -> dict[str, t.Any]:
        """The module's answer; asked: the certificates that the host is known to be missing, by fingerprint."""
        answer = execute(module_args={**passed, "anchors": anchor_list.to_send(listed, asked)})
        if answer.get("unsent"):
            asked = asked | anchor_list.unsent(answer)
            answer = execute(module_args={**passed, "anchors": anchor_list.to_send(listed, asked)})
        if answer.pop("unsent", None):
            answer.update(failed=True, msg="a certificate that is to be distrusted is known by its fingerprint only, "
                                           "and nothing on this host has it: give it with src, content or path")
        return answer

    def _look(
        self, passed: dict[str, t.Any], listed: list[anchor_list.Anchor], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any] | None:
        """What the host says of itself where it can be asked at a third of what the module costs it; see glance()."""
        if passed["store"] == "nss":
            return None
        options = {**passed, "anchors": anchor_list.to_send(listed, look=True)}
        answer = _pipelined_query.ask(
            self, task_vars, LOOK, "glance", {"options": options, "check_mode": self._task.check_mode})
        return None if answer is None else self.judged(answer, self.ANSWER)

    def _options(self) -> dict[str, t.Any]:
        """The task's options, checked; raises ValueError."""
        given = self._task.args.copy()
        listed = given.get("anchors") or []
        for number, element in enumerate(listed if isinstance(listed, list) else [], 1):
            if not element:
                raise ValueError(f"anchors, element {number} is empty: take it off, or give it a src, content or path")
        validator = ArgumentSpecValidator(argspec.on_controller(), required_if=argspec.REQUIRED_IF)
        checked = validator.validate(given)
        if checked.error_messages:
            raise ValueError("; ".join(checked.error_messages))
        options: dict[str, t.Any] = checked.validated_parameters
        anchor_list.check(options["anchors"])
        return options

    def _load(self, src: str) -> bytes:
        """The bytes of a file of the controller, found as copy finds it and decrypted where vault encrypted it."""
        try:
            return _controller_files.read(self._loader, self._find_needle("files", src))
        except AnsibleFileNotFound as error:
            raise ValueError("there is no such file on the controller (in the role's or play's folder files, or beside "
                             "the play): give an absolute path, or path for a file that is on the host") from error
