# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Path validation as browsers, Go and rustls do it, on the controller: plain values in, a Verdict out.

Each path that is found is held against named rules (rules.py), and what these let pass is verified once more by
pyca/cryptography, wherever that can judge it. Paths are looked for here and not there: it returns one, and where a
rule refuses that one another may do, as with a root that is cross-signed.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import certificate as webpki_certificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import (
    checks,
    crls,
    name_constraints,
    path_building,
    pyca,
)
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import names as webpki_names
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.certificate import PathCertificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.rules import RULES, Finding, finding

MIN_CRYPTOGRAPHY = 49  # 42 to 48 need seconds for some pathological chains
MAX_SENT = 500         # intermediates; more are a finding at once
MAX_PATHS = 20         # complete paths that are held against the rules
MAX_OF_A_RULE = 5      # findings of one rule that are told


class Question(t.NamedTuple):
    """What is asked of a certificate."""

    hostnames: list[str]
    ips: list[str]
    purpose: str  # server, client, email, ca or any
    now: float    # epoch seconds
    waive: frozenset[str] = frozenset()
    max_intermediates: int | None = None


class StrictVerdict(t.NamedTuple):
    """``findings`` are those that count, ``waived`` those that do not; ``path`` has labels, leaf first."""

    accepted: bool
    findings: list[Finding]
    waived: list[Finding]
    path: list[str]


def unable() -> str | None:
    """Why this controller can't validate paths, or None."""
    found = webpki_certificate.cryptography_version
    if found and int(found.partition(".")[0]) >= MIN_CRYPTOGRAPHY:
        return None
    return (f"the engine 'strict' needs cryptography {MIN_CRYPTOGRAPHY} or later on the controller, in the Python "
            f"that runs ansible-core; there it has {found or 'none'}: install it (pip install 'cryptography>="
            f"{MIN_CRYPTOGRAPHY}'), or say 'engine: host' for the host's OpenSSL alone")


def judge(leaf: bytes, sent: list[bytes], anchors: list[bytes], question: Question,
          lists: list[bytes] | None = None) -> StrictVerdict:
    """The verdict on a certificate. All certificates and revocation lists are DER; what of ``sent`` and ``anchors``
    can't be read is passed over, as something that nothing on the path needs.
    """
    try:
        one = webpki_certificate.read(leaf)
    except webpki_certificate.Malformed as error:
        return StrictVerdict(False, [finding("rfc5280-malformed", str(error))], [], [])
    if len(sent) > MAX_SENT:
        return StrictVerdict(False, [finding("too-complex", f"came with {len(sent)} other certificates; {MAX_SENT} are "
                                             "the most that are looked at")], [], [one.label])
    given, unreadable = _lists(lists or [])
    search = path_building.Search(_readable(sent), _readable(anchors), question.now, question.max_intermediates)
    best = _best(one, search, question, given)
    findings = [*unreadable, *best.findings]
    return best._replace(accepted=not findings, findings=findings)


def _readable(listed: list[bytes]) -> list[PathCertificate]:
    found = []
    for data in listed:
        try:
            found.append(webpki_certificate.read(data))
        except webpki_certificate.Malformed:
            continue
    return found


def _lists(listed: list[bytes]) -> tuple[list[crls.RevocationList], list[Finding]]:
    found, unreadable = [], []
    for data in listed:
        try:
            found.append(crls.read(data))
        except ValueError as error:
            unreadable.append(finding("rfc5280-crl-malformed", f"of a revocation list that was given: {error}"))
    return found, unreadable


def _best(
    leaf: PathCertificate, search: path_building.Search, question: Question, given: list[crls.RevocationList]
) -> StrictVerdict:
    """The verdict on the first path without a finding, else on that with the fewest."""
    best: StrictVerdict | None = None
    try:
        for number, path in enumerate(search.paths(leaf)):
            if number == MAX_PATHS:
                raise path_building.Exhausted(f"{MAX_PATHS} paths")
            verdict = _of_path(path, question, given)
            if verdict.accepted:
                return verdict
            if best is None or len(verdict.findings) < len(best.findings):
                best = verdict
    except path_building.Exhausted as error:
        if best is None:
            found = finding("too-complex", f"has so many possible chains that the search was given up after {error}")
            return StrictVerdict(False, [found], [], [leaf.label])
    return best or _without_path(leaf, search, question)


def _without_path(leaf: PathCertificate, search: path_building.Search, question: Question) -> StrictVerdict:
    """What can be said where no path leads to an anchor: why, and what is wrong with the certificate itself."""
    own = [search.finding(), *webpki_names.of_leaf(leaf, question.hostnames, question.ips, question.purpose)]
    own += checks.validity(leaf, checks.PathPosition(True, False, ""), question.now)
    return StrictVerdict(False, own, [], [one.label for one in search.furthest])


def _of_path(path: list[PathCertificate], question: Question, given: list[crls.RevocationList]) -> StrictVerdict:
    found = list(checks.of_path(path, question.purpose, question.now))
    if not path[0].malformed:
        found += webpki_names.of_leaf(path[0], question.hostnames, question.ips, question.purpose)
    found += name_constraints.of_path(path)
    found += crls.of_path(path, given, question.now)
    found = _few(list(dict.fromkeys(found)))
    waived = [one for one in found if one.rule in question.waive]
    counting = [one for one in found if one.rule not in question.waive]
    if not counting and not waived and "pyca-verifier" not in question.waive:
        objection = pyca.objection(path, _first_name(question), question.now)
        counting += [finding("pyca-verifier", objection)] if objection else []
    return StrictVerdict(not counting, counting, waived, [one.label for one in path])


def _few(found: list[Finding]) -> list[Finding]:
    """At most MAX_OF_A_RULE of each rule: a certificate can have a thousand names that are wrong."""
    kept: dict[str, list[Finding]] = {}
    for one in found:
        kept.setdefault(one.rule, []).append(one)
    few: list[Finding] = []
    for same in kept.values():
        few += same[:MAX_OF_A_RULE]
        if same[MAX_OF_A_RULE:]:
            few[-1] = few[-1]._replace(sentence=f"{few[-1].sentence}; and {len(same) - MAX_OF_A_RULE} more such")
    return few


def _first_name(question: Question) -> str | None:
    """A name that the certificate is asked for as a server's, which pyca looks at too."""
    asked = [*question.hostnames, *question.ips] if question.purpose == "server" else []
    return asked[0] if asked else None


def refused_by(findings: list[Finding]) -> list[str]:
    """Who refuses a certificate for these findings, each once; those whom the most is to be feared from come first."""
    order = [rule.refused_by for rule in RULES.values()]
    return sorted({RULES[one.rule].refused_by for one in findings}, key=order.index)
