# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Others' tools, which say what they think of our keys, requests, certificates and lists; and what a host lets leak."""

from __future__ import annotations

import base64
import contextlib
import importlib
import io
import json
import re
import subprocess
import textwrap
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

PURPOSES = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}


def says(*argv: str | Path, input: str | None = None) -> str:
    """What a tool prints on this machine, with its exit code in front unless that is 0."""
    done = subprocess.run([str(arg) for arg in argv], input=input, capture_output=True, text=True, check=False)
    return (f"exit {done.returncode}: " if done.returncode else "") + done.stdout + done.stderr


def lint(linter: str, *args: str | Path) -> set[str]:
    """pkilint's findings from NOTICE on, as ``SEVERITY code``. Its commands, run in here: each takes a second to start.

    linter: the command's name, such as ``lint_pkix_cert``; args: what stands behind ``lint``.
    """
    main = importlib.import_module(f"pkilint.bin.{linter}").main
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(["lint", "-s", "NOTICE", "-f", "JSON", *map(str, args)])
    return {f"{finding['severity']} {finding['code']}" for result in json.loads(printed.getvalue())["results"]
            for finding in result["finding_descriptions"]}


def certtool(chain: Path, root: Path, name: str, purpose: str) -> bool:
    """Whether GnuTLS accepts a chain (leaf first) for a host's name and a purpose, with one root as trust."""
    return "Chain verification output: Verified. The certificate is trusted." in says(
        "certtool", "--verify", "--load-ca-certificate", root, "--infile", chain, "--verify-hostname", name,
        "--verify-purpose", PURPOSES[purpose])


def looks(host, folder: str) -> str:
    """Everything in a folder of a host: names, modes, owners, times and contents, as one text."""
    return host.run("sh", "-c", f"cd {folder} && ls -lA --full-time && find . -type f -exec sha256sum {{}} + | "
                                "sort -k2").stdout


def private_numbers(key) -> list[bytes]:
    """What only a private key has, as bytes and in the order of its file: an RSA key's d, p and q; others' one number.

    The modulus of an RSA key and an EC key's point are in its file, too, and in every certificate.
    """
    if isinstance(key, rsa.RSAPrivateKey | dsa.DSAPrivateKey):
        numbers = key.private_numbers()
        parts = [numbers.x] if isinstance(key, dsa.DSAPrivateKey) else [numbers.d, numbers.p, numbers.q]
        return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in parts]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return [key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")]
    return [key.private_bytes_raw()]


def secret(pem: bytes | str) -> str:
    """The part of a private key's PEM that nobody may see: its private numbers, or all but an encrypted one's head."""
    text = pem.decode() if isinstance(pem, bytes) else pem
    body = "".join(re.findall("^[A-Za-z0-9+/=]+$", text, re.MULTILINE))
    if "ENCRYPTED" in text:
        return body[24:]
    first, *_others, last = 2 * private_numbers(serialization.load_pem_private_key(text.encode(), None))
    der = base64.b64decode(body)
    begin, end = der.index(first), der.rindex(last) + len(last)
    return body[-(-begin // 3) * 4:end // 3 * 4]


def leaks(output: str, *keys: bytes | str) -> list[str]:
    """Parts of private keys (PEM) that are in an output, whatever the breaks of the lines in it."""
    plain = re.sub(r"\\n|\s", "", output)
    return [part for key in keys for part in textwrap.wrap(secret(key), 12) if len(part) >= 10 and part in plain]
