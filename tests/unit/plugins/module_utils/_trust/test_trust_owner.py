# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root changes a bundle in a user's folder with that user's rights, whatever is swapped there meanwhile."""
import os
import shutil
import tempfile

import pytest
from converging import A, B, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import owner as trust_owner
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as another user")
NOBODY = 65534


@pytest.fixture
def folder():
    """A user's folder where that user can get to; pytest's own are root's alone."""
    made = tempfile.mkdtemp()
    os.chown(made, NOBODY, NOBODY)
    yield made
    shutil.rmtree(made)


def told(folder, *wanted, **options):
    store = stores.choose("bundle", os.path.join(folder, "ca.pem"), "/")
    return trust_owner.told(store, list(wanted), options.get("purge", "none"), "auto", options.get("check", False))


def owner(path):
    return os.stat(path).st_uid, os.stat(path).st_gid


def held(folder):
    with open(os.path.join(folder, "ca.pem")) as stream:
        return stream.read()


def test_what_is_made_is_the_users(folder):
    assert told(folder, want(A), check=True)["changed"] and os.listdir(folder) == []
    assert told(folder, want(A))["changed"] and not told(folder, want(A))["changed"]
    assert os.listdir(folder) == ["ca.pem"] and owner(os.path.join(folder, "ca.pem")) == (NOBODY, NOBODY)
    assert told(folder, want(B), purge="all")["changed"]
    assert "Root B" in held(folder) and "Root A" not in held(folder)


def test_what_root_made_there_before_becomes_the_users(folder):
    """Earlier versions wrote as root. Nobody but root can give a file to root, and what is taken back is a copy."""
    path = os.path.join(folder, "ca.pem")
    with open(path, "w") as stream:
        stream.write(A.pem)
    os.chmod(path, 0o644)
    assert told(folder, want(A), want(B))["changed"]
    assert owner(path) == (NOBODY, NOBODY) and os.stat(path).st_mode & 0o7777 == 0o644
    assert A.pem in held(folder) and "Root B" in held(folder)


def test_a_group_does_not_lose_its_rights_without_a_word(folder):
    path = os.path.join(folder, "ca.pem")
    with open(path, "w") as stream:
        stream.write(A.pem)
    os.chown(path, NOBODY, 12345)
    os.chmod(path, 0o640)
    with pytest.raises(files.FilesError, match=r"ca\.pem can't be changed: its group \(12345\) would lose its rights"):
        told(folder, want(B))
    assert held(folder) == A.pem and os.listdir(folder) == ["ca.pem"]
    os.chmod(path, 0o644)
    assert told(folder, want(B))["changed"]


def test_what_the_user_may_not_do_is_said(folder):
    inner = os.path.join(folder, "of root")
    os.mkdir(inner, 0o755)
    with pytest.raises(files.FilesError) as error:
        told(inner, want(A))
    assert "owns a folder on the way there, so this is done with the rights of" in str(error.value)
    assert "become: true" not in str(error.value) and os.listdir(inner) == []


def test_no_file_that_the_user_may_not_read_gets_into_it(folder):
    """A link in the bundle's place, put there when the path has been resolved: root would read what it leads to."""
    secret = os.path.join(tempfile.gettempdir(), "secret-%d.pem" % os.getpid())
    with open(secret, "w") as stream:
        stream.write("precious\n" + A.pem)
    os.chmod(secret, 0o600)
    store = stores.choose("bundle", os.path.join(folder, "ca.pem"), "/")
    os.symlink(secret, os.path.join(folder, "ca.pem"))
    try:
        with pytest.raises(files.FilesError, match=r"ca\.pem can't be read: Permission denied"):
            trust_owner.told(store, [want(B)], "none", "auto", False)
        with open(secret) as stream:
            assert stream.read() == "precious\n" + A.pem
    finally:
        os.unlink(secret)


def test_failures_keep_their_words(folder):
    with pytest.raises(files.FilesError, match="can't be distrusted in a bundle"):
        told(folder, want(A, "distrusted"))


def test_root_works_itself_where_nobody_else_can_exchange_anything(tmp_path):
    assert told(str(tmp_path), want(A))["changed"]
    assert owner(str(tmp_path / "ca.pem")) == (0, 0)
    with pytest.raises(trust_plan.PlanError):
        told(str(tmp_path), want(A, "distrusted"))
