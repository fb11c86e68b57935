# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""csr: a key and a request, and a look at the certificate: foreseen, done, and done once."""
import os
import stat

import pytest
from certificate_options import DAY, NOW, SECRET, Bench, assert_clear, at_now, openssl

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import keys

FULL = {
    "subject": {"O": "Corp", "CN": "web1"}, "subject_alt_name": ["DNS:web1", "DNS:b"],
    "key_usage": ["digitalSignature"],
    "extended_key_usage": ["serverAuth"], "basic_constraints": ["CA:FALSE"], "ocsp_must_staple": True,
    "create_subject_key_identifier": True, "digest": "sha384", "name_constraints_permitted": ["DNS:a"],
    "name_constraints_excluded": ["DNS:b"], "privatekey_passphrase": SECRET}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def mode(bench, name):
    return stat.S_IMODE(os.stat(bench.path(name)).st_mode)


def test_a_key_and_a_request_from_nothing(bench):
    umask = os.umask(0)
    try:
        done = bench.quartet(bench.csr, return_content=True, **FULL)
    finally:
        os.umask(umask)
    assert done.reasons == ["there is no private key yet", "there is no request yet"] and done.warnings == []
    assert (mode(bench, "web.key"), mode(bench, "web.csr")) == (0o600, 0o644)
    key, request = keys.load(bench.path("web.key"), SECRET), bench.request()
    fingerprint = keys.fingerprint(key.public_key())
    assert request.facts["public_key"] == fingerprint and request.signed
    assert done.result == {
        "filename": bench.path("web.csr"), "subject": "CN=web1,O=Corp", "subject_alt_name": ["DNS:web1", "DNS:b"],
        "key_type": "EC P-256", "backup_files": {}, "csr": bench.read("web.csr").decode(),
        "privatekey": {"path": bench.path("web.key"), "key_type": "EC P-256", "public_key_sha256": fingerprint,
                       "new": True}}
    assert not bench.csr(**FULL).result["privatekey"]["new"]
    assert done.diff["before"] == "" and "subject: O=Corp, CN=web1\n" in done.diff["after"]
    assert_clear(repr(done), SECRET, bench.read("web.key").decode())
    assert "verify OK" in openssl("req", "-in", bench.path("web.csr"), "-verify", "-noout")


def test_content_is_returned_only_where_it_is_asked_for(bench):
    assert bench.csr(common_name="web1").result["csr"] is None


@pytest.mark.parametrize("changed, reason", [
    ({"subject": {"CN": "web1", "O": "Corp"}}, "subject: O=Corp,CN=web1 instead of CN=web1,O=Corp"),
    ({"subject_alt_name": ["DNS:web1", "DNS:c"]}, "subject_alt_name: DNS:c is added, DNS:b is taken out"),
    ({"subject_alt_name_critical": True}, "subject_alt_name becomes critical"),
    ({"key_usage": ["digitalSignature", "keyAgreement"]}, "key_usage: keyAgreement is added"),
    ({"key_usage_critical": False}, "key_usage is no longer critical"),
    ({"extended_key_usage": ["clientAuth"]}, "extended_key_usage: clientAuth is added, serverAuth is taken out"),
    ({"basic_constraints": []}, "basic_constraints: CA:FALSE is taken out"),
    ({"ocsp_must_staple": False}, "ocsp_must_staple is taken out"),
    ({"ocsp_must_staple_critical": True}, "ocsp_must_staple becomes critical"),
    ({"digest": None}, "digest: sha256 instead of sha384"),
    ({"name_constraints_permitted": None}, "name_constraints_permitted: DNS:a is taken out"),
    ({"name_constraints_critical": False}, "name_constraints is no longer critical"),
])
def test_each_drift_makes_a_new_request_and_keeps_the_key(bench, changed, reason):
    bench.csr(**FULL)
    key, before = bench.look()["web.key"], bench.request()
    done = bench.quartet(bench.csr, **dict(FULL, **changed))
    assert done.reasons == [reason]
    assert bench.look()["web.key"] == key
    assert bench.request().facts["public_key"] == before.facts["public_key"] and bench.request().signed
    assert done.diff["before"] != done.diff["after"]


def test_without_the_identifier_again(bench):
    bench.csr(**FULL)
    done = bench.quartet(bench.csr, **dict(FULL, create_subject_key_identifier=False))
    assert len(done.reasons) == 1 and done.reasons[0].startswith("subject_key_identifier: none instead of ")


def test_the_order_of_names_is_no_drift(bench):
    bench.csr(**FULL)
    assert bench.csr(**dict(FULL, subject_alt_name=["dns:B", "DNS:WEB1"])).reasons == []


def test_force_and_backup(bench):
    bench.csr(common_name="web1")
    before = bench.read("web.csr")
    done = bench.csr(common_name="web1", force=True, backup=True)
    assert done.reasons == ["force"] and list(done.result["backup_files"]) == [bench.path("web.csr")]
    backup = done.result["backup_files"][bench.path("web.csr")]
    assert bench.read(backup) == before != bench.read("web.csr")


def test_a_request_that_is_none_is_written_anew(bench):
    bench.write("web.csr", "something else")
    done = bench.quartet(bench.csr, common_name="web1")
    assert "there is something else at %s" % bench.path("web.csr") in done.reasons


def test_a_request_with_a_wrong_signature_is_written_anew(bench):
    bench.csr(common_name="web1")
    der = bytearray(keys.pem.decode(keys.pem.blocks(bench.read("web.csr"))[0]))
    der[-1] ^= 1
    bench.write("web.csr", keys.pem.to_pem(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST"))
    assert bench.quartet(bench.csr, common_name="web1").reasons == ["the request's signature is wrong"]


def test_a_request_in_der_is_written_anew_as_pem(bench):
    bench.csr(common_name="web1")
    bench.write("web.csr", keys.pem.decode(keys.pem.blocks(bench.read("web.csr"))[0]))
    assert "something else" in bench.quartet(bench.csr, common_name="web1").reasons[0]


@pytest.mark.parametrize("given", [{"path": "keys.pem"}, {"path": "web.csr", "ca_content": "KEY"}])
def test_a_private_key_is_not_lost_and_not_taken_for_something_else(bench, given):
    key = keys.dump(keys.generate("EC P-256"))
    bench.write("keys.pem", key)
    given = {name: key.decode() if value == "KEY" else value for name, value in given.items()}
    with pytest.raises(Failure, match="holds a private key, which would be lost|is a private key in it") as error:
        bench.csr(common_name="web1", certificate_path="web.crt", **given)
    assert_clear(error.value, key.decode())
    assert bench.read("keys.pem") == key


def test_the_request_follows_a_key_that_was_changed_by_hand(bench):
    bench.csr(common_name="web1")
    bench.write("web.key", keys.dump(keys.generate("EC P-256")))
    os.chmod(bench.path("web.key"), 0o600)
    assert bench.quartet(bench.csr, common_name="web1").reasons == ["the request is for another key"]


def test_regenerate_never_keeps_and_warns(bench):
    bench.csr(common_name="web1")
    before = bench.look()
    again = bench.csr(common_name="web1", key_type="Ed25519")
    assert again.reasons == [] and bench.look() == before
    assert "regenerate_key=mismatch replaces it" in again.warnings[0] and len(again.warnings) == 1


def test_regenerate_mismatch(bench):
    bench.csr(common_name="web1")
    before = bench.look()
    assert bench.csr(common_name="web1", regenerate_key="mismatch").reasons == [] and bench.look() == before
    done = bench.quartet(bench.csr, common_name="web1", regenerate_key="mismatch", key_type="Ed25519", backup=True)
    assert done.reasons == ["key_type: Ed25519 instead of EC P-256", "the request is for another key",
                            "digest: none instead of sha256"]
    backup = done.result["backup_files"][bench.path("web.key")]
    assert bench.read(backup) == before["web.key"][0] and mode(bench, backup) == 0o600
    assert bench.request().facts["key_type"] == "Ed25519"


def test_regenerate_always(bench):
    bench.csr(common_name="web1")
    before = bench.read("web.key")
    done = bench.csr(common_name="web1", regenerate_key="always")
    assert done.reasons == ["a new private key with each certificate (regenerate_key: always)",
                            "the request is for another key"]
    assert bench.read("web.key") != before


BAD = [
    ({"path": "none/web.csr"}, "none/web.csr can't be written: the folder .*none does not exist; create it first"),
    ({"privatekey_path": "none/web.key"}, "none/web.key can't be written: the folder .*none does not exist"),
    ({"path": "folder"}, "folder can't be written: something that is no file is there"),
    ({"renew_before": "soon"}, "renew_before: 'soon' is no span of time"),
    ({"renew_before": "soon", "certificate_path": "web.crt"}, "renew_before: 'soon' is no span of time"),
    ({"subject_alt_name": ["web1"]}, "subject_alt_name: 'web1' has no type that is known here: write DNS:web1"),
    ({"ca_content": "no PEM", "certificate_path": "web.crt"},
     "ca_content can't be used: there is no certificate in it"),
    ({"extended_key_usage": ["1.50.1"]}, "can't (make|be made)"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_what_is_refused_changes_nothing(bench, number):
    given, message = BAD[number]
    os.mkdir(bench.path("folder"))
    bench.write("web.crt", at_now.server("web1").pem)
    before = bench.look()
    for check in (False, True):
        if check and "does not exist" in message:
            assert any("does not exist yet" in warning for warning in bench.csr(True, common_name="web1",
                                                                                **given).warnings)
            continue
        with pytest.raises(Failure, match=message) as error:
            bench.csr(check, **dict({"common_name": "web1", "privatekey_passphrase": SECRET}, **given))
        assert_clear(error.value, SECRET)
    assert bench.look() == before


def test_without_a_name_it_is_for_nobody(bench):
    with pytest.raises(Failure, match="whom is it for"):
        bench.csr()
    assert not bench.look()


def test_dates_of_the_look_are_those_of_now(bench):
    bench.csr(common_name="web1")
    pair = at_now.server("web1", key=keys.load(bench.path("web.key")), days=(-1, 30))
    bench.write("web.crt", pair.pem)
    look = {"common_name": "web1", "certificate_path": "web.crt"}
    assert bench.csr(now=NOW, **look).result["certificate_reasons"] == []
    assert "it expired 1 day ago" in bench.csr(now=NOW + 31 * DAY, **look).result["certificate_reasons"][0]
