# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to an endpoint: mutual TLS, proxies, STARTTLS."""
import errno
import socket
import ssl
import sys

import pki
import pytest
import tls_servers as servers
from endpoint_looks import CLIENT, ISSUING, ROOT, WEB, https, look, refused


def client(tmp_path, passphrase=None):
    (tmp_path / "client.pem").write_text(CLIENT.pem + ISSUING.pem)
    (tmp_path / "client.key").write_text(CLIENT.key_pem(passphrase))
    found = {"client_certificate": str(tmp_path / "client.pem"), "client_privatekey_path": str(tmp_path / "client.key")}
    return dict(found, client_privatekey_passphrase=passphrase) if passphrase else found


@pytest.mark.parametrize("number", [0x303, 0x304])
def test_mutual_tls(trust, tmp_path, number):
    with https(WEB, ISSUING, version=number, client_ca=ROOT) as server:
        result = look(server, trust, item=client(tmp_path, "secret"), http=True, require=["keep_alive", "resumption"])
        assert result["finding"] is None and result["trusted"] and result["client_certificate_requested"] is True
        result = look(server, trust, http=True, resumption=True)
        assert "it wants a client certificate that it trusts" in result["finding"]
        # What the server showed before it refused is told all the same.
        assert result["trusted"] and result["client_certificate_requested"] is True and result["resumption"] is None
        assert result["protocol"] == ("TLSv1.2" if number == 0x303 else "TLSv1.3")
        assert "it wants a client certificate" in look(server, trust)["finding"]


@pytest.mark.skipif(sys.version_info < (3, 7, 4), reason="its ssl then verifies the server (bpo-37428)")
def test_a_client_certificate_that_only_a_request_asks_for(trust, tmp_path):
    """TLS 1.3 can ask for it after the handshake, and does so only where the client says that it can."""
    settings = servers.context(WEB, ISSUING, version=0x304, client_ca=ROOT)
    settings.verify_mode, settings.post_handshake_auth = ssl.CERT_OPTIONAL, True

    def ask(secured):
        while servers.head_of(secured):
            try:
                secured.verify_client_post_handshake()
                status = b"200 OK"
            except ssl.SSLError:
                status = b"403 Forbidden"
            secured.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
            if secured.getpeercert():
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * bool(servers.head_of(secured)))
    with servers.Server(servers.tls(settings, ask)) as server:
        result = look(server, trust, item=client(tmp_path), http=True)
        assert result["finding"] is None and result["http"]["status"] == 200
        assert look(server, trust, http=True)["http"]["status"] == 403


def test_ipv6(trust):
    pair = pki.server("web6", ROOT, ips=["::1"])
    with socket.socket(socket.AF_INET6) as probe:
        if probe.connect_ex(("::1", 9)) not in (0, errno.ECONNREFUSED):
            pytest.skip("this machine has no IPv6")
    talk = servers.http()
    with servers.Server(servers.tls(servers.context(pair), talk), "::1") as server:
        result = look(server, trust, item={"host": "[::1]", "server_name": None}, http=True,
                      require=["trusted", "resumption"], versions=True)
    assert result["violations"] == [] and result["address"] == result["server_name"] == "::1"
    assert result["name"] == "[::1]:%d" % server.port
    assert b"\r\nHost: [::1]:%d\r\n" % server.port in talk.requests[0]


def test_a_host_with_several_addresses(trust, monkeypatch):
    """All connections go to the one that answered, and the others are told."""
    asked = []
    with https(WEB, ISSUING) as good, https(pki.server()) as other, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        dead, live, later = (kind + (("127.0.0.1", port),) for port in (taken.getsockname()[1], good.port, other.port))

        def resolve(*_):
            asked.append(1)
            return [dead, live, later] if len(asked) == 1 else [later]
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        result = look(443, trust, item={"host": "web1.example.com"}, require=["trusted", "resumption"], versions=True)
        assert result["violations"] == [] and other.count == 0 and len(asked) == 1
    assert result["warnings"] == ["127.0.0.1 refuses connections to port 443: nothing listens there; 127.0.0.1 was "
                                  "taken in its place"]


def test_client_certificates_that_cannot_be_used(trust, tmp_path):
    item = client(tmp_path, "secret")
    for change, sentence in [
            ({"client_privatekey_passphrase": "wrong"}, "can't be decrypted: client_privatekey_passphrase is wrong"),
            ({"client_privatekey_passphrase": None}, "it is encrypted and no client_privatekey_passphrase is given"),
            ({"client_certificate": str(tmp_path / "nosuch")}, "nosuch can't be used: there is no such file"),
            ({"client_privatekey_path": None}, "client.pem can't be used: there is no private key in it"),
            ({"client_certificate": trust}, "belongs to another certificate than %s" % trust),
            ({"client_certificate": None}, "client_privatekey_path is given without client_certificate")]:
        said = refused(trust=trust, endpoints=[dict(dict(item, **change), host="web1")])
        assert said.startswith("endpoints[0] (web1): ") and sentence in said, said
        assert "secret" not in said
    (tmp_path / "der").write_bytes(CLIENT.der)
    (tmp_path / "client.key").write_text(CLIENT.key_pem())
    assert "both must be PEM" in refused(trust=trust, endpoints=[{
        "host": "web1", "client_certificate": str(tmp_path / "der"),
        "client_privatekey_path": str(tmp_path / "client.key")}])


def test_through_a_proxy(trust):
    with https(WEB, ISSUING) as server, servers.Server(servers.proxy) as proxy:
        item = {"host": "web1.example.com", "address": "127.0.0.1", "proxy": "http://127.0.0.1:%d" % proxy.port}
        result = look(server, trust, item=item, http=True, require=["trusted", "keep_alive", "resumption"])
        assert result["violations"] == [] and result["reachable"]
        assert proxy.count == server.count > 2
    with servers.Server(servers.hear_then(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
        result = look(1, trust, item={"proxy": "http://127.0.0.1:%d" % proxy.port})
    assert "it answers 'HTTP/1.1 407 Proxy Authentication Required'" in result["finding"]
    assert result["reachable"] is False


def smtp(settings):
    """A talk of a mail server that begins TLS and knows QUIT."""
    def quit_alone(secured):
        if secured.recv(100) == b"QUIT\r\n":
            secured.sendall(b"221 bye\r\n")

    def talk(connection):
        connection.sendall(b"220 mx\r\n")
        connection.recv(100)
        connection.sendall(b"250-mx\r\n250 STARTTLS\r\n")
        connection.recv(100)
        connection.sendall(b"220 go\r\n")
        servers.tls(settings, quit_alone)(connection)
    return talk


def test_starttls_with_and_without_a_proxy(trust):
    with servers.Server(smtp(servers.context(WEB, ISSUING))) as server, servers.Server(servers.proxy) as proxy:
        for more in [{}, {"proxy": "http://127.0.0.1:%d" % proxy.port}]:
            result = look(server, trust, item=dict(more, starttls="smtp"), http=True, versions=True,
                          require=["trusted", "resumption"])
            assert result["violations"] == [] and result["versions"]["TLSv1.2"] and result["http"] is None
            assert result["milliseconds"]["first_byte"] > 0
        assert proxy.count > 5
        assert "is 'starttls: smtp' meant?" in look(server, trust)["finding"]


def test_no_http_is_spoken_behind_starttls(trust):
    heard = []

    def talk(connection):
        connection.recv(8)
        connection.sendall(b"S")
        servers.tls(servers.context(WEB, ISSUING), lambda secured: heard.append(secured.recv(100)))(connection)
    with servers.Server(talk) as server:
        result = look(server, trust, item={"starttls": "postgres"}, http=True, require=["trusted", "keep_alive"])
    assert result["violations"] == ["connections are not kept alive: the server was not asked for HTTP"]
    assert set(heard) == {b""} and result["milliseconds"]["first_byte"] is None
