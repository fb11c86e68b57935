# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The TCP sockets that listen on this host, and the certificates that they show to who connects."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import os
import socket
import struct
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _connection as connection
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _endpoint as targets
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _look as looks

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils import _openssl as openssl

TABLES = (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6))
LISTEN = "0A"
# Which address a socket is reached at that listens on all of them; one for IPv6 often takes IPv4, too.
WILDCARDS = {"0.0.0.0": ["127.0.0.1"], "::": ["::1", "127.0.0.1"]}
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
    chain: "t.List[bytes]"  # the certificates as they were sent, as DER; empty where it speaks TLS and none was seen
    finding: "t.Optional[str]"  # why none was seen, or None


def listening(proc: str = "/proc") -> "t.List[Listener]":
    """The sockets that listen (list of Listener); a table that this system does not have is empty."""
    found = []
    for table, family in TABLES:
        try:
            with open(os.path.join(proc, "net", table)) as stream:
                found += parse(stream.read(), family)
        except EnvironmentError:
            continue
    return list(collections.OrderedDict.fromkeys(found))


def parse(table: str, family: int) -> "t.List[Listener]":
    """The listening sockets of /proc/net/tcp or tcp6; see proc(5)."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTEN:
            continue
        address, _colon, port = fields[1].partition(":")
        words = [int(address[start:start + 8], 16) for start in range(0, len(address), 8)]
        packed = struct.pack("=%dI" % len(words), *words)  # each as this machine has it in memory
        found.append(Listener(socket.inet_ntop(family, packed), int(port, 16), fields[9]))
    return found


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

    program: _openssl.OpenSSL. seconds: how long a step may take.
    """
    first = _ask(listener, None, program, seconds, tmpdir)
    if first is None:
        return []
    others = [_ask(listener, name, program, seconds, tmpdir) for name in names]
    seen = [first] + [one for one in others if one]
    # One that wants to be asked for a name shows nothing without one, and that is no riddle then.
    return [one for one in seen if one.chain] or seen[:1]


def _ask(
    listener: Listener, name: "t.Optional[str]", program: "openssl.OpenSSL", seconds: float, tmpdir: "t.Optional[str]"
) -> "t.Optional[Shown]":
    """Shown, or None where it does not speak TLS."""
    wanted = looks.Wanted(seconds, resumption=False, keep_alive=False, versions=False, http=False, path="/")
    for address in WILDCARDS.get(listener.address, [listener.address]):
        endpoint = targets.Endpoint(
            name=connection.place(listener.address, listener.port), host=address, port=listener.port,
            asked=name or address, server_name=name, address=None, starttls=STARTTLS.get(listener.port), alpn=[],
            certificate=None, proxy=None, purpose="server")
        seen = looks.look(endpoint, wanted, program, tmpdir)
        if seen.result["reachable"]:
            break
    if not seen.chain and not seen.speaks_tls:
        return None
    # What was shown first is enough where a second look, for the chain, comes to nothing.
    chain = seen.chain or ([seen.shown] if seen.shown else [])
    return Shown(listener, name, chain, None if chain else seen.result["finding"])
