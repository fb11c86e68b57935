# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A list of endpoints looked at and judged: what the module tls_endpoint_info does. Plain values in and out."""

import time
import typing as t
from concurrent import futures

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint as tls_endpoint
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import (
    http1,
    presented_chain,
    probe,
    requirements,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, der, pem

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl

SIDE_BY_SIDE = 8
UNJUDGED: "t.Dict[str, t.Any]" = {
    "chain": [], "chain_findings": [], "complete_chain": None, "ordered_chain": None, "trusted": None,
    "reasons": [], "remaining_days": None}


def look(
    given: "t.Dict[str, t.Any]", tmpdir: "t.Optional[str]" = None, now: "t.Optional[int]" = None
) -> "t.Dict[str, t.Any]":
    """The module's result: met, msg, results, trust. given: the module's options.

    now: epoch seconds, for what is computed here. Raises Failure where nothing can be looked at.
    """
    _check(given)
    program, store = verification.host(given["trust"])
    try:
        endpoints = [tls_endpoint.read(number, item, program) for number, item in enumerate(_items(given))]
    except ValueError as error:
        raise Failure(str(error))
    wanted = probe.ProbeOptions(
        timeout=given["timeout"], path=given["http_path"], http=given["http"],
        resumption=given["resumption"] or "resumption" in given["require"],
        keep_alive=given["keep_alive"] or "keep_alive" in given["require"],
        versions=given["versions"] or given["min_protocol"] is not None)
    with futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        seen = list(pool.map(lambda endpoint: probe.look(endpoint, wanted, program, tmpdir), endpoints))
    now = int(time.time()) if now is None else now
    results = [_judged(endpoint, one_seen, given, program, store, tmpdir, now)
               for endpoint, one_seen in zip(endpoints, seen)]
    return {
        "requirements_met": not any(result["violations"] for result in results), "results": results,
        "msg": _message(results),
        "trust": {"file": store.trust.file, "directory": store.trust.directory, "anchors": len(store.anchors)},
    }


def _message(results: "t.List[t.Dict[str, t.Any]]") -> str:
    """What is not as it was asked for; where nothing was, how many were asked and what kept any from an answer."""
    violations = ["%s: %s" % (result["name"], "; ".join(result["violations"]))
                  for result in results if result["violations"]]
    count = "%d endpoint%s looked at" % (len(results), "" if len(results) == 1 else "s")
    return "\n".join(violations or [count] + [
        "%s: %s" % (result["name"], result["finding"]) for result in results if result["finding"]])


def _check(given: "t.Dict[str, t.Any]") -> None:
    """Raises Unable for options that can't be meant."""
    if given["endpoints"] is not None and not given["endpoints"]:
        raise Failure("'endpoints' is empty: there is nothing to look at")
    if not 0 < given["timeout"] <= 600:
        raise Failure("timeout: %g is not between 0 and 600 seconds" % given["timeout"])
    if not http1.PATH.match(given["http_path"]):
        raise Failure("http_path: %r is not the path of a URL: it begins with /, without blanks" % given["http_path"])
    if given["min_remaining"] is not None:
        try:
            duration.of_option("min_remaining", given["min_remaining"])
        except ValueError as error:
            raise Failure(str(error))


def _items(given: "t.Dict[str, t.Any]") -> "t.List[t.Dict[str, t.Any]]":
    """The endpoints as they were given: the list, or the one of the top level."""
    listed: t.Optional[t.List[t.Dict[str, t.Any]]] = given["endpoints"]
    if listed is not None:
        return listed
    return [{key: given[key] for key in ("host", "port", "server_name") if given[key] is not None}]


def _judged(
    endpoint: tls_endpoint.Endpoint,
    seen: probe.Seen,
    given: "t.Dict[str, t.Any]",
    program: "openssl.OpenSSL",
    store: verify_reasons.TrustedStore,
    tmpdir: "t.Optional[str]",
    now: int,
) -> "t.Dict[str, t.Any]":
    """The result with the verdict on the chain, and with the wishes that are not met (dict)."""
    too_short = []
    result = dict(UNJUDGED, **seen.result)
    if seen.chain:
        try:
            sent = [x509.parse(raw) for raw in seen.chain]
            result.update(_verdict(endpoint, result, sent, program, store, tmpdir, now))
            if given["min_remaining"] is not None:
                too_short = _too_short(sent, given["min_remaining"], store, now)
        except der.DerError as error:
            result.update(trusted=False, reasons=["a certificate that the server sent is malformed: %s" % error])
    wishful = given["require"] or given["min_protocol"] or given["min_remaining"] is not None
    result["violations"] = requirements.violations(result, given["require"], given["min_protocol"], too_short,
                                                   seen.untried) if wishful else []
    if given["min_remaining"] is not None and not seen.chain and not result["finding"]:
        result["violations"].append("how long the chain is valid is not known")
    return dict(result, chain_findings=[flaw.sentence for flaw in result["chain_findings"]])


def _verdict(
    endpoint: tls_endpoint.Endpoint,
    result: "t.Dict[str, t.Any]",
    sent: "t.List[x509.Certificate]",
    program: "openssl.OpenSSL",
    store: verify_reasons.TrustedStore,
    tmpdir: "t.Optional[str]",
    now: int,
) -> "t.Dict[str, t.Any]":
    chain = "".join(pem.to_pem(certificate.der) for certificate in sent[1:])
    item = verification.Item(
        name=endpoint.name, purpose=endpoint.purpose, content=pem.to_pem(sent[0].der), chain_content=chain or None,
        hostnames=[endpoint.asked], server=True)
    judged, = verification.judge([item], program, store, tmpdir, now)
    complete, ordered, flaws = presented_chain.examine(sent, store, now)
    return {
        "chain": [presented_chain.describe(certificate) for certificate in sent],
        "chain_findings": flaws, "complete_chain": complete, "ordered_chain": ordered,
        "trusted": judged["verified"], "reasons": judged["reasons"],
        "warnings": result["warnings"] + judged["warnings"], "remaining_days": judged["remaining_days"],
    }


def _too_short(
    sent: "t.List[x509.Certificate]", min_remaining: str, store: verify_reasons.TrustedStore, now: int
) -> "t.List[str]":
    """Sentences on certificates of the chain that are not valid for so long."""
    links = chains.build(sent[0], chains.index(sent[1:]), store.pool, now)
    expired = [(one, verify_reasons.validity(one, now)) for one in chains.certificates(links)]
    found = ["%s %s" % (verify_reasons.short(one.subject_der), sentence) for one, sentence in expired if sentence]
    return found + verify_reasons.too_short(links, min_remaining, store, now)
