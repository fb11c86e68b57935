# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What ca_trust_anchor and ca_trust_info tell of databases of NSS, as plain JSON values; nothing is changed."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import converge as nss_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import plan as nss_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import result as trust_result
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

AFTER = {"install": "trusted", "undistrust": "trusted", "distrust": "distrusted", "remove": None}
# What a database that does as is wanted says of a certificate; of one that is to be absent, what it still says.
HOLDS = {"present": nss_plan.vouches, "absent": nss_plan.is_trusted, "distrusted": nss_plan.is_distrusted}


def anchor(options: "t.Dict[str, t.Any]", wanted: "t.List[trust_plan.Wanted]", check: bool) -> "t.Dict[str, t.Any]":
    """ca_trust_anchor's result with ``store: nss``; raises Failure."""
    nss_converge.require(options["root"])
    outcome = nss_converge.converge(options["nss_databases"], wanted, options["purge"], check)
    return {"changed": False, "unsent": outcome.plan.unsent} if outcome.plan.unsent else report(outcome)


def report(outcome: nss_converge.NssOutcome) -> "t.Dict[str, t.Any]":
    """An NssOutcome as ca_trust_anchor's result."""
    plan = outcome.plan
    listed = {want.fingerprint for want in plan.wanted}
    purged = {step.fingerprint: trust_plan.Wanted("absent", step.name, step.fingerprint, step.certificate)
              for step in plan.steps if step.fingerprint and step.fingerprint not in listed}
    anchors = [_anchor(outcome, want) for want in plan.wanted + list(purged.values())]
    return {
        "changed": bool(plan.steps),
        "store": "nss",
        "bundle": None,
        "extracted": False,
        "databases": _shown(outcome.after),
        "anchors": anchors,
        "plan": [trust_result.shown(step) for step in plan.steps],
        "diff": diff(plan),
        "warnings": outcome.warnings + ["%s: %s" % (one["subject"] or one["fingerprint_sha256"], warning)
                                        for one in anchors for warning in one["warnings"]],
    }


def _shown(databases: "t.List[nss_plan.Database]") -> "t.List[t.Dict[str, t.Any]]":
    return [{"path": database.path, "owner": database.owner, "exists": database.there} for database in databases]


def _anchor(outcome: nss_converge.NssOutcome, want: trust_plan.Wanted) -> "t.Dict[str, t.Any]":
    steps = [step for step in outcome.plan.steps if step.fingerprint == want.fingerprint]
    holding = [database.path for database in outcome.after for one in database.held
               if one.fingerprint == want.fingerprint
               and HOLDS[want.state](one)]
    facts = trust_result.facts(want.certificate, want.fingerprint)
    facts.update(
        name=want.name,
        state=want.state,
        path=([step.path for step in steps] + holding + [None])[0],
        action=", ".join(sorted({trust_result.DONE[step.action] for step in steps})) or "none",
        found_in=holding,
        notes=[],
        warnings=_warnings(outcome, want),
    )
    return facts


def _warnings(outcome: nss_converge.NssOutcome, want: trust_plan.Wanted) -> "t.List[str]":
    """What was asked for and does not have the effect that one would expect."""
    if want.state != "distrusted" or want.certificate is None:
        return []
    found = []
    for database in outcome.after:
        below = [certificate for certificate in (x509.parse_leniently(one.der) for one in database.held
                                                 if nss_plan.is_trusted(one))
                 if certificate and x509.may_have_issued(want.certificate, certificate)]
        found += ["%s stays trusted in %s and vouches for itself: distrust it, too, or take it away" % (
            x509.label(certificate), database.path) for certificate in below]
    return found


def diff(plan: nss_plan.NssPlan) -> "t.Dict[str, str]":
    """Before and after of what the plan changes, a line for each certificate and database."""
    before: t.List[str] = []
    after: t.List[str] = []
    for step in plan.steps:
        if step.action == "create":
            after.append("database: %s" % step.path)
            continue
        for lines, word in ((before, step.former), (after, AFTER[step.action])):
            if word:
                lines.append("%s in %s: %s" % (word, step.path, trust_result.line(step)))
    return trust_result.shown_diff("nss", before, after)


def info(options: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """ca_trust_info's result with ``store: nss``; raises Failure."""
    nss_converge.require(options["root"])
    places, warnings = nss_converge.find(options["nss_databases"])
    databases = nss_converge.observe(places)
    held = [(database, one) for database in databases for one in database.held]
    local = [_held(database, one) for database, one in held if nss_plan.is_anchor(one)]
    distrusted = [_held(database, one) for database, one in held if nss_plan.is_distrusted(one)]
    return {
        "store": "nss",
        "bundle": None,
        "databases": _shown(databases),
        "anchors": local,
        "distribution": [],
        "distrusted": distrusted,
        "counts": {"local": len(local), "managed": sum(one["managed"] for one in local), "distribution": 0,
                   "distrusted": len(distrusted)},
        "bundles": [],
        "interrupted": False,
        "in_sync": True,
        "deviations": [],
        "unloadable": [],
        "unread": [],
        "warnings": warnings,
    }


def _held(database: nss_plan.Database, held: nss_plan.NssEntry) -> "t.Dict[str, t.Any]":
    name = nss_plan.name_of(held)
    facts = trust_result.facts(x509.parse_leniently(held.der), held.fingerprint)
    facts.update(path=database.path, name=name, managed=name is not None, trusted=nss_plan.vouches(held))
    return facts
