# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's answer becomes when the controller has judged the same chain."""

from __future__ import annotations

import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import certificate as webpki_certificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import verdicts

ROOT = pki.root("Corp Root")


@pytest.fixture
def judge(tmp_path):
    """Judges as the action plugin does, on this machine in the host's place; returns the one result and the answer."""
    def _judge(*chain, anchors=(ROOT,), waive=(), crls=(), fail_on_error=True, **item):
        trust = tmp_path / "trust.pem"
        trust.write_text("".join(pair.pem for pair in anchors))
        item = {"content": "".join(pair.pem for pair in chain), **item}
        answer = verification.verify(
            [item], trust=str(trust), crls=[{"content": text} for text in crls], collect=True)
        answer = verdicts.joined(answer, verdicts.terms(list(waive), fail_on_error))
        return answer["results"][0], answer
    return _judge


def test_both_accept(judge):
    result, answer = judge(pki.server(issuer=ROOT), hostnames=["web1.example.com"])
    assert answer["verified"] and not answer.get("failed") and "crls" not in answer and "material" not in result
    assert answer["msg"].startswith("1 certificate verified against")
    assert {name: verdict["accepted"] for name, verdict in result["verdicts"].items()} == {
        "openssl": True, "strict": True}
    assert result["verdicts"]["strict"]["chain"] == ["CN=web1.example.com", "CN=Corp Root"]


def test_what_only_the_controller_minds(judge):
    old = pki.root("Corp Root", key_usage=False)
    result, answer = judge(pki.server(issuer=old), anchors=[old])
    assert answer["failed"] and not result["verified"] and result["verdicts"]["openssl"]["accepted"]
    assert result["reasons"] == [
        "OpenSSL on this host accepts its chain; it is refused by Python 3.13 and all others that verify with "
        "X509_V_FLAG_X509_STRICT: CN=Corp Root has no keyUsage (rfc5280-ca-key-usage, RFC 5280 section 4.2.1.3)"]
    assert answer["msg"] == f"{result['name']}: {result['reasons'][0]}"
    result, answer = judge(pki.server(issuer=old), anchors=[old], waive=["rfc5280-ca-key-usage"])
    assert answer["verified"] and [one["rule"] for one in result["verdicts"]["strict"]["waived"]] == [
        "rfc5280-ca-key-usage"]
    _result, answer = judge(pki.server(issuer=old), anchors=[old], fail_on_error=False)
    assert not answer["verified"] and "failed" not in answer


def test_what_both_mind_is_said_once(judge):
    result, _answer = judge(pki.server(issuer=ROOT, days=(-9, -3)), hostnames=["other.example.com"])
    assert len(result["reasons"]) == 2 and not result["verdicts"]["strict"]["accepted"], result["reasons"]
    result, _answer = judge(pki.server(issuer=ROOT), hostnames=["other.example.com"])
    assert len(result["reasons"]) == 1 and len(result["verdicts"]["strict"]["reasons"]) == 1
    result, _answer = judge(pki.server(issuer=ROOT, days=(-9, -3), key_type="rsa1024"))
    assert len(result["reasons"]) == 2
    assert result["reasons"][1].startswith("besides, it is refused by Chrome, Safari and Firefox: has an RSA key of")


def test_what_only_openssl_minds(judge):
    issuing = pki.root("Corp Issuing", issuer=ROOT)
    result, _answer = judge(pki.server(issuer=issuing), anchors=[issuing])
    assert not result["verified"] and result["verdicts"]["strict"]["accepted"]
    assert result["reasons"][-1] == (
        "OpenSSL on this host refuses its chain; by the rules that browsers, Go and rustls have it is good")


def test_revocation_by_both(judge):
    web = pki.server(issuer=ROOT)
    assert judge(web, crls=[pki.crl(ROOT)])[1]["verified"]
    result, _answer = judge(web, crls=[pki.crl(ROOT, web)])
    assert result["reasons"] == ["is revoked"]
    assert result["verdicts"]["strict"]["findings"][0]["rule"] == "rfc5280-revoked"


def test_a_file_that_can_t_be_read_has_no_verdicts(judge):
    result, _answer = judge(ROOT, path="/nosuch", content=None)
    assert result["verdicts"] == {} and result["reasons"] == ["there is no such file"]


def test_only_anchors_that_can_matter_are_sent(tmp_path):
    issuing = pki.root("Corp Issuing", issuer=ROOT)
    (tmp_path / "trust.pem").write_text(pki.root("Other").pem + ROOT.pem + issuing.pem)
    answer = verification.verify([{"content": pki.server(issuer=issuing).pem}], trust=str(tmp_path / "trust.pem"),
                                 collect=True)
    assert len(answer["results"][0]["material"]["anchors"]) == 2


def test_terms_that_can_t_be(monkeypatch):
    with pytest.raises(ValueError, match="there is no rule 'x'"):
        verdicts.terms(["x"], True)
    monkeypatch.setattr(webpki_certificate, "cryptography_version", "43.0.0")
    with pytest.raises(ValueError, match="or say 'engine: host'"):
        verdicts.terms([], True)
