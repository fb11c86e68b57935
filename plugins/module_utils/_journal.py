# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Changes to several files as one: staged, synced, renamed in, undone as a whole.

A change is journalled before the first live file is touched, and the journal goes when everything is proven. A run
that was killed between the two is undone by ``undo`` in the next one; until then ``Journal.overlay`` tells what
the files will be after that, so that a look in check mode sees the same as the run that follows.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import errno
import json
import os
import shutil
import stat
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files

if t.TYPE_CHECKING:
    Entry = t.Dict[str, t.Any]  # a file: folder (its number), name, number, existed; and the paths: path, new, undo

JOURNAL = "journal.json"


class Journal:
    """What an unfinished change did, read from the staging folders of a store (nothing where there is none).

    ``staging`` is a list of (folder whose files are changed, folder beside it on the same file system, which nobody
    reads, where they are staged); the journal lies in the first of the latter. It names files by the number of their
    folder and the path inside it, so that it can't lead anywhere else, wherever a system is mounted.
    Raises files.FilesError for staging folders that somebody else could have planted.
    """

    def __init__(self, staging: "t.Sequence[t.Tuple[str, str]]") -> None:
        self.staging = staging
        self.path = os.path.join(staging[0][1], JOURNAL)
        self.hidden = False  # whether there may be one that this user can't read
        self.entries = self._read()
        self.interrupted = os.path.lexists(self.path)  # also where it was only the extract that was going on

    def left_over(self) -> bool:
        """Whether a run was killed before its change or after it, so that nothing but its staging folders is left."""
        return not self.interrupted and any(os.path.lexists(stage) for _folder, stage in self.staging)

    def _read(self) -> "t.List[Entry]":
        for _folder, stage in self.staging:
            try:
                status = os.lstat(stage)
            except OSError:
                continue
            if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077:
                raise files.FilesError("%s is in the way: it is not the private folder that a run of this module "
                                       "leaves when it is killed. Look at it, and remove it" % stage)
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
                return [self._placed(entry) for entry in json.loads(stream.read().decode("utf-8"))]
        except EnvironmentError as error:
            # Who may not look into the staging folder may not change the store either: that fails later, by name.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                raise files.explain(error, "read")
            self.hidden = error.errno == errno.EACCES
            return []
        except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError):
            raise files.FilesError("%s is damaged, so that the change of an interrupted run can't be undone: look at "
                                   "the folder, bring back by hand what is missing, and remove it" % self.path)

    def _placed(self, entry: "t.Dict[str, t.Any]") -> "Entry":
        """An entry of the journal with its paths, which are always inside the folders that are given."""
        folder, stage = self.staging[entry["folder"]]
        inside = os.path.normpath(entry["name"])
        if os.path.isabs(inside) or inside.split("/")[0] == ".." or b"\0" in os.fsencode(inside):
            raise ValueError("a path outside, or none")
        number = int(entry["number"])
        return dict(entry, existed=bool(entry["existed"]), path=os.path.join(folder, inside),
                    new=os.path.join(stage, "%d.new" % number), undo=os.path.join(stage, "%d.undo" % number))

    def overlay(self) -> "t.Dict[str, t.Optional[str]]":
        """{path: the file that holds what is there after recovery, or None}."""
        overlay: t.Dict[str, t.Optional[str]] = {}
        for entry in self.entries:
            if not entry["existed"]:
                overlay[entry["path"]] = None
            elif os.path.lexists(entry["undo"]):
                overlay[entry["path"]] = entry["undo"]
        return overlay

    def change(self, changes: "t.Mapping[str, t.Optional[bytes]]", keep_owner: "t.Collection[str]") -> None:
        """Carries out ``changes`` ({path: new bytes, or None to remove}) so that ``undo`` can take them back.

        New files get mode 0644; those of ``keep_owner`` (paths) keep the owner and mode that they have.
        Raises files.FilesError, with all files as they were.
        """
        self.clean()
        try:
            for _folder, stage in self.staging:
                os.mkdir(stage, 0o700)
            entries = [self._stage(number, path, changes[path], path in keep_owner)
                       for number, path in enumerate(sorted(changes))]
            kept = [{key: entry[key] for key in ("folder", "name", "number", "existed")} for entry in entries]
            files.write(self.path + ".new", json.dumps(kept).encode("ascii"), 0o600)
            os.rename(self.path + ".new", self.path)
            files.sync_folder(os.path.dirname(self.path))
            self.entries = entries
            for entry in entries:
                if changes[entry["path"]] is not None:
                    os.rename(entry["new"], entry["path"])
                else:
                    os.unlink(entry["path"])
            _sync_folders(entries)
        except OSError as error:
            self.undo()
            raise files.explain(error)
        except files.FilesError:
            self.undo()
            raise

    def _stage(self, number: int, path: str, content: "t.Optional[bytes]", keep_owner: bool) -> "Entry":
        real = os.path.join(os.path.realpath(os.path.dirname(path)), "")
        inside = [index for index, (folder, _stage) in enumerate(self.staging)
                  if path.startswith(os.path.join(folder, "")) and real.startswith(os.path.join(folder, ""))]
        if not inside:
            raise files.FilesError("%s is not changed, because a link leads there, out of the store's own folder: "
                                   "change it where it is, or take the link away" % path)
        entry = self._placed({"folder": inside[0], "name": os.path.relpath(path, self.staging[inside[0]][0]),
                              "number": number, "existed": os.path.lexists(path)})
        if entry["existed"]:
            files.keep(path, entry["undo"])
        if content is not None:
            files.write(entry["new"], content, 0o644)
            if keep_owner and entry["existed"]:
                status = os.stat(path)
                os.chown(entry["new"], status.st_uid, status.st_gid)
                os.chmod(entry["new"], stat.S_IMODE(status.st_mode))
        return entry

    def undo(self, clean: bool = True) -> None:
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
            raise files.explain(error, "brought back")
        if clean:
            self.clean()

    def clean(self) -> None:
        """Forgets the change: what is there now stays. The journal goes first, then what it speaks of.

        Raises files.FilesError, with the change as good as before; of what it speaks of, the next run takes what stays.
        """
        try:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self.path)
                files.sync_folder(os.path.dirname(self.path))
        except OSError as error:
            raise files.explain(error, "removed")
        self.entries, self.interrupted = [], False
        for _folder, stage in self.staging:
            shutil.rmtree(stage, ignore_errors=True)


def _sync_folders(entries: "t.List[Entry]") -> None:
    for folder in sorted({os.path.dirname(entry["path"]) for entry in entries}):
        files.sync_folder(folder)
