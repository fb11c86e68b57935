# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A system's root in a temporary folder, whose extract is a function: for what must be tried thousands of times.

The rules by which it extracts are those that were observed of p11-kit and update-ca-certificates; that the real ones
keep to them is shown by the integration tests.
"""
import os

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

FOLDERS = {
    "redhat": ["etc/pki/ca-trust/source/anchors", "etc/pki/ca-trust/source/blocklist", "etc/pki/tls/certs",
               "etc/pki/ca-trust/extracted/pem", "etc/pki/ca-trust/extracted/openssl",
               "usr/share/pki/ca-trust-source/anchors", "usr/bin", "tmp"],
    "debian": ["usr/local/share/ca-certificates", "usr/share/ca-certificates/mozilla", "etc/ssl/certs", "usr/sbin",
               "usr/bin", "tmp"],
}
COMMANDS = {"redhat": ["usr/bin/update-ca-trust", "usr/bin/trust"],
            "debian": ["usr/sbin/update-ca-certificates", "usr/bin/openssl"]}
FAMILY = {"redhat": 'ID="rhel"\nID_LIKE="fedora"\n', "debian": "ID=debian\n"}


class FakeRoot:
    """A root of one family, with the distribution's certificates in it (pairs of pki)."""

    def __init__(self, path, kind, distribution=()):
        self.path, self.kind = str(path), kind
        self.said = (0, "")
        for folder in FOLDERS[kind]:
            os.makedirs(os.path.join(self.path, folder))
        for command in COMMANDS[kind]:
            self.write(command, b"#!/bin/sh\n", 0o755)
        self.write("etc/os-release", FAMILY[kind].encode())
        if kind == "redhat":
            self.write("usr/share/pki/ca-trust-source/anchors/ca-bundle.crt",
                       "".join(pair.pem for pair in distribution).encode())
        else:
            for number, pair in enumerate(distribution):
                self.write("usr/share/ca-certificates/mozilla/%d.crt" % number, pair.pem.encode())
            self.write("etc/ca-certificates.conf", b"# comment\n" + b"".join(
                b"mozilla/%d.crt\n" % number for number in range(len(distribution))))
        self.store = stores.choose("auto", None, self.path)
        self.extract()

    def write(self, path, content, mode=0o644):
        full = os.path.join(self.path, path)
        with open(full, "wb") as stream:
            stream.write(content)
        os.chmod(full, mode)

    def extract(self):
        """Writes the extracted bundles and hashed links, as the real tools would from what is there."""
        observed = trust_state.observe(self.store, recovered=False)
        held = [one for one in observed.anchors if self.kind == "redhat" or one.der[:40] in self.readable(one.path)]
        held += trust_state.of_distribution(self.store, observed)
        blocked = set()
        for one in observed.distrusted if self.kind == "redhat" else ():
            if os.path.dirname(one.path) in (self.store.distrusted[0],) + self.store.vendors:
                blocked.add(x509.parse(one.der).spki_der)
        for purpose, path in self.store.bundles:
            with open(path, "w") as stream:
                for one in held:
                    certificate = x509.parse(one.der)
                    purposes = x509.extended_key_usage(certificate)
                    if self.kind == "redhat" and (not x509.basic_constraints(certificate)[0]
                                                  or certificate.spki_der in blocked
                                                  or purposes is not None and purpose not in purposes):
                        continue
                    stream.write(pem.to_pem(one.der))
        if self.store.untrusted_bundle:
            with open(self.store.untrusted_bundle, "w") as stream:
                stream.write("".join(pem.to_pem(one.der) for one in held))
        if self.store.hashed:
            self.link(held)

    @staticmethod
    def readable(path):
        """The DER that Debian's tools would make of a file: none of one that is not PEM."""
        with open(path, "rb") as stream:
            return b"".join(content for _block, content in pem.certificate_blocks(stream.read()))

    def link(self, held):
        for name in os.listdir(self.store.hashed):
            if name.endswith(".0"):
                os.unlink(os.path.join(self.store.hashed, name))
        if self.kind == "redhat":  # links to files that the extract makes from the first bundle
            with open(self.store.bundles[0][1], "rb") as stream:
                for number, (_block, content) in enumerate(pem.certificate_blocks(stream.read())):
                    self.write(os.path.join(self.store.hashed, "%08x.0" % number), pem.to_pem(content).encode())
            return
        for number, one in enumerate(held):
            if sum(other.path == one.path for other in held) == 1:  # openssl rehash passes over files with several
                os.symlink(one.path[len(self.path):], os.path.join(self.store.hashed, "%08x.0" % number))

    def run(self, command, root):
        """Stands in for trust_extract.run."""
        assert root == self.path
        if self.said[0] == 0:
            self.extract()
        return self.said

    def anchors(self):
        """{file name: content} of the local anchors."""
        found = {}
        for name in os.listdir(self.store.anchors):
            with open(os.path.join(self.store.anchors, name), "rb") as stream:
                found[name] = stream.read()
        return found

    def trusted(self):
        """Fingerprints in the first bundle."""
        return set(trust_extracted.bundle(self.store.bundles[0][1])[0])
