# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The verdict of the controller joined with that of a host, so that what only one of them minds is understood."""

from __future__ import annotations

import base64
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki as webpki
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki_table as table

# What the host looks at in the same way, whatever its OpenSSL says.
SEEN_THERE = ("rfc9525-names",)


class Terms(t.NamedTuple):
    """What a task asks of the controller's engine."""

    waive: frozenset[str]
    fail_on_error: bool
    now: float


def terms(waive: list[str], fail_on_error: bool) -> Terms:
    """The Terms of a task; raises ValueError where this controller can't validate paths, or a name is no rule's."""
    problem = webpki.unable()
    if problem:
        raise ValueError(problem)
    wrong = table.not_waivable(waive)
    if wrong:
        raise ValueError("; ".join(wrong))
    return Terms(frozenset(waive), fail_on_error, time.time())


def joined(answer: dict[str, t.Any], asked: Terms) -> dict[str, t.Any]:
    """The module's answer with the controller's verdicts in it."""
    lists = [base64.b64decode(text) for text in answer.pop("crls", [])]
    results = [_joined(result, lists, asked) for result in answer["results"]]
    failed = [result for result in results if not result["verified"]]
    message = "\n".join(f"{result['name']}: {'; '.join(result['reasons'])}" for result in failed)
    answer = {**answer, "results": results, "verified": not failed, "msg": message or answer["msg"]}
    return {**answer, "failed": True} if failed and asked.fail_on_error else answer


def _joined(result: dict[str, t.Any], lists: list[bytes], asked: Terms) -> dict[str, t.Any]:
    material = result.pop("material", None)
    if material is None:
        return result
    question = webpki.Question(
        material["hostnames"], material["ips"], result["purpose"], asked.now, asked.waive)
    sent, anchors = ([base64.b64decode(text) for text in material[name]] for name in ("sent", "anchors"))
    verdict = webpki.judge(base64.b64decode(material["leaf"]), sent, anchors, question, lists)
    accepted_there = (result["openssl"] or {}).get("return_code") == 0
    reasons = result["reasons"] + consequences(verdict, accepted_there, result["verified"])
    return {**result, "reasons": reasons, "verified": result["verified"] and verdict.accepted,
            "verdicts": {**result["verdicts"], "strict": described(verdict)}}


def described(verdict: webpki.Verdict) -> dict[str, t.Any]:
    """A verdict as results show it."""
    return {"accepted": verdict.accepted, "chain": verdict.path,
            "reasons": [one.sentence for one in verdict.findings],
            "findings": [one._asdict() for one in verdict.findings],
            "waived": [one._asdict() for one in verdict.waived]}


def consequences(verdict: webpki.Verdict, accepted_there: bool, verified_there: bool) -> list[str]:
    """Sentences on what the two engines do not agree on.

    accepted_there: whether the host's OpenSSL accepts the chain. verified_there: whether nothing else is against it.
    """
    if verdict.accepted:
        return [] if accepted_there else [
            "OpenSSL on this host refuses its chain; by the rules that browsers, Go and rustls have it is good"]
    own = [one for one in verdict.findings if verified_there or one.rule not in SEEN_THERE]
    if not accepted_there:  # what every client minds, OpenSSL has said already
        own = [one for one in own if table.RULES[one.rule].refused_by not in (table.ALL, table.REVOCATION)]
    if not own:
        return []
    said = "; ".join(f"{one.sentence} ({one.rule}, {one.section})" for one in own)
    begin = "OpenSSL on this host accepts its chain; it" if accepted_there else "besides, it"
    return [f"{begin} is refused by {_listed(webpki.refused_by(own))}: {said}"]


def _listed(who: list[str]) -> str:
    return who[0] if len(who) == 1 else f"{', '.join(who[:-1])} and {who[-1]}"
