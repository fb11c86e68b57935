# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the two kinds of keys cost in TLS, and what resumption and keep-alive save: python tests/benchmarks/tls.py

The primitives by the package cryptography, connections by Python's ssl to the server of the role tls_smoke_test on
127.0.0.1; client and server share this machine. Each figure is the median of several rounds. All of them take turns in
each round, so that what else the machine does falls on all alike and the ratios hold.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

from common import BenchError, end_with, pki, plays, say
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

SERVER = plays.ROOT / "roles" / "tls_smoke_test" / "files" / "https_server.py"
NAME = "web1.example.com"
RECORD = 16384  # bytes, the most that one record of TLS carries
SIGNATURE = "signature, EC P-256"
AES = "AES-128-GCM"
FULL = "full handshake and a request"


class Case(t.NamedTuple):
    """Something that is done over and over; ``size`` is how many bytes it moves, if that is what counts."""

    what: str
    run: Callable[[], object]
    size: int = 0


def primitives() -> list[Case]:
    """What handshakes and data are made of."""
    message, digest = b"transcript of a handshake" * 5, hashes.SHA256()
    curve, rsa, mine = pki.new_key("ec"), pki.new_key("rsa"), x25519.X25519PrivateKey.generate()
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)  # as TLS 1.3 has it
    by_curve, by_rsa = curve.sign(message, ec.ECDSA(digest)), rsa.sign(message, pss, digest)
    record, nonce, key = bytes(RECORD), bytes(12), bytes(range(32))
    aes, chacha = AESGCM(key[:16]), ChaCha20Poly1305(key)
    return [
        Case(SIGNATURE, lambda: curve.sign(message, ec.ECDSA(digest))),
        Case("verification, EC P-256", lambda: curve.public_key().verify(by_curve, message, ec.ECDSA(digest))),
        Case("signature, RSA 2048", lambda: rsa.sign(message, pss, digest)),
        Case("verification, RSA 2048", lambda: rsa.public_key().verify(by_rsa, message, pss, digest)),
        Case("key agreement, X25519", lambda: x25519.X25519PrivateKey.generate().exchange(mine.public_key())),
        Case(AES, lambda: aes.encrypt(nonce, record, b""), RECORD),
        Case("ChaCha20-Poly1305", lambda: chacha.encrypt(nonce, record, b""), RECORD),
    ]


@contextlib.contextmanager
def connections() -> Iterator[list[Case]]:
    """Requests to a server, each in the way that its name says."""
    root = pki.root("Bench Root CA")
    issuing = pki.issue("Bench Issuing CA", root, ca=True)
    leaf = pki.issue(NAME, issuing, dns=[NAME], purposes=["server"])
    context = ssl.create_default_context(cadata=root.pem)
    with tempfile.TemporaryDirectory() as scratch:
        chain, key = Path(scratch, "fullchain.pem"), Path(scratch, "web1.key")
        chain.write_text(leaf.pem + issuing.pem, encoding="ascii")
        key.write_text(leaf.key_pem(), encoding="ascii")
        command = [sys.executable, str(SERVER), "start", "--certificate", str(chain), "--privatekey", str(key)]
        server = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    kept, session = Client(server["port"], context), None
    kept.get()

    def resumed() -> None:
        nonlocal session
        session = once(server["port"], context, session or once(server["port"], context), reused=True)

    try:
        yield [
            Case(FULL, lambda: once(server["port"], context)),
            Case("resumed handshake and a request", resumed),
            Case("a request on a connection that is kept alive", kept.get),
        ]
    finally:
        kept.close()
        subprocess.run([sys.executable, str(SERVER), "stop", str(server["pid"])], check=True)


class Client(http.client.HTTPConnection):
    """HTTP over a TLS connection that may take up a session."""

    def __init__(self, port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        super().__init__("127.0.0.1", port, timeout=10)
        self.connect()
        self.sock = context.wrap_socket(self.sock, server_hostname=NAME, session=session)

    def get(self) -> None:
        self.request("GET", "/")
        answer = self.getresponse()
        if answer.status != 200 or not answer.read() or answer.will_close:
            raise BenchError(f"the server answers with status {answer.status}, or ends the connection")


def once(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None,
         reused: bool = False) -> ssl.SSLSession | None:
    """One request on a connection of its own; returns the session that the next one may take up."""
    client = Client(port, context, session)
    try:
        client.get()  # in TLS 1.3 the ticket comes after the handshake
        if client.sock.session_reused != reused:
            raise BenchError("the server has not resumed the session" if reused else "a session was resumed unasked")
        return client.sock.session
    finally:
        client.close()


def rate(case: Case, seconds: float) -> float:
    """How often a second it is done, over so many seconds."""
    count, begin, now = 0, time.perf_counter(), 0.0
    while now < seconds:
        case.run()
        count, now = count + 1, time.perf_counter() - begin
    return count / now


def measure(cases: list[Case], rounds: int, seconds: float) -> list[float]:
    """The median rate of each case."""
    rates: list[list[float]] = [[] for _case in cases]
    for number in range(rounds):
        for case, found in zip(cases, rates, strict=True):
            say(f"round {number + 1} of {rounds}: {case.what}")
            found.append(rate(case, seconds))
    say("")
    return [statistics.median(found) for found in rates]


def told(case: Case, per_second: float, base: float) -> str:
    """A row: how many a second, how long one takes, and how that is to the first of its table."""
    if case.size:
        megabytes = per_second * case.size / 1e6
        return f"| {case.what} | {megabytes:,.0f} MB | {1e6 / per_second:.1f} µs for {case.size // 1024} KiB | |"
    return f"| {case.what} | {per_second:,.0f} | {1e6 / per_second:,.0f} µs | {per_second / base:.2g} |"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=0.1, help="that each case takes in each round")
    given = options.parse_args()
    with connections() as second:
        cases = primitives() + second
        rates = measure(cases, given.rounds, given.seconds)
    of = dict(zip((case.what for case in cases), rates, strict=True))
    print(f"{len(os.sched_getaffinity(0))} cores; Python {platform.python_version()}, {ssl.OPENSSL_VERSION} for "
          f"connections, {backend.openssl_version_text()} for the rest; medians of {given.rounds} rounds\n")
    print("| | a second | each takes | × the first |\n|---|---|---|---|")
    for case, found in zip(cases, rates, strict=True):
        print(told(case, found, of[FULL] if case in second else of[SIGNATURE]))
    print(f"\nIn the time of one signature (EC P-256), {AES} encrypts "
          f"{of[AES] * RECORD / of[SIGNATURE] / 1024:,.0f} KiB.")
    return 0


if __name__ == "__main__":
    end_with(main)
