# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation that is killed in the middle of each phase, and taken up again: interrupted.py INVENTORY LOG.

Killed are ansible-playbook and all that it has started, at once and without a word, as when the controller loses power.
"""

from __future__ import annotations

import collections
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

# The phases of a run, and what it prints when it is in the middle of the last one: the play, the task, and how many of
# its results have come by then.
RUNS = [
    (["prepare"], "Make the new CA", "Make the key and the request of the issuing CA", 0),
    (["prepare", "distribute"], "Trust the new CA, too", "Make the trust store what is wanted", 3),
    # In the second batch: certificates are in place, and no service was reloaded.
    (["distribute", "reissue"], "Issue new certificates", "Install certificate and chain", 3),
    (["reissue", "withdraw"], "Trust the old CA no more", "Make the trust store what is wanted", 3),
    (["withdraw", "distrust"], "Distrust it", "Make the trust store what is wanted", 3),
]


def descendants(process: int) -> list[int]:
    """The process and all that descend from it: Ansible's workers are in sessions of their own."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        parents.setdefault(parent, []).append(int(path.parent.name))
    found = [process]
    for one in found:
        found += parents.get(one, [])
    return found


def kill(process: int) -> None:
    for one in descendants(process):
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            pass


def interrupted(inventory: str, log, phases: list[str], play: str, task: str, results: int) -> str:
    """Runs these phases until the middle of the last one; says where that was."""
    given = json.dumps({"ca_rotation_phases": phases, "ca_rotation_serial": [1, 5, 6]})
    command = ["ansible-playbook", "--inventory", inventory, "fleetpki.host_trust.rotate_ca", "-e", given]
    plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}  # what it prints is read here
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               text=True, start_new_session=True, env=plain)
    here, changed, last = ["", ""], [], collections.deque(maxlen=60)
    try:
        for line in process.stdout:
            log.write(line)
            log.flush()
            last.append(line)
            begun = re.match(r"(PLAY|TASK) \[(.*)\]", line)
            if begun and begun.group(1) == "PLAY":
                here = [begun.group(2), ""]
            elif begun:
                here[1] = begun.group(2)
            changed += re.findall(r"^changed: \[([^]]*)\]", line) if play in here[0] and task in here[1] else []
            if play in here[0] and task in here[1] and len(changed) >= results:
                return f"{phases[-1]} killed at '{task}', after {', '.join(changed) or 'nothing'}"
    finally:
        kill(process.pid)
        process.wait()
        log.write("\nKILLED\n\n")
    sys.exit(f"The phases {phases} came to an end before the middle of {phases[-1]}. The last lines of {log.name}:\n"
             + "".join(last))


with open(sys.argv[2], "w", encoding="utf-8") as stream:
    for run in RUNS:
        print(interrupted(sys.argv[1], stream, *run), flush=True)
