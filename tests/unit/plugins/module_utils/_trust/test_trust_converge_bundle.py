# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store that is one PEM file at a path of the user's."""
import os
import tempfile

import pytest
from converging import ALL, ISSUING, A, B, actions, want
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores


def bundle_store(folder):
    return stores.choose("bundle", os.path.join(str(folder), "ca.pem"), "/")


def test_a_bundle_keeps_its_other_certificates_owner_and_mode(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("my own comment\n" + B.pem.rstrip("\n"))
    path.chmod(0o640)
    store = bundle_store(tmp_path)
    done = trust_converge.converge(store, [want(A)])
    assert actions(done) == ["install"]
    assert path.read_text().startswith("my own comment\n") and path.stat().st_mode & 0o7777 == 0o640
    assert actions(trust_converge.converge(store, [want(A)])) == []
    assert actions(trust_converge.converge(store, [want(A)], purge="managed")) == []
    assert actions(trust_converge.converge(store, [want(A)], purge="all")) == ["remove"]
    assert actions(trust_converge.converge(store, [], purge="all")) == ["remove"]
    assert os.listdir(str(tmp_path)) == ["ca.pem"]


def test_a_file_in_der_becomes_a_bundle(tmp_path):
    """Nothing can be added to it as it is, and what is wanted in a PEM file has to be in PEM."""
    path, store = tmp_path / "ca.pem", bundle_store(tmp_path)
    for wanted, left in (([want(A)], {A.fingerprint}), ([want(B)], {A.fingerprint, B.fingerprint}),
                         ([want(A, "absent"), want(B)], {B.fingerprint}), ([want(A, "absent")], set())):
        path.write_bytes(A.der)
        assert actions(trust_converge.converge(store, wanted)) != []
        assert trust_extracted.bundle(str(path))[0] == left and path.read_bytes()[:1] != A.der[:1]
        assert path.read_text().count("BEGIN CERTIFICATE") == len(left)
        assert actions(trust_converge.converge(store, wanted)) == []


def test_text_that_begins_as_der_does_stays_text(tmp_path):
    path, text = tmp_path / "ca.pem", "0 anchors of ours\n" + A.pem + B.pem
    path.write_text(text)
    assert actions(trust_converge.converge(bundle_store(tmp_path), [want(A), want(B)])) == []
    assert path.read_text() == text
    assert actions(trust_converge.converge(bundle_store(tmp_path), [want(ISSUING)])) == ["install"]
    assert path.read_text().startswith(text)
    assert actions(trust_converge.converge(bundle_store(tmp_path), [want(B, "absent")])) == ["remove"]
    assert path.read_text().startswith("0 anchors of ours\n" + A.pem)


def test_a_path_with_a_slip_in_it_is_no_bundle(tmp_path):
    (tmp_path / "ca.pem").write_text("127.0.0.1 localhost\n")
    with pytest.raises(trust_plan.PlanError, match="is it the right file"):
        trust_converge.converge(bundle_store(tmp_path), [want(A)])


def test_a_bundle_distrusts_nothing(tmp_path):
    with pytest.raises(trust_plan.PlanError, match="use state: absent"):
        trust_converge.converge(bundle_store(tmp_path), [want(A, "distrusted")])


def test_a_bundle_needs_its_folder(tmp_path):
    with pytest.raises(files.FilesError, match="create its folder first"):
        trust_converge.converge(bundle_store(tmp_path / "none"), [want(A)])


@settings(max_examples=60, deadline=None, suppress_health_check=HealthCheck.all())
@given(st.lists(st.tuples(st.dictionaries(st.sampled_from(range(len(ALL))), st.sampled_from(["present", "absent"])),
                          st.sampled_from(["none", "managed", "all"])), min_size=1, max_size=4), st.booleans())
def test_a_bundle_converges_too(rounds, begun):
    with tempfile.TemporaryDirectory() as folder:
        store = bundle_store(folder)
        if begun:
            with open(os.path.join(folder, "ca.pem"), "w") as stream:
                stream.write("text\n" + B.pem + "more text")
        for states, purge in rounds:
            wanted = [want(ALL[number], state) for number, state in sorted(states.items())]
            trust_converge.converge(store, wanted, purge=purge)
            assert actions(trust_converge.converge(store, wanted, purge=purge)) == []
            held = trust_extracted.bundle(store.bundles[0][1])[0]
            for number, state in states.items():
                assert (ALL[number].fingerprint in held) == (state == "present")
            if purge == "all":
                assert len(held) == sum(state == "present" for state in states.values())
