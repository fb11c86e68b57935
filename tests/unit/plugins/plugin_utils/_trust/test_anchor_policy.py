# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates are fit to be trusted, and how the list of them is read."""

from __future__ import annotations

import datetime

import pki
import pytest
import raw_pki
import shared_cases
from cryptography import x509 as builder
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._trust import anchor_list, anchor_policy

NOW = 2000000000
DAY = 86400
at_now = pki.At(NOW)
ROOT = at_now.root()
LATIN1, AMPERSAND = raw_pki.latin1_root(), raw_pki.ampersand_root()
FALSE_WRITTEN_OUT = raw_pki.root(more=[raw_pki.extension("2.5.29.14", raw_pki.tlv(4, b"1"), b"\1\1\0")])
EIGHT_BITS = raw_pki.root(more=[raw_pki.extension("2.5.29.31", raw_pki.tlv(48, raw_pki.tlv(48, raw_pki.tlv(
    0xA0, raw_pki.tlv(0xA0, raw_pki.tlv(0x86, b"http://m\xfcller/ca.crl"))))))])
PSS_SHA1, PSS_SHA256 = (raw_pki.tlv(48, raw_pki.tlv(0xA0, raw_pki.tlv(48, raw_pki.oid(digest))))
                        for digest in ("1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"))


def objections(pair, now=NOW, **terms):
    return anchor_policy.objections(x509.parse(pair.der), anchor_policy.AnchorPolicy(now=now, **terms))


@pytest.mark.parametrize("kind", ["ec", "p384", "rsa", "ed25519"])
def test_good_ones_pass(kind):
    root = at_now.root(key_type=kind)
    assert objections(root) == []
    assert objections(at_now.issue("Issuing", root, ca=True, path_length=0)) == []


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (at_now.server(issuer=ROOT), "not a CA certificate (basicConstraints has CA:FALSE)"),
        (at_now.issue("self-signed"), "not a CA certificate"),
        (at_now.root(basic_constraints=False), "it has no basicConstraints"),
        (at_now.root(days=(-30, -3)), "it expired 3 days ago (20"),
        (at_now.root(days=(3, 30)), "it is not valid yet: it begins on 20"),
        (at_now.root(key_type="rsa1024"), "its RSA key has 1024 bits, and 2048 are the least"),
    ],
)
def test_bad_ones_are_refused(pair, sentence):
    assert len(objections(pair)) == 1
    assert sentence in objections(pair)[0]


def test_what_can_be_let_through():
    assert objections(at_now.root(days=(-30, -3)), allow_expired=True) == []
    assert objections(at_now.root(days=(3, 30)), allow_expired=True) == []
    assert objections(at_now.server(), allow_non_ca=True) == []


def test_time_left():
    soon = at_now.root(days=(-30, 20))
    assert objections(soon, min_remaining=10 * DAY) == []
    assert objections(soon, min_remaining=20 * DAY) == []
    assert len(objections(soon, now=NOW + 1, min_remaining=20 * DAY)) == 1
    assert "it expires in 20 days (20" in objections(soon, min_remaining=30 * DAY)[0]
    assert "min_remaining asks for 30 days" in objections(soon, min_remaining=30 * DAY)[0]
    assert objections(ROOT, now=NOW + 10000 * DAY)[0].startswith("it expired")


def test_the_first_and_the_last_second_are_valid():
    """RFC 5280 section 4.1.2.5: a certificate is valid from notBefore through notAfter."""
    certificate = x509.parse(ROOT.der)
    begin, end = certificate.not_before, certificate.not_after
    assert objections(ROOT, now=begin) == objections(ROOT, now=end) == []
    assert objections(ROOT, now=begin - 1)[0].startswith("it is not valid yet")
    assert objections(ROOT, now=end + 1)[0].startswith("it expired")
    assert objections(ROOT, now=end - DAY, min_remaining=DAY) == []
    assert "min_remaining asks for 1 day" in objections(ROOT, now=end - DAY + 1, min_remaining=DAY)[0]


def test_weak_signatures():
    # SHA-1 can't be made with every library any more: the algorithm's name in the certificate is exchanged instead.
    sha256, sha1 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d0401")
    issuing = at_now.issue("Issuing", ROOT, ca=True)

    for pair, refused in ((issuing, True), (ROOT, False)):
        swapped = _swap_algorithm(pair.der, sha256, sha1)
        found = anchor_policy.objections(x509.parse(swapped), anchor_policy.AnchorPolicy(now=NOW))
        assert [("signed with SHA-1" in objection) for objection in found] == ([True] if refused else [])


def _swap_algorithm(data, old, new):
    assert old in data
    return _with_algorithm(data, raw_pki.tlv(48, raw_pki.tlv(6, new)))


def _with_algorithm(data, algorithm):
    """The certificate with another signature algorithm, its lengths mended; the signature is not looked at."""
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

    start, end = der.expect(data, 0, len(data), der.SEQUENCE)
    parts = [data[part[1]:part[3]] for part in der.children(data, start, end)]
    inner, behind = der.expect(parts[0], 0, len(parts[0]), der.SEQUENCE)
    fields = [parts[0][part[1]:part[3]] for part in der.children(parts[0], inner, behind)]
    fields[2] = algorithm
    return raw_pki.tlv(48, raw_pki.tlv(48, *fields), algorithm, parts[2])


def test_a_ca_that_may_not_sign():
    pair = at_now.root()
    certificate = (
        builder.CertificateBuilder()
        .subject_name(pair.certificate.subject).issuer_name(pair.certificate.subject)
        .public_key(pair.key.public_key()).serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2099, 1, 1))
        .add_extension(builder.BasicConstraints(True, None), True)
        .add_extension(builder.KeyUsage(True, False, False, False, False, False, False, False, False), True)
        .sign(pair.key, hashes.SHA256())
    )
    assert "keyCertSign" in objections(pki.Pair(pair.key, certificate))[0]


@pytest.mark.parametrize(("key", "sentence"), [
    (dsa.generate_private_key(2048), "its key is DSA"),
    (ec.generate_private_key(ec.SECP192R1()), "its EC key has 192 bits"),
    (ec.generate_private_key(ec.SECP224R1()), None)])
def test_keys_that_nobody_accepts(key, sentence):
    certificate = (
        builder.CertificateBuilder()
        .subject_name(ROOT.certificate.subject).issuer_name(ROOT.certificate.subject)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1)).not_valid_after(datetime.datetime(2099, 1, 1))
        .add_extension(builder.BasicConstraints(True, None), True).sign(ROOT.key, hashes.SHA256())
    )
    found = anchor_policy.objections(
        x509.parse(certificate.public_bytes(serialization.Encoding.DER)), anchor_policy.AnchorPolicy(now=NOW))
    assert len(found) == bool(sentence) and (sentence or "") in "".join(found)


READ_BY_PYCA = {"eight-bit-policy-text", "unknown-critical-extension"}


def element(**given):
    return {"name": None, "src": None, "content": None, "path": None, "fingerprint": None, "state": "present", **given}


def read(*elements, load=None, collected=None, **terms):
    return anchor_list.read(
        list(elements), load or {}.__getitem__, collected or [], anchor_policy.AnchorPolicy(now=NOW, **terms))


def refusal(*elements, **options):
    with pytest.raises(anchor_list.AnchorListError) as caught:
        read(*elements, **options)
    return str(caught.value)


ISSUING = at_now.issue("Issuing", ROOT, ca=True)


def test_a_bundle_becomes_one_anchor_a_certificate_and_each_once():
    listed = read(element(name="corp", content=ROOT.pem + ISSUING.pem), element(src="a.der"), element(path="/x"),
                  load=lambda src: ISSUING.der, collected=[{"pem": ROOT.pem}])
    assert [(anchor.name, anchor.fingerprint) for anchor in listed] == [
        ("corp", ROOT.fingerprint), ("corp", ISSUING.fingerprint)]


def test_everything_wrong_is_said_at_once_with_its_place():
    text = refusal(
        element(name="leaf", content=at_now.server(issuer=ROOT).pem), element(src="key.pem"), element(src="none"),
        element(path="/gone"), element(fingerprint="zz", state="absent"),
        element(fingerprint="ab" * 32), element(name="x", state="distrusted"),
        element(content=ROOT.pem), element(content=ROOT.pem, state="absent"),
        load=lambda src: (ROOT.pem + ROOT.key_pem()).encode() if src == "key.pem" else _raise(ValueError("not there")),
        collected=[{"error": "there is no such file", "missing": True}],
    )
    lines = text.splitlines()
    assert len(lines) == 8
    assert lines[0].startswith("anchors, element 1 (leaf): CN=web1.example.com (SHA-256 ")
    assert "is refused: it is not a CA" in lines[0]
    assert lines[1].startswith("anchors, element 2, src key.pem: there is a private key in it")
    assert "BEGIN" not in text and ROOT.key_pem().splitlines()[1] not in text
    assert lines[2] == "anchors, element 3, src none: not there"
    assert lines[3] == "anchors, element 4, path /gone: on the host: there is no such file"
    assert "not a SHA-256 fingerprint" in lines[4]
    assert "can't be installed" in lines[5]
    assert "needs the certificate" in lines[6]
    assert "is wanted absent here and present in anchors, element 8" in lines[7]


def test_a_missing_file_is_an_error_unless_the_state_is_absent():
    """Otherwise a certificate that should be distrusted stays trusted."""
    gone = [{"error": "there is no such file", "missing": True}]
    assert read(element(path="/gone", state="absent"), collected=gone) == []
    for state in ("present", "distrusted"):
        assert refusal(element(path="/gone", state=state), collected=gone) == (
            "anchors, element 1, path /gone: on the host: there is no such file")
    closed = [{"error": "it can't be read: Permission denied", "missing": False}]
    assert "Permission denied" in refusal(element(path="/closed", state="absent"), collected=closed)


def _raise(error):
    raise error


def test_what_is_there_and_empty_is_refused():
    with pytest.raises(anchor_list.AnchorListError) as caught:
        anchor_list.check([element(path=""), element(content=ROOT.pem), element(name=" ", state="absent")])
    assert [line.partition(" is empty")[0] for line in str(caught.value).splitlines()] == [
        "anchors, element 1: path", "anchors, element 3: name"]
    anchor_list.check([element(name="corp", content=ROOT.pem)])


def test_what_is_removed_or_distrusted_may_be_expired():
    old = at_now.root(days=(-30, -3))
    assert [anchor.state for anchor in read(element(content=old.pem, state="absent"))] == ["absent"]
    assert [anchor.state for anchor in read(element(content=old.pem, state="distrusted"))] == ["distrusted"]


def test_a_fingerprint_and_its_certificate_are_one():
    listed = read(element(fingerprint=ROOT.fingerprint.upper(), state="distrusted"),
                  element(content=ROOT.pem, state="distrusted"))
    assert len(listed) == 1 and listed[0].certificate is not None


def test_names_in_messages_are_harmless():
    text = refusal(element(name="\x1b[2J\nx", src="\x1b]0;x\a", content=None), load=lambda src: b"")
    assert "\x1b" not in text and "\a" not in text and len(text.splitlines()) == 1


def test_short_lists_go_along_and_long_ones_by_fingerprint():
    short = read(element(content=ROOT.pem), element(name="old", state="absent"),
                 element(fingerprint="ab" * 32, state="absent"))
    sent = anchor_list.to_send(short)
    assert [sorted(each) for each in sent] == [
        ["content", "name", "state"], ["name", "state"], ["fingerprint", "name", "state"]]
    assert pem.read_certificates(sent[0]["content"].encode())[0].fingerprint == ROOT.fingerprint
    many = read(element(content="".join(at_now.root(f"Root {number}", key=ROOT.key).pem for number in range(60))))
    first = anchor_list.to_send(many)
    assert all(each.get("fingerprint") and "content" not in each for each in first)
    second = anchor_list.to_send(many, {many[3].fingerprint})
    assert [number for number, each in enumerate(second) if "content" in each] == [3]


def test_a_certificate_that_would_empty_the_store_is_refused():
    text = refusal(element(name="mueller", content=LATIN1.pem))
    assert text.startswith("anchors, element 1 (mueller): CN=Mueller Root CA,O=#0c")
    assert text.endswith(
        f"(SHA-256 {LATIN1.fingerprint}) is refused: OpenSSL does not load it: subject O=\"M\u00fcller GmbH\" is not "
        "valid UTF-8 (byte 0xFC at position 2 of a UTF8String). With it in the store, a host's OpenSSL would load no "
        "CA at all. Have the CA reissue the certificate")


def test_one_that_would_is_taken_away_all_the_same():
    for state in ("absent", "distrusted"):
        assert [anchor.state for anchor in read(element(content=LATIN1.pem, state=state))] == [state]


@pytest.mark.parametrize(("raw", "part"), [
    (AMPERSAND, "it"), (FALSE_WRITTEN_OUT, "it"), (EIGHT_BITS, "its extensions"),
    (raw_pki.BRAINPOOL, "its key")])
def test_what_pyca_alone_refuses_is_a_note(raw, part):
    certificate = x509.parse(raw.der)
    assert anchor_policy.objections(certificate, anchor_policy.AnchorPolicy()) == []
    assert list(anchor_policy.unloadable([certificate])) == []
    (note,) = anchor_policy.notes(certificate)
    assert note == f"OpenSSL loads it; tools that use pyca/cryptography can't read {part}"
    for state, changed, notes in (("present", True, ["first", note]), ("present", False, ["first"]),
                                  ("absent", True, ["first"])):
        answer = {"changed": changed, "anchors": [
            {"fingerprint_sha256": raw.fingerprint, "subject": "CN=Forged", "notes": ["first"]},
            {"fingerprint_sha256": None, "notes": []}, {"fingerprint_sha256": "ab" * 32, "notes": []}]}
        told = anchor_list.in_own_words(answer, read(element(content=raw.pem, state=state)))["anchors"]
        assert told[0] == {"fingerprint_sha256": raw.fingerprint, "subject": x509.describe(certificate)["subject"],
                           "notes": notes}
        assert [one["notes"] for one in told[1:]] == [[], []]


def test_a_feature_of_tls_without_a_name_is_a_note():
    """pyca/cryptography raises KeyError for it."""
    feature = builder.UnrecognizedExtension(builder.TLSFeature.oid, bytes.fromhex("3003020104"))
    pair = at_now.root(more=[(feature, False)])
    assert objections(pair) == [] and "read its extensions" in anchor_policy.notes(x509.parse(pair.der))[0]
    assert anchor_policy.notes(x509.parse(ROOT.der)) == []


@pytest.mark.parametrize("extension", [
    raw_pki.extension(x509.BASIC_CONSTRAINTS, b"\x30\x05"), raw_pki.extension(x509.KEY_USAGE, b"\3"),
    raw_pki.extension(x509.EXTENDED_KEY_USAGE, b"\2\1\1")])
def test_extensions_that_nobody_can_read_are_refused(extension):
    certificate = x509.parse(raw_pki.root(more=[extension]).der)
    (objection,) = anchor_policy.objections(certificate, anchor_policy.AnchorPolicy())
    assert objection.startswith("it is malformed: ")


def test_the_controllers_openssl_is_asked_too(monkeypatch):
    """Should our own reader ever be too lenient, the one that counts still says no."""
    monkeypatch.setattr(anchor_policy.loadable, "fault", lambda data: None)
    listed = read(element(content=ROOT.pem), element(name="mueller", content=LATIN1.pem),
                  element(content=AMPERSAND.pem), element(content=at_now.root("Gone").pem, state="absent"))
    (sentence,) = anchor_list.unloadable(listed)
    assert sentence.startswith("anchors, element 2 (mueller): ") and LATIN1.fingerprint in sentence
    assert "OpenSSL does not load it: the controller's OpenSSL " in sentence
    assert anchor_list.unloadable(listed[:1]) == anchor_list.unloadable([]) == []


@pytest.mark.parametrize(("case", "words"), [
    ("latin1-in-utf8string", "is not valid UTF-8"), ("ampersand-in-printablestring", None),
    ("critical-false-written-out", None), ("eight-bit-policy-text", None), ("eight-bit-crl-address", None),
    ("curve-that-cryptography-lacks", None), ("unknown-critical-extension", None)])
def test_cases_that_people_have(case, words):
    (certificate,) = pem.read_certificates(shared_cases.read(case).encode())
    found = anchor_policy.objections(certificate, anchor_policy.AnchorPolicy())
    assert [words in one for one in found] == [True] if words else not found
    assert bool(anchor_policy.notes(certificate)) == (case not in READ_BY_PYCA)


def test_digests_of_rsassa_pss():
    issuing = pki.issue("Issuing", ROOT, ca=True)
    for parameters, refused in ((b"", True), (raw_pki.tlv(48), True), (PSS_SHA1, True), (PSS_SHA256, False)):
        algorithm = raw_pki.tlv(48, raw_pki.oid("1.2.840.113549.1.1.10"), parameters)
        certificate = x509.parse(_with_algorithm(issuing.der, algorithm))
        found = anchor_policy.objections(certificate, anchor_policy.AnchorPolicy())
        assert found == (["it is signed with SHA-1, which TLS clients refuse: have it reissued"] if refused else [])
