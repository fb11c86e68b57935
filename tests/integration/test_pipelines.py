# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as pipelines run them: in slices at once, by other strategies and users."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import documented
import plays
import podman
import pytest
import yaml
from cryptography import x509

pytestmark = pytest.mark.pipelines

PLATFORMS = {"web1.example.com": "el8", "web2.example.com": "el9", "web3.example.com": "debian12",
             "web4.example.com": "controller", "web5.example.com": "el10", "web6.example.com": "debian13"}
NAMES = list(PLATFORMS)
SLICES = [NAMES[0:2], NAMES[2:4], NAMES[4:6]]
SITE, ISSUE, DISTRIBUTE, VERIFY = (
    f"fleetpki.host_trust.{name}" for name in ("site", "issue_certificates", "distribute_trust", "verify"))
# A slice has a /run of its own, as in a container: what keeps slices apart must lie in what they share. Only root locks
# something in /run.
OWN_RUN = 'mkdir -p /run/host_trust; mount -t tmpfs -o mode=700 none /run/host_trust; exec "$@"'
APART = () if os.geteuid() else ("unshare", "--mount", "sh", "-c", OWN_RUN, "sh")


@pytest.fixture(scope="module")
def fleet():
    """Six hosts; web4 lets nobody but a user in, who may become root."""
    with podman.fleet(PLATFORMS) as started:
        inventory = json.loads(started.inventory.read_text())
        web4 = inventory["all"]["children"]["debian"]["hosts"]["web4.example.com"]
        web4["ansible_user"] = "user"
        started["web4.example.com"].write("/etc/sudoers.d/user", b"user ALL=(ALL) NOPASSWD: ALL\n", 0o440)
        started.inventory.write_text(json.dumps(inventory))
        yield started


def settings(folder, **more):
    return {"private_ca_dir": str(folder), "private_ca_passphrase": "sesame-of-the-slices", **more}


def at_once(fleet, folder, playbooks, variables):
    """Runs a playbook for each slice, all at the same time; how many changes each host had, and what went wrong."""
    running = []
    for number, (hosts, playbook) in enumerate(zip(SLICES, playbooks, strict=True)):
        slice_ = folder / f"slice{number}"
        for name in ("project", "inventory", "env"):
            (slice_ / name).mkdir(parents=True, exist_ok=True)
        (slice_ / "inventory" / "hosts.json").write_text(json.dumps(part(fleet, hosts)))
        (slice_ / "env" / "extravars").write_text(json.dumps(variables))
        running.append(subprocess.Popen(
            [*APART, "ansible-runner", "run", str(slice_), "--playbook", playbook, "--ident", "it", "--quiet",
             "--rotate-artifacts", "1", "--cmdline", "--forks 50"],
            env=plays.ansible_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    said = [one.communicate()[0] for one in running]
    changed = Counter()
    for number, one in enumerate(running):
        artifacts = folder / f"slice{number}" / "artifacts" / "it"
        assert one.returncode == 0, said[number] + (artifacts / "stdout").read_text()
        changed += Counter(stats(artifacts)["changed"])
    return changed


def stats(artifacts):
    """What ansible-playbook counted in the end."""
    events = [json.loads(path.read_text()) for path in (artifacts / "job_events").glob("*.json")]
    (last,) = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
    for path in (artifacts / "job_events").glob("*.json"):
        path.unlink()
    return last


def part(fleet, hosts):
    """The inventory with some of its hosts alone."""
    inventory = json.loads(fleet.inventory.read_text())
    for group in inventory["all"]["children"].values():
        group["hosts"] = {name: host for name, host in group["hosts"].items() if name in hosts}
    return inventory


def folder_of(name):
    return "/etc/pki/tls" if PLATFORMS[name].startswith("el") else "/etc/ssl"


def certificates(fleet):
    """Each host's certificate, which the host itself verifies against what it trusts; its name in them."""
    found = {}
    for name, host in fleet.items():
        path = f"{folder_of(name)}/certs/{name}"
        host.run("openssl", "verify", "-purpose", "sslserver", "-verify_hostname", name, "-untrusted",
                 f"{path}-chain.pem", f"{path}.crt")
        found[name] = x509.load_pem_x509_certificate(host.read(f"{path}.crt"))
    return found


def authority(folder, which):
    return x509.load_pem_x509_certificate((folder / which / f"{which}.crt").read_bytes())


def revocations(folder):
    issuing = authority(folder, "issuing")
    revoked = x509.load_pem_x509_crl((folder / "issuing" / "issuing.crl").read_bytes())
    assert revoked.is_signature_valid(issuing.public_key())
    number = revoked.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return [one.serial_number for one in revoked], number


def made_at(folder):
    """The number of a first list: when it was made. A second has that of the first, and one more."""
    revoked = x509.load_pem_x509_crl((folder / "issuing" / "issuing.crl").read_bytes())
    return int(revoked.last_update_utc.timestamp()) + 3600


def test_slices_at_once(fleet, tmp_path):
    """Three slices find no CA and make one; then nothing changes; then all is renewed, and one certificate revoked."""
    ca = tmp_path / "pki"
    changed = at_once(fleet, tmp_path, [SITE] * 3, settings(ca))
    assert set(changed) >= set(NAMES)
    first, root = certificates(fleet), authority(ca, "root")
    issuing = authority(ca, "issuing")
    assert len({one.serial_number for one in first.values()}) == len(NAMES)
    assert issuing.issuer == root.subject
    issuing.verify_directly_issued_by(root)
    for one in first.values():
        one.verify_directly_issued_by(issuing)
    number = made_at(ca)
    assert revocations(ca) == ([], number), "one list, made once"
    kept = {path: path.read_bytes() for path in ca.rglob("*") if path.is_file()}
    assert {path.parent.name + "/" + path.name for path in kept} == {
        "root/root.crt", "root/root.key", "root/root.crl", "issuing/issuing.crt", "issuing/issuing.key",
        "issuing/issuing.csr", "issuing/issuing.crl", "issuing/chain.pem"}, "no backup: nothing was made twice"

    assert not at_once(fleet, tmp_path, [ISSUE, SITE, VERIFY], settings(ca))
    assert kept == {path: path.read_bytes() for path in ca.rglob("*") if path.is_file()}

    lost = first[NAMES[0]].serial_number
    more = {"private_ca_name_constraints_permitted": ["DNS:example.com"],
            "private_ca_revoked": [{"serial": f"{lost:x}"}]}
    changed = at_once(fleet, tmp_path, [SITE] * 3, settings(ca, **more))
    assert set(changed) >= set(NAMES)
    second = certificates(fleet)
    assert len({one.serial_number for one in [*first.values(), *second.values()]}) == 2 * len(NAMES)
    assert authority(ca, "root") == root and len(list((ca / "issuing").glob("issuing.crt.*~"))) == 1, "renewed once"
    assert revocations(ca) == ([lost], number + 1)
    assert not at_once(fleet, tmp_path, [SITE, ISSUE, DISTRIBUTE], settings(ca, **more))


def let_in(gate, process):
    """Opens a pipe (path) once the process reads it, or has ended."""
    while process.poll() is None:
        try:
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.02)  # nobody reads yet
    return os.open(os.devnull, os.O_WRONLY)


def test_a_ca_is_made_once(tmp_path):
    """Four runs, each with a /run of its own, get to the point at the same moment, and making a key takes long."""
    ca, running = tmp_path / "pki", []
    gates = [tmp_path / f"gate{number}" for number in range(4)]
    for gate in gates:
        os.mkfifo(gate)
        book = gate.with_suffix(".yml")
        book.write_text(yaml.safe_dump([{
            "hosts": "localhost", "gather_facts": False, "roles": ["fleetpki.host_trust.private_ca"],
            "pre_tasks": [{"ansible.builtin.debug": {"msg": "{{ lookup('ansible.builtin.pipe', 'cat %s') }}" % gate}}],
            "post_tasks": [{"ansible.builtin.debug": {"msg": "{{ private_ca_certificates.chain }}"}}]}]))
        running.append(subprocess.Popen(
            [*APART, "ansible-playbook", "--inventory", "/dev/null", str(book), "--extra-vars",
             json.dumps(settings(ca, private_ca_key_type="RSA 4096"))],
            env=plays.ansible_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    for opened in [let_in(gate, process) for gate, process in zip(gates, running, strict=True)]:
        os.close(opened)
    for one in running:
        said = one.communicate()[0]
        assert one.returncode == 0, said
        chain = json.dumps((ca / "issuing" / "chain.pem").read_text())
        assert f'"msg": {chain}' in said, "all have the same CA"
    authority(ca, "issuing").verify_directly_issued_by(authority(ca, "root"))
    assert revocations(ca) == ([], made_at(ca)) and not list(ca.rglob("*~"))


def trouble(play):
    return [(host, one["task"], one.get("msg")) for host, found in play.results.items() for one in found
            if one.get("failed")]


def test_other_ways_to_run(fleet, tmp_path):
    """Strategies, pipelining, many forks, a user who becomes root; check mode foresees and, afterwards, nothing."""
    def run(strategy, pipelining, *args, **more):
        play = plays.playbook(
            fleet.inventory, SITE, "--forks", "50", "--diff", *args, variables={
                **settings(tmp_path / "pki"), "ansible_pipelining": pipelining, "ansible_ssh_pipelining": pipelining,
                **more},
            environment={"ANSIBLE_STRATEGY": strategy, "ANSIBLE_PIPELINING": str(pipelining)})
        assert play.code == 0, trouble(play)
        return play

    run("free", False, "--check", "--limit", f"localhost,{NAMES[0]}")
    assert not (tmp_path / "pki").exists()
    run("free", False)
    first, issuing = certificates(fleet), authority(tmp_path / "pki", "issuing")
    assert {one.issuer for one in first.values()} == {issuing.subject}
    for one in first.values():
        one.verify_directly_issued_by(issuing)
    more = {"private_ca_name_constraints_permitted": ["DNS:example.com"]}
    run("host_pinned", True, **more)
    assert not {one.serial_number for one in certificates(fleet).values()} & {
        one.serial_number for one in first.values()}
    limited = ["localhost", NAMES[0], NAMES[3]]
    again = run("host_pinned", True, "--check", "--limit", ",".join(limited), **more)
    assert sorted(again.results) == sorted(limited)
    assert not [one for found in again.results.values() for one in found if one.get("changed")]


def test_a_rotation_and_a_report_by_a_user_who_becomes_root(fleet, tmp_path):
    """Among what is delegated to the controller and to other hosts, nothing becomes somebody it should not."""
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps(part(fleet, [NAMES[1], NAMES[3]])))
    variables = {"private_ca_passphrase": "sesame-of-the-slices", "tls_smoke_test_controller": False}
    old, new = tmp_path / "pki", tmp_path / "pki-2"
    for playbook, more in (
            (SITE, {"private_ca_dir": str(old)}), ("fleetpki.host_trust.rotate_ca", {"ca_rotation_new_dir": str(new)}),
            ("fleetpki.host_trust.report", {"private_ca_dir": str(new), "trust_report_dir": str(tmp_path / "report")})):
        given = json.loads(inventory.read_text())
        given["all"].setdefault("vars", {}).update(more)
        inventory.write_text(json.dumps(given))
        play = plays.playbook(inventory, playbook, variables=variables)
        assert play.code == 0, trouble(play)
    issuing = authority(new, "issuing")
    for name in (NAMES[1], NAMES[3]):
        path = f"{folder_of(name)}/certs/{name}"
        x509.load_pem_x509_certificate(fleet[name].read(f"{path}.crt")).verify_directly_issued_by(issuing)
        fleet[name].run("openssl", "verify", "-untrusted", f"{path}-chain.pem", f"{path}.crt")
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert {name: host["status"] for name, host in found["hosts"].items()} == {NAMES[1]: "ok", NAMES[3]: "ok"}
    assert [one["kind"] for one in found["findings"] if one["severity"] != "notice"] == []


def test_tags(fleet, tmp_path):
    """Each tag is on all tasks of its role, be they included, and on what the playbooks do for it."""
    certificate = f"{folder_of(NAMES[1])}/certs/{NAMES[1]}"
    variables = {**settings(tmp_path / "pki"), "tls_smoke_test_controller": False}

    def roles(playbook, *args):
        """What tasks of which roles ran."""
        play = plays.playbook(fleet.inventory, playbook, "--limit", f"localhost,{NAMES[1]}", *args,
                              variables=variables)
        assert play.code == 0, trouble(play)
        tasks = [one["task"].partition(" : ") for found in play.results.values() for one in found
                 if " : " in one["task"] and "Validating arguments" not in one["task"] and not one.get("skipped")]
        return {role.rpartition(".")[2]: {task for owner, _colon, task in tasks if owner == role}
                for role, _colon, _task in tasks}

    made = roles(SITE, "--tags", "private_ca")
    assert set(made) == {"private_ca"} and "Make the root" in made["private_ca"], made
    trusted = roles(SITE, "--tags", "ca_trust")
    assert set(trusted) == {"private_ca", "ca_trust"} and "Make the root" not in trusted["private_ca"], trusted
    issued = roles(SITE, "--skip-tags", "private_ca,ca_trust")
    assert set(issued) == {"host_certificate"}
    assert {"Sign the certificate", "Install certificate and chain"} <= issued["host_certificate"], issued
    variables["ca_trust_verify_certificates"] = [{"path": f"{certificate}.crt", "chain": [f"{certificate}-chain.pem"]}]
    verified = roles(SITE, "--tags", "ca_trust")
    assert "Verify certificates against the trust of this host" in verified["ca_trust"], "what is included has it too"
    assert set(roles(ISSUE, "--tags", "host_certificate")) == {"host_certificate"}
    tested = roles("fleetpki.host_trust.smoke_test", "--tags", "tls_smoke_test")
    assert "Say who accepts whom (each row asks, each column is asked)" in tested["tls_smoke_test"], tested
    assert not roles("fleetpki.host_trust.smoke_test", "--skip-tags", "tls_smoke_test")


def test_an_execution_environment(installed, tmp_path):
    """What ansible-builder finds in the collection as it is installed; the documented definition makes a context."""
    def builder(*command):
        done = subprocess.run(["ansible-builder", *command], cwd=tmp_path, capture_output=True, text=True, check=False,
                              env=plays.ansible_environment())
        assert done.returncode == 0, done.stdout + done.stderr

    builder("introspect", str(installed), "--write-pip=pip.txt", "--write-bindep=bindep.txt")
    needed = [line.partition("#")[0].strip() for line in (tmp_path / "pip.txt").read_text().splitlines()]
    assert [line for line in needed if line] == ["cryptography>=49"]
    assert "openssl" in (tmp_path / "bindep.txt").read_text()
    subprocess.run(["bindep", "--file", "bindep.txt", "--brief"], cwd=tmp_path, check=True, capture_output=True,
                   env=plays.ansible_environment())
    definition = tmp_path / "execution-environment.yml"
    definition.write_text(documented.examples()["execution-environment.yml"])
    builder("create", "--file", definition.name, "--context", "context", "--output-filename", "Containerfile")
    recipe = (tmp_path / "context" / "Containerfile").read_text()
    assert "quay.io/centos/centos:stream10" in recipe and "git-core" in recipe
    (wanted,) = yaml.safe_load(next(Path(tmp_path, "context").rglob("requirements.yml")).read_text())["collections"]
    assert wanted["name"] == "https://github.com/fleetpki/host_trust.git"
