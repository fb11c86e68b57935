# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Files written, kept, locked and found inside a root; errors of the system as sentences."""

import contextlib
import errno
import fcntl
import glob
import os
import stat
import struct
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure

LOCKS = "/run/host_trust"
READ_ALONE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # no link is followed, no pipe waited for
GET_FLAGS = 2 << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | 1  # FS_IOC_GETFLAGS; elsewhere it fails
IMMUTABLE, APPEND_ONLY = 0x10, 0x20  # FS_IMMUTABLE_FL and FS_APPEND_FL

HINTS = {  # by error: what to do about it
    errno.EACCES: "; run the task as root (become: true)",
    errno.EPERM: "; run the task as root (become: true), and see whether the file is immutable (lsattr)",
    errno.EROFS: "; mount it writable, or do this when the image is built",
    errno.ENOSPC: "; free some space there",
    errno.EDQUOT: "; free some space there",
    errno.EXDEV: "; the store's folder is a mount of its own: manage what is mounted there instead",
    errno.ENOENT: "; create its folder first",
    errno.ENOTDIR: "; something in its path is no folder",
    errno.EBADF: "; its file system (NFS?) can't lock folders: keep it on a local one",
}


class FilesError(Failure):
    """A file could not be changed; the message names it, the reason and the way out."""


def explain(error: OSError, action: str = "changed", path: "t.Optional[str]" = None) -> FilesError:
    """An OSError as a FilesError that says what it means to the person who ran the play.

    ``path`` is what the message names where the error itself names nothing.
    """
    path = error.filename2 or error.filename or path or "something"  # of a rename, what would have been replaced
    if error.errno == errno.EPERM:
        protected = _protected(path) or _protected(os.path.dirname(path))
        if protected:
            return FilesError("%s can't be %s: %s. Take that attribute away with chattr, then run this again"
                              % (path, action, protected))
    return FilesError("%s can't be %s: %s%s" % (path, action, error.strerror, HINTS.get(error.errno or 0, "")))


def _protected(path: str) -> "t.Optional[str]":
    """That root itself may not change a file or folder, as a sentence; None where that is not so, or not known."""
    try:
        descriptor = os.open(path, READ_ALONE)
        try:
            flags = struct.unpack("i", fcntl.ioctl(descriptor, GET_FLAGS, struct.pack("l", 0))[:4])[0]
        finally:
            os.close(descriptor)
    except (OSError, ValueError, TypeError):
        return None
    kind = "is immutable (chattr +i)" if flags & IMMUTABLE else "is append-only (chattr +a)"
    return "%s %s" % (path, kind) if flags & (IMMUTABLE | APPEND_ONLY) else None


def system_root(root: str) -> str:
    """The real place of the folder where a system is mounted; raises FilesError where it is none."""
    if not os.path.isabs(root) or not os.path.isdir(root):
        raise FilesError("root: %s is no folder, or not given from / on" % (root or "(empty)"))
    return os.path.realpath(root)


def resolve(root: str, path: str, own: bool = False) -> str:
    """The real place of the absolute ``path`` of a system whose root is ``root``: links are followed inside it.

    An image's absolute links must not lead to the files of the machine that it is mounted on.
    own: for a place that is written to. A link of another user's is refused then (FilesError): whoever may write into a
    folder on the way, such as /tmp, could lead what root writes anywhere.
    """
    if "\0" in path:
        raise FilesError("%r can't be found: there is a NUL byte in it" % path)
    if root == "/" and not own:
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
        owner = _owner_of_link(outside)
        if owner is None:
            found = here
            continue
        links += 1
        if links > 40:
            raise FilesError("%s can't be found: too many links" % (root.rstrip("/") + path))
        target = os.readlink(outside)
        if own and owner not in (0, os.geteuid()):
            raise FilesError("%s can't be written: %s is a link of another user's, which leads to %s; remove it" % (
                root.rstrip("/") + path, "it" if not parts else outside, target))
        if target.startswith("/"):
            found = ""
        parts.extend(target.split("/")[::-1])
    return root.rstrip("/") + (found or "/")


def own_place(path: str) -> str:
    """The real place of a path that is written to; raises FilesError for a link of another user's, as ``resolve``."""
    return resolve("/", os.path.join(os.getcwd(), path), own=True)


def _owner_of_link(path: str) -> "t.Optional[int]":
    """The user number of a symbolic link's owner; None for what is no link."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_uid if stat.S_ISLNK(status.st_mode) else None


@contextlib.contextmanager
def lock(folder: str, seconds: float) -> "t.Iterator[None]":
    """Holds an exclusive lock for ``folder``; waits at most ``seconds``. Raises FilesError.

    What is started meanwhile with ``close_fds=False`` holds it, too: if this process is killed, until that has ended.
    """
    try:
        descriptor = _open_lock(folder)
    except OSError as error:
        raise explain(error, "locked")
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise explain(error, "locked")
            if time.monotonic() > end:
                raise FilesError("%s is locked for more than %d seconds by %s. Try again when that has ended"
                                 % (folder, seconds, _holder(os.fstat(descriptor))))
            time.sleep(0.05)
        os.set_inheritable(descriptor, True)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a service that was started and goes on
        os.close(descriptor)


def _open_lock(folder: str) -> int:
    """What is locked for a folder: a file that root alone can open; a folder can be locked by all who may read it.

    For other users, and where there is no /run, it is the folder itself. So it is where nobody else may read it, as is
    the case with a private CA's: containers that share the folder have each a /run of their own.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    own = os.fstat(descriptor)
    if os.geteuid() != 0 or own.st_uid == 0 and not own.st_mode & 0o077:
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


def _holder(status: os.stat_result) -> str:
    """Who holds a lock on the inode, as a phrase: process, command, since when it runs (proc_locks(5), proc(5))."""
    wanted = ":%d" % status.st_ino
    # First who took it; then what that one has started and left behind, when it was killed.
    for path in ["/proc/locks"] + glob.glob("/proc/[0-9]*/fdinfo/*"):
        try:
            with open(path) as stream:  # the same form in both
                lines = [line.split() for line in stream if "FLOCK" in line and "->" not in line]
            for line in lines:
                if any(field.endswith(wanted) for field in line):
                    process = line[4] if path == "/proc/locks" else path.split("/")[2]
                    # File systems in layers have another device here than in stat(2): the inode may be another's.
                    if _has_open(process, status):
                        return _spoken_process(process)
        except (EnvironmentError, IndexError, ValueError):
            continue  # it has ended meanwhile
    return "a process that can't be seen from here (another user's, or one in another container)"


def _has_open(process: str, status: os.stat_result) -> bool:
    """Whether a process has a file open; of another user's process that can't be seen, and is not denied then."""
    folder = "/proc/%s/fd" % process
    try:
        descriptors = os.listdir(folder)
    except PermissionError:
        return True
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(os.path.join(folder, descriptor)), status):
                return True
    return False


def _spoken_process(process: str) -> str:
    with open("/proc/%s/cmdline" % process, "rb") as stream:
        words = stream.read(200).decode("ascii", "replace").replace("\0", " ").strip()
    with open("/proc/%s/stat" % process) as stream:
        ticks = int(stream.read().rpartition(")")[2].split()[19])
    with open("/proc/stat") as stream:
        boot = next(int(line.split()[1]) for line in stream if line.startswith("btime "))
    since = time.gmtime(boot + ticks // os.sysconf("SC_CLK_TCK"))
    command = "".join(character if character.isprintable() else "?" for character in words)
    return "process %s (%s), which runs since %s" % (process, command, time.strftime("%Y-%m-%dT%H:%M:%SZ", since))


def matching(root: str, pattern: str) -> "t.List[str]":
    """Paths below ``root``, which is no pattern itself, that match an absolute pattern; sorted."""
    return sorted(glob.glob(glob.escape(root.rstrip("/")) + pattern))


def make_folder(path: str) -> None:
    """Makes a folder and its parents where they are missing, mode 0755 whatever the umask."""
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    try:
        os.mkdir(path)
        os.chmod(path, 0o755)
    except OSError as error:
        raise explain(error, "made")


def keep(path: str, undo: str, source: "t.Optional[int]" = None, target: "t.Optional[int]" = None) -> None:
    """Keeps what is at ``path`` as ``undo``, with owner, mode, times and labels.

    source, target: descriptors of the folders that these are names in, where they are no paths.
    """
    if stat.S_ISLNK(os.stat(path, dir_fd=source, follow_symlinks=False).st_mode):
        os.symlink(os.readlink(path, dir_fd=source), undo, dir_fd=target)
        return
    try:
        os.link(path, undo, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise
        # A copy that nobody can read before it is as private as the original.
        with os.fdopen(os.open(path, READ_ALONE, dir_fd=source), "rb") as stream:
            status = os.fstat(stream.fileno())
            write(undo, stream.read(), stat.S_IMODE(status.st_mode), possible_owner(status), target)
            copy = os.open(undo, READ_ALONE, dir_fd=target)
            try:
                os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
                copy_labels(stream.fileno(), copy)
            finally:
                os.close(copy)


def copy_labels(source: "t.Union[int, str]", target: "t.Union[int, str]") -> None:
    """Copies access control lists and SELinux's labels (xattr(7)) between paths or descriptors, where there are any."""
    with contextlib.suppress(OSError):
        for name in os.listxattr(source):
            with contextlib.suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))


def possible_owner(status: os.stat_result) -> "t.Tuple[int, int]":
    """(uid, gid) that this user can give a file in the place of one with that status: only root gives files away."""
    if os.geteuid() == 0:
        return status.st_uid, status.st_gid
    return os.geteuid(), status.st_gid if status.st_gid in os.getgroups() else os.getegid()


def write(
    path: str,
    content: bytes,
    mode: int,
    owner: "t.Optional[t.Tuple[int, int]]" = None,
    folder: "t.Optional[int]" = None,
) -> None:
    """Makes a new file, synced; nobody but its owner can read it before it is complete. Raises OSError.

    ``owner`` is (uid, gid), by default the user that runs this. folder: the descriptor of the folder that ``path`` is a
    name in, where it is no path.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600,
                         dir_fd=folder)
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


def sync_folder(path: str) -> None:
    """Makes the renames in a folder last. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(descriptor)
