# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""selfsigned_cert: foreseen, done, done once; what its profiles make, and when a new one is due."""
import os
import stat

import pytest
from certificate_options import DAY, NOW, SECRET, Bench, assert_clear, openssl

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import keys
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

WEB = {"common_name": "web1.example.com", "purpose": "server"}
ROOT = {"common_name": "Corp Root", "purpose": "root_ca", "privatekey_passphrase": SECRET}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def plain(bench):
    return bench.certificate().plain


def term(bench):
    """The first and the last moment of validity."""
    return plain(bench).not_before, plain(bench).not_after


@pytest.mark.parametrize("kind, usages", [("EC P-256", ["digital_signature"]), ("Ed25519", ["digital_signature"]),
                                          ("RSA 2048", ["digital_signature"])])
def test_a_server_s(bench, kind, usages):
    done = bench.quartet(bench.selfsigned, key_type=kind, return_content=True, **WEB)
    assert done.reasons == ["there is no private key yet", "there is no certificate yet"]
    made = plain(bench)
    assert (x509.key_type(made), x509.name(made.subject_der), x509.name(made.issuer_der), made.version) == (
        kind, "CN=web1.example.com", "CN=web1.example.com", 3)
    assert x509.basic_constraints(made) == (False, None) and x509.key_usage(made) == usages
    assert x509.extended_key_usage(made) == ["server_auth"]
    assert x509.alt_names(made) == {"dns": ["web1.example.com"], "ip": [], "email": [], "uri": [], "rid": []}
    assert x509.subject_key_identifier(made) == x509.authority_key_identifier(made)
    assert x509.subject_key_identifier(made)
    assert {oid for oid, (critical, _value) in made.extensions.items() if critical} == {
        x509.BASIC_CONSTRAINTS, x509.KEY_USAGE}
    assert made.serial.bit_length() > 100
    assert term(bench) == (NOW - 3600, NOW + 180 * DAY)
    assert [stat.S_IMODE(os.stat(bench.path(name)).st_mode) for name in ("web.crt", "web.key")] == [0o644, 0o600]
    assert done.result["certificate"] == bench.read("web.crt").decode()
    assert done.result["fingerprint_sha256"] == made.fingerprint
    assert done.result["subject_alt_name"] == ["DNS:web1.example.com"] and done.result["key_type"] == kind
    assert ": OK" in openssl("verify", "-x509_strict", "-CAfile", bench.path("web.crt"), "-purpose", "sslserver",
                             "-verify_hostname", "web1.example.com", bench.path("web.crt"))


def test_a_client_s_and_one_without_a_profile(bench):
    bench.selfsigned(common_name="Jane Doe", purpose="client")
    assert x509.extended_key_usage(plain(bench)) == ["client_auth"]
    done = bench.quartet(bench.selfsigned, common_name="Jane Doe")
    assert done.reasons == ["key_usage: digitalSignature is taken out", "extended_key_usage: clientAuth is taken out",
                            "basic_constraints: CA:FALSE is taken out"]
    assert x509.extended_key_usage(plain(bench)) is None and x509.basic_constraints(plain(bench)) == (False, None)


@pytest.mark.parametrize("kind", ["EC P-384", "Ed25519"])
def test_a_root(bench, kind):
    done = bench.quartet(bench.selfsigned, key_type=kind, basic_constraints=["CA:TRUE", "pathlen:1"], **ROOT)
    assert_clear(repr(done), SECRET, bench.read("web.key").decode())
    made = plain(bench)
    assert x509.basic_constraints(made) == (True, 1) and x509.key_usage(made) == ["key_cert_sign", "crl_sign"]
    assert x509.alt_names(made)["dns"] == [] and x509.extended_key_usage(made) is None
    assert term(bench) == (NOW - 3600, NOW + 3650 * DAY)
    assert bench.certificate().facts["digest"] == (None if kind == "Ed25519" else "sha384")
    assert b"ENCRYPTED" in bench.read("web.key")
    assert ": OK" in openssl("verify", "-x509_strict", "-CAfile", bench.path("web.crt"), bench.path("web.crt"))


def test_a_root_whose_key_is_elsewhere_is_never_made_anew(bench):
    bench.selfsigned(**ROOT)
    os.unlink(bench.path("web.key"))
    before = bench.look()
    for given in ({}, {"regenerate_key": "mismatch"}, {"force": True}, {"not_after": "+10000d"},
                  {"organization_name": "x"}):
        for check in (True, False):
            with pytest.raises(Failure, match="a new key would make it another CA, which nobody trusts. Bring the key "
                                              "back; or remove the certificate") as error:
                bench.selfsigned(check, **dict(ROOT, **given))
            text = assert_clear(error.value, SECRET)
            assert bench.path("web.key") in text and "CN=Corp Root, SHA-256 " in text
    assert bench.look() == before


@pytest.mark.parametrize("content", ["half a file", ""])
def test_a_damaged_root_without_its_key_is_not_replaced(bench, content):
    bench.write("web.crt", content)
    before = bench.look()
    for check in (True, False):
        with pytest.raises(Failure, match="a new key would make it another CA, which nobody trusts"):
            bench.selfsigned(check, **ROOT)
    assert bench.look() == before
    assert bench.selfsigned(**WEB).reasons[0] == "there is no private key yet"


def test_a_root_whose_key_can_not_be_read_stays(bench):
    bench.selfsigned(**ROOT)
    before = bench.look()
    with pytest.raises(Failure, match="can't be decrypted: privatekey_passphrase is wrong"):
        bench.selfsigned(**dict(ROOT, privatekey_passphrase="another", regenerate_key="always", force=True))
    assert bench.look() == before


def test_a_leaf_whose_key_is_gone_is_made_anew(bench):
    bench.selfsigned(**WEB)
    os.unlink(bench.path("web.key"))
    done = bench.quartet(bench.selfsigned, **WEB)
    assert done.reasons == ["there is no private key yet", "issuer: CN=web1.example.com has another key now",
                            "the key is another one"]


@pytest.mark.parametrize("changed, reason", [
    ({"organization_name": "Corp"}, "subject: CN=web1.example.com,O=Corp instead of CN=web1.example.com"),
    ({"subject_alt_name": ["DNS:b"]}, "subject_alt_name: DNS:b is added, DNS:web1.example.com is taken out"),
    ({"digest": "sha512"}, "digest: sha512 instead of sha256"),
    ({"purpose": "client"}, "extended_key_usage: clientAuth is added, serverAuth is taken out"),
    ({"ocsp_must_staple": True}, "ocsp_must_staple is added"),
    ({"key_usage_critical": False}, "key_usage is no longer critical"),
    ({"not_before": "20200101"}, "not_before: 2020-01-01T00:00:00Z instead of "),
    ({"not_after": "20991231"}, "not_after: 2099-12-31T00:00:00Z instead of "),
    ({"renew_before": "179d23h"}, None),
    ({"not_after": "+10d"}, None),
    ({"not_before": "-9d"}, None),
])
def test_each_drift_has_its_reason(bench, changed, reason):
    bench.selfsigned(**WEB)
    key, before = bench.look()["web.key"], bench.read("web.crt")
    given = dict(WEB, **changed)
    if reason is None:
        assert bench.selfsigned(**given).reasons == [] and bench.read("web.crt") == before
        return
    done = bench.quartet(bench.selfsigned, backup=True, **given)
    assert any(one.startswith(reason) for one in done.reasons) and len(done.reasons) <= 2
    assert bench.look()["web.key"] == key
    assert bench.read(done.result["backup_files"][bench.path("web.crt")]) == before
    assert list(done.result["backup_files"]) == [bench.path("web.crt")]


def test_absolute_dates_are_kept_to_the_second(bench):
    given = dict(WEB, not_before="20260101000001Z", not_after="2049-12-31T23:59:59Z")
    bench.quartet(bench.selfsigned, **given)
    bench.quartet(bench.selfsigned, **dict(given, not_after="2050-01-01T00:00:00Z"))
    assert x509.iso_time(plain(bench).not_before) == "2026-01-01T00:00:01Z"
    bench.quartet(bench.selfsigned, **dict(given, not_after="99991231235959Z"))


def test_renewal(bench):
    bench.selfsigned(now=NOW, **WEB)
    before, given = bench.look(), dict(WEB, renew_before="30d")
    assert bench.selfsigned(now=NOW + 150 * DAY, **given).reasons == []
    assert bench.look() == before
    later = NOW + 150 * DAY + 1
    foreseen = bench.selfsigned(True, later, **given)
    assert bench.look() == before
    done = bench.selfsigned(now=later, **given)
    assert done.reasons == foreseen.reasons and len(done.reasons) == 1
    assert done.reasons[0].startswith("it expires in 29 days (")
    assert bench.look()["web.key"] == before["web.key"] and plain(bench).not_after == later + 180 * DAY
    assert bench.selfsigned(now=later, **given).reasons == []
    assert bench.selfsigned(now=later + 180 * DAY, **WEB).reasons[0].startswith("it expired less than a second ago")


def test_what_is_no_certificate_is_written_anew(bench):
    bench.selfsigned(**WEB)
    bench.write("web.crt", "something else")
    assert "web.crt can't be read as a certificate: there is no certificate in it" in bench.quartet(
        bench.selfsigned, **WEB).reasons[0]


def test_what_servers_can_not_read_is_written_anew(bench):
    bench.selfsigned(**WEB)
    pkcs7 = openssl("crl2pkcs7", "-nocrl", "-certfile", bench.path("web.crt"))
    for content in (pkcs7, plain(bench).der):
        bench.write("web.crt", content)
        assert bench.quartet(bench.selfsigned, **WEB).reasons == [
            "%s: it is not in PEM form, which servers want" % bench.path("web.crt")]


def test_force_and_regenerate(bench):
    bench.selfsigned(**WEB)
    key, serial = bench.read("web.key"), plain(bench).serial
    assert bench.selfsigned(force=True, **WEB).reasons == ["force"]
    assert bench.read("web.key") == key and plain(bench).serial != serial
    done = bench.quartet(bench.selfsigned, key_type="Ed25519", regenerate_key="mismatch", backup=True, **WEB)
    assert done.reasons[0] == "key_type: Ed25519 instead of EC P-256" and len(done.result["backup_files"]) == 2
    assert bench.read(done.result["backup_files"][bench.path("web.key")]) == key
    assert bench.certificate().facts["public_key"] == keys.fingerprint(keys.load(bench.path("web.key")).public_key())
    assert "regenerate_key: always" in bench.selfsigned(regenerate_key="always", **WEB).reasons[0]


def test_with_a_request_for_a_ca_that_signs_later(bench):
    given = dict(WEB, csr_path="web.csr", subject_alt_name=["DNS:web1"])
    done = bench.quartet(bench.selfsigned, **given)
    assert done.reasons[-1] == "there is no request yet" and done.files == [bench.path("web.crt"),
                                                                            bench.path("web.csr")]
    assert bench.request().facts["public_key"] == bench.certificate().facts["public_key"]
    assert bench.request().signed and bench.request().facts["subject_alt_name"] == ["DNS:web1"]
    os.unlink(bench.path("web.csr"))
    before = bench.look()["web.crt"]
    assert bench.quartet(bench.selfsigned, **given).reasons == ["there is no request yet"]
    assert bench.look()["web.crt"] == before


def test_a_name_alone_becomes_the_subject(bench):
    bench.quartet(bench.selfsigned, subject_alt_name=["IP:192.0.2.1", "DNS:b"], purpose="server")
    assert x509.name(plain(bench).subject_der) == "CN=192.0.2.1"
    assert x509.alt_names(plain(bench))["dns"] == ["b"]


@pytest.mark.parametrize("given, message", [
    ({"not_after": "20200101"}, "not_after .* is not later than not_before"),
    ({"not_after": "soon"}, "not_after: 'soon' is no time"),
    ({"not_after": "+450000w"}, "is out of what certificates can say"),
    ({"not_before": "19000101"}, "is out of what certificates can say"),
    ({"renew_before": "180d"}, "every run would renew it"),
    ({"renew_before": "x"}, "renew_before: 'x' is no span"),
    ({"path": "none/web.crt"}, "the folder .*none does not exist; create it first"),
    ({"csr_path": "none/web.csr"}, "the folder .*none does not exist; create it first"),
    ({"subject": {"1.50.1": "x"}, "common_name": None}, "^subject: this host's cryptography can't make .*1.50.1=x"),
    ({"subject_alt_name": ["RID:1.50.1"]}, "can't (make|be made)"),
])
def test_what_is_refused_changes_nothing(bench, given, message):
    with pytest.raises(Failure, match=message) as error:
        bench.selfsigned(**dict(WEB, privatekey_passphrase=SECRET, **{name: given[name] for name in given
                                                                      if name not in WEB}))
    assert_clear(error.value, SECRET)
    assert not bench.look()
