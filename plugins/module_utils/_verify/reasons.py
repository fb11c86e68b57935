# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Sentences on why a certificate does not verify, for somebody who has to mend it now.

Each continues 'FILE (CN=...): '. Names are shortened to their common names; the results have them in full.
"""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl


class TrustedStore(t.NamedTuple):
    trust: "openssl.Trust"  # where the anchors come from
    anchors: "t.List[x509.Certificate]"
    pool: "chains.Pool"     # the same, as chains.index
    unread: "t.List[str]"   # places of anchors that could not be read
    fault: "t.Callable[[], t.List[str]]" = list  # why OpenSSL does not load them, as sentences; read when first asked


WHAT_REFUSES = "its security level, which on EL the crypto policy sets"
TOO_SMALL = "has a key that is too small for this host's OpenSSL (%s): have it reissued for a larger one" % WHAT_REFUSES
# X509_V_ERR_* of OpenSSL 1.1.1 to 3.5 whose sentence needs no more than the certificate at that depth. Numbers that
# changed their meaning between the two (24, 76 to 79) are told by their text.
PLAIN = {
    3: "may be revoked or not: no revocation list of its issuer was given",
    4: "has a signature that can't be decrypted",
    5: "has an issuer whose revocation list has a signature that can't be decrypted",
    6: "has an issuer whose public key can't be read",
    8: "has an issuer whose revocation list was not signed with that issuer's key",
    11: "has an issuer whose revocation list is not yet valid",
    12: "has an issuer whose revocation list has expired: have the CA make a new one",
    13: "has a malformed date",
    14: "has a malformed date",
    22: "has a chain that is too long",
    23: "is revoked",
    25: "allows fewer CAs below it than this chain has (path length of its basicConstraints)",
    27: "is in the store, but not as an anchor for this purpose",
    28: "is not to be trusted for this purpose, say the store's trust settings",
    32: "issued a certificate, and its key usage lacks keyCertSign",
    34: "has a critical extension that OpenSSL does not know",
    35: "was issued by a CA whose key usage lacks cRLSign, so that its revocation list counts for nothing",
    36: "has an issuer whose revocation list has a critical extension that OpenSSL does not know",
    41: "has an invalid or inconsistent extension",
    44: "is not what the revocation lists of its issuer are about",
    47: "has a name that a CA above it is not permitted to issue for (name constraints)",
    48: "has a name that is excluded by a CA above it (name constraints)",
    66: TOO_SMALL,
    67: TOO_SMALL,
    68: "is signed with a digest that is too weak for this host's OpenSSL (%s): have it reissued" % WHAT_REFUSES,
}
NOT_A_CA = "invalid CA certificate"  # 24 in OpenSSL 1.1.1, 79 since 3.0
NEEDED = {"server": "server_auth", "client": "client_auth", "email": "email_protection"}
FOR = {"server": "servers", "client": "clients", "email": "email"}

# How RFC 5280 and OpenSSL's configuration write what _x509 calls crl_sign and so on.
WRITTEN = {"crl_sign": "cRLSign", "ocsp_signing": "OCSPSigning", "any": "anyExtendedKeyUsage"}
MIN_RSA_BITS = 2048  # TLS clients refuse less


def short(name: bytes) -> str:
    """What sentences call a Name (DER): its common name, or all of it where it has none."""
    common = x509.common_name(name)
    return "CN=" + x509.escape(common) if common else x509.name(name) or "an empty name"


def names(certificates: "t.List[x509.Certificate]") -> str:
    """Their subjects in a row, in full where the short forms would look alike."""
    brief = [short(certificate.subject_der) for certificate in certificates]
    return ", ".join(brief if len(set(brief)) == len(brief)
                     else [x509.label(certificate) for certificate in certificates])


def written(usages: "t.Iterable[str]") -> str:
    """Key usages or purposes in the words of RFC 5280: ``digital_signature`` as ``digitalSignature``."""
    return ", ".join(WRITTEN.get(usage) or usage.split("_")[0] + "".join(
        part.capitalize() for part in usage.split("_")[1:]) for usage in usages)


def of_verdict(
    verdict: "openssl.OpensslVerdict",
    links: "t.List[chains.Link]",
    sent: "t.List[x509.Certificate]",
    store: TrustedStore,
    purpose: str,
    now: int,
    server: bool = False,
) -> "t.List[str]":
    """Sentences on what OpenSSL minds. links: the chain (list of chains.Link). sent: list of x509.Certificate.

    server: whether a server sent them in a handshake, which is told otherwise than a file without its chain.
    """
    found = []
    not_ca = {depth for _number, depth, text in verdict.errors if text == NOT_A_CA}
    for number, depth, text in verdict.errors:
        if number in (26, 32) and depth in not_ca:
            continue  # of what is no CA it says too that it may not sign, and not for this purpose
        sentence = _explain(number, depth, text, links, sent, store, purpose, now, server)
        if sentence not in found:
            found.append(sentence)
    if not found and not verdict.accepted:
        if verdict.return_code is None:
            found.append("openssl gave no answer within %d s: is the host overloaded, or does a file system hang?"
                         % host_command.SECONDS)
        else:
            lines = verdict.output.strip().splitlines()
            found.append("openssl could not judge it: %s" % (lines[0] if lines else "it printed nothing"))
    return found


def _explain(
    number: int,
    depth: int,
    text: str,
    links: "t.List[chains.Link]",
    sent: "t.List[x509.Certificate]",
    store: TrustedStore,
    purpose: str,
    now: int,
    server: bool,
) -> str:
    certificate = links[depth].certificate if depth < len(links) else None
    if certificate is None:
        return "%s (OpenSSL error %d at depth %d)" % (text, number, depth)
    who = _who(depth, links[depth], store)
    if number in (9, 10):
        sentence = validity(certificate, now) or text
    elif number in (2, 18, 19, 20, 21):
        if server and not depth and number in (20, 21) and not chains.namesakes(certificate, store.pool):
            return "the server does not send %s; browsers may hide this" % short(certificate.issuer_der)
        return _not_trusted(number, who, certificate, bool(sent) or server, store)
    elif number == 7:
        sentence = _bad_signature(certificate, links[depth + 1:depth + 2])
    elif number == 26 and purpose in NEEDED:
        sentence = _wrong_purpose(certificate, purpose, depth)
    elif text == NOT_A_CA:
        sentence = _not_a_ca(certificate)
    else:
        known = PLAIN.get(number) if number != 24 else None
        sentence = known or "%s (OpenSSL error %d)" % (text, number)
    return who + sentence


def _who(depth: int, link: chains.Link, store: TrustedStore) -> str:
    if not depth:
        return ""
    place = "sent in the chain" if link.source == chains.CHAIN else "an anchor of %s" % _store_name(store)
    return "%s, %s, " % (short(link.certificate.subject_der) if link.certificate else link.subject, place)


def _store_name(store: TrustedStore) -> str:
    return store.trust.given or "this host"


def _not_trusted(number: int, who: str, certificate: x509.Certificate, sent: bool, store: TrustedStore) -> str:
    """Errors 2 and 18 to 21: no path from this certificate to an anchor."""
    subject, issuer = short(certificate.subject_der), short(certificate.issuer_der)
    if number == 2:
        return ("the chain ends at the anchor %s, whose issuer %s is no anchor: this host's OpenSSL refuses such a "
                "chain; curl, GnuTLS, Go and Python 3.13 accept it" % (subject, issuer))
    where = "not trusted by this host" if not store.trust.given else "not among the anchors in %s" % store.trust.given
    if number == 18:
        sentence = "is self-signed and %s" % where
    elif number == 19:
        sentence = "the root it chains to, %s, sent in the chain, is not an anchor of %s" % (
            subject, _store_name(store))
    elif who:
        sentence = "%swas issued by %s, which is %s" % (who, issuer, where)
    else:
        sentence = "issuer %s is %s" % (issuer, where)
    return sentence + _near(certificate, store) + (
        "" if sent or number == 18 else "; no chain came with it: if that issuer is an intermediate, give its "
        "certificate along with this one")


def _near(certificate: x509.Certificate, store: TrustedStore) -> str:
    """What the store has instead of the missing issuer."""
    if not store.anchors and not store.unread:
        return "; the store has no anchors at all"
    same = chains.namesakes(certificate, store.pool)
    if same:
        return "; the anchor of that name has another key (%s)" % ", ".join(
            "SHA-256 %s..., %s" % (anchor.fingerprint[:16], _dates(anchor)) for anchor in same)
    near = chains.near_names(certificate.issuer_der, store.anchors)
    return "; anchors with a near name: %s" % names(near) if near else ""


def _dates(certificate: x509.Certificate) -> str:
    return "valid %s to %s" % tuple(x509.iso_time(moment)[:10] for moment in (
        certificate.not_before, certificate.not_after))


def _bad_signature(certificate: x509.Certificate, above: "t.List[chains.Link]") -> str:
    issuer = short(above[0].certificate.subject_der if above and above[0].certificate else certificate.issuer_der)
    if certificate.signature in x509.WEAK_SIGNATURES:
        return "is signed with %s, which this host's OpenSSL may refuse, or its signature is not by the key of %s" % (
            x509.WEAK_SIGNATURES[certificate.signature], issuer)
    return "has a signature that was not made with the key of %s (another CA of that name, or a damaged file)" % issuer


def _not_a_ca(certificate: x509.Certificate) -> str:
    """Of an issuer in the chain: what makes OpenSSL say 'invalid CA certificate'."""
    usages = x509.key_usage(certificate)
    if x509.basic_constraints(certificate)[0] and usages is not None and "key_cert_sign" not in usages:
        return PLAIN[32]
    return "issued a certificate and is not a CA (its basicConstraints do not say CA)"


def _wrong_purpose(certificate: x509.Certificate, purpose: str, depth: int) -> str:
    """Error 26: its extended key usage or its key usage is for something else."""
    purposes, usages = x509.extended_key_usage(certificate), x509.key_usage(certificate)
    if purposes is not None and NEEDED[purpose] not in purposes:
        return "is not for %s: its extended key usage is %s, without %s" % (
            FOR[purpose], written(purposes) or "empty", written([NEEDED[purpose]]))
    if not depth and usages is not None:
        return "is not for %s: its key usage is only %s" % (FOR[purpose], written(usages) or "empty")
    return "is not for %s" % FOR[purpose]


def validity(certificate: x509.Certificate, now: int) -> "t.Optional[str]":
    """A sentence on a certificate that is not valid now (epoch seconds), or None."""
    if now > certificate.not_after:
        return "expired %s ago (%s)" % (duration.spoken(now - certificate.not_after),
                                        x509.iso_time(certificate.not_after))
    if now < certificate.not_before:
        return "is not yet valid, begins in %s (%s)" % (duration.spoken(certificate.not_before - now),
                                                        x509.iso_time(certificate.not_before))
    return None


def too_short(links: "t.List[chains.Link]", min_remaining: str, store: TrustedStore, now: int) -> "t.List[str]":
    """Sentences on certificates of the chain that are valid now, and for less than min_remaining (such as ``30d``)."""
    found, wanted = [], duration.seconds(min_remaining)
    for depth, link in enumerate(links):
        certificate = link.certificate
        if certificate and not validity(certificate, now) and certificate.not_after - now < wanted:
            found.append("%sexpires in %s (%s), sooner than min_remaining=%s allows" % (
                _who(depth, link, store), duration.spoken(certificate.not_after - now),
                x509.iso_time(certificate.not_after), min_remaining))
    return found


def no_ca(links: "t.List[chains.Link]") -> "t.List[str]":
    """Sentences on why the first certificate of the chain can't work as a CA (RFC 5280 sections 4.2.1.3, 4.2.1.9)."""
    certificate = links[0].certificate
    found: t.List[str] = []
    if certificate is None:
        return found
    usages = x509.key_usage(certificate)
    if not x509.basic_constraints(certificate)[0]:
        found.append("is not a CA: its basicConstraints do not say CA")
    if usages is not None and "key_cert_sign" not in usages:
        found.append("may not sign certificates: its key usage lacks keyCertSign")
    for depth, link in enumerate(links[1:], 1):
        above = link.certificate
        limit = x509.basic_constraints(above)[1] if above else None
        below = [one.certificate for one in links[:depth]
                 if one.certificate and not x509.is_self_issued(one.certificate)]
        if above and limit is not None and len(below) > limit:
            found.append("%s allows %s CA below it: what this CA issues will be refused" % (
                short(above.subject_der), "no" if not limit else "only %d" % limit))
    return found


def warnings(
    links: "t.List[chains.Link]", sent: "t.List[x509.Certificate]", purpose: str, hostnames: "t.List[str]"
) -> "t.List[str]":
    """Sentences on what is no failure here, and will be one elsewhere."""
    found, leaf = [], links[0].certificate
    alt_names = x509.alt_names(leaf) if leaf else {"dns": [], "ip": []}
    if leaf and purpose == "server" and not hostnames and not alt_names["dns"] and not alt_names["ip"]:
        found.append("has no subject alternative names: no current client accepts it for any name (RFC 9525)")
    for depth, link in enumerate(links):
        certificate = link.certificate
        if certificate is None:
            continue
        subject = "" if not depth else short(certificate.subject_der) + " "
        root = chains.is_root(certificate)
        if certificate.signature in x509.WEAK_SIGNATURES and not root:
            found.append("%sis signed with %s, which TLS clients refuse" % (
                subject, x509.WEAK_SIGNATURES[certificate.signature]))
        kind, _space, size = x509.key_type(certificate).partition(" ")
        if kind in ("RSA", "RSA-PSS") and int(size) < MIN_RSA_BITS:
            found.append("%shas an RSA key of %s bits, which TLS clients refuse" % (subject, size))
        if depth and link.source == chains.TRUST and not root and certificate not in sent:
            found.append("%sis known here as an anchor and was not sent along: hosts that trust only its root refuse "
                         "this chain" % subject)
    return found
