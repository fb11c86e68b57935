# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose answers are forged in a rotation, in every phase: it decides nothing, and what can't be is said."""

from __future__ import annotations

import json

import forging
import host_certificates
import plays
import pytest
import test_forged_answers

pytestmark = pytest.mark.rotation

EVIL, HONEST = "web1", "web2"
NEW = "CN=Corp 2027 Issuing CA"


@pytest.fixture()
def hosts():
    """A host that lies and one that does not."""
    with forging.fleet(EVIL, HONEST) as fleet:
        for host in fleet.values():
            host.write("/etc/init.d/httpd", host_certificates.SERVICE, 0o755)
        yield fleet


def inventory(hosts, folder):
    listed = json.loads(hosts.inventory.read_text())
    listed["all"]["vars"].update(
        host_trust_become=False, private_ca_dir=f"{folder}/old", private_ca_passphrase="sesame of the test",
        private_ca_name="Corp", ca_rotation_new_dir=f"{folder}/new", ca_rotation_name="Corp 2027",
        tls_smoke_test_controller=False, tls_smoke_test_clients=["openssl"], host_certificate_services=["httpd"])
    (folder / "hosts.json").write_text(json.dumps(listed))
    return folder / "hosts.json"


def run(listed, folder, *plays_of_it, **variables):
    """Plays, and those of playbooks of the collection, in one run."""
    book = [{"import_playbook": f"fleetpki.host_trust.{one}"} if isinstance(one, str) else one for one in plays_of_it]
    (folder / "play.yml").write_text(json.dumps(book))
    return plays.playbook(listed, str(folder / "play.yml"), variables=variables)


def shown():
    """A play that shows what a host's answers have set."""
    return {"hosts": "all", "gather_facts": False, "tasks": [test_forged_answers.seen()]}


def failed(done):
    return [(host, one["task"], one.get("msg")) for host, found in done.results.items() for one in found
            if one.get("failed")]


def test_no_answer_in_any_phase_sets_anything(hosts, tmp_path):
    """What Ansible would act upon is in each answer; then the one that withdraw waits for is no answer at all."""
    listed = inventory(hosts, tmp_path)
    forging.lie(hosts[EVIL], every=test_forged_answers.CARRIERS)
    done = run(listed, tmp_path, "site", "rotate_ca", shown(), ca_rotation_phases=["prepare", "distribute", "reissue"])
    assert done.code == 0, failed(done)
    test_forged_answers.assert_nothing_was_set(done)
    executed = forging.executed(hosts[EVIL])
    assert executed.count("csr") >= 2 and executed.count("sysvinit") == 2, "of the old CA and of the new one"
    assert {"ca_usage_info", "ca_trust_anchor", "cert_install", "cert_verify", "tls_client_info"} <= set(executed)
    forging.lie(hosts[EVIL], ca_usage_info={"certificates": "none"})
    phases = ["withdraw", "distrust"]
    done = run(listed, tmp_path, "rotate_ca", ca_rotation_phases=phases, ca_rotation_distrust=True)
    assert done.code != 0
    sentence = next(one for _host, _task, one in failed(done) if one.startswith("The phase withdraw does not begin"))
    assert (f"{EVIL}: which certificates it uses can not be found out: {EVIL} does not answer as ca_usage_info does: "
            "certificates is the text 'none'") in sentence and f"\n{HONEST}: " not in sentence
    forging.lie(hosts[EVIL], every=test_forged_answers.CARRIERS)
    done = run(listed, tmp_path, "rotate_ca", shown(), ca_rotation_phases=phases, ca_rotation_distrust=True)
    assert done.code == 0, failed(done)
    test_forged_answers.assert_nothing_was_set(done)
    for host, place in ((hosts[EVIL], "/etc/pki/tls"), (hosts[HONEST], "/etc/ssl")):
        issuer = host.run("openssl", "x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-in",
                          f"{place}/certs/{host.name}.crt").stdout
        assert NEW in issuer


@pytest.mark.parametrize("name, value, phase", [
    ("ca_rotation_exclude_hosts", [EVIL], "distribute"), ("ca_rotation_distrust", True, "distrust")])
def test_a_fact_of_a_host_decides_nothing_about_the_rotation(hosts, tmp_path, name, value, phase):
    """It does not leave itself out, and does not have the last phase begin; nor does the play go on without it."""
    forging.lie(hosts[EVIL], setup=forging.as_facts(**{name: value}))
    gather = {"hosts": EVIL, "gather_facts": False, "tasks": [{"ansible.builtin.setup": {"gather_subset": ["!all"]}}]}
    for folder in ("old", "new"):
        host_certificates.existing_ca(tmp_path / folder)
    done = run(inventory(hosts, tmp_path), tmp_path, gather, "rotate_ca", ca_rotation_phases=[phase])
    assert done.code != 0
    ((host, task, sentence),) = failed(done)
    assert host == EVIL and task.endswith("Refuse facts that would decide about the rotation")
    assert sentence.startswith(f"{EVIL} has set {name} as a fact, and a fact outranks the inventory")
    assert set(forging.executed(hosts[EVIL])) == {"setup"}
