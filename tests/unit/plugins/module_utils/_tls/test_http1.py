# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP on a TLS connection of this process."""
import socket
import time

import pki
import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, handshake, http1

SETTINGS = servers.context(pki.server())
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def over_tls(talk, function, seconds=2.0):
    """What function says of a connection to a talker."""
    with servers.Server(servers.tls(SETTINGS, talk)) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        stream = handshake.Stream(sock, handshake.context(), None, seconds)
        budget = connection.TimeBudget(seconds)
        stream.handshake(budget.step())
        try:
            return function(stream, budget.step())
        finally:
            stream.close()


def kept(talk, seconds=2.0):
    return over_tls(talk, lambda stream, deadline: http1.keep_alive(stream, "web1:443", "/health", deadline),
                    seconds)


def got(talk, seconds=2.0):
    return over_tls(talk, lambda stream, deadline: http1.get(stream, "web1:443", "/", deadline), seconds)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    CHUNKED, b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"])
def test_kept_alive(answer):
    talk = servers.http(answer)
    assert kept(talk) == (True, None)
    assert len(talk.requests) == 2
    assert talk.requests[0] == talk.requests[1]
    assert talk.requests[0].startswith(b"GET /health HTTP/1.1\r\nHost: web1:443\r\n")
    assert b"close" not in talk.requests[0].lower()


@pytest.mark.parametrize("answer, times, why", [
    (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", 1, "answers with 'Connection: close' (status 200)"),
    (b"HTTP/1.0 200 OK\r\n\r\nhello", 1, "answers in HTTP/1.0"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1, "closes the connection without an answer the second time"),
    (b"220 mx ESMTP\r\n", 1, "does not answer in HTTP"),
    (b"", 1, "closes the connection without an answer"),
])
def test_not_kept_alive(answer, times, why):
    assert kept(servers.http(answer, times)) == (False, why)


def test_an_end_that_was_not_announced():
    """The whole sentence on the connection is told, whatever it says."""
    def answer_and_reset(secured):
        servers.http(times=1)(secured)
        servers.head_of(secured)
        servers.abort(secured)
        secured.close()

    assert kept(answer_and_reset) == (False, "did not announce the end of the connection: the server resets the "
                                             "connection after the handshake")


def test_silence_and_unfinished_answers_end_in_time():
    begin = time.time()
    assert kept(lambda secured: time.sleep(2), 0.3) == (False, "does not answer an HTTP request within 0.3 s")
    part = servers.http(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
    assert kept(part, 0.3) == (False, "does not finish its answer to an HTTP request within 0.3 s")
    assert kept(servers.http(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 1)) == (
        False, "breaks off its answer")
    assert kept(servers.http(CHUNKED[:-8], 1)) == (False, "breaks off its answer")
    assert time.time() - begin < 3


def test_a_piece_of_negative_length():
    """Some Pythons refuse it, others wait for its end."""
    assert kept(servers.http(CHUNKED.replace(b"\r\n5\r\n", b"\r\n-5\r\n"), 1)) in (
        (False, "does not answer in HTTP"), (False, "breaks off its answer"))


def test_long_answers_are_not_read(monkeypatch):
    monkeypatch.setattr(http1, "MAX_BODY", 1024 * 1024)
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n" + b"x" * 1048577
    assert kept(servers.http(long)) == (False, "answers with more than 1 MiB, which is not read")


def test_what_comes_before_the_answer_is_not_taken_for_it():
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    talk = servers.http(early + early + b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello")
    assert got(talk).status == 404 and kept(talk) == (True, None)
    assert kept(servers.http(early), 0.3) == (False, "does not finish its answer to an HTTP request within 0.3 s")


@pytest.mark.parametrize("host, port, header", [
    ("web1", 443, "web1"), ("web1", 8443, "web1:8443"), ("2001:db8::1", 443, "[2001:db8::1]"),
    ("fe80::1%eth0", 4433, "[fe80::1]:4433")])
def test_the_host_header(host, port, header):
    assert http1.host_header(host, port) == header


def test_the_first_byte():
    def slow(secured):
        servers.head_of(secured)
        time.sleep(0.2)
        secured.sendall(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.2)
    answer = got(slow)
    assert answer.status == 503 and answer.ends is None and 190 < answer.first_byte < 390


def test_the_first_byte_in_any_protocol():
    heard = []

    def talk(secured):
        heard.append(secured.recv(100))
        secured.sendall(b"221 bye\r\n")
    assert 0 < over_tls(talk, lambda stream, deadline: http1.first_byte(stream, b"QUIT\r\n", deadline)) < 1000
    assert heard == [b"QUIT\r\n"]
    assert over_tls(lambda _: None, lambda stream, deadline: http1.first_byte(stream, b"", deadline)) is None
    assert over_tls(lambda _: time.sleep(1), lambda stream, deadline: http1.first_byte(stream, b"", deadline),
                    0.2) is None


@pytest.mark.parametrize("path, fits", [("/", True), ("/a?b=c%20d", True), ("", False), ("a", False), ("/a b", False),
                                        ("/\r\nX: y", False), ("/\n", False), (u"/\u00fc", False)])
def test_paths(path, fits):
    assert bool(http1.PATH.match(path)) is fits
