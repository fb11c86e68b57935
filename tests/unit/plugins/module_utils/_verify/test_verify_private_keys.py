# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private key that belongs to a certificate."""
import os
import subprocess

import pki
from verifying import Corp, verify, why, write

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


def key(host, pair, passphrase=None, mode=0o600):
    path = host / "web1.key"
    path.write_text(pair.key_pem(passphrase))
    path.chmod(mode)
    return str(path)


def test_the_private_key_belongs_to_it(host):
    web = pki.server(issuer=Corp.root)
    for passphrase in (None, "secret"):
        result, message = verify({"content": web.pem, "privatekey_path": key(host, web, passphrase),
                                  "privatekey_passphrase": passphrase})
        assert result["verified"], message
        assert result["private_key_matches"] is True and not result["warnings"]


def test_the_private_key_in_the_file_of_the_certificate(host):
    path = write(host / "both.pem", Corp.web, Corp.issuing, Corp.web.key_pem())
    os.chmod(path, 0o600)
    assert verify({"path": path, "privatekey_path": path})[0]["private_key_matches"] is True
    assert verify({"path": path})[0]["private_key_matches"] is None


def test_the_private_key_of_another_certificate(host):
    path = key(host, pki.server())
    result, _message = verify({"content": Corp.web.pem + Corp.issuing.pem, "privatekey_path": path})
    assert result["reasons"] == ["the private key %s belongs to another certificate" % path]
    assert result["private_key_matches"] is False


def test_a_private_key_that_can_not_be_used(host):
    web = pki.server(issuer=Corp.root)
    path = key(host, web, "secret")
    begin = "the private key %s can't be used: " % path
    assert why(web, privatekey_path=path) == begin + "it is encrypted and no privatekey_passphrase is given"
    assert why(web, privatekey_path=path, privatekey_passphrase="wrong") == (
        begin + "it can't be decrypted: privatekey_passphrase is wrong, or the file is damaged")
    assert why(web, privatekey_path="/nosuch") == "the private key /nosuch can't be used: there is no such file"
    assert verify({"content": web.pem, "privatekey_path": path})[0]["private_key_matches"] is None


def test_a_private_key_that_everybody_can_read(host):
    web = pki.server(issuer=Corp.root)
    path = key(host, web, mode=0o644)
    result, _message = verify({"content": web.pem, "privatekey_path": path})
    assert result["verified"]
    assert result["warnings"] == ["the private key %s is readable by every user of the host" % path]


def test_an_rsa_pss_certificate_with_its_key_stored_as_plain_rsa(host):
    pss, plain, cert = str(host / "pss.key"), host / "plain.key", str(host / "pss.crt")
    subprocess.check_output(["openssl", "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048",
                             "-out", pss], stderr=subprocess.STDOUT)
    subprocess.check_call(["openssl", "req", "-x509", "-new", "-key", pss, "-subj", "/CN=pss", "-out", cert])
    data = pem.decode(next(pem.any_blocks((host / "pss.key").read_bytes())))
    plain.write_bytes(data[data.index(b"\x30\x82", 20):])  # the RSAPrivateKey within the PKCS#8
    plain.chmod(0o600)
    result, _message = verify({"path": cert, "privatekey_path": pss}, trust=cert)
    assert result["verified"] and result["private_key_matches"] is True
    result, _message = verify({"path": cert, "privatekey_path": str(plain)}, trust=cert)
    assert result["reasons"] == [
        "the private key %s fits by its numbers, but is stored as RSA where the certificate says RSA-PSS: OpenSSL "
        "refuses to use the two together" % plain]
    assert result["private_key_matches"] is False
