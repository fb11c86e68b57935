# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""With this machine's openssl, and with what others print."""
import os
import subprocess

import pki
import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

OLD = openssl.OpenSSL("/usr/bin/openssl", "OpenSSL 1.1.1k  FIPS 25 Mar 2021", (1, 1, 1), "/etc/pki/tls")
NEW = openssl.OpenSSL("/usr/bin/openssl", "OpenSSL 3.5.1 1 Jul 2025", (3, 5, 1), "/etc/pki/tls")
PASSPHRASE = u"s\u00e9same, ouvre toi"


@pytest.fixture(scope="module")
def program():
    return openssl.find()


def stub(path, script):
    """A program that stands in for openssl."""
    path.write_text(u"#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(path)


# --- the program ---

def test_find_this_machine_s(program):
    assert os.access(program.command, os.X_OK)
    assert program.version.startswith("OpenSSL ")
    assert program.release >= (1, 1, 0)
    assert os.path.isdir(program.directory)


@pytest.mark.parametrize("printed, release", [
    ("OpenSSL 1.1.1k  FIPS 25 Mar 2021", (1, 1, 1)),
    ("OpenSSL 3.5.1 1 Jul 2025 (Library: OpenSSL 3.5.1 1 Jul 2025)", (3, 5, 1)),
])
def test_versions_as_el_prints_them(tmp_path, monkeypatch, printed, release):
    stub(tmp_path / "openssl", u"echo '%s'; echo 'OPENSSLDIR: \"/etc/pki/tls\"'" % printed)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert openssl.find() == openssl.OpenSSL(str(tmp_path / "openssl"), printed, release, "/etc/pki/tls")


def test_a_host_without_it_is_told_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(openssl, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(openssl.OpensslMissing, match="no 'openssl' on this host: install the package 'openssl'"):
        openssl.find()


@pytest.mark.parametrize("printed", ["LibreSSL 3.8.2", "OpenSSL 1.0.2k-fips  26 Jan 2017", "garbage"])
def test_what_is_too_old_or_something_else_is_named(tmp_path, monkeypatch, printed):
    stub(tmp_path / "openssl", u"echo '%s'; echo 'OPENSSLDIR: \"/etc\"'" % printed)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(openssl.OpensslMissing, match="is .%s.*1.1.0 or later is needed" % printed[:8]):
        openssl.find()


def test_one_that_cannot_be_started_is_named(tmp_path, monkeypatch):
    path = stub(tmp_path / "openssl", u"")
    (tmp_path / "openssl").write_text("#!/nosuch/interpreter\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(openssl.OpensslMissing, match="%s can't be started: No such file or directory; install" % path):
        openssl.find()


# --- where the trust lies ---

def test_default_trust_is_below_openssldir(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    assert openssl.trust_at(None, OLD) == (None, "/etc/pki/tls/cert.pem", "/etc/pki/tls/certs")


def test_default_trust_follows_the_environment(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/a.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/b:/c")
    assert openssl.trust_at(None, OLD) == (None, "/a.pem", "/b:/c")


def test_given_trust_is_a_file_or_a_directory(tmp_path):
    assert openssl.trust_at(str(tmp_path), OLD) == (str(tmp_path), None, str(tmp_path))
    assert openssl.trust_at(str(tmp_path / "x.pem"), OLD) == (str(tmp_path / "x.pem"), str(tmp_path / "x.pem"), None)


def test_trust_files_are_the_hashed_names_alone(tmp_path):
    for name in ["0a1b2c3d.0", "0a1b2c3d.1", "0a1b2c3d.r0", "root.pem", "0A1B2C3D.0", "x0a1b2c3d.0"]:
        (tmp_path / name).write_text(u"")
    files = [str(tmp_path / "0a1b2c3d.0"), str(tmp_path / "0a1b2c3d.1")]
    assert openssl.trust_files(openssl.Trust(str(tmp_path), None, str(tmp_path))) == files
    several = "/nosuch::%s" % tmp_path
    assert openssl.trust_files(openssl.Trust(None, "/cert.pem", several)) == ["/cert.pem"] + files


# --- the command line ---

def test_the_default_trust_needs_no_option():
    trust = openssl.Trust(None, "/etc/pki/tls/cert.pem", "/etc/pki/tls/certs")
    assert openssl.verify_command(OLD, trust, "server", "web1.crt") == [
        "/usr/bin/openssl", "verify", "-show_chain", "-purpose", "sslserver", "web1.crt"]


@pytest.mark.parametrize("program_, no_store", [(OLD, []), (NEW, ["-no-CAstore"])])
def test_given_trust_shuts_the_default_out(program_, no_store):
    assert openssl.verify_command(program_, openssl.Trust("/a", "/a", None), "client", "web1.crt", "chain.pem")[2:] == [
        "-show_chain", "-purpose", "sslclient", "-CAfile", "/a", "-no-CApath"] + no_store + [
        "-untrusted", "chain.pem", "web1.crt"]
    assert openssl.verify_command(program_, openssl.Trust("/a", None, "/a"), "ca", "web1.crt")[2:] == [
        "-show_chain", "-purpose", "any", "-CApath", "/a", "-no-CAfile"] + no_store + ["web1.crt"]


@pytest.mark.parametrize("purpose", sorted(openssl.PURPOSES))
def test_never_a_partial_chain(purpose):
    assert "-partial_chain" not in openssl.verify_command(NEW, openssl.Trust("/a", "/a", None), purpose, "c", "u")


def test_given_trust_shuts_the_default_out_in_truth(program, tmp_path, monkeypatch):
    root, other = pki.root(), pki.root("Another")
    for name, pair in [("root.pem", root), ("other.pem", other), ("leaf.pem", pki.server(issuer=root))]:
        (tmp_path / name).write_text(pair.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    assert openssl.verify(program, openssl.trust_at(None, program), "server", str(tmp_path), "leaf.pem").accepted
    given = openssl.trust_at(str(tmp_path / "other.pem"), program)
    assert not openssl.verify(program, given, "server", str(tmp_path), "leaf.pem").accepted


# --- its words ---

ACCEPTED = """web1.crt: OK
Chain:
depth=0: CN%sweb1.example.com (untrusted)
depth=1: O%sCorp, CN%sIssuing (really) (untrusted)
depth=2: CN%sCorp Root CA
"""
REFUSED = """%s
error 20 at 1 depth lookup: unable to get local issuer certificate
error web1.crt: verification failed
"""
TWO = """CN = Not CA
error 24 at 1 depth lookup: invalid CA certificate
CN = Not CA
error 32 at 1 depth lookup: key usage does not include certificate signing
error web1.crt: verification failed
140417946694976:error:0D0C5006:asn1 encoding routines:ASN1_item_verify:EVP lib:../crypto/asn1/a_verify.c:170:
"""


@pytest.mark.parametrize("equals", [" = ", "="], ids=["1.1.1 and 3.0", "3.5"])
def test_an_accepted_chain(equals):
    verdict = openssl.parse_verdict(["openssl"], 0, ACCEPTED % ((equals,) * 4))
    assert verdict.accepted and not verdict.errors
    assert verdict.links == [("CN%sweb1.example.com" % equals, True),
                             ("O%sCorp, CN%sIssuing (really)" % (equals, equals), True),
                             ("CN%sCorp Root CA" % equals, False)]


@pytest.mark.parametrize("subject", ["CN = Corp Issuing CA 1", "CN=Corp Issuing CA 1", ""])
def test_a_refused_chain(subject):
    verdict = openssl.parse_verdict(["openssl"], 2, REFUSED % subject)
    assert not verdict.accepted and not verdict.links
    assert verdict.errors == [(20, 1, "unable to get local issuer certificate")]


def test_several_errors():
    assert openssl.parse_verdict([], 2, TWO).errors == [
        (24, 1, "invalid CA certificate"), (32, 1, "key usage does not include certificate signing")]


def test_an_exit_code_of_0_is_not_enough():
    assert not openssl.parse_verdict([], 0, REFUSED % "" + ACCEPTED % ((" = ",) * 4)).accepted
    assert not openssl.parse_verdict([], None, "web1.crt: OK").accepted


# --- private keys ---

KEY_TYPES = ["ec", "p384", "rsa", "ed25519"]


@pytest.mark.parametrize("kind", KEY_TYPES)
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_public_key_of_pkcs8(program, tmp_path, kind, passphrase):
    pair = pki.root(key_type=kind)
    (tmp_path / "key.pem").write_text(pair.key_pem(passphrase))
    spki = openssl.public_key(program, str(tmp_path / "key.pem"), passphrase)
    assert spki == x509.parse(pair.der).spki_der


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_public_key_of_the_older_forms(program, tmp_path, kind, passphrase):
    pair = pki.root(key_type=kind)
    text = pair.key_pem(passphrase, serialization.PrivateFormat.TraditionalOpenSSL)
    assert ("RSA PRIVATE" in text or "EC PRIVATE" in text) and ("Proc-Type" in text) is bool(passphrase)
    (tmp_path / "key.pem").write_text(text)
    assert openssl.public_key(program, str(tmp_path / "key.pem"), passphrase) == x509.parse(pair.der).spki_der


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_public_key_of_der(program, tmp_path, form):
    pair = pki.root()
    (tmp_path / "key.der").write_bytes(
        pair.key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()))
    assert openssl.public_key(program, str(tmp_path / "key.der")) == x509.parse(pair.der).spki_der


def test_encrypted_der(program, tmp_path):
    pair, path = pki.root(), tmp_path / "key.der"
    path.write_bytes(pair.key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                            serialization.BestAvailableEncryption(b"secret")))
    with pytest.raises(openssl.PrivateKeyError, match="encrypted and no privatekey_passphrase"):
        openssl.public_key(program, str(path))
    if program.release >= (3, 0, 0):
        assert openssl.public_key(program, str(path), "secret") == x509.parse(pair.der).spki_der
    with pytest.raises(openssl.PrivateKeyError, match=r"OpenSSL 1.1.1k .*does not read encrypted keys in DER: convert"):
        openssl.public_key(OLD._replace(command="/bin/false"), str(path), "secret")


@pytest.mark.parametrize("said", [
    "140:error:02001005:system library:fopen:Input/output error:../crypto/bio/bss_file.c:69:fopen('/a.key','r')",
    "40:error:80000005:system library:BIO_new_file:Input/output error:../crypto/bio/bss_file.c:67:calling fopen(/a)"])
def test_a_key_that_only_openssl_cannot_read_says_why(tmp_path, said):
    """As OpenSSL 1.1.1 and 3 say it."""
    (tmp_path / "openssl").write_text(u"#!/bin/sh\necho \"%s\" >&2; exit 1\n" % said)
    (tmp_path / "openssl").chmod(0o755)
    (tmp_path / "a.key").write_text(pki.root().key_pem())
    with pytest.raises(openssl.PrivateKeyError, match="^it can't be read: Input/output error$"):
        openssl.public_key(OLD._replace(command=str(tmp_path / "openssl")), str(tmp_path / "a.key"))


def test_key_beside_certificates_and_parameters(program, tmp_path):
    pair, path = pki.server(), tmp_path / "both.pem"
    parameters = u"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    path.write_text(pair.pem + parameters + pair.key_pem(form=serialization.PrivateFormat.TraditionalOpenSSL))
    assert openssl.public_key(program, str(path)) == x509.parse(pair.der).spki_der


def test_an_unneeded_passphrase_does_no_harm(program, tmp_path):
    pair = pki.root()
    (tmp_path / "key.pem").write_text(pair.key_pem())
    assert openssl.public_key(program, str(tmp_path / "key.pem"), "unneeded") == x509.parse(pair.der).spki_der


def refusal(program, path, passphrase=None):
    with pytest.raises(ValueError) as error:
        openssl.public_key(program, str(path), passphrase)
    return str(error.value)


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_wrong_and_missing_passphrases(program, tmp_path, form):
    path = tmp_path / "key.pem"
    path.write_text(pki.root().key_pem("secret", form))
    assert refusal(program, path) == "it is encrypted and no privatekey_passphrase is given"
    assert refusal(program, path, "") == "it is encrypted and no privatekey_passphrase is given"
    assert refusal(program, path, "wrong") == (
        "it can't be decrypted: privatekey_passphrase is wrong, or the file is damaged")
    assert "line end" in refusal(program, path, "secret\n")


def test_what_is_no_key(program, tmp_path):
    path = tmp_path / "key.pem"
    assert refusal(program, path) == "there is no such file"
    assert refusal(program, tmp_path) == "it is not a regular file"
    path.write_text(u"once upon a time")
    assert refusal(program, path) == "there is no private key in it: it is neither PEM nor DER"
    path.write_text(u"")
    assert refusal(program, path) == "there is no private key in it: it is neither PEM nor DER"
    path.write_text(pki.server().pem * 2)
    assert refusal(program, path) == "there is no private key in it, but: CERTIFICATE"
    path.write_bytes(pki.server().der)
    assert refusal(program, path) == "openssl can't read it as a private key: it is damaged, or something else"
    path.write_text(u"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    assert "ssh-keygen" in refusal(program, path)


def test_no_byte_of_a_damaged_key_is_told(program, tmp_path):
    text = pki.root().key_pem()
    body = "".join(text.splitlines()[1:-1])
    for damaged in [text[:-60], text.replace(body[20], "*"), text.replace(body[:8], ""), text[:90] + text[95:]]:
        (tmp_path / "key.pem").write_text(damaged)
        message = refusal(program, tmp_path / "key.pem")
        assert not any(body[start:start + 6] in message for start in range(len(body) - 6)), message


def test_the_passphrase_is_on_no_command_line_and_in_no_environment(tmp_path):
    spy = stub(tmp_path / "openssl", u'echo "$@" >%s/seen; env >>%s/seen; cat >%s/stdin; exit 1' % ((tmp_path,) * 3))
    (tmp_path / "key.pem").write_text(pki.root().key_pem(PASSPHRASE))
    assert refusal(OLD._replace(command=spy), tmp_path / "key.pem", PASSPHRASE)
    assert u"same" not in (tmp_path / "seen").read_text()
    assert (tmp_path / "stdin").read_bytes() == (PASSPHRASE + "\n").encode("utf-8")


def generated(tmp_path, name, *options):
    """A key and its self-signed certificate, made by openssl: (path of the key, SubjectPublicKeyInfo)."""
    key, certificate = str(tmp_path / (name + ".key")), str(tmp_path / (name + ".der"))
    subprocess.check_output(["openssl"] + list(options) + ["-out", key], stderr=subprocess.STDOUT)
    subprocess.check_output(["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=x", "-outform", "DER",
                             "-out", certificate], stderr=subprocess.STDOUT)
    with open(certificate, "rb") as stream:
        return key, x509.parse(stream.read()).spki_der


def test_one_ec_key_in_all_its_encodings_is_the_same(program, tmp_path):
    plain, first = generated(tmp_path, "plain", "ecparam", "-name", "prime256v1", "-genkey", "-noout")
    short, second = generated(tmp_path, "short", "ec", "-in", plain, "-conv_form", "compressed")
    spelled, third = generated(tmp_path, "spelled", "ec", "-in", plain, "-param_enc", "explicit")
    other, fourth = generated(tmp_path, "other", "ecparam", "-name", "prime256v1", "-genkey", "-noout")
    assert len({first, second, third}) == 3
    for key in [plain, short, spelled]:
        spki = openssl.public_key(program, key)
        assert all(openssl.same_key(spki, one) for one in [first, second, third])
        assert not openssl.same_key(spki, fourth)
        assert not openssl.same_key(openssl.public_key(program, other), first)


def test_an_rsa_pss_key_with_restrictions(program, tmp_path):
    key, spki = generated(tmp_path, "pss", "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048",
                          "-pkeyopt", "rsa_pss_keygen_md:sha256")
    assert openssl.same_key(openssl.public_key(program, key), spki)
    assert not openssl.same_key(x509.parse(pki.root(key_type="rsa").der).spki_der, spki)


def test_the_other_half_of_a_point_is_another_key():
    spki = x509.parse(pki.root().der).spki_der
    assert not openssl.same_key(spki, spki[:-1] + bytes(bytearray([spki[-1] ^ 1])))


def test_readable_by_all(tmp_path):
    (tmp_path / "key.pem").write_text(u"")
    (tmp_path / "key.pem").chmod(0o644)
    assert openssl.readable_by_all(str(tmp_path / "key.pem"))
    (tmp_path / "key.pem").chmod(0o640)
    assert not openssl.readable_by_all(str(tmp_path / "key.pem"))


def test_what_openssl_prints_of_a_name_is_harmless():
    verdict = openssl.parse_verdict([], 0, u"depth=0: CN = a\x9b2J\u202eb\r (untrusted)\n")
    assert verdict.output == "depth=0: CN = a\\C2\\9B2J\\E2\\80\\AEb\\0D (untrusted)\n"
    assert verdict.links == [("CN = a\\C2\\9B2J\\E2\\80\\AEb\\0D", True)]
