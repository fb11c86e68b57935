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


def holder(folder, then):
    """A process that holds the lock of a folder and then does something else; it has said its first line."""
    process = subprocess.Popen([sys.executable, "-c", (
        "import subprocess, sys, time\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files\n"
        "with _files.lock(sys.argv[1], 1):\n"
        "    %s" % then), str(folder), files.__file__.partition("/ansible_collections/")[0]], stdout=subprocess.PIPE)
    return process, process.stdout.readline().decode("ascii").strip()


def test_lock_waits_and_names_its_holder(tmp_path):
    process, _said = holder(tmp_path, "print('held', flush=True); time.sleep(60)")
    try:
        start = time.time()
        with pytest.raises(files.FilesError) as caught:
            with files.lock(str(tmp_path), 0.3):
                pass
        assert 0.3 <= time.time() - start < 5
        assert "process %d" % process.pid in str(caught.value)
    finally:
        process.kill()
        process.communicate()
    with files.lock(str(tmp_path), 1):
        assert os.listdir(str(tmp_path)) == []


STARTS = "child = subprocess.Popen(['sleep', '60'], close_fds=False); print(child.pid, flush=True); "


def test_what_a_killed_holder_has_started_goes_on_holding_the_lock(tmp_path):
    """An extract must not run beside that of the next run. Without a kill, a service that it started holds nothing."""
    process, child = holder(tmp_path, STARTS + "time.sleep(60)")
    process.kill()
    process.wait()
    try:
        with pytest.raises(files.FilesError) as caught:
            with files.lock(str(tmp_path), 0.3):
                pass
        assert "process %s (sleep 60)" % child in str(caught.value)
    finally:
        os.kill(int(child), 9)
    with files.lock(str(tmp_path), 10):
        pass
    process.stdout.close()
    process, child = holder(tmp_path, STARTS)
    process.wait()
    with files.lock(str(tmp_path), 0.3):
        os.kill(int(child), 9)
    process.stdout.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has something that others can't lock")
def test_nobody_else_can_hold_the_lock_of_root(tmp_path):
    """Whoever may read a folder may lock it, and would keep root from renewing its certificates."""
    folder = os.open(str(tmp_path), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with files.lock(str(tmp_path), 0.1):
            assert os.stat(files.LOCKS).st_mode & 0o077 == 0
    finally:
        os.close(folder)


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
