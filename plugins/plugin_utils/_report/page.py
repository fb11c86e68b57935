# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The report as one HTML page that needs nothing else: what is beside what, worked out for the template.

The page is complete as it is written; its script only hides what was not searched for.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import typing as t

import jinja2

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import chains, findings, timeline

TEMPLATES = os.path.join(os.path.dirname(__file__), "..", "..", "..", "roles", "trust_report", "templates")
COMMON_NAME = re.compile(r"(?:^|,)CN=((?:\\.|[^,\\])*)")
NAMED = 3  # hosts that a line names; the others are behind it


class Group(t.NamedTuple):
    """Hosts that are alike in the matrix."""

    hosts: list[str]
    status: str
    reason: str | None
    store: str | None
    order: str  # whether the extracted store is: in order, out of order, not known
    distribution: int | None
    cells: tuple[str, ...]

    @property
    def needs_attention(self) -> bool:
        """Whether there is anything to see to."""
        return self.order != "in order" or not {"drifted", "unmanaged", "inactive"}.isdisjoint(self.cells)


def html(report: dict[str, t.Any], data: t.Sequence[str] = ()) -> str:
    """The page, from the template report.html.j2 and the style sheet and the script beside it.

    data: what the files are called that have the same as data.
    """
    # Every value is escaped where the template shows it, and none is ever a template itself.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(short=short, few=few, percent=_percent)
    script = environment.get_template("report.js").render()
    columns = sorted(report["anchors"], key=lambda one: _by_name(report, one))
    return environment.get_template("report.html.j2").render(
        report=report, style=environment.get_template("report.css").render(), script=script,
        # What is no part of this page does not run, and nothing is fetched, even if something slipped through.
        script_hash=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode(),
        columns=columns, groups=groups(report, columns), roots=chains.trees(report),
        scale=timeline.scale(report), lanes=timeline.lanes(report), steps=timeline.STEPS,
        today=round(timeline.PAST * timeline.STEPS), named=NAMED, data=data)


def groups(report: dict[str, t.Any], columns: list[str]) -> list[Group]:
    """The rows of the matrix: hosts that are alike share one, those with something wrong come first."""
    alike: dict[tuple[t.Any, ...], list[str]] = {}
    for name, host in report["hosts"].items():
        order = {True: "in order", False: "out of order", None: "not known"}[host["in_sync"]]
        cells = tuple(host["anchors"].get(one, "absent") for one in columns) if host["status"] == "ok" else ()
        key = (host["status"], host["reason"], host["store"], order, host["distribution"], cells)
        alike.setdefault(key, []).append(name)
    made = [Group(names, *key) for key, names in alike.items()]
    return sorted(made, key=lambda one: (_weight(one), -len(one.hosts), findings.natural(one.hosts[0])))


def _weight(group: Group) -> int:
    """What is worst comes first."""
    if "drifted" in group.cells or group.order == "out of order":
        return 0
    if group.status != "ok":
        return 1
    return 2 if "unmanaged" in group.cells else 3


def _by_name(report: dict[str, t.Any], fingerprint: str) -> tuple[list[t.Any], str]:
    return findings.natural(short(report["certificates"][fingerprint]["subject"] or "")), fingerprint


def short(subject: str | None) -> str:
    """The common name of a subject, or the whole of it."""
    found = COMMON_NAME.search(subject or "")
    return (re.sub(r"\\([,+\"\\<>; ])", r"\1", found.group(1)) if found else subject) or "no name"


def few(hosts: list[str]) -> str:
    """Hosts for a line: all of a few, else the first, the last and their number."""
    if len(hosts) <= NAMED:
        return ", ".join(hosts)
    return f"{hosts[0]} … {hosts[-1]} ({len(hosts)} hosts)"


def _percent(part: float) -> str:
    return f"{100 * part:.2f}%"
