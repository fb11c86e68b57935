# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that can't be used, or break in the middle: a finding each, in bounded time."""
import socket
import ssl
import time

import pytest
import tls_servers as servers
from endpoint_looks import ISSUING, ROOT, WEB, look


@pytest.mark.parametrize("talk, reachable, sentence", [
    (servers.say(b"", 3), True, "the server accepts the connection and says nothing"),
    (servers.hear_then(b""), True, "the server closes the connection after the ClientHello"),
    (servers.reset, True, "the server resets the connection after the ClientHello"),
    (servers.hear_then(b"HTTP/1.1 400 Bad Request\r\n\r\n"), True, "does not speak TLS there but plain HTTP"),
    (None, False, "127.0.0.1 refuses connections to port"),
])
def test_unusable_endpoints(trust, talk, reachable, sentence):
    begin = time.time()
    with servers.Server(talk) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nothing listens
        result = look(server if talk else taken.getsockname()[1], trust, timeout=0.4, require=["trusted"],
                      min_remaining="1d", versions=True)
    assert result["reachable"] is reachable and sentence in result["finding"], result["finding"]
    assert result["violations"] == [result["finding"]]
    assert result["trusted"] is None and result["chain"] == [] and result["versions"] is None
    assert time.time() - begin < 3


def test_a_server_that_dies_after_the_first_connection(trust):
    """What is known stays known, the rest is unknown, and nothing breaks."""
    good = servers.tls(servers.context(WEB, ISSUING), servers.http())
    seen = []

    def talk(connection):
        seen.append(1)
        if len(seen) == 1:
            good(connection)
    with servers.Server(talk) as server:
        result = look(server, trust, resumption=True, versions=True, http=True, require=["trusted", "resumption"],
                      min_remaining="1d")
    assert result["finding"] is None and result["protocol"] == "TLSv1.3" and result["http"]["status"] == 200
    assert result["chain"] == [] and result["trusted"] is None and result["ocsp_staple"] is None
    assert result["resumption"]["resumed"] is False
    assert any("openssl s_client did not get the chain" in warning for warning in result["warnings"])
    assert result["violations"] == [
        "it is not known whether this host trusts it",
        "the server does not resume the session that it offered to resume (by ticket)",
        "how long the chain is valid is not known"]


def test_what_the_first_refusal_told_is_kept(trust):
    refuses, seen = servers.tls(servers.context(WEB, version=0x303, client_ca=ROOT), servers.http()), []

    def talk(connection):
        seen.append(1)
        if len(seen) == 1:
            refuses(connection)
    with servers.Server(talk) as server:
        result = look(server, trust)
    assert "it wants a client certificate" in result["finding"] and len(seen) == 3
    assert result["protocol"] == "TLSv1.2" and result["client_certificate_requested"] is True


def breaks(settings):
    """A talk that ends every connection with a reset once it was asked for something."""
    def ask(secured):
        secured.recv(10)
        servers.abort(secured)
        raise OSError("without a goodbye")
    return servers.tls(settings, ask)


def test_a_server_that_wants_no_http_is_no_failure_of_tls(trust):
    with servers.Server(breaks(servers.context(WEB, ISSUING, version=0x303))) as server:
        result = look(server, trust, http=True, resumption=True, require=["trusted", "keep_alive"])
        assert result["finding"] is None and result["trusted"] and result["resumption"] is not None
        assert result["http"] == {"status": None, "finding": "the server resets the connection after the handshake"}
        assert result["violations"] == [
            "connections are not kept alive: the server resets the connection after the handshake"]


def test_a_reset_after_the_question_for_a_client_certificate(trust):
    """The alert that says why is lost where what was sent to the server meets a closed socket."""
    asks = servers.context(WEB, ISSUING, version=0x304, client_ca=ROOT)
    asks.verify_mode = ssl.CERT_OPTIONAL
    with servers.Server(breaks(asks)) as server:
        result = look(server, trust, http=True)
    assert result["finding"] == ("the server resets the connection after the handshake: it may want a client "
                                 "certificate that it trusts")


def test_versions_that_cannot_be_tried_any_more_are_not_taken_for_refused(trust):
    talk, seen = servers.tls(servers.context(WEB, ISSUING), servers.http()), []
    with servers.Server(talk) as server:
        def counted(connection):
            seen.append(1)
            if len(seen) == 2:
                server.listener.shutdown(socket.SHUT_RDWR)
            talk(connection)
        server.talk = counted
        result = look(server, trust, min_protocol="TLSv1.2")
    assert result["protocol"] == "TLSv1.3" and set(result["versions"].values()) == {None}
    assert result["violations"] == ["whether the server accepts TLSv1.0, TLSv1.1 is not known: it could not be tried"]


@pytest.mark.parametrize("after", [False, True])
def test_drops_without_end_are_bounded(trust, after):
    def drip(connection):
        connection.recv(4096)
        for piece in [b"HTTP/1.1 200 OK\r\n" if after else b"\x16\x03\x03\x40\x00"] + [b"x"] * 100:
            connection.sendall(piece)
            time.sleep(0.05)
    begin = time.time()
    with servers.Server(servers.tls(servers.context(WEB), drip) if after else drip) as server:
        result = look(server, trust, timeout=0.5, http=True, keep_alive=True)
    assert time.time() - begin < 3
    assert "within 0.5 s" in (result["http"]["finding"] if after else result["finding"])


def test_a_flood_of_handshake_is_bounded(trust):
    def flood(connection):
        connection.recv(4096)
        while True:
            connection.sendall(b"\x16\x03\x03\x40\x00\x0b\x3f\xff\xff" + b"\0" * 16380)
    begin = time.time()
    with servers.Server(flood) as server:
        assert "can't shake hands with the server" in look(server, trust, timeout=1, versions=True)["finding"]
    assert time.time() - begin < 5
