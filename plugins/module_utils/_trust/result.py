# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What ca_trust_anchor tells of an Outcome: the anchors, the plan and the diff, as plain JSON values."""

import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import proof
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl_limits
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import dry_run, stores

    class AnyStep(t.Protocol):
        """A step of a plan for any kind of store."""

        @property
        def action(self) -> str:
            """A key of EFFECTS, or what only some stores need."""

        @property
        def path(self) -> "t.Optional[str]":
            """What is changed."""

        @property
        def reason(self) -> str:
            """Why."""

        @property
        def fingerprint(self) -> "t.Optional[str]":
            """SHA-256, hex."""

        @property
        def certificate(self) -> "t.Optional[x509.Certificate]":
            """Where it is known."""


# What a step makes of a certificate: (before, after) for the diff.
EFFECTS = {"install": (None, "trusted"), "remove": ("trusted", None), "distrust": (None, "distrusted"),
           "undistrust": ("distrusted", None), "repair": ("wrong owner or mode", "owner and mode in order")}
DONE = {"install": "installed", "remove": "removed", "distrust": "distrusted", "undistrust": "trusted again",
        "repair": "repaired"}

# Facts of an anchor that are told in runs that change something, or would in check mode.
TOLD_OF_CHANGES = ("issuer", "serial", "not_before")


class Look(t.NamedTuple):
    store: "stores.Store"
    plan: trust_plan.Plan
    after: trust_state.TrustState
    check: bool                                                      # whether it is check mode
    steps: "t.Dict[t.Optional[str], t.List[trust_plan.Step]]"        # by fingerprint
    anchors: "t.Dict[t.Optional[str], t.List[trust_state.HeldAnchor]]"     # by fingerprint: what there is afterwards
    distrusted: "t.Dict[t.Optional[str], t.List[trust_state.HeldAnchor]]"  # the same, where it is in force
    orphans: "t.Set[str]"                                            # see _orphans


def report(store: "stores.Store", outcome: "dry_run.TrustOutcome", check: bool) -> "t.Dict[str, t.Any]":
    """The module's result (without ``changed`` and ``failed``); short where nothing is changed."""
    plan = outcome.plan
    look = Look(store, plan, outcome.after, check, trust_plan.by_fingerprint(plan.steps),
                trust_plan.by_fingerprint(outcome.after.anchors),
                trust_plan.by_fingerprint(trust_state.in_force(store, outcome.after)), _orphans(store, outcome))
    anchors = [_anchor(look, want) for want in plan.wanted]
    listed = {want.fingerprint for want in plan.wanted}
    for step in plan.steps:
        if step.action == "remove" and step.fingerprint and step.fingerprint not in listed:
            listed.add(step.fingerprint)
            anchors.append(_anchor(look, trust_plan.Wanted("absent", step.name, step.fingerprint, step.certificate)))
    return {
        "store": store.name,
        "bundle": store.bundles[0][1],
        "extracted": outcome.extracted,
        "anchors": anchors,
        "plan": [shown(step) for step in plan.steps],
        "diff": diff(store, plan),
        "warnings": ["%s: %s" % (anchor["subject"] or anchor["fingerprint_sha256"], warning)
                     for anchor in anchors for warning in anchor["warnings"]] + list(store.unproven),
    }


def shown(step: "AnyStep") -> "t.Dict[str, t.Any]":
    """A step of a plan for the result."""
    return {"action": step.action, "path": step.path, "reason": step.reason, "fingerprint_sha256": step.fingerprint,
            "subject": x509.label(step.certificate) if step.certificate else None}


def facts(certificate: "t.Optional[x509.Certificate]", fingerprint: "t.Optional[str]") -> "t.Dict[str, t.Any]":
    """What is told of a certificate that may be known by its fingerprint alone."""
    known = dict.fromkeys(("subject", "issuer", "serial", "not_before", "not_after"))
    known.update(x509.describe(certificate) if certificate else {"fingerprint_sha256": fingerprint})
    return known


def line(step: "AnyStep") -> str:
    """What the diff says of the certificate of a step."""
    known = facts(step.certificate, step.fingerprint)
    return "%s, SHA-256 %s, expires %s" % (known["subject"] or "(unknown subject)", step.fingerprint,
                                           known["not_after"] or "(unknown)")


def _anchor(look: Look, want: trust_plan.Wanted) -> "t.Dict[str, t.Any]":
    steps = look.steps.get(want.fingerprint, [])
    if want.state == "absent":
        paths = [step.path for step in steps]
    else:
        planned = [step.path for step in steps if look.check and step.action in ("install", "distrust")]
        holding = look.distrusted if want.state == "distrusted" else look.anchors
        paths = planned or [held.path for held in holding.get(want.fingerprint, [])]
    found = facts(want.certificate, want.fingerprint)
    found.update(
        name=want.name,
        state=want.state,
        path=paths[0] if paths else None,
        action=", ".join(DONE[step.action] for step in steps) or "none",
        notes=_notes(look.store, look.after, want),
        warnings=_warnings(look, want),
    )
    if not look.plan.steps:
        # On a fleet most runs change nothing. What they tell goes through the controller's memory, host by host.
        return {key: value for key, value in found.items() if key not in TOLD_OF_CHANGES}
    found["found_in"] = sorted(path for path, (fingerprints, _time) in look.after.extracted.items()
                               if want.fingerprint in fingerprints)
    return found


def _notes(store: "stores.Store", after: trust_state.TrustState, want: trust_plan.Wanted) -> "t.List[str]":
    """What is good to know of an anchor and asks for nothing."""
    notes = []
    if want.state == "present" and want.certificate:
        weak = x509.WEAK_SIGNATURES.get(want.certificate.signature)
        if weak and x509.is_self_issued(want.certificate):
            notes.append("its own signature is made with %s, which nobody checks; what it signs with %s, TLS clients "
                         "refuse" % (weak, weak))
        if want.fingerprint in after.distribution:
            notes.append("it is trusted by the distribution, too (%s)" % after.distribution[want.fingerprint])
        untrusted = store.untrusted_bundle
        if untrusted and proof.expected_bundles(store, after, want.certificate) == [untrusted]:
            notes.append("it is not for TLS servers (extended key usage: %s), so the TLS bundle leaves it out"
                         % ", ".join(x509.extended_key_usage(want.certificate) or []))
    return notes


def _warnings(look: Look, want: trust_plan.Wanted) -> "t.List[str]":
    """What was asked for and does not have the effect that one would expect."""
    elsewhere, distrusted = look.after.distribution.get(want.fingerprint), want.fingerprint in look.distrusted
    found = []
    if want.state == "absent" and elsewhere and not distrusted:
        found.append("it stays trusted through %s, which is not a local anchor; use state: distrusted against that"
                     % elsewhere)
    if want.state == "distrusted":
        if look.store.distrust == "configuration" and not elsewhere and not distrusted:
            found.append("this store can distrust only what the distribution brings: it is not trusted now, and would "
                         "be if the distribution began to bring it")
        if want.certificate and not x509.is_self_issued(want.certificate):
            found.append("distrusting an intermediate does not stop OpenSSL from using one that a server sends, as "
                         "long as its root is trusted")
    if want.state == "present" and want.certificate:
        if want.fingerprint in look.orphans:
            found.append("it is an intermediate and its issuer %s is no anchor of this host: OpenSSL here refuses "
                         "chains that end at it; curl, GnuTLS, Go and Python 3.13 accept them. Install the root, too"
                         % x509.name(want.certificate.issuer_der))
        found += openssl_limits.warnings(want.certificate, look.store.root)
        if not proof.expected_bundles(look.store, look.after, want.certificate):
            found.append("no extracted file of this host shows certificates for its purposes (%s): that it is trusted "
                         "is not proven" % ", ".join(x509.extended_key_usage(want.certificate) or []))
    return found


def _orphans(store: "stores.Store", outcome: "dry_run.TrustOutcome") -> "t.Set[str]":
    """Fingerprints of wanted intermediates whose issuer is neither wanted nor will be in the store's first bundle."""
    wanted = outcome.plan.wanted
    intermediates = [want.certificate for want in wanted
                     if want.state == "present" and want.certificate and not x509.is_self_issued(want.certificate)]
    if not intermediates:
        return set()
    issuers = [want.certificate for want in wanted if want.state == "present" and want.certificate]
    path = store.bundles[0][1]
    if os.path.exists(path):
        gone = {step.fingerprint for step in outcome.plan.steps if step.action == "distrust"
                or step.action == "remove" and step.fingerprint not in outcome.before.distribution}
        blocked = proof.blocked_keys(store, outcome.before, wanted)
        # In check mode the bundle still holds those.
        issuers += [each for each in trust_extracted.certificates_with_subjects(
            path, {each.issuer_der for each in intermediates})
            if each.fingerprint not in gone and each.spki_der not in blocked]
    by_name: t.Dict[bytes, t.List[x509.Certificate]] = {}
    for issuer in issuers:
        by_name.setdefault(issuer.subject_der, []).append(issuer)
    return {each.fingerprint for each in intermediates
            if not any(x509.may_have_issued(issuer, each) for issuer in by_name.get(each.issuer_der, []))}


def diff(store: "stores.Store", plan: trust_plan.Plan) -> "t.Dict[str, str]":
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
        for lines, word in zip((before, after), EFFECTS[step.action]):
            if word:
                lines.append("%s: %s" % (word, line(step)))
    return shown_diff(store.name, before, after)


def shown_diff(store: str, before: "t.List[str]", after: "t.List[str]") -> "t.Dict[str, str]":
    """Lines as Ansible shows a diff."""
    return {"before_header": "trust anchors (%s)" % store, "after_header": "trust anchors (%s)" % store,
            "before": "".join(line + "\n" for line in before), "after": "".join(line + "\n" for line in after)}
