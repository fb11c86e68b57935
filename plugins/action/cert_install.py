# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of cert_install: read the certificates that lie on the controller, and hand them over."""

from __future__ import annotations

import functools
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.module_utils.common.validation import check_type_list, check_type_str

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _controller_files, _private_key_guard
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers


class ActionModule(base.Action):
    """Runs the module once, with the certificates as its option ``content`` and the files' names as ``src``."""

    ANSWER = host_answers.documented("cert_install")
    _supports_async = False

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        result = self.begun(task_vars)
        try:
            _private_key_guard.refuse(self._task.args, ("content", "trust_content"))
            offered = self._offered()
        except (AnsibleError, TypeError, ValueError) as error:
            return {**result, "failed": True, "msg": str(error)}
        args = {name: value for name, value in self._task.args.items() if name not in ("src", "content")}
        return {**result, **self._execute_module(module_args={**args, **offered}, task_vars=task_vars)}

    def _offered(self) -> dict[str, t.Any]:
        """The options ``content`` and ``src`` for the module; raises ValueError."""
        src, content = (self._task.args.get(name) for name in ("src", "content"))
        if src is not None and content:
            raise ValueError("src and content exclude each other: give the certificates in one of them")
        if src is not None:
            return self._read([check_type_str(one) for one in check_type_list(src)])
        if content:
            return {"content": check_type_str(content)}
        if "content" not in self._task.args:
            raise ValueError("nothing to install: give the certificates with src or content")
        if not self._task.check_mode:
            raise ValueError("content is empty: there is nothing to install")
        return {"content": ""}  # in check mode the task that makes it has made nothing

    def _read(self, sources: list[str]) -> dict[str, t.Any]:
        if not any(sources):
            raise ValueError("src is empty: name the files with the certificates, their folder or a pattern")
        stack = [*self._task.get_search_path(), self._loader.get_basedir()]
        folders = [folder for path in stack for folder in (os.path.join(path, "files"), path)]
        finder = _controller_files.Finder(
            functools.partial(self._find_needle, "files"), list(dict.fromkeys(folders)))
        load = functools.partial(_controller_files.read, self._loader)
        found = list(_controller_files.certificates([one for one in sources if one], finder, load).values())
        return {"content": "".join(text for _name, text in found), "src": [name for name, _text in found]}
