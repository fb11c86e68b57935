# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A certificate authority that signs: its certificate, its chain, its key; looked at before it does."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    certificates,
    extensions,
    keys,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, general_names, pem


class Authority(t.NamedTuple):
    certificate: certificates.IssuedCertificate
    key: "keys.PrivateKey"
    chain: "t.List[certificates.IssuedCertificate]"  # what is sent behind a certificate that it issues, without roots
    name: str                                  # what messages call it


def read(options: "t.Dict[str, t.Any]", now: int, usage: str = "keyCertSign") -> Authority:
    """The CA of the options ca_path or ca_content, ca_privatekey_path or _content and _passphrase.

    usage: what its key is to sign, ``keyCertSign`` or ``cRLSign`` (RFC 5280 section 4.2.1.3).
    Raises Failure for a CA that must not sign, keys.KeyFileError for its key.
    """
    source = options["ca_path"] or "ca_content"
    try:
        data = pem.read_given(options["ca_path"], options["ca_content"])
        found = certificates.read(data)
    except pem.CertificateFileError as error:
        raise Failure("the CA's certificate %s can't be used: %s" % (source, error))
    certificate = found[0]
    name = "%s (%s)" % (source, certificates.label(certificate))
    _refuse(certificate, name, now, usage)
    key = _key(options)
    if keys.fingerprint(key.public_key()) != certificate.facts["public_key"]:
        raise Failure("the private key %s does not belong to the CA's certificate %s" % (
            options["ca_privatekey_path"] or "ca_privatekey_content", name))
    return Authority(certificate, key, _chain(found, now), name)


def refuse_below(authority: Authority, length: "t.Optional[int]") -> None:
    """Raises Failure where the CA may not issue a CA with that path length (RFC 5280 section 4.2.1.9)."""
    allowed = extensions.path_length(authority.certificate.facts)
    if allowed is not None and (length is None or length >= allowed):
        raise Failure(
            "%s has pathlen:%d and can't issue a CA with %s: that one's certificates would not verify anywhere%s" % (
                authority.name, allowed, "any path length" if length is None else "pathlen:%d" % length,
                "" if allowed == 0 else "; the option pathlen can be at most %d" % (allowed - 1)))


def refuse_outside(authority: Authority, want: "extensions.Facts") -> None:
    """Raises Failure for names and purposes that the CA may not certify: the certificate would verify nowhere.

    RFC 5280 section 4.2.1.10 for DNS names and IP addresses, other kinds are left to whoever verifies; for purposes, as
    OpenSSL and browsers nest them.
    """
    facts = authority.certificate.facts
    purposes = facts.get("extended_key_usage", [])
    beyond = [] if not purposes or "anyExtendedKeyUsage" in purposes else [
        usage for usage in want.get("extended_key_usage", []) if usage not in purposes]
    if beyond:
        raise Failure("%s can't issue a certificate for %s: its own extended key usage is %s" % (
            authority.name, ", ".join(beyond), ", ".join(purposes)))
    permitted, excluded = (facts.get("name_constraints_%s" % kind, []) for kind in ("permitted", "excluded"))
    for name in want.get("subject_alt_name", []):
        kind = name.partition(":")[0]
        if kind not in general_names.CONSTRAINED:
            continue
        same_kind = [one for one in permitted if one.partition(":")[0] == kind]
        outside = same_kind and not any(general_names.within(name, one) for one in same_kind)
        if outside or any(general_names.within(name, one) for one in excluded):
            raise Failure("%s can't issue a certificate for %s: its name constraints %s" % (
                authority.name, x509.printable(name),
                "permit %s" % ", ".join(permitted) if outside else "exclude %s" % ", ".join(excluded)))


def _refuse(certificate: certificates.IssuedCertificate, name: str, now: int, usage: str) -> None:
    facts, plain = certificate.facts, certificate.plain
    reason = None
    if x509.key_type(plain).startswith("RSA-PSS"):
        reason = "its key is for RSA-PSS alone, which is not made here"
    elif not extensions.is_ca(facts):
        reason = "it is not a CA's (no CA:TRUE in its basic constraints)"
    elif usage not in facts.get("key_usage", [usage]):
        reason = "its key usage has no %s" % usage
    elif plain.not_after <= now:
        reason = "it expired %s ago (%s): renew it first" % (
            duration.spoken(now - plain.not_after), x509.iso_time(plain.not_after))
    elif plain.not_before > now:
        reason = "it is not valid before %s: is this machine's clock right?" % x509.iso_time(plain.not_before)
    if reason:
        raise Failure("the CA's certificate %s can't sign: %s" % (name, reason))


def _key(options: "t.Dict[str, t.Any]") -> "keys.PrivateKey":
    passphrase = options["ca_privatekey_passphrase"]
    if options["ca_privatekey_path"]:
        return keys.load(options["ca_privatekey_path"], passphrase, "ca_privatekey_passphrase")
    return keys.read(options["ca_privatekey_content"].encode("utf-8", "replace"), passphrase, "ca_privatekey_content",
                     "ca_privatekey_passphrase")


def _chain(found: "t.List[certificates.IssuedCertificate]", now: int) -> "t.List[certificates.IssuedCertificate]":
    """The CA and what stands behind it, up to the root, which clients have."""
    ca = found[0].plain
    if chains.is_root(ca):
        return []
    by_fingerprint = {one.plain.fingerprint: one for one in found}
    sent = chains.sent_with(ca, [one.plain for one in found], now)
    return [found[0]] + [by_fingerprint[one.fingerprint] for one in sent]
