# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What a report finds wrong in a fleet, how much it matters, and what to do about it."""

from __future__ import annotations

import calendar
import re
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration

SEVERITIES = ("critical", "warning", "notice")
LIMIT = 8  # hosts that a command names; it is for all where more are concerned
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\Z", re.ASCII)  # what can stand in a command, whoever chose it


class Kind(t.NamedTuple):
    """A kind of finding."""

    severity: str
    title: str
    remedy: str
    playbook: str | None = None  # of this collection, which mends it
    options: str = ""  # what it is told besides


# In the order in which to see to them, among those of the same severity.
KINDS = {
    "certificate-expired": Kind(
        "critical", "Certificates have expired",
        "Have new ones made. For those of a CA outside, host_certificate_source=external collects the requests first.",
        "issue_certificates"),
    "certificate-unreadable": Kind(
        "critical", "Certificates are missing or can't be read",
        "Have them made, or take them off host_certificate_certificates or trust_report_certificates.",
        "issue_certificates"),
    "certificate-refused": Kind(
        "critical", "Certificates are refused on their own hosts",
        "If their CA is not trusted, list it in ca_trust_anchors and distribute it. For all other reasons have new "
        "certificates made. A rule that you can live with goes into trust_report_waive.", "issue_certificates"),
    "certificate-disputed": Kind(
        "critical", "Hosts say of certificates what is not so",
        "A fingerprint stands for one certificate. What the sentence says of it last counts in this report. If a host "
        "says otherwise and no fault of its clock or its files explains that, treat it as compromised."),
    "endpoint-failed": Kind(
        "critical", "Servers give no usable TLS connection",
        "See whether the service runs, listens on that port and may be reached from there, and what it logs."),
    "endpoint-untrusted": Kind(
        "critical", "Servers show certificates that hosts refuse",
        "If the server does not send its intermediate, give it the file NAME-fullchain.pem that the role "
        "host_certificate makes. If the host does not know the root, list it in ca_trust_anchors."),
    "anchor-expired": Kind(
        "critical", "Anchors have expired",
        "List the renewed one in ca_trust_anchors and the old one with state: absent, and run distribute_trust. With "
        "ca_trust_purge=managed it is enough to take the old one off. If it is the private CA, rotate_ca replaces it."),
    "anchor-missing": Kind(
        "critical", "Anchors that are wanted are missing",
        "Distribute what ca_trust_anchors lists.", "distribute_trust"),
    "anchor-not-distrusted": Kind(
        "critical", "Certificates are trusted that are to be distrusted",
        "Distribute what ca_trust_anchors lists.", "distribute_trust"),
    "store-out-of-sync": Kind(
        "critical", "Trust stores are not what their sources make",
        "Have the extracted store made anew from its sources, and proven.", "distribute_trust",
        " -e ca_trust_extract=always"),
    "certificate-expires": Kind(
        "warning", "Certificates end soon",
        "Have them renewed. The role does so by itself once less than host_certificate_renew_before is left.",
        "issue_certificates"),
    "anchor-expires": Kind(
        "warning", "Anchors end soon",
        "Plan their replacement now. If it is the private CA, rotate_ca does all of it, as docs/rotation.md says. "
        "Otherwise list the new one in ca_trust_anchors beside the old one, run distribute_trust, have certificates "
        "made by the new one, and only then take the old one off."),
    "endpoint-expires": Kind(
        "warning", "Servers show certificates that end soon",
        "Have them renewed. If the file on the host is new already, the service was not reloaded: list it in "
        "host_certificate_services.", "issue_certificates"),
    "anchor-surplus": Kind(
        "warning", "Anchors are there that are to be gone",
        "Distribute what ca_trust_anchors and ca_trust_purge say.", "distribute_trust"),
    "anchor-differs": Kind(
        "warning", "Anchors are not as wanted",
        "Distribute what ca_trust_anchors lists.", "distribute_trust"),
    "wanted-refused": Kind(
        "warning", "What hosts are to trust can't be compared",
        "Mend ca_trust_anchors (or trust_report_anchors), or what the reason names."),
    "host-unreachable": Kind(
        "warning", "Hosts were not reached, so nothing is known of them",
        "See to their connection (ansible -m ping HOST), and make the report again."),
    "host-failed": Kind(
        "warning", "Hosts could not be looked at",
        "Mend what the reason names, and make the report again."),
    "certificates-failed": Kind(
        "warning", "Certificates could not be looked at",
        "Mend what the reason names, and make the report again."),
    "endpoints-failed": Kind(
        "warning", "Endpoints could not be looked at",
        "Mend what the reason names in trust_report_endpoints, and make the report again."),
    "endpoint-chain": Kind(
        "warning", "Servers send chains that other clients may refuse",
        "Give the server the file NAME-fullchain.pem that the role host_certificate makes: the certificate, then its "
        "intermediates, without the root."),
    "endpoint-protocol": Kind(
        "warning", "Servers accept versions of TLS that are no longer safe",
        "Set TLS 1.2 as the lowest version in the server's settings. tls_endpoint_info with min_protocol: TLSv1.2 "
        "shows whether that worked."),
    "anchor-unmanaged": Kind(
        "notice", "Anchors were installed by other means",
        "List those that are meant in ca_trust_anchors, which takes them over. ca_trust_purge=all removes all others.",
        "distribute_trust"),
    "anchor-inactive": Kind(
        "notice", "Anchors lie in the store and are not trusted for TLS servers",
        "Those that are no CA certificates, or are for another purpose, have no effect there: list them in "
        "ca_trust_anchors with state: absent if nobody needs them.", "distribute_trust"),
    "store-unknown": Kind(
        "notice", "Whether trust stores are in order is not known",
        "Mend what the reason names. The playbooks use become; host_trust_become=false turns that off."),
    "certificate-warning": Kind(
        "notice", "Certificates verify, and something about them should be known", "See what each sentence says."),
    "endpoint-warning": Kind(
        "notice", "Servers work, and something about them should be known", "See what each sentence says."),
}
# What a step of ca_trust_anchor's plan means.
STEPS = {"install": "anchor-missing", "distrust": "anchor-not-distrusted", "remove": "anchor-surplus",
         "undistrust": "anchor-missing"}
UNSAFE = ("TLSv1.0", "TLSv1.1")


def natural(text: str) -> list[t.Any]:
    """For sorting: web2 before web10."""
    parts = re.split(r"([0-9]{1,18})", text)  # numbers are at the odd places
    return [(0, int(part), "") if place % 2 else (1, 0, part) for place, part in enumerate(parts) if part]


class Findings:
    """Collects sentences by kind; the same on several hosts is told once."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._found: dict[str, dict[tuple[str, str | None], dict[str, None]]] = {}

    def add(self, kind: str, host: str, sentence: str, certificate: str | None = None) -> None:
        self._found.setdefault(kind, {}).setdefault((sentence, certificate), {})[host] = None

    def ending(self, not_after: str | None, least: int) -> str:
        """``ends in 3 days (2026-…)``; empty where at least ``least`` seconds are left, or that is not known."""
        if not_after is None:
            return ""
        left = epoch(not_after) - self.now
        if left < 0:
            return f"expired {duration.spoken(-left)} ago ({not_after})"
        return f"ends in {duration.spoken(left)} ({not_after})" if left < least else ""

    def listed(self) -> list[dict[str, t.Any]]:
        """The findings as the report has them, what is to be done first in front."""
        kinds = sorted((kind for kind in KINDS if kind in self._found),
                       key=lambda kind: SEVERITIES.index(KINDS[kind].severity))
        return [self._told(kind) for kind in kinds]

    def _told(self, name: str) -> dict[str, t.Any]:
        kind, found = KINDS[name], self._found[name]
        items: list[dict[str, t.Any]] = [
            {"sentence": sentence, "certificate": certificate, "hosts": list(hosts)}
            for (sentence, certificate), hosts in found.items()]
        hosts = sorted({host for item in items for host in item["hosts"]}, key=natural)
        return {"kind": name, "severity": kind.severity, "title": kind.title, "remedy": kind.remedy,
                "command": command(kind, hosts), "hosts": len(hosts), "items": items}


def command(kind: Kind, hosts: list[str]) -> str | None:
    """What to run. It names the hosts only where they are few, and their names are safe in a shell."""
    if kind.playbook is None:
        return None
    named = len(hosts) <= LIMIT and all(PLAIN_NAME.match(host) for host in hosts)
    # The private CA is made by a play on the controller, which --limit would leave out.
    local = ["localhost"] if kind.playbook == "issue_certificates" else []
    return f"ansible-playbook fleetpki.host_trust.{kind.playbook} -i hosts{kind.options}" + (
        f" --limit {','.join([*hosts, *local])}" if named else "")


def of_endpoint(found: Findings, host: str, one: dict[str, t.Any], least: int) -> None:
    """Adds what is wrong with an endpoint as a host sees it."""
    leaf = one["chain"][0] if one["chain"] else None
    certificate = leaf and leaf["fingerprint_sha256"]

    def add(kind: str, sentence: str) -> None:
        found.add(kind, host, f"{one['name']}: {sentence}", certificate)

    if one["finding"]:
        add("endpoint-failed", one["finding"])
    elif one["trusted"] is False:
        add("endpoint-untrusted", "; ".join(one["reasons"]) or "its certificate is refused")
    elif leaf and (sentence := found.ending(leaf["not_after"], least)):
        add("endpoint-expires", f"its certificate {sentence}")
    for sentence in (each for each in one["chain_findings"] if each not in one["reasons"]):
        # What nobody refuses a server for is no more than good to know.
        harmless = one["complete_chain"] and one["ordered_chain"]
        add("endpoint-warning" if harmless else "endpoint-chain", sentence)
    accepted = [version for version in UNSAFE if (one["versions"] or {}).get(version)]
    if accepted:
        add("endpoint-protocol", f"it accepts {' and '.join(accepted)}")
    for sentence in [*one["warnings"], *filter(None, [one["ocsp_finding"]])]:
        add("endpoint-warning", sentence)


def epoch(text: str) -> int:
    """Seconds since the epoch of a time as results have it (``2026-11-01T00:00:00Z``)."""
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:  # a certificate of the year 1, which is long over however it is written
        return 0
