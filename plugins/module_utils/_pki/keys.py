# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Private keys: made, read, written as PKCS#8 (RFC 5958), and the digests that go with them."""

import hashlib
import typing as t

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.backends import default_backend
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
except ImportError:  # _cryptography.require() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import key_encryption
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

if t.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import types

    PublicKey = types.CertificatePublicKeyTypes
    PrivateKey = t.Union[rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey,
                         ed448.Ed448PrivateKey]
    Digest = t.Union[hashes.SHA256, hashes.SHA384, hashes.SHA512]

TYPES = ("EC P-256", "EC P-384", "EC P-521", "RSA 2048", "RSA 3072", "RSA 4096", "Ed25519", "Ed448")
DIGESTS = ("sha256", "sha384", "sha512")
MIN_RSA_BITS = 2048
# Characters of a passphrase for new keys. NIST SP 800-63B-4 takes no shorter password, and RHEL's FIPS provider derives
# no key from one of fewer bytes.
LEAST_PASSPHRASE = 8
CURVES = {"P-256": "SECP256R1", "P-384": "SECP384R1", "P-521": "SECP521R1"}
# CA/Browser Forum Baseline Requirements 7.1.3.2.2: an ECDSA key signs with the digest of its own strength.
DIGEST_OF = {"EC P-384": "sha384", "EC P-521": "sha512"}


class KeyFileError(Failure, ValueError):
    """A private key that can't be used; the message names the file, the reason and the way out, never the key."""


def generate(key_type: str) -> "PrivateKey":
    """A new private key of one of TYPES; raises KeyFileError where this host can't make it."""
    kind, _space, size = key_type.partition(" ")
    try:
        if kind == "RSA":
            return rsa.generate_private_key(65537, int(size), default_backend())
        if kind == "EC":
            return ec.generate_private_key(getattr(ec, CURVES[size])(), default_backend())
        return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else ed448.Ed448PrivateKey.generate()
    except UnsupportedAlgorithm:
        raise KeyFileError("this host can't make keys of type %s, perhaps because it is in FIPS mode: choose another "
                           "key_type" % key_type)


def load(path: str, passphrase: "t.Optional[str]" = None, option: str = "privatekey_passphrase") -> "PrivateKey":
    """The private key in a file; ``option`` is what messages call the passphrase. Raises KeyFileError."""
    try:
        data = pem.read_file(path)
    except pem.CertificateFileError as error:
        raise KeyFileError("the private key %s can't be used: %s" % (path, pem.advised(str(error))))
    return read(data, passphrase, "the private key %s" % path, option)


def read(data: bytes, passphrase: "t.Optional[str]", name: str, option: str = "privatekey_passphrase") -> "PrivateKey":
    """The same for the bytes of a key in PEM or DER; ``name`` is what messages call it."""
    try:
        form, encrypted = openssl.key_form(data)
    except (openssl.PrivateKeyError, pem.CertificateFileError) as error:
        raise KeyFileError("%s can't be used: %s" % (name, error))
    if encrypted and not passphrase:
        raise KeyFileError("%s is encrypted and no %s is given" % (name, option))
    if passphrase and not encrypted:
        raise KeyFileError("%s is not encrypted, though %s is given: leave the passphrase out, or encrypt the key with "
                           "'openssl pkcs8 -topk8 -v2 aes-256-cbc'" % (name, option))
    loader = serialization.load_pem_private_key if form == "PEM" else serialization.load_der_private_key
    try:
        key = loader(data, passphrase.encode("utf-8") if passphrase else None, default_backend())
    except UnsupportedAlgorithm:
        raise KeyFileError("%s is of a kind that this host's cryptography can't use" % name)
    except Exception as error:  # of many kinds, by version: an Ed25519 key without a key is an InternalError
        if encrypted:
            raise KeyFileError("%s can't be decrypted: %s is wrong, or the file is damaged. It is left as it is"
                               % (name, option))
        raise KeyFileError("%s can't be read as a private key: it is damaged, or of an unknown kind (%s)"
                           % (name, type(error).__name__))
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey,
                            ed448.Ed448PrivateKey)):
        raise KeyFileError("%s is of a kind that certificates for TLS are not made with: use one of %s"
                           % (name, ", ".join(TYPES)))
    return key


def dump(key: "PrivateKey", passphrase: "t.Optional[str]" = None, option: str = "privatekey_passphrase") -> bytes:
    """A private key as PKCS#8 in PEM (bytes), encrypted where there is a passphrase; see ``check_passphrase``.

    Raises KeyFileError for a passphrase that is trivially short; ``option`` is what the message calls it. Keys that are
    encrypted with such a one can be read all the same.
    """
    plain = serialization.Encoding.DER if passphrase else serialization.Encoding.PEM
    data = key.private_bytes(plain, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if not passphrase:
        return data
    if len(passphrase) < LEAST_PASSPHRASE:
        raise KeyFileError("%s is too short to encrypt a new key with: use %d characters or more, for example from "
                           "'openssl rand -base64 24'" % (option, LEAST_PASSPHRASE))
    encrypted = key_encryption.encrypt(data, passphrase.encode("utf-8"))
    return pem.to_pem(encrypted, "ENCRYPTED PRIVATE KEY").encode("ascii")


def check_passphrase(option: str, passphrase: "t.Optional[str]") -> None:
    """Raises KeyFileError for a passphrase that is given and can't be one: an empty one would encrypt nothing."""
    length = None if passphrase is None else len(passphrase.encode("utf-8", "surrogateescape"))
    if length is not None and not 4 <= length <= 1023:
        raise KeyFileError("%s is %s: it has 4 to 1023 bytes, as OpenSSL wants it. Is its variable set? For a key "
                           "without encryption, leave the option out" % (
                               option, "too long" if length > 1023 else "too short" if length else "empty"))


def spki(public_key: "PublicKey") -> bytes:
    """SubjectPublicKeyInfo (DER bytes) of a public key."""
    return public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_type(public_key: "PublicKey") -> str:
    """What it is, in the words of TYPES; other sizes and curves likewise, such as ``RSA 1024``."""
    return x509.spki_type(spki(public_key))


def fingerprint(public_key: "PublicKey") -> str:
    """SHA-256 of the SubjectPublicKeyInfo, lower-case hex."""
    return hashlib.sha256(spki(public_key)).hexdigest()


def digest_name(wanted: "t.Optional[str]", public_key: "PublicKey") -> "t.Optional[str]":
    """The digest that a key signs with: the wanted one, or its own; None for Ed25519 and Ed448 (RFC 8410)."""
    kind = key_type(public_key)
    if kind.startswith("Ed"):
        return None
    return wanted or DIGEST_OF.get(kind, "sha256")


def digest(name: "t.Optional[str]") -> "t.Optional[Digest]":
    """A digest as cryptography wants it."""
    made: t.Optional[Digest] = getattr(hashes, name.upper())() if name else None
    return made


def signed_by(
    public_key: "PublicKey", signature: bytes, content: bytes, algorithm: "t.Optional[hashes.HashAlgorithm]"
) -> bool:
    """Whether ``signature`` of ``content`` (bytes) was made with the key; ``algorithm`` is the hash, None for EdDSA."""
    try:
        if isinstance(public_key, rsa.RSAPublicKey) and algorithm:
            public_key.verify(signature, content, padding.PKCS1v15(), algorithm)
        elif isinstance(public_key, ec.EllipticCurvePublicKey) and algorithm:
            public_key.verify(signature, content, ec.ECDSA(algorithm))
        elif isinstance(public_key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
            public_key.verify(signature, content)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, AttributeError):
        return False  # among these: the signature is of another kind than the key
    return True
