# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts have told in earlier tasks becomes a page, a JSON file and metrics; no host is asked anything."""

from __future__ import annotations

import functools
import json
import os
import re
import stat
import time
import typing as t

from ansible.errors import AnsibleError

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration, files, replace
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers, refused_facts
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import build as report_build
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import metrics, page

FILES = ("html", "json", "prometheus")
# When a report was made, in each of these.
MADE = re.compile(r'<time .*?</time>|^ "generated": ".*?"|^host_trust_report_generated_seconds\b.*', re.MULTILINE)
ARGUMENTS = {
    **{name: {"type": "path"} for name in FILES},
    "hosts": {"type": "list", "elements": "str"},
    "variables": {"type": "dict", "required": True, "options": {kind: {"type": "str"} for kind in report_build.KINDS}},
    "title": {"type": "str", "default": "Trust report"},
    "certificates_remaining": {"type": "str", "default": "30d"},
    "anchors_remaining": {"type": "str", "default": "180d"},
    "mode": {"type": "raw", "default": "0644"},
}


class ActionModule(base.Action):
    """Runs on the controller alone, as the user that runs Ansible."""

    ANSWER = host_answers.documented("trust_report")
    _requires_connection = False
    _supports_async = False

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        result = self.begun(task_vars)
        _validation, given = self.validate_argument_spec(
            ARGUMENTS, required_one_of=[("html", "json", "prometheus")])
        try:
            _check_paths(given)
            mode = _mode(given["mode"])
            made = report_build.build(_gathered(given, task_vars), _terms(given))
            written = _texts(given, made)
            changed = not all(_is_there(path, text, mode) for path, text in written.items())
            if not self._task.check_mode:
                _write(written, mode)
        except (AnsibleError, files.FilesError, ValueError) as error:
            return {**result, "failed": True, "msg": str(error)}
        return {**result, "changed": changed, "files": list(written), "counts": made["counts"], "msg": _said(made)}


def _gathered(given: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """What was registered on each host, by host and by kind."""
    names = given["hosts"] if given["hosts"] is not None else task_vars.get("ansible_play_hosts_all") or []
    if not names:
        raise ValueError("hosts is empty: there is nothing to report on")
    variables = {kind: name for kind, name in given["variables"].items() if name}
    found = {}
    for name in names:
        if name not in task_vars["hostvars"]:
            raise ValueError(f"hosts: there is no host {name} in the inventory")
        host = task_vars["hostvars"][name]
        facts = host.get("ansible_facts")
        sentence = refused_facts.sentence(str(name), facts, task_vars["hostvars"]) or _set_by_itself(variables, facts)
        found[str(name)] = {"trust": {"failed": True, "msg": sentence}} if sentence else {
            kind: host[variable] for kind, variable in variables.items() if variable in host}
    return found


def _set_by_itself(variables: dict[str, str], facts: t.Any) -> str:
    """Why a host's results do not count where it has set them as facts, whatever they are called; else empty."""
    names = sorted(set(variables.values()) & set(facts or {}))
    return f"it has set {', '.join(names)} as a fact, which no task has registered" if names else ""


def _terms(given: dict[str, t.Any]) -> report_build.ReportPolicy:
    spans = (duration.of_option(name, given[name]) for name in ("certificates_remaining", "anchors_remaining"))
    return report_build.ReportPolicy(given["title"], int(time.time()), *spans)


def _mode(given: t.Any) -> int:
    try:
        mode = given if isinstance(given, int) else int(given, 8)
    except (TypeError, ValueError):
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ValueError(f"mode: {given!r} is no octal number such as '0644'")
    return mode


def _check_paths(given: dict[str, t.Any]) -> None:
    """Raises ValueError for paths that can't be meant."""
    paths = {name: given[name] for name in FILES if given[name]}
    for name, path in paths.items():
        if not os.path.isabs(path):
            raise ValueError(f"{name} is {path}, and is to be an absolute path on the controller, for what it is "
                             "relative to depends on who reads it")
    if len(set(paths.values())) < len(paths):
        raise ValueError(f"{', '.join(paths)} are to be different files: {', '.join(paths.values())}")


def _as_json(made: dict[str, t.Any]) -> str:
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _texts(given: dict[str, t.Any], made: dict[str, t.Any]) -> dict[str, str]:
    """What is to be written, by path."""
    data = [os.path.basename(given[name]) for name in ("json", "prometheus") if given[name]]
    makers: dict[str, t.Callable[[dict[str, t.Any]], str]] = {
        "html": functools.partial(page.html, data=data), "json": _as_json, "prometheus": metrics.text}
    return {given[name]: make(made) for name, make in makers.items() if given[name]}


def _is_there(path: str, text: str, mode: int) -> bool:
    """Whether a file is like that already, but for the time at which it was made."""
    if not os.path.isfile(path):
        return False
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            there = stream.read(2 * len(text) + 1)  # far more than a time can differ in length
            return stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == mode and MADE.sub("", there) == MADE.sub("", text)
    except (OSError, ValueError):  # no text of ours, or one that can't be read: whoever writes it says what is wrong
        return False


def _write(written: dict[str, str], mode: int) -> None:
    """Replaces all files at once, none of them readable half-written; raises FilesError."""
    for folder in {os.path.dirname(os.path.abspath(path)) for path in written}:
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise files.explain(error, "made") from error
    replace.check(written)
    with replace.lock(written):
        replace.replace([replace.Replacement(path, text.encode("utf-8"), mode) for path, text in written.items()])


def _said(made: dict[str, t.Any]) -> str:
    hosts, found = made["counts"]["hosts"], made["counts"]["findings"]
    missing = [f"{hosts[status]} {word}" for status, word in (
        ("unreachable", "not reached"), ("failed", "not looked at")) if hosts[status]]
    counted = ", ".join(f"{number} {severity}" for severity, number in found.items() if number)
    return f"{hosts['all']} hosts{''.join(f', {one}' for one in missing)}; findings: {counted or 'none'}"
