# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Files of revocation lists as people have them, PEM with one or many, or DER; standard library alone."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der, pem

LABEL = b"X509 CRL"


def read(data: bytes) -> "t.List[bytes]":
    """The revocation lists of a file as list of DER (bytes); raises pem.CertificateFileError."""
    if pem.holds_key(data):
        raise pem.PrivateKeyFound("there is a private key in it, and only revocation lists are wanted")
    found = pem.blocks(data)
    if found:
        lists = [pem.decode(block) for block in found if block.label == LABEL]
        if not lists:
            raise pem.CertificateFileError("there is no revocation list in it, but: %s" % ", ".join(
                sorted({block.label.decode("ascii") for block in found})))
    else:
        lists = [data]
    for one in lists:
        _check(one)
    return lists


def _check(data: bytes) -> None:
    """RFC 5280 section 5.1: a list is a SEQUENCE of the signed part, an algorithm and a signature, as a certificate is.

    It has no version tag in front, and a date where a certificate has its validity.
    """
    try:
        content, end = der.expect(data, 0, len(data), der.SEQUENCE)
        tags = [part[0] for part in der.children(data, content, end)]
        inner, behind = der.expect(data, content, end, der.SEQUENCE)
        first = der.element(data, inner, behind)[0]
    except der.DerError as error:
        raise pem.CertificateFileError("it can't be read as a revocation list: %s" % error)
    if end != len(data) or tags != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING] or first == 0xA0:
        raise pem.CertificateFileError("there is no revocation list in it")


def to_pem(data: bytes) -> str:
    """DER bytes as PEM (RFC 7468), as text."""
    return pem.to_pem(data, LABEL.decode("ascii"))
