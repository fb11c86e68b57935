#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA's revocation list."""

DOCUMENTATION = r"""
module: crl
short_description: Make a CA's certificate revocation list
version_added: 0.1.0
author:
  - fleetpki.host_trust contributors (@fleetpki)
description:
  - Signs a list of the certificates that a CA has revoked (CRL, RFC 5280 section 5).
  - It is made anew when the list is another one, and in time before its end. Its number grows each time; where there is
    no list that tells the last one, it is the time in seconds.
    A certificate that is listed keeps the moment when it first was.
  - It begins an hour ago, so that hosts accept it whose clock is behind.
extends_documentation_fragment:
  - fleetpki.host_trust.certificate_file
  - fleetpki.host_trust.certificate_file.authority
  - ansible.builtin.files
options:
  path:
    description:
      - The list's file. A name without a slash is one in the folder that the system has for certificates.
    type: path
    required: true
  format:
    description:
      - V(pem), or V(der), which is what clients expect at the URL of a distribution point (RFC 5280 section 4.2.1.13).
    type: str
    choices: [pem, der]
    default: pem
  revoked:
    description:
      - All certificates that are revoked. What is not listed is taken out.
    type: list
    elements: dict
    default: []
    suboptions:
      serial:
        description:
          - The serial number in hexadecimal digits, as results of this collection and OpenSSL show it. In quotes, or
            YAML takes some of them for other numbers.
        type: str
        required: true
      revocation_date:
        description:
          - When it was revoked, in UTC, such as V(20261123120000Z). The default is the moment when it is first listed.
        type: str
      reason:
        description: Why, in the words of RFC 5280 section 5.3.1.
        type: str
        choices: [unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation,
                  certificateHold, privilegeWithdrawn, aACompromise]
        default: unspecified
  next_update:
    description:
      - Until when the list counts, such as V(+30d), or in UTC, such as V(20270131120000Z). Clients that look for it
        refuse all of the CA's certificates afterwards.
      - A relative time that moves on is no reason for a new list, O(renew_before) is. Another absolute one is.
    type: str
    default: +30d
  renew_before:
    description:
      - How long before its end it is made anew, such as V(7d).
    type: str
    default: 7d
  digest:
    description:
      - The digest of the signature. The default is the one that goes with the CA's key, V(sha384) for EC P-384,
        V(sha512) for EC P-521, and V(sha256) for all others. Ed25519 and Ed448 have none.
    type: str
    choices: [sha256, sha384, sha512]
seealso:
  - module: fleetpki.host_trust.signed_cert
"""

EXAMPLES = r"""
- name: The issuing CA's revocation list, made anew by each run in the last week before its end
  fleetpki.host_trust.crl:
    path: /srv/www/pki/issuing.crl
    format: der
    ca_path: /srv/ca/issuing.crt
    ca_privatekey_path: /srv/ca/issuing.key
    ca_privatekey_passphrase: "{{ vault_issuing_passphrase }}"
    revoked:
      - serial: "4c6ae2d1a45a9f3d7e8a5c2b1f0e9d8c7b6a5948"
        reason: keyCompromise
        revocation_date: 20261120083000Z
      - serial: "59:C7:B7:58:63:6D:88:BB"
        reason: superseded
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
reasons:
  description: Why a list was made, a phrase each. Empty where the one that is there is what is wanted.
  returned: success
  type: list
  elements: str
  sample: ["4c6ae2d1 is added", "its next_update is in 5 days"]
filename:
  description: The list's file.
  returned: success
  type: str
  sample: /srv/www/pki/issuing.crl
number:
  description: Its number, which is larger in each new list. V(null) in check mode where the CA is not there yet.
  returned: success
  type: int
  sample: 1795435216
next_update:
  description: Until when it counts, in UTC. V(null) in check mode where the CA is not there yet.
  returned: success
  type: str
  sample: "2026-12-23T12:00:00Z"
revoked:
  description: What is listed.
  returned: success
  type: list
  elements: dict
  sample: [{"serial": "4c6ae2d1", "reason": "keyCompromise", "revocation_date": "2026-11-20T08:30:00Z"}]
backup_files:
  description: Which file is kept where, with O(backup).
  returned: success
  type: dict
  sample: {"/srv/www/pki/issuing.crl": "/srv/www/pki/issuing.crl.4711.2026-11-23@12:00:00~"}
missing_packages:
  description: Packages that the host lacks.
  returned: when it failed for that
  type: list
  elements: str
  sample: [python3-cryptography]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec, crl, module_runner


def main() -> None:
    module = AnsibleModule(argspec.crl(), mutually_exclusive=argspec.AUTHORITY_EXCLUSIVE,
                           required_one_of=argspec.AUTHORITY_ONE_OF, supports_check_mode=True,
                           add_file_common_args=True)
    module_runner.run(module, crl.converge)


if __name__ == "__main__":
    main()
