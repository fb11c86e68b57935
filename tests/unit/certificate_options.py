# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""csr, selfsigned_cert, signed_cert and crl in a temporary folder, with their options as Ansible hands them over."""
import os
import subprocess

import pki

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    argspec,
    certificates,
    crl,
    csr,
    module_runner,
    pkcs10,
    selfsigned_cert,
    signed_cert,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

# Modules and certificates get the same clock, which stands still years ahead of the machine's: a module that reads the
# machine's clock instead finds every certificate of these tests not yet valid.
NOW = 2000000000
at_now = pki.At(NOW)
DAY = 86400
SECRET = "p\u00e4ssword \u2603 1"


def options(arguments_of, **given):
    """All options of a module: those that are given, and of all others their defaults."""
    made = {name: argument.get("default") for name, argument in arguments_of.items()}
    unknown = set(given) - set(made)
    assert not unknown, unknown
    return module_runner.placed(dict(made, **given))


class Bench:
    """A folder in which the modules run at the time NOW; names of files are relative to it."""

    PATHS = ("path", "privatekey_path", "certificate_path", "csr_path", "ca_path", "ca_privatekey_path",
             "chain_path", "fullchain_path")

    def __init__(self, folder):
        self.folder = str(folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode("utf-8"))
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as stream:
            return stream.read()

    def look(self):
        """What is there: content, and whether it has been written again."""
        return {name: (self.read(name), os.lstat(self.path(name)).st_ino, os.lstat(self.path(name)).st_mtime)
                for name in os.listdir(self.folder) if os.path.isfile(self.path(name))}

    def _run(self, module, arguments_of, given, check, now):
        given = {name: self.path(value) if name in self.PATHS and value else value for name, value in given.items()}
        written = (("privatekey_path", "path") if module is csr else
                   module_runner.WRITTEN + (("csr_path",) if module is selfsigned_cert else ()))
        return module_runner.attempt(lambda placed, check_mode: module.converge(placed, check_mode, now),
                                     options(arguments_of, **given), check, written)

    def csr(self, check=False, now=NOW, **given):
        given = dict({"path": "web.csr", "privatekey_path": "web.key"}, **given)
        return self._run(csr, argspec.csr(), given, check, now)

    def selfsigned(self, check=False, now=NOW, **given):
        given = dict({"path": "web.crt", "privatekey_path": "web.key"}, **given)
        return self._run(selfsigned_cert, argspec.selfsigned_cert(), given, check, now)

    def signed(self, check=False, now=NOW, **given):
        given = dict({"ca_path": "ca.crt", "ca_privatekey_path": "ca.key"}, **given)
        given.update({} if "csr_content" in given or "csr_path" in given else {"csr_path": "web.csr"})
        return self._run(signed_cert, argspec.signed_cert(), given, check, now)

    def crl(self, check=False, now=NOW, **given):
        given = dict({"path": "ca.crl", "ca_path": "ca.crt", "ca_privatekey_path": "ca.key"}, **given)
        return self._run(crl, argspec.crl(), given, check, now)

    def ca(self, pair, *chain, **named):
        """Puts a CA of pki where signed_cert and crl look for it."""
        name = named.get("name", "ca")
        self.write(name + ".crt", "".join(one.pem for one in (pair,) + chain))
        self.write(name + ".key", pair.key_pem())

    def certificate(self, name="web.crt"):
        return certificates.read_first(self.read(name))

    def request(self, name="web.csr"):
        return pkcs10.read(self.read(name))

    def fingerprints(self, name):
        return [one.fingerprint for one in pem.read_certificates(self.read(name))]

    def quartet(self, run, **given):
        """In check mode, in earnest, and both again: foreseen is what is done, and once is enough."""
        before = self.look()
        foreseen = run(True, **given)
        assert self.look() == before
        done = run(False, **given)
        assert done.reasons == foreseen.reasons and done.reasons
        after = self.look()
        assert not any(name.startswith(".") for name in after)
        again = run(False, **given)
        assert (again.reasons, run(True, **given).reasons) == ([], [])
        assert again.diff["before"] == again.diff["after"]
        assert self.look() == after
        return done


def openssl(*command):
    """What this machine's openssl says at the time NOW; fails where it fails."""
    clock = ("-attime", str(NOW)) if command[0] == "verify" else ()
    command = ("openssl",) + command[:1] + clock + command[1:]
    return subprocess.check_output(command, stderr=subprocess.STDOUT).decode("utf-8")


def assert_clear(error, *secrets):
    """One sentence, without a traceback, and without any of the secrets: passphrases and the lines of keys."""
    text = str(error)
    assert text.strip() and "\n" not in text and "Traceback" not in text
    for secret in secrets:
        for line in secret.splitlines():
            assert line.startswith("-----") or not line or line not in text
    return text
