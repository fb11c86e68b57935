# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What options ask for, and what is different: each drift with its reason, and nothing without one."""

import pytest
from certificate_options import assert_clear, options

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec, fields

BASIC = ["basic_constraints", "key_usage"]


def of(purpose=None, **given):
    return fields.of_options(options(argspec.csr(), **given), purpose)


def test_options_that_say_little():
    assert of(common_name="web1") == {"subject": ["CN=web1"], "subject_alt_name": ["DNS:web1"], "critical": []}
    assert of(common_name="192.0.2.1")["subject_alt_name"] == ["IP:192.0.2.1"]
    assert "subject_alt_name" not in of(common_name="Jane Doe")
    assert "subject_alt_name" not in of(common_name="web1", use_common_name_for_san=False)
    assert "subject_alt_name" not in of(common_name="web1", subject_alt_name=[])
    assert "subject_alt_name" not in of(common_name="ca", basic_constraints=["CA:TRUE"])
    assert of(common_name="web1", subject_alt_name=["DNS:b", "dns:B", "DNS:a"])["subject_alt_name"] == ["DNS:b",
                                                                                                        "DNS:a"]


def test_options_that_say_all():
    assert of(
        common_name="ca", subject_alt_name=["DNS:a"], subject_alt_name_critical=True, key_usage=["cRLSign",
                                                                                                 "keyCertSign"],
        extended_key_usage=["serverAuth"], extended_key_usage_critical=True, basic_constraints=["pathlen:0", "CA:TRUE"],
        name_constraints_permitted=["DNS:.a"], name_constraints_excluded=["IP:10.0.0.0/8"], ocsp_must_staple=True,
        ocsp_must_staple_critical=True) == {
            "subject": ["CN=ca"], "subject_alt_name": ["DNS:a"], "key_usage": ["keyCertSign", "cRLSign"],
            "extended_key_usage": ["serverAuth"], "basic_constraints": ["CA:TRUE", "pathlen:0"],
            "name_constraints_permitted": ["DNS:.a"], "name_constraints_excluded": ["IP:10.0.0.0/8"],
            "ocsp_must_staple": True, "critical": ["basic_constraints", "extended_key_usage", "key_usage",
                                                   "name_constraints", "ocsp_must_staple", "subject_alt_name"]}


def test_what_is_critical():
    assert of(common_name="a", key_usage=["cRLSign"])["critical"] == ["key_usage"]
    assert of(common_name="a", key_usage=["cRLSign"], key_usage_critical=False)["critical"] == []
    assert of("server", common_name="a", key_usage_critical=False)["critical"] == ["basic_constraints"]
    assert of(common_name="a", name_constraints_excluded=["DNS:a"], name_constraints_critical=False)["critical"] == []
    assert of(common_name="a", name_constraints_excluded=["DNS:a"])["critical"] == ["name_constraints"]
    # Names alone are critical (RFC 5280 section 4.2.1.6), whatever is asked for.
    assert of(subject_alt_name=["DNS:a"])["critical"] == ["subject_alt_name"]
    assert of(subject_alt_name=["DNS:a"], common_name="a")["critical"] == []


@pytest.mark.parametrize("given, sentence", [
    ({}, "there is neither a subject nor a subject_alt_name: whom is it for?"),
    ({"subject_alt_name": []}, "whom is it for?"),
    ({"common_name": "a", "subject_alt_name": ["web1"]}, "subject_alt_name: 'web1' has no type that is known here"),
    ({"common_name": "a", "name_constraints_permitted": ["IP:x"]}, "name_constraints_permitted: 'IP:x' is no network"),
    ({"common_name": "a", "name_constraints_excluded": ["IP:x"]}, "name_constraints_excluded: 'IP:x' is no network"),
    ({"common_name": "a", "key_usage": ["x"]}, "key_usage: 'x' is not known"),
    ({"common_name": "a", "extended_key_usage": ["x"]}, "extended_key_usage: 'x' is not known"),
    ({"common_name": "a", "basic_constraints": ["x"]}, "basic_constraints: 'x' is none of"),
    ({"subject": {"x": "y"}}, "subject: 'x' is no attribute"),
])
def test_options_that_can_not_be_carried_out(given, sentence):
    with pytest.raises(fields.OptionError) as error:
        of(**given)
    assert sentence in assert_clear(error.value)


def test_purposes():
    server = {"subject": ["CN=a"], "subject_alt_name": ["DNS:a"], "basic_constraints": ["CA:FALSE"],
              "key_usage": ["digitalSignature"], "extended_key_usage": ["serverAuth"], "critical": BASIC}
    assert of("server", common_name="a") == server
    assert of("server", common_name="a", key_type="RSA 2048")["key_usage"] == ["digitalSignature"]
    assert of("client", common_name="a") == dict(server, extended_key_usage=["clientAuth"])
    root = {"subject": ["CN=a"], "basic_constraints": ["CA:TRUE"], "key_usage": ["keyCertSign", "cRLSign"],
            "critical": BASIC}
    assert of("root_ca", common_name="a") == of("root_ca", common_name="a", key_type="RSA 2048") == root
    assert of("root_ca", common_name="a", basic_constraints=["CA:TRUE", "pathlen:1"])["basic_constraints"] == [
        "CA:TRUE", "pathlen:1"]
    assert fields.purpose_facts("intermediate_ca") == {
        "basic_constraints": ["CA:TRUE", "pathlen:0"], "key_usage": ["keyCertSign", "cRLSign"],
        "extended_key_usage": ["serverAuth", "clientAuth"], "critical": BASIC}


def test_what_options_say_goes_before_the_profile_and_leaves_it_as_it_was():
    found = of("server", common_name="a", key_usage=["keyAgreement"], extended_key_usage=[])
    assert found["key_usage"] == ["keyAgreement"] and "extended_key_usage" not in found
    of("server", common_name="a", key_type="RSA 2048")
    assert of("server", common_name="a")["key_usage"] == ["digitalSignature"]


HAVE = {
    "subject": ["O=Corp", "CN=a"], "subject_alt_name": ["DNS:a", "DNS:b"], "key_type": "EC P-256", "digest": "sha256",
    "key_usage": ["digitalSignature"], "extended_key_usage": ["serverAuth"], "basic_constraints": ["CA:TRUE",
                                                                                                   "pathlen:0"],
    "name_constraints_permitted": ["DNS:a"], "name_constraints_excluded": ["DNS:b"], "ocsp_must_staple": True,
    "subject_key_identifier": "0a", "authority_key_identifier": "0b", "crl_distribution_points": ["http://a"],
    "ca_issuers": ["http://b"], "ocsp": ["http://c"], "critical": ["key_usage"]}


@pytest.mark.parametrize("name, value, reason", [
    ("subject", ["O=Corp", "CN=b"], "subject: CN=b,O=Corp instead of CN=a,O=Corp"),
    ("subject", ["CN=a", "O=Corp"], "subject: O=Corp,CN=a instead of CN=a,O=Corp"),
    ("subject", [], "subject: an empty subject instead of CN=a,O=Corp"),
    ("subject_alt_name", ["DNS:b", "DNS:c", "DNS:d"], "subject_alt_name: DNS:c, DNS:d are added, DNS:a is taken out"),
    ("subject_alt_name", None, "subject_alt_name: DNS:a, DNS:b are taken out"),
    ("key_type", "RSA 2048", "key_type: RSA 2048 instead of EC P-256"),
    ("digest", "sha384", "digest: sha384 instead of sha256"),
    ("digest", None, "digest: none instead of sha256"),
    ("key_usage", ["digitalSignature", "keyAgreement"], "key_usage: keyAgreement is added"),
    ("extended_key_usage", ["clientAuth"], "extended_key_usage: clientAuth is added, serverAuth is taken out"),
    ("basic_constraints", ["CA:TRUE"], "basic_constraints: pathlen:0 is taken out"),
    ("basic_constraints", ["CA:TRUE", "pathlen:1"], "basic_constraints: pathlen:1 is added, pathlen:0 is taken out"),
    ("name_constraints_permitted", ["DNS:a", "DNS:c"], "name_constraints_permitted: DNS:c is added"),
    ("name_constraints_excluded", [], "name_constraints_excluded: DNS:b is taken out"),
    ("ocsp_must_staple", None, "ocsp_must_staple is taken out"),
    ("subject_key_identifier", "0c", "subject_key_identifier: 0c instead of 0a"),
    ("authority_key_identifier", None, "authority_key_identifier: none instead of 0b"),
    ("crl_distribution_points", ["http://d"], "crl_distribution_points: http://d is added, http://a is taken out"),
    ("ca_issuers", None, "ca_issuers: http://b is taken out"),
    ("ocsp", ["http://c", "http://d"], "ocsp: http://d is added"),
    ("critical", ["key_usage", "subject_alt_name"], "subject_alt_name becomes critical"),
    ("critical", [], "key_usage is no longer critical"),
])
def test_each_drift_has_its_reason_and_nothing_else_has(name, value, reason):
    want = dict(HAVE, **{name: value})
    assert fields.deviations(HAVE, want) == [reason]
    assert fields.deviations(HAVE, want, ignored=(name, "subject_alt_name") if name == "critical" else (name,)) == (
        [] if reason != "key_usage is no longer critical" else [reason])
    assert fields.deviations(want, want) == []
    back = fields.deviations(want, HAVE)
    assert len(back) == 1 and back != [reason]


@pytest.mark.parametrize("name", ["subject_alt_name", "crl_distribution_points", "extended_key_usage"])
def test_the_order_of_sets_is_no_drift(name):
    have, want = dict(HAVE, **{name: ["x", "y"]}), dict(HAVE, **{name: ["y", "x"]})
    assert fields.deviations(have, want) == []


def test_nothing_and_an_empty_list_are_the_same():
    assert fields.deviations(dict(HAVE, ocsp=[]), dict(HAVE, ocsp=None)) == []
    assert fields.deviations({"critical": []}, {}) == []


def test_what_is_taken_out_is_not_told_twice():
    want = {name: value for name, value in HAVE.items() if name != "key_usage"}
    assert fields.deviations(HAVE, dict(want, critical=[])) == ["key_usage: digitalSignature is taken out"]
    both = dict(HAVE, name_constraints_permitted=None, name_constraints_excluded=None)
    assert "name_constraints is no longer critical" not in fields.deviations(
        dict(HAVE, critical=["key_usage", "name_constraints"]), both)


def test_shown():
    assert fields.shown({"subject": ["O=Corp", "CN=a"], "digest": None, "ocsp_must_staple": True, "critical": [],
                         "key_type": "EC P-256", "unknown": "x"}) == (
        "subject: O=Corp, CN=a\nkey_type: EC P-256\nocsp_must_staple: true\n")
