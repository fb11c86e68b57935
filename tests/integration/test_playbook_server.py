# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play run by a fork of the server behaves as one that ansible-playbook runs."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys

import playbook_server
import plays
import pytest

ENVIRONMENT = {**plays.ansible_environment(), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"}
LOCAL = ("-i", "localhost,", "-c", "local")
OUTER = "ps -o ppid= -p $PPID"  # the fork itself; a lookup runs in a worker of it
BOOK = [{"hosts": "all", "gather_facts": False, "tasks": [
    {"ansible.builtin.debug": {"msg": "{{ word | default('nothing') }} in {{ lookup('pipe', 'pwd') }}"}},
    {"ansible.builtin.set_fact": {"word": "something", "cacheable": True}},
    {"ansible.builtin.command": "sh -c 'echo to stdout; echo to stderr >&2; exit 3'"},
]}]


def forked(*args):
    """Run by a server, however often this environment was used before."""
    playbook_server.run(["--version"], ENVIRONMENT)
    return playbook_server.run(args, ENVIRONMENT)


@pytest.fixture()
def book(tmp_path, monkeypatch):
    """A function which writes a playbook to the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(book=None, name="play.yml"):
        (tmp_path / name).write_text(json.dumps(book or BOOK), encoding="utf-8")
        return name

    return write


def really(*args):
    return subprocess.run(["ansible-playbook", *args], env=ENVIRONMENT, capture_output=True, check=False)


def steady(text):
    """What a run prints, without what differs from run to run: times and process ids."""
    return re.sub(rb"[0-9]+[:.][0-9:.]+|ansible-tmp-[-0-9.]+|ansible-local-\w+", b"#", text)


@pytest.mark.parametrize("options", [
    [], ["--check", "--diff"], ["-e", "word=else"], ["--no-such-option"], ["--version"], ["--list-tasks"],
    ["--syntax-check", "-vvv"]])
def test_output_and_exit_code_are_those_of_the_command(book, options):
    expected = really(*LOCAL, book(), *options)
    for _time in range(2):  # nothing of a run is left for the next
        done = forked(*LOCAL, "play.yml", *options)
        assert done.returncode == expected.returncode
        assert steady(done.stdout) == steady(expected.stdout)
        assert steady(done.stderr) == steady(expected.stderr)


def test_runs_at_the_same_time_have_their_own_output(book):
    names = [book([{**BOOK[0], "vars": {"word": f"word {number}"}}], f"{number}.yml") for number in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for number, done in enumerate(pool.map(lambda name: forked(*LOCAL, name), names)):
            assert set(re.findall(r"word \d", done.stdout.decode())) == {f"word {number}"}


def test_a_run_that_is_killed_does_not_pass_for_one_that_ended(book):
    name = book([{"hosts": "all", "gather_facts": False, "tasks": [
        {"ansible.builtin.debug": {"msg": "{{ lookup('pipe', 'kill -9 $(" + OUTER + ")') }}"}}]}])
    with pytest.raises(playbook_server.Unanswered, match="was killed"):
        forked(*LOCAL, name)
    assert forked(*LOCAL, name, "--syntax-check").returncode == 0, "the server goes on"


def test_a_command_that_is_no_python_shares_servers_as_well(monkeypatch):
    """tools/molecule: it holds the pipe open that keeps them alive, and so does what it starts."""
    monkeypatch.delenv(playbook_server.SHARED)
    script = f"echo ${playbook_server.SHARED}; ls -l /proc/$$/fd; sh -c 'ls -l /proc/$$/fd'"
    printed = subprocess.run([sys.executable, playbook_server.__file__, "--share", "sh", "-c", script], check=True,
                             capture_output=True, text=True).stdout
    folder = pathlib.Path(printed.splitlines()[0])
    assert (folder / "alive").is_fifo() and printed.count(f"{folder}/alive") == 2
    shutil.rmtree(folder)


def test_the_first_run_with_an_environment_is_the_command_itself(book):
    """And the second one's parent is a server, which ends with its user."""
    name = book([{"hosts": "all", "gather_facts": False, "tasks": [
        {"ansible.builtin.debug": {"msg": "parent {{ lookup('pipe', '" + OUTER + " | xargs ps -wwo args= -p') }}"}}]}])
    environment = {**ENVIRONMENT, "SOME_WORD": "nobody has it so far"}
    first, second = (playbook_server.run([*LOCAL, name], environment).stdout.decode() for _time in range(2))
    assert "ansible-playbook" in first and "playbook_server" not in first
    assert "playbook_server" in second
