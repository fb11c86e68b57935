# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Which certificate issued which: chains built by name and key identifier, for results and sentences.

No signature is checked here. Whether a chain is accepted is OpenSSL's to say; this says what it consists of.
"""

import collections
import difflib
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

if t.TYPE_CHECKING:
    Pool = t.Dict[str, t.List[x509.Certificate]]  # by the canonical names of their subjects, as ``index`` makes it

CERTIFICATE, CHAIN, TRUST = "certificate", "chain", "trust"  # where a link comes from
MAX_LINKS = 100  # OpenSSL's own limit
NEAR = 0.75      # how alike two names are that a sentence calls near; 1 is equal


class Link(t.NamedTuple):
    certificate: "t.Optional[x509.Certificate]"  # None where OpenSSL used one that is in none of the files looked at
    subject: str
    source: str                                  # CERTIFICATE, CHAIN or TRUST


def read_anchors(paths: "t.Iterable[str]") -> "t.List[x509.Certificate]":
    """The certificates of all these PEM files, each once.

    What can't be read is left out, as OpenSSL does with its anchors. Most hosts have them all twice, in a file and in
    a directory, so that only what is new is parsed.
    """
    found = collections.OrderedDict()
    for path in paths:
        try:
            for _block, raw in pem.certificate_blocks(pem.read_file(path)):
                if raw not in found:
                    found[raw] = x509.parse_leniently(raw)
        except pem.CertificateFileError:
            continue
    return [certificate for certificate in found.values() if certificate]


def canonical(name: bytes) -> str:
    """A Name (DER) for comparing: RFC 5280 section 7.1 ignores case, repeated spaces and the type of string."""
    return " ".join(x509.name(name).lower().split())


def index(certificates: "t.Iterable[x509.Certificate]") -> "Pool":
    """The certificates by their subject's canonical name: a pool that issuers are looked up in."""
    pool: Pool = collections.OrderedDict()
    for certificate in certificates:
        pool.setdefault(canonical(certificate.subject_der), []).append(certificate)
    return pool


def namesakes(certificate: x509.Certificate, pool: "Pool") -> "t.List[x509.Certificate]":
    """Certificates of the pool whose subject is this certificate's issuer, whatever their keys."""
    return pool.get(canonical(certificate.issuer_der), [])


def issuers(certificate: x509.Certificate, pool: "Pool", now: int) -> "t.List[x509.Certificate]":
    """Certificates of the pool that may have issued this one; those valid ``now`` (epoch seconds) come first."""
    fitting = [candidate for candidate in namesakes(certificate, pool) if x509.keys_fit(candidate, certificate)]
    return sorted(fitting, key=lambda candidate: not candidate.not_before <= now <= candidate.not_after)


def above(certificates: "t.Iterable[x509.Certificate]", pool: "Pool") -> "t.List[x509.Certificate]":
    """The certificates of the pool that these or one another may have been issued by, or that they are themselves."""
    found: t.Dict[str, x509.Certificate] = collections.OrderedDict()
    left = list(certificates)
    while left:
        one = left.pop()
        for other in namesakes(one, pool) + [same for same in pool.get(canonical(one.subject_der), []) if same == one]:
            if other.fingerprint not in found:
                found[other.fingerprint] = other
                left.append(other)
    return list(found.values())


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it names itself as its issuer, by name and key."""
    return (canonical(certificate.subject_der) == canonical(certificate.issuer_der)
            and x509.keys_fit(certificate, certificate))


def build(leaf: x509.Certificate, sent: "Pool", anchors: "Pool", now: int) -> "t.List[Link]":
    """The chain as far as it can be built (list of Link), anchors first, as OpenSSL looks for issuers."""
    is_anchor = any(leaf == anchor for anchor in anchors.get(canonical(leaf.subject_der), []))
    links = [Link(leaf, x509.name(leaf.subject_der), TRUST if is_anchor else CERTIFICATE)]
    last = leaf
    while len(links) < MAX_LINKS and not is_root(last):
        found = [(issuer, TRUST) for issuer in issuers(last, anchors, now)]
        if links[-1].source != TRUST:
            found += [(issuer, CHAIN) for issuer in issuers(last, sent, now)]
        found = [pair for pair in found if all(pair[0] != link.certificate for link in links)]
        if not found:
            break
        last, source = found[0]
        links.append(Link(last, x509.name(last.subject_der), source))
    return links


def sent_with(
    leaf: x509.Certificate, offered: "t.Iterable[x509.Certificate]", now: int
) -> "t.List[x509.Certificate]":
    """What is to be sent behind a certificate: its issuers among these, in order.

    The root is left out, for whoever does not have it does not trust it either. Of an issuer that is there twice,
    cross-signed too, the way on is taken, so that clients with either root find theirs.
    """
    others = sorted((one for one in offered if one != leaf),
                    key=lambda one: (is_root(one), -one.not_after, one.fingerprint))
    links = build(leaf, index(others), {}, now)[1:]
    return [one for one in certificates(links) if not is_root(one)]


def follow(
    leaf: x509.Certificate, printed: "t.List[t.Tuple[str, bool]]", sent: "Pool", anchors: "Pool", now: int
) -> "t.List[Link]":
    """The chain that OpenSSL printed, as list of Link.

    printed: list of (subject, whether untrusted), leaf first: from these the sources are known.
    """
    links: t.List[Link] = []
    for subject, untrusted in printed:
        source = (CHAIN if links else CERTIFICATE) if untrusted else TRUST
        below = links[-1].certificate if links else None
        if not links:
            found = [leaf]
        else:
            found = issuers(below, sent if untrusted else anchors, now) if below else []
        links.append(Link(found[0], x509.name(found[0].subject_der), source) if found else Link(None, subject, source))
    return links


def certificates(links: "t.Iterable[Link]") -> "t.List[x509.Certificate]":
    """Those of a chain that are known."""
    return [link.certificate for link in links if link.certificate]


def near_names(name: bytes, certificates: "t.Iterable[x509.Certificate]") -> "t.List[x509.Certificate]":
    """Up to three certificates whose common names are nearly that of ``name`` (DER); the nearest first."""
    wanted = (x509.common_name(name) or x509.name(name)).lower()
    by_name: t.Dict[str, x509.Certificate] = collections.OrderedDict()
    for certificate in certificates:
        offered = x509.common_name(certificate.subject_der) or x509.name(certificate.subject_der)
        by_name.setdefault(offered.lower(), certificate)
    return [by_name[match] for match in difflib.get_close_matches(wanted, list(by_name), 3, NEAR)]


def pick_leaf(
    certificates: "t.List[x509.Certificate]", ordered: bool
) -> "t.Tuple[x509.Certificate, t.List[x509.Certificate]]":
    """(the certificate to judge, the others). Files come leaf first; PKCS#7 holds a set, in no order of its own.

    Raises CertificateFileError for a set in which it can't be told.
    """
    if ordered:
        return certificates[0], certificates[1:]
    pool = index(certificates)
    issuing = {issuer.fingerprint for one in certificates for issuer in issuers(one, pool, 0) if issuer != one}
    leaves = [one for one in certificates if one.fingerprint not in issuing]
    if len(leaves) > 1:
        leaves = [one for one in leaves if not x509.basic_constraints(one)[0]]
    if len(leaves) != 1:
        raise pem.CertificateFileError("it is not clear which of the %d certificates in it is meant: give that one in "
                                       "a file of its own, and the others with 'chain'" % len(certificates))
    return leaves[0], [one for one in certificates if one != leaves[0]]


def comes_too_early(first: x509.Certificate, others: "t.Iterable[x509.Certificate]") -> bool:
    """Whether ``first``, a CA, stands before the certificate that the file is about."""
    if not x509.basic_constraints(first)[0]:
        return False
    own = canonical(first.subject_der)
    return any(canonical(one.issuer_der) == own or not x509.basic_constraints(one)[0] for one in others)
