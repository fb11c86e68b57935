# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module and every role against a host that forges answers: no fact is set, and only that host fails."""

from __future__ import annotations

import json
import pathlib

import forging
import host_certificates
import local_apt
import pki
import plays
import pytest

from ansible_collections.fleetpki.host_trust.plugins.action import run_builtin

EVIL, HONEST = "web1", "web2"
ROOT = pki.root("Corp Root CA")
LEAF = pki.server("web1", ROOT)
PLUGINS = pathlib.Path(__file__).resolve().parents[2] / "plugins"
ON_CONTROLLER = {"refuse_facts", "trust_report"}  # these ask no host
CA = {"ca_path": "/srv/ca/root.crt", "ca_privatekey_path": "/srv/ca/root.key"}
CARRIED = {"content": "x\n", "dest": "/root/carried", "mode": "0644"}
# Arguments with which each module succeeds on both hosts. run_builtin has one entry for each module that it runs.
ARGUMENTS = {
    "ca_trust_anchor": {"anchors": [{"content": ROOT.pem}]},
    "ca_trust_anchor path": {"anchors": [{"path": "/srv/ca/root.crt"}]},
    "ca_trust_info": {},
    "ca_usage_info": {"authorities": [ROOT.pem], "directories": [], "listeners": False},
    "cert_install": {"content": LEAF.pem, "path": "/root/installed.crt", "privatekey_path": "/root/leaf.key",
                     "trust_content": ROOT.pem},
    "cert_verify": {"certificates": [{"content": LEAF.pem}], "engine": "host"},
    "cert_verify strict": {"certificates": [{"content": LEAF.pem}], "fail_on_error": False},
    "crl": {"path": "/root/x.crl", **CA},
    "csr": {"path": "/root/x.csr", "privatekey_path": "/root/x.key", "common_name": "web1", "return_content": True},
    "firefox_trust": {"state": "absent"},
    "run_builtin command": {"name": "command", "options": {"argv": ["true"]}},
    "run_builtin copy": {"name": "copy", "options": CARRIED},
    "run_builtin file": {"name": "file", "options": {"path": "/root/made", "state": "directory", "mode": "0755"}},
    "run_builtin package": {"name": "package", "options": {
        "name": ["openssl"], "state": "present", "use": local_apt.USE["ansible_package_use"]}},
    "run_builtin service": {"name": "service", "options": {"name": "httpd", "state": "reloaded"}},
    "run_builtin slurp": {"name": "slurp", "options": {"src": "/srv/ca/root.crt"}},
    "run_builtin stat": {"name": "stat", "options": {"path": "/root"}},
    "selfsigned_cert": {"path": "/root/s.crt", "privatekey_path": "/root/s.key", "common_name": "web1"},
    "signed_cert": {"path": "/root/signed.crt", "csr_path": "/root/x.csr", **CA},
    "tls_client_info": {"clients": ["openssl"]},
    "tls_endpoint_info": {"host": "127.0.0.1", "port": 1},
}
EXECUTED = {"package": "apt_get_install", "service": "sysvinit"}  # where Ansible runs another module than it is told
# What Ansible would act upon. The first fact has the name of a variable of this collection.
CARRIERS = {
    "ansible_facts": {"private_ca_host": EVIL, "forged": "by a host", "discovered_interpreter_python": "/tmp/python"},
    "_ansible_facts": {"forged": "by a host"}, "add_host": {"host_name": "invented", "groups": ["all"]},
    "add_group": "invented", "ansible_stats": {"data": {"forged": 1}, "per_host": False, "aggregate": True},
    "_ansible_no_log": True, "_ansible_verbose_always": True, "ansible_job_id": "1", "attempts": 7,
    "warnings": ["\x1b[2Jforged"], "deprecations": [{"msg": "forged", "version": 5}, 7], "exception": 5,
}
SEEN = ("ansible_facts.private_ca_host", "private_ca_host", "ansible_facts.forged", "forged", "groups.invented")


@pytest.fixture(scope="module")
def hosts():
    """A host that lies and one that does not, both with a CA."""
    with forging.fleet(EVIL, HONEST) as fleet:
        for host in fleet.values():
            host.write("/srv/ca/root.crt", ROOT.pem.encode())
            host.write("/srv/ca/root.key", ROOT.key_pem().encode(), 0o600)
            host.write("/root/leaf.key", LEAF.key_pem().encode(), 0o600)
            host.write("/etc/init.d/httpd", host_certificates.SERVICE, 0o755)
        yield fleet


@pytest.fixture()
def library(tmp_path):
    """The folder of a playbook, with a module beside it that no host is to choose."""
    local_apt.bring_module(tmp_path)
    return tmp_path


def task(name):
    return {"name": name, f"fleetpki.host_trust.{name.split()[0]}": ARGUMENTS[name], "diff": True}


def seen():
    """A task that shows what a host's answers have set, on either host."""
    lookups = {name: "{{ %s | default('') }}" % name for name in SEEN}
    others = {host: "{{ hostvars['%s'].forged | default('') }}" % host for host in (EVIL, HONEST)}
    return {"name": "seen", "ansible.builtin.debug": {"msg": {**lookups, **others, "hosts": "{{ groups.all }}"}}}


def assert_nothing_was_set(done):
    for host in (EVIL, HONEST):
        shown = next(one["msg"] for one in done.of(host) if one["task"] == "seen")
        assert set(shown.pop("hosts")) == {EVIL, HONEST}
        assert set(shown.values()) == {""}, (host, shown)


def of(done, host, name):
    return next(one for one in done.of(host) if one["task"] == name)


def failures(done):
    """{(host, task): message} of the tasks that failed."""
    return {(host, one["task"]): str(one.get("msg")) for host, found in done.results.items() for one in found
            if one.get("failed")}


def test_the_arguments_are_of_every_module():
    modules = {path.stem for path in (PLUGINS / "modules").glob("[a-z]*.py")} - ON_CONTROLLER
    assert modules == {name.split()[0] for name in ARGUMENTS}
    assert set(run_builtin.ARGUMENTS["name"]["choices"]) == {
        name.split()[1] for name in ARGUMENTS if name.startswith("run_builtin")}


@pytest.mark.parametrize("inject", ["true", "false"])
def test_no_answer_of_any_module_sets_anything(hosts, library, inject):
    """The same lie in the answer of each module, with inject_facts_as_vars on and off."""
    forging.lie(hosts[EVIL], every=CARRIERS)
    forging.executed(hosts[EVIL])
    hosts[EVIL].run("rm", "-f", "/root/carried")  # or copy would run stat alone
    done = plays.run(hosts.inventory, [*map(task, ARGUMENTS), seen()], folder=library, environment={
        "ANSIBLE_INJECT_FACT_VARS": inject})
    assert_nothing_was_set(done)
    assert failures(done) == {}
    for name in ARGUMENTS:
        evil = of(done, EVIL, name)
        assert not [key for key, value in CARRIERS.items() if evil.get(key) == value], (name, evil)
        assert "\x1b" not in json.dumps(evil, ensure_ascii=False)
    names = {name.split()[-1 if name.startswith("run_builtin") else 0] for name in ARGUMENTS}
    assert set(forging.executed(hosts[EVIL])) >= {EXECUTED.get(name, name) for name in names}


@pytest.mark.parametrize("lie, why", [
    ({"changed": "maybe"}, "changed is the text 'maybe'"),
    ({"failed": "no"}, "failed is the text 'no'"),
    ({"__raw": '["x"]'}, ""), ({"__raw": "{" * 100_000}, ""),
], ids=["text", "failed", "list", "deep"])
def test_a_wrong_answer_is_a_failure_of_its_host(hosts, library, lie, why):
    """Of each module, with the host's name and the module's, and of no other host."""
    forging.lie(hosts[EVIL], every=lie)
    done = plays.run(hosts.inventory, [*map(task, ARGUMENTS), seen()], folder=library)
    assert_nothing_was_set(done)
    failed = failures(done)
    assert set(failed) == {(EVIL, name) for name in ARGUMENTS}, failed
    failed.pop((EVIL, "run_builtin copy"))  # Ansible's own action reads stat's answer before, and says what is wrong
    if why:
        assert {key: one for key, one in failed.items()
                if f"{EVIL} does not answer as" not in one or why not in one} == {}


@pytest.mark.parametrize("before", [False, True], ids=["asked", "facts"])
@pytest.mark.parametrize("word", ["ansible.legacy.apt_get_install", {"apt": 1}])
def test_a_host_does_not_choose_the_module_that_ansible_runs(hosts, library, word, before):
    """Ansible asks setup what manages packages and services, and runs the module of that name: any that it has."""
    forging.lie(hosts[EVIL], setup=forging.as_facts(ansible_pkg_mgr=word, ansible_service_mgr=word))
    gather = [{"ansible.builtin.setup": {"gather_subset": ["!all"]}}]
    wanted = {"package": {"name": ["openssl"], "state": "present"}, "service": {"name": "httpd", "state": "reloaded"}}
    asked = [{"name": name, "fleetpki.host_trust.run_builtin": {"name": name, "options": options}}
             for name, options in wanted.items()]
    forging.executed(hosts[EVIL])
    done = plays.run(hosts.inventory, gather * before + asked, hosts=EVIL, folder=library)
    assert set(forging.executed(hosts[EVIL])) <= {"setup", "service"}, "whatever the host names"
    package, service = done.of(EVIL)[-2:]
    assert package["failed"]
    if isinstance(word, str):
        assert "unknown" in package["msg"] and not service.get("failed"), (package, service)
    elif not before:
        assert f"{EVIL} does not answer as run_builtin does: ansible_facts.ansible_pkg_mgr is " in package["msg"]


ROLES = {
    "private_ca": {},
    "ca_trust": {"ca_trust_anchors": [{"content": ROOT.pem}, {"src": "{{ private_ca_dir }}/root/root.crt"}],
                 "ca_trust_verify_certificates": [{"content": LEAF.pem}]},
    "host_certificate": {},
    "host_certificate selfsigned": {"host_certificate_source": "selfsigned",
                                    "host_certificate_certificates": [{"name": "self.example.com"}]},
    "host_certificate external": {"host_certificate_source": "external",
                                  "host_certificate_certificates": [{"name": "external.example.com"}]},
    "trust_report": {},
    "tls_smoke_test": {"tls_smoke_test_clients": ["openssl"], "tls_smoke_test_controller": False},
    "ca_rotation": {"ca_rotation_phase": "distribute", "ca_rotation_steps": ["preflight"]},
}


PLAYBOOKS = ("verify", "smoke_test", "report")  # these read results of all hosts


def play(name, **variables):
    """A play with a role. private_ca makes its CA on the controller, as in site.yml."""
    return {"hosts": "localhost" if name == "private_ca" else "all", "gather_facts": False, "roles": [
        {"role": f"fleetpki.host_trust.{name.split()[0]}", "vars": {**ROLES[name], **variables}}]}


def inventory(hosts, folder):
    """The hosts' inventory with the variables of all roles: private_ca_dir and the like."""
    listed = json.loads(hosts.inventory.read_text())
    listed["all"]["vars"].update(
        private_ca_dir=f"{folder}/ca", private_ca_passphrase="sesame of the test", ca_rotation_new_dir=f"{folder}/new",
        trust_report_dir=f"{folder}/report", host_certificate_external_dir=f"{folder}/external",
        host_certificate_services=["httpd"])
    (folder / "hosts.json").write_text(json.dumps(listed))
    return folder / "hosts.json"


@pytest.mark.parametrize("inject", ["true", "false"])
def test_no_answer_in_any_role_sets_anything(hosts, tmp_path, inject):
    """All roles in one run, in the order in which a fleet has them."""
    forging.lie(hosts[EVIL], every=CARRIERS)
    forging.executed(hosts[EVIL])
    for host in hosts.values():  # or nothing were new, and no service reloaded
        host.run("sh", "-c", "rm -f /etc/pki/tls/certs/web* /etc/ssl/certs/web* /etc/*/*/*/self.example.com*")
    book = [play(name) for name in ROLES]
    prepare = play("ca_rotation", ca_rotation_phase="prepare", ca_rotation_steps=["work"])
    book.insert(-1, {**prepare, "hosts": "localhost"})
    book.append({"hosts": "all", "gather_facts": False, "tasks": [seen()]})
    (tmp_path / "play.yml").write_text(json.dumps(book))
    done = plays.playbook(inventory(hosts, tmp_path), str(tmp_path / "play.yml"), environment={
        "ANSIBLE_INJECT_FACT_VARS": inject})
    assert done.code == 0, [(host, one["task"], one.get("msg")) for host, found in done.results.items()
                            for one in found if one.get("failed")]
    assert_nothing_was_set(done)
    assert {"setup", "sysvinit"} <= set(forging.executed(hosts[EVIL])), "services were reloaded"
    assert {path.name for path in (tmp_path / "external").iterdir()} == {
        f"external.example.com@{host}.csr" for host in (EVIL, HONEST)}


def test_roles_are_all_there():
    assert {name.split()[0] for name in ROLES} == {path.name for path in (PLUGINS.parent / "roles").iterdir()}


@pytest.fixture()
def fresh_hosts():
    """The same hosts as they are before any role was there."""
    with forging.fleet(EVIL, HONEST) as fleet:
        yield fleet


def test_facts_about_others_are_of_no_consequence(fresh_hosts, tmp_path):
    """Facts that an earlier play has set, with names that the playbooks read of all hosts."""
    forging.lie(fresh_hosts[EVIL], setup=forging.as_facts(
        host_certificate_source="external", host_trust_verified={"results": "x"}, host_trust_store=5,
        __tls_smoke_test_endpoint={"name": HONEST, "host": "192.0.2.1", "port": 1}, __ca_rotation_wrong=[],
        __tls_smoke_test_asked={"results": [
            {"name": HONEST, "accepted": False, "violations": ["forged"], "clients": {}}]},
        ca_rotation_distrust=True, __host_certificate_waiting=["forged"], __trust_report_trust={"anchors": 5}))
    variables = {"trust_report_dir": f"{tmp_path}/report", "host_trust_become": False, "tls_smoke_test_certificate": ""}
    (tmp_path / "setup.yml").write_text(json.dumps([{"hosts": EVIL, "gather_facts": False, "tasks": [
        {"ansible.builtin.setup": {"gather_subset": ["!all"]}}]}]))
    cache = {"ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
             "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}
    plays.playbook(fresh_hosts.inventory, str(tmp_path / "setup.yml"), environment=cache)
    (tmp_path / "refuse.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [
        {"fleetpki.host_trust.refuse_facts": {}}]}]))
    for name in (str(tmp_path / "refuse.yml"), *(f"fleetpki.host_trust.{one}" for one in PLAYBOOKS)):
        done = plays.playbook(fresh_hosts.inventory, name, variables=variables, environment=cache)
        evil = [one.get("msg", "") for one in done.of(EVIL) if one.get("failed")]
        assert evil and all(one.startswith(f"{EVIL} has set ") for one in evil), (name, evil)
        assert {host for host, _task in failures(done)} == {EVIL}, (name, failures(done))
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["hosts"][HONEST]["status"] == "ok"
    assert report["hosts"][EVIL]["status"] == "failed" and "has set" in report["hosts"][EVIL]["reason"]


def test_discovery_asks_once(hosts):
    """The Python that was found for a first task is known to the second, whichever module of ours that is."""
    tasks = [{"fleetpki.host_trust.run_builtin": {"name": "stat", "options": {"path": "/root"}}},
             {"fleetpki.host_trust.ca_trust_info": {}}, plays.anchors(ROOT)]
    for first in range(3):
        done = plays.run(hosts.inventory, [*tasks[first:], *tasks[:first]], hosts=HONEST,
                         vars={"ansible_python_interpreter": "auto_silent"})
        found = [one.get("ansible_facts") for one in done.of(HONEST)]
        assert found[0]["discovered_interpreter_python"].startswith("/usr/bin/python3"), found
        assert found[1:] == [None, None], found
