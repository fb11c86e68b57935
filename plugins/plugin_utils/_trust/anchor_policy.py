# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Is this certificate fit to be trusted? Judged on the controller, before any host is touched."""

from __future__ import annotations

import ssl
import time
import typing as t

try:
    from cryptography import x509 as strict_x509
except ImportError:  # ansible-core brings it; a controller without has nothing to note
    strict_x509 = None  # type: ignore[assignment]  # a module that may be missing is nothing that types can say

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der, loadable, pem

MIN_EC_BITS = 224
UNLOADABLE = ("OpenSSL does not load it: %s. With it in the store, a host's OpenSSL would load no CA at all. Have the "
              "CA reissue the certificate")
RSASSA_PSS = "1.2.840.113549.1.1.10"
WEAK_DIGESTS = {"1.3.14.3.2.26": "SHA-1", "1.2.840.113549.2.5": "MD5", "1.2.840.113549.2.2": "MD2"}


class AnchorPolicy(t.NamedTuple):
    """What is let through. ``min_remaining`` in seconds; ``now`` in seconds since the epoch."""

    allow_expired: bool = False
    allow_non_ca: bool = False
    min_remaining: int = 0
    now: float | None = None


def objections(certificate: x509.Certificate, terms: AnchorPolicy) -> list[str]:
    """Why the certificate must not become an anchor; empty where it may.

    The rules: RFC 5280 section 4.2.1.9 and 4.2.1.3 (a CA says so, and may sign certificates), section 4.1.2.5
    (validity), and as every current TLS client has them: no MD5 or SHA-1 but in a root's own signature, which nobody
    checks; RSA of 2048 bits or more.
    """
    wrong = loadable.fault(certificate.der)
    if wrong:
        return [UNLOADABLE % wrong]
    try:
        return _time_objections(certificate, terms) + _judged(certificate, terms)
    except der.DerError as error:
        return [f"it is malformed: {error}"]


def _judged(certificate: x509.Certificate, terms: AnchorPolicy) -> list[str]:
    """What its extensions, its signature and its key have against it; raises DerError where they can't be read."""
    _refuse_ambiguous(certificate)
    is_ca, usage = x509.basic_constraints(certificate)[0], x509.key_usage(certificate)
    x509.extended_key_usage(certificate)
    found = []
    if not terms.allow_non_ca:
        if not is_ca:
            found.append(
                "it is not a CA certificate ("
                + ("basicConstraints has CA:FALSE" if x509.BASIC_CONSTRAINTS in certificate.extensions
                   else "it has no basicConstraints")
                + "), and only CAs belong into a trust store; allow_non_ca lets it through"
            )
        elif usage is not None and "key_cert_sign" not in usage:
            found.append("its keyUsage does not let it sign certificates (no keyCertSign)")
    digest = weak_digest(certificate)
    if digest and not x509.is_self_issued(certificate):
        found.append(f"it is signed with {digest}, which TLS clients refuse: have it reissued")
    return found + _key_objections(certificate)


def _refuse_ambiguous(certificate: x509.Certificate) -> None:
    """Raises DerError where readers differ in what the extensions say, such as whether it is a CA; OpenSSL loads it."""
    twice = x509.repeated_extension(certificate)
    if twice:
        raise der.DerError(f"the extension {twice} is there twice, and readers differ in which of them counts")
    value = certificate.extensions.get(x509.BASIC_CONSTRAINTS, (False, b"\x30\x00"))[1]
    for tag, _start, content, end in der.children(value, *der.expect(value, 0, len(value), der.SEQUENCE)):
        if tag == der.BOOLEAN and value[content:end] not in (b"\x00", b"\xff"):
            raise der.DerError("cA in its basicConstraints is not in DER, and readers differ in what it says")


def weak_digest(certificate: x509.Certificate) -> str | None:
    """The digest that it is signed with, where that is one that TLS clients refuse."""
    if certificate.signature != RSASSA_PSS:
        return x509.WEAK_SIGNATURES.get(certificate.signature)
    data = certificate.der
    content, end = der.expect(data, 0, len(data), der.SEQUENCE)
    _tag, _start, content, end = list(der.children(data, content, end))[1]
    parts = list(der.children(data, content, end))
    for tag, _start, inner, behind in der.children(data, *parts[1][2:]) if len(parts) > 1 else ():
        if tag == 0xA0:  # RFC 4055 section 3.1: the digest, SHA-1 where none is given
            inner, behind = der.expect(data, inner, behind, der.SEQUENCE)
            inner, behind = der.expect(data, inner, behind, der.OID)
            return WEAK_DIGESTS.get(der.oid(data[inner:behind]))
    return "SHA-1"


def notes(certificate: x509.Certificate) -> list[str]:
    """What is good to know of it on the controller, and is no reason to refuse it."""
    part = _unread_by_pyca(certificate.der) if strict_x509 else None
    return [f"OpenSSL loads it; tools that use pyca/cryptography can't read {part}"] if part else []


def _unread_by_pyca(data: bytes) -> str | None:
    """What of a certificate pyca/cryptography can't read; its own words are for programmers."""
    load = strict_x509.load_der_x509_certificate
    for part, read in (("it", load), ("its subject", lambda data: load(data).subject),
                       ("its issuer", lambda data: load(data).issuer),
                       ("its extensions", lambda data: list(load(data).extensions)),
                       ("its key", lambda data: load(data).public_key())):
        try:
            read(data)
        except Exception:  # of many kinds, by version, as in module_utils/_pki/pkcs10.py
            return part
    return None


def unloadable(certificates: list[x509.Certificate]) -> dict[str, str]:
    """By fingerprint, why this controller's OpenSSL does not load a certificate: it is asked itself."""
    if not certificates or _loads(certificates):
        return {}
    return {one.fingerprint: UNLOADABLE % f"the controller's {ssl.OPENSSL_VERSION} refuses it"
            for one in certificates if not _loads([one])}


def _loads(certificates: list[x509.Certificate]) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata="".join(pem.to_pem(one.der) for one in certificates))
    except ssl.SSLError:
        return False
    return context.cert_store_stats()["x509"] == len({one.fingerprint for one in certificates})


def _time_objections(certificate: x509.Certificate, terms: AnchorPolicy) -> list[str]:
    now = time.time() if terms.now is None else terms.now
    remaining = certificate.not_after - now
    if terms.allow_expired:
        return []
    if certificate.not_before > now:
        return [
            f"it is not valid yet: it begins on {x509.iso_time(certificate.not_before)}; allow_expired lets it through"
        ]
    if remaining < 0:
        return [
            f"it expired {duration.spoken(-remaining)} ago ({x509.iso_time(certificate.not_after)}): "
            "have it replaced, take it off the list, or let it through with allow_expired"
        ]
    if remaining < terms.min_remaining:
        return [
            f"it expires in {duration.spoken(remaining)} ({x509.iso_time(certificate.not_after)}), "
            f"and min_remaining asks for {duration.spoken(terms.min_remaining)}"
        ]
    return []


def _key_objections(certificate: x509.Certificate) -> list[str]:
    kind, _space, size = x509.key_type(certificate).partition(" ")
    if kind.startswith("RSA") and int(size) < verify_reasons.MIN_RSA_BITS:
        return [f"its RSA key has {size} bits, and {verify_reasons.MIN_RSA_BITS} are the least that TLS clients accept"]
    bits = x509.ec_bits(certificate.spki_der) if kind == "EC" else MIN_EC_BITS
    if bits < MIN_EC_BITS:
        return [f"its EC key has {bits} bits, and {MIN_EC_BITS} are the least that is safe"]
    if kind == "DSA":
        return ["its key is DSA, which TLS clients do not accept any more"]
    return []
