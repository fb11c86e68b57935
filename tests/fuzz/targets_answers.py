# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs and the system print, and what servers say."""

from __future__ import annotations

import contextlib
import functools
import socket
import time
import typing as t

import corpus
import mutations
from hypothesis import strategies as st
from targeting import NOW, target

from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import database as nss_database
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import (
    connection,
    handshake,
    http1,
    listeners,
    presented_chain,
    records,
    s_client,
    starttls,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls_clients import clients
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, der, pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames

SERVER_SECONDS = 0.1  # that a server which never ends is listened to


# What programs print


def links_of(printed: list[tuple[str, bool]]) -> list[chains.Link]:
    pool = chains.index(known())
    return chains.follow(known()[2], printed, pool, pool, NOW)


@functools.cache
def known() -> list[x509.Certificate]:
    return [x509.parse(pair.der) for pair in list(corpus.pairs().values())[:6]]


def store() -> verify_reasons.TrustedStore:
    return verify_reasons.TrustedStore(openssl.Trust(None, "/f", "/d"), known()[:1], chains.index(known()[:1]), [])


@target(st.tuples(mutations.printed_of([corpus.recorded("openssl-verify.txt").decode()]),
                  st.sampled_from([0, 2, None])))
def what_openssl_verify_prints(value):
    printed, code = value
    verdict = openssl.parse_verdict(["openssl"], code, printed)
    links = links_of(verdict.links) or [chains.Link(known()[2], "x", chains.CERTIFICATE)]
    found = verify_reasons.of_verdict(verdict, links, [], store(), "server", NOW)
    assert verdict.accepted or found
    openssl.VERSION.match(printed), openssl.DIRECTORY.search(printed)
    return found, [link.subject for link in links], verdict.output.split("\n")


@target(mutations.printed_of([part.decode() for part in corpus.recorded("openssl-s_client.txt").split(b"CONNECTED")]))
def what_s_client_prints(printed):
    found = s_client.parse(printed)
    assert all(isinstance(one, bytes) for one in found.pop("chain"))
    return found, s_client.staple_finding(printed, NOW), s_client.complaint(printed)


@target(mutations.texts_of([corpus.recorded(f"certutil-{name}.txt").decode() for name in ("list", "one")]))
def what_certutil_prints(printed):
    nss_database.listed(printed), nss_database.flags(printed)


@target(mutations.printed_of(["curl: (60) SSL certificate problem: self-signed certificate\n", "OpenSSL 3.0.19 27 J",
                             corpus.recorded("openssl-s_client.txt").decode(), "*** Fatal error: x", "curl 7.88 (x)"]))
def what_tls_clients_print(printed):
    return [clients.words(printed, client.words) for client in clients.CLIENTS.values()]


@target(st.tuples(mutations.printed_of([corpus.recorded(f"{name}.txt").decode() for name in ("tcp", "tcp6")]),
                  st.sampled_from([socket.AF_INET, socket.AF_INET6])), (ValueError,))
def a_table_of_sockets(value):
    for one in listeners.parse(*value):
        assert 0 <= one.port <= 65535 and socket.inet_pton(value[1], one.address)


# What servers say


class FakeSocket:
    """A server that says what it says, whatever it hears."""

    def __init__(self, said: mutations.Said) -> None:
        self.data, self.piece, self.endless = said

    def settimeout(self, _seconds: float) -> None:
        pass

    def sendall(self, _data: bytes) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        pass

    def recv(self, size: int) -> bytes:
        found, rest = self.data[:min(size, self.piece)], self.data[self.piece:]
        self.data = rest or (found if self.endless else b"")
        return found


@target(mutations.servers(corpus.handshakes()), share=1)
def bytes_of_tls(said):
    records.messages(said.data), records.wants_certificate(said.data)
    if said.data:  # as soon as there is anything
        records.is_tls(said.data)
    return records.version_chosen(said.data)


@functools.cache
def settings() -> t.Any:
    return handshake.context(lowered=True)


@target(mutations.servers(corpus.handshakes()), (connection.ConnectionFailure, socket.timeout))
def a_server_of_tls(said):
    stream = handshake.Stream(FakeSocket(said), settings(), "web1.example.com", SERVER_SECONDS)
    stream.handshake(time.monotonic() + SERVER_SECONDS)


class FakeStream:
    """The same behind TLS."""

    seconds = SERVER_SECONDS

    def __init__(self, said: mutations.Said) -> None:
        self.sock = FakeSocket(said)

    def write(self, _data: bytes, _deadline: float) -> None:
        pass

    def read(self, deadline: float, size: int = 16384) -> bytes:
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
        return self.sock.recv(size)


HTTP = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2, b"HTTP/1.0 404 Not Found\r\n\r\nnothing",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 90]


@target(mutations.servers(HTTP), (connection.ConnectionFailure, socket.timeout))
def an_answer_in_http(said):
    stream = FakeStream(said)
    return http1.keep_alive(stream, "web1", "/", time.monotonic() + SERVER_SECONDS)[1]


@target(mutations.servers([b"HTTP/1.1 200 Connection established\r\n\r\n", b"HTTP/1.0 407 No\r\nA: b\r\n\r\n"]),
        (connection.ConnectionFailure,))
def a_proxy_answers(said):
    connection.through(FakeSocket(said), "proxy:3128", "web1", 443, connection.TimeBudget(SERVER_SECONDS))


CONVERSATIONS = {
    "smtp": [b"220-mail\r\n220 ESMTP\r\n250-mail\r\n250-STARTTLS\r\n250 8BITMIME\r\n220 go\r\n", b"554 no\r\n"],
    "imap": [b"* OK IMAP\r\n* CAPABILITY\r\na1 OK go\r\n", b"* BYE\r\n"],
    "pop3": [b"+OK\r\n+OK go\r\n", b"-ERR no\r\n"],
    "ldap": [b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
             b"\x30\x84\x00\x00\x00\x05\x02\x01\x01\x78\x00",
             b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x02\x04\x00\x04\x04\x1b[2J"],
    "postgres": [b"S", b"N", b"E\0\0\0\x10"],
    "mysql": [b"\x4a\0\0\0\x0a8.0.36\0\1\0\0\0abcdefgh\0\xff\xff\xff\2\0\xff\xdf\x15" + b"\0" * 60,
              b"\x08\0\0\0\xff\1\2no\x1b"],
    "xmpp": [b"<?xml version='1.0'?><stream:stream><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
             b"</stream:features><proceed/>", b"<stream:features/>", b"<failure/>"],
}


@target(st.sampled_from(sorted(CONVERSATIONS)).flatmap(lambda protocol: st.tuples(
    st.just(protocol), mutations.servers(CONVERSATIONS[protocol]))), (connection.ConnectionFailure,), 2)
def a_server_before_tls(value):
    protocol, said = value
    starttls.begin(protocol, FakeSocket(said), "web1.example.com", connection.TimeBudget(SERVER_SECONDS))


@target(st.lists(mutations.der_of(corpus.certificates()[:12]), min_size=1, max_size=5), (der.DerError,), 2)
def a_chain_that_was_sent(listed):
    sent = [one for one in map(x509.parse_leniently, listed) if one]
    if not sent:
        return None
    complete, ordered, flaws = presented_chain.examine(sent, store(), NOW)
    found = [flaw.sentence for flaw in flaws]
    links = chains.build(sent[0], chains.index(sent[1:]), store().pool, NOW)
    found += verify_reasons.no_ca(links) + verify_reasons.warnings(links, sent, "server", [])
    found += verify_reasons.too_short(links, "9d", store(), NOW)
    for number in (*verify_reasons.PLAIN, 2, 7, 9, 10, 18, 19, 20, 21, 24, 26, 79, 9999):
        errors = [(number, depth, "said") for depth in range(len(links) + 1)]
        verdict = openssl.OpensslVerdict(False, errors, [], [], 2, "")
        found += verify_reasons.of_verdict(verdict, links, sent[1:], store(), "server", NOW, True)
    with contextlib.suppress(pem.CertificateFileError):
        chains.pick_leaf(sent, False)
    chains.above(sent, store().pool), chains.comes_too_early(sent[0], sent[1:])
    return found + x509_hostnames.findings(["web1.example.com"], ["::1"], x509.alt_names(sent[0]), None)
