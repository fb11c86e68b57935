# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""A question to a host, answered by our code alone, for what a fleet is asked each day and mostly needs no change.

Three quarters of what a module's execution costs a host are what Ansible sends around it and Python compiles each time.
Where this can't be had, or is not answered, the module itself is run: here nothing may be changed on the host.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import typing as t
import zlib
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleError

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import bootstrap

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

Answer = dict[str, t.Any]
MODULE_UTILS = Path(bootstrap.__file__).parents[1]
DISCOVERED = ("auto", "auto_silent")
# What a module of module_utils imports of them as soon as it is imported: a package and its modules, or a file beside
# the packages and its names.
IMPORTS = re.compile(rf"^from {re.escape(bootstrap.PACKAGE)}\.(\w+) import (\([^)]*\)|[^\n#]+)", re.MULTILINE)


def _path(name: str) -> Path:
    return MODULE_UTILS.joinpath(*name.split(".")).with_suffix(".py")


def _source(name: str) -> str:
    return _path(name).read_text(encoding="utf-8")


def _imports(source: str) -> list[str]:
    return [place if _path(place).exists() else f"{place}.{one.split()[0]}"
            for place, names in IMPORTS.findall(source) for one in names.strip("() \n,").split(",")]


def sources(module: str) -> dict[str, str]:
    """The text of a module of module_utils (as "_trust.dry_run") and of all that it imports of them.

    By name; each after what it imports.
    """
    found: dict[str, str] = {}

    def add(name: str) -> None:
        source = _source(name)
        for imported in _imports(source):
            if imported not in found:
                add(imported)
        found[name] = source

    add(module)
    return found


@functools.cache
def packed(module: str) -> str:
    """The same as the begin of a program, which is alike for all hosts.

    Once a process: whoever asks many hosts does it before Ansible makes a process for each.
    """
    pairs = json.dumps(list(sources(module).items()))
    text = base64.b64encode(zlib.compress(pairs.encode("ascii"), 9)).decode("ascii")
    return f"{_source('_host.bootstrap')}\n\nPACKED = {text!r}\n"


def program(module: str, function: str, arguments: dict[str, t.Any]) -> str:
    """The program that prints what a function of that module returns."""
    return f"{packed(module)}call(PACKED, {function!r}, {json.dumps(arguments)!r})\n"


def interpreter(action: ActionBase, task_vars: dict[str, t.Any]) -> str | None:
    """The host's Python, where it is known without asking: as it is configured, or was found by a task before.

    None also where modules don't go through the connection as they are (pipelining).
    """
    if action._task.delegate_to or not action._is_pipelining_enabled("new"):
        return None
    try:
        python = action._templar.template(constants.config.get_config_value("INTERPRETER_PYTHON", variables=task_vars))
    except AnsibleError:
        return None  # nothing that is defined, or omit: the module's execution says which, or knows better
    if not python or python in DISCOVERED:
        python = task_vars.get("ansible_facts", {}).get("discovered_interpreter_python")
    return python if isinstance(python, str) and not python.startswith("auto") else None


def ask(
    action: ActionBase, task_vars: dict[str, t.Any], module: str, function: str, arguments: dict[str, t.Any]
) -> Answer | None:
    """What a function of a module of module_utils returns on the action's host, None where that is not to be had.

    Raises what Ansible raises where the host can't be reached.
    """
    python = interpreter(action, task_vars)
    if python is None:
        return None
    # As Ansible itself starts it, so that no Python is found here which a module would not be executed with.
    command = action._connection._shell.build_module_command(action._compute_environment_string(), f"#!{python}", "")
    text = program(module, function, arguments)
    done = action._low_level_execute_command(f"{command.strip()} {bootstrap.OPTIONS}", in_data=text.encode("utf-8"))
    return answered(done["stdout"]) if done["rc"] == 0 else None


def answered(stdout: str) -> Answer | None:
    """The answer in what a host says, be it another one than its own Python would give; None where there is none."""
    said = [line for line in stdout.splitlines() if line.startswith(bootstrap.MARK)]
    try:
        answer = json.loads(said[-1][len(bootstrap.MARK):]) if said else None
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
