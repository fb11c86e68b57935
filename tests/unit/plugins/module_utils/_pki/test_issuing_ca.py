# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA that signs: what is looked at before it does, for certificates and revocation lists alike."""
import os

import pytest
from certificate_options import NOW, SECRET, Bench, assert_clear, at_now

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import issuing_ca, keys

ROOT = at_now.root("Corp Root")
MIDDLE = at_now.root("Corp Middle", issuer=ROOT)
CA = at_now.root("Corp Issuing", issuer=MIDDLE)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.ca(CA)
    made.csr(common_name="web1.example.com")
    return made


BAD = [
    (at_now.server("web1"), None, "can't sign: it is not a CA's (no CA:TRUE in its basic constraints)"),
    (at_now.issue("None", ca=True, basic_constraints=False), None, "can't sign: it is not a CA's"),
    (at_now.root("Old", days=(-9, -3)), None, "can't sign: it expired 3 days ago ("),
    (at_now.root("Soon", days=(3, 9)), None, "can't sign: it is not valid before "),
    (at_now.root("CRLs", key_usage=["crl_sign"]), "signed", "can't sign: its key usage has no keyCertSign"),
    (at_now.root("Certificates", key_usage=["key_cert_sign"]), "crl", "can't sign: its key usage has no cRLSign"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_ca_that_must_not_sign(bench, number):
    pair, module, message = BAD[number]
    bench.ca(pair)
    before = bench.look()
    for name, run in (("signed", bench.signed), ("crl", bench.crl)):
        for check in (True, False) if name == (module or name) else ():
            with pytest.raises(Failure) as error:
                run(check, path="out")
            text = assert_clear(error.value, pair.key_pem())
            assert message in text and text.startswith("the CA's certificate %s (CN=" % bench.path("ca.crt"))
            assert pair.fingerprint in text
    assert bench.look() == before


def read(bench, now=NOW):
    return issuing_ca.read({"ca_path": bench.path("ca.crt"), "ca_content": None,
                           "ca_privatekey_path": bench.path("ca.key"), "ca_privatekey_passphrase": None}, now)


def test_a_ca_signs_from_its_first_second_until_its_last(bench):
    """A certificate from the last second would end at once."""
    plain = bench.certificate("ca.crt").plain
    for now in (plain.not_before, plain.not_after - 1):
        assert read(bench, now).certificate.plain.fingerprint == CA.fingerprint
    for now, message in ((plain.not_before - 1, "is not valid before"), (plain.not_after, "expired less than a sec")):
        with pytest.raises(Failure, match=message):
            read(bench, now)


class Constrained:
    """Stands for a CA's certificate with name constraints."""

    facts = {"name_constraints_permitted": ["DNS:example.com", "DNS:example.org", "IP:192.0.2.0/24"],
             "name_constraints_excluded": ["DNS:a.example.com", "DNS:b.example.org"]}


@pytest.mark.parametrize("name, message", [
    ("DNS:web1.example.com", None), ("DNS:web1.example.org", None), ("IP:192.0.2.7", None),
    ("email:a@example.net", None),
    ("DNS:web1.example.net", "permit DNS:example.com, "), ("DNS:a.example.com", "exclude DNS:a.example.com, "),
    ("DNS:x.b.example.org", "exclude "), ("IP:198.51.100.7", "permit ")])
def test_any_permitted_name_suffices_and_any_excluded_name_refuses(name, message):
    constrained, wanted = issuing_ca.Authority(Constrained, None, [], "ca.crt"), {"subject_alt_name": [name]}
    if message is None:
        issuing_ca.refuse_outside(constrained, wanted)
        return
    with pytest.raises(Failure, match="can't issue a certificate for %s: its name constraints %s" % (name, message)):
        issuing_ca.refuse_outside(constrained, wanted)


def test_a_ca_without_any_key_usage_may(bench):
    bench.ca(at_now.root("Plain", key_usage=False))
    assert bench.signed(path="out").reasons and bench.crl().reasons


def test_a_key_of_another_ca(bench):
    bench.write("ca.key", ROOT.key_pem())
    for run in (bench.signed, bench.crl):
        with pytest.raises(Failure, match="the private key .*ca.key does not belong to the CA's certificate .*ca.crt "
                                          r"\(CN=Corp Issuing \(SHA-256 ") as error:
            run(path="out")
        assert_clear(error.value, ROOT.key_pem(), CA.key_pem())


@pytest.mark.parametrize("content, passphrase, message", [
    (keys.dump(CA.key, SECRET), None, "ca.key is encrypted and no ca_privatekey_passphrase is given"),
    (keys.dump(CA.key, SECRET), "sesame open", "ca.key can't be decrypted: ca_privatekey_passphrase is wrong"),
    (keys.dump(CA.key), SECRET, "ca.key is not encrypted, though ca_privatekey_passphrase is given"),
    (CA.pem.encode(), None, "there is no private key in it, but: CERTIFICATE"),
    (None, None, "ca.key can't be used: there is no such file"),
])
def test_a_key_that_can_not_be_used(bench, content, passphrase, message):
    os.unlink(bench.path("ca.key"))
    if content:
        bench.write("ca.key", content)
    for run in (bench.signed, bench.crl):
        with pytest.raises(Failure, match=message) as error:
            run(path="out", ca_privatekey_passphrase=passphrase)
        assert_clear(error.value, SECRET, "sesame open", CA.key_pem(), content.decode() if content else "")
    if content:
        with pytest.raises(Failure, match=message.replace("ca.key ", "ca_privatekey_content ")) as error:
            bench.signed(path="out", ca_privatekey_path=None, ca_privatekey_content=content.decode(),
                         ca_privatekey_passphrase=passphrase)
        assert_clear(error.value, SECRET, "sesame open", CA.key_pem(), content.decode())
    assert not os.path.exists(bench.path("out"))


@pytest.mark.parametrize("content, message", [
    (CA.key_pem(), "ca.crt can't be used: there is no certificate in it, but: PRIVATE KEY"),
    ("", "ca.crt can't be used: it is empty"),
    ("hello", "there is no certificate in it"),
    (CA.pem[:300], "is the file truncated"),
    (None, "ca.crt can't be used: there is no such file"),
])
def test_a_certificate_that_can_not_be_used(bench, content, message):
    os.unlink(bench.path("ca.crt"))
    if content is not None:
        bench.write("ca.crt", content)
    with pytest.raises(Failure, match="the CA's certificate .*" + message) as error:
        bench.signed(path="out")
    assert_clear(error.value, CA.key_pem())


def test_key_and_certificate_as_content(bench):
    done = bench.signed(path="out", ca_path=None, ca_content=CA.pem, ca_privatekey_path=None,
                        ca_privatekey_content=keys.dump(CA.key, SECRET).decode(), ca_privatekey_passphrase=SECRET)
    assert done.reasons == ["there is no certificate yet"]
    with pytest.raises(Failure, match=r"the CA's certificate ca_content can't be used: it is empty"):
        bench.signed(path="out", ca_path=None, ca_content="")
    with pytest.raises(Failure, match=r"the private key ca_privatekey_content does not belong to .* ca_content \(CN="):
        bench.signed(path="out", ca_path=None, ca_content=CA.pem, ca_privatekey_path=None,
                     ca_privatekey_content=ROOT.key_pem())


@pytest.mark.parametrize("allowed, length, message", [
    (0, 0, "has pathlen:0 and can't issue a CA with pathlen:0: that one's certificates would not verify anywhere$"),
    (1, 0, None),
    (1, 1, "has pathlen:1 and can't issue a CA with pathlen:1: .*; the option pathlen can be at most 0$"),
    (1, None, "has pathlen:1 and can't issue a CA with any path length"),
    (None, 5, None), (None, None, None),
])
def test_path_lengths(bench, allowed, length, message):
    bench.ca(at_now.root("Corp Issuing", path_length=allowed))
    found = issuing_ca.read({"ca_path": bench.path("ca.crt"), "ca_content": None,
                            "ca_privatekey_path": bench.path("ca.key"),
                             "ca_privatekey_passphrase": None}, NOW)
    if message is None:
        issuing_ca.refuse_below(found, length)
        return
    with pytest.raises(Failure, match=message):
        issuing_ca.refuse_below(found, length)


@pytest.mark.parametrize("given, expected", [
    ([CA], [CA]), ([CA, MIDDLE], [CA, MIDDLE]), ([CA, MIDDLE, ROOT], [CA, MIDDLE]), ([CA, ROOT, MIDDLE], [CA, MIDDLE]),
    ([CA, ROOT], [CA]), ([CA, at_now.root("Stranger"), MIDDLE, at_now.server("web2")], [CA, MIDDLE]),
    ([CA, CA, MIDDLE], [CA, MIDDLE]),
])
def test_the_chain_behind_it_in_order_without_the_root(bench, given, expected):
    bench.ca(*given)
    found = issuing_ca.read({"ca_path": bench.path("ca.crt"), "ca_content": None,
                            "ca_privatekey_path": bench.path("ca.key"),
                             "ca_privatekey_passphrase": None}, NOW)
    assert [one.plain.fingerprint for one in found.chain] == [pair.fingerprint for pair in expected]
    assert found.certificate.plain.fingerprint == CA.fingerprint


def test_a_root_has_no_chain_and_a_circle_ends(bench):
    one, other = at_now.root("One"), at_now.root("Other")
    circle = [at_now.root("One", issuer=other, key=one.key), at_now.root("Other", issuer=one, key=other.key)]
    rolled = at_now.root("Corp Root", issuer=ROOT)  # its new key, for those who have the old root: no root itself
    for pairs, expected in (([ROOT, MIDDLE], []), (circle, circle), ([rolled, ROOT], [rolled])):
        bench.ca(*pairs)
        found = issuing_ca.read({"ca_path": bench.path("ca.crt"), "ca_content": None,
                                "ca_privatekey_path": bench.path("ca.key"), "ca_privatekey_passphrase": None}, NOW)
        assert [one.plain.fingerprint for one in found.chain] == [pair.fingerprint for pair in expected]
