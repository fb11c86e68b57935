# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage with a structure: what a hostile author of a certificate, a file or a server would try.

Strategies of hypothesis, so that what fails is made small, and can be had again.
"""

from __future__ import annotations

import collections.abc as c
import functools
import itertools
import typing as t

import corpus
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

LONG = 100_000
DEEPEST, MOST = 40, 2000  # elements that are looked into, and that are exchanged
TOKENS = [b"\0", b"\r\n", b"\n", b"\r", b" ", b"\xff", b"\x7f", b"\x80", b"\x1b[2J", b":", b"=", b"-", b",", b"/", b"%",
          b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----",
          b"\x30\x80", b"\x30\x84\x7f\xff\xff\xff", b"\x30\x88" + b"\xff" * 8, b"\x1f\xff\xff\x7f", b"\x02\x00",
          b"1" * 5000, b"A" * LONG, b" " * LONG, b"\n" * LONG, b"<a" * 2000, b"error:" * 2000]
TOKENS += [text.encode() for text in corpus.HOSTILE]
TAGS = [0, 1, 2, 3, 4, 5, 6, 10, 12, 19, 20, 22, 23, 24, 28, 30, 0x30, 0x31, 0x80, 0x82, 0x86, 0x87, 0xA0, 0xA3, 0xFF]


def encoded(tag: int, content: bytes) -> bytes:
    """An element in DER."""
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def nested(tag: int, depth: int) -> bytes:
    """Elements in one another, up to some 60,000 bytes of them."""
    data = b""
    for _level in range(depth):
        data = encoded(tag, data)
    return data


@functools.cache
def elements() -> list[bytes]:
    """What is put in the place of an element: empty, huge, deep, of another type, hostile."""
    huge_arc = b"\x2a" + b"\xff" * 20_000 + b"\x7f"
    made = [b"", b"\x05\x00", b"\x02\x00", b"\x01\x01\xff", b"\x03\x00", b"\x03\x01\x08", b"\x06\x00", b"\x06\x01\x80",
            encoded(2, b"\x7f" + b"\xff" * 3000), encoded(2, b"\x80" + b"\0" * 20), encoded(2, b"\x7f" * LONG),
            encoded(6, huge_arc), encoded(6, b"\x2a" + b"\x01" * LONG), encoded(6, b"\x80\x80\x01"),
            nested(0x30, 15_000), nested(0xA0, 3000), encoded(0x30, b"\x05\x00" * 20_000),
            encoded(0x17, b"99"), encoded(0x17, b"000101000000Z"), encoded(0x17, b"490231246060+9999"),
            encoded(0x18, b"99991231235959Z"), encoded(0x18, b"00000101000000Z"),
            encoded(0x18, b"20261101000000." + b"1" * LONG + b"Z"), encoded(0x87, b"\0" * 5),
            encoded(0x82, b"\xff\xfe"),
            encoded(0x30, b"".join(encoded(0x82, b"a%d.example.com" % number) for number in range(2000)))]
    for text in corpus.HOSTILE:
        made += [encoded(12, text.encode()), encoded(30, text.encode("utf-16-be", "surrogatepass")),
                 encoded(19, text.encode("ascii", "replace")), encoded(0x82, text.encode()),
                 encoded(0x86, text.encode())]
    return made


class Node(t.NamedTuple):
    """An element of DER, with all those that it is in."""

    tag: int
    start: int
    content: int
    end: int
    above: tuple[Node, ...]


@functools.lru_cache(maxsize=256)
def nodes(data: bytes) -> list[Node]:
    """The elements of DER, those inside of strings (extensions) too, where they are DER themselves."""
    found: list[Node] = []

    def walk(start: int, end: int, above: tuple[Node, ...]) -> None:
        for tag, begin, content, behind in list(itertools.islice(der.children(data, start, end), MOST)):
            if len(found) >= MOST:
                break
            node = Node(tag, begin, content, behind, above)
            found.append(node)
            inside = content + (tag == 3)  # a BIT STRING says first how many bits are unused
            if len(above) < DEEPEST and (tag & 0x20 or tag in (3, 4) and behind - inside > 1):
                mark = len(found)
                try:
                    walk(inside, behind, (*above, node))
                except der.DerError:
                    del found[mark:]

    walk(0, len(data), ())
    return found


def replaced(data: bytes, node: Node, new: bytes) -> bytes:
    """DER with something else in the place of an element; the lengths around it are put right."""
    start, end = node.start, node.end
    for outer in reversed(node.above):
        new = encoded(outer.tag, data[outer.content:start] + new + data[end:outer.end])
        start, end = outer.start, outer.end
    return data[:start] + new + data[end:]


@st.composite
def der_of(draw: st.DrawFn, seeds: c.Sequence[bytes]) -> bytes:
    """DER whose elements are exchanged, doubled, emptied, retagged; well-formed around that."""
    data = draw(st.sampled_from(seeds))
    for _edit in range(draw(st.integers(0, 3))):
        try:
            there = nodes(data)
        except der.DerError:
            break
        if not there:
            break
        node = there[draw(st.integers(0, len(there) - 1))]
        whole, inner = data[node.start:node.end], data[node.content:node.end]
        kind = draw(st.integers(0, 6))
        if kind == 0:
            new = draw(st.sampled_from(elements()))
        elif kind == 1:
            new = whole * draw(st.sampled_from([0, 2, 3, 500] if len(whole) < 200 else [0, 2]))
        elif kind == 2:
            new = encoded(draw(st.sampled_from(TAGS)), inner)
        elif kind == 3:
            new = encoded(node.tag, edited(draw, inner))
        elif kind == 4:
            new = encoded(node.tag, draw(st.sampled_from(elements())))
        elif kind == 5:
            other = there[draw(st.integers(0, len(there) - 1))]
            new = data[other.start:other.end]
        else:
            new = encoded(node.tag, draw(st.binary(max_size=40)))
        data = replaced(data, node, new)
    return edited(draw, data) if draw(st.integers(0, 3)) == 0 else data


def edited(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with one change: flipped, cut off, taken out, repeated, or with something put in."""
    at = draw(st.integers(0, len(data)))
    until = min(len(data), at + draw(st.integers(0, 40)))
    kind = draw(st.integers(0, 6))
    if kind == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1:]
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + data[until:]
    if kind == 3:
        return data[:at] + data[at:until] * draw(st.sampled_from([2, 3, 1000])) + data[until:]
    if kind == 4:
        return data[:at] + draw(st.binary(max_size=20)) + data[until:]
    if kind == 5:
        return data[:at] + bytes([draw(st.sampled_from([0, 1, 0x1F, 0x7F, 0x80, 0x81, 0x84, 0xFF]))]) + data[at + 1:]
    return data[:at] + draw(st.sampled_from(TOKENS)) + data[at:]


@st.composite
def bytes_of(draw: st.DrawFn, seeds: c.Sequence[bytes]) -> bytes:
    """Bytes with up to four changes."""
    data = draw(st.sampled_from(seeds))
    for _edit in range(draw(st.integers(0, 4))):
        data = edited(draw, data)
    return data


@st.composite
def files_of(draw: st.DrawFn, label: str, seeds: c.Sequence[bytes]) -> bytes:
    """A file with DER in it, whose armour is damaged or whose content is, or both."""
    if draw(st.booleans()):
        return draw(bytes_of(corpus.files()))
    data = draw(der_of(seeds))
    if draw(st.booleans()):
        data = corpus.armour(label, data)
    return edited(draw, data) if draw(st.integers(0, 3)) == 0 else data


@st.composite
def texts_of(draw: st.DrawFn, seeds: c.Sequence[str]) -> str:
    """Text with up to four changes, lone surrogates among them as a decoder leaves them."""
    return draw(bytes_of([seed.encode() for seed in seeds])).decode("utf-8", "surrogateescape")


def printed_of(seeds: c.Sequence[str]) -> st.SearchStrategy[str]:
    """The same as what programs print is read, where what is no UTF-8 is replaced."""
    return bytes_of([seed.encode() for seed in seeds]).map(lambda data: data.decode("utf-8", "replace"))


class Said(t.NamedTuple):
    """What a server says, in how large pieces, and whether it says the end of it for ever."""

    data: bytes
    piece: int
    endless: bool


def servers(seeds: c.Sequence[bytes]) -> st.SearchStrategy[Said]:
    """What hostile servers say."""
    return st.builds(Said, bytes_of(seeds), st.sampled_from([65536, 1000, 7, 1]),
                     st.sampled_from([False] * 15 + [True]))
