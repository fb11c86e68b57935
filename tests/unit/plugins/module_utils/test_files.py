# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks, and paths inside a root."""
import fcntl
import os
import subprocess
import sys
import time

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files


def test_lock_waits_and_names_its_holder(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", (
        "import sys, time\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files\n"
        "with _files.lock(sys.argv[1], 1):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)"), str(tmp_path), files.__file__.partition("/ansible_collections/")[0]],
        stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        start = time.time()
        with pytest.raises(files.FilesError) as caught:
            with files.lock(str(tmp_path), 0.3):
                pass
        assert 0.3 <= time.time() - start < 5
        assert "process %d" % holder.pid in str(caught.value)
    finally:
        holder.kill()
        holder.communicate()
    with files.lock(str(tmp_path), 1):
        assert os.listdir(str(tmp_path)) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something that others can't lock")
def test_nobody_else_can_hold_the_lock_of_root(tmp_path):
    """Whoever may read a folder may lock it, and would keep root from renewing its certificates."""
    tmp_path.chmod(0o755)
    folder = os.open(str(tmp_path), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with files.lock(str(tmp_path), 0.1):
            assert os.stat(files.LOCKS).st_mode & 0o077 == 0
    finally:
        os.close(folder)


def test_what_nobody_else_can_read_is_locked_itself(tmp_path, monkeypatch):
    """Containers that share a private CA's folder have each a /run of their own."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(files, "LOCKS", str(tmp_path / "one container's"))
    with files.lock(str(tmp_path), 1):
        monkeypatch.setattr(files, "LOCKS", str(tmp_path / "another one's"))
        with pytest.raises(files.FilesError, match="is locked for more than"):
            with files.lock(str(tmp_path), 0.1):
                pass


def test_a_root_is_a_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert files.system_root("/") == "/" and files.system_root(str(tmp_path / "link")) == str(tmp_path)
    for wrong in ("", "mnt", str(tmp_path / "nosuch")):
        with pytest.raises(files.FilesError, match="^root: .* is no folder, or not given from / on$"):
            files.system_root(wrong)


def test_resolve_stays_inside_the_root(tmp_path):
    root = str(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "absolute").symlink_to("/real/deep")
    (tmp_path / "etc" / "up").symlink_to("../../../../real")
    (tmp_path / "etc" / "loop").symlink_to("loop")
    assert files.resolve(root, "/etc/absolute/x") == root + "/real/deep/x"
    assert files.resolve(root, "/etc/up/x") == root + "/real/x"
    assert files.resolve(root, "/../../etc/./passwd") == root + "/etc/passwd"
    assert files.resolve(root, "/") == root + "/"
    with pytest.raises(files.FilesError, match="too many links"):
        files.resolve(root, "/etc/loop")
    assert files.resolve("/", root + "/etc/../etc") == os.path.realpath(root + "/etc")
