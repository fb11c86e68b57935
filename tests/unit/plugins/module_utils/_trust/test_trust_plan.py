# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for long lists: what they cost, and what is told of a host where nothing is to be done."""
import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import argspec, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import result as trust_result
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

STORE = stores.STORES["redhat"]._replace(hashed=None)
BUNDLES = trust_extracted.bundle_paths(STORE) + stores.mirrors(STORE)
ROOT = x509.parse(pki.root("Corp Root CA").der)


class Counted(str):
    """Text that counts how often it is compared with other text; a look-up in a dict or set compares once, at most."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)


def numbered(first, behind):
    """Certificates that differ by fingerprint and key."""
    return [ROOT._replace(fingerprint=Counted("%064x" % number), spki_der=b"%d" % number)
            for number in range(first, behind)]


def held(certificates, folder, name="managed"):
    paths = [Counted("%s/%s.pem" % (folder, one.fingerprint)) for one in certificates]
    return [trust_state.HeldAnchor(path, 0, len(one.der), one.der, one.fingerprint, True, name)
            for path, one in zip(paths, certificates)]


def state(anchors, distrusted=(), untidy=(), trusted=()):
    fingerprints = frozenset(one.fingerprint for one in trusted)
    return trust_state.TrustState(
        files={one.path: one.der for one in list(anchors) + list(distrusted)}, untidy=dict.fromkeys(untidy, "its mode"),
        anchors=list(anchors), distrusted=list(distrusted), distribution={},
        extracted=dict.fromkeys(BUNDLES, (fingerprints, 1.0)), changed=0, interrupted=False)


def wishes(certificates, wanted="present", **more):
    return [trust_plan.Wanted(wanted, None, one.fingerprint, one)._replace(**more) for one in certificates]


def told(observed, wanted, purge="none"):
    plan = trust_plan.plan(STORE, observed, wanted, purge)
    return trust_result.report(STORE, trust_converge.Outcome(plan, observed, observed, False), False)


def everything(count):
    """All that can be wanted at once, an equal part of each: (State, list of Wanted, the steps that come of it)."""
    parts = [numbered(part * count, (part + 1) * count) for part in range(7)]
    kept, new, gone, by_name, purged, bad, again = parts
    there = held(kept + gone + purged, STORE.anchors)
    there += [one._replace(name=Counted("name %s" % one.fingerprint)) for one in held(by_name, STORE.anchors)]
    blocked = held(again, STORE.distrusted[0])
    wanted = wishes(kept) + wishes(new) + wishes(gone, "absent") + wishes(bad, "distrusted") + wishes(again)
    wanted += [trust_plan.Wanted("absent", "name %s" % one.fingerprint, "", None) for one in by_name]
    untidy = [one.path for one in there[:count]]
    steps = {"install": 2, "remove": 3, "distrust": 1, "undistrust": 1, "repair": 1}
    return state(there, blocked, untidy, kept + gone), wanted, {kind: part * count for kind, part in steps.items()}


def test_what_a_long_list_costs_grows_with_its_length():
    """Nothing is searched for in a list: with eight times as many, no more comparisons of each."""
    def comparisons(count):
        observed, wanted, steps = everything(count)
        Counted.compared = 0
        result = told(observed, wanted, purge="all")
        actions = [step["action"] for step in result["plan"]]
        compared = Counted.compared
        assert {kind: actions.count(kind) for kind in steps} == steps
        return compared / count

    few, many = comparisons(10), comparisons(80)
    assert few and many <= few + 1, "%.1f comparisons of each of 10, %.1f of each of 80" % (few, many)


@pytest.mark.parametrize("wanted", ["present", "absent"])
def test_a_run_without_changes_tells_little(wanted):
    certificates = numbered(0, 3)
    there = certificates if wanted == "present" else []
    result = told(state(held(there, STORE.anchors), trusted=there), wishes(certificates, wanted))
    assert result["plan"] == [] and len(result["anchors"]) == 3
    assert set(result["anchors"][0]) == {"action", "fingerprint_sha256", "name", "not_after", "notes", "path", "state",
                                         "subject", "warnings"}


def test_a_run_with_changes_tells_all_of_every_anchor():
    kept, new = numbered(0, 2)
    result = told(state(held([kept], STORE.anchors), trusted=[kept]), wishes([kept, new]))
    for anchor, found_in in zip(result["anchors"], (sorted(BUNDLES), [])):
        assert anchor["found_in"] == found_in and anchor["issuer"] == "CN=Corp Root CA" and anchor["serial"]
        assert anchor["not_before"] < anchor["not_after"]


def test_the_first_of_several_certificates_with_a_blocked_key_is_named():
    first, second, wanted = [one._replace(spki_der=b"the same") for one in numbered(0, 3)]
    with pytest.raises(trust_plan.PlanError, match="this list distrusts its public key.*%s" % first.fingerprint):
        trust_plan.plan(STORE, state([]), wishes([first, second], "distrusted") + wishes([wanted]))


def test_options_are_told_without_certificates_and_without_what_was_not_given():
    given = {"name": "corp", "src": None, "content": "-----BEGIN", "path": None, "state": "present"}
    options = {"purge": "none", "bundle_path": None, "anchors": [given]}
    assert argspec.told(options) == {"purge": "none", "bundle_path": None, "anchors": [
        {"name": "corp", "content": "(PEM)", "state": "present"}]}
    assert options["anchors"] == [given]
