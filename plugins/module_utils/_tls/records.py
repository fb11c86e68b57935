# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What can be read in the clear of a server's part of a TLS handshake (RFC 5246, RFC 8446): pure functions."""

import struct
import typing as t

HANDSHAKE, SERVER_HELLO, CERTIFICATE_REQUEST = 22, 2, 13
SUPPORTED_VERSIONS = 43
VERSIONS = {0x300: "SSLv3", 0x301: "TLSv1.0", 0x302: "TLSv1.1", 0x303: "TLSv1.2", 0x304: "TLSv1.3"}


def is_tls(heard: bytes) -> bool:
    """Whether bytes may be the begin of a server's TLS: a record of a known type, version 3.x."""
    return 20 <= heard[0] <= 23 and heard[1:2] in (b"", b"\3")


def messages(heard: bytes) -> "t.List[t.Tuple[int, bytes]]":
    """The handshake messages as list of (type, body), as far as they are whole and not encrypted."""
    stream, start = b"", 0
    while start + 5 <= len(heard):
        kind, _version, length = struct.unpack(">BHH", heard[start:start + 5])
        if kind != HANDSHAKE:
            break  # behind ChangeCipherSpec, or from the second record of TLS 1.3 on, all is encrypted
        stream += heard[start + 5:start + 5 + length]
        start += 5 + length
    found, start = [], 0
    while start + 4 <= len(stream):
        length = struct.unpack(">I", b"\0" + stream[start + 1:start + 4])[0]
        if start + 4 + length > len(stream):
            break
        found.append((stream[start], stream[start + 4:start + 4 + length]))
        start += 4 + length
    return found


def version_chosen(heard: bytes) -> "t.Optional[str]":
    """The version that the server's ServerHello chose, such as ``TLSv1.2``; None before it has sent one."""
    for kind, body in messages(heard):
        if kind == SERVER_HELLO and len(body) >= 38:
            number = struct.unpack(">H", body[:2])[0]
            number = _supported_version(body[34 + 1 + body[34] + 3:]) or number
            return VERSIONS.get(number, "0x%04x" % number)
    return None


def _supported_version(extensions: bytes) -> "t.Optional[int]":
    """The version in the extension supported_versions (RFC 8446 section 4.2.1), or None."""
    start = 2
    while start + 4 <= len(extensions):
        kind, length = struct.unpack(">HH", extensions[start:start + 4])
        if kind == SUPPORTED_VERSIONS and length == 2 and start + 6 <= len(extensions):
            return int.from_bytes(extensions[start + 4:start + 6], "big")
        start += 4 + length
    return None


def wants_certificate(heard: bytes) -> bool:
    """Whether the server has asked for a client certificate; up to TLS 1.2, later it is encrypted."""
    return any(kind == CERTIFICATE_REQUEST for kind, _body in messages(heard))
