#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private key and a certificate signing request."""

DOCUMENTATION = r"""
module: csr
short_description: Make a private key and a certificate signing request
version_added: 0.1.0
author:
  - fleetpki.host_trust contributors (@fleetpki)
description:
  - Does in one execution what C(openssl req -new -newkey) does. A private key is made where there is none, and a
    request (PKCS#10) for it is written where there is none that says what is wanted.
  - A key that is there stays, unless O(regenerate_key) says otherwise. The key never leaves the host.
  - With O(certificate_path) it also looks whether the certificate that came of the request is still what is wanted, and
    says why not in RV(certificate_reasons). So one execution tells whether a host needs anything.
extends_documentation_fragment:
  - fleetpki.host_trust.request
  - fleetpki.host_trust.certificate_file
  - ansible.builtin.files
options:
  path:
    description:
      - The request, in PEM form.
      - A name without a slash is a file in the folder that the system has for certificates, C(/etc/pki/tls/certs) where
        C(/etc/pki/tls) is there, C(/etc/ssl/certs) otherwise.
    type: path
    required: true
  create_subject_key_identifier:
    description: Whether to put the identifier of the key into the request. A CA does that by itself.
    type: bool
    default: false
  certificate_path:
    description:
      - The certificate that was issued for the request. It is looked at, never written.
      - Where it is given, a private key that is replaced while this certificate is in use with it is not overwritten.
        The new one is made beside it, with the name of O(privatekey_path) and C(.next), and the request is for that.
        M(fleetpki.host_trust.cert_install) puts it in place together with its certificate, so that what is in use
        always fits. With O(regenerate_key=always), a new key is made whenever a new certificate is needed.
    type: path
  chain_path:
    description:
      - The file with the certificate's chain, if one was installed. Where it is missing, a new certificate is needed.
        With O(ca_content), also where it does not begin with the CA's certificate.
    type: path
  fullchain_path:
    description:
      - The file with the certificate and its chain, if one was installed. Where it is missing or does not begin with
        the certificate at O(certificate_path), a new certificate is needed.
    type: path
  renew_before:
    description:
      - How long before the end of the certificate at O(certificate_path) a new one is needed, such as V(30d).
    type: str
    default: "0"
  ca_content:
    description:
      - The certificate of the CA that the certificate at O(certificate_path) must come from, in PEM form.
      - With it, the certificate must be signed by that CA's key, and say what O(honour) has it take over from the
        request. Without it, whatever its CA has made of it, it must be for the key and for all names, and have time
        left.
    type: str
    aliases: [ownca_content]
  honour:
    description:
      - What the CA of O(ca_content) takes over from the request, as O(fleetpki.host_trust.signed_cert#module:honour).
        It is compared with the certificate. Of all else, that is what the CA has made it, and no reason for a new one.
      - Where the CA gives by its own rules what the request asks for, such as an O(extended_key_usage) that is its
        purpose's, V(extended_key_usage) here finds a certificate that was made by other rules.
    type: list
    elements: str
    choices: [subject, subject_alt_name, key_usage, extended_key_usage, basic_constraints, name_constraints,
              ocsp_must_staple]
    default: [subject, subject_alt_name, ocsp_must_staple]
  return_content:
    description: Whether to return the request as RV(csr).
    type: bool
    default: false
seealso:
  - module: fleetpki.host_trust.selfsigned_cert
  - module: fleetpki.host_trust.signed_cert
  - module: fleetpki.host_trust.cert_install
  - name: RFC 2986
    description: Certification requests.
    link: https://www.rfc-editor.org/rfc/rfc2986
"""

EXAMPLES = r"""
- name: A key and a request for the web server, in the folders that the system has for them
  fleetpki.host_trust.csr:
    path: web1.csr
    privatekey_path: web1.key
    common_name: web1.example.com
    subject_alt_name:
      - DNS:web1.example.com
      - DNS:www.example.com
      - IP:192.0.2.10
    return_content: true
  become: true
  register: request

- name: Have it signed by the CA whose key is on the controller
  fleetpki.host_trust.signed_cert:
    csr_content: "{{ request.csr }}"
    ca_path: /srv/ca/issuing.crt
    ca_privatekey_path: /srv/ca/issuing.key
    ca_privatekey_passphrase: "{{ vault_ca_passphrase }}"
  delegate_to: localhost
  become: false
  register: signed

- name: A request for a CA of one's own, with an encrypted RSA key that a group may read
  fleetpki.host_trust.csr:
    path: /srv/ca/issuing.csr
    privatekey_path: /srv/ca/issuing.key
    privatekey_passphrase: "{{ vault_ca_passphrase }}"
    privatekey_mode: "0640"
    privatekey_group: pki
    key_type: RSA 4096
    subject_ordered:
      - C: DE
      - O: Example Corp
      - CN: Example Corp Issuing CA 1
    basic_constraints:
      - CA:TRUE
    key_usage:
      - keyCertSign
      - cRLSign

- name: Is a new certificate needed? A key of another type waits beside the one in use
  fleetpki.host_trust.csr:
    path: web1.csr
    privatekey_path: web1.key
    key_type: EC P-384
    regenerate_key: mismatch
    common_name: web1.example.com
    certificate_path: web1.crt
    renew_before: 30d
  become: true
  register: request

- name: Say why
  ansible.builtin.debug:
    var: request.certificate_reasons
"""

RETURN = r"""
reasons:
  description: Why something was written, a phrase each. Empty where all was what is wanted.
  returned: success
  type: list
  elements: str
  sample: ["subject_alt_name: DNS:www.example.com is added"]
filename:
  description: The request.
  returned: success
  type: str
  sample: /etc/pki/tls/certs/web1.csr
privatekey:
  description: The private key that the request is for.
  returned: success
  type: dict
  contains:
    path:
      description: Its file. It ends with C(.next) while it waits for its certificate.
      returned: always
      type: str
      sample: /etc/pki/tls/private/web1.key
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
  sample: CN=web1.example.com,O=Corp
subject_alt_name:
  description: The names that it is for.
  returned: success
  type: list
  elements: str
  sample: ["DNS:web1.example.com", "DNS:www.example.com"]
key_type:
  description: The type of the key.
  returned: success
  type: str
  sample: EC P-256
csr:
  description: The request in PEM form, V(null) unless asked for. In check mode, if a key would be made, it is for one
    that is thrown away.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE REQUEST-----\n..."
backup_files:
  description: Which file is kept where, with O(backup).
  returned: success
  type: dict
  sample: {"/etc/pki/tls/certs/web1.csr": "/etc/pki/tls/certs/web1.csr.4711.2026-11-23@12:00:00~"}
certificate_path:
  description: The certificate that was looked at.
  returned: with O(certificate_path)
  type: str
  sample: /etc/pki/tls/certs/web1.crt
certificate:
  description: What it says, V(null) where there is none that can be read.
  returned: with O(certificate_path)
  type: dict
  sample:
    subject: CN=web1.example.com,O=Corp
    issuer: CN=Corp Issuing CA 1,O=Corp
    serial: 4c6ae2d1
    fingerprint_sha256: 9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70813f0e7ac8d90e1a1f
    not_before: "2026-11-01T00:00:00Z"
    not_after: "2027-05-01T00:00:00Z"
certificate_reasons:
  description: Why a new certificate is needed, a phrase each. Empty where it is what is wanted.
  returned: with O(certificate_path)
  type: list
  elements: str
  sample: ["it expires in 12 days (2026-12-05T12:00:00Z), sooner than renew_before allows"]
missing_packages:
  description: Packages that the host lacks.
  returned: when it failed for that
  type: list
  elements: str
  sample: [python3-cryptography]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec, csr, module_runner


def main() -> None:
    looked_at = dict.fromkeys(["ca_content", "chain_path", "fullchain_path"], "certificate_path")
    module = AnsibleModule(argspec.csr(), required_by=looked_at, mutually_exclusive=argspec.REQUEST_EXCLUSIVE,
                           supports_check_mode=True, add_file_common_args=True)
    module_runner.run(module, csr.converge, ("privatekey_path", "path"))


if __name__ == "__main__":
    main()
