# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rotate_ca.yml where molecule/rotation does not go: what each phase refuses, --check, site.yml in the midst.

The fleet is rotated once, test by test, in the order of this file; each looks at the next barrier.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import documented
import pki
import plays
import podman
import pytest
import yaml

PLATFORMS = {"web1": "el9", "web2": "debian12", "web3": "el8"}
PLACES = {"web1": "/etc/pki/tls", "web2": "/etc/ssl", "web3": "/etc/pki/tls"}
SERVER = """
import os, ssl, socket, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
listener = socket.create_server(("", 8443))
if os.fork():
    sys.exit()
os.setsid()
for number in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), number)
open("/root/server.pid", "w").write(str(os.getpid()))
def serve(connection):
    try:
        context.wrap_socket(connection, server_side=True).recv(1)
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
# Another service, which is not reloaded: the role knows nothing of it.
SERVICE = b"#!/bin/sh\ncase $1 in status) echo running;; *) echo $1 >> /root/reloads;; esac\n"


def variables_of(example, folder):
    """Of an example, with folders of this machine below the test's own."""
    return yaml.safe_load(example.replace("/srv/", f"{folder}/"))


@contextmanager
def with_an_old_ca(platforms, folder, **variables):
    """Hosts that site.yml has given an old CA's certificates."""
    text = documented.example("roles/ca_rotation/README.md", "private_ca_dir: /srv/pki         # the old CA, as before")
    with podman.fleet(platforms) as started:
        inventory = json.loads(started.inventory.read_text())
        inventory["all"]["vars"].update(
            host_trust_become=False, private_ca_passphrase="sesame of the test", private_ca_name="Corp",
            tls_smoke_test_controller=False, **variables_of(text, folder) | variables)
        started.inventory.write_text(json.dumps(inventory))
        for host in started.values():
            host.write("/etc/init.d/nginx", SERVICE, 0o755)
        assert site(started).code == 0
        for host in started.values():
            host.run("rm", "/root/reloads")  # of the first certificates: what a rotation reloads is counted
        yield started


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("srv")
    before = documented.example("docs/rotation.md", "private_ca_dir: /srv/pki         # as before")
    with with_an_old_ca(PLATFORMS, folder, **variables_of(before, folder)) as started:
        yield started


@pytest.fixture(scope="module")
def folder(fleet):
    """Where both CAs are."""
    return Path(json.loads(fleet.inventory.read_text())["all"]["vars"]["private_ca_dir"]).parent


def site(fleet, **variables):
    return plays.playbook(fleet.inventory, "fleetpki.host_trust.site", variables=variables)


def rotate(fleet, *phases, check=False, args=(), **variables):
    if phases:
        variables["ca_rotation_phases"] = list(phases)
    return plays.playbook(fleet.inventory, "fleetpki.host_trust.rotate_ca", *args, *(["--check"] if check else []),
                          variables=variables)


@contextmanager
def inventory(fleet, **variables):
    """Other variables of all hosts, for a while."""
    kept = fleet.inventory.read_text()
    other = json.loads(kept)
    other["all"]["vars"].update(variables)
    fleet.inventory.write_text(json.dumps(other))
    try:
        yield
    finally:
        fleet.inventory.write_text(kept)


def went(done):
    """Whether a run went well; else what failed, to be shown."""
    assert done.code == 0, [(host, one["task"], one.get("msg")) for host, results in done.results.items()
                            for one in results if one.get("failed")]
    return True


def refused(done):
    """The sentence that a run ended with."""
    assert done.code != 0
    return next(one["msg"] for results in done.results.values() for one in results if one.get("failed"))


def said(done, begin):
    """What --check says of a phase: the list that begins so."""
    found = [one["msg"] for results in done.results.values() for one in results
             if isinstance(one.get("msg"), list) and one["msg"] and one["msg"][0].startswith(begin)]
    return found[0]


def changed(done):
    return sorted({host for host, results in done.results.items() if any(one.get("changed") for one in results)})


def trusted(host):
    """The subjects of what a host trusts that this test is about."""
    bundle = ("/etc/ssl/certs/ca-certificates.crt" if host.platform.family == "debian"
              else "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")
    script = 'openssl crl2pkcs7 -nocrl -certfile "$1" | openssl pkcs7 -print_certs -noout'
    printed = host.run("sh", "-c", script, "sh", bundle).stdout
    return sorted(set(re.findall("^subject=.*CN ?= ?(Corp .*)", printed, re.MULTILINE)))


def issuer(host):
    name = host.name
    printed = host.run("openssl", "x509", "-noout", "-issuer", "-in", f"{PLACES[name]}/certs/{name}.crt").stdout
    return printed.partition("CN")[2].strip(" =\n")


def everywhere(fleet, look):
    return {json.dumps(look(host)) for host in fleet.values()}


OLD, NEW = ["Corp Issuing CA", "Corp Root CA"], ["Corp 2027 Issuing CA", "Corp 2027 Root CA"]


def variables_that_can_not_be_meant(fleet, folder):
    for sentence, variables in [
        ("ca_rotation_dir is to be the folder of the new CA, as an absolute path, and is srv/pki-2027.",
         {"ca_rotation_dir": "srv/pki-2027"}),
        (f"private_ca_dir and ca_rotation_dir are the same folder, {folder}/pki.",
         {"ca_rotation_dir": f"{folder}/pki"}),
        ("private_ca_dir, ca_trust_anchors or ca_trust_purge is given with -e", {"ca_trust_purge": "all"}),
        ("ca_rotation_without has web9, which the inventory does not have", {"ca_rotation_without": ["web9"]}),
    ]:
        assert sentence in refused(rotate(fleet, **variables))
    assert not (folder / "pki-2027").exists()


def check_mode_with_nothing_there_yet(fleet, folder):
    done = rotate(fleet, check=True)
    assert went(done) and not (folder / "pki-2027").exists()
    for phase, begin in (("distribute", "Would have hosts trust the CA that prepare makes, besides the old CA: "),
                         ("reissue", "Would replace certificates that CN=Corp Root CA and CN=Corp Issuing CA"),
                         ("withdraw", "Would end the trust in CN=Corp Root CA and CN=Corp Issuing CA: ")):
        sentences = said(done, begin)
        assert all(name in sentences[0] for name in fleet), phase
        assert sentences[1:] == ["It could not begin now:",
                                 f"there is no CA in {folder}/pki-2027 yet: that is the phase prepare"]
    assert everywhere(fleet, trusted) == {json.dumps(OLD)}


def a_phase_alone_before_the_ca_is_made(fleet, folder):
    assert f"There is no CA in {folder}/pki-2027 on localhost" in refused(rotate(fleet, "distribute"))


def prepare_and_site_in_the_midst(fleet, folder):
    """The new CA is there, and may not be used yet; with the old one all goes on."""
    assert went(rotate(fleet, "prepare"))
    assert changed(site(fleet)) == []
    for playbook in ("site", "issue_certificates"):
        with inventory(fleet, private_ca_dir=f"{folder}/pki-2027"):
            done = plays.playbook(fleet.inventory, f"fleetpki.host_trust.{playbook}")
        assert f"The CA in {folder}/pki-2027 is to take the place of the one in {folder}/pki" in refused(done)
    assert changed(rotate(fleet, "prepare")) == []


def hosts_that_are_left_out_by_limit(fleet):
    sentence = refused(rotate(fleet, "distribute", args=["--limit", "web1:web2"]))
    assert "The phase distribute does not begin:\nweb3: it is left out of this run (by --limit?)\n" in sentence
    assert sentence.endswith('ca_rotation_without: ["web3"]')
    assert everywhere(fleet, trusted) == {json.dumps(OLD)}


def a_host_that_can_not_be_reached(fleet):
    """It is named, and nobody is touched; on purpose, the others go on."""
    kept = fleet.inventory.read_text()
    port = json.loads(kept)["all"]["children"]["debian"]["hosts"]["web2"]["ansible_port"]
    fleet.inventory.write_text(kept.replace(port, "1"))
    try:
        sentence = printed(fleet, "distribute")
        assert "The phase distribute does not begin:\nweb2: it can not be reached\n" in sentence
        assert "web1:" not in sentence and everywhere(fleet, trusted) == {json.dumps(OLD)}
        assert went(rotate(fleet, "distribute", ca_rotation_without=["web2"]))
    finally:
        fleet.inventory.write_text(kept)
    assert trusted(fleet["web1"]) == sorted(NEW + OLD) and trusted(fleet["web2"]) == OLD


def printed(fleet, *phases):
    """What a run prints that fails; to plays.playbook, a host that can't be reached is no result."""
    done = subprocess.run(
        ["ansible-playbook", "-i", str(fleet.inventory), "fleetpki.host_trust.rotate_ca", "-e",
         json.dumps({"ca_rotation_phases": list(phases)})], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**plays.ansible_environment(), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"})
    assert done.returncode != 0
    return done.stdout.replace("\\n", "\n")


def reissue_waits_for_distribute_on_every_host(fleet):
    sentence = refused(rotate(fleet, "reissue"))
    assert "The phase reissue does not begin:\nweb2: the phase distribute is incomplete: " in sentence
    assert "web1:" not in sentence and everywhere(fleet, issuer) == {'"Corp Issuing CA"'}
    a_playbook_of_ones_own(fleet)
    assert everywhere(fleet, trusted) == {json.dumps(sorted(NEW + OLD))}
    assert changed(rotate(fleet, "distribute")) == []


def a_playbook_of_ones_own(fleet):
    """It distributes in two plays: one part looks at all hosts, the other acts on each; neither does both."""
    book = [{"hosts": "all", "gather_facts": False, "any_errors_fatal": True, "roles": [{
        "role": "fleetpki.host_trust.ca_rotation", "ca_rotation_phase": "distribute", "ca_rotation_parts": [part]}]}
        for part in ("barrier", "work")]
    book[1]["serial"] = 1
    path = fleet.inventory.with_name("own.yml")
    path.write_text(yaml.safe_dump(book))
    done = plays.playbook(fleet.inventory, str(path))
    assert went(done)
    expected = ["Look whether hosts trust what they are to trust by now", "What the new CA issues is accepted here"]
    for results in done.results.values():
        tasks = [one["task"].rpartition(" : ")[2] for one in results]
        assert [task for task in tasks if task in expected] == expected, tasks


def withdraw_waits_for_reissue(fleet):
    done = rotate(fleet, "reissue", "withdraw", check=True)
    assert went(done) and everywhere(fleet, issuer) == {'"Corp Issuing CA"'}
    assert said(done, "Would replace certificates")[1:] == []
    assert re.search(r"web1: /etc/pki/tls/certs/web1\.crt \(CN=web1, SHA-256 [0-9a-f]{16}\.{3}\) was issued by CN=Corp "
                     "Issuing CA", str(said(done, "Would end")))
    sentence = refused(rotate(fleet, "withdraw"))
    assert "web2: /etc/ssl/certs/web2.crt (CN=web2, SHA-256 " in sentence


def a_batch_that_others_refuse_is_the_last(fleet):
    """Who asks has its own certificate later, and so has the host that nobody has touched yet."""
    fleet["web2"].write("/usr/local/bin/curl", b"#!/bin/sh\necho 'curl: (60) not today' >&2; exit 60\n", 0o755)
    done = rotate(fleet, "reissue", ca_rotation_serial=[1])
    fleet["web2"].run("rm", "/usr/local/bin/curl")
    sentence = refused(done)
    begin = "The smoke test of web1 fails:\nweb2: it refuses all that it has asked (web1), and others accept those"
    assert sentence.startswith(begin), sentence
    assert sentence.endswith("curl refuses it: curl: (60) not today"), sentence
    assert {name: issuer(host) for name, host in fleet.items()} == {
        "web1": "Corp 2027 Issuing CA", "web2": "Corp Issuing CA", "web3": "Corp Issuing CA"}


def a_service_that_was_not_reloaded_keeps_the_old_ca(fleet):
    """It began with the old certificate and goes on with that, whatever the file says."""
    fleet["web2"].write("/root/server.py", SERVER.encode())
    fleet["web2"].run("python3", "/root/server.py", "/etc/ssl/certs/web2-fullchain.pem", "/etc/ssl/private/web2.key")
    done = rotate(fleet, "reissue")
    assert went(done) and everywhere(fleet, issuer) == {'"Corp 2027 Issuing CA"'}
    sentences = said(done, "port 8443")
    assert sentences[0].startswith("port 8443 (python3) shows CN=web2 (SHA-256 ")
    assert "Reload or restart it before the phase withdraw." in sentences[1]
    # Of web1 that was in the run before, which has ended after it.
    reloads = {name: host.run("sh", "-c", "cat /root/reloads; rm /root/reloads").stdout.split()
               for name, host in fleet.items()}
    assert reloads == {"web1": ["reload"], "web2": ["reload", "reload"], "web3": ["reload"]}
    sentence = refused(rotate(fleet, "withdraw"))
    assert "web2: port 8443 (python3) shows CN=web2 (SHA-256 " in sentence and "web1:" not in sentence
    assert everywhere(fleet, trusted) == {json.dumps(sorted(NEW + OLD))}
    fleet["web2"].run("sh", "-c", "kill $(cat /root/server.pid)")


def site_does_not_go_back_to_the_old_ca(fleet, folder):
    sentence = f"The CA in {folder}/pki was replaced by the one in {folder}/pki-2027"
    assert sentence in refused(site(fleet))
    assert sentence in refused(plays.playbook(fleet.inventory, "fleetpki.host_trust.issue_certificates"))
    assert everywhere(fleet, issuer) == {'"Corp 2027 Issuing CA"'}


def an_anchor_that_the_inventory_would_bring_back(fleet, folder):
    listed = [{"src": f"{folder}/pki/root/root.crt"}]
    with inventory(fleet, ca_trust_anchors=listed):
        sentence = refused(rotate(fleet, "withdraw"))
    assert "web1: CN=Corp Root CA is still among ca_trust_anchors in the inventory, and would come back" in sentence


def distrust_waits_for_withdraw(fleet):
    sentence = refused(rotate(fleet, "distrust", ca_rotation_distrust=True))
    assert "web3: the phase withdraw is incomplete, for it still trusts CN=Corp Root CA" in sentence


def keys_that_both_have(fleet, folder, tmp_path):
    """A root that was made anew with the old key: to distrust the one would be to distrust the other."""
    old = pki.root("Corp Root CA")
    issuing = pki.issue("Corp Issuing CA", old, ca=True, path_length=0)
    renewed = pki.root("Corp Root CA 2", key=old.key)
    for name, root in (("a", old), ("b", renewed)):
        for kind, pair in (("root", root), ("issuing", issuing if name == "a" else pki.issue("I", root, ca=True))):
            (tmp_path / name / kind).mkdir(parents=True)
            (tmp_path / name / kind / f"{kind}.crt").write_text(pair.pem)
    for phase in ("distribute", "distrust"):
        sentence = refused(rotate(fleet, phase, ca_rotation_from=str(tmp_path / "a"), ca_rotation_distrust=True,
                                  ca_rotation_dir=str(tmp_path / "b")))
        assert "shares a key with the one in" in sentence and "CN=Corp Root CA 2 (SHA-256 " in sentence


def withdrawn_and_distrusted(fleet, folder):
    """Where that is wanted; and a whole rotation once more finds nothing to do."""
    inventory = json.loads(fleet.inventory.read_text())
    inventory["all"]["children"]["redhat"].setdefault("vars", {})["ca_rotation_distrust"] = True
    fleet.inventory.write_text(json.dumps(inventory))
    done = rotate(fleet, "withdraw", "distrust")
    assert went(done) and everywhere(fleet, trusted) == {json.dumps(NEW)}
    script = "ls /etc/pki/ca-trust/source/blocklist /etc/pki/ca-trust/source/blacklist | grep -ci corp"
    blocked = {name: host.run("sh", "-c", script, check=False).stdout.strip() for name, host in fleet.items()}
    assert blocked == {"web1": "2", "web2": "0", "web3": "2"}
    again = rotate(fleet)
    assert went(again) and changed(again) == []


def the_inventory_goes_on_with_the_new_ca(fleet, folder):
    then = variables_of(documented.example("docs/rotation.md", "private_ca_dir: /srv/pki-2027"), folder)
    with inventory(fleet, **then):
        assert changed(site(fleet)) == changed(rotate(fleet, "withdraw")) == []
    del then["ca_rotation_from"]
    with inventory(fleet, **then):
        assert changed(site(fleet)) == [] and "are the same folder" in refused(rotate(fleet))


# One test, for each builds on those before: workers that share tests out must not tear them apart.
STEPS = [
    variables_that_can_not_be_meant,
    check_mode_with_nothing_there_yet,
    a_phase_alone_before_the_ca_is_made,
    prepare_and_site_in_the_midst,
    hosts_that_are_left_out_by_limit,
    a_host_that_can_not_be_reached,
    reissue_waits_for_distribute_on_every_host,
    withdraw_waits_for_reissue,
    a_batch_that_others_refuse_is_the_last,
    a_service_that_was_not_reloaded_keeps_the_old_ca,
    site_does_not_go_back_to_the_old_ca,
    an_anchor_that_the_inventory_would_bring_back,
    distrust_waits_for_withdraw,
    keys_that_both_have,
    withdrawn_and_distrusted,
    the_inventory_goes_on_with_the_new_ca,
]


def test_a_rotation_with_all_that_keeps_it_from_going_on(fleet, folder, tmp_path):
    given = {"fleet": fleet, "folder": folder, "tmp_path": tmp_path}
    for step in STEPS:
        print(step.__name__)
        step(**{name: given[name] for name in inspect.signature(step).parameters})


def test_only_the_issuing_ca_is_new(tmp_path):
    """The root stays; certificates in other places and at other ports count, too, until they are left out by name."""
    with with_an_old_ca({"web1": "el9", "web2": "debian12"}, tmp_path, ca_rotation_of="issuing") as fleet:
        host, (own, key) = fleet["web2"], ("/etc/ssl/certs/web2.crt", "/etc/ssl/private/web2.key")
        host.run("sh", "-c", f"mkdir /srv/app; cp {key} /srv/app.key; cp {own} /srv/single.crt")
        host.run("cp", own, "/srv/app/app.crt")
        host.write("/root/server.py", SERVER.encode())
        host.run("python3", "/root/server.py", "/srv/app/app.crt", "/srv/app.key")
        everything = {"ca_rotation_passphrase": "another sesame", "ca_rotation_paths": ["/srv/single.crt"],
                      "ca_rotation_folders": ["/etc/pki/tls/certs", "/etc/ssl/certs", "/srv/app"]}
        assert went(rotate(fleet, "prepare", "distribute", "reissue", **everything))
        assert everywhere(fleet, issuer) == {'"Corp 2027 Issuing CA"'}
        slip = {"ca_rotation_paths": ["/srv/single.crt", "/srv/nosuch.crt"]}
        in_use = refused(rotate(fleet, "withdraw", **everything | slip))
        for place in ("/srv/app/app.crt (CN=web2,", "/srv/single.crt (CN=web2,", "port 8443 (python3) shows CN=web2"):
            assert f"web2: {place}" in in_use, in_use
        assert "\n/srv/nosuch.crt is named in ca_rotation_paths, and no host has it\n" in in_use
        assert "/srv/single.crt is named" not in in_use and in_use.endswith('in ca_rotation_without: ["web2"]'), in_use
        everything |= {"ca_rotation_ignore_paths": ["/srv/app/app.crt", "/srv/single.crt"],
                       "ca_rotation_ignore_ports": [8443]}
        assert went(rotate(fleet, "withdraw", **everything))
        assert everywhere(fleet, trusted) == {json.dumps(["Corp 2027 Issuing CA", "Corp Root CA"])}
        assert (tmp_path / "pki-2027/root/root.crt").read_text() == (tmp_path / "pki/root/root.crt").read_text()
        assert b"ENCRYPTED" in (tmp_path / "pki-2027/issuing/issuing.key").read_bytes()


def test_an_image_is_judged_by_its_own_trust(tmp_path):
    """With ca_trust_root the new CA is distributed into the image, and the running system does not know it."""
    with with_an_old_ca({"web1": "el9"}, tmp_path) as fleet:
        fleet["web1"].run("sh", "-c", "mkdir -p /mnt/image/tmp /mnt/image/dev && : > /mnt/image/dev/null && "
                                      "cp -a /usr /etc /bin /sbin /lib* /mnt/image/ && mkdir /mnt/image/var")
        before = trusted(fleet["web1"])
        with inventory(fleet, ca_trust_root="/mnt/image"):
            assert went(rotate(fleet, "prepare", "distribute"))
        said = fleet["web1"].run("chroot", "/mnt/image", "trust", "list", "--filter=ca-anchors").stdout
        assert "Corp 2027 Issuing CA" in said and trusted(fleet["web1"]) == before


def test_a_ca_that_is_lost_is_replaced_with_what_hosts_have_of_it(tmp_path):
    """As docs/guides/own-ca.md says it; the files that hosts have are named there, too."""
    with with_an_old_ca({"web1": "el9"}, tmp_path) as fleet:
        shutil.rmtree(tmp_path / "pki")
        assert "put these two files back from a host" in refused(rotate(fleet))
        for name, path in (("root/root.crt", "/etc/pki/ca-trust/source/anchors/Corp-Root-CA-????????????????.pem"),
                           ("issuing/issuing.crt", "/etc/pki/tls/certs/web1-chain.pem")):
            (tmp_path / "pki" / name).parent.mkdir(parents=True)
            (tmp_path / "pki" / name).write_text(fleet["web1"].run("sh", "-c", f"cat {path}").stdout)
        assert went(rotate(fleet))
        assert trusted(fleet["web1"]) == NEW and issuer(fleet["web1"]) == "Corp 2027 Issuing CA"
