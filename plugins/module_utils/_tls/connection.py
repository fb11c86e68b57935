# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A connection to a server up to the point where TLS begins: address, TCP, proxy, STARTTLS; each step in bounded time.

What goes wrong is a ConnectionFailure, a sentence that somebody can act upon.
"""

import errno
import re
import socket
import threading
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames

if t.TYPE_CHECKING:
    Address = t.Tuple[int, int, int, str, t.Tuple[t.Any, ...]]  # as getaddrinfo has it
    Known = t.Dict[t.Tuple[str, int], t.Sequence[Address]]  # by host and port

MAX_LINE = 4096
SHOWN = 80     # characters of a server's own words in a sentence
LINGER = 0.1   # seconds that a server is given to see that the connection ends
STEPS = 8      # an endpoint as a whole takes no longer than so many times the timeout of a step
HOST = re.compile(r"[A-Za-z0-9_.-]+\Z")
ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\Z")  # with a zone: fe80::1%eth0
PROXY = re.compile(r"http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})/?\Z", re.ASCII)


class Connected(t.NamedTuple):
    sock: socket.socket
    address: str             # IP address
    took: float              # milliseconds of the TCP connect
    refusals: "t.List[str]"  # sentences on addresses that were tried before and did not answer


class ConnectionFailure(Failure):
    """Why there is no usable connection, as a sentence."""


class TimeBudget:
    """Bounds for each step and for all of them; seconds on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.monotonic() + STEPS * seconds

    def step(self, share: float = 1.0) -> float:
        """The moment by which a step that begins now must be done."""
        return min(time.monotonic() + share * self.seconds, self.end)


def spoken(count: float) -> str:
    """Seconds for a sentence: ``10 s``, ``0.5 s``."""
    return "%g s" % count


def quoted(data: bytes) -> str:
    """The begin of what a server said, harmless to a terminal."""
    text = data[:MAX_LINE].decode("ascii", "replace").strip().splitlines()
    line = "".join(character if character.isprintable() and ord(character) < 127 else "." for character in
                   (text[0] if text else ""))
    return "'%s%s'" % (line[:SHOWN], "..." if len(line) > SHOWN else "")


def place(host: str, port: int) -> str:
    """``host:port``, with an IPv6 address in brackets."""
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def plain_host(text: str) -> str:
    """A host name or IP address as it can be looked up; raises ValueError for anything else."""
    address = x509_hostnames.address(text)
    if address is not None:
        written = text.strip().strip("[]")
        if not ADDRESS.match(written):
            raise ValueError("%r is no IP address" % text)
        return written
    name = x509_hostnames.a_label(text)
    # What ends in a number, some clients take for an IP address (RFC 3696 section 2): 127.1 is 127.0.0.1 to them.
    if not HOST.match(name) or name.rpartition(".")[2].isdigit():
        raise ValueError("%r is no host name" % text)
    if name.startswith("-"):  # every program that gets it would take it for an option
        raise ValueError("%r is not a host name: it begins with a hyphen (RFC 1123 section 2.1)" % text)
    return name


def proxy_place(text: str) -> "t.Tuple[str, int]":
    """(host, port) of a proxy's URL; raises ValueError."""
    match = PROXY.match(text)
    if not match or not 0 < int(match.group(2)) < 65536 or match.group(1).startswith("-"):
        raise ValueError("%r is no proxy that can be used: write http://HOST:PORT, without a user and a password"
                         % re.sub("//.*@", "//...@", text))
    return match.group(1).strip("[]"), int(match.group(2))


class Plain:
    """A socket before TLS, read by lines and by bytes, until ``deadline``."""

    def __init__(self, sock: socket.socket, deadline: float, who: str, seconds: float) -> None:
        self.sock, self.deadline, self.who, self.seconds, self.buffer = sock, deadline, who, seconds, b""

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        try:
            send(self.sock, data, self.deadline)
        except (OSError, ValueError) as error:
            raise self._broken(error)

    def line(self) -> bytes:
        """The next line, without its end."""
        return self.until(b"\n")[:-1].rstrip(b"\r")

    def until(self, mark: bytes) -> bytes:
        """All up to and with ``mark``."""
        while mark not in self.buffer:
            if len(self.buffer) > MAX_LINE:
                raise ConnectionFailure("%s does not speak the protocol that was asked for: %s" % (
                    self.who, quoted(self.buffer)))
            self._more()
        self._in_time()
        found, _mark, self.buffer = self.buffer.partition(mark)
        return found + mark

    def exactly(self, count: int) -> bytes:
        """So many bytes."""
        while len(self.buffer) < count:
            self._more()
        self._in_time()
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def _in_time(self) -> None:
        """Raises ConnectionFailure after the deadline: a server may send at once what takes long to read."""
        if time.monotonic() >= self.deadline:
            raise ConnectionFailure("%s did not get to the point where TLS begins within %s" % (
                self.who, spoken(self.seconds)))

    def _more(self) -> None:
        try:
            data = receive(self.sock, self.deadline)
        except OSError as error:
            raise self._broken(error)
        if not data:
            raise ConnectionFailure("%s closes the connection before TLS begins%s" % (
                self.who, ", after %s" % quoted(self.buffer) if self.buffer else ""))
        self.buffer += data

    def _broken(self, error: Exception) -> ConnectionFailure:
        if isinstance(error, socket.timeout):
            return ConnectionFailure("%s is silent: what comes before TLS was not answered within %s" % (
                self.who, spoken(self.seconds)))
        return ConnectionFailure("%s breaks the connection before TLS begins: %s" % (
            self.who, getattr(error, "strerror", None) or error))


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


def receive(sock: socket.socket, deadline: float, size: int = 65536) -> bytes:
    """What comes next, b"" at the end; raises socket.timeout and other OSErrors."""
    if time.monotonic() >= deadline:
        raise socket.timeout("timed out")
    sock.settimeout(_left(deadline))
    return sock.recv(size)


def send(sock: socket.socket, data: bytes, deadline: float) -> None:
    """Sends all of it; raises socket.timeout and other OSErrors."""
    sock.settimeout(_left(deadline))
    sock.sendall(data)


def resolve(host: str, port: int, budget: TimeBudget) -> "t.Sequence[Address]":
    """The addresses of a host, as getaddrinfo returns them; in bounded time, which getaddrinfo itself is not."""
    outcome: t.List[t.Union[t.Sequence[Address], Exception]] = []

    def ask() -> None:
        try:
            outcome.append(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.daemon = True
    thread.start()
    thread.join(_left(budget.step()))
    if not outcome:
        raise ConnectionFailure("the name %s was not resolved within %s: DNS does not answer" % (
            host, spoken(budget.seconds)))
    if isinstance(outcome[0], Exception):
        raise ConnectionFailure("the name %s can't be resolved: %s" % (
            host, getattr(outcome[0], "strerror", outcome[0])))
    return outcome[0]


def connect(host: str, port: int, budget: TimeBudget, who: str = "", known: "t.Optional[Known]" = None) -> Connected:
    """Connected to the first address that answers; raises ConnectionFailure.

    known: dict that keeps that address, for the connections that follow: what is told of a server must be of one.
    """
    known = {} if known is None else known
    addresses = known.get((host, port)) or resolve(host, port, budget)
    refusals: t.List[str] = []
    deadline = budget.step()
    for number, found in enumerate(addresses):
        family, kind, protocol, _name, address = found
        sock = socket.socket(family, kind, protocol)
        begin = time.monotonic()
        try:
            sock.settimeout(max((deadline - begin) / (len(addresses) - number), 0.001))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            known[host, port] = [found]
            return Connected(sock, address[0], milliseconds(begin), list(dict.fromkeys(refusals)))
        except OSError as error:
            sock.close()
            refusals.append(_refusal(error, who, address[0], port, budget))
    raise ConnectionFailure("; ".join(dict.fromkeys(refusals)))


def _refusal(error: OSError, who: str, address: str, port: int, budget: TimeBudget) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "%s%s refuses connections to port %d: nothing listens there" % (who, address, port)
    if isinstance(error, socket.timeout) or error.errno == errno.ETIMEDOUT:
        return "no answer from %s%s port %d within %s: the host is down, or a firewall drops what is sent to it" % (
            who, address, port, spoken(budget.seconds))
    if error.errno == errno.ECONNRESET:  # so soon that it is the connect that fails
        return "%s%s resets connections to port %d at once" % (who, address, port)
    return "%s%s port %d can't be reached: %s" % (who, address, port, error.strerror or error)


def milliseconds(begin: float) -> float:
    """Since ``begin``, rounded."""
    return round((time.monotonic() - begin) * 1000, 2)


def through(sock: socket.socket, proxy: str, host: str, port: int, budget: TimeBudget) -> bytes:
    """Has an HTTP proxy connect the socket on to host and port (RFC 9110 section 9.3.6).

    Returns what the server behind it has said already.
    """
    plain = Plain(sock, budget.step(), "the proxy %s" % proxy, budget.seconds)
    target = place(host, port)
    plain.send(("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (target, target)).encode("ascii"))
    head = plain.until(b"\r\n\r\n")
    status = head.split(b"\r\n")[0]
    match = re.match(br"HTTP/1\.[01] ([0-9]{3})", status)
    if not match:
        raise ConnectionFailure("the proxy %s does not speak HTTP: it answers %s" % (proxy, quoted(status)))
    if not match.group(1).startswith(b"2"):
        raise ConnectionFailure("the proxy %s does not connect to %s: it answers %s" % (proxy, target, quoted(status)))
    return plain.buffer


def close(sock: socket.socket) -> None:
    """Ends a connection; waits a moment for the other side, so that it gets what was sent last."""
    try:
        sock.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER
        while receive(sock, deadline):
            pass
    except OSError:
        pass
    sock.close()
