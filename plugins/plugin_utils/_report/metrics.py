# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The report as metrics for Prometheus, in the text format that node_exporter's textfile collector reads."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import findings

Sample = tuple[dict[str, str], float]

ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def text(report: dict[str, t.Any]) -> str:
    """All metrics. Their number grows with the hosts and their certificates, not with hosts times anchors."""
    lines = []
    for name, (explanation, samples) in METRICS.items():
        found = list(samples(report))
        if found:
            lines += [f"# HELP {name} {explanation}", f"# TYPE {name} gauge"]
            lines += [f"{name}{_labels(labels)} {value}" for labels, value in found]
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{%s}" % ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in labels.items())


def _of(report: dict[str, t.Any]) -> dict[str, str]:
    """The label of what is about no single host, so that reports of several fleets or slices can lie in one folder."""
    return {"report": report["title"]}


def _generated(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    yield _of(report), findings.epoch(report["generated"])


def _reachable(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for name, host in report["hosts"].items():
        yield {"host": name}, int(host["status"] != "unreachable")


def _in_sync(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for name, host in report["hosts"].items():
        if host["in_sync"] is not None:
            yield {"host": name, "store": host["store"]}, int(host["in_sync"])


def _anchors_end(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for fingerprint in report["anchors"]:
        facts = report["certificates"][fingerprint]
        if facts["not_after"]:
            labels = {**_of(report), "fingerprint": fingerprint, "subject": facts["subject"] or ""}
            yield labels, findings.epoch(facts["not_after"])


def _anchor_hosts(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for fingerprint, counts in report["anchors"].items():
        subject = report["certificates"][fingerprint]["subject"] or ""
        for state, number in counts.items():
            yield {**_of(report), "fingerprint": fingerprint, "subject": subject, "state": state}, number


def _distribution(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for name, host in report["hosts"].items():
        if host["distribution"] is not None:
            yield {"host": name}, host["distribution"]


def _installed(report: dict[str, t.Any]) -> c.Iterator[tuple[dict[str, str], dict[str, t.Any]]]:
    """(labels, certificate) of what was verified on hosts; a file that is listed twice counts as its worse part."""
    found: dict[tuple[str, str], dict[str, t.Any]] = {}
    for name, host in report["hosts"].items():
        for one in host["certificates"]:
            key = (name, one["path"] or one["certificate"] or "")
            found[key] = one if key not in found or not one["verified"] else found[key]
    for (name, path), one in found.items():
        yield {"host": name, "path": path}, one


def _certificates_end(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for labels, one in _installed(report):
        facts = report["certificates"].get(one["certificate"] or "")
        if facts:
            subject = {"subject": facts["subject"] or "", "fingerprint": one["certificate"]}
            yield {**labels, **subject}, findings.epoch(facts["not_after"])


def _verified(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for labels, one in _installed(report):
        yield labels, int(one["verified"])


def _views(report: dict[str, t.Any]) -> c.Iterator[tuple[dict[str, str], dict[str, t.Any]]]:
    """(labels, view) by host and endpoint; where one name was looked at in several places, the worst of them."""
    found: dict[tuple[str, str, str], dict[str, t.Any]] = {}
    for endpoint in report["endpoints"]:
        for view in endpoint["views"]:
            for host in view["hosts"]:
                key = (host, endpoint["name"], endpoint["server_name"])
                found[key] = view if key not in found or not view["trusted"] else found[key]
    for (host, name, asked), view in found.items():
        yield {"host": host, "endpoint": name, "server_name": asked}, view


def _endpoint_trusted(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for labels, view in _views(report):
        yield labels, int(view["trusted"] is True and not view["finding"])


def _endpoints_end(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for labels, view in _views(report):
        if view["chain"]:
            yield labels, findings.epoch(report["certificates"][view["chain"][0]]["not_after"])


def _findings(report: dict[str, t.Any]) -> c.Iterator[Sample]:
    for finding in report["findings"]:
        counts: dict[str, int] = {}
        for host in (host for item in finding["items"] for host in item["hosts"]):
            counts[host] = counts.get(host, 0) + 1
        for host, number in counts.items():
            yield {"host": host, "kind": finding["kind"], "severity": finding["severity"]}, number


METRICS: dict[str, tuple[str, c.Callable[[dict[str, t.Any]], c.Iterator[Sample]]]] = {
    "host_trust_report_generated_seconds": ("When this report was made, since the epoch.", _generated),
    "host_trust_host_reachable": ("Whether the host was reached.", _reachable),
    "host_trust_host_in_sync": ("Whether the extracted trust store is what its sources make.", _in_sync),
    "host_trust_host_distribution_anchors": ("How many anchors the distribution brings.", _distribution),
    "host_trust_anchor_not_after_seconds": ("When the anchor ends, since the epoch.", _anchors_end),
    "host_trust_anchor_hosts": ("How many hosts have the anchor in this state.", _anchor_hosts),
    "host_trust_certificate_not_after_seconds": ("When the certificate ends, since the epoch.", _certificates_end),
    "host_trust_certificate_verified": ("Whether the certificate verifies on its host.", _verified),
    "host_trust_endpoint_trusted": ("Whether the host has a TLS connection that it trusts.", _endpoint_trusted),
    "host_trust_endpoint_not_after_seconds": ("When the server's certificate ends, since the epoch.", _endpoints_end),
    "host_trust_finding": ("How many findings of this kind the report has on the host.", _findings),
}
