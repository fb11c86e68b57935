# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: why certificates are refused, and where."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_refusals
short_description: Why certificates are refused, and on which hosts
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Gathers what M(fleetpki.host_trust.cert_verify) has refused on many hosts by the reason, so that what is wrong
    everywhere is read once.
  - Reasons that differ in no more than moments, spans of time, paths, serial numbers, fingerprints and names of hosts
    are one. The first of them is shown, with "and the like" behind it. What most certificates are refused for comes
    first.
options:
  _input:
    description: The results by the name of the host.
    type: dict
    required: true
  most:
    description: How many certificates are named for each reason. Of the others, their number is told.
    type: int
    default: 10
  most_reasons:
    description: How many reasons are told. Of the others, their number is.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Say what is refused, once for all hosts
  ansible.builtin.debug:
    msg: "{{ {'web1': web1.results, 'web2': web2.results} | fleetpki.host_trust.certificate_refusals }}"
"""

RETURN = r"""
_value:
  description: Sentences on hosts and their certificates, by the reason that these were refused for.
  type: dict
  sample:
    "expired 3 days ago (2026-11-22T21:17:24Z), and the like":
      - "web1: /etc/pki/tls/certs/web1.crt (CN=web1)"
      - and 290 more
"""

import re
import typing as t

from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filter_input

SPANS = re.compile(r"\b\d+ (?:day|hour|minute|second)s?\b|\bless than a second\b|\band \d+ more\b")
WORD = re.compile(r"[^\s,;()']+")
# Words that are others on each host. A name behind CN= is mostly the issuer's, which matters; else it is an own name.
VARIES = re.compile(r"""
    /.*                                         # a path
    | \d{4}-\d\d-\d\d(?:T[\d:]+Z)?              # a moment
    | [0-9A-Fa-f]{8,}                           # a serial number, a fingerprint
    | (?:[\w*-]+\.)+[^\W\d][\w-]*               # a name of a host
    | \d+(?:\.\d+){3} | [0-9A-Fa-f]*:[0-9A-Fa-f:.]+  # an IP address
    """, re.VERBOSE)
LISTED = re.compile(r"…(?:,? (?:and )?…)+")
RESULTS = _filter_input.results("cert_verify", ("name", "verified", "reasons"))
COMMON_NAME = re.compile(r"CN=((?:\\.|[^,+\\])+)")


def certificate_refusals(results: dict[str, list[dict[str, t.Any]]], most: int = 10, most_reasons: int = 10) -> t.Any:
    """See DOCUMENTATION; names of certificates stay marked as data."""
    kinds: dict[str, str] = {}  # by what is said, so that the same words are the same reason wherever they are said
    said: dict[str, list[str]] = {}
    where: dict[str, list[str]] = {}
    with _filter_input.given("certificate_refusals wants results of cert_verify by the host's name"):
        read, wrong = _filter_input.split(results, RESULTS)
        for host, sentence in wrong.items():
            said.setdefault(sentence, []).append(sentence)
            where.setdefault(sentence, []).append(host)
        for host, verified in read.items():
            for one in verified:
                if not one["verified"]:
                    reason = "; ".join(one["reasons"])
                    kind = kinds.setdefault(reason, _without_what_varies(reason, _own_names(host, one)))
                    said.setdefault(kind, []).append(reason)
                    where.setdefault(kind, []).append(f"{host}: {one['name']}")
    first = sorted(said, key=lambda kind: -len(said[kind]))
    told = {said[kind][0] + ", and the like" * (len(set(said[kind])) > 1):
            where[kind][:most] + [f"and {len(where[kind]) - most} more"] * (len(where[kind]) > most)
            for kind in first[:most_reasons]}
    rest = first[most_reasons:]
    if rest:
        told[f"and {len(rest)} more reasons"] = [f"{sum(len(where[kind]) for kind in rest)} certificates"]
    return wrap_var(told)


def _own_names(host: str, result: dict[str, t.Any]) -> list[str]:
    """What a host and its certificate are called; the longest first, for one may begin with another."""
    names = [host, *(result.get("dns_names") or []), *(result.get("ip_addresses") or []),
             *COMMON_NAME.findall(result.get("subject") or "")]
    return sorted(filter(None, names), key=len, reverse=True)


def _without_what_varies(reason: str, names: list[str]) -> str:
    """A reason with … for what another host's certificate, refused for the same, has otherwise."""
    if names:
        own = "|".join(re.escape(name) for name in names)
        reason = re.sub(rf"(?<!\w)(?:{own})(?!\w)", "…", reason, flags=re.IGNORECASE)
    reason = SPANS.sub("…", reason)
    return LISTED.sub("…", WORD.sub(
        lambda word: "…" if "…" in word[0] or VARIES.fullmatch(word[0].rstrip(".:")) else word[0], reason))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Any]:
        return {"certificate_refusals": certificate_refusals}
