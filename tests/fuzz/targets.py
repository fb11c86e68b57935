# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fuzzed: every parser of what others wrote, with the errors that it may raise and what must hold else.

A target is a function of one input. Whatever the input, it returns, or raises an error that the parser documents, whose
words are harmless to a terminal. What a parser says of it is compared with pyca/cryptography, where that can read it.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import functools
import hashlib
import os
import socket
import tempfile
import time
import typing as t
import warnings
from pathlib import Path

import corpus
import mutations
from ansible.errors import AnsibleFileNotFound
from cryptography import x509 as pyca
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _certificates as certificates
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _chain as chains
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _connection as connection
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _crl_files as crl_files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _der as der
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _distinguished_names as distinguished_names
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _duration as duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _extensions as extensions
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _facts as facts_of
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _firefox as firefox
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _general_names as general_names
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _handshake as handshake
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _http_talk as http_talk
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _journal as journals
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _keys as keys
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _names as names
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _nss_database as nss_database
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _nss_plan as nss_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _openssl as openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _pem as pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _private_key as private_key
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _reasons as reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _requests as requests
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _revocation as revocation
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _s_client as s_client
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _sent_chain as sent_chain
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _starttls as starttls
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _stores as stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _tls_clients as tls_clients
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _tls_records as tls_records
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _validity as validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _anchor_list as anchor_list
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _anchors as anchors
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _answers as answers
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _controller_files as controller_files
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _verdicts as verdicts
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki as webpki

SERVER_SECONDS = 0.1  # that a server which never ends is listened to
NOW = corpus.NOW_SECONDS


class Target(t.NamedTuple):
    """A parser under fire. ``share`` is how many of the inputs it gets, beside the others'."""

    name: str
    inputs: st.SearchStrategy[t.Any]
    check: c.Callable[[t.Any], None]
    share: float = 1.0


TARGETS: dict[str, Target] = {}


def target(inputs: st.SearchStrategy[t.Any], refusals: tuple[type[Exception], ...] = (), share: float = 1.0):
    """Makes a Target of a function. refusals: what it may raise, with a sentence that is harmless."""
    def made(function: c.Callable[[t.Any], t.Any]) -> c.Callable[[t.Any], None]:
        name = function.__name__

        def check(value: t.Any) -> None:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    said = function(value)
            except refusals as error:
                assert type(error) is not ValueError or ValueError in refusals
                assert str(error), "an error that says nothing"
                said = str(error).split("\n")
            harmless(said)

        TARGETS[name] = Target(name, inputs, check, share)
        return check
    return made


def harmless(said: t.Any) -> None:
    """Fails for text that a terminal would not take for text, wherever it is inside of ``said``."""
    if isinstance(said, str):
        assert said.isprintable(), f"not harmless to a terminal: {said[:200]!r}"
    elif isinstance(said, dict):
        harmless([*said.keys(), *said.values()])
    elif isinstance(said, (list, tuple, set)):
        for one in said:
            harmless(one)


@functools.cache
def scratch() -> Path:
    """A folder for the parsers that read files themselves; in memory, where there is such a one."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.TemporaryDirectory(dir=memory)
    scratch.folder = folder  # type: ignore[attr-defined]  # it goes when the program ends
    return Path(folder.name)


def file_of(data: bytes, name: str = "file") -> str:
    path = scratch() / name
    path.write_bytes(data)
    return str(path)


# Certificates, as they are and as files


def described(certificate: x509.Certificate) -> dict[str, t.Any]:
    """All that is asked of a certificate anywhere; what can't be read is a DerError."""
    found: dict[str, t.Any] = {}
    for function in (x509.describe, x509.label, x509.basic_constraints, x509.key_usage, x509.extended_key_usage,
                     x509.alt_names, x509.subject_key_identifier, x509.authority_key_identifier, x509.key_type,
                     sent_chain.describe, chains.is_root):
        with contextlib.suppress(der.DerError):
            found[function.__name__] = function(certificate)
    found["short"] = reasons.short(certificate.subject_der)
    found["validity"] = reasons.validity(certificate, NOW)
    return found


@target(mutations.der_of(corpus.certificates()), (der.DerError,), 3)
def a_certificate(data):
    parsed = x509.parse(data)
    found = described(parsed)
    as_pyca_says(parsed, found)
    stores.managed_block("name", parsed).decode("ascii")
    return found


def as_pyca_says(parsed: x509.Certificate, found: dict[str, t.Any]) -> None:
    """Where pyca/cryptography can read it too, which is strict, both must say the same."""
    try:
        theirs = pyca.load_der_x509_certificate(parsed.der)
        theirs_extensions = {one.oid.dotted_string: one.value for one in theirs.extensions}
        serial, begin, end = (theirs.serial_number, theirs.not_valid_before_utc, theirs.not_valid_after_utc)
        subject = theirs.subject
    except Exception:  # of many kinds; whatever it can't read, it says nothing about
        return
    assert parsed.serial == serial and parsed.version == theirs.version.value + 1
    assert (parsed.not_before, parsed.not_after) == (begin.timestamp(), end.timestamp())
    assert set(parsed.extensions) == set(theirs_extensions)
    common = subject.get_attributes_for_oid(pyca.NameOID.COMMON_NAME)
    ours = x509.common_name(parsed.subject_der)
    assert (ours is None) == (not common) and (ours is None or ours[:1] == "#" or ours == common[-1].value)
    constraints = theirs_extensions.get(x509.BASIC_CONSTRAINTS)
    assert found["basic_constraints"] == (
        (constraints.ca, constraints.path_length) if constraints else (False, None))
    usage = theirs_extensions.get(x509.KEY_USAGE)
    assert usage is None or ("key_cert_sign" in found["key_usage"]) == usage.key_cert_sign
    alt_names = theirs_extensions.get(x509.SUBJECT_ALT_NAME)
    if alt_names:
        assert found["alt_names"]["dns"] == [
            x509.escape(name) for name in alt_names.get_values_for_type(pyca.DNSName)]
        assert found["alt_names"]["ip"] == [str(ip) for ip in alt_names.get_values_for_type(pyca.IPAddress)]


@target(st.tuples(mutations.files_of("CERTIFICATE", corpus.certificates() + corpus.bundles()), st.booleans()),
        (pem.CertificateFileError,), 3)
def a_file_of_certificates(value):
    data, keys_allowed = value
    found = pem.read_certificates(data, keys_allowed)
    for one in found:
        assert one.fingerprint == hashlib.sha256(one.der).hexdigest()
        assert pem.read_certificates(pem.to_pem(one.der).encode()) == [one]
    assert keys_allowed or not pem.holds_key(data)
    return [described(one) for one in found]


@target(mutations.bytes_of([*corpus.files(), corpus.recorded("keytool.txt")]), share=2)
def a_store_read_leniently(data):
    found = pem.fingerprints(data)
    held = list(trust_state.certificates_in("/file", data))
    assert [one.fingerprint for one in held][:len(found)] == found
    for one in held:
        assert 0 <= one.start < one.end <= len(data)
    trust_state.configured(data)
    return [one.name for one in held] + [x509.describe(certificate) for certificate in (
        x509.parse_leniently(one.der) for one in held) if certificate]


@target(st.binary(max_size=400))
def pem_there_and_back(data):
    for label in ("CERTIFICATE", "X509 CRL"):
        (block,) = pem.blocks(b"text\n" + pem.to_pem(data, label).encode() + b"text")
        assert block.label == label.encode() and pem.decode(block) == data


@target(mutations.bytes_of([b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", b"\x55\x1d\x13", b"\x88\x37",
                            b"\x2a" + b"\xff" * 3000 + b"\x7f", b"\xff" * 30_000 + b"\x7f"]), (der.DerError,))
def an_object_identifier(content):
    dotted = der.oid(content)
    assert x509.DOTTED.match(dotted)
    return dotted


@target(mutations.files_of("CERTIFICATE", corpus.certificates()), (pem.CertificateFileError,))
def a_certificate_as_facts(data):
    found = certificates.read(data)
    for one in found:
        issuer = certificates.issuer_of(one)
        want = certificates.wanted(facts_of.profile_facts("server"), one.public_key, issuer)
        text = [certificates.label(one), *certificates.shown(one).split("\n"), *facts_of.deviations(one.facts, {})]
        text += certificates.deviations(one, dict(want, subject=["CN=x"]), issuer)
        harmless([text, extensions.is_ca(one.facts), distinguished_names.spoken(one.facts["subject"])])
    path = file_of(data)
    return certificates.present(path)[1]


@target(mutations.files_of("CERTIFICATE REQUEST", corpus.requests()), (requests.RequestError,), 2)
def a_request(data):
    found = requests.read(data)
    requests.present(file_of(data))
    theirs = pyca.load_der_x509_csr(data) if data[:1] == b"0" else pyca.load_pem_x509_csr(found.pem)
    assert found.signed == theirs.is_signature_valid
    return facts_of.shown(found.facts).split("\n")


# Revocation lists


@target(mutations.files_of("X509 CRL", corpus.revocation_lists()), (pem.CertificateFileError,))
def a_file_of_revocation_lists(data):
    for one in crl_files.read(data):
        assert crl_files.read(crl_files.to_pem(one).encode()) == [one]


@target(mutations.files_of("X509 CRL", corpus.revocation_lists()))
def a_revocation_list_that_is_there(data):
    found = revocation._present(file_of(data))
    return revocation._shown(found, NOW).split("\n") if found else None


# Private keys: what is wrong is said without them


@target(mutations.files_of("PRIVATE KEY", corpus.keys()), (keys.KeyFileError,), 0.2)
def a_private_key(data):
    key = keys.read(data, None, "the key")
    return keys.key_type(key.public_key())


@target(mutations.files_of("PRIVATE KEY", corpus.keys()), (keys.KeyFileError,))
def a_private_key_with_a_passphrase(data):
    path = file_of(data)
    os.chmod(path, 0o600)
    return private_key.described(private_key.choose(path, "passphrase", "Ed25519", "never"))["key_type"]


@target(mutations.der_of([x509.parse(data).spki_der for data in corpus.certificates()]), (der.DerError,))
def a_public_key(data):
    found = [x509.spki_type(data)]
    assert openssl.same_key(data, data)
    openssl.same_key(data, x509.parse(corpus.certificates()[0]).spki_der)
    return found


# Names, times, numbers: options, and what stands in requests


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
    found = names.findings([text], [text], offered, x509.printable(text))
    place = connection.plain_host(text)
    assert names.address(place) or names.a_label(names.a_label(text)) == names.a_label(text)
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
        (facts_of.OptionError,))
def a_moment(text):
    found = validity.moment("not_after", text, NOW)
    assert validity.EARLIEST <= found.at <= validity.LATEST
    return x509.iso_time(found.at)


@target(mutations.texts_of(["ab" * 32, ":".join(["AB"] * 32), "sha256:" + "0" * 64, "0x1F:2e", "7"]), (ValueError,))
def a_number_in_hexadecimal(text):
    with contextlib.suppress(ValueError):
        assert len(x509.plain_fingerprint(text)) == 64
    assert 0 < revocation.serial_number(text) < 1 << 159


@target(mutations.texts_of(["Corp Root CA", *corpus.HOSTILE]))
def a_name_for_a_file(text):
    fingerprint = "0123456789abcdef" * 4
    name = stores.file_name(text, fingerprint, ".crt")
    assert name == os.path.basename(name) and name[0] not in ".-" and len(name) <= 255 and name.isascii()
    nickname = nss_plan.nickname(text, fingerprint)
    assert nss_plan.name_of(nss_plan.Held(nickname, fingerprint, b"", "C,,")) is not None and ":" not in nickname
    return [name, stores.comment_safe(text), nickname]


# What programs print


def links_of(printed: list[tuple[str, bool]]) -> list[chains.Link]:
    pool = chains.index(known())
    return chains.follow(known()[2], printed, pool, pool, NOW)


@functools.cache
def known() -> list[x509.Certificate]:
    return [x509.parse(pair.der) for pair in list(corpus.pairs().values())[:6]]


def store() -> reasons.Store:
    return reasons.Store(openssl.Trust(None, "/f", "/d"), known()[:1], chains.index(known()[:1]), [])


@target(st.tuples(mutations.printed_of([corpus.recorded("openssl-verify.txt").decode()]),
                  st.sampled_from([0, 2, None])))
def what_openssl_verify_prints(value):
    printed, code = value
    verdict = openssl.parse_verdict(["openssl"], code, printed)
    links = links_of(verdict.links) or [chains.Link(known()[2], "x", chains.CERTIFICATE)]
    found = reasons.of_verdict(verdict, links, [], store(), "server", NOW)
    assert verdict.accepted or found
    openssl.VERSION.match(printed), openssl.DIRECTORY.search(printed)
    return found, [link.subject for link in links], verdict.output.split("\n")


@target(mutations.printed_of([part.decode() for part in corpus.recorded("openssl-s_client.txt").split(b"CONNECTED")]))
def what_s_client_prints(printed):
    found = s_client.parse(printed)
    assert all(isinstance(one, bytes) for one in found.pop("chain"))
    return found, s_client.staple_finding(printed, NOW), s_client.complaint(printed)


@target(mutations.texts_of([corpus.recorded(f"certutil-{name}.txt").decode() for name in ("list", "one")]))
def what_certutil_prints(printed):
    nss_database.listed(printed), nss_database.flags(printed)


@target(mutations.printed_of(["curl: (60) SSL certificate problem: self-signed certificate\n", "OpenSSL 3.0.19 27 Jan",
                            corpus.recorded("openssl-s_client.txt").decode(), "*** Fatal error: x", "curl 7.88.1 (x)"]))
def what_tls_clients_print(printed):
    return [tls_clients.words(printed, client.words) for client in tls_clients.CLIENTS.values()]


# What servers say


class FakeSocket:
    """A server that says what it says, whatever it hears."""

    def __init__(self, said: mutations.Said) -> None:
        self.data, self.piece, self.endless = said

    def settimeout(self, _seconds: float) -> None:
        pass

    def sendall(self, _data: bytes) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        pass

    def recv(self, size: int) -> bytes:
        found, rest = self.data[:min(size, self.piece)], self.data[self.piece:]
        self.data = rest or (found if self.endless else b"")
        return found


@target(mutations.servers(corpus.handshakes()), share=1)
def bytes_of_tls(said):
    tls_records.messages(said.data), tls_records.wants_certificate(said.data)
    if said.data:  # as soon as there is anything
        tls_records.is_tls(said.data)
    return tls_records.version_chosen(said.data)


@functools.cache
def settings() -> t.Any:
    return handshake.context(lowered=True)


@target(mutations.servers(corpus.handshakes()), (connection.Finding, socket.timeout))
def a_server_of_tls(said):
    stream = handshake.Stream(FakeSocket(said), settings(), "web1.example.com", SERVER_SECONDS)
    stream.handshake(time.monotonic() + SERVER_SECONDS)


class FakeStream:
    """The same behind TLS."""

    seconds = SERVER_SECONDS

    def __init__(self, said: mutations.Said) -> None:
        self.sock = FakeSocket(said)

    def write(self, _data: bytes, _deadline: float) -> None:
        pass

    def read(self, deadline: float, size: int = 16384) -> bytes:
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
        return self.sock.recv(size)


HTTP = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2, b"HTTP/1.0 404 Not Found\r\n\r\nnothing",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 90]


@target(mutations.servers(HTTP), (connection.Finding, socket.timeout))
def an_answer_in_http(said):
    stream = FakeStream(said)
    return http_talk.keep_alive(stream, "web1", "/", time.monotonic() + SERVER_SECONDS)[1]


@target(mutations.servers([b"HTTP/1.1 200 Connection established\r\n\r\n", b"HTTP/1.0 407 No\r\nA: b\r\n\r\n"]),
        (connection.Finding,))
def a_proxy_answers(said):
    connection.through(FakeSocket(said), "proxy:3128", "web1", 443, connection.Budget(SERVER_SECONDS))


CONVERSATIONS = {
    "smtp": [b"220-mail\r\n220 ESMTP\r\n250-mail\r\n250-STARTTLS\r\n250 8BITMIME\r\n220 go\r\n", b"554 no\r\n"],
    "imap": [b"* OK IMAP\r\n* CAPABILITY\r\na1 OK go\r\n", b"* BYE\r\n"],
    "pop3": [b"+OK\r\n+OK go\r\n", b"-ERR no\r\n"],
    "ldap": [b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
             b"\x30\x84\x00\x00\x00\x05\x02\x01\x01\x78\x00",
             b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x02\x04\x00\x04\x04\x1b[2J"],
    "postgres": [b"S", b"N", b"E\0\0\0\x10"],
    "mysql": [b"\x4a\0\0\0\x0a8.0.36\0\1\0\0\0abcdefgh\0\xff\xff\xff\2\0\xff\xdf\x15" + b"\0" * 60,
              b"\x08\0\0\0\xff\1\2no\x1b"],
    "xmpp": [b"<?xml version='1.0'?><stream:stream><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
             b"</stream:features><proceed/>", b"<stream:features/>", b"<failure/>"],
}


@target(st.sampled_from(sorted(CONVERSATIONS)).flatmap(lambda protocol: st.tuples(
    st.just(protocol), mutations.servers(CONVERSATIONS[protocol]))), (connection.Finding,), 2)
def a_server_before_tls(value):
    protocol, said = value
    starttls.begin(protocol, FakeSocket(said), "web1.example.com", connection.Budget(SERVER_SECONDS))


@target(st.lists(mutations.der_of(corpus.certificates()[:12]), min_size=1, max_size=5), (der.DerError,), 2)
def a_chain_that_was_sent(listed):
    sent = [one for one in map(x509.parse_leniently, listed) if one]
    if not sent:
        return None
    complete, ordered, found = sent_chain.examine(sent, store(), NOW)
    links = chains.build(sent[0], chains.index(sent[1:]), store().pool, NOW)
    found += reasons.no_ca(links) + reasons.warnings(links, sent, "server", [])
    found += reasons.too_short(links, "9d", store(), NOW)
    for number in (*reasons.PLAIN, 2, 7, 9, 10, 18, 19, 20, 21, 24, 26, 79, 9999):
        verdict = openssl.Verdict(False, [(number, depth, "said") for depth in range(len(links) + 1)], [], [], 2, "")
        found += reasons.of_verdict(verdict, links, sent[1:], store(), "server", NOW, True)
    with contextlib.suppress(pem.CertificateFileError):
        chains.pick_leaf(sent, False)
    chains.above(sent, store().pool), chains.comes_too_early(sent[0], sent[1:])
    return found + names.findings(["web1.example.com"], ["::1"], x509.alt_names(sent[0]), None)


# What the controller reads


@target(mutations.der_of(corpus.certificates()), (der.DerError,), 2)
def a_certificate_that_wants_to_be_an_anchor(data):
    certificate = x509.parse(data)
    found = anchors.objections(certificate, anchors.Terms(now=NOW))
    if not found:  # nothing becomes an anchor that pyca does not take for a CA
        theirs = pyca.load_der_x509_certificate(data)
        assert theirs.extensions.get_extension_for_class(pyca.BasicConstraints).value.ca
    return found


@target(st.lists(mutations.files_of("CERTIFICATE", corpus.certificates()), min_size=1, max_size=3),
        (anchor_list.AnchorListError,))
def a_list_of_anchors(contents):
    element = dict.fromkeys(("name", "src", "content", "path", "fingerprint"))
    listed = [dict(element, state="present", src=f"file {number}") for number in range(len(contents))]
    given = iter(contents)
    found = anchor_list.read(listed, lambda _src: next(given), [], anchors.Terms(now=NOW))
    for one in found:
        assert one.certificate and x509.basic_constraints(one.certificate)[0]
    assert not any(pem.holds_key(data) for data in contents)
    anchor_list.to_send(found)


@target(st.lists(mutations.files_of("CERTIFICATE", corpus.certificates() + corpus.bundles()), min_size=1, max_size=3),
        (ValueError,))
def files_of_an_outside_ca(contents):
    def needle(name: str) -> str:
        if name == "missing":
            raise AnsibleFileNotFound(file_name=name)
        return f"/{name}"

    given = iter(contents)
    sources = [f"file{number}" for number in range(len(contents))]
    found = controller_files.certificates(sources, controller_files.Finder(needle, []), lambda _path: next(given))
    assert not any("PRIVATE KEY" in text for _name, text in found.values())


PURPOSES = ("server", "client", "email", "ca", "any")


@target(st.tuples(mutations.der_of(corpus.certificates()[:12]),
                  st.lists(mutations.der_of(corpus.certificates()[:6]), max_size=3),
                  st.lists(mutations.der_of(corpus.certificates()[:3]), max_size=2),
                  st.lists(mutations.der_of(corpus.revocation_lists()), max_size=2),
                  st.sampled_from(PURPOSES)), share=3)
def a_path_to_validate(value):
    leaf, sent, trusted, lists, purpose = value
    question = webpki.Question(["web1.example.com"], ["10.0.0.1"], purpose, NOW)
    with_root = [corpus.certificates()[0], *trusted]
    verdict = webpki.judge(leaf, [corpus.certificates()[1], *sent], with_root, question, lists)
    assert verdict.accepted or verdict.findings
    return verdicts.described(verdict), verdicts.consequences(verdict, True, True)


@target(st.lists(mutations.texts_of(["web1", "curl: (60) no", *corpus.HOSTILE]), min_size=4, max_size=4))
def answers_of_hosts(texts):
    asker, name, client, said = (x509.printable(text) for text in texts)
    result = {"name": name, "accepted": False, "unmet": [said], "clients": {client: {"accepted": False, "said": said}}}
    heard = {asker: [result], "other": [dict(result, name="other")]}
    return answers.matrix(heard), answers.refusals(heard)


# Files of its own that somebody else may have written to


@target(mutations.bytes_of([b'[{"folder": 0, "name": "a.crt", "number": 0, "existed": true}]', b"[]", b"{}", b"[[[[",
                            b'[{"folder": -1, "name": "../../etc/x", "number": 1e999, "existed": false}]',
                            b'[{"folder": 0, "name": "a", "number": NaN, "existed": []}]', b"[" * 5000, b"\xff"]),
        (files.FilesError,))
def a_journal(data):
    folder, stage = scratch() / "anchors", scratch() / "staged"
    stage.mkdir(mode=0o700, exist_ok=True)
    (stage / "journal.json").write_bytes(data)
    journal = journals.Journal([(str(folder), str(stage))])
    journal.overlay()
    for entry in journal.entries:
        assert os.path.normpath(entry["path"]).startswith(f"{folder}/") and os.path.dirname(entry["undo"]) == str(stage)


@target(mutations.bytes_of([b'{"policies": {"SecurityDevices": {"Add": {"a": "b"}, "Delete": ["c"]}}}', b"[" * 5000,
                            b'{"policies": {"SecurityDevices": {"a": "b"}}}', b'{"policies": []}', b"{}", b"1e999"]),
        (firefox.PolicyError,))
def policies_of_firefox(data):
    document = firefox._read(file_of(data, "policies.json"))
    for change in (functools.partial(firefox.with_trust, module="/p11.so"), firefox.without):
        changed, problem = change(document)
        assert (changed is None) == (problem is not None)
        if changed is not None:
            assert change(changed)[0] == changed
            firefox._text(changed).encode("ascii")
