# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a certificate and the CAs above it may be used for."""
import pki
from verifying import Corp, verify, why


def test_a_purpose_that_the_extended_key_usage_does_not_have(host):
    client = pki.server("c1", Corp.root, purposes=["client"])
    assert why(client) == "is not for servers: its extended key usage is clientAuth, without serverAuth"
    assert why(client, purpose="email") == (
        "is not for email: its extended key usage is clientAuth, without emailProtection")
    assert not why(client, purpose="client") and not why(client, purpose="any")
    both = pki.server("c2", Corp.root, purposes=["server", "email"])
    assert not why(both, purpose="email")
    assert why(both, purpose="client") == (
        "is not for clients: its extended key usage is serverAuth, emailProtection, without clientAuth")


def test_the_purpose_of_one_certificate(host):
    client = pki.server("c1", Corp.root, purposes=["client"])
    assert not why(client, purpose="client")
    assert verify({"content": client.pem, "purpose": "client"}, purpose="server")[0]["verified"]


def test_a_ca_as_a_server(host):
    assert why(Corp.issuing) == "is not for servers: its key usage is only keyCertSign, cRLSign"


def test_an_intermediate_for_another_purpose(host):
    mail = pki.root("Mail CA", issuer=Corp.root, purposes=["email"])
    assert why(pki.server(issuer=mail), mail) == (
        "CN=Mail CA, sent in the chain, is not for servers: its extended key usage is emailProtection, without "
        "serverAuth")


def test_a_ca(host):
    assert not why(Corp.issuing, purpose="ca")
    assert not why(Corp.root, purpose="ca")
    assert why(Corp.web, Corp.issuing, purpose="ca") == (
        "is not a CA: its basicConstraints do not say CA; may not sign certificates: its key usage lacks keyCertSign")
    assert not why(pki.root("No usage", issuer=Corp.root, key_usage=False), purpose="ca")
    bare = pki.issue("Bare", issuer=Corp.root, basic_constraints=False, key_usage=False)
    assert why(bare, purpose="ca") == "is not a CA: its basicConstraints do not say CA"


def test_a_ca_below_one_that_allows_none(host):
    last = pki.root("Last CA", issuer=Corp.root, path_length=0)
    below = pki.root("Below", issuer=last)
    assert not why(last, purpose="ca")
    assert why(below, last, purpose="ca") == "CN=Last CA allows no CA below it: what this CA issues will be refused"
    assert "CN=Last CA, sent in the chain, allows fewer CAs below it than this chain has" in why(
        pki.server(issuer=below), below, last)
    one = pki.root("One CA", issuer=Corp.root, path_length=1)
    two = pki.root("Two CA", issuer=one)
    assert not why(two, one, purpose="ca")
    assert "CN=One CA allows only 1 CA below it" in why(pki.root("Three CA", issuer=two), two, one, purpose="ca")


def test_an_issuer_that_is_no_ca(host):
    impostor = pki.server("impostor", Corp.root)
    assert why(pki.server(issuer=impostor), impostor) == (
        "CN=impostor, sent in the chain, issued a certificate and is not a CA (its basicConstraints do not say CA)")


def test_an_issuer_that_may_not_sign(host):
    no_sign = pki.issue("No Sign CA", issuer=Corp.root, ca=True, key_usage=["digital_signature"])
    assert why(pki.server(issuer=no_sign), no_sign) == (
        "CN=No Sign CA, sent in the chain, issued a certificate, and its key usage lacks keyCertSign")
