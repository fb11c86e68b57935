# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
import struct

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import jks


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


def certificate(content, version=2):
    return (text("X.509") if version == 2 else b"") + struct.pack(">I", len(content)) + content


def trusted(alias, content, version=2):
    return struct.pack(">I", 2) + text(alias) + struct.pack(">Q", 0) + certificate(content, version)


def key(alias, *chain):
    return (struct.pack(">I", 1) + text(alias) + struct.pack(">Q", 0) + struct.pack(">I", 3) + b"key"
            + struct.pack(">I", len(chain)) + b"".join(certificate(one) for one in chain))


def store(*entries, version=2):
    return struct.pack(">III", 0xFEEDFEED, version, len(entries)) + b"".join(entries) + b"\x00" * 20


def test_trusted_certificates_with_their_aliases():
    data = store(trusted("debian:one.pem", b"1"), key("mine", b"leaf", b"issuer"), trusted("second", b"22"))
    assert jks.entries(data) == [("debian:one.pem", b"1"), ("second", b"22")]


def test_the_first_version_does_not_name_types():
    assert jks.entries(store(trusted("one", b"1", version=1), version=1)) == [("one", b"1")]


@pytest.mark.parametrize("data, said", [
    (b"", "cut off"),
    (b"\x30\x82" + b"\x00" * 40, "no Java keystore of the form JKS"),  # PKCS #12, which Java knows as well
    (store(trusted("one", b"1"))[:30], "cut off"),
    (struct.pack(">III", 0xFEEDFEED, 2, 0xFFFFFFFF), "cut off"),
    (store(struct.pack(">I", 9) + text("x") + b"\x00" * 8), "unknown kind 9"),
    (store(), None),
])
def test_what_is_no_such_keystore_is_refused(data, said):
    if said is None:
        assert jks.entries(data) == []
        return
    with pytest.raises(ValueError, match=said):
        jks.entries(data)
