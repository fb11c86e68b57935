# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the certificates of the role host_certificate, as cert_verify wants them listed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_to_verify
short_description: The certificates of the role host_certificate, as cert_verify wants them listed
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Makes of the role's C(host_certificate_certificates) what M(fleetpki.host_trust.cert_verify) takes as
    O(fleetpki.host_trust.cert_verify#module:certificates), with the files, names and purposes that the role uses.
positional: inventory_hostname, source, purpose
options:
  _input:
    description: The list C(host_certificate_certificates).
    type: list
    elements: dict
    required: true
  inventory_hostname:
    description: What a certificate is called that has no name.
    type: str
    required: true
  source:
    description: The role's C(host_certificate_source). With V(selfsigned) there is no chain.
    type: str
    default: private_ca
  purpose:
    description: The role's C(host_certificate_purpose), for certificates that have none.
    type: str
    default: server
"""

EXAMPLES = r"""
- name: The certificates of this host verify, are for their names and fit their keys
  fleetpki.host_trust.cert_verify:
    certificates: "{{ [{'name': 'web1'}] | fleetpki.host_trust.certificates_to_verify(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: What to verify.
  type: list
  elements: dict
  sample:
    - path: web1.crt
      chain: [web1-chain.pem]
      privatekey_path: web1.key
      hostnames: [web1]
      ips: []
      purpose: server
"""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filter_input, _host_certificates


def certificates_to_verify(certificates: list[dict[str, t.Any]], *args: str, **options: str) -> t.Any:
    """See _host_certificates.to_verify."""
    with _filter_input.given("certificates_to_verify wants host_certificate_certificates, a list of dicts"):
        return _host_certificates.to_verify(certificates, *args, **options)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Any]:
        return {"certificates_to_verify": certificates_to_verify}
