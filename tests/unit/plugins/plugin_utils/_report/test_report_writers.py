# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as metrics and as a page. How the page works in a browser: tests/integration/test_role_trust_report.py."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re

import fleet_results as told
import pytest
from prometheus_client import parser

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import build as report_build
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import chains, metrics, page, timeline

ROOT, ISSUING = told.ROOT, told.ISSUING
WEB = told.certificate("CN=web1.example.com", ISSUING["subject"], days=(-10, 90))
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "path"}


def build(gathered, title="Trust report"):
    return report_build.build(gathered, report_build.ReportPolicy(title, told.NOW, 30 * told.DAY, 180 * told.DAY))


def samples(made):
    """{name: [(labels, value)]}, read by Prometheus' own parser."""
    found = {}
    for family in parser.text_string_to_metric_families(metrics.text(made)):
        assert family.documentation.endswith(".") and family.type == "gauge"
        found[family.name] = [(sample.labels, sample.value) for sample in family.samples]
    return found


class Outline(html.parser.HTMLParser):
    """The elements of a page, well nested, and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.text = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def small():
    return build({
        "web1": {"trust": told.trust(told.anchor(ROOT), told.anchor(ISSUING)), "certificates": told.results(
            told.verified(WEB, ISSUING, ROOT, path="/web.crt")),
            "endpoints": told.results(told.seen("www:443", WEB, ISSUING))},
        "web2": {"trust": told.trust(told.anchor(ROOT, managed=False), in_sync=False, deviations=["it lacks X"])},
        "web3": {"trust": told.UNREACHABLE}})


def test_metrics():
    found = samples(small())
    assert found["host_trust_report_generated_seconds"] == [({"report": "Trust report"}, told.NOW)]
    assert found["host_trust_host_reachable"] == [({"host": "web1"}, 1), ({"host": "web2"}, 1), ({"host": "web3"}, 0)]
    assert found["host_trust_host_in_sync"] == [
        ({"host": "web1", "store": "redhat"}, 1), ({"host": "web2", "store": "redhat"}, 0)]
    root = {"report": "Trust report", "fingerprint": ROOT["fingerprint_sha256"], "subject": ROOT["subject"]}
    assert (root, told.epoch(ROOT["not_after"])) in found["host_trust_anchor_not_after_seconds"]
    assert ({**root, "state": "unmanaged"}, 1) in found["host_trust_anchor_hosts"]
    assert found["host_trust_certificate_verified"] == [({"host": "web1", "path": "/web.crt"}, 1)]
    ((labels, end),) = found["host_trust_certificate_not_after_seconds"]
    assert labels["subject"] == WEB["subject"] and end == told.epoch(WEB["not_after"])
    assert found["host_trust_endpoint_trusted"] == [
        ({"host": "web1", "endpoint": "www:443", "server_name": "www"}, 1)]
    assert ({"host": "web2", "kind": "store-out-of-sync", "severity": "critical"}, 1) in found["host_trust_finding"]


def test_metrics_have_each_series_once_with_any_name_in_it():
    hostile = told.certificate(told.HOSTILE + '\\"\n}')
    twice = told.results(told.verified(WEB, ISSUING, ROOT, path="/web.crt"),
                         told.verified(WEB, path="/web.crt", reasons=["no"], trusted=False))
    both = told.results(told.seen("www:443", WEB),
                        told.seen("www:443", WEB, address="192.0.2.2", trusted=False, reasons=["no"]))
    made = build({'we"b\\': {"trust": told.trust(told.anchor(hostile)), "certificates": twice, "endpoints": both}})
    found = samples(made)
    for name, listed in found.items():
        series = [tuple(sorted(labels.items())) for labels, _value in listed]
        assert len(series) == len(set(series)), name
    assert found["host_trust_host_reachable"] == [({"host": 'we"b\\'}, 1)]
    # Of what is listed twice, the worse is told.
    assert [value for _labels, value in found["host_trust_certificate_verified"]] == [0]
    assert [value for _labels, value in found["host_trust_endpoint_trusted"]] == [0]


def test_metrics_of_several_reports_share_no_series():
    """Such as those of slices, that lie in one folder of node_exporter's."""
    trust = told.trust(told.anchor(ROOT))
    series = [(name, tuple(sorted(labels.items()))) for host, title in (("web1", "Slice 1"), ("web2", "Slice 2"))
              for name, listed in samples(build({host: {"trust": trust}}, title=title)).items()
              for labels, _value in listed]
    assert len(series) == len(set(series)) > 6


def test_metrics_of_nothing():
    found = samples(build({"web1": {"trust": told.UNREACHABLE}}))
    assert set(found) == {"host_trust_report_generated_seconds", "host_trust_host_reachable", "host_trust_finding"}


def test_metrics_do_not_grow_with_hosts_times_anchors():
    few, many = (metrics.text(build(told.large(hosts=300, anchors=number))).count("\n") for number in (10, 40))
    assert many - few < 30 * 300 / 10 and many < 300 * 14


def test_a_page_needs_nothing_else_and_runs_nothing_else():
    text = page.html(small())
    outline = Outline(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert outline.of("link") == [{"rel": "icon", "href": "data:,"}] and not outline.of("img")
    policy = next(one["content"] for one in outline.of("meta") if one.get("http-equiv"))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ") and f"script-src 'sha256-{digest}';" in policy


def test_what_ends_soon_does_so_everywhere():
    """To the second, for spans need not be days."""
    soon = told.certificate("CN=web1.example.com", ISSUING["subject"], days=(-10, 1.25))
    gathered = {"web1": {"trust": told.trust(told.anchor(ROOT)), "certificates": told.results(
        told.verified(soon, ISSUING, ROOT))}}
    for least, kinds, leaf, lane in ((1.5, ["certificate-expires"], "ends soon", "soon"), (1.25, [], "good", "later")):
        made = report_build.build(gathered, report_build.ReportPolicy("", told.NOW, int(least * told.DAY), 0))
        assert [one["kind"] for one in made["findings"]] == kinds
        issuing, = chains.trees(made)[0].below()
        assert issuing.certificates()[0].status == leaf
        assert [one.status for one in timeline.lanes(made) if one.kind == "certificates"] == [lane]
        assert f"Soon is {least} days for certificates and 0 days for anchors." in page.html(made)


def test_the_foot_names_the_files_with_data_that_were_written():
    assert "The same as data" not in page.html(small())
    text = "".join(Outline(page.html(small(), ["fleet.json", "a&b.prom"])).text)
    assert "The same as data: fleet.json, a&b.prom." in text


def test_names_are_shown_and_are_never_markup_or_templates():
    hostile = told.certificate(told.HOSTILE, days=(-1, 5))
    more = {"reasons": [told.HOSTILE], "warnings": [told.HOSTILE]}
    host = {
        "trust": told.trust(told.anchor(hostile, managed=False), distrusted=[told.certificate(told.HOSTILE + "2")]),
        "wanted": told.wanted((hostile, "present"), steps=[("repair", hostile, told.HOSTILE)]),
        "certificates": told.results(told.verified(hostile, path=told.HOSTILE, names=[told.HOSTILE, "b"], **more)),
        "endpoints": told.results(told.seen(told.HOSTILE, hostile, server_name='"><i>', trusted=False, **more))}
    failed = {"trust": {"failed": True, "msg": told.HOSTILE}}
    made = build({"<b>web1": host, told.HOSTILE: failed}, title=told.HOSTILE)
    outline = Outline(page.html(made))
    assert len(outline.of("script")) == 1 and not outline.of("img") and not outline.of("i")
    assert not any(name.startswith("on") for _tag, attributes in outline.found for name in attributes)
    text = "".join(outline.text)
    assert "<script>alert(1)</script> </script> {{ 7 * 7 }} {% raw %} \\E2\\80\\AEgpj.exe\\1B[31m" in text
    assert "49" not in re.sub(r"[0-9a-f]{64}|[0-9.]+%", "", text.split("What to do")[1].split("What ends")[0])
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)


def test_the_page_is_made_for_all_readers():
    text = page.html(small())
    outline = Outline(text)
    tags = [tag for tag, _attributes in outline.found]
    assert tags.count("main") == tags.count("header") == tags.count("nav") == tags.count("footer") == 1
    assert outline.of("html")[0]["lang"] == "en"
    assert all(one.get("scope") in ("row", "col") for one in outline.of("th"))
    assert re.search('<label for="search"', text) and re.search('<label><input type="checkbox"', text)
    assert [one["type"] for one in outline.of("input")] == ["search", "checkbox"]
    ids = [one["id"] for _tag, one in outline.found if "id" in one]
    assert len(ids) == len(set(ids))
    named = {one["aria-labelledby"] for _tag, one in outline.found if "aria-labelledby" in one}
    assert named <= set(ids) and {one["href"][1:] for one in outline.of("a")} <= set(ids)
    headings = [tag for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == "h1" and headings.count("h1") == 1
    # Whatever a cell shows by colour and shape, it says, too.
    assert re.findall(r'<td class="cell (\w+)">(\w+)</td>', text) == [
        ("absent", "absent"), ("unmanaged", "unmanaged"), ("trusted", "trusted"), ("trusted", "trusted")]


def test_hosts_that_are_alike_share_a_row_and_the_worst_come_first():
    gathered = {f"web{number}": {"trust": told.trust(told.anchor(ROOT))} for number in range(1, 12)}
    gathered["db1"] = {"trust": told.trust(told.anchor(ROOT, managed=False))}
    gathered["db2"] = {"trust": told.trust(), "wanted": told.wanted((ROOT, "present"), steps=[("install", ROOT, "no")])}
    gathered["gone"] = {"trust": told.UNREACHABLE}
    made = build(gathered)
    rows = page.groups(made, list(made["anchors"]))
    assert [(page.few(row.hosts), row.cells, row.needs_attention) for row in rows] == [
        ("db2", ("drifted",), True), ("gone", (), True), ("db1", ("unmanaged",), True),
        ("web1 … web11 (11 hosts)", ("trusted",), False)]


@pytest.mark.parametrize("subject, name", [
    ("CN=web1,O=Corp", "web1"), ("O=Corp,CN=a\\, b\\+c", "a, b+c"), ("O=Corp", "O=Corp"), ("", "no name"),
    (None, "no name"), ("O=CN\\=x", "O=CN\\=x")])
def test_short_names(subject, name):
    assert page.short(subject) == name


def test_trees():
    other = told.certificate("CN=web2.example.com", ISSUING["subject"])
    alone = told.certificate("CN=alone")
    lost = told.certificate("CN=lost", "CN=Elsewhere")
    made = build({
        "web1": {"trust": told.trust(), "certificates": told.results(
            told.verified(WEB, ISSUING, ROOT), told.verified(alone),
            told.verified(None, path="/none", reasons=["no"]))},
        "web2": {"trust": told.trust(), "certificates": told.results(
            told.verified(WEB, ISSUING, ROOT, path="/copy"), told.verified(other, ISSUING, ROOT),
            told.verified(lost, reasons=["not trusted"], trusted=False))}})

    def told_of(nodes):
        return {node.facts["subject"]: (node.anchor, told_of(node.below()), [
            (leaf.facts["subject"], leaf.hosts, leaf.paths, leaf.status) for leaf in node.certificates()])
            for node in nodes}

    assert told_of(chains.trees(made)) == {
        "CN=Corp Root CA,O=Corp": (True, {"CN=Corp Issuing CA,O=Corp": (False, {}, [
            ("CN=web1.example.com", ["web1", "web2"], ["web1.crt", "/copy"], "good"),
            ("CN=web2.example.com", ["web2"], ["web1.crt"], "good")])}, []),
        "CN=alone": (True, {}, [("CN=alone", ["web1"], ["web1.crt"], "good")]),
        "CN=Elsewhere (not trusted there)": (False, {}, [("CN=lost", ["web2"], ["web1.crt"], "refused")]),
        "Files without a certificate that can be read": (False, {}, [("/none", ["web1"], ["/none"], "refused")])}


def test_the_time_line():
    made = small()
    lanes = timeline.lanes(made)
    assert [(lane.kind, lane.name, lane.number, lane.says, lane.status) for lane in lanes] == [
        ("certificates", ISSUING["subject"], 1, "in 90 days", "later"),
        ("anchor", ISSUING["subject"], 1, "in 100 days", "soon"),
        ("anchor", ROOT["subject"], 1, "in 8.2 years", "later")]
    assert lanes[-1].ticks == [(1000, "later")], "the last one is at the end of the line"
    places = [timeline.place(days, 3000) for days in (-5000, -1, 0, 1, 30, 365, 3000)]
    assert places == sorted(places) and places[0] == places[1] < places[2] == timeline.PAST and places[-1] == 1
    assert 0.4 < places[4] < 0.5, "the next month has as much room as the years after it"
    assert [label for _place, label in timeline.scale(made)][-1] == "3 years"
    many = timeline.lanes(build(told.large(hosts=300)))
    assert all(len(lane.ticks) <= timeline.STEPS for lane in many) and many[0].status == "expired"


def test_a_page_of_a_thousand_hosts_is_small():
    assert len(page.html(build(told.large()))) < 4e6
    assert len(page.html(build(told.large(alike=True)))) < 1e6
