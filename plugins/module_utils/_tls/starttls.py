# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What is said before TLS begins, protocol by protocol. Each talker leaves a connection on which the server waits for a
ClientHello, or raises Finding.
"""

import re
import socket
import struct
import typing as t
from xml.sax import saxutils

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

MAX_LINES = 100
LDAP_STARTTLS = b"1.3.6.1.4.1.1466.20037"
XMPP_TLS = b"urn:ietf:params:xml:ns:xmpp-tls"
XMPP_FEATURES_END = re.compile(br"</(\w+:)?(features|stream)\s*>|<(\w+:)?features\s*/>")
MYSQL_SSL, MYSQL_PROTOCOL_41, MYSQL_SECURE_CONNECTION = 0x800, 0x200, 0x8000


def begin(protocol: str, sock: socket.socket, name: str, budget: connection.TimeBudget, pending: bytes = b"") -> None:
    """Asks the server to begin TLS. name: the server's, where the protocol says it. pending: what was read already."""
    kind = TITLES[protocol]
    plain = connection.Plain(sock, budget.step(), "the %s server" % kind, budget.seconds)
    plain.buffer = pending
    TALKERS[protocol](plain, name)
    if plain.buffer:
        raise connection.ConnectionFailure("the %s server goes on in the clear after it agreed to begin TLS" % kind)


def _refused(plain: connection.Plain, answer: bytes) -> connection.ConnectionFailure:
    return connection.ConnectionFailure("%s refuses STARTTLS: it answers %s" % (plain.who, connection.quoted(answer)))


def _foreign(plain: connection.Plain, answer: bytes) -> connection.ConnectionFailure:
    return connection.ConnectionFailure("%s does not speak that protocol: it says %s" % (
        plain.who.replace("server", "server that was asked for"), connection.quoted(answer)))


def _smtp_reply(plain: connection.Plain) -> "t.Tuple[bytes, t.List[bytes]]":
    """(code, all lines) of a reply of one or more lines (RFC 5321 section 4.2.1)."""
    lines: t.List[bytes] = []
    while len(lines) < MAX_LINES:
        lines.append(plain.line())
        if lines[-1][3:4] != b"-":
            break
    return lines[-1][:3], lines


def smtp(plain: connection.Plain, name: str) -> None:
    """RFC 3207."""
    code, lines = _smtp_reply(plain)
    if code != b"220":
        raise _foreign(plain, lines[0])
    plain.send(b"EHLO " + (socket.gethostname().encode("ascii", "ignore") or b"localhost") + b"\r\n")
    code, lines = _smtp_reply(plain)
    if code != b"250" or not any(line[4:].strip().upper() == b"STARTTLS" for line in lines):
        raise connection.ConnectionFailure("%s does not offer STARTTLS" % plain.who)
    plain.send(b"STARTTLS\r\n")
    code, lines = _smtp_reply(plain)
    if code != b"220":
        raise _refused(plain, lines[0])


def imap(plain: connection.Plain, name: str) -> None:
    """RFC 9051 section 6.2.1."""
    greeting = plain.line()
    if not greeting.startswith(b"* "):
        raise _foreign(plain, greeting)
    plain.send(b"a1 STARTTLS\r\n")
    for _number in range(MAX_LINES):
        answer = plain.line()
        if answer.startswith(b"a1 "):
            break
    if not answer.upper().startswith(b"A1 OK"):
        raise _refused(plain, answer)


def pop3(plain: connection.Plain, name: str) -> None:
    """RFC 2595 section 4."""
    greeting = plain.line()
    if not greeting.startswith(b"+OK"):
        raise _foreign(plain, greeting)
    plain.send(b"STLS\r\n")
    answer = plain.line()
    if not answer.startswith(b"+OK"):
        raise _refused(plain, answer)


def ldap(plain: connection.Plain, name: str) -> None:
    """The extended operation of RFC 4511 section 4.14."""
    request = b"\x77" + _der_length(b"\x80" + _der_length(LDAP_STARTTLS))
    plain.send(b"\x30" + _der_length(b"\x02\x01\x01" + request))
    head = plain.exactly(2)
    if head[:1] != b"\x30":
        raise _foreign(plain, head + plain.buffer)
    size = head[1]
    if size & 0x80:
        more = plain.exactly(min(size & 0x7F, 4))
        size = struct.unpack(">I", more.rjust(4, b"\0"))[0]
    if size > connection.MAX_LINE:
        raise _foreign(plain, head)
    answer = plain.exactly(size)
    try:
        _id, response = list(der.children(answer, 0, len(answer)))[:2]
        parts = list(der.children(answer, response[2], response[3]))
        code = der.integer(answer[parts[0][2]:parts[0][3]])
        text = answer[parts[2][2]:parts[2][3]]
    except (ValueError, IndexError):
        raise _foreign(plain, head + answer)
    if response[0] != 0x78 or code:
        raise connection.ConnectionFailure("%s refuses STARTTLS: result code %d %s" % (
            plain.who, code, connection.quoted(text)))


def _der_length(content: bytes) -> bytes:
    return struct.pack("B", len(content)) + content


def postgres(plain: connection.Plain, name: str) -> None:
    """SSLRequest: https://www.postgresql.org/docs/current/protocol-message-formats.html."""
    plain.send(struct.pack(">II", 8, 80877103))
    answer = plain.exactly(1)
    if answer == b"N":
        raise connection.ConnectionFailure("%s has TLS turned off" % plain.who)
    if answer != b"S":
        raise _foreign(plain, answer + plain.buffer)


def mysql(plain: connection.Plain, name: str) -> None:
    """The initial handshake and SSLRequest: https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html."""
    head = plain.exactly(4)
    size = struct.unpack("<I", head[:3] + b"\0")[0]
    if size > connection.MAX_LINE:
        raise _foreign(plain, head + plain.buffer)
    greeting = plain.exactly(size)
    if greeting[:1] == b"\xff":
        raise connection.ConnectionFailure("%s turns this host away: %s" % (plain.who, connection.quoted(greeting[3:])))
    version, _nul, rest = greeting[1:].partition(b"\0")
    if greeting[:1] != b"\x0a" or len(rest) < 15:
        raise _foreign(plain, greeting)
    if not struct.unpack("<H", rest[13:15])[0] & MYSQL_SSL:
        raise connection.ConnectionFailure("%s has TLS turned off" % plain.who)
    flags = MYSQL_SSL | MYSQL_PROTOCOL_41 | MYSQL_SECURE_CONNECTION
    plain.send(b"\x20\0\0\1" + struct.pack("<IIB", flags, 1 << 24, 33) + b"\0" * 23)


def xmpp(plain: connection.Plain, name: str) -> None:
    """RFC 6120 section 5."""
    plain.send(("<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
                "xmlns:stream='http://etherx.jabber.org/streams' to=%s>" % saxutils.quoteattr(name)).encode("ascii"))
    features, tag = b"", b""
    while not XMPP_FEATURES_END.search(tag):  # in the last tag alone: in all of them, a flood of tags would take long
        tag = plain.until(b">")
        features += tag
        if len(features) > 4 * connection.MAX_LINE:
            raise _foreign(plain, features)
    if XMPP_TLS not in features:
        raise connection.ConnectionFailure("%s does not offer STARTTLS" % plain.who)
    plain.send(b"<starttls xmlns='" + XMPP_TLS + b"'/>")
    answer = plain.until(b">")
    if b"<proceed" not in answer:
        raise _refused(plain, answer)


TALKERS = {"smtp": smtp, "imap": imap, "pop3": pop3, "ldap": ldap, "postgres": postgres, "mysql": mysql, "xmpp": xmpp}
TITLES = {"smtp": "SMTP", "imap": "IMAP", "pop3": "POP3", "ldap": "LDAP", "postgres": "PostgreSQL", "mysql": "MySQL",
          "xmpp": "XMPP"}
PROTOCOLS = sorted(TALKERS)
# What is said first inside of TLS to hear a word from the server, politely.
FAREWELLS = {"smtp": b"QUIT\r\n", "imap": b"a2 LOGOUT\r\n", "pop3": b"QUIT\r\n"}
