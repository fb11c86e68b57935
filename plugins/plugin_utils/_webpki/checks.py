# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What each certificate of a path must be: pure functions that yield findings (RFC 5280, CA/Browser Forum)."""

from __future__ import annotations

import collections.abc as c
import typing as t

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

    PURPOSES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH,
                "email": ExtendedKeyUsageOID.EMAIL_PROTECTION}
    # Extensions that a rule here, in names or name_constraints looks at: what else is critical is refused.
    PROCESSED = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.SubjectAlternativeName,
                 x509.NameConstraints, x509.PolicyConstraints)
    # RFC 5280 sections 4.2.1.1, 4.2.1.2, 4.2.1.8, 4.2.1.15, 4.2.2.1 and 4.2.2.2.
    NEVER_CRITICAL = (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier, x509.FreshestCRL,
                      x509.AuthorityInformationAccess, x509.SubjectInformationAccess)
    # Without an initial policy set and with requireExplicitPolicy refused below, they can't fail a path (6.1.5).
    HARMLESS = (x509.CertificatePolicies, x509.InhibitAnyPolicy)
    GOOD_SIGNATURES = {
        SignatureAlgorithmOID.RSA_WITH_SHA256, SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512, SignatureAlgorithmOID.RSASSA_PSS,
        SignatureAlgorithmOID.ECDSA_WITH_SHA256, SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512}
    CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
except ImportError:  # _webpki.unable() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import certificate as webpki_certificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.certificate import PathCertificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.rules import Finding, finding

POLICY_MAPPINGS = "2.5.29.33"  # as harmless; cryptography has no class for them
MIN_RSA_BITS = 2048
MAX_SERIAL_OCTETS = 20
Findings = c.Iterator[Finding]


class PathPosition(t.NamedTuple):
    """Where in a path a certificate stands."""

    leaf: bool
    anchor: bool
    who: str  # how sentences begin: nothing for the certificate that is judged

    @property
    def issuing(self) -> bool:
        return not self.leaf


def of_path(path: list[PathCertificate], purpose: str, now: float) -> Findings:
    """All findings on the certificates of a path, leaf first, each by itself and with the one above it.

    now: epoch seconds.
    """
    for depth, one in enumerate(path):
        place = PathPosition(not depth, depth == len(path) - 1, f"{one.label} " if depth else "")
        yield from validity(one, place, now)
        if one.malformed:
            yield finding("rfc5280-malformed", place.who + one.malformed)
            continue
        yield from form(one, place)
        yield from extensions(one, place)
        yield from key(one, place, purpose)
        yield from authority_key(one, path[depth + 1] if not place.anchor else None, place)
        if place.issuing or purpose == "ca":
            yield from issuing(one, place)
            yield from path_length(path, depth, place)
        yield from purposes(one, place, purpose)
    if purpose == "server":
        yield from server_leaf(path[0])


def validity(one: PathCertificate, place: PathPosition, now: float) -> Findings:
    if now > one.not_after:
        yield finding("rfc5280-validity", f"{place.who}expired {duration.spoken(int(now - one.not_after))} ago "
                                          f"({plain_x509.iso_time(int(one.not_after))})")
    elif now < one.not_before:
        yield finding("rfc5280-validity", f"{place.who}is not yet valid, begins in "
                                          f"{duration.spoken(int(one.not_before - now))} "
                                          f"({plain_x509.iso_time(int(one.not_before))})")


def form(one: PathCertificate, place: PathPosition) -> Findings:
    """The fields that every certificate has (RFC 5280 section 4.1)."""
    inner, outer = webpki_certificate.fields(one.der)
    if inner[1] != outer:
        yield finding("rfc5280-algorithms-differ", f"{place.who}names two different algorithms for its signature")
    if one.version != 3:
        yield finding("rfc5280-version", f"{place.who}is of X.509 version {one.version}, not 3")
    # Of an anchor only its name and key count (RFC 5280 section 6.1.1 d); several in browsers have the number 0.
    if not place.anchor and (one.serial <= 0 or one.serial.bit_length() > 8 * MAX_SERIAL_OCTETS - 1):
        yield finding("rfc5280-serial", f"{place.who}has the serial number {one.serial:x}, which is "
                      + ("longer than 20 octets" if one.serial > 0 else "not positive"))
    if not list(one.object.issuer):
        yield finding("rfc5280-issuer-name", f"{place.who}has an empty issuer name")
    if place.issuing and not list(one.object.subject):
        yield finding("rfc5280-ca-subject", f"{place.who}is a CA and has an empty subject name")


def extensions(one: PathCertificate, place: PathPosition) -> Findings:
    """Which extensions are critical (RFC 5280 section 4.2)."""
    known = {kind.oid.dotted_string for kind in PROCESSED + HARMLESS + NEVER_CRITICAL} | {POLICY_MAPPINGS}
    for oid, extension in one.extensions.items():
        if extension.critical and oid not in known:
            yield finding("rfc5280-critical-extension", f"{place.who}has the critical extension {oid}, which is not "
                                                        "known here")
    for kind in NEVER_CRITICAL:
        if one.is_critical(kind):
            yield finding("rfc5280-criticality", f"{place.who}has its {named(kind)} critical, which it must not be")
    for policy in (x509.PolicyConstraints, x509.InhibitAnyPolicy):
        if one.get(policy) and not one.is_critical(policy):
            yield finding("rfc5280-criticality", f"{place.who}has its {named(policy)} not critical, which it must be")
    policies = one.get(x509.PolicyConstraints)
    if policies and policies.require_explicit_policy is not None:
        yield finding("rfc5280-policies", f"{place.who}requires explicit certificate policies, which are not "
                                          "processed here")
    if place.leaf and one.get(x509.NameConstraints) and not is_ca(one):
        yield finding("rfc5280-leaf-name-constraints", "has name constraints, which only a CA may have")


def named(kind: t.Any) -> str:
    """A class of extension as RFC 5280 writes it: ``AuthorityKeyIdentifier`` as ``authorityKeyIdentifier``."""
    name: str = kind.__name__
    return name[0].lower() + name[1:]


def key(one: PathCertificate, place: PathPosition, purpose: str) -> Findings:
    """Its key and its signature (CA/Browser Forum sections 6.1.1.3, 6.1.5, 7.1.3.2)."""
    try:
        public = one.object.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        yield finding("cabf-key-type", f"{place.who}has a key that can't be read: {plain_x509.printable(str(error))}")
        return
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < MIN_RSA_BITS:
            yield finding("cabf-key-size", f"{place.who}has an RSA key of {public.key_size} bits; {MIN_RSA_BITS} are "
                                           "the least")
        elif public.key_size % 8:
            yield finding("cabf-rsa-modulus", f"{place.who}has an RSA key of {public.key_size} bits, which 8 does not "
                                              "divide")
    elif isinstance(public, ec.EllipticCurvePublicKey):
        if not isinstance(public.curve, CURVES):
            yield finding("cabf-key-type", f"{place.who}has an EC key on {public.curve.name}; P-256, P-384 and P-521 "
                                           "are accepted")
    elif purpose == "server":
        yield finding("cabf-key-type", f"{place.who}has a key of type {_kind(public)}; RSA and EC are accepted")
    elif _kind(public).startswith("DSA"):
        yield finding("cabf-key-type", f"{place.who}has a DSA key")
    signature = one.object.signature_algorithm_oid
    if not place.anchor and signature not in GOOD_SIGNATURES and (purpose == "server" or "ED" not in _signed(one)):
        yield finding("cabf-signature", f"{place.who}is signed with {_signed(one)}, which is not accepted any more")


def _kind(public: t.Any) -> str:
    return type(public).__name__.lstrip("_").replace("PublicKey", "")


def _signed(one: PathCertificate) -> str:
    oid = one.object.signature_algorithm_oid
    return {"sha1WithRSAEncryption": "SHA-1", "ecdsa-with-SHA1": "SHA-1", "md5WithRSAEncryption": "MD5"}.get(
        oid._name, oid._name.upper() if oid._name != "Unknown OID" else oid.dotted_string)


def authority_key(one: PathCertificate, above: PathCertificate | None, place: PathPosition) -> Findings:
    """Key identifiers (RFC 5280 sections 4.2.1.1 and 4.2.1.2, CA/Browser Forum section 7.1.2.1.3)."""
    authority = one.get(x509.AuthorityKeyIdentifier)
    if place.issuing and one.get(x509.SubjectKeyIdentifier) is None:
        yield finding("rfc5280-ski", f"{place.who}is a CA and has no subjectKeyIdentifier")
    # An anchor's issuer is nobody that a path leads to.
    if not one.self_issued and not place.anchor and (authority is None or authority.key_identifier is None):
        yield finding("rfc5280-aki", f"{place.who}has no authorityKeyIdentifier"
                      + (" with a key's identifier in it" if authority else ""))
    elif above and one.issuer_key_id and above.key_id and one.issuer_key_id != above.key_id:
        yield finding("rfc5280-aki-mismatch", f"{place.who}names another key of its issuer in its "
                                              f"authorityKeyIdentifier than {above.label} has")
    if place.anchor and place.issuing and one.self_issued and authority is not None:
        if authority.key_identifier is None or authority.key_identifier != one.key_id:
            yield finding("cabf-root-aki", f"{place.who}is a root whose authorityKeyIdentifier is not its "
                                           "subjectKeyIdentifier")
        if authority.authority_cert_issuer or authority.authority_cert_serial_number is not None:
            yield finding("cabf-root-aki", f"{place.who}is a root whose authorityKeyIdentifier has issuer and serial "
                                           "number in it")


def is_ca(one: PathCertificate) -> bool:
    constraints = one.get(x509.BasicConstraints)
    return bool(constraints and constraints.ca)


def issuing(one: PathCertificate, place: PathPosition) -> Findings:
    """What makes a certificate that of a CA (RFC 5280 sections 4.2.1.3 and 4.2.1.9)."""
    usage = one.get(x509.KeyUsage)
    if not is_ca(one):
        yield finding("rfc5280-not-a-ca", f"{place.who}is not a CA: its basicConstraints do not say CA")
    elif not one.is_critical(x509.BasicConstraints):
        yield finding("rfc5280-basic-constraints-critical", f"{place.who}has basicConstraints that are not critical")
    if usage is None:
        yield finding("rfc5280-ca-key-usage", f"{place.who}has no keyUsage")
    elif not usage.key_cert_sign:
        yield finding("rfc5280-key-cert-sign", f"{place.who}may not sign certificates: its keyUsage lacks keyCertSign")


def path_length(path: list[PathCertificate], depth: int, place: PathPosition) -> Findings:
    """RFC 5280 section 4.2.1.9: the last certificate is not counted, and self-issued ones are not."""
    constraints = path[depth].get(x509.BasicConstraints)
    limit = constraints.path_length if constraints else None
    below = sum(not one.self_issued for one in path[1:depth])
    if limit is not None and below > limit:
        yield finding("rfc5280-path-length", f"{place.who}allows {limit or 'no'} CA{'s' * (limit > 1)} below it, and "
                                             f"this chain has {below}")


def purposes(one: PathCertificate, place: PathPosition, purpose: str) -> Findings:
    """Extended key usage, which limits what a CA may issue for too, and key usage of the leaf."""
    wanted, listed = PURPOSES.get(purpose), one.get(x509.ExtendedKeyUsage)
    if listed is not None and wanted:
        names = ", ".join(_purpose(oid) for oid in listed)
        if wanted not in listed and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in listed:
            yield finding("rfc5280-eku", f"{place.who}is not for this purpose: its extended key usage is "
                                         f"{names or 'empty'}, without {_purpose(wanted)}")
        elif purpose == "server" and place.anchor and place.issuing and one.self_issued:
            yield finding("cabf-eku", f"{place.who}is a root with an extended key usage ({names}), which a root must "
                                      "not have")
        elif purpose == "server" and place.leaf and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in listed:
            yield finding("cabf-eku", "is for any purpose (anyExtendedKeyUsage), which a server's must not be")
    if purpose == "server" and place.leaf and one.is_critical(x509.ExtendedKeyUsage):
        yield finding("cabf-eku", "has its extended key usage critical, which a server's must not be")
    usage = one.get(x509.KeyUsage)
    if place.leaf and usage and wanted and not (
            usage.digital_signature or usage.content_commitment and purpose == "email"
            or purpose != "client" and usage.key_encipherment or usage.key_agreement):
        yield finding("rfc5280-key-usage", "may not sign or agree on keys in handshakes, says its keyUsage")


def _purpose(oid: x509.ObjectIdentifier) -> str:
    return oid.dotted_string if oid._name == "Unknown OID" else oid._name


def server_leaf(one: PathCertificate) -> Findings:
    """What a server's certificate must not be (CA/Browser Forum sections 7.1.2.7.8 and 7.1.2.7.11)."""
    usage = one.get(x509.KeyUsage)
    if is_ca(one):
        yield finding("cabf-ca-as-leaf", "is a CA, and a server's certificate must not be one")
    elif usage and usage.key_cert_sign:
        yield finding("cabf-ca-as-leaf", "may sign certificates, says its keyUsage, which a server's must not")
