# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tls_client_info with the real clients: what they accept, what they refuse, and what they say."""

from __future__ import annotations

import pki
import plays
import podman
import pytest

pytestmark = pytest.mark.clients

ROOT = pki.root("Corp Root CA")
ISSUING = pki.root("Corp Issuing CA 1", issuer=ROOT, path_length=0)
WEB = pki.server("server", ISSUING, dns=["server", "web1.example.com"], ips=["127.0.0.1"])
EXPIRED = pki.At(10**9).server("server", ISSUING)
CLIENT = pki.issue("client", ROOT, purposes=["client"])
STRANGE = pki.root("Another Root CA")
EVERY = ["openssl", "curl", "python", "gnutls", "nss", "java", "node"]
FEW = ["openssl", "curl", "python"]

SERVER = {
    4001: ("-cert_chain issuing.pem", WEB), 4002: ("", WEB), 4003: ("-cert_chain issuing.pem", EXPIRED),
    4004: ("-cert_chain issuing.pem -Verify 1 -verify_return_error -CAfile root.pem", WEB),
    4005: ("", pki.server("server", pki.root("Strange Root CA"))),
    4006: ("", pki.server("server", STRANGE)),
}
SILENT = "import socket,time; s=socket.socket(); s.bind(('',4100)); s.listen(9); k=[]\nwhile 1: k.append(s.accept())"


@pytest.fixture(scope="module")
def fleet():
    """A host with every client, one with few, one with the oldest OpenSSL; all trust the root."""
    with podman.fleet({"all": "workstation", "el8": "el8", "el10": "el10", "server": "debian12"}) as hosts:
        server = hosts["server"]
        script = ["cd /srv/tls"]
        for port, (options, pair) in SERVER.items():
            server.write(f"/srv/tls/{port}.pem", (pair.key_pem() + pair.pem).encode(), 0o600)
            script.append(f"setsid openssl s_server -accept {port} -cert {port}.pem -key {port}.pem {options} -www "
                          f"</dev/null >{port}.log 2>&1 &")
        server.write("/srv/tls/issuing.pem", ISSUING.pem.encode())
        server.write("/srv/tls/root.pem", ROOT.pem.encode())
        server.write("/srv/tls/silent.py", SILENT.encode())
        server.run("sh", "-c", "\n".join([*script, "setsid python3 silent.py >silent.log 2>&1 &"]))
        for host in hosts.values():
            host.write("/root.pem", ROOT.pem.encode())
            host.write("/client.pem", (CLIENT.pem + CLIENT.key_pem()).encode(), 0o600)
        wait = "for i in $(seq 100); do nc() { exec 3<>/dev/tcp/127.0.0.1/$1; }; (nc 4001 && nc 4002 && nc 4003 && " \
               "nc 4004 && nc 4005 && nc 4006 && nc 4100) 2>/dev/null && exit 0; sleep 0.1; done; exit 1"
        server.run("bash", "-c", wait)
        yield hosts


LOOKERS = "all:el8:el10"


def ask(*endpoints, **options):
    """A task; an endpoint may be a port of the server."""
    listed = [{"host": "server", "port": one} if isinstance(one, int) else one for one in endpoints]
    return {"fleetpki.host_trust.tls_client_info": {"endpoints": listed, "timeout": 15, **options}}


def accepted(result):
    return {name: answer["accepted"] for name, answer in result["clients"].items()}


def test_every_client_judges_by_the_trust_that_is_installed(fleet):
    task = ask(4001, require=["installed"])
    play = plays.run(fleet.inventory, [task, plays.anchors(ROOT), task, plays.anchors(
        {"content": ROOT.pem, "state": "absent"}), task], hosts=LOOKERS)
    for name in ("all", "el8", "el10"):
        before, _done, after, _undone, again = play.of(name)
        clients = EVERY if name == "all" else FEW
        assert sorted(after["clients"]) == sorted(clients)
        assert not after.get("failed") and after["requirements_met"], after["msg"]
        assert accepted(after["results"][0]) == dict.fromkeys(clients, True)
        for refused in (before, again):
            found = refused["results"][0]["clients"]
            assert refused["failed"]
            assert all(found[one]["accepted"] is False and found[one]["message"] for one in clients)
            assert "server:4001: curl refuses it: curl: (60) SSL certificate problem: " in refused["msg"]
        assert not after["changed"] and "Traceback" not in str(play.of(name))


def test_what_they_refuse_and_what_they_say(fleet):
    """No intermediate, expired, another name, nobody there, somebody who says nothing."""
    wrong = {"host": "server", "port": 4001, "server_name": "wrong.example.com"}
    play = plays.run(fleet.inventory, [
        ask(4002, 4003, wrong, 4999, trust="/root.pem"), ask(4100, trust="/root.pem", timeout=4),
        ask(4001, 4002, trust="/root.pem", require=["curl"])], hosts=LOOKERS)
    said = {
        0: {"openssl": "unable to get local issuer certificate", "gnutls": "The certificate issuer is unknown",
            "nss": "SEC_ERROR_UNKNOWN_ISSUER", "java": "unable to find valid certification path",
            "node": "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "python": "unable to get local issuer certificate"},
        1: {"openssl": "certificate has expired", "gnutls": "expired", "nss": "SEC_ERROR_EXPIRED_CERTIFICATE",
            "java": "CertificateExpiredException", "node": "CERT_HAS_EXPIRED", "python": "certificate has expired"},
        2: {"openssl": "ostname mismatch", "gnutls": "The name in the certificate does not match",
            "nss": "SSL_ERROR_BAD_CERT_DOMAIN", "java": "No subject alternative DNS name matching wrong.example.com",
            "node": "ERR_TLS_CERT_ALTNAME_INVALID", "python": "wrong.example.com"},
        3: {**dict.fromkeys(("openssl", "gnutls", "java", "python"), "onnection refused"), "node": "ECONNREFUSED"},
        4: {"openssl": "did not come to an end within 6 s", "java": "timed out", "node": "timed out",
            "python": "timed out"},
    }
    for name, (informs, silent, wishes) in ((name, play.of(name)) for name in ("all", "el8", "el10")):
        assert not informs.get("failed") and informs["requirements_met"], informs["msg"]
        assert wishes["failed"] and wishes["msg"].startswith("server:4002: curl refuses it: ")
        assert len(wishes["msg"].splitlines()) == 1
        for number, result in enumerate(informs["results"] + silent["results"]):
            assert set(accepted(result).values()) == {False}, (name, number, result)
            for client, words in said[number].items():
                if client in result["clients"]:
                    assert words in result["clients"][client]["message"], (name, number, client, result["clients"])


def test_an_address_an_ip_and_client_certificates(fleet):
    there = fleet["server"].run("hostname", "-i").stdout.split()[0]
    mutual = {"host": "server", "port": 4004, "client_certificate": "/client.pem"}
    play = plays.run(fleet.inventory, [ask(
        {"name": "web", "host": "web1.example.com", "address": there, "port": 4001},
        {"host": there, "server_name": "127.0.0.1", "port": 4001}, mutual, 4004, trust="/root.pem",
    )], hosts=LOOKERS)
    for name in ("all", "el8", "el10"):
        elsewhere, ip, shown, bare = play.of(name)[0]["results"]
        assert elsewhere["accepted"] and elsewhere["name"] == "web", elsewhere
        assert accepted(ip) == {client: None if client == "nss" else True for client in accepted(ip)}, ip
        with_certificate = {client: None if client in ("nss", "java") else True for client in accepted(shown)}
        assert accepted(shown) == with_certificate, shown
        # Who has none is turned away.
        assert set(accepted(bare).values()) == {False}, bare


def test_nothing_on_the_host_switches_verification_off(fleet):
    """Settings of the account, the environment and the folder; anchors that are given count alone."""
    stranger = {"host": "server", "port": 4006}
    for name in ("all", "el8"):
        fleet[name].run("sh", "-c", "echo insecure >> /root/.curlrc; echo 'raise SystemExit(\"OK\")' > /root/socket.py")
    environment = {"NODE_TLS_REJECT_UNAUTHORIZED": "0", "PYTHONPATH": "/root", "PYTHONHTTPSVERIFY": "0"}
    task = {**ask(stranger, 4001), "environment": environment}
    alone = ask(stranger, 4001, trust="/root.pem")
    play = plays.run(fleet.inventory, [task, plays.anchors(STRANGE), alone, plays.anchors(
        {"content": STRANGE.pem, "state": "absent"})], hosts="all:el8")
    for name in ("all", "el8"):
        settings, _trusted, given, _gone = play.of(name)
        clients = EVERY if name == "all" else FEW
        assert accepted(settings["results"][0]) == dict.fromkeys(clients, False), (name, settings["results"][0])
        assert accepted(given["results"][0]) == dict.fromkeys(clients, False), (name, given["results"][0])
        assert accepted(given["results"][1]) == dict.fromkeys(clients, True), (name, given["results"][1])
        fleet[name].run("sh", "-c", "sed -i '/insecure/d' /root/.curlrc; rm /root/socket.py")


def test_an_old_java_is_judged_by_its_store(fleet):
    """A Java that runs no source, as 8 and those without a compiler: what keytool lists of its store decides."""
    host = fleet["all"]
    host.write("/usr/local/bin/java", b'#!/bin/sh\necho \'openjdk version "1.8.0_462"\' >&2\n', 0o755)
    home = host.run("sh", "-c", "dirname $(dirname $(readlink -f /usr/bin/java))").stdout.strip()
    # It is found beside keytool, as those of the distributions are.
    host.run("sh", "-c", f"mkdir -p /opt/java8/bin && mv /usr/local/bin/java /opt/java8/bin/ && "
                         f"ln -s {home}/bin/keytool /opt/java8/bin/keytool && ln -s {home}/lib /opt/java8/lib && "
                         "ln -s /opt/java8/bin/java /usr/local/bin/java")
    other = {"host": "server", "port": 4001, "server_name": "wrong.example.com"}
    task = ask(4001, 4002, 4005, other, clients=["java"])
    _done, asked = plays.run(fleet.inventory, [plays.anchors(ROOT), task], hosts="all").of("all")
    good, incomplete, unknown, wrong = asked["results"]
    assert asked["clients"]["java"]["version"] == 'openjdk version "1.8.0_462"'
    assert accepted(good) == {"java": True} and accepted(wrong) == {"java": False}
    assert accepted(incomplete) == accepted(unknown) == {"java": False}
    assert good["clients"]["java"]["message"] == (
        "judged by openssl with Java's anchors, for this Java runs no program from its source")
    assert unknown["clients"]["java"]["message"].startswith("unable to get local issuer certificate (judged by openssl")
    assert "ostname mismatch (judged by openssl" in wrong["clients"]["java"]["message"]
    host.run("rm", "/usr/local/bin/java")  # tests come in any order, and this fleet is also others'


def test_wrong_options(fleet):
    """All of them: tests/unit/plugins/modules/test_refused_looks.py."""
    cases = [({"endpoints": []}, "'endpoints' is empty: there is no server to ask"),
             ({"host": "a b"}, "'a b' is no host name"),
             ({"require": ["java"]}, "the client java is required and not installed on this host")]
    tasks = [{"fleetpki.host_trust.tls_client_info": options} for options, _sentence in cases]
    results = plays.run(fleet.inventory, tasks, hosts="el8").of("el8")
    for (_options, sentence), result in zip(cases, results, strict=True):
        assert result["failed"] and sentence in result["msg"]
