# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A reader for DER (X.690), as much of it as certificates need, with the standard library alone.

It works on offsets into one ``bytes`` object, so that a store of hundreds of certificates is walked without
copying. Every length is checked against its surroundings: whatever the input, the answer is a value or DerError.
"""

import functools
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure

if t.TYPE_CHECKING:
    Element = t.Tuple[int, int, int, int]  # tag, offset, offset of the content, offset behind

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
SEQUENCE = 0x30
MAX_OID = 256  # bytes; the longest that are in use have 20, and what is made of them is text


class DerError(Failure, ValueError):
    """The bytes are not the DER that was expected; the message says where and why."""


def element(data: bytes, start: int, end: int) -> "t.Tuple[int, int, int]":
    """Reads the head of the element at ``start``, which must end at or before ``end``.

    Returns (tag, offset of the content, offset behind the content).
    """
    if end - start < 2:
        raise DerError("truncated at byte %d" % start)
    tag, length, content = data[start], data[start + 1], start + 2
    if tag & 0x1F == 0x1F:
        raise DerError("unexpected tag 0x%02x at byte %d" % (tag, start))
    if length < 0x80 and content + length <= end:  # nearly all are so short
        return tag, content, content + length
    if length == 0x80:
        raise DerError("indefinite length at byte %d: this is BER, not DER" % start)
    if length > 0x80:
        size = length & 0x7F
        if size > 8 or content + size > end:
            raise DerError("truncated or malformed length at byte %d" % start)
        length = int.from_bytes(data[content:content + size], "big")
        content += size
    if content + length > end:
        raise DerError("truncated: %d bytes are missing behind byte %d" % (content + length - end, end))
    return tag, content, content + length


def children(data: bytes, start: int, end: int) -> "t.Iterator[Element]":
    """Yields (tag, offset, offset of the content, offset behind) for each element between ``start`` and ``end``."""
    while start < end:
        tag, content, behind = element(data, start, end)
        yield tag, start, content, behind
        start = behind


def expect(data: bytes, start: int, end: int, tag: int) -> "t.Tuple[int, int]":
    """Reads an element that must have ``tag``; returns (offset of the content, offset behind)."""
    found, content, behind = element(data, start, end)
    if found != tag:
        raise DerError("tag 0x%02x where 0x%02x was expected, at byte %d" % (found, tag, start))
    return content, behind


@functools.lru_cache(maxsize=1024)
def oid(content: bytes) -> str:
    """The dotted form of an object identifier's content bytes."""
    if not content or content[-1] & 0x80:
        raise DerError("malformed object identifier")
    if len(content) > MAX_OID:
        raise DerError("an object identifier of %d bytes" % len(content))
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in [first, arcs[0] - 40 * first] + arcs[1:])


def integer(content: bytes) -> int:
    """The value of an INTEGER's content bytes."""
    if not content:
        raise DerError("empty integer")
    return int.from_bytes(content, "big", signed=True)
