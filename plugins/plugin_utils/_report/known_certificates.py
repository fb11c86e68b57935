# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What is known of certificates, and by whom: a host must not speak for another one's certificate.

Whoever describes a fingerprint otherwise than somebody nearer to it is not believed, and is in the report for that.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import findings

Value = dict[str, t.Any]

CERTIFICATE = ("subject", "issuer", "serial", "not_before", "not_after")
# Who describes a certificate, the nearest first. Among equals, the earliest end counts: expiry is not hidden that way.
READ_HERE, OWN, STORE, OTHERS = range(4)
NOBODY = 9


@dataclasses.dataclass
class KnownCertificate:
    """A certificate."""

    facts: Value = dataclasses.field(default_factory=lambda: dict.fromkeys(CERTIFICATE))
    by: int = NOBODY
    ends: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # which hosts say when it ends


class Known:
    """What is known of all certificates, by fingerprint."""

    def __init__(self) -> None:
        self._entries: dict[str, KnownCertificate] = {}

    def learn(self, one: Value, host: str, by: int) -> None:
        """Adds what a host says of a certificate: one of READ_HERE, OWN, STORE and OTHERS."""
        entry = self._entries.setdefault(one["fingerprint_sha256"], KnownCertificate())
        said = {key: one[key] for key in CERTIFICATE if one.get(key) is not None}
        if "not_after" not in said:
            entry.facts.update({key: value for key, value in said.items() if entry.facts[key] is None})
            return
        entry.ends.setdefault(said["not_after"], []).append(host)
        earlier = by == entry.by and findings.epoch(said["not_after"]) < findings.epoch(entry.facts["not_after"])
        if by < entry.by or earlier:
            entry.facts.update(said)
            entry.by = by
        elif said["not_after"] == entry.facts["not_after"]:
            entry.facts.update({key: value for key, value in said.items() if entry.facts[key] is None})

    def facts(self) -> dict[str, Value]:
        """The facts by fingerprint."""
        return {fingerprint: entry.facts for fingerprint, entry in self._entries.items()}

    def disputes(self) -> t.Iterator[tuple[str, str, str]]:
        """(host, fingerprint, sentence) of each host that says of a certificate what is not believed."""
        for fingerprint, entry in self._entries.items():
            for end, hosts in entry.ends.items():
                if end != entry.facts["not_after"]:
                    label = entry.facts["subject"] or f"SHA-256 {fingerprint}"
                    for host in dict.fromkeys(hosts):
                        yield host, fingerprint, (
                            f"{label}: it ends {end} by what this host says, and {entry.facts['not_after']} by what "
                            f"{_NEARER[entry.by]}")


_NEARER = {READ_HERE: "was read in it on the controller", OWN: "the host says that has it",
           STORE: "others say that have it among their anchors", OTHERS: "others say"}
