# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What was wished of an endpoint and is not so, a sentence each. Pure functions over results."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import handshake, presented_chain

REQUIRABLE = ("trusted", "complete_chain", "ordered_chain", "resumption", "keep_alive", "ocsp_staple",
              "forward_secrecy")


def violations(
    result: "t.Dict[str, t.Any]",
    require: "t.Iterable[str]",
    min_protocol: "t.Optional[str]",
    too_short: "t.List[str]",
    untried: "t.Collection[str]" = (),
) -> "t.List[str]":
    """Sentences on the wishes that an endpoint does not meet.

    result: as the module returns it, but for chain_findings, a list of presented_chain.Flaw.
    too_short: sentences on certificates with less time left than min_remaining. untried: versions that could not be.
    """
    if result["finding"]:
        return [result["finding"]]
    found = []
    for wish in require:
        found += WISHES[wish](result)
    found += (_protocol(result, min_protocol, untried) if min_protocol else []) + too_short
    return list(dict.fromkeys(found))  # a missing intermediate is one sentence, though two wishes fail of it


def _trusted(result: "t.Dict[str, t.Any]") -> "t.List[str]":
    return [] if result["trusted"] else result["reasons"] or ["it is not known whether this host trusts it"]


def _complete_chain(result: "t.Dict[str, t.Any]") -> "t.List[str]":
    if result["complete_chain"]:
        return []
    missing = _flaws(result, presented_chain.MISSING)
    last = result["chain"][-1]["issuer"] if result["chain"] else "the issuer"
    return missing or ["whether the chain is complete can't be told: %s is not known to this host" % last]


def _ordered_chain(result: "t.Dict[str, t.Any]") -> "t.List[str]":
    return [] if result["ordered_chain"] else _flaws(result, presented_chain.DISORDER) or ["the chain is not known"]


def _flaws(result: "t.Dict[str, t.Any]", kind: str) -> "t.List[str]":
    return [flaw.sentence for flaw in result["chain_findings"] if flaw.kind == kind]


def _resumption(result: "t.Dict[str, t.Any]") -> "t.List[str]":
    resumption = result["resumption"]
    if resumption and resumption["resumed"]:
        return []
    if resumption is None:
        return ["whether the server resumes sessions is not known: the warnings say why"]
    if resumption["offered"]:
        return ["the server does not resume the session that it offered to resume (by %s)" % resumption["offered"]]
    return ["the server does not resume sessions: it offers neither a ticket nor a session ID"]


def _keep_alive(result: "t.Dict[str, t.Any]") -> "t.List[str]":
    return [] if result["keep_alive"] else ["connections are not kept alive: %s" % (
        result["http"] and result["http"]["finding"] or "it was not tried")]


def _ocsp_staple(result: "t.Dict[str, t.Any]") -> "t.List[str]":
    if not result["ocsp_staple"]:
        return ["the server sends no OCSP staple"]
    return [result["ocsp_finding"]] if result["ocsp_finding"] else []


def _forward_secrecy(result: "t.Dict[str, t.Any]") -> "t.List[str]":
    return [] if result["forward_secrecy"] else ["the cipher %s has no forward secrecy" % result["cipher"]]


def _protocol(result: "t.Dict[str, t.Any]", lowest: str, untried: "t.Collection[str]") -> "t.List[str]":
    below = handshake.VERSIONS[:handshake.VERSIONS.index(lowest)]
    accepted = [version for version in below
                if version == result["protocol"] or (result["versions"] or {}).get(version)]
    unknown = [version for version in below if version in untried]
    found = []
    if accepted:
        found.append("the server accepts %s, lower than min_protocol=%s allows" % (", ".join(accepted), lowest))
    if unknown:
        found.append("whether the server accepts %s is not known: it could not be tried" % ", ".join(unknown))
    return found


WISHES = {"trusted": _trusted, "complete_chain": _complete_chain, "ordered_chain": _ordered_chain,
          "resumption": _resumption, "keep_alive": _keep_alive, "ocsp_staple": _ocsp_staple,
          "forward_secrecy": _forward_secrecy}
