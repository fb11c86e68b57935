#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host trusts."""

DOCUMENTATION = r"""
module: ca_trust_info
short_description: Tell which certificate authorities a host trusts and distrusts
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Lists the local anchors of a host's trust store, the distribution's, and what is distrusted, and says which of them
    this collection manages.
  - Says whether the extracted store, which is what applications read, is what its sources make.
  - Changes nothing and needs no root, but for databases of NSS that are another user's.
notes:
  - On hosts nothing but Python 3.6 or later and the distribution's trust store tools is needed.
seealso:
  - module: fleetpki.host_trust.ca_trust_anchor
extends_documentation_fragment:
  - fleetpki.host_trust.trust_store
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
    description: >-
      Linux; the stores are those of Red Hat's and Debian's families, plain PEM bundles anywhere, and databases of NSS.
"""

EXAMPLES = r"""
- name: Look at the trust store
  fleetpki.host_trust.ca_trust_info:
  register: trust

- name: Nobody has installed an anchor by hand, and the store is as its sources say
  ansible.builtin.assert:
    that:
      - trust.in_sync
      - trust.anchors | rejectattr('managed') | length == 0
"""

RETURN = r"""
store:
  description: The store that was looked at.
  type: str
  returned: success
  sample: redhat
bundle:
  description: The PEM file with all that is trusted for TLS servers. V(null) with O(store=nss).
  type: str
  returned: success
  sample: /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
databases:
  description: The databases that were looked at, in the order of the list.
  type: list
  elements: dict
  returned: with O(store=nss)
  sample:
    - exists: true
      owner: alice
      path: /home/alice/.pki/nssdb
anchors:
  description: The local anchors. With O(store=nss), what the databases trust, an element for each database.
  type: list
  elements: dict
  returned: success
  sample:
    - fingerprint_sha256: 4f39ec2e21a8c3d5e5b3f6f6a3e8f6cbd2ef6f0c38f0d5a1b8b2c6d4c1a0e9f7
      issuer: CN=Corp Root CA,O=Corp
      managed: true
      name: corp-root
      not_after: '2036-01-01T00:00:00Z'
      not_before: '2026-01-01T00:00:00Z'
      path: /etc/pki/ca-trust/source/anchors/corp-root-4f39ec2e21a8c3d5.pem
      serial: 5a1b8b2c6d4c1a0e
      subject: CN=Corp Root CA,O=Corp
      trusted: true
  contains: &certificate
    path:
      description: The file or database that holds it.
      type: str
    name:
      description: The name it was given by M(fleetpki.host_trust.ca_trust_anchor), else V(null).
      type: str
    managed:
      description: Whether this collection installed it.
      type: bool
    trusted:
      description: Whether it is in the extracted bundle for TLS servers, or trusted for them by the database.
      type: bool
    subject:
      description: Its subject, in the form of RFC 4514. V(null) where it can't be read.
      type: str
    issuer:
      description: Its issuer. V(null) where it can't be read.
      type: str
    serial:
      description: Its serial number in hexadecimal. V(null) where it can't be read.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate in hexadecimal.
      type: str
    not_before:
      description: When it becomes valid, in UTC. V(null) where it can't be read.
      type: str
    not_after:
      description: When it expires, in UTC. V(null) where it can't be read.
      type: str
distribution:
  description: What is trusted without being a local anchor, mostly what the distribution brings.
  type: list
  elements: dict
  returned: success
  sample: []
  contains: *certificate
distrusted:
  description: What is distrusted by local settings, or on EL by the vendor's own folder of that.
  type: list
  elements: dict
  returned: success
  sample: []
  contains: *certificate
counts:
  description: How many there are.
  type: dict
  returned: success
  sample: {distribution: 142, distrusted: 0, local: 2, managed: 2}
  contains:
    distribution:
      description: Certificates that are trusted without being a local anchor.
      type: int
    distrusted:
      description: Certificates that are distrusted.
      type: int
    local:
      description: Local anchors.
      type: int
    managed:
      description: Local anchors that this collection installed.
      type: int
bundles:
  description: The extracted bundles.
  type: list
  elements: dict
  returned: success
  sample:
    - certificates: 144
      modified: '2026-11-23T15:24:00Z'
      path: /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
interrupted:
  description:
    - Whether a run of M(fleetpki.host_trust.ca_trust_anchor) was killed in the middle. The next one undoes that.
      V(null) where only root can see it.
  type: bool
  returned: success
  sample: false
in_sync:
  description:
    - Whether the extracted bundles hold what their sources make, and the host's OpenSSL loads each PEM bundle whole.
      V(null) where that could not be found out.
  type: bool
  returned: success
  sample: true
deviations:
  description: What they lack or hold without a source, and which bundle OpenSSL does not load.
  type: list
  elements: str
  returned: success
  sample: []
unloadable:
  description:
    - The certificates that keep the host's OpenSSL from loading an extracted PEM bundle. With one of them in it,
      OpenSSL loads no certificate of that bundle.
  type: list
  elements: dict
  returned: success
  sample:
    - bundle: /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
      certificates: 145
      fingerprint_sha256: 4f39ec2e21a8c3d5e5b3f6f6a3e8f6cbd2ef6f0c38f0d5a1b8b2c6d4c1a0e9f7
      paths: [/etc/pki/ca-trust/source/anchors/mueller.crt]
      position: 145
      reason: subject O="Müller GmbH" is not valid UTF-8 (byte 0xFC at position 2 of a UTF8String)
      subject: 'CN=Mueller Root CA,O=#0c0b4dfc6c6c657220476d6248'
  contains:
    bundle:
      description: The bundle that OpenSSL does not load.
      type: str
    position:
      description: Its position in the bundle, counted from 1. V(null) where no single certificate is at fault.
      type: int
    certificates:
      description: How many certificates the bundle has.
      type: int
    subject:
      description: The subject of the certificate, in the form of RFC 4514. V(null) where it can't be read.
      type: str
    fingerprint_sha256:
      description: SHA-256 of the certificate in hexadecimal. V(null) where it can't be decoded.
      type: str
    reason:
      description: Why OpenSSL does not load it.
      type: str
    paths:
      description: The source files that the certificate comes from. Remove it there, and run the extract.
      type: list
      elements: str
unread:
  description:
    - What could not be read, a sentence each, which is a warning, too. Such files are left out of all lists, and
      RV(in_sync) is null then.
  type: list
  elements: str
  returned: success
  sample: []
missing_packages:
  description: The packages to install where the store's tools are missing.
  type: list
  elements: str
  returned: when the store's tools are missing
  sample: [ca-certificates]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import result as nss_result
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import argspec, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import info as trust_info


def info(options: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """The module's result."""
    if options["store"] == "nss":
        return nss_result.info(options)
    return trust_info.info(stores.choose(options["store"], options["bundle_path"], options["root"]))


def main() -> None:
    module = AnsibleModule(argspec.store_arguments(), required_if=argspec.REQUIRED_IF, supports_check_mode=True)
    run_module.run(module, lambda: info(module.params))


if __name__ == "__main__":
    main()
