# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of NSS on a workstation, judged by certutil: what is put there and taken away, and with whose rights.

That browsers go by it is in test_browsers.py.
"""

from __future__ import annotations

import time

import counting
import pki
import plays
import podman
import pytest

pytestmark = pytest.mark.clients

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")])
TWIN = pki.root([("O", "Corp"), ("CN", "Corp Root CA")])
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA")], ROOT, ca=True)
OTHER = pki.root("Other CA")
ALICE, BOB, SYSTEM = "/home/alice/.pki/nssdb", "/home/bob/.pki/nssdb", "/etc/pki/nssdb"
INFO = "fleetpki.host_trust.ca_trust_info"


@pytest.fixture()
def fleet():
    """A workstation with two users."""
    with podman.fleet({"web": "workstation"}) as fleet:
        for name in ("alice", "bob"):
            fleet["web"].run("useradd", "--create-home", "--shell", "/bin/sh", name)
        yield fleet


def nss(*elements, databases=(ALICE, BOB, SYSTEM), **options):
    return plays.anchors(*elements, store="nss", nss_databases=list(databases), **options)


def run(fleet, *tasks, **play):
    return plays.run(fleet.inventory, list(tasks), "--diff", **play).of("web")


def as_user(host, name, script, **options):
    return host.run("su", name, "-c", script, **options).stdout


def certutil(host, folder, *arguments, **options):
    """What certutil says, run as the folder's owner."""
    owner = host.run("stat", "-c", "%U", folder).stdout.strip()
    return host.run("setpriv", f"--reuid={owner}", "--clear-groups", "certutil", "-d", f"sql:{folder}",
                    "-f", "/dev/null", *arguments, **options).stdout


def held(host, folder):
    """{nickname: trust} of a database."""
    lines = [line.rsplit(maxsplit=1) for line in certutil(host, folder, "-L").splitlines()[3:]]
    return {line[0].strip(): line[1] for line in lines if line}


def by_hand(host, folder, pair, nickname, trust="C,,"):
    """Somebody puts a certificate there; their database is made where it is missing."""
    owner = folder.split("/")[2]
    as_user(host, owner, f"mkdir -p {folder} && [ -e {folder}/cert9.db ] || certutil -N -d sql:{folder} "
                         "--empty-password")
    host.write("/tmp/by-hand.pem", pair.pem.encode())
    certutil(host, folder, "-A", "-a", "-i", "/tmp/by-hand.pem", "-n", nickname, "-t", trust)


def nickname(name, pair):
    return f"{name} (fleetpki.host_trust {pair.fingerprint[:16]})"


def test_the_life_of_anchors_in_three_databases(fleet):
    """Foreseen, made, nothing again, told, removed by name and by fingerprint; files belong to whose home it is."""
    host = fleet["web"]
    both = nss({"name": "corp-root", "content": ROOT.pem}, ISSUING, databases=["~alice/.pki/nssdb", BOB, SYSTEM])
    gone = nss({"name": "corp-root", "state": "absent"}, {"fingerprint": ISSUING.fingerprint, "state": "absent"})
    foreseen, done = run(fleet, {**both, "check_mode": True}, both)
    told, again, info, info_as_alice = run(
        fleet, {**both, "check_mode": True}, both, {INFO: {"store": "nss", "nss_databases": [ALICE, SYSTEM]}},
        {INFO: {"store": "nss", "nss_databases": ["~alice/.pki/*db"]}})
    assert [foreseen["changed"], done["changed"], told["changed"], again["changed"]] == [True, True, False, False]
    assert foreseen["plan"] == done["plan"] and foreseen["diff"] == done["diff"]
    assert [step["action"] for step in done["plan"]] == ["create", "install", "install"] * 3
    assert not any(one["exists"] for one in foreseen["databases"])
    assert f"trusted in {BOB}: CN=Corp Root CA,O=Corp, SHA-256 {ROOT.fingerprint}, expires 20" in done["diff"]["after"]
    assert done["anchors"][0]["found_in"] == [ALICE, BOB, SYSTEM] and done["store"] == "nss"
    for folder in (ALICE, BOB, SYSTEM):
        assert held(host, folder) == {nickname("corp-root", ROOT): "C,,", nickname("Corp Issuing CA", ISSUING): "C,,"}
    assert host.run("stat", "-c", "%U:%G %a", ALICE, f"{ALICE}/key4.db", f"{BOB}/cert9.db", SYSTEM,
                    f"{SYSTEM}/cert9.db").stdout.split("\n")[:-1] == [
        "alice:alice 700", "alice:alice 600", "bob:bob 600", "root:root 755", "root:root 644"]
    assert as_user(host, "bob", f"certutil -L -d sql:{SYSTEM}").count("C,,") == 2, "all may read the system's"
    assert info["counts"] == {"local": 4, "managed": 4, "distribution": 0, "distrusted": 0}
    assert {(one["name"], one["path"], one["trusted"]) for one in info["anchors"]} >= {("corp-root", SYSTEM, True)}
    assert info_as_alice["databases"] == [{"path": ALICE, "owner": "alice", "exists": True}]
    foreseen, done, again = run(fleet, {**gone, "check_mode": True}, gone, gone)
    assert foreseen["plan"] == done["plan"] and done["changed"] and not again["changed"]
    assert held(host, ALICE) == held(host, BOB) == held(host, SYSTEM) == {}


def test_distrust_by_fingerprint_of_what_the_system_trusts(fleet):
    """The host's own store has the certificate, wherever it was taken out of by then."""
    script = "openssl x509 -noout -fingerprint -sha256 -in /etc/ssl/certs/ca-certificates.crt"
    fingerprint = fleet["web"].run("sh", "-c", script).stdout.strip().rpartition("=")[2]
    element = {"fingerprint": fingerprint, "state": "distrusted"}
    for task in (plays.anchors(element), nss(element, databases=[ALICE])):
        assert [one["changed"] for one in run(fleet, task, task)] == [True, False]
    assert list(held(fleet["web"], ALICE).values()) == ["p,p,p"]


def test_what_others_have_put_there(fleet):
    """Found by its fingerprint and not by nickname; purged when all is; a key of the user's own stays in any case."""
    host = fleet["web"]
    by_hand(host, ALICE, ROOT, "same")
    by_hand(host, ALICE, TWIN, "same", "CT,C,")
    by_hand(host, ALICE, OTHER, "a: b")
    by_hand(host, ALICE, ISSUING, "seen", ",,")
    as_user(host, "alice", "head -c 99 /dev/urandom > ~/noise; certutil -S -x -k ec -q nistp256 -z ~/noise -s CN=me "
                           f"-n me -t CT,, -d sql:{ALICE}")
    mine = held(host, ALICE)["me"]
    where = {"databases": [ALICE]}
    first, managed, twin, distrust, idle, lifted = run(
        fleet, nss(ROOT, **where), nss(purge="managed", **where),
        nss({"fingerprint": ROOT.fingerprint, "state": "absent"}, **where),
        nss({"fingerprint": OTHER.fingerprint, "state": "distrusted"}, purge="managed", **where),
        nss({"fingerprint": OTHER.fingerprint, "state": "distrusted"}, **where), nss(OTHER, ISSUING, **where))
    assert [one["changed"] for one in (first, managed, twin, distrust, idle, lifted)] == [
        False, False, True, True, False, True], "by hand counts, and is not ours"
    assert [step["action"] for step in lifted["plan"]] == ["undistrust", "install"]
    assert "distrusted in" in lifted["diff"]["before"] and "trusted in" in distrust["diff"]["before"]
    assert held(host, ALICE) == {"same": "CT,C,", "NSS Certificate DB:a: b": "C,,", "seen": "C,,", "me": mine}
    assert certutil(host, ALICE, "-L", "-n", "same", "-a").replace("\r", "").strip() == TWIN.pem.strip()
    (purged,) = run(fleet, nss(ROOT, purge="all", **where))
    assert {step["action"] for step in purged["plan"]} == {"install", "remove"}
    assert held(host, ALICE) == {nickname("Corp Root CA", ROOT): "C,,", "me": mine}


def test_twins_under_one_nickname_with_different_trust(fleet):
    """certutil can't tell them apart by name; both are what they should be all the same."""
    host = fleet["web"]
    for pair in (ROOT, TWIN):
        by_hand(host, BOB, pair, "same")
    results = run(fleet, *[nss({"content": TWIN.pem, "state": "distrusted"}, ROOT, databases=[BOB])] * 2,
                  {INFO: {"store": "nss", "nss_databases": [BOB]}},
                  nss({"content": ROOT.pem, "state": "absent"}, databases=[BOB]),
                  {INFO: {"store": "nss", "nss_databases": [BOB]}})
    assert [one["changed"] for one in results] == [True, False, False, True, False]
    assert [one["fingerprint_sha256"] for one in results[2]["anchors"]] == [ROOT.fingerprint]
    for info in (results[2], results[4]):
        assert [one["fingerprint_sha256"] for one in info["distrusted"]] == [TWIN.fingerprint]
    assert results[4]["anchors"] == []


def test_no_link_of_a_users_leads_root_anywhere(fleet):
    """What is planted in a home is met with the user's rights; places that nobody answers for are refused by name."""
    host = fleet["web"]
    host.run("sh", "-c", "mkdir -p -m 700 /root/target /srv/db /srv/theirs && : > /root/a-file && "
                         "chown bob /srv/theirs && su alice -c 'mkdir ~/.pki && ln -s /root/target ~/.pki/nssdb'")
    host.run("sh", "-c", "su bob -c 'ln -s /root ~/.pki; ln -s /home/alice ~/sister'; mkdir /srv/evil; "
                         "su alice -c 'touch /tmp/lib'; cp /tmp/lib /srv/evil/pkcs11.txt; chown alice /srv/evil/*")
    refused = {
        ALICE: "can't be used by alice: Permission denied", "~alice/.pki/nssdb": "Permission denied",
        BOB: "Permission denied", "~bob/.pki/nssdb": "Permission denied",
        "/home/bob/sister/db": "can't be used by bob: Permission denied",
        "/tmp/nssdb": "/tmp is root's, and others may write to it", "/srv/evil": "pkcs11.txt in it belongs to alice",
        "/root/a-file": "is no folder", "~nobody-here/db": "there is no user nobody-here",
        "relative/db": "neither from / nor from ~", "~daemon2/x": "there is no user",
    }

    def things():
        return host.run("find", "/root/target", "/root/a-file", "/srv", "-printf", "%p %u %m %s %l\n").stdout

    before = things()
    results = run(fleet, *[nss(ROOT, databases=["/srv/good", place]) for place in refused],
                  nss(ROOT, databases=["/home/alice/*/x*"]), nss(ROOT, databases=[]), nss(ROOT, root="/srv"),
                  plays.anchors(ROOT, store="nss"))
    for (place, said), result in zip(refused.items(), results, strict=False):
        assert result.get("failed") and said in result["msg"], (place, result.get("msg"))
    nothing, empty, root, without = results[len(refused):]
    assert not nothing["changed"] and "no such database" in nothing["warnings"][0]
    assert "the list is empty" in empty["msg"] and "leave root out" in root["msg"] and "nss_databases" in without["msg"]
    assert things() == before, "nothing is there that was not"


def test_a_password_is_no_riddle(fleet):
    """No hang, a sentence; the other database, which could be changed, is not changed either. Reading works."""
    host = fleet["web"]
    profile = "/home/bob/.mozilla/firefox/x1.default-esr"
    as_user(host, "bob", f"mkdir -p {profile}; echo secret > ~/pw; certutil -N -d sql:{profile} -f ~/pw")
    begin = time.monotonic()
    failed, info, absent = run(
        fleet, nss(ROOT, databases=[ALICE, "~bob/.mozilla/firefox/*.default*"]),
        {INFO: {"store": "nss", "nss_databases": [profile]}},
        nss({"content": ROOT.pem, "state": "absent"}, databases=[profile]))
    assert time.monotonic() - begin < 60
    assert failed["failed"] and f"{profile} can't be changed: bob has set a password" in failed["msg"]
    assert not host.exists(ALICE) and held(host, profile) == {}
    assert info["databases"][0]["exists"] and not absent["changed"] and not absent.get("failed")


FAULTY = """#!/bin/sh
case "$*" in *{folder}*-A*) {fault};; esac
exec /usr/bin/certutil.real "$@"
"""


def break_certutil(host, folder, fault):
    host.run("sh", "-c", "[ -e /usr/bin/certutil.real ] || mv /usr/bin/certutil /usr/bin/certutil.real")
    host.write("/usr/bin/certutil", FAULTY.format(folder=folder, fault=fault).encode(), 0o755)


def test_all_or_nothing(fleet):
    """A failure in the last database takes the others back, also one that was made; a certutil that lies is noticed."""
    host = fleet["web"]
    by_hand(host, ALICE, ROOT, "mine", "p,p,p")
    by_hand(host, ALICE, OTHER, "other")
    before = held(host, ALICE)
    task = nss(ROOT, ISSUING, purge="all")
    for fault, said in (("echo 'disk full' >&2; exit 3", "failed with exit code 3: disk full"),
                        ("exit 0", "and certutil reported no failure"), ("kill -9 $PPID", "was killed"),
                        ("exec yes", "or printed without end")):
        break_certutil(host, SYSTEM, fault)
        (failed,) = run(fleet, task)
        assert failed["failed"] and said in failed["msg"], failed["msg"]
        assert failed["msg"].endswith("Nothing was changed: the databases are as they were before")
        assert held(host, ALICE) == before and not host.exists("/home/bob/.pki") and not host.exists("/etc/pki/nssdb")
    break_certutil(host, "no-such", "")
    done, again = run(fleet, task, task)
    assert done["changed"] and not again["changed"] and len(held(host, BOB)) == 2


def test_a_run_that_was_killed_is_completed_by_the_next(fleet):
    """All of it killed in the middle of a database: what is there is in order, and the next run does the rest."""
    host = fleet["web"]
    for fault in ("kill -9 $(ps -o ppid= -p $PPID) $PPID", '/usr/bin/certutil.real "$@"; '
                  "kill -9 $(ps -o ppid= -p $PPID) $PPID"):
        break_certutil(host, SYSTEM, fault)
        (killed,) = run(fleet, nss(ROOT, ISSUING))
        assert killed["failed"] and host.exists(f"{SYSTEM}/cert9.db"), killed
        break_certutil(host, "no-such", "")
        done, again = run(fleet, *[nss(ROOT, ISSUING)] * 2)
        assert done["changed"] and not again["changed"]
        assert list(held(host, SYSTEM).values()) == ["C,,", "C,,"]
        host.run("rm", "-r", SYSTEM)
    for lost in ("key4.db", "pkcs11.txt", "cert9.db"):  # killed while the database was made
        as_user(host, "alice", f"rm -r {ALICE}; mkdir -p {ALICE}; certutil -N -d sql:{ALICE} --empty-password; "
                               f"rm {ALICE}/{lost}")
        done, again = run(fleet, *[nss(ROOT, databases=[ALICE])] * 2)
        assert done["changed"] and not again["changed"], (lost, done.get("msg"))
        assert list(held(host, ALICE).values()) == ["C,,"]


def test_keys_without_a_database_of_certificates_are_kept(fleet):
    """Also where the run fails, because they have a password, and takes back what it has made."""
    host = fleet["web"]
    as_user(host, "alice", f"mkdir -p {ALICE}; echo secret > ~/pw; certutil -N -d sql:{ALICE} -f ~/pw; "
                           f"rm {ALICE}/cert9.db")
    keys = host.read(f"{ALICE}/key4.db")
    (failed,) = run(fleet, nss(ROOT, databases=[ALICE]))
    assert failed["failed"] and "SEC_ERROR_BAD_PASSWORD" in failed["msg"], failed["msg"]
    assert host.read(f"{ALICE}/key4.db") == keys and not host.exists(f"{ALICE}/cert9.db")


def test_broken_and_unknown(fleet):
    """A file that is no database is an error by name; a fingerprint that nobody knows asks for the certificate."""
    host = fleet["web"]
    by_hand(host, ALICE, ROOT, "mine")
    host.run("sh", "-c", f"echo garbage > {ALICE}/cert9.db")
    broken, unknown = run(fleet, nss(ROOT, databases=[ALICE]),
                          nss({"fingerprint": OTHER.fingerprint, "state": "distrusted"}, databases=[BOB]))
    assert f"{ALICE}/cert9.db can't be read: file is not a database" in broken["msg"]
    assert "give it with src, content or path" in unknown["msg"] and not host.exists(BOB)


def test_without_root(fleet):
    """A user's own database needs no root; another's is refused by name."""
    host = fleet["web"]
    own, other = plays.run(fleet.inventory, [nss(ROOT, databases=["~/.pki/nssdb"]), nss(ROOT, databases=["~alice/x"])],
                           "-e", "ansible_user=user").of("web")
    assert own["changed"] and list(held(host, "/home/user/.pki/nssdb").values()) == ["C,,"]
    assert "can be changed by root and by alice only" in other["msg"] and "become: true" in other["msg"]


def test_another_place_that_chromium_reads(fleet):
    """With ~/.pki/nssdb made anew, Chromium does not read any more what it has read: that is warned of."""
    by_hand(fleet["web"], "/home/alice/.local/share/pki/nssdb", OTHER, "other")
    (done,) = run(fleet, nss(ROOT, databases=[ALICE]))
    assert "Chromium has read /home/alice/.local/share/pki/nssdb until now" in done["warnings"][0]


def test_missing_tools_name_the_package(one_of_each):
    """certutil, and p11-kit for Firefox."""
    one_of_each["debian12"].run("sh", "-c", "rm -f /usr/lib/*/pkcs11/p11-kit-trust.so")
    one_of_each["el9"].run("sh", "-c", "rm -f /usr/lib/*/pkcs11/p11-kit-trust.so /usr/lib*/pkcs11/p11-kit-trust.so")
    play = plays.run(one_of_each.inventory, [nss(ROOT), {INFO: {"store": "nss", "nss_databases": [ALICE]}},
                                             {"fleetpki.host_trust.firefox_trust": {}}])
    packages = {"el9": ["nss-tools", "nss-tools", "p11-kit-trust"],
                "debian12": ["libnss3-tools", "libnss3-tools", "p11-kit-modules"]}
    for name, results in play.results.items():
        assert [one["missing_packages"] for one in results] == [[each] for each in packages[name]]
        assert all(f"install the package {each}" in one["msg"]
                   for one, each in zip(results, packages[name], strict=True))


def test_the_role(fleet):
    """One execution for each of them, none where they are not asked for; the second run changes nothing."""
    from test_role_ca_trust import executions, role

    counting.bring(fleet["web"])
    given = role(ROOT, ca_trust_nss_databases=[ALICE, "~bob/.pki/nssdb"], ca_trust_firefox_policy="present")
    first, times = executions(fleet, roles=[given])
    second, again = executions(fleet, roles=[given])
    _third, alone = executions(fleet, roles=[role(ROOT)])
    assert first.code == second.code == 0, first.output
    more = [counting.MODULE, counting.MODULE]
    assert times == {"web": [counting.LOOK, counting.MODULE, *more]}
    assert again == {"web": [counting.LOOK, *more]} and alone == {"web": [counting.LOOK]}
    assert sum(one["changed"] for one in first.of("web")) == 3 and not any(one["changed"] for one in second.of("web"))
    assert len(held(fleet["web"], BOB)) == 1
    purged = plays.run(fleet.inventory, [], roles=[role(ca_trust_nss_databases=[BOB], ca_trust_purge="managed")])
    assert purged.code == 0 and not held(fleet["web"], BOB), purged.output
    assert b"p11-kit-trust.so" in fleet["web"].read("/etc/firefox/policies/policies.json")
