# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role host_certificate and the playbooks site and issue_certificates, judged by openssl on the hosts."""

from __future__ import annotations

import documented
import local_apt
import podman
import pytest
import yaml
from host_certificates import (
    NAMES,
    PASSPHRASE,
    Files,
    changes,
    executed,
    existing_ca,
    failure,
    failures,
    files,
    play,
    reloaded,
    run,
)

BROKER = b"#!/bin/sh\ncase $1 in status) echo running;; *) echo $1 >> /root/broker;; esac\n"


def test_the_whole_way_of_a_fleet(fleet, tmp_path):
    """site.yml: foreseen, done, done already, other names, renewed. Nothing secret is printed at -vvv."""
    folder = tmp_path / "ca"
    settings = {"private_ca_dir": str(folder), "private_ca_passphrase": PASSPHRASE,
                "host_certificate_services": ["httpd"]}
    foreseen = run(fleet, "fleetpki.host_trust.site", "--check", "--diff", **settings | {
        "host_certificate_services": ["not-installed-yet"]})
    assert foreseen.code == 0 and set(changes(foreseen)) == {"localhost", *NAMES}, failures(foreseen)
    assert not folder.exists()
    assert not any(fleet[name].exists(one.key) for name, one in files(fleet).items())

    first = run(fleet, "fleetpki.host_trust.site", "-vvv", **settings)
    assert first.code == 0, failures(first)
    assert PASSPHRASE not in first.output and "PRIVATE KEY" not in first.output
    for name, one in files(fleet).items():
        assert one.verified(name) and one.fits(), "against the trust of the host, as site.yml has made it"
        assert fleet[name].run("stat", "-c", "%a", one.key, one.certificate).stdout.split() == ["600", "644"]
        assert fleet[name].read(one.fullchain) == fleet[name].read(one.certificate) + fleet[name].read(one.chain)
    assert reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload"])

    again = run(fleet, "fleetpki.host_trust.site", **settings)
    assert again.code == 0 and changes(again) == {}, failures(again)
    assert reloaded(fleet) == dict.fromkeys(NAMES, [])
    trusting = {"ca_trust_purge": "managed", "ca_trust_anchors": []}
    alone = run(fleet, "fleetpki.host_trust.distribute_trust", **settings | trusting)
    assert alone.code == 0 and changes(alone) == {}, "it knows the private CA, whatever is given with -e"

    # Now one needs another name, and the other one's certificate is about to expire.
    keys, serials = ({name: what(one) for name, one in files(fleet).items()} for what in (
        lambda one: one.host.read(one.key), Files.serial))
    settings["host_certificate_renew_before"] = "{{ '36500d' if inventory_hostname == 'web1' else '30d' }}"
    names = [f"DNS:{NAMES[1]}", "DNS:www.example.com", "IP:192.0.2.1"]
    settings["host_certificate_certificates"] = [
        {"subject_alt_name": f"{{{{ [] if inventory_hostname == 'web1' else {names} }}}}"}]
    third = run(fleet, [play(vars=settings)])
    assert third.code == 0, failures(third)
    for name, one in files(fleet).items():
        assert one.verified(name) and one.fits() and one.serial() != serials[name]
        assert fleet[name].read(one.key) == keys[name]
    assert one.verified("www.example.com") and "IP Address:192.0.2.1" in one.text()
    assert reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload"])

    # One of two certificates can't be installed: services do not go on with the former version of the other one.
    settings.update(host_certificate_renew_before="36500d", host_certificate_certificates=[
        {}, {"name": "nowhere.example.com", "fullchain_path": "/nosuch/full.pem"}])
    partly = run(fleet, "fleetpki.host_trust.issue_certificates", **settings)
    assert partly.code != 0 and "/nosuch does not exist" in failure(partly, NAMES[0]), failures(partly)
    assert reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload"])


def test_a_converged_host_costs_one_execution(fleet, tmp_path):
    """For each certificate; and on the controller nothing but one task that is skipped. From another CA, new ones.

    Files beside the certificate that are gone, or were emptied, are brought back.
    """
    listed = [{"name": "one.example.com", "services": ["httpd"]}, {"name": "One.example.com", "services": ["ldap"]}]
    book, other = ([play(vars={**existing_ca(tmp_path / folder), "host_certificate_certificates": listed})]
                   for folder in ("ca", "other"))
    first = run(fleet, book)
    assert first.code == 0, failures(first)
    reloaded(fleet)
    executed(fleet)
    again = run(fleet, book)
    assert changes(again) == {} and executed(fleet) == dict.fromkeys(NAMES, 2), failures(again)
    tasks = [one for one in again.of("web1") if not one["task"].startswith("Validating arguments")]
    assert [one.get("skipped", False) for one in tasks] == [False, True]

    one, other_one = files(fleet, "one.example.com")["web1"], files(fleet, "One.example.com")[NAMES[1]]
    fleet["web1"].run("rm", one.fullchain)
    fleet[NAMES[1]].write(other_one.chain, b"")
    mended = run(fleet, book)
    assert mended.code == 0, failures(mended)
    assert reloaded(fleet) == {"web1": ["httpd reload"], NAMES[1]: ["ldap reload"]}
    assert fleet["web1"].read(one.fullchain) == fleet["web1"].read(one.certificate) + fleet["web1"].read(one.chain)
    assert fleet[NAMES[1]].read(other_one.chain).startswith(b"-----BEGIN CERTIFICATE-----")

    replaced = run(fleet, other)
    assert replaced.code == 0 and reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload", "ldap reload"])
    for element in listed:
        for host, one in files(fleet, element["name"]).items():
            fleet[host].write("/root/other.pem", (tmp_path / "other/root/root.crt").read_bytes())
            assert one.verified(element["name"], "-CAfile", "/root/other.pem") and one.fits()


@pytest.mark.roles
def test_selfsigned_and_several(fleet, tmp_path):
    """Each with what it says for itself; services of those that changed; passphrases in the list stay secret."""
    secret = "sesame-of-the-key"
    listed = [{"name": "app.example.com", "key_type": "RSA 2048", "services": ["httpd"], "ocsp_must_staple": True},
              {"name": "*.apps.example.com", "services": ["ldap", "httpd"], "privatekey_passphrase": secret,
               "ocsp_must_staple": "no"},
              {"name": "10.0.0.1", "purpose": "client", "services": [], "path": "/root/client.crt",
               "privatekey_path": "/root/client.key", "digest": "sha384", "not_after": "+20d", "renew_before": "5d"}]
    settings = {"host_certificate_source": "selfsigned", "host_certificate_certificates": listed,
                "host_certificate_backup": True}
    heard = yaml.safe_load(documented.example("roles/host_certificate/README.md", "handlers:"))["handlers"]
    for host in fleet.values():
        host.write("/etc/init.d/rabbitmq-server", BROKER, 0o755)
    first = run(fleet, [play(vars=settings, handlers=heard)], "-vvv", "--diff")
    assert first.code == 0 and secret not in first.output and "PRIVATE KEY" not in first.output, failures(first)
    assert reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload", "ldap reload"])
    assert [host.read("/root/broker") for host in fleet.values()] == [b"stop\nstart\n"] * 2  # which is how it restarts
    for host in fleet.values():
        app, apps = Files(host, "app.example.com"), Files(host, "wildcard.apps.example.com")
        assert app.fits() and apps.fits(secret) and "2048 bit" in app.text()
        assert "status_request" in app.text() and "status_request" not in apps.text()
        assert "DNS:*.apps.example.com" in apps.text() and "ENCRYPTED" in host.read(apps.key).decode()
        client = host.run("openssl", "x509", "-in", "/root/client.crt", "-noout", "-text").stdout
        assert "IP Address:10.0.0.1" in client and "TLS Web Client Authentication" in client
        assert "ecdsa-with-SHA384" in client and "ecdsa-with-SHA256" in apps.text()
    listed[1]["subject_alt_name"] = ["DNS:*.apps.example.com", "DNS:apps.example.com"]
    listed[1]["services"] = ["ldap"]
    listed[2].update(not_after="+180d", renew_before="21d")
    second = run(fleet, [play(vars=settings, handlers=heard)])
    assert second.code == 0 and reloaded(fleet) == dict.fromkeys(NAMES, ["ldap reload"]), failures(second)
    for name in NAMES:
        made = next(one for one in second.of(name) if one["task"] == "Make key and certificate")
        assert [one["changed"] for one in made["results"]] == [False, True, True]
        kept = fleet[name].run("sh", "-c", "ls /root/client.crt.*~").stdout.split()
        assert "IP Address:10.0.0.1" in fleet[name].run("openssl", "x509", "-in", *kept, "-noout", "-text").stdout


@pytest.mark.roles
def test_certificates_say_where_the_ca_publishes(fleet, tmp_path):
    """Its revocation list and its certificate, for who checks."""
    urls = {"private_ca_crl_url": "http://pki.example.com/issuing.crl",
            "private_ca_ca_issuers_url": "http://pki.example.com/issuing.crt"}
    settings = {**existing_ca(tmp_path / "ca"), **urls, "host_certificate_certificates": [{"name": "published"}]}
    done = run(fleet, [play(vars=settings)])
    assert done.code == 0, failures(done)
    for host in fleet.values():
        text = Files(host, "published").text()
        assert all(f"URI:{url}" in text for url in urls.values()), text


@pytest.mark.roles
def test_what_holds_for_all_certificates(fleet, tmp_path):
    """Kinds of keys and certificates, in a mounted system: here the host's own, by another way."""
    settings = {**existing_ca(tmp_path / "ca"), "host_certificate_subject": {"O": "Corp", "C": "SE"},
                "host_certificate_key_type": "RSA 2048", "host_certificate_purpose": "client",
                "host_certificate_digest": "sha512", "host_certificate_ocsp_must_staple": True,
                "host_certificate_root": "/proc/1/root", "host_certificate_services": ["httpd"],
                "host_certificate_certificates": [{"name": "all"}]}
    done = run(fleet, [play(vars=settings)])
    assert done.code == 0, failures(done)
    keys = {name: host.read(Files(host, "all").key) for name, host in fleet.items()}
    for host in fleet.values():
        text = Files(host, "all").text().replace(" = ", "=")
        for words in ("O=Corp", "C=SE", "2048 bit", "Web Client Authentication", "ecdsa-with-SHA512", "status_request"):
            assert words in text, text
    other = {**settings, "host_certificate_key_type": "EC P-384", "host_certificate_backup": True}
    done = run(fleet, [play(vars=other)])
    assert done.code == 0 and changes(done) == {}, "a key is not replaced unless that is asked for"
    done = run(fleet, [play(vars=other | {"host_certificate_regenerate_key": "mismatch"})])
    assert done.code == 0, failures(done)
    for name, host in fleet.items():
        files = Files(host, "all")
        assert "384 bit" in files.text() and host.read(files.key) != keys[name]
        former = host.run("sh", "-c", f"ls {files.key}.*~").stdout.split()
        assert [host.read(path) for path in former] == [keys[name]]
    assert reloaded(fleet) == dict.fromkeys(NAMES, []), "nothing runs in a mounted system"


@pytest.mark.roles
def test_owners_and_modes(fleet):
    """Those of the role hold for all, those of an element for it alone."""
    settings = {"host_certificate_source": "selfsigned", "host_certificate_owner": "daemon",
                "host_certificate_group": "daemon", "host_certificate_mode": "0640",
                "host_certificate_privatekey_owner": "root", "host_certificate_privatekey_group": "daemon",
                "host_certificate_privatekey_mode": "0440",
                "host_certificate_certificates": [{"name": "owned"}, {
                    "name": "own", "owner": "root", "group": "root", "mode": "0644", "privatekey_owner": "daemon",
                    "privatekey_group": "root", "privatekey_mode": "0400"}]}
    first, second = (run(fleet, [play(vars=settings)]) for _time in range(2))
    assert first.code == second.code == 0, failures(first)
    assert not any(one.get("changed") for results in second.results.values() for one in results)
    for host in fleet.values():
        paths = [path for name in ("owned", "own") for path in (Files(host, name).certificate, Files(host, name).key)]
        assert host.run("stat", "-c", "%U:%G %a", *paths).stdout.splitlines() == [
            "daemon:daemon 640", "root:daemon 440", "root:root 644", "daemon:root 400"]


@pytest.mark.roles
def test_missing_packages(tmp_path):
    """They are installed where that is wanted; elsewhere the sentence says which, and of which Python."""
    with podman.fleet({"bare": "debian12", "not-ours": "debian12"}) as hosts:
        for host in hosts.values():
            local_apt.prepare(host, ["python3-cryptography"], ["python3-cryptography"])
        local_apt.bring_module(hosts.inventory.parent)
        settings = {**existing_ca(tmp_path / "ca"), **local_apt.USE,
                    "host_certificate_manage_packages": "{{ 'no' if inventory_hostname == 'not-ours' else 'yes' }}"}
        foreseen = run(hosts, [play(vars=settings, become=False)], "--check")
        first = run(hosts, [play(vars=settings, become=False)])
        again = run(hosts, [play(vars=settings, become=False)])
        for done in (foreseen, first, again):
            assert "bare" not in {one[0] for one in failures(done)}, failures(done)
        assert "bare" in changes(foreseen) and changes(again) == {}
        assert "Install certificate and chain" in changes(first)["bare"]
        assert "/usr/bin/python3 (Python 3.11), which Ansible uses on this host, has no package cryptography; 3.2 or " \
               "later is needed: install the package python3-cryptography" in failure(first, "not-ours")
