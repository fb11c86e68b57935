# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each of those that change something waits for a lock that is never given back, and what it says then."""
import os
import time

import pytest
from certificate_options import Bench
from converging import A, actions, converge, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import converge as nss_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import plan as nss_plan

MOST = 120  # seconds, as docs/security.md has it
SAID = "is locked for more than %%d seconds by process %d " % os.getpid()


class Clock:
    """The monotonic clock, but that nobody has to wait. The wall clock is set back an hour at each look at it."""

    def __init__(self):
        self.now = self.began = time.monotonic()
        self.wall = time.time()

    def monotonic(self):
        return self.now

    def time(self):
        self.wall -= 3600
        return self.wall

    def sleep(self, seconds):
        self.now += seconds
        assert self.waited() < MOST + 1, "it waits on and on"

    def waited(self):
        return self.now - self.began


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(time, "time", made.time)
    monkeypatch.setattr(time, "monotonic", made.monotonic)
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


def test_for_a_trust_store(system, clock):
    files.make_folder(system.store.anchors)
    with files.lock(system.store.anchors, 0):
        with pytest.raises(files.FilesError, match=SAID % MOST):
            converge(system, want(A))
    assert clock.waited() >= MOST and not system.anchors()
    assert actions(converge(system, want(A))) == ["install", "extract"]


def test_for_databases_of_nss(tmp_path, clock, monkeypatch):
    """Root's lock is one for all of them. Here it is another folder, for others may hold the real one."""
    real = files.lock
    monkeypatch.setattr(files, "lock", lambda folder, seconds: real(str(tmp_path) + folder, seconds))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(nss_converge, "find", lambda _patterns: ([], []))
    there = [nss_plan.Database("/etc/pki/nssdb", "root", True, False, None, [])]
    monkeypatch.setattr(nss_converge, "observe", lambda _places: there)
    with files.lock("/", 0):
        with pytest.raises(files.FilesError, match=SAID % MOST):
            nss_converge.converge([], [want(A)])
    assert clock.waited() >= MOST


def test_for_keys_and_certificates(tmp_path, clock, monkeypatch):
    """The time is for all folders together: the first one is given back late, and the other one never."""
    bench, real = Bench(tmp_path), files.lock
    os.mkdir(bench.path("keys"))

    def late(folder, seconds):
        clock.now += 25 if folder == bench.folder else 0
        return real(folder, seconds)

    with files.lock(bench.path("keys"), 0):
        monkeypatch.setattr(files, "lock", late)
        with pytest.raises(Failure, match=SAID % 35):
            bench.csr(common_name="web1", privatekey_path="keys/web.key")
    assert 60 <= clock.waited() < 61 and not bench.look() and not os.listdir(bench.path("keys"))
