# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role tls_smoke_test where molecule/handshake does not go: rings, one host alone, bad keys, mutual TLS, a kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import documented
import pki
import plays
import podman
import pytest
import yaml

pytestmark = pytest.mark.clients

ROOT = pki.root("Corp Root CA")
RUNNING = "ps axww -o args | grep -c '[s]tart.--certificate'"


@pytest.fixture(scope="module")
def fleet():
    """Four hosts that trust a root, each with a key and a certificate for its name."""
    with podman.fleet({"web1": "el8", "web2": "el9", "web3": "el10", "web4": "debian13"}) as hosts:
        plays.run(hosts.inventory, [plays.anchors(ROOT)])
        for name, host in hosts.items():
            pair = pki.server(name, ROOT, purposes=["server", "client"])
            host.write(f"/root/{name}.crt", pair.pem.encode())
            host.write(f"/root/{name}.key", pair.key_pem().encode(), 0o600)
            host.write(f"/root/{name}.pem", (pair.pem + pair.key_pem()).encode(), 0o600)
            host.write("/root/root.crt", ROOT.pem.encode())
        yield hosts


def smoke(fleet, *args, hosts="all", **variables):
    """A play with the role."""
    given = {
        "tls_smoke_test_certificate": "/root/{{ inventory_hostname }}.crt",
        "tls_smoke_test_privatekey": "/root/{{ inventory_hostname }}.key",
        "tls_smoke_test_controller": False, **variables}
    task = {"ansible.builtin.include_role": {"name": "fleetpki.host_trust.tls_smoke_test"}, "vars": given}
    tell = {"ansible.builtin.debug": {"msg": "{{ tls_smoke_test_answers }}"}}
    result = plays.run(fleet.inventory, [task, tell], *args, hosts=hosts)
    for name in hosts.split(":") if hosts != "all" else fleet:
        assert fleet[name].run("sh", "-c", RUNNING, check=False).stdout == "0\n", name
    return result


def asked(play, host=None):
    """{who asks: sorted list of those that are asked}, as a host (the first, if none is named) knows it."""
    answers = play.of(host or next(iter(play.results)))[-1]["msg"]
    return {asker: sorted(result["name"] for result in results) for asker, results in answers.items()}


def failure(play, name):
    return [result["msg"] for result in play.of(name) if result.get("failed")]


def test_all_to_all_and_a_ring(fleet):
    """The work of a large fleet grows with the number of hosts, not with its square."""
    assert asked(smoke(fleet)) == {name: sorted({*fleet} - {name}) for name in fleet}
    play = smoke(fleet, tls_smoke_test_full_mesh_max=3, tls_smoke_test_ring_size=2)
    assert {asker: len(names) for asker, names in asked(play).items()} == dict.fromkeys(fleet, 2)
    found = asked(play)
    assert sorted(name for names in found.values() for name in names) == sorted([*fleet] * 2)
    assert all(asker not in names for asker, names in found.items())
    assert all(not failure(play, name) for name in fleet) and not any(
        result["changed"] for results in play.results.values() for result in results)


def test_hosts_outside_of_the_batch_ask_too(fleet):
    """Two of them each host, the next ones of a ring; what one of them can't do is said by who was to be asked."""
    play = batches(fleet, tls_smoke_test_extra_clients=[*fleet])
    last = asked(play, "web4")
    assert last == {"web3": ["web4"], "web4": ["web3"], "web1": ["web3", "web4"], "web2": ["web3", "web4"]}
    assert all(not failure(play, name) for name in fleet)
    fleet["web4"].write("/usr/local/bin/curl", b"#!/bin/sh\necho 'curl: (60) not today' >&2; exit 60\n", 0o755)
    try:
        refusing = batches(fleet, tls_smoke_test_extra_clients=["web4"], tls_smoke_test_clients=["curl"])
    finally:
        fleet["web4"].run("rm", "/usr/local/bin/curl")
    assert "web4: it refuses all that it has asked (web1, web2), and others " in failure(refusing, "web1")[0]
    lost = batches(fleet, tls_smoke_test_extra_clients=["nosuch"], reached=False, any_errors_fatal=True)
    assert "a host that was to ask it could not: " in failure(lost, "web1")[0]


def batches(fleet, reached=True, any_errors_fatal=False, **variables):
    """The role in batches of two."""
    given = {"tls_smoke_test_certificate": "/root/{{ inventory_hostname }}.crt", "tls_smoke_test_controller": False,
             "tls_smoke_test_privatekey": "/root/{{ inventory_hostname }}.key", **variables}
    task = {"ansible.builtin.include_role": {"name": "fleetpki.host_trust.tls_smoke_test"}, "vars": given}
    tell = {"ansible.builtin.debug": {"msg": "{{ tls_smoke_test_answers }}"}}
    return plays.run(fleet.inventory, [task, tell], reached=reached, serial=2, order="sorted",
                     any_errors_fatal=any_errors_fatal)


@pytest.mark.parametrize("text", [
    documented.example("roles/tls_smoke_test/README.md", "- name: All hosts accept each other"),
    documented.example("roles/tls_smoke_test/README.md", "- name: Services that know each other by certificates"),
], ids=["servers", "services"])
def test_as_the_readme_does_it(fleet, tmp_path, text):
    """On hosts that have what the roles ca_trust and host_certificate put there, and a client's certificate."""
    ca_file = documented.example("roles/ca_trust/README.md", "- name: Write the CA file of an application")
    book = [{**play, "hosts": "web2:web3"} for play in yaml.safe_load(ca_file) + yaml.safe_load(text)]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(book), encoding="utf-8")
    (tmp_path / "corp-root.crt").write_text(ROOT.pem, encoding="ascii")
    for name in ("web2", "web3"):
        fleet[name].run("mkdir", "-p", "/etc/myapp")
        for stem, pair in ((name, pki.server(name, ROOT)), ("client", pki.issue("service", ROOT, purposes=["client"]))):
            fleet[name].write(f"/etc/pki/tls/certs/{stem}-fullchain.pem", pair.pem.encode())
            fleet[name].write(f"/etc/pki/tls/private/{stem}.key", pair.key_pem().encode(), 0o600)
    done = plays.playbook(fleet.inventory, str(tmp_path / "play.yml"), variables={
        "ansible_become": False, "tls_smoke_test_controller": False})
    assert done.code == 0, done.output
    assert all(fleet[name].run("sh", "-c", RUNNING, check=False).stdout == "0\n" for name in ("web2", "web3"))


def test_a_host_alone_asks_itself(fleet):
    assert asked(smoke(fleet, hosts="web2")) == {"web2": ["web2"]}


def test_a_server_that_does_not_start_is_said_and_the_others_go_on(fleet):
    play = smoke(fleet, hosts="web1:web2:web3", tls_smoke_test_privatekey=(
        "/root/{{ 'nosuch' if inventory_hostname == 'web1' else inventory_hostname }}.key"))
    said, = failure(play, "web1")
    assert "its server does not start: the private key /root/nosuch.key can't be read: No such file or dir" in said
    assert not failure(play, "web2") and not failure(play, "web3")
    assert asked(play) == {"web1": ["web2", "web3"], "web2": ["web3"], "web3": ["web2"]}


def test_a_wrong_name_is_refused_in_each_clients_words(fleet):
    play = smoke(fleet, hosts="web1:web2", tls_smoke_test_name="web1",
                 tls_smoke_test_address="{{ inventory_hostname }}")
    assert not failure(play, "web1")
    said, = failure(play, "web2")
    lines = said.splitlines()
    assert lines[0] == "The smoke test of web1 fails:" and lines[1].startswith("web1: openssl refuses it: ")
    assert lines[2].startswith("web1: curl refuses it: curl: (60) SSL: no alternative certificate subject name")


def test_who_does_not_trust_the_ca_is_at_fault_and_not_the_others(fleet):
    plays.run(fleet.inventory, [plays.anchors({"content": ROOT.pem, "state": "absent"})], hosts="web1")
    try:
        play = smoke(fleet, hosts="web1:web2:web3")
    finally:
        plays.run(fleet.inventory, [plays.anchors(ROOT)], hosts="web1")
    said, = failure(play, "web1")
    assert "it refuses all that it has asked (web2, web3), and others accept those, so its own trust is at" in said
    assert not failure(play, "web2") and not failure(play, "web3")


def test_what_nobody_has_asked_is_not_proven(fleet):
    """The only one that would have asked can't; and a name that nobody can connect to is said where it is set."""
    play = smoke(fleet, hosts="web1:web2", tls_smoke_test_client_certificate=(
        "{{ '/root/nosuch.pem' if inventory_hostname == 'web1' else '' }}"))
    assert "the client certificate /root/nosuch.pem can't be used" in failure(play, "web1")[0]
    assert "nobody has asked it, so nothing is proven; see why the others failed above" in failure(play, "web2")[0]
    play = smoke(fleet, hosts="web1:web2:web3", tls_smoke_test_name=(
        "{{ 'a b' if inventory_hostname == 'web1' else inventory_hostname }}"))
    assert "are no names that can be connected to" in failure(play, "web1")[0]
    assert not failure(play, "web2") and not failure(play, "web3")


def test_a_second_use_begins_anew(fleet):
    """What the first use has found is not told by the second, in which the one host can't even begin."""
    role = {"ansible.builtin.include_role": {"name": "fleetpki.host_trust.tls_smoke_test"}}
    given = {"tls_smoke_test_certificate": "/root/{{ inventory_hostname }}.crt", "tls_smoke_test_controller": False,
             "tls_smoke_test_privatekey": "/root/{{ inventory_hostname }}.key"}
    unable = {**given, "tls_smoke_test_require": "{{ ['java'] if inventory_hostname == 'web1' else ['installed'] }}"}
    tell = {"ansible.builtin.debug": {"msg": "{{ tls_smoke_test_answers }}"}}
    play = plays.run(fleet.inventory, [{**role, "vars": given}, {"block": [{**role, "vars": unable}], "rescue": [
        {"ansible.builtin.meta": "noop"}]}, tell], hosts="web1:web2:web3", ignore_errors=False)
    assert asked(play, "web2") == {"web2": ["web3"], "web3": ["web2"]}


def test_required_clients(fleet):
    for clients, why in (["curl"], "among 'clients'"), ([], "installed on this host"):
        play = smoke(fleet, hosts="web1:web2", tls_smoke_test_clients=clients, tls_smoke_test_require=["java"])
        for name in ("web1", "web2"):
            assert failure(play, name)[0] == "the client java is required and not " + why


def test_the_port_and_the_user_of_the_server(fleet):
    """It listens where it is told to, as who it is told to be."""
    script = (b"#!/bin/sh\nps axww -o user:20,args | grep '[s]tart.--certificate' > /root/running\n"
              b'exec curl.real "$@"\n')
    real = fleet["web1"].run("sh", "-c", "command -v curl").stdout.strip()
    fleet["web1"].run("ln", "-s", real, "/usr/local/bin/curl.real")
    fleet["web1"].write("/usr/local/bin/curl", script, 0o755)
    try:
        play = smoke(fleet, hosts="web1", tls_smoke_test_port=8444, tls_smoke_test_user="www-data",
                     tls_smoke_test_clients=["curl"])
    finally:
        fleet["web1"].run("rm", "/usr/local/bin/curl", "/usr/local/bin/curl.real")
    assert not failure(play, "web1") and play.of("web1")[-1]["msg"]["web1"][0]["port"] == 8444
    assert {line.split()[0] for line in fleet["web1"].read("/root/running").decode().splitlines()} >= {"www-data"}


def test_mutual_tls(fleet):
    own = "/root/{{ inventory_hostname }}.pem"
    play = smoke(fleet, hosts="web1:web4", tls_smoke_test_client_ca="/root/root.crt",
                 tls_smoke_test_client_certificate=own)
    assert not failure(play, "web1") and not failure(play, "web4")
    apart = smoke(fleet, hosts="web1:web4", tls_smoke_test_client_ca="/root/root.crt",
                  tls_smoke_test_client_certificate="/root/{{ inventory_hostname }}.crt",
                  tls_smoke_test_client_key="/root/{{ inventory_hostname }}.key")
    assert not failure(apart, "web1") and not failure(apart, "web4")
    without = smoke(fleet, hosts="web1:web4", tls_smoke_test_client_ca="/root/root.crt")
    assert "curl refuses it" in failure(without, "web1")[0]


def test_encrypted_keys_tell_no_secret(fleet):
    pair = pki.server("web2", ROOT)
    fleet["web2"].write("/root/secret.crt", pair.pem.encode())
    fleet["web2"].write("/root/secret.key", pair.key_pem("correct horse battery").encode(), 0o600)
    paths = {"tls_smoke_test_certificate": "/root/secret.crt", "tls_smoke_test_privatekey": "/root/secret.key"}
    good = smoke(fleet, "-vvv", hosts="web2", tls_smoke_test_privatekey_passphrase="correct horse battery", **paths)
    assert not failure(good, "web2") and asked(good) == {"web2": ["web2"]}
    wrong = smoke(fleet, "-vvv", hosts="web2", tls_smoke_test_privatekey_passphrase="battery staple", **paths)
    assert "an encrypted key needs its passphrase" in failure(wrong, "web2")[0]
    # The play itself shows what was written into it; the output of the tasks does not.
    assert all("horse" not in str(result) and "staple" not in str(result)
               for play in (good, wrong) for result in play.of("web2"))


def test_what_host_certificate_has_made_is_found(fleet):
    """Without variables of its own: other places, a name that the certificate is not for, a passphrase, a wildcard."""
    made = {"host_certificate_source": "selfsigned", "host_certificate_certificates": [
        {"name": "shop", "subject_alt_name": ["DNS:{{ inventory_hostname }}"], "path": "/srv/shop/shop.crt",
         "privatekey_path": "/srv/shop/shop.key", "privatekey_passphrase": "sesame, open"}]}
    given = {"host_certificate_certificates": [
        {"name": "*.example.com", "subject_alt_name": ["DNS:*.example.com", "DNS:web3"],
         "fullchain_path": "/root/web3.crt"}]}
    fleet["web3"].run("cp", "/root/web3.key", "/etc/pki/tls/private/wildcard.example.com.key")
    role = "fleetpki.host_trust.{}".format
    alone = {"tls_smoke_test_controller": False}
    tasks = [
        {"ansible.builtin.file": {"path": "/srv/shop", "state": "directory", "mode": "0755"}},
        {"ansible.builtin.include_role": {"name": role("host_certificate")}, "vars": made},
        {"fleetpki.host_trust.ca_trust_anchor": {"anchors": [{"path": "/srv/shop/shop.crt"}], "allow_non_ca": True}},
        {"ansible.builtin.include_role": {"name": role("tls_smoke_test")}, "vars": made | alone}]
    for host, play in (("web4", plays.run(fleet.inventory, tasks, hosts="web4")),
                       ("web3", plays.run(fleet.inventory, [{**tasks[-1], "vars": given | alone}], hosts="web3"))):
        assert not failure(play, host) and "nothing is proven" not in play.output, failure(play, host)
        assert "sesame" not in play.output


def test_the_controller_is_told_which_trust_it_judges_by(fleet, tmp_path):
    (tmp_path / "root.crt").write_text(ROOT.pem)
    connection = {"tls_smoke_test_controller": True, "tls_smoke_test_clients": ["curl"], "tls_smoke_test_address": (
        fleet["web1"].run("hostname", "-i").stdout.split()[0])}
    good = smoke(fleet, hosts="web1", tls_smoke_test_controller_trust=str(tmp_path / "root.crt"), **connection)
    assert not failure(good, "web1")
    assert asked(good) == {"web1": ["web1"], "the controller": ["web1"]}
    # What the controller can't even begin must not keep the hosts' servers running.
    missing = smoke(fleet, hosts="web1:web2", tls_smoke_test_controller_trust="/nosuch", **{
        **connection, "tls_smoke_test_address": "{{ inventory_hostname }}"})
    for name in ("web1", "web2"):
        assert "the controller could not ask: the trust in /nosuch can't be used" in failure(missing, name)[0]
    refused = smoke(fleet, hosts="web1", **connection)
    said, = failure(refused, "web1")
    assert "the controller: it refuses all that it has asked (web1)" in said and "curl refuses it: curl: (60)" in said
    assert said.endswith("The controller judges by its own trust store: see tls_smoke_test_controller_trust, or "
                         "tls_smoke_test_controller to leave it out.")


def test_a_play_that_is_killed_leaves_nothing_for_long(fleet, tmp_path):
    """ansible-playbook is killed while the clients ask; the servers end by themselves."""
    book = [{"hosts": "web2:web3", "gather_facts": False, "tasks": [{
        "ansible.builtin.include_role": {"name": "fleetpki.host_trust.tls_smoke_test"}, "vars": {
            "tls_smoke_test_certificate": "/root/{{ inventory_hostname }}.crt", "tls_smoke_test_server_lifetime": 6,
            "tls_smoke_test_privatekey": "/root/{{ inventory_hostname }}.key", "tls_smoke_test_controller": False,
            # Nobody answers there, so it takes long.
            "tls_smoke_test_address": "192.0.2.1", "tls_smoke_test_timeout": 60}}]}]
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump(book))
    process = subprocess.Popen([sys.executable, "-m", "ansible", "playbook", "-i", str(fleet.inventory), str(path)],
                               env=plays.ansible_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: count(fleet, "web2") == count(fleet, "web3") == 1)
    finally:
        # Its workers have sessions of their own, and wait for ever to tell somebody who is gone.
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for worker in map(int, workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
    wait_for(lambda: count(fleet, "web2") == count(fleet, "web3") == 0)


def count(fleet, name):
    return int(fleet[name].run("sh", "-c", RUNNING, check=False).stdout)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_check_mode_starts_nothing(fleet):
    task = {"ansible.builtin.include_role": {"name": "fleetpki.host_trust.tls_smoke_test"}}
    play = plays.run(fleet.inventory, [task], "--check", hosts="web1:web2")
    assert play.code == 0 and all(not result.get("failed") for name in ("web1", "web2") for result in play.of(name))
