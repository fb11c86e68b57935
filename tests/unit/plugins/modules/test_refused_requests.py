# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that csr and selfsigned_cert refuse: one sentence each, nothing written, no secret printed."""

from __future__ import annotations

import functools

import pki
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa
from in_process import PASSPHRASE, WRONG

PAIR = pki.server()


@functools.cache
def odd():
    """A key of a kind that TLS has no certificates for."""
    return dsa.generate_private_key(1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def key(name, **options):
    return {"privatekey_path": f"{{folder}}/{name}.key", **options}


def san(*names):
    return {"subject_alt_name": list(names)}


CSR = [
    (key("locked"), "is encrypted and no privatekey_passphrase is given"),
    (key("locked", regenerate_key="always"), "is encrypted and no privatekey_passphrase is given"),
    (key("locked", privatekey_passphrase=WRONG),
     "privatekey_passphrase is wrong, or the file is damaged. It is left as it is"),
    (key("locked", privatekey_passphrase=WRONG, regenerate_key="mismatch"), "privatekey_passphrase is wrong"),
    (key("plain", privatekey_passphrase=PASSPHRASE), "is not encrypted, though privatekey_passphrase is given"),
    (key("odd"), "is of a kind that certificates for TLS are not made with: use one of EC P-256,"),
    (key("damaged"), "/damaged.key can't be used: "),
    (key("empty"), "/empty.key can't be used: "),
    (key("text"), "/text.key can't be used: "),
    (key("public"), "/public.key can't be used: "),
    ({"privatekey_path": "{folder}/folder"}, "folder can't be written: something that is no file is there"),
    ({"privatekey_path": "/nosuch/a.key"}, "/nosuch/a.key can't be written: the folder /nosuch does not exist"),
    ({"path": "/nosuch/web.csr"}, "/nosuch/web.csr can't be written: the folder /nosuch does not exist; create"),
    (key("plain", path="{folder}/plain.key"), "privatekey_path and path are the same file, "),
    ({"path": "{folder}/folder"}, "can't be written: something that is no file is there"),
    ({"path": "{folder}/link"}, "the folder /nosuch does not exist"),
    (san("web1.example.com"), "'web1.example.com' has no type that is known here: write DNS:web1.example.com"),
    (san("DNS:192.0.2.1"), "'192.0.2.1' is an IP address, which no client looks for among DNS names: write IP:"),
    (san("IP:web1"), "'web1' is no IP address"),
    (san("DNS:w*.example.com"), "a wildcard stands for the whole"),
    (san("DNS:under score.example.com"), "is no host name"),
    (san("DNS:"), "'DNS:' has no name"),
    (san("URI:example.com"), "is no URI"),
    (san("email:admin"), "is no mail address"),
    ({"key_usage": ["everything"]}, "key_usage: 'everything' is not known: use one of digitalSignature, "),
    ({"extended_key_usage": ["webServer"]}, "extended_key_usage: 'webServer' is not known: use one of serverAuth"),
    ({"basic_constraints": ["pathlen:0"]}, "basic_constraints: pathlen is for a CA: add CA:TRUE, or leave it out"),
    ({"country_name": "Germany"}, "subject: C is the two letters of a country (ISO 3166), not 'Germany'"),
    ({"common_name": "w" * 65}, "subject: CN is 65 characters long, and RFC 5280 allows 64"),
    ({"subject": {"XX": "y"}}, "subject: 'XX' is no attribute that is known here"),
    ({"common_name": ...}, "there is neither a subject nor a subject_alt_name: whom is it for?"),
    ({"key_type": "RSA 1024"}, "value of key_type must be one of: EC P-256, "),
    ({"certificate_path": "{folder}/x.crt", "renew_before": "soon"}, "renew_before: "),
    ({"certificate_path": "{folder}/public.key", "ca_content": "a word"}, "ca_content can't be used: "),
    ({"ca_content": PAIR.pem}, "missing parameter(s) required by 'ca_content': certificate_path"),
    ({"privatekey_passphrase": "x" * 1100}, "privatekey_passphrase"),
]


@pytest.mark.parametrize(("options", "sentence"), CSR)
def test_csr(modules, options, sentence):
    for name, pem in {"plain": PAIR.key_pem(), "locked": PAIR.key_pem(PASSPHRASE), "odd": odd()}.items():
        modules.key(f"{name}.key", pem)
    for name, text in {"empty": "", "damaged": PAIR.key_pem()[:-60], "text": "not a key\n", "public": PAIR.pem}.items():
        modules.write(f"{name}.key", text)
    (modules.folder / "folder").mkdir()
    (modules.folder / "link").symlink_to("/nosuch/x.csr")
    given = {"path": "{folder}/web.csr", "privatekey_path": "{folder}/web.key", "common_name": "web1.example.com"}
    assert sentence in modules.refused("csr", {**given, **options})


def mine(**options):
    return {"privatekey_passphrase": PASSPHRASE, **options}


SELFSIGNED = [
    ({}, "is encrypted and no privatekey_passphrase is given"),
    (mine(privatekey_passphrase=WRONG), "privatekey_passphrase is wrong"),
    (mine(not_after="-1d"), "not_after (20"),
    (mine(not_after="soon"), "not_after: 'soon' is no time: "),
    (mine(not_before="2027-02-31"), "not_before: '2027-02-31' is no time: "),
    (mine(not_after="+2d", renew_before="3d"), "renew_before (3d) is not shorter than the validity"),
    (mine(subject_alt_name=["web1"]), "has no type that is known here"),
    (mine(path="/nosuch/web.crt"), "the folder /nosuch does not exist; create it first"),
    (mine(path="/etc"), "/etc can't be written: something that is no file is there"),
    (mine(path="{folder}/web.key"), "privatekey_path and path are the same file, "),
    (mine(purpose="code"), "value of purpose must be one of: server, client, root_ca"),
]


@pytest.mark.parametrize(("options", "sentence"), SELFSIGNED)
def test_selfsigned_cert(modules, options, sentence):
    modules.key("web.key", PAIR.key_pem(PASSPHRASE))
    modules.write("web.crt", "not a certificate\n")
    given = {"path": "{folder}/web.crt", "privatekey_path": "{folder}/web.key", "common_name": "web1"}
    assert sentence in modules.refused("selfsigned_cert", {**given, **options})
