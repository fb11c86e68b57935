# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: who is refused, and why."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_refusals
short_description: Who is refused, and why
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Gathers the refusals in the results that M(fleetpki.host_trust.tls_client_info) has given on several hosts, by the
    server that is refused.
  - Where a host refuses all that it asks and others accept, it is itself what fails, and not those that it has asked.
options:
  _input:
    description: The results by the name of the host that has asked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Fail if anybody is refused
  ansible.builtin.assert:
    that: refused == {}
    fail_msg: "{{ refused | to_json }}"
  vars:
    refused: "{{ {'web1': web1.results, 'web2': web2.results} | fleetpki.host_trust.tls_refusals }}"
"""

RETURN = r"""
_value:
  description:
    - Sentences by the name of the server that is refused. Servers that all required clients accept are left out.
  type: dict
  sample: {"web2": ["web1: curl refuses it: curl: (60) SSL certificate problem: certificate has expired"]}
"""

import typing as t

from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filter_input, _tls_matrix


def tls_refusals(answers: _tls_matrix.Answers) -> t.Any:
    """See _tls_matrix.refusals; what clients and servers say stays marked as data."""
    with _filter_input.given("tls_refusals wants results of tls_client_info by who has asked"):
        read, wrong = _filter_input.split(answers, _tls_matrix.RESULTS)
        refused = _tls_matrix.refusals(read)
        for host, sentence in wrong.items():
            refused.setdefault(host, []).append(sentence)
        return wrap_var(refused)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Any]:
        return {"tls_refusals": tls_refusals}
