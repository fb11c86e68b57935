# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Certificates of hosts as trees: from the anchors down through the intermediates, each told once."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import findings

Facts = dict[str, t.Any]


@dataclasses.dataclass
class Leaf:
    """A certificate of hosts, and in which files of which hosts it is."""

    facts: Facts
    status: str  # good, ends soon, refused
    reasons: list[str]
    paths: list[str]
    hosts: list[str]
    names: list[str]


@dataclasses.dataclass
class Node:
    """A CA of a chain; ``anchor`` if hosts trust it, and ``gap`` if it stands for what could not be found."""

    facts: Facts
    anchor: bool = False
    gap: bool = False
    nodes: dict[str, Node] = dataclasses.field(default_factory=dict)
    leaves: dict[tuple[t.Any, ...], Leaf] = dataclasses.field(default_factory=dict)

    def below(self) -> list[Node]:
        return list(self.nodes.values())

    def certificates(self) -> list[Leaf]:
        """What ends first comes first."""
        return sorted(self.leaves.values(), key=lambda one: (
            one.facts["not_after"] or "", findings.natural(one.hosts[0])))

    def number(self) -> int:
        return len(self.leaves) + sum(node.number() for node in self.nodes.values())


def trees(report: dict[str, t.Any]) -> list[Node]:
    """The roots of all chains of hosts' certificates."""
    top = Node({})
    for host, entry in ((name, one) for name, facts in report["hosts"].items() for one in facts["certificates"]):
        node = top
        for link in _above(entry, report["certificates"]):
            key = link["certificate"] or link["subject"]
            facts = _facts(report, link["certificate"], link["subject"])
            node = node.nodes.setdefault(key, Node(facts, gap=link["source"] is None))
            node.anchor = node.anchor or link["source"] == "trust"
        _hang(node, host, entry, report)
    return sorted(top.below(), key=lambda one: (one.gap, findings.natural(one.facts["subject"] or "")))


def _above(entry: dict[str, t.Any], certificates: dict[str, Facts]) -> list[dict[str, t.Any]]:
    """The links above a certificate, the root first. A chain that ends nowhere has a gap on top."""
    chain: list[dict[str, t.Any]] = entry["chain"]
    if entry["certificate"] is None:
        return [{"certificate": None, "subject": "Files without a certificate that can be read", "source": None}]
    if chain and chain[-1]["source"] == "trust":
        return chain[:0:-1] or chain  # one that is an anchor itself hangs below itself
    last = (chain[-1]["certificate"] if chain else None) or entry["certificate"]
    issuer = certificates.get(last, {}).get("issuer") or "an unknown issuer"
    return [{"certificate": None, "subject": f"{issuer} (not trusted there)", "source": None}, *chain[:0:-1]]


def _facts(report: dict[str, t.Any], fingerprint: str | None, name: str | None) -> Facts:
    """What is told of a certificate; of one that could not be read, what it goes by."""
    return report["certificates"].get(fingerprint or "") or {
        "subject": name, "issuer": None, "serial": None, "not_before": None, "not_after": None}


def _hang(node: Node, host: str, entry: dict[str, t.Any], report: dict[str, t.Any]) -> None:
    facts = _facts(report, entry["certificate"], entry["path"])
    names = [name for name in [*entry["dns_names"], *entry["ip_addresses"]] if name]
    key = (entry["certificate"] or entry["path"], tuple(entry["reasons"]))
    leaf = node.leaves.setdefault(key, Leaf(facts, _status(entry, facts, report), entry["reasons"], [], [], names))
    leaf.paths += [entry["path"]] if entry["path"] and entry["path"] not in leaf.paths else []
    leaf.hosts += [host] if host not in leaf.hosts else []


def _status(entry: dict[str, t.Any], facts: Facts, report: dict[str, t.Any]) -> str:
    if not entry["verified"]:
        return "refused"
    left = findings.epoch(facts["not_after"]) - findings.epoch(report["generated"])
    return "ends soon" if left < report["terms"]["certificates_remaining_seconds"] else "good"
