# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role ca_trust and the playbooks around it, as users run them on real hosts."""

from __future__ import annotations

import concurrent.futures
import re

import counting
import documented
import local_apt
import pki
import plays
import podman
import pytest
import yaml
from counting import LOOK, MODULE
from test_ca_trust_anchor import BUNDLE, held, trusted

ROLE = "fleetpki.host_trust.ca_trust"
ROOT = pki.root("Corp Root CA")
ISSUING = pki.issue("Corp Issuing CA", ROOT, ca=True, path_length=0)
WEB = pki.server("web1.example.com", ISSUING)
STRANGER = pki.server("stranger.example.com", pki.root("Nobody's CA"))
CERTIFICATE = {"path": "/root/web1.crt", "hostnames": ["web1.example.com"]}
STRANGE = {"path": "/root/stranger.crt"}


def bring(fleet):
    """Two servers' certificates, and a Python that writes down each time that Ansible executes something."""
    for host in fleet.values():
        host.write("/root/web1.crt", (WEB.pem + ISSUING.pem).encode())
        host.write("/root/stranger.crt", STRANGER.pem.encode())
        counting.bring(host)
    return fleet


@pytest.fixture()
def hosts(one_of_each):
    """A fresh host of each kind of store with two servers' certificates."""
    return bring(one_of_each)


@pytest.fixture()
def hosts_with_all_roots(one_of_each_with_all_roots):
    """The same with all of the roots that distributions bring."""
    return bring(one_of_each_with_all_roots)


def executions(fleet, **play):
    """Runs a play; returns it, and what Ansible executed on each host."""
    for host in fleet.values():
        counting.executed(host)
    done = plays.run(fleet.inventory, play.pop("tasks", []), "-e", f"ansible_python_interpreter={counting.PYTHON}",
                     **{"ignore_errors": False, **play})
    return done, {name: counting.executed(host) for name, host in fleet.items()}


def role(*pairs, **variables):
    """An element of ``roles``."""
    return {"role": ROLE, "ca_trust_anchors": [{"content": pair.pem} for pair in pairs], **variables}


def as_task(how, pair):
    return {"name": how, f"ansible.builtin.{how}": {"name": ROLE},
            "vars": {"ca_trust_anchors": [{"name": how, "content": pair.pem}]}}


def test_each_way_to_use_it(hosts, tmp_path):
    """In a play's ``roles``, by import_role and include_role, as another role's dependency with a file of that role."""
    roots = {way: pki.root(way) for way in ("roles", "dependency", "import_role", "include_role")}
    app = tmp_path / "roles" / "app"
    (app / "meta").mkdir(parents=True)
    (app / "meta" / "main.yml").write_text(yaml.safe_dump({"dependencies": [role(roots["dependency"])]}))
    (app / "tasks").mkdir()
    (app / "tasks" / "main.yml").write_text(
        yaml.safe_dump([as_task(way, roots[way]) for way in ("import_role", "include_role")]))
    play = {"roles": [role(roots["roles"]), "app"], "folder": tmp_path}
    first = plays.run(hosts.inventory, [], ignore_errors=False, **play)
    second, times = executions(hosts, **play)
    assert first.code == second.code == 0, first.output
    for name, host in hosts.items():
        assert {root.fingerprint for root in roots.values()} <= trusted(host)
        assert [sum(result["changed"] for result in done.of(name)) for done in (first, second)] == [4, 0], name
        assert any(file.startswith("include_role-") for file in held(host))
    assert list(times.values()) == [[LOOK] * 4] * len(hosts), "one for each time that the role is used, no more"


@pytest.mark.roles
def test_an_old_root_retired_and_one_of_the_distribution_distrusted(hosts_with_all_roots, tmp_path):
    """The README's example, as it stands; and one that nobody has a file of any more is named by its fingerprint."""
    hosts, lost = hosts_with_all_roots, pki.root("Lost CA")
    text = documented.example(
        "roles/ca_trust/README.md", "- name: Retire the old root, and distrust one that the distribution brings")
    (tmp_path / "play.yml").write_text(text)
    distributions = re.search("[0-9A-F:]{95}", text).group().replace(":", "").lower()
    retired = role(ca_trust_anchors=[{"name": "corp-root-2014", "content": ROOT.pem}, {"content": lost.pem}])
    assert plays.run(hosts.inventory, [], roles=[retired], ignore_errors=False).code == 0
    assert all({ROOT.fingerprint, distributions} <= trusted(host) for host in hosts.values())
    done = plays.playbook(hosts.inventory, str(tmp_path / "play.yml"), variables={"ansible_become": False})
    assert done.code == 0, done.output
    assert not any({ROOT.fingerprint, distributions} & trusted(host) for host in hosts.values())
    assert all(lost.fingerprint in trusted(host) for host in hosts.values())
    ended = role(ca_trust_anchors=[{"fingerprint": lost.fingerprint, "state": "absent"}])
    assert plays.run(hosts.inventory, [], roles=[ended], ignore_errors=False).code == 0
    assert not any(lost.fingerprint in trusted(host) for host in hosts.values())


def test_one_look_and_one_execution_more_to_change_or_to_verify(hosts):
    """On hosts that have all that is needed; a file of the play's is found."""
    with_both = role(ROOT, ISSUING, ca_trust_verify_certificates=[CERTIFICATE])
    for given, expected in (
            (role(ROOT, ISSUING), [LOOK, MODULE]), (role(ROOT, ISSUING), [LOOK]), (with_both, [LOOK, MODULE])):
        play, times = executions(hosts, roles=[given])
        assert play.code == 0 and list(times.values()) == [expected] * len(hosts), play.output
    for name in hosts:
        verified = play.of(name)[-2]  # and then comes what is skipped
        assert verified["verified"] and [one["subject"] for one in verified["results"]] == ["CN=web1.example.com"]
    strange = role(ROOT, ISSUING, ca_trust_verify_certificates=[CERTIFICATE, STRANGE])
    play = plays.run(hosts.inventory, [{"ansible.builtin.ping": {}}], roles=[strange], ignore_errors=False)
    assert play.code != 0
    for name in hosts:
        last = play.of(name)[-1]
        assert last["failed"] and last["task"].endswith("Verify certificates against the trust of this host")
        assert last["msg"].startswith(
            "/root/stranger.crt (CN=stranger.example.com): issuer CN=Nobody's CA is not "), last["msg"]
        assert "web1" not in last["msg"]


@pytest.mark.roles
def test_the_entry_for_large_fleets(hosts):
    """One task a host, and nothing that is skipped; what is missing is a failure, which main would have mended."""
    task = {"ansible.builtin.import_role": {"name": ROLE, "tasks_from": "anchors"},
            "vars": {"ca_trust_anchors": [{"content": ROOT.pem}]}}
    skipped = plays.run(hosts.inventory, [task], "--skip-tags", "ca_trust")
    assert skipped.code == 0 and not any(skipped.results.values()), skipped.output
    for changed, expected in ((True, [LOOK, MODULE]), (False, [LOOK])):
        play, times = executions(hosts, tasks=[task])
        assert play.code == 0 and list(times.values()) == [expected] * len(hosts), play.output
        assert [[one["changed"] for one in results] for results in play.results.values()] == [[changed]] * len(hosts)
    assert all(ROOT.fingerprint in trusted(host) for host in hosts.values())
    for host in hosts.values():
        host.run("sh", "-c", "rm -f /usr/bin/update-ca-trust /usr/sbin/update-ca-certificates")
    play = plays.run(hosts.inventory, [task])
    for (result,) in play.results.values():
        assert result["failed"] and "install the package ca-certificates" in result["msg"]


@pytest.mark.roles
def test_what_of_the_anchors_the_role_passes_on(el9):
    """What is refused is let through where that is asked for; as -e has them, booleans are words."""
    expired, short = pki.root("Old", days=(-9, -1)), pki.root("Short", days=(-1, 20))
    for pair, refused, allowed in ((expired, {}, {"ca_trust_allow_expired": "yes"}),
                                   (short, {"ca_trust_min_remaining": "30d"}, {"ca_trust_min_remaining": "10d"})):
        play = plays.run(el9.inventory, [], roles=[role(pair, **refused)], ignore_errors=False)
        assert play.code != 0 and pair.fingerprint not in trusted(el9["el9"])
        play = plays.run(el9.inventory, [], roles=[role(pair, **allowed, ca_trust_extract="never")])
        assert play.code == 0 and pair.fingerprint not in trusted(el9["el9"]), play.output
        play = plays.run(el9.inventory, [], roles=[role(pair, **allowed)])
        assert play.code == 0 and pair.fingerprint in trusted(el9["el9"]), play.output
    # One that is leaving is let through by itself, and no other one is.
    leaving = [{"content": pki.root("Leaving", days=(-9, -1)).pem, "allow_expired": True}, {"content": short.pem}]
    for remaining, code, refused in (("10d", 0, set()), ("30d", 2, {"Short"})):
        given = {**role(), "ca_trust_anchors": leaving, "ca_trust_min_remaining": remaining}
        play = plays.run(el9.inventory, [], roles=[given], ignore_errors=False)
        assert play.code == code and {*re.findall(r"CN=(\w+) \(SHA-256 \w+\) is refused", play.output)} == refused
    # EL's own store takes CAs alone, an application's bundle whatever it wants.
    bundle = {"ca_trust_store": "bundle", "ca_trust_bundle_path": "/root/app.pem"}
    for allow, code in (("no", 2), ("yes", 0)):
        given = role(pki.server("leaf"), **bundle, ca_trust_allow_non_ca=allow)
        assert plays.run(el9.inventory, [], roles=[given], ignore_errors=False).code == code


@pytest.mark.roles
def test_what_of_a_verification_the_role_passes_on(el9):
    """A root without keyUsage: refused by the default, let through by name, and by the host's OpenSSL alone."""
    old = pki.root("Old Root CA", key_usage=False)
    web = pki.server("web1.example.com", old)
    el9["el9"].write("/root/web1.crt", web.pem.encode())
    said = {}
    for name, more in {"strict": {}, "waived": {"ca_trust_verify_waive": ["rfc5280-ca-key-usage"]},
                       "host": {"ca_trust_verify_engine": "host"},
                       "revoked": {"ca_trust_verify_engine": "host",
                                   "ca_trust_verify_crls": [{"content": pki.crl(old, web)}]}}.items():
        given = role(old, ca_trust_verify_certificates=[CERTIFICATE], **more)
        play = plays.run(el9.inventory, [], roles=[given], ignore_errors=False)
        said[name] = play.code == 0 or play.of("el9")[-1]["msg"]
    assert said["waived"] is said["host"] is True, said
    assert said["strict"].endswith("CN=Old Root CA has no keyUsage (rfc5280-ca-key-usage, RFC 5280 section 4.2.1.3)")
    assert said["revoked"] == "/root/web1.crt (CN=web1.example.com): is revoked"


@pytest.mark.roles
def test_check_mode_on_hosts_that_trust_nothing_yet(hosts):
    """What would change is said; certificates that would be trusted only then are not complained of."""
    given = role(ROOT, ISSUING, ca_trust_verify_certificates=[CERTIFICATE])
    foreseen = plays.run(hosts.inventory, [], "--check", roles=[given], ignore_errors=False)
    assert foreseen.code == 0, foreseen.output
    assert all(held(host) == {} and ROOT.fingerprint not in trusted(host) for host in hosts.values())
    done = plays.run(hosts.inventory, [], roles=[given], ignore_errors=False)
    after = plays.run(hosts.inventory, [], "--check", roles=[given], ignore_errors=False)
    assert done.code == after.code == 0, done.output + after.output
    for name in hosts:
        told, happened, idle = (result(play, name) for play in (foreseen, done, after))
        assert told["changed"] and told["plan"] == happened["plan"] and not idle["changed"]
        assert after.of(name)[-2]["verified"], "in check mode, too, where the store would not change"


def result(play, name):
    """What ca_trust_anchor returned, the last time."""
    return [one for one in play.of(name) if "ca_trust_anchor" in one.get("action", "") or "plan" in one][-1]


BOTH = ["ca-certificates", "openssl"]
LACKING = {  # host: (what is in the repository, what is missing)
    "bare": (BOTH, BOTH),
    "no-openssl": (BOTH, ["openssl"]),
    "not-ours": (BOTH, BOTH),
    "nowhere": ([], BOTH),
    "hollow": (["ca-certificates=", "openssl"], BOTH),
    "hollow-openssl": (["openssl="], ["openssl"]),
}


@pytest.fixture()
def lacking():
    """Debian hosts on which packages are missing; their only repository is on themselves."""
    def take_away(name):
        offered, missing = LACKING[name]
        local_apt.prepare(fleet[name], offered, missing)

    with podman.fleet(dict.fromkeys(LACKING, "debian12")) as fleet, concurrent.futures.ThreadPoolExecutor(3) as pool:
        bring(fleet)
        list(pool.map(take_away, LACKING))
        yield fleet


def installed(play):
    """How often a package was installed on each host."""
    return {name: sum(one["task"].endswith("Install what is missing") for one in results if not one.get("skipped"))
            for name, results in play.results.items()}


@pytest.mark.roles
def test_missing_packages(lacking, tmp_path):
    """They are installed where that is wanted and possible; where they are not there afterwards, the play fails."""
    local_apt.bring_module(tmp_path)
    given = role(ROOT, ISSUING, ca_trust_verify_certificates=[CERTIFICATE],
                 ca_trust_manage_packages="{{ inventory_hostname != 'not-ours' }}")
    how = {"roles": [given], "vars": local_apt.USE, "folder": tmp_path, "ignore_errors": False}
    foreseen = plays.run(lacking.inventory, [], "--check", **how)
    first = plays.run(lacking.inventory, [{"name": "The end", "ansible.builtin.ping": {}}], **how)
    again, times = executions(lacking, **how)
    ends = {name: first.of(name)[-1] for name in lacking}

    for name in ("bare", "no-openssl"):
        assert ends[name]["task"] == "The end", ends[name].get("msg")
        assert {ROOT.fingerprint, ISSUING.fingerprint} <= trusted(lacking[name])
        status = lacking[name].run("dpkg-query", "-W", "-f${Status}\n", *LACKING[name][1]).stdout
        assert set(status.splitlines()) == {"install ok installed"}
        assert any(one.get("verified") for one in first.of(name)) and times[name] == [LOOK, MODULE]
        assert not any(one["changed"] for one in again.of(name)) and not foreseen.of(name)[-1].get("failed")
    for name in ("not-ours", "nowhere", "hollow", "hollow-openssl"):
        package = "openssl" if name == "hollow-openssl" else "ca-certificates"
        assert ends[name].get("failed") and package in ends[name]["msg"], (name, ends[name])
        assert package in ends[name].get("missing_packages", [package]) and not ends[name].get("changed")
    assert installed(first) == {
        "bare": 1, "no-openssl": 1, "not-ours": 0, "nowhere": 1, "hollow": 1, "hollow-openssl": 1}
    assert "install the package ca-certificates" in ends["not-ours"]["msg"]
    assert "has no installation candidate" in ends["nowhere"]["msg"]
    assert foreseen.of("not-ours")[-1]["failed"] and not lacking["not-ours"].exists("/usr/bin/openssl")


@pytest.mark.roles
def test_a_play_that_goes_on_after_failures_installs_nothing_unasked(lacking, tmp_path):
    """ignore_errors around the role: what failed stays failed, and nothing goes round in circles."""
    local_apt.bring_module(tmp_path)
    given = role(ROOT, ca_trust_verify_certificates=[CERTIFICATE],
                 ca_trust_manage_packages="{{ inventory_hostname != 'not-ours' }}")
    play = plays.run(lacking.inventory, [], roles=[given], vars=local_apt.USE, folder=tmp_path,
                     hosts="not-ours,hollow,hollow-openssl")
    counts = installed(play)
    assert counts.pop("not-ours") == 0
    assert set(counts.values()) <= {1, 2}, "one for the store, one for what verifies"
    assert not lacking["not-ours"].exists("/usr/bin/openssl")


@pytest.mark.roles
def test_an_image(el9_with_image):
    """With ca_trust_root, also Firefox's policy, and from a play that verifies against the image's store."""
    host = el9_with_image["el9"]
    before = trusted(host)
    given = role(ROOT, ISSUING, ca_trust_root="/mnt/image", ca_trust_verify_certificates=[CERTIFICATE],
                 ca_trust_firefox_policy="present")
    play, times = executions(el9_with_image, roles=[given])
    assert play.code == 0 and times == {"el9": [LOOK, MODULE, MODULE, MODULE]}, play.output
    assert "p11-kit-trust.so" in host.read("/mnt/image/etc/firefox/policies/policies.json").decode()
    assert not host.exists("/etc/firefox")
    assert result(play, "el9")["changed"] and held(host) == {} and trusted(host) == before
    said = host.run("chroot", "/mnt/image", "trust", "list", "--filter=ca-anchors").stdout
    assert "Corp Root CA" in said and "Corp Issuing CA" in said
    variables = {"host_trust_become": False, "ca_trust_root": "/mnt/image",
                 "ca_trust_verify_certificates": [CERTIFICATE]}
    assert plays.playbook(el9_with_image.inventory, "fleetpki.host_trust.verify", variables=variables).code == 0
    del variables["ca_trust_root"]
    assert plays.playbook(el9_with_image.inventory, "fleetpki.host_trust.verify", variables=variables).code != 0
    host.run("rm", "/mnt/image/usr/bin/update-ca-trust")
    play = plays.run(el9_with_image.inventory, [], roles=[given], ignore_errors=False)
    assert play.of("el9")[-1]["missing_packages"] == ["ca-certificates"], "not installed on the host in its place"


@pytest.fixture()
def el9_with_image():
    """An EL 9 stand-in with a copy of itself in /mnt/image."""
    with podman.fleet(["el9"]) as fleet:
        fleet["el9"].run("sh", "-c", "mkdir -p /mnt/image/tmp /mnt/image/dev && : > /mnt/image/dev/null && "
                                     "cp -a /usr /etc /bin /sbin /lib* /mnt/image/ && mkdir /mnt/image/var")
        yield bring(fleet)


def test_the_playbooks_by_name(hosts):
    """distribute_trust, then verify: in order, a certificate that nobody trusts, a cut store, one nobody can judge."""
    variables = {"host_trust_become": False, "ca_trust_anchors": [{"content": ROOT.pem}, {"content": ISSUING.pem}],
                 "ca_trust_verify_certificates": [CERTIFICATE]}

    def run(which, *args, **more):
        return plays.playbook(hosts.inventory, f"fleetpki.host_trust.{which}", *args, variables={**variables, **more})

    assert run("verify").code != 0, "nobody trusts it yet"
    done, good = run("distribute_trust"), run("verify")
    assert done.code == good.code == 0, done.output + good.output
    assert all(good.of(name)[2]["verified"] and good.of(name)[-1]["skipped"] for name in hosts)
    strange = run("verify", ca_trust_verify_certificates=[STRANGE, CERTIFICATE])
    assert strange.code != 0
    for name in hosts:
        last = strange.of(name)[-1]
        assert last["failed"] and "results" not in last, "what a terminal shows is short"
        assert last["msg"] == "1 of 2 certificates refused: said above, once for all hosts."
    once, = [one["msg"] for results in strange.results.values() for one in results
             if one["task"].startswith("Say what is refused")]
    (reason, where), = once.items()
    assert reason.startswith("issuer CN=Nobody's CA is not trusted by this host")
    assert where == [f"{name}: /root/stranger.crt (CN=stranger.example.com)" for name in hosts]

    own = {"ca_trust_store": "bundle", "ca_trust_bundle_path": "/root/own.pem"}
    missing, made, verified = run("verify", **own), run("distribute_trust", **own), run("verify", **own)
    assert [made.code, verified.code] == [0, 0] and missing.code != 0, made.output + verified.output
    assert all("/root/own.pem is missing" in missing.of(name)[-1]["msg"] for name in hosts)
    assert all(verified.of(name)[2]["trust"]["file"] == "/root/own.pem" for name in hosts)

    for host in hosts.values():
        bundle = BUNDLE[host.platform.family]
        host.run("sh", "-c", f"head -c 300 {bundle} > /root/cut; cat /root/cut > {bundle}")
    cut = run("verify")
    assert cut.code != 0
    for name, host in hosts.items():
        last = cut.of(name)[-1]
        assert last["msg"].startswith("The extracted trust store is not what its sources make ("), last
        assert f"{BUNDLE[host.platform.family]} lacks " in last["msg"]
        assert re.search(r"; and \d+ more\): distribute_trust with -e ca_trust_extract=always makes it anew\.$",
                         last["msg"]), last["msg"]
    assert run("distribute_trust", ca_trust_extract="always").code == run("verify").code == 0

    hosts["el9"].write("/usr/bin/trust", b"#!/bin/sh\necho 'p11-kit: no module' >&2\nexit 1\n", 0o755)
    unknown = run("verify", "--limit", "el9").of("el9")[-1]
    assert unknown["failed"] and "could not be found out" in unknown["msg"], unknown
    assert "p11-kit: no module" in unknown["msg"], unknown
