# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that was killed has left is undone by the next one."""
import os

import pki
import pytest
from converging import A, B, actions, converge, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import dry_run
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extract as trust_extract


def test_interrupted_runs_are_undone_and_done_again(system):
    converge(system, want(A))
    outcome = dry_run.look(system.store, [want(B), want(A, "absent")], "none", "auto")
    host_journal.Journal(system.store.staging).change(outcome.plan.changes, ())
    # Killed here. What is said in check mode is what the next run does, whatever is asked of it.
    foreseen = converge(system, want(A), check=True)
    done = converge(system, want(A))
    assert actions(foreseen) == actions(done) == ["recover", "extract"]
    assert A.fingerprint in system.trusted() and len(system.anchors()) == 1
    assert actions(converge(system, want(A))) == []


def test_an_interrupted_run_whose_successor_fails_is_not_forgotten(system):
    outcome = dry_run.look(system.store, [want(A)], "none", "auto")
    host_journal.Journal(system.store.staging).change(outcome.plan.changes, ())
    system.extract()  # and killed here
    leaf = pki.issue("leaf", dns=["leaf"])
    if system.kind == "redhat":
        with pytest.raises(trust_converge.TrustError):
            converge(system, want(leaf))
    else:
        system.said = (1, "disk full")
        with pytest.raises(trust_converge.TrustError):
            converge(system, want(B))
        system.said = (0, "")
        converge(system, want(B))
    assert A.fingerprint not in system.trusted()


def test_killed_in_the_middle_of_the_recovery(system, monkeypatch):
    outcome = dry_run.look(system.store, [want(A)], "none", "auto")
    host_journal.Journal(system.store.staging).change(outcome.plan.changes, ())
    system.extract()

    class Killed(BaseException):
        pass

    def killed(command, root):
        raise Killed()
    with monkeypatch.context() as patched:
        patched.setattr(trust_extract, "run", killed)
        with pytest.raises(Killed):
            converge(system, want(B))
    assert actions(converge(system, want(B), check=True))[0] == "recover"
    converge(system, want(B))
    assert A.fingerprint not in system.trusted() and B.fingerprint in system.trusted()


def test_what_a_killed_run_left_is_cleaned_though_nothing_changes(system):
    """Killed after its last change, when only its folders were still there: no step, and yet they go."""
    converge(system, want(A))
    for _folder, stage in system.store.staging:
        os.mkdir(stage, 0o700)
        system.write(os.path.join(stage, "0.undo"), b"former")
    assert actions(converge(system, want(A), check=True)) == []
    assert os.path.exists(system.store.staging[0][1])
    assert actions(converge(system, want(A))) == []
    assert not any(os.path.lexists(stage) for _folder, stage in system.store.staging)


def test_half_an_extracted_file_goes_in_the_recovery(system):
    """Also where nothing but the extract was going on: the next one of Debian's would append to it."""
    converge(system, want(A))
    (pattern,) = system.store.temp_patterns
    scrap = pattern.replace("/*/*.", "/pem/tls-ca-bundle.pem.").replace("[A-Za-z0-9]", "x")
    system.write(scrap, B.pem.encode())
    host_journal.Journal(system.store.staging).change({}, ())
    assert actions(converge(system, want(A), check=True)) == ["recover", "extract"]
    assert actions(converge(system, want(A))) == ["recover", "extract"]
    assert not os.path.exists(scrap) and actions(converge(system, want(A))) == []
