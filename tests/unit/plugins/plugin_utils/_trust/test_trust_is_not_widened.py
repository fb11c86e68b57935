# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No way through input or options has a leaf, a server's certificate or a download become an anchor by mistake."""

from __future__ import annotations

import itertools
import re
import subprocess

import pki
import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._trust import anchor_list, anchor_policy

ROOT = pki.root("Corp Root CA")
LEAF = pki.server("web1.example.com", ROOT)
SELF_SIGNED = pki.server("web2.example.com")
# CA:TRUE in an extension that is there twice, or in a form that is no DER: some readers see it, others do not.
CA_TRUE, CA_FALSE = bytes.fromhex("0603551d130101ff040530030101ff"), bytes.fromhex("0603551d130101ff04023000")


def patched(pair: pki.Pair, old: bytes, new: bytes) -> bytes:
    """A certificate with bytes exchanged for as many others; its signature is not looked at, as a root's never is."""
    assert len(old) == len(new) and pair.der.count(old) == 1
    return pair.der.replace(old, new)


def encoded(*pairs: pki.Pair, form: str = "DER") -> bytes:
    return pkcs7.serialize_certificates([pair.certificate for pair in pairs], getattr(serialization.Encoding, form))


def trusted_form(*arguments: str) -> bytes:
    """OpenSSL's own form, whose settings of trust p11-kit obeys."""
    return subprocess.run(["openssl", "x509", "-trustout", *arguments], input=ROOT.pem.encode(), capture_output=True,
                          check=True).stdout


def twice() -> bytes:
    """A leaf that says CA:FALSE, and then once more in an extension that was made to look the same."""
    other = pyca.UnrecognizedExtension(pyca.ObjectIdentifier("2.5.29.99"), b"\x30\x03\x01\x01\xff")
    pair = pki.issue("twice", more=[(other, True)])
    return pair.der.replace(bytes.fromhex("0603551d63"), bytes.fromhex("0603551d13"))


NO_CA = "it is not a CA certificate"
INPUTS = {
    "a leaf": (LEAF.pem.encode(), NO_CA),
    "a leaf in DER": (LEAF.der, NO_CA),
    "a server's own": (SELF_SIGNED.pem.encode(), NO_CA),
    "one without basic constraints, as of version 1": (pki.root(basic_constraints=False, key_usage=False).der, NO_CA),
    "a CA that may not sign certificates": (pki.root(key_usage=["crl_sign"]).der, "no keyCertSign"),
    "a leaf behind a CA": ((ROOT.pem + LEAF.pem).encode(), NO_CA),
    "a leaf before a CA, with text around": (b"trust me\n" + (LEAF.pem + "and\n" + ROOT.pem).encode(), NO_CA),
    "a leaf in PKCS#7": (encoded(ROOT, LEAF), NO_CA),
    "a leaf in PKCS#7 in PEM": (encoded(LEAF, ROOT, form="PEM"), NO_CA),
    "PKCS#7 under the label of a certificate": (pem.to_pem(encoded(ROOT, LEAF)).encode(), NO_CA),
    "a leaf in UTF-16": (LEAF.pem.encode("utf-16"), NO_CA),
    "a leaf and its key": ((LEAF.pem + LEAF.key_pem()).encode(), "private key"),
    "a CA and its key": ((ROOT.key_pem() + ROOT.pem).encode(), "private key"),
    "a CA and its encrypted key": ((ROOT.pem + ROOT.key_pem("sesame")).encode(), "private key"),
    "a key in DER": (ROOT.key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                            serialization.NoEncryption()), "private key"),
    "PKCS#12": (pkcs12.serialize_key_and_certificates(b"x", ROOT.key, ROOT.certificate, None,
                                                      serialization.NoEncryption()), "PKCS#12"),
    "trust for nothing": (trusted_form("-addreject", "serverAuth"), "OpenSSL's trusted form"),
    "trust for everything": (trusted_form("-addtrust", "anyExtendedKeyUsage"), "OpenSSL's trusted form"),
    "trust behind a plain certificate": (ROOT.pem.encode() + trusted_form("-addtrust", "serverAuth"), "trusted form"),
    "trust settings under the label of a certificate": (
        trusted_form("-addtrust", "serverAuth").replace(b"TRUSTED ", b""), "stray bytes"),
    "basic constraints twice": (twice(), "malformed"),
    "CA:TRUE in BER": (patched(ROOT, CA_TRUE, CA_TRUE[:-1] + b"\x01"), "malformed"),
    "a block that goes on in the next": (LEAF.pem[:-40].encode() + ROOT.pem.encode(), "no end line"),
    "no certificate": (pki.crl(ROOT).encode(), "no certificate in it"),
    "nothing": (b"", "it is empty"),
}


def refusal(element: dict, data: bytes, **terms: object) -> str:
    given = {**dict.fromkeys(("name", "src", "content", "path", "fingerprint")), "state": "present", **element}
    with pytest.raises(anchor_list.AnchorListError) as error:
        anchor_list.read([given], lambda _src: data, [{"pem": data.decode("ascii", "replace")}],
                         anchor_policy.AnchorPolicy(**terms))
    return str(error.value)


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_no_ca_is_refused_whatever_else_is_allowed(name):
    data, sentence = INPUTS[name]
    for allow_expired, min_remaining in itertools.product((False, True), (0, 86400)):
        said = refusal({"src": "x"}, data, allow_expired=allow_expired, min_remaining=min_remaining)
        assert sentence in said and "BEGIN" not in said


@pytest.mark.parametrize("name", [name for name, (_data, sentence) in INPUTS.items() if sentence != NO_CA
                                  and "keyCertSign" not in sentence])
def test_allowing_what_is_no_ca_allows_nothing_else(name):
    data, sentence = INPUTS[name]
    assert sentence in refusal({"src": "x"}, data, allow_non_ca=True, allow_expired=True)


@pytest.mark.parametrize("way", ["src", "path"])
@pytest.mark.parametrize("address", ["http://pki.example.com/root.crt", "https:/pki.example.com/root.crt", "ftp://x/y",
                                     "file:///root.crt", "HTTPS://x"])
def test_nothing_is_downloaded(way, address):
    said = refusal({way: address}, ROOT.pem.encode())
    assert re.search(r"nothing is downloaded here, .*compare its fingerprint", said) and address in said


def test_a_fingerprint_alone_installs_nothing():
    """Whatever a host holds under it: nobody has judged that."""
    assert "can't be installed" in refusal({"fingerprint": ROOT.fingerprint}, b"")
