#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate, chain and key put in place together, once they are proven."""

DOCUMENTATION = r"""
module: cert_install
short_description: Install a certificate with its chain, once the host has proven it
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Takes what a CA sent, in any form and order, finds the certificate that belongs to the host's private key, and puts
    its chain in order.
  - The host's own C(openssl verify) judges it before anything is replaced. It must also be for the names that are asked
    for, and have time left. What is refused leaves all files as they are.
  - Certificate, chain and a new private key are put in place together, all or none.
  - A certificate that is installed already is verified just the same.
    The task fails if it does not verify any more, or soon will not (O(min_remaining)).
  - An older certificate than the one that is in use, for the same key, does not replace it, unless the one in use does
    not verify.
options:
  path:
    description:
      - The file on the host for the certificate alone, as PEM.
      - A name without a folder is placed in C(/etc/pki/tls/certs), or in C(/etc/ssl/certs) on Debian and its relatives.
        The same goes for O(chain_path) and O(fullchain_path).
      - At least one of O(path), O(chain_path) and O(fullchain_path) is needed.
    type: path
  chain_path:
    description:
      - The file on the host for the certificate's chain, from its issuer up, without the root.
      - It is empty if the root itself issued the certificate.
    type: path
  fullchain_path:
    description:
      - The file on the host for the certificate and its chain, as most servers want it.
    type: path
  privatekey_path:
    description:
      - The private key on the host that the certificate must belong to.
      - If there is a file of that name with C(.next) behind it, and the certificate belongs to that key, it is moved to
        O(privatekey_path) in the same change.
      - A name without a folder is placed in C(/etc/pki/tls/private) or C(/etc/ssl/private).
    type: path
    required: true
  privatekey_passphrase:
    description:
      - The passphrase of an encrypted private key.
    type: str
  src:
    description:
      - Files on the controller with what the CA sent, or folders or patterns (C(web1*)) of such files.
        They are found as M(ansible.builtin.copy) finds them and may be encrypted by Ansible Vault.
      - PEM with one certificate or many, DER, or PKCS#7 (C(.p7b)), in any order.
      - Of a folder or pattern, files that are not about certificates are passed over, such as a request or a letter.
        A folder's hidden files and subfolders are not looked at.
      - A file with a private key in it is refused.
      - Exactly one of O(src) and O(content) is needed.
    type: list
    elements: str
  content:
    description:
      - The certificates as PEM text, in any order, such as C(fullchain) in what M(fleetpki.host_trust.signed_cert)
        returns.
      - In check mode it may be empty, because the task that makes it has only checked, too.
        Then a change is foreseen and nothing is verified.
    type: str
  subject_alt_name:
    description:
      - Names that the certificate must be for, each of them, such as V(DNS:web1.example.com), V(IP:192.0.2.1),
        V(URI:spiffe://example.com/web1), V(email:web@example.com) or V(RID:1.2.3.4).
      - A wildcard in the certificate covers a host name as RFC 9525 says. IP addresses are compared as such,
        other kinds of names literally.
    type: list
    elements: str
    aliases: [subjectAltName]
  trust:
    description:
      - The anchors to judge against, as a PEM file on the host or a directory that C(openssl rehash) made.
      - The default is what the host's OpenSSL trusts.
    type: path
  trust_content:
    description:
      - The anchors to judge against, as PEM text.
    type: str
  purpose:
    description:
      - What the certificate must be good for. V(any) does not look at it.
    type: str
    choices: [server, client, any]
    default: server
  root:
    description:
      - Folder where the system is mounted that the files belong to, such as C(/mnt/sysimage) in a kickstart's C(%post).
      - All paths but O(src) are inside it, links are followed inside it, and O(owner) and O(group) are looked up there.
        The certificate is judged by the OpenSSL of the machine that it is mounted on, against the anchors of the
        mounted system's trust store where neither O(trust) nor O(trust_content) says otherwise.
    type: path
    default: /
  min_remaining:
    description:
      - How long the certificate and its chain must still be valid, such as V(30d).
      - Weeks (C(w)), days (C(d)), hours (C(h)), minutes (C(m)) and seconds (C(s)); a plain number is seconds.
    type: str
    default: "0"
  backup:
    description:
      - Keep the former files beside the new ones, with the time in their names. A private key that is replaced is kept
        with the mode and owner that it had.
    type: bool
    default: false
  mode:
    description:
      - The mode of O(path), O(chain_path) and O(fullchain_path). The private key keeps its own.
      - The default is V(0644) for new files. Others keep theirs.
notes:
  - On the host, OpenSSL 1.1.0 or later and Python 3.6 or later are needed, and no other package.
  - Links are followed. What they lead to is replaced.
seealso:
  - module: fleetpki.host_trust.csr
  - module: fleetpki.host_trust.signed_cert
  - module: fleetpki.host_trust.cert_verify
extends_documentation_fragment:
  - ansible.builtin.files
attributes:
  check_mode:
    support: full
    description: Verifies and says exactly what the run will do, and touches nothing.
  diff_mode:
    support: full
    description: Certificate and chain by subject, issuer, serial number, names and validity; nothing of keys.
  idempotent:
    support: full
    description: Files are compared by the certificates in them.
  platform:
    support: full
    platforms: posix
    description: Any host with OpenSSL.
"""

EXAMPLES = r"""
# A private CA on the controller
- name: Key and request on the host
  fleetpki.host_trust.csr:
    path: /etc/pki/tls/web1.csr
    privatekey_path: /etc/pki/tls/private/web1.key
    common_name: web1.example.com
    return_content: true
  register: request
  become: true

- name: The certificate, signed on the controller
  fleetpki.host_trust.signed_cert:
    csr_content: "{{ request.csr }}"
    ca_path: /srv/ca/issuing.crt
    ca_privatekey_path: /srv/ca/issuing.key
    ca_privatekey_passphrase: "{{ vault_ca_passphrase }}"
  delegate_to: localhost
  register: signed

- name: Certificate and chain back to the host, proven there before they replace the old ones
  fleetpki.host_trust.cert_install:
    content: "{{ signed.fullchain }}"
    path: /etc/pki/tls/certs/web1.crt
    chain_path: /etc/pki/tls/certs/web1-chain.crt
    fullchain_path: /etc/pki/tls/certs/web1-fullchain.crt
    privatekey_path: /etc/pki/tls/private/web1.key
    subject_alt_name:
      - DNS:web1.example.com
    backup: true
  become: true
  notify: Reload the web server

# An external CA, whose answers are put into a folder of the controller for each host
- name: Install what the CA sent
  fleetpki.host_trust.cert_install:
    src:
      - "answers/{{ inventory_hostname }}"
      - answers/corp-issuing-ca.p7b
    fullchain_path: /etc/ssl/certs/www.pem
    privatekey_path: /etc/ssl/private/www.key
    privatekey_passphrase: "{{ vault_www_passphrase }}"
    subject_alt_name:
      - "DNS:{{ inventory_hostname }}"
      - DNS:www.example.com
      - IP:192.0.2.10
    min_remaining: 30d
    owner: root
    group: ssl-cert
    mode: "0640"
  become: true
  notify: Reload the web server
"""

RETURN = r"""
msg:
  description: What is installed and why, or why nothing was changed.
  returned: always
  type: str
  sample: >-
    CN=web1.example.com, expires 2027-11-01T00:00:00Z, is installed: it is another certificate: expires
    2027-11-01T00:00:00Z instead of 2026-12-01T00:00:00Z
reasons:
  description: A sentence on each thing that makes a change necessary. None if all is as wanted.
  returned: success
  type: list
  elements: str
  sample: ["it is another certificate: expires 2027-11-01T00:00:00Z instead of 2026-12-01T00:00:00Z"]
subject:
  description:
    - The subject of the certificate that is in use after this, as in RFC 4514.
    - V(null), as all that describes it, if check mode has no certificate or no private key to look at.
  returned: success
  type: str
  sample: CN=web1.example.com,O=Corp
issuer:
  description: Its issuer. V(null) as RV(subject).
  returned: success
  type: str
  sample: CN=Corp Issuing CA 1,O=Corp
serial:
  description: Its serial number in hexadecimal digits. V(null) as RV(subject).
  returned: success
  type: str
  sample: 4c6ae2d1
fingerprint_sha256:
  description: SHA-256 of it, in lower-case hexadecimal digits. V(null) as RV(subject).
  returned: success
  type: str
  sample: 3f0e7ac8d90e1a1f9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081
not_before:
  description: Begin of its validity, in UTC. V(null) as RV(subject).
  returned: success
  type: str
  sample: "2026-11-01T00:00:00Z"
not_after:
  description: End of its validity, in UTC. V(null) as RV(subject).
  returned: success
  type: str
  sample: "2027-11-01T00:00:00Z"
chain:
  description: The subjects of its chain as it is written, from its issuer up.
  returned: success
  type: list
  elements: str
  sample: ["CN=Corp Issuing CA 1,O=Corp"]
privatekey_path:
  description: The private key that it belongs to. V(null) as RV(subject).
  returned: success
  type: str
  sample: /etc/pki/tls/private/web1.key
files:
  description: The files of certificates that were looked at, with whole paths.
  returned: success
  type: list
  elements: str
  sample: [/etc/pki/tls/certs/web1.crt]
backup_files:
  description: Where the former files are kept, by the paths of the files.
  returned: success
  type: dict
  sample:
    /etc/pki/tls/certs/web1.crt: /etc/pki/tls/certs/web1.crt.417.2026-11-23@12:00:00~
diff:
  description: What changes, in the form that C(--diff) shows.
  returned: with C(--diff)
  type: dict
  sample:
    before_header: /etc/pki/tls/certs/web1.crt
    before: "certificate: none"
    after_header: /etc/pki/tls/certs/web1.crt
    after: "certificate: CN=web1.example.com"
in_use:
  description: Whether what was refused is what is installed already.
  returned: when a certificate was refused
  type: bool
  sample: false
missing_packages:
  description: Packages that the host lacks.
  returned: when it failed for that
  type: list
  elements: str
  sample: [openssl]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import install
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import file_attributes, run_module

ARGUMENTS = {
    "path": {"type": "path"},
    "chain_path": {"type": "path"},
    "fullchain_path": {"type": "path"},
    "privatekey_path": {"type": "path", "required": True, "no_log": False},  # where it lies is no secret
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "src": {"type": "list", "elements": "str"},  # the action plugin makes content of it; what comes here are names
    "content": {"type": "str"},
    "subject_alt_name": {"type": "list", "elements": "str", "aliases": ["subjectAltName"]},
    "trust": {"type": "path"},
    "trust_content": {"type": "str"},
    "purpose": {"type": "str", "choices": ["server", "client", "any"], "default": "server"},
    "root": {"type": "path", "default": "/"},
    "min_remaining": {"type": "str", "default": "0"},
    "backup": {"type": "bool", "default": False},
}


def converge(module: AnsibleModule) -> "t.Dict[str, t.Any]":
    """The module's result, once the certificate and the attributes of its files are as they are wanted."""
    file_attributes.check(module.params)
    result = install.install(module.params, module.check_mode, module.tmpdir)
    there = [] if result["changed"] else result["files"]  # of new files, they are no reason
    result["reasons"] += file_attributes.apply(module, result["files"], None, there)
    return dict(result, changed=bool(result["reasons"]))


def main() -> None:
    module = AnsibleModule(
        ARGUMENTS, supports_check_mode=True, add_file_common_args=True,
        required_one_of=[("path", "chain_path", "fullchain_path")], mutually_exclusive=[("trust", "trust_content")])
    file_attributes.hide_keys(module, ("content", "trust_content"))
    run_module.run(module, lambda: converge(module), module.tmpdir)


if __name__ == "__main__":
    main()
