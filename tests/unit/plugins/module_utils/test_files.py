# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to files as one: all or nothing, whatever happens in between, and inside the root."""
import errno
import os
import subprocess
import sys
import time

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files


def fresh(tmp_path, number):
    """A folder with two files and a link, and its staging folder as a Journal wants it."""
    folder = tmp_path / ("live%s" % number)
    folder.mkdir()
    (folder / "old").write_bytes(b"old")
    (folder / "kept").write_bytes(b"kept")
    (folder / "link").symlink_to("kept")
    return folder, [(str(folder), str(tmp_path / ("stage%s" % number)))]


@pytest.fixture()
def place(tmp_path):
    return fresh(tmp_path, "")


def look(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


BEFORE = {"old": b"old", "kept": b"kept", "link": b"kept"}
AFTER = {"new": b"new", "kept": b"changed"}


def changes(folder):
    return {str(folder / "new"): b"new", str(folder / "old"): None, str(folder / "kept"): b"changed",
            str(folder / "link"): None}


def test_change_and_clean(place):
    folder, staging = place
    journal = files.Journal(staging)
    journal.change(changes(folder), ())
    assert look(folder) == AFTER
    assert os.stat(str(folder / "new")).st_mode & 0o7777 == 0o644
    journal.clean()
    assert not os.path.exists(staging[0][1])
    assert not files.Journal(staging).entries


def test_change_and_undo(place):
    folder, staging = place
    inode = os.stat(str(folder / "old")).st_ino
    journal = files.Journal(staging)
    journal.change(changes(folder), ())
    journal.undo()
    assert look(folder) == BEFORE
    assert (folder / "link").is_symlink()
    assert os.stat(str(folder / "old")).st_ino == inode
    assert not os.path.exists(staging[0][1])


def test_modes_whatever_the_umask(place):
    folder, staging = place
    os.chmod(str(folder / "kept"), 0o640)
    before = os.umask(0o077)
    try:
        files.Journal(staging).change(changes(folder), [str(folder / "kept")])
    finally:
        os.umask(before)
    assert os.stat(str(folder / "new")).st_mode & 0o7777 == 0o644
    assert os.stat(str(folder / "kept")).st_mode & 0o7777 == 0o640


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the code under test catches it."""


def interrupted(monkeypatch, number, error):
    """Makes the ``number``-th call that changes the file system raise ``error``; returns the count of calls so far."""
    count = [0]

    def wrap(name):
        real = getattr(os, name)

        def wrapped(*args, **kwargs):
            count[0] += 1
            if count[0] == number:
                raise error
            return real(*args, **kwargs)
        monkeypatch.setattr(os, name, wrapped)
    for name in ("mkdir", "rename", "unlink", "link", "symlink", "fchmod", "fsync"):
        wrap(name)
    return count


def test_killed_at_every_point_the_next_run_restores(tmp_path, monkeypatch):
    total, number = None, 0
    while total is None or number < total:
        folder, staging = fresh(tmp_path, number)
        number += 1
        with monkeypatch.context() as patched:
            count = interrupted(patched, number, Killed())
            try:
                files.Journal(staging).change(changes(folder), ())
                total = count[0]
            except Killed:
                pass
        journal = files.Journal(staging)
        predicted = dict(BEFORE) if not journal.entries else None
        if predicted is None:
            # What a look in check mode foresees is what recovery makes.
            overlay = journal.overlay()
            names = set(os.listdir(str(folder))) | {os.path.basename(path) for path in overlay}
            predicted = {}
            for name in names:
                kept = overlay.get(str(folder / name), str(folder / name))
                if kept is not None:
                    # A kept link points to its neighbour by a relative path: only its target's name can be told here.
                    predicted[name] = BEFORE[name] if os.path.islink(kept) else open(kept, "rb").read()
            journal.undo()
        assert look(folder) == BEFORE == predicted, number
        # And once more from the start, over whatever was left behind.
        files.Journal(staging).change(changes(folder), ())
        assert look(folder) == AFTER
    assert total > 15


def test_undo_killed_at_every_point_can_be_called_again(tmp_path, monkeypatch):
    total, number = None, 0
    while total is None or number < total:
        folder, staging = fresh(tmp_path, number)
        files.Journal(staging).change(changes(folder), ())
        number += 1
        with monkeypatch.context() as patched:
            count = interrupted(patched, number, Killed())
            try:
                files.Journal(staging).undo()
                total = count[0]
            except Killed:
                pass
        journal = files.Journal(staging)
        if journal.entries:
            journal.undo()
        assert look(folder) == BEFORE, number
    assert total > 5


@pytest.mark.parametrize("code, hint", [
    (errno.ENOSPC, "free some space"), (errno.EROFS, "writable"), (errno.EACCES, "become: true"), (errno.EIO, "")])
def test_an_error_at_every_point_leaves_all_as_it_was(tmp_path, monkeypatch, code, hint):
    number = 0
    while True:
        folder, staging = fresh(tmp_path, number)
        number += 1
        with monkeypatch.context() as patched:
            count = interrupted(patched, number, OSError(code, os.strerror(code), "/some/file"))
            try:
                files.Journal(staging).change(changes(folder), ())
            except files.FilesError as error:
                assert os.strerror(code) in str(error) and hint in str(error)
                assert "/some/file" in str(error) or str(tmp_path) in str(error)
            else:
                # Where links can't be made, copies are kept instead.
                assert look(folder) == AFTER
                if count[0] < number:
                    break
                continue
        assert look(folder) == BEFORE, number
    assert number > 15


def test_staging_on_another_file_system_is_refused_by_name(tmp_path):
    if os.stat("/dev/shm").st_dev == os.stat(str(tmp_path)).st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    staging = [(str(tmp_path), "/dev/shm/host_trust-test-%d" % os.getpid())]
    with pytest.raises(files.FilesError, match="mount of its own"):
        files.Journal(staging).change({str(tmp_path / "new"): b"new"}, ())
    assert not os.listdir(str(tmp_path))
    assert not os.path.exists(staging[0][1])


def test_a_planted_link_in_the_place_of_the_stage_is_not_followed(place, tmp_path):
    folder, staging = place
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_bytes(b"x")
    os.symlink(str(tmp_path / "victim"), staging[0][1])
    with pytest.raises(files.FilesError):
        files.Journal(staging).change(changes(folder), ())
    assert look(folder) == BEFORE
    assert (tmp_path / "victim" / "file").exists()


def plant(folder, staging, entries):
    os.mkdir(staging[0][1], 0o700)
    with open(os.path.join(staging[0][1], "journal.json"), "w") as stream:
        stream.write(entries)


@pytest.mark.parametrize("name", ["../victim", "/etc/victim", "x/../../victim"])
def test_a_journal_leads_nowhere_else(place, tmp_path, name):
    folder, staging = place
    (tmp_path / "victim").write_bytes(b"precious")
    plant(folder, staging, '[{"folder": 0, "name": "%s", "number": 0, "existed": false}]' % name)
    with pytest.raises(files.FilesError, match="is damaged"):
        files.Journal(staging)
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[{}]", "\xff", '[{"folder": 7, "name": "x", "number": 0}]'])
def test_a_damaged_journal_is_said(place, content):
    folder, staging = place
    plant(folder, staging, content)
    if content == "{}":
        assert files.Journal(staging).entries == []
        return
    with pytest.raises(files.FilesError, match="is damaged"):
        files.Journal(staging)


def test_a_stage_that_others_could_have_made_is_refused(place):
    folder, staging = place
    plant(folder, staging, "[]")
    os.chmod(staging[0][1], 0o755)
    with pytest.raises(files.FilesError, match="is in the way"):
        files.Journal(staging)
    if os.geteuid() == 0:
        os.chmod(staging[0][1], 0o700)
        os.chown(staging[0][1], 12345, 12345)
        with pytest.raises(files.FilesError, match="is in the way"):
            files.Journal(staging)


def test_a_system_that_is_mounted_elsewhere_is_recovered_there(place, tmp_path):
    folder, staging = place
    files.Journal(staging).change(changes(folder), ())
    os.rename(str(tmp_path / "live"), str(tmp_path / "moved"))
    os.rename(str(tmp_path / "stage"), str(tmp_path / "moved stage"))
    files.Journal([(str(tmp_path / "moved"), str(tmp_path / "moved stage"))]).undo()
    assert look(tmp_path / "moved") == BEFORE


def test_links_out_of_the_folder_are_not_followed(place, tmp_path):
    folder, staging = place
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(b"precious")
    (folder / "sub").symlink_to(str(tmp_path / "elsewhere"))
    with pytest.raises(files.FilesError, match="because a link leads there"):
        files.Journal(staging).change({str(folder / "sub" / "file"): None, str(folder / "old"): None}, ())
    assert (tmp_path / "elsewhere" / "file").exists() and (folder / "old").exists()


def test_new_files_belong_to_the_user_also_where_the_folder_gives_its_group(place):
    folder, staging = place
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another group")
    os.chown(str(folder), 0, 50)
    os.chmod(str(folder), 0o2775)
    os.chown(str(folder.parent), 0, 50)
    os.chmod(str(folder.parent), 0o2775)
    files.Journal(staging).change({str(folder / "new"): b"new"}, ())
    assert os.stat(str(folder / "new")).st_gid == os.getegid()


def test_lock_waits_and_names_its_holder(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", (
        "import fcntl, os, sys, time\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\nfcntl.flock(fd, fcntl.LOCK_EX)\nprint('held', flush=True)\n"
        "time.sleep(60)"), str(tmp_path)], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        start = time.time()
        with pytest.raises(files.FilesError) as caught:
            with files.lock(str(tmp_path), 0.3):
                pass
        assert 0.3 <= time.time() - start < 5
        assert "process %d" % holder.pid in str(caught.value)
    finally:
        holder.kill()
        holder.communicate()
    with files.lock(str(tmp_path), 1):
        assert os.listdir(str(tmp_path)) == []


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
    assert files.resolve("/", root + "/etc/../etc") == os.path.realpath(root + "/etc")
