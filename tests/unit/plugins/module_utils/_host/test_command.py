# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host's programs are run: what they are told, what they say, and that each comes to an end."""
import os
import re
import sys
import time

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command


def test_it_speaks_english_and_has_no_terminal(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert host_command.run(["sh", "-c", "echo $LC_ALL; cat; echo oops >&2; exit 3"], b"given") == (
        3, b"C\ngiven", b"oops\n")
    leads_its_session = "import os; print(os.getsid(0) == os.getpid())"
    assert host_command.run([sys.executable, "-c", leads_its_session])[1] == b"True\n"


def test_what_is_said_to_it_may_be_long_and_need_not_be_heard():
    words = os.urandom(1024 * 1024)
    assert host_command.run(["cat"], words) == (0, words, b"")
    assert host_command.run(["true"], words) == (0, b"", b"")


@pytest.mark.parametrize("script", [
    "sleep 30", "exec >&- 2>&-; sleep 30", "sleep 30 & echo it has ended, and what it has started goes on",
], ids=["silent", "without an output", "parent"])
def test_it_ends_in_time_with_all_that_it_has_started(script):
    begin = time.time()
    mark = "mark=%r" % begin
    assert host_command.run(["env", mark, "sh", "-c", script], seconds=0.2)[0] is None
    assert time.time() - begin < 10
    time.sleep(0.1)
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/environ" % process, "rb") as stream:
                assert mark.encode() not in stream.read().split(b"\0") or _is_dead(process)
        except EnvironmentError:
            continue  # it has just ended


def _is_dead(process):
    with open("/proc/%s/stat" % process) as stream:
        return stream.read().rpartition(")")[2].split()[0] in "ZX"


def test_a_flood_is_not_kept():
    code, output, _errors = host_command.run(["yes"], seconds=30)
    assert code is None and host_command.MAX_BYTES < len(output) <= host_command.MAX_BYTES + host_command.READ_BYTES


def test_it_is_ended_when_it_has_said_enough():
    begin = time.time()
    code, output, _errors = host_command.run(["sh", "-c", "echo ready; sleep 30"], until=re.compile(b"ready"))
    assert (code, output) == (None, b"ready\n") and time.time() - begin < 10


def test_what_can_not_be_started():
    with pytest.raises(EnvironmentError):
        host_command.run(["/no/such/program"])
