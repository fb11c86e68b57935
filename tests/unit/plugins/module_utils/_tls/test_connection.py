# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, TCP and proxies, to real sockets on 127.0.0.1."""
import errno
import socket
import time

import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection


def budget(seconds=1.0):
    return connection.TimeBudget(seconds)


def finding(function, *arguments):
    with pytest.raises(connection.ConnectionFailure) as error:
        function(*arguments)
    return str(error.value)


def test_a_connection():
    with servers.Server(servers.say(b"hello")) as server:
        sock, address, took, refusals = connection.connect("127.0.0.1", server.port, budget())
        assert sock.recv(5) == b"hello" and address == "127.0.0.1" and 0 < took < 1000 and refusals == []
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sock.close()


def test_nothing_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = finding(connection.connect, "127.0.0.1", port, budget())
        assert said == "127.0.0.1 refuses connections to port %d: nothing listens there" % port
        assert finding(connection.connect, "127.0.0.1", port, budget(), "the proxy ").startswith("the proxy 127.0.0.1")


def test_no_answer_ends_in_time():
    """A full backlog drops what comes, as a firewall does."""
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in (one, two):
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        begin = time.time()
        said = finding(connection.connect, "127.0.0.1", full.getsockname()[1], budget(0.3))
        assert said == ("no answer from 127.0.0.1 port %d within 0.3 s: the host is down, or a firewall drops what is "
                        "sent to it" % full.getsockname()[1])
        assert 0.2 < time.time() - begin < 2


def test_unreachable_addresses_say_what_the_system_says():
    assert "port 443 can't be reached: " in finding(connection.connect, "255.255.255.255", 443, budget())


def test_a_reset_that_is_faster_than_the_connect(monkeypatch):
    def connect(*_):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert finding(connection.connect, "127.0.0.1", 443, budget()) == (
        "127.0.0.1 resets connections to port 443 at once")


def test_each_address_is_tried(monkeypatch):
    with servers.Server(servers.say(b"x")) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        dead, live = (kind + (("127.0.0.1", port),) for port in (taken.getsockname()[1], server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [dead, dead, live])
        known = {}
        for refusals in (1, 0):  # the second connection goes to what answered
            made = connection.connect("web1", 443, budget(), known=known)
            made.sock.close()
            assert len(made.refusals) == refusals
        assert known == {("web1", 443): [live]}
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [dead, dead])
        assert finding(connection.connect, "web1", 443, budget()).count("refuses") == 1


def test_names(monkeypatch):
    said = finding(connection.connect, "nosuch.invalid", 443, budget(5))
    assert said.startswith("the name nosuch.invalid can't be resolved: ") and "[" not in said
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: time.sleep(3))
    begin = time.time()
    said = finding(connection.connect, "web1.example.com", 443, budget(0.2))
    assert said == "the name web1.example.com was not resolved within 0.2 s: DNS does not answer"
    assert time.time() - begin < 2


def test_the_budget_bounds_each_step_and_all():
    one = connection.TimeBudget(10)
    now = time.monotonic()
    assert 9 < one.step() - now <= 10.1 and 0.9 < one.step(0.1) - now < 1.1
    one.end = now + 3
    assert one.step() == now + 3


def through(answer, seconds=10.0):
    with servers.Server(lambda sock: sock.sendall(answer(servers.head_of(sock)))) as server:
        sock = connection.connect("127.0.0.1", server.port, budget())[0]
        try:
            return connection.through(sock, "http://p:1", "2001:db8::1", 443, budget(seconds))
        finally:
            sock.close()


def test_proxies():
    heard = []
    assert through(lambda request: heard.append(request) or b"HTTP/1.0 200 OK\r\nVia: x\r\n\r\n220 mx") == b"220 mx"
    assert heard == [b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"]
    assert finding(through, lambda _: b"HTTP/1.1 403 Forbidden\r\n\r\n") == (
        "the proxy http://p:1 does not connect to [2001:db8::1]:443: it answers 'HTTP/1.1 403 Forbidden'")
    assert finding(through, lambda _: b"SSH-2.0-x\r\n\r\n") == (
        "the proxy http://p:1 does not speak HTTP: it answers 'SSH-2.0-x'")
    assert finding(through, lambda _: b"") == "the proxy http://p:1 closes the connection before TLS begins"
    assert "is silent" in finding(through, lambda _: time.sleep(1) or b"", 0.2)


@pytest.mark.parametrize("text, place", [
    ("http://proxy.example.com:3128", ("proxy.example.com", 3128)), ("http://[::1]:8080/", ("::1", 8080))])
def test_proxy_urls(text, place):
    assert connection.proxy_place(text) == place


@pytest.mark.parametrize("text", [
    "proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:0", "http://proxy:65536", "http://user:secret@p:1",
    "http://proxy:3128/\r\nX: y", "http://pro xy:1"])
def test_proxy_urls_that_are_none(text):
    with pytest.raises(ValueError) as error:
        connection.proxy_place(text)
    assert "write http://HOST:PORT, without a user and a password" in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("text, plain", [
    ("Web1.Example.com.", "web1.example.com"), ("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1"),
    (u"b\u00fccher.example", "xn--bcher-kva.example"), ("under_score", "under_score"),
    ("fe80::1%eth0", "fe80::1%eth0")])
def test_hosts(text, plain):
    assert connection.plain_host(text) == plain


@pytest.mark.parametrize("text", ["", "a b", "a\r\nb", "a..b", "http://web1", "web1/x", "-" * 64, "::1%a b",
                                  "::1%\r\nX: y"])
def test_hosts_that_are_none(text):
    with pytest.raises(ValueError):
        connection.plain_host(text)


def test_places():
    assert connection.place("web1", 443) == "web1:443" and connection.place("::1", 443) == "[::1]:443"


def test_an_error_of_whatever_kind_breaks_a_connection_with_a_sentence(monkeypatch):
    def fail(*_arguments):
        raise ValueError("no such moment")
    monkeypatch.setattr(connection, "send", fail)
    plain = connection.Plain(None, 0.0, "the server", 1.0)
    assert finding(plain.send, b"x") == "the server breaks the connection before TLS begins: no such moment"
