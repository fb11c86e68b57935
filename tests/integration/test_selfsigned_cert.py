# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""selfsigned_cert as users run it: certificates to test with on all platforms, and root CAs, which stay what they are.

The tests share their hosts; each has a folder of its own there.
"""

from __future__ import annotations

import itertools

import conftest
import judges
import leaking
import pki
import plays
import podman
import pytest

PASSPHRASE = "correct horse battery"
TLS = {"redhat": "/etc/pki/tls", "debian": "/etc/ssl"}
FOLDERS = (f"/srv/selfsigned{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def hosts():
    """One host of each platform."""
    with podman.fleet(conftest.PLATFORMS) as fleet:
        yield fleet


def selfsigned(folder, **options):
    return {"fleetpki.host_trust.selfsigned_cert": {
        "path": f"{folder}web.crt", "privatekey_path": f"{folder}web.key", **options}}


def quartet(task):
    """What every module must pass: check, run, again, again in check."""
    return [{**task, "check_mode": True}, task, task, {**task, "check_mode": True}]


SERVES = """cd {tls}; openssl s_server -quiet -accept 4433 -cert certs/web.crt -key private/web.key -www & sleep 0.5
openssl s_client -connect localhost:4433 -servername test.example.com -verify_hostname test.example.com -verify 1 \
    -verify_return_error -x509_strict -CAfile certs/web.crt </dev/null 2>&1 | grep -a 'Verify return code'; kill $!"""


@pytest.mark.platforms
def test_first_and_converged_run_everywhere_and_a_server_with_it(hosts):
    """One execution from nothing; bare names land where the platform keeps them; clients that trust it accept it."""
    task = selfsigned("", purpose="server", subject_alt_name=["DNS:test.example.com", "IP:127.0.0.1"],
                      renew_before="30d", key_type="RSA 2048")
    play = plays.run(hosts.inventory, quartet(task), "--diff", "-vvv")
    for name, host in hosts.items():
        tls, results = TLS[host.platform.family], play.of(name)
        foreseen, done, *_again = results
        assert [result["changed"] for result in results] == [True, True, False, False], (name, results)
        assert foreseen["reasons"] == done["reasons"] == ["there is no private key yet", "there is no certificate yet"]
        assert done["filename"] == f"{tls}/certs/web.crt" and done["subject"] == done["issuer"] == "CN=test.example.com"
        assert "extended_key_usage: serverAuth\n" in done["diff"]["after"] and "PRIVATE" not in str(done["diff"])
        assert host.run("stat", "-c", "%a %U", f"{tls}/private/web.key", f"{tls}/certs/web.crt").stdout.split() == [
            "600", "root", "644", "root"]
        served = host.run("sh", "-c", SERVES.format(tls=tls)).stdout
        assert "Verify return code: 0 (ok)" in served, (name, served)
        serial = host.run("openssl", "x509", "-in", f"{tls}/certs/web.crt", "-noout", "-serial").stdout.strip()
        assert serial.lower() == f"serial={done['serial'].zfill(len(serial) - 7)}" and len(serial) > 7 + 32, serial
        assert not leaking.leaks(play.output, host.read(f"{tls}/private/web.key"))


def test_drift_and_renewal_with_reasons(hosts):
    """The old certificate is kept by ``backup``; a relative time that moves on is nothing."""
    folder, host = f"{next(FOLDERS)}/", hosts["debian13"]
    host.run("mkdir", folder)
    base = {"common_name": "web1.example.com", "purpose": "server", "backup": True}
    steps = [
        ({**base, "not_after": "+20d12h"}, ["there is no private key yet", "there is no certificate yet"]),
        ({**base, "not_after": "+90d"}, []),
        ({**base, "not_after": "+90d", "renew_before": "30d"}, ["it expires in "]),
        ({**base, "subject_alt_name": ["DNS:web1.example.com", "DNS:www.example.com"]}, [
            "subject_alt_name: DNS:www.example.com is added"]),
        ({**base, "digest": "sha512"}, ["subject_alt_name: DNS:www.example.com is taken out",
                                        "digest: sha512 instead of sha256"]),
        ({**base, "purpose": "client"}, ["digest: sha256 instead of sha512",
                                         "extended_key_usage: clientAuth is added, serverAuth is taken out"]),
        ({**base, "purpose": "client", "key_type": "EC P-384"}, []),
        ({**base, "purpose": "client", "key_type": "EC P-384", "regenerate_key": "mismatch"}, [
            "key_type: EC P-384 instead of EC P-256", "the key is another one"]),
        ({**base, "purpose": "client", "not_after": "2099-12-31", "organization_name": "Corp"}, [
            "subject: CN=web1.example.com,O=Corp instead of CN=web1.example.com", "not_after: 2099-12-31T00:00:00Z "]),
    ]
    tasks = [step for options, _reasons in steps for step in quartet(selfsigned(folder, **options))[:2]]
    tasks += quartet(selfsigned(folder, **steps[-1][0]))[2:]
    *results, again, still = plays.run(hosts.inventory, tasks, "--diff", hosts="debian13").of("debian13")
    assert not again["changed"] and not still["changed"], again
    for number, (options, reasons) in enumerate(steps):
        foreseen, done = results[2 * number:2 * number + 2]
        assert foreseen.get("reasons") == done["reasons"], (options, foreseen, done)
        assert foreseen["changed"] is done["changed"] is bool(reasons), (options, done)
        assert all(any(said.startswith(reason) for said in done["reasons"]) for reason in reasons), done["reasons"]
        assert foreseen["not_after"][:10] == done["not_after"][:10], (foreseen, done)
        if number and reasons:
            kept = done["backup_files"][f"{folder}web.crt"]
            fingerprint = host.run("openssl", "x509", "-in", kept, "-noout", "-fingerprint", "-sha256").stdout
            before = results[2 * number - 1]["fingerprint_sha256"]
            assert fingerprint.partition("=")[2].strip().replace(":", "").lower() == before, (options, fingerprint)
    fit = host.run("openssl", "x509", "-in", f"{folder}web.crt", "-noout", "-pubkey").stdout
    assert fit == host.run("openssl", "pkey", "-in", f"{folder}web.key", "-pubout").stdout


def test_a_root_ca_stays_what_it_is(hosts):
    """Its key is encrypted; where that is offline, no other takes its place; nor where the passphrase is wrong."""
    folder = f"{next(FOLDERS)}/"
    root = selfsigned(folder, purpose="root_ca", subject_ordered=[{"O": "Corp"}, {"CN": "Corp Root CA"}],
                      basic_constraints=["CA:TRUE", "pathlen:1"], privatekey_passphrase=PASSPHRASE)
    wrong = selfsigned(folder, purpose="root_ca", common_name="Other", privatekey_passphrase="not correct",
                       regenerate_key="always")
    away = plays.command("mv", f"{folder}web.key", "/root/offline.key")
    some = {name: hosts[name] for name in ("el8", "debian13")}
    for host in some.values():
        host.run("mkdir", folder)
    play = plays.run(hosts.inventory, [*quartet(root), wrong, away, root, {**root, "check_mode": True}], "-vvv",
                     hosts=",".join(some))
    for name, host in some.items():
        *four, wrongly, _away, offline, foreseen = play.of(name)
        assert [result["changed"] for result in four] == [True, True, False, False], (name, four)
        assert wrongly["failed"] and "privatekey_passphrase is wrong" in wrongly["msg"], wrongly
        for result in (offline, foreseen):
            assert result["failed"], result
            assert "a new key would make it another CA, which nobody trusts. Bring the key back" in result["msg"]
        text = host.run("openssl", "x509", "-in", f"{folder}web.crt", "-noout", "-text", "-fingerprint",
                        "-sha256").stdout
        assert "CA:TRUE, pathlen:1" in text and "Certificate Sign, CRL Sign" in text
        assert four[1]["fingerprint_sha256"] in text.replace(":", "").lower()
        assert host.run("openssl", "pkey", "-in", "/root/offline.key", "-passin", f"pass:{PASSPHRASE}", "-noout",
                        check=False).returncode == 0
        assert host.run("ls", "-A", folder).stdout == "web.crt\n"
        assert not leaking.leaks(play.output, host.read("/root/offline.key"))
    assert PASSPHRASE not in play.output and "not correct" not in play.output


def test_encrypted_keys(hosts):
    """New ones take as many iterations as OWASP asks for, and each host's OpenSSL reads them; old ones stay."""
    folder, short = f"{next(FOLDERS)}/", "seven c"
    old = pki.server("web1").key_pem(short).encode()
    new = selfsigned(folder, common_name="web1", privatekey_passphrase=PASSPHRASE)
    kept = selfsigned(f"{folder}old-", common_name="web1", privatekey_passphrase=short)
    refused = selfsigned(f"{folder}short-", common_name="web1", privatekey_passphrase=short)
    for host in hosts.values():
        host.run("mkdir", folder)
        host.write(f"{folder}old-web.key", old, 0o600)
    play = plays.run(hosts.inventory, [new, new, kept, kept, refused], "-vvv")
    for name, host in hosts.items():
        made, again, first, second, wrong = play.of(name)
        assert [one["changed"] for one in (made, again, first, second)] == [True, False, True, False], (name, play)
        assert wrong["failed"] and wrong["msg"].startswith("privatekey_passphrase is too short to encrypt a new key")
        structure = host.run("openssl", "asn1parse", "-in", f"{folder}web.key").stdout
        assert "PBKDF2" in structure and ":0927C0" in structure and "hmacWithSHA256" in structure
        host.run("openssl", "pkey", "-in", f"{folder}web.key", "-passin", f"pass:{PASSPHRASE}", "-noout")
        assert host.read(f"{folder}old-web.key") == old
        assert host.run("ls", "-A", folder).stdout.split() == ["old-web.crt", "old-web.key", "web.crt", "web.key"]
    assert PASSPHRASE not in play.output and short not in play.output


def test_bad_input_is_refused_and_nothing_is_left_behind(hosts):
    """All that is refused: tests/unit/plugins/modules/test_refused_requests.py."""
    folder, host = f"{next(FOLDERS)}/", hosts["el8"]
    pair = pki.server()
    host.write(f"{folder}web.key", pair.key_pem(PASSPHRASE).encode(), 0o600)
    host.write(f"{folder}web.crt", b"not a certificate\n")
    mine = {"privatekey_passphrase": PASSPHRASE, "common_name": "web1"}
    cases = [
        ({**mine, "privatekey_passphrase": "not correct"}, "privatekey_passphrase is wrong"),
        ({**mine, "not_after": "+2d", "renew_before": "3d"}, "renew_before (3d) is not shorter than the validity"),
        ({**mine, "purpose": "code"}, "value of purpose must be one of: server, client, root_ca"),
    ]
    before = judges.looks(host, folder)
    tasks = [selfsigned(folder, **options) for options, _sentence in cases]
    play = plays.run(hosts.inventory, tasks, "-vvv", hosts="el8")
    for (options, sentence), result in zip(cases, play.of("el8"), strict=True):
        assert result.get("failed") and sentence in result["msg"] and "\n" not in result["msg"], (options, result)
    assert judges.looks(host, folder) == before
    assert not leaking.leaks(play.output, pair.key_pem(), pair.key_pem(PASSPHRASE))
    assert PASSPHRASE not in play.output and "not correct" not in play.output
    with podman.Host("full", "el9", options=["--tmpfs=/small:size=4k"]) as small:
        (result,) = plays.run(f"{small.container},", [selfsigned("/small/", common_name="web1")],
                              "-e", "ansible_connection=containers.podman.podman",
                              "-e", "ansible_python_interpreter=/usr/bin/python3").of(small.container)
        assert result["failed"] and "No space left on device; free some space there" in result["msg"], result
        assert small.run("ls", "-A", "/small").stdout == ""
