# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""From what databases of NSS hold and what is wanted of them to the steps between: pure, nothing is touched here.

Trust is written as certutil does: a letter for each use of a certificate, for TLS, mail and code. C is a CA trusted for
servers, T one for clients, P a trusted peer, p is distrust, u says that its private key is there.
"""

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
    held = {one.fingerprint: one for one in database.held}
    steps = [step for want in wanted for step in _steps_for(database, held.get(want.fingerprint), want)]
    listed = {want.fingerprint for want in wanted}
    for one in database.held if purge != "none" else ():
        ours = name_of(one) is not None and is_anchor(one)
        if one.fingerprint not in listed and (ours or purge == "all" and is_trusted(one) and "u" not in one.trust):
            gone = trust_plan.Wanted("absent", name_of(one), one.fingerprint, x509.parse_leniently(one.der))
            steps.append(_removal(database, one, gone, "not listed (purge: %s)" % purge))
    if steps and not database.there:
        steps.insert(0, NssStep("create", database.path, None, None, None, "it is not there", "create", None, None,
                                None))
    return steps


def _steps_for(
    database: Database, held: "t.Optional[NssEntry]", want: trust_plan.Wanted
) -> "t.Iterator[NssStep]":
    """What is to be done for one certificate, of which the database may hold something."""
    name = want.name or (want.certificate and x509.common_name(want.certificate.subject_der)) or ""
    nick = held.nickname if held else want.fingerprint and nickname(name, want.fingerprint)
    if want.state == "present":
        if want.certificate is None:
            yield _step(database, held, want, "install", "it is not known yet")
        elif held is None:
            step = _step(database, held, want, "install", "the database does not hold it")
            yield step._replace(nickname=nick, trust=trusting(want.certificate))
        elif not vouches(held):
            step = _step(database, held, want, *(
                ("undistrust", "it is distrusted there") if is_distrusted(held) else
                ("install", "it is there and not trusted")))
            yield step._replace(nickname=nick, trust=trusting(want.certificate, held.trust))
    elif want.state == "absent" and held and is_anchor(held):
        yield _removal(database, held, want, "wanted absent")
    elif want.state == "distrusted" and not (held and is_distrusted(held)):
        step = _step(database, held, want, "distrust", "nothing distrusts it yet")
        yield step._replace(nickname=nick, trust=DISTRUST)


def _step(
    database: Database, held: "t.Optional[NssEntry]", want: trust_plan.Wanted, action: str, reason: str
) -> NssStep:
    return NssStep(action, database.path, want.fingerprint, want.certificate, want.name, reason, "write", None, None,
                   said_of(held))


def _removal(database: Database, held: NssEntry, want: trust_plan.Wanted, reason: str) -> NssStep:
    step = _step(database, held, want, "remove", reason)._replace(nickname=held.nickname)
    # Somebody's own certificate with its key stays, and is not trusted any more.
    return step._replace(trust=",,") if "u" in held.trust else step._replace(do="delete")
