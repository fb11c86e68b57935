# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Folders held open: what is done in one happens in that very folder, wherever its path leads meanwhile.

Whoever owns a folder can rename it, or put a link in its place, between two system calls of anybody else. So a folder
is opened once, without following a link, and then checked; names inside it are given together with its descriptor.
"""

import contextlib
import os
import typing as t

HOLD = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # needs no right to list the folder
LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """A folder and its descriptor, which is closed together with the object."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)

    def inner(self, path: str) -> "Folder":
        """The folder at a path inside this one. Raises OSError, ENOTDIR where a link is on the way."""
        found = self
        for part in path.split("/"):
            if part not in ("", "."):
                within = os.path.join(found.path, part)
                with naming(within):
                    found = Folder(within, os.open(part, HOLD, dir_fd=found.descriptor))
        return found

    def status(self, name: str = "") -> os.stat_result:
        """The os.stat_result of the folder itself, or of what has a name in it; a link is not followed."""
        if not name:
            return os.fstat(self.descriptor)
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def has(self, name: str) -> bool:
        """Whether there is something of that name, be it a link that leads nowhere."""
        try:
            self.status(name)
        except OSError:
            return False
        return True

    def sync(self) -> None:
        """Makes the renames in the folder last. Raises OSError."""
        with naming(self.path):
            descriptor = os.open(".", LIST, dir_fd=self.descriptor)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def names(self) -> "t.List[str]":
        """What is in the folder."""
        with naming(self.path):
            descriptor = os.open(".", LIST, dir_fd=self.descriptor)
            try:
                return os.listdir(descriptor)
            finally:
                os.close(descriptor)

    def empty(self) -> None:
        """Removes what is in the folder, as far as that goes."""
        with contextlib.suppress(OSError):
            for name in self.names():
                self._remove(name)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except (IsADirectoryError, PermissionError):
                self.inner(name).empty()
                os.rmdir(name, dir_fd=self.descriptor)


class FolderEntry(t.NamedTuple):
    """A name in a folder that is held open."""

    folder: Folder
    name: str

    @property
    def path(self) -> str:
        """Where it was when the folder was opened."""
        return os.path.join(self.folder.path, self.name)


def hold(path: str) -> Folder:
    """The folder at an absolute path that leads through no link. Raises OSError, ENOTDIR where there is one."""
    with naming(path):
        return Folder("/", os.open("/", HOLD)).inner(path)


@contextlib.contextmanager
def naming(path: str) -> "t.Iterator[None]":
    """Has an OSError name ``path``: of what is done with a descriptor, it knows the last part at most."""
    try:
        yield
    except OSError as error:
        if not os.path.isabs(str(error.filename2 or error.filename or "")):
            error.filename, error.filename2 = path, None
        raise
