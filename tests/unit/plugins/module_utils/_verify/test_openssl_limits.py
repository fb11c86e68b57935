# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CAs that load and whose certificates OpenSSL refuses. That OpenSSL really does is shown by the integration tests."""
import os

import pki
import pytest
import raw_pki
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl_limits
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

ML_DSA_65 = raw_pki.oid("2.16.840.1.101.3.4.3.18")
ML_DSA = raw_pki.root(spki=raw_pki.tlv(48, raw_pki.tlv(48, ML_DSA_65), raw_pki.tlv(3, b"\0")))


def critical(oid):
    return raw_pki.root(more=[raw_pki.extension(oid, b"\5\0", b"\1\1\xff")])


def told(pair, monkeypatch, release=(3, 0), root="/nowhere"):
    monkeypatch.setattr(openssl_limits, "release", lambda: release)
    return openssl_limits.warnings(x509.parse(pair.der), root)


@pytest.mark.parametrize("kind", ["ec", "rsa", "ed25519"])
def test_usual_cas_need_no_version(kind, monkeypatch):
    """Which would mean to import ssl in each run."""
    monkeypatch.setattr(openssl_limits, "release", None)
    assert openssl_limits.warnings(x509.parse(pki.root(key_type=kind).der), "/nowhere") == []


def test_an_unknown_critical_extension(monkeypatch):
    for release in ((1, 1), (3, 0), (3, 5)):
        assert told(critical("1.2.3.4"), monkeypatch, release) == [
            "OpenSSL refuses every certificate that it issues, because it does not know its critical extension "
            "1.2.3.4: have it reissued without the extension, or with the extension not critical"]
    assert told(critical("2.5.29.36"), monkeypatch) == []
    assert len(told(critical("2.5.29.14"), monkeypatch)) == 1


def test_parameters_of_a_curve_spelled_out(monkeypatch):
    (warning,) = told(raw_pki.explicit_curve_root(), monkeypatch)
    assert "OpenSSL 3.0 refuses every certificate that it issues, because its EC key spells out" in warning
    assert told(raw_pki.explicit_curve_root(), monkeypatch, (1, 1)) == []


def test_keys_of_after_quantum_computers(monkeypatch):
    (warning,) = told(ML_DSA, monkeypatch)
    assert "OpenSSL 3.0 refuses every certificate that it issues" in warning and "3.5 is the first" in warning
    assert told(ML_DSA, monkeypatch, (3, 5)) == []


@pytest.mark.parametrize("path", openssl_limits.CONFIGURATIONS)
def test_a_security_level_that_asks_for_larger_keys(path, tmp_path, monkeypatch):
    full = tmp_path / path.lstrip("/")
    os.makedirs(str(full.parent))
    root, pair = str(tmp_path), pki.root(key_type="rsa")
    for text, expected in (("CipherString = DEFAULT@SECLEVEL=3\n", 3072), ("nothing", 0),
                           ("# @SECLEVEL=3\nx = @SECLEVEL=2:kEECDH\n", 0)):
        full.write_text(u"[system]\n" + text)
        found = told(pair, monkeypatch, root=root)
        assert [str(expected) in one and "its RSA key has 2048 bits" in one for one in found] == [True] * bool(expected)
    full.write_text(u"@SECLEVEL=3")
    assert told(pki.root(), monkeypatch, root=root) == []


def test_a_security_level_that_asks_for_another_curve_or_digest(tmp_path, monkeypatch):
    """SHA-224 has 112 bits of strength, as P-224 has."""
    full = tmp_path / "etc/ssl/openssl.cnf"
    os.makedirs(str(full.parent))
    on_p224 = pki.root(key=ec.generate_private_key(ec.SECP224R1(), default_backend()))
    with_sha224 = pki.root(digest=hashes.SHA224())
    for level, expected in ((2, [0, 0]), (3, [1, 1])):
        full.write_text(u"CipherString = DEFAULT@SECLEVEL=%d\n" % level)
        found = [told(pair, monkeypatch, root=str(tmp_path)) for pair in (on_p224, with_sha224)]
        assert [len(one) for one in found] == expected
    assert "its EC key has 224 bits, and the security level 3, which on EL the crypto policy sets, asks for 256" in (
        found[0][0])
    assert "signed with SHA-224, as this one is, because that has 112 bits, and the security level 3" in found[1][0]


def test_a_key_that_is_nonsense_says_nothing(monkeypatch):
    nonsense = raw_pki.root(spki=raw_pki.tlv(48, raw_pki.tlv(48), raw_pki.tlv(3, b"\0")))
    assert told(nonsense, monkeypatch) == []


def test_the_release_is_that_of_pythons_openssl():
    import ssl
    assert ssl.OPENSSL_VERSION.split()[1].startswith("%d.%d." % openssl_limits.release())
