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
options:
  _input:
    description: The results by the name of the host.
    type: dict
    required: true
  most:
    description: How many certificates are named for each reason. Of the others, their number is told.
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
  sample: {"expired 3 days ago (2026-11-22T21:17:24Z)": ["web1: /etc/pki/tls/certs/web1.crt (CN=web1)", "and 290 more"]}
"""

import typing as t

from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filters


def certificate_refusals(results: dict[str, list[dict[str, t.Any]]], most: int = 10) -> t.Any:
    """See DOCUMENTATION; names of certificates stay marked as data."""
    found: dict[str, list[str]] = {}
    with _filters.given("certificate_refusals wants results of cert_verify by the host's name"):
        for host, verified in results.items():
            for one in verified:
                if not one["verified"]:
                    found.setdefault("; ".join(one["reasons"]), []).append(f"{host}: {one['name']}")
    return wrap_var({reason: where[:most] + [f"and {len(where) - most} more"] * (len(where) > most)
                     for reason, where in found.items()})


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Any]:
        return {"certificate_refusals": certificate_refusals}
