# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a table of who accepts whom."""

from __future__ import annotations

DOCUMENTATION = r"""
name: tls_matrix
short_description: A table of who accepts whom
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Makes the lines of a table from the results that M(fleetpki.host_trust.tls_client_info) has given on several hosts.
  - There is a row for each that asks and a column for each that is asked.
  - Nobody has refused what is C(not judged), for no client could try it, or C(not asked), for none is installed.
options:
  _input:
    description: The results by the name of the host that has asked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say who accepts whom
  ansible.builtin.debug:
    msg: "{{ {'web1': web1.results, 'web2': web2.results} | fleetpki.host_trust.tls_matrix }}"
"""

RETURN = r"""
_value:
  description: The lines of the table.
  type: list
  elements: str
  sample: ["      web1      web2", "web1  -         REFUSED (curl, java)", "web2  5 accept  -"]
"""

import typing as t

from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filter_input, _tls_matrix


def tls_matrix(answers: _tls_matrix.Answers) -> t.Any:
    """See _tls_matrix.matrix; what clients and servers say stays marked as data."""
    with _filter_input.given("tls_matrix wants results of tls_client_info by who has asked"):
        read, wrong = _filter_input.split(answers, _tls_matrix.RESULTS)
        return wrap_var(_tls_matrix.matrix({**read, **{host: [] for host in wrong}}))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Any]:
        return {"tls_matrix": tls_matrix}
