# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Whether what is extracted from a trust store shows what is wanted of it: pure, nothing is touched here."""

import collections
import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan


def label(certificate: "t.Optional[x509.Certificate]") -> str:
    """The subject for a message, or words in its place."""
    return x509.label(certificate) if certificate else "a certificate"


def blocked_keys(
    store: stores.Store, observed: trust_state.TrustState, wanted: "t.List[trust_plan.Wanted]"
) -> "t.Dict[bytes, t.Tuple[str, x509.Certificate]]":
    """{public key: (place, certificate through which it is distrusted there)}, where p11-kit goes by the key."""
    if store.distrust != "folder":
        return {}
    lifted = {one.fingerprint for one in wanted if one.state == "present"}
    blocked = [(held.path, x509.parse_leniently(held.der)) for held in trust_state.in_force(store, observed)
               if held.fingerprint not in lifted or os.path.dirname(held.path) in store.vendors]
    blocked += [("this list", one.certificate) for one in wanted if one.state == "distrusted"]
    return {other.spki_der: (place, other) for place, other in reversed(blocked) if other}


def expected_bundles(
    store: stores.Store, observed: trust_state.TrustState, certificate: x509.Certificate
) -> "t.List[str]":
    """Where a trusted certificate must be found, by what it may be used for: bundles, and OpenSSL's hashed links."""
    purposes = x509.extended_key_usage(certificate)
    found = [path for number, (purpose, path) in enumerate(store.bundles)
             if (purpose is stores.ANY_PURPOSE or purposes is None or purpose in purposes)
             and (number == 0 or observed.extracted[path][1] is not None)]  # later releases drop all but the first
    if found[:1] == [store.bundles[0][1]]:
        found += stores.mirrors(store)
    return found or [path for path in [store.untrusted_bundle] if path and observed.extracted[path][1] is not None]


def deviations(
    store: stores.Store, observed: trust_state.TrustState, wanted: "t.List[trust_plan.Wanted]", purge: str = "none"
) -> "t.List[str]":
    """What of the extracted store is not as wanted: a list of reasons. It is the proof, and the cause of an extract.

    wanted: as ``resolve`` gives it.
    """
    reasons = unloadable(store, observed)
    trusted = [path for _purpose, path in store.bundles] + stores.mirrors(store)
    local = {held.fingerprint for held in observed.anchors}
    distrusted = trust_state.fingerprints_in_force(store, observed)
    for want in wanted:
        found = [path for path in trusted if want.fingerprint in observed.extracted[path][0]]
        if want.state == "present" and want.certificate is not None:
            for path in expected_bundles(store, observed, want.certificate):
                if want.fingerprint not in observed.extracted[path][0]:
                    reasons.append("%s lacks %s" % (path, label(want.certificate)))
        elif want.state == "distrusted" and found:
            reasons.append("%s still holds %s, which is distrusted" % (found[0], label(want.certificate)))
        elif want.state == "absent" and want.fingerprint not in observed.distribution and want.fingerprint not in local:
            # What is distrusted is in this one, too, with a note that says so.
            if not found and want.fingerprint not in distrusted:
                found = [path for path in [store.untrusted_bundle]
                         if path and want.fingerprint in observed.extracted[path][0]]
            if found:
                reasons.append("%s still holds %s, which is removed" % (found[0], label(want.certificate)))
    if purge != "none" and store.anchors:
        path = trusted[0]
        extra = observed.extracted[path][0] - local - set(observed.distribution)
        # Sources that are not known here could hold it; but then the extract is newer than the last removal.
        if extra and (observed.extracted[path][1] or 0) < observed.changed:
            reasons.append("%s is older than the last removal and holds %d certificates of no source"
                           % (path, len(extra)))
    return reasons


def unloadable(store: stores.Store, observed: trust_state.TrustState) -> "t.List[str]":
    """A sentence for each PEM bundle that OpenSSL does not load whole.

    The bundle of what fits no purpose also holds what is distrusted, and nothing that can be done here keeps it out.
    """
    distrusted = trust_state.fingerprints_in_force(store, observed)
    counting = [one for one in observed.refusals
                if one.path != store.untrusted_bundle or one.fingerprint not in distrusted]
    sources = source_paths(observed)
    return [loadable.explain(path, [one for one in counting if one.path == path], sources)
            for path in collections.OrderedDict.fromkeys(one.path for one in counting)]


def source_paths(observed: trust_state.TrustState) -> "t.Dict[str, t.List[str]]":
    """{fingerprint: the files that a store's tools take the certificate from}."""
    found: t.Dict[str, t.List[str]] = {}
    for fingerprint, path in [(held.fingerprint, held.path) for held in observed.anchors] + list(
            observed.distribution.items()):
        if path not in found.setdefault(fingerprint, []):
            found[fingerprint].append(path)
    return found


def lost(store: stores.Store, before: trust_state.TrustState, after: trust_state.TrustState) -> "t.List[str]":
    """What an extract has dropped though its sources trust it as before: a list of reasons, like ``deviations``.

    update-ca-certificates is a shell script that exits 0 though its reading of the distribution's list has failed.
    """
    anchors = {held.fingerprint: held.path for held in after.anchors if held.plain}
    trusted = dict(after.distribution, **anchors)
    blocked, keys = trust_state.fingerprints_in_force(store, after), blocked_keys(store, after, [])
    reasons = []
    for path in sorted(before.extracted):
        gone = (before.extracted[path][0] & set(trusted)) - after.extracted[path][0] - blocked
        for fingerprint in sorted(gone):
            certificate = trust_state.find(store, trusted[fingerprint], fingerprint)
            if certificate and certificate.spki_der not in keys:
                reasons.append("%s lacks %s, which it held before and which %s still trusts"
                               % (path, label(certificate), trusted[fingerprint]))
    return reasons[:3] + ["%d more are gone" % (len(reasons) - 3)] * (len(reasons) > 3)
