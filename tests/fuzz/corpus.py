# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fuzzing begins with: certificates, keys, requests, lists, texts and conversations as they are in the wild.

All of it is the same in every run: the keys are made from fixed numbers, the times are fixed, the roots of the Web come
with a pinned package, and what programs and servers say was recorded.
"""

from __future__ import annotations

import base64
import datetime
import functools
import ipaddress
import struct
import typing as t
from pathlib import Path

import certifi
import pki
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

RECORDED = Path(__file__).parent / "recorded"
NOW = datetime.datetime(2026, 11, 1)
NOW_SECONDS = int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())
WEB_ROOTS = 60

# What must reach neither a terminal raw, nor a page as markup, nor a template as code, nor a file system as path.
HOSTILE = ["\x1b]0;owned\x07\x1b[2J\x1b[31m", "a\r\nchanged: [web1]\n", "\u202egnp.exe\u2066", "\x9b31mC1", "a\x00b",
           "<script>alert(1)</script>", "{{ lookup('pipe', 'id') }}", "{% for a in range(9) %}x{% endfor %}",
           "../../../../etc/shadow", "/etc/passwd", "-rf", ".hidden", "-----BEGIN CERTIFICATE-----", "%s%n%(a)s",
           "\u00fc\u0301\U0001f600", "a" * 255, "'; DROP TABLE hosts; --", "\ufffe\ufeff", "x" * 5000]


def _ed25519(number: int) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


@functools.cache
def _rsa() -> rsa.RSAPrivateKey:
    p, q = 2**1279 - 1, 2**2203 - 1  # Mersenne primes: a key that everybody knows, and none that anybody uses
    d = pow(65537, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p),
                                 rsa.RSAPublicNumbers(65537, p * q)).private_key()


@functools.cache
def pairs() -> dict[str, pki.Pair]:
    """A small PKI, and certificates with all that this collection reads."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "in a directory")])
    constraints = x509.NameConstraints([x509.DNSName("example.com"), x509.IPAddress(ipaddress.ip_network("10.0.0.0/8")),
                                        x509.RFC822Name(".example.com"), x509.DirectoryName(name)],
                                       [x509.DNSName("secret.example.com")])
    others = x509.SubjectAlternativeName([
        x509.DNSName("*.example.com"), x509.DNSName("xn--bcher-kva.example"), x509.RFC822Name("a@example.com"),
        x509.UniformResourceIdentifier("https://example.com/"), x509.DirectoryName(name),
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")), x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x03upn")])
    url = [x509.UniformResourceIdentifier("http://pki.example.com/ca.crl")]
    more = [(others, False), (x509.CRLDistributionPoints([x509.DistributionPoint(url, None, None, None)]), False),
            (x509.AuthorityInformationAccess([x509.AccessDescription(
                x509.AuthorityInformationAccessOID.OCSP, url[0])]), False),
            (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
            (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), ["a"])]), False)]
    made: dict[str, pki.Pair] = {}

    def issue(label: str, /, *arguments: t.Any, **options: t.Any) -> pki.Pair:
        number = len(made) + 1
        made[label] = pki.issue(*arguments, **{"key": _ed25519(number), "serial": number, "now": NOW, **options})
        return made[label]

    root = issue("root", "Corp Root CA", ca=True)
    issuing = issue("issuing", "Corp Issuing CA", root, ca=True, path_length=0, more=[(constraints, True)])
    issue("web", "web1.example.com", issuing, dns=["web1.example.com"], ips=["10.0.0.1"], purposes=["server", "client"])
    issue("full", [("C", "DE"), ("O", "Corp"), ("OU", "Web"), ("CN", "w")], issuing, more=more, purposes=["email"])
    issue("ec", "ec.example.com", issuing, key=ec.derive_private_key(7, ec.SECP256R1()), dns=["ec.example.com"])
    issue("rsa", "rsa.example.com", issuing, key=_rsa(), dns=["rsa.example.com"])
    issue("plain", "Old", root, key_usage=False, basic_constraints=False, identifiers=False)
    issue("late", "Far away", root, days=(-20000, 1000000))
    for number, text in enumerate(HOSTILE):
        subject = [("O", text[:64])] * 2 + [("CN", text[:64])] if text[:64].strip() else "x"
        issue(f"hostile {number}", subject, root, ca=bool(number % 2))
    return made


@functools.cache
def web_roots() -> list[bytes]:
    """Roots of the Web as systems have them in their ca-certificates, as DER."""
    found = [content for _block, content in pem.certificate_blocks(Path(certifi.where()).read_bytes())]
    return found[::max(len(found) // WEB_ROOTS, 1)]


@functools.cache
def certificates() -> list[bytes]:
    """Certificates, as DER."""
    return [pair.der for pair in pairs().values()] + web_roots()


@functools.cache
def bundles() -> list[bytes]:
    """PKCS#7, as DER."""
    made = [pair.certificate for pair in pairs().values()][:4]
    return [pkcs7.serialize_certificates(some, serialization.Encoding.DER) for some in (made[:1], made)]


@functools.cache
def revocation_lists() -> list[bytes]:
    """Revocation lists, as DER."""
    root = pairs()["root"]
    builder = (x509.CertificateRevocationListBuilder().issuer_name(root.certificate.subject)
               .last_update(NOW).next_update(NOW + 30 * pki.DAY))
    made = [builder.sign(root.key, None)]
    builder = builder.add_extension(x509.CRLNumber(7), False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), False)
    point = x509.IssuingDistributionPoint([x509.DNSName("pki.example.com")], None, True, False, None, False, False)
    for number in range(1, 4):
        entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(NOW)
        entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False)
        builder = builder.add_revoked_certificate(entry.build())
    made += [builder.sign(root.key, None), builder.add_extension(point, True).sign(root.key, None)]
    return [one.public_bytes(serialization.Encoding.DER) for one in made]


@functools.cache
def requests() -> list[bytes]:
    """Certificate signing requests, as DER."""
    made = []
    for pair in list(pairs().values()):
        builder = x509.CertificateSigningRequestBuilder().subject_name(pair.certificate.subject)
        for extension in pair.certificate.extensions:
            if isinstance(extension.value, (x509.SubjectAlternativeName, x509.BasicConstraints, x509.KeyUsage)):
                builder = builder.add_extension(extension.value, extension.critical)
        ed = isinstance(pair.key, ed25519.Ed25519PrivateKey)
        made.append(builder.sign(pair.key if ed else _rsa(), None if ed else hashes.SHA256()))
    return [one.public_bytes(serialization.Encoding.DER) for one in made]


@functools.cache
def keys() -> list[bytes]:
    """Private keys in all their forms, as DER; they are known to everybody."""
    form, none = serialization.PrivateFormat, serialization.NoEncryption()
    made = [_ed25519(1).private_bytes(serialization.Encoding.DER, form.PKCS8, none)]
    for key in (_rsa(), ec.derive_private_key(7, ec.SECP256R1()), ec.derive_private_key(7, ec.SECP384R1())):
        made += [key.private_bytes(serialization.Encoding.DER, one, none)
                 for one in (form.PKCS8, form.TraditionalOpenSSL)]
    return made


def _java_text(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


@functools.cache
def java_keystores() -> list[bytes]:
    """Java's keystores in the form JKS: of both versions, with a key that has a chain, and without anything."""
    made = []
    for version in (1, 2):
        sealed = [(_java_text(b"X.509") if version == 2 else b"") + struct.pack(">I", len(data)) + data
                  for data in certificates()[:3]]
        trusted = [struct.pack(">I", 2) + _java_text(b"debian:%d.pem" % number) + bytes(8) + data
                   for number, data in enumerate(sealed)]
        key = (struct.pack(">I", 1) + _java_text(b"mine") + bytes(8) + struct.pack(">I", 4) + b"seal"
               + struct.pack(">I", 2) + sealed[2] + sealed[1])
        made += [struct.pack(">III", 0xFEEDFEED, version, len(entries)) + b"".join(entries) + bytes(20)
                 for entries in (trusted, [trusted[0], key, trusted[1]], [])]
    return made


def armour(label: str, data: bytes) -> bytes:
    return pem.to_pem(data, label).encode()


@functools.cache
def files() -> list[bytes]:
    """Files as people have them: PEM of all kinds, with text around, in other encodings, several in one."""
    one, other = pairs()["root"].der, pairs()["issuing"].der
    pems = [armour("CERTIFICATE", one), armour("X509 CERTIFICATE", other), armour("PKCS7", bundles()[1]),
            armour("TRUSTED CERTIFICATE", one + bytes.fromhex("300c300a06082b06010505070301")),
            armour("X509 CRL", revocation_lists()[1]), armour("CERTIFICATE REQUEST", requests()[2]),
            armour("PRIVATE KEY", keys()[0]), armour("RSA PRIVATE KEY", keys()[2]), armour("EC PRIVATE KEY", keys()[4]),
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
            b"-----END RSA PRIVATE KEY-----\n", armour("ENCRYPTED PRIVATE KEY", keys()[0]),
            armour("OPENSSH PRIVATE KEY", b"openssh-key-v1\0")]
    text = b"Corp Root\n=========\n# managed by fleetpki.host_trust: corp\n"
    both = pems[0] + pems[1]
    return [*pems, both, text + pems[0] + text + pems[1] + text, both.replace(b"\n", b"\r\n"),
            b"\xef\xbb\xbf" + pems[0], both.decode().encode("utf-16"), one, bundles()[1],
            keys()[0], revocation_lists()[1], requests()[2], b"", b"0", b"garbage"]


def recorded(name: str) -> bytes:
    """What a program or a server said once."""
    return (RECORDED / name).read_bytes()


@functools.cache
def handshakes() -> list[bytes]:
    """What TLS servers sent: whole handshakes and what followed; an alert, a HelloRetryRequest by hand."""
    found = [base64.b64decode(recorded(f"{name}.base64")) for name in ("tls13", "tls12", "tls12-asks")]
    return [*found, b"\x15\x03\x03\x00\x02\x02\x28", b"\x15\x03\x01\x00\x02\x01\x00", b"\x14\x03\x03\x00\x01\x01",
            b"\x16\x03\x03\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"220 ESMTP\r\n"]
