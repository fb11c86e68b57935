#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates of a host a CA still stands behind."""

DOCUMENTATION = r"""
module: ca_usage_info
short_description: Tell which certificates in use on a host were issued by certificate authorities
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Looks for certificates that were issued by the CAs in O(authorities), directly or by a CA below them, in files and
    with the services that listen on the host. What a service shows counts, not what is in its file, for it may not have
    been reloaded.
  - That is what must be gone before hosts may cease to trust a CA.
  - Changes nothing. Each TCP port that listens is connected to, most of them several times.
options:
  authorities:
    description:
      - The certificates of the CAs, in PEM form. A CA is known by its key, so that it is one that was renewed, too.
      - CAs below them are found where their certificates lie in the files or are sent by servers. Give those, too, that
        a server might not send.
    type: list
    elements: str
    required: true
  successors:
    description:
      - The certificates of the CAs that take their place, in PEM form. RV(shared_keys) tells if they are none.
      - What these have issued needs none of O(authorities), though one of them may have cross-signed a successor.
    type: list
    elements: str
    default: []
  directories:
    description:
      - Folders whose files are looked at, PEM and DER. Subfolders are not, nor are backup copies (C(*~)).
      - One that is not there is in RV(missing). One that can't be read is in RV(inconclusive).
    type: list
    elements: path
    default: [/etc/pki/tls/certs, /etc/ssl/certs]
  paths:
    description:
      - Further files. Without a folder they are in C(/etc/pki/tls/certs), or in C(/etc/ssl/certs) where there is none.
      - One that is not there holds no certificate and keeps nobody from anything, for hosts differ. It may also be a
        slip, so that it is in RV(missing).
    type: list
    elements: str
    default: []
  ignore_paths:
    description:
      - Files that are not looked at, named as in O(paths).
    type: list
    elements: path
    default: []
  listeners:
    description:
      - Whether to connect to the TCP ports that listen on this host.
    type: bool
    default: true
  ignore_ports:
    description:
      - Ports that are not connected to. Name those here that the host itself can't reach, when you know what they show.
    type: list
    elements: int
    default: []
  server_names:
    description:
      - Host names that servers are asked for (SNI), besides without one.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds that a step of a connection may take. Ports that wait for the other side to say something take as long.
    type: float
    default: 10
notes:
  - Not in use are certificates of CAs themselves, and expired ones.
  - Not seen are keystores of Java and NSS, PKCS#12, certificates that a running client has in its memory, and servers
    that listen in another network namespace, as in a container. Nor are those seen that don't answer a plain TLS client
    on the host itself, as behind the PROXY protocol; and of two certificates of one service, RSA and ECDSA, one is.
    Name their files in O(paths).
  - On the ports of SMTP, IMAP, POP3, LDAP, MySQL, XMPP and PostgreSQL TLS is begun as these protocols do.
  - Issuers are found by name and key identifier. A certificate without an authority key identifier counts as issued by
    any CA of the issuer's name.
  - As another user than root, files and folders that can't be read are in RV(inconclusive), and no program is known by
    name.
seealso:
  - module: fleetpki.host_trust.ca_trust_anchor
  - name: The role ca_rotation
    description: Replaces a CA, and takes the old one away when nothing uses it any more.
    link: https://github.com/fleetpki/host_trust/blob/main/roles/ca_rotation/README.md
attributes:
  check_mode:
    support: full
    description: Nothing is ever changed.
  diff_mode:
    support: none
    description: Nothing is ever changed.
  idempotent:
    support: full
    description: Nothing is ever changed.
  platform:
    support: full
    platforms: posix
    description: Linux.
"""

EXAMPLES = r"""
- name: What does the old CA still stand behind?
  fleetpki.host_trust.ca_usage_info:
    authorities: ["{{ lookup('ansible.builtin.file', '/srv/pki/issuing/chain.pem') }}"]
    server_names: ["{{ inventory_hostname }}", www.example.com]
  register: usage

- name: Nothing, so that it can be retired
  ansible.builtin.assert:
    that: usage.certificates + usage.inconclusive == []
    fail_msg: "{{ usage.msg }}"
"""

RETURN = r"""
msg:
  description: A line for each certificate in use, and for each of RV(inconclusive).
  returned: success
  type: str
  sample: "port 443 (nginx) shows CN=web1.example.com (SHA-256 4f39ec2e21a8c3d5...), issued by CN=Corp Issuing CA:
    was the service not reloaded?"
authorities:
  description: The CAs.
  returned: success
  type: list
  elements: dict
  sample: []
  contains: &certificate
    subject:
      description: Its subject, in the form of RFC 4514.
      type: str
    issuer:
      description: Its issuer.
      type: str
    serial:
      description: Its serial number in hexadecimal.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate in hexadecimal.
      type: str
    not_before:
      description: When it becomes valid, in UTC.
      type: str
    not_after:
      description: When it expires, in UTC.
      type: str
successors:
  description: The CAs that take their place, without those that are among them.
  returned: success
  type: list
  elements: dict
  sample: []
  contains: *certificate
certificates:
  description: The certificates in use that were issued by them, with what is told of a certificate and with these.
  returned: success
  type: list
  elements: dict
  sample: []
  contains:
    <<: *certificate
    path:
      description: The file, or V(null).
      type: str
    address:
      description: Where a service listens that shows it, or V(null).
      type: str
    port:
      description: The port, or V(null).
      type: int
    server_name:
      description: The name that the service was asked for, or V(null).
      type: str
    program:
      description: The service's program, or V(null) where it is not known.
      type: str
    authority:
      description: The subject of the CA.
      type: str
    sentence:
      description: All that in words.
      type: str
inconclusive:
  description:
    - Sentences on files and folders that can't be read, and on services that speak TLS and did not show a certificate.
    - And on sockets that listen and can't be reached from the host itself, such as those that are bound to a VRF, for
      they may show any.
  returned: success
  type: list
  elements: str
  sample: []
missing:
  description: Those of O(directories) and O(paths) that are not there, as they are given.
  returned: success
  type: list
  elements: str
  sample: [/etc/pki/tls/certs]
renewals:
  description: Further certificates of the CAs themselves, such as former ones with the same key, that are in the files.
  returned: success
  type: list
  elements: dict
  sample: []
shared_keys:
  description: Sentences on successors that have the same key as one of the CAs, and so are no others.
  returned: success
  type: list
  elements: str
  sample: []
looked_at:
  description: How many files with certificates, and how many sockets that showed one.
  returned: success
  type: dict
  sample: {files: 147, listeners: 1}
missing_packages:
  description: The package to install where there is no C(openssl) on the host.
  returned: when it is missing
  type: list
  elements: str
  sample: [openssl]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import ca_usage

ARGUMENTS = {
    "authorities": {"type": "list", "elements": "str", "required": True},
    "successors": {"type": "list", "elements": "str", "default": []},
    "directories": {"type": "list", "elements": "path", "default": list(ca_usage.DIRECTORIES)},
    "paths": {"type": "list", "elements": "str", "default": []},
    "ignore_paths": {"type": "list", "elements": "path", "default": []},
    "listeners": {"type": "bool", "default": True},
    "ignore_ports": {"type": "list", "elements": "int", "default": []},
    "server_names": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float", "default": 10},
}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    run_module.run(module, lambda: ca_usage.look(module.params, module.tmpdir))


if __name__ == "__main__":
    main()
