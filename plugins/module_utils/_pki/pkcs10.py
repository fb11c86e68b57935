# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Certificate signing requests (PKCS #10, RFC 2986): read, compared, built."""

import os
import typing as t

try:
    from cryptography import x509
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import serialization
except ImportError:  # _cryptography.require() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    distinguished_names,
    extensions,
    fields,
    keys,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

LABELS = (b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")


class Request(t.NamedTuple):
    pem: bytes
    facts: "extensions.Facts"  # see _pki/fields.py
    public_key: "keys.PublicKey"
    signed: bool               # whether its signature fits its key


class RequestError(Failure, ValueError):
    """A request that can't be used; the message says why, without the file's name."""


def read(data: bytes) -> Request:
    """The request in ``data`` (bytes, PEM or DER); raises RequestError."""
    try:
        return of_csr(_load(data))
    except RequestError:
        raise
    except Exception as error:  # of many kinds, by version: malformed DER, unknown types of string
        raise RequestError("it can't be read as a certificate signing request: %s"
                           % (plain_x509.printable(str(error).partition("\n")[0]) or type(error).__name__))


def _load(data: bytes) -> "x509.CertificateSigningRequest":
    if pem.MARKER.search(data):
        try:
            blocks = pem.blocks(data)
        except pem.CertificateFileError as error:
            raise RequestError(str(error))
        found = [block for block in blocks if block.label in LABELS]
        if not found:
            raise RequestError("there is no certificate signing request in it%s" % (
                ", but: %s" % ", ".join(sorted({block.label.decode("ascii") for block in blocks})) if blocks else ""))
        try:
            data = pem.decode(found[0])
        except pem.CertificateFileError as error:
            raise RequestError(str(error))
    elif data[:1] != b"0":
        raise RequestError("there is no certificate signing request in it%s" % (": it is empty" * (not data.strip())))
    return x509.load_der_x509_csr(data, default_backend())


def present(path: str) -> "t.Optional[Request]":
    """The request that is there; None where there is none, and for what can't be read, which is written anew."""
    try:
        data = pem.read_file(path) if os.path.lexists(path) else b""
        return read(data) if pem.MARKER.search(data) else None
    except (RequestError, pem.CertificateFileError):
        return None


def why(path: str, before: "t.Optional[Request]", want: "extensions.Facts", force: bool) -> "t.List[str]":
    """Why the request at ``path`` is written, as list of text; nothing if it is what is wanted (see ``wanted``).

    before: what is ``present`` there.
    """
    if before is None:
        return ["there is something else at %s" % path if os.path.lexists(path) else "there is no request yet"]
    found = fields.deviations(before.facts, want, ignored=("public_key", "key_type"))
    if before.facts["public_key"] != want["public_key"]:
        found.insert(0, "the request is for another key")
    if not before.signed:
        found.insert(0, "the request's signature is wrong")
    return found or (["force"] if force else [])


def of_csr(csr: "x509.CertificateSigningRequest") -> Request:
    """A Request of what cryptography has read or made."""
    public_key = csr.public_key()
    facts = dict(extensions.read(lambda: csr.extensions),
                 subject=distinguished_names.read(csr.subject),
                 key_type=keys.key_type(public_key),
                 public_key=keys.fingerprint(public_key),
                 digest=csr.signature_hash_algorithm and csr.signature_hash_algorithm.name)
    return Request(csr.public_bytes(serialization.Encoding.PEM), facts, public_key, csr.is_signature_valid)


def wanted(facts: "extensions.Facts", key: "keys.PrivateKey", digest: "t.Optional[str]" = None) -> "extensions.Facts":
    """The facts of the request that ``build`` makes of these, with ``subject_key_identifier=True`` carried out."""
    public_key = key.public_key()
    made = dict(facts, key_type=keys.key_type(public_key), public_key=keys.fingerprint(public_key),
                digest=keys.digest_name(digest, public_key))
    if facts.get("subject_key_identifier"):
        made["subject_key_identifier"] = key_identifier(public_key)
    return made


def key_identifier(public_key: "keys.PublicKey") -> str:
    """The identifier of a key, method (1) of RFC 5280 section 4.2.1.2, in hex."""
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()


def build(facts: "extensions.Facts", key: "keys.PrivateKey") -> Request:
    """A Request with the facts of ``wanted``, signed with the key; raises _facts.OptionError."""
    try:
        builder = x509.CertificateSigningRequestBuilder().subject_name(distinguished_names.build(facts["subject"]))
        for extension, critical in extensions.build(facts):
            builder = builder.add_extension(extension, critical=critical)
        return of_csr(builder.sign(key, keys.digest(facts["digest"]), default_backend()))
    except (ValueError, TypeError) as error:  # such as an object identifier of which there can be none
        raise fields.OptionError("this host's cryptography can't make the request: %s" % error)
