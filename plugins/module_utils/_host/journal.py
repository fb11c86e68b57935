# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Changes to several files as one: staged, synced, renamed in, undone as a whole.

A change is journalled before the first live file is touched, and the journal is removed when everything is proven. The
next run undoes, with ``undo``, what a killed run left between the two. Until then ``Journal.overlay`` says what the
files will be afterwards, so that check mode sees what the next run will see.

Every folder is opened once and then used by its descriptor. So nobody who can rename folders can lead a change, between
two system calls, to another place.
"""

import contextlib
import errno
import json
import os
import stat
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import folder as host_folder

if t.TYPE_CHECKING:
    Entry = t.Dict[str, t.Any]  # a file: folder (its number), name, number, existed; and the paths: path, new, undo

JOURNAL = "journal.json"


class Journal:
    """What an unfinished change did, read from the staging folders of a store (nothing where there is none).

    ``staging`` is a list of (folder whose files are changed, folder beside it on the same file system, which nobody
    reads, where they are staged); the journal is in the first of the latter. All of these are real paths. The journal
    names files by the number of their folder and the path inside it, so that it can't lead anywhere else, wherever a
    system is mounted.
    Raises files.FilesError for staging folders that somebody else could have planted.
    """

    def __init__(self, staging: "t.Sequence[t.Tuple[str, str]]") -> None:
        self.staging = staging
        self.path = os.path.join(staging[0][1], JOURNAL)
        self.hidden = False  # whether there may be one that this user can't read
        self._folders: t.Dict[str, host_folder.Folder] = {}  # by path: those that are held open
        self.stages = [self._stage_there(stage) for _folder, stage in staging]
        self.entries = self._read()
        first = self.stages[0]
        self.interrupted = first is not None and first.has(JOURNAL)  # also where it was only the extract that went on

    def left_over(self) -> bool:
        """Whether a run was killed before its change or after it, so that nothing but its staging folders is left."""
        return not self.interrupted and any(self.stages)

    def _hold(self, path: str) -> host_folder.Folder:
        if path not in self._folders:
            self._folders[path] = host_folder.hold(path)
        return self._folders[path]

    def _own(self, path: str) -> host_folder.Folder:
        """The folder at ``path``, to be changed; raises files.FilesError where another user could lead that astray."""
        folder = self._hold(path)
        if folder.status().st_uid not in (0, os.geteuid()):
            raise files.FilesError("%s can't be changed: the folder belongs to another user, who could put a link in "
                                   "the place of what is written. Run the task as that user" % path)
        return folder

    def _stage_there(self, stage: str) -> "t.Optional[host_folder.Folder]":
        """The staging folder, None where there is none that this user can see."""
        path, name = os.path.split(stage)
        try:
            found = self._hold(path).inner(name)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP) and os.path.lexists(stage):
                raise _in_the_way(stage)
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES):
                raise files.explain(error, "read")
            # Who may not look there may not change the store either: that fails later, by name.
            self.hidden = self.hidden or error.errno == errno.EACCES
            return None
        status = found.status()
        # Work in a user's folder is done as that user. Others can read what of it they like, and change nothing.
        if status.st_uid not in (0, os.geteuid(), self._hold(path).status().st_uid) or status.st_mode & 0o077:
            raise _in_the_way(stage)
        return found

    def _read(self) -> "t.List[Entry]":
        first = self.stages[0]
        if first is None:
            return []
        try:
            with host_folder.naming(self.path):
                with os.fdopen(os.open(JOURNAL, files.READ_ALONE, dir_fd=first.descriptor), "rb") as stream:
                    return [self._placed(entry) for entry in json.loads(stream.read().decode("utf-8"))]
        except EnvironmentError as error:
            if error.errno not in (errno.ENOENT, errno.EACCES):
                raise files.explain(error, "read")
            self.hidden = self.hidden or error.errno == errno.EACCES
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
                    new="%d.new" % number, undo="%d.undo" % number)

    def overlay(self) -> "t.Dict[str, t.Optional[host_folder.FolderEntry]]":
        """{path: the file that holds what is there after recovery, or None}."""
        overlay: t.Dict[str, t.Optional[host_folder.FolderEntry]] = {}
        for entry in self.entries:
            stage = self.stages[entry["folder"]]
            if not entry["existed"]:
                overlay[entry["path"]] = None
            elif stage and stage.has(entry["undo"]):
                overlay[entry["path"]] = host_folder.FolderEntry(stage, entry["undo"])
        return overlay

    def change(self, changes: "t.Mapping[str, t.Optional[bytes]]", keep_owner: "t.Collection[str]") -> None:
        """Carries out ``changes`` ({path: new bytes, or None to remove}) so that ``undo`` can take them back.

        New files get mode 0644; those of ``keep_owner`` (paths) keep the owner and mode that they have.
        Raises files.FilesError, with all files as they were.
        """
        self.clean()
        try:
            stages = [self._stage_made(number) for number in range(len(self.staging))]
            entries = [self._stage(number, path, changes[path], path in keep_owner)
                       for number, path in enumerate(sorted(changes))]
            kept = [{key: entry[key] for key in ("folder", "name", "number", "existed")} for entry in entries]
            first = stages[0].descriptor
            with host_folder.naming(self.path):
                files.write(JOURNAL + ".new", json.dumps(kept).encode("ascii"), 0o600, folder=first)
                os.rename(JOURNAL + ".new", JOURNAL, src_dir_fd=first, dst_dir_fd=first)
            stages[0].sync()
            self.entries = entries
            for entry, path in zip(entries, sorted(changes)):
                live, name = self._live(entry)
                with host_folder.naming(entry["path"]):
                    if changes[path] is not None:
                        os.rename(entry["new"], name, src_dir_fd=stages[entry["folder"]].descriptor,
                                  dst_dir_fd=live.descriptor)
                    else:
                        os.unlink(name, dir_fd=live.descriptor)
            self._sync(entries)
        except OSError as error:
            self.undo()
            raise files.explain(error)
        except files.FilesError:
            self.undo()
            raise

    def _stage_made(self, number: int) -> host_folder.Folder:
        stage = self.staging[number][1]
        path, name = os.path.split(stage)
        parent = self._own(path)
        with host_folder.naming(stage):
            try:
                os.mkdir(name, 0o700, dir_fd=parent.descriptor)
            except FileExistsError:
                raise _in_the_way(stage)
        try:
            found = parent.inner(name)
            status = found.status()
            if status.st_uid != os.geteuid() or status.st_mode & 0o077 or found.names():
                raise _in_the_way(stage)
        except (OSError, files.FilesError):
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=parent.descriptor)  # nobody knows of it but this run
            raise
        self.stages[number] = found
        return found

    def _stage(self, number: int, path: str, content: "t.Optional[bytes]", keep_owner: bool) -> "Entry":
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        inside = [index for index, (folder, _stage) in enumerate(self.staging)
                  if path.startswith(os.path.join(folder, "")) and real.startswith(os.path.join(folder, ""))]
        if not inside:
            raise files.FilesError("%s is not changed, because a link leads there, out of the store's own folder: "
                                   "change it where it is, or take the link away" % path)
        entry = self._placed({"folder": inside[0], "name": os.path.relpath(real, self.staging[inside[0]][0]),
                              "number": number, "existed": False})
        live, name = self._live(entry)
        stage = t.cast(host_folder.Folder, self.stages[entry["folder"]])
        entry["existed"] = live.has(name)
        with host_folder.naming(path):
            status = live.status(name) if entry["existed"] else None
            if status:
                files.keep(name, entry["undo"], live.descriptor, stage.descriptor)
        with host_folder.naming(os.path.join(stage.path, entry["new"])):
            if content is not None:
                if not keep_owner or status is None or not stat.S_ISREG(status.st_mode):
                    files.write(entry["new"], content, 0o644, folder=stage.descriptor)
                else:
                    files.write(entry["new"], content, stat.S_IMODE(status.st_mode), _owner(path, status),
                                stage.descriptor)
        return entry

    def _live(self, entry: "Entry") -> "t.Tuple[host_folder.Folder, str]":
        """(the folder that a file is in, its name there); no link is followed on the way. Raises OSError."""
        path, name = os.path.split(entry["path"])
        folder = self._own(self.staging[entry["folder"]][0])
        if path not in self._folders:
            self._folders[path] = folder.inner(os.path.relpath(path, folder.path))
        return self._folders[path], name

    def undo(self, clean: bool = True) -> None:
        """Brings the former files back; can be killed and called again. Without ``clean`` the staging folders stay."""
        failed = None
        for entry in self.entries:  # each of them, whatever becomes of the others
            try:
                self._bring_back(entry)
            except OSError as error:
                failed = failed or error
        try:
            if failed:
                raise failed
            self._sync(self.entries)
        except OSError as error:
            raise files.explain(error, "brought back")
        if clean:
            self.clean()

    def _bring_back(self, entry: "Entry") -> None:
        stage = t.cast(host_folder.Folder, self.stages[entry["folder"]])  # its journal is there
        with host_folder.naming(entry["path"]):
            live, name = self._live(entry)
            if not entry["existed"]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=live.descriptor)
            elif stage.has(entry["undo"]):
                try:
                    os.rename(entry["undo"], name, src_dir_fd=stage.descriptor, dst_dir_fd=live.descriptor)
                except PermissionError:
                    # What can't be replaced was not changed either: an immutable file is still the old one.
                    if not _is_copy(host_folder.FolderEntry(stage, entry["undo"]), host_folder.FolderEntry(live, name)):
                        raise

    def clean(self) -> None:
        """Forgets the change: what is there now stays. The journal goes first, then what it speaks of.

        Raises files.FilesError, with the change as good as before; of what it speaks of, the next run takes what stays.
        """
        try:
            if self.stages[0]:
                with host_folder.naming(self.path), contextlib.suppress(FileNotFoundError):
                    os.unlink(JOURNAL, dir_fd=self.stages[0].descriptor)
                    self.stages[0].sync()
        except OSError as error:
            raise files.explain(error, "removed")
        self.entries, self.interrupted = [], False
        for number, stage in enumerate(self.stages):
            if stage:
                path, name = os.path.split(stage.path)
                stage.empty()
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=self._hold(path).descriptor)
                self.stages[number] = None

    def _sync(self, entries: "t.List[Entry]") -> None:
        for path in sorted({os.path.dirname(entry["path"]) for entry in entries}):
            self._folders[path].sync()


def _in_the_way(stage: str) -> files.FilesError:
    return files.FilesError("%s is in the way: it is not the private folder that a run of this module leaves when it "
                            "is killed. Look at it, and remove it" % stage)


def _owner(path: str, status: os.stat_result) -> "t.Tuple[int, int]":
    """(uid, gid) of a file in the place of one with that status; raises files.FilesError where a group loses rights."""
    owner, mode = files.possible_owner(status), stat.S_IMODE(status.st_mode)
    if owner[1] != status.st_gid and mode >> 3 & 7 & ~mode:
        raise files.FilesError("%s can't be changed: its group (%d) would lose its rights, because only root or a "
                               "member can give files to it" % (path, status.st_gid))
    return owner


def _is_copy(one: host_folder.FolderEntry, other: host_folder.FolderEntry) -> bool:
    """Whether two places hold the same: links that lead to the same, or files with the same bytes."""
    return _held(one) == _held(other)


def _held(place: host_folder.FolderEntry) -> "t.Union[str, bytes]":
    if stat.S_ISLNK(place.folder.status(place.name).st_mode):
        return os.readlink(place.name, dir_fd=place.folder.descriptor)
    with os.fdopen(os.open(place.name, files.READ_ALONE, dir_fd=place.folder.descriptor), "rb") as stream:
        return stream.read()
