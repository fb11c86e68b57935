#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates against the trust that is installed on the host."""

DOCUMENTATION = r"""
module: cert_verify
short_description: Verify certificates against the trust that is installed on a host
version_added: 0.1.0
author:
  - fleetpki.host_trust contributors (@fleetpki)
description:
  - Judges certificates as the host's own C(openssl verify) does, against the anchors that the host trusts, and looks at
    what that command leaves out. The host names and IP addresses are in the certificate, the private key belongs to it,
    and there is time left.
  - What one OpenSSL accepts, other clients refuse. So a second engine judges the same chain against the same anchors,
    on the controller, by the rules of RFC 5280 and of the CA/Browser Forum that browsers, Go and rustls hold
    certificates to. See O(engine).
  - Fails with one sentence for each certificate that does not verify, after all of them were judged.
  - It never changes anything. Certificates and keys are read on the host, and the key never leaves it.
options:
  certificates:
    description:
      - The certificates to judge. An empty list is an error, so that a search that found nothing does not pass.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - A file on the host with the certificate in it, as PEM, DER or PKCS#7 (C(.p7b)).
          - In a PEM file the host's own certificate comes first. The others in the file are its chain.
            A private key in the file is passed over.
          - Without a folder it is in C(/etc/pki/tls/certs), on Debian in C(/etc/ssl/certs).
          - Exactly one of O(certificates[].path) and O(certificates[].content) says which certificate is meant.
        type: path
      content:
        description:
          - The same as text, in PEM form.
        type: str
      chain:
        description:
          - Files on the host with the intermediate certificates, for a certificate whose own file does not hold them.
          - Without a folder they are where O(certificates[].path) is without one.
          - They are not trusted by being named here.
        type: list
        elements: path
      chain_content:
        description:
          - The intermediate certificates as text, in PEM form.
        type: str
      privatekey_path:
        description:
          - A file on the host with the private key. It fails if the certificate does not belong to it.
          - Any type of key that the host's OpenSSL knows, in PEM or DER, PKCS#8 or the older forms, encrypted or not.
            For a file with both in it, name the same file here and in O(certificates[].path).
          - Without a folder it is in C(/etc/pki/tls/private), on Debian in C(/etc/ssl/private).
        type: path
      privatekey_passphrase:
        description:
          - The passphrase of an encrypted O(certificates[].privatekey_path).
        type: str
      hostnames:
        description:
          - Host names that the certificate must be for, each of them.
            International names may be given as they are read.
          - They are matched as RFC 9525 says. Only subject alternative names count, never the common name, and a
            wildcard stands for exactly one left-most label. An IP address is matched as one.
        type: list
        elements: str
        default: []
      ips:
        description:
          - IP addresses that the certificate must be for, each of them.
        type: list
        elements: str
        default: []
      purpose:
        description:
          - What the certificate must be good for. The default is the O(purpose) of the task.
        type: str
        choices: [server, client, email, ca, any]
      min_remaining:
        description:
          - How long it and each certificate of its chain must still be valid.
            The default is the O(min_remaining) of the task.
        type: str
  trust:
    description:
      - The anchors to judge against, as a PEM file or a directory that C(openssl rehash) made.
        The trust of the host does not count then.
      - The default is what the host's OpenSSL uses, with the environment variables C(SSL_CERT_FILE) and C(SSL_CERT_DIR)
        where they are set. An empty path is an error.
    type: path
  purpose:
    description:
      - What the certificates must be good for, unless they say so themselves.
      - V(server), V(client) and V(email) are judged by key usage and extended key usage.
      - V(ca) is a certificate authority that may issue certificates.
      - V(any) does not look at the purpose.
    type: str
    choices: [server, client, email, ca, any]
    default: server
  min_remaining:
    description:
      - How long the certificates and their chains must still be valid, such as V(30d), unless they say so themselves.
      - Weeks (C(w)), days (C(d)), hours (C(h)), minutes (C(m)) and seconds (C(s)); a plain number is seconds.
    type: str
    default: "0"
  engine:
    description:
      - Which engines must accept a certificate.
      - V(host) is the host's OpenSSL with the host's trust. The result is RV(results[].verdicts.openssl).
      - V(strict) is that, and a path validation on the controller over what was read on the host, with the anchors of
        the host whose names fit. The result is RV(results[].verdicts.strict). It needs C(cryptography) 49 or later in
        the Python that runs ansible-core. Private keys are not among what is read.
      - V(strict) knows the public suffixes that a wildcard must not stand directly below if C(publicsuffixlist) is
        installed there, and else only those of one label.
    type: str
    choices: [strict, host]
    default: strict
  waive:
    description:
      - Rules of O(engine=strict) that these certificates may break, by the names that reasons and
        RV(results[].verdicts.strict.findings) give.
      - A private CA can be right for years without what newer rules ask for, such as V(rfc5280-ski).
        What every client refuses can't be waived, such as a wrong signature.
        U(https://github.com/fleetpki/host_trust/blob/main/docs/verification-rules.md) lists all rules.
    type: list
    elements: str
    default: []
  crls:
    description:
      - Revocation lists, as PEM or DER. With any of them, each certificate of a chain but the anchor is looked up by
        both engines, so that the list of each issuer must be there, valid and by that issuer.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - A file on the host. One of O(crls[].path), O(crls[].src) and O(crls[].content) must be given.
        type: path
      src:
        description:
          - A file on the controller, found as M(ansible.builtin.copy) finds its O(ansible.builtin.copy#module:src).
        type: path
      content:
        description:
          - The list as text, in PEM form.
        type: str
  fail_on_error:
    description:
      - Whether the task fails if a certificate does not verify. The results are the same either way.
      - Ansible shows all of them where a task fails, which fills a terminal where many hosts do. The playbook
        C(fleetpki.host_trust.verify) has V(false), and says each reason once, by
        P(fleetpki.host_trust.certificate_refusals#filter).
    type: bool
    default: true
notes:
  - An intermediate as an anchor without its root is not enough for OpenSSL, whose partial chains are not turned on
    here. Other clients accept it; the sentence says so.
  - On the host, OpenSSL 1.1.0 or later and Python 3.6 or later are needed, and no other package.
seealso:
  - module: fleetpki.host_trust.ca_trust_anchor
  - module: fleetpki.host_trust.ca_trust_info
  - name: openssl-verify(1)
    description: The command that judges the chain.
    link: https://docs.openssl.org/master/man1/openssl-verify/
  - name: RFC 9525
    description: How names are matched.
    link: https://www.rfc-editor.org/rfc/rfc9525
attributes:
  check_mode:
    support: full
    description: It does the same as outside of check mode, for it never changes anything.
  diff_mode:
    support: N/A
    description: It never changes anything.
  idempotent:
    support: full
    description: It never changes anything.
  platform:
    support: full
    platforms: posix
    description: Any host with OpenSSL. The second engine runs on the controller.
"""

EXAMPLES = r"""
- name: The web server's certificate verifies, is for its names, fits its key and lasts another month
  fleetpki.host_trust.cert_verify:
    certificates:
      - path: /etc/pki/tls/certs/web1.crt
        privatekey_path: /etc/pki/tls/private/web1.key
        hostnames:
          - web1.example.com
          - www.example.com
        ips:
          - 192.0.2.10
    min_remaining: 30d
  become: true

- name: A certificate and its intermediate in two files, against an application's own anchors
  fleetpki.host_trust.cert_verify:
    certificates:
      - path: /etc/app/client.pem
        chain:
          - /etc/app/issuing-ca.pem
        purpose: client
    trust: /etc/app/ca-bundle.pem

- name: Look at several certificates without failing
  fleetpki.host_trust.cert_verify:
    certificates:
      - path: /etc/pki/tls/certs/web1.crt
      - path: /etc/pki/tls/certs/issuing-ca.crt
        purpose: ca
        min_remaining: 365d
    fail_on_error: false
  register: verdict

- name: Say what is wrong with them
  ansible.builtin.debug:
    msg: "{{ verdict.results | rejectattr('verified') | map(attribute='reasons') }}"

- name: The certificate that the company's CA has just sent, before it is installed
  fleetpki.host_trust.cert_verify:
    certificates:
      - content: "{{ lookup('ansible.builtin.file', 'web1-fullchain.pem') }}"
        privatekey_path: /etc/pki/tls/private/web1.key
        privatekey_passphrase: "{{ vault_web1_passphrase }}"
        hostnames:
          - "{{ inventory_hostname }}"
  become: true

- name: With revocation lists, of a private CA that is known to be from the time before some rules
  fleetpki.host_trust.cert_verify:
    certificates:
      - path: /etc/pki/tls/certs/web1.crt
    crls:
      - src: corp-root.crl
      - path: /etc/pki/corp-issuing.crl
    waive: [rfc5280-ca-key-usage, cabf-root-aki]

- name: As this host's OpenSSL alone sees it
  fleetpki.host_trust.cert_verify:
    certificates:
      - path: /etc/pki/tls/certs/web1.crt
    engine: host
"""

RETURN = r"""
verified:
  description: Whether every certificate verified.
  returned: when certificates were judged
  type: bool
  sample: false
msg:
  description: A sentence for each certificate that did not verify, one a line.
  returned: always
  type: str
  sample: >-
    /etc/pki/tls/certs/web1.crt (CN=web1.example.com): issuer CN=Corp Issuing CA 2 is not trusted by this host;
    anchors with a near name: CN=Corp Issuing CA 1
results:
  description: What was found of each certificate, in the order of O(certificates).
  returned: when certificates were judged
  type: list
  elements: dict
  contains:
    name:
      description: What messages call it, by file and subject.
      returned: always
      type: str
      sample: /etc/pki/tls/certs/web1.crt (CN=web1.example.com)
    path:
      description: The file that it was read from, V(null) for O(certificates[].content).
      returned: always
      type: str
      sample: /etc/pki/tls/certs/web1.crt
    verified:
      description: Whether every engine accepts it that was asked, and nothing else is against it.
      returned: always
      type: bool
      sample: false
    reasons:
      description: A sentence on each thing that is wrong.
      returned: always
      type: list
      elements: str
      sample: ["expired 3 days ago (2026-11-20T12:00:00Z)"]
    verdicts:
      description: What each engine says of it, by name. Empty where the file could not be read.
      returned: always
      type: dict
      contains:
        openssl:
          description: The host's OpenSSL, and what is looked at beside it (names, key, time left).
          returned: where the file could be read
          type: dict
          contains:
            accepted:
              description: Whether it has no reason against it.
              returned: always
              type: bool
              sample: true
            reasons:
              description: A sentence on each thing that is wrong.
              returned: always
              type: list
              elements: str
              sample: []
        strict:
          description: The path validation on the controller.
          returned: with O(engine=strict)
          type: dict
          contains:
            accepted:
              description: Whether there is a path without a finding that counts.
              returned: always
              type: bool
              sample: false
            reasons:
              description: The sentences of RV(results[].verdicts.strict.findings).
              returned: always
              type: list
              elements: str
              sample: ["CN=Corp Root CA has no keyUsage"]
            findings:
              description: The rules that its best chain breaks.
              returned: always
              type: list
              elements: dict
              sample:
                - rule: rfc5280-ca-key-usage
                  section: RFC 5280 section 4.2.1.3
                  sentence: CN=Corp Root CA has no keyUsage
            waived:
              description: The same for rules of O(waive).
              returned: always
              type: list
              elements: dict
              sample: []
            chain:
              description: The chain that is meant, the certificate first.
              returned: always
              type: list
              elements: str
              sample: [CN=web1.example.com, CN=Corp Issuing CA 1, CN=Corp Root CA]
    warnings:
      description: Sentences on what is no failure on this host and should be known. They are shown as warnings, too.
      returned: always
      type: list
      elements: str
      sample: ["the private key /etc/pki/tls/private/web1.key is readable by every user of the host"]
    subject:
      description: The subject, as in RFC 4514. V(null), as all that follows, where the file could not be read.
      returned: always
      type: str
      sample: CN=web1.example.com,O=Corp
    issuer:
      description: The issuer, as in RFC 4514. V(null) where the file could not be read.
      returned: always
      type: str
      sample: CN=Corp Issuing CA 1,O=Corp
    serial:
      description: The serial number in hexadecimal digits. V(null) where the file could not be read.
      returned: always
      type: str
      sample: 4c6ae2d1
    fingerprint_sha256:
      description: SHA-256 of the certificate, in lower-case hexadecimal digits. V(null) where the file could not be
        read.
      returned: always
      type: str
      sample: 3f0e7ac8d90e1a1f9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081
    not_before:
      description: Begin of its validity, in UTC. V(null) where the file could not be read.
      returned: always
      type: str
      sample: "2026-11-01T00:00:00Z"
    not_after:
      description: End of its validity, in UTC. V(null) where the file could not be read.
      returned: always
      type: str
      sample: "2027-11-01T00:00:00Z"
    remaining_days:
      description: Days until it expires, rounded down; negative for an expired one. V(null) where the file could not
        be read.
      returned: always
      type: int
      sample: 342
    dns_names:
      description: The host names that it is for.
      returned: always
      type: list
      elements: str
      sample: [web1.example.com, www.example.com]
    ip_addresses:
      description: The IP addresses that it is for.
      returned: always
      type: list
      elements: str
      sample: [192.0.2.10]
    key_type:
      description: The algorithm of its key, with size or curve. V(null) where the file could not be read.
      returned: always
      type: str
      sample: EC P-256
    purpose:
      description: What it was asked to be good for.
      returned: always
      type: str
      sample: server
    private_key_matches:
      description: Whether the private key belongs to it; V(null) where none was given or it could not be read.
      returned: always
      type: bool
      sample: true
    chain:
      description:
        - The chain, from the certificate to the anchor. If it did not verify, as far as it could be built.
        - It is in the order of trust, whatever the order in the files.
      returned: always
      type: list
      elements: dict
      contains:
        subject:
          description: The subject.
          returned: always
          type: str
          sample: CN=Corp Issuing CA 1,O=Corp
        fingerprint_sha256:
          description: SHA-256 of it; V(null) if OpenSSL found it where this module does not look.
          returned: always
          type: str
          sample: 9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70813f0e7ac8d90e1a1f
        source:
          description: Where it comes from, V(certificate), V(chain) or V(trust). Only the last is an anchor.
          returned: always
          type: str
          choices: [certificate, chain, trust]
          sample: chain
    openssl:
      description: The verdict of the host's OpenSSL on the chain alone. V(null) where it was not asked.
      returned: always
      type: dict
      contains:
        version:
          description: Its version, as printed. V(null) where there is none.
          returned: always
          type: str
          sample: "OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19 27 Jan 2026)"
        command:
          description: What was run, in a directory that held the certificate and the others in C(untrusted.pem).
            V(null) where there is none.
          returned: always
          type: str
          sample: /usr/bin/openssl verify -show_chain -purpose sslserver -untrusted untrusted.pem web1.crt
        return_code:
          description: Its exit code, V(null) if it gave no answer in time.
          returned: always
          type: int
          sample: 0
        output:
          description: What it printed. V(null) where there is none.
          returned: always
          type: str
          sample: "web1.crt: OK"
trust:
  description: The anchors that the certificates were judged against.
  returned: when certificates were judged
  type: dict
  contains:
    file:
      description: The file that OpenSSL looks into. V(null) where there is none.
      returned: always
      type: str
      sample: /etc/pki/tls/cert.pem
    directory:
      description: The directory that OpenSSL looks into. V(null) where there is none.
      returned: always
      type: str
      sample: /etc/pki/tls/certs
    anchors:
      description: How many certificates they hold.
      returned: always
      type: int
      sample: 142
missing_packages:
  description: Packages that the host lacks.
  returned: when it failed for that
  type: list
  elements: str
  sample: [openssl]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification

PURPOSES = sorted(openssl.PURPOSES)
CERTIFICATE = {
    "path": {"type": "path"},
    "content": {"type": "str"},
    "chain": {"type": "list", "elements": "path"},
    "chain_content": {"type": "str"},
    "privatekey_path": {"type": "path", "no_log": False},  # where it lies is no secret
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "hostnames": {"type": "list", "elements": "str", "default": []},
    "ips": {"type": "list", "elements": "str", "default": []},
    "purpose": {"type": "str", "choices": PURPOSES},
    "min_remaining": {"type": "str"},
}
ARGUMENTS = {
    "certificates": {
        "type": "list", "elements": "dict", "required": True, "options": CERTIFICATE,
        "mutually_exclusive": [("path", "content")], "required_one_of": [("path", "content")]},
    "trust": {"type": "path"},
    "purpose": {"type": "str", "choices": PURPOSES, "default": "server"},
    "min_remaining": {"type": "str", "default": "0"},
    "engine": {"type": "str", "choices": ["strict", "host"], "default": "strict"},
    "waive": {"type": "list", "elements": "str", "default": []},
    "crls": {
        "type": "list", "elements": "dict", "default": [],
        "options": {"path": {"type": "path"}, "src": {"type": "path"}, "content": {"type": "str"}},
        "mutually_exclusive": [("path", "src", "content")], "required_one_of": [("path", "src", "content")]},
    "fail_on_error": {"type": "bool", "default": True},
}


def verify(options: "t.Dict[str, t.Any]", tmpdir: str) -> "t.Dict[str, t.Any]":
    """The module's result, or a Failure with all of it."""
    outcome = verification.verify(
        options["certificates"], options["trust"], options["purpose"], options["min_remaining"], tmpdir,
        crls=options["crls"], collect=options["engine"] == "strict")
    return run_module.judged(outcome, outcome["verified"] or not options["fail_on_error"])


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    run_module.run(module, lambda: verify(module.params, module.tmpdir), module.tmpdir)


if __name__ == "__main__":
    main()
