# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation lists in path validation."""

from __future__ import annotations

import pytest
from cryptography import x509
from webpki_chains import ISSUING, ROOT, WEB, at_now, below, broken, issuing, judge

OF_ROOT = at_now.crl(ROOT)


@pytest.mark.parametrize(("lists", "rule", "sentence"), [
    ([at_now.crl(ISSUING), OF_ROOT], None, None),
    ([at_now.crl(ISSUING, WEB), OF_ROOT], "rfc5280-revoked", "is revoked since 20"),
    ([at_now.crl(ISSUING), at_now.crl(ROOT, ISSUING)], "rfc5280-revoked", "CN=Corp Issuing is revoked since"),
    ([at_now.crl(ISSUING, days=(-9, -3)), OF_ROOT], "rfc5280-crl-expired", "revocation list of CN=Corp Issuing exp"),
    ([at_now.crl(ISSUING, days=(-9, -3)), at_now.crl(ISSUING), OF_ROOT], None, None),
    ([at_now.crl(at_now.root("Other")), OF_ROOT], "rfc5280-crl-missing", "are of CN=Corp Root, CN=Other"),
    ([at_now.crl(at_now.root("Corp Issuing")), OF_ROOT], "rfc5280-crl-signature", "was not signed with the key of the"),
    ([at_now.crl(ISSUING, more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True)]), OF_ROOT],
     "rfc5280-crl-extension", "has the critical extension 1.2.3, which is not known here"),
    ([at_now.crl(ISSUING, more=[(x509.CRLNumber(1), True)]), OF_ROOT], "rfc5280-crl-extension", "has its cRLNumber"),
    ([at_now.crl(ISSUING, more=[(x509.DeltaCRLIndicator(1), True)]), OF_ROOT], "rfc5280-crl-scope", "is a delta list"),
    ([at_now.crl(ISSUING, more=[(x509.IssuingDistributionPoint(None, None, False, True, None, False, False), True)]),
      OF_ROOT], "rfc5280-crl-scope", "is only about CAs"),
])
def test_revocation(lists, rule, sentence):
    verdict = judge(WEB, ISSUING, crls=lists)
    assert broken(verdict) == ([rule] if rule else [])
    assert not rule or sentence in verdict.findings[0].sentence


def test_a_ca_that_may_not_sign_lists():
    ca = issuing(key_usage=["key_cert_sign"])
    assert broken(judge(*below(ca), crls=[at_now.crl(ca), OF_ROOT])) == ["rfc5280-crl-sign"]
