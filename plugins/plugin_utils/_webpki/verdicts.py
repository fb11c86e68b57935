# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The verdict of the controller joined with that of a host, so that what only one of them minds is understood."""

from __future__ import annotations

import base64
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import rules, validate

# What the host looks at in the same way, whatever its OpenSSL says.
SEEN_THERE = ("rfc9525-names",)

Shape = host_answers.Shape
MATERIAL = Shape("dict", keys={
    **dict.fromkeys(("hostnames", "ips", "sent", "anchors"), Shape("list", False, True, elements=Shape("str", False))),
    "leaf": Shape("str", False, True)})


def _answer() -> Shape:
    """What the module can say: with the certificates that are judged here, and without the verdict on them."""
    documented = host_answers.extended(host_answers.documented("cert_verify"), crls=host_answers.TEXTS)
    results = (documented.keys or {})["results"]
    keys = dict((results.elements or results).keys or {}, material=MATERIAL)
    engines = keys["verdicts"].keys or {}
    keys["verdicts"] = keys["verdicts"]._replace(keys={"openssl": engines["openssl"]})
    element = (results.elements or results)._replace(keys=keys)
    return documented._replace(keys={**(documented.keys or {}), "results": results._replace(elements=element)})


ANSWER = _answer()


class StrictPolicy(t.NamedTuple):
    """What a task asks of the controller's engine."""

    waive: frozenset[str]
    fail_on_error: bool
    now: float


def terms(waive: list[str], fail_on_error: bool) -> StrictPolicy:
    """The Terms of a task; raises ValueError where this controller can't validate paths, or a name is no rule's."""
    problem = validate.unable()
    if problem:
        raise ValueError(problem)
    wrong = rules.not_waivable(waive)
    if wrong:
        raise ValueError("; ".join(wrong))
    return StrictPolicy(frozenset(waive), fail_on_error, time.time())


def joined(answer: dict[str, t.Any], asked: StrictPolicy) -> dict[str, t.Any]:
    """The module's answer with the controller's verdicts in it; raises host_answers.Wrong."""
    lists = [_decoded("crls", text) for text in answer.pop("crls", None) or []]
    results = [_joined(result, lists, asked) for result in answer["results"]]
    failed = [result for result in results if not result["verified"]]
    message = "\n".join(f"{result['name']}: {'; '.join(result['reasons'])}" for result in failed)
    answer = {**answer, "results": results, "verified": not failed, "msg": message or answer["msg"]}
    return {**answer, "failed": True} if failed and asked.fail_on_error else answer


def _joined(result: dict[str, t.Any], lists: list[bytes], asked: StrictPolicy) -> dict[str, t.Any]:
    material = result.pop("material", None)
    if material is None:
        if result["verified"]:
            raise host_answers.Wrong("a certificate is verified and not shown")
        return result
    question = validate.Question(
        material["hostnames"], material["ips"], result["purpose"], asked.now, asked.waive)
    sent, anchors = ([_decoded(name, text) for text in material[name]] for name in ("sent", "anchors"))
    leaf = _decoded("leaf", material["leaf"])
    result.update(_read(leaf, asked.now))  # what a host says of it is not needed
    verdict = validate.judge(leaf, sent, anchors, question, lists)
    accepted_there = (result["openssl"] or {}).get("return_code") == 0
    reasons = result["reasons"] + consequences(verdict, accepted_there, result["verified"])
    return {**result, "reasons": reasons, "verified": result["verified"] and verdict.accepted,
            "verdicts": {**result["verdicts"], "strict": described(verdict)}}


def _decoded(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise host_answers.Wrong(f"{name} is no base64: {error}") from error


def _read(leaf: bytes, now: float) -> dict[str, t.Any]:
    """What a certificate says; raises host_answers.Wrong."""
    try:
        return x509.describe_leaf(x509.parse(leaf), now)
    except der.DerError as error:
        raise host_answers.Wrong(f"the certificate is none: {error}") from error


def described(verdict: validate.StrictVerdict) -> dict[str, t.Any]:
    """A verdict as results show it."""
    return {"accepted": verdict.accepted, "chain": verdict.path,
            "reasons": [one.sentence for one in verdict.findings],
            "findings": [one._asdict() for one in verdict.findings],
            "waived": [one._asdict() for one in verdict.waived]}


def consequences(verdict: validate.StrictVerdict, accepted_there: bool, verified_there: bool) -> list[str]:
    """Sentences on what the two engines do not agree on.

    accepted_there: whether the host's OpenSSL accepts the chain. verified_there: whether nothing else is against it.
    """
    if verdict.accepted:
        return [] if accepted_there else [
            "OpenSSL on this host refuses its chain; by the rules that browsers, Go and rustls have it is good"]
    own = [one for one in verdict.findings if verified_there or one.rule not in SEEN_THERE]
    if not accepted_there:  # what every client minds, OpenSSL has said already
        own = [one for one in own if rules.RULES[one.rule].refused_by not in (rules.ALL, rules.REVOCATION)]
    if not own:
        return []
    said = "; ".join(f"{one.sentence} ({one.rule}, {one.section})" for one in own)
    begin = "OpenSSL on this host accepts its chain; it" if accepted_there else "besides, it"
    return [f"{begin} is refused by {_listed(validate.refused_by(own))}: {said}"]


def _listed(who: list[str]) -> str:
    return who[0] if len(who) == 1 else f"{', '.join(who[:-1])} and {who[-1]}"
