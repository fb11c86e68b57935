# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays as users write them, run by ansible-playbook's own code; results come back as plain values."""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import playbook_server
import podman
import yaml

ROOT = Path(__file__).resolve().parents[2]


class PlayResult(t.NamedTuple):
    """What a play did: results by host, a list in the order of the tasks; everything it printed."""

    results: dict[str, list[dict]]
    output: str
    code: int

    def of(self, host: str) -> list[dict]:
        return self.results[host]


def ansible_environment() -> dict[str, str]:
    """The environment in which this checkout is found as the collection, and nothing of the user's matters."""
    return {
        **os.environ,
        **podman.environment(),
        **({"PYTHONPATH": str(ROOT / "tests/hosts/python/controller")} if podman.COMPILED in os.environ else {}),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
        "ANSIBLE_CONFIG": str(ROOT / "tools" / "ansible.cfg"),
        "ANSIBLE_HOME": str(ROOT / ".build" / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",  # one podman exec a task, not six
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def run(inventory: Path | str, tasks: list[dict], *args: str, hosts: str = "all", folder: Path | None = None,
        environment: dict[str, str] | None = None, reached: bool = True, **play: t.Any) -> PlayResult:
    """Runs ``tasks`` as one play; each is a task as in a playbook. Goes on where a task failed.

    args: more arguments of ansible-playbook (``--check``). folder: where the playbook lies, and its folder files/.
    """
    with written(tasks, folder, hosts=hosts, **play) as path:
        return playbook(inventory, path, *args, environment=environment, reached=reached)


def shown(inventory: Path | str, tasks: list[dict], *args: str, **play: t.Any) -> str:
    """What a user sees at the terminal of the same."""
    with written(tasks, **play) as path:
        done = started(inventory, path, *args, environment={"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"})
    return (done.stdout + done.stderr).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def written(tasks: list[dict], folder: Path | None = None, **play: t.Any) -> c.Iterator[str]:
    """The path of a playbook with one play."""
    book = [{"hosts": "all", "gather_facts": False, "ignore_errors": True, **play, "tasks": tasks}]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(folder or scratch, "play.yml")
        path.write_text(yaml.safe_dump(book), encoding="utf-8")
        yield str(path)


def started(inventory: Path | str, name: str, *args: str,
            environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs ansible-playbook to its end."""
    given = ("-i", str(inventory), name, *args)
    return playbook_server.run(given, {**ansible_environment(), **(environment or {})})


def playbook(inventory: Path | str, name: str, *args: str, environment: dict[str, str] | None = None,
             variables: dict[str, t.Any] | None = None, reached: bool = True) -> PlayResult:
    """Runs a playbook: a path, or one of a collection's by its full name; ``variables`` as with -e.

    The results of several plays follow each other. All hosts must be reached, unless ``reached`` says otherwise.
    """
    done = started(inventory, name, *args, *(["-e", json.dumps(variables)] if variables else []),
                   environment={"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", **(environment or {})})
    stdout, stderr = done.stdout.decode(), done.stderr.decode()
    try:
        # With -vvv much is printed before the report.
        report, _end = json.JSONDecoder().raw_decode(stdout, re.search(r"^\{$", stdout, re.MULTILINE).start())
    except (AttributeError, ValueError):
        raise AssertionError(f"ansible-playbook ended with {done.returncode}:\n{stdout}\n{stderr}") from None
    results: dict[str, list[dict]] = {}
    for task in (task for play in report["plays"] for task in play["tasks"]):
        for host, result in task["hosts"].items():
            # A connection that broke says nothing about what is tested: it must not pass for a result.
            assert not (reached and result.get("unreachable")), f"{host} was not reached: {result}\n{stderr}"
            results.setdefault(host, []).append({"task": task["task"]["name"], **result})
    return PlayResult(results, stdout + stderr, done.returncode)


def findings(inventory: Path | str, folder: Path, **variables: t.Any) -> list[str]:
    """The kinds of findings of a report, which is written into that folder."""
    done = playbook(inventory, "fleetpki.host_trust.report",
                    variables={"trust_report_dir": str(folder), "host_trust_become": False, **variables})
    assert done.code == 0, done.output
    return [one["kind"] for one in json.loads((folder / "report.json").read_text())["findings"]]


def anchors(*elements: t.Any, **options: t.Any) -> dict:
    """A task with ca_trust_anchor. An element is a dict, or something with ``pem`` that is to be present."""
    listed = [element if isinstance(element, dict) else {"content": element.pem} for element in elements]
    return {"fleetpki.host_trust.ca_trust_anchor": {"anchors": listed, **options}}


def command(*argv: str) -> dict:
    """A task that runs a command and never counts as a change."""
    return {"ansible.builtin.command": {"argv": list(argv)}, "changed_when": False, "failed_when": False}
