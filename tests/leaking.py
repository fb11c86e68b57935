# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds parts of private keys in what a program prints."""

from __future__ import annotations

import base64
import re
import textwrap

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa


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
