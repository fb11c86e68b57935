# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run left half done, and what somebody has changed since, is seen and put right."""
import os

import pytest
from converging import CLIENTS, MOZILLA, A, B, actions, converge, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509


def test_a_half_finished_run_is_finished(system):
    """The files were copied and nobody extracted: the fault that other tools never notice again."""
    stored = os.path.join(system.store.anchors, anchor_file.file_name("x", A.fingerprint, system.store.suffix))
    system.write(stored, anchor_file.managed_block("x", x509.parse(A.der)))
    done = converge(system, want(A))
    assert actions(done) == ["extract"] and "lacks CN=Root A" in done.plan.steps[0].reason
    assert A.fingerprint in system.trusted()


def test_an_edited_store_is_repaired(system):
    converge(system, want(A))
    with open(system.store.bundles[0][1], "w") as stream:
        stream.write(MOZILLA[0].pem)
    assert actions(converge(system, want(A))) == ["extract"]
    assert A.fingerprint in system.trusted()


def test_a_missing_bundle_is_extracted_again(system):
    converge(system, want(A))
    os.unlink(system.store.bundles[0][1])
    done = converge(system, want(A))
    assert actions(done) == ["extract"] and "%s lacks CN=Root A" % system.store.bundles[0][1] in (
        done.plan.steps[0].reason)
    assert A.fingerprint in system.trusted()


def test_a_bundle_as_old_as_the_last_removal_is_current(system):
    converge(system, want(A))
    with open(system.store.bundles[0][1], "a") as stream:
        stream.write(B.pem)
    for seconds, expected in ((1000, []), (1001, ["extract"])):
        os.utime(system.store.bundles[0][1], (1000, 1000))
        os.utime(system.store.anchors, (seconds, seconds))
        assert actions(converge(system, want(A), purge="all", check=True)) == expected


def test_removed_by_hand_and_not_extracted(system):
    converge(system, want(A), want(B))
    os.unlink(os.path.join(system.store.anchors, anchor_file.file_name("Root B", B.fingerprint, system.store.suffix)))
    assert actions(converge(system, want(A))) == []
    assert actions(converge(system, want(A), purge="all")) == ["extract"]
    assert B.fingerprint not in system.trusted()
    assert actions(converge(system, want(A), purge="all")) == []


def test_a_removed_ca_for_clients_is_looked_for_where_it_was(redhat):
    converge(redhat, want(CLIENTS))
    os.unlink(os.path.join(redhat.store.anchors, list(redhat.anchors())[0]))
    assert actions(converge(redhat, want(CLIENTS, "absent"))) == ["extract"]
    assert actions(converge(redhat, want(CLIENTS, "absent"))) == []


def test_a_distrusted_ca_may_stay_in_the_bundle_of_all_certificates(redhat):
    """p11-kit lists it there as distrusted, so another extract would not remove it."""
    converge(redhat, want(A, "distrusted"))
    with open(redhat.store.untrusted_bundle, "a") as stream:
        stream.write(A.pem)
    assert actions(converge(redhat, want(A, "absent"))) == []


def test_a_source_that_is_not_known_here_is_no_reason_to_extract_for_ever(redhat):
    converge(redhat, want(A), purge="all")
    with open(redhat.store.bundles[0][1], "a") as stream:
        stream.write(B.pem)
    assert actions(converge(redhat, want(A), purge="all")) == []


def test_our_files_get_their_mode_back_and_are_made_again_when_cut(system):
    converge(system, want(A))
    path = os.path.join(system.store.anchors, list(system.anchors())[0])
    os.chmod(path, 0o600)
    done = converge(system, want(A))
    assert actions(done) == ["repair", "extract"] and "0600" in done.plan.steps[0].reason
    assert os.stat(path).st_mode & 0o7777 == 0o644
    with open(path, "rb+") as stream:
        stream.truncate(300)
    assert actions(converge(system, want(A))) == ["install", "extract"]
    assert actions(converge(system, want(A))) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("owner", [(12345, 0), (0, 12345)])
def test_our_files_get_their_owner_and_group_back(system, owner):
    converge(system, want(A))
    path = os.path.join(system.store.anchors, list(system.anchors())[0])
    os.chown(path, *owner)
    done = converge(system, want(A))
    assert actions(done) == ["repair", "extract"] and done.plan.steps[0].reason == "its owner is not root"
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (0, 0)
    assert actions(converge(system, want(A))) == []


def test_a_truncated_distrust_file_is_rewritten_with_mode_0644(redhat):
    converge(redhat, want(A, "distrusted"))
    (name,) = os.listdir(redhat.store.distrusted[0])
    path = os.path.join(redhat.store.distrusted[0], name)
    with open(path, "rb+") as stream:
        stream.truncate(300)
    os.chmod(path, 0o600)
    assert actions(converge(redhat, want(A, "distrusted"))) == ["distrust", "extract"]
    assert os.stat(path).st_mode & 0o7777 == 0o644
    assert actions(converge(redhat, want(A, "distrusted"))) == []


def test_what_openssl_finds_by_hash_counts_too(system):
    """Hashed links that are gone or were never made, while the bundle is in order."""
    converge(system, want(A))
    for name in os.listdir(system.store.hashed):
        if name.endswith(".0"):
            os.unlink(os.path.join(system.store.hashed, name))
    done = converge(system, want(A))
    assert actions(done) == ["extract"] and "%s lacks CN=Root A" % system.store.hashed in done.plan.steps[0].reason
    assert actions(converge(system, want(A))) == []


def test_only_the_first_certificate_behind_a_hashed_link_counts(redhat):
    """OpenSSL reads no further."""
    converge(redhat, want(A))
    for name in os.listdir(redhat.store.hashed):
        path = os.path.join(redhat.store.hashed, name)
        with open(path) as stream:
            found = stream.read()
        if name.endswith(".0"):
            redhat.write(path, (MOZILLA[0].pem + (A.pem if found == A.pem else "")).encode())
    done = converge(redhat, want(A))
    assert actions(done) == ["extract"] and "%s lacks CN=Root A" % redhat.store.hashed in done.plan.steps[0].reason
