# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The chain that a server sent: complete, in order, nothing too much? Pure functions; no signature is checked."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains

MISSING, DISORDER, SURPLUS = "missing", "disorder", "surplus"


class Flaw(t.NamedTuple):
    kind: str  # MISSING: a certificate that was not sent; DISORDER: they were sent in another order; SURPLUS: too many
    sentence: str


def describe(certificate: x509.Certificate) -> "t.Dict[str, t.Any]":
    """The facts that results show of a certificate that was sent."""
    alt_names = x509.shown_alt_names(certificate)
    return dict(x509.describe(certificate), dns_names=alt_names["dns"], ip_addresses=alt_names["ip"],
                key_type=x509.key_type(certificate), root=chains.is_root(certificate))


def examine(
    sent: "t.List[x509.Certificate]", store: verify_reasons.TrustedStore, now: int
) -> "t.Tuple[t.Optional[bool], bool, t.List[Flaw]]":
    """(complete, ordered, list of Flaw) on the certificates as they were sent, the server's own first.

    complete: whether only the root is missing, as it should be; None where that can't be told, for nobody here knows
    who issued the last one. store: reasons.Store, the anchors. now: epoch seconds.
    """
    leaf = sent[0]
    path = chains.certificates(chains.build(leaf, chains.index(sent[1:]), {}, now))
    complete, found = _complete(path[-1], store, now)
    places = [sent.index(certificate) for certificate in path]
    ordered = places == sorted(places)
    if not ordered:
        presented = verify_reasons.names([sent[place] for place in sorted(places)])
        found.append(Flaw(DISORDER, "the server sends its chain out of order (%s instead of %s), which some clients "
                          "refuse" % (presented, verify_reasons.names(path))))
    if len(path) > 1 and chains.is_root(path[-1]):
        found.append(Flaw(SURPLUS, "the server sends the root %s too, which no client needs"
                          % verify_reasons.short(path[-1].subject_der)))
    seen = []
    for certificate in sent:
        if certificate in seen:
            found.append(Flaw(SURPLUS, "the server sends %s twice" % verify_reasons.short(certificate.subject_der)))
        elif certificate not in path:
            found.append(Flaw(SURPLUS, "the server sends %s, which is no part of the chain"
                              % verify_reasons.short(certificate.subject_der)))
        seen.append(certificate)
    return complete, ordered, list(dict.fromkeys(found))


def _complete(
    last: x509.Certificate, store: verify_reasons.TrustedStore, now: int
) -> "t.Tuple[t.Optional[bool], t.List[Flaw]]":
    """(complete, list of Flaw) by the last certificate of the chain that was sent."""
    if chains.is_root(last) or last in store.anchors:
        return True, []
    issuers = chains.issuers(last, store.pool, now)
    if any(chains.is_root(issuer) for issuer in issuers):
        return True, []
    issuer = verify_reasons.short(last.issuer_der)
    if issuers:
        return False, [Flaw(MISSING, "the server does not send %s; this host knows it as an anchor, others will not"
                            % issuer)]
    if x509.basic_constraints(last)[0]:
        return None, []
    return False, [Flaw(MISSING, "the server does not send %s; browsers may hide this" % issuer)]
