# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose certificate cert_install installs, and what a private CA answers to its request."""
import os

import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import install
from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files

NAME = "web1.example.com"


class Corp:
    """The certificates that most tests start from."""

    root = pki.root("Corp Root CA")
    middle = pki.root("Corp Middle CA", issuer=root)
    issuing = pki.root("Corp Issuing CA", issuer=middle)
    web = pki.server(NAME, issuing, dns=[NAME, "*.apps.example.com"], ips=["2001:db8::1"])
    chain = issuing.pem + middle.pem


def renewed(days, key=None, **options):
    return pki.server(NAME, Corp.issuing, key=key or Corp.web.key, days=days, **options)


class Host:
    """A folder with a key in it, and cert_install's options for it."""

    def __init__(self, folder):
        self.folder = folder
        self.options = {
            "path": self.at("web.crt"), "chain_path": self.at("chain.crt"), "fullchain_path": self.at("full.crt"),
            "privatekey_path": self.at("web.key"), "privatekey_passphrase": None, "content": Corp.web.pem + Corp.chain,
            "src": None, "subject_alt_name": None, "trust": None, "trust_content": Corp.root.pem, "purpose": "server",
            "min_remaining": "0", "backup": False}
        self.write("web.key", Corp.web.key_pem(), 0o640)

    def at(self, name):
        return str(self.folder / name)

    def write(self, name, text, mode=0o644):
        (self.folder / name).write_text("%s" % text)
        os.chmod(self.at(name), mode)

    def read(self, name):
        return (self.folder / name).read_text()

    def install(self, check_mode=False, **options):
        return install.install(dict(self.options, **options), check_mode, str(self.folder))

    def refused(self, **options):
        """The message of the refusal; nothing may have changed on the way, and nothing may be left behind."""
        before = self.everything()
        with pytest.raises((install.InstallationError, Failure, files.FilesError)) as error:
            self.install(**options)
        assert self.everything() == before
        return str(error.value)

    def everything(self):
        return {name: (self.read(name), os.stat(self.at(name)).st_mtime) for name in os.listdir(str(self.folder))}


def next_pair(host, mode=0o600):
    """A key that waits beside the one in use, and the certificate for it."""
    pair = pki.server(NAME, Corp.issuing)
    host.write("web.key.next", pair.key_pem(), mode)
    return pair
