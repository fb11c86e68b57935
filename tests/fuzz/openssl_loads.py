# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is our own reader as strict as OpenSSL? python tests/fuzz/openssl_loads.py [--every N] [--hosts NAME ...]

CAs of many kinds are changed byte by byte, and element by element with all lengths corrected. What our reader accepts,
OpenSSL must load: the one of this Python, and those of the test hosts that are named. Without exception, because one
certificate that OpenSSL does not load empties a whole store. What our reader refuses and OpenSSL loads is counted: it
costs a question to OpenSSL, and should be rare.
"""

from __future__ import annotations

import argparse
import base64
import collections
import collections.abc as c
import importlib
import itertools
import json
import ssl
import sys
import typing as t
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in (".", "hosts")]
    importlib.import_module("conftest")  # makes this checkout importable as the collection

import pki
import raw_pki
from raw_pki import BMP, IA5, NUMERIC, PRINTABLE, TELETEX, UNIVERSAL, UTF8, extension, oid, tlv

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable, pem

# What a byte is changed to, besides its neighbours: ends of ranges, lengths, and the tags that certificates have.
BYTES = bytes.fromhex("00010203040506070a0c0d121314161718191a1c1e1f20303180818283a0a1a2a3bfc0c3d8ed7ffeff")
BATCH = 2000  # certificates in a file
# Runs on a host: loads each file of a list, and says which did not load, or not all of it.
LOADER = """import base64, json, ssl, sys, tempfile
refused = []
for number, (text, total) in enumerate(json.load(sys.stdin)):
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(base64.b64decode(text)); stream.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(stream.name)
        except ssl.SSLError as error:
            refused.append([number, str(error)])
        else:
            if context.cert_store_stats()["x509"] != total:
                refused.append([number, "%d certificates" % context.cert_store_stats()["x509"]])
print(json.dumps([ssl.OPENSSL_VERSION, refused]))
"""


class File(t.NamedTuple):
    """A PEM file that must load, with so many different certificates."""

    data: bytes
    total: int


def seeds() -> dict[str, bytes]:
    """CAs to change, in DER by name."""
    names = [("2.5.4.10", UTF8, "Müller".encode()), ("2.5.4.11", PRINTABLE, b"A & B"), ("2.5.4.3", TELETEX, b"M\xfc"),
             ("2.5.4.7", BMP, "Köln".encode("utf-16-be")), ("2.5.4.8", UNIVERSAL, "é".encode("utf-32-be")),
             ("0.9.2342.19200300.100.1.25", IA5, b"example"), ("2.5.4.5", NUMERIC, b"12"),
             (raw_pki.UNIQUE_ID, 3, b"\0\1"), (raw_pki.POSTAL_ADDRESS, 48, tlv(UTF8, b"Street"))]
    more = [extension("2.5.29.14", tlv(4, b"12345678"), b"\1\1\0"), extension("1.2.3.4", b"\xff" * 200, b"\1\1\xff"),
            extension("2.5.29.32", tlv(48, tlv(48, oid("2.23.140.1.2.1"))))]
    return {
        "EC": pki.root([("C", "DE"), ("O", "Corp"), ("CN", "Corp Root CA")]).der,
        "RSA": pki.root(key_type="rsa").der,
        "Ed25519": pki.root(key_type="ed25519").der,
        "an intermediate": pki.issue("Issuing", pki.root(), ca=True, path_length=0, purposes=["server"]).der,
        "all string types": raw_pki.root(*names).der,
        "extensions": raw_pki.root(*names[:2], more=more).der,
        "other times and a long serial number": raw_pki.root(
            *names[:1], serial=b"\0\x80" + b"\1" * 18,
            validity=tlv(48, tlv(24, b"20240101000000Z"), tlv(24, b"20350101000000Z"))).der,
        "version 1": raw_pki.root(*names[:1], version=b"", extensions=b"").der,
        "unique identifiers": raw_pki.root(*names[:1], identifiers=tlv(0x81, b"\0\1") + tlv(0x82, b"\0\1\2")).der,
    }


def bytewise(data: bytes) -> c.Iterator[bytes]:
    """Yields ``data`` with one byte changed, each byte to many values."""
    for place, byte in enumerate(data):
        for value in sorted({*BYTES, byte ^ 1, byte ^ 0x20, byte ^ 0x80, (byte + 1) & 255, (byte - 1) & 255} - {byte}):
            yield data[:place] + bytes([value]) + data[place + 1:]


def elementwise(data: bytes) -> c.Iterator[bytes]:
    """Yields ``data`` with the content of one element changed, and the lengths of all around it corrected."""
    tree = _parsed(data)
    for path in _paths(tree):
        tag, content = _at(tree, path)
        flat = content if isinstance(content, bytes) else b"".join(map(_encoded, content))
        for other in {b"", flat + b"\0", b"\0" + flat, b"\xff" + flat, b"\x80" + flat, flat[:-1], flat[1:],
                      flat[:11] + flat[12:], flat * 2, flat + b"\5\0"} - {flat}:
            yield _encoded(_with(tree, path, (tag, other)))
        for kind in BYTES:
            yield _encoded(_with(tree, path, (kind, flat)))


Tree = tuple[int, t.Any]  # a tag, and bytes or a list of Trees


def _parsed(data: bytes) -> Tree:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der
    tag, content, end = der.element(data, 0, len(data))
    if not tag & 0x20:
        return tag, data[content:end]
    return tag, [_parsed(data[start:behind]) for _tag, start, _inner, behind in der.children(data, content, end)]


def _encoded(tree: Tree) -> bytes:
    tag, content = tree
    return tlv(tag, content if isinstance(content, bytes) else b"".join(map(_encoded, content)))


def _paths(tree: Tree, above: tuple[int, ...] = ()) -> c.Iterator[tuple[int, ...]]:
    yield above
    if isinstance(tree[1], list):
        for number, child in enumerate(tree[1]):
            yield from _paths(child, (*above, number))


def _at(tree: Tree, path: tuple[int, ...]) -> Tree:
    for number in path:
        tree = tree[1][number]
    return tree


def _with(tree: Tree, path: tuple[int, ...], other: Tree) -> Tree:
    if not path:
        return other
    tag, children = tree
    return tag, [_with(child, path[1:], other) if number == path[0] else child for number, child in enumerate(children)]


def of_certificates(every: int) -> tuple[list[bytes], collections.Counter[str], list[str]]:
    """(certificates that our reader accepts, counts, what it refuses and OpenSSL loads)."""
    accepted: dict[bytes, None] = {}
    lenient: list[str] = []
    counts: collections.Counter[str] = collections.Counter()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, seed in seeds().items():
        assert loadable.fault(seed) is None, name
        for mutant in itertools.islice(itertools.chain(bytewise(seed), elementwise(seed)), 0, None, every):
            counts["changed certificates"] += 1
            fault = loadable.fault.__wrapped__(mutant)
            if fault is None:
                accepted[mutant] = None
            elif _loads(context, mutant):
                lenient.append(f"{name}: {fault}")
    counts["accepted"], counts["refused although OpenSSL loads them"] = len(accepted), len(lenient)
    return list(accepted), counts, lenient


def _loads(context: ssl.SSLContext, data: bytes) -> bool:
    try:
        context.load_verify_locations(cadata=pem.to_pem(data))
    except ssl.SSLError:
        return False
    return True


def of_files(every: int) -> tuple[list[File], int]:
    """(PEM files of two certificates with one byte changed that our reader does not suspect, how many there were)."""
    text = f"# a comment\n{pki.root().pem}{pki.root().pem}".encode()
    mutants = list(itertools.islice(_changed_text(text), 0, None, every))
    found = []
    for mutant in mutants:
        blocks = list(pem.certificate_blocks(mutant))
        if blocks and not loadable.suspicions("", mutant, blocks):
            found.append(File(mutant, len({content for _block, content in blocks})))
    return found, len(mutants)


def _changed_text(text: bytes) -> c.Iterator[bytes]:
    for place, byte in enumerate(text):
        for value in sorted({*b"\0\t\n\r -=+/:A\xff", byte ^ 1} - {byte}):
            yield text[:place] + bytes([value]) + text[place + 1:]
        yield text[:place] + text[place + 1:]


def batches(certificates: list[bytes]) -> list[File]:
    """Certificates as PEM files."""
    parts = [certificates[start:start + BATCH] for start in range(0, len(certificates), BATCH)]
    return [File("".join(map(pem.to_pem, part)).encode(), len(part)) for part in parts]


def on_this_machine(files: list[File]) -> tuple[str, list[list[t.Any]]]:
    """(version of OpenSSL, [number of a file that it does not load whole, why])."""
    import subprocess
    done = subprocess.run([sys.executable, "-c", LOADER], input=_packed(files), capture_output=True, check=True)
    version, refused = json.loads(done.stdout)
    return version, refused


def on_host(host: t.Any, files: list[File]) -> tuple[str, list[list[t.Any]]]:
    """The same on a test host (podman.Host)."""
    host.write("/root/loader.py", LOADER.encode())
    host.write("/root/files.json", _packed(files))
    version, refused = json.loads(host.run("sh", "-c", "python3 /root/loader.py < /root/files.json").stdout)
    return version, refused


def _packed(files: list[File]) -> bytes:
    return json.dumps([(base64.b64encode(one.data).decode(), one.total) for one in files]).encode()


def failures(files: list[File], load: c.Callable[[list[File]], tuple[str, list[list[t.Any]]]]) -> tuple[str, list[str]]:
    """(version of OpenSSL, sentences on what our reader accepts and it does not load)."""
    version, refused = load(files)
    found = []
    for number, why in refused:
        contents = [content for _block, content in pem.certificate_blocks(files[number].data)]
        if len(contents) <= 2:
            found.append(f"{version}: {why}: {files[number].data!r}")
            continue
        ones = [File(pem.to_pem(content).encode(), 1) for content in contents]
        found += [f"{version}: {reason}: {contents[place].hex()}" for place, reason in load(ones)[1]]
    return version, found


def run(every: int, hosts: c.Mapping[str, t.Any]) -> tuple[list[str], list[str]]:
    """(lines to print, failures). every: takes only each of so many inputs."""
    accepted, counts, lenient = of_certificates(every)
    plain, total = of_files(every)
    files = batches(accepted) + plain
    lines = [f"{number:8d} {what}" for what, number in counts.items()]
    lines += [f"{number:16d} {what}" for what, number in collections.Counter(lenient).most_common(12)]
    lines.append(f"{total:8d} changed files, of which {len(plain)} are not suspected")
    wrong = []
    for name, load in [("this machine", on_this_machine), *((name, lambda files, host=host: on_host(host, files))
                                                            for name, host in hosts.items())]:
        version, found = failures(files, load)
        lines.append(f"{version} ({name}): {len(found)} not loaded")
        wrong += found
    return lines, wrong


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take only each of so many inputs")
    parser.add_argument("--hosts", nargs="*", default=[], metavar="NAME", help="test hosts, such as el8")
    given = parser.parse_args()
    if given.hosts:
        import podman
        with podman.fleet(given.hosts) as fleet:
            lines, wrong = run(given.every, fleet)
    else:
        lines, wrong = run(given.every, {})
    print("\n".join([*lines, *(one[:3000] for one in wrong[:20])]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
