# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Keys and certificates put in place of those that are there: all files complete beside their places, then renamed in.

Between two renames a kill leaves new files beside old ones. Whoever writes compares keys with certificates in the next
run, and repairs it; what the killed run left beside is removed then.
"""

import contextlib
import os
import stat
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files

LOCK_SECONDS = 60


class Replacement(t.NamedTuple):
    path: str                     # a link is followed, so that what it leads to is replaced
    content: "t.Optional[bytes]"  # None to remove the file
    mode: int                     # of a file that isn't there yet; others keep theirs, but for what it denies to all


@contextlib.contextmanager
def lock(paths: "t.Collection[str]") -> "t.Iterator[None]":
    """Holds the locks of the folders of ``paths``; raises files.FilesError where one is missing or stays locked.

    For all of them together it waits LOCK_SECONDS.
    What a killed run has left beside the paths, perhaps a key, is removed.
    """
    end = time.monotonic() + LOCK_SECONDS
    with contextlib.ExitStack() as held:
        for folder in sorted({os.path.dirname(files.own_place(path)) for path in paths}):
            held.enter_context(files.lock(folder, max(end - time.monotonic(), 0)))
        for path in paths:
            _forget(files.own_place(path))
        yield


def check(paths: "t.Iterable[str]", check_mode: bool = False) -> "t.List[str]":
    """Raises files.FilesError where one of ``paths`` can't become a file: no folder for it, or something else there.

    In check mode, a task before this one may be to make its folder, and has only checked, too: that is a warning.
    Returns warnings (list of str).
    """
    warnings = []
    for path in paths:
        place = files.own_place(path)
        folder = os.path.dirname(place)
        if not os.path.isdir(folder):
            if not check_mode:
                raise files.FilesError(
                    "%s can't be written: the folder %s does not exist; create it first" % (path, folder))
            warnings.append("%s is to be written, and the folder %s does not exist yet" % (path, folder))
        elif os.path.lexists(place) and not os.path.isfile(place):
            raise files.FilesError("%s can't be written: something that is no file is there" % path)
        elif os.path.lexists(place) and _planted(os.lstat(place), os.stat(folder)):
            raise files.FilesError("%s can't be written: it is another user's file, in a folder that everybody may "
                                   "write to, and would stay theirs; remove it, or choose another folder" % path)
    return warnings


def replace(
    replacements: "t.List[Replacement]", backup: bool = False, prove: "t.Optional[t.Callable[[], None]]" = None
) -> "t.Dict[str, str]":
    """Carries out the replacements, all or none, in their order; returns {path: where its old content is kept}.

    ``prove`` is called when all is in place; what it raises takes everything back.

    With ``backup`` the former files stay beside the new ones, under names such as ``web.crt.417.2026-11-23@12:00:00~``,
    with the owner and mode that they had. Call it under the lock. Raises files.FilesError, with all files as they were.
    """
    places = [files.own_place(replacement.path) for replacement in replacements]
    existed, done, backups = set(), [], {}
    try:
        for replacement, place in zip(replacements, places):
            if _stage(replacement, place):
                existed.add(place)
        for replacement, place in zip(replacements, places):
            if backup and place in existed:
                backups[replacement.path] = _back_up(place)
        for replacement, place in zip(replacements, places):
            if replacement.content is None:
                os.unlink(place)
            else:
                os.rename(_beside(place, "new"), place)
            done.append(place)
        for folder in sorted({os.path.dirname(place) for place in places}):
            files.sync_folder(folder)
        if prove:
            prove()
    except OSError as error:
        _undo(done, existed, backups.values())
        raise files.explain(error, "written")
    except BaseException:
        _undo(done, existed, backups.values())
        raise
    finally:
        for place in places:
            _forget(place)
    return backups


def _planted(status: os.stat_result, folder: os.stat_result) -> bool:
    """Whether somebody may have put a file there so as to own what is written in its place."""
    return bool(folder.st_mode & 0o002) and status.st_uid not in (0, os.geteuid())


def _beside(place: str, what: str) -> str:
    return os.path.join(os.path.dirname(place), ".%s.host_trust.%s" % (os.path.basename(place), what))


def _stage(replacement: Replacement, place: str) -> bool:
    """Makes the new file and keeps the old one, both beside its place; returns whether there is an old one."""
    _forget(place)  # what a run left that was killed
    try:
        status = os.lstat(place)
    except FileNotFoundError:
        status = None
    if status:
        files.keep(place, _beside(place, "old"))
    if replacement.content is not None:
        files.write(_beside(place, "new"), replacement.content,
                    _kept_mode(status, replacement.mode) if status else replacement.mode,
                    (status.st_uid, status.st_gid) if status else None)
        if status:
            files.copy_labels(place, _beside(place, "new"))
    return bool(status)


def _kept_mode(status: os.stat_result, mode: int) -> int:
    """The mode of a file that is replaced, without what a new one would not let everybody do."""
    return stat.S_IMODE(status.st_mode) & ~(0o007 & ~mode)


def _back_up(place: str) -> str:
    name = "%s.%d.%s~" % (place, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S"))
    files.keep(_beside(place, "old"), name)
    return name


def _undo(done: "t.List[str]", existed: "t.Set[str]", backups: "t.Iterable[str]") -> None:
    for place in done:
        with contextlib.suppress(OSError):
            if place in existed:
                os.rename(_beside(place, "old"), place)
            else:
                os.unlink(place)
    for name in backups:
        with contextlib.suppress(OSError):
            os.unlink(name)


def _forget(place: str) -> None:
    for what in ("new", "old"):
        with contextlib.suppress(OSError):
            os.unlink(_beside(place, what))
