# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, times, numbers: options of users, and what stands in requests."""

from __future__ import annotations

import contextlib
import os

import corpus
import mutations
from hypothesis import strategies as st
from targeting import NOW, target

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import plan as nss_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import crl, distinguished_names, fields
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import general_names
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames

NAMES = ["DNS:web1.example.com", "DNS:*.example.com", "IP:10.0.0.1", "IP:2001:db8::1", "IP:fe80::1%eth0",
         "URI:https://example.com/", "email:a@example.com", "RID:1.2.3.4", "DNS:bücher.example", "dns: x ", "web1",
         "IP:10.0.0.0/8", "DNS:.example.com", "xn--bcher-kva.example", "DNS:" + "a." * 100, *corpus.HOSTILE]


@target(mutations.texts_of(NAMES), (ValueError,), 2)
def a_general_name(text):
    found = [general_names.of_host(text)]
    for read in (general_names.canonical, general_names.canonical_constraint):
        with contextlib.suppress(ValueError):
            one = read(text)
            assert read(one) == one
            found.append(one)
            general_names.within("DNS:web1.example.com", one)
            general_names.covered(one, [one, "DNS:*.example.com"])
    return [*found, general_names.canonical_list([text])]


@target(mutations.texts_of([name.partition(":")[2] or name for name in NAMES]), (ValueError,), 2)
def a_host_name(text):
    offered = {"dns": ["*.example.com", x509.printable(text)], "ip": ["10.0.0.1"]}
    found = x509_hostnames.findings([text], [text], offered, x509.printable(text))
    place = connection.plain_host(text)
    label = x509_hostnames.a_label(text)
    assert x509_hostnames.address(place) or x509_hostnames.a_label(label) == label
    return [*found, place]


@target(mutations.texts_of(["http://proxy:3128", "http://[::1]:8080/", "http://user:secret@proxy:1"]), (ValueError,))
def a_proxy(text):
    host, port = connection.proxy_place(text)
    assert 0 < port < 65536
    return host


@target(st.tuples(st.sampled_from(["CN", "C", "O", "emailAddress", "1.2.3.4", "x"]) | mutations.texts_of(["CN"]),
                  mutations.texts_of(["web1", "DE", *corpus.HOSTILE])), (ValueError,))
def a_subject(value):
    name, text = value
    found = distinguished_names.of_options({"subject": {name: text}})
    assert distinguished_names.read(distinguished_names.build(found)) == found
    return distinguished_names.spoken(found)


@target(mutations.texts_of(["30d", "1d12h", "2w", "12 h", "90", "1w2d3h4m5s"]), (ValueError,))
def a_span_of_time(text):
    seconds = duration.seconds(text)
    assert 0 <= seconds <= duration.MAX_SECONDS
    return duration.spoken(seconds)


@target(mutations.texts_of(["+90d", "-1h", "20270131120000Z", "2027-01-31T12:00:00Z", "2027-01-31"]),
        (fields.OptionError,))
def a_moment(text):
    found = pki_validity.moment("not_after", text, NOW)
    assert pki_validity.EARLIEST <= found.at <= pki_validity.LATEST
    return x509.iso_time(found.at)


@target(mutations.texts_of(["ab" * 32, ":".join(["AB"] * 32), "sha256:" + "0" * 64, "0x1F:2e", "7"]), (ValueError,))
def a_number_in_hexadecimal(text):
    with contextlib.suppress(ValueError):
        assert len(x509.plain_fingerprint(text)) == 64
    assert 0 < crl.serial_number(text) < 1 << 159


@target(mutations.texts_of(["Corp Root CA", *corpus.HOSTILE]))
def a_name_for_a_file(text):
    fingerprint = "0123456789abcdef" * 4
    name = anchor_file.file_name(text, fingerprint, ".crt")
    assert name == os.path.basename(name) and name[0] not in ".-" and len(name) <= 255 and name.isascii()
    nickname = nss_plan.nickname(text, fingerprint)
    assert nss_plan.name_of(nss_plan.NssEntry(nickname, fingerprint, b"", "C,,")) is not None and ":" not in nickname
    return [name, anchor_file.comment_safe(text), nickname]
