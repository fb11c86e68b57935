# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""HTTP/1.1 on a TLS connection, as much as it takes to time the first byte and to see whether it is kept alive."""

import http.client
import io
import re
import socket
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import handshake

MAX_BODY = 4 * 1024 * 1024
PATH = re.compile(r"/[!-~]*\Z")
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"  # and empty SETTINGS (RFC 9113 section 3.4)


class HttpResponse(t.NamedTuple):
    first_byte: "t.Optional[float]"  # milliseconds from the request to the first byte, or None
    status: "t.Optional[int]"        # None where there was no answer in HTTP
    ends: "t.Optional[str]"          # why the server will not keep the connection, or None


class _Body(io.RawIOBase):
    """A TLS stream as a file, until ``deadline``."""

    def __init__(self, stream: "handshake.Stream", deadline: float) -> None:
        super().__init__()
        self.stream, self.deadline, self.begin = stream, deadline, time.monotonic()
        self.first_byte: t.Optional[float] = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        data = self.stream.read(self.deadline, len(buffer))
        if data and self.first_byte is None:
            self.first_byte = connection.milliseconds(self.begin)
        buffer[:len(data)] = data
        return len(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self)


def host_header(host: str, port: int) -> str:
    """What Host says, as browsers write it: without the port where it is the usual one, and without an IPv6 zone."""
    place = connection.place(host.partition("%")[0], port)
    return place[:-len(":443")] if port == 443 else place


def get(stream: "handshake.Stream", host: str, path: str, deadline: float) -> HttpResponse:
    """One GET request, its answer read to the end (Answer). Raises Finding where the connection breaks."""
    body = _Body(stream, deadline)
    stream.write(("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: fleetpki.host_trust\r\nAccept: */*\r\n\r\n" % (
        path, host)).encode("ascii"), deadline)
    response = http.client.HTTPResponse(body, method="GET")  # type: ignore[arg-type]  # it asks for makefile alone
    try:
        response.begin()
        while 100 <= response.status < 200 and response.status != 101:  # what comes before the answer, as Early Hints
            response.headers = None  # type: ignore[assignment]  # or http.client would take it for the answer
            response.begin()
        too_long = len(response.read(MAX_BODY + 1)) > MAX_BODY
        if response.length and not too_long:
            return HttpResponse(body.first_byte, response.status, "breaks off its answer")
    except socket.timeout:
        return HttpResponse(body.first_byte, None, "does not %s an HTTP request within %s" % (
            "finish its answer to" if body.first_byte else "answer", connection.spoken(stream.seconds)))
    except http.client.IncompleteRead:
        return HttpResponse(body.first_byte, response.status, "breaks off its answer")
    except (http.client.HTTPException, ValueError, OverflowError):  # the latter two for lengths that are none
        return HttpResponse(body.first_byte, None, "does not answer in HTTP" if body.first_byte else
                            "closes the connection without an answer")
    ends = "answers with more than %d MiB, which is not read" % (MAX_BODY // 1024 // 1024) if too_long else None
    if response.will_close:
        ends = ("answers in HTTP/1.0" if response.version < 11 else
                "answers with 'Connection: close' (status %d)" % response.status)
    return HttpResponse(body.first_byte, response.status, ends)


def keep_alive(
    stream: "handshake.Stream", host: str, path: str, deadline: float, first: "t.Optional[HttpResponse]" = None
) -> "t.Tuple[bool, t.Optional[str]]":
    """(whether a second request on the connection is answered, why not). first: Answer to the first one, if made."""
    first = first or get(stream, host, path, deadline)
    if first.ends:
        return False, first.ends
    try:
        second = get(stream, host, path, deadline)
    except connection.ConnectionFailure as error:
        return False, "did not announce the end of the connection: %s" % error
    if second.status is None:
        return False, "%s the second time" % second.ends
    return True, None


def first_byte(stream: "handshake.Stream", data: bytes, deadline: float) -> "t.Optional[float]":
    """Milliseconds from sending ``data`` to the first byte of an answer in whatever protocol, or None."""
    begin = time.monotonic()
    if data:
        stream.write(data, deadline)
    try:
        return connection.milliseconds(begin) if stream.read(deadline) else None
    except socket.timeout:
        return None
