#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The anchors of a host's trust store: the host's side."""

DOCUMENTATION = r"""
module: ca_trust_anchor
short_description: Decide which certificate authorities a host trusts, and prove it
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Installs, removes and distrusts certificate authorities in the trust store of a host, the whole list at once.
  - Certificates are read and judged on the controller, before any host is touched.
    Refused are files with a private key in them, certificates that are no CA, expired ones, ones with an RSA key below
    2048 bits, and ones that are signed with MD5 or SHA-1 by somebody else than themselves.
  - Certificates that OpenSSL does not load are refused, too. One of them in a PEM bundle keeps OpenSSL from loading
    every other certificate of that bundle. A single byte in a name that is not valid UTF-8 is enough.
  - What counts is the store as applications read it, after the extract. Each certificate is looked up there by its
    SHA-256 fingerprint. A file that was copied and never extracted, an extract that failed, and a store from which a
    listed certificate was taken by hand are repaired by the next run. O(extract=always) makes the extracted store anew
    whatever is in it.
  - Each PEM bundle that was extracted is loaded whole by the host's OpenSSL, through Python's C(ssl), and the number of
    certificates is compared. A bundle that does not load fails the task. Where the certificate at fault was installed
    by this collection and is not listed any more, it is removed, whatever O(purge) says. Otherwise the message names
    the certificate and the file to remove. A run that changes nothing asks OpenSSL only if the collection's own reader,
    which is as strict, suspects a certificate. With O(root), the OpenSSL that is asked is that of the machine on which
    the module runs.
  - Some CAs load, and this host's OpenSSL refuses every certificate that they issue. The module warns of an unknown
    critical extension, of an EC key with explicit parameters (OpenSSL 3), of an ML-DSA or SLH-DSA key (OpenSSL before
    3.5), and of keys and digests that the security level forbids, such as that of the crypto policy C(FUTURE).
  - It is all or nothing. If the extract fails, or an anchor is not in the extracted store then, or another one is gone
    from there, the former files come back and the task fails with what was found.
    A run that was killed in the middle is undone by the next one, which then does its own work.
options:
  anchors:
    description:
      - The certificates, and what is wanted of them.
      - Exactly one of O(anchors[].src), O(anchors[].content), O(anchors[].path) and O(anchors[].fingerprint) says which
        certificate is meant. With O(anchors[].state=absent), O(anchors[].name) alone does, too.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - What to call it. It becomes part of the file's name, and O(anchors[].state=absent) finds it again by it.
          - The default is the common name of the certificate's subject.
        type: str
      src:
        description:
          - A file on the controller, found as M(ansible.builtin.copy) finds it. It may be encrypted by Ansible Vault.
            Nothing is downloaded. An address such as C(https://pki.example.com/root.crt) is refused.
          - PEM with one certificate or many, DER, or PKCS#7 (C(.p7b)). Each certificate becomes a file of its own.
        type: path
      content:
        description:
          - The certificates as text, in PEM form.
        type: str
      path:
        description:
          - A file that is on the host already, in the same forms as O(anchors[].src).
            Its certificates are judged on the controller, too, which takes one more execution.
        type: path
      fingerprint:
        description:
          - The SHA-256 fingerprint of a certificate, with or without colons.
          - With O(anchors[].state=distrusted) the certificate itself is needed too, somewhere in the host's store, or
            with O(store=nss) there or in one of the databases.
        type: str
      state:
        description:
          - V(present) makes it a trusted anchor. Where it is distrusted, that is taken back.
          - V(absent) takes every local anchor away that holds the certificate, whatever the file is called.
            A certificate that the distribution trusts stays trusted, and the result warns of that.
          - V(distrusted) makes the host distrust it, wherever else it comes from.
            On EL this is done by its public key, so a renewed certificate with the same key is distrusted, too.
        type: str
        choices: [present, absent, distrusted]
        default: present
      allow_expired:
        description:
          - Let these certificates through whenever they end, whatever O(allow_expired) and O(min_remaining) say of all
            others. That is for a CA that is leaving.
        type: bool
        default: false
  purge:
    description:
      - What else is taken away.
      - V(none) takes away nothing that is not listed, except for a certificate that this collection installed and that
        keeps OpenSSL from loading the store.
      - V(managed) takes away anchors that this collection installed and that are not listed any more.
      - V(all) takes away every local anchor that is not listed. The distribution's own are never touched.
        With O(store=nss) these are the certificates that a database trusts, but for those whose private key is in it.
      - Distrust is never taken back by this, only by O(anchors[].state=present).
    type: str
    choices: [none, managed, all]
    default: none
  extract:
    description:
      - When to run the store's C(update-ca-trust) or C(update-ca-certificates).
      - V(auto) runs it when the extracted store is not what is wanted.
      - V(always) runs it each time, and the task is always changed. What somebody has written into the extracted store
        by hand, or cut out of it, is gone or back then, be it listed or not.
      - V(never) only writes the anchors. Nothing is proven then.
      - The stores V(bundle) and V(nss) have no extract, and are proven always.
    type: str
    choices: [auto, always, never]
    default: auto
  allow_expired:
    description:
      - Let through certificates that are expired or not valid yet.
    type: bool
    default: false
  allow_non_ca:
    description:
      - Let through certificates that are no CA, such as a server's self-signed one.
      - The store V(redhat) leaves such out of its bundles, so the task fails there when that is found.
        V(debian), V(bundle) and V(nss) take them.
    type: bool
    default: false
  min_remaining:
    description:
      - Refuse certificates that expire sooner than this, such as V(30d).
      - Weeks (C(w)), days (C(d)), hours (C(h)), minutes (C(m)) and seconds (C(s)); a plain number is seconds.
    type: str
    default: "0"
notes:
  - In a database of NSS, the nickname of an anchor of this collection says so, by C(fleetpki.host_trust) in it.
    A run that was killed in the middle of one leaves it in order, and the next run completes it.
    A browser that runs takes notice when it is started again. A database whose user has set a password (in Firefox, a
    primary password) can't be changed.
  - Java's keystore is part of the store, and proven like it. Debian's C(update-ca-certificates) leaves local anchors in
    it that are gone; they are taken out. It is left alone where C(/etc/default/cacerts) says C(cacerts_updates=no).
  - A run that is killed leaves a store that trusts what it trusted before, or what is wanted. EL 10's own
    C(update-ca-trust) takes the links away that OpenSSL reads, and makes them anew last. So it is let come to its end
    when the run that has started it is killed, and the next one waits for that. When the whole host dies just then,
    its OpenSSL trusts nothing until the next run or the next C(update-ca-trust). On Debian that is so only while a run
    undoes what an earlier one has left.
  - A host is first looked at, which is a third of the work of a module, changes nothing, and is not in its system log.
    The module is executed, and logged as any other, where something is to be done, and where nobody can look. That is
    without pipelining, while the Python of a host is not known, with C(delegate_to), with O(anchors[].path), and for
    O(store=nss).
  - Files are owned by root and have mode 0644; where SELinux is on, their context is restored.
  - On hosts nothing but Python 3.6 or later and the distribution's trust store tools is needed.
seealso:
  - module: fleetpki.host_trust.ca_trust_info
  - module: fleetpki.host_trust.cert_verify
extends_documentation_fragment:
  - fleetpki.host_trust.trust_store
attributes:
  check_mode:
    support: full
    description: Says exactly what the run will do, and touches nothing.
  diff_mode:
    support: full
    description: Anchors by subject, fingerprint and expiry.
  idempotent:
    support: full
    description: Except with O(extract=always).
  platform:
    support: full
    platforms: posix
    description: >-
      Linux; the stores are those of Red Hat's and Debian's families, plain PEM bundles anywhere, and databases of NSS.
"""

EXAMPLES = r"""
- name: Trust the company's root and issuing CA
  fleetpki.host_trust.ca_trust_anchor:
    anchors:
      - name: corp-root
        src: corp-root.crt
      - name: corp-issuing
        src: corp-issuing.p7b
  become: true

- name: Exactly these local anchors, nothing that was installed by hand
  fleetpki.host_trust.ca_trust_anchor:
    anchors:
      - src: corp-root.crt
    purge: all
    min_remaining: 90d
  become: true

- name: Retire the old root, and distrust one that the distribution brings
  fleetpki.host_trust.ca_trust_anchor:
    anchors:
      - name: corp-root-2014
        state: absent
      - fingerprint: 18:F1:FC:7F:20:5D:F8:AD:DD:EB:7F:E0:07:DD:57:E3:AF:37:5A:9C:4D:8D:73:54:6B:F4:F1:FE:D1:E1:8D:35
        state: distrusted
  become: true

- name: A CA file for one application
  fleetpki.host_trust.ca_trust_anchor:
    store: bundle
    bundle_path: /etc/myapp/ca.pem
    anchors:
      - src: corp-root.crt
    purge: all

- name: Chromium and Firefox of two users
  fleetpki.host_trust.ca_trust_anchor:
    store: nss
    nss_databases:
      - ~alice/.pki/nssdb
      - ~alice/.mozilla/firefox/*.default*
      - ~bob/.pki/nssdb
    anchors:
      - src: corp-root.crt
    purge: managed
  become: true

- name: In an image that is mounted
  fleetpki.host_trust.ca_trust_anchor:
    root: /mnt/sysimage
    anchors:
      - src: corp-root.crt
  become: true
"""

RETURN = r"""
store:
  description: The store that was used.
  type: str
  returned: success
  sample: redhat
bundle:
  description: The PEM file with all that is trusted for TLS servers, which was looked at. V(null) with O(store=nss).
  type: str
  returned: success
  sample: /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
databases:
  description: The databases that were meant, in the order of the list.
  type: list
  elements: dict
  returned: with O(store=nss)
  sample:
    - exists: true
      owner: alice
      path: /home/alice/.pki/nssdb
extracted:
  description: Whether the extract ran.
  type: bool
  returned: success
  sample: true
anchors:
  description:
    - Every certificate that was listed, and those that were purged.
    - Of a run that changes nothing, and would change nothing in check mode, without C(issuer), C(serial), C(not_before)
      and C(found_in), but with O(store=nss). M(fleetpki.host_trust.ca_trust_info) tells all that there is to tell.
  type: list
  elements: dict
  returned: success
  sample:
    - action: installed
      fingerprint_sha256: 4f39ec2e21a8c3d5e5b3f6f6a3e8f6cbd2ef6f0c38f0d5a1b8b2c6d4c1a0e9f7
      found_in: [/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem]
      issuer: CN=Corp Root CA,O=Corp
      name: corp-root
      not_after: '2036-01-01T00:00:00Z'
      not_before: '2026-01-01T00:00:00Z'
      notes: []
      path: /etc/pki/ca-trust/source/anchors/corp-root-4f39ec2e21a8c3d5.pem
      serial: 5a1b8b2c6d4c1a0e
      state: present
      subject: CN=Corp Root CA,O=Corp
      warnings: []
  contains:
    name:
      description: The name that was given. V(null) without one.
      type: str
    path:
      description: The file that holds it, also when somebody else put it there; of one that was removed, where it
        was. With O(store=nss), the first database that is changed or holds it. V(null) where there is none.
      type: str
    subject:
      description: Its subject, in the form of RFC 4514. V(null) where only a fingerprint is known.
      type: str
    issuer:
      description: Its issuer. V(null) where only a fingerprint is known.
      type: str
      returned: when something changes
    serial:
      description: Its serial number in hexadecimal. V(null) where only a fingerprint is known.
      type: str
      returned: when something changes
    fingerprint_sha256:
      description: SHA-256 of the certificate in hexadecimal. V(null) where only a name is known.
      type: str
    not_before:
      description: When it becomes valid, in UTC. V(null) where only a fingerprint is known.
      type: str
      returned: when something changes
    not_after:
      description: When it expires, in UTC. V(null) where only a fingerprint is known.
      type: str
    state:
      description: What is wanted of it.
      type: str
    action:
      description: What was done for that, or C(none).
      type: str
    found_in:
      description: The extracted bundles that hold it, or the databases that trust or distrust it as wanted.
      type: list
      elements: str
      returned: when something changes
    notes:
      description: What is good to know of it. What the controller notes is there when something changes.
      type: list
      elements: str
    warnings:
      description: What was asked for and does not have the effect that one would expect.
      type: list
      elements: str
plan:
  description: The steps that were taken, or would be in check mode, each with its reason.
  type: list
  elements: dict
  returned: success
  sample:
    - action: install
      fingerprint_sha256: 4f39ec2e21a8c3d5e5b3f6f6a3e8f6cbd2ef6f0c38f0d5a1b8b2c6d4c1a0e9f7
      path: /etc/pki/ca-trust/source/anchors/corp-root-4f39ec2e21a8c3d5.pem
      reason: no local anchor holds it
      subject: CN=Corp Root CA,O=Corp
  contains:
    action:
      description: What is done.
      type: str
    path:
      description: The file or database that it is done to. V(null) where there is none.
      type: str
    reason:
      description: Why.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate in hexadecimal. V(null) where it is about no certificate.
      type: str
    subject:
      description: Its subject. V(null) where that is not known.
      type: str
diff:
  description: The certificates that change, by subject, fingerprint and expiry, in the form that C(--diff) shows.
  type: dict
  returned: with C(--diff)
  sample:
    after: >-
      trusted: CN=Corp Root CA,O=Corp, SHA-256 4f39ec2e21a8c3d5e5b3f6f6a3e8f6cbd2ef6f0c38f0d5a1b8b2c6d4c1a0e9f7,
      expires 2036-01-01T00:00:00Z
    after_header: trust anchors (redhat)
    before: ''
    before_header: trust anchors (redhat)
missing_packages:
  description: The packages to install where the store's tools are missing.
  type: list
  elements: str
  returned: when the store's tools are missing
  sample: [ca-certificates]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import argspec, dry_run, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


def collect(paths: "t.List[str]") -> "t.List[t.Dict[str, t.Any]]":
    """What the host's files hold, for the controller to judge; nothing of a file with a private key leaves the host."""
    found: t.List[t.Dict[str, t.Any]] = []
    for path in paths:
        try:
            certificates = pem.read_certificates(pem.read_file(path))
            found.append({"pem": "".join(pem.to_pem(certificate.der) for certificate in certificates)})
        except pem.CertificateFileError as error:
            found.append({"error": str(error), "missing": "\0" not in path and not os.path.lexists(path)})
    return found


def collected(options: "t.Dict[str, t.Any]") -> "t.Optional[t.Dict[str, t.Any]]":
    """The result where files of the host are wanted: the action plugin judges them, and calls again."""
    paths = [anchor["path"] for anchor in options["anchors"] if anchor["path"] is not None]
    return {"collected": collect(paths)} if paths else None


def converge(options: "t.Dict[str, t.Any]", check_mode: bool) -> "t.Dict[str, t.Any]":
    """The module's result, or which certificates the controller has to send along."""
    wanted = argspec.wanted(options["anchors"])
    if options["store"] == "nss":
        result = nss_anchor(options, wanted, check_mode)
    else:
        store = stores.choose(options["store"], options["bundle_path"], options["root"])
        change = bundle_anchor if store.name == "bundle" else store_anchor
        result = change(store, wanted, options["purge"], options["extract"], check_mode)
    return dict(result, invocation={})  # the controller tells it; the certificates would be most of it


def store_anchor(
    store: stores.Store, wanted: "t.List[trust_plan.Wanted]", purge: str, extract: str, check_mode: bool
) -> "t.Dict[str, t.Any]":
    """The result for a system's store."""
    return dry_run.told(store, trust_converge.converge(store, wanted, purge, extract, check_mode), check_mode)


def bundle_anchor(
    store: stores.Store, wanted: "t.List[trust_plan.Wanted]", purge: str, extract: str, check_mode: bool
) -> "t.Dict[str, t.Any]":
    """The same for one PEM file, which may be in a user's folder."""
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import owner as trust_owner
    return trust_owner.told(store, wanted, purge, extract, check_mode)


def nss_anchor(
    options: "t.Dict[str, t.Any]", wanted: "t.List[trust_plan.Wanted]", check_mode: bool
) -> "t.Dict[str, t.Any]":
    """The same for databases of NSS."""
    # Only where it is asked for: to all other hosts it would be a third of what they have to compile.
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import result as nss_result
    return nss_result.anchor(options, wanted, check_mode)


def main() -> None:
    module = AnsibleModule(argspec.anchor_arguments(), required_if=argspec.REQUIRED_IF, supports_check_mode=True)
    run_module.run(module, lambda: collected(module.params) or converge(module.params, module.check_mode))


if __name__ == "__main__":
    main()
