# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of README, guides and roles, run as they stand.

Their hosts are folders of this machine (places.py). What needs more of a host than that is run by the tests of its
module or role. What can't be run at all is in tests/unit/documentation/test_examples.py, with the reason.
"""

from __future__ import annotations

import json
import os
import socket
import ssl

import documented
import documents
import pki
import pytest
import yaml
from places import ISSUING, NAMES, ROOT, bundle, openssl, verifies

pytestmark = pytest.mark.documentation


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
    """Its own CA, of which --check says how it would be replaced; then an outside CA.

    The phases of a rotation need hosts with services: test_role_ca_rotation.py.
    """
    place.write("hosts", "web1\n")
    site = documented.example("README.md", "ansible-playbook fleetpki.host_trust.site -i hosts --ask-vault-pass")
    place.write("group_vars/all/pki.yml", documented.example(
        "README.md", "private_ca_dir: /srv/pki"))
    place.shell(site)
    assert verifies(place.folder / "srv/pki/root/root.crt", place.of("web1", "web1-fullchain.pem"))
    rotation = place.write("group_vars/all/rotation.yml", documented.example(
        "docs/rotation.md", "private_ca_dir: /srv/pki         # as before"))
    said = place.shell(documented.example(
        "docs/rotation.md", "ansible-playbook fleetpki.host_trust.rotate_ca -i hosts --ask-vault-pass --check"))
    assert "Would have hosts trust" in said and not (place.folder / "srv/pki-2027").exists(), said
    rotation.unlink()
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
    requests = place.folder / "srv/requests"
    requests.mkdir()
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", requests / "printer.key", "-subj", "/CN=printer",
            "-out", requests / "printer.csr")
    sign = documented.example("docs/guides/own-ca.md", "sign.yml")
    for example, more in ((documented.example("docs/guides/own-ca.md", "group_vars/all/revoked.yml"), []),
                          (documented.example("roles/private_ca/README.md", "private_ca_revoked:"), [sign, sign])):
        place.write("group_vars/all/revoked.yml", example)
        done = place.run(play, *more, hosts="localhost").of("localhost")
        assert "4B3C8299F16E9756020D00DE45772CE878E03369" in openssl(
            "crl", "-in", authority / "issuing/issuing.crl", "-noout", "-text")
    assert verifies(authority / "root/root.crt", requests / "printer-fullchain.pem")
    signed, again = [one for one in done if one["task"] == yaml.safe_load(sign)[0]["tasks"][0]["name"]]
    assert signed["changed"] and not again["changed"]


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


def test_a_key_a_request_and_its_certificate(with_ca):
    examples = {
        "readme": documented.example(
            "README.md", "- name: A key and a request on the host, and a look whether its certificate is still good"),
        "coming-from-community.crypto": documented.example(
            "docs/guides/coming-from-elsewhere.md", "- name: Key, request and certificate of a web server"),
    }
    root = (with_ca.folder / "srv/pki/root/root.crt").read_text(encoding="ascii")
    inside = {"fleetpki.host_trust.csr": {"root": with_ca.host},
              "fleetpki.host_trust.cert_install": {"root": with_ca.host, "trust_content": root}}
    done = with_ca.run_each_twice(examples, defaults=inside)
    for name in examples:
        assert [one["changed"] for one in done[name]] == [True, True, True], name
        assert verifies(with_ca.folder / "srv/pki/root/root.crt", with_ca.of(name, "web1-fullchain.pem"))
        assert [one.get("changed", False) for one in done[f"{name} again"]] == [False, False, False], name


def test_distribute_trust(place):
    examples = {
        "readme": (documented.example("README.md", "- name: Trust the company's CA"), 2),
        "coming-from-a-copy": (documented.example(
            "docs/guides/coming-from-elsewhere.md", "- name: Trust the company's CA"), 2),
        "fleet": (documented.example(
            "roles/ca_trust/README.md", "- name: Trust the company's CA, and nothing that was installed by hand"), 2),
        "tasks": (documented.example("roles/ca_trust/README.md", "- name: Set a web server up"), 1),
        "large-fleet": (documented.example(
            "roles/ca_trust/README.md", "- name: Trust the company's CA on ten thousand hosts"), 1),
    }
    leaf = pki.issue("web1", ISSUING, dns=["web1.example.com"], purposes=["server"])
    place.write("etc/pki/tls/certs/web1.crt", leaf.pem + ISSUING.pem)
    place.write("etc/pki/tls/private/web1.key", leaf.key_pem())
    done = place.run_each_twice({name: text for name, (text, _count) in examples.items()})
    for name, (_text, count) in examples.items():
        assert bundle(place, name) == count, name
        assert any(one.get("changed") for one in done[name]), name
        assert not any(one.get("changed") for one in done[f"{name} again"]), name


def test_as_a_dependency(place):
    place.write("roles/web/meta/main.yml", documented.example("roles/ca_trust/README.md", "dependencies:"))
    (place.folder / "roles/web/files").mkdir()
    os.rename(place.folder / "corp-root.crt", place.folder / "roles/web/files/corp-root.crt")
    place.run("[{hosts: all, gather_facts: false, roles: [web]}]")
    assert bundle(place) == 1


def test_the_ca_file_of_an_application(place):
    """By the module and by the role; each writes it where there is none."""
    (place.folder / "etc/myapp").mkdir()
    del place.variables["ca_trust_store"], place.variables["ca_trust_bundle_path"]
    away = yaml.safe_dump([{"name": "away", "ansible.builtin.command": {
        "cmd": f"mv {place.folder}/etc/myapp/ca.pem {place.folder}/by-the-module.pem"}}])
    place.run(documented.example("README.md", "- name: The CA file of an application"), away,
              documented.example("roles/ca_trust/README.md", "- name: Write the CA file of an application"))
    for written in ("by-the-module.pem", "etc/myapp/ca.pem"):
        assert ROOT.pem in (place.folder / written).read_text(encoding="ascii"), written


def test_certificates_from_the_private_ca(with_ca):
    """Each example for a host of its own; the third one is the variables of a host."""
    examples = [documented.example(
        "roles/host_certificate/README.md", "- name: A certificate for each web server"), documented.example(
        "roles/host_certificate/README.md", "- name: Two for the web server, one for its database client")]
    with_ca.write("host_vars/web2.example.com.yml", documented.example(
        "docs/guides/coming-from-elsewhere.md", "host_certificate_certificates:"))
    roles = yaml.safe_dump([{"hosts": "web2.example.com", "gather_facts": False, "roles": [
        "fleetpki.host_trust.ca_trust", "fleetpki.host_trust.host_certificate"]}])
    with_ca.run(*[text.replace(" /etc/", " //etc/") for text in examples], roles,  # for these are inside the host
                hosts=",".join(NAMES), groups={"web": ["web1.example.com"]})
    for host, names in {"web1.example.com": ["web1.example.com"], "web2.example.com": ["www"],
                        "web1": ["www.example.com", "wildcard.apps.example.com"]}.items():
        for name in names:
            assert verifies(with_ca.folder / "srv/pki/root/root.crt", with_ca.of(host, f"{name}-fullchain.pem")), name


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
    publish = documented.example(
        "roles/private_ca/README.md", "openssl crl -in /srv/pki/issuing/issuing.crl -outform DER -out issuing.crl")
    with_ca.shell(publish.replace(" /", f" {with_ca.folder}/"))
    published = [openssl(kind, "-inform", "DER", "-in", with_ca.folder / name, "-noout", "-issuer") for kind, name in (
        ("crl", "issuing.crl"), ("crl", "root.crl"), ("x509", "issuing.crt"))]
    assert ["Issuing CA" in issuer for issuer in published] == [True, False, False]


def test_a_report(with_ca):
    command = documented.example(
        "README.md", "ansible-playbook fleetpki.host_trust.report -i hosts -e trust_report_dir=/srv/report")
    assert command == documented.example(
        "roles/trust_report/README.md",
        "ansible-playbook fleetpki.host_trust.report -i hosts -e trust_report_dir=/srv/report")
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
