# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Changes to several files as one: staged, synced, renamed in, undone as a whole; under a lock; inside a root.

A change is journalled before the first live file is touched, and the journal goes when everything is proven. A run
that was killed between the two is undone by ``recover`` in the next one; until then ``Journal.overlay`` tells what
the files will be after that, so that a look in check mode sees the same as the run that follows.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import errno
import fcntl
import json
import os
import shutil
import stat
import time

JOURNAL = "journal.json"


class FilesError(Exception):
    """A file could not be changed; the message names it, the reason and the way out."""


def explain(error, action="changed"):
    """An OSError as a FilesError that says what it means to the person who ran the play."""
    path = error.filename2 or error.filename if error.errno == errno.EXDEV else error.filename
    hints = {
        errno.EACCES: "; run the task as root (become: true)",
        errno.EPERM: "; run the task as root (become: true), and see whether the file is immutable (lsattr)",
        errno.EROFS: "; mount it writable, or bake the anchors into the image (option root)",
        errno.ENOSPC: "; free some space there",
        errno.EDQUOT: "; free some space there",
        errno.EXDEV: "; the store's folder is a mount of its own: manage what is mounted there instead",
        errno.ENOENT: "; create its folder first",
        errno.ENOTDIR: "; something in its path is no folder",
    }
    return FilesError("%s can't be %s: %s%s" % (path, action, error.strerror, hints.get(error.errno, "")))


def resolve(root, path):
    """The real place of the absolute ``path`` of a system whose root is ``root``: links are followed inside it.

    An image's absolute links must not lead to the files of the machine that it is mounted on.
    """
    if root == "/":
        return os.path.realpath(path)
    parts, found, links = path.split("/")[::-1], "", 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            found = os.path.dirname(found).rstrip("/")
            continue
        here = "%s/%s" % (found, part)
        outside = root.rstrip("/") + here
        if not os.path.islink(outside):
            found = here
            continue
        links += 1
        if links > 40:
            raise FilesError("%s can't be found: too many links" % (root.rstrip("/") + path))
        target = os.readlink(outside)
        if target.startswith("/"):
            found = ""
        parts.extend(target.split("/")[::-1])
    return root.rstrip("/") + (found or "/")


@contextlib.contextmanager
def lock(folder, seconds):
    """Holds an exclusive lock on ``folder`` itself, which leaves no lock file behind; waits at most ``seconds``."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise explain(error, "locked")
    try:
        end = time.time() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise explain(error, "locked")
            if time.time() > end:
                raise FilesError("%s is locked for more than %d seconds by %s; try again when it is done"
                                 % (folder, seconds, _holder(os.fstat(descriptor))))
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _holder(status):
    """Who holds a lock on the inode, as proc_locks(5) has it."""
    wanted = ":%d" % status.st_ino
    try:
        with open("/proc/locks") as stream:
            for fields in (line.split() for line in stream):
                if "FLOCK" in fields and "->" not in fields and fields[5].endswith(wanted):
                    with open("/proc/%s/cmdline" % fields[4], "rb") as command:
                        words = command.read(200).decode("ascii", "replace").split("\0")
                    return "process %s (%s)" % (fields[4], " ".join(words).strip())
    except (IOError, OSError, IndexError):
        pass
    return "another process"


class Journal:
    """What an unfinished change did, read from the staging folders of a store (nothing where there is none).

    ``staging`` is a list of (folder whose files are changed, folder beside it on the same file system, which nobody
    reads, where they are staged); the journal lies in the first of the latter. It names files by the number of their
    folder and the path inside it, so that it can't lead anywhere else, wherever a system is mounted.
    Raises FilesError for staging folders that somebody else could have planted.
    """

    def __init__(self, staging):
        self.staging = staging
        self.path = os.path.join(staging[0][1], JOURNAL)
        self.entries = self._read()

    def _read(self):
        for _folder, stage in self.staging:
            try:
                status = os.lstat(stage)
            except OSError:
                continue
            if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
                raise FilesError("%s is in the way: it is not the private folder that a run of this module leaves "
                                 "when it is killed. Look at it, and remove it" % stage)
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
                return [self._placed(entry) for entry in json.loads(stream.read().decode("utf-8"))]
        except EnvironmentError as error:
            # Who may not look into the staging folder may not change the store either: that fails later, by name.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                raise explain(error, "read")
            return []
        except (ValueError, KeyError, TypeError, IndexError):
            raise FilesError("%s is damaged, so that the change of an interrupted run can't be undone: look at the "
                             "folder, bring back by hand what is missing, and remove it" % self.path)

    def _placed(self, entry):
        """An entry of the journal with its paths, which are always inside the folders that are given."""
        folder, stage = self.staging[entry["folder"]]
        inside = os.path.normpath(entry["name"])
        if os.path.isabs(inside) or inside.split("/")[0] == "..":
            raise ValueError("a path outside")
        number = int(entry["number"])
        return dict(entry, path=os.path.join(folder, inside), new=os.path.join(stage, "%d.new" % number),
                    undo=os.path.join(stage, "%d.undo" % number))

    def overlay(self):
        """{path: the file that holds what is there after recovery, or None}."""
        overlay = {}
        for entry in self.entries:
            if not entry["existed"]:
                overlay[entry["path"]] = None
            elif os.path.lexists(entry["undo"]):
                overlay[entry["path"]] = entry["undo"]
        return overlay

    def change(self, changes, keep_owner):
        """Carries out ``changes`` ({path: new bytes, or None to remove}) so that ``undo`` can take them back.

        New files get mode 0644; those of ``keep_owner`` (paths) keep the owner and mode that they have.
        Raises FilesError, with all files as they were.
        """
        self.clean()
        try:
            for _folder, stage in self.staging:
                os.mkdir(stage, 0o700)
            entries = [self._stage(number, path, changes[path], path in keep_owner)
                       for number, path in enumerate(sorted(changes))]
            kept = [{key: entry[key] for key in ("folder", "name", "number", "existed")} for entry in entries]
            _write(self.path + ".new", json.dumps(kept).encode("ascii"), 0o600)
            os.rename(self.path + ".new", self.path)
            _sync_folder(os.path.dirname(self.path))
            self.entries = entries
            for entry in entries:
                if changes[entry["path"]] is not None:
                    os.rename(entry["new"], entry["path"])
                else:
                    os.unlink(entry["path"])
            _sync_folders(entries)
        except OSError as error:
            self.undo()
            raise explain(error)
        except FilesError:
            self.undo()
            raise

    def _stage(self, number, path, content, keep_owner):
        real = os.path.join(os.path.realpath(os.path.dirname(path)), "")
        inside = [index for index, (folder, _stage) in enumerate(self.staging)
                  if path.startswith(os.path.join(folder, "")) and real.startswith(os.path.join(folder, ""))]
        if not inside:
            raise FilesError("%s is not changed, because a link leads there, out of the store's own folder: change it "
                             "where it is, or take the link away" % path)
        entry = self._placed({"folder": inside[0], "name": os.path.relpath(path, self.staging[inside[0]][0]),
                              "number": number, "existed": os.path.lexists(path)})
        if entry["existed"]:
            _keep(path, entry["undo"])
        if content is not None:
            _write(entry["new"], content, 0o644)
            if keep_owner and entry["existed"]:
                status = os.stat(path)
                os.chown(entry["new"], status.st_uid, status.st_gid)
                os.chmod(entry["new"], stat.S_IMODE(status.st_mode))
        return entry

    def undo(self, clean=True):
        """Brings the former files back; can be killed and called again. Without ``clean`` the staging folders stay."""
        try:
            for entry in self.entries:
                if not entry["existed"]:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(entry["path"])
                elif os.path.lexists(entry["undo"]):
                    os.rename(entry["undo"], entry["path"])
            _sync_folders(self.entries)
        except OSError as error:
            raise explain(error, "brought back")
        if clean:
            self.clean()

    def clean(self):
        """Forgets the change: what is there now stays. The journal goes first, then what it speaks of."""
        try:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self.path)
                _sync_folder(os.path.dirname(self.path))
            self.entries = []
            for _folder, stage in self.staging:
                if os.path.lexists(stage):
                    shutil.rmtree(stage)
        except OSError as error:
            raise explain(error, "removed")


def make_folder(path):
    """Makes a folder and its parents where they are missing, mode 0755 whatever the umask."""
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    try:
        os.mkdir(path)
        os.chmod(path, 0o755)
    except OSError as error:
        raise explain(error, "made")


def _keep(path, undo):
    """Keeps what is at ``path`` as ``undo``, with owner, mode, times and labels."""
    if os.path.islink(path):
        os.symlink(os.readlink(path), undo)
        return
    try:
        os.link(path, undo)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise
        shutil.copy2(path, undo)
        status = os.stat(path)
        os.chown(undo, status.st_uid, status.st_gid)


def _write(path, content, mode):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fchown(descriptor, os.geteuid(), os.getegid())  # a folder with the setgid bit gives its own group
            os.fsync(descriptor)
    except OSError as error:
        error.filename = error.filename or path
        raise


def _sync_folder(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)


def _sync_folders(entries):
    for folder in sorted({os.path.dirname(entry["path"]) for entry in entries}):
        _sync_folder(folder)
