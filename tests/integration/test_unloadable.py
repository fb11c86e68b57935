# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate with which OpenSSL loads no other one, on real hosts: refused, found, named, repaired."""

from __future__ import annotations

import json

import images
import pki
import plays
import pytest
import raw_pki
import shared_cases
from test_ca_trust_anchor import ANCHORS, BUNDLE, ISSUING, ROOT, SERVER, leftovers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

POISON = raw_pki.latin1_root()
OLDER = {"name": "mueller", "content": POISON.pem}
INFO = {"fleetpki.host_trust.ca_trust_info": {}}
EXTRACT = {"redhat": ("update-ca-trust", "extract"), "debian": ("update-ca-certificates",)}
AT_FAULT = f"(SHA-256 {POISON.fingerprint}), is at fault: subject O=\"Müller GmbH\" is not valid UTF-8"
# How many CAs an application of the host has, the store's bundle being its CA file: 0 where OpenSSL does not load it.
COUNT = """import ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
try: context.load_verify_locations(sys.argv[1])
except ssl.SSLError: pass
print(context.cert_store_stats()["x509"])"""


def loaded(host, bundle=None):
    """How many certificates of its bundle the host's OpenSSL loads."""
    return int(host.run("python3", "-c", COUNT, bundle or BUNDLE[host.platform.family]).stdout)


def bring(host, managed=False):
    """What a colleague does, or (managed) version 0.1.0 has done; returns the path."""
    family = host.platform.family
    path = f"{ANCHORS[family]}/mueller.{'pem' if family == 'redhat' else 'crt'}"
    host.write(path, anchor_file.managed_block("mueller", x509.parse(POISON.der)) if managed else POISON.pem.encode())
    return path


def extract(host):
    host.run(*EXTRACT[host.platform.family])


def test_it_is_refused_before_a_host_is_touched(one_of_each):
    play = plays.run(one_of_each.inventory, [plays.anchors(ROOT, OLDER), INFO])
    for name, (refused, info) in play.results.items():
        assert refused["failed"] and not refused["changed"], name
        assert refused["msg"].startswith("anchors, element 2 (mueller): CN=Mueller Root CA,O=#0c0b4dfc")
        assert "is refused: OpenSSL does not load it: subject O=\"Müller GmbH\" is not valid UTF-8" in refused["msg"]
        assert info["counts"]["local"] == 0 and info["in_sync"]


def test_one_that_was_copied_and_not_extracted_is_named_and_nothing_changes(all_hosts):
    """An extract for another anchor would take it along. EL 8 has no preview, so there it is taken back."""
    before, paths = {}, {}
    for name, host in all_hosts.items():
        before[name], paths[name] = loaded(host), bring(host)
    play = plays.run(all_hosts.inventory, [plays.anchors(ROOT)])
    for name, (failed,) in play.results.items():
        host = all_hosts[name]
        assert failed["failed"] and AT_FAULT in failed["msg"] and f"remove {paths[name]}" in failed["msg"], failed
        assert "Nothing was changed: the store is as it was before" in failed["msg"]
        assert loaded(host) == before[name] >= images.ROOTS and leftovers(host) == ""


def test_where_it_is_it_is_found_named_and_healed(all_hosts):
    """By hand: every run fails and names the file, until somebody removes it or the run may purge it."""
    paths, before = {}, {}
    plays.run(all_hosts.inventory, [plays.anchors(ROOT)])
    for name, host in all_hosts.items():
        before[name], paths[name] = loaded(host), bring(host)
        extract(host)
        assert loaded(host) == 0, "it is no fault any more?"
    play = plays.run(all_hosts.inventory, [
        INFO, plays.anchors(ROOT), {**plays.anchors(ROOT), "check_mode": True}, plays.anchors(ROOT, purge="all"), INFO,
        plays.anchors(ROOT)])
    for name, (info, failed, foreseen, purged, after, again) in play.results.items():
        host, path, bundle = all_hosts[name], paths[name], BUNDLE[all_hosts[name].platform.family]
        assert info["in_sync"] is False and not info.get("failed"), name
        (sentence,) = (one for one in info["deviations"] if one.startswith("this host's OpenSSL") and bundle in one)
        assert AT_FAULT in sentence and f"remove {path}" in sentence
        found = next(one for one in info["unloadable"] if one["bundle"] == bundle)
        assert (found["fingerprint_sha256"], found["paths"]) == (POISON.fingerprint, [path])
        assert found["certificates"] == before[name] + 1 and 1 <= found["position"] <= found["certificates"]
        assert failed["failed"] and failed["msg"] == foreseen["msg"] and foreseen["failed"]
        assert sentence in failed["msg"] and failed["msg"].endswith("Nothing was changed")
        assert purged["changed"] and after["in_sync"] and after["unloadable"] == [] and not again["changed"]
        assert loaded(host) == before[name]


def test_what_an_older_version_has_installed_is_removed(all_hosts):
    before = {}
    for name, host in all_hosts.items():
        before[name] = loaded(host)
        bring(host, managed=True)
        extract(host)
        assert loaded(host) == 0
    play = plays.run(all_hosts.inventory, [{**plays.anchors(ROOT), "check_mode": True}, plays.anchors(ROOT),
                                           plays.anchors(ROOT)])
    for name, (foreseen, healed, again) in play.results.items():
        assert healed["changed"] and foreseen["plan"] == healed["plan"] and not again["changed"], healed
        (step,) = (step for step in healed["plan"] if step["action"] == "remove")
        assert step["fingerprint_sha256"] == POISON.fingerprint and "OpenSSL does not load it" in step["reason"]
        assert loaded(all_hosts[name]) == before[name] + 1


def test_the_bundle_of_an_application(one_of_each):
    bundle = {"store": "bundle", "bundle_path": "/root/app.pem"}
    plays.run(one_of_each.inventory, [plays.anchors(ROOT, **bundle)])
    for host in one_of_each.values():
        host.write("/root/app.pem", host.read("/root/app.pem") + POISON.pem.encode())
        assert loaded(host, "/root/app.pem") == 0
    play = plays.run(one_of_each.inventory, [
        {"fleetpki.host_trust.ca_trust_info": bundle}, plays.anchors(ROOT, **bundle),
        plays.anchors(ROOT, {"fingerprint": POISON.fingerprint, "state": "absent"}, **bundle),
        {"fleetpki.host_trust.ca_trust_info": bundle}])
    for name, (info, failed, healed, after) in play.results.items():
        assert info["in_sync"] is False and AT_FAULT in info["deviations"][0], name
        assert failed["failed"] and AT_FAULT in failed["msg"] and "remove it from that file" in failed["msg"]
        assert healed["changed"] and after["in_sync"] and loaded(one_of_each[name], "/root/app.pem") == 1


@pytest.mark.parametrize("engine", ["host", "strict"])
def test_cert_verify_says_that_first(el_hosts, engine):
    """OpenSSL has no anchor at all then. It blamed a CA that is fine."""
    plays.run(el_hosts.inventory, [plays.anchors(ROOT)])
    for host in el_hosts.values():
        bring(host)
        extract(host)
    verify = {"fleetpki.host_trust.cert_verify": {
        "trust": BUNDLE["redhat"], "engine": engine,
        "certificates": [{"content": SERVER.pem, "chain_content": ISSUING.pem}]}}
    play = plays.run(el_hosts.inventory, [verify])
    for name, (verified,) in play.results.items():
        assert verified["failed"], name
        reason = verified["results"][0]["reasons"][0]
        assert reason.startswith(f"this host's OpenSSL loads no certificate of {BUNDLE['redhat']}"), reason
        assert AT_FAULT in reason and "could not judge" not in json.dumps(verified)


def test_what_only_pyca_refuses_is_installed_and_noted(all_hosts):
    raws = [raw_pki.ampersand_root(), raw_pki.BRAINPOOL]
    play = plays.run(all_hosts.inventory, [plays.anchors(*raws), plays.anchors(*raws)])
    for name, (first, again) in play.results.items():
        assert first["changed"] and not again["changed"], (name, first)
        for result in (first, again):
            assert ["pyca/cryptography" in str(one["notes"]) for one in result["anchors"]] == [result["changed"]] * 2
        assert loaded(all_hosts[name]) == images.ROOTS + len(raws)


@pytest.mark.parametrize(("case", "refused"), [
    ("latin1-in-utf8string", True), ("ampersand-in-printablestring", False), ("critical-false-written-out", False),
    ("eight-bit-policy-text", False), ("eight-bit-crl-address", False), ("curve-that-cryptography-lacks", False)])
def test_cases_that_people_have(one_of_each, case, refused):
    text = shared_cases.read(case)
    play = plays.run(one_of_each.inventory, [plays.anchors({"content": text}), INFO])
    for name, (result, info) in play.results.items():
        assert bool(result.get("failed")) == refused and info["in_sync"], (name, result)
        assert loaded(one_of_each[name]) == images.ROOTS + (not refused)


def test_a_usual_store_is_loaded_whole(all_hosts):
    """What is counted is what the hosts' tools extract, in each of their bundles."""
    play = plays.run(all_hosts.inventory, [plays.anchors(ROOT, pki.root("Another CA", key_type="rsa")), INFO])
    for name, (made, info) in play.results.items():
        assert made["changed"] and info["in_sync"] and info["unloadable"] == [], (name, info["deviations"])
