# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Is this certificate fit to be trusted? Judged on the controller, before any host is touched."""

from __future__ import annotations

import time
import typing as t

try:
    from cryptography import x509 as strict_x509
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
except ImportError as error:  # ansible-core brings it; a controller without is told so when something is judged
    CRYPTOGRAPHY_ERROR: ImportError | None = error
else:
    CRYPTOGRAPHY_ERROR = None

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _duration as duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _reasons as reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509

WEAK_DIGESTS = ("md2", "md4", "md5", "sha1")
MIN_EC_BITS = 224


class Terms(t.NamedTuple):
    """What is let through. ``min_remaining`` in seconds; ``now`` in seconds since the epoch."""

    allow_expired: bool = False
    allow_non_ca: bool = False
    min_remaining: int = 0
    now: float | None = None


def objections(certificate: x509.Certificate, terms: Terms) -> list[str]:
    """Why the certificate must not become an anchor; empty where it may.

    The rules: RFC 5280 section 4.2.1.9 and 4.2.1.3 (a CA says so, and may sign certificates), section 4.1.2.5
    (validity), and as every current TLS client has them: no MD5 or SHA-1 but in a root's own signature, which nobody
    checks; RSA of 2048 bits or more.
    """
    if CRYPTOGRAPHY_ERROR:
        return [f"it can't be judged, because the controller's Python has no cryptography ({CRYPTOGRAPHY_ERROR})"]
    try:
        parsed = strict_x509.load_der_x509_certificate(certificate.der)
        key = parsed.public_key()
        digest = parsed.signature_hash_algorithm
        constraints = _extension(parsed, strict_x509.BasicConstraints)
        usage = _extension(parsed, strict_x509.KeyUsage)
        _extension(parsed, strict_x509.ExtendedKeyUsage)
    except Exception as error:  # of many kinds, by version, as in module_utils/_requests.py
        return [f"it is malformed: {x509.escape(str(error)) or type(error).__name__}"]
    found = _time_objections(certificate, terms)
    if not terms.allow_non_ca:
        if constraints is None or not constraints.ca:
            found.append(
                "it is not a CA certificate ("
                + ("basicConstraints has CA:FALSE" if constraints else "it has no basicConstraints")
                + "), and only CAs belong into a trust store; allow_non_ca lets it through"
            )
        elif usage is not None and not usage.key_cert_sign:
            found.append("its keyUsage does not let it sign certificates (no keyCertSign)")
    if digest is not None and digest.name in WEAK_DIGESTS and not x509.is_self_issued(certificate):
        found.append(f"it is signed with {digest.name.upper()}, which TLS clients refuse: have it reissued")
    found.extend(_key_objections(key))
    return found


def _extension(parsed: strict_x509.Certificate, kind: t.Any) -> t.Any:
    try:
        return parsed.extensions.get_extension_for_class(kind).value
    except strict_x509.ExtensionNotFound:
        return None


def _time_objections(certificate: x509.Certificate, terms: Terms) -> list[str]:
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


def _key_objections(key: t.Any) -> list[str]:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < reasons.MIN_RSA_BITS:
        return [f"its RSA key has {key.key_size} bits, and {reasons.MIN_RSA_BITS} are the least that TLS clients "
                "accept"]
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < MIN_EC_BITS:
        return [f"its EC key has {key.key_size} bits, and {MIN_EC_BITS} are the least that is safe"]
    if isinstance(key, dsa.DSAPublicKey):
        return ["its key is DSA, which TLS clients do not accept any more"]
    return []
