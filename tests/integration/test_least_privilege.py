# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only looks, run by a user without any rights: it says what could not be read, and claims nothing about that."""

from __future__ import annotations

import re

import pki
import plays
import podman
import pytest

ROOT, SECRET = pki.root("Corp Root CA"), pki.root("Secret Root CA")
WEB = pki.server("web", ROOT)
OTHER = pki.server("other", SECRET)
PLACES = {"redhat": ("/etc/pki/ca-trust/source/anchors", "/etc/pki/ca-trust/.host_trust"),
          "debian": ("/usr/local/share/ca-certificates", "/usr/local/share/.host_trust")}
SERVER = ("setsid openssl s_server -accept 4433 -cert /srv/web.crt -key /srv/web.key -www </dev/null >/dev/null 2>&1 & "
          "for i in $(seq 500); do openssl s_client -connect 127.0.0.1:4433 </dev/null 2>&1 | grep -q CONNECTED && "
          "exit; sleep 0.02; done; exit 1")
INFO = {"fleetpki.host_trust.ca_trust_info": {}}
THERE = {"host": "127.0.0.1", "port": 4433, "server_name": "web"}
LOOK = {"fleetpki.host_trust.tls_endpoint_info": {"endpoints": [THERE], "require": ["trusted"]}}
ASK = {"fleetpki.host_trust.tls_client_info": {"endpoints": [THERE]}}


def verify(path, **more):
    return {"fleetpki.host_trust.cert_verify": {"certificates": [{"path": path, **more}], "engine": "host"}}


@pytest.fixture(scope="module")
def hosts():
    """A host of each family that trusts a root, with a server whose key is root's."""
    with podman.fleet(["el9", "debian12"]) as fleet:
        plays.run(fleet.inventory, [plays.anchors(ROOT)])
        for host in fleet.values():
            for name, content, mode in (("web.crt", WEB.pem, 0o644), ("web.key", WEB.key_pem(), 0o600),
                                        ("other.crt", OTHER.pem, 0o644)):
                host.write(f"/srv/{name}", content.encode(), mode)
            host.run("sh", "-c", SERVER)
        yield fleet


def as_user(hosts, *tasks, **more):
    return plays.run(hosts.inventory, list(tasks), "-e", "ansible_user=user", **more)


def test_all_that_only_looks_runs_without_rights(hosts):
    """On a host as it is, an ordinary user sees the same as root, but for keys."""
    tasks = [INFO, verify("/srv/web.crt"), LOOK, ASK, verify("/srv/web.crt", privatekey_path="/srv/web.key"),
             {"fleetpki.host_trust.tls_client_info": {"endpoints": [
                 THERE | {"client_certificate": "/srv/web.crt", "client_privatekey_path": "/srv/web.key"}]}},
             {"fleetpki.host_trust.tls_endpoint_info": {"endpoints": [
                 THERE | {"client_certificate": "/srv/web.crt", "client_privatekey_path": "/srv/web.key"}]}}]
    roots = plays.run(hosts.inventory, tasks[:4])
    users = as_user(hosts, *tasks)
    for name in hosts:
        info, good, look, ask, *keys = users.of(name)
        assert not [result["msg"] for result in (info, good, look, ask) if result.get("failed")], name
        seen, *_others, told = roots.of(name)
        assert ask["clients"] == told["clients"] and ask["results"] == told["results"], name
        assert ask["results"][0]["clients"]["openssl"]["accepted"]
        for fact in ("anchors", "distribution", "distrusted", "counts", "bundles", "in_sync", "unread", "interrupted"):
            assert info[fact] == seen[fact], (name, fact)
        assert info["in_sync"] is True and info["unread"] == [] and info["interrupted"] is False
        assert good["results"][0]["private_key_matches"] is None
        for result in keys:
            assert result["failed"] and "/srv/web.key can't be used: it can't be read: Permission denied; does the " \
                   "task need 'become'?" in result["msg"], (name, result["msg"])


def test_what_could_not_be_read_is_said_and_not_claimed(hosts):
    """An anchor, a folder and the journal that root alone may read: named each, and nothing is said to be in order."""
    plays.run(hosts.inventory, [plays.anchors(ROOT, SECRET)])
    for host in hosts.values():
        anchors, staging = PLACES[host.platform.family]
        host.run("sh", "-c", f"chmod 600 {anchors}/Secret*; mkdir -m 700 {staging}")
    users = as_user(hosts, INFO)
    for name, host in hosts.items():
        anchors, staging = PLACES[host.platform.family]
        info, = users.of(name)
        assert not info.get("failed"), info
        assert info["in_sync"] is None and info["interrupted"] is None and info["deviations"] == [], (name, info)
        assert [one["subject"] for one in info["anchors"]] == ["CN=Corp Root CA"], name
        hidden, journal = info["unread"]
        assert hidden.startswith(f"{anchors}/Secret-Root-CA-") and "can't be read: Permission denied" in hidden, hidden
        assert journal.startswith(f"{staging} can't be read: whether a run was interrupted"), journal
        assert set(info["unread"]) < set(info["warnings"]), info["warnings"]
        host.run("sh", "-c", f"rmdir {staging}; chmod 644 {anchors}/*; chmod 700 {anchors}")
    for name, (info,) in as_user(hosts, INFO).results.items():
        anchors, _staging = PLACES[hosts[name].platform.family]
        assert info["in_sync"] is None and info["anchors"] == [], (name, info)
        assert info["unread"][0].startswith(f"{anchors} can't be read: Permission denied"), info["unread"]
        hosts[name].run("chmod", "755", anchors)


def test_trust_that_could_not_be_read_is_no_lack_of_trust(hosts):
    """OpenSSL looks away from what it can't read, and refuses what is trusted: the sentence says of what it knows."""
    files = {"el9": "/etc/pki/ca-trust/extracted/pem", "debian12": "/etc/ssl/certs"}
    before = {name: host.run("stat", "-c", "%a", files[name]).stdout.strip() for name, host in hosts.items()}
    for name, host in hosts.items():
        host.run("chmod", "700", files[name])
    users = as_user(hosts, verify("/srv/web.crt"), LOOK, INFO)
    for name, host in hosts.items():
        host.run("chmod", before[name], files[name])
        verified, looked, info = users.of(name)
        for result in (verified, looked, info):
            assert result["failed"], (name, result)
        for result in (verified, looked):
            assert re.search("not all that this host trusts was seen, for this user can't read /(etc|usr/lib)/ssl/.*; "
                             "does the task need 'become'[?]$", result["msg"]), result["msg"]
            assert "no anchors at all" not in result["msg"]
        assert "can't be read: Permission denied; run the task as root" in info["msg"], info["msg"]
