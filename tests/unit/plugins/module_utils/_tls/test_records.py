# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says in the clear, as bytes."""
import struct

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import records


def record(content, kind=22):
    return struct.pack(">BHH", kind, 0x303, len(content)) + content


def message(kind, body):
    return struct.pack("B", kind) + struct.pack(">I", len(body))[1:] + body


def hello(version=0x303, extensions=b"", session=b"s" * 32):
    body = struct.pack(">H", version) + b"r" * 32 + struct.pack("B", len(session)) + session + b"\x13\x01\0"
    return message(2, body + (struct.pack(">H", len(extensions)) + extensions if extensions else b""))


TLS13 = struct.pack(">HHH", 51, 2, 23) + struct.pack(">HHH", 43, 2, 0x304)


@pytest.mark.parametrize("content, version", [
    (hello(), "TLSv1.2"), (hello(0x301), "TLSv1.0"), (hello(0x302, session=b""), "TLSv1.1"),
    (hello(extensions=TLS13), "TLSv1.3"), (hello(0x300), "SSLv3"), (hello(0x7F1C), "0x7f1c"),
    (hello(extensions=TLS13[:9]), "TLSv1.2"), (hello(extensions=TLS13[6:10]), "TLSv1.2"),
])
def test_the_version(content, version):
    assert records.version_chosen(record(content)) == version
    assert records.version_chosen(record(content[:20]) + record(content[20:])) == version
    assert records.version_chosen(record(content)[:-1]) is None


def test_nothing_yet():
    for heard in [b"", b"\x16", b"\x15\x03\x03\0\x02\x02\x28", record(b""), record(message(2, b"short")),
                  record(message(11, b"x"))]:
        assert records.version_chosen(heard) is None


def test_certificate_requests():
    assert records.wants_certificate(record(hello() + message(11, b"abc")) + record(message(13, b"\0\0")))
    assert not records.wants_certificate(record(hello() + message(14, b"")))
    assert not records.wants_certificate(record(hello()) + record(b"\1", 20) + record(message(13, b"")))


@pytest.mark.parametrize("heard, tls", [
    (b"\x16", True), (b"\x16\x03", True), (b"\x15\x03\x01", True), (b"\x16\x02", False), (b"HTTP", False),
    (b"\x13\x03", False), (b"\x18\x03", False), (b"\x17\x03", True)])
def test_what_may_be_tls(heard, tls):
    assert records.is_tls(heard) is tls


def test_every_cut_of_a_hello_is_survived():
    whole = record(hello(extensions=TLS13) + message(13, b"\0"))
    for end in range(len(whole)):
        records.version_chosen(whole[:end])
        body = whole[5:end]
        records.version_chosen(record(body))
