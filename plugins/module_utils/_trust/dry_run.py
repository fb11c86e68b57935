# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A trust store looked at: observe and plan, nothing more. All that a host runs where nothing is to be done."""

import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import argspec, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import result as trust_result
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable


class TrustOutcome(t.NamedTuple):
    plan: trust_plan.Plan     # that was carried out, or would be in check mode
    before: trust_state.TrustState
    after: trust_state.TrustState  # in check mode the same as before
    extracted: bool           # whether the extract ran


def look(
    store: stores.Store, wanted: "t.List[trust_plan.Wanted]", purge: str, extract: str, interrupted: bool = False,
    loads: "loadable.Loader" = loadable.suspicions
) -> TrustOutcome:
    """What is to be done to make the store what is ``wanted``; nothing is done here.

    interrupted: whether the caller knows of a run that was killed. loads: as for ``trust_state.observe``.
    Raises files.FilesError or trust_plan.PlanError.
    """
    observed = trust_state.observe(store, loads=loads)
    observed = observed._replace(interrupted=observed.interrupted or interrupted)
    wanted = [want if want.certificate or want.fingerprint not in observed.distribution else want._replace(
        certificate=trust_state.find(store, observed.distribution[want.fingerprint], want.fingerprint))
        for want in wanted]
    return TrustOutcome(trust_plan.plan(store, observed, wanted, purge, extract), observed, observed, False)


def left_over(store: stores.Store) -> bool:
    """Whether a run that was killed has left something to be taken away, though nothing is to be changed."""
    return host_journal.Journal(store.staging).left_over() or bool(
        store.fallback_bundle and stores.is_bridge(store.fallback_bundle, store.bundles[0][1]))


def told(store: stores.Store, outcome: TrustOutcome, check_mode: bool) -> "t.Dict[str, t.Any]":
    """An Outcome as ca_trust_anchor's result, or which certificates the controller has to send along."""
    if outcome.plan.unsent:
        return {"changed": False, "unsent": outcome.plan.unsent}
    return dict(trust_result.report(store, outcome, check_mode), changed=bool(outcome.plan.steps))


def glance(options: "t.Dict[str, t.Any]", check_mode: bool) -> "t.Dict[str, t.Any]":
    """ca_trust_anchor's result where the store is to be left as it is: it is what is wanted, or this is check mode.

    options: of a store that is none of NSS, paths not expanded. Otherwise ``unsent`` alone: the SHA-256 fingerprints
    of the certificates that are missing, an empty list where something else is to be done, and where our own reader
    suspects that OpenSSL does not load a bundle: the module asks OpenSSL.
    """
    places = {name: options[name] and os.path.expanduser(os.path.expandvars(options[name]))
              for name in ("bundle_path", "root")}
    store = stores.choose(options["store"], places["bundle_path"], places["root"])
    try:
        outcome = look(store, argspec.wanted(options["anchors"]), options["purge"], options["extract"])
    except trust_plan.PlanError:
        return {"unsent": []}  # the module says it
    if outcome.before.refusals or not check_mode and (outcome.plan.steps or left_over(store)):
        return {"unsent": outcome.plan.unsent}
    return told(store, outcome, check_mode)
