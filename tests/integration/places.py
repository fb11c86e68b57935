# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of this machine that is a controller, with hosts in folders below it, for the examples of the documentation.

The connection to these is local, ``root`` is the host's folder for keys and certificates, and its trust store is a
bundle in it. Paths such as /srv are below the folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pki
import plays
import yaml

HERE = Path(__file__).resolve().parent
ROOT = pki.root("Corp Root CA")
ISSUING = pki.issue("Corp Issuing CA", ROOT, ca=True)
OUTSIDE = ("/srv/", "/etc/", "/var/")  # that examples name
NAMES = ("web1", "web1.example.com", "web2.example.com")
PASSPHRASE = {"private_ca_passphrase": "sesame-of-the-ca"}  # as in the vault
USERS = "root:x:0:0::/root:/bin/sh\nnginx:x:0:0::/:/bin/sh\nreporting:x:0:0::/:/bin/sh\n"


def shell_environment() -> dict[str, str]:
    """The same for all places, so that they share a server; its ansible-playbook is the one that asks that."""
    environment = {**plays.ansible_environment(), "ANSIBLE_VAULT_PASSWORD_FILE": str(HERE / "vault-password")}
    return {**environment, "PATH": os.pathsep.join([str(HERE / "bin"), environment["PATH"]])}


class Place:
    """A folder that is the controller's, with hosts in folders below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"{folder}/machines/{{{{ example | default(inventory_hostname) }}}}"
        for name in NAMES:
            self.add_machine(name)
        for outside in OUTSIDE:
            (folder / outside.strip("/")).mkdir()
        self.write("corp-root.crt", ROOT.pem)
        self.write("corp-issuing.crt", ISSUING.pem)
        self.variables = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False,
            "host_trust_become": False, "ca_trust_store": "bundle", "ca_trust_bundle_path": f"{self.host}/trust.pem",
            "host_certificate_root": self.host, "vault_private_ca_passphrase": PASSPHRASE["private_ca_passphrase"]}

    def add_machine(self, name: str) -> None:
        """Makes the folder of a host."""
        machine = self.folder / "machines" / name
        for needed in ("etc/pki/tls/private", "etc/pki/tls/certs", "etc/reporting"):
            (machine / needed).mkdir(parents=True)
        (machine / "etc/passwd").write_text(USERS, encoding="ascii")
        (machine / "etc/os-release").write_text("ID=rhel\n", encoding="ascii")

    def write(self, name: str, text: str) -> Path:
        """A file of the folder, with the paths of its own."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for outside in OUTSIDE:
            text = text.replace(f" {outside}", f" {self.folder}{outside}")
        path.write_text(text, encoding="utf-8")
        return path

    def of(self, host: str, name: str) -> Path:
        """A file of a host, without a folder one in the system's folder for keys or for certificates."""
        folder = "" if "/" in name else f"etc/pki/tls/{'private' if name.endswith('.key') else 'certs'}/"
        return self.folder / "machines" / host / f"{folder}{name}"

    def shell(self, text: str) -> str:
        """Runs the commands of an example; returns what they print."""
        (self.folder / "local.json").write_text(json.dumps(self.variables), encoding="utf-8")
        command = text.replace(" --ask-vault-pass", "").replace("ansible-playbook ", "ansible-playbook -e @local.json ")
        done = subprocess.run(["bash", "-euc", command], cwd=self.folder, env=shell_environment(), capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, *texts: str, hosts: str = "web1", defaults: dict | None = None, variables: dict | None = None,
            groups: dict[str, list[str]] | None = None) -> plays.PlayResult:
        """Runs examples that are playbooks or lists of tasks, one after the other in one run of ansible-playbook.

        hosts: those of the inventory. groups: which of them are in a group; without it, all are in those that the
        examples name.
        """
        book = []
        for example in map(yaml.safe_load, texts):
            listed = example if "hosts" in example[0] else [{"hosts": "all", "gather_facts": False, "tasks": example}]
            book += [{**play, **({"module_defaults": defaults} if defaults else {})} for play in listed]
        known = dict.fromkeys(hosts.split(","))
        named = {play["hosts"] for play in book} - {"all", "localhost", *NAMES}
        members = {name: {"hosts": dict.fromkeys((groups or {}).get(name, known))} for name in sorted(named)}
        inventory = self.write("inventory.json", json.dumps({"all": {"hosts": known, "children": members}}))
        path = self.write("play.yml", yaml.safe_dump(book, sort_keys=False, width=1000))
        done = plays.playbook(inventory, str(path), variables={**self.variables, **(variables or {})})
        failed = [(host, one["task"], one.get("msg")) for host, results in done.results.items() for one in results
                  if one.get("failed")]
        assert done.code == 0 and not failed, failed or done.output
        return done

    def run_each_twice(self, examples: dict[str, str], defaults: dict | None = None) -> dict[str, list[dict]]:
        """Runs each example twice on web1, whose folder has the example's name meanwhile; all in one run.

        Returns the results by the example's name and, of the second time, by ``NAME again``.
        """
        texts, times = [], []
        for name, text in examples.items():
            self.add_machine(name)
            for time in (name, f"{name} again"):
                texts += [yaml.safe_dump([{"name": time, "ansible.builtin.set_fact": {"example": name}}]), text]
                times.append(time)
        results: dict[str, list[dict]] = {}
        for one in self.run(*texts, defaults=defaults).of("web1"):
            if one["task"] in times:
                results[one["task"]] = []
            else:
                results[list(results)[-1]].append(one)
        assert list(results) == times
        return results


def openssl(*args, text=None):
    return subprocess.run(["openssl", *map(str, args)], input=text, capture_output=True, text=True, check=True).stdout


def verifies(anchor, path):
    """Whether the first certificate of a file that servers send verifies with what is behind it."""
    return openssl("verify", "-CAfile", anchor, "-untrusted", path, path).endswith(": OK\n")


def bundle(place, host="web1"):
    return (place.folder / "machines" / host / "trust.pem").read_text(encoding="ascii").count("BEGIN CERTIFICATE")
