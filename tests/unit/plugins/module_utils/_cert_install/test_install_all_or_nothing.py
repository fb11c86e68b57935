# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing that fails or is disturbed: all files are as they were."""
import os

import pki
import pytest
from installing import Corp, next_pair, renewed

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import install
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files, replace


def test_writing_fails_and_all_is_as_it_was(web1, monkeypatch):
    web1.install()
    pair, rename, done = next_pair(web1), os.rename, []

    def fails_third(source, target):
        done.append(target)
        if len(done) == 3:
            raise OSError(28, "No space left on device", target)
        rename(source, target)
    monkeypatch.setattr(replace.os, "rename", fails_third)
    assert "No space left on device; free some space there" in web1.refused(content=pair.pem + Corp.chain)
    assert len(done) > 3, "two files were put back"


def test_runs_at_the_same_time_wait_for_each_other(web1, monkeypatch):
    monkeypatch.setattr(replace, "LOCK_SECONDS", 0)
    with files.lock(str(web1.folder), 0):
        assert "%s is locked for more than 0 seconds by process %d " % (web1.folder, os.getpid()) in web1.refused()


def test_the_folder_of_the_key_is_locked(web1, monkeypatch):
    """Otherwise csr could replace the next key during this run."""
    monkeypatch.setattr(replace, "LOCK_SECONDS", 0)
    (web1.folder / "keys").mkdir()
    web1.write("keys/web.key", Corp.web.key_pem(), 0o600)
    with files.lock(web1.at("keys"), 0):
        with pytest.raises(files.FilesError, match="%s is locked for more than" % web1.at("keys")):
            web1.install(privatekey_path=web1.at("keys/web.key"))
    assert not os.path.exists(web1.at("web.crt"))


def test_a_key_replaced_by_somebody_else_fails_the_proof(web1, monkeypatch):
    real = replace.replace

    def disturbed(replacements, backup, prove):
        def proven():
            web1.write("web.key", pki.server().key_pem())
            prove()
        return real(replacements, backup, proven)
    monkeypatch.setattr(replace, "replace", disturbed)
    with pytest.raises(files.FilesError, match="web.key is not what was just written"):
        web1.install()
    assert os.listdir(str(web1.folder)) == ["web.key"]


def test_somebody_else_writes_there(web1, monkeypatch):
    real = replace.replace

    def disturbed(replacements, backup, prove):
        def proven():
            web1.write("web.crt", "mine")
            prove()
        return real(replacements, backup, proven)
    monkeypatch.setattr(replace, "replace", disturbed)
    before = web1.everything()
    with pytest.raises(files.FilesError, match="web.crt is not what was just written"):
        web1.install()
    assert web1.everything() == before  # all or nothing


def test_what_was_written_and_cannot_be_read_is_taken_back(web1, monkeypatch):
    web1.install()
    before = web1.everything()
    real = install.observe

    def unreadable(*arguments):
        monkeypatch.setattr(install, "observe", broken)
        return real(*arguments)

    def broken(*_arguments):
        raise install.InstallationError("%s: it can't be read: Input/output error" % web1.at("web.crt"))
    monkeypatch.setattr(install, "observe", unreadable)
    with pytest.raises(install.InstallationError, match="Input/output error"):
        web1.install(content=renewed((-1, 300)).pem + Corp.chain)
    assert web1.everything() == before
