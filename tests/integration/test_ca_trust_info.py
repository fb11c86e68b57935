# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ca_trust_info: what it counts, whose anchors it knows, and that it notices a store that is not what its sources make.

What it makes of odd files is in test_platform_facts.py.
"""

from __future__ import annotations

import pki
import plays
from test_ca_trust_anchor import ANCHORS, BUNDLE, trusted

OURS = pki.root("Ours CA")
HAND = pki.root("By Hand CA")
INFO = {"fleetpki.host_trust.ca_trust_info": {}}
BREAK = {
    "cut": "head -c 300 {bundle} > /root/cut; cat /root/cut > {bundle}",
    "copied and not extracted": "cp /root/hand.pem {anchors}/hand.crt",
    "removed and not extracted": "rm {anchors}/hand.crt",
    "missing": "rm {bundle}",
}


def test_what_it_tells(all_hosts_with_all_roots):
    """Ours and somebody else's, one of the distribution's distrusted; check mode makes no difference."""
    all_hosts = all_hosts_with_all_roots
    public, before = {}, {name: trusted(host) for name, host in all_hosts.items()}
    for name, host in all_hosts.items():
        host.write(f"{ANCHORS[host.platform.family]}/by-hand.crt", HAND.pem.encode())
        public[name] = sorted(before[name])[0]
    distrust = {"fingerprint": "{{ public[inventory_hostname] }}", "state": "distrusted"}
    play = plays.run(all_hosts.inventory, [
        plays.anchors({"name": "our root", "content": OURS.pem}, distrust), INFO, {**INFO, "check_mode": True}],
        vars={"public": public})
    for name, (_made, info, checked) in play.results.items():
        host = all_hosts[name]
        assert info == {**checked, "task": info["task"]} and not info["changed"]
        assert info["store"] == host.platform.family and info["in_sync"] is True and info["interrupted"] is False
        assert info["counts"] == {
            "local": 2, "managed": 1, "distribution": len(info["distribution"]), "distrusted": 1}, name
        assert sum(held["trusted"] for held in info["distribution"]) == len(before[name]) - 1 > 100
        hand, ours = sorted(info["anchors"], key=lambda anchor: anchor["managed"])
        assert (hand["subject"], hand["name"], hand["managed"], hand["trusted"]) == ("CN=By Hand CA", None, False, True)
        assert (ours["name"], ours["fingerprint_sha256"], ours["trusted"]) == ("our root", OURS.fingerprint, True)
        assert [held["fingerprint_sha256"] for held in info["distrusted"]] == [public[name]]
        assert not info["distrusted"][0]["trusted"]
        bundles = {bundle["path"]: bundle for bundle in info["bundles"]}
        assert bundles[BUNDLE[host.platform.family]]["certificates"] == len(trusted(host)) == len(before[name]) + 1
        modified = bundles[BUNDLE[host.platform.family]]["modified"]
        date = host.run("date", "-u", "-r", BUNDLE[host.platform.family], "+%Y-%m-%dT%H:%M:%SZ")
        assert modified == date.stdout.strip()


def test_out_of_step(one_of_each):
    """Each way in which a store stops being what its sources make is noticed, named, and gone after an extract."""
    tasks = []
    plays.run(one_of_each.inventory, [plays.anchors(OURS)])
    for host in one_of_each.values():
        host.write("/root/hand.pem", HAND.pem.encode())
    for script in BREAK.values():
        tasks += [{"ansible.builtin.shell": script.format(bundle="{{ bundle }}", anchors="{{ anchors }}")}, INFO,
                  {"ansible.builtin.command": "{{ extract }}"}]
    families = {name: host.platform.family for name, host in one_of_each.items()}
    play = plays.run(one_of_each.inventory, [*tasks, INFO], vars={
        "families": families, "bundles": BUNDLE, "folders": ANCHORS,
        "bundle": "{{ bundles[families[inventory_hostname]] }}",
        "anchors": "{{ folders[families[inventory_hostname]] }}",
        "extract": "{{ {'redhat': 'update-ca-trust extract', 'debian': 'update-ca-certificates'}"
                   "[families[inventory_hostname]] }}"})
    for name, results in play.results.items():
        bundle = BUNDLE[families[name]]
        said = dict(zip(BREAK, results[1::3], strict=False))
        assert all(info["in_sync"] is False and not info.get("failed") for info in said.values()), name
        assert f"{bundle} lacks CN=Ours CA (SHA-256 {OURS.fingerprint})" in said["cut"]["deviations"]
        copied = said["copied and not extracted"]
        assert f"{bundle} lacks CN=By Hand CA (SHA-256 {HAND.fingerprint})" in copied["deviations"]
        hand, = (one for one in copied["anchors"] if one["subject"] == "CN=By Hand CA")
        assert not hand["trusted"] and not hand["managed"]
        assert any(HAND.fingerprint in one and "no source gives" in one
                   for one in said["removed and not extracted"]["deviations"])
        assert said["missing"]["deviations"] == [f"{bundle} is missing"]
        (gone,) = (one for one in said["missing"]["bundles"] if one["path"] == bundle)
        assert gone["modified"] is None and gone["certificates"] == 0
        assert results[-1]["in_sync"] is True and results[-1]["deviations"] == []


def test_a_bundle_of_an_application(one_of_each):
    """The store ``bundle``: before it is there, and after; and one that somebody else wrote."""
    bundle = {"store": "bundle", "bundle_path": "/root/app.pem"}
    info = {"fleetpki.host_trust.ca_trust_info": bundle}
    play = plays.run(one_of_each.inventory, [info, plays.anchors(OURS, **bundle), info])
    for name, (before, _made, after) in play.results.items():
        assert (before["counts"]["local"], before["in_sync"]) == (0, False), name
        assert before["deviations"] == ["/root/app.pem is missing"]
        assert (after["counts"]["local"], after["counts"]["managed"], after["in_sync"]) == (1, 1, True)
        assert after["anchors"][0]["trusted"] and after["anchors"][0]["path"] == "/root/app.pem"


def test_a_servers_certificate_beside_the_anchors_is_no_deviation_and_a_ca_is(all_hosts):
    """Debian's update-ca-certificates links whatever lies in /etc/ssl/certs, the customary place for both."""
    server, ca = pki.server("web1.example.com", pki.root("Somebody's CA")), pki.root("Unlisted Root CA")
    for host in all_hosts.values():
        folder = "/etc/ssl/certs" if host.platform.family == "debian" else "/etc/pki/tls/certs"
        host.write(f"{folder}/web1.crt", server.pem.encode())
    extract = plays.anchors(pki.root("Corp Root CA"))
    play = plays.run(all_hosts.inventory, [extract, INFO])
    for name in all_hosts:
        assert play.of(name)[1]["in_sync"] is True, play.of(name)[1]["deviations"]
    debian = {"debian12": all_hosts["debian12"], "debian13": all_hosts["debian13"]}
    for host in debian.values():
        host.write("/etc/ssl/certs/unlisted.crt", ca.pem.encode())
    play = plays.run(all_hosts.inventory, [plays.anchors(pki.root("Corp Root CA 2")), INFO], hosts=":".join(debian))
    for name in debian:
        _made, info = play.of(name)
        assert info["in_sync"] is False and ca.fingerprint in info["deviations"][0]
