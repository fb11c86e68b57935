# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a CA still stands behind on a host: in files, and shown by real servers, one of which has an old certificate."""

from __future__ import annotations

import pki
import plays
import podman
import pytest

TLS = {"el9": "/etc/pki/tls/certs", "debian12": "/etc/ssl/certs"}
ROOT, NEW = pki.root("Old Root CA"), pki.root("New Root CA")
ISSUING = pki.issue("Old Issuing CA", ROOT, ca=True)
RENEWED = pki.root("Old Root CA", key=ROOT.key, days=(-2, 900))
WEB, SHOWN, OTHER = pki.server("web", ISSUING), pki.server("shown", ISSUING), pki.server("other", NEW)
SERVED = pki.server("other", NEW)
EXPIRED = pki.At(10**9).server("old", ISSUING)
FILES = {"web.crt": WEB.pem + ISSUING.pem, "other.crt": OTHER.pem, "expired.crt": EXPIRED.pem,
         "issuing.crt": ISSUING.pem, "web.crt.1.2026~": WEB.pem, "renewed.crt": RENEWED.pem}
SERVE = ("cd /srv; setsid openssl s_server -accept {port} -cert {name}.crt -key {name}.key {more} -quiet </dev/null "
         ">/dev/null 2>&1 & for i in $(seq 500); do openssl s_client -connect 127.0.0.1:{port} </dev/null 2>&1 | "
         "grep -q CONNECTED && exit; sleep 0.02; done; exit 1")


# Whoever connects to it from the host itself is refused, for it listens on another interface than lo.
BOUND = """import os, socket, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
listener.bind(("0.0.0.0", 4435))
listener.listen()
if os.fork() == 0:
    os.setsid()
    for number in range(3):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    time.sleep(600)
"""


def look(**options):
    return {"fleetpki.host_trust.ca_usage_info": {"authorities": [ROOT.pem], **options}}


BOTH = [ROOT.pem, ISSUING.pem]  # what servers do not send, and lies nowhere, must be given


@pytest.fixture(scope="module")
def hosts():
    """Port 4433 shows a certificate of the old CA to who asks for its name, 4434 one of the new CA."""
    with podman.fleet([*TLS]) as fleet:
        for name, host in fleet.items():
            for file, text in FILES.items():
                host.write(f"{TLS[name]}/{file}", text.encode())
            host.write("/srv/far.der", WEB.der)
            for file, pair in {"shown": SHOWN, "served": SERVED}.items():
                host.write(f"/srv/{file}.crt", pair.pem.encode())
                host.write(f"/srv/{file}.key", pair.key_pem().encode())
            more = "-servername shown -cert2 shown.crt -key2 shown.key"
            host.run("sh", "-c", SERVE.format(port=4433, name="served", more=more))
            host.run("sh", "-c", SERVE.format(port=4434, name="served", more=""))
        yield fleet


def places(result):
    return sorted(one["path"] or f"{one['port']} {one['server_name']}" for one in result["certificates"])


def test_what_is_in_use_is_found_in_files_and_at_servers(hosts):
    """A certificate in a file that a service no longer shows counts, and so does one that is shown and in no file."""
    tasks = [look(listeners=False), look(listeners=False, paths=["/srv/far.der", "web.crt"]),
             look(directories=[], server_names=["shown", "served"], authorities=BOTH),
             look(directories=[], authorities=BOTH),
             look(directories=["/srv"], server_names=["shown"], authorities=BOTH, ignore_ports=[4433],
                  ignore_paths=["/srv/shown.crt"])]
    for name, results in plays.run(hosts.inventory, [*tasks, {**tasks[2], "check_mode": True}]).results.items():
        files, further, shown, unnamed, ignored, checked = results
        web = f"{TLS[name]}/web.crt"
        assert not any(result["changed"] or result.get("failed") for result in results), results
        assert places(files) == [web] and files["looked_at"]["listeners"] == 0
        assert files["certificates"][0]["fingerprint_sha256"] == WEB.fingerprint
        assert files["certificates"][0]["issuer"] == "CN=Old Issuing CA"
        assert [one["fingerprint_sha256"] for one in files["renewals"]] == [RENEWED.fingerprint]
        assert places(further) == sorted(["/srv/far.der", web])
        assert places(shown) == ["4433 shown"] and places(unnamed) == []
        found, = shown["certificates"]
        assert found["fingerprint_sha256"] == SHOWN.fingerprint and found["program"] == "openssl"
        assert found["sentence"] in shown["msg"] and "port 4433 (openssl) shows CN=shown" in found["sentence"]
        assert shown["looked_at"]["listeners"] == 2 and shown["inconclusive"] == []
        assert places(ignored) == ["/srv/far.der"] and checked["certificates"] == shown["certificates"]


def test_successors_that_are_none_are_told(hosts):
    """A CA that was renewed with its key is the same CA, whatever its certificate says."""
    result = plays.run(hosts.inventory, [look(successors=[NEW.pem, RENEWED.pem], listeners=False)]).of("el9")[0]
    assert [one["subject"] for one in result["successors"]] == ["CN=New Root CA", "CN=Old Root CA"]
    sentence, = result["shared_keys"]
    assert "CN=Old Root CA" in sentence and "key" in sentence


def test_what_can_not_be_decided_is_said(hosts):
    """Files and folders that only root reads, a port that can't be reached, and input that is no CA's certificate."""
    host = hosts["debian12"]
    host.run("sh", "-c", "mkdir -m 755 /srv/secret; cp /srv/far.der /srv/secret; chmod 600 /srv/secret/far.der; "
             "mkdir -m 700 /srv/locked; cp /srv/far.der /srv/locked")
    host.run("python3", "-c", BOUND)
    tasks = [look(directories=["/srv/secret"], listeners=False),
             look(directories=["/srv/locked"], paths=["/srv/locked/far.der"], ignore_ports=[4433, 4434]),
             look(directories=[], ignore_ports=[4433, 4434, 4435]),
             look(directories=["/nosuch"], paths=["/nosuch.crt"], listeners=False),
             {"fleetpki.host_trust.ca_usage_info": {"authorities": ["no certificate"]}}, look(timeout=0)]
    unread, locked, ignored, missing, no_ca, no_time = plays.run(
        hosts.inventory, tasks, "-e", "ansible_user=user", "--limit", "debian12").of("debian12")
    assert unread["certificates"] == [] and "/srv/secret/far.der" in unread["inconclusive"][0]
    folder, file, port = locked["inconclusive"]
    assert [folder, file] == [f"{path}: it can't be read: Permission denied; does the task need 'become'?"
                              for path in ("/srv/locked", "/srv/locked/far.der")]
    assert port.startswith("0.0.0.0:4435 listens, and can't be reached from the host itself") and port in locked["msg"]
    assert ignored["inconclusive"] == [] and ignored["msg"] == "no certificate in use chains to them"
    assert missing["certificates"] == [] and missing["inconclusive"] == [] and not missing.get("failed")
    assert missing["missing"] == ["/nosuch", "/nosuch.crt"]
    assert no_ca["failed"] and "authorities" in no_ca["msg"], no_ca
    assert no_time["failed"] and "timeout" in no_time["msg"], no_time
