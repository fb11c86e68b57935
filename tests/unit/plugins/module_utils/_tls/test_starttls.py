# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said before TLS, to small talkers of each protocol: those that agree, refuse, and are something else."""
import socket
import struct
import time

import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, starttls

LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
XMPP_OPEN = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1'>"
XMPP_TLS = (b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
            b"</stream:features>")


def mysql_greeting(flags=0x800):
    body = b"\x0a8.0.36\0" + b"\0" * 4 + b"salt1234\0" + struct.pack("<H", flags) + b"\x21\0\0\0\0" + b"\0" * 10
    return struct.pack("<I", len(body))[:3] + b"\0" + body


def script(*steps):
    """A talk: bytes are said; a function must accept what was heard (else the connection ends)."""
    def talk(sock):
        for step in steps:
            if isinstance(step, bytes):
                sock.sendall(step)
            else:
                heard = sock.recv(4096)
                if not step(heard):
                    talk.wrong = heard
                    return
        time.sleep(2)
    talk.wrong = None
    return talk


def equals(wanted):
    return lambda heard: heard == wanted


AGREE = {
    "smtp": script(b"220-mx\r\n220 ready\r\n", lambda heard: heard.startswith(b"EHLO ") and heard.endswith(b"\r\n"),
                   b"250-mx\r\n250-SIZE 1\r\n250-starttls\r\n250 HELP\r\n", equals(b"STARTTLS\r\n"), b"220 go\r\n"),
    "imap": script(b"* OK IMAP4rev1\r\n", equals(b"a1 STARTTLS\r\n"), b"* CAPABILITY IMAP4rev1\r\na1 OK begin\r\n"),
    "pop3": script(b"+OK ready\r\n", equals(b"STLS\r\n"), b"+OK begin\r\n"),
    "ldap": script(equals(LDAP_REQUEST), b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
    "postgres": script(equals(b"\0\0\0\x08\x04\xd2\x16\x2f"), b"S"),
    "mysql": script(mysql_greeting(), lambda heard: (
        len(heard) == 36 and heard[:4] == b"\x20\0\0\1" and struct.unpack("<I", heard[4:8])[0] == 0x8A00)),
    "xmpp": script(lambda heard: b"to=\"web1.example.com\"" in heard and b"version='1.0'" in heard,
                   b"<?xml version='1.0'?>" + XMPP_OPEN + XMPP_TLS,
                   equals(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                   b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
}


def begin(protocol, talk, seconds=1.0):
    """Has a protocol spoken with a talker; returns the finding, None where TLS may begin."""
    with servers.Server(talk) as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        try:
            starttls.begin(protocol, sock, "web1.example.com", connection.TimeBudget(seconds))
        except connection.ConnectionFailure as error:
            return str(error)
        return None


def test_each_protocol_has_a_talker_here():
    assert sorted(AGREE) == starttls.PROTOCOLS == sorted(starttls.TITLES)
    assert set(starttls.FAREWELLS) < set(AGREE)


@pytest.mark.parametrize("protocol", sorted(AGREE))
def test_servers_that_agree(protocol):
    assert begin(protocol, AGREE[protocol]) is None
    assert AGREE[protocol].wrong is None


def test_what_was_read_before_counts():
    """A proxy's answer may bring the server's greeting along."""
    with servers.Server(script(equals(b"STLS\r\n"), b"+OK begin\r\n")) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            starttls.begin("pop3", sock, "web1", connection.TimeBudget(1), b"+OK ready\r\n")


def test_active_directory_writes_long_lengths():
    answer = b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\x00\x04\x00\x04\x00"
    assert begin("ldap", script(equals(LDAP_REQUEST), answer)) is None


def anything(_heard):
    return True


@pytest.mark.parametrize("protocol, talk, sentence", [
    ("smtp", script(b"220 mx\r\n", anything, b"250-mx\r\n250 SIZE 1\r\n"), "the SMTP server does not offer STARTTLS"),
    ("smtp", script(b"220 mx\r\n", anything, b"250-mx\r\n250 STARTTLS\r\n", anything, b"454 TLS not available\r\n"),
     "the SMTP server refuses STARTTLS: it answers '454 TLS not available'"),
    ("smtp", script(b"554 no service\r\n"), "does not speak that protocol: it says '554 no service'"),
    ("imap", script(b"* OK\r\n", anything, b"a1 NO later\r\n"), "the IMAP server refuses STARTTLS: it answers 'a1 NO"),
    ("imap", script(b"220 mx\r\n"), "does not speak that protocol: it says '220 mx'"),
    ("pop3", script(b"+OK\r\n", anything, b"-ERR no\r\n"), "the POP3 server refuses STARTTLS: it answers '-ERR no'"),
    ("pop3", script(b"* OK\r\n"), "does not speak that protocol: it says '* OK'"),
    ("ldap", script(anything, b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x02\x04\x00\x04\x04oops"),
     "the LDAP server refuses STARTTLS: result code 2 'oops'"),
    ("ldap", script(anything, b"HTTP/1.1 400 Bad Request\r\n\r\n"), "it says 'HTTP/1.1 400 Bad Request'"),
    ("ldap", script(anything, b"\x30\x03abc"), "does not speak that protocol"),
    ("ldap", script(anything, b"\x30\x84\xff\xff\xff\xff"), "does not speak that protocol"),
    ("postgres", script(anything, b"N"), "the PostgreSQL server has TLS turned off"),
    ("postgres", script(anything, b"HTTP/1.1 400\r\n"), "does not speak that protocol: it says 'H"),
    ("mysql", script(mysql_greeting(0xF7FF)), "the MySQL server has TLS turned off"),
    ("mysql", script(b"\x10\0\0\0\xff\x6a\x04Host blocked!"), "the MySQL server turns this host away: 'Host blocked!'"),
    ("mysql", script(b"220 mail.example.com ESMTP\r\n"), "does not speak that protocol: it says '220 "),
    ("mysql", script(b"\x04\0\0\0\x0aabc"), "does not speak that protocol"),
    ("xmpp", script(anything, XMPP_OPEN + b"<stream:features/>"), "the XMPP server does not offer STARTTLS"),
    ("xmpp", script(anything, XMPP_OPEN + b"</stream:stream>"), "the XMPP server does not offer STARTTLS"),
    ("xmpp", script(anything, XMPP_OPEN + XMPP_TLS, anything, b"<failure/>"), "refuses STARTTLS: it answers '<failure"),
])
def test_servers_that_do_not(protocol, talk, sentence):
    assert sentence in begin(protocol, talk)


@pytest.mark.parametrize("protocol", sorted(AGREE))
def test_silence_closing_and_floods_end_in_time(protocol):
    start = time.time()
    assert "is silent: what comes before TLS was not answered within 0.2 s" in begin(
        protocol, lambda sock: time.sleep(2), 0.2)
    said = begin(protocol, lambda sock: None, 5)
    assert "closes the connection before TLS begins" in said or "Connection reset" in said
    flood = begin(protocol, lambda sock: [sock.sendall(b"x" * 65536) for _number in range(1000)], 2)
    assert "the protocol that was asked for" in flood or "does not speak that protocol" in flood, flood
    assert time.time() - start < 5


def test_endless_lines_end():
    assert "does not offer STARTTLS" in begin("smtp", script(b"220 mx\r\n", anything, b"250-more\r\n" * 5000))
    assert "refuses STARTTLS" in begin("imap", script(b"* OK\r\n", anything, b"* more\r\n" * 5000))


def test_a_flood_of_tags_ends_in_time():
    """Each tag had all tags before it searched once more: 13 seconds of computing, whatever the timeout."""
    begun = time.time()
    said = begin("xmpp", servers.hear_then(b"</>" * 20000, 1), 5)
    assert "does not speak that protocol" in said and time.time() - begun < 0.5


def test_the_time_is_for_the_whole_dialogue():
    """Also where all of it came at once, and is read piece by piece."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        plain = connection.Plain(ours, time.monotonic() + 0.1, "the SMTP server", 0.1)
        plain.buffer = b"220-mx\r\n" * 3
        assert plain.line() == b"220-mx"
        time.sleep(0.15)
        for read in (plain.line, lambda: plain.exactly(3)):
            with pytest.raises(connection.ConnectionFailure,
                               match="did not get to the point where TLS begins within 0.1 s"):
                read()


def test_what_comes_behind_the_consent_is_not_taken_for_tls():
    """CVE-2011-0411 and its like: nothing in the clear may stand behind it."""
    talk = script(b"+OK\r\n", anything, b"+OK begin\r\n+OK more\r\n")
    assert begin("pop3", talk) == "the POP3 server goes on in the clear after it agreed to begin TLS"


def test_what_a_server_says_is_harmless():
    assert connection.quoted(b"\x1b[31mred\x07\r\nnext") == "'.[31mred.'"
    assert connection.quoted(b"x" * 500) == "'%s...'" % ("x" * 80)
    assert connection.quoted(b"") == "''"
