# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose rights are needed at a place, and work done in a process with those rights."""
import collections
import os
import pwd
import stat
import sys
import time

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_as

Status = collections.namedtuple("Status", ["st_uid", "st_gid", "st_mode"])
NOBODY = pwd.getpwnam("nobody")
MINE, FOLDER, LINK = NOBODY.pw_uid, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
PLACES = {
    "/": Status(0, 0, FOLDER), "/etc": Status(0, 0, FOLDER), "/etc/pki": Status(0, 0, stat.S_IFDIR | 0o775),
    "/home": Status(0, 0, LINK),
    "/var": Status(0, 0, FOLDER), "/var/home": Status(0, 0, FOLDER), "/var/home/nobody": Status(MINE, 1, FOLDER),
    "/tmp": Status(0, 0, stat.S_IFDIR | 0o1777), "/srv": Status(0, 5, stat.S_IFDIR | 0o775),
    "/etc/theirs": Status(MINE, 1, LINK), "/lost": Status(54321, 1, FOLDER), "/loop": Status(0, 0, LINK),
}
LINKS = {"/home": "var/home", "/loop": "/loop"}


@pytest.fixture()
def system(monkeypatch):
    def lstat(path):
        if path not in PLACES:
            raise FileNotFoundError(path)
        return PLACES[path]

    monkeypatch.setattr(run_as.os, "lstat", lstat)
    monkeypatch.setattr(run_as.os, "readlink", LINKS.__getitem__)


@pytest.mark.parametrize("path, owner", [
    ("/etc/pki/nssdb", "root"), ("/none/at/all", "root"), ("/home/nobody/.pki/nssdb", "nobody"),
    ("/var/home/nobody", "nobody"), ("/etc/theirs/x", "nobody"), ("/etc//./pki/../pki", "root"),
    ("/home/../home/nobody/.pki", "nobody")])
def test_the_first_on_the_way_who_is_not_root(system, path, owner):
    assert run_as.owner_of(path).name == owner


@pytest.mark.parametrize("path, said", [
    ("/tmp/nssdb", "others may write to it"), ("/srv/nssdb", "others may write"), ("/lost/nssdb", "number 54321"),
    ("/loop/nssdb", "too many links")])
def test_places_that_nobody_in_particular_answers_for(system, path, said):
    with pytest.raises(run_as.UserError, match=said):
        run_as.owner_of(path)


@pytest.mark.parametrize("path, owner", [
    ("/etc/pki", None), ("/etc/none/at/all", None), ("/tmp", None), ("/var/home/nobody", "nobody"),
    ("/var/home/nobody/.pki", "nobody"), ("/lost/more", "the user number 54321")])
def test_who_can_exchange_a_folder(system, path, owner):
    user = run_as.first_owner(path)
    assert (user and user.name) == owner


def test_work_is_done_in_a_process_of_its_own():
    me = run_as.by_name("")
    seen = run_as.run(me, lambda: [
        os.getpid(), os.getsid(0), os.environ.get("HOME"), os.read(0, 1).decode(), u"\udcff"])
    assert seen[0] == seen[1] != os.getpid() and seen[2:] == [me.home, "", u"\udcff"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_user_for_good():
    def work():
        with pytest.raises(PermissionError):
            os.setuid(0)
        with open("/etc/shadow", "rb"):
            return "read"

    user = run_as.User("nobody", NOBODY.pw_uid, NOBODY.pw_gid, "/")
    assert run_as.run(user, lambda: list(os.getresuid()) + [os.getgid()]) == [MINE] * 3 + [NOBODY.pw_gid]
    with pytest.raises(run_as.UserError, match="/etc/shadow can't be used by nobody: Permission denied"):
        run_as.run(user, work)


@pytest.mark.parametrize("written", ["[1]", "1", "null", "{}", "[" * 100000, "\"error\""])
def test_what_somebody_else_writes_in_its_place(monkeypatch, written):
    """Whoever has these rights may trace it, and end it."""
    monkeypatch.setattr(run_as.json, "dumps", lambda _answer: written)
    with pytest.raises(run_as.UserError, match="was killed"):
        run_as.run(run_as.by_name(""), lambda: None)


def test_what_goes_wrong_is_said_in_a_sentence(monkeypatch):
    me = run_as.by_name("")

    def fail(error):
        raise error

    with pytest.raises(run_as.UserError, match="^so$"):
        run_as.run(me, lambda: fail(Failure("so")))
    with pytest.raises(run_as.UserError, match="ended with KeyError: 'so'"):
        run_as.run(me, lambda: fail(KeyError("so")))
    with pytest.raises(run_as.UserError, match="was killed"):
        run_as.run(me, lambda: os.kill(os.getpid(), 9))
    monkeypatch.setattr(run_as, "SECONDS", 0.2)
    begin = time.time()
    with pytest.raises(run_as.UserError, match="did not end within"):
        run_as.run(me, lambda: time.sleep(60))
    assert time.time() - begin < 20
    monkeypatch.setattr(run_as, "MAX_BYTES", 1000)
    with pytest.raises(run_as.UserError, match="did not end within"):
        run_as.run(me, lambda: "x" * 500000)
    with pytest.raises(run_as.UserError, match="there is no user"):
        run_as.by_name("no-such-user")
    monkeypatch.setattr(run_as.os, "geteuid", lambda: 4711)
    with pytest.raises(run_as.UserError, match="become: true"):
        run_as.run(run_as.User("alice", 4712, 1, "/"), sys.exit)
