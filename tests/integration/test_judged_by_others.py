# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What csr, selfsigned_cert, signed_cert and crl make, judged by tools that are not ours: OpenSSL, pkilint, GnuTLS.

Each kind of key has a private CA of its own: a root, an issuing CA below it, a server, a client, a revocation list.
"""

from __future__ import annotations

import subprocess
import sys

import judges
import plays
import podman
import pytest

pytestmark = pytest.mark.clients

KINDS = {"p256": "EC P-256", "p384": "EC P-384", "rsa2048": "RSA 2048", "ed25519": "Ed25519"}
PASSPHRASE = "correct horse battery"
ADDRESS = "http://pki.example.com/"

# RFC 5280 section 4.2.1.6 leaves wildcards to others (RFC 9525 section 6.3), and its linter takes them for no names.
WILDCARD = {"ERROR pkix.invalid_domain_name_syntax"}
# What pkilint minds, and a CA of one's own can't or need not meet.
POLICIES = "ERROR cabf.serverauth.{}.certificate_policies_extension_absent"  # the Forum's own, for its members' CAs
ED25519 = {  # RFC 8410; none of the Forum's algorithms, and none that browsers know: chosen by whoever wants it
    "ERROR cabf.serverauth.prohibited_signature_algorithm_encoding",
    "ERROR cabf.serverauth.prohibited_subject_public_key_algorithm_encoding",
}
# The CA's key signs certificates and lists, and no OCSP answers.
NO_OCSP = {"NOTICE cabf.ca_certificate_no_digital_signature_bit"}
INTERNAL = {"ERROR cabf.internal_domain_name", "ERROR cabf.internal_ip_address"}  # which is what such a CA is there for
NAMED = {"WARNING cabf.serverauth.dv.common_name_attribute_present"}  # allowed; asked for, and people look at it
# RFC 5280 section 4.2.1.2: a leaf should have it. The Forum is against it for its size.
IDENTIFIED = {"WARNING cabf.serverauth.subscriber.subject_key_identifier_extension_present"}


def tasks(folder):
    """From nothing to a revoked certificate, on the controller, in the folder of the key's kind."""
    def csr(name, **options):
        return {"fleetpki.host_trust.csr": {
            "path": f"{folder}/{name}.csr", "privatekey_path": f"{folder}/{name}.key", "key_type": "{{ kind }}",
            "return_content": True, **options}, "register": name}

    def signed(name, ca, key, serve, **options):
        # Without a path, nothing is written and no process started.
        return {"fleetpki.host_trust.signed_cert": {
            "csr_content": f"{{{{ {name}.csr }}}}", "ca_content": ca, "ca_privatekey_path": f"{folder}/{key}.key",
            "ca_privatekey_passphrase": PASSPHRASE, "crl_distribution_points": [f"{ADDRESS}{serve}.crl"],
            "ca_issuers": [f"{ADDRESS}{serve}.cer"], **options}, "register": f"{name}_crt"}
    issuing = "{{ issuing_crt.certificate }}"
    return [
        {"fleetpki.host_trust.selfsigned_cert": {
            "path": f"{folder}/root.crt", "privatekey_path": f"{folder}/root.key", "privatekey_passphrase": PASSPHRASE,
            "key_type": "{{ kind }}", "purpose": "root_ca", "return_content": True,
            "subject_ordered": [{"C": "DE"}, {"O": "Corp"}, {"CN": "Corp Root CA"}]}, "register": "root"},
        csr("issuing", privatekey_passphrase=PASSPHRASE,
            subject_ordered=[{"C": "DE"}, {"O": "Corp"}, {"CN": "Corp Issuing CA"}]),
        signed("issuing", "{{ root.certificate }}", "root", "root", purpose="intermediate_ca"),
        csr("server", common_name="web1.example.com", subject_alt_name=[
            "DNS:web1.example.com", "DNS:*.apps.example.com", "IP:192.0.2.1", "DNS:bücher.example"]),
        signed("server", issuing, "issuing", "issuing"),
        csr("nameless", subject_alt_name=["DNS:web2.example.com"]),
        signed("nameless", issuing, "issuing", "issuing"),
        csr("client", common_name="Jane Doe", subject_alt_name=["email:jane@example.com"]),
        signed("client", issuing, "issuing", "issuing", purpose="client"),
        {"fleetpki.host_trust.selfsigned_cert": {
            "path": f"{folder}/alone.crt", "privatekey_path": f"{folder}/alone.key", "key_type": "{{ kind }}",
            "purpose": "server", "subject_alt_name": ["DNS:alone.example.com"], "return_content": True},
         "register": "alone"},
        {"fleetpki.host_trust.crl": {
            "path": f"{folder}/issuing.crl", "ca_content": issuing, "ca_privatekey_path": f"{folder}/issuing.key",
            "ca_privatekey_passphrase": PASSPHRASE, "next_update": "+9d", "revoked": [
                {"serial": "{{ client_crt.serial }}", "reason": "keyCompromise"}, {"serial": "47:11"}]}},
    ]


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """The folders of all kinds of keys, with what the modules made in there."""
    folder = tmp_path_factory.mktemp("judged")
    for kind in KINDS:
        (folder / kind).mkdir()
    play = plays.run(f"{','.join(KINDS)},", tasks(f"{folder}/{{{{ inventory_hostname }}}}"), connection="local", vars={
        "kind": "{{ kinds[inventory_hostname] }}", "kinds": KINDS, "ansible_python_interpreter": sys.executable})
    for kind in KINDS:
        failed = [result["msg"] for result in play.of(kind) if result.get("failed")]
        assert not failed, failed
        for name, result in zip(("issuing", "server", "nameless", "client"), play.of(kind)[2:9:2], strict=True):
            (folder / kind / f"{name}.crt").write_text(result["certificate"])
            (folder / kind / f"{name}.pem").write_text(result["fullchain"])
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_reads_what_was_asked_for(papers, kind):
    """Requests: every field as openssl prints it, and the proof of possession. Certificates: validity and usages."""
    folder = papers / kind
    for name in ("issuing", "server", "nameless", "client"):
        assert "self-signature verify OK" in judges.says(
            "openssl", "req", "-in", folder / f"{name}.csr", "-verify", "-noout")
        assert "Self signature: verified" in judges.says("certtool", "--crq-info", "--infile", folder / f"{name}.csr")
    names = "DNS:web1.example.com, DNS:*.apps.example.com, IP Address:192.0.2.1, DNS:xn--bcher-kva.example"
    request = judges.says("openssl", "req", "-in", folder / "server.csr", "-noout", "-text")
    certificate = judges.says("openssl", "x509", "-in", folder / "server.crt", "-noout", "-text")
    for text in (request, certificate):
        assert "Subject: CN = web1.example.com\n" in text and names in text
        assert {"p256": "NIST CURVE: P-256", "p384": "NIST CURVE: P-384", "rsa2048": "Public-Key: (2048 bit)",
                "ed25519": "ED25519 Public-Key"}[kind] in text
        assert "Signature Algorithm: " + {"p256": "ecdsa-with-SHA256", "p384": "ecdsa-with-SHA384",
                                          "ed25519": "ED25519", "rsa2048": "sha256WithRSAEncryption"}[kind] in text
    lines = [line.strip() for line in certificate.splitlines()]
    for title, value in {"X509v3 Basic Constraints: critical": "CA:FALSE",
                         "X509v3 Key Usage: critical": "Digital Signature",
                         "X509v3 Extended Key Usage:": "TLS Web Server Authentication"}.items():
        assert lines[lines.index(title) + 1] == value
    assert "Issuer: C = DE, O = Corp, CN = Corp Issuing CA" in lines
    assert f"URI:{ADDRESS}issuing.crl" in lines and f"CA Issuers - URI:{ADDRESS}issuing.cer" in lines
    nameless = judges.says("openssl", "x509", "-in", folder / "nameless.crt", "-noout", "-ext", "subjectAltName")
    assert nameless == "X509v3 Subject Alternative Name: critical\n    DNS:web2.example.com\n"
    key = judges.says("openssl", "pkey", "-in", folder / "server.key", "-check", "-noout")
    assert key == "Key is valid\n"
    assert (folder / "issuing.key").read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")


@pytest.mark.parametrize("kind", KINDS)
def test_pkilint_minds_nothing_but_what_is_named_here(papers, kind):
    """RFC 5280: nothing but a wildcard. The CA/Browser Forum's rules: what has no place outside of it."""
    folder = papers / kind
    found = {name: judges.lint("lint_pkix_cert", folder / f"{name}.crt")
             for name in ("root", "issuing", "server", "nameless", "client", "alone")}
    assert found == {**dict.fromkeys(found, set()), "server": WILDCARD}
    for issuer, subject in (("root", "issuing"), ("issuing", "server"), ("issuing", "client")):
        pair = [folder / f"{name}.crt" for name in (issuer, subject)]
        assert not judges.lint("lint_pkix_signer_signee_cert_chain", *pair)
    for profile in ("PKIX", "BR"):
        assert not judges.lint("lint_crl", "-t", "CRL", "-p", profile, folder / "issuing.crl")

    def forum(name, type_):
        return judges.lint("lint_cabf_serverauth_cert", "-t", type_, folder / f"{name}.crt")
    curve = ED25519 if kind == "ed25519" else set()
    leaf = IDENTIFIED | {POLICIES.format("subscriber")} | curve
    assert forum("root", "ROOT-CA") == NO_OCSP | curve
    assert forum("issuing", "INTERNAL-UNCONSTRAINED-TLS-CA") == NO_OCSP | {POLICIES.format("ca")} | curve
    assert forum("server", "DV-FINAL-CERTIFICATE") == leaf | NAMED | INTERNAL
    assert forum("nameless", "DV-FINAL-CERTIFICATE") == leaf


@pytest.mark.parametrize("kind", KINDS)
def test_gnutls_accepts_the_chains_and_for_nothing_else(papers, kind):
    folder = papers / kind
    for name, host, purpose, accepted in (
            ("server", "web1.example.com", "server", True), ("server", "x.apps.example.com", "server", True),
            ("server", "web2.example.com", "server", False), ("server", "web1.example.com", "client", False),
            ("nameless", "web2.example.com", "server", True)):
        assert judges.certtool(folder / f"{name}.pem", folder / "root.crt", host, purpose) is accepted, (name, host)
    lists = judges.says("certtool", "--verify-crl", "--load-ca-certificate", folder / "issuing.crt",
                        "--infile", folder / "issuing.crl")
    assert "Verification output: Verified." in lists and "Revoked certificates (2)" in lists


def test_every_openssl_of_the_hosts_verifies_strictly(papers):
    """1.1.1, 3.0 and 3.5: chains of every kind of key, for their purpose and name, against the revocation list."""
    options = "-x509_strict -verify_depth 2 -crl_check -CRLfile issuing.crl -CAfile root.crt -untrusted issuing.crt"
    script = "\n".join([
        "openssl version", f"for kind in {' '.join(KINDS)}; do cd /judged/$kind",
        f"openssl verify {options} -purpose sslserver -verify_hostname web1.example.com server.crt 2>&1",
        f"openssl verify {options} -purpose sslserver -verify_ip 192.0.2.1 server.crt 2>&1",
        f"openssl verify {options} -purpose sslserver -verify_hostname web2.example.com nameless.crt 2>&1",
        f"openssl verify {options} -purpose sslclient client.crt 2>&1 | grep -o 'certificate revoked'",
        "openssl verify -x509_strict -CAfile root.crt -untrusted issuing.crt -purpose sslclient client.crt 2>&1",
        "openssl verify -x509_strict -CAfile alone.crt -verify_hostname alone.example.com alone.crt 2>&1", "done"])
    wanted = ["server.crt: OK"] * 2 + ["nameless.crt: OK", "certificate revoked", "client.crt: OK", "alone.crt: OK"]
    archive = subprocess.run(["tar", "-C", papers, "-c", "."], capture_output=True, check=True).stdout
    versions = []
    for platform in ("el8", "el9", "el10"):
        with podman.Host("judge", platform) as host:
            host.write("/judged/all.tar", archive)
            version, *said = host.run("sh", "-c", f"tar -C /judged -xf /judged/all.tar; {script}").stdout.splitlines()
            assert said == wanted * len(KINDS), (version, said)
            versions.append(version.split()[1].rpartition(".")[0])
    assert versions == ["1.1", "3.0", "3.5"]
