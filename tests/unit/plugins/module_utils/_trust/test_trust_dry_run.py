# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that is only looked at: when that is all, and when the module has to do something."""
import os

import pytest
from converging import A, B, converge, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import dry_run, stores

TO_BE_DONE = {"unsent": []}


def glance(system, *anchors, **options):
    """What a look at a fake root says."""
    check_mode = options.pop("check_mode", False)
    return dry_run.glance(dict(
        {"store": "auto", "bundle_path": None, "root": system.path, "purge": "none", "extract": "auto",
         "anchors": list(anchors)}, **options), check_mode)


def listed(pair, state="present"):
    return {"name": None, "state": state, "fingerprint": pair.fingerprint}


def test_what_is_wanted_and_there_is_all(system):
    converge(system, want(A))
    found = glance(system, listed(A), listed(B, "absent"))
    outcome = converge(system, want(A), want(B, "absent")._replace(certificate=None))
    assert found == dry_run.told(system.store, outcome, False) and found["changed"] is False
    assert [one["subject"] for one in found["anchors"]] == ["CN=Root A", None]


def test_what_is_missing_is_asked_for(system):
    converge(system, want(A))
    assert glance(system, listed(A), listed(B)) == {"unsent": [B.fingerprint]}
    assert glance(system, listed(A), listed(B), check_mode=True) == {"changed": False, "unsent": [B.fingerprint]}


def test_what_is_to_be_done_is_told_in_check_mode_alone(system):
    converge(system, want(A))
    assert glance(system, listed(A, "absent")) == glance(system, extract="always") == TO_BE_DONE
    foreseen = glance(system, listed(A, "absent"), check_mode=True)
    assert foreseen["changed"] and [step["action"] for step in foreseen["plan"]] == ["remove", "extract"]


def leave_stage(system):
    os.makedirs(system.store.staging[0][1], 0o700)


def leave_change(system):
    outcome = dry_run.look(system.store, [want(B)], "none", "auto")
    host_journal.Journal(system.store.staging).change(outcome.plan.changes, ())


def is_taken_away(system):
    assert glance(system, listed(A)) == TO_BE_DONE
    assert "unsent" not in glance(system, listed(A), check_mode=True)
    converge(system, want(A))
    return glance(system, listed(A))["changed"] is False


@pytest.mark.parametrize("leave", [leave_stage, leave_change])
def test_what_a_killed_run_has_left_is_to_be_taken_away(system, leave):
    converge(system, want(A))
    leave(system)
    assert is_taken_away(system)


def test_so_is_a_link_that_stands_in_for_the_hashed_ones(redhat):
    converge(redhat, want(A))
    os.symlink(stores.bridge_to(redhat.store.fallback_bundle, redhat.store.bundles[0][1]), redhat.store.fallback_bundle)
    assert is_taken_away(redhat)


def test_paths_are_the_hosts(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APP", "app")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "ca.pem").write_text(u"")
    options = {"store": "bundle", "purge": "none", "extract": "auto", "anchors": []}
    found = dry_run.glance(dict(options, bundle_path="~/$APP/ca.pem", root="/"), False)
    assert found["bundle"] == str(tmp_path / "app" / "ca.pem")
    found = dry_run.glance(dict(options, bundle_path="/app/ca.pem", root="$HOME"), False)
    assert found["bundle"] == str(tmp_path / "app" / "ca.pem")
