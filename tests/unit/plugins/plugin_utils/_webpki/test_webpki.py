# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Path validation: good chains break no rule; what is waived, and what is asked beside the rules."""

from __future__ import annotations

import datetime

import pki
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from webpki_chains import ISSUING, NAME, NOW, ROOT, WEB, at_now, below, broken, constrained, issuing, judge

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import certificate as webpki_certificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import rules, validate


def test_good_chains():
    web = at_now.server(issuer=ISSUING, ips=["192.0.2.1"])
    verdict = judge(web, ISSUING, ips=["192.0.2.1"])
    assert verdict == validate.StrictVerdict(True, [], [], [f"CN={NAME}", "CN=Corp Issuing", "CN=Corp Root"])
    assert judge(web, ISSUING, ROOT).accepted  # with its root sent along
    assert judge(web, anchors=[ISSUING]).accepted  # an intermediate as the only anchor
    assert judge(web, ISSUING, names=[]).accepted
    assert judge(ISSUING, purpose="ca", names=[]).accepted
    assert judge(ROOT, purpose="ca", names=[]).accepted
    assert judge(at_now.issue("anna", ISSUING, purposes=["client"]), ISSUING, purpose="client", names=[]).accepted
    assert judge(at_now.issue("anything", ISSUING), ISSUING, purpose="any", names=[]).accepted


def test_self_issued_and_trusted_itself():
    old = at_now.root("Corp Root")
    rollover = at_now.issue("Corp Root", old, ca=True, key=ROOT.key, path_length=0)
    assert rollover.certificate.issuer == rollover.certificate.subject
    assert judge(at_now.server(issuer=ROOT), rollover, anchors=[old]).accepted
    assert judge(at_now.issue("x", purposes=["server"], dns=[NAME]), anchors=[]).findings[0].rule == "rfc5280-no-path"
    own = at_now.server()
    assert judge(own, anchors=[own]).accepted


def test_another_path_is_taken_where_a_rule_refuses_the_first():
    """Two certificates of the same CA: that which breaks a rule comes first."""
    bad = issuing(key=ISSUING.key, key_usage=False)
    web = at_now.server(issuer=ISSUING)
    assert judge(web, bad, ISSUING).accepted and judge(web, ISSUING, bad).accepted
    assert broken(judge(web, bad)) == ["rfc5280-ca-key-usage"]


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


def test_path_length_and_depth():
    top = at_now.root("Top", issuer=ROOT, path_length=0)
    low = at_now.root("Low", issuer=top)
    verdict = judge(at_now.server(issuer=low), low, top)
    assert [one.sentence for one in verdict.findings] == ["CN=Top allows no CA below it, and this chain has 1"]
    assert broken(judge(low, top, purpose="ca", names=[])) == []  # the last one is not counted
    top = at_now.root("Top", issuer=ROOT)
    low = at_now.root("Low", issuer=top)
    assert judge(at_now.server(issuer=low), low, top, max_intermediates=2).accepted
    assert broken(judge(at_now.server(issuer=low), low, top, max_intermediates=1)) == ["rfc5280-too-long"]


def test_waived():
    chain = below(issuing(key_usage=False))
    verdict = judge(*chain, waive=["rfc5280-ca-key-usage"])
    assert verdict.accepted and [one.rule for one in verdict.waived] == ["rfc5280-ca-key-usage"]
    assert broken(judge(*chain, names=["a"], waive=["rfc5280-ca-key-usage"])) == ["rfc9525-names"]
    assert rules.not_waivable(["rfc5280-aki", "rfc5280-ca-keyusage", "rfc5280-signature"]) == [
        "waive: there is no rule 'rfc5280-ca-keyusage'; is 'rfc5280-ca-key-usage' meant?",
        "waive: rfc5280-signature can't be waived: what breaks it is refused by every current TLS client"]


def test_pyca_is_asked_last(monkeypatch):
    monkeypatch.setattr(validate.name_constraints, "of_path", lambda path: ())
    verdict = judge(*below(constrained([x509.DNSName("example.org")])))
    assert broken(verdict) == ["pyca-verifier"] and "is refused by pyca/cryptography" in verdict.findings[0].sentence
    verdict = judge(*below(constrained([x509.DNSName("example.org")])), purpose="any", names=[])
    assert broken(verdict) == ["pyca-verifier"]


def test_what_is_no_certificate_or_list():
    assert broken(judge(b"\x30\x00")) == ["rfc5280-malformed"]
    assert judge(WEB, ISSUING, b"\x30\x00").accepted  # nothing on the path
    question = validate.Question([NAME], [], "server", NOW)
    verdict = validate.judge(WEB.der, [ISSUING.der], [ROOT.der], question, [b"\x30\x00"])
    assert "rfc5280-crl-malformed" in broken(verdict)
    listed = x509.load_pem_x509_crl(at_now.crl(ROOT).encode()).public_bytes(Encoding.DER)
    odd = listed.replace(b"\2\1\1", b"\2\1\7", 1)  # its version
    assert "rfc5280-crl-malformed" in broken(validate.judge(WEB.der, [ISSUING.der], [ROOT.der], question, [odd]))


def test_a_controller_with_an_old_cryptography(monkeypatch):
    assert validate.unable() is None
    monkeypatch.setattr(webpki_certificate, "cryptography_version", "43.0.0")
    remedy = "there it has 43.0.0: install it (pip install 'cryptography>=49'), or say 'engine: host'"
    assert remedy in validate.unable()
    monkeypatch.setattr(webpki_certificate, "cryptography_version", "")
    assert "there it has none" in validate.unable()
