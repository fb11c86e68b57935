# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What modules have told of hosts, put together as one plain value: docs/report.schema.json says what is in it.

What hosts, certificates and servers say is others' text: in the value it is plain strings without anything that does
not print, of a length that can be read.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import answers, findings, known_certificates

Value = dict[str, t.Any]

LONGEST = 600  # characters of a sentence
KINDS = answers.KINDS
STATES = ("trusted", "distrusted", "unmanaged", "drifted", "inactive")
# What is told of an endpoint; the same from several hosts is told once.
VIEW = ("address", "reachable", "finding", "protocol", "cipher", "key_exchange", "signature_algorithm",
        "forward_secrecy", "alpn", "trusted", "reasons", "complete_chain", "chain_findings", "warnings", "ocsp_staple",
        "versions", "remaining_days")


class ReportPolicy(t.NamedTuple):
    """What the report goes by: spans in seconds, ``now`` since the epoch."""

    title: str
    now: int
    certificates_remaining: int
    anchors_remaining: int


def build(gathered: dict[str, Value], terms: ReportPolicy) -> Value:
    """The report on hosts: ``gathered`` has the results of modules as they were registered, by host and by kind.

    The kinds are those of KINDS, wanted in check mode. One that is missing was not asked for. Raises ValueError for
    results of another module.
    """
    gathered = _read(gathered)
    known = known_certificates.Known()
    found = findings.Findings(terms.now)
    names = sorted(gathered, key=findings.natural)
    for name in names:
        _hear(name, gathered[name], known)
    facts = known.facts()
    hosts = {name: _host(name, gathered[name], facts, found) for name in names}
    seen = _endpoints(gathered, found, terms)
    _complete(known, hosts, gathered)
    anchors = _anchors(hosts)
    _expiry(hosts, anchors, facts, found, terms)
    for name, fingerprint, sentence in known.disputes():
        found.add("certificate-disputed", name, sentence, fingerprint)
    listed = found.listed()
    return {
        "version": 1,
        "title": plain(terms.title),
        "generated": x509.iso_time(terms.now),
        "terms": {"certificates_remaining_seconds": terms.certificates_remaining,
                  "anchors_remaining_seconds": terms.anchors_remaining},
        "counts": _counts(hosts, anchors, seen, listed),
        "findings": listed,
        "hosts": hosts,
        "anchors": anchors,
        "endpoints": seen,
        "certificates": dict(sorted(facts.items())),
    }


def plain(value: t.Any) -> t.Any:
    """Plain JSON values: without Ansible's marks, and without what does not print, turns text round or ends a line."""
    if isinstance(value, str):
        text = x509.printable(" ".join(str(value).split()))
        return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def _read(gathered: dict[str, Value]) -> dict[str, Value]:
    """What hosts have answered, as plain values. Raises ValueError where all results of a kind are another module's:
    that is a mistake in the play. Where one host's are, it is that host's failure.
    """
    read: dict[str, Value] = {plain(name): {} for name in gathered}
    foreign: dict[str, list[answers.Foreign]] = {}
    for name, results in gathered.items():
        for kind, result in results.items():
            try:
                read[plain(name)][kind] = _plain(plain(name), kind, result)
            except answers.Foreign as error:
                read[plain(name)][kind] = plain(error.failure)
                foreign.setdefault(kind, []).append(error)
    for kind, errors in foreign.items():
        if len(errors) == sum(bool(results.get(kind)) for results in gathered.values()):
            raise errors[0]
    return read


def _plain(host: str, kind: str, result: Value | None) -> Value:
    """The same as plain values, but for the distribution's certificates: they are many, and few of them are told."""
    read = answers.read(host, kind, result) if result else {}
    found: Value = plain({key: value for key, value in read.items() if key != "distribution"})
    return {**found, "distribution": read["distribution"]} if "distribution" in read else found


def _hear(name: str, results: Value, known: known_certificates.Known) -> None:
    """Adds what a host says of certificates to what is known of them."""
    given = {kind: _answer(results.get(kind))[0] or {} for kind in KINDS}
    for one in given["certificates"].get("results", []):
        by = known_certificates.READ_HERE if "strict" in one["verdicts"] else known_certificates.OWN
        for each in [one, *one["chain"]]:
            if each["fingerprint_sha256"]:
                known.learn(each, name, by)
    # Of what is not listed, the host alone has said what it is.
    for one in [*given["wanted"].get("anchors", []), *given["wanted"].get("plan", [])]:
        if one["fingerprint_sha256"]:
            known.learn(one, name, known_certificates.STORE)
    for one in [*given["trust"].get("anchors", []), *given["trust"].get("distrusted", [])]:
        known.learn(one, name, known_certificates.STORE)
    for endpoint in given["endpoints"].get("results", []):
        for one in endpoint["chain"]:
            known.learn(one, name, known_certificates.OTHERS)


def _host(name: str, results: Value, known: dict[str, Value], found: findings.Findings) -> Value:
    trust, problem = _answer(results.get("trust"))
    host: Value = {"status": "ok", "reason": None, "store": None, "bundle": None, "in_sync": None, "interrupted": None,
                   "distribution": None, "anchors": {}, "drift": {}, "certificates": []}
    if trust is None:
        unreachable = bool((results.get("trust") or {}).get("unreachable"))
        reason = problem or "nothing was gathered from it in this run: an earlier task has failed there"
        found.add("host-unreachable" if unreachable else "host-failed", name, reason)
        host.update(status="unreachable" if unreachable else "failed", reason=reason)
    else:
        host.update({key: trust[key] for key in ("store", "bundle", "in_sync", "interrupted")})
        host["distribution"] = trust["counts"]["distribution"]
        host["anchors"], host["drift"] = _states(name, trust, results.get("wanted"), known, found)
        _store(name, trust, found)
    if host["status"] != "unreachable":
        host["certificates"] = _certificates(name, results.get("certificates"), found)
    return host


def _answer(result: Value | None) -> tuple[Value | None, str | None]:
    """(what a module has told, why it has not); both None where it was not asked."""
    if not result or result.get("skipped"):
        return None, None
    if result.get("unreachable") or result.get("failed"):
        return None, result.get("msg") or "it gives no reason"
    return result, None


def _states(name: str, trust: Value, wanted: Value | None, known: dict[str, Value],
            found: findings.Findings) -> tuple[dict[str, str], dict[str, str]]:
    """({fingerprint: one of STATES}, {fingerprint: how it is not as wanted}) of a host's own anchors."""
    wanted, problem = _answer(wanted)
    if problem:
        found.add("wanted-refused", name, problem)
    listed, steps = (wanted["anchors"], wanted["plan"]) if wanted else ([], [])
    asked = {one["fingerprint_sha256"]: one["state"] for one in listed if one["fingerprint_sha256"]}
    steps = [one for one in steps if one["fingerprint_sha256"]]
    states = {one["fingerprint_sha256"]: "distrusted" for one in trust["distrusted"]}
    for one in trust["anchors"]:
        ours = one["managed"] or asked.get(one["fingerprint_sha256"]) == "present"
        states.setdefault(one["fingerprint_sha256"],
                          "inactive" if not one["trusted"] else "trusted" if ours else "unmanaged")
    elsewhere = {fingerprint for fingerprint, state in asked.items() if state == "present"} - set(states)
    if elsewhere:  # it may come with the distribution
        brought = {one["fingerprint_sha256"] for one in trust["distribution"]}
        states.update(dict.fromkeys(sorted(elsewhere & brought), "trusted"))
    drift = {}
    for step in steps:
        fingerprint = step["fingerprint_sha256"]
        drift[fingerprint] = step["reason"]
        found.add(findings.STEPS.get(step["action"], "anchor-differs"), name,
                  f"{_label(known, fingerprint)}: {step['reason']}", fingerprint)
    if trust["in_sync"] is False:
        drift.update((fingerprint, "it is not in the extracted store") for fingerprint, state in states.items()
                     if state == "inactive" and fingerprint not in drift)
    states.update(dict.fromkeys(drift, "drifted"))
    for fingerprint, state in states.items():
        if state in ("unmanaged", "inactive"):
            found.add(f"anchor-{state}", name, _label(known, fingerprint), fingerprint)
    return states, drift


def _store(name: str, trust: Value, found: findings.Findings) -> None:
    if trust["interrupted"]:
        found.add("store-out-of-sync", name, "an earlier run was interrupted")
    for sentence in trust["deviations"]:
        found.add("store-out-of-sync", name, sentence)
    if trust["in_sync"] is None:
        found.add("store-unknown", name, "; ".join(trust.get("warnings") or []) or "no reason is given")


def _certificates(name: str, result: Value | None, found: findings.Findings) -> list[Value]:
    answer, problem = _answer(result)
    if problem:
        found.add("certificates-failed", name, problem)
    listed = []
    for one in answer["results"] if answer else []:
        fingerprint = one["fingerprint_sha256"]
        listed.append({
            "path": one["path"], "certificate": fingerprint, "verified": one["verified"], "reasons": one["reasons"],
            "warnings": one["warnings"], "dns_names": one["dns_names"], "ip_addresses": one["ip_addresses"],
            "key_type": one["key_type"], "remaining_days": one["remaining_days"],
            "chain": [{"certificate": link["fingerprint_sha256"], "subject": link["subject"], "source": link["source"]}
                      for link in one["chain"]]})
        if not one["verified"]:
            kind = ("unreadable" if not fingerprint else
                    "expired" if one["remaining_days"] < 0 else "refused")
            found.add(f"certificate-{kind}", name, f"{one['name']}: {'; '.join(one['reasons'])}", fingerprint)
        for warning in one["warnings"]:
            found.add("certificate-warning", name, f"{one['name']}: {warning}", fingerprint)
    return listed


def _endpoints(gathered: dict[str, Value], found: findings.Findings, terms: ReportPolicy) -> list[Value]:
    """Each endpoint once, with what is seen of it; hosts that see the same are told together."""
    seen: dict[tuple[str, str], dict[str, Value]] = {}
    for host, results in sorted(gathered.items(), key=lambda pair: findings.natural(pair[0])):
        answer, problem = _answer(results.get("endpoints"))
        if problem:
            found.add("endpoints-failed", host, problem)
        for one in answer["results"] if answer else []:
            _see(seen, host, one)
            findings.of_endpoint(found, host, one, terms.certificates_remaining)
    return [{"name": name, "server_name": asked, "views": [
        {**view, "handshake": _range(view["handshake"])} for view in views.values()]}
        for (name, asked), views in sorted(seen.items(), key=lambda pair: findings.natural(pair[0][0]))]


def _see(seen: dict[tuple[str, str], dict[str, Value]], host: str, one: Value) -> None:
    """Adds what a host sees of an endpoint."""
    facts = {key: one[key] for key in VIEW}
    facts["resumed"] = (one["resumption"] or {}).get("resumed")
    facts["chain"] = [certificate["fingerprint_sha256"] for certificate in one["chain"]]
    views = seen.setdefault((one["name"], one["server_name"]), {})
    view = views.setdefault(json.dumps(facts, sort_keys=True), {"hosts": [], **facts, "handshake": []})
    view["hosts"].append(host)
    view["handshake"].append(one["milliseconds"]["handshake"])


def _range(numbers: list[float | None]) -> Value | None:
    measured = [number for number in numbers if number is not None]
    return {"least": min(measured), "most": max(measured)} if measured else None


def _complete(known: known_certificates.Known, hosts: dict[str, Value], gathered: dict[str, Value]) -> None:
    """What the distributions bring is told only where a chain leads to it."""
    facts = known.facts()
    for name, host in hosts.items():
        lacking = {link["certificate"] for one in host["certificates"] for link in one["chain"]
                   if link["certificate"] and link["source"] == "trust"
                   and facts[link["certificate"]]["not_after"] is None}
        answer, _problem = _answer(gathered[name].get("trust")) if lacking else (None, None)
        for one in answer["distribution"] if answer else []:
            if one["fingerprint_sha256"] in lacking:
                known.learn(plain(one), name, known_certificates.OTHERS)


def _label(known: dict[str, Value], fingerprint: str) -> str:
    return known.get(fingerprint, {}).get("subject") or f"SHA-256 {fingerprint}"


def _anchors(hosts: dict[str, Value]) -> dict[str, Value]:
    """{fingerprint: how many hosts have it in which state}."""
    found: dict[str, dict[str, int]] = {}
    for host in hosts.values():
        for fingerprint, state in host["anchors"].items():
            counts = found.setdefault(fingerprint, dict.fromkeys(STATES, 0))
            counts[state] += 1
    return dict(sorted(found.items()))


def _expiry(hosts: dict[str, Value], anchors: dict[str, Value], known: dict[str, Value], found: findings.Findings,
            terms: ReportPolicy) -> None:
    """Findings on what ends soon. What a certificate is refused for is not said twice."""
    ending = {fingerprint: sentence for fingerprint in anchors
              if (sentence := found.ending(known[fingerprint]["not_after"], terms.anchors_remaining))}
    for name, host in hosts.items():
        for fingerprint, state in host["anchors"].items():
            if fingerprint in ending and state in ("trusted", "unmanaged"):
                kind = "anchor-expired" if ending[fingerprint].startswith("expired") else "anchor-expires"
                found.add(kind, name, f"{_label(known, fingerprint)} {ending[fingerprint]}", fingerprint)
        for one in host["certificates"]:
            sentence = one["verified"] and found.ending(
                known[one["certificate"]]["not_after"], terms.certificates_remaining)
            if sentence:
                label = _label(known, one["certificate"])
                found.add("certificate-expires", name,
                          f"{one['path']} ({label}) {sentence}" if one["path"] else f"{label} {sentence}",
                          one["certificate"])


def _counts(hosts: dict[str, Value], anchors: dict[str, Value], seen: list[Value], listed: list[Value]) -> Value:
    statuses = [host["status"] for host in hosts.values()]
    installed = [one for host in hosts.values() for one in host["certificates"]]
    return {
        "hosts": {"all": len(statuses), **{each: statuses.count(each) for each in ("ok", "unreachable", "failed")}},
        "anchors": len(anchors),
        "certificates": {"all": len(installed), "verified": sum(one["verified"] for one in installed)},
        "endpoints": len(seen),
        "findings": {severity: sum(len(one["items"]) for one in listed if one["severity"] == severity)
                     for severity in findings.SEVERITIES},
    }
