# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that signed_cert, crl and cert_install refuse: one sentence each, nothing written, no secret printed."""

from __future__ import annotations

import base64

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.x509.oid import NameOID
from in_process import PASSPHRASE, WRONG

ROOT = pki.root()
ISSUING = pki.issue("Corp Issuing CA", ROOT, ca=True, path_length=0)
LEAF = pki.server(issuer=ISSUING)
EXCHANGE = x25519.X25519PrivateKey.generate().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def request(key, subject="web.example.com", ca=False, spoilt=False):
    """A request as PEM; spoilt: with a signature that is none."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else []))
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    der = bytearray(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= spoilt
    return "-----BEGIN CERTIFICATE REQUEST-----\n%s-----END CERTIFICATE REQUEST-----\n" % (
        base64.encodebytes(bytes(der)).decode())


GOOD = request(LEAF.key)
NO_CA = {"ca_path": ..., "ca_privatekey_path": ..., "ca_privatekey_passphrase": ...}


def by(pair, key=None, **options):
    """A CA in the options."""
    return {**NO_CA, "ca_content": pair.pem, "ca_privatekey_content": key or pair.key_pem(), **options}


SIGNED = [
    ({"ca_privatekey_passphrase": ...}, "is encrypted and no ca_privatekey_passphrase is given"),
    ({"ca_privatekey_passphrase": WRONG}, "can't be decrypted: ca_privatekey_passphrase is wrong, or the"),
    (lambda: by(pki.root("Old CA", days=(-9, -2)), ca_privatekey_passphrase=PASSPHRASE), "(CN=Old CA (SHA-256 "),
    (by(ROOT, ca_privatekey_passphrase=PASSPHRASE),
     "ca_privatekey_content is not encrypted, though ca_privatekey_passphrase is given: leave the passphrase out"),
    (lambda: by(pki.root("Old CA", days=(-9, -2))), "can't sign: it expired 2 days ago ("),
    (by(LEAF), "can't sign: it is not a CA's (no CA:TRUE in its basic constraints)"),
    (by(pki.root(key_usage=["crl_sign"])), "can't sign: its key usage has no keyCertSign"),
    (lambda: by(pki.root(days=(1, 2))), "can't sign: it is not valid before "),
    (by(ROOT, LEAF.key_pem()), "the private key ca_privatekey_content does not belong to the CA's certif"),
    (by(ROOT, EXCHANGE), "is of a kind that certificates for TLS are not made with: use one of EC P-256,"),
    (by(ROOT, LEAF.key_pem()[:90]), "ca_privatekey_content can't be used: "),
    (by(ROOT, "a word"), "ca_privatekey_content can't be used: "),
    ({"ca_path": ..., "ca_content": "a word"}, "the CA's certificate ca_content can't be used: there is no ce"),
    ({"csr_content": request(LEAF.key, spoilt=True)}, "can't be signed: its own signature is wrong, so that no"),
    ({"csr_content": LEAF.pem}, "there is no certificate signing request in it, but: CERTIFICATE"),
    ({"csr_content": GOOD[:200]}, "the request csr_content can't be signed: "),
    ({"csr_content": request(pki.new_key("rsa1024"))},
     "its key is RSA 1024, and current clients refuse that; use one of EC P-256"),
    ({"csr_content": request(LEAF.key, "")}, "has no subject_alt_name, which is where clients look for"),
    ({"csr_content": request(LEAF.key, "Jane Doe")}, "(CN=Jane Doe) has no subject_alt_name"),
    ({"csr_content": request(LEAF.key, ca=True), "honour": ["subject", "basic_constraints"]},
     "asks for a CA (CA:TRUE), and purpose=server makes none: leave that out of 'honour'"),
    ({"purpose": "intermediate_ca"}, "has pathlen:0 and can't issue a CA with pathlen:0"),
    ({"not_after": "-1d"}, "not_after (20"),
    ({"not_after": "next week"}, "not_after: 'next week' is no time: "),
    ({"not_after": "+20d", "renew_before": "30d"}, "renew_before (30d) is not shorter than the validity"),
    ({"honour": ["everything"]}, "value of honour must be one or more of: subject, "),
    ({"csr_content": ...}, "one of the following is required: csr_path, csr_content"),
    ({"csr_content": ..., "csr_path": "/nosuch.csr"}, "the request /nosuch.csr can't be signed: there is no such"),
    ({"ca_path": "/nosuch.crt"}, "the CA's certificate /nosuch.crt can't be used: there is no such file"),
    ({"ca_privatekey_path": "/nosuch.key"}, "the private key /nosuch.key can't be used: there is no such file"),
    ({"path": "/nosuch/web.crt"}, "/nosuch/web.crt can't be written: the folder /nosuch does not exist; create it"),
    ({"path": "{folder}/issuing.key"}, "path and ca_privatekey_path are the same file, "),
    ({"fullchain_path": "{folder}/web.crt"}, "path and fullchain_path are the same file, "),
    ({"fullchain_path": "/etc"}, "/etc can't be written: something that is no file is there"),
]


def ca(modules):
    """An issuing CA in the folder; returns what its key is found by."""
    modules.key("issuing.key", ISSUING.key_pem(PASSPHRASE))
    modules.write("issuing.pem", ISSUING.pem + ROOT.pem)
    return {"ca_path": "{folder}/issuing.pem", "ca_privatekey_path": "{folder}/issuing.key",
            "ca_privatekey_passphrase": PASSPHRASE}


@pytest.mark.parametrize(("options", "sentence"), SIGNED)
def test_signed_cert(modules, options, sentence):
    given = {"csr_content": GOOD, "path": "{folder}/web.crt", "fullchain_path": "{folder}/web.pem", **ca(modules),
             **(options() if callable(options) else options)}
    keys = [key for key in [given.get("ca_privatekey_content", "")] if "-----END" in key]
    assert sentence in modules.refused("signed_cert", given, LEAF.key_pem(), *keys)


UNENCRYPTED = {"ca_privatekey_path": ..., "ca_privatekey_passphrase": ...}
CRL = [
    ({"revoked": [{"serial": "xyz"}]}, "revoked: 'xyz' is no serial number: write its hexadecimal digits, in"),
    ({"revoked": [{"serial": "0"}]}, "revoked: '0' is no serial number"),
    ({"revoked": [{"serial": "1", "reason": "stolen"}]}, "value of reason must be one of: unspecified, keyComp"),
    ({"revoked": [{"serial": "1", "revocation_date": "once"}]}, "revocation_date: 'once' is no time: "),
    ({"next_update": "+5d"}, "renew_before (7d) is not shorter than next_update (+5d) is away: every run"),
    ({"next_update": "never"}, "next_update: 'never' is no time: "),
    ({"ca_privatekey_passphrase": ...}, "is encrypted and no ca_privatekey_passphrase is given"),
    ({"ca_privatekey_passphrase": WRONG}, "ca_privatekey_passphrase is wrong"),
    ({**UNENCRYPTED, "ca_privatekey_content": ROOT.key_pem()}, "does not belong to the CA's certificate "),
    ({"ca_path": "{folder}/web.crt"}, "can't sign: it is not a CA's"),
    ({"ca_path": ..., "ca_content": pki.root(key_usage=["key_cert_sign"]).pem}, "its key usage has no cRLSign"),
    ({"ca_path": "/nosuch.crt"}, "/nosuch.crt can't be used: there is no such file"),
    ({"path": "/nosuch/a.crl"}, "the folder /nosuch does not exist; create it first"),
    ({"path": "{folder}/issuing.key"}, "path and ca_privatekey_path are the same file, "),
    ({"path": "/etc"}, "/etc can't be written: something that is no file is there"),
]


@pytest.mark.parametrize(("options", "sentence"), CRL)
def test_crl(modules, options, sentence):
    given = {"path": "{folder}/issuing.crl", **ca(modules)}
    modules.write("web.crt", LEAF.pem)
    modules.write("issuing.crl", pki.crl(ISSUING, LEAF))
    assert sentence in modules.refused("crl", {**given, **options}, ISSUING.key_pem(), ROOT.key_pem())


NAME = "web1.example.com"
FULL = LEAF.pem + ISSUING.pem
OLD, OTHER = pki.server(issuer=ISSUING, key=LEAF.key, days=(-300, 60)), pki.server(issuer=ISSUING)


def renewed(**options):
    return {"content": pki.server(issuer=ISSUING, key=LEAF.key, **options).pem + ISSUING.pem}


INSTALL = [
    ({"content": OTHER.pem + ISSUING.pem, "src": ["other.crt"]},
     f"/web.key (offered: src other.crt: CN={NAME} (SHA-256 {OTHER.fingerprint[:16]}...)): was the request"),
    ({"content": LEAF.pem}, "issuer CN=Corp Issuing CA is not among the anchors in trust_content (in the role "),
    (lambda: renewed(days=(-200, -3)), "expired 3 days ago"),
    (lambda: renewed(days=(3.5, 9)), "is not yet valid"),
    ({"subject_alt_name": ["DNS:www.example.com"]}, f"asked for www.example.com, the certificate is for {NAME}"),
    (lambda: renewed(purposes=["client"]), "is not for servers"),
    ({"min_remaining": "90w"}, "sooner than min_remaining=90w allows"),
    ({"path": "/nosuch/web.crt"}, "the folder /nosuch does not exist; create it first"),
    ({"privatekey_path": "/nosuch/a.key"}, "/nosuch/a.key can't be used: there is no such file"),
    ({"content": LEAF.pem + LEAF.key_pem()}, "content: there is a private key in it"),
    ({"content": ""}, "content: it is empty"),
    ({"path": "", "trust": "/nosuch"}, "mutually exclusive: trust|trust_content"),
    ({"path": ..., "chain_path": ..., "fullchain_path": ...},
     "one of the following is required: path, chain_path, fullchain_path"),
]


@pytest.mark.parametrize(("options", "sentence"), INSTALL)
def test_cert_install(modules, options, sentence):
    modules.key("web.key", LEAF.key_pem())
    given = {"path": "{folder}/web.crt", "chain_path": "{folder}/chain.crt", "fullchain_path": "{folder}/full.crt",
             "privatekey_path": "{folder}/web.key", "content": FULL, "trust_content": ROOT.pem}
    for name, text in {"web.crt": OLD.pem, "chain.crt": ISSUING.pem, "full.crt": OLD.pem + ISSUING.pem}.items():
        modules.write(name, text)
    given.update(options() if callable(options) else options)
    assert sentence in modules.refused("cert_install", given)


def test_good_options_are_not_refused(modules):
    """The same modules write here what they are asked for: a refusal that changes nothing is one of theirs."""
    by_ca, request = ca(modules), {"path": "{folder}/a.csr", "privatekey_path": "{folder}/a.key"}
    for name, options in (
        ("csr", {**request, "common_name": "a.example.com"}),
        ("signed_cert", {"path": "{folder}/a.crt", "csr_path": "{folder}/a.csr", **by_ca}),
        ("cert_install", {"path": "{folder}/b.crt", "privatekey_path": "{folder}/a.key", "trust_content": ROOT.pem}),
        ("crl", {"path": "{folder}/a.crl", **by_ca}),
        ("selfsigned_cert", {"path": "{folder}/c.crt", "privatekey_path": "{folder}/a.key", "common_name": "c"}),
    ):
        if name == "cert_install":
            options["content"] = (modules.folder / "a.crt").read_text() + ISSUING.pem
        done, printed = modules.run(name, options)
        assert done["changed"] and PASSPHRASE not in printed, printed
    written = {"a.csr", "a.key", "a.crt", "b.crt", "a.crl", "c.crt"}
    assert written < {path.name for path in modules.folder.iterdir()}
