# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resumption, protocol versions, keep-alive of endpoints."""
import sys

import pki
import pytest
import tls_servers as servers
from endpoint_looks import ISSUING, ROOT, WEB, https, look

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import handshake


@pytest.mark.parametrize("number, tickets, offered, resumed, ticket, session_id", [
    (0x303, True, "ticket", True, True, True),
    (0x303, False, "session ID", True, False, True),
])
def test_resumption_with_tls12(trust, number, tickets, offered, resumed, ticket, session_id):
    with https(WEB, ISSUING, version=number, tickets=tickets) as server:
        result = look(server, trust, require=["resumption"])
    assert result["resumption"] == {"offered": offered, "resumed": resumed, "tls13_ticket": None,
                                    "tls12_ticket": ticket, "tls12_session_id": session_id}
    assert result["milliseconds"]["resumed_handshake"] > 0 and result["violations"] == []


@pytest.mark.parametrize("number, offered", [(0x303, "ticket"), (0x304, "ticket")])
def test_tickets_that_are_not_taken(trust, number, offered):
    """Each connection meets a server with keys of its own, as behind a careless load balancer."""
    def talk(connection):
        servers.tls(servers.context(WEB, ISSUING, version=number), servers.http())(connection)
    with servers.Server(talk) as server:
        result = look(server, trust, resumption=True)
    assert result["resumption"]["offered"] == offered and result["resumption"]["resumed"] is False
    assert result["milliseconds"]["resumed_handshake"] is None


def large(names):
    """A certificate for so many names, of about 60 bytes each."""
    return pki.server("web1.example.com", ISSUING, dns=["web1.example.com"] + [
        "host%05d.%s.example.com" % (number, "x" * 35) for number in range(names)])


@pytest.mark.parametrize("version", [0x303, 0x304])
def test_a_certificate_of_80_kb_is_judged_though_no_session_can_be_kept_with_it(trust, version):
    web = large(1350)
    assert 75000 < len(web.der) < 95000
    with https(web, ISSUING, version=version) as server:
        result = look(server, trust, require=["trusted", "resumption"], keep_alive=True,
                      http=True)
    assert result["finding"] is None and result["trusted"] and len(result["chain"]) == 2 and result["keep_alive"]
    assert result["http"]["status"] == 200 and result["resumption"] is None
    assert [one for one in result["warnings"] if "its certificate is too large for this host's OpenSSL" in one]
    assert result["violations"] == ["whether the server resumes sessions is not known: the warnings say why"]


def test_more_certificates_than_openssl_takes_are_said(trust):
    with https(large(2000), ISSUING) as server:
        result = look(server, trust)
    assert result["finding"] == ("this host's OpenSSL can't shake hands with the server: excessive message size; it "
                                 "sends more than 100 KiB of certificates")


def test_versions_and_the_lowest_that_is_wished(trust):
    with https(WEB, ISSUING) as server:  # whatever its OpenSSL accepts
        result = look(server, trust, min_protocol="TLSv1.3")
    assert result["versions"]["TLSv1.2"] is True and result["versions"]["TLSv1.3"] is True
    assert "TLSv1.2, lower than min_protocol=TLSv1.3 allows" in result["violations"][0]


@pytest.mark.parametrize("number, name", [(0x301, "TLSv1.0"), (0x302, "TLSv1.1")])
def test_old_servers_are_looked_at_all_the_same(trust, number, name):
    with https(WEB, ISSUING, version=number) as server:
        result = look(server, trust, versions=True, min_protocol="TLSv1.2", require=["trusted"])
    assert result["finding"] is None and result["protocol"] == name and result["trusted"]
    assert result["versions"] == {version: version == name for version in handshake.VERSIONS}
    assert result["violations"] == ["the server accepts %s, lower than min_protocol=TLSv1.2 allows" % name]
    if sys.version_info >= (3, 10):
        assert "this host's clients refuse it as they are set" in result["warnings"][0]


def test_versions_that_this_host_cannot_try(trust, monkeypatch):
    made = handshake.context

    def without(version=None, **options):
        if version == "TLSv1.0":
            raise handshake.HandshakeRefused("this host's Python can't: it does not know TLSv1.0")
        return made(version=version, **options)
    monkeypatch.setattr(handshake, "context", without)
    with https(WEB, ISSUING, version=0x303) as server:
        result = look(server, trust, versions=True, min_protocol="TLSv1.2")
    assert result["versions"]["TLSv1.0"] is None and result["versions"]["TLSv1.2"] is True
    assert "this host's OpenSSL can't try TLSv1.0" in result["warnings"][0]
    assert result["violations"] == []


def test_a_server_that_wants_another_group_first(trust):
    """It answers the first ClientHello of TLS 1.3 with a HelloRetryRequest."""
    settings = servers.context(WEB, ISSUING)
    settings.set_ecdh_curve("secp384r1")
    with servers.Server(servers.tls(settings, servers.http())) as server:
        result = look(server, trust, versions=True, http=True, require=["trusted", "keep_alive", "resumption"])
    assert result["violations"] == [] and result["key_exchange"] == "P-384" and result["protocol"] == "TLSv1.3"
    assert result["versions"]["TLSv1.2"] is True and result["versions"]["TLSv1.3"] is True


def test_key_exchange_without_forward_secrecy(trust):
    pair = pki.server(issuer=ROOT, key_type="rsa", key_usage=["digital_signature", "key_encipherment"])
    with https(pair, version=0x303, ciphers="AES128-SHA256:@SECLEVEL=0") as server:
        result = look(server, trust, require=["trusted", "forward_secrecy"])
    assert result["key_exchange"] == "RSA" and result["cipher"] == "AES128-SHA256"
    assert result["violations"] == ["the cipher AES128-SHA256 has no forward secrecy"]


def test_no_keep_alive(trust):
    closing = servers.http(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 1)
    with servers.Server(servers.tls(servers.context(WEB, ISSUING), closing)) as server:
        result = look(server, trust, http=True, require=["keep_alive"])
        assert result["violations"] == [
            "connections are not kept alive: the server answers with 'Connection: close' (status 200)"]
        assert look(server, trust, http=True)["http"] == {"status": 200, "finding": None}
        result = look(server, trust, require=["keep_alive"])
    assert result["violations"] == ["connections are not kept alive: the server was not asked for HTTP"]


def test_http2_is_greeted_and_keep_alive_asked_for_in_http11(trust):
    seen, http = [], servers.http()

    def talk(secured):
        if secured.selected_alpn_protocol() != "h2":
            http(secured)
            return
        seen.append(secured.recv(100))
        secured.sendall(b"\0\0\0\4\0\0\0\0\0")
    settings = servers.context(WEB, ISSUING, alpn=["h2", "http/1.1"])
    with servers.Server(servers.tls(settings, talk)) as server:
        result = look(server, trust, item={"alpn": ["h2", "http/1.1"]}, http=True, require=["keep_alive"])
    assert result["alpn"] == "h2" and result["keep_alive"] is True and result["violations"] == []
    assert result["milliseconds"]["first_byte"] > 0 and seen[0].startswith(b"PRI * HTTP/2.0\r\n")
    assert len(http.requests) == 2
