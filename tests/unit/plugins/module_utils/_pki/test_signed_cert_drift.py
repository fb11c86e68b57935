# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""signed_cert: when a certificate is made anew, and when its chain alone is."""
import os

import pytest
from certificate_options import DAY, NOW, Bench, at_now

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import keys

ROOT = at_now.root("Corp Root", days=(-1, 3650))
MIDDLE = at_now.root("Corp Middle", issuer=ROOT, days=(-1, 3650))
CA = at_now.root("Corp Issuing", issuer=MIDDLE, days=(-1, 999))
WEB = {"common_name": "web1.example.com", "subject_alt_name": ["DNS:web1.example.com", "IP:192.0.2.1"]}
LATER = keys.x509.iso_time(NOW + 300 * DAY)
BOTH = {"path": "web.crt", "fullchain_path": "full.pem"}


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.ca(CA, MIDDLE, ROOT)
    made.csr(**WEB)
    made.signed(**BOTH)
    return made


@pytest.mark.parametrize("given, reason", [
    ({"purpose": "client"}, "extended_key_usage: clientAuth is added, serverAuth is taken out"),
    ({"digest": "sha512"}, "digest: sha512 instead of sha256"),
    ({"honour": ["subject_alt_name"]}, "subject: an empty subject instead of CN=web1.example.com"),
    ({"crl_distribution_points": ["http://a/a.crl"]}, "crl_distribution_points: http://a/a.crl is added"),
    ({"ocsp": ["http://a/"]}, "ocsp: http://a/ is added"),
    ({"ca_issuers": ["http://a/a.crt"]}, "ca_issuers: http://a/a.crt is added"),
    pytest.param({"not_after": LATER}, "not_after: %s instead of " % LATER, id="not_after"),  # the same in each worker
])
def test_each_drift_has_its_reason(bench, given, reason):
    before = bench.read("web.crt")
    done = bench.quartet(bench.signed, backup=True, **dict(BOTH, **given))
    assert done.reasons[0].startswith(reason)
    assert bench.read(done.result["backup_files"][bench.path("web.crt")]) == before
    assert sorted(done.result["backup_files"]) == [bench.path("full.pem"), bench.path("web.crt")]
    assert bench.fingerprints("full.pem")[0] == bench.certificate().plain.fingerprint


@pytest.mark.parametrize("given, reasons", [
    ({"subject_alt_name": ["DNS:b"]},
     ["subject_alt_name: DNS:b is added, DNS:web1.example.com, IP:192.0.2.1 are taken out"]),
    ({"common_name": "web2"}, ["subject: CN=web2 instead of CN=web1.example.com"]),
    ({"ocsp_must_staple": True}, ["ocsp_must_staple is added"]),
    ({"key_usage": ["keyAgreement"]}, []),
    ({"subject_alt_name": WEB["subject_alt_name"][::-1]}, []),
    ({"regenerate_key": "always"}, ["the key is another one"]),
])
def test_what_the_request_changes(bench, given, reasons):
    bench.csr(**dict(WEB, **given))
    assert bench.signed(True, **BOTH).reasons == reasons == bench.signed(**BOTH).reasons
    assert bench.signed(**BOTH).reasons == []


def test_the_ca_changes(bench):
    renewed = at_now.root("Corp Issuing", issuer=MIDDLE, key=CA.key, days=(-1, 1999))
    bench.ca(renewed, MIDDLE)
    before = bench.read("web.crt")
    done = bench.quartet(bench.signed, **BOTH)
    assert done.reasons == ["%s does not hold the certificate and its chain" % bench.path("full.pem")]
    assert bench.read("web.crt") == before
    assert bench.fingerprints("full.pem") == [bench.certificate().plain.fingerprint, renewed.fingerprint,
                                              MIDDLE.fingerprint]
    bench.ca(at_now.root("Corp Issuing", issuer=MIDDLE), MIDDLE)
    assert bench.quartet(bench.signed, **BOTH).reasons == ["issuer: CN=Corp Issuing has another key now"]
    bench.ca(MIDDLE)
    done = bench.quartet(bench.signed, **BOTH)
    assert done.reasons == ["issuer: CN=Corp Middle instead of CN=Corp Issuing"]
    assert bench.fingerprints("full.pem") == [bench.certificate().plain.fingerprint, MIDDLE.fingerprint]


def test_the_chain_s_file_is_repaired_without_a_new_certificate(bench):
    before = bench.look()
    full = bench.read("full.pem").decode()
    leaf, rest = full[:full.index("-----BEGIN", 5)], full[full.index("-----BEGIN", 5):]
    for content in (leaf, rest + leaf, full + ROOT.pem, "", "hello"):
        bench.write("full.pem", content)
        done = bench.quartet(bench.signed, **BOTH)
        assert done.reasons == ["%s does not hold the certificate and its chain" % bench.path("full.pem")]
        assert bench.read("full.pem").decode() == full
    assert bench.look()["web.crt"] == before["web.crt"]
    bench.write("full.pem", "# text around them does not matter\n" + full)
    assert bench.signed(**BOTH).reasons == []


def test_a_full_chain_that_is_only_read_is_not_written_over(bench):
    for name in ("fullchain_path", "chain_path"):
        with pytest.raises(Failure, match="path and %s are the same file, .*full.pem: give each its own" % name):
            bench.csr(**dict(WEB, path="full.pem", certificate_path="web.crt", **{name: "full.pem"}))


def test_the_certificate_s_file_comes_first(bench):
    os.unlink(bench.path("web.crt"))
    assert bench.quartet(bench.signed, **BOTH).reasons == ["there is no certificate yet"]
    bench.write("web.crt", "hello")
    assert "can't be read as a certificate" in bench.quartet(bench.signed, **BOTH).reasons[0]


def test_the_full_chain_alone(bench):
    assert bench.signed(fullchain_path="full.pem").reasons == []
    os.unlink(bench.path("full.pem"))
    done = bench.quartet(bench.signed, fullchain_path="full.pem")
    assert done.reasons == ["there is no certificate yet"] and done.files == [bench.path("full.pem")]
    assert bench.fingerprints("full.pem")[1:] == [CA.fingerprint, MIDDLE.fingerprint]
    full = bench.read("full.pem")
    bench.write("full.pem", "hello")
    assert bench.signed(True, fullchain_path="full.pem").reasons[0].startswith(bench.path("full.pem") + " can't be re")
    bench.write("full.pem", full)
    bench.write("full.pem", bench.read("full.pem").decode().split("-----BEGIN")[0] + "-----BEGIN" +
                bench.read("full.pem").decode().split("-----BEGIN")[1])
    assert bench.quartet(bench.signed, fullchain_path="full.pem").reasons == [
        "%s does not hold the certificate and its chain" % bench.path("full.pem")]


def test_force(bench):
    serial = bench.certificate().plain.serial
    assert bench.signed(force=True, **BOTH).reasons == ["force"]
    assert bench.certificate().plain.serial != serial


def test_renewal(bench):
    before, given = bench.look(), dict(BOTH, renew_before="30d")
    end = bench.certificate().plain.not_after
    assert bench.signed(now=end - 30 * DAY, **given).reasons == [] and bench.look() == before
    assert bench.signed(now=end - 30 * DAY + 1, **given).reasons[0].startswith("it expires in 29 days")
    assert bench.certificate().plain.not_after == end - 30 * DAY + 1 + 180 * DAY
    assert bench.signed(now=end - 30 * DAY + 2, **given).reasons == []


def test_capped_by_the_ca_and_not_renewed_in_each_run(bench):
    short = at_now.root("Ends soon", days=(-1, 20))
    bench.ca(short)
    given = {"path": "web.crt", "renew_before": "30d"}
    done = bench.quartet(bench.signed, **given)
    assert len(done.warnings) == 1 and done.warnings == bench.signed(**given).warnings
    assert done.warnings[0].startswith("CN=web1.example.com ends with its CA CN=Ends soon on ")
    assert bench.certificate().plain.not_after == bench.certificate("ca.crt").plain.not_after
    assert bench.signed(**dict(given, not_after="20991231")).reasons == []
    bench.ca(at_now.root("Ends soon", key=short.key, days=(-1, 999)))
    assert bench.quartet(bench.signed, **given).reasons[0].startswith("it expires in ")
    assert bench.signed(**given).warnings == []


def test_it_does_not_begin_before_its_ca(bench):
    bench.ca(at_now.root("Young", days=(-0.01, 999)))
    bench.quartet(bench.signed, path="web.crt", not_before="-10d")
    assert bench.certificate().plain.not_before == bench.certificate("ca.crt").plain.not_before > NOW - DAY
    with pytest.raises(Failure, match="it expired "):
        bench.signed(now=NOW + 1000 * DAY, path="web.crt")


def test_a_ca_without_an_identifier_of_its_key(bench):
    bench.ca(at_now.root("Plain", identifiers=False))
    bench.quartet(bench.signed, **BOTH)
    facts = bench.certificate().facts
    assert facts["authority_key_identifier"] == keys.x509.subject_key_identifier(
        keys.x509.parse(at_now.root("x", key=bench_key(bench)).der))


def bench_key(bench):
    return keys.load(bench.path("ca.key"))
