# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throwaway certificate authorities for tests: made when a test runs, never committed.

Runs with every ``cryptography`` from 3.2 on and in Python 3.6 syntax, as the tests of host code do.
"""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
ATTRIBUTES = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
              "C": NameOID.COUNTRY_NAME, "L": NameOID.LOCALITY_NAME, "emailAddress": NameOID.EMAIL_ADDRESS}
PURPOSES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH,
            "email": ExtendedKeyUsageOID.EMAIL_PROTECTION, "code": ExtendedKeyUsageOID.CODE_SIGNING}

KEY_USAGES = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]


def new_key(kind="ec"):
    """A private key: ``ec`` (P-256), ``p384``, ``rsa`` (2048), ``rsa1024``, ``ed25519``."""
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:] or 2048), default_backend())
    return ec.generate_private_key({"ec": ec.SECP256R1, "p384": ec.SECP384R1}[kind](), default_backend())


def _clock():
    """The time of the machine, naive as cryptography 3.2 requires it."""
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)


class Pair:
    """A private key and its certificate, in the forms that tests hand around."""

    def __init__(self, key, certificate, issuer=None):
        self.key, self.certificate, self.issuer = key, certificate, issuer

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self):
        return "".join("%02x" % byte for byte in bytearray(self.certificate.fingerprint(hashes.SHA256())))

    def key_pem(self, passphrase=None, form=serialization.PrivateFormat.PKCS8):
        encryption = (serialization.BestAvailableEncryption(passphrase.encode()) if passphrase
                      else serialization.NoEncryption())
        return self.key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def issue(subject, issuer=None, ca=False, key=None, key_type="ec", days=(-1, 365), path_length=None, dns=(), ips=(),
          purposes=(), key_usage=True, basic_constraints=True, digest=None, identifiers=True, serial=None, now=None,
          more=()):
    """Makes a key and a certificate, self-signed without an ``issuer`` (a Pair).

    subject: a common name, or a list of (short attribute name, value).
    days: first and last moment of validity, in days from ``now``.
    now: a naive ``datetime`` in UTC; without it, the machine's clock.
    key_usage: True for what is usual, False for none, or a list out of KEY_USAGES.
    more: extensions as (value, whether critical).
    """
    now = now or _clock()
    key = key or new_key(key_type)
    signer = issuer.key if issuer else key
    fields = [("CN", subject)] if isinstance(subject, str) else subject
    name = x509.Name([x509.NameAttribute(ATTRIBUTES[kind], value) for kind, value in fields])
    builder = (x509.CertificateBuilder()
               .subject_name(name).issuer_name(issuer.certificate.subject if issuer else name)
               .public_key(key.public_key()).serial_number(serial or x509.random_serial_number())
               .not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY))
    if basic_constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    if key_usage:
        usages = key_usage if key_usage is not True else ["key_cert_sign", "crl_sign"] if ca else ["digital_signature"]
        builder = builder.add_extension(
            x509.KeyUsage(**{usage: usage in usages for usage in KEY_USAGES}), critical=True)
    if identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    names = [x509.DNSName(name) for name in dns] + [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage([PURPOSES[p] for p in purposes]), critical=False)
    for value, critical in more:
        builder = builder.add_extension(value, critical=critical)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else (digest or hashes.SHA256())
    return Pair(key, builder.sign(signer, algorithm, default_backend()), issuer)


def root(subject="Corp Root CA", **options):
    """A self-signed certificate authority."""
    return issue(subject, ca=True, **options)


def server(name="web1.example.com", issuer=None, **options):
    """A server's certificate for ``name``."""
    options.setdefault("dns", [name])
    options.setdefault("purposes", ["server"])
    return issue(name, issuer, **options)


def crl(issuer, *revoked, **options):
    """A revocation list by ``issuer`` (a Pair), with the certificates of the Pairs ``revoked``, as PEM (str).

    days: its begin and its end, in days from ``now``. now: as of issue. more: extensions as (value, whether critical).
    """
    now, days = options.get("now") or _clock(), options.get("days", (-1, 30))
    builder = (x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
               .last_update(now + days[0] * DAY).next_update(now + days[1] * DAY))
    for value, critical in options.get("more", ()):
        builder = builder.add_extension(value, critical=critical)
    for pair in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(pair.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(now - DAY).build(default_backend()))
    made = builder.sign(issuer.key, hashes.SHA256(), default_backend())
    return made.public_bytes(serialization.Encoding.PEM).decode()


class At:
    """``issue``, ``root``, ``server`` and ``crl`` with a clock that stands still.

    A test that gives the code under test a ``now`` makes its certificates with the same one. Otherwise the test
    compares two clocks, and its outcome depends on how long it has waited for its turn.
    """

    def __init__(self, now):
        """now: seconds since the epoch."""
        self.now = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=now)

    def issue(self, *arguments, **options):
        return issue(*arguments, now=self.now, **options)

    def root(self, *arguments, **options):
        return root(*arguments, now=self.now, **options)

    def server(self, *arguments, **options):
        return server(*arguments, now=self.now, **options)

    def crl(self, *arguments, **options):
        return crl(*arguments, now=self.now, **options)
