# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tls_endpoint_info as users run it, from hosts of all platforms to servers on one of them, good ones and bad ones."""

from __future__ import annotations

import json
import re
import time

import conftest
import documented
import images
import pki
import plays
import podman
import pytest
import yaml

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")], key_type="rsa")
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA 1")], ROOT, ca=True, path_length=0)
WEB = pki.server("server", ISSUING, dns=["server", "web1.example.com"])
CLIENT = pki.issue("client", ROOT, purposes=["client"])
PASSPHRASE = "correct horse battery"
SITES = ["web1.example.com", "web2.example.com", "www.example.com"]  # of the examples

# What s_server is told, by port; its own certificate and key are in a file of the port's name.
SERVERS = {
    443: ("-cert_chain issuing.pem -www", pki.server("site", ISSUING, dns=SITES)),
    4001: ("-cert_chain issuing.pem -www", WEB),
    4002: ("-www", WEB),                                                        # no intermediate
    4003: ("-cert_chain swapped.pem -www", WEB),
    4004: ("-cert_chain issuing.pem -www", None),  # expired; made when it starts
    4005: ("-cert_chain issuing.pem -www", pki.server("b", ISSUING, dns=["b.example.com", "c.example.com"])),
    4006: ("-www", pki.server("server")),                                       # self-signed
    4007: ("-cert_chain issuing.pem -www -tls1_1 -cipher ALL:@SECLEVEL=0", WEB),
    4008: ("-cert_chain issuing.pem -www -tls1_2 -no_ticket -no_cache", WEB),    # no resumption
    4009: ("-cert_chain issuing.pem -Verify 1 -verify_return_error -CAfile root.pem", WEB),
    4010: ("-cert_chain issuing.pem -www -tls1_2", WEB),
}
PLAIN, SILENT, RESETS, CLOSES, KEEPS, NOBODY = range(4100, 4106)
OTHERS = """
import socket, ssl, struct, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

class Threaded(ThreadingMixIn, HTTPServer):
    daemon_threads = True

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

def serve(port, settings=None):
    server = Threaded(("", port), Handler)
    if settings:
        server.socket = settings.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever).start()

def talk(port, what):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(32)
    def one(connection):
        what(connection)
        connection.close()
    def run():
        while True:
            threading.Thread(target=one, args=(listener.accept()[0],)).start()
    threading.Thread(target=run).start()

def reset(connection):
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
settings.load_cert_chain("/srv/tls/full.pem")
serve(4100)
talk(4101, lambda connection: time.sleep(60))
talk(4102, reset)
talk(4103, lambda connection: connection.recv(4096))
serve(4104, settings)
open("/srv/tls/ready", "w").close()
"""


def start(host):
    """Starts all servers on a host."""
    host.write("/srv/tls/issuing.pem", ISSUING.pem.encode())
    host.write("/srv/tls/swapped.pem", (ROOT.pem + ISSUING.pem).encode())
    host.write("/srv/tls/root.pem", ROOT.pem.encode())
    host.write("/srv/tls/full.pem", (WEB.key_pem() + WEB.pem + ISSUING.pem).encode(), 0o600)
    host.write("/srv/tls/others.py", OTHERS.encode())
    script = ["cd /srv/tls"]
    expired = pki.server("server", ISSUING, days=(-9, -3))
    for port, (options, pair) in SERVERS.items():
        pair = pair or expired
        host.write(f"/srv/tls/{port}.pem", (pair.key_pem() + pair.pem).encode(), 0o600)
        script.append(f"setsid openssl s_server -accept {port} -cert {port}.pem -key {port}.pem {options} "
                      f"</dev/zero >{port}.log 2>&1 &")
    script.append("setsid python3 others.py >others.log 2>&1 &")
    host.run("sh", "-c", "\n".join(script))
    for _attempt in range(100):
        if host.exists("/srv/tls/ready"):
            return
        time.sleep(0.1)
    raise AssertionError(host.read("/srv/tls/others.log").decode())


@pytest.fixture(scope="module")
def fleet():
    """One host of each platform, and one with the servers; nobody trusts the private CA yet."""
    with podman.fleet({**{name: name for name in conftest.PLATFORMS}, "server": "el9"}) as hosts:
        start(hosts["server"])
        for host in hosts.values():
            host.write("/trust.pem", ROOT.pem.encode())
            host.write("/client.pem", CLIENT.pem.encode())
            host.write("/client.key", CLIENT.key_pem(PASSPHRASE).encode(), 0o600)
        yield hosts


def info(*endpoints, **options):
    """A task; an endpoint may be a port."""
    listed = [{"host": "server", "port": one} if isinstance(one, int) else one for one in endpoints]
    return {"fleetpki.host_trust.tls_endpoint_info": {"endpoints": listed, "timeout": 15, **options}}


def of_each(play, number=0):
    """(name, result of the task) of each host that looked."""
    return [(name, play.of(name)[number]) for name in conftest.PLATFORMS]


LOOKERS = ":".join(conftest.PLATFORMS)


@pytest.mark.parametrize("text", [
    documented.example("README.md", "- name: The web server shows a complete, trusted chain that lasts another month, "
                                    "and speaks TLS 1.2 or later"),
    documented.example("docs/guides/first-fleet.md", "- name: Look at the web servers"),
    documented.example("docs/guides/coming-from-elsewhere.md",
                       "- name: The server shows a certificate that its clients trust, and that is good for another "
                       "month"),
], ids=["readme", "first fleet", "coming from elsewhere"])
def test_as_documented(fleet, tmp_path, text):
    """On a host that finds these names, and is in the inventory under one of them."""
    address = fleet["el8"].run("getent", "hosts", "server").stdout.split()[0]
    fleet["el8"].run("sh", "-c", f"echo {address} {' '.join(SITES)} >> /etc/hosts")
    known = json.loads(fleet.inventory.read_text())["all"]
    alone = {"all": {"vars": known["vars"], "hosts": {SITES[0]: known["children"]["redhat"]["hosts"]["el8"]}}}
    (tmp_path / "hosts.json").write_text(json.dumps(alone))
    book = yaml.safe_load(text)
    for anchor, code in ((ROOT, 0), ({"content": ROOT.pem, "state": "absent"}, 2)):
        plays.run(fleet.inventory, [plays.anchors(anchor)], hosts="el8")
        (tmp_path / "play.yml").write_text(yaml.safe_dump(
            book if "hosts" in book[0] else [{"hosts": "all", "gather_facts": False, "tasks": book}]))
        done = plays.playbook(tmp_path / "hosts.json", str(tmp_path / "play.yml"))
        assert done.code == code, done.output


@pytest.mark.platforms
def test_the_verdict_is_that_of_the_installed_trust(fleet):
    task = info(4001, require=["trusted"])
    play = plays.run(fleet.inventory, [task, plays.anchors(ROOT), task, {**plays.anchors({
        "content": ROOT.pem, "state": "absent"})}, task], hosts=LOOKERS)
    for name, before in of_each(play):
        assert before["failed"] and before["msg"].startswith(
            "server:4001: CN=Corp Issuing CA 1, sent in the chain, was issued by CN=Corp Root CA, which is not trusted "
            "by this host"), (name, before["msg"])
        after = play.of(name)[2]
        assert not after.get("failed") and after["results"][0]["trusted"] and after["trust"]["anchors"] > images.ROOTS
        assert play.of(name)[4]["failed"]


@pytest.mark.platforms
def test_a_good_server_on_every_platform(fleet):
    wishes = ["trusted", "complete_chain", "ordered_chain", "resumption", "forward_secrecy"]
    task = info(4001, 4010, trust="/trust.pem", versions=True, require=wishes)
    play = plays.run(fleet.inventory, [task], hosts=LOOKERS)
    checked = plays.run(fleet.inventory, [task], "--check", hosts=LOOKERS)
    for name, outcome in of_each(play):
        assert not outcome.get("failed") and not outcome["changed"], outcome["msg"]
        new, old = outcome["results"]
        assert new["protocol"] == "TLSv1.3" and old["protocol"] == "TLSv1.2"
        assert new["cipher"] == "TLS_AES_256_GCM_SHA384" and old["cipher"] == "ECDHE-ECDSA-AES256-GCM-SHA384"
        assert new["cipher_algorithm"] == old["cipher_algorithm"] == "AES-256-GCM" and new["key_bits"] == 256
        assert new["key_exchange"] == old["key_exchange"] == "X25519"
        assert re.fullmatch("ECDSA with SHA256|ecdsa_secp256r1_sha256", new["signature_algorithm"])
        assert [link["fingerprint_sha256"] for link in new["chain"]] == [WEB.fingerprint, ISSUING.fingerprint]
        assert new["resumption"] == {"offered": "ticket", "resumed": True, "tls13_ticket": True, "tls12_ticket": True,
                                     "tls12_session_id": True}, name
        assert new["versions"]["TLSv1.2"] and new["versions"]["TLSv1.3"] and old["versions"]["TLSv1.3"] is False
        assert all(took > 0 for result in (new, old) for took in result["milliseconds"].values())
        assert new["ocsp_staple"] is False and not new["chain_findings"] and not new["reasons"]
        again = checked.of(name)[0]["results"][0]
        assert {**again, "milliseconds": None} == {**new, "milliseconds": None}


@pytest.mark.platforms
def test_every_kind_of_finding_on_every_platform(fleet):
    """The sentences must not depend on versions of Python and OpenSSL."""
    cases = [
        (4002, "the server does not send CN=Corp Issuing CA 1; browsers may hide this"),
        (4004, "expired 3 days ago ("),
        (4005, "asked for server, the certificate is for b.example.com, c.example.com"),
        (4006, "is self-signed and not among the anchors in /trust.pem"),
        (4008, "the server does not resume sessions: it offers neither a ticket nor a session ID"),
        (4009, "it wants a client certificate that it trusts"),
        (PLAIN, "the server does not speak TLS there but plain HTTP: it says '"),
        (SILENT, "the server accepts the connection and says nothing: no answer to the ClientHello within 3 s"),
        (RESETS, "the server resets the connection after the ClientHello, without a TLS alert"),
        (CLOSES, "the server closes the connection after the ClientHello, without a TLS alert"),
        (NOBODY, f" refuses connections to port {NOBODY}: nothing listens there"),
        ({"host": "nosuch.invalid"}, "the name nosuch.invalid can't be resolved"),
        (22, "the server does not speak TLS there but SSH: it says 'SSH-2.0-OpenSSH"),
    ]
    begin = time.time()
    play = plays.run(fleet.inventory, [
        info(*[item for item, _said in cases], trust="/trust.pem", timeout=3),
        info(*[item for item, _said in cases], trust="/trust.pem", timeout=3, require=["trusted", "resumption"])],
        hosts=LOOKERS)
    assert time.time() - begin < 120
    for name, informs in of_each(play):
        wishes = play.of(name)[1]
        assert not informs.get("failed"), informs["msg"]
        assert wishes["failed"] and not wishes["changed"]
        for (item, said), result in zip(cases, wishes["results"], strict=True):
            assert any(said in sentence for sentence in result["violations"]), (name, item, result["violations"])
        assert "Traceback" not in str(play.of(name))


@pytest.mark.platforms
def test_misordered_chains_and_old_protocols(fleet):
    play = plays.run(fleet.inventory, [info(4003, 4007, trust="/trust.pem", versions=True, min_protocol="TLSv1.2",
                                            require=["ordered_chain"])], hosts=LOOKERS)
    for name, outcome in of_each(play):
        swapped, old = outcome["results"]
        assert swapped["trusted"] and "the server sends its chain out of order" in swapped["violations"][0]
        assert "the server sends the root CN=Corp Root CA too, which no client needs" in swapped["chain_findings"]
        assert old["protocol"] == "TLSv1.1" and len(old["chain"]) == 2, (name, old)
        assert old["violations"] == ["the server accepts TLSv1.1, lower than min_protocol=TLSv1.2 allows"]
        assert [version for version, accepted in old["versions"].items() if accepted] == ["TLSv1.1"]


@pytest.mark.platforms
def test_keep_alive_on_every_platform(fleet):
    play = plays.run(fleet.inventory, [info(KEEPS, 4001, trust="/trust.pem", require=["keep_alive", "trusted"])],
                     hosts=LOOKERS)
    for name, outcome in of_each(play):
        kept, closed = outcome["results"]
        assert kept["keep_alive"] is True and kept["violations"] == [], (name, kept)
        assert closed["keep_alive"] is False
        assert closed["violations"] == ["connections are not kept alive: the server answers in HTTP/1.0"]


@pytest.mark.platforms
def test_mutual_tls_tells_no_secret(fleet):
    item = {"host": "server", "port": 4009, "client_certificate": "/client.pem",
            "client_privatekey_path": "/client.key", "client_privatekey_passphrase": PASSPHRASE}
    play = plays.run(fleet.inventory, [
        info(item, trust="/trust.pem", require=["trusted", "resumption"], http=False),
        info({**item, "client_privatekey_passphrase": "battery staple"})], "-vvv", hosts=LOOKERS)
    for _name, good in of_each(play):
        assert not good.get("failed"), good["msg"]
        assert good["results"][0]["client_certificate_requested"] is True
    for _name, wrong in of_each(play, 1):
        assert wrong["failed"] and "client_privatekey_passphrase is wrong" in wrong["msg"]
    assert PASSPHRASE not in play.output and "battery staple" not in play.output


@pytest.mark.platforms
def test_nothing_is_left_and_a_single_endpoint_is_enough(fleet):
    for host in fleet.values():
        host.write("/mark", b"")
    task = {"fleetpki.host_trust.tls_endpoint_info": {
        "host": "server", "port": 4001, "server_name": "web1.example.com", "trust": "/trust.pem",
        "require": ["trusted"]}}
    play = plays.run(fleet.inventory, [task], hosts=LOOKERS)
    for name, outcome in of_each(play):
        assert not outcome.get("failed"), outcome["msg"]
        found = fleet[name].run("find", "/etc", "/tmp", "/usr", "/root", "/var", "-newer", "/mark", "-type", "f")
        assert found.stdout == ""
        assert "s_client" not in fleet[name].run("ps", "axww").stdout


def test_wrong_options(fleet):
    """All of them: tests/unit/plugins/modules/test_refused_looks.py."""
    cases = [({}, "one of the following is required: endpoints, host"),
             ({"host": "server", "trust": "/nosuch"}, "the trust in /nosuch can't be used: there is no such file")]
    tasks = [{"fleetpki.host_trust.tls_endpoint_info": options} for options, _sentence in cases]
    results = plays.run(fleet.inventory, tasks, hosts="el8").of("el8")
    for (_options, sentence), result in zip(cases, results, strict=True):
        assert result["failed"] and sentence in result["msg"]


def test_a_host_without_openssl_is_told_the_package():
    with podman.fleet(["el9"]) as hosts:
        hosts["el9"].run("sh", "-c", "rm -f $(command -v openssl)")
        task = {"fleetpki.host_trust.tls_endpoint_info": {"host": "127.0.0.1"}}
        result, = plays.run(hosts.inventory, [task]).of("el9")
    assert result["failed"] and result["missing_packages"] == ["openssl"]
    assert result["msg"] == "there is no 'openssl' on this host: install the package 'openssl'"
