# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_install as users run it: a CA's answers of every form, on hosts of several platforms.

The tests share their hosts; each has a folder of its own there.
"""

from __future__ import annotations

import itertools
import subprocess

import pki
import plays
import podman
import pytest

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")])
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA 1")], ROOT, ca=True, path_length=0)
NAME = "web1.example.com"
WEB = pki.server(NAME, ISSUING, ips=["192.0.2.1"])
FULL = WEB.pem + ISSUING.pem
PASSPHRASE = "correct horse battery"
FOLDERS = (f"/srv/tls{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def hosts():
    """OpenSSL 1.1.1, 3.0 and 3.5; Python 3.6, 3.11 and 3.12."""
    with podman.fleet(["el8", "el10", "debian12"]) as fleet:
        yield fleet


def bring(hosts, *names, key=WEB, passphrase=None):
    """A folder on these hosts with the private key in it."""
    folder = next(FOLDERS)
    for name in names or hosts:
        hosts[name].write(f"{folder}/web.key", key.key_pem(passphrase).encode(), 0o600)
    return folder


def cert_install(folder, **options):
    defaults = {"path": f"{folder}/web.crt", "chain_path": f"{folder}/chain.crt",
                "fullchain_path": f"{folder}/full.crt", "privatekey_path": f"{folder}/web.key",
                "trust_content": ROOT.pem}
    return {"fleetpki.host_trust.cert_install": {**defaults, **options}}


def looks(host, folder):
    """Everything in a folder of the host: names, modes, owners and contents, as one text."""
    return host.run("sh", "-c", f"cd {folder} && ls -lA && sha256sum $(find . -type f | sort)").stdout


def test_the_host_s_own_trust_first_and_converged_run(hosts):
    """Refused, as the host does not trust the root yet; then check mode, the run, a second run; openssl agrees."""
    folder = bring(hosts)
    task = cert_install(folder, content=FULL, trust_content=None, mode="0640", group="daemon",
                        subject_alt_name=[f"DNS:{NAME}", "IP:192.0.2.1"])
    serves = plays.command("openssl", "verify", "-untrusted", f"{folder}/chain.crt", f"{folder}/web.crt")
    look = plays.command("stat", "-c", "%a %U %G", *(f"{folder}/{name}" for name in (
        "web.crt", "chain.crt", "full.crt", "web.key")))
    play = plays.run(hosts.inventory, [
        task, plays.anchors(ROOT), {**task, "check_mode": True}, task, task, serves, look], "--diff")
    for name, host in hosts.items():
        refused, _trust, foreseen, done, again, says, status = play.of(name)
        assert refused["failed"] and ("CN=Corp Issuing CA 1, sent in the chain, was issued by CN=Corp Root CA, which "
                                      "is not trusted by this host") in refused["msg"], refused["msg"]
        assert foreseen["changed"] and done["changed"] and not again["changed"], (name, done)
        assert foreseen["reasons"] == done["reasons"] and done["reasons"][0] == "there is no certificate yet"
        assert foreseen["diff"] == done["diff"] and f"names: DNS:{NAME}, IP:192.0.2.1" in done["diff"]["after"]
        assert done["fingerprint_sha256"] == WEB.fingerprint and done["chain"] == ["CN=Corp Issuing CA 1,O=Corp"]
        assert says["stdout"].endswith("web.crt: OK")
        assert status["stdout_lines"] == ["640 root daemon"] * 3 + ["600 root root"]
        assert host.read(f"{folder}/full.crt").decode() == FULL
        assert host.run("ls", "-A", folder).stdout.split() == ["chain.crt", "full.crt", "web.crt", "web.key"]


def p7b(path, form, *pairs):
    subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-outform", form, "-out", str(path), "-certfile", "/dev/stdin"],
                   input="".join(pair.pem for pair in pairs).encode(), check=True)


def test_every_form_of_an_answer(hosts, tmp_path):
    """Separate files, one bundle, PKCS#7 in DER and PEM, DER, encrypted by vault; each becomes the same files."""
    answers = tmp_path / "files" / "answers"
    separate, secret = answers / "separate", tmp_path / "vault"
    separate.mkdir(parents=True)
    (separate / "1-root.pem").write_text(ROOT.pem)
    (separate / "2-web1.cer").write_bytes(WEB.der)
    (separate / "3-issuing.pem").write_text(ISSUING.pem)
    (separate / "web1.csr").write_text("-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n")
    (separate / "README.txt").write_text("Dear customer")
    (answers / "bundle.pem").write_text(ROOT.pem + ISSUING.pem + WEB.pem)
    p7b(answers / "der.p7b", "DER", ISSUING, ROOT, WEB)
    p7b(answers / "pem.p7b", "PEM", WEB, ROOT, ISSUING)
    (answers / "vault.pem").write_text(FULL)
    secret.write_text("s3cret")
    environment = {**plays.ansible_environment(), "ANSIBLE_VAULT_PASSWORD_FILE": str(secret)}
    subprocess.run(["ansible-vault", "encrypt", str(answers / "vault.pem")], env=environment, check=True,
                   capture_output=True)
    forms = [["answers/separate"], ["answers/separate/[123]*"], [str(separate / "*")], ["answers/bundle.pem"],
             ["answers/der.p7b"], "answers/pem.p7b", ["answers/vault.pem"],
             ["answers/separate/3-issuing.pem", "answers/separate/2-web1.cer"]]
    folder = bring(hosts, "el8")
    task = cert_install(f"{folder}/{{{{ item }}}}", src="{{ forms[item] }}", privatekey_path=f"{folder}/web.key")
    for number in range(len(forms)):
        hosts["el8"].run("mkdir", f"{folder}/{number}")
    play = plays.run(hosts.inventory, [{**task, "loop": list(range(len(forms)))}], hosts="el8", folder=tmp_path,
                     vars={"forms": forms}, environment={"ANSIBLE_VAULT_PASSWORD_FILE": str(secret)})
    (result,) = play.of("el8")
    assert "results" in result, result["msg"]
    for number, one in enumerate(result["results"]):
        assert one["changed"], one
        assert hosts["el8"].read(f"{folder}/{number}/full.crt").decode() == FULL
    assert len(result["results"]) == len(forms)


def test_a_wrong_answer_is_refused_and_the_old_certificate_stays(hosts, tmp_path):
    """All that the controller refuses; what the host does: tests/unit/plugins/modules/test_refused_signing.py."""
    folder = bring(hosts, "el8", "el10")
    old = pki.server(NAME, ISSUING, key=WEB.key, days=(-300, 20))
    plays.run(hosts.inventory, [cert_install(folder, content=old.pem + ISSUING.pem)], hosts="el8,el10")
    before = {name: looks(hosts[name], folder) for name in ("el8", "el10")}
    other = pki.server(NAME, ISSUING)
    (tmp_path / "other.crt").write_text(other.pem + ISSUING.pem)
    (tmp_path / "key.pem").write_text(WEB.pem + WEB.key_pem())

    def mine(**options):
        return pki.server(NAME, ISSUING, key=WEB.key, **options).pem + ISSUING.pem
    cases = [
        ({"src": ["other.crt"]}, f"none of the certificates belongs to the private key {folder}/web.key (offered: src "
                                 f"other.crt: CN={NAME} (SHA-256 {other.fingerprint[:16]}...)): was the request"),
        ({"content": mine(days=(-200, -3))}, "expired 3 days ago"),
        ({"content": FULL, "subject_alt_name": ["DNS:www.example.com"]},
         f"asked for www.example.com, the certificate is for {NAME}"),
        ({"src": ["key.pem"]}, "src key.pem: there is a private key in it"),
        ({"content": WEB.pem + WEB.key_pem()}, "content: there is a private key in it"),
        ({"src": ["web2*"]}, f"src web2*: no file on the controller has such a name (looked in: {tmp_path}/files, "),
        ({"src": ["web2.crt"]}, f"src web2.crt: there is no such file on the controller (looked for: {tmp_path}/"),
        ({"src": []}, "src is empty"),
        ({"content": ""}, "content is empty: there is nothing to install"),
        ({}, "nothing to install: give the certificates with src or content"),
        ({"src": ["other.crt"], "content": FULL}, "src and content exclude each other"),
    ]
    tasks = [cert_install(folder, **options) for options, _reason in cases]
    play = plays.run(hosts.inventory, tasks, "-vvv", hosts="el8,el10", folder=tmp_path)
    secret = "".join(WEB.key_pem().splitlines()[1:-1])[48:90]  # the private number; what is around it is in public keys
    assert not any(secret[start:start + 8] in play.output for start in range(len(secret) - 8))
    for name in ("el8", "el10"):
        host = hosts[name]
        for (_options, reason), result in zip(cases, play.of(name), strict=True):
            assert result["failed"] and reason in result["msg"] and "Traceback" not in result["msg"], (name, result)
        assert looks(host, folder) == before[name]


def test_the_next_key_and_its_certificate_replace_the_old_ones_with_backup(hosts):
    """Encrypted too, on every OpenSSL; what the servers read fits together afterwards."""
    folder = bring(hosts, passphrase=PASSPHRASE)
    pair = pki.server(NAME, ISSUING, key_type="rsa")
    options = {"privatekey_passphrase": PASSPHRASE, "backup": True}
    plays.run(hosts.inventory, [cert_install(folder, content=FULL, **options)])
    for host in hosts.values():
        host.write(f"{folder}/web.key.next", pair.key_pem(PASSPHRASE).encode(), 0o600)
        host.run("chmod", "640", f"{folder}/web.key")
    task = cert_install(folder, content=pair.pem + ISSUING.pem, **options)
    play = plays.run(hosts.inventory, [{**task, "check_mode": True}, task, task], "-vvv")
    assert PASSPHRASE not in play.output
    for name, host in hosts.items():
        foreseen, done, again = play.of(name)
        assert foreseen["reasons"] == done["reasons"] and done["changed"] and not again["changed"], (name, done)
        assert done["reasons"][-1] == f"the private key {folder}/web.key is replaced by {folder}/web.key.next"
        assert sorted(done["backup_files"]) == [f"{folder}/{one}" for one in ("full.crt", "web.crt", "web.key")]
        kept = host.run("openssl", "pkey", "-in", done["backup_files"][f"{folder}/web.key"], "-passin",
                        f"pass:{PASSPHRASE}", "-pubout").stdout
        now = host.run("openssl", "pkey", "-in", f"{folder}/web.key", "-passin", f"pass:{PASSPHRASE}", "-pubout").stdout
        assert now == host.run("openssl", "x509", "-in", f"{folder}/full.crt", "-noout", "-pubkey").stdout != kept
        assert host.run("stat", "-c", "%a", f"{folder}/web.key").stdout == "640\n"
        assert ".next" not in host.run("ls", "-A", folder).stdout


def test_check_mode_on_an_empty_host(hosts):
    """Key and certificate are made by earlier tasks, which only check as well; a template of null is an empty text."""
    tasks = [cert_install("/nosuch", content="{{ made }}"), cert_install("/nosuch", content=FULL)]
    play = plays.run(hosts.inventory, tasks, "--check", hosts="el10,debian12", vars={"made": None})
    for name in ("el10", "debian12"):
        unmade, keyless = play.of(name)
        assert unmade["changed"] and unmade["reasons"] == ["the certificate is not made yet"], unmade
        assert keyless["changed"] and keyless["reasons"] == ["the private key /nosuch/web.key is not there yet"]


def test_names_without_a_folder_and_modes_that_drift(hosts):
    """Files are placed where the distribution keeps them; a mode that was changed by hand is set again."""
    places = {"el10": "/etc/pki/tls", "debian12": "/etc/ssl"}
    for name, place in places.items():
        hosts[name].write(f"{place}/private/short.key", WEB.key_pem().encode(), 0o600)
    task = {"fleetpki.host_trust.cert_install": {
        "fullchain_path": "short.pem", "privatekey_path": "short.key", "content": FULL, "trust_content": ROOT.pem,
        "mode": "0644"}}
    chmod = plays.command("sh", "-c", "chmod 600 /etc/*/certs/short.pem /etc/pki/tls/certs/short.pem")
    play = plays.run(hosts.inventory, [task, chmod, {**task, "check_mode": True}, task, task], hosts="el10,debian12")
    for name, place in places.items():
        first, _chmod, foreseen, repaired, again = play.of(name)
        assert first["changed"] and first["files"] == [f"{place}/certs/short.pem"]
        assert hosts[name].read(f"{place}/certs/short.pem").decode() == FULL
        assert foreseen["reasons"] == repaired["reasons"] == [
            f"{place}/certs/short.pem: mode 0644 instead of 0600"], repaired
        assert foreseen["changed"] and repaired["changed"] and not again["changed"]


def test_a_full_file_system():
    """No room for the new files: said, and the old ones stay as they were, with nothing beside them."""
    with podman.Host("full", "el9", options=["--tmpfs=/small:size=20k"]) as host:
        host.write("/small/web.key", WEB.key_pem().encode(), 0o600)
        chain = [ROOT]
        for number in range(8):
            chain.insert(0, pki.root(f"CA {number} {'of a long name' * 4}", issuer=chain[0]))
        big = pki.server(NAME, chain[0], key=WEB.key)
        tasks = [cert_install("/small", content=FULL), plays.command("sh", "-c", "ls -lA /small; cat /small/*.crt"),
                 cert_install("/small", content=big.pem + "".join(one.pem for one in chain)),
                 plays.command("sh", "-c", "ls -lA /small; cat /small/*.crt")]
        play = plays.run(f"{host.container},", tasks, "-e", "ansible_connection=containers.podman.podman",
                         "-e", "ansible_python_interpreter=/usr/bin/python3")
        first, before, second, after = play.of(host.container)
        assert first["changed"] and second["failed"], (first, second)
        assert "No space left on device; free some space there" in second["msg"] and "/small" in second["msg"], second
        assert after["stdout"] == before["stdout"]


def test_without_become_and_without_openssl(hosts):
    """It takes a host's openssl away, and puts it back."""
    folder = bring(hosts, "el10")
    task = cert_install(folder, content=FULL)
    (result,) = plays.run(hosts.inventory, [task], "-e", "ansible_user=user", hosts="el10").of("el10")
    assert f"the private key {folder}/web.key can't be used: it can't be read: Permission denied; does the task need " \
           "'become'?" in result["msg"]
    hosts["el10"].run("mv", "/usr/bin/openssl", "/root/openssl")
    try:
        (result,) = plays.run(hosts.inventory, [task], hosts="el10").of("el10")
    finally:
        hosts["el10"].run("mv", "/root/openssl", "/usr/bin/openssl")
    assert result["failed"] and result["missing_packages"] == ["openssl"]
