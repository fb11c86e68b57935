#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private key and a self-signed certificate."""

DOCUMENTATION = r"""
module: selfsigned_cert
short_description: Make a private key and a self-signed certificate
version_added: 0.1.0
author:
  - fleetpki.host_trust contributors (@fleetpki)
description:
  - Makes, in one execution, a private key where there is none, and a certificate that is signed with it, a root CA or a
    leaf to test with.
  - It is compared by what it says, and made anew where that is not what is wanted, or in time before its end.
    Its serial number has 159 random bits. It always has the identifiers of its key (RFC 5280 section 4.2.1.1, 4.2.1.2).
  - A certificate without a subject would have no issuer. Its first name becomes the common name then.
  - A root CA whose private key is not there, since it lies elsewhere, is never replaced, unless with
    O(regenerate_key=always).
extends_documentation_fragment:
  - fleetpki.host_trust.request
  - fleetpki.host_trust.certificate_file
  - fleetpki.host_trust.certificate_file.validity
  - ansible.builtin.files
options:
  path:
    description:
      - The certificate, in PEM form.
      - A name without a slash is a file in the folder that the system has for certificates, C(/etc/pki/tls/certs) where
        C(/etc/pki/tls) is there, C(/etc/ssl/certs) otherwise.
    type: path
    required: true
  csr_path:
    description:
      - Where to write a request for the same, if one is wanted, for a CA that is to sign it later.
    type: path
  purpose:
    description:
      - What it is for. Sets key usage, extended key usage and basic constraints as RFC 5280 and the CA/Browser Forum
        want them. Options that are given have precedence, and an empty list leaves an extension out.
      - Without a purpose, the options say all.
    type: str
    choices: [server, client, root_ca]
  digest:
    aliases: [selfsigned_digest]
  not_before:
    aliases: [selfsigned_not_before]
  not_after:
    description:
      - Until when it is valid, such as V(+90d) or V(20280131120000Z), in the forms of O(not_before).
        The default is V(+3650d) for O(purpose=root_ca) and V(+180d) for others.
      - A relative time that moves on is no reason for a new certificate, O(renew_before) is. Another absolute one is.
    aliases: [selfsigned_not_after]
  return_content:
    description: Whether to return the certificate as RV(certificate).
    type: bool
    default: false
seealso:
  - module: fleetpki.host_trust.csr
  - module: fleetpki.host_trust.signed_cert
  - module: fleetpki.host_trust.ca_trust_anchor
"""

EXAMPLES = r"""
- name: A certificate to test with
  fleetpki.host_trust.selfsigned_cert:
    path: test.crt
    privatekey_path: test.key
    purpose: server
    subject_alt_name:
      - DNS:test.example.com
      - IP:127.0.0.1
    renew_before: 30d
  become: true

- name: A root CA that may have two levels of CAs below it
  fleetpki.host_trust.selfsigned_cert:
    path: /srv/ca/root.crt
    privatekey_path: /srv/ca/root.key
    privatekey_passphrase: "{{ vault_root_passphrase }}"
    key_type: EC P-384
    purpose: root_ca
    basic_constraints:
      - CA:TRUE
      - pathlen:1
    subject_ordered:
      - O: Example Corp
      - CN: Example Corp Root CA
    not_after: +7300d
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
reasons:
  description: Why something was written, a phrase each. Empty where all was what is wanted.
  returned: success
  type: list
  elements: str
  sample: ["it expires in 12 days (2026-12-05T12:00:00Z), sooner than renew_before allows"]
filename:
  description: The certificate's file.
  returned: success
  type: str
  sample: /etc/pki/tls/certs/test.crt
privatekey:
  description: The private key.
  returned: success
  type: dict
  contains:
    path:
      description: Its file.
      returned: always
      type: str
      sample: /etc/pki/tls/private/test.key
    key_type:
      description: Its algorithm, with size or curve.
      returned: always
      type: str
      sample: EC P-256
    public_key_sha256:
      description: SHA-256 of the public key (SubjectPublicKeyInfo).
      returned: always
      type: str
      sample: 3f0e7ac8d90e1a1f9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081
    new:
      description: Whether it was made just now. In check mode, whether it would be.
      returned: always
      type: bool
      sample: false
subject:
  description: The subject, as in RFC 4514.
  returned: success
  type: str
  sample: CN=Example Corp Root CA,O=Example Corp
issuer:
  description: The issuer, which is the subject.
  returned: success
  type: str
  sample: CN=Example Corp Root CA,O=Example Corp
serial:
  description: The serial number in hexadecimal digits.
  returned: success
  type: str
  sample: 4c6ae2d1a45a9f3d7e8a5c2b1f0e9d8c7b6a5948
fingerprint_sha256:
  description: SHA-256 of the certificate, in lower-case hexadecimal digits.
  returned: success
  type: str
  sample: 9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70813f0e7ac8d90e1a1f
not_before:
  description: Begin of its validity, in UTC.
  returned: success
  type: str
  sample: "2026-11-23T11:00:00Z"
not_after:
  description: End of its validity, in UTC.
  returned: success
  type: str
  sample: "2036-11-20T12:00:00Z"
key_type:
  description: The type of the key.
  returned: success
  type: str
  sample: EC P-384
subject_alt_name:
  description: The names that it is for.
  returned: success
  type: list
  elements: str
  sample: ["DNS:test.example.com", "IP:127.0.0.1"]
certificate:
  description: The certificate in PEM form, V(null) unless asked for.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----\n..."
backup_files:
  description: Which file is kept where, with O(backup).
  returned: success
  type: dict
  sample: {"/etc/pki/tls/certs/test.crt": "/etc/pki/tls/certs/test.crt.4711.2026-11-23@12:00:00~"}
missing_packages:
  description: Packages that the host lacks.
  returned: when it failed for that
  type: list
  elements: str
  sample: [python3-cryptography]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec, module_runner, selfsigned_cert


def main() -> None:
    module = AnsibleModule(argspec.selfsigned_cert(), mutually_exclusive=argspec.REQUEST_EXCLUSIVE,
                           supports_check_mode=True, add_file_common_args=True)
    module_runner.run(module, selfsigned_cert.converge, (*module_runner.WRITTEN, "csr_path"))


if __name__ == "__main__":
    main()
