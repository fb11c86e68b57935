# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into a host's trust is what was meant, what goes out of it is that alone; odd files are refused soon."""

from __future__ import annotations

import os
import socket
import time

import pki
import plays
import podman
import pytest
from test_ca_trust_anchor import ANCHORS, BUNDLE, held, trusted

SUBJECT = [("O", "Corp"), ("CN", "Corp Root CA")]
ROOT, OTHER = pki.root(SUBJECT), pki.root("Other CA")
RENEWED, NAMESAKE = pki.root(SUBJECT, key=ROOT.key, days=(-2, 700)), pki.root(SUBJECT)
LEAF = pki.server("web1.example.com", ROOT)
DISTRIBUTION = ("find /usr/share/pki /usr/share/ca-certificates /etc/ca-certificates.conf -type f "
                "-exec sha256sum {} + | sort")
EVERYTHING = "find /etc /usr/local /usr/share /var -xdev -type f -exec sha256sum {} + | sort"
EXTRACTED = ("/etc/pki/ca-trust/extracted/", "/etc/ssl/certs/", "/etc/pki/tls/certs/", "/var/lib/ca-certificates/",
             "/var/log/", "/var/lib/systemd/", "/etc/ssl/")


@pytest.fixture(scope="module")
def hosts():
    with podman.fleet(["el9", "debian12"], all_roots=True) as fleet:
        yield fleet


def sh(host, script):
    """What a script prints; some of its files may not be there."""
    return host.run("sh", "-c", script, check=False).stdout


def test_removing_is_by_exact_certificate_and_purging_is_what_it_said(hosts):
    kept = {}
    for name, host in hosts.items():
        folder = ANCHORS[host.platform.family]
        host.write(f"{folder}/a.crt", ROOT.pem.encode())
        for number, pair in enumerate((RENEWED, NAMESAKE)):
            host.write(f"{folder}/by-hand-{number}.crt", pair.pem.encode())
        kept[name] = trusted(host), sh(host, DISTRIBUTION)
        assert len(kept[name][0]) > 100 and len(kept[name][1].splitlines()) > 0
    own = {pair.fingerprint for pair in (RENEWED, NAMESAKE)}
    play = plays.run(hosts.inventory, [
        plays.anchors({"content": ROOT.pem, "state": "absent"}),
        {**plays.anchors(OTHER, purge="all"), "check_mode": True, "diff": True}])
    for name, (removed, _told) in play.results.items():
        distribution = kept[name][0]
        assert removed["changed"] and trusted(hosts[name]) == distribution | own, name
        kept[name] = (*kept[name], sh(hosts[name], EVERYTHING))
    again = plays.run(hosts.inventory, [{**plays.anchors(OTHER, purge="all"), "diff": True}])
    for name, (done,) in again.results.items():
        host, told = hosts[name], play.of(name)[1]
        assert done["plan"] == told["plan"] and done["diff"] == told["diff"] and done["changed"]
        asked_for = {one["fingerprint_sha256"] for one in done["plan"] if one["action"] == "remove"}
        assert asked_for == own and OTHER.fingerprint in done["diff"]["after"]
        distribution, files, before = kept[name]
        assert trusted(host) == distribution | {OTHER.fingerprint} and sh(host, DISTRIBUTION) == files
        changed = {line.split("  ", 1)[1] for line in set(before.splitlines()) ^ set(sh(host, EVERYTHING).splitlines())}
        assert all(path.startswith((ANCHORS[host.platform.family], *EXTRACTED)) for path in changed), changed
        assert len(held(host)) == 1


def test_the_systems_own_store_is_no_applications_bundle(hosts):
    """With purge, nothing of the distribution's would be left in it."""
    before = {name: trusted(host) for name, host in hosts.items()}
    for name, host in hosts.items():
        path = BUNDLE[host.platform.family]
        host.run("ln", "-sf", path, "/root/bundle.pem")
        play = plays.run(hosts.inventory, [plays.anchors(OTHER, store="bundle", bundle_path=one, purge="all")
                                           for one in (path, "/root/bundle.pem")], "--limit", name)
        assert all(one["failed"] and "the system's own trust store" in one["msg"] for one in play.of(name))
        assert trusted(host) == before[name]


def odd_files(folder):
    """{kind: path} of what is no file to read, on the controller."""
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    with open(folder / "huge", "wb") as stream:
        stream.truncate(10 * 1024**3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    return {path.name: str(path) for path in folder.iterdir()}


MAKE_ODD_FILES = """mkdir -p /root/odd/folder; cd /root/odd; mkfifo fifo; ln -sf /dev/zero zero; ln -sf loop loop
truncate -s 10G huge; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'"""
SENTENCES = {"fifo": "not a regular file", "folder": "not a regular file", "zero": "not a regular file",
             "huge": "larger than 128 MiB", "socket": "can't be read: No such device", "loop": "no such file"}
FEW = ("fifo", "huge")  # for the modules that take one file a task


def test_odd_files_are_refused_soon(hosts, tmp_path):
    here, host = odd_files(tmp_path), hosts["el9"]
    host.run("sh", "-c", MAKE_ODD_FILES)
    there = {name: f"/root/odd/{name}" for name in SENTENCES}
    verify = "fleetpki.host_trust.cert_verify"
    tasks = [
        plays.anchors(*({"src": path} for path in here.values())),
        plays.anchors(*({"path": path} for path in there.values())),
        {verify: {"certificates": [{"path": path} for path in there.values()]}},
        *({verify: {"certificates": [{"content": LEAF.pem}], "crls": [{"src": here[name]}]}} for name in FEW),
        {"fleetpki.host_trust.cert_install": {"path": "/root/x.crt", "src": [
            path for name, path in here.items() if name != "folder"], "privatekey_path": "/root/x.key"}},
        *({"fleetpki.host_trust.signed_cert": {"csr_path": path, "ca_path": "/root/ca.crt", "path": "/root/y.crt",
                                               "ca_privatekey_path": "/root/ca.key"}} for path in map(there.get, FEW)),
    ]
    begin = time.monotonic()
    results = plays.run(hosts.inventory, [{**task, "timeout": 60} for task in tasks], hosts="el9").of("el9")
    assert len(results) == len(tasks) and all(one.get("failed") for one in results), results
    assert time.monotonic() - begin < 60 * len(tasks) and not any("timed out" in one["msg"].lower() for one in results)
    for result, paths in zip(results[:3], (here, there, there), strict=True):
        lines = result["msg"].splitlines()
        assert len(lines) == len(SENTENCES)
        for name, path in paths.items():
            (line,) = [line for line in lines if path in line]
            assert SENTENCES[name] in line or name == "loop" and "Too many levels" in line, line
    for result, name in zip(results[3:], (*FEW, None, *FEW), strict=True):
        assert name is None or f"odd/{name}" in result["msg"].replace(str(tmp_path), "odd")
        assert name is None or SENTENCES[name] in result["msg"]
    assert all(f"src {path}" in results[3 + len(FEW)]["msg"] for name, path in here.items() if name != "folder")


def test_odd_files_among_the_anchors(hosts):
    """They are named, and neither read into memory nor waited at, as p11-kit would wait at the pipe for ever."""
    host, folder = hosts["el9"], ANCHORS["redhat"]
    look = {"fleetpki.host_trust.ca_trust_info": {}, "timeout": 60}
    for name, sentence in (("huge", "is larger than 128 MiB"), ("fifo", "is a pipe or a device"), ("socket", None)):
        host.run("mv", f"/root/odd/{name}", folder)
        change = {**plays.anchors(ROOT), "timeout": 60}
        changed, seen = plays.run(hosts.inventory, [change, look], hosts="el9").of("el9")
        said = f"{folder}/{name} {sentence}"
        assert bool(changed.get("failed")) is (sentence is not None) and (sentence is None or said in changed["msg"])
        assert not seen.get("failed") and seen["in_sync"] is (True if sentence is None else None), seen
        assert [said in each for each in seen["unread"]] == [True] * (sentence is not None), seen["unread"]
        host.run("rm", f"{folder}/{name}")
