# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""csr as users run it, on hosts with the oldest and the newest cryptography, and beside community.crypto.

The tests share their hosts; each has a folder of its own there.
"""

from __future__ import annotations

import itertools

import judges
import leaking
import pki
import plays
import podman
import pytest

PASSPHRASE = "correct horse battery"
FOLDERS = (f"/srv/csr{number}" for number in itertools.count())
KINDS = ["EC P-384", "EC P-521", "RSA 3072", "Ed25519", "Ed448"]  # and EC P-256, the default


@pytest.fixture(scope="module")
def hosts():
    """cryptography 3.3 and 43; OpenSSL 1.1.1 and 3.5."""
    with podman.fleet(["el8", "debian13"]) as fleet:
        yield fleet


def bring(hosts):
    """A new folder on the hosts."""
    folder = next(FOLDERS)
    for host in hosts.values():
        host.run("mkdir", folder)
    return folder


def csr(folder, **options):
    return {"fleetpki.host_trust.csr": {
        "path": f"{folder}/web.csr", "privatekey_path": f"{folder}/web.key", **options}}


def quartet(task):
    """What every module must pass: check, run, again, again in check."""
    return [{**task, "check_mode": True}, task, task, {**task, "check_mode": True}]


def test_every_kind_of_key_and_every_field(hosts):
    """Check, run, again, again in check; openssl of the host reads the key, and what the request says."""
    folder = bring(hosts)
    loop = {"loop": KINDS, "loop_control": {"label": "{{ item }}"}}
    task = {**csr(folder, path=f"{folder}/{{{{ item }}}}.csr", privatekey_path=f"{folder}/{{{{ item }}}}.key",
                  key_type="{{ item }}", common_name="web1.example.com"), **loop}
    full = csr(folder, subject_ordered=[{"C": "DE"}, {"O": "Corp"}, {"OU": "Web"}, {"CN": "bücher.example"}],
               subject_alt_name=["DNS:bücher.example", "DNS:*.apps.example.com", "IP:2001:db8::1",
                                 "URI:https://example.com/x", "email:admin@example.com"],
               key_usage=["digitalSignature", "keyEncipherment"],
               extended_key_usage=["serverAuth", "1.3.6.1.5.5.7.3.2"], basic_constraints=["CA:FALSE"],
               ocsp_must_staple=True, create_subject_key_identifier=True,
               name_constraints_permitted=["DNS:example.com"], mode="0640", group="daemon", privatekey_mode="0440",
               privatekey_group="daemon")
    stat = plays.command("stat", "-c", "%a %G", f"{folder}/web.csr", f"{folder}/web.key", f"{folder}/RSA 3072.key")
    play = plays.run(hosts.inventory, [task, task, *quartet(full), stat], "--diff", "-vvv")
    for name, host in hosts.items():
        first, again, *four, status = play.of(name)
        assert [one["key_type"] for one in first["results"]] == KINDS and not again["changed"], (name, first.get("msg"))
        assert [result["changed"] for result in four] == [True, True, False, False]
        foreseen, done = four[:2]
        assert foreseen["reasons"] == done["reasons"] == ["there is no private key yet", "there is no request yet"]

        def known(text):
            return [line for line in text.splitlines() if "key" not in line.partition(":")[0]]
        assert known(foreseen["diff"]["after"]) == known(done["diff"]["after"])  # its key is thrown away
        assert "subject_alt_name: DNS:xn--bcher-kva.example, DNS:*.apps" in done["diff"]["after"]
        assert status["stdout_lines"] == ["640 daemon", "440 daemon", "600 root"]
        for kind in KINDS:
            said = host.run("openssl", "req", "-in", f"{folder}/{kind}.csr", "-verify", "-noout", "-pubkey")
            assert "verify OK" in said.stdout + said.stderr, (name, kind)
            assert host.run("openssl", "pkey", "-in", f"{folder}/{kind}.key", "-pubout").stdout in said.stdout
            assert host.read(f"{folder}/{kind}.key").startswith(b"-----BEGIN PRIVATE KEY-----"), "no PKCS#8"
        text = host.run("openssl", "req", "-in", f"{folder}/web.csr", "-noout", "-text", "-nameopt", "utf8").stdout
        for wanted in ("DNS:xn--bcher-kva.example, DNS:*.apps.example.com, IP Address:2001:DB8:0:0:0:0:0:1, "
                       "URI:https://example.com/x, email:admin@example.com", "Digital Signature, Key Encipherment",
                       "TLS Web Server Authentication, TLS Web Client Authentication", "CA:FALSE", "status_request",
                       "X509v3 Subject Key Identifier", "X509v3 Name Constraints: critical",
                       "X509v3 Key Usage: critical"):
            assert wanted in text, (name, wanted, text)
        assert text.index("DE") < text.index("Corp") < text.index("Web") < text.index("bücher.example")
        keys = [host.read(f"{folder}/{kind}.key") for kind in [*KINDS, "web"]]
        assert not leaking.leaks(play.output, *keys)


def test_drift_with_reasons_and_keys_that_stay(hosts):
    """Each deviation says what it is, in check mode too; the key is never another one unless that is asked for."""
    folder = bring(hosts)
    old = pki.server("web1.example.com", days=(-300, 20))
    hosts["el8"].write(f"{folder}/web.key", old.key_pem().encode(), 0o600)
    hosts["el8"].write(f"{folder}/web.crt", old.pem.encode())
    base = {"common_name": "web1.example.com"}
    more = {**base, "subject_alt_name": ["DNS:web1.example.com", "DNS:www.example.com"]}
    seen = {**more, "certificate_path": f"{folder}/web.crt"}
    steps = [
        (base, ["there is no request yet"], None),
        (more, ["subject_alt_name: DNS:www.example.com is added"], None),
        ({**more, "subject_alt_name": more["subject_alt_name"][::-1]}, [], None),  # the order says nothing
        ({**more, "digest": "sha384"}, ["digest: sha384 instead of sha256"], None),
        ({**more, "key_usage": ["digitalSignature"], "organization_name": "Corp"}, [
            "subject: CN=web1.example.com,O=Corp instead of CN=web1.example.com", "digest: sha256 instead of sha384",
            "key_usage: digitalSignature is added"], None),
        (more, ["subject: CN=web1.example.com instead of CN=web1.example.com,O=Corp",
                "key_usage: digitalSignature is taken out"], None),
        ({**more, "key_type": "RSA 2048"}, [], None),  # regenerate_key is never
        (seen, [], ["subject_alt_name: the certificate is not for DNS:www.example.com"]),
        ({**seen, **base, "subject_alt_name": ["DNS:web1.example.com"], "renew_before": "30d"}, [
            "subject_alt_name: DNS:www.example.com is taken out"], ["it expires in "]),
        ({**seen, "key_type": "Ed25519", "regenerate_key": "mismatch"}, [
            "key_type: Ed25519 instead of EC P-256", "the request is for another key", "digest: none instead of sha256",
            "subject_alt_name: DNS:www.example.com is added"],
         ["subject_alt_name: the certificate is not for DNS:www", "the private key is replaced by "]),
        ({**more, "key_type": "EC P-384", "regenerate_key": "mismatch"}, [
            "key_type: EC P-384 instead of EC P-256", "the request is for another key"], None),
    ]
    tasks = [step for options, _reasons, _due in steps for step in quartet(csr(folder, backup=True, **options))[:2]]
    tasks += quartet(csr(folder, **steps[-1][0]))[2:]
    play = plays.run(hosts.inventory, tasks, "--diff", hosts="el8")
    *results, again, still = play.of("el8")
    assert not again["changed"] and not still["changed"], again
    for number, (options, reasons, due) in enumerate(steps):
        foreseen, done = results[2 * number:2 * number + 2]
        assert foreseen.get("reasons") == done["reasons"], (options, foreseen, done)
        assert foreseen["changed"] is done["changed"] is bool(reasons), (options, done)
        assert all(any(said.startswith(reason) for said in done["reasons"]) for reason in reasons), done["reasons"]
        assert (done["diff"]["before"] != done["diff"]["after"]) is bool(reasons), done["diff"]
        if due is not None:
            said = done["certificate_reasons"]
            assert len(said) == len(due) and all(map(str.startswith, said, due)), (said, due)
    kept = results[6 * 2 + 1]
    assert kept["warnings"] == [f"the private key {folder}/web.key is EC P-256, and key_type asks for RSA 2048: "
                                "regenerate_key=mismatch replaces it"]
    beside, replaced = results[9 * 2 + 1], results[10 * 2 + 1]
    assert beside["privatekey"]["path"] == f"{folder}/web.key.next"
    assert replaced["privatekey"]["path"] == f"{folder}/web.key"
    host = hosts["el8"]
    assert host.read(replaced["backup_files"][f"{folder}/web.key"]).decode() == old.key_pem()
    assert host.run("stat", "-c", "%a", replaced["backup_files"][f"{folder}/web.key"]).stdout == "600\n"
    assert host.read(f"{folder}/web.crt").decode() == old.pem


def test_a_refusal_reaches_the_user_and_nothing_is_left_behind(hosts):
    """All that is refused: tests/unit/plugins/modules/test_refused_requests.py."""
    folder, host = bring(hosts), hosts["debian13"]
    pair = pki.server()
    host.write(f"{folder}/plain.key", pair.key_pem().encode(), 0o600)
    host.write(f"{folder}/locked.key", pair.key_pem(PASSPHRASE).encode(), 0o600)
    cases = [
        ({"privatekey_path": f"{folder}/locked.key", "privatekey_passphrase": "not correct"},
         "privatekey_passphrase is wrong, or the file is damaged. It is left as it is"),
        ({"privatekey_path": f"{folder}/plain.key", "privatekey_passphrase": PASSPHRASE},
         "is not encrypted, though privatekey_passphrase is given"),
        ({"subject_alt_name": ["web1.example.com"]},
         "'web1.example.com' has no type that is known here: write DNS:web1.example.com"),
    ]
    before = judges.looks(host, folder)
    tasks = [csr(folder, common_name="web1.example.com", **options) for options, _sentence in cases]
    play = plays.run(hosts.inventory, tasks, "-vvv", hosts="debian13")
    for (options, sentence), result in zip(cases, play.of("debian13"), strict=True):
        assert result.get("failed") and not result["changed"] and sentence in result["msg"], (options, result)
        assert "\n" not in result["msg"] and "Traceback" not in str(result), result["msg"]
    assert judges.looks(host, folder) == before
    assert not leaking.leaks(play.output, pair.key_pem(), pair.key_pem(PASSPHRASE))
    assert PASSPHRASE not in play.output and "not correct" not in play.output


def test_file_systems_that_are_full_or_read_only():
    """No room for the request behind its key: neither is there then; for a new one: the old ones stay as they were."""
    with podman.Host("full", "el9", options=["--tmpfs=/small:size=4k", "--tmpfs=/room:size=12k",
                                             "--tmpfs=/fixed:ro"]) as host:
        grow = [f"DNS:{'long-name-' * 5}{number}.example.com" for number in range(120)]
        tasks = [csr("/small", common_name="web1"), csr("/fixed", common_name="web1"),
                 csr("/room", common_name="web1"), plays.command("sh", "-c", "ls -lA /room; sha256sum /room/*"),
                 csr("/room", common_name="web1", subject_alt_name=grow, key_type="EC P-384",
                     regenerate_key="mismatch", backup=True)]
        play = plays.run(f"{host.container},", tasks, "-vvv", "-e", "ansible_connection=containers.podman.podman",
                         "-e", "ansible_python_interpreter=/usr/bin/python3")
        small, fixed, _room, before, grown = play.of(host.container)
        for result in (small, grown):
            assert result["failed"] and "No space left on device; free some space there" in result["msg"], result
        assert fixed["failed"] and "Read-only file system; mount it writable" in fixed["msg"], fixed
        assert host.run("ls", "-A", "/small", "/fixed").stdout == "/fixed:\n\n/small:\n"
        assert host.run("sh", "-c", "ls -lA /room; sha256sum /room/*").stdout.strip() == before["stdout"]
        assert not leaking.leaks(play.output, host.read("/room/web.key"))


BARE = """#!/bin/sh
exec env PYTHONPATH=/srv/without%s /usr/bin/python3 "$@"
"""


def test_a_host_without_cryptography_or_an_ancient_one(hosts):
    """All modules name the interpreter that lacks it, and the package; nothing is written."""
    folder = bring(hosts)
    for host in hosts.values():
        host.write("/srv/without/cryptography.py", b"raise ImportError('No module named cryptography')\n")
        host.write("/srv/without-new/cryptography/__init__.py", b"__version__ = '2.8'\n")
        for suffix in ("", "-new"):
            host.write(f"/usr/local/bin/python{suffix}", (BARE % suffix).encode(), 0o755)
    ca = {"ca_content": "a word", "ca_privatekey_content": "another word"}
    tasks = [csr(folder, common_name="web1"),
             {"fleetpki.host_trust.selfsigned_cert": {
                 "path": f"{folder}/a.crt", "privatekey_path": f"{folder}/a.key", "common_name": "web1"}},
             {"fleetpki.host_trust.signed_cert": {"path": f"{folder}/b.crt", "csr_content": "a word", **ca}},
             {"fleetpki.host_trust.crl": {"path": f"{folder}/c.crl", **ca}}]
    old = {**tasks[0], "vars": {"ansible_python_interpreter": "/usr/local/bin/python-new"}}
    play = plays.run(hosts.inventory, [*tasks, old], "-e", "ansible_python_interpreter=/usr/local/bin/python")
    aged = plays.run(hosts.inventory, tasks[:1], "-e", "ansible_python_interpreter=/usr/local/bin/python-new")
    for name, host in hosts.items():
        *missing, _old = play.of(name)
        (ancient,) = aged.of(name)
        for result in [*missing, ancient]:
            assert result["failed"] and result["missing_packages"] == ["python3-cryptography"], result
            assert result["msg"].startswith("/usr/bin/python3 (Python 3.") and "which Ansible uses on this host" in (
                result["msg"]) and "3.2 or later is needed: install the package python3-cryptography" in result["msg"]
        assert "has no package cryptography; " in missing[0]["msg"] and "has cryptography 2.8; " in ancient["msg"]
        assert host.run("ls", "-A", folder).stdout == ""


# As a user of community.crypto has written it, with the names that its modules have had over the years.
REQUEST = {"path": "{folder}/web.csr", "privatekey_path": "{folder}/web.key", "privatekey_passphrase": PASSPHRASE,
           "countryName": "DE", "O": "Corp", "CN": "web1.example.com",
           "subjectAltName": "DNS:web1.example.com,IP:192.0.2.1",
           "keyUsage": ["Digital Signature", "Key Encipherment"], "keyUsage_critical": True,
           "extendedKeyUsage": ["TLS Web Server Authentication", "clientAuth"], "basicConstraints": ["CA:FALSE"],
           "basicConstraints_critical": True, "ocspMustStaple": True, "create_subject_key_identifier": True,
           "digest": "sha256", "mode": "0640", "backup": True, "return_content": True}
OWNCA = {"path": "{folder}/web.crt", "csr_path": "{folder}/web.csr", "ownca_path": "{folder}/ca.crt",
         "ownca_privatekey_path": "{folder}/ca.key", "ownca_privatekey_passphrase": PASSPHRASE,
         "ownca_not_after": "+100d", "ownca_not_before": "-1d", "ownca_digest": "sha256"}
SELFSIGNED = {"path": "{folder}/self.crt", "privatekey_path": "{folder}/web.key", "privatekey_passphrase": PASSPHRASE,
              "selfsigned_not_after": "+90d", "selfsigned_not_before": "-1d", "selfsigned_digest": "sha256"}


def filled(options, folder):
    return {name: value.format(folder=folder) if isinstance(value, str) else value for name, value in options.items()}


def test_moving_over_from_community_crypto_and_back(hosts):
    """The same options under the other module's name work; and what either made is no drift to the other."""
    ours, theirs = bring(hosts), bring(hosts)
    ca = pki.root()
    for host in hosts.values():
        for folder in (ours, theirs):
            host.write(f"{folder}/ca.crt", ca.pem.encode())
            host.write(f"{folder}/ca.key", ca.key_pem(PASSPHRASE).encode(), 0o600)
    names = {"subject_alt_name": ["DNS:web1.example.com", "IP:192.0.2.1"], "organization_name": "Corp",
             "common_name": "web1.example.com", "key_usage": ["digitalSignature"], "extended_key_usage": ["serverAuth"]}

    def as_theirs(folder):
        sign = {**filled(OWNCA, folder), "provider": "ownca"}
        alone = {**filled(SELFSIGNED, folder), "provider": "selfsigned", "csr_path": f"{folder}/self.csr"}
        return [
            {"community.crypto.openssl_privatekey": {
                "path": f"{folder}/web.key", "type": "ECC", "curve": "secp256r1", "passphrase": PASSPHRASE,
                "cipher": "auto"}},
            {"community.crypto.openssl_csr": filled(REQUEST, folder)},
            {"community.crypto.x509_certificate": sign},
            {"community.crypto.openssl_csr": {
                "path": f"{folder}/self.csr", "privatekey_path": f"{folder}/web.key",
                "privatekey_passphrase": PASSPHRASE, "key_usage_critical": True, "basic_constraints": ["CA:FALSE"],
                "basic_constraints_critical": True, **names}},
            {"community.crypto.x509_certificate": alone}]

    def as_ours(folder):
        return [{"fleetpki.host_trust.csr": filled(REQUEST, folder)},
                # What theirs takes over from the request is an option here, with less in it.
                {"fleetpki.host_trust.signed_cert": {**filled(OWNCA, folder), "honour": [
                    "subject", "subject_alt_name", "key_usage", "extended_key_usage", "basic_constraints",
                    "ocsp_must_staple"]}},
                {"fleetpki.host_trust.selfsigned_cert": {
                    **filled(SELFSIGNED, folder), **names, "basic_constraints": ["CA:FALSE"]}}]
    request = plays.command("openssl", "req", "-in", f"{ours}/web.csr", "-noout", "-text")
    play = plays.run(hosts.inventory, [
        *as_theirs(theirs), *as_ours(theirs), *as_ours(ours), *as_ours(ours), request, *as_theirs(ours)[:3]])
    for name in hosts:
        results = play.of(name)
        assert not [result["msg"] for result in results if result.get("failed")], name
        made, same, mine, again, (said,), back = (
            results[:5], results[5:8], results[8:11], results[11:14], results[14:15], results[15:])
        assert all(result["changed"] for result in made + mine), name
        *equal, alone = [result["reasons"] for result in same]
        # RFC 5280 section 4.2.1.1 lets a self-signed certificate do without; ours has it, for what is checked strictly.
        assert equal == [[], []] and len(alone) == 1 and alone[0].startswith("authority_key_identifier: "), (name, same)
        assert not any(result["changed"] for result in again), name
        assert [result["changed"] for result in back] == [False, False, False], (name, back)
        for wanted in ("web1.example.com", "IP Address:192.0.2.1", "Digital Signature, Key Enc", "status_request"):
            assert wanted in said["stdout"]
