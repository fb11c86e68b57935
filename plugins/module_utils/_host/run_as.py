# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Work in a place that belongs to a user, done with that user's rights and no more.

Root must not write into a user's folders: a link planted there would lead it to any file of the system, and what reads
a user's configuration as root runs what the user put into it.
"""

import json
import os
import pwd
import select
import signal
import stat
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure

SECONDS = 300  # for all the work of one user
MAX_BYTES = 64 * 1024 * 1024


class User(t.NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class UserError(Failure):
    """Work can't be done as the user who has to do it; the message says why and what to do."""


def by_name(name: str) -> User:
    """The User of that name; an empty name is the one who runs this. Raises UserError."""
    try:
        entry = pwd.getpwnam(name) if name else pwd.getpwuid(os.geteuid())
    except KeyError:
        raise UserError("there is no user %s on this host" % (name or os.geteuid()))
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def owner_of(path: str) -> User:
    """Whose rights are needed to work at ``path`` (User): the first on the way there, from / on, who is not root.

    Links of root's are followed; one of another user's is where that user's part begins. Raises UserError for a
    place of root's into which others may put things, for they could put a link there.
    """
    here, parts, links = "/", path.split("/")[::-1], 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        there = os.path.join(here, part)
        try:
            status = os.lstat(there)
        except (FileNotFoundError, NotADirectoryError):
            break  # root made what is there so far, and will have to make the rest
        if status.st_uid != 0:
            return _by_number(status.st_uid, there)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > 40:
                raise UserError("%s can't be used: too many links" % path)
            target = os.readlink(there)
            here = "/" if target.startswith("/") else here
            parts.extend(target.split("/")[::-1])
            continue
        if status.st_mode & 0o002 or status.st_mode & 0o020 and status.st_gid != 0:
            raise UserError("%s can't be used: %s is root's, and others may write to it; they could put a link there. "
                            "Name a place in a folder that only root or one user may write to" % (path, there))
        here = there
    return by_name("root")


def first_owner(folder: str) -> "t.Optional[User]":
    """The first on the way to a real path, from / on, who is not root: that user can exchange all that follows.

    None where it is root's alone. Of a user whom this host does not know, there is only the number: an image has users
    of its own.
    """
    here = "/"
    for part in [""] + folder.split("/"):
        here = os.path.join(here, part)
        try:
            status = os.lstat(here)
        except (FileNotFoundError, NotADirectoryError):
            break  # root made what is there so far
        if status.st_uid != 0:
            try:
                return _by_number(status.st_uid, here)
            except UserError:
                return User("the user number %d" % status.st_uid, status.st_uid, status.st_gid, "/")
    return None


def _by_number(uid: int, path: str) -> User:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise UserError("%s belongs to the user number %d, whom this host does not know: give it to somebody "
                        "(chown)" % (path, uid))
    return User(entry.pw_name, uid, entry.pw_gid, entry.pw_dir)


def run(user: User, function: "t.Callable[[], t.Any]") -> t.Any:
    """Calls ``function`` in a process of ``user``, without terminal and standard input; returns what it returns.

    It returns plain values, as JSON has them. A Failure there, a user whose rights can't be had, and work that does
    not end become a UserError.
    """
    if os.geteuid() not in (0, user.uid):
        raise UserError("what belongs to %s can be changed by root and by %s only; run the task as root (become: true)"
                        % (user.name, user.name))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(user, function, writing)
    os.close(writing)
    try:
        answer = _read(reading, time.monotonic() + SECONDS)
    finally:
        os.close(reading)
        _end(child)
    if answer is None:
        raise UserError("what is done as %s did not end within %d seconds" % (user.name, SECONDS))
    try:
        found = json.loads(answer.decode("ascii"))
    except (ValueError, RuntimeError):  # the latter of what is nested too deep
        found = None
    if not isinstance(found, dict) or not {"error", "value"} & set(found):
        # The user may end what runs with these rights, and write in its place.
        raise UserError("what is done as %s was killed" % user.name)
    if "error" in found:
        raise UserError(str(found["error"]))
    return found["value"]


def _work(user: User, function: "t.Callable[[], t.Any]", writing: int) -> t.NoReturn:
    """The child's part; it never returns."""
    try:
        try:
            os.setsid()  # no terminal that a tool could ask for a password
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nothing, number)
            if os.geteuid() != user.uid:
                os.setgroups(os.getgrouplist(user.name, user.gid))
                os.setresgid(user.gid, user.gid, user.gid)
                os.setresuid(user.uid, user.uid, user.uid)
            os.chdir("/")
            os.umask(0o022 if user.uid == 0 else 0o077)
            os.environ.clear()
            os.environ.update(HOME=user.home, LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
            answer = {"value": function()}
        except Failure as error:
            answer = {"error": str(error)}
        except EnvironmentError as error:
            answer = {"error": "%s can't be used by %s: %s" % (
                error.filename or "something", user.name, error.strerror or error)}
        except Exception as error:  # a bug: who reads of it is to know which
            answer = {"error": "what is done as %s ended with %s: %s" % (user.name, type(error).__name__, error)}
        data = json.dumps(answer).encode("ascii")
        with os.fdopen(writing, "wb") as stream:
            stream.write(data)
    finally:
        os._exit(0)


def _read(descriptor: int, end: float) -> "t.Optional[bytes]":
    """All that comes until the other side closes; None where that takes too long or is too much."""
    parts: t.List[bytes] = []
    size = 0
    while size <= MAX_BYTES and select.select([descriptor], [], [], max(0, end - time.monotonic()))[0]:
        part = os.read(descriptor, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    return None


def _end(child: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(child, signal.SIGKILL)
        except OSError:
            pass  # it has ended, or is no leader of a group yet
    os.waitpid(child, 0)
