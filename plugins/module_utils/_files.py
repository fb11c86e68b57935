# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Files written, kept, locked and found inside a root; errors of the system as sentences."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import errno
import fcntl
import glob
import os
import shutil
import stat
import time

LOCKS = "/run/host_trust"


class FilesError(Exception):
    """A file could not be changed; the message names it, the reason and the way out."""


def explain(error, action="changed", path=None):
    """An OSError as a FilesError that says what it means to the person who ran the play.

    ``path`` is what the message names where the error itself names nothing.
    """
    path = (error.filename2 if error.errno == errno.EXDEV else None) or error.filename or path or "something"
    hints = {
        errno.EACCES: "; run the task as root (become: true)",
        errno.EPERM: "; run the task as root (become: true), and see whether the file is immutable (lsattr)",
        errno.EROFS: "; mount it writable, or do this when the image is built",
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
    """Holds an exclusive lock for ``folder``; waits at most ``seconds``. Raises FilesError.

    What is started meanwhile with ``close_fds=False`` holds it, too: if this process is killed, until that has ended.
    """
    try:
        descriptor = _open_lock(folder)
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
        os.set_inheritable(descriptor, True)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a service that was started and goes on
        os.close(descriptor)


def _open_lock(folder):
    """What is locked for a folder: a file that root alone can open; a folder can be locked by all who may read it.

    For other users, and where there is no /run, it is the folder itself.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if os.geteuid() != 0:
        return descriptor
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(LOCKS, 0o700)
        status, of_folder = os.lstat(LOCKS), os.fstat(descriptor)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o077:
            return descriptor
        file = os.open(os.path.join(LOCKS, "%x-%x.lock" % (of_folder.st_dev, of_folder.st_ino)),
                       os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return descriptor
    os.close(descriptor)
    return file


def _holder(status):
    """Who holds a lock on the inode: who took it, or what that one has started and left behind, when it was killed."""
    wanted = ":%d" % status.st_ino
    for path in ["/proc/locks"] + glob.glob("/proc/[0-9]*/fdinfo/*"):
        try:
            with open(path) as stream:  # the same form in both, see proc_locks(5)
                found = [fields for fields in (line.split() for line in stream) if "FLOCK" in fields
                         and "->" not in fields and any(field.endswith(wanted) for field in fields)]
            for fields in found:
                holder = fields[4] if path == "/proc/locks" else path.split("/")[2]
                with open("/proc/%s/cmdline" % holder, "rb") as command:
                    words = command.read(200).decode("ascii", "replace").split("\0")
                return "process %s (%s)" % (holder, " ".join(words).strip())
        except (EnvironmentError, IndexError):
            continue
    return "another process"


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


def keep(path, undo):
    """Keeps what is at ``path`` as ``undo``, with owner, mode, times and labels."""
    if os.path.islink(path):
        os.symlink(os.readlink(path), undo)
        return
    try:
        os.link(path, undo)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise
        status = os.stat(path)
        with open(path, "rb") as stream:  # a copy that nobody can read before it is as private as the original
            write(undo, stream.read(), stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))
        shutil.copystat(path, undo)


def write(path, content, mode, owner=None):
    """Makes a new file, synced; nobody but its owner can read it before it is complete. Raises OSError.

    ``owner`` is (uid, gid), by default the user that runs this.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            # A folder with the setgid bit would give its own group.
            os.fchown(descriptor, *(owner or (os.geteuid(), os.getegid())))
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except OSError as error:
        error.filename = error.filename or path
        raise


def sync_folder(path):
    """Makes the renames in a folder last. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)
