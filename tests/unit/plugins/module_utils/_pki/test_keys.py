# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys: made, written, read; whatever is wrong with one is said in a sentence that has nothing of it."""
import os
import re
import subprocess

import pki
import pytest
from certificate_options import SECRET, Bench, assert_clear, openssl
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import key_encryption, keys

QUICK = [kind for kind in keys.TYPES if kind not in ("RSA 3072", "RSA 4096")]
EC = keys.generate("EC P-256")
PLAIN, ENCRYPTED = keys.dump(EC), keys.dump(EC, SECRET)
OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==\n" \
          b"-----END OPENSSH PRIVATE KEY-----\n"


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.mark.parametrize("kind", QUICK)
def test_every_type_is_made_written_and_read(kind):
    key = keys.generate(kind)
    assert keys.key_type(key.public_key()) == kind
    for passphrase in (None, SECRET):
        content = keys.dump(key, passphrase)
        begin = b"-----BEGIN ENCRYPTED PRIVATE KEY-----" if passphrase else b"-----BEGIN PRIVATE KEY-----"
        assert content.startswith(begin)
        again = keys.read(content, passphrase, "it")
        assert keys.fingerprint(again.public_key()) == keys.fingerprint(key.public_key())


def test_encrypted_keys_cost_whoever_guesses_600000_iterations(strong_keys):
    """The least that OWASP recommends for PBKDF2 with HMAC-SHA-256; cryptography alone would take 2,048."""
    parsed = [subprocess.check_output(["openssl", "asn1parse"], input=keys.dump(EC, SECRET)).decode()
              for _number in range(2)]
    one, other = (re.findall(r"(?:OBJECT|INTEGER|\[HEX DUMP\]) *:(\S+)", found) for found in parsed)
    assert [one[index] for index in (0, 1, 3, 4, 5)] == ["PBES2", "PBKDF2", "0927C0", "hmacWithSHA256", "aes-256-cbc"]
    assert int("0927C0", 16) == key_encryption.ITERATIONS == 600000
    salt, vector = one[2], one[6]
    assert len(salt) == len(vector) == 32 and salt != other[2] and vector != other[6]  # hexadecimal digits


@pytest.mark.parametrize("kind, passphrase", [(kind, SECRET) for kind in QUICK] + [
    ("EC P-256", passphrase) for passphrase in (u"eight ch", u"\u00e4\u20ac" * 40, u"x" * 1023)])
def test_openssl_reads_encrypted_keys(bench, strong_keys, kind, passphrase):
    key = keys.generate(kind)
    path = bench.write("a.key", keys.dump(key, passphrase))
    said = subprocess.check_output(["openssl", "pkey", "-in", path, "-passin", "stdin", "-pubout", "-outform", "DER"],
                                   input=(passphrase + "\n").encode("utf-8"))
    assert said == keys.spki(key.public_key())


def test_keys_that_were_encrypted_with_fewer_iterations_or_short_passphrases_are_read():
    for passphrase in (SECRET, u"four"):
        old = EC.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                               serialization.BestAvailableEncryption(passphrase.encode("utf-8")))
        assert keys.fingerprint(keys.read(old, passphrase, "it").public_key()) == keys.fingerprint(EC.public_key())


@pytest.mark.parametrize("passphrase", [u"four", u"seven c", u"\u00e4\u00e4\u00e4\u00e4"])
def test_a_trivially_short_passphrase_encrypts_no_new_key(passphrase):
    with pytest.raises(keys.KeyFileError) as error:
        keys.dump(EC, passphrase)
    assert assert_clear(error.value, passphrase).startswith(
        "privatekey_passphrase is too short to encrypt a new key with: use 8 characters or more")


def test_rsa_keys_have_the_bits_and_the_exponent_that_are_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(keys.rsa, "generate_private_key",
                        lambda exponent, bits, backend: asked.append((exponent, bits)))
    for kind in ("RSA 2048", "RSA 3072", "RSA 4096"):
        keys.generate(kind)
    assert asked == [(65537, 2048), (65537, 3072), (65537, 4096)]


def test_two_keys_are_not_the_same():
    assert keys.dump(keys.generate("Ed25519")) != keys.dump(keys.generate("Ed25519"))


def test_the_forms_that_people_have_are_read(bench):
    wanted = keys.fingerprint(EC.public_key())

    def fingerprint(content, passphrase=None):
        return keys.fingerprint(keys.load(bench.write("a.key", content), passphrase).public_key())
    traditional = pki.Pair(EC, None).key_pem(form=serialization.PrivateFormat.TraditionalOpenSSL)
    assert "BEGIN EC PRIVATE KEY" in traditional
    parameters = openssl("ecparam", "-name", "prime256v1")
    certificate = pki.root().pem
    der = [EC.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, encryption)
           for encryption in (serialization.NoEncryption(),
                              serialization.BestAvailableEncryption(SECRET.encode("utf-8")))]
    for content in (traditional, parameters + traditional, certificate.encode() + PLAIN, b"my key\n" + PLAIN, der[0]):
        assert fingerprint(content) == wanted
    assert fingerprint(der[1], SECRET) == wanted
    encrypted = pki.Pair(EC, None).key_pem("abc123", serialization.PrivateFormat.TraditionalOpenSSL)
    assert "Proc-Type: 4,ENCRYPTED" in encrypted
    assert fingerprint(encrypted, "abc123") == wanted
    with pytest.raises(keys.KeyFileError, match="can't be decrypted: privatekey_passphrase is wrong"):
        fingerprint(encrypted, "abc124")


def other_kinds():
    """Keys that certificates for TLS are not made with, and what is no key."""
    made = [("X25519", openssl("genpkey", "-algorithm", "X25519").encode())]
    parameters = subprocess.check_output(["openssl", "dsaparam", "-genkey", "1024"], stderr=subprocess.DEVNULL)
    return dict(made + [("DSA", parameters)])


@pytest.mark.parametrize("kind", ["X25519", "DSA"])
def test_kinds_that_tls_has_no_certificates_for(bench, kind):
    content = other_kinds()[kind]
    path = bench.write("web.key", content)
    with pytest.raises(keys.KeyFileError, match="the private key %s is of a kind that .* use one of EC P-256, " % path
                       ) as error:
        keys.load(path)
    assert_clear(error.value, content.decode())


PUBLIC = EC.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
BAD = [
    (ENCRYPTED, None, "is encrypted and no privatekey_passphrase is given"),
    (ENCRYPTED, "sesame open", "can't be decrypted: privatekey_passphrase is wrong, or the file is damaged"),
    (PLAIN, SECRET, "is not encrypted, though privatekey_passphrase is given: leave the passphrase out"),
    (b"", None, "can't be used: there is no private key in it"),
    (b"\n \n", None, "can't be used: there is no private key in it"),
    (PLAIN[:120], None, "can't be used: a PEM block in it has no end line of its own: is the file truncated"),
    (b"\n".join(PLAIN.split(b"\n")[:2] + PLAIN.split(b"\n")[-2:]), None, "it is damaged, or of an unknown kind"),
    (PLAIN.replace(b"\nM", b"\n*"), None, "it is damaged, or of an unknown kind"),
    (PUBLIC, None, "can't be used: there is no private key in it, but: PUBLIC KEY"),
    (pki.root().pem.encode(), None, "can't be used: there is no private key in it, but: CERTIFICATE"),
    (pki.root().der, None, "can't be read as a private key: it is damaged, or of an unknown kind"),
    (OPENSSH, None, "it is in OpenSSH's own form: convert it with 'ssh-keygen -p -m PKCS8 -f FILE'"),
    (b"\x00\x01\x02 binary", None, "it is neither PEM nor DER"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
@pytest.mark.parametrize("regenerate", ["never", "always"])
def test_a_key_that_can_not_be_used_is_an_error_and_stays(bench, number, regenerate):
    content, passphrase, message = BAD[number]
    path = bench.write("web.key", content)
    before = bench.look()
    for run in (bench.csr, bench.selfsigned):
        for check in (True, False):
            with pytest.raises(keys.KeyFileError) as error:
                run(check, privatekey_passphrase=passphrase, common_name="web1", regenerate_key=regenerate)
            text = assert_clear(error.value, SECRET, "sesame open", PLAIN.decode(), ENCRYPTED.decode(),
                                OPENSSH.decode(), *([passphrase] if passphrase else []))
            assert message in text and text.startswith("the private key %s " % path)
    assert bench.look() == before


def test_what_is_no_file_is_no_key_either(bench):
    os.mkdir(bench.path("folder"))
    os.symlink("nowhere", bench.path("link"))
    os.mkfifo(bench.path("fifo"))
    for name, message in [("folder", "it is not a regular file"), ("link", "there is no such file"),
                          ("fifo", "it is not a regular file"), ("none", "there is no such file")]:
        with pytest.raises(keys.KeyFileError) as error:
            keys.load(bench.path(name))
        assert assert_clear(error.value) == "the private key %s can't be used: %s" % (bench.path(name), message)


def test_a_dangling_link_is_not_replaced_by_a_new_key(bench):
    """Its target may be on a file system that is not mounted."""
    os.symlink("elsewhere.key", bench.path("web.key"))
    for run in (bench.csr, bench.selfsigned):
        for check in (True, False):
            with pytest.raises(keys.KeyFileError, match="web.key can't be used: there is no such file"):
                run(check, common_name="web1")
    assert not bench.look() and os.listdir(bench.folder) == ["web.key"]


def test_a_key_that_may_not_be_read_asks_for_become(bench, monkeypatch):
    def denied(path):
        raise keys.pem.CertificateFileError("it can't be read: Permission denied")
    monkeypatch.setattr(keys.pem, "read_file", denied)
    with pytest.raises(keys.KeyFileError, match="Permission denied; does the task need 'become'"):
        keys.load(bench.path("web.key"))


def test_messages_call_the_passphrase_what_the_module_calls_it():
    with pytest.raises(keys.KeyFileError, match="^the key is encrypted and no ca_privatekey_passphrase is given$"):
        keys.read(ENCRYPTED, None, "the key", "ca_privatekey_passphrase")
    with pytest.raises(keys.KeyFileError, match="^the key is encrypted and no ca_privatekey_passphrase is given$"):
        keys.read(ENCRYPTED, "", "the key", "ca_privatekey_passphrase")


@pytest.mark.parametrize("passphrase, message", [
    ("", "privatekey_passphrase is empty: .* Is its variable set"),
    ("xyz", "privatekey_passphrase is too short: it has 4 to 1023 bytes"),
    (u"\u2603" + "x" * 1021, "privatekey_passphrase is too long: it has 4 to 1023 bytes")])
def test_a_passphrase_that_can_be_none(bench, passphrase, message):
    for content in (None, ENCRYPTED, PLAIN):
        if content:
            bench.write("web.key", content)
        before = bench.look()
        for run in (bench.csr, bench.selfsigned):
            for check in (True, False):
                with pytest.raises(keys.KeyFileError, match=message) as error:
                    run(check, privatekey_passphrase=passphrase, common_name="web1")
                assert_clear(error.value, "x" * 9, *([passphrase] if passphrase else []))
        assert bench.look() == before


def test_the_shortest_passphrase():
    for shortest in ("wxyz", u"\u2603x"):
        keys.check_passphrase("privatekey_passphrase", shortest)


def test_the_longest_passphrase(bench):
    for run in (bench.csr, bench.csr, bench.selfsigned):
        run(privatekey_passphrase=u"\u2603" + "x" * 1020, common_name="web1")
    assert b"ENCRYPTED" in bench.read("web.key")


@given(st.integers(0, 137), st.integers(1, 255))
def test_whatever_byte_is_changed_it_is_a_key_or_a_sentence(position, change):
    der = bytearray(EC.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))
    der[position % len(der)] ^= change
    try:
        keys.read(bytes(der), None, "the private key web.key")
    except keys.KeyFileError as error:
        assert assert_clear(error).startswith("the private key web.key ")


def test_digests_go_with_the_key():
    kinds = {kind: keys.generate(kind).public_key() for kind in QUICK if not kind.startswith("RSA")}
    assert {kind: keys.digest_name(None, key) for kind, key in kinds.items()} == {
        "EC P-256": "sha256", "EC P-384": "sha384", "EC P-521": "sha512", "Ed25519": None, "Ed448": None}
    assert {kind: keys.digest_name("sha384", key) for kind, key in kinds.items()} == {
        "EC P-256": "sha384", "EC P-384": "sha384", "EC P-521": "sha384", "Ed25519": None, "Ed448": None}
    assert keys.digest(None) is None and keys.digest("sha512").name == "sha512"


def test_signatures_are_told_from_those_of_other_keys():
    pairs = {kind: pki.root(kind, key=keys.generate(kind), digest=hashes.SHA256()) for kind in ("EC P-256", "RSA 2048")}
    pairs["Ed25519"] = pki.root("Ed25519", key_type="ed25519")
    pairs["other EC"] = pki.root("other EC")
    x25519 = serialization.load_pem_private_key(other_kinds()["X25519"], None, keys.default_backend()).public_key()
    for kind, pair in pairs.items():
        made = pair.certificate
        for other, signer in list(pairs.items()) + [("X25519", None)]:
            key = signer.key.public_key() if signer else x25519
            assert keys.signed_by(key, made.signature, made.tbs_certificate_bytes,
                                  made.signature_hash_algorithm) is (kind == other)
        assert not keys.signed_by(pair.key.public_key(), made.signature, made.tbs_certificate_bytes + b"x",
                                  made.signature_hash_algorithm)


def test_an_ed25519_key_without_a_key_is_damaged():
    with pytest.raises(keys.KeyFileError, match="can't be read as a private key"):
        keys.read(bytes(bytearray.fromhex("300e020100300506032b657004020400")), None, "it")
