# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS by Python's ssl, to real servers of this process: good ones, and all that go wrong."""
import re
import socket
import sys
import time

import pki
import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, handshake, records

ROOT = pki.root()
WEB = pki.server(issuer=ROOT)
CLIENT = pki.issue("client", ROOT, purposes=["client"])


def shake(talk, seconds=2.0, **options):
    """(what was found, the stream) of a handshake with a talker."""
    with servers.Server(talk) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        stream = handshake.Stream(sock, handshake.context(**options), "web1.example.com", seconds)
        try:
            took = stream.handshake(connection.TimeBudget(seconds).step())
            assert took > 0
            return None, stream
        except connection.ConnectionFailure as error:
            return str(error), stream
        finally:
            stream.close()


def idle(secured):
    secured.recv(10)


@pytest.mark.parametrize("number, protocol, secret", [
    (0x303, "TLSv1.2", True), (0x304, "TLSv1.3", True)])
def test_facts(number, protocol, secret):
    found, stream = shake(servers.tls(servers.context(WEB, version=number, alpn=["http/1.1"]), idle),
                          alpn=["h2", "http/1.1"])
    assert found is None
    facts = handshake.facts(stream)
    assert facts.pop("cipher") == stream.tls.cipher()[0]
    assert facts == {"protocol": protocol, "cipher_algorithm": "AES-256-GCM", "key_bits": 256, "alpn": "http/1.1",
                     "forward_secrecy": secret}
    assert records.version_chosen(stream.heard) == protocol


def test_no_forward_secrecy():
    pair = pki.server(key_type="rsa", key_usage=["digital_signature", "key_encipherment"])
    found, stream = shake(servers.tls(servers.context(pair, version=0x303, ciphers="AES128-SHA256:@SECLEVEL=0"), idle),
                          lowered=True)
    assert found is None
    facts = handshake.facts(stream)
    assert facts["forward_secrecy"] is False and facts["cipher"] == "AES128-SHA256" and facts["key_bits"] == 128


def test_old_versions_by_themselves():
    found, stream = shake(servers.tls(servers.context(WEB, version=0x301), idle), lowered=True)
    assert found is None and handshake.protocol(stream) == "TLSv1.0"
    assert shake(servers.tls(servers.context(WEB, version=0x301), idle), lowered=True, version="TLSv1.0")[0] is None
    for version in ["TLSv1.1", "TLSv1.2", "TLSv1.3"]:
        found, stream = shake(servers.tls(servers.context(WEB, version=0x301), idle), lowered=True, version=version)
        assert found and records.version_chosen(stream.heard) != version


@pytest.mark.skipif(sys.version_info < (3, 10), reason="its ssl refuses nothing that OpenSSL's configuration allows")
def test_this_host_s_settings_are_kept_unless_told_otherwise():
    """Python's own ssl asks for TLS 1.2; Debian's leaves that to OpenSSL, whose level forbids TLS 1.0's signatures."""
    found = shake(servers.tls(servers.context(WEB, version=0x301), idle))[0]
    assert found and re.search("protocol version|unsupported protocol|legacy sigalg", found), found


# --- what goes wrong ---

@pytest.mark.parametrize("talk, sentence", [
    (servers.say(b"", 3), "the server accepts the connection and says nothing: no answer to the ClientHello within"),
    (servers.hear_then(b""), "the server closes the connection after the ClientHello, without a TLS alert"),
    (servers.hear_then(b"\x16\x03\x03\x00\x7a\x02"), "the server closes the connection in the middle of the handshake"),
    (servers.hear_then(b"\x16\x03\x03\x00\x7a\x02", 3),
     "the server stalls in the middle of the handshake: it did not go on within 0.4 s"),
    (servers.reset, "the server resets the connection after the ClientHello, without a TLS alert"),
    (servers.hear_then(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
     "the server does not speak TLS there but plain HTTP: it says 'HTTP/1.1 400 Bad Request'"),
    (servers.hear_then(b"<!DOCTYPE HTML>\n<html>"), "does not speak TLS there but plain HTTP: it says '<!DOCTYPE"),
    (servers.say(b"SSH-2.0-OpenSSH_9.2\r\n"),
     "the server does not speak TLS there but SSH: it says 'SSH-2.0-OpenSSH_9.2'"),
    (servers.say(b"220 mx ESMTP\r\n"), "it says '220 mx ESMTP'; is 'starttls: smtp' meant?"),
    (servers.say(b"* OK IMAP\r\n"), "but IMAP in the clear: it says '* OK IMAP'; is 'starttls: imap' meant?"),
    (servers.say(b"+OK\r\n"), "but POP3 in the clear: it says '+OK'; is 'starttls: pop3' meant?"),
    (servers.say(b"\x16\x09\x01"), "the server does not speak TLS there: it says '...'"),
    (servers.hear_then(b"\x15\x03\x03\x00\x02\x02\x28"),
     "the server refuses the handshake with the alert 'handshake failure': it may have no cipher or version in common"),
    (servers.hear_then(b"\x15\x03\x03\x00\x02\x02\x46"),
     "with the alert 'protocol version': it does not accept the protocol versions that this host offers"),
    (servers.hear_then(b"\x15\x03\x03\x00\x02\x02\x70"), "'unrecognized name': it has no certificate for this name"),
    (servers.hear_then(b"\x15\x03\x03\x00\x02\x02\x50"), "with the alert 'internal error'"),
    (servers.hear_then(b"\x15\x03\x03\x00\x02\x01\x00"),
     "the server closes the connection in the middle of the handshake"),
    (servers.hear_then(b"\x16\x03\x03\x00\x04\x02\0\0\0" + b"\0" * 50), "this host's OpenSSL can't shake hands"),
])
def test_findings(talk, sentence):
    begin = time.time()
    found, stream = shake(talk, 0.4)
    assert sentence in found, found
    assert time.time() - begin < 2
    assert stream.spoken > 100


def test_a_server_that_trickles_is_bounded():
    def trickle(sock):
        sock.recv(4096)
        sock.sendall(b"\x16\x03\x03\x40\x00")
        for _number in range(100):
            sock.sendall(b"\x02")
            time.sleep(0.05)
    begin = time.time()
    assert "stalls in the middle" in shake(trickle, 0.4)[0]
    assert time.time() - begin < 1.5


def test_a_flood_is_bounded():
    record = b"\x16\x03\x03\x40\x00" + b"\0" * 16384
    found, stream = shake(lambda sock: [sock.sendall(record) for _number in range(500)], 2)
    assert found
    assert len(stream.heard) <= handshake.MAX_HEARD


def test_a_client_certificate_is_wanted():
    """TLS 1.2 says so in the handshake, TLS 1.3 with the first thing that is read."""
    found, stream = shake(servers.tls(servers.context(WEB, version=0x303, client_ca=ROOT), idle))
    assert found.endswith("': it wants a client certificate that it trusts"), found
    assert records.wants_certificate(stream.heard)
    with servers.Server(servers.tls(servers.context(WEB, version=0x304, client_ca=ROOT), idle)) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        stream = handshake.Stream(sock, handshake.context(), None, 2)
        stream.handshake(connection.TimeBudget(2).step())
        with pytest.raises(handshake.Alert) as error:
            stream.read(connection.TimeBudget(2).step())
        stream.close()
    assert "the alert 'certificate required': it wants a client certificate" in str(error.value)


def test_an_alert_is_read_where_nothing_can_be_sent_any_more():
    with servers.Server(servers.tls(servers.context(WEB, version=0x304, client_ca=ROOT), idle)) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        stream = handshake.Stream(sock, handshake.context(), None, 2)
        stream.handshake(connection.TimeBudget(2).step())
        time.sleep(0.1)
        with pytest.raises(handshake.Alert):
            for _number in range(3):
                stream.write(b"GET / HTTP/1.1\r\n\r\n", connection.TimeBudget(2).step())
                time.sleep(0.05)
            stream.read(connection.TimeBudget(2).step())
        stream.close()


@pytest.mark.parametrize("number", [0x303, 0x304])
def test_a_connection_that_breaks_later(number):
    def talk(connection_):
        with servers.context(WEB, version=number).wrap_socket(connection_, server_side=True) as secured:
            secured.recv(1)
            servers.abort(secured)
    with servers.Server(talk) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        stream = handshake.Stream(sock, handshake.context(), None, 2)
        stream.handshake(connection.TimeBudget(2).step())
        with pytest.raises(connection.ConnectionFailure) as error:
            for _number in range(5):
                stream.write(b"x", connection.TimeBudget(2).step())
                time.sleep(0.05)
            stream.read(connection.TimeBudget(2).step())
        stream.close()
    assert str(error.value) == "the server resets the connection after the handshake"


@pytest.mark.parametrize("number", [0x303, 0x304])
def test_a_client_certificate_is_shown(number, tmp_path):
    (tmp_path / "c.pem").write_text(CLIENT.pem)
    (tmp_path / "k.pem").write_text(CLIENT.key_pem("secret"))
    seen = []

    def ask(secured):
        seen.append(secured.getpeercert()["subject"])
        secured.sendall(b"welcome")
    with servers.Server(servers.tls(servers.context(WEB, version=number, client_ca=ROOT), ask)) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        made = handshake.context(certificate=(str(tmp_path / "c.pem"), str(tmp_path / "k.pem"), "secret"))
        stream = handshake.Stream(sock, made, None, 2)
        stream.handshake(connection.TimeBudget(2).step())
        assert stream.read(connection.TimeBudget(2).step()) == b"welcome"
        assert stream.read(connection.TimeBudget(2).step()) == b""
        stream.close()
    assert seen == [((("commonName", "client"),),)]


@pytest.mark.parametrize("passphrase", [None, "", "wrong"])
def test_an_encrypted_key_never_asks_a_terminal(passphrase, tmp_path):
    (tmp_path / "both.pem").write_text(CLIENT.pem + CLIENT.key_pem("secret"))
    path = str(tmp_path / "both.pem")
    with pytest.raises(handshake.HandshakeRefused):
        handshake.context(certificate=(path, path, passphrase))


def test_a_goodbye_is_said():
    """Without it, servers forget the session."""
    ends = []

    def talk(secured):
        ends.append(secured.recv(10))  # raises where the end is not announced
    done = servers.tls(servers.context(WEB), talk)
    assert shake(done)[0] is None
    for _number in range(50):
        if ends:
            break
        time.sleep(0.02)
    assert ends == [b""]


def test_what_was_read_before_is_used():
    a, b = socket.socketpair()
    stream = handshake.Stream(a, handshake.context(), None, 1, pending=b"SSH-2.0-x\r\n")
    with pytest.raises(connection.ConnectionFailure) as error:
        stream.handshake(connection.TimeBudget(1).step())
    assert "SSH" in str(error.value)
    a.close(), b.close()


def test_contexts_make_no_noise(recwarn):
    for version in handshake.VERSIONS:
        handshake.context(lowered=True, version=version)
    handshake.context(lowered=True)
    assert not list(recwarn)
