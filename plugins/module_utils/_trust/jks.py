# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Java's keystore in the form JKS, as far as its trusted certificates go; read without Java.

The form is that of the JDK's class ``sun.security.provider.JavaKeyStore``: big-endian numbers, texts with their length
before them, a keyed SHA-1 of all of it at the end, which is not looked at.
"""

import struct
import typing as t

MAGIC = 0xFEEDFEED
KEY, CERTIFICATE = 1, 2  # what an entry holds


def entries(data: bytes) -> "t.List[t.Tuple[str, bytes]]":
    """The trusted certificates as list of (alias, DER). Raises ValueError for what is not of this form."""
    reader = _Reader(data)
    magic, version, count = reader.numbers(">III")
    if magic != MAGIC or version not in (1, 2):
        raise ValueError("it is no Java keystore of the form JKS")
    found = []
    for _entry in range(count):
        tag, = reader.numbers(">I")
        alias = reader.block(">H").decode("utf-8", "replace")
        reader.numbers(">Q")  # when it was made
        if tag == KEY:
            reader.block(">I")
            for _certificate in range(reader.numbers(">I")[0]):
                _certificate_of(reader, version)
        elif tag == CERTIFICATE:
            found.append((alias, _certificate_of(reader, version)))
        else:
            raise ValueError("it has an entry of the unknown kind %d" % tag)
    return found


def _certificate_of(reader: "_Reader", version: int) -> bytes:
    if version == 2:
        reader.block(">H")  # its type, X.509
    return reader.block(">I")


class _Reader:
    """Bytes, read from their beginning on."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def numbers(self, form: str) -> "t.Tuple[int, ...]":
        """Numbers as struct has them; raises ValueError where the data end before."""
        end = self.position + struct.calcsize(form)
        if end > len(self.data):
            raise ValueError("it is cut off")
        found = struct.unpack(form, self.data[self.position:end])
        self.position = end
        return found

    def block(self, form: str) -> bytes:
        """Bytes after a number that says how many."""
        length, = self.numbers(form)
        if self.position + length > len(self.data):
            raise ValueError("it is cut off")
        self.position += length
        return self.data[self.position - length:self.position]
