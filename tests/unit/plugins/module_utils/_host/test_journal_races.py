# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who may rename what is in a folder swaps it between any two system calls of root's: nothing goes astray."""
import json
import os

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is another user's")
NOBODY = 65534
CALLS = ("open", "stat", "lstat", "fstat", "mkdir", "rmdir", "rename", "unlink", "link", "symlink", "readlink",
         "listdir", "fchmod", "fchown", "fsync")
REAL = {name: getattr(os, name) for name in CALLS}


class Scene:
    """A folder of root's that others may write to, what is staged for it, and a victim elsewhere on the file system."""

    def __init__(self, base):
        self.base = base
        self.folder, self.stage, self.victim = base / "live", base / "live" / ".ca.pem.host_trust", base / "victim"
        for folder in (self.folder, self.folder / "sub", self.victim):
            folder.mkdir()
            for name in ("old", "kept"):
                (folder / name).write_bytes(b"precious " + name.encode())
        (self.victim / "secret").write_bytes(b"secret")
        os.chmod(str(self.folder), 0o777)
        self.staging = [(str(self.folder), str(self.stage))]
        self.before = self.look()

    def look(self):
        """What must stay as it is: the victim's files, and that nobody else has a name for them."""
        return sorted((path.name, path.read_bytes(), path.stat().st_mode, path.stat().st_uid, path.stat().st_nlink)
                      for path in self.victim.iterdir())

    def changes(self):
        return {str(self.folder / "new"): b"new", str(self.folder / "old"): None,
                str(self.folder / "sub" / "kept"): b"changed"}

    def planted(self):
        """What somebody would like root to do, as a stage of theirs; a link leads out of the folder."""
        stage = self.base / "planted"
        stage.mkdir(mode=0o700)
        (self.folder / "way").symlink_to(str(self.victim))
        names = [("way/old", True), ("way/secret", False), ("way/more", True)]
        (stage / host_journal.JOURNAL).write_text(json.dumps(
            [{"folder": 0, "name": name, "number": number, "existed": existed}
             for number, (name, existed) in enumerate(names)]))
        for number in range(len(names)):
            (stage / ("%d.undo" % number)).write_bytes(b"evil")
        for path in [stage] + list(stage.iterdir()):
            os.chown(str(path), NOBODY, NOBODY)
        return stage


class Swap:
    """Exchanges ``at`` with ``other``, there and back."""

    def __init__(self, at, other):
        self.at, self.other, self.done = str(at), str(other), False

    def __call__(self):
        if self.done or os.path.lexists(self.at):
            aside = self.at + ".aside"
            for source, target in ((self.at, aside), (self.other, self.at), (aside, self.other)):
                if os.path.lexists(source):
                    REAL["rename"](source, target)
            self.done = not self.done


def swaps(scene, what):
    """What is exchanged with what."""
    if what == "the stage by another":
        return Swap(scene.stage, scene.planted())
    link = scene.base / "link"
    link.symlink_to(str(scene.victim))
    return Swap({"the stage by a link": scene.stage, "the folder by a link": scene.folder,
                 "a subfolder by a link": scene.folder / "sub"}[what], link)


def meddled(monkeypatch, swap, number, back):
    """Swaps before the ``number``-th call from now on, and back before the next one if asked; counts the calls."""
    count = [0]

    def wrap(name):
        def wrapped(*args, **kwargs):
            if not wrapped.busy[0]:
                wrapped.busy[0] = True
                count[0] += 1
                if count[0] == number or back and count[0] == number + 1 and swap.done:
                    swap()
                wrapped.busy[0] = False
            return REAL[name](*args, **kwargs)
        wrapped.busy = busy
        monkeypatch.setattr(os, name, wrapped)
    busy = [False]
    for name in CALLS:
        wrap(name)
    return count


def changed(scene):
    """A run that changes something and proves it."""
    journal = host_journal.Journal(scene.staging)
    journal.overlay()
    journal.change(scene.changes(), [str(scene.folder / "sub" / "kept")])
    journal.clean()


def recovered(scene):
    """A run after one that was killed."""
    journal = host_journal.Journal(scene.staging)
    journal.overlay()
    journal.undo(clean=False)
    journal.clean()


@pytest.mark.parametrize("back", [False, True], ids=["for good", "for one call"])
@pytest.mark.parametrize("what", ["the stage by another", "the stage by a link", "the folder by a link",
                                  "a subfolder by a link"])
@pytest.mark.parametrize("run", [changed, recovered])
def test_a_swap_between_any_two_calls_leads_nowhere(tmp_path, monkeypatch, run, what, back):
    number, total, refused = 0, 1, 0
    while number <= total:
        number += 1
        base = tmp_path / str(number)
        base.mkdir()
        scene = Scene(base)
        if run is recovered:
            host_journal.Journal(scene.staging).change(scene.changes(), ())
        swap = swaps(scene, what)
        with monkeypatch.context() as patched:
            count = meddled(patched, swap, number, back)
            try:
                run(scene)
            except files.FilesError:
                refused += 1
        total = max(total, count[0])
        assert scene.look() == scene.before, "%s before call %d" % (what, number)
    assert total > 30 and (refused or back or what == "the folder by a link")


def test_a_folder_of_another_user_is_refused(tmp_path):
    scene = Scene(tmp_path)
    os.chown(str(scene.folder), NOBODY, NOBODY)
    with pytest.raises(files.FilesError, match="live can't be changed: the folder belongs to another user"):
        host_journal.Journal(scene.staging).change(scene.changes(), ())
    assert not scene.stage.exists() and (scene.folder / "old").exists()
