# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of README, guides, roles, modules and filters, run as they stand.

Their hosts are folders of this machine: the connection is local, ``root`` is the host's folder for keys and
certificates, and its trust store is a bundle in it. Paths such as /srv are below the test's folder. What needs more of
a host than that is run by the tests of its module or role. What can't be run at all is in
tests/unit/documentation/test_examples.py, with the reason.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import documented
import documents
import pki
import plays
import podman
import pytest
import yaml

ROOT = pki.root("Corp Root CA")
ISSUING = pki.issue("Corp Issuing CA", ROOT, ca=True)
OUTSIDE = ("/srv/", "/etc/", "/var/")  # that examples name
NAMES = ("web1", "web1.example.com", "web2.example.com")
USERS = "root:x:0:0::/root:/bin/sh\nnginx:x:0:0::/:/bin/sh\nreporting:x:0:0::/:/bin/sh\n"


class Place:
    """A folder that is the controller's, with hosts in folders below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"{folder}/machines/{{{{ inventory_hostname }}}}"
        for name in NAMES:
            machine = folder / "machines" / name
            for needed in ("etc/pki/tls/private", "etc/pki/tls/certs", "etc/reporting"):
                (machine / needed).mkdir(parents=True)
            (machine / "etc/passwd").write_text(USERS, encoding="ascii")
            (machine / "etc/os-release").write_text("ID=rhel\n", encoding="ascii")
        for outside in OUTSIDE:
            (folder / outside.strip("/")).mkdir()
        self.write("corp-root.crt", ROOT.pem)
        self.write("corp-issuing.crt", ISSUING.pem)
        self.write("vault-password", "sesame-of-the-vault")
        self.variables = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False,
            "host_trust_become": False, "ca_trust_store": "bundle", "ca_trust_bundle_path": f"{self.host}/trust.pem",
            "host_certificate_root": self.host, "vault_private_ca_passphrase": "sesame-of-the-ca"}

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
        environment = {**plays.ansible_environment(), "ANSIBLE_VAULT_PASSWORD_FILE": f"{self.folder}/vault-password"}
        done = subprocess.run(["bash", "-euc", command], cwd=self.folder, env=environment, capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, text: str, *args: str, hosts: str = "web1", defaults: dict | None = None,
            variables: dict | None = None) -> plays.PlayResult:
        """Runs an example that is a playbook or a list of tasks on the hosts, all of them in its group."""
        book = yaml.safe_load(text)
        if "hosts" not in book[0]:
            book = [{"hosts": "all", "gather_facts": False, "tasks": book}]
        if defaults:
            book = [{**play, "module_defaults": defaults} for play in book]
        groups = {play["hosts"]: {"hosts": dict.fromkeys(hosts.split(","))} for play in book}
        inventory = self.write("inventory.json", json.dumps({"all": {"children": groups}}))
        if book[0]["hosts"] in ("all", "localhost", *NAMES):
            inventory = self.write("inventory.json", json.dumps({"all": {"hosts": dict.fromkeys(hosts.split(","))}}))
        path = self.write("play.yml", yaml.safe_dump(book, sort_keys=False, width=1000))
        done = plays.playbook(inventory, str(path), *args, variables={**self.variables, **(variables or {})})
        failed = [(host, one["task"], one.get("msg")) for host, results in done.results.items() for one in results
                  if one.get("failed")]
        assert done.code == 0 and not failed, failed or done.output
        return done


@pytest.fixture()
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture()
def with_ca(place):
    """A place with the private CA in it, in /srv/pki and of the passphrase in the vault."""
    variables = {"private_ca_passphrase": place.variables["vault_private_ca_passphrase"]}
    place.run(documented.example("roles/private_ca/README.md", "- name: Make the company's CA"), hosts="localhost",
              variables=variables)
    place.variables["private_ca_dir"] = f"{place.folder}/srv/pki"
    place.variables.update(variables)
    return place


def openssl(*args, text=None):
    return subprocess.run(["openssl", *map(str, args)], input=text, capture_output=True, text=True, check=True).stdout


def verifies(anchor, path):
    """Whether the first certificate of a file that servers send verifies with what is behind it."""
    return openssl("verify", "-CAfile", anchor, "-untrusted", path, path).endswith(": OK\n")


def bundle(place, host="web1"):
    return (place.folder / "machines" / host / "trust.pem").read_text(encoding="ascii").count("BEGIN CERTIFICATE")


def answered(place, request, answer):
    """The outside CA's answer to a request: certificate and chain."""
    key = place.write("issuing.key", ISSUING.key_pem())
    names = place.write("names", f"subjectAltName=DNS:{request.stem}\n")
    made = openssl("x509", "-req", "-in", request, "-CA", place.folder / "corp-issuing.crt", "-CAkey", key,
                   "-days", "90", "-extfile", names)
    answer.write_text(made + ISSUING.pem, encoding="ascii")


def test_a_first_fleet(place):
    page = {
        "hosts.yml": documented.example("docs/guides/first-fleet.md", "hosts.yml"),
        "group_vars/all/pki.yml": documented.example("docs/guides/first-fleet.md", "group_vars/all/pki.yml"),
    }
    for name, text in page.items():
        place.write(name, text)
    place.shell(documented.example("docs/guides/first-fleet.md", "vault.sh"))
    vault = (place.folder / "group_vars/all/vault.yml").read_text(encoding="utf-8")
    assert vault.startswith("private_ca_passphrase: !vault |"), vault
    foreseen = place.shell(documented.example("docs/guides/first-fleet.md", "foresee.sh"))
    assert "+subject: CN=Example Corp Root CA" in foreseen and not (place.folder / "srv/pki").exists()
    run = documented.example("docs/guides/first-fleet.md", "run.sh")
    place.shell(run)
    for name in ("web1.example.com", "web2.example.com"):
        assert verifies(place.folder / "srv/pki/root/root.crt", place.of(name, f"{name}-fullchain.pem"))
        assert bundle(place, name) == 2 and place.of(name, f"{name}.key").stat().st_mode & 0o777 == 0o600
    place.write("group_vars/all/more.yml", documented.example(
        "docs/guides/first-fleet.md", "host_certificate_services: [nginx]"))
    assert place.shell(run).count("changed=0") == 3


def test_the_fleet_of_the_readme(place):
    place.write("hosts", "web1\n")
    site = documented.example("README.md", "ansible-playbook fleetpki.host_trust.site -i hosts --ask-vault-pass")
    place.write("group_vars/all/pki.yml", documented.example(
        "README.md", "private_ca_dir: /srv/pki"))
    place.shell(site)
    assert verifies(place.folder / "srv/pki/root/root.crt", place.of("web1", "web1-fullchain.pem"))
    place.write("group_vars/all/external.yml", documented.example("README.md", "host_certificate_source: external"))
    place.write("group_vars/all/more.yml", f"host_certificate_external_trust: {place.folder}/corp-root.crt\n")
    place.variables["host_certificate_renew_before"] = "3650d"  # or nobody would ask for a new one yet
    assert "1 of 1 hosts wait for the CA (web1)" in place.shell(site)
    answered(place, place.folder / "requests/web1.csr", place.folder / "requests/web1.crt")
    place.shell(site)
    assert verifies(place.folder / "corp-root.crt", place.of("web1", "web1-fullchain.pem"))


def test_your_own_ca(place):
    place.variables["private_ca_passphrase"] = "sesame-of-the-ca"
    place.write("group_vars/all/pki.yml", documented.example("docs/guides/own-ca.md", "group_vars/all/pki.yml"))
    play = documented.example("docs/guides/own-ca.md", "ca.yml")
    place.run(play, hosts="localhost")
    authority = place.folder / "srv/pki"
    for name, example in (("revoked.yml", documented.example("docs/guides/own-ca.md", "group_vars/all/revoked.yml")),
                          ("revoked.yml", documented.example("roles/private_ca/README.md", "private_ca_revoked:"))):
        place.write(f"group_vars/all/{name}", example)
        place.run(play, hosts="localhost")
        assert "4B3C8299F16E9756020D00DE45772CE878E03369" in openssl(
            "crl", "-in", authority / "issuing/issuing.crl", "-noout", "-text")
    requests = place.folder / "srv/requests"
    requests.mkdir()
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", requests / "printer.key", "-subj", "/CN=printer",
            "-out", requests / "printer.csr")
    sign = documented.example("docs/guides/own-ca.md", "sign.yml")
    place.run(sign, hosts="localhost")
    assert verifies(authority / "root/root.crt", requests / "printer-fullchain.pem")
    assert not place.run(sign, hosts="localhost").of("localhost")[0]["changed"]


def test_an_outside_ca(place):
    place.write("hosts.yml", documented.example("docs/guides/first-fleet.md", "hosts.yml"))
    place.write("certificates.yml", documented.example("docs/guides/outside-ca.md", "certificates.yml"))
    run = documented.example("docs/guides/outside-ca.md", "run.sh")
    assert "2 of 2 hosts wait for the CA (web1.example.com, web2.example.com)" in place.shell(run)
    requests = place.folder / "requests"
    answered(place, requests / "web1.example.com.csr", requests / "web1.example.com.pem")
    assert "1 of 2 hosts wait for the CA (web2.example.com)" in place.shell(run)
    assert verifies(place.folder / "corp-root.crt", place.of("web1.example.com", "web1.example.com-fullchain.pem"))
    assert bundle(place, "web2.example.com") == 1


def test_an_outside_ca_without_roles(place):
    host = "web1.example.com"
    inside = {"fleetpki.host_trust.csr": {"root": place.host},
              "fleetpki.host_trust.cert_install": {"root": place.host, "trust_content": ROOT.pem}}
    place.run(documented.example("docs/guides/outside-ca.md", "tasks.yml"), hosts=host, defaults=inside)
    answered(place, place.folder / f"{host}.csr", place.folder / f"{host}.crt")
    play = documented.example("docs/guides/outside-ca.md", "install.yml")
    (installing,) = yaml.safe_load(play)
    installing["handlers"][0] = {"name": "Reload the web server", "ansible.builtin.debug": {"msg": "no nginx here"}}
    done = place.run(yaml.safe_dump([installing]), hosts=host, defaults=inside)
    assert [one["task"] for one in done.of(host)] == [
        "Verify it on the host, and put it in place", "Reload the web server"]
    assert verifies(place.folder / "corp-root.crt", place.of(host, f"{host}-fullchain.pem"))


@pytest.mark.parametrize("text", [
    documented.example(
        "README.md", "- name: A key and a request on the host, and a look whether its certificate is still good"),
    documented.example("docs/guides/coming-from-elsewhere.md", "- name: Key, request and certificate of a web server"),
], ids=["readme", "coming from community.crypto"])
def test_a_key_a_request_and_its_certificate(with_ca, text):
    root = (with_ca.folder / "srv/pki/root/root.crt").read_text(encoding="ascii")
    inside = {"fleetpki.host_trust.csr": {"root": with_ca.host},
              "fleetpki.host_trust.cert_install": {"root": with_ca.host, "trust_content": root}}
    assert [one["changed"] for one in with_ca.run(text, defaults=inside).of("web1")] == [True, True, True]
    assert verifies(with_ca.folder / "srv/pki/root/root.crt", with_ca.of("web1", "web1-fullchain.pem"))
    again = with_ca.run(text, defaults=inside).of("web1")
    assert [one.get("changed", False) for one in again] == [False, False, False]


@pytest.mark.parametrize(("text", "count"), [
    (documented.example("README.md", "- name: Trust the company's CA"), 2),
    (documented.example("docs/guides/coming-from-elsewhere.md", "- name: Trust the company's CA"), 2),
    (documented.example(
        "roles/ca_trust/README.md", "- name: Trust the company's CA, and nothing that was installed by hand"), 2),
    (documented.example("roles/ca_trust/README.md", "- name: Set a web server up"), 1),
    (documented.example("roles/ca_trust/README.md", "- name: Trust the company's CA on ten thousand hosts"), 1),
], ids=["readme", "coming from a copy", "fleet", "tasks", "large fleet"])
def test_distribute_trust(place, text, count):
    leaf = pki.issue("web1", ISSUING, dns=["web1.example.com"], purposes=["server"])
    place.write("etc/pki/tls/certs/web1.crt", leaf.pem + ISSUING.pem)
    place.write("etc/pki/tls/private/web1.key", leaf.key_pem())
    place.run(text)
    assert bundle(place) == count
    assert not any(one.get("changed") for one in place.run(text).of("web1"))


def test_as_a_dependency(place):
    place.write("roles/web/meta/main.yml", documented.example("roles/ca_trust/README.md", "dependencies:"))
    (place.folder / "roles/web/files").mkdir()
    os.rename(place.folder / "corp-root.crt", place.folder / "roles/web/files/corp-root.crt")
    place.run("[{hosts: all, gather_facts: false, roles: [web]}]")
    assert bundle(place) == 1


@pytest.mark.parametrize("text", [
    documented.example("README.md", "- name: The CA file of an application"),
    documented.example("roles/ca_trust/README.md", "- name: Write the CA file of an application"),
], ids=["module", "role"])
def test_the_ca_file_of_an_application(place, text):
    (place.folder / "etc/myapp").mkdir()
    del place.variables["ca_trust_store"], place.variables["ca_trust_bundle_path"]
    place.run(text)
    assert ROOT.pem in (place.folder / "etc/myapp/ca.pem").read_text(encoding="ascii")


def test_certificates_from_the_private_ca(with_ca):
    anchor = with_ca.folder / "srv/pki/root/root.crt"
    for host, text, names in (
        ("web1.example.com", documented.example(
            "roles/host_certificate/README.md", "- name: A certificate for each web server"), ["web1.example.com"]),
        ("web1", documented.example(
            "roles/host_certificate/README.md", "- name: Two for the web server, one for its database client"),
         ["www.example.com", "wildcard.apps.example.com"]),
    ):
        with_ca.run(text.replace(" /etc/", " //etc/"), hosts=host)  # for these are inside the host
        for name in names:
            assert verifies(anchor, with_ca.of(host, f"{name}-fullchain.pem"))
    now = documented.example("docs/guides/coming-from-elsewhere.md", "host_certificate_certificates:")
    with_ca.write("group_vars/all/now.yml", now)
    roles = "[fleetpki.host_trust.ca_trust, fleetpki.host_trust.host_certificate]"
    with_ca.run(f"[{{hosts: all, gather_facts: false, roles: {roles}}}]")
    assert verifies(anchor, with_ca.of("web1", "www-fullchain.pem"))


def test_certificates_from_an_external_ca(place):
    (place.folder / "srv/requests").mkdir()
    place.write("srv/requests/corp-root.pem", ROOT.pem)
    play = documented.example("roles/host_certificate/README.md", "- name: Certificates from the company's CA")
    assert "1 of 1 hosts wait for the CA (web1)" in place.run(play).output
    answered(place, place.folder / "srv/requests/web1.csr", place.folder / "srv/requests/web1.crt")
    place.run(play)
    assert verifies(place.folder / "corp-root.crt", place.of("web1", "web1-fullchain.pem"))


def test_trust_in_the_private_ca(with_ca):
    with_ca.run(documented.example("roles/private_ca/README.md", "- name: Trust the private CA"))
    assert bundle(with_ca) == 1
    with_ca.shell(documented.example(
        "roles/private_ca/README.md",
        "openssl crl -in /srv/pki/issuing/issuing.crl -outform DER -out issuing.crl").replace(" /", f" {with_ca.folder}/"))
    published = [openssl(kind, "-inform", "DER", "-in", with_ca.folder / name, "-noout", "-issuer") for kind, name in (
        ("crl", "issuing.crl"), ("crl", "root.crl"), ("x509", "issuing.crt"))]
    assert ["Issuing CA" in issuer for issuer in published] == [True, False, False]


@pytest.mark.parametrize("command", [
    documented.example(
        "README.md", "ansible-playbook fleetpki.host_trust.report -i hosts -e trust_report_dir=/srv/report"),
    documented.example(
        "roles/trust_report/README.md",
        "ansible-playbook fleetpki.host_trust.report -i hosts -e trust_report_dir=/srv/report"),
], ids=["readme", "role"])
def test_a_report(with_ca, command):
    with_ca.write("hosts", "web1\n")
    with_ca.write("group_vars/all/report.yml", documented.example(
        "roles/trust_report/README.md", "trust_report_dir: /srv/report"))
    (with_ca.folder / "var/lib/prometheus/node-exporter").mkdir(parents=True)
    with_ca.variables["trust_report_endpoints"] = []
    with_ca.shell(command.replace("=/srv/", f"={with_ca.folder}/srv/"))
    report = json.loads((with_ca.folder / "srv/report/report.json").read_text(encoding="utf-8"))
    assert "web1" in json.dumps(report) and (with_ca.folder / "srv/report/report.html").exists()
    assert (with_ca.folder / "var/lib/prometheus/node-exporter/host_trust.prom").exists()


def test_playbooks_of_the_readme(place):
    """distribute_trust, then verify."""
    leaf = pki.server("web1", ISSUING)
    place.write("hosts", "web1\n")
    place.write("etc/pki/tls/certs/web1.crt", leaf.pem + ISSUING.pem)
    text = documented.example("README.md", "ansible-playbook -i hosts fleetpki.host_trust.distribute_trust \\")
    place.shell(text.replace("/home/me/pki", str(place.folder)).replace("/etc/", f"{place.folder}/etc/"))
    assert bundle(place) == 1


def test_a_passphrase_for_the_vault(place):
    made = place.shell(documented.example(
        "roles/private_ca/README.md",
        'echo -n "$(openssl rand -base64 24)" | ansible-vault encrypt_string --ask-vault-pass '
        "--stdin-name private_ca_passphrase"))
    assert made.startswith("private_ca_passphrase: !vault |\n")


def test_a_rotation_is_foreseen(place):
    """--check says who would do what. The phases themselves need hosts with services: test_role_ca_rotation.py."""
    place.write("hosts", "web1\n")
    place.write("group_vars/all/pki.yml", documented.example("README.md", "private_ca_dir: /srv/pki"))
    place.shell(documented.example("README.md", "ansible-playbook fleetpki.host_trust.site -i hosts --ask-vault-pass"))
    place.write("group_vars/all/rotation.yml", documented.example(
        "docs/rotation.md", "private_ca_dir: /srv/pki         # as before"))
    said = place.shell(documented.example(
        "docs/rotation.md", "ansible-playbook fleetpki.host_trust.rotate_ca -i hosts --ask-vault-pass --check"))
    assert "Would have hosts trust" in said and not (place.folder / "srv/pki-2027").exists(), said


def test_the_simple_server(place):
    """Its files are here and not in the system's folders, and its port is one that is free."""
    leaf = pki.server("localhost", ROOT)
    place.write("fullchain.pem", leaf.pem)
    place.write("web.key", leaf.key_pem())
    place.write("https_server.py", (documents.ROOT / "roles/tls_smoke_test/files/https_server.py").read_text("utf-8"))
    start, stop = documented.example(
        "roles/tls_smoke_test/README.md",
        "python3 https_server.py start --certificate fullchain.pem --privatekey web.key --port 8443").splitlines()
    start = start.replace(" fullchain.pem", " ./fullchain.pem").replace(" web.key", " ./web.key")
    said = json.loads(place.shell(start.replace("--port 8443", "--port 0")))
    try:
        with socket.create_connection(("127.0.0.1", said["port"])) as plain, ssl.create_default_context(
                cadata=ROOT.pem).wrap_socket(plain, server_hostname="localhost") as tls:
            assert tls.version() == "TLSv1.3"
    finally:
        place.shell(stop.replace("PID", str(said["pid"])))
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", said["port"]))


PASSPHRASES = dict.fromkeys(
    ("vault_ca_passphrase", "vault_issuing_passphrase", "vault_root_passphrase", "vault_www_passphrase",
     "vault_web1_passphrase"), "sesame-of-the-vault")
HANDLER = {"name": "Reload the web server", "ansible.builtin.debug": {"msg": "no server here"}}


def of_modules(place, tasks, inside=None, **given):
    """Runs tasks that are examples of modules. inside: where paths are those of the host, below its root."""
    text = yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks, "handlers": [HANDLER]}],
                          sort_keys=False, width=1000)
    if inside:
        text = text.replace(f" {inside}", f" /{inside}")
    return place.run(text, variables=PASSPHRASES, **given)


def test_a_ca_by_its_modules(place):
    """A root, an issuing CA and its list; two ways to a host's certificate, and a look whether a new one is needed."""
    place.write("etc/group", f"pki:x:{os.getgid()}:\n")
    (place.folder / "srv/ca").mkdir()
    (place.folder / "srv/www/pki").mkdir(parents=True)
    of_modules(place, documented.tasks(
        "plugins/modules/selfsigned_cert.py", "A root CA that may have two levels of CAs below it"))
    of_modules(place, documented.tasks(
        "plugins/modules/csr.py", "A request for a CA of one's own, with an encrypted RSA key that a group may read"),
        inside="/srv/", defaults={"fleetpki.host_trust.csr": {"root": str(place.folder)}})
    of_modules(place, documented.tasks("plugins/modules/signed_cert.py", "The root signs the issuing CA"))
    of_modules(place, documented.tasks(
        "plugins/modules/crl.py",
        "The issuing CA's revocation list, made anew by each run in the last week before its end"))
    authority = place.folder / "srv/ca"
    assert (authority / "issuing.key").stat().st_mode & 0o777 == 0o640
    assert "59C7B758636D88BB" in openssl("crl", "-inform", "DER", "-in", place.folder / "srv/www/pki/issuing.crl",
                                         "-noout", "-text")

    chain = "".join((authority / name).read_text(encoding="ascii") for name in ("issuing.crt", "root.crt"))
    inside = {"fleetpki.host_trust.csr": {"root": place.host},
              "fleetpki.host_trust.cert_install": {"root": place.host, "trust_content": chain}}
    done = of_modules(place, documented.tasks(
        "plugins/modules/csr.py", "A key and a request for the web server, in the folders that the system has for them",
        "Have it signed by the CA whose key is on the controller"), hosts="web1.example.com", defaults=inside)
    assert [one["changed"] for one in done.of("web1.example.com")] == [True, True]
    done = of_modules(place, documented.tasks(
        "plugins/modules/signed_cert.py", "A request of the host",
        "The issuing CA signs it on the controller, where a new certificate is needed",
        "It is put in place, proven") + documented.tasks(
        "plugins/modules/csr.py", "Is a new certificate needed? A key of another type waits beside the one in use",
        "Say why"), defaults=inside)
    assert "URI:http://pki.example.com/issuing.crl" in openssl(
        "x509", "-in", place.of("web1", "web1.crt"), "-noout", "-text")
    assert any("key" in reason for reason in done.of("web1")[-1]["request.certificate_reasons"]), done.of("web1")[-1]


def test_certificates_by_their_modules(place):
    """From a CA on the controller, and from one whose answers are in a folder; one to test with."""
    place.write("srv/ca/issuing.crt", ISSUING.pem)
    place.write("srv/ca/issuing.key", ISSUING.key_pem(PASSPHRASES["vault_ca_passphrase"]))
    machine = place.folder / "machines/web1"
    inside = {name: {"root": place.host} for name in ("fleetpki.host_trust.csr", "fleetpki.host_trust.selfsigned_cert")}
    inside["fleetpki.host_trust.cert_install"] = {"root": place.host, "trust_content": ROOT.pem}
    of_modules(place, documented.tasks(
        "plugins/modules/cert_install.py", "Key and request on the host", "The certificate, signed on the controller",
        "Certificate and chain back to the host, proven there before they replace the old ones"),
        inside="/etc/", defaults=inside)
    assert verifies(place.folder / "corp-root.crt", place.of("web1", "web1-fullchain.crt"))

    www = pki.server("web1", ISSUING, dns=["web1", "www.example.com"], ips=["192.0.2.10"])
    place.write("answers/web1/www.pem", www.pem)
    openssl("crl2pkcs7", "-nocrl", "-certfile", place.folder / "corp-issuing.crt", "-out",
            place.folder / "answers/corp-issuing-ca.p7b")
    (machine / "etc/group").write_text(f"ssl-cert:x:{os.getgid()}:\n", encoding="ascii")
    (machine / "etc/ssl/private").mkdir(parents=True)
    (machine / "etc/ssl/certs").mkdir()
    (machine / "etc/ssl/private/www.key").write_text(www.key_pem(PASSPHRASES["vault_www_passphrase"]), encoding="ascii")
    of_modules(place, documented.tasks("plugins/modules/cert_install.py", "Install what the CA sent"),
               inside="/etc/", defaults=inside)
    assert verifies(place.folder / "corp-root.crt", machine / "etc/ssl/certs/www.pem")

    of_modules(place, documented.tasks("plugins/modules/selfsigned_cert.py", "A certificate to test with"),
               defaults=inside)
    assert place.of("web1", "test.key").stat().st_mode & 0o777 == 0o600


def test_certificates_are_verified(place):
    """Those of the examples lie on this machine, below the test's folder."""
    place.write("trusted.pem", ROOT.pem)
    web = pki.server("web1.example.com", ISSUING, dns=["web1.example.com", "www.example.com"], ips=["192.0.2.10"])
    client = pki.issue("client", ISSUING, purposes=["client"])
    for name, text in {
        "etc/pki/tls/certs/web1.crt": web.pem + ISSUING.pem, "etc/pki/tls/certs/issuing-ca.crt": ISSUING.pem,
        "etc/pki/tls/private/web1.key": web.key_pem(), "etc/app/client.pem": client.pem,
        "etc/app/issuing-ca.pem": ISSUING.pem, "etc/app/ca-bundle.pem": ROOT.pem,
        "web1-fullchain.pem": web.pem + ISSUING.pem,
        "corp-root.crl": pki.crl(ROOT), "etc/pki/corp-issuing.crl": pki.crl(ISSUING),
    }.items():
        place.write(name, text)
    trust = {"fleetpki.host_trust.cert_verify": {"trust": f"{place.folder}/trusted.pem"}}
    many = documented.tasks(
        "plugins/modules/cert_verify.py",
        "The web server's certificate verifies, is for its names, fits its key and lasts another month",
        "A certificate and its intermediate in two files, against an application's own anchors",
        "Look at several certificates without failing", "Say what is wrong with them",
        "With revocation lists, of a private CA that is known to be from the time before some rules",
        "As this host's OpenSSL alone sees it")
    done = of_modules(place, many, defaults=trust).of("web1")
    assert [one.get("verified") for one in done] == [True, True, False, None, True, True]
    assert done[3]["msg"][0][0].startswith("expires in 36"), done[3]
    place.write("etc/pki/tls/private/web1.key", web.key_pem(PASSPHRASES["vault_web1_passphrase"]))
    of_modules(place, documented.tasks(
        "plugins/modules/cert_verify.py",
        "The certificate that the company's CA has just sent, before it is installed"),
        hosts="web1.example.com", defaults=trust)


def test_a_report_by_its_module(place):
    (place.folder / "srv/report").mkdir()
    (place.folder / "machines/web1/trust.pem").write_text(ROOT.pem, encoding="ascii")
    store = {"fleetpki.host_trust.ca_trust_info": {"store": "bundle", "bundle_path": f"{place.host}/trust.pem"}}
    of_modules(place, documented.tasks(
        "plugins/modules/trust_report.py", "Look at the trust store", "Write a page about it"), defaults=store)
    page = (place.folder / "srv/report/report.html").read_text(encoding="utf-8")
    assert "web1" in page and "Corp Root CA" in page


def test_filters_say_it_once(place):
    """Over what two hosts have registered: web1 has asked web2, and is not content with its certificate either."""
    refused = {"name": "web2", "verified": False, "reasons": ["expired 3 days ago (2026-11-22T21:17:24Z)"],
               "accepted": False, "clients": {"curl": {"accepted": False}},
               "unmet": ["curl refuses it: it has expired"]}
    place.variables.update(web1={"results": [refused]}, web2={"results": []})
    done = of_modules(place, documented.tasks(
        "plugins/filter/certificate_refusals.py", "Say what is refused, once for all hosts") + documented.tasks(
        "plugins/filter/tls_matrix.py", "Say who accepts whom")).of("web1")
    assert done[0]["msg"] == {refused["reasons"][0]: ["web1: web2"]}
    assert [line.split() for line in done[1]["msg"]][1] == ["web1", "REFUSED", "(all)"]
    fail = documented.tasks("plugins/filter/tls_refusals.py", "Fail if anybody is refused")
    with pytest.raises(AssertionError, match="curl refuses it: it has expired"):
        of_modules(place, fail)
    place.variables["web1"] = {"results": []}
    of_modules(place, fail)


def test_the_stores_of_a_host():
    """What needs a whole host: its own trust store, the one of its users' browsers, its processes."""
    leaf = pki.server("web1", ISSUING, dns=["web1"])
    with podman.fleet({"web1": "el9"}) as fleet, tempfile.TemporaryDirectory() as scratch:
        host, folder = fleet["web1"], Path(scratch)
        (folder / "corp-root.crt").write_text(ROOT.pem, encoding="ascii")
        (folder / "issuing.pem").write_text(ISSUING.pem, encoding="ascii")
        openssl("crl2pkcs7", "-nocrl", "-certfile", folder / "issuing.pem", "-out", folder / "corp-issuing.p7b")
        host.write("/etc/pki/tls/certs/web1.crt", leaf.pem.encode())
        host.write("/etc/pki/tls/certs/web1-chain.pem", ISSUING.pem.encode())
        host.write("/etc/pki/tls/private/web1.key", leaf.key_pem().encode(), 0o600)

        def run(*tasks):
            done = plays.run(fleet.inventory, [*tasks], "-e", "ansible_become=false", folder=folder,
                             ignore_errors=False)
            assert done.code == 0, done.output
            return done.of("web1")

        trusted, = run(*documented.tasks("plugins/modules/ca_trust_anchor.py",
                                         "Trust the company's root and issuing CA"))
        assert {one["subject"] for one in trusted["anchors"]} == {"CN=Corp Root CA", "CN=Corp Issuing CA"}
        looks = documented.example("docs/guides/rhel-trust-store.md",
                                   "trust list --filter=ca-anchors | less                  # what p11-kit reads")
        there, here = looks.replace("| less", "").rstrip("\n").rsplit("\n", 1)
        host.write("/root/corp.crt", ROOT.pem.encode())
        assert "Corp Root CA" in host.run("sh", "-euc", f"cd /root\n{there}").stdout
        told = subprocess.run(["sh", "-euc", here.replace("ansible all", f"ansible all -i {fleet.inventory}").replace(
            " -b ", " ")], env=plays.ansible_environment(), capture_output=True, text=True, check=True)
        assert '"in_sync": true' in told.stdout
        run(*documented.tasks("plugins/modules/ca_trust_info.py", "Look at the trust store",
                              "Nobody has installed an anchor by hand, and the store is as its sources say"))
        run(*documented.tasks("plugins/filter/certificates_to_verify.py",
                              "The certificates of this host verify, are for their names and fit their keys"))
        usage, = documented.tasks("plugins/modules/ca_usage_info.py", "What does the old CA still stand behind?")
        authorities = [lookup.replace("/srv/pki/issuing/chain.pem", f"{folder}/issuing.pem")
                       for lookup in usage["fleetpki.host_trust.ca_usage_info"]["authorities"]]
        usage["fleetpki.host_trust.ca_usage_info"]["authorities"] = authorities
        nothing = documented.tasks("plugins/modules/ca_usage_info.py", "Nothing, so that it can be retired")
        found, said = plays.run(fleet.inventory, [usage, *nothing], folder=folder).of("web1")
        assert said["failed"] and "/etc/pki/tls/certs/web1.crt" in said["msg"], said
        host.run("rm", "/etc/pki/tls/certs/web1.crt")
        run(usage, *nothing)
        distrusted = run(*documented.tasks("plugins/modules/ca_trust_anchor.py",
                                           "Retire the old root, and distrust one that the distribution brings"))
        assert [one["state"] for one in distrusted[0]["anchors"]].count("distrusted") == 1
        exactly, = run(*documented.tasks("plugins/modules/ca_trust_anchor.py",
                                         "Exactly these local anchors, nothing that was installed by hand"))
        assert any("Corp Issuing CA" in step["subject"] for step in exactly["plan"]), exactly["plan"]
        policies = "/etc/firefox/policies/policies.json"
        run(*documented.tasks("plugins/modules/firefox_trust.py", "Firefox trusts what the host trusts"))
        assert "p11-kit-trust.so" in host.read(policies).decode()
        run(*documented.tasks("plugins/modules/firefox_trust.py", "And not any more"))
        assert not host.exists(policies) or "p11-kit-trust.so" not in host.read(policies).decode()
        seen = run(*documented.tasks("plugins/modules/tls_endpoint_info.py",
                                     "What the fleet's services look like from here",
                                     "Say which are not trusted, and why"))
        assert [one["msg"].partition(":")[0] for one in seen[1]["results"]] == [
            "web1.example.com", "mail.example.com", "db1.example.com"]


def test_a_ca_file_by_the_module(place):
    (place.folder / "etc/myapp").mkdir()
    of_modules(place, documented.tasks("plugins/modules/ca_trust_anchor.py", "A CA file for one application"))
    assert ROOT.pem in (place.folder / "etc/myapp/ca.pem").read_text(encoding="ascii")
