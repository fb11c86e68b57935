# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PEM reader: what people have is read, or refused with a sentence that says how to go on."""
import base64
import os
import random
import string

import pki
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

ROOT = pki.root()
ISSUING = pki.issue("Corp Issuing CA", ROOT, ca=True)
RSA = pki.root("RSA Root", key_type="rsa")


def fingerprints(data):
    return [certificate.fingerprint for certificate in pem.read_certificates(data)]


def both():
    return [ROOT.fingerprint, ISSUING.fingerprint]


@pytest.mark.parametrize("data", [
    (ROOT.pem + ISSUING.pem).encode(),
    (ROOT.pem + ISSUING.pem).replace("\n", "\r\n").encode(),
    b"\xef\xbb\xbf" + (ROOT.pem + ISSUING.pem).encode(),
    (ROOT.pem + ISSUING.pem).encode("utf-16"),
    ("\ufeff" + ROOT.pem + ISSUING.pem).encode("utf-16-be"),
    ("Corp Root\n=========\n%s\nsubject= /CN=x\n# comment\n\n%s\ntrailing" % (ROOT.pem, ISSUING.pem)).encode(),
    (ROOT.pem + ISSUING.pem + ROOT.pem).encode(),
    (ROOT.pem + ISSUING.pem).replace("CERTIFICATE", "X509 CERTIFICATE").encode(),
    (ROOT.pem.rstrip("\n") + ISSUING.pem.rstrip("\n")).encode(),
], ids=["plain", "crlf", "utf-8 mark", "utf-16", "utf-16-be", "text between", "twice", "old label", "no newline"])
def test_bundles_as_people_have_them(data):
    assert fingerprints(data) == both()


def test_der():
    assert fingerprints(RSA.der) == [RSA.fingerprint]


def pkcs7(pairs):
    """A degenerate SignedData as Windows' CAs hand it out, by hand: cryptography 3.2 can't write it."""
    def tlv(tag, content):
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])
        return bytes([tag]) + length + content
    data = tlv(0x06, bytes.fromhex("2a864886f70d010701"))
    signed = (tlv(0x02, b"\1") + tlv(0x31, b"") + tlv(0x30, data) + tlv(0xA0, b"".join(pair.der for pair in pairs))
              + tlv(0x31, b""))
    return tlv(0x30, tlv(0x06, bytes.fromhex("2a864886f70d010702")) + tlv(0xA0, tlv(0x30, signed)))


def armour(label, data):
    return "-----BEGIN %s-----\n%s-----END %s-----\n" % (label, base64.encodebytes(data).decode(), label)


@pytest.mark.parametrize("label", ["PKCS7", "CMS", "CERTIFICATE"])
def test_pkcs7(label):
    data = pkcs7([ROOT, ISSUING])
    assert fingerprints(data) == both()
    assert fingerprints(armour(label, data).encode()) == both()


@pytest.mark.parametrize("data, sentence", [
    (b"", "it is empty"),
    (b" \n", "it is empty"),
    (b"garbage", "neither PEM nor DER nor PKCS#7"),
    (b"0garbage", "can't be read as DER"),
    (ROOT.pem[:-40].encode(), "no end line of its own: is the file truncated?"),
    ((ROOT.pem[:200] + "\n" + ISSUING.pem).encode(), "no end line of its own: is the file truncated?"),
    (ROOT.pem.replace("MII", "M!I", 1).encode(), "not valid base64"),
    (armour("CERTIFICATE", b"0\3abc").encode(), "no readable certificate"),
    (armour("CERTIFICATE", ROOT.der[:-5]).encode(), "truncated"),
    (armour("CERTIFICATE", ROOT.der + b"x").encode(), "stray bytes"),
    (ROOT.der[:-1], "truncated"),
    (ROOT.der + b"x", "stray bytes"),
    ((ROOT.pem + ROOT.key_pem()).encode(), "private key"),
    (ROOT.key_pem().encode(), "private key"),
    (ROOT.key_pem("secret").encode(), "private key"),
    (armour("CERTIFICATE", b"".join(base64.b64decode(line) for line in ROOT.key_pem().splitlines()[1:-1])).encode(),
     "private key"),
    (armour("CERTIFICATE REQUEST", b"0\0").encode(), "no certificate in it, but: CERTIFICATE REQUEST"),
    (armour("TRUSTED CERTIFICATE", ROOT.der + b"0\0").encode(), "openssl x509 -in FILE"),
    (b"0\5\2\1\3\x30\0", "PKCS#12"),
    (b"0\x80\6\x09*\x86H\x86\xf7\r\1\7\2\xa0\x80", "openssl pkcs7 -inform DER"),
    (b"\xff\xfe\0", "UTF-16"),
])
def test_refusals(data, sentence):
    with pytest.raises(pem.CertificateFileError) as caught:
        pem.read_certificates(data)
    assert sentence in str(caught.value)


def test_refusals_quote_nothing_of_the_file():
    secret = ROOT.key_pem()
    with pytest.raises(pem.CertificateFileError) as caught:
        pem.read_certificates((ROOT.pem + secret).encode())
    assert not any(line in str(caught.value) for line in secret.splitlines()[1:-1])


def test_files_that_are_none(tmp_path):
    os.mkfifo(str(tmp_path / "fifo"))
    with open(str(tmp_path / "huge"), "wb") as stream:
        stream.truncate(10 * 1024 ** 3)
    for path, sentence in [(tmp_path, "not a regular file"), (tmp_path / "fifo", "not a regular file"),
                           ("/dev/zero", "not a regular file"), (tmp_path / "none", "no such file"),
                           (tmp_path / "huge", "larger than 128 MiB")]:
        with pytest.raises(pem.CertificateFileError) as caught:
            pem.read_file(str(path))
        assert sentence in str(caught.value)
    (tmp_path / "file").write_bytes(b"content")
    assert pem.read_file(str(tmp_path / "file")) == b"content"


def test_fingerprints_reads_trusted_certificates_and_passes_over_garbage():
    text = (armour("TRUSTED CERTIFICATE", ROOT.der + b"0\x0c\x0c\nhello dear") + armour("CERTIFICATE", b"\xff")
            + RSA.pem[:300] + "\n" + RSA.pem + ISSUING.pem + RSA.pem[:300])
    assert pem.fingerprints(text.encode()) == both(), "what is cut off swallows its successor, and no more"


def test_to_pem_is_what_others_write():
    for pair in (ROOT, ISSUING, RSA):
        assert pem.to_pem(pair.der) == pair.pem


@settings(max_examples=300, deadline=None, suppress_health_check=HealthCheck.all())
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data):
    for wrapped in (data, b"0\x82" + data, armour("CERTIFICATE", data).encode(), b"-----BEGIN " + data):
        try:
            pem.read_certificates(wrapped)
        except pem.CertificateFileError:
            pass
        pem.fingerprints(wrapped)


@settings(max_examples=300, deadline=None, suppress_health_check=HealthCheck.all())
@given(st.integers(0, len(RSA.der) - 1), st.integers(1, 255))
def test_a_flipped_byte_never_crashes(position, mask):
    data = bytearray(RSA.der)
    data[position] ^= mask
    try:
        pem.read_certificates(bytes(data))
    except pem.CertificateFileError:
        pass


@settings(max_examples=100, deadline=None, suppress_health_check=HealthCheck.all())
@given(st.lists(st.sampled_from([ROOT, ISSUING, RSA]), min_size=1), st.integers())
def test_text_between_blocks_changes_nothing(pairs, seed):
    dice = random.Random(seed)
    text = "".join("".join(dice.choice(string.ascii_letters + " #=\n") for _number in range(20)) + "\n" + pair.pem
                   for pair in pairs)
    expected = list(dict.fromkeys(pair.fingerprint for pair in pairs))
    assert sorted(fingerprints(text.encode())) == sorted(expected)


def test_many_begins_are_read_in_linear_time():
    with pytest.raises(pem.CertificateFileError):
        pem.read_certificates(b"-----BEGIN CERTIFICATE-----\n" * 300000)


def test_a_small_file_takes_little_memory(tmp_path):
    """And not as much as the largest that is read."""
    (tmp_path / "a.pem").write_text(ROOT.pem)
    tracemalloc = pytest.importorskip("tracemalloc")
    tracemalloc.start()
    try:
        assert pem.read_file(str(tmp_path / "a.pem")) == ROOT.pem.encode()
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()
