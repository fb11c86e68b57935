# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Path validation: each rule has a chain that breaks it and nothing else, and good chains break none."""

from __future__ import annotations

import datetime
import ipaddress
import time
from pathlib import Path

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki as webpki
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki_certificates as certificates
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki_names as leaf_names
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki_paths as paths
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki_rules as rules
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _webpki_table as table

ROOT = pki.root("Corp Root")
ISSUING = pki.root("Corp Issuing", issuer=ROOT)
NAME = "web1.example.com"


def judge(*chain, anchors=(ROOT,), names=(NAME,), ips=(), purpose="server", waive=(), crls=(), now=None, **more):
    """The verdict on the first of ``chain``, with the others sent along."""
    question = webpki.Question(
        list(names), list(ips), purpose, now or time.time(), frozenset(waive), more.get("max_intermediates"))
    leaf, *sent = [pair if isinstance(pair, bytes) else pair.der for pair in chain]
    lists = [x509.load_pem_x509_crl(text.encode()).public_bytes(Encoding.DER) for text in crls]
    return webpki.judge(leaf, sent, [pair.der for pair in anchors], question, lists)


def broken(verdict):
    return sorted({one.rule for one in verdict.findings})


def issuing(**options):
    return pki.root("Corp Issuing", issuer=ROOT, **options)


def below(ca, **options):
    return [pki.server(issuer=ca, **options), ca]


def leaf(**options):
    return [pki.server(issuer=ISSUING, **options), ISSUING]


def constrained(permitted=None, excluded=None, critical=True):
    return issuing(more=[(x509.NameConstraints(permitted, excluded), critical)])


def test_good_chains():
    web = pki.server(issuer=ISSUING, ips=["192.0.2.1"])
    verdict = judge(web, ISSUING, ips=["192.0.2.1"])
    assert verdict == webpki.Verdict(True, [], [], [f"CN={NAME}", "CN=Corp Issuing", "CN=Corp Root"])
    assert judge(web, ISSUING, ROOT).accepted  # with its root sent along
    assert judge(web, anchors=[ISSUING]).accepted  # an intermediate as the only anchor
    assert judge(web, ISSUING, names=[]).accepted
    assert judge(ISSUING, purpose="ca", names=[]).accepted
    assert judge(ROOT, purpose="ca", names=[]).accepted
    assert judge(pki.issue("anna", ISSUING, purposes=["client"]), ISSUING, purpose="client", names=[]).accepted
    assert judge(pki.issue("anything", ISSUING), ISSUING, purpose="any", names=[]).accepted


def test_self_issued_and_trusted_itself():
    old = pki.root("Corp Root")
    rollover = pki.issue("Corp Root", old, ca=True, key=ROOT.key, path_length=0)
    assert rollover.certificate.issuer == rollover.certificate.subject
    assert judge(pki.server(issuer=ROOT), rollover, anchors=[old]).accepted
    assert judge(pki.issue("x", purposes=["server"], dns=[NAME]), anchors=[]).findings[0].rule == "rfc5280-no-path"
    own = pki.server()
    assert judge(own, anchors=[own]).accepted


def test_another_path_is_taken_where_a_rule_refuses_the_first():
    """Two certificates of the same CA: that which breaks a rule comes first."""
    bad = issuing(key=ISSUING.key, key_usage=False)
    web = pki.server(issuer=ISSUING)
    assert judge(web, bad, ISSUING).accepted and judge(web, ISSUING, bad).accepted
    assert broken(judge(web, bad)) == ["rfc5280-ca-key-usage"]


WEEK_OLD = (-9, -3)
LEAF_CASES = [
    ("rfc5280-validity", lambda: leaf(days=WEEK_OLD), "expired 3 days ago ("),
    ("rfc5280-validity", lambda: leaf(days=(3.5, 9)), "is not yet valid, begins in 3 days ("),
    ("rfc5280-validity", lambda: below(issuing(days=WEEK_OLD)), "CN=Corp Issuing expired 3 days ago ("),
    ("rfc5280-no-path", lambda: [pki.server(issuer=ISSUING)], "was issued by CN=Corp Issuing, which is neither an"),
    ("rfc5280-no-path", lambda: [pki.server()], "is self-signed and no anchor"),
    ("rfc5280-signature", lambda: [pki.server(issuer=pki.root("Corp Root"))],
     "has a signature that was not made with the key of CN=Corp Root"),
    ("rfc5280-aki", lambda: leaf(identifiers=False), "has no authorityKeyIdentifier"),
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
    ("rfc5280-not-a-ca", lambda: below(pki.issue("Corp Issuing", ROOT, key_usage=["key_cert_sign"])),
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
    assert verdict.findings[0].section == table.RULES[rule].section and not verdict.accepted


def test_rules_of_roots():
    def root(**options):
        made = pki.root("Corp Root", **options)
        return broken(judge(pki.server(issuer=made), anchors=[made]))
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
    below_it, anchor = rules.Place(True, False, ""), rules.Place(False, True, "CN=Corp Root ")
    for serial in (0, -1, 2 ** 159):
        odd = certificates.read(ROOT.der)._replace(serial=serial)
        assert [one.rule for one in rules.form(odd, below_it)] == ["rfc5280-serial"]
        assert list(rules.form(odd, anchor)) == []
    assert not list(rules.form(certificates.read(ROOT.der)._replace(serial=2 ** 159 - 1), below_it))
    odd = certificates.read(ROOT.der)._replace(version=1)
    assert [one.rule for one in rules.form(odd, anchor)] == ["rfc5280-version"]


def test_two_algorithms_in_an_anchor():
    """Below it the signature would not verify; an anchor's own is not looked at."""
    sha256, sha384 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")
    inner, found, outer = ROOT.der.rpartition(sha256)
    odd = certificates.read(inner + sha384 + outer)
    assert found and [one.rule for one in rules.form(odd, rules.Place(False, True, ""))] == [
        "rfc5280-algorithms-differ"]


def test_a_loop_is_walked_once():
    one, other = pki.root("One"), pki.root("Other")
    crossed = [pki.root("One", key=one.key, issuer=other), pki.root("Other", key=other.key, issuer=one),
               pki.root("One", key=one.key, issuer=other), pki.root("Other", key=other.key, issuer=one)]
    search = paths.Search([certificates.read(pair.der) for pair in crossed], [], time.time())
    assert list(search.paths(certificates.read(pki.server(issuer=one).der))) == []
    assert paths.MAX_STEPS - search.steps == 1 + 2 + 4  # the leaf, either One, either Other above it


def test_path_length_and_depth():
    top = pki.root("Top", issuer=ROOT, path_length=0)
    low = pki.root("Low", issuer=top)
    verdict = judge(pki.server(issuer=low), low, top)
    assert [one.sentence for one in verdict.findings] == ["CN=Top allows no CA below it, and this chain has 1"]
    assert broken(judge(low, top, purpose="ca", names=[])) == []  # the last one is not counted
    top = pki.root("Top", issuer=ROOT)
    low = pki.root("Low", issuer=top)
    assert judge(pki.server(issuer=low), low, top, max_intermediates=2).accepted
    assert broken(judge(pki.server(issuer=low), low, top, max_intermediates=1)) == ["rfc5280-too-long"]


def test_names_that_are_asked_for():
    wild = leaf(dns=["*.example.com"])
    assert judge(*wild, names=["a.example.com", "b.example.com"]).accepted
    verdict = judge(*wild, names=["a.b.example.com", "a.example.com", "no..name"])
    assert broken(verdict) == ["rfc9525-names"] and "'no..name'" in verdict.findings[0].sentence
    assert broken(judge(*leaf(dns=["*.com"]), names=["example.com"])) == ["cabf-wildcard"]
    assert judge(*leaf(dns=["*.com", "example.com"]), names=["example.com"]).accepted
    assert broken(judge(*leaf(dns=["*.co.uk"]), names=["example.co.uk"])) == ["cabf-wildcard"]


def test_without_the_list_of_public_suffixes(monkeypatch):
    monkeypatch.setattr(leaf_names, "PublicSuffixList", None)
    leaf_names._suffixes.cache_clear()
    assert judge(*leaf(dns=["*.co.uk"]), names=["example.co.uk"]).accepted
    assert broken(judge(*leaf(dns=["*.com"]), names=["example.com"])) == ["cabf-wildcard"]
    leaf_names._suffixes.cache_clear()


@pytest.mark.parametrize(("common", "sans", "is_broken"), [
    ("WEB1.example.com", {"dns": [NAME]}, True),
    ("b\u00fccher.example.com", {"dns": [NAME, "xn--bcher-kva.example.com"]}, True),
    ("192.000.002.001", {"dns": [NAME], "ips": ["192.0.2.1"]}, True),
    ("0xc0.0.2.1", {"dns": [NAME], "ips": ["192.0.2.1"]}, True),
    ("2001:DB8:0::1", {"dns": [NAME], "ips": ["2001:db8::1"]}, True),
    ("2001:db8::1", {"dns": [NAME], "ips": ["2001:db8::1"]}, False),
    ("The web server", {"dns": [NAME]}, False),
    ("other.example.com", {"dns": [NAME]}, False),
])
def test_common_names_that_are_another_notation_of_a_name(common, sans, is_broken):
    made = pki.issue(common, ISSUING, purposes=["server"], **sans)
    assert broken(judge(made, ISSUING)) == ["cabf-common-name"] * is_broken


def test_name_constraints_that_are_kept():
    kinds = [x509.DNSName("example.com"), x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
             x509.RFC822Name(".example.com"), x509.UniformResourceIdentifier("example.org")]
    assert judge(*below(constrained(kinds), ips=["192.0.2.1"])).accepted
    assert broken(judge(*below(constrained(kinds), ips=["192.0.3.1"]))) == ["rfc5280-name-constraints"]
    assert judge(*below(constrained([x509.DNSName("example.com")], critical=False))).accepted
    mail = pki.issue("anna", constrained([x509.RFC822Name("a*@example.com")]), purposes=["email"],
                     more=[(x509.SubjectAlternativeName([x509.RFC822Name("anna@example.com")]), False)])
    assert broken(judge(mail, mail.issuer, purpose="email", names=[])) == ["rfc5280-name-constraints"]


def test_the_documentation_lists_every_rule():
    page = Path(__file__).resolve().parents[4] / "docs" / "verification-rules.md"
    rows = [f"| `{rule.name}` | {rule.section} | {rule.refused_by} | {'yes' if rule.waivable else 'no'} |"
            for rule in table.RULES.values()]
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")] == rows


def test_mail_addresses_in_the_subject_are_bound():
    def of(address):
        ca = constrained([x509.RFC822Name("example.com"), x509.DNSName("example.com")])
        fields = [("CN", NAME), ("emailAddress", address)]
        return broken(judge(pki.issue(fields, ca, dns=[NAME], purposes=["server"]), ca))
    assert of("anna@example.com") == []
    assert of("anna@example.org") == of("Anna <anna@example.com>") == ["rfc5280-name-constraints"]


def test_waived():
    chain = below(issuing(key_usage=False))
    verdict = judge(*chain, waive=["rfc5280-ca-key-usage"])
    assert verdict.accepted and [one.rule for one in verdict.waived] == ["rfc5280-ca-key-usage"]
    assert broken(judge(*chain, names=["a"], waive=["rfc5280-ca-key-usage"])) == ["rfc9525-names"]
    assert table.not_waivable(["rfc5280-aki", "rfc5280-ca-keyusage", "rfc5280-signature"]) == [
        "waive: there is no rule 'rfc5280-ca-keyusage'; is 'rfc5280-ca-key-usage' meant?",
        "waive: rfc5280-signature can't be waived: what breaks it is refused by every current TLS client"]


def test_pyca_is_asked_last(monkeypatch):
    monkeypatch.setattr(webpki.constraints, "of_path", lambda path: ())
    verdict = judge(*below(constrained([x509.DNSName("example.org")])))
    assert broken(verdict) == ["pyca-verifier"] and "is refused by pyca/cryptography" in verdict.findings[0].sentence
    verdict = judge(*below(constrained([x509.DNSName("example.org")])), purpose="any", names=[])
    assert broken(verdict) == ["pyca-verifier"]


WEB = pki.server(issuer=ISSUING)
OF_ROOT = pki.crl(ROOT)


@pytest.mark.parametrize(("lists", "rule", "sentence"), [
    ([pki.crl(ISSUING), OF_ROOT], None, None),
    ([pki.crl(ISSUING, WEB), OF_ROOT], "rfc5280-revoked", "is revoked since 20"),
    ([pki.crl(ISSUING), pki.crl(ROOT, ISSUING)], "rfc5280-revoked", "CN=Corp Issuing is revoked since"),
    ([pki.crl(ISSUING, days=(-9, -3)), OF_ROOT], "rfc5280-crl-expired", "the revocation list of CN=Corp Issuing exp"),
    ([pki.crl(ISSUING, days=(-9, -3)), pki.crl(ISSUING), OF_ROOT], None, None),
    ([pki.crl(pki.root("Other")), OF_ROOT], "rfc5280-crl-missing", "are of CN=Corp Root, CN=Other"),
    ([pki.crl(pki.root("Corp Issuing")), OF_ROOT], "rfc5280-crl-signature", "was not signed with the key of the CA"),
    ([pki.crl(ISSUING, more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)]), OF_ROOT],
     "rfc5280-crl-extension", "has the critical extension 1.2.3, which is not known here"),
    ([pki.crl(ISSUING, more=[(x509.CRLNumber(1), True)]), OF_ROOT], "rfc5280-crl-extension", "has its cRLNumber cri"),
    ([pki.crl(ISSUING, more=[(x509.DeltaCRLIndicator(1), True)]), OF_ROOT], "rfc5280-crl-scope", "is a delta list"),
    ([pki.crl(ISSUING, more=[(x509.IssuingDistributionPoint(None, None, False, True, None, False, False), True)]),
      OF_ROOT], "rfc5280-crl-scope", "is only about CAs"),
])
def test_revocation(lists, rule, sentence):
    verdict = judge(WEB, ISSUING, crls=lists)
    assert broken(verdict) == ([rule] if rule else [])
    assert not rule or sentence in verdict.findings[0].sentence


def test_a_ca_that_may_not_sign_lists():
    ca = issuing(key_usage=["key_cert_sign"])
    assert broken(judge(*below(ca), crls=[pki.crl(ca), OF_ROOT])) == ["rfc5280-crl-sign"]


def test_what_is_no_certificate_or_list():
    assert broken(judge(b"\x30\x00")) == ["rfc5280-malformed"]
    assert judge(WEB, ISSUING, b"\x30\x00").accepted  # nothing on the path
    question = webpki.Question([NAME], [], "server", time.time())
    verdict = webpki.judge(WEB.der, [ISSUING.der], [ROOT.der], question, [b"\x30\x00"])
    assert "rfc5280-crl-malformed" in broken(verdict)
    listed = x509.load_pem_x509_crl(pki.crl(ROOT).encode()).public_bytes(Encoding.DER)
    odd = listed.replace(b"\2\1\1", b"\2\1\7", 1)  # its version
    assert "rfc5280-crl-malformed" in broken(webpki.judge(WEB.der, [ISSUING.der], [ROOT.der], question, [odd]))


def _mesh(size):
    keys = [pki.new_key() for _number in range(size)]
    roots = [pki.root(f"CA {number}", key=key) for number, key in enumerate(keys)]
    return roots, [pki.root(f"CA {number}", key=keys[number], issuer=other)
                   for number in range(size) for other in roots if other is not roots[number]]


def test_pathological_chains_end_soon():
    roots, cross = _mesh(20)
    same_key = pki.new_key()
    same = [pki.root("CA", key=same_key) for _number in range(200)]
    long = [ROOT]
    for number in range(120):
        long.append(pki.root(f"CA {number}", issuer=long[-1]))
    many = [x509.DNSName(f"{number}.example.com") for number in range(700)]
    names = [f"{number}.example.com" for number in range(700)]
    cases = [
        ([pki.server(issuer=roots[0]), *cross], "too-complex"),
        ([pki.server(issuer=same[0]), *same], "too-complex"),
        ([pki.server(issuer=long[-1]), *long[1:]], "rfc5280-too-long"),
        (below(constrained(many), dns=names), "too-complex"),
        ([WEB, *[ISSUING] * 501], "too-complex"),
    ]
    for chain, rule in cases:
        start = time.perf_counter()
        assert rule in broken(judge(*chain)), rule
        assert time.perf_counter() - start < 1
    assert judge(pki.server(issuer=roots[0]), *cross, anchors=[roots[19]]).accepted


def test_a_thousand_findings_are_few_sentences():
    wrong = [f"{number}_.example.com" for number in range(300)]
    found = judge(*leaf(dns=[NAME, *wrong])).findings
    assert len(found) == webpki.MAX_OF_A_RULE and found[-1].sentence.endswith("'4_.example.com'; and 295 more such")


def test_a_controller_with_an_old_cryptography(monkeypatch):
    assert webpki.unable() is None
    monkeypatch.setattr(certificates, "cryptography_version", "43.0.0")
    assert "there it has 43.0.0: install it (pip install 'cryptography>=49'), or say 'profile: host'" in webpki.unable()
    monkeypatch.setattr(certificates, "cryptography_version", "")
    assert "there it has none" in webpki.unable()


def test_time_is_inclusive():
    end = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    now = end.replace(tzinfo=None)
    chain = [pki.server(issuer=pki.root(now=now, days=(-9, 9)), now=now, days=(-1, 0))]
    anchor = [chain[0].issuer]
    assert judge(*chain, anchors=anchor, now=end.timestamp()).accepted
    assert broken(judge(*chain, anchors=anchor, now=end.timestamp() + 1)) == ["rfc5280-validity"]
    start = end.timestamp() - 86400
    assert judge(*chain, anchors=anchor, now=start).accepted
    assert broken(judge(*chain, anchors=anchor, now=start - 0.001)) == ["rfc5280-validity"]


UNKNOWN_FEATURE = (x509.UnrecognizedExtension(x509.TLSFeature.oid, bytes.fromhex("3003020104")), False)


def test_a_feature_of_tls_without_a_name_is_a_finding():
    """pyca/cryptography raises KeyError for it."""
    leaf = pki.server(issuer=ISSUING, more=[UNKNOWN_FEATURE])
    assert "rfc5280-malformed" in broken(judge(leaf, ISSUING))


def test_a_dns_name_with_a_line_end_is_no_host_name():
    leaf = pki.server(issuer=ISSUING, dns=[NAME, f"{NAME}\n"])
    verdict = judge(leaf, ISSUING)
    assert "rfc5280-names" in broken(verdict)
    assert all(one.sentence.isprintable() for one in judge(leaf, ISSUING, names=["other"]).findings)
