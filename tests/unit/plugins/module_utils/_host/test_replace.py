# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files put in place: all or none; and whenever it is killed, each is there, old or new."""
import errno
import os
import re
import signal
import stat

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files, replace

OLD = {"web.key": b"old key", "web.crt": b"old certificate", "gone": b"old"}
NEW = {"web.key": b"new key", "web.crt": b"new certificate", "chain": b"new chain"}
CALLS = ("rename", "unlink", "link", "symlink", "fchmod", "fchown", "fsync", "open")


def fresh(tmp_path, number=""):
    folder = tmp_path / ("live%s" % number)
    folder.mkdir()
    for name, content in OLD.items():
        (folder / name).write_bytes(content)
    os.chmod(str(folder / "web.key"), 0o600)
    return folder


@pytest.fixture
def folder(tmp_path):
    return fresh(tmp_path)


def changes(folder):
    made = [replace.Replacement(str(folder / name), content, 0o600 if name == "web.key" else 0o644)
            for name, content in sorted(NEW.items(), reverse=True)]
    return made + [replace.Replacement(str(folder / "gone"), None, 0o644)]


def look(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def mode(path):
    return stat.S_IMODE(os.stat(str(path)).st_mode)


def test_all_of_them(folder):
    umask = os.umask(0o077)
    try:
        assert replace.replace(changes(folder)) == {}
    finally:
        os.umask(umask)
    assert look(folder) == NEW
    assert {name: mode(folder / name) for name in NEW} == {"web.key": 0o600, "web.crt": 0o644, "chain": 0o644}


def test_none_of_them():
    assert replace.replace([]) == {}


def test_what_is_there_keeps_its_mode_and_owner(folder):
    os.chmod(str(folder / "web.key"), 0o440)
    if os.geteuid() == 0:
        os.chown(str(folder / "web.key"), 12345, 54321)
    before = os.stat(str(folder / "web.key"))
    replace.replace(changes(folder), backup=True)
    after = os.stat(str(folder / "web.key"))
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_new_file_can_be_read_by_nobody_else_before_it_is_complete(folder, monkeypatch):
    seen = []
    real = os.fchmod

    def watched(descriptor, wanted):
        seen.append((stat.S_IMODE(os.fstat(descriptor).st_mode), os.fstat(descriptor).st_size))
        return real(descriptor, wanted)
    monkeypatch.setattr(os, "fchmod", watched)
    umask = os.umask(0)
    try:
        replace.replace(changes(folder))
    finally:
        os.umask(umask)
    assert len(seen) == 3 and all(found == 0o600 and size for found, size in seen)


def test_attributes_of_the_old_file_are_copied(folder, monkeypatch):
    copied = []
    monkeypatch.setattr(os, "listxattr", lambda path: ["security.selinux"])
    monkeypatch.setattr(os, "getxattr", lambda path, name: path.encode())
    monkeypatch.setattr(os, "setxattr", lambda path, name, value: copied.append((path, name, value)))
    replace.replace(changes(folder))
    assert copied == [(str(folder / (".%s.host_trust.new" % name)), "security.selinux", str(folder / name).encode())
                      for name in ("web.key", "web.crt")]


def test_backups(folder):
    os.chmod(str(folder / "web.key"), 0o400)
    backups = replace.replace(changes(folder), backup=True)
    assert sorted(backups) == [str(folder / name) for name in ("gone", "web.crt", "web.key")]
    for path, backup in backups.items():
        assert re.match(re.escape(path) + r"\.%d\.20\d\d-\d\d-\d\d@\d\d:\d\d:\d\d~$" % os.getpid(), backup)
        assert open(backup, "rb").read() == OLD[os.path.basename(path)]
    assert mode(backups[str(folder / "web.key")]) == 0o400
    assert set(look(folder)) == set(NEW) | {os.path.basename(backup) for backup in backups.values()}


def test_links_are_followed(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.crt").write_bytes(b"old")
    (folder / "link").symlink_to(str(tmp_path / "elsewhere" / "real.crt"))
    (folder / "dangling").symlink_to("later")
    assert replace.check([str(folder / "link"), str(folder / "dangling")]) == []
    backups = replace.replace([replace.Replacement(str(folder / "link"), b"new", 0o644),
                               replace.Replacement(str(folder / "dangling"), b"more", 0o644)], backup=True)
    assert (folder / "link").is_symlink() and (tmp_path / "elsewhere" / "real.crt").read_bytes() == b"new"
    assert (folder / "dangling").is_symlink() and (folder / "later").read_bytes() == b"more"
    assert list(backups) == [str(folder / "link")]
    assert backups[str(folder / "link")].startswith(str(tmp_path / "elsewhere" / "real.crt."))


def test_what_can_not_become_a_file(folder):
    os.mkfifo(str(folder / "fifo"))
    for name in ("fifo", ""):
        with pytest.raises(files.FilesError, match="can't be written: something that is no file is there"):
            replace.check([str(folder / "web.crt"), str(folder / name)])
    for check_mode in (False, True):
        missing = str(folder / "none" / "web.crt")
        if check_mode:
            assert replace.check([missing], True) == [
                "%s is to be written, and the folder %s does not exist yet" % (missing, str(folder / "none"))]
            continue
        with pytest.raises(files.FilesError, match="the folder .*none does not exist; create it first"):
            replace.check([missing])
    with pytest.raises(files.FilesError):
        replace.check([str(folder / "fifo")], True)
    assert replace.check([str(folder / "web.crt"), str(folder / "new")]) == []


def interrupted(monkeypatch, number, hit):
    """Makes the ``number``-th call that changes the file system call ``hit`` instead; returns the count so far."""
    count = [0]

    def wrap(name):
        real = getattr(os, name)

        def wrapped(*args, **kwargs):
            count[0] += 1
            if count[0] == number:
                hit()
            return real(*args, **kwargs)
        monkeypatch.setattr(os, name, wrapped)
    for name in CALLS:
        wrap(name)
    return count


@pytest.mark.parametrize("code, hint", [(errno.ENOSPC, "free some space"), (errno.EROFS, "writable"), (errno.EIO, "")])
@pytest.mark.parametrize("backup", [False, True])
def test_an_error_at_every_point_leaves_all_as_it_was(tmp_path, monkeypatch, code, hint, backup):
    number, refused = 0, 0
    while True:
        folder = fresh(tmp_path, number)
        number += 1

        def fail():
            raise OSError(code, os.strerror(code), "/some/file")
        with monkeypatch.context() as patched:
            count = interrupted(patched, number, fail)
            try:
                replace.replace(changes(folder), backup)
            except files.FilesError as error:
                assert os.strerror(code) in str(error) and hint in str(error) and "can't be written" in str(error)
                refused += 1
            else:
                # Some can be done without: what is left of a killed run is not there, links can be copies.
                found = look(folder)
                assert {name: found[name] for name in NEW} == NEW and "gone" not in found
                if count[0] < number:
                    break
                continue
        left = {name: content for name, content in look(folder).items() if not name.startswith(".")}
        assert left == OLD, number
        assert mode(folder / "web.key") == 0o600
    assert refused > 15


def test_killed_at_every_point_each_is_old_or_new_and_the_next_run_tidies_up(tmp_path, monkeypatch):
    number, killed = 0, 0
    while True:
        folder = fresh(tmp_path, number)
        number += 1
        child = os.fork()
        if not child:
            try:
                with monkeypatch.context() as patched:
                    interrupted(patched, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
                    replace.replace(changes(folder))
            finally:
                os._exit(0)
        if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            break
        killed += 1
        found = look(folder)
        for name in OLD:
            assert found.get(name, b"") in (OLD[name], NEW.get(name, b"")), (number, name)
        assert "web.key" in found and "web.crt" in found
        assert mode(folder / "web.key") == 0o600
        for name in found:
            if "key" in name:
                assert mode(folder / name) == 0o600, (number, name)
        again = [one for one in changes(folder) if one.content is not None or (folder / "gone").exists()]
        replace.replace(again)
        # What stays is beside a file that is gone already, which the next run has nothing to do with.
        assert {name: content for name, content in look(folder).items() if not name.startswith(".gone.")} == NEW, number
    assert killed > 20


def test_the_key_comes_before_what_is_made_of_it(folder, monkeypatch):
    order = []
    real = os.rename
    monkeypatch.setattr(os, "rename", lambda source, target: order.append(os.path.basename(target)) or real(source,
                                                                                                            target))
    replace.replace([replace.Replacement(str(folder / name), b"x", 0o600) for name in ("web.key", "web.csr",
                                                                                       "web.crt")])
    assert order == ["web.key", "web.csr", "web.crt"]


def test_everything_is_staged_and_synced_before_the_first_is_moved(folder, monkeypatch):
    order = []
    for name in ("rename", "fsync", "unlink"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (order.append(name), real(*args))[1])
    replace.replace(changes(folder)[:3])
    moved = [index for index, name in enumerate(order) if name == "rename"]
    assert len(moved) == 3 and order[:moved[0]].count("fsync") == 3
    assert "fsync" in order[moved[-1]:]  # of the folder


def test_planted_files_are_not_followed(folder, tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    for what in ("new", "old"):
        (folder / (".web.crt.host_trust.%s" % what)).symlink_to(str(tmp_path / "victim"))
    replace.replace(changes(folder))
    assert (tmp_path / "victim").read_bytes() == b"precious" and look(folder) == NEW


def test_locks_of_all_folders(folder, tmp_path):
    (tmp_path / "other").mkdir()
    paths = [str(folder / "a"), str(tmp_path / "other" / "b"), str(folder / "c")]
    with replace.lock(paths):
        for place in (folder, tmp_path / "other"):
            with pytest.raises(files.FilesError, match="is locked"):
                with files.lock(str(place), 0):
                    pass
    with replace.lock(paths):
        pass
    with pytest.raises(files.FilesError, match="can't be locked"):
        with replace.lock([str(folder / "none" / "x")]):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is another user's")
def test_what_other_users_have_planted_is_no_guide(folder, tmp_path):
    """Neither their links nor the modes of their files, where everybody can write."""
    (tmp_path / "victim").write_bytes(b"precious")
    (folder / "planted").symlink_to(str(tmp_path / "victim"))
    os.lchown(str(folder / "planted"), 65534, 65534)
    with pytest.raises(files.FilesError, match="it is a link of another user's, which leads to .*victim; remove it"):
        replace.check([str(folder / "planted")])
    (folder / "key").write_bytes(b"")
    os.chmod(str(folder / "key"), 0o666)
    replace.replace([replace.Replacement(str(folder / "key"), b"new", 0o600)])
    assert mode(folder / "key") == 0o660
    os.chmod(str(folder / "key"), 0o666)
    replace.replace([replace.Replacement(str(folder / "key"), b"new", 0o644)])
    assert mode(folder / "key") == 0o664


def test_a_copy_where_there_are_no_hard_links_is_never_less_private(folder, monkeypatch):
    (folder / "key").write_bytes(b"secret")
    os.chmod(str(folder / "key"), 0o640)
    seen = []
    real = os.fdopen
    monkeypatch.setattr(os, "link", lambda *args, **kwargs: refuse())
    monkeypatch.setattr(os, "fdopen", lambda descriptor, mode: seen.append(
        (mode, stat.S_IMODE(os.fstat(descriptor).st_mode))) or real(descriptor, mode))
    backups = replace.replace([replace.Replacement(str(folder / "key"), b"new", 0o600)], backup=True)
    kept = backups[str(folder / "key")]
    assert open(kept, "rb").read() == b"secret" and stat.S_IMODE(os.stat(kept).st_mode) == 0o640
    assert {found for mode, found in seen if mode == "wb"} == {0o600}


def refuse():
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is another user's")
def test_another_users_file_in_a_world_writable_folder_is_refused(folder):
    """The file would keep its owner, who could then read the new key."""
    path = str(folder / "web.key")
    os.chown(path, 12345, -1)
    assert replace.check([path]) == []
    os.chmod(str(folder), 0o1777)
    with pytest.raises(files.FilesError, match="it is another user's file, in a folder that everybody may write to"):
        replace.check([path])
    os.chown(path, 0, -1)
    assert replace.check([path]) == []


def test_the_lock_removes_leftovers_of_a_killed_run(folder):
    """The leftover may be a private key. No later step removes it if nothing changes."""
    for what in ("new", "old"):
        (folder / (".web.key.host_trust.%s" % what)).write_bytes(b"a key")
    with replace.lock([str(folder / "web.key")]):
        assert look(folder) == OLD
