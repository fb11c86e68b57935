# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""crl as users run it, with the oldest and the newest cryptography; OpenSSL refuses what it lists.

The tests share their hosts; each has a folder of its own there.
"""

from __future__ import annotations

import judges
import leaking
import pki
import plays
import podman
import pytest

PASSPHRASE = "correct horse battery"
ROOT = pki.root()
ISSUING = pki.issue("Corp Issuing CA", ROOT, ca=True, path_length=0)
WEB, MAIL = pki.server("web1.example.com", ISSUING), pki.server("mail.example.com", ISSUING)
SERIALS = [f"{pair.certificate.serial_number:x}" for pair in (WEB, MAIL)]


@pytest.fixture(scope="module")
def hosts():
    """OpenSSL 1.1.1 and 3.5, with the issuing CA and its certificates in /srv/ca."""
    with podman.fleet(["el8", "debian13"]) as fleet:
        for host in fleet.values():
            for name, content in {"root.crt": ROOT.pem, "issuing.crt": ISSUING.pem + ROOT.pem, "web.crt": WEB.pem,
                                  "mail.crt": MAIL.pem, "issuing.key": ISSUING.key_pem(PASSPHRASE)}.items():
                host.write(f"/srv/ca/{name}", content.encode(), 0o600)
        yield fleet


def crl(**options):
    given = {"path": "/srv/ca/issuing.crl", "ca_path": "/srv/ca/issuing.crt",
             "ca_privatekey_path": "/srv/ca/issuing.key", "ca_privatekey_passphrase": PASSPHRASE, **options}
    return {"fleetpki.host_trust.crl": {name: value for name, value in given.items() if value is not ...}}


def quartet(task):
    """What every module must pass: check, run, again, again in check."""
    return [{**task, "check_mode": True}, task, task, {**task, "check_mode": True}]


def test_drift_with_reasons_and_what_openssl_makes_of_it(hosts):
    """Numbers grow, who is listed keeps its date, and the check mode on a host without a CA foresees a list."""
    web, mail = ({"serial": serial} for serial in SERIALS)
    by_name = ":".join(SERIALS[0].zfill(40)[i:i + 2] for i in range(0, 40, 2)).upper()  # as openssl writes it
    key = {**web, "reason": "keyCompromise", "revocation_date": "20261101000000Z"}
    steps = [
        ({}, ["there is no revocation list yet"]),
        ({"revoked": [web]}, [f"{SERIALS[0]} is added"]),
        ({"revoked": [{"serial": by_name}]}, []),
        ({"revoked": [key, mail]}, [f"{SERIALS[0]}: keyCompromise instead of unspecified", f"{SERIALS[1]} is added"]),
        ({"revoked": [mail, {**key, "revocation_date": "2026-11-02T00:00:00Z"}]}, [
            f"{SERIALS[0]}: revoked on 2026-11-02T00:00:00Z instead of 2026-11-01T00:00:00Z"]),
        ({"revoked": [mail], "next_update": "+5d", "renew_before": "1d"}, [f"{SERIALS[0]} is taken out"]),
        ({"revoked": [mail], "next_update": "+30d", "renew_before": "1d"}, []),
        ({"revoked": [mail]}, ["its next_update is in "]),
        ({"revoked": [mail], "format": "der", "mode": "0640"}, [
            "format: der instead of pem", "/srv/ca/issuing.crl: mode 0640 instead of 0644"]),
        ({"revoked": [mail], "format": "der", "force": True, "mode": "0640"}, ["force"]),
    ]
    tasks = [step for options, _reasons in steps for step in quartet(crl(**options))[:2]]
    tasks += quartet(crl(**{**steps[-1][0], "force": False}))[2:]
    empty = crl(path="/srv/new.crl", ca_path="/srv/nosuch.crt", ca_privatekey_path="/srv/nosuch.key")
    play = plays.run(hosts.inventory, [*tasks, {**empty, "check_mode": True}], "--diff", "-vvv")
    for name, host in hosts.items():
        *results, again, still, unmade = play.of(name)
        assert not again["changed"] and not still["changed"], (name, again)
        numbers = []
        for number, (options, reasons) in enumerate(steps):
            foreseen, done = results[2 * number:2 * number + 2]
            assert foreseen.get("reasons") == done["reasons"], (name, options, foreseen, done)
            assert len(done["reasons"]) == len(reasons), (name, options, done)
            assert all(any(said.startswith(reason) for said in done["reasons"]) for reason in reasons), done
            assert foreseen["changed"] is done["changed"] is bool(reasons), (name, options, done)
            numbers.append(done["number"])
        assert [one - numbers[0] for one in numbers] == [0, 1, 1, 2, 3, 4, 4, 5, 6, 7], numbers
        dates = [{one["serial"]: one["revocation_date"] for one in result["revoked"]} for result in results[1::2]]
        assert dates[1] == dates[2] and dates[3][SERIALS[1]] == dates[8][SERIALS[1]]
        assert unmade["changed"] and unmade["reasons"] == [
            "/srv/nosuch.crt is not there yet", "/srv/nosuch.key is not there yet"]
        assert f"revoked: {SERIALS[0]} 2026-11-01T00:00:00Z keyCompromise\n" in results[7]["diff"]["after"]
        text = host.run("openssl", "crl", "-inform", "DER", "-in", "/srv/ca/issuing.crl", "-noout", "-text", "-CAfile",
                        "/srv/ca/issuing.crt")
        assert "verify OK" in text.stdout + text.stderr and SERIALS[1].upper() in text.stdout.replace(":", "")
        verify = "openssl verify -x509_strict -crl_check -CRLfile list.pem -CAfile root.crt -untrusted issuing.crt"
        said = host.run("sh", "-c", "cd /srv/ca; openssl crl -inform DER -in issuing.crl -out list.pem; "
                        f"stat -c %a issuing.crl; {verify} web.crt 2>&1; {verify} mail.crt 2>&1", check=False).stdout
        assert said.startswith("640\n") and "web.crt: OK" in said and "mail.crt: OK" not in said, said
        assert "certificate revoked" in said and host.run("ls", "-A", "/srv").stdout == "ca\n", said
    assert PASSPHRASE not in play.output and not leaking.leaks(play.output, ISSUING.key_pem())


def test_bad_input_is_refused_and_the_list_stays(hosts):
    """All that is refused: tests/unit/plugins/modules/test_refused_signing.py."""
    host = hosts["debian13"]
    plain = {"ca_privatekey_path": ..., "ca_privatekey_passphrase": ...}
    cases = [
        ({"next_update": "+5d"}, "renew_before (7d) is not shorter than next_update (+5d) is away: every run"),
        ({"ca_privatekey_passphrase": "not correct"}, "ca_privatekey_passphrase is wrong"),
        ({**plain, "ca_privatekey_content": ROOT.key_pem()}, "does not belong to the CA's certificate /srv/ca/issui"),
    ]
    path = "/srv/ca/refused.crl"
    plays.run(hosts.inventory, [crl(path=path, revoked=[{"serial": "11"}])], hosts="debian13")
    before = judges.looks(host, "/srv/ca")
    tasks = [crl(path=path, **options) for options, _sentence in cases]
    play = plays.run(hosts.inventory, tasks, "-vvv", hosts="debian13")
    for (options, sentence), result in zip(cases, play.of("debian13"), strict=True):
        assert result.get("failed") and sentence in result["msg"] and "\n" not in result["msg"], (options, result)
    assert judges.looks(host, "/srv/ca") == before
    assert PASSPHRASE not in play.output and "not correct" not in play.output
    assert not leaking.leaks(play.output, ISSUING.key_pem(), ROOT.key_pem(), ISSUING.key_pem(PASSPHRASE))
