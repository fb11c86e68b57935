# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences on what this machine's OpenSSL does not say. test_verification_*.py have the others."""
import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains

NOW = 2000000000
at_now = pki.At(NOW)
ROOT = at_now.root("Corp Root CA")
WEB = at_now.server(issuer=ROOT)


def store(*anchors):
    anchors = [x509.parse(pair.der) for pair in anchors]
    return verify_reasons.TrustedStore(openssl.Trust(None, "/cert.pem", "/certs"), anchors, chains.index(anchors), [])


def test_near_names_of_which_two_look_alike_are_written_out():
    near = [pki.root([("O", "One"), ("CN", "Corp Root CB")]), pki.root([("O", "Two"), ("CN", "CORP Root CB")]),
            pki.root([("O", "Three"), ("CN", "Corp Root CC")])]
    anchors = [x509.parse(pair.der) for pair in near]
    assert verify_reasons.names(anchors) == "CN=Corp Root CB, CN=CORP Root CB, CN=Corp Root CC"
    assert verify_reasons.names(anchors[:1] * 2) == "CN=Corp Root CB,O=One, CN=Corp Root CB,O=One"


def test_a_sha1_signature_is_named():
    """Hosts refuse SHA-1 by policy, which differs from one to the next; so the sentence is asked for itself."""
    certificate = x509.parse(at_now.server(issuer=ROOT).der)._replace(signature="1.2.840.113549.1.1.5")
    links = [chains.Link(certificate, "x", "certificate"), chains.Link(x509.parse(ROOT.der), "y", "trust")]
    verdict = openssl.parse_verdict([], 2, "error 7 at 0 depth lookup: certificate signature failure\n")
    assert verify_reasons.of_verdict(verdict, links, [], store(), "server", NOW) == [
        "is signed with SHA-1, which this host's OpenSSL may refuse, or its signature is not by the key of "
        "CN=Corp Root CA"]
    assert verify_reasons.warnings(links, [], "server", []) == ["is signed with SHA-1, which TLS clients refuse"]


@pytest.mark.parametrize("printed, sentence", [
    ("error 24 at 0 depth lookup: invalid CA certificate", "issued a certificate and is not a CA (its basicConstraints "
                                                           "do not say CA)"),
    ("error 24 at 0 depth lookup: issuer certificate doesn't have a public key",
     "issuer certificate doesn't have a public key (OpenSSL error 24)"),
    ("error 66 at 0 depth lookup: EE certificate key too weak",
     "has a key that is too small for this host's OpenSSL (its security level, which on EL the crypto policy sets): "
     "have it reissued for a larger one"),
    ("error 68 at 0 depth lookup: CA signature digest algorithm too weak",
     "is signed with a digest that is too weak for this host's OpenSSL (its security level, which on EL the crypto "
     "policy sets): have it reissued"),
    ("error 47 at 0 depth lookup: permitted subtree violation",
     "has a name that a CA above it is not permitted to issue for (name constraints)"),
    ("error 999 at 0 depth lookup: news", "news (OpenSSL error 999)"),
    ("error 20 at 7 depth lookup: unable to get local issuer certificate",
     "unable to get local issuer certificate (OpenSSL error 20 at depth 7)"),
    ("Error loading file /cert.pem\n40E7:error:8000", "openssl could not judge it: Error loading file /cert.pem"),
    ("", "openssl could not judge it: it printed nothing"),
])
def test_words_of_other_versions(printed, sentence):
    links = [chains.Link(x509.parse(WEB.der), "CN=web1.example.com", "certificate")]
    verdict = openssl.parse_verdict([], 2, printed)
    assert verify_reasons.of_verdict(verdict, links, [], store(), "server", NOW) == [sentence]


def test_no_answer_in_time():
    links = [chains.Link(x509.parse(WEB.der), "CN=web1.example.com", "certificate")]
    assert verify_reasons.of_verdict(openssl.parse_verdict([], None, ""), links, [], store(), "server", NOW) == [
        "openssl gave no answer within 60 s: is the host overloaded, or does a file system hang?"]


def test_boundaries_of_validity_and_min_remaining():
    certificate = x509.parse(WEB.der)
    links = [chains.Link(certificate, "CN=web1.example.com", "certificate")]
    assert verify_reasons.validity(certificate, certificate.not_before) is None
    assert verify_reasons.validity(certificate, certificate.not_before - 1).startswith("is not yet valid, begins in")
    assert verify_reasons.validity(certificate, certificate.not_after) is None
    assert verify_reasons.validity(certificate, certificate.not_after + 1).startswith("expired")
    assert verify_reasons.too_short(links, "1d", store(), certificate.not_after - 86400) == []
    assert len(verify_reasons.too_short(links, "1d", store(), certificate.not_after - 86399)) == 1
