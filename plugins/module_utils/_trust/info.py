# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What ca_trust_info tells of a trust store, as plain JSON values; nothing is changed."""

import os
import shutil
import tempfile
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extract as trust_extract
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import proof, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import result as trust_result
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl_loads
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable

# What p11-kit calls the purposes of extended_key_usage().
PURPOSES: "t.Dict[t.Optional[str], str]" = {
    "server_auth": "server-auth", "email_protection": "email", "code_signing": "code-signing"}


def info(store: stores.Store) -> "t.Dict[str, t.Any]":
    """The module's result (without ``changed``)."""
    unread: t.List[str] = []
    observed = trust_state.observe(store, unread=unread, loads=openssl_loads.refusals)
    if observed.interrupted is None:
        unread.append("%s can't be read: whether a run was interrupted, and what it has left, is not known"
                      % store.staging[0][1])
    trusted = observed.extracted[store.bundles[0][1]][0]
    local = [_certificate(held, trusted) for held in observed.anchors]
    distribution = [_certificate(held, trusted) for held in trust_state.of_distribution(store, observed)]
    distrusted = [_certificate(held, trusted) for held in trust_state.in_force(store, observed)]
    sources = proof.source_paths(observed)
    names = {each["fingerprint_sha256"]: each["subject"] for each in local + distribution + distrusted}
    deviations, unknown = _deviations(store, observed, names) if not unread else (
        proof.unloadable(store, observed),
        "whether the extracted store is in order is not known, for not all that it is made from could be read; run "
        "the task as root (become: true)")
    return {
        "store": store.name,
        "bundle": store.bundles[0][1],
        "anchors": local,
        "distribution": distribution,
        "distrusted": distrusted,
        "counts": {"local": len(local), "managed": sum(anchor["managed"] for anchor in local),
                   "distribution": len(distribution), "distrusted": len(distrusted)},
        "bundles": [{"path": path, "certificates": len(fingerprints),
                     "modified": x509.iso_time(changed) if changed is not None else None}
                    for path, (fingerprints, changed) in sorted(observed.extracted.items())],
        "interrupted": observed.interrupted,
        "in_sync": not deviations and not observed.interrupted if deviations or not unknown else None,
        "deviations": deviations,
        "unloadable": [_unloadable(one, sources) for one in observed.refusals],
        "unread": unread,
        "warnings": unread + ([unknown] if unknown else []) + _without_effect(store, observed) + list(store.unproven),
    }


def _unloadable(one: loadable.Refusal, sources: "t.Mapping[str, t.List[str]]") -> "t.Dict[str, t.Any]":
    return {"bundle": one.path, "position": one.position, "certificates": one.total, "subject": one.subject,
            "fingerprint_sha256": one.fingerprint, "reason": one.reason,
            "paths": sources.get(one.fingerprint or "", [])}


def _without_effect(store: stores.Store, observed: trust_state.TrustState) -> "t.List[str]":
    """Warnings of distrust that does not count, as it is after an upgrade to another generation of p11-kit."""
    in_force = trust_state.fingerprints_in_force(store, observed)
    passed_over = {held.path for held in observed.distrusted if held.fingerprint not in in_force}
    return ["%s distrusts nothing: this host's p11-kit does not read that folder, but %s; move it there, or remove it"
            % (path, store.distrusted[0]) for path in sorted(passed_over)]


def _certificate(held: trust_state.HeldAnchor, trusted: "t.Collection[str]") -> "t.Dict[str, t.Any]":
    facts = trust_result.facts(x509.parse_leniently(held.der), held.fingerprint)
    facts.update(path=held.path, name=held.name, managed=held.name is not None, trusted=held.fingerprint in trusted)
    return facts


def _deviations(
    store: stores.Store, observed: trust_state.TrustState, names: "t.Mapping[str, t.Optional[str]]"
) -> "t.Tuple[t.List[str], t.Optional[str]]":
    """(how the extracted bundles differ from what their sources make, why that is not known or None)."""
    if store.sources:
        should, unknown = _made_from_sources(store)
    else:
        every = frozenset(observed.distribution) | {held.fingerprint for held in observed.anchors}
        should, unknown = {path: every for _purpose, path in store.bundles}, None
    if not unknown:
        should.update(dict.fromkeys(stores.mirrors(store), should[store.bundles[0][1]]))
    found = proof.unloadable(store, observed)
    for path in sorted(should):
        fingerprints, changed = observed.extracted[path]
        if changed is None:
            found.append("%s is missing" % path)
            continue
        for fingerprint in sorted(should[path] - fingerprints):
            found.append("%s lacks %s" % (path, _name_of(names, fingerprint)))
        more = fingerprints - should[path]
        if more and path == store.hashed:
            more -= _leaves(store.root, path)
        for fingerprint in sorted(more):
            found.append("%s holds %s, which no source gives" % (path, _name_of(names, fingerprint)))
    return found, unknown


def _leaves(root: str, folder: str) -> "t.Set[str]":
    """Fingerprints of what is linked beside the anchors and is no CA: servers' certificates customarily lie there."""
    certificates = [x509.parse_leniently(der) for der in trust_extracted.linked(root, folder)]
    return {each.fingerprint for each in certificates if each and not x509.is_ca(each)}


def _made_from_sources(store: stores.Store) -> "t.Tuple[t.Dict[str, t.FrozenSet[str]], t.Optional[str]]":
    """({path of a bundle: the fingerprints that it should hold}, why that is not known or None)."""
    should = {}
    try:
        folder = tempfile.mkdtemp(prefix="host_trust.", dir=files.resolve(store.root, "/tmp"))
    except EnvironmentError as error:
        return {}, "whether the extracted store is in order is not known: %s" % files.explain(error, "made")
    try:
        for number, (purpose, path) in enumerate(store.bundles):
            if number and not os.path.exists(path):
                continue
            target = os.path.join(folder, "bundle")
            command = store.sources + ("--purpose=" + PURPOSES[purpose], target[len(store.root.rstrip("/")):])
            code, output = trust_extract.run(command, store.root)
            if code != 0:
                return {}, "whether the extracted store is in order is not known: '%s' failed with exit code %d: %s" % (
                    " ".join(store.sources[:2]), code, output.strip())
            should[path] = trust_extracted.bundle(target)[0]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return should, None


def _name_of(names: "t.Mapping[str, t.Optional[str]]", fingerprint: str) -> str:
    return "%s (SHA-256 %s)" % (names.get(fingerprint) or "a certificate", fingerprint)
