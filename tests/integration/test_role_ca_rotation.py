# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rotate_ca.yml where molecule/rotation does not go: what each phase refuses, --check, site.yml in the midst.

The fleet is rotated once, test by test, in the order of this file; each looks at the next preflight.
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
from cryptography.hazmat.primitives import serialization

pytestmark = pytest.mark.rotation

PLATFORMS = {"web1": "el9", "web2": "debian12", "web3": "el8"}
PLACES = {"web1": "/etc/pki/tls", "web2": "/etc/ssl", "web3": "/etc/pki/tls"}
URL = "http://pki.example.com/{}.crl".format
SERVER = """
import os, ssl, socket, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
if sys.argv[3:]:  # the only name that it answers
    context.sni_callback = lambda _connection, name, _context: (
        None if name == sys.argv[3] else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
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
def with_an_old_ca(platforms, folder, own=None, **variables):
    """Hosts that site.yml has given an old CA's certificates. own: {host: variables of it alone}."""
    text = documented.example("roles/ca_rotation/README.md", "private_ca_dir: /srv/pki         # the old CA, as before")
    with podman.fleet(platforms) as started:
        inventory = json.loads(started.inventory.read_text())
        inventory["all"]["vars"].update(
            host_trust_become=False, private_ca_passphrase="sesame of the test", private_ca_name="Corp",
            tls_smoke_test_controller=False, **variables_of(text, folder) | variables)
        for group in inventory["all"]["children"].values():
            for name, one in group["hosts"].items():
                one.update((own or {}).get(name, {}))
        started.inventory.write_text(json.dumps(inventory))
        for host in started.values():
            host.write("/etc/init.d/nginx", SERVICE, 0o755)
        assert went(site(started))
        for host in started.values():
            host.run("rm", "-f", "/root/reloads")  # of the first certificates: what a rotation reloads is counted
        yield started


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("srv")
    before = documented.example("docs/rotation.md", "private_ca_dir: /srv/pki         # as before")
    with with_an_old_ca(PLATFORMS, folder, **variables_of(before, folder), ca_trust_purge="managed",
                        private_ca_crl_url=URL("old"), private_ca_root_crl_url=URL("root"),
                        private_ca_ca_issuers_url=URL("old"), ca_rotation_crl_url=URL("new"),
                        ca_rotation_root_crl_url=URL("new-root"), ca_rotation_ca_issuers_url=URL("new")) as started:
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


def reported(fleet, folder):
    """What a report finds of anchors."""
    found = plays.findings(fleet.inventory, folder / "report", trust_report_certificates=[])
    return [kind for kind in found if kind.startswith(("anchor", "wanted"))]


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
        ("ca_rotation_new_dir is to be the folder of the new CA, as an absolute path, and is srv/pki-2027.",
         {"ca_rotation_new_dir": "srv/pki-2027"}),
        (f"private_ca_dir and ca_rotation_new_dir are the same folder, {folder}/pki.",
         {"ca_rotation_new_dir": f"{folder}/pki"}),
        ("private_ca_*_url, ca_trust_anchors or ca_trust_purge is given with -e", {"ca_trust_purge": "all"}),
        ("private_ca_*_url, ca_trust_anchors or ca_trust_purge is given with -e", {"private_ca_crl_url": URL("old")}),
        ("ca_rotation_exclude_hosts has web9, which the inventory does not have",
         {"ca_rotation_exclude_hosts": ["web9"]}),
        ("ca_rotation_expected_hosts is 4, and there are 3 hosts: this is not the whole fleet",
         {"ca_rotation_expected_hosts": 4}),
        ("private_ca_crl_url would be in the certificates of both CAs", {"ca_rotation_crl_url": URL("old")}),
        ("private_ca_root_crl_url would be in", {"ca_rotation_root_crl_url": URL("root")}),
        ("private_ca_ca_issuers_url would be in", {"ca_rotation_ca_issuers_url": URL("old")}),
    ]:
        assert sentence in refused(rotate(fleet, **variables))
    assert not (folder / "pki-2027").exists()
    with inventory(fleet, host_trust_hosts="web1"):
        sentence = refused(rotate(fleet, "distribute"))
    assert 'host_trust_hosts is "web1", which leaves out web2, web3 of this play' in sentence
    assert not (folder / "pki-2027").exists()


def check_mode_with_nothing_there_yet(fleet, folder):
    done = rotate(fleet, check=True)
    assert went(done) and not (folder / "pki-2027").exists()
    assert said(done, "Would make") == [f"Would make a root and an issuing CA in {folder}/pki-2027"]
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
    assert sentence.endswith('ca_rotation_exclude_hosts: ["web3"]')
    assert everywhere(fleet, trusted) == {json.dumps(OLD)}


def an_old_ca_that_the_inventory_would_take_away_at_once(fleet, folder):
    for element in ({"src": f"{folder}/pki/root/root.crt", "state": "distrusted"},
                    {"src": f"{folder}/pki/issuing/issuing.crt", "state": "absent"}):
        with inventory(fleet, ca_trust_anchors=[element]):
            sentence = refused(rotate(fleet, "distribute"))
        assert "incomplete" not in sentence
        assert re.search("web1: CN=Corp .* CA is absent or distrusted by ca_trust_anchors in the inventory", sentence)
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
        assert went(rotate(fleet, "distribute", ca_rotation_exclude_hosts=["web2"]))
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
        "role": "fleetpki.host_trust.ca_rotation", "ca_rotation_phase": "distribute", "ca_rotation_steps": [part]}]}
        for part in ("preflight", "work")]
    book[1]["serial"] = 1
    path = fleet.inventory.with_name("own.yml")
    path.write_text(yaml.safe_dump(book))
    done = plays.playbook(fleet.inventory, str(path))
    assert went(done)
    expected = ["Look whether hosts trust what they are to trust by now", "What the new CA issues is accepted here"]
    for results in done.results.values():
        tasks = [one["task"].rpartition(" : ")[2] for one in results if not one.get("skipped")]
        assert [task for task in tasks if task in expected] == expected, tasks


def site_takes_the_new_ca_from_nobody(fleet, folder):
    """A purge takes what is not listed, and the old CA's folder lists the new one by now."""
    assert changed(site(fleet)) == [] and everywhere(fleet, trusted) == {json.dumps(sorted(NEW + OLD))}
    assert reported(fleet, folder) == []


def a_third_ca_that_is_still_trusted(fleet, folder):
    """The old CA has replaced another one, and that rotation has not come to its end; site.yml would purge that."""
    besides = folder / "pki/trusted_besides.pem"
    kept = besides.read_text()
    besides.write_text(pki.root("Corp 2020 Root CA", days=(-900, -1)).pem)
    try:
        sentence = refused(rotate(fleet, "distribute"))
        assert f"hosts trust another CA besides the one in {folder}/pki, whose certificates are in" in sentence
        assert changed(site(fleet, ca_trust_min_remaining="30d")) == [*fleet], "though it has ended"
    finally:
        besides.write_text(kept)
    assert changed(site(fleet)) == [*fleet] and everywhere(fleet, trusted) == {json.dumps(sorted(NEW + OLD))}


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


def site_takes_the_old_ca_from_nobody_either(fleet, folder):
    """With the new CA in the inventory, as the guide has it by now; whoever has an old certificate is not refused."""
    then = variables_of(documented.example("docs/rotation.md", "private_ca_dir: /srv/pki-2027"), folder)
    with inventory(fleet, **then, private_ca_crl_url=URL("new"), private_ca_root_crl_url=URL("new-root"),
                   private_ca_ca_issuers_url=URL("new")):
        assert changed(site(fleet)) == [] and reported(fleet, folder) == []
    assert reported(fleet, folder) == [], "with the old one, which says by whom it was replaced"
    assert everywhere(fleet, trusted) == {json.dumps(sorted(NEW + OLD))}
    assert everywhere(fleet, addresses) == {json.dumps([f"URI:{URL('new')}"] * 2)}
    issuing = (folder / "pki-2027/issuing/issuing.crt").read_text()
    assert addresses(fleet["web1"], issuing) == [f"URI:{URL('new-root')}"]


def addresses(host, certificate=None):
    """What a certificate names, by default the host's own."""
    certificate = certificate or host.read(f"{PLACES[host.name]}/certs/{host.name}.crt").decode()
    return re.findall("URI:.*", host.run("openssl", "x509", "-noout", "-text", input=certificate).stdout)


def an_anchor_that_the_inventory_would_bring_back(fleet, folder):
    listed = [{"src": f"{folder}/pki/root/root.crt"}]
    with inventory(fleet, ca_trust_anchors=[{**listed[0], "state": "absent"}]):
        assert "It could not begin now:" not in said(rotate(fleet, "withdraw", check=True), "Would end the trust in")
    with inventory(fleet, ca_trust_anchors=[{**listed[0], "state": "distrusted"}]):
        assert "web1: CN=Corp Root CA is absent or distrusted by" in refused(rotate(fleet, "withdraw"))
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
        sentence = refused(rotate(fleet, phase, ca_rotation_old_dir=str(tmp_path / "a"), ca_rotation_distrust=True,
                                  ca_rotation_new_dir=str(tmp_path / "b")))
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
    assert sorted(path.name for one in ("pki", "pki-2027") for path in (folder / one).iterdir()) == [
        "issuing", "issuing", "replaced_by", "root", "root"]
    assert reported(fleet, folder) == []


def the_inventory_goes_on_with_the_new_ca(fleet, folder):
    then = variables_of(documented.example("docs/rotation.md", "private_ca_dir: /srv/pki-2027"), folder)
    then.update(private_ca_crl_url=URL("new"), private_ca_root_crl_url=URL("new-root"),
                private_ca_ca_issuers_url=URL("new"))
    with inventory(fleet, **then):
        assert changed(site(fleet)) == changed(rotate(fleet, "withdraw")) == []
    assert everywhere(fleet, trusted) == {json.dumps(NEW)}
    del then["ca_rotation_old_dir"]
    with inventory(fleet, **then):
        assert changed(site(fleet)) == [] and "are the same folder" in refused(rotate(fleet))


# One test, for each builds on those before: workers that share tests out must not tear them apart.
STEPS = [
    variables_that_can_not_be_meant,
    check_mode_with_nothing_there_yet,
    a_phase_alone_before_the_ca_is_made,
    prepare_and_site_in_the_midst,
    hosts_that_are_left_out_by_limit,
    an_old_ca_that_the_inventory_would_take_away_at_once,
    a_host_that_can_not_be_reached,
    reissue_waits_for_distribute_on_every_host,
    site_takes_the_new_ca_from_nobody,
    a_third_ca_that_is_still_trusted,
    withdraw_waits_for_reissue,
    a_batch_that_others_refuse_is_the_last,
    a_service_that_was_not_reloaded_keeps_the_old_ca,
    site_does_not_go_back_to_the_old_ca,
    site_takes_the_old_ca_from_nobody_either,
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
    with with_an_old_ca({"web1": "el9", "web2": "debian12"}, tmp_path, ca_rotation_scope="issuing") as fleet:
        host, own = fleet["web2"], "/etc/ssl/certs/web2.crt"
        host.run("sh", "-c", f"mkdir /srv/app; cp /etc/ssl/private/web2.key /srv/app.key; cp {own} /srv/single.crt")
        host.run("cp", own, "/srv/app/app.crt")
        host.write("/root/server.py", SERVER.encode())
        host.run("python3", "/root/server.py", "/srv/app/app.crt", "/srv/app.key", "web2")
        everything = {"ca_rotation_passphrase": "another sesame", "ca_rotation_paths": ["/srv/single.crt"],
                      "ca_rotation_directories": ["/etc/pki/tls/certs", "/etc/ssl/certs", "/srv/app"]}
        key, away = tmp_path / "pki/root/root.key", tmp_path / "root.key"
        key.rename(away)
        assert said(rotate(fleet, "prepare", check=True), "Would make") == [
            f"Would make an issuing CA in {tmp_path}/pki-2027, below the root in {tmp_path}/pki",
            "It could not begin now:",
            f"the root's key is neither in {tmp_path}/pki/root nor in {tmp_path}/pki-2027/root, and signs the new "
            "issuing CA: bring root.key there, and take it away afterwards"]
        away.rename(key)
        assert went(rotate(fleet, "prepare", "distribute", "reissue", **everything))
        assert everywhere(fleet, issuer) == {'"Corp 2027 Issuing CA"'}
        assert (tmp_path / "pki-2027/root/root.key").stat().st_mode & 0o777 == 0o600
        slip = {"ca_rotation_paths": ["/srv/single.crt", "/srv/nosuch.crt"]}
        in_use = refused(rotate(fleet, "withdraw", **everything | slip))
        for place in ("/srv/app/app.crt (CN=web2,", "/srv/single.crt (CN=web2,", "port 8443 (python3) shows CN=web2"):
            assert f"web2: {place}" in in_use, in_use
        assert "\n/srv/nosuch.crt is named in ca_rotation_paths, and no host has it\n" in in_use
        assert "/srv/single.crt is named" not in in_use
        assert in_use.endswith('in ca_rotation_exclude_hosts: ["web2"]'), in_use
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


def a_renewed_root(folder):
    """Another certificate for the name and the key of a root that the role private_ca has made."""
    key = serialization.load_pem_private_key((folder / "root.key").read_bytes(), b"sesame of the test")
    return pki.root("Corp Root CA", key=key)


def test_hosts_that_are_no_servers_and_the_controller_that_asks(tmp_path):
    """One has a client's certificate and a browser's database, one has none; the controller judges by the new root."""
    own = {"web2": {"host_certificate_purpose": "client", "host_certificate_services": [],
                    "ca_trust_nss_databases": ["/etc/pki/nssdb"]},
           "web3": {"host_certificate_source": "external", "host_certificate_external_dir": f"{tmp_path}/requests",
                    "host_certificate_certificates": []}}
    platforms = {"web1": "el9", "web2": "workstation", "web3": "debian13"}
    with with_an_old_ca(platforms, tmp_path, own, ca_trust_purge="managed",
                        tls_smoke_test_controller_trust=f"{tmp_path}/pki/root/root.crt") as fleet:
        # Whoever signs a host's own certificate, it trusts the others'.
        alone = plays.playbook(fleet.inventory, "fleetpki.host_trust.distribute_trust", "--limit", "web3")
        assert went(alone) and changed(alone) == [] and trusted(fleet["web3"]) == OLD
        assert went(rotate(fleet, "prepare", "distribute"))
        fleet["web2"].run("rm", "-r", "/etc/pki/nssdb")
        renewed = a_renewed_root(tmp_path / "pki/root")
        fleet["web1"].write("/etc/pki/ca-trust/source/anchors/by-hand.pem", renewed.pem.encode())
        fleet["web1"].run("update-ca-trust", "extract")
        assert "web2: the phase distribute is incomplete: " in refused(rotate(fleet, "reissue"))
        address = fleet["web1"].run("hostname", "-i").stdout.split()[0]
        with inventory(fleet, tls_smoke_test_controller=True, tls_smoke_test_address=address):
            done = rotate(fleet)
        assert went(done) and everywhere(fleet, trusted) == {json.dumps(NEW)}
        listed = fleet["web2"].run("certutil", "-L", "-d", "sql:/etc/pki/nssdb").stdout
        assert "Corp 2027 Root CA" in listed and "Corp Root CA" not in listed
        matrix = next(one["msg"] for one in done.of("web1") if one["task"].endswith("each column is asked)"))
        assert [re.sub(" +[1-9] accept$", "", row) for row in matrix[1:]] == ["web1", "web2", "web3", "the controller"]
