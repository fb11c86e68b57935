# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What ends when, on a line on which the next days have as much room as the years after them."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import findings

DAY = 86400
PAST = 0.05  # the part of the line for what has ended already
MARKS = ((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year"), (1095, "3 years"),
         (3650, "10 years"), (10950, "30 years"))
STEPS = 1000  # places on the line: what falls on the same one is drawn once


class Lane(t.NamedTuple):
    """A row of the time line: an anchor, or all certificates of an issuer."""

    kind: str  # anchor, certificates
    name: str
    number: int
    ticks: list[tuple[int, str]]  # (place from 0 to STEPS, what it means: expired, soon, later)
    first: str  # when the first of them ends
    says: str  # the same as words
    status: str  # of the first


def scale(report: dict[str, t.Any]) -> list[tuple[float, str]]:
    """The marks of the line that fit on it, as (place, label)."""
    longest = _longest(report)
    return [(place(days, longest), label) for days, label in MARKS if days < 0.9 * longest]


def place(days: float, longest: float) -> float:
    """Where on the line, from 0 to 1, something is that ends in so many days."""
    if days < 0:
        return PAST / 2
    return PAST + (1 - PAST) * min(1.0, math.log1p(days) / math.log1p(longest))


def lanes(report: dict[str, t.Any]) -> list[Lane]:
    """The rows, what ends first in front."""
    longest, least = _longest(report), report["terms"]
    found = [_lane(report, "anchor", [one], least["anchors_remaining_seconds"], longest)
             for one in _dated(report, report["anchors"])]
    found += [_lane(report, "certificates", certificates, least["certificates_remaining_seconds"], longest)
              for certificates in _by_issuer(report).values()]
    return sorted(found, key=lambda lane: (findings.epoch(lane.first), lane.kind, lane.name))


def _by_issuer(report: dict[str, t.Any]) -> dict[str, list[str]]:
    used = {one["certificate"]: None for host in report["hosts"].values() for one in host["certificates"]}
    used.update((view["chain"][0], None) for each in report["endpoints"] for view in each["views"] if view["chain"])
    found: dict[str, list[str]] = {}
    for one in _dated(report, used):
        found.setdefault(report["certificates"][one]["issuer"] or "", []).append(one)
    return found


def _dated(report: dict[str, t.Any], fingerprints: t.Iterable[str | None]) -> list[str]:
    return [one for one in fingerprints if one and report["certificates"][one]["not_after"]]


def _ends(report: dict[str, t.Any], fingerprint: str) -> int:
    return findings.epoch(report["certificates"][fingerprint]["not_after"])


def _left(report: dict[str, t.Any], fingerprint: str) -> int:
    return _ends(report, fingerprint) - findings.epoch(report["generated"])


def _longest(report: dict[str, t.Any]) -> float:
    """Days until the last of them ends, at least a month."""
    used = _dated(report, report["anchors"]) + [one for each in _by_issuer(report).values() for one in each]
    return max([30.0, *(_left(report, one) / DAY for one in used)])


def _lane(report: dict[str, t.Any], kind: str, certificates: list[str], least: int, longest: float) -> Lane:
    first = min(certificates, key=lambda one: _ends(report, one))
    ends = sorted(_left(report, one) for one in certificates)
    # Where several fall on one place, the first of them is shown.
    ticks = {round(place(left / DAY, longest) * STEPS): _status(left, least) for left in reversed(ends)}
    name = report["certificates"][first]["subject" if kind == "anchor" else "issuer"]
    return Lane(kind, name or "no name", len(certificates), [(at, ticks[at]) for at in sorted(ticks)],
                report["certificates"][first]["not_after"], _spoken(ends[0] / DAY), _status(ends[0], least))


def _status(left: int, least: int) -> str:
    return "expired" if left < 0 else "soon" if left < least else "later"


def _spoken(days: float) -> str:
    """``in 29 days``, ``in 4 years``, ``3 days ago``: as exactly as matters."""
    count = abs(days)
    text = (f"{count / 365.25:.1f} years" if count >= 730 else f"{int(count)} days" if count >= 2 else
            f"{int(count * 24)} hours" if count >= 1 / 12 else "an hour or two")
    return f"{text} ago" if days < 0 else f"in {text}"
