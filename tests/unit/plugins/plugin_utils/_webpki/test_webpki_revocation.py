# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revocation lists in path validation."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from webpki_chains import ISSUING, ROOT, WEB, at_now, below, broken, issuing, judge

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import certificate as webpki_certificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import crls

OF_ROOT = at_now.crl(ROOT)


@pytest.mark.parametrize(("lists", "rule", "sentence"), [
    ([at_now.crl(ISSUING), OF_ROOT], None, None),
    ([at_now.crl(ISSUING, WEB), OF_ROOT], "rfc5280-revoked", "is revoked since 20"),
    ([at_now.crl(ISSUING), at_now.crl(ROOT, ISSUING)], "rfc5280-revoked", "CN=Corp Issuing is revoked since"),
    ([at_now.crl(ISSUING, days=(-9, -3)), OF_ROOT], "rfc5280-crl-expired", "revocation list of CN=Corp Issuing exp"),
    ([at_now.crl(ISSUING, days=(-9, -3)), at_now.crl(ISSUING), OF_ROOT], None, None),
    ([at_now.crl(ISSUING, WEB, days=(-9, -3)), at_now.crl(ISSUING), OF_ROOT], "rfc5280-revoked", "is revoked since 20"),
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


def listing(*reasons):
    """A list of the issuing CA with an entry for WEB for each reason."""
    now = datetime.datetime(2030, 1, 1)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ISSUING.certificate.subject)
    builder = builder.last_update(now).next_update(now + datetime.timedelta(days=1))
    for reason in reasons:
        builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(
            WEB.certificate.serial_number).revocation_date(now).add_extension(x509.CRLReason(reason), False).build())
    return crls.read(builder.sign(ISSUING.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def test_remove_from_crl_is_no_revocation():
    web = webpki_certificate.read(WEB.der)
    assert crls._entry(listing(x509.ReasonFlags.remove_from_crl), web) is None
    assert crls._entry(listing(x509.ReasonFlags.certificate_hold), web) is not None
    assert crls._entry(listing(), web) is None


def test_a_list_is_valid_from_its_first_through_its_last_second():
    one = listing()
    begin, end = one.object.last_update_utc.timestamp(), one.object.next_update_utc.timestamp()
    assert [*crls._dates(one, begin), *crls._dates(one, end)] == []
    for now, sentence in ((begin - 1, "begins only at 2030-01-01T00:00:00Z"), (end + 1, "expired at 2030-01-02T00:00")):
        (found,) = crls._dates(one, now)
        assert found.rule == "rfc5280-crl-expired" and sentence in found.sentence
