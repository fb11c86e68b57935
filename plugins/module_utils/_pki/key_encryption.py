# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Private keys encrypted as PKCS#8 with PBES2 (RFC 8018 section 6.2): PBKDF2 with HMAC-SHA-256, and AES-256 in CBC.

cryptography writes such keys, too, but with 2,048 iterations, and no release lets its callers choose more: its
encryption_builder() is for PKCS#12 and OpenSSH alone.
"""

import hashlib
import os
import struct

try:
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:  # _cryptography.require() says so
    pass

# The least that OWASP's Password Storage Cheat Sheet recommends for PBKDF2 with HMAC-SHA-256.
ITERATIONS = 600000
BLOCK, KEY, SALT = 16, 32, 16  # bytes
NULL, SEQUENCE, INTEGER, OCTET_STRING = b"\x05\x00", 0x30, 0x02, 0x04
PBES2 = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"             # 1.2.840.113549.1.5.13
PBKDF2 = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c"            # 1.2.840.113549.1.5.12
HMAC_SHA256 = b"\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x09"           # 1.2.840.113549.2.9
AES256_CBC = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a"        # 2.16.840.1.101.3.4.1.42


def encrypt(key: bytes, passphrase: bytes) -> bytes:
    """EncryptedPrivateKeyInfo (DER) of a PrivateKeyInfo (DER)."""
    salt, start = os.urandom(SALT), os.urandom(BLOCK)
    secret = hashlib.pbkdf2_hmac("sha256", passphrase, salt, ITERATIONS, KEY)
    padding = BLOCK - len(key) % BLOCK
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(start), default_backend()).encryptor()
    encrypted = encryptor.update(key + struct.pack("B", padding) * padding) + encryptor.finalize()
    iterations = struct.pack(">I", ITERATIONS).lstrip(b"\0")
    derivation = _der(SEQUENCE, PBKDF2, _der(
        SEQUENCE, _der(OCTET_STRING, salt), _der(INTEGER, iterations), _der(SEQUENCE, HMAC_SHA256, NULL)))
    scheme = _der(SEQUENCE, AES256_CBC, _der(OCTET_STRING, start))
    return _der(SEQUENCE, _der(SEQUENCE, PBES2, _der(SEQUENCE, derivation, scheme)), _der(OCTET_STRING, encrypted))


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = struct.pack(">I", len(content)).lstrip(b"\0") or b"\0"
    if len(content) > 127:
        length = struct.pack("B", 0x80 | len(length)) + length
    return struct.pack("B", tag) + length + content
