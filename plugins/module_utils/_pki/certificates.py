# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Certificates (RFC 5280): read, compared with what is wanted, issued."""

import datetime
import os
import typing as t

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import serialization
except ImportError:  # _cryptography.require() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    distinguished_names,
    extensions,
    fields,
    keys,
    pkcs10,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


class IssuedCertificate(t.NamedTuple):
    plain: plain_x509.Certificate
    facts: "extensions.Facts"  # see _pki/fields.py
    public_key: "keys.PublicKey"
    object: "x509.Certificate"


class Issuer(t.NamedTuple):
    name: "x509.Name"
    key_identifier: str                 # hex
    public_key: "keys.PublicKey"
    key: "t.Optional[keys.PrivateKey]"  # None where it isn't here


def read(data: bytes) -> "t.List[IssuedCertificate]":
    """All certificates of a file's content (bytes), in order; raises pem.CertificateFileError."""
    return [_of_plain(plain) for plain in pem.read_certificates(data, keys_allowed=True)]


def read_first(data: bytes) -> IssuedCertificate:
    """The first certificate of a file's content, in which all can be read."""
    return _of_plain(pem.read_certificates(data, keys_allowed=True)[0])


def present(path: "t.Optional[str]") -> "t.Tuple[t.Optional[IssuedCertificate], t.Optional[str]]":
    """(the certificate that is at ``path``, or None; why it can't be used as it is, or None)."""
    if not path or not os.path.lexists(path):
        return None, None
    try:
        data = pem.read_file(path)
        return read_first(data), None if pem.is_plain_pem(data) else "it is not in PEM form, which servers want"
    except pem.CertificateFileError as error:
        return None, str(error)


def _of_plain(plain: plain_x509.Certificate) -> IssuedCertificate:
    try:
        return _of_object(x509.load_der_x509_certificate(plain.der, default_backend()), plain)
    except Exception as error:  # of many kinds, by version: malformed DER, unknown types of string
        raise pem.CertificateFileError("%s is malformed: %s" % (
            plain_x509.label(plain), plain_x509.escape(str(error).partition("\n")[0])))


def _of_object(certificate: "x509.Certificate", plain: plain_x509.Certificate) -> IssuedCertificate:
    public_key = certificate.public_key()
    digest = certificate.signature_hash_algorithm
    return IssuedCertificate(plain, dict(
        extensions.read(lambda: certificate.extensions),
        subject=distinguished_names.read(certificate.subject), issuer=distinguished_names.read(certificate.issuer),
        key_type=keys.key_type(public_key), public_key=keys.fingerprint(public_key),
        digest=digest and digest.name), public_key, certificate)


def label(certificate: IssuedCertificate) -> str:
    """What messages call a certificate."""
    return "%s (SHA-256 %s)" % (plain_x509.label(certificate.plain), certificate.plain.fingerprint)


def shown(certificate: "t.Optional[IssuedCertificate]") -> str:
    """A certificate as text for a diff."""
    return fields.shown(dict(certificate.facts, **plain_x509.describe(certificate.plain))) if certificate else ""


def described(certificate: IssuedCertificate) -> "t.Dict[str, t.Any]":
    """What results say of a certificate (dict)."""
    return dict(plain_x509.describe(certificate.plain), key_type=certificate.facts["key_type"],
                subject_alt_name=certificate.facts.get("subject_alt_name", []))


def issuer_of(certificate: IssuedCertificate, key: "t.Optional[keys.PrivateKey]" = None) -> Issuer:
    """A CA's certificate as the issuer of others."""
    return Issuer(certificate.object.subject,
                  certificate.facts.get("subject_key_identifier") or pkcs10.key_identifier(certificate.public_key),
                  certificate.public_key, key)


def self_issuer(subject: "t.List[str]", key: "keys.PrivateKey") -> Issuer:
    """The issuer of a self-signed certificate; ``subject`` as list of text."""
    public_key = key.public_key()
    return Issuer(distinguished_names.build(subject), pkcs10.key_identifier(public_key), public_key, key)


def wanted(
    facts: "extensions.Facts", public_key: "keys.PublicKey", issuer: Issuer, digest: "t.Optional[str]" = None
) -> "extensions.Facts":
    """The facts of the certificate that ``issue`` makes of these (without dates and serial number)."""
    return dict(facts, issuer=distinguished_names.read(issuer.name), key_type=keys.key_type(public_key),
                public_key=keys.fingerprint(public_key), subject_key_identifier=pkcs10.key_identifier(public_key),
                authority_key_identifier=issuer.key_identifier, digest=keys.digest_name(digest, issuer.public_key))


def deviations(certificate: IssuedCertificate, want: "extensions.Facts", issuer: Issuer) -> "t.List[str]":
    """What a certificate that is there has different from ``want`` (see ``wanted``), as list of text."""
    ignored = ["issuer", "authority_key_identifier", "public_key"]
    other_key = certificate.facts["public_key"] != want["public_key"]
    found = ["the key is another one"] if other_key else []
    found += fields.deviations(certificate.facts, want, ignored + ["subject_key_identifier"] * other_key)
    if certificate.object.issuer != issuer.name:
        found.insert(0, "issuer: %s instead of %s" % (distinguished_names.spoken(want["issuer"]),
                                                      distinguished_names.spoken(certificate.facts["issuer"])))
    elif not is_signed_by(certificate, issuer.public_key):
        found.insert(0, "issuer: %s has another key now" % distinguished_names.spoken(want["issuer"]))
    elif certificate.facts.get("authority_key_identifier") != want["authority_key_identifier"]:
        found += ["authority_key_identifier: %s instead of %s" % (
            want["authority_key_identifier"], certificate.facts.get("authority_key_identifier") or "none")]
    return found


def why(
    before: "t.Optional[IssuedCertificate]",
    unreadable: "t.Optional[str]",
    want: "extensions.Facts",
    issuer: Issuer,
    span: pki_validity.Validity,
    options: "t.Dict[str, t.Any]",
    now: int,
) -> "t.List[str]":
    """Why a certificate is made, as list of text; nothing where the one that is there is what is wanted."""
    path = options["path"] or options["fullchain_path"]
    if before is None:
        return ["%s can't be read as a certificate: %s" % (path, unreadable) if unreadable
                else "there is no certificate yet"]
    found = ["%s: %s" % (path, unreadable)] if unreadable else []
    found += deviations(before, want, issuer)
    found += pki_validity.reasons(before.plain, span, pki_validity.renew_before(options), now)
    return found or (["force"] if options["force"] else [])


def is_signed_by(certificate: IssuedCertificate, public_key: "keys.PublicKey") -> bool:
    """Whether the certificate's signature was made with the key."""
    try:
        algorithm = certificate.object.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    return keys.signed_by(public_key, certificate.object.signature, certificate.object.tbs_certificate_bytes, algorithm)


def issue(
    facts: "extensions.Facts", public_key: "keys.PublicKey", issuer: Issuer, validity: pki_validity.Validity
) -> IssuedCertificate:
    """A new Certificate with the facts of ``wanted``, for a _validity.Validity, signed with the issuer's key.

    Its serial number has 159 random bits; RFC 5280 section 4.1.2.2 allows 160, the CA/Browser Forum wants 64.
    Raises _facts.OptionError for facts that can't be put into one.
    """
    if issuer.key is None:
        raise fields.OptionError("such a certificate can't be made: its issuer's key is not here")
    try:
        builder = (x509.CertificateBuilder().subject_name(distinguished_names.build(facts["subject"]))
                   .issuer_name(issuer.name).public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(moment(validity.not_before.at)).not_valid_after(moment(validity.not_after.at)))
        for extension, critical in extensions.build(facts):
            builder = builder.add_extension(extension, critical=critical)
        made = builder.sign(issuer.key, keys.digest(facts["digest"]), default_backend())
    except (ValueError, TypeError, OverflowError) as error:  # what cryptography knows to be wrong, and options do not
        raise fields.OptionError("such a certificate can't be made: %s" % error)
    return _of_object(made, plain_x509.parse(made.public_bytes(serialization.Encoding.DER)))


def moment(at: int) -> datetime.datetime:
    """Epoch seconds as cryptography wants them."""
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc)


def to_pem(certificates: "t.Iterable[IssuedCertificate]") -> str:
    """Certificates as one PEM text."""
    return "".join(pem.to_pem(certificate.plain.der) for certificate in certificates)
