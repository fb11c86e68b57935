# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of modules and filters, run as they stand: see test_documented.py."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from pathlib import Path

import documented
import pki
import plays
import podman
import pytest
import yaml
from places import ISSUING, ROOT, openssl, verifies

pytestmark = pytest.mark.documentation

PASSPHRASES = dict.fromkeys(
    ("vault_ca_passphrase", "vault_issuing_passphrase", "vault_root_passphrase", "vault_www_passphrase",
     "vault_web1_passphrase"), "sesame-of-the-vault")
HANDLER = {"name": "Reload the web server", "ansible.builtin.debug": {"msg": "no server here"}}


def of_modules(tasks, inside=None, hosts="web1", defaults=None):
    """A play of tasks that are examples of modules. inside: where paths are those of the host, below its root."""
    text = yaml.safe_dump([{"hosts": hosts, "gather_facts": False, "tasks": tasks, "handlers": [HANDLER],
                            "module_defaults": defaults or {}}], sort_keys=False, width=1000)
    return text.replace(f" {inside}", f" /{inside}") if inside else text


def run(place, *texts, **given):
    return place.run(*texts, variables=PASSPHRASES, **given)


def test_a_ca_by_its_modules(place):
    """A root, an issuing CA and its list; two ways to a host's certificate, and a look whether a new one is needed."""
    place.write("etc/group", f"pki:x:{os.getgid()}:\n")
    (place.folder / "srv/ca").mkdir()
    (place.folder / "srv/www/pki").mkdir(parents=True)
    authority, web1 = place.folder / "srv/ca", "web1.example.com"
    chain = "".join(f"{{{{ lookup('file', '{authority}/{name}.crt', rstrip=False) }}}}" for name in ("issuing", "root"))
    inside = {"fleetpki.host_trust.csr": {"root": place.host},
              "fleetpki.host_trust.cert_install": {"root": place.host, "trust_content": chain}}
    done = run(
        place,
        of_modules(documented.tasks(
            "plugins/modules/selfsigned_cert.py", "A root CA that may have two levels of CAs below it")),
        of_modules(documented.tasks(
            "plugins/modules/csr.py", "A request for a CA of one's own, with an encrypted RSA key that a group may "
            "read"), inside="/srv/", defaults={"fleetpki.host_trust.csr": {"root": str(place.folder)}}),
        of_modules(documented.tasks("plugins/modules/signed_cert.py", "The root signs the issuing CA")),
        of_modules(documented.tasks(
            "plugins/modules/crl.py",
            "The issuing CA's revocation list, made anew by each run in the last week before its end")),
        of_modules(documented.tasks(
            "plugins/modules/csr.py",
            "A key and a request for the web server, in the folders that the system has for them",
            "Have it signed by the CA whose key is on the controller"), hosts=web1, defaults=inside),
        of_modules(documented.tasks(
            "plugins/modules/signed_cert.py", "A request of the host",
            "The issuing CA signs it on the controller, where a new certificate is needed",
            "It is put in place, proven") + documented.tasks(
            "plugins/modules/csr.py", "Is a new certificate needed? A key of another type waits beside the one in use",
            "Say why"), defaults=inside),
        hosts=f"web1,{web1}")
    assert (authority / "issuing.key").stat().st_mode & 0o777 == 0o640
    assert "59C7B758636D88BB" in openssl("crl", "-inform", "DER", "-in", place.folder / "srv/www/pki/issuing.crl",
                                         "-noout", "-text")
    assert [one["changed"] for one in done.of(web1)] == [True, True]
    assert "URI:http://pki.example.com/issuing.crl" in openssl(
        "x509", "-in", place.of("web1", "web1.crt"), "-noout", "-text")
    assert any("key" in reason for reason in done.of("web1")[-1]["request.certificate_reasons"]), done.of("web1")[-1]


def test_certificates_by_their_modules(place):
    """From a CA on the controller, and from one whose answers are in a folder; one to test with."""
    place.write("srv/ca/issuing.crt", ISSUING.pem)
    place.write("srv/ca/issuing.key", ISSUING.key_pem(PASSPHRASES["vault_ca_passphrase"]))
    machine = place.folder / "machines/web1"
    inside = {name: {"root": place.host} for name in ("fleetpki.host_trust.csr", "fleetpki.host_trust.selfsigned_cert")}
    inside["fleetpki.host_trust.cert_install"] = {"root": place.host, "trust_content": ROOT.pem}
    www = pki.server("web1", ISSUING, dns=["web1", "www.example.com"], ips=["192.0.2.10"])
    place.write("answers/web1/www.pem", www.pem)
    openssl("crl2pkcs7", "-nocrl", "-certfile", place.folder / "corp-issuing.crt", "-out",
            place.folder / "answers/corp-issuing-ca.p7b")
    (machine / "etc/group").write_text(f"ssl-cert:x:{os.getgid()}:\n", encoding="ascii")
    (machine / "etc/ssl/private").mkdir(parents=True)
    (machine / "etc/ssl/certs").mkdir()
    (machine / "etc/ssl/private/www.key").write_text(www.key_pem(PASSPHRASES["vault_www_passphrase"]), encoding="ascii")
    run(place,
        of_modules(documented.tasks(
            "plugins/modules/cert_install.py", "Key and request on the host",
            "The certificate, signed on the controller",
            "Certificate and chain back to the host, proven there before they replace the old ones"),
            inside="/etc/", defaults=inside),
        of_modules(documented.tasks("plugins/modules/cert_install.py", "Install what the CA sent"),
                   inside="/etc/", defaults=inside),
        of_modules(documented.tasks("plugins/modules/selfsigned_cert.py", "A certificate to test with"),
                   defaults=inside))
    for installed in (place.of("web1", "web1-fullchain.crt"), machine / "etc/ssl/certs/www.pem"):
        assert verifies(place.folder / "corp-root.crt", installed), installed
    assert place.of("web1", "test.key").stat().st_mode & 0o777 == 0o600


def test_certificates_are_verified(place):
    """Those of the examples lie on this machine, below the test's folder."""
    place.write("trusted.pem", ROOT.pem)
    web = pki.server("web1.example.com", ISSUING, dns=["web1.example.com", "www.example.com"], ips=["192.0.2.10"])
    client = pki.issue("client", ISSUING, purposes=["client"])
    for name, text in {
        "etc/pki/tls/certs/web1.crt": web.pem + ISSUING.pem, "etc/pki/tls/certs/issuing-ca.crt": ISSUING.pem,
        "etc/pki/tls/private/web1.key": web.key_pem(), "etc/app/client.pem": client.pem,
        "etc/app/issuing-ca.pem": ISSUING.pem, "etc/app/ca-bundle.pem": ROOT.pem,
        "web1-fullchain.pem": web.pem + ISSUING.pem,
        "corp-root.crl": pki.crl(ROOT), "etc/pki/corp-issuing.crl": pki.crl(ISSUING),
    }.items():
        place.write(name, text)
    trust = {"fleetpki.host_trust.cert_verify": {"trust": f"{place.folder}/trusted.pem"}}
    many = documented.tasks(
        "plugins/modules/cert_verify.py",
        "The web server's certificate verifies, is for its names, fits its key and lasts another month",
        "A certificate and its intermediate in two files, against an application's own anchors",
        "Look at several certificates without failing", "Say what is wrong with them",
        "With revocation lists, of a private CA that is known to be from the time before some rules",
        "As this host's OpenSSL alone sees it")
    done = run(place, of_modules(many, defaults=trust)).of("web1")
    assert [one.get("verified") for one in done] == [True, True, False, None, True, True]
    assert done[3]["msg"][0][0].startswith("expires in 36"), done[3]
    place.write("etc/pki/tls/private/web1.key", web.key_pem(PASSPHRASES["vault_web1_passphrase"]))
    run(place, of_modules(documented.tasks(
        "plugins/modules/cert_verify.py",
        "The certificate that the company's CA has just sent, before it is installed"),
        hosts="web1.example.com", defaults=trust), hosts="web1.example.com")


def test_a_report_by_its_module(place):
    (place.folder / "srv/report").mkdir()
    (place.folder / "machines/web1/trust.pem").write_text(ROOT.pem, encoding="ascii")
    store = {"fleetpki.host_trust.ca_trust_info": {"store": "bundle", "bundle_path": f"{place.host}/trust.pem"}}
    run(place, of_modules(documented.tasks(
        "plugins/modules/trust_report.py", "Look at the trust store", "Write a page about it"), defaults=store))
    page = (place.folder / "srv/report/report.html").read_text(encoding="utf-8")
    assert "web1" in page and "Corp Root CA" in page


def test_filters_say_it_once(place):
    """Over what two hosts have registered: web1 has asked web2, and is not content with its certificate either."""
    refused = {"name": "web2", "verified": False, "reasons": ["expired 3 days ago (2026-11-22T21:17:24Z)"],
               "accepted": False, "clients": {"curl": {"accepted": False, "message": "expired"}},
               "violations": ["curl refuses it: it has expired"]}
    place.variables.update(web1={"results": [refused]}, web2={"results": []})
    done = run(place, of_modules(documented.tasks(
        "plugins/filter/certificate_refusals.py", "Say what is refused, once for all hosts") + documented.tasks(
        "plugins/filter/tls_matrix.py", "Say who accepts whom"))).of("web1")
    assert done[0]["msg"] == {refused["reasons"][0]: ["web1: web2"]}
    assert [line.split() for line in done[1]["msg"]][1] == ["web1", "REFUSED", "(all)"]
    run(place, of_modules(documented.tasks(
        "plugins/filter/variables_that_differ.py", "Read the CA once for all hosts")))
    fail = documented.tasks("plugins/filter/tls_refusals.py", "Fail if anybody is refused")
    with pytest.raises(AssertionError, match="curl refuses it: it has expired"):
        run(place, of_modules(fail))
    place.variables["web1"] = {"results": []}
    run(place, of_modules(fail))


def test_the_stores_of_a_host():
    """What needs a whole host: its own trust store, the one of its users' browsers, its processes."""
    leaf = pki.server("web1", ISSUING, dns=["web1"])
    with podman.fleet({"web1": "el9"}, all_roots=True) as fleet, tempfile.TemporaryDirectory() as scratch:
        host, folder = fleet["web1"], Path(scratch)
        (folder / "corp-root.crt").write_text(ROOT.pem, encoding="ascii")
        (folder / "issuing.pem").write_text(ISSUING.pem, encoding="ascii")
        openssl("crl2pkcs7", "-nocrl", "-certfile", folder / "issuing.pem", "-out", folder / "corp-issuing.p7b")
        host.write("/etc/pki/tls/certs/web1.crt", leaf.pem.encode())
        host.write("/etc/pki/tls/certs/web1-chain.pem", ISSUING.pem.encode())
        host.write("/etc/pki/tls/private/web1.key", leaf.key_pem().encode(), 0o600)

        def run(*tasks):
            done = plays.run(fleet.inventory, [*tasks], "-e", "ansible_become=false", folder=folder,
                             ignore_errors=False)
            assert done.code == 0, done.output
            return {one["task"]: one for one in done.of("web1")}

        usage, = documented.tasks("plugins/modules/ca_usage_info.py", "What does the old CA still stand behind?")
        authorities = [lookup.replace("/srv/pki/issuing/chain.pem", f"{folder}/issuing.pem")
                       for lookup in usage["fleetpki.host_trust.ca_usage_info"]["authorities"]]
        usage["fleetpki.host_trust.ca_usage_info"]["authorities"] = authorities
        nothing, = documented.tasks("plugins/modules/ca_usage_info.py", "Nothing, so that it can be retired")
        done = run(
            *documented.tasks("plugins/modules/ca_trust_anchor.py", "Trust the company's root and issuing CA"),
            *documented.tasks("plugins/modules/ca_trust_info.py", "Look at the trust store",
                              "Nobody has installed an anchor by hand, and the store is as its sources say"),
            *documented.tasks("plugins/filter/certificates_to_verify.py",
                              "The certificates of this host verify, are for their names and fit their keys"),
            usage, {**nothing, "ignore_errors": True})
        trusted = done["Trust the company's root and issuing CA"]
        assert {one["subject"] for one in trusted["anchors"]} == {"CN=Corp Root CA", "CN=Corp Issuing CA"}
        assert [name for name, one in done.items() if one.get("failed")] == [nothing["name"]]
        assert "/etc/pki/tls/certs/web1.crt" in done[nothing["name"]]["msg"], done
        looks = documented.example("docs/guides/rhel-trust-store.md",
                                   "trust list --filter=ca-anchors | less                  # what p11-kit reads")
        there, here = looks.replace("| less", "").rstrip("\n").rsplit("\n", 1)
        host.write("/root/corp.crt", ROOT.pem.encode())
        assert "Corp Root CA" in host.run("sh", "-euc", f"cd /root\n{there}").stdout
        told = subprocess.run(["sh", "-euc", here.replace("ansible all", f"ansible all -i {fleet.inventory}").replace(
            " -b ", " ")], env=plays.ansible_environment(), capture_output=True, text=True, check=True)
        assert '"in_sync": true' in told.stdout

        host.run("rm", "/etc/pki/tls/certs/web1.crt")
        host.write("/srv/pki/root/root.crt", ROOT.pem.encode())
        policies = {"name": "policies", **plays.command("cat", "/etc/firefox/policies/policies.json")}
        done = run(
            usage, nothing,
            *documented.tasks("plugins/modules/ca_trust_anchor.py",
                              "Retire the old root, and distrust one that the distribution brings",
                              "Exactly these local anchors, nothing that was installed by hand"),
            *documented.tasks("plugins/modules/refuse_facts.py",
                              "Refuse facts that would decide in the inventory's place"),
            *documented.tasks("plugins/modules/run_builtin.py", "Read a file"),
            *documented.tasks("plugins/modules/firefox_trust.py", "Firefox trusts what the host trusts"), policies,
            *documented.tasks("plugins/modules/firefox_trust.py", "And not any more"),
            {**policies, "name": "policies at last"},
            *documented.tasks("plugins/modules/tls_endpoint_info.py",
                              "What the fleet's services look like from here", "Say which are not trusted, and why"))
        distrusted = done["Retire the old root, and distrust one that the distribution brings"]
        assert [one["state"] for one in distrusted["anchors"]].count("distrusted") == 1
        exactly = done["Exactly these local anchors, nothing that was installed by hand"]
        assert any("Corp Issuing CA" in step["subject"] for step in exactly["plan"]), exactly["plan"]
        assert base64.b64decode(done["Read a file"]["content"]).decode() == ROOT.pem
        assert "p11-kit-trust.so" in done["policies"]["stdout"]
        assert "p11-kit-trust.so" not in done["policies at last"]["stdout"]
        assert [one["msg"].partition(":")[0] for one in done["Say which are not trusted, and why"]["results"]] == [
            "web1.example.com", "mail.example.com", "db1.example.com"]


def test_a_ca_file_by_the_module(place):
    (place.folder / "etc/myapp").mkdir()
    run(place, of_modules(documented.tasks("plugins/modules/ca_trust_anchor.py", "A CA file for one application")))
    assert ROOT.pem in (place.folder / "etc/myapp/ca.pem").read_text(encoding="ascii")
