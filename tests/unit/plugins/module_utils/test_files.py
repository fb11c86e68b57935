# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks, and paths inside a root."""
import os
import subprocess
import sys
import time

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files


def test_lock_waits_and_names_its_holder(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", (
        "import fcntl, os, sys, time\n"
        "fd = os.open(sys.argv[1], os.O_RDONLY)\nfcntl.flock(fd, fcntl.LOCK_EX)\nprint('held', flush=True)\n"
        "time.sleep(60)"), str(tmp_path)], stdout=subprocess.PIPE)
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
