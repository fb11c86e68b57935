# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are asked for, names in certificates, and the constraints of CAs on them."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from webpki_chains import ISSUING, NAME, at_now, below, broken, constrained, judge, leaf

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import names as webpki_names


def test_names_that_are_asked_for():
    wild = leaf(dns=["*.example.com"])
    assert judge(*wild, names=["a.example.com", "b.example.com"]).accepted
    verdict = judge(*wild, names=["a.b.example.com", "a.example.com", "no..name"])
    assert broken(verdict) == ["rfc9525-names"] and "'no..name'" in verdict.findings[0].sentence
    assert broken(judge(*leaf(dns=["*.com"]), names=["example.com"])) == ["cabf-wildcard"]
    assert judge(*leaf(dns=["*.com", "example.com"]), names=["example.com"]).accepted
    assert broken(judge(*leaf(dns=["*.co.uk"]), names=["example.co.uk"])) == ["cabf-wildcard"]


def test_without_the_list_of_public_suffixes(monkeypatch):
    monkeypatch.setattr(webpki_names, "PublicSuffixList", None)
    webpki_names._suffixes.cache_clear()
    assert judge(*leaf(dns=["*.co.uk"]), names=["example.co.uk"]).accepted
    assert broken(judge(*leaf(dns=["*.com"]), names=["example.com"])) == ["cabf-wildcard"]
    webpki_names._suffixes.cache_clear()


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
    made = at_now.issue(common, ISSUING, purposes=["server"], **sans)
    assert broken(judge(made, ISSUING)) == ["cabf-common-name"] * is_broken


def test_a_dns_name_with_a_line_end_is_no_host_name():
    leaf = at_now.server(issuer=ISSUING, dns=[NAME, f"{NAME}\n"])
    verdict = judge(leaf, ISSUING)
    assert "rfc5280-names" in broken(verdict)
    assert all(one.sentence.isprintable() for one in judge(leaf, ISSUING, names=["other"]).findings)


def test_name_constraints_that_are_kept():
    kinds = [x509.DNSName("example.com"), x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
             x509.RFC822Name(".example.com"), x509.UniformResourceIdentifier("example.org")]
    assert judge(*below(constrained(kinds), ips=["192.0.2.1"])).accepted
    assert broken(judge(*below(constrained(kinds), ips=["192.0.3.1"]))) == ["rfc5280-name-constraints"]
    assert judge(*below(constrained([x509.DNSName("example.com")], critical=False))).accepted
    mail = at_now.issue("anna", constrained([x509.RFC822Name("a*@example.com")]), purposes=["email"], more=[
        (x509.SubjectAlternativeName([x509.RFC822Name("anna@example.com")]), False)])
    assert broken(judge(mail, mail.issuer, purpose="email", names=[])) == ["rfc5280-name-constraints"]


def test_mail_addresses_in_the_subject_are_bound():
    def of(address):
        ca = constrained([x509.RFC822Name("example.com"), x509.DNSName("example.com")])
        fields = [("CN", NAME), ("emailAddress", address)]
        return broken(judge(at_now.issue(fields, ca, dns=[NAME], purposes=["server"]), ca))
    assert of("anna@example.com") == []
    assert of("anna@example.org") == of("Anna <anna@example.com>") == ["rfc5280-name-constraints"]


def test_a_leaf_named_like_its_ca_is_bound_by_its_constraints():
    """Only self-issued intermediates are exempt (RFC 5280 section 6.1.4 b)."""
    ca = constrained(excluded=[x509.DNSName("example.com")])
    own = at_now.issue("Corp Issuing", ca, dns=[NAME], purposes=["server"])
    assert own.certificate.issuer == own.certificate.subject
    assert broken(judge(own, ca)) == ["rfc5280-name-constraints"]
    rollover = at_now.issue("Corp Issuing", ca, ca=True, dns=["example.com"])
    assert broken(judge(at_now.server("web1.example.org", rollover), rollover, ca, names=["web1.example.org"])) == []


@pytest.mark.parametrize(("address", "kept"), [
    ("anna@example.com", True), ("anna@EXAMPLE.com", True), ("Anna@example.com", False), ("anna@a.example.com", False)])
def test_the_local_part_of_a_mailbox_is_case_sensitive(address, kept):
    ca = constrained([x509.RFC822Name("anna@example.com")])
    mail = at_now.issue("anna", ca, purposes=["email"], more=[
        (x509.SubjectAlternativeName([x509.RFC822Name(address)]), False)])
    assert broken(judge(mail, ca, purpose="email", names=[])) == ["rfc5280-name-constraints"] * (not kept)
