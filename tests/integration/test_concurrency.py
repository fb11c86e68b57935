# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many runs against the same files at once: what comes of them is what some order of them gives, and nothing is lost.

One play with a host under many names is many runs against it, and costs the controller a tenth of as many plays.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pki
import plays
import podman
import pytest

pytestmark = pytest.mark.faults

STAYS, TOGGLED = pki.root("Stays CA"), pki.root("Toggled CA")
OLD = [pki.root(f"Old CA {number}") for number in range(8)]
NEW = [pki.root(f"New CA {number}") for number in range(8)]
# What each of twenty runs wants. An extract on Debian takes long: there, six of them will do.
WANTED = [*({"content": root.pem} for root in (*NEW, TOGGLED, TOGGLED)),
          *({"content": root.pem, "state": "absent"} for root in (*OLD, TOGGLED, TOGGLED))]
RUNS = {"el9": range(20), "debian12": (0, 8, 9, 10, 18, 19)}
ONE_ANCHOR = {8: 1, 9: 1, 18: -1, 19: -1}  # those of the same anchor, and whether it comes or goes
PASSPHRASE = "sesame-of-many-runs"


@pytest.fixture(scope="module")
def hosts():
    """A host of each kind of store."""
    with podman.fleet(["el9", "debian12"]) as fleet:
        yield fleet


def run(fleet, numbers, *tasks):
    """Runs the tasks under several names of each host at once; returns {host: {number: results of that run}}.

    numbers: {host: the variable ``number`` of each run}.
    """
    inventory = json.loads(fleet.inventory.read_text())
    listed = {}
    for group in inventory["all"]["children"].values():
        for name, connection in group["hosts"].items():
            for number in numbers[name]:
                listed[f"{name}-{number}"] = {**connection, "number": number,
                                              "ansible_control_path": f"%(directory)s/{name}-{number}"}
    path = fleet.inventory.with_name("many.json")
    path.write_text(json.dumps({"all": {"vars": inventory["all"]["vars"], "hosts": listed}}))
    # An SSH server turns away those who come when it is busy with ten others.
    connected = {"ansible.builtin.ping": {}, "throttle": 5}
    play = plays.run(path, [connected, *tasks], "--forks", str(len(listed)))
    return {name: {number: play.of(f"{name}-{number}")[1:] for number in numbers[name]} for name in fleet}


def test_twenty_runs_that_install_and_remove(hosts):
    """Half of them install, half remove, four of these one and the same anchor: no order but one after the other.

    Of that anchor, removals and installations must take turns: as many as changed something, so often it came and went.
    On a machine that is busy beyond measure, some may have to give up: they say for whom, and have changed nothing.
    """
    plays.run(hosts.inventory, [plays.anchors(STAYS, *OLD)])
    task = {"fleetpki.host_trust.ca_trust_anchor": {"anchors": ["{{ wanted[number | int] }}"]},
            "vars": {"wanted": WANTED}}
    done = run(hosts, RUNS, task)
    look = {"fleetpki.host_trust.ca_trust_info": {}}
    last = plays.run(hosts.inventory, [look, plays.anchors(STAYS)])
    for name, runs in done.items():
        gave_up = {number for number, (result,) in runs.items() if result.get("failed")}
        assert len(gave_up) <= len(runs) // 2, (name, [runs[number][0]["msg"] for number in gave_up])
        for number in gave_up:
            assert " is locked for more than 120 seconds by process " in runs[number][0]["msg"], runs[number]
        did = set(runs) - gave_up
        assert all(runs[number][0]["changed"] for number in did - set(ONE_ANCHOR)), name
        info, again = last.of(name)
        there = {one["fingerprint_sha256"] for one in info["anchors"] if one["trusted"]}
        turns = sum(ONE_ANCHOR[number] for number in did & set(ONE_ANCHOR) if runs[number][0]["changed"])
        assert turns == (TOGGLED.fingerprint in there), (name, turns)
        expected = {root.fingerprint for root in (STAYS, *(NEW[number] for number in did & set(range(8))), *(
            root for number, root in enumerate(OLD, 10) if number not in did))}
        assert there - {TOGGLED.fingerprint} == expected, name
        assert info["in_sync"] and not info["interrupted"] and not again["changed"], (name, info["deviations"], again)


LOCKED_BY = """import sys; sys.path.insert(0, "/srv/code")
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
with files.lock(sys.argv[1], float(sys.argv[2])): print("held", flush=True); sys.stdin.read()
"""


def test_who_waits_too_long_is_told_for_whom(hosts):
    """An error that names process, command and since when. How long modules wait: test_waiting.py of the unit tests."""
    code = [Path("plugins/module_utils", *parts) for parts in (("_failure.py",), ("_host", "files.py"))]
    for name, host in hosts.items():
        for path in code:
            host.write(f"/srv/code/ansible_collections/fleetpki/host_trust/{path}", (plays.ROOT / path).read_bytes())
        held = subprocess.Popen([*host.ssh, f"python3 -c '{LOCKED_BY}' /etc/ssl 1"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
        try:
            assert held.stdout.readline() == "held\n"
            done = host.run("python3", "-c", LOCKED_BY, "/etc/ssl", "0.5", check=False, input="")
            assert done.returncode, name
            said = done.stderr.splitlines()[-1]
            assert "/etc/ssl is locked for more than 0 seconds by process " in said, (name, said)
            assert "(python3 -c import sys" in said and "which runs since 20" in said, (name, said)
        finally:
            held.communicate("")


def test_several_runs_make_one_key_that_fits(hosts):
    """Four processes a host meet on the same files, in all modules that write keys and certificates."""
    ca = pki.root("Signing CA")
    for host in hosts.values():
        host.run("mkdir", "/srv/once")
        host.write("/srv/once/ca.key", ca.key_pem(PASSPHRASE).encode(), 0o600)
    folder, key = "/srv/once", {"key_type": "RSA 2048", "common_name": "web1.example.com"}
    tasks = [
        {"fleetpki.host_trust.csr": {"path": f"{folder}/a.csr", "privatekey_path": f"{folder}/a.key", **key}},
        {"fleetpki.host_trust.selfsigned_cert": {
            "path": f"{folder}/b.crt", "privatekey_path": f"{folder}/b.key", **key}},
        {"fleetpki.host_trust.signed_cert": {
            "path": f"{folder}/a.crt", "csr_path": f"{folder}/a.csr", "ca_content": ca.pem,
            "ca_privatekey_path": f"{folder}/ca.key", "ca_privatekey_passphrase": PASSPHRASE, "return_content": True}},
        {"fleetpki.host_trust.cert_install": {
            "path": f"{folder}/installed.crt", "fullchain_path": f"{folder}/installed.pem",
            "privatekey_path": f"{folder}/a.key", "content": "{{ signed.certificate }}", "trust_content": ca.pem}},
        {"fleetpki.host_trust.crl": {
            "path": f"{folder}/ca.crl", "ca_content": ca.pem, "ca_privatekey_path": f"{folder}/ca.key",
            "ca_privatekey_passphrase": PASSPHRASE}},
    ]
    tasks[2]["register"] = "signed"
    for name, runs in run(hosts, dict.fromkeys(hosts, range(4)), *tasks).items():
        assert not [result["msg"] for results in runs.values() for result in results if result.get("failed")], name
        for number in range(len(tasks)):
            assert sum(results[number]["changed"] for results in runs.values()) == 1, (name, number)
        host = hosts[name]
        spoken = [host.run("openssl", *words, f"{folder}/{file}").stdout for file, *words in (
            ("a.key", "pkey", "-pubout", "-in"), ("a.csr", "req", "-noout", "-pubkey", "-in"),
            ("a.crt", "x509", "-noout", "-pubkey", "-in"), ("installed.crt", "x509", "-noout", "-pubkey", "-in"),
            ("b.key", "pkey", "-pubout", "-in"), ("b.crt", "x509", "-noout", "-pubkey", "-in"))]
        assert len(set(spoken[:4])) == 1 == len(set(spoken[4:])), name
        there = set(host.run("ls", "-A", folder).stdout.split())
        assert there == {"a.key", "a.csr", "a.crt", "b.key", "b.crt", "ca.key", "ca.crl", "installed.crt",
                         "installed.pem"}, name


def test_several_plays_make_one_ca_and_certificates_of_it(hosts, tmp_path):
    """Two people run site.yml at once, with nothing there yet: one root, one issuing CA, keys and certificates that
    fit. One further run changes nothing."""
    variables = {"private_ca_dir": str(tmp_path / "ca"), "private_ca_passphrase": PASSPHRASE,
                 "host_trust_become": False}

    def site(_number):
        return plays.playbook(hosts.inventory, "fleetpki.host_trust.site", variables=variables)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(site, range(2)))
    failed = [(one["task"], one["msg"]) for play in done for results in play.results.values() for one in results
              if one.get("failed")]
    assert not failed, failed
    again = site(0)
    changed = [(host, one["task"]) for host, results in again.results.items() for one in results if one.get("changed")]
    assert again.code == 0 and not changed, changed
    root, issuing = (tmp_path / "ca" / name / f"{name}.crt" for name in ("root", "issuing"))
    says = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", root, issuing], capture_output=True,
                          text=True, check=False)
    assert says.returncode == 0, says
    for name, host in hosts.items():
        place = "/etc/pki/tls" if host.platform.family == "redhat" else "/etc/ssl"
        host.write("/srv/root.crt", root.read_bytes())
        host.write("/srv/issuing.crt", issuing.read_bytes())
        certificate = f"{place}/certs/{name}.crt"
        assert host.run("openssl", "verify", "-CAfile", "/srv/root.crt", "-untrusted", "/srv/issuing.crt",
                        certificate).stdout == f"{certificate}: OK\n"
        assert host.run("openssl", "x509", "-noout", "-pubkey", "-in", certificate).stdout == host.run(
            "openssl", "pkey", "-pubout", "-in", f"{place}/private/{name}.key").stdout
    assert not list((tmp_path / "ca").rglob(".*")), "something was left behind"
