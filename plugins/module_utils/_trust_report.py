# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What ca_trust_anchor tells of an Outcome: the anchors, the plan and the diff, as plain JSON values."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509

# What a step makes of a certificate: (before, after) for the diff.
EFFECTS = {"install": (None, "trusted"), "remove": ("trusted", None), "distrust": (None, "distrusted"),
           "trust_again": ("distrusted", None), "repair": ("wrong owner or mode", "owner and mode in order")}
DONE = {"install": "installed", "remove": "removed", "distrust": "distrusted", "trust_again": "trusted again",
        "repair": "repaired"}


def report(store, outcome, check):
    """The module's result (without ``changed`` and ``failed``)."""
    plan, after = outcome.plan, outcome.after
    anchors = [_anchor(store, plan, outcome.before, after, want, check) for want in plan.wanted]
    listed = set(want.fingerprint for want in plan.wanted)
    for step in plan.steps:
        if step.action == "remove" and step.fingerprint not in listed:
            listed.add(step.fingerprint)
            want = trust_plan.Wanted("absent", step.name, step.fingerprint, step.certificate)
            anchors.append(_anchor(store, plan, outcome.before, after, want, check))
    return {
        "store": store.name,
        "bundle": store.bundles[0][1],
        "extracted": outcome.extracted,
        "anchors": anchors,
        "plan": [_step(step) for step in plan.steps],
        "diff": diff(store, plan),
        "warnings": ["%s: %s" % (anchor["subject"] or anchor["fingerprint_sha256"], warning)
                     for anchor in anchors for warning in anchor["warnings"]],
    }


def _step(step):
    return {"action": step.action, "path": step.path, "reason": step.reason, "fingerprint_sha256": step.fingerprint,
            "subject": x509.label(step.certificate) if step.certificate else None}


def _anchor(store, plan, before, after, want, check):
    steps = [step for step in plan.steps if step.fingerprint == want.fingerprint]
    if want.state == "absent":
        paths = [step.path for step in steps]
    else:
        planned = [step.path for step in steps if check and step.action in ("install", "distrust")]
        paths = planned or [held.path for held in after.anchors + (after.distrusted if want.state == "distrusted" else [])
                            if held.fingerprint == want.fingerprint]
    facts = dict.fromkeys(("subject", "issuer", "serial", "not_before", "not_after"))
    facts.update(x509.describe(want.certificate) if want.certificate else {"fingerprint_sha256": want.fingerprint})
    facts.update(
        name=want.name,
        state=want.state,
        path=paths[0] if paths else None,
        action=", ".join(DONE[step.action] for step in steps) or "none",
        found_in=sorted(path for path, (fingerprints, _time) in after.extracted.items()
                        if want.fingerprint in fingerprints),
        notes=_notes(store, after, want),
        warnings=_warnings(store, after, want),
    )
    return facts


def _notes(store, after, want):
    """What is good to know of an anchor and asks for nothing."""
    notes = []
    if want.state == "present" and want.certificate:
        if want.fingerprint in after.distribution:
            notes.append("the distribution trusts it, too (%s)" % after.distribution[want.fingerprint])
        if store.others and trust_plan.expected_bundles(store, after, want.certificate) == [store.others]:
            notes.append("it is not for TLS servers (extended key usage: %s), so the TLS bundle leaves it out"
                         % ", ".join(x509.extended_key_usage(want.certificate) or []))
    return notes


def _warnings(store, after, want):
    """What was asked for and does not have the effect that one would expect."""
    distribution = after.distribution.get(want.fingerprint)
    if want.state == "absent" and distribution:
        return ["the distribution trusts it (%s), so it stays trusted; use state: distrusted against that" % distribution]
    if want.state == "distrusted" and store.distrust == "configuration" and not distribution:
        if not any(held.fingerprint == want.fingerprint for held in after.distrusted):
            return ["this store can distrust only what the distribution brings: it is not trusted now, and would be if "
                    "the distribution began to bring it"]
    if want.state == "present" and want.certificate and not x509.is_self_issued(want.certificate):
        if not _issuer_is_trusted(store, after, want):
            return ["it is an intermediate and its issuer %s is no anchor of this host: OpenSSL here refuses chains that "
                    "end at it; curl, GnuTLS, Go and Python 3.13 accept them. Install the root, too"
                    % x509.name(want.certificate.issuer_der)]
    return []


def _issuer_is_trusted(store, after, want):
    """Whether a certificate that fits as the issuer by name and key identifier is in the store's first bundle."""
    return any(x509.may_have_issued(other, want.certificate)
               for other in trust_state.certificates_with_subject(store.bundles[0][1], want.certificate.issuer_der))


def diff(store, plan):
    """Before and after of what the plan changes, a line for each certificate."""
    before, after = [], []
    for step in plan.steps:
        if step.action == "extract":
            if len(plan.steps) == 1:
                before.append("extracted store not as wanted: %s" % step.reason)
                after.append("extracted store made again from its sources")
            continue
        if step.action == "recover":
            before.append("half-done change of an interrupted run")
            continue
        facts = x509.describe(step.certificate) if step.certificate else {}
        for lines, word in zip((before, after), EFFECTS[step.action]):
            if word:
                lines.append("%s: %s, SHA-256 %s, expires %s" % (
                    word, facts.get("subject") or "(unknown subject)", step.fingerprint,
                    facts.get("not_after", "(unknown)")))
    return {"before_header": "trust anchors (%s)" % store.name, "after_header": "trust anchors (%s)" % store.name,
            "before": "".join(line + "\n" for line in before), "after": "".join(line + "\n" for line in after)}
