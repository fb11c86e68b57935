# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""CAs that a host's OpenSSL loads as anchors, and whose certificates it refuses all the same.

Which OpenSSL refuses what was tried with 1.1.1, 3.0 and 3.5: tests/integration/test_openssl_limits.py.
"""

import re
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

# Extensions that OpenSSL handles where they are critical (X509_supported_extension). The key identifiers are not among
# them: RFC 5280 does not let them be critical.
HANDLED = frozenset([
    "2.16.840.1.113730.1.1", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.33",
    "2.5.29.36", "2.5.29.37", "2.5.29.54", "1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8", "1.3.6.1.5.5.7.1.14"])
EC = "1.2.840.10045.2.1"
# ML-DSA and SLH-DSA (FIPS 204 and 205) have the arcs 17 to 31 below this one.
POST_QUANTUM = re.compile(r"2\.16\.840\.1\.101\.3\.4\.3\.(1[7-9]|2[0-9]|3[01])\Z")
# Bits that OpenSSL's security levels require (SSL_CTX_set_security_level(3)). Levels 0 to 2 let through what the
# controller does.
LEVELS = {3: {"RSA": 3072, "EC": 256, "digest": 128}, 4: {"RSA": 7680, "EC": 384, "digest": 192},
          5: {"RSA": 15360, "EC": 512, "digest": 256}}
SHA224 = frozenset(["1.2.840.113549.1.1.14", "1.2.840.10045.4.3.1"])  # signature algorithms with a digest of 112 bits
SECURITY_LEVEL = re.compile(r"^[^#\n]*@SECLEVEL=([0-5])", re.MULTILINE)
# EL's crypto policy, then OpenSSL's own configuration on EL and on Debian.
CONFIGURATIONS = ("/etc/crypto-policies/back-ends/opensslcnf.config", "/etc/crypto-policies/back-ends/openssl.config",
                  "/etc/pki/tls/openssl.cnf", "/etc/ssl/openssl.cnf")


def warnings(certificate: x509.Certificate, root: str) -> "t.List[str]":
    """Sentences on why the OpenSSL of this host will refuse what a CA issues, though it loads the CA as an anchor.

    root: of the system whose store it is. An image's OpenSSL is taken for one like this host's.
    """
    found = []
    critical = {oid for oid, (is_critical, _value) in certificate.extensions.items() if is_critical} - HANDLED
    if critical:
        found.append("OpenSSL refuses every certificate that it issues, because it does not know its critical "
                     "extension %s: have it reissued without the extension, or with the extension not critical"
                     % " and ".join(sorted(critical)))
    try:
        return found + _of_key(certificate.spki_der) + _of_level(certificate, root)
    except der.DerError:
        return found


def _of_key(spki: bytes) -> "t.List[str]":
    algorithm, parameters = _algorithm(spki)
    if algorithm == EC and parameters == der.SEQUENCE and release() >= (3, 0):
        return ["this host's OpenSSL %d.%d refuses every certificate that it issues, because its EC key spells out the "
                "parameters of the curve: have it reissued for a key on a named curve" % release()]
    if POST_QUANTUM.match(algorithm) and release() < (3, 5):
        return ["this host's OpenSSL %d.%d refuses every certificate that it issues, because it does not know keys of "
                "that kind (ML-DSA, SLH-DSA): OpenSSL 3.5 is the first that does" % release()]
    return []


def _of_level(certificate: x509.Certificate, root: str) -> "t.List[str]":
    """What the host's security level forbids of the key and the signatures."""
    kind, _space, size = x509.key_type(certificate).partition(" ")
    found = []
    if kind.startswith("RSA"):
        found.append((
            "RSA", int(size), "refuses every certificate that it issues in TLS, because its RSA key has %d bits"))
    elif kind == "EC":
        found.append(("EC", x509.ec_bits(certificate.spki_der),
                      "refuses every certificate that it issues in TLS, because its EC key has %d bits"))
    if certificate.signature in SHA224:
        found.append(("digest", 112, "refuses every certificate in TLS that is signed with SHA-224, as this one is, "
                                     "because that has %d bits"))
    found = [one for one in found if one[1] < LEVELS[3][one[0]]]
    level = security_level(root) if found else None  # few CAs make a question of it
    if level not in LEVELS:
        return []
    return ["this host's OpenSSL %s, and the security level %d, which on EL the crypto policy sets, asks for %d" % (
        reason % bits, level, LEVELS[level][name]) for name, bits, reason in found]


def _algorithm(spki: bytes) -> "t.Tuple[str, t.Optional[int]]":
    """(object identifier of a public key's algorithm, tag of its parameters or None)."""
    content, end = der.expect(spki, 0, len(spki), der.SEQUENCE)
    content, end = der.expect(spki, content, end, der.SEQUENCE)
    parts = list(der.children(spki, content, end))
    if not parts or parts[0][0] != der.OID:
        raise der.DerError("malformed public key")
    return der.oid(spki[parts[0][2]:parts[0][3]]), parts[1][0] if len(parts) > 1 else None


def release() -> "t.Tuple[int, int]":
    """Major and minor version of the OpenSSL that this Python uses, like the host's other programs."""
    try:
        import ssl  # here, because it takes long, and few CAs make a question of it
    except ImportError:
        return (3, 0)  # the most refuse what it does
    return ssl.OPENSSL_VERSION_INFO[0], ssl.OPENSSL_VERSION_INFO[1]


def security_level(root: str) -> "t.Optional[int]":
    """The security level that the system's configuration sets for TLS, None where it sets none."""
    for path in CONFIGURATIONS:
        try:
            with open(files.resolve(root, path), "rb") as stream:
                match = SECURITY_LEVEL.search(stream.read(1024 * 1024).decode("utf-8", "replace"))
        except (EnvironmentError, files.FilesError):
            continue
        if match:
            return int(match.group(1))
    return None
