#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA signs a certificate signing request."""

DOCUMENTATION = r"""
module: signed_cert
short_description: Have a CA sign a certificate signing request
version_added: 0.1.0
author:
  - fleetpki.host_trust contributors (@fleetpki)
description:
  - Signs a request with a CA's key and certificate. A root signs an intermediate CA, an intermediate CA signs a host's
    certificate.
  - What the certificate may be used for is the O(purpose)'s matter, not the request's. O(honour) says what else is
    taken over from the request, which never makes itself a CA.
  - Refused are a CA that has expired, that is none, that may not issue what is asked for or whose key is another's,
    and a request with a wrong signature or a weak key.
  - It runs where the CA's key is. With C(delegate_to) and V(localhost) that is the controller, which the key then never
    leaves.
extends_documentation_fragment:
  - fleetpki.host_trust.certificate_file
  - fleetpki.host_trust.certificate_file.validity
  - fleetpki.host_trust.certificate_file.authority
  - ansible.builtin.files
options:
  path:
    description:
      - The certificate, in PEM form.
      - A name without a slash is a file in the folder that the system has for certificates, C(/etc/pki/tls/certs) where
        C(/etc/pki/tls) is there, C(/etc/ssl/certs) otherwise.
      - Without O(path) and O(fullchain_path) nothing is written, and a new certificate is made and returned each time.
        On the controller that happens without a process of its own, unless with C(become).
    type: path
  fullchain_path:
    description:
      - The certificate with the intermediate CAs behind it, in the order that servers send them, without the root.
    type: path
  csr_path:
    description:
      - The request, in PEM form or DER. A name without a slash is a file in the folder that the system has for
        certificates.
      - Exactly one of O(csr_path) and O(csr_content) says which request.
    type: path
  csr_content:
    description: The same as text, in PEM form.
    type: str
  purpose:
    description:
      - What the certificate is for. Sets key usage, extended key usage and basic constraints as RFC 5280 and the
        CA/Browser Forum want them.
      - V(intermediate_ca) makes a CA for servers and clients.
    type: str
    choices: [server, client, intermediate_ca]
    default: server
  pathlen:
    description: How many CAs may follow below the CA of O(purpose=intermediate_ca).
    type: int
    default: 0
  honour:
    description:
      - What is taken over from the request. Of all else in it nothing comes into the certificate; a warning tells what
        key usages, purposes, basic constraints and name constraints that leaves out.
      - Where M(fleetpki.host_trust.csr) looks at the certificate, give it the same.
      - With V(key_usage), V(extended_key_usage) and V(basic_constraints) among them, the request has precedence over
        the purpose. A request for a CA is refused still, unless with O(purpose=intermediate_ca).
    type: list
    elements: str
    choices: [subject, subject_alt_name, key_usage, extended_key_usage, basic_constraints, name_constraints,
              ocsp_must_staple]
    default: [subject, subject_alt_name, ocsp_must_staple]
  subject_alt_name:
    description:
      - The names that the certificate is for, such as V(DNS:web1.example.com), whatever the request says. Whoever has
        taken over a host can ask for any name in its request.
      - Where the request asks for others, a warning says so. By default, the request's names are taken over.
    type: list
    elements: str
    aliases: [subjectAltName]
  common_name:
    description:
      - The common name of the certificate, whatever the request says.
      - With it, O(subject) or O(subject_ordered), nothing of the request's subject is taken over.
    type: str
    aliases: [CN, commonName]
  subject:
    description:
      - The subject's attributes, such as C(CN), C(O), C(OU), C(C), whatever the request says. A value may be a list.
        O(common_name) is put behind these.
    type: dict
  subject_ordered:
    description:
      - The same as a list of dictionaries with one attribute each, where the order matters.
      - At most one of O(subject) and O(subject_ordered) can be given.
    type: list
    elements: dict
  digest:
    description:
      - The digest of the signature. The default is the one that goes with the CA's key, V(sha384) for EC P-384,
        V(sha512) for EC P-521, and V(sha256) for all others. Ed25519 and Ed448 have none.
    type: str
    choices: [sha256, sha384, sha512]
    aliases: [ownca_digest]
  not_before:
    aliases: [ownca_not_before]
  not_after:
    description:
      - Until when it is valid, such as V(+90d) or V(20280131120000Z), in the forms of O(not_before).
        The default is V(+1825d) for O(purpose=intermediate_ca) and V(+180d) for others.
      - It never ends later than the CA's certificate. A warning tells where it was cut short.
      - A relative time that moves on is no reason for a new certificate, O(renew_before) is. Another absolute one is.
    aliases: [ownca_not_after]
  crl_distribution_points:
    description: URLs of the CA's revocation list (RFC 5280 section 4.2.1.13).
    type: list
    elements: str
  ca_issuers:
    description: URLs of the CA's own certificate (RFC 5280 section 4.2.2.1).
    type: list
    elements: str
  ocsp:
    description: URLs of the CA's OCSP responder (RFC 5280 section 4.2.2.1).
    type: list
    elements: str
  return_content:
    description:
      - Whether to return RV(certificate), RV(chain) and RV(fullchain). Without O(path) and O(fullchain_path) they
        always are.
    type: bool
    default: false
seealso:
  - module: fleetpki.host_trust.csr
  - module: fleetpki.host_trust.cert_install
  - module: fleetpki.host_trust.crl
"""

EXAMPLES = r"""
- name: The root signs the issuing CA
  fleetpki.host_trust.signed_cert:
    path: /srv/ca/issuing.crt
    csr_path: /srv/ca/issuing.csr
    ca_path: /srv/ca/root.crt
    ca_privatekey_path: /srv/ca/root.key
    ca_privatekey_passphrase: "{{ vault_root_passphrase }}"
    purpose: intermediate_ca
    not_after: +1825d
    renew_before: 365d
  delegate_to: localhost
  run_once: true

- name: A request of the host
  fleetpki.host_trust.csr:
    path: web1.csr
    privatekey_path: web1.key
    common_name: web1.example.com
    certificate_path: web1.crt
    renew_before: 30d
    return_content: true
  become: true
  register: request

- name: The issuing CA signs it on the controller, where a new certificate is needed
  fleetpki.host_trust.signed_cert:
    csr_content: "{{ request.csr }}"
    ca_path: /srv/ca/issuing.crt
    ca_privatekey_path: /srv/ca/issuing.key
    ca_privatekey_passphrase: "{{ vault_issuing_passphrase }}"
    purpose: server
    common_name: web1.example.com
    subject_alt_name:
      - DNS:web1.example.com
    not_after: +90d
    crl_distribution_points:
      - http://pki.example.com/issuing.crl
  delegate_to: localhost
  become: false
  when: request.certificate_reasons | length > 0
  register: signed

- name: It is put in place, proven
  fleetpki.host_trust.cert_install:
    path: web1.crt
    fullchain_path: web1-fullchain.pem
    privatekey_path: web1.key
    content: "{{ signed.fullchain }}"
  become: true
  when: signed is changed
"""

RETURN = r"""
reasons:
  description: Why a certificate was made, a phrase each. Empty where the one that is there is what is wanted.
  returned: success
  type: list
  elements: str
  sample: ["issuer: CN=Corp Issuing CA 2 instead of CN=Corp Issuing CA 1"]
filename:
  description: The certificate's file, V(null) without one.
  returned: success
  type: str
  sample: /srv/ca/issuing.crt
fullchain_path:
  description: The file with the full chain, V(null) without one.
  returned: success
  type: str
  sample: /srv/ca/web1-fullchain.pem
certificate:
  description: The certificate in PEM form, V(null) unless asked for, and in check mode where the files that it is made
    of are not there yet. As all that follows.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----\n..."
chain:
  description: The intermediate CAs in PEM form, in their order, without the root. V(null) as RV(certificate) in check
    mode.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----\n..."
fullchain:
  description: Certificate and chain in PEM form. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: "-----BEGIN CERTIFICATE-----\n..."
subject:
  description: The subject, as in RFC 4514. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: CN=web1.example.com,O=Corp
issuer:
  description: The issuer, as in RFC 4514. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: CN=Corp Issuing CA 1,O=Corp
serial:
  description: The serial number in hexadecimal digits. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: 4c6ae2d1a45a9f3d7e8a5c2b1f0e9d8c7b6a5948
fingerprint_sha256:
  description: SHA-256 of the certificate, in lower-case hexadecimal digits. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: 9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70813f0e7ac8d90e1a1f
not_before:
  description: Begin of its validity, in UTC. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: "2026-11-23T11:00:00Z"
not_after:
  description: End of its validity, in UTC. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: "2027-05-22T12:00:00Z"
key_type:
  description: The type of the certified key. V(null) as RV(certificate) in check mode.
  returned: success
  type: str
  sample: EC P-256
subject_alt_name:
  description: The names that it is for. V(null) as RV(certificate) in check mode.
  returned: success
  type: list
  elements: str
  sample: ["DNS:web1.example.com"]
backup_files:
  description: Which file is kept where, with O(backup).
  returned: success
  type: dict
  sample: {"/srv/ca/issuing.crt": "/srv/ca/issuing.crt.4711.2026-11-23@12:00:00~"}
missing_packages:
  description: Packages that the host lacks.
  returned: when it failed for that
  type: list
  elements: str
  sample: [python3-cryptography]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec, module_runner, signed_cert


def main() -> None:
    module = AnsibleModule(argspec.signed_cert(), mutually_exclusive=argspec.SIGNED_EXCLUSIVE,
                           required_one_of=argspec.SIGNED_ONE_OF, supports_check_mode=True, add_file_common_args=True)
    module_runner.run(module, signed_cert.converge)


if __name__ == "__main__":
    main()
