# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule has a chain that breaks it and nothing else, and a row in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from webpki_chains import ISSUING, NAME, ROOT, at_now, below, broken, constrained, issuing, judge, leaf

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import certificate as webpki_certificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import checks, rules

WEEK_OLD = (-9, -3)
LEAF_CASES = [
    ("rfc5280-validity", lambda: leaf(days=WEEK_OLD), "expired 3 days ago ("),
    ("rfc5280-validity", lambda: leaf(days=(3.5, 9)), "is not yet valid, begins in 3 days ("),
    ("rfc5280-validity", lambda: below(issuing(days=WEEK_OLD)), "CN=Corp Issuing expired 3 days ago ("),
    ("rfc5280-no-path", lambda: [at_now.server(issuer=ISSUING)], "was issued by CN=Corp Issuing, which is neither an"),
    ("rfc5280-no-path", lambda: [at_now.server()], "is self-signed and no anchor"),
    ("rfc5280-signature", lambda: [at_now.server(issuer=at_now.root("Corp Root"))],
     "has a signature that was not made with the key of CN=Corp Root"),
    ("rfc5280-aki", lambda: leaf(identifiers=False), "has no authorityKeyIdentifier"),
    ("rfc5280-aki-mismatch", lambda: leaf(identifiers=False, more=[
        (x509.AuthorityKeyIdentifier(b"1234", None, None), False)]), "names another key of its issuer in its"),
    ("rfc5280-san-critical", lambda: leaf(dns=[], more=[(x509.SubjectAlternativeName([x509.DNSName(NAME)]), True)]),
     "has critical subject alternative names beside a subject name"),
    ("rfc5280-san-critical", lambda: [at_now.issue([], ISSUING, dns=[NAME], purposes=["server"]), ISSUING],
     "has an empty subject name, and its subject alternative names are not critical"),
    ("rfc5280-key-usage", lambda: leaf(key_usage=["data_encipherment"]), "may not sign or agree on keys"),
    ("rfc5280-eku", lambda: leaf(purposes=["client"]), "its extended key usage is clientAuth, without serverAuth"),
    ("rfc9525-san", lambda: leaf(dns=[]), "has no subject alternative names"),
    ("rfc9525-names", lambda: leaf(dns=["a.example.com"]), f"asked for {NAME}, the certificate is for a.example.com"),
    ("rfc5280-names", lambda: leaf(dns=[NAME, "a_b.example.com"]), "has a DNS name that is no host name: 'a_b.exam"),
    ("rfc5280-names", lambda: leaf(dns=[NAME, "w*.example.com"]), "'w*.example.com'"),
    ("rfc5280-names", lambda: leaf(dns=[NAME, ".example.com"]), "'.example.com'"),
    ("cabf-ca-as-leaf", lambda: leaf(ca=True, key_usage=["digital_signature", "key_cert_sign"]), "is a CA, and a"),
    ("cabf-ca-as-leaf", lambda: leaf(key_usage=["digital_signature", "key_cert_sign"]), "may sign certificates"),
    ("cabf-key-size", lambda: leaf(key_type="rsa1024"), "has an RSA key of 1024 bits"),
    ("cabf-rsa-modulus", lambda: leaf(key=rsa.generate_private_key(65537, 2052)), "2052 bits, which 8 does not divide"),
    ("cabf-key-type", lambda: leaf(key=ec.generate_private_key(ec.SECP256K1())), "has an EC key on secp256k1"),
    ("cabf-key-type", lambda: leaf(key=dsa.generate_private_key(2048)), "has a key of type DSA"),
    ("cabf-key-type", lambda: leaf(key_type="ed25519"), "has a key of type Ed25519"),
    ("cabf-eku", lambda: leaf(purposes=[], more=[(x509.ExtendedKeyUsage(
        [x509.ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)]), "is for any purpose"),
    ("cabf-eku", lambda: leaf(purposes=[], more=[(x509.ExtendedKeyUsage(
        [x509.ExtendedKeyUsageOID.SERVER_AUTH]), True)]), "has its extended key usage critical"),
    ("rfc5280-leaf-name-constraints", lambda: leaf(more=[(x509.NameConstraints([x509.DNSName("a")], None), True)]),
     "has name constraints, which only a CA may have"),
    ("rfc5280-critical-extension", lambda: leaf(more=[(x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)]), "has the critical extension 1.2.3.4"),
    ("rfc5280-criticality", lambda: leaf(more=[(x509.AuthorityInformationAccess([x509.AccessDescription(
        x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://a/"))]), True)]),
     "has its authorityInformationAccess critical"),
    ("rfc5280-malformed", lambda: leaf(dns=[], more=[(x509.UnrecognizedExtension(
        x509.SubjectAlternativeName.oid, b"web1"), False)]), "has an extension that can't be read"),
    ("rfc5280-malformed", lambda: below(issuing(more=[(x509.UnrecognizedExtension(
        x509.NameConstraints.oid, b"\x30\x00"), True)])), "CN=Corp Issuing has an extension that can't be read"),
    ("rfc5280-not-a-ca", lambda: below(at_now.issue("Corp Issuing", ROOT, key_usage=["key_cert_sign"])),
     "CN=Corp Issuing is not a CA"),
    ("rfc5280-ca-key-usage", lambda: below(issuing(key_usage=False)), "CN=Corp Issuing has no keyUsage"),
    ("rfc5280-key-cert-sign", lambda: below(issuing(key_usage=["crl_sign"])), "CN=Corp Issuing may not sign"),
    ("rfc5280-basic-constraints-critical", lambda: below(issuing(basic_constraints=False, more=[
        (x509.BasicConstraints(True, None), False)])), "CN=Corp Issuing has basicConstraints that are not critical"),
    ("rfc5280-eku", lambda: below(issuing(purposes=["client"])), "CN=Corp Issuing is not for this purpose"),
    ("rfc5280-criticality", lambda: below(issuing(more=[(x509.PolicyConstraints(None, 0), False)])),
     "CN=Corp Issuing has its policyConstraints not critical"),
    ("rfc5280-policies", lambda: below(issuing(more=[(x509.PolicyConstraints(0, None), True)])),
     "CN=Corp Issuing requires explicit certificate policies"),
    ("cabf-signature", lambda: leaf(digest=hashes.SHA224()), "is signed with ECDSA-WITH-SHA224"),
    ("rfc5280-name-constraints", lambda: below(constrained(excluded=[x509.DNSName("example.com")])),
     f"is for {NAME}, which CN=Corp Issuing must not issue for"),
    ("rfc5280-name-constraints", lambda: below(constrained([x509.DNSName("example.org")])),
     f"is for {NAME}, which CN=Corp Issuing is not permitted to issue for"),
    ("rfc5280-name-constraints", lambda: below(constrained(excluded=[x509.DNSName("a.example.com")]),
                                               dns=[NAME, "*.example.com"]), "is for *.example.com"),
    ("rfc5280-constraint-form", lambda: below(constrained([x509.DNSName(".example.com")])),
     "has a malformed name constraint: '.example.com'"),
    ("rfc5280-name-constraints", lambda: below(constrained(excluded=[x509.DirectoryName(x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME.upper())]))])), f"is for CN={NAME}"),
]


@pytest.mark.parametrize(("rule", "chain", "sentence"), LEAF_CASES)
def test_a_chain_that_breaks_one_rule(rule, chain, sentence):
    verdict = judge(*chain())
    assert broken(verdict) == [rule], verdict
    assert sentence in verdict.findings[0].sentence
    assert verdict.findings[0].section == rules.RULES[rule].section and not verdict.accepted


def test_the_smallest_allowed_rsa_key():
    rsa_leaf = webpki_certificate.read(at_now.server(issuer=ISSUING, key_type="rsa").der)
    assert rsa_leaf.object.public_key().key_size == checks.MIN_RSA_BITS
    assert list(checks.key(rsa_leaf, checks.PathPosition(True, False, ""), "server")) == []


def test_a_ca_without_a_subject():
    """Its certificates have an empty issuer name too."""
    verdict = judge(*below(at_now.issue([], ROOT, ca=True, serial=0x4c6a)))
    assert "the certificate with serial number 4c6a is a CA and has an empty subject name" in [
        one.sentence for one in verdict.findings]
    assert broken(verdict) == ["rfc5280-ca-subject", "rfc5280-issuer-name"]


def test_rules_of_roots():
    def root(**options):
        made = at_now.root("Corp Root", **options)
        return broken(judge(at_now.server(issuer=made), anchors=[made]))
    aki = x509.AuthorityKeyIdentifier
    own = x509.SubjectKeyIdentifier.from_public_key(ROOT.key.public_key())
    names = [x509.DirectoryName(ROOT.certificate.subject)]
    assert root(identifiers=False) == ["rfc5280-ski"]
    assert root(purposes=["server"]) == ["cabf-eku"]
    assert root(key=ROOT.key, identifiers=False, more=[(own, False), (aki(own.digest, names, 1), False)]) == [
        "cabf-root-aki"]
    assert root(key=ROOT.key, identifiers=False, more=[(own, False), (aki(b"1234", None, None), False)]) == [
        "cabf-root-aki"]
    assert root(key=ROOT.key, identifiers=False, more=[(own, True)]) == ["rfc5280-criticality"]


def test_serial_numbers_count_below_the_anchor():
    """No library makes such certificates any more."""
    below_it, anchor = checks.PathPosition(True, False, ""), checks.PathPosition(False, True, "CN=Corp Root ")
    for serial in (0, -1, 2 ** 159):
        odd = webpki_certificate.read(ROOT.der)._replace(serial=serial)
        assert [one.rule for one in checks.form(odd, below_it)] == ["rfc5280-serial"]
        assert list(checks.form(odd, anchor)) == []
    assert not list(checks.form(webpki_certificate.read(ROOT.der)._replace(serial=2 ** 159 - 1), below_it))
    odd = webpki_certificate.read(ROOT.der)._replace(version=1)
    assert [one.rule for one in checks.form(odd, anchor)] == ["rfc5280-version"]


def test_two_algorithms_in_an_anchor():
    """Below it the signature would not verify; an anchor's own is not looked at."""
    sha256, sha384 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")
    inner, found, outer = ROOT.der.rpartition(sha256)
    odd = webpki_certificate.read(inner + sha384 + outer)
    assert found and [one.rule for one in checks.form(odd, checks.PathPosition(False, True, ""))] == [
        "rfc5280-algorithms-differ"]


UNKNOWN_FEATURE = (x509.UnrecognizedExtension(x509.TLSFeature.oid, bytes.fromhex("3003020104")), False)


def test_a_feature_of_tls_without_a_name_is_a_finding():
    """pyca/cryptography raises KeyError for it."""
    leaf = at_now.server(issuer=ISSUING, more=[UNKNOWN_FEATURE])
    (found,) = (one for one in judge(leaf, ISSUING).findings if one.rule == "rfc5280-malformed")
    assert found.sentence == "has an extension that can't be read: 4"


def test_the_documentation_lists_every_rule():
    page = Path(__file__).resolve().parents[5] / "docs" / "verification-rules.md"
    rows = [f"| `{rule.name}` | {rule.section} | {rule.refused_by} | {'yes' if rule.waivable else 'no'} |"
            for rule in rules.RULES.values()]
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")] == rows
