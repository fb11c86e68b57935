# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role host_certificate and the playbooks site and issue_certificates, judged by openssl on the hosts."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import local_apt
import pki
import plays
import podman
import pytest
import yaml

ROLE = "fleetpki.host_trust.host_certificate"
CA_ROLE = "fleetpki.host_trust.private_ca"
PASSPHRASE = "sesame-of-the-ca"
PLATFORMS = {"web1": "el8", "web2.example.com": "debian13"}
NAMES = list(PLATFORMS)
PLACES = {"web1": "/etc/pki/tls", "web2.example.com": "/etc/ssl"}
SERVICE = b"""#!/bin/sh
case $1 in status) echo running;; *) echo "$(basename "$0") $1" >> /root/services;; esac
"""
COUNTING = b'#!/bin/sh\necho >> /root/executions\nexec /usr/bin/python3 "$@"\n'
# Becoming root is a matter of its own: on hosts it works, on the controller it would fail.
SUDO = b'#!/bin/sh\nwhile [ "$1" != /bin/sh ]; do shift; done; exec "$@"\n'
BECOME = {"ansible_become": True, "ansible_become_exe": "/usr/local/bin/sudo-of-the-test"}

BAD_NAMES = ["../../../etc/web", "-web", ".web", "web\n", "a\x7fb", "$HOME"]


@pytest.fixture(scope="module")
def fleet():
    """A host of each family, with two services, and an inventory that makes everybody become root everywhere."""
    with podman.fleet(PLATFORMS) as started:
        for host in started.values():
            for path, script in (("/etc/init.d/httpd", SERVICE), ("/etc/init.d/ldap", SERVICE),
                                 ("/usr/local/bin/counting-python", COUNTING), (BECOME["ansible_become_exe"], SUDO)):
                host.write(path, script, 0o755)
        inventory = json.loads(started.inventory.read_text())
        inventory["all"]["vars"].update(BECOME, ansible_python_interpreter="/usr/local/bin/counting-python")
        started.inventory.write_text(json.dumps(inventory))
        yield started


def existing_ca(folder):
    """The variables of a private CA that was made elsewhere and is in a folder as the role wants it."""
    root = pki.root("Corp Root CA")
    issuing = pki.issue("Corp Issuing CA", root, ca=True, path_length=0)
    for name, content in (("root/root.crt", root.pem), ("issuing/issuing.crt", issuing.pem),
                          ("issuing/chain.pem", issuing.pem + root.pem),
                          ("issuing/issuing.key", issuing.key_pem(PASSPHRASE))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return {"private_ca_dir": str(folder), "private_ca_passphrase": PASSPHRASE}


def run(fleet, book, *args, **variables):
    """Runs a playbook of several plays, by its name or as a list of plays."""
    scratch = fleet.inventory.with_name("play.yml")
    if isinstance(book, list):
        scratch.write_text(yaml.safe_dump(book))
        book = str(scratch)
    done = plays.playbook(fleet.inventory, book, *args, variables=variables,
                          environment={"ANSIBLE_BECOME_ALLOW_SAME_USER": "true"})
    results = {host: [{**one, "task": one["task"].rpartition(" : ")[2]} for one in found]
               for host, found in done.results.items()}
    return done._replace(results=results)


def play(*roles, hosts="all", **more):
    return {"hosts": hosts, "gather_facts": False, "become": True, "roles": list(roles or [ROLE]), **more}


def changes(done):
    return {host: [one["task"] for one in results if one.get("changed")]
            for host, results in done.results.items() if any(one.get("changed") for one in results)}


def failures(done):
    """What failed where, to be shown where a run should not have."""
    return [(host, one["task"], one.get("msg"), one.get("results")) for host, results in done.results.items()
            for one in results if one.get("failed")]


def failure(done, host):
    """What a host failed with; of a loop, what its elements failed with."""
    last = [one for one in done.of(host) if one.get("failed")][-1]
    return "\n".join(one["msg"] for one in last.get("results", [last]) if one.get("failed"))


def executed(fleet):
    """How often Ansible executed something on each host since the last call."""
    count = ("sh", "-c", "cat /root/executions | wc -l; rm -f /root/executions")
    return {name: int(host.run(*count).stdout) for name, host in fleet.items()}


def reloaded(fleet):
    """What services were told since the last call."""
    said = ("sh", "-c", "cat /root/services 2>/dev/null; rm -f /root/services")
    return {name: host.run(*said).stdout.splitlines() for name, host in fleet.items()}


class Files:
    """A certificate's files on a host."""

    def __init__(self, host, name):
        self.host = host
        place = PLACES[host.name]
        self.key, self.csr = f"{place}/private/{name}.key", f"{place}/certs/{name}.csr"
        self.certificate, self.chain = f"{place}/certs/{name}.crt", f"{place}/certs/{name}-chain.pem"
        self.fullchain = f"{place}/certs/{name}-fullchain.pem"

    def text(self):
        return self.host.run("openssl", "x509", "-in", self.certificate, "-noout", "-text").stdout

    def serial(self):
        return self.host.run("openssl", "x509", "-in", self.certificate, "-noout", "-serial").stdout

    def verified(self, hostname, *trust):
        """Whether openssl on the host accepts the certificate for a name, with the chain that lies beside it."""
        done = self.host.run("openssl", "verify", "-x509_strict", *trust, "-verify_hostname", hostname, "-untrusted",
                             self.chain, "-purpose", "sslserver", self.certificate, check=False)
        return done.stdout.strip() == f"{self.certificate}: OK"

    def fits(self, passphrase=""):
        public = self.host.run("openssl", "pkey", "-in", self.key, "-passin", f"pass:{passphrase}", "-pubout").stdout
        return public == self.host.run("openssl", "x509", "-in", self.certificate, "-noout", "-pubkey").stdout


def files(fleet, pattern="{}"):
    """The files of a certificate on each host; {} in its name is the host's name."""
    return {name: Files(host, pattern.format(name)) for name, host in fleet.items()}


def test_the_whole_way_of_a_fleet(fleet, tmp_path):
    """site.yml: foreseen, done, done already, other names, renewed. Nothing secret is printed at -vvv."""
    folder = tmp_path / "ca"
    settings = {"private_ca_dir": str(folder), "private_ca_passphrase": PASSPHRASE,
                "host_certificate_services": ["httpd"]}
    foreseen = run(fleet, "fleetpki.host_trust.site", "--check", "--diff", **settings)
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


ROOT = pki.root("Outside Root CA")
ISSUING = pki.issue("Outside Issuing CA", ROOT, ca=True, path_length=0)


def answer(folder, request, answer, names, another_key=False):
    """What the external CA, played by openssl, makes of a request: for the names that it likes, or for another key."""
    (folder / "outside.crt").write_text(ISSUING.pem)
    (folder / "outside.key").write_text(ISSUING.key_pem())
    alt_names = ",".join(f"DNS:{name}" for name in names)
    (folder / "extensions").write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        f"subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName={alt_names}\n")
    if another_key:
        request = folder / "other.csr"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                        "-keyout", "/dev/null", "-subj", "/CN=other", "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", folder / "outside.crt", "-CAkey",
                    folder / "outside.key", "-days", "90", "-extfile", folder / "extensions", "-out", answer],
                   check=True, capture_output=True)


def test_an_external_ca(fleet, tmp_path):
    """Collected; answered in several forms; with other names, the old answer is none, and a wrong one is refused."""
    name, requests = "shop.example.com", tmp_path / "requests"
    (tmp_path / "root.pem").write_text(ROOT.pem)
    settings = {"host_certificate_source": "external", "host_certificate_external_dir": str(requests),
                "host_certificate_external_trust": str(tmp_path / "root.pem"),
                "host_certificate_certificates": [{"name": name, "services": ["httpd"]}]}
    pem = [requests / f"{name}@{host}.csr" for host in NAMES]

    def waiting(done):
        return [one["msg"] for one in done.of("web1") if one["task"] == "Say who waits for the CA" and "msg" in one]

    foreseen = run(fleet, [play(vars=settings)], "--check")
    assert foreseen.code == 0 and not requests.exists(), failures(foreseen)
    first = run(fleet, [play(vars=settings)])
    assert first.code == 0 and sorted(requests.iterdir()) == sorted(pem), failures(first)
    [[sentence, due]] = waiting(first)
    assert sentence.startswith("2 of 2 hosts wait for the CA (web1, web2.example.com). Send it the requests below")
    assert due == [f"{name}@{host}.csr: there is no certificate yet" for host in NAMES] and str(requests) in sentence

    # web1's answer is a certificate alone in DER, the chain is for all; web2's is a folder with a PKCS#7 file.
    answer(tmp_path, pem[0], tmp_path / "web1.pem", [name])
    subprocess.run(["openssl", "x509", "-in", tmp_path / "web1.pem", "-outform", "DER", "-out",
                    requests / f"{name}@web1.cer"], check=True)
    answer(tmp_path, pem[1], tmp_path / "web2.pem", [name])
    (requests / "chain").mkdir()
    (requests / "chain" / "outside.crt").write_text(ISSUING.pem)
    (requests / f"{name}@web2.example.com").mkdir()
    subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", tmp_path / "web2.pem", "-out",
                    requests / f"{name}@web2.example.com" / "answer.p7b"], check=True)
    # What waits in one use of the role is no matter of the next one in the play.
    later = {"role": ROLE, "vars": {"host_certificate_certificates": [{"name": "a"}, {"name": "b"}]}}
    second = run(fleet, [play(later, ROLE, vars=settings)])
    [[_sentence, due]] = waiting(second)
    assert second.code == 0 and [line.partition(".csr")[0] for line in due] == [
        f"{one}@{host}" for host in NAMES for one in ("a", "b")], failures(second)
    for host, one in files(fleet, name).items():
        fleet[host].write("/root/outside.pem", ROOT.pem.encode())
        assert one.verified(name, "-CAfile", "/root/outside.pem") and one.fits()
    assert reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload"])

    settings["host_certificate_certificates"][0]["subject_alt_name"] = [f"DNS:{name}", "DNS:www.example.com"]
    serials = {host: one.serial() for host, one in files(fleet, name).items()}
    shutil.rmtree(requests / f"{name}@web2.example.com")
    answer(tmp_path, pem[1], requests / f"{name}@web2.example.com.crt", [name], another_key=True)
    third = run(fleet, [play(vars=settings)])
    assert third.code != 0 and [host for host, *_rest in failures(third)] == NAMES[1:], failures(third)
    assert "none of the certificates belongs to the private key /etc/ssl/private/shop" in failure(third, NAMES[1])
    [[sentence, due]] = waiting(third)
    assert sentence.startswith("1 of 2 hosts wait for the CA (web1)") and "DNS:www.example.com" in due[0]
    assert f"what is there is no new answer: src {requests}/{name}@web1.cer: CN={name} " in due[0]
    assert "www.example.com" in subprocess.run(["openssl", "req", "-in", pem[0], "-noout", "-text"],
                                               capture_output=True, text=True, check=True).stdout
    for host, one in files(fleet, name).items():
        assert one.serial() == serials[host] and one.verified(name, "-CAfile", "/root/outside.pem") and one.fits()
    assert reloaded(fleet) == dict.fromkeys(NAMES, [])


def test_selfsigned_and_several(fleet, tmp_path):
    """Each with what it says for itself; services of those that changed; passphrases in the list stay secret."""
    secret = "sesame-of-the-key"
    listed = [{"name": "app.example.com", "key_type": "RSA 2048", "services": ["httpd"], "ocsp_must_staple": True},
              {"name": "*.apps.example.com", "services": ["ldap", "httpd"], "privatekey_passphrase": secret,
               "ocsp_must_staple": "no"},
              {"name": "10.0.0.1", "profile": "client", "services": [], "path": "/root/client.crt",
               "privatekey_path": "/root/client.key"}]
    settings = {"host_certificate_source": "selfsigned", "host_certificate_certificates": listed}
    heard = [{"name": "Heard", "listen": "host_certificate changed", "ansible.builtin.ping": {}}]
    first = run(fleet, [play(vars=settings, handlers=heard)], "-vvv", "--diff")
    assert first.code == 0 and secret not in first.output and "PRIVATE KEY" not in first.output, failures(first)
    assert reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload", "ldap reload"])
    assert all(any(one["task"] == "Heard" for one in first.of(name)) for name in NAMES)
    for host in fleet.values():
        app, apps = Files(host, "app.example.com"), Files(host, "wildcard.apps.example.com")
        assert app.fits() and apps.fits(secret) and "2048 bit" in app.text()
        assert "status_request" in app.text() and "status_request" not in apps.text()
        assert "DNS:*.apps.example.com" in apps.text() and "ENCRYPTED" in host.read(apps.key).decode()
        client = host.run("openssl", "x509", "-in", "/root/client.crt", "-noout", "-text").stdout
        assert "IP Address:10.0.0.1" in client and "TLS Web Client Authentication" in client
    listed[1]["subject_alt_name"] = ["DNS:*.apps.example.com", "DNS:apps.example.com"]
    listed[1]["services"] = ["ldap"]
    second = run(fleet, [play(vars=settings, handlers=heard)])
    assert second.code == 0 and reloaded(fleet) == dict.fromkeys(NAMES, ["ldap reload"]), failures(second)
    for name in NAMES:
        made = next(one for one in second.of(name) if one["task"] == "Make key and certificate")
        assert [one["changed"] for one in made["results"]] == [False, True, False]


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


def test_what_holds_for_all_certificates(fleet, tmp_path):
    """Kinds of keys and certificates, in a mounted system: here the host's own, by another way."""
    settings = {**existing_ca(tmp_path / "ca"), "host_certificate_subject": {"O": "Corp", "C": "SE"},
                "host_certificate_key_type": "RSA 2048", "host_certificate_profile": "client",
                "host_certificate_digest": "sha512", "host_certificate_ocsp_must_staple": True,
                "host_certificate_root": "/proc/1/root", "host_certificate_certificates": [{"name": "all"}]}
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


def test_owners_and_modes(fleet):
    """Those of the role hold for all, those of an element for it alone."""
    settings = {"host_certificate_source": "selfsigned", "host_certificate_owner": "daemon",
                "host_certificate_group": "daemon", "host_certificate_mode": "0640",
                "host_certificate_privatekey_owner": "root", "host_certificate_privatekey_group": "daemon",
                "host_certificate_privatekey_mode": "0440",
                "host_certificate_certificates": [{"name": "owned"}, {"name": "own", "privatekey_mode": "0400",
                                                                      "group": "root"}]}
    first, second = (run(fleet, [play(vars=settings)]) for _time in range(2))
    assert first.code == second.code == 0, failures(first)
    assert not any(one.get("changed") for results in second.results.values() for one in results)
    for host in fleet.values():
        paths = [path for name in ("owned", "own") for path in (Files(host, name).certificate, Files(host, name).key)]
        assert host.run("stat", "-c", "%U:%G %a", *paths).stdout.splitlines() == [
            "daemon:daemon 640", "root:daemon 440", "daemon:root 640", "root:daemon 400"]


def test_a_ca_on_one_of_the_hosts(fleet):
    """Made and used there, from a play that goes over the hosts one by one; its key never comes to the controller."""
    settings = {"private_ca_dir": "/root/pki", "private_ca_passphrase": PASSPHRASE, "private_ca_host": NAMES[1],
                "private_ca_become": True, "host_certificate_certificates": [{"name": "far.example.com"}]}
    first = run(fleet, [play(CA_ROLE, ROLE, vars=settings, serial=1)])
    again = run(fleet, [play(vars=settings)])
    assert first.code == again.code == 0 and changes(again) == {}, failures(first) + failures(again)
    assert "Make the root" in changes(first)["web1"] and "Make the root" not in changes(first)[NAMES[1]]
    root = fleet[NAMES[1]].read("/root/pki/root/root.crt")
    assert not Path("/root/pki").exists() and not fleet["web1"].exists("/root/pki")
    for host, one in files(fleet, "far.example.com").items():
        fleet[host].write("/root/far.pem", root)
        assert one.verified("far.example.com", "-CAfile", "/root/far.pem") and one.fits()


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


def test_a_host_chooses_nothing_but_its_key(tmp_path):
    """A request that somebody has forged on the host, for a name that is too long for a common name."""
    name = f"{'long.' * 15}example.com"
    request = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout",
         "/dev/null", "-subj", "/O=system:masters/CN=admin", "-addext", "tlsfeature=status_request", "-addext",
         "subjectAltName=DNS:bank.example.com"], check=True, capture_output=True, text=True).stdout
    due = {"csr": request, "certificate_reasons": ["there is none"], "__host_certificate_number": 0}
    given = {"ansible_connection": "local", "__host_certificate_requested": {"results": [due]},
             "host_certificate_certificates": [{"name": name}], **existing_ca(tmp_path)}
    done = plays.run("localhost,", [{"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "sign"}}], vars=given)
    [signed] = next(one for one in done.of("localhost") if one["task"].endswith("Sign the certificate"))["results"]
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=signed["certificate"], check=True,
                          capture_output=True, text=True).stdout
    assert signed["subject"] == "" and signed["subject_alt_name"] == [f"DNS:{name}"], signed
    assert "Subject Alternative Name: critical" in text and "status_request" not in text, text


def test_what_is_refused(fleet, tmp_path):
    """With a sentence that says what to do; what is installed stays."""
    ca = existing_ca(tmp_path / "ca")
    own = {"host_certificate_certificates": [{"name": "refused.example.com"}]}
    cases = {
        "no passphrase": {"private_ca_passphrase": ""},
        "wrong passphrase": {"private_ca_passphrase": "wrong"},
        "no folder": {"private_ca_dir": ""},
        "no CA": {"private_ca_dir": str(tmp_path / "mnt")},
        "no requests": {"host_certificate_source": "external"},
        "relative": {"host_certificate_source": "external", "host_certificate_external_dir": "requests"},
        "relative trust": {"host_certificate_source": "external", "host_certificate_external_dir": str(tmp_path / "no"),
                           "host_certificate_external_trust": "root.pem"},
        "twice": {"host_certificate_certificates": [{}, {"name": "web1"}]},
        "same files": {"host_certificate_certificates": [{"name": "*.a"}, {"name": "wildcard.a"}]},
        "absolute": {"host_certificate_not_after": "20270101000000Z"},
        "absolute here": {"host_certificate_certificates": [{"not_after": "2027-01-01"}]},
        **{bad: {"host_certificate_certificates": [{}, {"name": bad}]} for bad in BAD_NAMES},
    }
    tasks = [{"block": [{"ansible.builtin.include_role": {"name": ROLE}, "vars": {**own, **given}}],
              "rescue": [{"name": name, "ansible.builtin.debug": {"var": "ansible_failed_result"}}]}
             for name, given in cases.items()]
    done = run(fleet, [{**play(hosts="web1", vars=ca, tasks=tasks), "roles": []}])
    said = {one["task"]: json.dumps(one["ansible_failed_result"]) for one in done.of("web1")
            if "ansible_failed_result" in one}
    assert set(said) == set(cases), failures(done)
    assert "private_ca_passphrase, which the issuing CA's key is encrypted with, is not set" in said["no passphrase"]
    assert "issuing.key" in said["wrong passphrase"] and "passphrase" in said["wrong passphrase"]
    assert "private_ca_dir is to be the folder of the CA" in said["no folder"]
    assert f"There is no CA in {tmp_path}/mnt on localhost" in said["no CA"]
    assert "Is private_ca_dir right, mounted, and readable" in said["no CA"]
    assert "host_certificate_external_dir is not set" in said["no requests"]
    assert "host_certificate_external_dir is requests, and is to be an absolute path" in said["relative"]
    assert '"{{ inventory_dir }}/requests"' in json.loads(said["relative"])["msg"]
    assert '"{{ inventory_dir }}/root.pem"' in json.loads(said["relative trust"])["msg"]
    assert "two with the same name (web1, web1)" in said["twice"]
    assert "two with the same name (*.a, wildcard.a)" in said["same files"]
    assert "host_certificate_not_after is 20270101000000Z, and is to be relative, such as +180d" in said["absolute"]
    assert "host_certificate_not_after is 2027-01-01, and" in said["absolute here"]
    for bad in BAD_NAMES:
        assert f"has the name {json.dumps(bad)}, and files" in json.loads(said[bad])["msg"]
    assert not fleet["web1"].exists(Files(fleet["web1"], "refused.example.com").certificate)
    assert not (tmp_path / "mnt").exists()
