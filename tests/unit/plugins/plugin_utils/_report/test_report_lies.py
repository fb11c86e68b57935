# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report on a fleet in which one host lies: its results are its own failure, and say nothing of the others."""

from __future__ import annotations

import copy
import json
import math
import pathlib

import fleet_results as told
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import parser

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import build as report_build
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import metrics, page

ROOT, ISSUING = told.ROOT, told.ISSUING
SCHEMA = json.loads((pathlib.Path(__file__).parents[5] / "docs" / "report.schema.json").read_text())
WEB = told.certificate("CN=web1.example.com", ISSUING["subject"], days=(-80, 3.5))
OTHER = told.certificate("CN=web2.example.com", ISSUING["subject"], days=(-10, 90.5))
FOREVER = {**WEB, "not_after": told.iso(3650)}
SCALARS = [None, True, False, "maybe", "", "x" * 2000, 5, -1, 2 ** 70, 0.5, math.nan, math.inf, [], ["x"], {}, {"x": 1},
           "2026-99-99T99:99:99Z", "0000-00-00T00:00:00Z", "a\nhost_trust_host_in_sync 1", "{{ 7 * 7 }}", "\x1b[2J"]


def whole(own, *anchors):
    """What is registered on a host, of all kinds."""
    steps = [("install", ISSUING, "no local anchor holds it")]
    return {"trust": told.trust(told.anchor(ROOT), *anchors),
            "wanted": told.wanted((ROOT, "present"), steps=steps),
            "certificates": told.results(told.verified(own, ISSUING, ROOT)),
            "endpoints": told.results(told.seen("www.example.com:443", WEB, ISSUING))}


def build(gathered):
    """The report in all its forms, each of which can be read by who reads it."""
    policy = report_build.ReportPolicy("Trust report", told.NOW, 30 * told.DAY, 50 * told.DAY)
    made = report_build.build(gathered, policy)
    jsonschema.validate(made, SCHEMA, cls=jsonschema.Draft202012Validator)
    json.dumps(made, allow_nan=False)
    assert page.html(made).startswith("<!doctype html>") or page.html(made)
    families = list(parser.text_string_to_metric_families(metrics.text(made)))
    assert {one.name for one in families} <= set(metrics.METRICS)
    return made


def found(made, kind):
    """{sentence: hosts} of the findings of a kind."""
    return {item["sentence"]: item["hosts"] for one in made["findings"] if one["kind"] == kind for item in one["items"]}


def places(value, path=()):
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        if not path or path[-1] != "distribution" or key == 0:
            yield from places(value[key], (*path, key))


def forged(results, path, value):
    made = copy.deepcopy(results)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return made


PLACES = [path for path in places(whole(OTHER)) if len(path) > 1]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PLACES), st.sampled_from(SCALARS))
def test_whatever_one_host_says_the_others_are_as_before(path, value):
    """Any value of any of its results replaced by any other."""
    honest = whole(WEB)
    lies = forged(whole(OTHER), path, value)
    made = build({"evil": lies, "web1": honest})
    assert made["hosts"]["web1"] == build({"web1": honest})["hosts"]["web1"]
    own = made["certificates"][WEB["fingerprint_sha256"]]
    assert own["not_after"] == WEB["not_after"], "nobody moves the end of what another host has"


@pytest.mark.parametrize("path, value", [
    (("trust", "anchors", 0), {}), (("certificates", "results", 0), {"x": 1}), (("endpoints", "results"), None),
    (("certificates", "results", 0, "chain", 0, "source"), "maybe"),
    (("trust", "in_sync"), "maybe"), (("trust", "store"), ["x"]), (("trust", "anchors", 0, "not_after"), 5),
    (("trust", "anchors", 0, "fingerprint_sha256"), None), (("trust", "anchors", 0, "fingerprint_sha256"), "x"),
    (("trust", "counts", "distribution"), "1} 2\nhost_trust_x 3"), (("trust", "counts", "distribution"), math.nan),
    (("trust", "anchors"), [told.anchor(ROOT)] * 20_001), (("trust", "deviations"), "x"), (("trust", "counts"), None),
    (("trust", "distribution"), {"x": 1}), (("trust", "anchors", 0, "managed"), "yes"), (("trust", "bundle"), {}),
    (("wanted", "plan", 0, "action"), ["install"]), (("wanted", "anchors", 0, "state"), None),
    (("certificates", "results", 0, "remaining_days"), None), (("certificates", "results", 0, "verified"), "true"),
    (("certificates", "results", 0, "fingerprint_sha256"), None), (("certificates", "results", 0, "reasons"), [1]),
    (("certificates", "results", 0, "chain"), [{"subject": "x", "fingerprint_sha256": None, "source": "chain"}] * 2000),
    (("certificates", "results", 0, "not_after"), None), (("certificates", "results"), "x"),
    (("endpoints", "results", 0, "milliseconds", "handshake"), math.nan), (("endpoints", "results", 0, "chain"), None),
    (("endpoints", "results", 0, "chain", 0, "not_after"), "tomorrow"), (("endpoints", "results", 0, "versions"), [1]),
    (("endpoints", "results", 0, "name"), None), (("endpoints", "results", 0, "trusted"), 1),
    (("endpoints", "results", 0, "remaining_days"), math.inf), (("endpoints", "results", 0, "resumption"), "x"),
    (("endpoints", "results", 0, "warnings"), None), (("endpoints", "results", 0, "port"), 443.5),
    (("endpoints", "results", 0, "chain"), [{**WEB, "dns_names": [], "ip_addresses": [], "key_type": "x",
                                            "root": False}] * 2000),
], ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "")
def test_shapes_that_ended_a_report(path, value):
    """Shapes, most of which ended the report for the whole fleet: a failure of its host, which names the value."""
    made = build({"evil": forged(whole(OTHER), path, value), "web1": whole(WEB)})
    kind = {"trust": "host-failed", "wanted": "wanted-refused", "certificates": "certificates-failed",
            "endpoints": "endpoints-failed"}[path[0]]
    [(sentence, hosts)] = [pair for pair in found(made, kind).items() if "does not answer as" in pair[0]]
    assert hosts == ["evil"] and f"does not answer as {report_build.KINDS[path[0]]} does" in sentence
    assert str(path[1]) in sentence
    assert made["hosts"]["web1"]["status"] == "ok"


@pytest.mark.parametrize("told_by", ["trust", "wanted", "endpoints", "chain", "leaf"])
def test_attack_5_the_expiry_of_somebody_elses_certificate(told_by):
    """The last speaker of a fingerprint won: web1's certificate ends in three days, whatever others say of it."""
    lies = whole(OTHER)
    if told_by == "trust":
        lies["trust"]["anchors"].append(told.anchor(FOREVER))
    elif told_by == "wanted":
        lies["wanted"]["anchors"].append({**lies["wanted"]["anchors"][0], **FOREVER})
    elif told_by == "endpoints":
        lies["endpoints"] = told.results(told.seen("web1:443", FOREVER, ISSUING))
    elif told_by == "chain":
        lies["certificates"]["results"][0]["chain"].append(
            {"subject": "CN=other", "fingerprint_sha256": WEB["fingerprint_sha256"], "source": "chain"})
    else:
        lies["certificates"] = told.results(told.verified(FOREVER, ISSUING, ROOT))
    for names in (("z-evil", "web1"), ("a-evil", "web1")):  # the last one won
        made = build({names[0]: lies, names[1]: whole(WEB)})
        assert made["certificates"][WEB["fingerprint_sha256"]]["not_after"] == WEB["not_after"]
        assert made["certificates"][WEB["fingerprint_sha256"]]["subject"] == WEB["subject"]
        assert ["web1"] == [host for sentence, hosts in found(made, "certificate-expires").items() for host in hosts
                            if WEB["subject"] in sentence and "ends in 3 days" in sentence and host != names[0]]
        disputed = list(found(made, "certificate-disputed").items())
        if told_by != "chain":
            assert [hosts for _sentence, hosts in disputed] == [[names[0]]]
            assert f"it ends {FOREVER['not_after']} by what this host says" in disputed[0][0]
        else:
            assert disputed == []


def test_what_was_read_on_the_controller_counts_most():
    """A certificate that was judged here, and a host that has the same one and says that it ends sooner."""
    sooner = {**WEB, "not_after": told.iso(1)}
    honest = whole(WEB)
    honest["certificates"]["results"][0]["verdicts"] = {
        "openssl": {"accepted": True, "reasons": []},
        "strict": {"accepted": True, "reasons": [], "findings": [], "waived": [], "chain": []}}
    made = build({"evil": {**whole(OTHER), "certificates": told.results(told.verified(sooner, ISSUING, ROOT))},
                  "web1": honest})
    assert made["certificates"][WEB["fingerprint_sha256"]]["not_after"] == WEB["not_after"]
    assert list(found(made, "certificate-disputed").values()) == [["evil"]]


def test_a_failure_with_a_message_that_is_none():
    made = build({"evil": {"trust": {"failed": True, "msg": ["x"]}}, "gone": {"trust": {"unreachable": True, "msg": 5}},
                  "web1": whole(WEB)})
    assert made["hosts"]["evil"]["reason"] == made["hosts"]["gone"]["reason"] == "it gives no reason"
