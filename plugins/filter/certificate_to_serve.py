# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the first certificate of the role host_certificate that is for servers, as one needs it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_to_serve
short_description: The first certificate of the role host_certificate that is for servers, as one needs it
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Makes of the role's C(host_certificate_certificates) where the files of the first one are that is for servers, what
    its key is encrypted with, and the name to ask a server for that uses it.
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
    description: The role's C(host_certificate_purpose), V(server) or V(client), for certificates without one.
    type: str
    default: server
"""

EXAMPLES = r"""
- name: The web server shows the certificate that the role has made
  fleetpki.host_trust.tls_endpoint_info:
    host: localhost
    server_name: "{{ served.name }}"
    require: [trusted]
  vars:
    served: "{{ host_certificate_certificates | fleetpki.host_trust.certificate_to_serve(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description:
    - C(name) is that of the certificate if it is valid for it, else the first that it is valid for.
    - C(certificate) is the file with certificate and chain, C(privatekey) that with the key, as the role is told them;
      C(privatekey_passphrase) may be empty.
    - If none is for servers, C(name) is O(inventory_hostname), and the others are empty.
  type: dict
  sample:
    name: web1
    certificate: web1-fullchain.pem
    privatekey: web1.key
    privatekey_passphrase: ""
"""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filter_input, _host_certificates


def certificate_to_serve(certificates: list[dict[str, t.Any]], *args: str, **options: str) -> t.Any:
    """See _host_certificates.to_serve."""
    with _filter_input.given("certificate_to_serve wants host_certificate_certificates, a list of dicts"):
        return _host_certificates.to_serve(certificates, *args, **options)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Any]:
        return {"certificate_to_serve": certificate_to_serve}
