# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook report over a fleet with all kinds of things wrong, and its page in a real Chromium."""

from __future__ import annotations

import base64
import json
import statistics
from pathlib import Path

import fleet_results as told
import images
import jsonschema
import pki
import plays
import podman
import pytest
from cryptography import x509
from prometheus_client import parser

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import build as report_build
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._report import page

pytestmark = pytest.mark.clients

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")])
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA")], ROOT, ca=True, path_length=0)
PARTNER = pki.root("Partner CA", days=(-1, 90))
BY_HAND = pki.root("<script>alert(1)</script>{{ 7 * 7 }} \u202etest")
REPORT = "fleetpki.host_trust.report"
SCHEMA = json.loads((plays.ROOT / "docs" / "report.schema.json").read_text())
STEPS = Path(__file__).with_name("devtools.py").read_bytes()
PAINTED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"


@pytest.fixture(scope="module")
def fleet():
    """An EL stand-in whose list is not carried out, a Debian with certificates, and one with servers and a browser."""
    with podman.fleet({"web1": "el9", "web2": "debian12", "edge": "workstation"}) as hosts:
        done = plays.run(hosts.inventory, [plays.anchors(ROOT, PARTNER)])
        assert done.code == 0, done.output
        el, debian, edge = (hosts[name] for name in ("web1", "web2", "edge"))
        el.write("/etc/pki/ca-trust/source/anchors/by-hand.pem", BY_HAND.pem.encode())
        el.run("update-ca-trust", "extract")
        for name, days in (("web2", (-1, 100)), ("short", (-1, 9.5)), ("old", (-20, -3))):
            pair = pki.server(name + ".example.com", ISSUING, days=days)
            debian.write(f"/etc/ssl/certs/{name}.crt", pair.pem.encode())
            debian.write(f"/etc/ssl/certs/{name}-chain.pem", ISSUING.pem.encode())
            debian.write(f"/etc/ssl/private/{name}.key", pair.key_pem().encode(), 0o600)
        server = pki.server("edge", ISSUING)
        edge.write("/srv/edge.pem", server.pem.encode())
        edge.write("/srv/edge.key", server.key_pem().encode(), 0o600)
        edge.run("sh", "-c", "openssl s_server -quiet -accept 8443 -cert /srv/edge.pem -key /srv/edge.key "
                             "</dev/null >/dev/null 2>&1 & "
                             "while ! openssl s_client -connect edge:8443 </dev/null; do :; done")
        edge.write("/srv/devtools.py", STEPS)
        variables = {
            "host_certificate_certificates": "{{ reported[inventory_hostname] | default([]) }}",
            "reported": {"web2": [
                {"name": f"{name}.example.com", "path": f"{name}.crt", "privatekey_path": f"{name}.key",
                 "chain_path": f"{name}-chain.pem"} for name in ("web2", "short", "old")]},
            "trust_report_certificates": "{{ [{'path': '/nosuch.crt'}] if inventory_hostname == 'web1' else [] }}",
            "trust_report_endpoints": "{{ [{'host': 'edge', 'port': 8443}, {'host': 'edge', 'port': 9}] "
                                      "if inventory_hostname != 'edge' else [] }}",
            "ca_trust_anchors": [{"content": ROOT.pem}, {"content": ISSUING.pem}, {"content": PARTNER.pem}]}
        inventory = json.loads(hosts.inventory.read_text())
        inventory["all"]["vars"].update(variables)
        # Nobody listens there, and a name that could be markup or a template is a name.
        inventory["all"]["hosts"] = {
            "gone<b>": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_user": "root"},
            "broken": {**inventory["all"]["children"]["redhat"]["hosts"]["web1"], "ca_trust_store": "bundle"}}
        hosts.inventory.write_text(json.dumps(inventory))
        yield hosts


def make(fleet, folder, *args, environment=None, **variables):
    """(the report's value, the text of the page) of a run of the playbook, whose files are as they should be."""
    play = plays.playbook(fleet.inventory, REPORT, *args, reached=False, environment=environment,
                          variables={"trust_report_dir": str(folder), "host_trust_become": False, **variables})
    assert play.code == 0, play.output
    assert not any(one.get("changed") for name, results in play.results.items() for one in results
                   if not one["task"].endswith("Write the report")), "hosts are only looked at"
    assert "Traceback" not in play.output
    made = json.loads((folder / "report.json").read_text())
    jsonschema.validate(made, SCHEMA)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.prom"]
    families = list(parser.text_string_to_metric_families((folder / "report.prom").read_text()))
    assert {sample.value for family in families if family.name == "host_trust_host_reachable"
            for sample in family.samples if sample.labels["host"] == "gone<b>"} <= {0}
    return made, (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def made(fleet, tmp_path_factory):
    """A report of the whole fleet: (value, page, folder)."""
    folder = tmp_path_factory.mktemp("report") / "new"
    before = state(fleet)
    value, text = make(fleet, folder)
    assert state(fleet) == before, "a host was changed"
    return value, text, folder


def state(fleet):
    """All files below /etc, and when they were changed."""
    find = ("find", "/etc", "/usr/local/share", "-printf", "%p %s %C@\n")
    return {name: fleet[name].run(*find).stdout for name in fleet}


def kinds(value):
    return {one["kind"]: [(item["sentence"], item["hosts"]) for item in one["items"]] for one in value["findings"]}


def anchors(value, host):
    return {value["certificates"][one]["subject"]: state for one, state in value["hosts"][host]["anchors"].items()}


def test_what_hosts_are_like(made):
    value, _text, _folder = made
    assert {name: host["status"] for name, host in value["hosts"].items()} == {
        "broken": "failed", "edge": "ok", "gone<b>": "unreachable", "web1": "ok", "web2": "ok"}
    by_hand = r"CN=\<script\>alert(1)\</script\>{{ 7 * 7 }} \E2\80\AEtest"
    assert anchors(value, "web1") == {"CN=Corp Root CA,O=Corp": "trusted", "CN=Corp Issuing CA,O=Corp": "drifted",
                                      "CN=Partner CA": "trusted", by_hand: "unmanaged"}
    assert anchors(value, "web2")["CN=Corp Issuing CA,O=Corp"] == "drifted"
    assert [value["hosts"][name]["store"] for name in ("web1", "web2", "edge")] == ["redhat", "debian", "debian"]
    assert all(value["hosts"][name]["distribution"] >= images.ROOTS and value["hosts"][name]["in_sync"]
               for name in ("web1", "web2", "edge"))
    assert "port 1: Connection refused" in value["hosts"]["gone<b>"]["reason"]
    assert "bundle_path" in value["hosts"]["broken"]["reason"]


def test_what_is_found(made):
    value, _text, _folder = made
    found = kinds(value)
    missing = "CN=Corp Issuing CA,O=Corp: no local anchor holds it"
    assert found["anchor-missing"] == [(missing, ["edge", "web1", "web2"])]
    assert [hosts for _sentence, hosts in found["anchor-expires"]] == [["edge", "web1", "web2"]]
    assert [hosts for _sentence, hosts in found["anchor-unmanaged"]] == [["web1"]]
    ((expired, hosts),) = found["certificate-expired"]
    assert hosts == ["web2"] and expired.startswith("/etc/ssl/certs/old.crt (CN=old.example.com): expired 3 days ago")
    ((soon, _hosts),) = found["certificate-expires"]
    assert soon.startswith("/etc/ssl/certs/short.crt (CN=short.example.com) ends in 9 days")
    assert found["certificate-unreadable"][0][0].startswith("/nosuch.crt: ")
    # The server does not send its intermediate, which nobody has as an anchor.
    assert "the server does not send CN=Corp Issuing CA" in found["endpoint-untrusted"][0][0]
    assert found["endpoint-failed"][0][1] == ["broken", "web1", "web2"], "what is asked of a host besides"
    assert "host-failed" in found and "host-unreachable" in found and "wanted-refused" not in found
    good = [one for one in value["hosts"]["web2"]["certificates"] if one["verified"]]
    assert [one["path"] for one in good] == ["/etc/ssl/certs/web2.crt", "/etc/ssl/certs/short.crt"]
    assert [link["source"] for link in good[0]["chain"]] == ["certificate", "chain", "trust"]


def test_a_refused_list_of_anchors_and_one_host_alone_with_the_strategy_free(fleet, tmp_path):
    """And hosts that are not in the report's own inventory file, but that were meant; in an old folder."""
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "report.html").chmod(0o600)
    value, text = make(fleet, tmp_path, "--limit", "web1:gone*", environment={"ANSIBLE_STRATEGY": "free"},
                       trust_report_anchors=[{"content": pki.server().pem}], trust_report_endpoints=[])
    assert list(value["hosts"]) == ["gone<b>", "web1"] and value["hosts"]["web1"]["status"] == "ok"
    ((sentence, hosts),) = kinds(value)["wanted-refused"]
    assert "it is not a CA" in sentence and hosts == ["web1"] and sentence.split(":")[0] in text
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o644


def test_a_title_and_what_soon_is(fleet, tmp_path):
    value, text = make(fleet, tmp_path / "new", "--limit", "web2", trust_report_title="<b>Ours & theirs</b>",
                       trust_report_certificates_remaining="5d", trust_report_endpoints=[])
    assert "certificate-expires" not in kinds(value) and "certificate-expired" in kinds(value)
    assert "<title>&lt;b&gt;Ours &amp; theirs&lt;/b&gt;" in text and "<b>Ours" not in text


def test_how_certificates_are_judged_and_endpoints_looked_at(fleet, tmp_path):
    """By the host's OpenSSL and with a revocation list; endpoints thoroughly, with all that they can do."""
    web2 = x509.load_pem_x509_certificate(fleet["web2"].read("/etc/ssl/certs/web2.crt"))
    lists = [{"content": pki.crl(ISSUING, pki.Pair(None, web2))}, {"content": pki.crl(ROOT)}]
    given = {"trust_report_verify_engine": "host", "trust_report_waive": ["rfc5280-ca-key-usage"],
             "trust_report_timeout": 5}
    value, _text = make(fleet, tmp_path / "new", "--limit", "web2", **given, trust_report_crls=lists,
                        trust_report_endpoints_thorough=False)
    revoked = "/etc/ssl/certs/web2.crt (CN=web2.example.com): is revoked"
    assert kinds(value)["certificate-refused"] == [(revoked, ["web2"])]
    (view,), = [one["views"] for one in value["endpoints"] if one["name"] == "edge:8443"]
    assert view["reachable"] and view["versions"] is None and view["resumed"] is None
    value, _text = make(fleet, tmp_path / "other", "--limit", "web2", **given)
    (view,), = [one["views"] for one in value["endpoints"] if one["name"] == "edge:8443"]
    assert view["versions"]["TLSv1.3"] and view["resumed"] and "certificate-refused" not in kinds(value)


def test_the_role_in_a_play_of_ones_own_and_what_it_refuses(fleet, tmp_path):
    task = {"ansible.builtin.include_role": {"name": "fleetpki.host_trust.trust_report"}}
    given = {"trust_report_dir": str(tmp_path / "a" / "b"), "trust_report_endpoints": [], "trust_report_prometheus": "",
             "ca_trust_min_remaining": "9000d"}
    for args, written in ((["--check"], []), ([], ["report.html", "report.json"])):
        play = plays.run(fleet.inventory, [{**task, "vars": given}], *args, hosts="web1:edge")
        assert play.code == 0, play.output
        folder = tmp_path / "a" / "b"
        assert sorted(path.name for path in folder.glob("*")) == written
    value = json.loads((folder / "report.json").read_text())
    assert "and min_remaining asks for 9000 days" in str(kinds(value)["wanted-refused"]), "judged as it is distributed"
    assert "The same as data: <span class=\"name\">report.json</span>." in (folder / "report.html").read_text()
    wrong = [({"trust_report_dir": "here"}, "html is here/report.html, and is to be an absolute path"),
             ({"trust_report_html": str(tmp_path)}, "something that is no file is there"),
             ({"trust_report_mode": "rw"}, "mode: 'rw' is no octal number"),
             ({"trust_report_json": "/srv/a", "trust_report_html": "/srv/a"}, "html, json are to be different files"),
             ({"trust_report_anchors_remaining": "soon"}, "anchors_remaining: 'soon' is no span of time"),
             ({"trust_report_hosts": ["nobody"]}, "there is no host nobody in the inventory"),
             ({"trust_report_hosts": []}, "hosts is empty"),
             ({"trust_report_html": "", "trust_report_json": ""}, "one of the following is required: html, json, prom")]
    write = {"name": "fleetpki.host_trust.trust_report", "tasks_from": "write"}
    play = plays.run(fleet.inventory, [{"ansible.builtin.include_role": write, "vars": {**given, **one}}
                                       for one, _sentence in wrong], hosts="web1")
    said = [result["msg"] for result in play.of("web1") if result.get("failed")]
    assert [sentence in text for text, (_one, sentence) in zip(said, wrong, strict=True)] == [True] * len(wrong), said


# In the browser.


def browse(host, text, *steps, address=""):
    """What Chromium makes of a page: see devtools.py. It asks nobody else, and its console has nothing to say."""
    host.write("/srv/page.html", text.encode())
    done = json.loads(host.run("python3", "/srv/devtools.py", "file:///srv/page.html" + address,
                               input=json.dumps(steps)).stdout)
    assert done["console"] == []
    assert done["requests"] == ["file:///srv/page.html" + address.partition("#")[0]]
    return done


def script(expression):
    return ["Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}]


def values(done):
    """What scripts have given, those left out that give nothing."""
    given = (answer.get("result", {}).get("value") for answer in done["answers"])
    return [value for value in given if value is not None]


# The rows that can be seen.
SHOWN = script("""[...document.querySelectorAll("[data-row]")].filter((row) => row.checkVisibility()
  ).map((row) => row.closest("[data-part]").id + ": " + row.textContent.replace(/\\s+/g, " ").trim())""")
SAID = script("document.getElementById('said').textContent")


def typed(text):
    """Somebody presses / and types over what stands in the search."""
    slash = {"key": "/", "code": "Slash", "text": "/"}
    yield ["Input.dispatchKeyEvent", {"type": "keyDown", **slash}]
    yield script("void document.activeElement.select()")
    yield ["Input.insertText", {"text": text}] if text else script("void document.execCommand('delete')")


def address(part):
    """Waits until that is in the address of the page."""
    return script("new Promise((done) => (function look() { location.hash.includes(%s) ? done() : "
                  "requestAnimationFrame(look); })())" % json.dumps(part))


def test_search(fleet, made):
    _value, text, _folder = made
    field, box = "document.getElementById('search')", "document.getElementById('attention')"
    found = values(browse(
        fleet["edge"], text,
        SHOWN, script(f"[{field}.value, {box}.checked]"), script(f"void {box}.click(), void {field}.blur()"),
        *typed(""), SHOWN,
        *typed("short.example"), SHOWN, SAID, address("q=short.example"), script(f"void {field}.blur()"),
        *typed("ALERT(1)"), SHOWN,
        script("void (location.hash = 'q=nothing+is+called+that')"), address("called"), SHOWN,
        script("[...document.querySelectorAll('.nothing')].filter((one) => one.checkVisibility()).length"),
        address="#q=web2&only=attention"))
    passed_on, state_of_search, everything, short, said, hostile, nothing, sentences = found
    assert state_of_search == ["web2", True]
    assert passed_on and all("web2" in row for row in passed_on)
    assert not any("good" in row for row in passed_on if row.startswith("certificates"))
    assert len(everything) > 20 and any("good" in row for row in everything)
    assert short and all("short" in row for row in short) and len(short) < 5
    assert said.startswith("findings 1, time line 0, ")
    assert {row.partition(":")[0] for row in hostile} >= {"findings", "expiry", "hosts"}
    assert any(row.startswith("hosts: web1") for row in hostile), "it is found by the anchors that it has"
    assert nothing == [] and sentences == 5


def test_every_text_can_be_read(fleet, made):
    """Contrast as WCAG 2.2 asks for; on a phone nothing is wider than the screen; on paper, all is there.

    Pictures are left where pytest leaves its files, to be looked at.
    """
    _value, text, folder = made
    ways = [(scheme, width) for scheme in ("light", "dark") for width in (360, 1280)]
    steps = []
    for scheme, width in ways:
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        steps += [["Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}],
                  ["Emulation.setDeviceMetricsOverride", size],
                  script("document.documentElement.scrollWidth"), script(CONTRAST),
                  ["Page.captureScreenshot", {"captureBeyondViewport": True}]]
    done = browse(fleet["edge"], text, *steps, ["Emulation.setEmulatedMedia", {"media": "print", "features": []}],
                  script("document.querySelector('.tools').checkVisibility()"),
                  script("dispatchEvent(new Event('beforeprint')),"
                         "document.querySelectorAll('details:not([open])').length"),
                  ["Page.printToPDF", {}])
    *screens, tools, folded = values(done)
    assert screens[1::2] == [[]] * 4 and (tools, folded) == (False, 0)
    assert [wide <= width for wide, (_scheme, width) in zip(screens[::2], ways, strict=True)] == [True] * 4
    *pictures, paper = [base64.b64decode(answer["data"]) for answer in done["answers"] if "data" in answer]
    for (scheme, width), picture in zip(ways, pictures, strict=True):
        assert picture.startswith(b"\x89PNG")
        folder.with_name(f"{scheme}-{width}.png").write_bytes(picture)
    folder.with_name("paper.pdf").write_bytes(paper)


# Texts whose contrast with what is behind them is below 4.5 to 1.
CONTRAST = """(() => {
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const luminance = (rgb) => rgb.slice(0, 3).map((part) => part / 255).map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4).reduce((sum, part, at) =>
    sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility() || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const both = [parse(getComputedStyle(element).color), behind(element)].map(luminance).sort((a, b) => b - a);
    if ((both[0] + 0.05) / (both[1] + 0.05) < 4.5) poor.add(element.className + ": " + element.textContent);
  }
  return [...poor];
})()"""


def test_a_thousand_hosts_that_all_differ_are_searched_in_no_time(fleet):
    """By the time of the page's own thread, so that others on this machine do not count. 100 ms are felt."""
    terms = report_build.ReportPolicy("Large", told.NOW, 30 * told.DAY, 180 * told.DAY)
    text = page.html(report_build.build(told.large(), terms))
    measure = ["Performance.getMetrics", {}]
    queries = ["w", "web0", "web01", "web012", "", "department 07", "d", ""]
    steps = [["Performance.enable", {"timeDomain": "threadTicks"}]]
    for query in queries:
        steps += [measure, script("{ const field = document.getElementById('search'); field.value = %s;"
                                  "field.dispatchEvent(new Event('input')); %s }" % (json.dumps(query), PAINTED))]
    done = browse(fleet["edge"], text, *steps, measure)
    taken = [{one["name"]: one["value"] for one in answer["metrics"]}
             for answer in done["answers"] if "metrics" in answer]
    works = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
    milliseconds = [1000 * sum(after[one] - before[one] for one in works)
                    for before, after in zip(taken, taken[1:], strict=False)]
    print(f"loaded in {done['loaded']:.2f} s; milliseconds for a key: {[round(one) for one in milliseconds]}")
    assert statistics.median(milliseconds) < 100 and max(milliseconds) < 250, milliseconds
