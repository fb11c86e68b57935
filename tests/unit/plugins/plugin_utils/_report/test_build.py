# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules have told of hosts, as one value: states, findings, and what is made of hostile names and failures."""

from __future__ import annotations

import json
import pathlib

import fleet_results as told
import jsonschema
import pytest

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import build as report_build
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import findings

ROOT, ISSUING = told.ROOT, told.ISSUING
SCHEMA = json.loads((pathlib.Path(__file__).parents[5] / "docs" / "report.schema.json").read_text())
WEB = told.certificate("CN=web1.example.com", ISSUING["subject"], days=(-10, 90.5))


def fp(facts):
    return facts["fingerprint_sha256"]


def build(gathered):
    """The report, which is as its schema says and can be told by JSON alone."""
    policy = report_build.ReportPolicy("Trust report", told.NOW, 30 * told.DAY, 50 * told.DAY)
    made = report_build.build(gathered, policy)
    jsonschema.validate(made, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert json.loads(json.dumps(made)) == made
    return made


def found(made):
    """{kind: sentences by hosts} of a report's findings."""
    return {one["kind"]: {item["sentence"]: item["hosts"] for item in one["items"]} for one in made["findings"]}


def states(trust, wanted=None):
    """(states, drift) of a host, by the names of the certificates."""
    made = build({"web1": {"trust": trust, **({"wanted": wanted} if wanted else {})}})
    host, known = made["hosts"]["web1"], made["certificates"]
    return ({known[one]["subject"]: state for one, state in host["anchors"].items()},
            {known[one]["subject"]: reason for one, reason in host["drift"].items()}, found(made))


def test_the_schema_is_one_and_says_what_everything_is():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    kinds = SCHEMA["properties"]["findings"]["items"]["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(findings.KINDS)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**build({"web1": {"trust": told.trust()}}), "more": 1}, SCHEMA)


def test_all_in_order_finds_nothing():
    made = build({"web1": {
        "trust": told.trust(told.anchor(ROOT), told.anchor(ISSUING)),
        "wanted": told.wanted((ROOT, "present"), (ISSUING, "present")),
        "certificates": told.results(told.verified(WEB, ISSUING, ROOT)),
        "endpoints": told.results(told.seen("web1.example.com:443", WEB, ISSUING))}})
    assert made["findings"] == [] and made["counts"]["findings"] == {"critical": 0, "warning": 0, "notice": 0}
    assert made["counts"]["hosts"] == {"all": 1, "ok": 1, "unreachable": 0, "failed": 0}
    assert made["hosts"]["web1"]["distribution"] == 140 and len(made["certificates"]) == 3


@pytest.mark.parametrize("trust, wanted, expected", [
    (told.trust(told.anchor(ROOT)), None, "trusted"),
    (told.trust(told.anchor(ROOT, managed=False)), None, "unmanaged"),
    (told.trust(told.anchor(ROOT, managed=False)), told.wanted((ROOT, "present")), "trusted"),
    (told.trust(told.anchor(ROOT, trusted=False)), None, "inactive"),
    (told.trust(told.anchor(ROOT, trusted=False), in_sync=False), None, "drifted"),
    (told.trust(distrusted=[ROOT]), None, "distrusted"),
    (told.trust(told.anchor(ROOT, trusted=False), distrusted=[ROOT]), None, "distrusted"),
    (told.trust(), told.wanted((ROOT, "present"), steps=[("install", ROOT, "no local anchor holds it")]), "drifted"),
    (told.trust(told.anchor(ROOT)), told.wanted((ROOT, "absent"), steps=[("remove", ROOT, "wanted absent")]),
     "drifted"),
    (told.trust(told.anchor(ROOT)), told.wanted((ROOT, "distrusted"), steps=[("distrust", ROOT, "trusted")]),
     "drifted"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_states(trust, wanted, expected):
    assert states(trust, wanted)[0] == {ROOT["subject"]: expected}


def test_what_is_wanted_and_comes_with_the_distribution_is_trusted():
    assert states(told.trust(), told.wanted((told.PUBLIC[3], "present")))[0] == {"CN=Public Root 3": "trusted"}
    assert states(told.trust(), told.wanted((told.PUBLIC[3], "absent")))[0] == {}


@pytest.mark.parametrize("action, kind", [
    ("install", "anchor-missing"), ("remove", "anchor-surplus"), ("distrust", "anchor-not-distrusted"),
    ("repair", "anchor-differs"), ("undistrust", "anchor-missing")])
def test_each_step_that_would_be_taken_is_a_finding_with_its_reason(action, kind):
    found_states, drift, sentences = states(told.trust(), told.wanted((ROOT, "present"), steps=[
        (action, ROOT, "because"), ("extract", None, "the bundle lacks it")]))
    assert drift == {ROOT["subject"]: "because"}
    assert sentences == {kind: {"CN=Corp Root CA,O=Corp: because": ["web1"]}}
    assert found_states == {ROOT["subject"]: "drifted"}


def test_the_store_itself():
    deviant = told.trust(in_sync=False, interrupted=True, deviations=["the bundle lacks X"])
    assert found(build({"a": {"trust": deviant}, "b": {"trust": told.trust(in_sync=None, warnings=["no trust"])}})) == {
        "store-out-of-sync": {"an earlier run was interrupted": ["a"], "the bundle lacks X": ["a"]},
        "store-unknown": {"no trust": ["b"]}}


def test_hosts_that_were_not_reached_or_failed_are_there_with_the_reason():
    made = build({
        "web10": {"trust": told.UNREACHABLE}, "web3": {},
        "web2": {"trust": {"failed": True, "msg": "no tools\n  here"}},
        "web4": {"trust": told.trust(), "wanted": {"failed": True, "msg": "anchors, element 1: expired"},
                 "certificates": {"failed": True, "msg": "no openssl"}, "endpoints": {"skipped": True}},
        "web5": {"trust": told.trust(), "certificates": {**told.UNREACHABLE}, "endpoints": {**told.UNREACHABLE}}})
    assert list(made["hosts"]) == ["web2", "web3", "web4", "web5", "web10"]
    assert {name: (host["status"], host["reason"]) for name, host in made["hosts"].items()} == {
        "web2": ("failed", "no tools here"), "web4": ("ok", None), "web5": ("ok", None),
        "web3": ("failed", "nothing was gathered from it in this run: an earlier task has failed there"),
        "web10": ("unreachable", told.UNREACHABLE["msg"])}
    assert made["counts"]["hosts"] == {"all": 5, "ok": 2, "unreachable": 1, "failed": 2}
    assert found(made)["wanted-refused"] == {"anchors, element 1: expired": ["web4"]}
    assert found(made)["endpoints-failed"] == {told.UNREACHABLE["msg"]: ["web5"]}
    assert found(made)["certificates-failed"] == {"no openssl": ["web4"], told.UNREACHABLE["msg"]: ["web5"]}


def test_certificates():
    ended = told.certificate("CN=old", ISSUING["subject"], days=(-90, -3))
    soon = told.certificate("CN=soon", ISSUING["subject"], days=(-90, 5.5))
    made = build({"web1": {"trust": told.trust(told.anchor(ROOT)), "certificates": told.results(
        told.verified(ended, ISSUING, ROOT, path="/old.crt", reasons=["expired 3 days ago"]),
        told.verified(soon, ISSUING, ROOT, path="/soon.crt"),
        told.verified(WEB, path="/web.crt", reasons=["it is for other names", "no key"], trusted=False),
        told.verified(None, path="/none.crt", reasons=["/none.crt can't be read"]),
        told.verified(WEB, ISSUING, ROOT, path="/good.crt", warnings=["its key is readable by all"]))}})
    assert found(made) == {
        "certificate-expired": {"/old.crt (CN=old): expired 3 days ago": ["web1"]},
        "certificate-unreadable": {"/none.crt: /none.crt can't be read": ["web1"]},
        "certificate-refused": {"/web.crt (CN=web1.example.com): it is for other names; no key": ["web1"]},
        "certificate-expires": {f"/soon.crt (CN=soon) ends in 5 days ({soon['not_after']})": ["web1"]},
        "certificate-warning": {"/good.crt (CN=web1.example.com): its key is readable by all": ["web1"]}}
    assert made["counts"]["certificates"] == {"all": 5, "verified": 2}
    # What is told of a CA in a chain alone is its name; of one that is an anchor somewhere, all.
    assert made["certificates"][fp(ISSUING)]["not_after"] is None
    assert made["certificates"][fp(ROOT)]["not_after"] == ROOT["not_after"]


def test_a_root_of_the_distribution_that_a_chain_leads_to_is_told():
    public = told.PUBLIC[7]
    made = build({"web1": {"trust": told.trust(), "certificates": told.results(told.verified(WEB, public))}})
    assert made["certificates"][fp(public)]["not_after"] == public["not_after"] and made["anchors"] == {}


def test_anchors_that_end():
    over = told.certificate("CN=Over", days=(-900, -1))
    soon = told.certificate("CN=Soon", days=(-900, 49))
    later = told.certificate("CN=Later", days=(-900, 51))
    made = build({name: {"trust": told.trust(*map(told.anchor, (over, soon, later)))} for name in ("web1", "web2")})
    assert found(made) == {
        "anchor-expired": {f"CN=Over expired 1 day ago ({over['not_after']})": ["web1", "web2"]},
        "anchor-expires": {f"CN=Soon ends in 49 days ({soon['not_after']})": ["web1", "web2"]}}
    distrusted = build({"web1": {"trust": told.trust(distrusted=[over])}})
    assert found(distrusted) == {}


def test_endpoints():
    refused = {"trusted": False, "reasons": ["the server does not send X"], "complete_chain": False,
               "chain_findings": ["the server does not send X"]}
    gathered = {name: {"trust": told.trust(), "endpoints": told.results(
        told.seen("www:443", WEB, ISSUING, milliseconds={"handshake": number}, **(refused if number == 3 else {})))}
        for number, name in enumerate(["web1", "web2", "web3", "web4"])}
    made = build(gathered)
    (endpoint,) = made["endpoints"]
    assert [(view["hosts"], view["trusted"], view["handshake"]) for view in endpoint["views"]] == [
        (["web1", "web2", "web3"], True, {"least": 0, "most": 2}), (["web4"], False, {"least": 3, "most": 3})]
    assert endpoint["views"][0]["chain"] == [fp(WEB), fp(ISSUING)]
    assert found(made) == {"endpoint-untrusted": {"www:443: the server does not send X": ["web4"]}}


@pytest.mark.parametrize("more, kind", [
    ({"finding": "nothing listens"}, "endpoint-failed"),
    ({"chain_findings": ["out of order"], "ordered_chain": False}, "endpoint-chain"),
    ({"chain_findings": ["sends the root too"]}, "endpoint-warning"),
    ({"versions": {"TLSv1.0": None, "TLSv1.1": True, "TLSv1.2": True}}, "endpoint-protocol"),
    ({"ocsp_finding": "it is revoked"}, "endpoint-warning"),
    ({"warnings": ["a remark"]}, "endpoint-warning"),
])
def test_what_is_wrong_with_endpoints(more, kind):
    made = build({"web1": {"trust": told.trust(), "endpoints": told.results(told.seen("www:443", WEB, **more))}})
    assert list(found(made)) == [kind]


def test_an_endpoint_whose_certificate_ends_soon():
    soon = told.certificate("CN=soon", days=(-90, 5.5))
    made = build({"web1": {"trust": told.trust(), "endpoints": told.results(told.seen("www:443", soon))}})
    assert found(made) == {"endpoint-expires": {f"www:443: its certificate ends in 5 days ({soon['not_after']})": [
        "web1"]}}


def test_what_comes_first_and_what_to_run():
    gathered = {f"web{number}": {"trust": told.trust(), "wanted": told.wanted((ROOT, "present"), steps=[
        ("install", ROOT, "missing")])} for number in range(9)}
    gathered["gone"] = {"trust": told.UNREACHABLE}
    gathered["$(reboot)"] = {"trust": told.trust(told.anchor(ISSUING, managed=False))}
    made = build(gathered)
    assert [(one["kind"], one["severity"], one["hosts"]) for one in made["findings"]] == [
        ("anchor-missing", "critical", 9), ("host-unreachable", "warning", 1), ("anchor-unmanaged", "notice", 1)]
    first, second, third = made["findings"]
    begin = "ansible-playbook fleetpki.host_trust.distribute_trust -i hosts"
    assert first["command"] == begin and second["command"] is None
    assert third["command"] == begin, "a name that a shell would run"
    few = build({name: gathered[name] for name in ("web10", "web2") if name in gathered} | {"web10": gathered["web1"]})
    assert few["findings"][0]["command"] == f"{begin} --limit web2,web10"
    for kind, end in (("certificate-expires", " -i hosts --limit web1,localhost"),
                      ("store-out-of-sync", " -i hosts -e ca_trust_extract=always --limit web1")):
        assert findings.command(findings.KINDS[kind], ["web1"]).endswith(end)


def test_others_text_is_plain():
    hostile = told.certificate(told.HOSTILE)
    made = build({"web\x1b[1m": {"trust": told.trust(told.anchor(hostile), distrusted=[hostile])}})
    text = json.dumps(made, ensure_ascii=False)
    assert text.isprintable() and "\u202e" not in text and r"\\E2\\80\\AE" in text
    assert list(made["hosts"]) == [r"web\1B[1m"]
    assert report_build.plain(" a\n\tb  " + "x" * 1000) == "a b " + "x" * 595 + "…"
    assert report_build.plain({"a": (1, None, True, 1.5)}) == {"a": [1, None, True, 1.5]}


def test_a_certificate_from_before_all_time():
    first = {**told.certificate("CN=First"), "not_after": "1-01-01T00:00:00Z"}
    assert list(found(build({"web1": {"trust": told.trust(told.anchor(first))}}))) == ["anchor-expired"]


def test_digits_of_other_kinds_are_letters():
    squared = told.certificate("CN=Root 2²")
    made = build({"web1": {"trust": told.trust(told.anchor(squared, managed=False))}, "web²": {"trust": told.trust()}})
    assert found(made) == {"anchor-unmanaged": {"CN=Root 2²": ["web1"]}}
    names = ["²", "10", "2", "Root 10", "Root 2²"]
    assert sorted(names, key=findings.natural) == ["2", "10", "Root 2²", "Root 10", "²"]


@pytest.mark.parametrize("kind, given", [
    ("trust", told.results()), ("trust", "web1"), ("wanted", told.results()), ("wanted", "web1"),
    ("certificates", told.trust()), ("certificates", told.results(told.seen("www:443", WEB))),
    ("endpoints", told.trust()), ("endpoints", told.results(told.verified(WEB)))])
def test_results_of_another_module_are_refused_by_host_and_kind(kind, given):
    with pytest.raises(ValueError, match=f"web1, {kind}: these are no results of {report_build.KINDS[kind]} "):
        build({"web1": {"trust": told.trust(), kind: given}})


def test_a_step_for_a_certificate_that_no_list_has():
    made = build({"web1": {"trust": told.trust(), "wanted": told.wanted(steps=[("remove", ROOT, "surplus")])}})
    assert found(made) == {"anchor-surplus": {f"{ROOT['subject']}: surplus": ["web1"]}}


def test_sizes():
    """A thousand hosts that differ in thirty anchors."""
    made = build(told.large())
    assert made["counts"]["hosts"]["all"] == 1000
    assert len(json.dumps(made)) < 6e6
