# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to an endpoint: mutual TLS, proxies, STARTTLS."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
import tls_servers as servers
from endpoint_looks import CLIENT, ISSUING, ROOT, WEB, https, look, refused


def client(tmp_path, passphrase=None):
    (tmp_path / "client.pem").write_text(CLIENT.pem + ISSUING.pem)
    (tmp_path / "client.key").write_text(CLIENT.key_pem(passphrase))
    found = {"client_certificate": str(tmp_path / "client.pem"), "client_key": str(tmp_path / "client.key")}
    return dict(found, client_key_passphrase=passphrase) if passphrase else found


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


def test_client_certificates_that_cannot_be_used(trust, tmp_path):
    item = client(tmp_path, "secret")
    for change, sentence in [
            ({"client_key_passphrase": "wrong"}, "can't be decrypted: client_key_passphrase is wrong"),
            ({"client_key_passphrase": None}, "it is encrypted and no client_key_passphrase is given"),
            ({"client_certificate": str(tmp_path / "nosuch")}, "nosuch can't be used: there is no such file"),
            ({"client_key": None}, "client.pem can't be used: there is no private key in it"),
            ({"client_certificate": trust}, "belongs to another certificate than %s" % trust),
            ({"client_certificate": None}, "client_key is given without client_certificate")]:
        said = refused(trust=trust, endpoints=[dict(dict(item, **change), host="web1")])
        assert said.startswith("endpoints[0] (web1): ") and sentence in said, said
        assert "secret" not in said
    (tmp_path / "der").write_bytes(CLIENT.der)
    (tmp_path / "client.key").write_text(CLIENT.key_pem())
    assert "both must be PEM" in refused(trust=trust, endpoints=[{
        "host": "web1", "client_certificate": str(tmp_path / "der"), "client_key": str(tmp_path / "client.key")}])


def test_through_a_proxy(trust):
    with https(WEB, ISSUING) as server, servers.Server(servers.proxy) as proxy:
        item = {"host": "web1.example.com", "address": "127.0.0.1", "proxy": "http://127.0.0.1:%d" % proxy.port}
        result = look(server, trust, item=item, http=True, require=["trusted", "keep_alive", "resumption"])
        assert result["unmet"] == [] and result["reachable"]
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
            assert result["unmet"] == [] and result["versions"]["TLSv1.2"] and result["http"] is None
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
    assert result["unmet"] == ["connections are not kept alive: the server was not asked for HTTP"]
    assert set(heard) == {b""} and result["milliseconds"]["first_byte"] is None
