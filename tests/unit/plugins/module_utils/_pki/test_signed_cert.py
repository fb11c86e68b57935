# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""signed_cert: foreseen, done, done once; what of a request is honoured, and what is refused whoever asks."""
import os

import pki
import pytest
from certificate_options import DAY, NOW, Bench, assert_clear, at_now, openssl
from cryptography import x509 as objects
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec, keys
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

ROOT = at_now.root("Corp Root", days=(-1, 3650))
CA = at_now.root("Corp Issuing", issuer=ROOT, path_length=0, days=(-1, 999))
WEB = {"common_name": "web1.example.com", "subject_alt_name": ["DNS:web1.example.com", "IP:192.0.2.1"]}
GREEDY = {"basic_constraints": ["CA:TRUE"], "key_usage": ["keyCertSign", "cRLSign", "digitalSignature"],
          "extended_key_usage": ["codeSigning", "anyExtendedKeyUsage"], "name_constraints_permitted": ["DNS:a"]}
BOTH = {"path": "web.crt", "fullchain_path": "full.pem"}


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.ca(CA, ROOT)
    made.csr(**WEB)
    return made


def request(bench, **given):
    for name in ("web.csr", "web.key"):
        if os.path.exists(bench.path(name)):
            os.unlink(bench.path(name))
    bench.csr(**given)


def plain(bench, name="web.crt"):
    return bench.certificate(name).plain


def test_a_server_s(bench):
    done = bench.quartet(bench.signed, return_content=True, **BOTH)
    assert done.reasons == ["there is no certificate yet"] and done.warnings == []
    made = plain(bench)
    assert (x509.name(made.subject_der), x509.name(made.issuer_der)) == ("CN=web1.example.com", "CN=Corp Issuing")
    assert x509.basic_constraints(made) == (False, None) and x509.key_usage(made) == ["digital_signature"]
    assert x509.extended_key_usage(made) == ["server_auth"]
    assert x509.alt_names(made)["dns"] == ["web1.example.com"] and x509.alt_names(made)["ip"] == ["192.0.2.1"]
    assert x509.authority_key_identifier(made) == bench.certificate("ca.crt").facts["subject_key_identifier"]
    assert made.serial.bit_length() > 100 and made.not_after == NOW + 180 * DAY
    assert bench.fingerprints("web.crt") == [made.fingerprint]
    assert bench.fingerprints("full.pem") == [made.fingerprint, CA.fingerprint]
    assert done.result["fullchain"] == bench.read("full.pem").decode()
    assert done.result["fullchain"] == done.result["certificate"] + done.result["chain"]
    assert done.result["fullchain_path"] == bench.path("full.pem") and "key_type: EC P-256\n" in done.diff["after"]
    assert_clear(repr(done.diff).replace("\\n", " "), CA.key_pem())


def test_without_a_path_it_is_made_and_returned_and_nothing_is_written(bench):
    before = bench.look()
    for check in (True, False):
        done = bench.signed(check)
        assert done.result["fullchain"].count("BEGIN CERTIFICATE") == 2 and done.result["filename"] is None
        assert done.reasons == ["there is no certificate yet"]
    assert bench.look() == before
    assert bench.signed(path="web.crt").result["certificate"] is None


CROSSED = [("EC P-256", "Ed25519"), ("Ed25519", "RSA 2048"), ("RSA 2048", "EC P-521"), ("EC P-521", "EC P-384"),
           ("EC P-384", "Ed448"), ("Ed448", "EC P-256")]


@pytest.mark.parametrize("ca_type, leaf_type", CROSSED)
def test_openssl_verifies_what_every_type_of_ca_signs(bench, ca_type, leaf_type):
    bench.selfsigned(path="root.crt", privatekey_path="root.key", purpose="root_ca", common_name="Root",
                     key_type=ca_type)
    bench.csr(path="i.csr", privatekey_path="i.key", common_name="Issuing", key_type=ca_type)
    bench.quartet(bench.signed, csr_path="i.csr", path="i.crt", ca_path="root.crt", ca_privatekey_path="root.key",
                  purpose="intermediate_ca")
    request(bench, key_type=leaf_type, **WEB)
    urls = {"crl_distribution_points": ["http://a/i.crl"], "ocsp": ["http://a/ocsp"], "ca_issuers": ["http://a/i.crt"]}
    bench.quartet(bench.signed, ca_path="i.crt", ca_privatekey_path="i.key", **dict(BOTH, **urls))
    made = bench.certificate()
    assert made.facts["key_type"] == leaf_type
    assert made.facts["digest"] == {"EC P-384": "sha384", "EC P-521": "sha512", "Ed25519": None, "Ed448": None}.get(
        ca_type, "sha256")
    assert {name: made.facts[name] for name in urls} == urls
    assert made.facts["key_usage"] == ["digitalSignature"]
    assert ": OK" in openssl("verify", "-x509_strict", "-CAfile", bench.path("root.crt"), "-untrusted",
                             bench.path("i.crt"),
                             "-purpose", "sslserver", "-verify_hostname", "web1.example.com", bench.path("web.crt"))


# --- what is honoured ---

def test_a_request_can_not_make_itself_more_than_it_is(bench):
    request(bench, **dict(WEB, **GREEDY))
    bench.quartet(bench.signed, path="web.crt")
    facts = bench.certificate().facts
    assert facts["basic_constraints"] == ["CA:FALSE"] and facts["key_usage"] == ["digitalSignature"]
    assert facts["extended_key_usage"] == ["serverAuth"] and "name_constraints_permitted" not in facts
    assert facts["subject_alt_name"] == WEB["subject_alt_name"]


@pytest.mark.parametrize("purpose", ["server", "client"])
@pytest.mark.parametrize("honour", ["basic_constraints", "key_usage"])
def test_nor_where_that_is_honoured(bench, purpose, honour):
    request(bench, **dict(WEB, **GREEDY))
    with pytest.raises(Failure, match="asks for a CA .CA:TRUE, .*and purpose=%s makes none" % purpose) as error:
        bench.signed(path="web.crt", purpose=purpose, honour=["subject", "subject_alt_name", honour])
    assert_clear(error.value)
    assert not os.path.exists(bench.path("web.crt"))


@pytest.mark.parametrize("honour, name, value", [
    ("extended_key_usage", "extended_key_usage", ["codeSigning", "anyExtendedKeyUsage"]),
    ("name_constraints", "name_constraints_permitted", ["DNS:a"]),
    ("ocsp_must_staple", "ocsp_must_staple", True)])
def test_what_is_honoured_is_taken_over(bench, honour, name, value):
    request(bench, ocsp_must_staple=True, **dict(WEB, **GREEDY))
    bench.quartet(bench.signed, path="web.crt", honour=["subject", "subject_alt_name", honour])
    facts = bench.certificate().facts
    assert facts[name] == value and facts["basic_constraints"] == ["CA:FALSE"]
    assert ("name_constraints" in facts["critical"]) is (honour == "name_constraints")
    bench.signed(path="web.crt", honour=["subject", "subject_alt_name"])
    assert bench.certificate().facts.get(name) != value


def test_no_subject_that_is_honoured(bench):
    bench.quartet(bench.signed, path="web.crt", honour=["subject_alt_name"])
    facts = bench.certificate().facts
    assert facts["subject"] == [] and "subject_alt_name" in facts["critical"]
    with pytest.raises(Failure, match="has no subject_alt_name"):
        bench.signed(path="web.crt", honour=[])
    with pytest.raises(Failure, match="neither a subject nor a subject_alt_name that would be taken over"):
        bench.signed(path="web.crt", honour=[], purpose="client")


def test_critical_names_stay_critical(bench):
    request(bench, subject_alt_name_critical=True, **WEB)
    bench.signed(path="web.crt")
    assert "subject_alt_name" in bench.certificate().facts["critical"]


def test_names_from_the_common_name(bench):
    request(bench, common_name="web1.example.com", use_common_name_for_san=False)
    for run in (bench.quartet(bench.signed, path="web.crt"), bench.signed(path="web.crt")):
        assert run.warnings == [
            "the request has no subject_alt_name; DNS:web1.example.com is taken from its common name"]
    assert bench.certificate().facts["subject_alt_name"] == ["DNS:web1.example.com"]
    request(bench, common_name="Jane Doe")
    with pytest.raises(Failure,
                       match="the request .CN=Jane Doe. has no subject_alt_name, which is where clients look"):
        bench.signed(path="new.crt")
    assert bench.signed(path="new.crt", purpose="client").warnings == []
    assert "subject_alt_name" not in bench.certificate("new.crt").facts


# --- intermediate CAs ---

def test_an_intermediate(bench):
    bench.ca(ROOT)
    request(bench, common_name="Corp Issuing 2")
    given = {"path": "web.crt", "purpose": "intermediate_ca"}
    bench.quartet(bench.signed, **given)
    made = plain(bench)
    assert x509.basic_constraints(made) == (True, 0) and x509.key_usage(made) == ["key_cert_sign", "crl_sign"]
    assert x509.extended_key_usage(made) == ["server_auth", "client_auth"] and x509.alt_names(made)["dns"] == []
    assert made.not_after == NOW + 1825 * DAY
    done = bench.quartet(bench.signed, pathlen=2, **given)
    assert done.reasons == ["basic_constraints: pathlen:2 is added, pathlen:0 is taken out"]


def test_what_can_not_become_an_intermediate(bench):
    given = {"path": "web.crt", "purpose": "intermediate_ca"}
    with pytest.raises(Failure, match="has pathlen:0 and can't issue a CA with pathlen:0"):
        bench.signed(**given)
    bench.ca(ROOT)
    with pytest.raises(Failure, match="can't become an intermediate CA: a CA has a subject and CA:TRUE"):
        bench.signed(honour=["subject_alt_name"], **given)
    request(bench, basic_constraints=["CA:FALSE"], **WEB)
    with pytest.raises(Failure, match="can't become an intermediate CA"):
        bench.signed(honour=["subject", "basic_constraints"], **given)
    with pytest.raises(Failure, match="can't (make|be made)|pathlen"):
        bench.signed(pathlen=-1, **given)
    assert not os.path.exists(bench.path("web.crt"))


# --- requests that are refused ---

def der_of(bench):
    return bytearray(keys.pem.decode(keys.pem.blocks(bench.read("web.csr"))[0]))


def foreign(bench, key, *names):
    """A request of others' tools."""
    name = objects.Name([objects.NameAttribute(objects.oid.NameOID.COMMON_NAME, u"web1")])
    builder = objects.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(objects.SubjectAlternativeName(names), False) if names else builder
    made = builder.sign(key, hashes.SHA256(), default_backend())
    bench.write("web.csr", made.public_bytes(serialization.Encoding.PEM))


def test_a_wrong_signature(bench):
    der = der_of(bench)
    der[-1] ^= 1
    bench.write("web.csr", bytes(der))
    with pytest.raises(Failure, match="can't be signed: its own signature is wrong, so that nobody has shown to hold"):
        bench.signed(path="web.crt")
    assert not os.path.exists(bench.path("web.crt"))


def test_weak_keys_and_the_ca_s_own(bench):
    foreign(bench, pki.new_key("rsa1024"), objects.DNSName(u"a"))
    with pytest.raises(Failure, match="its key is RSA 1024, and current clients refuse that; use one of EC P-256, "):
        bench.signed(path="web.crt")
    foreign(bench, CA.key, objects.DNSName(u"a"))
    with pytest.raises(Failure, match="is for the CA's own key, which belongs into no other certificate"):
        bench.signed(path="web.crt")


def test_curves_that_clients_do_not_know(bench):
    key = ec.generate_private_key(ec.SECP256K1(), default_backend())
    foreign(bench, key, objects.DNSName(u"a"))
    with pytest.raises(Failure, match="its key is EC secp256k1, and current clients refuse that"):
        bench.signed(path="web.crt")


def test_prescribed_names_whatever_the_request_says(bench):
    """Whoever has taken over a host can ask for any name."""
    prescribed = {"subject_alt_name": ["dns:Web1.Example.com", "IP:192.0.2.1"], "common_name": "web1.example.com"}
    done = bench.quartet(bench.signed, **dict(prescribed, **BOTH))
    assert done.warnings == []
    request(bench, common_name="admin", subject={"O": "Corp"}, subject_alt_name=["DNS:bank.example.com"])
    done = bench.signed(**dict(prescribed, **BOTH))
    assert done.reasons == ["the key is another one"]  # that it asks for other names comes to nothing
    assert sorted(done.warnings) == [
        "the request asks for subject O=Corp, CN=admin, and the certificate is for CN=web1.example.com, "
        "as subject says",
        "the request asks for subject_alt_name DNS:bank.example.com, and the certificate is for DNS:web1.example.com, "
        "IP:192.0.2.1, as subject_alt_name says"]
    made = plain(bench)
    assert x509.name(made.subject_der) == "CN=web1.example.com"
    assert x509.alt_names(made)["dns"] == ["web1.example.com"] and x509.alt_names(made)["ip"] == ["192.0.2.1"]
    with pytest.raises(Failure, match="subject_alt_name: 'web1.example.com' has no type"):
        bench.signed(path="web.crt", subject_alt_name=["web1.example.com"])


@pytest.mark.parametrize("name", [u"", u"*", u"foo bar", u"a.de\0.evil", u"a\nnot_after: 2099", u"\x1b]0;x\x07"])
def test_names_that_are_none_are_refused_in_harmless_words(bench, name):
    foreign(bench, pki.new_key(), objects.DNSName(name))
    with pytest.raises(Failure, match="can't be signed") as error:
        bench.signed(path="web.crt")
    assert_clear(error.value)
    assert str(error.value).isprintable()


def test_nothing_of_a_request_reaches_a_terminal_raw(bench):
    """Neither by the warnings nor by the diff, in which a line end would forge lines."""
    foreign(bench, pki.new_key(), objects.UniformResourceIdentifier(u"x:\x1b[2K\nnot_after: 2099"))
    done = bench.signed(True, path="web.crt", subject_alt_name=["DNS:a"], common_name="a")
    assert done.warnings and all(text.isprintable() for text in done.warnings)
    bench.ca(CA)
    done = bench.signed(True, path="web.crt", honour=["subject"], purpose="client")
    assert all(line.isprintable() for line in done.diff["after"].splitlines())


def test_what_the_ca_may_not_certify(bench):
    """Signed, it would verify nowhere."""
    def sign(**given):
        return bench.signed(path="out.crt", force=True, **given)
    bench.csr(path="sub.csr", privatekey_path="sub.key", common_name="Narrow", basic_constraints=["CA:TRUE"],
              name_constraints_permitted=["DNS:example.com", "IP:192.0.2.0/24"],
              name_constraints_excluded=["DNS:secret.example.com", "email:evil.example", "URI:evil.example"],
              extended_key_usage=["serverAuth"])
    bench.ca(ROOT)
    bench.signed(path="ca2.crt", csr_path="sub.csr", purpose="intermediate_ca",
                 honour=["subject", "name_constraints", "extended_key_usage"])
    narrow = {"ca_path": "ca2.crt", "ca_privatekey_path": "sub.key"}
    assert sign(**narrow).reasons
    assert sign(subject_alt_name=["email:ops@good.example", "URI:https://good.example/"], **narrow).reasons
    for names, why in ((["DNS:evil.org"], "permit DNS:example.com"), (["DNS:badexample.com"], "permit"),
                       (["IP:198.51.100.1"], "permit"), (["DNS:a.secret.example.com"], "exclude DNS:secret.e")):
        with pytest.raises(Failure, match="can't issue a certificate for %s: its name" % names[0]) as error:
            sign(subject_alt_name=names, **narrow)
        assert why in str(error.value)
    with pytest.raises(Failure, match="can't issue a certificate for clientAuth: its own extended key usage is"):
        sign(purpose="client", **narrow)
    bench.csr(common_name="Corp Root", basic_constraints=["CA:TRUE"])
    with pytest.raises(Failure, match="is called like the CA that is to sign it"):
        sign(purpose="intermediate_ca")


@pytest.mark.parametrize("name", [
    objects.DirectoryName(objects.Name([])),
    objects.OtherName(objects.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")])
def test_names_of_other_kinds_are_not_turned_into_something_else(bench, name):
    foreign(bench, pki.new_key(), objects.DNSName(u"a"), name)
    with pytest.raises(Failure, match="has no type that is known here") as error:
        bench.signed(path="web.crt")
    assert_clear(error.value)


@pytest.mark.parametrize("content, message", [
    ("", "the request .*web.csr can't be signed: there is no certificate signing request in it: it is empty"),
    (CA.pem, "there is no certificate signing request in it, but: CERTIFICATE"),
    (CA.key_pem(), "there is no certificate signing request in it, but: PRIVATE KEY"),
    (None, "can't be signed: there is no such file"),
])
def test_what_is_no_request(bench, content, message):
    os.unlink(bench.path("web.csr"))
    if content is not None:
        bench.write("web.csr", content)
        with pytest.raises(Failure, match="the request csr_content|csr_content: there is a private key in it"):
            bench.signed(csr_content=content)
    with pytest.raises(Failure, match=message) as error:
        bench.signed(path="web.crt")
    assert_clear(error.value, CA.key_pem())


@pytest.mark.parametrize("given, message", [
    ({"path": "none/x"}, "the folder .*none does not exist; create it first"), ({"not_after": "soon"},
                                                                                "not_after: 'soon'"),
    ({"fullchain_path": "none/x"}, "the folder .*none does not exist"), ({"renew_before": "180d"},
                                                                         "every run would renew"),
    ({"ocsp": [u"http://m\u00fcnchen/"]}, "can't (make|be made)|is no URI"),
])
def test_options_that_are_refused(bench, given, message):
    before = bench.look()
    with pytest.raises(Failure, match=message) as error:
        bench.signed(**dict({"path": "web.crt"}, **given))
    assert_clear(error.value)
    assert bench.look() == before


def test_check_mode_before_there_is_anything(tmp_path):
    bench = Bench(tmp_path)
    done = bench.signed(True, path="web.crt", fullchain_path="full.pem")
    assert done.reasons == ["%s is not there yet" % bench.path(name) for name in ("web.csr", "ca.crt", "ca.key")]
    assert (done.result["filename"], done.result["fullchain_path"]) == (bench.path("web.crt"), bench.path("full.pem"))
    assert set(argspec.signed_cert()) and done.result["certificate"] is None and done.result["serial"] is None
    assert done.files == [] and not bench.look()
    with pytest.raises(Failure, match="can't be signed: there is no such file"):
        bench.signed(path="web.crt")
