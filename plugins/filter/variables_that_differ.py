# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: which variables are not the same for all hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: variables_that_differ
short_description: Which variables are not the same for all hosts
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - A task with C(run_once) uses the variables of one host, and its outcome counts for all of them. The roles of this
    collection refuse to begin such a task where the inventory gives these variables different values.
  - It compares what C(hostvars) has, which is what the inventory and C(-e) say. Values are not shown.
  - A host that M(fleetpki.host_trust.refuse_facts) refuses is not compared.
positional: hostvars, hosts
options:
  _input:
    description:
      - The names of the variables, each with the value that counts for a host without it.
      - Where that is V(null), a host without the variable is not compared.
    type: dict
    required: true
  hostvars:
    description: The variables of the hosts.
    type: dict
    required: true
  hosts:
    description: The names of the hosts to compare.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Read the CA once for all hosts
  ansible.builtin.assert:
    that: differing == []
    fail_msg: "{{ differing | join('; ') }}"
  vars:
    differing: >-
      {{ {'private_ca_dir': none, 'private_ca_host': 'localhost'}
         | fleetpki.host_trust.variables_that_differ(hostvars, ansible_play_batch) }}
  run_once: true
"""

RETURN = r"""
_value:
  description: A phrase for each variable that differs.
  type: list
  elements: str
  sample: ["private_ca_dir has one value for web1, and another for web2, web3, web4 and 7 more"]
"""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filter_input, _for_all


def variables_that_differ(defaults: dict[str, t.Any], *args: t.Any, **options: t.Any) -> list[str]:
    """See _for_all.differing."""
    with _filter_input.given("variables_that_differ wants a dict of defaults, hostvars and names of hosts"):
        return _for_all.differing(defaults, *args, **options)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Any]:
        return {"variables_that_differ": variables_that_differ}
