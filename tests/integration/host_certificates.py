# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role host_certificate on a fleet: its hosts, plays with it, and the files that it made there."""

from __future__ import annotations

import contextlib
import json

import counting
import pki
import plays
import podman
import yaml

ROLE = "fleetpki.host_trust.host_certificate"
CA_ROLE = "fleetpki.host_trust.private_ca"
PASSPHRASE = "sesame-of-the-ca"
PLATFORMS = {"web1": "el8", "web2.example.com": "debian13"}
NAMES = list(PLATFORMS)
PLACES = {"web1": "/etc/pki/tls", "web2.example.com": "/etc/ssl"}
SERVICE = b"""#!/bin/sh
case $1 in status) echo running;; *) echo "$(basename "$0") $1" >> /root/services;; esac
"""
# Becoming root is a matter of its own: on hosts it works, on the controller it would fail.
SUDO = b'#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done; exec "$@"\n'
BECOME = {"ansible_become": True, "ansible_become_exe": "/usr/local/bin/sudo-of-the-test"}


@contextlib.contextmanager
def started():
    """A host of each family, with two services, and an inventory that makes everybody become root everywhere."""
    with podman.fleet(PLATFORMS) as fleet:
        for host in fleet.values():
            for path, script in (("/etc/init.d/httpd", SERVICE), ("/etc/init.d/ldap", SERVICE),
                                 (counting.PYTHON, counting.SCRIPT), (BECOME["ansible_become_exe"], SUDO)):
                host.write(path, script, 0o755)
        inventory = json.loads(fleet.inventory.read_text())
        inventory["all"]["vars"].update(BECOME, ansible_python_interpreter=counting.PYTHON)
        fleet.inventory.write_text(json.dumps(inventory))
        yield fleet


def existing_ca(folder):
    """The variables of a private CA that was made elsewhere and is in a folder as the role wants it."""
    root = pki.root("Corp Root CA")
    issuing = pki.issue("Corp Issuing CA", root, ca=True, path_length=0)
    for name, content in (("root/root.crt", root.pem), ("issuing/issuing.crt", issuing.pem),
                          ("issuing/chain.pem", issuing.pem + root.pem),
                          ("issuing/issuing.key", issuing.key_pem(PASSPHRASE))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return {"private_ca_dir": str(folder), "private_ca_passphrase": PASSPHRASE}


def run(fleet, book, *args, **variables):
    """Runs a playbook of several plays, by its name or as a list of plays."""
    scratch = fleet.inventory.with_name("play.yml")
    if isinstance(book, list):
        scratch.write_text(yaml.safe_dump(book))
        book = str(scratch)
    done = plays.playbook(fleet.inventory, book, *args, variables=variables,
                          environment={"ANSIBLE_BECOME_ALLOW_SAME_USER": "true"})
    results = {host: [{**one, "task": one["task"].rpartition(" : ")[2]} for one in found]
               for host, found in done.results.items()}
    return done._replace(results=results)


def play(*roles, hosts="all", **more):
    return {"hosts": hosts, "gather_facts": False, "become": True, "roles": list(roles or [ROLE]), **more}


def changes(done):
    return {host: [one["task"] for one in results if one.get("changed")]
            for host, results in done.results.items() if any(one.get("changed") for one in results)}


def failures(done):
    """What failed where, to be shown where a run should not have."""
    return [(host, one["task"], one.get("msg"), one.get("results")) for host, results in done.results.items()
            for one in results if one.get("failed")]


def failure(done, host):
    """What a host failed with; of a loop, what its elements failed with."""
    last = [one for one in done.of(host) if one.get("failed")][-1]
    return "\n".join(one["msg"] for one in last.get("results", [last]) if one.get("failed"))


def executed(fleet):
    """How often Ansible executed something on each host since the last call."""
    return {name: len(counting.executed(host)) for name, host in fleet.items()}


def reloaded(fleet):
    """What services were told since the last call."""
    said = ("sh", "-c", "cat /root/services 2>/dev/null; rm -f /root/services")
    return {name: host.run(*said).stdout.splitlines() for name, host in fleet.items()}


class Files:
    """A certificate's files on a host."""

    def __init__(self, host, name):
        self.host = host
        place = PLACES[host.name]
        self.key, self.csr = f"{place}/private/{name}.key", f"{place}/certs/{name}.csr"
        self.certificate, self.chain = f"{place}/certs/{name}.crt", f"{place}/certs/{name}-chain.pem"
        self.fullchain = f"{place}/certs/{name}-fullchain.pem"

    def text(self):
        return self.host.run("openssl", "x509", "-in", self.certificate, "-noout", "-text").stdout

    def serial(self):
        return self.host.run("openssl", "x509", "-in", self.certificate, "-noout", "-serial").stdout

    def verified(self, hostname, *trust):
        """Whether openssl on the host accepts the certificate for a name, with the chain that lies beside it."""
        done = self.host.run("openssl", "verify", "-x509_strict", *trust, "-verify_hostname", hostname, "-untrusted",
                             self.chain, "-purpose", "sslserver", self.certificate, check=False)
        return done.stdout.strip() == f"{self.certificate}: OK"

    def fits(self, passphrase=""):
        public = self.host.run("openssl", "pkey", "-in", self.key, "-passin", f"pass:{passphrase}", "-pubout").stdout
        return public == self.host.run("openssl", "x509", "-in", self.certificate, "-noout", "-pubkey").stdout


def files(fleet, pattern="{}"):
    """The files of a certificate on each host; {} in its name is the host's name."""
    return {name: Files(host, pattern.format(name)) for name, host in fleet.items()}
