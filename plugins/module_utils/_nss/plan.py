# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""From what databases of NSS hold and what is wanted of them to the steps between: pure, nothing is touched here.

Trust is written as certutil does: a letter for each use of a certificate, for TLS, mail and code. C is a CA trusted for
servers, T one for clients, P a trusted peer, p is distrust, u says that its private key is there.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import re
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

# A nickname of ours says whose it is and which certificate: in a database, a nickname is for one subject only.
NICKNAME = "%s (fleetpki.host_trust %s)"
MANAGED = re.compile(r"(.*) \(fleetpki\.host_trust ([0-9a-f]{16})\)\Z")
DISTRUST = "p,p,p"
LONGEST_NAME = 200


class NssEntry(t.NamedTuple):
    nickname: str
    fingerprint: str
    der: bytes
    trust: str


class Database(t.NamedTuple):
    path: str
    owner: str                  # name of the user whom it belongs to
    there: bool
    protected: bool             # whether a password is asked for changes
    instead: "t.Optional[str]"  # the database that Chromium reads as long as this one is not there, or None
    held: "t.List[NssEntry]"


class NssStep(t.NamedTuple):
    action: str
    path: str
    fingerprint: "t.Optional[str]"
    certificate: "t.Optional[x509.Certificate]"
    name: "t.Optional[str]"
    reason: str
    do: str
    nickname: "t.Optional[str]"
    trust: "t.Optional[str]"
    former: "t.Optional[str]"


class NssPlan(t.NamedTuple):
    wanted: "t.List[trust_plan.Wanted]"
    steps: "t.List[NssStep]"
    unsent: "t.List[str]"


def plan(databases: "t.List[Database]", wanted: "t.List[trust_plan.Wanted]", purge: str = "none") -> NssPlan:
    """The Plan that makes each Database what is ``wanted`` (list of trust_plan.Wanted).

    Raises trust_plan.PlanError for contradictions, and for a database that only its user can change.
    """
    wanted = resolve(databases, wanted)
    steps = [step for database in databases for step in _steps(database, wanted, purge)]
    unsent = [step.fingerprint for step in steps
              if step.do == "write" and step.fingerprint and step.certificate is None]
    for database in databases:
        if database.protected and any(step.path == database.path for step in steps):
            raise trust_plan.PlanError(
                "%s can't be changed: %s has set a password (in Firefox: a primary password), and only who knows it "
                "can change what is trusted there. Leave this database out, or have Firefox follow the system's store"
                % (database.path, database.owner))
    return NssPlan(wanted, steps, list(collections.OrderedDict.fromkeys(unsent)))


def resolve(databases: "t.List[Database]", wanted: "t.List[trust_plan.Wanted]") -> "t.List[trust_plan.Wanted]":
    """Gives each Wanted its fingerprint and certificate, as trust_plan.resolve does: from all databases together."""
    held = [(is_anchor(one), trust_state.HeldAnchor(database.path, 0, 0, one.der, one.fingerprint, True,
                                                    name_of(one) or _short(one.nickname) or None))
            for database in databases for one in database.held]
    observed = trust_state.TrustState({}, {}, [one for anchor, one in held if anchor],
                                      [one for anchor, one in held if not anchor], {}, {}, 0, False)
    wanted = [want._replace(name=want.name and _short(want.name)) if not want.fingerprint else want for want in wanted]
    return trust_plan.resolve(None, observed, wanted)


def _short(name: str) -> str:
    # certutil looks for a token's name before a colon.
    return anchor_file.comment_safe(name).replace(":", "\\x3a")[:LONGEST_NAME].strip()


def nickname(name: str, fingerprint: str) -> str:
    """What a certificate is called in a database."""
    return NICKNAME % (_short(name) or "anchor", fingerprint[:16])


def name_of(held: NssEntry) -> "t.Optional[str]":
    """The name in our nickname; None where somebody else put the certificate there."""
    match = MANAGED.match(held.nickname)
    return match.group(1) if match and held.fingerprint.startswith(match.group(2)) else None


def is_distrusted(held: NssEntry) -> bool:
    """Whether a certificate is distrusted for TLS."""
    tls = held.trust.split(",")[0]
    return "p" in tls and not set("CTP") & set(tls)


def is_trusted(held: NssEntry) -> bool:
    """Whether a certificate is trusted, for whatever use."""
    return bool(set("CTP") & set(held.trust))


def vouches(held: NssEntry) -> bool:
    """Whether it is trusted for TLS servers: as a CA, or for itself. What is said of itself helps no CA's servers.

    Of what does not say whether it is a CA, such as an old root, NSS takes either.
    """
    certificate = x509.parse_leniently(held.der)
    says = certificate and x509.BASIC_CONSTRAINTS in certificate.extensions
    return bool(set(_flag(certificate) if certificate and says else "CP") & set(held.trust.split(",")[0]))


def _flag(certificate: x509.Certificate) -> str:
    """The flag that has a certificate vouch for TLS servers, or for itself where it is no CA (certutil(1))."""
    return "C" if x509.is_ca(certificate) else "P"


def is_anchor(held: NssEntry) -> bool:
    """Whether it is trusted or ours. What a browser has kept of others, such as intermediates, is not."""
    ours = name_of(held) is not None and "u" not in held.trust and not is_distrusted(held)
    return is_trusted(held) or ours


def said_of(held: "t.Optional[NssEntry]") -> "t.Optional[str]":
    """What the diff calls the trust in a certificate; None where it is neither trusted nor distrusted."""
    if held is None or not is_trusted(held) and not is_distrusted(held):
        return None
    return "distrusted" if is_distrusted(held) else "trusted"


def trusting(certificate: x509.Certificate, trust: str = ",,") -> str:
    """The trust that a certificate gets, by the one that it has."""
    tls, mail, code = (set(part) - set("pu") for part in trust.split(","))
    tls = tls - set("c") | {_flag(certificate)}
    return ",".join("".join(sorted(part)) for part in (tls, mail, code))


def _steps(database: Database, wanted: "t.List[trust_plan.Wanted]", purge: str) -> "t.List[NssStep]":
    steps = []
    held = {one.fingerprint: one for one in database.held}

    def step(
        action: str,
        want: trust_plan.Wanted,
        reason: str,
        do: str,
        nick: "t.Optional[str]" = None,
        trust: "t.Optional[str]" = None,
    ) -> None:
        steps.append(NssStep(action, database.path, want.fingerprint, want.certificate, want.name, reason,
                             do, nick, trust, said_of(held.get(want.fingerprint))))

    def take(held: NssEntry, want: trust_plan.Wanted, reason: str) -> None:
        if "u" in held.trust:  # somebody's own certificate with its key: it stays, and is not trusted any more
            step("remove", want, reason, "write", held.nickname, ",,")
        else:
            step("remove", want, reason, "delete", held.nickname)

    for want in wanted:
        one = held.get(want.fingerprint)
        name = want.name or (want.certificate and x509.common_name(want.certificate.subject_der)) or ""
        nick = one.nickname if one else want.fingerprint and nickname(name, want.fingerprint)
        if want.state == "present":
            if want.certificate is None:
                step("install", want, "it is not known yet", "write")
            elif one is None:
                step("install", want, "the database does not hold it", "write", nick, trusting(want.certificate))
            elif not vouches(one):
                action = "undistrust" if is_distrusted(one) else "install"
                step(action, want, "it is distrusted there" if is_distrusted(one) else "it is there and not trusted",
                     "write", nick, trusting(want.certificate, one.trust))
        elif want.state == "absent" and one and is_anchor(one):
            take(one, want, "wanted absent")
        elif want.state == "distrusted" and not (one and is_distrusted(one)):
            step("distrust", want, "nothing distrusts it yet", "write", nick, DISTRUST)
    listed = {want.fingerprint for want in wanted}
    for one in database.held if purge != "none" else ():
        ours = name_of(one) is not None and is_anchor(one)
        if one.fingerprint not in listed and (ours or purge == "all" and is_trusted(one) and "u" not in one.trust):
            gone = trust_plan.Wanted("absent", name_of(one), one.fingerprint, x509.parse_leniently(one.der))
            take(one, gone, "not listed (purge: %s)" % purge)
    if steps and not database.there:
        steps.insert(0, NssStep("create", database.path, None, None, None, "it is not there", "create", None, None,
                                None))
    return steps
