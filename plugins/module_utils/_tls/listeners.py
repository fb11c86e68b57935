# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The TCP sockets that listen on this host, and the certificates that they show to who connects."""

import collections
import errno
import os
import re
import socket
import struct
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, probe
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint as tls_endpoint

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl

TABLES = (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6))
LISTEN = "0A"
PLACE = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})\Z", re.ASCII)  # an address and a port
UNSEEN = "speaks TLS, and its certificate could not be seen: %s"
UNREACHABLE = ("listens, and can't be reached from the host itself, as in a VRF or behind a firewall: %s. See what it "
               "shows, and name its port in ignore_ports")
# Which address a socket is reached at that listens on all of them; one for IPv6 often takes IPv4, too.
WILDCARDS = {"0.0.0.0": ["127.0.0.1"], "::": ["::1", "127.0.0.1"]}
LINK = "20"  # the scope of addresses that are unique on their link alone, in /proc/net/if_inet6
# What is said before TLS begins, by the port that is assigned to it. Elsewhere it is tried without.
STARTTLS = {25: "smtp", 587: "smtp", 110: "pop3", 143: "imap", 389: "ldap", 3306: "mysql", 5222: "xmpp",
            5432: "postgres"}


class Listener(t.NamedTuple):
    address: str  # IP address
    port: int
    inode: str    # by which /proc says whose socket it is


class Shown(t.NamedTuple):
    listener: Listener
    server_name: "t.Optional[str]"  # the host name that was asked for, or None
    chain: "t.List[bytes]"  # the certificates as they were sent, as DER; empty where none was seen
    finding: "t.Optional[str]"  # why none was seen, to be said of the socket, or None


def listening(proc: str = "/proc") -> "t.List[Listener]":
    """The sockets that listen (list of Listener); without IPv6, a system has no table of its.

    Raises EnvironmentError where a table can't be read: nobody may take that for a host on which nothing listens.
    """
    found = []
    for table, family in TABLES:
        path = os.path.join(proc, "net", table)
        try:
            with open(path) as stream:
                found += parse(stream.read(), family)
        except EnvironmentError as error:
            if error.errno != errno.ENOENT or family == socket.AF_INET:
                raise
        except ValueError as error:
            raise EnvironmentError(errno.EINVAL, str(error), path)
    return list(collections.OrderedDict.fromkeys(found))


def parse(table: str, family: int) -> "t.List[Listener]":
    """The listening sockets of /proc/net/tcp or tcp6; see proc(5). Raises ValueError for what is no such table."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTEN:
            continue
        place = PLACE.match(fields[1])
        if not place:
            raise ValueError("it is no table of sockets, for it has %r" % fields[1][:80])
        address, port = place.groups()
        words = [int(address[start:start + 8], 16) for start in range(0, len(address), 8)]
        packed = struct.pack("=%dI" % len(words), *words)  # each as this machine has it in memory
        found.append(Listener(socket.inet_ntop(family, packed), int(port, 16), fields[9]))
    return found


def places(listener: Listener, proc: str = "/proc") -> "t.List[str]":
    """The addresses that a socket may be reached at from this host, the likeliest first.

    The tables of sockets do not say on which link an address is that each link may have.
    """
    if listener.address in WILDCARDS:
        return WILDCARDS[listener.address]
    try:
        with open(os.path.join(proc, "net", "if_inet6")) as stream:
            rows = [line.split() for line in stream]
    except EnvironmentError:
        return [listener.address]
    linked = ["%s%%%s" % (listener.address, row[5]) for row in rows if row[3] == LINK
              and socket.inet_ntop(socket.AF_INET6, bytes(bytearray.fromhex(row[0]))) == listener.address]
    return linked or [listener.address]


def programs(listeners: "t.Iterable[Listener]", proc: str = "/proc") -> "t.Dict[str, str]":
    """{inode: name of the program that has the socket}, as far as this user may know."""
    wanted = {"socket:[%s]" % one.inode: one.inode for one in listeners}
    found: t.Dict[str, str] = {}
    for process in os.listdir(proc) if wanted else ():
        for target in set(_open(os.path.join(proc, process, "fd"))) & set(wanted):
            try:
                with open(os.path.join(proc, process, "comm")) as stream:
                    found.setdefault(wanted[target], stream.read().strip())
            except EnvironmentError:
                continue  # it has just ended
    return found


def _open(folder: str) -> "t.Iterator[str]":
    """Yields what a process has open; nothing where there is no process, or another user's."""
    try:
        names = os.listdir(folder)
    except EnvironmentError:
        return
    for name in names:
        try:
            yield os.readlink(os.path.join(folder, name))
        except EnvironmentError:
            continue  # it was closed meanwhile


def shown(
    listener: Listener,
    names: "t.List[str]",
    program: "openssl.OpenSSL",
    seconds: float,
    tmpdir: "t.Optional[str]" = None,
) -> "t.List[Shown]":
    """What a listener shows (list of Shown) without a name and when it is asked for each of these; [] if it is no TLS.

    One that listens and can't be reached may show anything: that is one Shown with a finding.

    program: openssl.OpenSSL. seconds: how long a step may take.
    """
    first = _ask(listener, None, program, seconds, tmpdir)
    if not first.result["reachable"]:
        there = [(one.address, one.port) for one in listening()]
        return [Shown(listener, None, [], UNREACHABLE % first.result["finding"])] if listener[:2] in there else []
    if not first.speaks_tls and not first.chain and not first.cut_off:
        return []  # some, such as Envoy, end the connection of whoever names nobody
    answers = [(None, first)] + [(name, _ask(listener, name, program, seconds, tmpdir)) for name in names]
    seen = [_told(listener, name, answer) for name, answer in answers if answer.speaks_tls or answer.chain]
    # One that wants to be asked for a name shows nothing without one, and that is no riddle then.
    return [one for one in seen if one.chain] or seen[:1]


def _ask(
    listener: Listener, name: "t.Optional[str]", program: "openssl.OpenSSL", seconds: float, tmpdir: "t.Optional[str]"
) -> probe.Seen:
    wanted = probe.ProbeOptions(seconds, resumption=False, keep_alive=False, versions=False, http=False, path="/")
    for address in places(listener):
        endpoint = tls_endpoint.Endpoint(
            name=connection.place(listener.address, listener.port), host=address, port=listener.port,
            asked=name or address, server_name=name, address=None, starttls=STARTTLS.get(listener.port), alpn=[],
            certificate=None, proxy=None, purpose="server")
        seen = probe.look(endpoint, wanted, program, tmpdir)
        if seen.result["reachable"]:
            break
    return seen


def _told(listener: Listener, name: "t.Optional[str]", seen: probe.Seen) -> Shown:
    # What was shown first is enough where a second look, for the chain, comes to nothing.
    chain = seen.chain or ([seen.shown] if seen.shown else [])
    return Shown(listener, name, chain, None if chain else UNSEEN % seen.result["finding"])
