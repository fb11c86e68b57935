# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks, and paths inside a root."""
import calendar
import fcntl
import os
import re
import subprocess
import sys
import time

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files


def holder(folder, then):
    """A process that holds the lock of a folder and then does something else; it has said its first line."""
    process = subprocess.Popen([sys.executable, "-c", (
        "import subprocess, sys, time\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files\n"
        "with files.lock(sys.argv[1], 1):\n"
        "    %s" % then), str(folder), files.__file__.partition("/ansible_collections/")[0]], stdout=subprocess.PIPE)
    return process, process.stdout.readline().decode("ascii").strip()


def test_lock_waits_and_names_its_holder(tmp_path):
    process, _said = holder(tmp_path, "print('held', flush=True); time.sleep(60)")
    try:
        start = time.time()
        with pytest.raises(files.FilesError) as caught:
            with files.lock(str(tmp_path), 0.3):
                pass
        assert 0.3 <= time.time() - start < 5
        said = re.match("%s is locked for more than 0 seconds by process %d %s -c (.*)%s" % (
            re.escape(str(tmp_path)), process.pid, re.escape("(" + sys.executable),
            r"\), which runs since (\S+Z)\. Try again when that has ended$"), str(caught.value))
        assert said and said.group(1).startswith("import subprocess, sys, time?sys.path"), str(caught.value)
        since = calendar.timegm(time.strptime(said.group(2), "%Y-%m-%dT%H:%M:%SZ"))
        assert abs(since - start) < 30
    finally:
        process.kill()
        process.communicate()
    with files.lock(str(tmp_path), 1):
        assert os.listdir(str(tmp_path)) == []


def test_a_holder_that_nobody_can_name(tmp_path, monkeypatch):
    """Where /proc shows nothing of it, as with a holder in another container, that is said in its place."""
    folder = os.open(str(tmp_path), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    monkeypatch.setattr(files.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(files, "_has_open", lambda *_: False)
    try:
        with pytest.raises(files.FilesError, match="by a process that can't be seen from here"):
            with files.lock(str(tmp_path), 0.1):
                pass
    finally:
        os.close(folder)


STARTS = "child = subprocess.Popen(['sleep', '60'], close_fds=False); print(child.pid, flush=True); "


def test_what_a_killed_holder_has_started_goes_on_holding_the_lock(tmp_path):
    """An extract must not run beside that of the next run. Without a kill, a service that it started holds nothing."""
    process, child = holder(tmp_path, STARTS + "time.sleep(60)")
    process.kill()
    process.wait()
    try:
        with pytest.raises(files.FilesError) as caught:
            with files.lock(str(tmp_path), 0.3):
                pass
        assert "process %s (sleep 60)" % child in str(caught.value)
    finally:
        os.kill(int(child), 9)
    with files.lock(str(tmp_path), 10):
        pass
    process.stdout.close()
    process, child = holder(tmp_path, STARTS)
    process.wait()
    with files.lock(str(tmp_path), 0.3):
        os.kill(int(child), 9)
    process.stdout.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something that others can't lock")
def test_nobody_else_can_hold_the_lock_of_root(tmp_path):
    """Whoever may read a folder may lock it, and would keep root from renewing its certificates."""
    tmp_path.chmod(0o755)
    folder = os.open(str(tmp_path), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with files.lock(str(tmp_path), 0.1):
            assert os.stat(files.LOCKS).st_mode & 0o077 == 0
    finally:
        os.close(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is another user's")
@pytest.mark.parametrize("planted", ["owner", "mode", "link", "file"])
def test_a_lock_folder_that_others_control_is_not_used(tmp_path, monkeypatch, planted):
    """Its owner could replace the lock file, so that two runs hold the lock at once."""
    locks, folder = tmp_path / "locks", tmp_path / "folder"
    for place in (tmp_path / "real", folder):
        place.mkdir()
        place.chmod(0o700 if place != folder else 0o755)
    if planted == "link":
        locks.symlink_to("real")
    elif planted == "file":
        locks.write_bytes(b"")
    else:
        locks.mkdir()
        locks.chmod(0o770 if planted == "mode" else 0o700)
        os.chown(str(locks), 12345 if planted == "owner" else 0, 0)
    monkeypatch.setattr(files, "LOCKS", str(locks))
    with files.lock(str(folder), 1):
        descriptor = os.open(str(folder), os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
        assert planted == "file" or not os.listdir(str(locks))


def test_what_nobody_else_can_read_is_locked_itself(tmp_path, monkeypatch):
    """Containers that share a private CA's folder have each a /run of their own."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(files, "LOCKS", str(tmp_path / "one container's"))
    with files.lock(str(tmp_path), 1):
        monkeypatch.setattr(files, "LOCKS", str(tmp_path / "another one's"))
        with pytest.raises(files.FilesError, match="is locked for more than"):
            with files.lock(str(tmp_path), 0.1):
                pass


def test_a_root_is_a_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert files.system_root("/") == "/" and files.system_root(str(tmp_path / "link")) == str(tmp_path)
    for wrong in ("", "mnt", str(tmp_path / "nosuch")):
        with pytest.raises(files.FilesError, match="^root: .* is no folder, or not given from / on$"):
            files.system_root(wrong)


def test_resolve_stays_inside_the_root(tmp_path):
    root = str(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "absolute").symlink_to("/real/deep")
    (tmp_path / "etc" / "up").symlink_to("../../../../real")
    (tmp_path / "etc" / "loop").symlink_to("loop")
    assert files.resolve(root, "/etc/absolute/x") == root + "/real/deep/x"
    assert files.resolve(root, "/etc/up/x") == root + "/real/x"
    assert files.resolve(root, "/../../etc/./passwd") == root + "/etc/passwd"
    assert files.resolve(root, "/") == root + "/"
    with pytest.raises(files.FilesError, match="too many links"):
        files.resolve(root, "/etc/loop")
    with pytest.raises(files.FilesError, match="too many links"):
        files.resolve("/", root + "/etc/loop", own=True)
    assert files.resolve("/", root + "/etc/../etc") == os.path.realpath(root + "/etc")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is another user's")
def test_links_of_other_users_lead_nothing_that_is_written(tmp_path):
    for name, target in (("mine", "real"), ("planted", "/etc")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "real").mkdir()
    os.lchown(str(tmp_path / "planted"), 12345, -1)
    here = str(tmp_path)
    assert files.resolve("/", here + "/mine/x", own=True) == os.path.realpath(here) + "/real/x"
    assert files.resolve("/", here + "/planted/passwd") == "/etc/passwd"
    for path, said in (("/planted", "it is a link"), ("/planted/x", "%s/planted is a link" % here)):
        with pytest.raises(files.FilesError, match=said + " of another user's, which leads to /etc; remove it"):
            files.resolve("/", here + path, own=True)
        with pytest.raises(files.FilesError, match=" of another user's"):
            files.resolve(here, path, own=True)


def test_write_never_overwrites(tmp_path):
    """An existing file may be a hard link to another file."""
    (tmp_path / "victim").write_bytes(b"precious")
    os.link(str(tmp_path / "victim"), str(tmp_path / "planted"))
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("planted", "link"):
        with pytest.raises(FileExistsError):
            files.write(str(tmp_path / name), b"new", 0o644)
    assert (tmp_path / "victim").read_bytes() == b"precious" and not (tmp_path / "nowhere").exists()
