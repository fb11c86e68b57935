# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""csr's look at the certificate in use: why a new one is needed, and that key and certificate in use always fit."""
import os

import pytest
from certificate_options import DAY, NOW, Bench, at_now

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import keys

ROOT = at_now.root("Corp Root")
CA = at_now.root("Corp Issuing", issuer=ROOT)
NAMES = ["DNS:web1.example.com", "IP:192.0.2.1"]
ASKED = {"common_name": "web1.example.com", "subject_alt_name": NAMES, "certificate_path": "web.crt"}
BY_CA = dict(ASKED, ca_content=CA.pem)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.ca(CA)
    return made


@pytest.fixture
def issued(bench):
    """A host whose key, request and certificate are as they should be."""
    bench.csr(**BY_CA)
    bench.signed(path="web.crt")
    return bench


def but(asked, **changed):
    """What is asked for, with changes."""
    return dict(asked, **changed)


def due(bench, asked=(), **changed):
    """Why a new certificate is needed; key and request stay as they are, whether asked in check mode or not."""
    before, given = bench.look(), dict(asked, **changed)
    done = bench.csr(**given)
    assert done.reasons == [] and bench.look() == before
    assert bench.csr(True, **given).result["certificate_reasons"] == done.result["certificate_reasons"]
    return done.result["certificate_reasons"]


def test_what_is_fine_needs_nothing(issued):
    result = issued.csr(**BY_CA).result
    assert result["certificate_reasons"] == [] and result["certificate_path"] == issued.path("web.crt")
    assert result["certificate"]["subject"] == "CN=web1.example.com"
    assert result["certificate"]["fingerprint_sha256"] == issued.certificate().plain.fingerprint
    assert due(issued, **ASKED) == []
    assert "certificate" not in issued.csr(**but(ASKED, certificate_path=None)).result


def test_none_yet_and_none_that_can_be_read(issued):
    os.unlink(issued.path("web.crt"))
    assert due(issued, **BY_CA) == ["there is no certificate yet"]
    assert issued.csr(**BY_CA).result["certificate"] is None
    issued.write("web.crt", "no certificate")
    assert due(issued, **BY_CA) == ["the certificate %s can't be read: there is no certificate in it: it is neither "
                                    "PEM nor DER nor PKCS#7" % issued.path("web.crt")]


@pytest.mark.parametrize("given", [ASKED, BY_CA])
@pytest.mark.parametrize("days, renew_before, reason", [
    (30.01, "30d", None), (29.99, "30d", "it expires in 29 days ("), (1, "0", None),
    (-3.01, "0", "it expired 3 days ago (")])
def test_time(bench, given, days, renew_before, reason):
    bench.csr(**given)
    key = keys.load(bench.path("web.key"))
    pair = at_now.server("web1.example.com", CA, ips=["192.0.2.1"], key=key, days=(-9, days))
    bench.write("web.crt", pair.pem)
    found = due(bench, **dict(given, renew_before=renew_before))
    assert len(found) == bool(reason) and (not reason or found[0].startswith(reason))


def test_what_ends_with_its_ca_is_not_asked_for_again_and_again(bench):
    short = at_now.root("Ends soon", issuer=ROOT, days=(-1, 10.5))
    bench.ca(short)
    given = dict(BY_CA, ca_content=short.pem, renew_before="30d")
    bench.csr(**given)
    bench.signed(path="web.crt")
    assert due(bench, given) == []
    assert due(bench, given, ca_content=None)[0].startswith("it expires in 10 days")
    renewed = at_now.root("Ends soon", issuer=ROOT, key=short.key)
    assert due(bench, given, ca_content=renewed.pem)[0].startswith("it expires in 10 days")
    # Once it has expired, a new one is needed all the same.
    assert "it expired" in bench.csr(now=NOW + 11 * DAY, **given).result["certificate_reasons"][0]


def test_another_key(issued):
    issued.write("web.crt", at_now.server("web1.example.com", CA, ips=["192.0.2.1"]).pem)
    for given in (ASKED, BY_CA):
        assert due(issued, **given) == ["the certificate is for another key than %s" % issued.path("web.key")]


def test_names_without_a_ca_must_be_covered_and_may_be_more(issued):
    # The request changes, and in any case what it asks for is looked for in the certificate.
    missing = issued.csr(**but(ASKED, subject_alt_name=NAMES + ["DNS:b.example.com"])).result["certificate_reasons"]
    assert missing == ["subject_alt_name: the certificate is not for DNS:b.example.com"]
    assert issued.csr(**but(ASKED, subject_alt_name=NAMES[:1])).result["certificate_reasons"] == []
    key = keys.load(issued.path("web.key"))
    issued.write("web.crt", at_now.server("*.example.com", key=key).pem)
    assert issued.csr(**but(ASKED, subject_alt_name=["DNS:x.example.com"])).result["certificate_reasons"] == []


@pytest.mark.parametrize("changed, reason", [
    ({"subject_alt_name": NAMES + ["DNS:b"]}, "subject_alt_name: DNS:b is added"),
    ({"subject_alt_name": NAMES[:1]}, "subject_alt_name: IP:192.0.2.1 is taken out"),
    ({"common_name": "web2"}, "subject: CN=web2 instead of CN=web1.example.com"),
    ({"organization_name": "Corp"}, "subject: CN=web1.example.com,O=Corp instead of CN=web1.example.com"),
    ({"ocsp_must_staple": True}, "ocsp_must_staple is added"),
    ({"extended_key_usage": ["clientAuth"], "honour": ["extended_key_usage"]},
     "extended_key_usage: clientAuth is added, serverAuth is taken out"),
    ({"digest": "sha512"}, "digest: sha512 instead of sha256"),
])
def test_with_a_ca_it_must_be_exactly_that(issued, changed, reason):
    assert issued.csr(**but(BY_CA, **changed)).result["certificate_reasons"] == [reason]


def test_a_fact_that_the_request_drops_is_drift(bench):
    bench.csr(**dict(BY_CA, ocsp_must_staple=True))
    bench.signed(path="web.crt")
    assert bench.csr(**BY_CA).result["certificate_reasons"] == ["ocsp_must_staple is taken out"]


@pytest.mark.parametrize("asked, honour, left", [
    ({"key_usage": ["digitalSignature", "keyEncipherment"]}, None, "key_usage keyEncipherment"),
    ({"extended_key_usage": ["clientAuth"]}, None, "extended_key_usage clientAuth"),
    ({"extended_key_usage": ["serverAuth"]}, None, None),
    ({"name_constraints_permitted": ["DNS:a"]}, None, "name_constraints_permitted DNS:a"),
    ({"subject_alt_name": None, "use_common_name_for_san": False}, None, None),
    ({"key_usage": ["digitalSignature", "keyEncipherment"]}, ["subject", "subject_alt_name", "key_usage"], None),
])
def test_csr_and_signed_cert_come_to_rest(bench, asked, honour, left):
    """Whatever the CA takes over: what it leaves out is told when it signs, and no reason to have it sign again."""
    given = dict(BY_CA, **dict({"honour": honour} if honour else {}, **asked))
    bench.csr(**given)
    done = bench.signed(path="web.crt", **{"honour": honour} if honour else {})
    told = [one for one in done.warnings if "which the certificate does not get" in one]
    assert told == (["the request asks for %s, which the certificate does not get: put %s into 'honour', or leave it "
                     "out of the request" % (left, left.split()[0].replace("_permitted", ""))] if left else [])
    assert due(bench, given) == []


def test_the_order_of_names_is_nothing_to_a_ca_either(issued):
    assert due(issued, BY_CA, subject_alt_name=NAMES[::-1]) == []


def test_the_issuer_s_digest_is_looked_at_only_where_it_is_asked_for(issued):
    assert issued.csr(**but(BY_CA, digest="sha256")).result["certificate_reasons"] == []


def test_another_issuer_by_name_by_key_and_the_same_one_renewed(issued):
    other = at_now.root("Other Issuing", issuer=ROOT)
    assert due(issued, BY_CA, ca_content=other.pem) == ["issuer: CN=Other Issuing instead of CN=Corp Issuing"]
    rekeyed = at_now.root("Corp Issuing", issuer=ROOT)
    assert due(issued, BY_CA, ca_content=rekeyed.pem) == ["issuer: CN=Corp Issuing has another key now"]
    renewed = at_now.root("Corp Issuing", issuer=ROOT, key=CA.key, days=(-1, 999))
    assert due(issued, BY_CA, ca_content=renewed.pem) == []
    assert due(issued, BY_CA, ca_content=renewed.pem + ROOT.pem) == []


# --- the next key ---

def load(bench, name):
    return keys.fingerprint(keys.load(bench.path(name)).public_key())


def test_a_key_in_use_stays_until_its_successor_has_a_certificate(issued):
    live = issued.look()["web.key"]
    given = dict(BY_CA, regenerate_key="mismatch", key_type="EC P-384")
    done = issued.quartet(issued.csr, **given)
    assert done.reasons == ["key_type: EC P-384 instead of EC P-256", "the request is for another key",
                            "digest: sha384 instead of sha256"]
    awaited = ["the private key is replaced by %s, whose certificate is awaited" % issued.path("web.key.next")]
    assert done.result["certificate_reasons"] == awaited == due(issued, **given)
    assert issued.look()["web.key"] == live
    assert done.private_key == done.result["privatekey"]["path"] == issued.path("web.key.next")
    assert os.stat(issued.path("web.key.next")).st_mode & 0o7777 == 0o600
    assert issued.request().facts["public_key"] == load(issued, "web.key.next") != load(issued, "web.key")
    # What cert_install does then: the certificate is made of the request, and moved in with the key.
    issued.signed(path="web.crt")
    os.rename(issued.path("web.key.next"), issued.path("web.key"))
    assert due(issued, **given) == []


def test_always_waits_until_a_certificate_is_due(issued):
    given = dict(BY_CA, regenerate_key="always")
    live = issued.look()["web.key"]
    assert due(issued, **given) == []
    given["renew_before"] = "179d"
    assert due(issued, **given) == []
    given["renew_before"] = "181d"
    done = issued.quartet(issued.csr, **given)
    assert done.reasons == ["a new private key with each certificate (regenerate_key: always)",
                            "the request is for another key"]
    assert done.private_key == issued.path("web.key.next") and issued.look()["web.key"] == live
    assert len(due(issued, **given)) == 2
    issued.signed(path="web.crt")
    os.rename(issued.path("web.key.next"), issued.path("web.key"))
    assert due(issued, **dict(given, renew_before="30d")) == []


def test_always_makes_one_key_for_the_first_certificate_however_often_it_is_awaited(bench):
    given = dict(BY_CA, regenerate_key="always")
    bench.quartet(bench.csr, **given)
    assert due(bench, **given) == ["there is no certificate yet"]
    bench.signed(path="web.crt")
    assert due(bench, **given) == []


def test_a_key_that_no_certificate_is_for_is_not_touched_either(issued):
    """There may be one that is not looked at: in another form, or under another name."""
    issued.write("web.crt", at_now.server("web1.example.com", CA, ips=["192.0.2.1"]).pem)
    done = issued.quartet(issued.csr, **but(BY_CA, regenerate_key="mismatch", key_type="Ed25519"))
    assert done.private_key == issued.path("web.key.next")
    assert done.result["certificate_reasons"] == [
        "the private key is replaced by %s, whose certificate is awaited" % issued.path("web.key.next")]


def test_the_files_that_servers_read_are_looked_at_too(bench):
    """A kill between two renames, or somebody who tidies up, must not leave an old chain in use for ever."""
    bench.csr(**BY_CA)
    bench.signed(path="web.crt", fullchain_path="full.pem")
    bench.write("chain.pem", CA.pem)
    looked_at = dict(BY_CA, chain_path="chain.pem", fullchain_path="full.pem")
    assert due(bench, **looked_at) == []
    full = bench.read("full.pem")
    for content in (b"", CA.pem.encode(), bench.read("web.crt"), full.replace(b"A", b"B", 9),
                    CA.pem.encode() + bench.read("web.crt")):
        bench.write("full.pem", content)
        assert due(bench, **looked_at) == ["%s does not begin with the certificate, and its CA's after it"
                                           % bench.path("full.pem")]
    bench.write("full.pem", full)
    bench.write("chain.pem", ROOT.pem)
    assert due(bench, **looked_at) == ["%s does not begin with the CA's certificate" % bench.path("chain.pem")]
    os.unlink(bench.path("chain.pem"))
    os.unlink(bench.path("full.pem"))
    assert due(bench, **looked_at) == ["%s is not there" % bench.path(name) for name in ("chain.pem", "full.pem")]
    outside = dict(ASKED, fullchain_path="full.pem")
    bench.write("full.pem", bench.read("web.crt"))
    assert due(bench, **outside) == []


def test_a_certificate_in_der_is_of_no_use_to_servers(issued):
    issued.write("web.crt", issued.certificate().plain.der)
    assert due(issued, **BY_CA) == ["%s: it is not in PEM form, which servers want" % issued.path("web.crt")]


def test_name_constraints_of_a_ca_are_drift(bench):
    asked = {"common_name": "Corp Sub", "basic_constraints": ["CA:TRUE", "pathlen:0"],
             "certificate_path": "web.crt", "ca_content": CA.pem, "honour": ["subject", "name_constraints"]}
    bench.csr(**asked)
    bench.signed(path="web.crt", purpose="intermediate_ca", honour=["subject", "name_constraints"])
    assert bench.csr(**asked).result["certificate_reasons"] == []
    changed = bench.csr(**dict(asked, name_constraints_permitted=["DNS:example.com"]))
    assert changed.result["certificate_reasons"] == ["name_constraints_permitted: DNS:example.com is added"]


def test_a_successor_that_is_no_longer_wanted_is_left_alone(issued):
    issued.csr(**but(BY_CA, regenerate_key="mismatch", key_type="Ed25519"))
    assert os.path.exists(issued.path("web.key.next"))
    done = issued.csr(**but(BY_CA, regenerate_key="mismatch"))
    assert done.private_key == issued.path("web.key") and done.result["certificate_reasons"] == []
