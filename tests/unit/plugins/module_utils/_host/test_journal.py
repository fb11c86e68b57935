# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to files as one: all or nothing, whatever happens in between, and inside the root."""
import errno
import os
import shutil
import subprocess

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal


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
    journal = host_journal.Journal(staging)
    journal.change(changes(folder), ())
    assert look(folder) == AFTER
    assert os.stat(str(folder / "new")).st_mode & 0o7777 == 0o644
    journal.clean()
    assert not os.path.exists(staging[0][1])
    assert not host_journal.Journal(staging).entries


def test_change_and_undo(place):
    folder, staging = place
    inode = os.stat(str(folder / "old")).st_ino
    journal = host_journal.Journal(staging)
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
        host_journal.Journal(staging).change(changes(folder), [str(folder / "kept")])
    finally:
        os.umask(before)
    assert os.stat(str(folder / "new")).st_mode & 0o7777 == 0o644
    assert os.stat(str(folder / "kept")).st_mode & 0o7777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_keep_owner_keeps_owner_and_group(place):
    folder, staging = place
    for name in ("kept", "old"):
        os.chown(str(folder / name), 12345, 54321)
    host_journal.Journal(staging).change({str(folder / "kept"): b"changed", str(folder / "old"): b"changed"},
                                         [str(folder / "kept")])
    assert [(status.st_uid, status.st_gid) for status in (os.stat(str(folder / name)) for name in ("kept", "old"))] == [
        (12345, 54321), (0, os.getegid())]


def test_each_step_is_synced_before_the_next_one_depends_on_it(place, monkeypatch):
    """A power failure must leave either the journal or finished changes."""
    folder, staging = place
    seen, journal = [], host_journal.Journal(staging)

    def within(folder, name):
        return os.path.join(os.readlink("/proc/self/fd/%d" % folder), name) if folder is not None else name

    def record(name, path_of):
        real = getattr(os, name)

        def recorded(*args, **kwargs):
            seen.append((name, path_of(*args, **kwargs)))
            return real(*args, **kwargs)
        monkeypatch.setattr(os, name, recorded)

    def live():
        return [index for index, (call, path) in enumerate(seen)
                if call != "fsync" and os.path.dirname(path) == str(folder)]

    record("rename", lambda _source, target, src_dir_fd=None, dst_dir_fd=None: within(dst_dir_fd, target))
    record("unlink", lambda path, dir_fd=None: within(dir_fd, path))
    record("fsync", lambda descriptor: within(descriptor, "."))
    journal.change(changes(folder), ())
    in_stage, in_folder = ("fsync", os.path.join(staging[0][1], ".")), ("fsync", os.path.join(str(folder), "."))
    written = seen.index(("rename", journal.path))
    assert in_stage in seen[written:live()[0]]
    assert in_folder in seen[live()[-1]:]
    del seen[:]
    journal.undo()
    removed = seen.index(("unlink", journal.path))
    assert in_folder in seen[live()[-1]:removed]
    assert in_stage in seen[removed:]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the code under test catches it."""


CALLS = ("mkdir", "rename", "unlink", "link", "symlink", "fchmod", "fsync")


def interrupted(monkeypatch, number, error, calls=CALLS):
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
    for name in calls:
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
                host_journal.Journal(staging).change(changes(folder), ())
                total = count[0]
            except Killed:
                pass
        journal = host_journal.Journal(staging)
        predicted = dict(BEFORE) if not journal.entries else None
        if predicted is None:
            # What a look in check mode foresees is what recovery makes.
            overlay = journal.overlay()
            names = set(os.listdir(str(folder))) | {os.path.basename(path) for path in overlay}
            predicted = {}
            for name in names:
                kept = overlay.get(str(folder / name), str(folder / name))
                kept = getattr(kept, "path", kept)
                if kept is not None:
                    # A kept link points to its neighbour by a relative path: only its target's name can be told here.
                    predicted[name] = BEFORE[name] if os.path.islink(kept) else open(kept, "rb").read()
            journal.undo()
        assert look(folder) == BEFORE == predicted, number
        # And once more from the start, over whatever was left behind.
        host_journal.Journal(staging).change(changes(folder), ())
        assert look(folder) == AFTER
    assert total > 15


def test_undo_killed_at_every_point_can_be_called_again(tmp_path, monkeypatch):
    total, number = None, 0
    while total is None or number < total:
        folder, staging = fresh(tmp_path, number)
        host_journal.Journal(staging).change(changes(folder), ())
        number += 1
        with monkeypatch.context() as patched:
            count = interrupted(patched, number, Killed())
            try:
                host_journal.Journal(staging).undo()
                total = count[0]
            except Killed:
                pass
        journal = host_journal.Journal(staging)
        if journal.entries:
            journal.undo()
        assert look(folder) == BEFORE, number
    assert total > 5


def test_clean_killed_at_every_point_keeps_or_fully_undoes_the_change(tmp_path, monkeypatch):
    total, number = None, 0
    while total is None or number < total:
        folder, staging = fresh(tmp_path, number)
        journal = host_journal.Journal(staging)
        journal.change(changes(folder), ())
        number += 1
        with monkeypatch.context() as patched:
            count = interrupted(patched, number, Killed())
            try:
                journal.clean()
                total = count[0]
            except Killed:
                pass
        recovered = host_journal.Journal(staging)
        expected = BEFORE if recovered.entries else AFTER
        recovered.undo()
        assert look(folder) == expected, number
    assert total > 3


@pytest.mark.parametrize("code, hint", [
    (errno.ENOSPC, "free some space"), (errno.EROFS, "writable"), (errno.EACCES, "become: true"), (errno.EIO, "")])
def test_an_error_at_every_point_leaves_all_as_it_was(tmp_path, monkeypatch, code, hint):
    number = 0
    while True:
        folder, staging = fresh(tmp_path, number)
        number += 1
        journal, failed = host_journal.Journal(staging), None
        with monkeypatch.context() as patched:
            count = interrupted(patched, number, OSError(code, os.strerror(code), "."), CALLS + ("open", "listdir"))
            try:
                journal.change(changes(folder), ())
            except files.FilesError as error:
                failed = str(error)
        if failed is None:
            assert look(folder) == AFTER  # where links can't be made, copies are kept instead
            if count[0] < number:
                break
            continue
        assert os.strerror(code) in failed and hint in failed
        assert failed.startswith("/")  # it names a folder on the way, at least
        assert look(folder) == BEFORE, number
        assert not os.path.exists(staging[0][1])
    assert number > 15


def test_staging_on_another_file_system_is_refused_by_name(tmp_path):
    if os.stat("/dev/shm").st_dev == os.stat(str(tmp_path)).st_dev:
        pytest.skip("/dev/shm is no file system of its own here")
    staging = [(str(tmp_path), "/dev/shm/host_trust-test-%d" % os.getpid())]
    with pytest.raises(files.FilesError, match="mount of its own"):
        host_journal.Journal(staging).change({str(tmp_path / "new"): b"new"}, ())
    assert not os.listdir(str(tmp_path))
    assert not os.path.exists(staging[0][1])


def test_a_planted_link_in_the_place_of_the_stage_is_not_followed(place, tmp_path):
    folder, staging = place
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_bytes(b"x")
    os.symlink(str(tmp_path / "victim"), staging[0][1])
    with pytest.raises(files.FilesError):
        host_journal.Journal(staging).change(changes(folder), ())
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
        host_journal.Journal(staging)
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[{}]", "\xff", '[{"folder": 7, "name": "x", "number": 0}]'])
def test_a_damaged_journal_is_said(place, content):
    folder, staging = place
    plant(folder, staging, content)
    if content == "{}":
        assert host_journal.Journal(staging).entries == []
        return
    with pytest.raises(files.FilesError, match="is damaged"):
        host_journal.Journal(staging)


def test_a_stage_that_others_could_have_made_is_refused(place):
    folder, staging = place
    plant(folder, staging, "[]")
    os.chmod(staging[0][1], 0o755)
    with pytest.raises(files.FilesError, match="is in the way"):
        host_journal.Journal(staging)
    if os.geteuid() == 0:
        os.chmod(staging[0][1], 0o700)
        os.chown(staging[0][1], 12345, 12345)
        with pytest.raises(files.FilesError, match="is in the way"):
            host_journal.Journal(staging)


@pytest.mark.parametrize("mode", [0o710, 0o740, 0o720, 0o701])
def test_a_stage_accessible_to_group_or_others_is_refused(place, mode):
    folder, staging = place
    plant(folder, staging, "[]")
    os.chmod(staging[0][1], mode)
    with pytest.raises(files.FilesError, match="is in the way"):
        host_journal.Journal(staging)


def test_a_system_that_is_mounted_elsewhere_is_recovered_there(place, tmp_path):
    folder, staging = place
    host_journal.Journal(staging).change(changes(folder), ())
    os.rename(str(tmp_path / "live"), str(tmp_path / "moved"))
    os.rename(str(tmp_path / "stage"), str(tmp_path / "moved stage"))
    host_journal.Journal([(str(tmp_path / "moved"), str(tmp_path / "moved stage"))]).undo()
    assert look(tmp_path / "moved") == BEFORE


@pytest.mark.parametrize("name", ["elsewhere", "live too"])  # the second starts with the folder's own path
def test_links_out_of_the_folder_are_not_followed(place, tmp_path, name):
    folder, staging = place
    (tmp_path / name).mkdir()
    (tmp_path / name / "file").write_bytes(b"precious")
    (folder / "sub").symlink_to(str(tmp_path / name))
    with pytest.raises(files.FilesError, match="because a link leads there"):
        host_journal.Journal(staging).change({str(folder / "sub" / "file"): None, str(folder / "old"): None}, ())
    assert (tmp_path / name / "file").exists() and (folder / "old").exists()


def test_new_files_belong_to_the_user_also_where_the_folder_gives_its_group(place):
    folder, staging = place
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another group")
    os.chown(str(folder), 0, 50)
    os.chmod(str(folder), 0o2775)
    os.chown(str(folder.parent), 0, 50)
    os.chmod(str(folder.parent), 0o2775)
    host_journal.Journal(staging).change({str(folder / "new"): b"new"}, ())
    assert os.stat(str(folder / "new")).st_gid == os.getegid()


@pytest.mark.parametrize("content", [
    u'[{"folder": 0, "name": "a", "number": 0}]', u'[{"folder": 0, "name": "a\\u0000b", "number": 0, "existed": true}]',
    u'[{"folder": 0, "name": "a", "number": 1e999, "existed": true}]', u"[" * 100000],
    ids=["without a key", "NUL in a name", "no number", "nested too deeply"])
def test_a_journal_that_nobody_here_wrote_is_damaged(place, content):
    _folder, staging = place
    os.mkdir(staging[0][1], 0o700)
    with open(os.path.join(staging[0][1], host_journal.JOURNAL), "w") as stream:
        stream.write(content)
    with pytest.raises(files.FilesError, match="is damaged"):
        host_journal.Journal(staging)


@pytest.fixture()
def immutable():
    """Makes files immutable, as an administrator does, and has them removable again at the end."""
    made = []

    def make(path, sign="+i"):
        if subprocess.call(["chattr", sign, str(path)], stderr=subprocess.DEVNULL) != 0:
            pytest.skip("files can't be made immutable here: it takes root and a file system that knows it")
        made.append(str(path))
    yield make
    for path in made:
        subprocess.call(["chattr", "-i", "-a", path])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="only root can make a file immutable")
@pytest.mark.parametrize("name", ["old", "kept"], ids=["that is to go", "that is to change"])
def test_an_immutable_file_is_named_and_stops_no_later_run(place, immutable, name):
    """Nothing can be linked to it either: what is kept of it is a copy, which can't be renamed into its place."""
    folder, staging = place
    immutable(folder / name)
    with pytest.raises(files.FilesError) as error:
        host_journal.Journal(staging).change(changes(folder), ())
    assert str(error.value).startswith("%s can't be changed: %s is immutable (chattr +i). Take that attribute away" % (
        folder / name, folder / name))
    assert look(folder) == BEFORE and not os.path.exists(staging[0][1])
    host_journal.Journal(staging).change({str(folder / "new"): b"new"}, ())
    assert (folder / "new").read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="only root can make a file immutable")
def test_a_run_that_was_killed_before_an_immutable_file_is_undone(place, immutable):
    """As one of an earlier version left it, which came no further in any later run."""
    folder, staging = place
    immutable(folder / "old")
    journal = host_journal.Journal(staging)
    journal.undo = lambda clean=True: None
    with pytest.raises(files.FilesError):
        journal.change(changes(folder), ())
    assert look(folder) != BEFORE
    host_journal.Journal(staging).undo()
    assert look(folder) == BEFORE and not os.path.exists(staging[0][1])


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="only root can make a file immutable")
def test_what_became_immutable_after_its_change_is_said_and_the_rest_is_brought_back(place, immutable):
    folder, staging = place
    journal = host_journal.Journal(staging)
    journal.change(changes(folder), ())
    immutable(folder / "kept", "+a")
    with pytest.raises(files.FilesError, match="kept can't be brought back: .*kept is append-only"):
        journal.undo()
    assert (folder / "old").read_bytes() == b"old" and not (folder / "new").exists()
    subprocess.check_call(["chattr", "-a", str(folder / "kept")])
    host_journal.Journal(staging).undo()
    assert look(folder) == BEFORE


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("chattr"), reason="only root can make a file immutable")
def test_an_immutable_folder_is_named(place, immutable):
    folder, staging = place
    immutable(folder)
    with pytest.raises(files.FilesError, match="new can't be changed: %s is immutable" % folder):
        host_journal.Journal(staging).change({str(folder / "new"): b"new"}, ())
    assert look(folder) == BEFORE
