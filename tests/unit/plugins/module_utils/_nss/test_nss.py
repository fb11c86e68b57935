# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of NSS: certutil's output read, and from what they hold and what is wanted to steps that lead there."""
import hashlib
import time

import pki
import pytest
from converging import MOZILLA, converge
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import converge as nss_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import database as nss_database
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import plan as nss_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import result as nss_result
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

A = pki.root("Root A")
TWIN = pki.root("Root A")
ISSUING = pki.issue("Issuing", A, ca=True)
SERVER = pki.server(issuer=None)
OLD = pki.root("Old Root", basic_constraints=False)
ALL = [A, TWIN, ISSUING, SERVER]
BY_FINGERPRINT = {pair.fingerprint: pair for pair in ALL}
TRUSTS = ["C,,", "CT,C,C", ",,", "p,p,p", "P,,", "u,u,u", "CTu,Cu,Cu", "c,,", ",C,"]

# As certutil 3.87 prints them; it fills a trust up to five letters.
LIST = """
Certificate Nickname                                         Trust Attributes
                                                             SSL,S/MIME,JAR/XPI

corp-root (fleetpki.host_trust 85f7151ae8320c7f)             C,,
NSS Certificate DB:a: b:c                                    p,p,p
a nickname that has more than the sixty letters which are set aside for one CTu,Cu,Cu
same                                                         C,,
same                                                         p,p,p
""".replace("C,,\n", "C,,  \n")
PRETTY = """Certificate:
    Data:
        Subject: "CN=Corp Root CA,O=Corp"
    Fingerprint (SHA-256):
        5B:74:30:2C:D8:D0:3C:F7:E7:3C:24:03:6E:E1:AF:D7:15:B2:B6:67:21:D0:66:88:78:BB:3F:36:54:4C:00:51
    Fingerprint (SHA1):
        B9:F4:C4:C0:2E:D2:46:4F:F9:A8:A5:42:AF:38:26:6C:08:73:8A:E7

    Mozilla-CA-Policy: false (attribute missing)
    Certificate Trust Flags:
        SSL Flags:
            Valid CA
            Trusted CA
        Email Flags:
        Object Signing Flags:

Certificate:
    Fingerprint (SHA-256):
        33:68:F1:EF:CC:AE:20:BE:DB:E7:B9:94:D4:5E:BB:0F:5A:AF:18:48:B3:24:3C:A7:9C:69:F2:0E:36:91:31:8D
    Certificate Trust Flags:
        SSL Flags:
            Terminal Record
        Email Flags:
            Terminal Record
        Object Signing Flags:
            Terminal Record
    Fingerprint (SHA-256):
        00:68:F1:EF:CC:AE:20:BE:DB:E7:B9:94:D4:5E:BB:0F:5A:AF:18:48:B3:24:3C:A7:9C:69:F2:0E:36:91:31:8D
    Certificate Trust Flags:
        SSL Flags:
            Terminal Record
            Trusted
"""


def test_what_certutil_lists():
    found = nss_database.listed(LIST)
    assert found == {
        "corp-root (fleetpki.host_trust 85f7151ae8320c7f)": ["C,,"], "NSS Certificate DB:a: b:c": ["p,p,p"],
        "a nickname that has more than the sixty letters which are set aside for one": ["CTu,Cu,Cu"],
        "same": ["C,,", "p,p,p"]}
    assert {name[:6]: trust for name, trust in nss_database.flags(PRETTY).items()} == {
        "5b7430": "C,,", "3368f1": "p,p,p", "0068f1": "P,,"}
    assert nss_database.listed("certutil: function failed") == nss_database.flags("") == {}


@pytest.mark.parametrize(
    "name", ["corp-root", "a:b", u"B\u00fccher \"CA\"", "x" * 1000, "two\nlines", " ", "-n", "(1)"])
def test_a_nickname_says_whose_it_is_and_which(name):
    nickname = nss_plan.nickname(name, A.fingerprint)
    held = nss_plan.NssEntry(nickname, A.fingerprint, A.der, "C,,")
    assert ":" not in nickname and "\n" not in nickname and len(nickname) < 300
    assert nss_plan.name_of(held) is not None
    assert nss_plan.name_of(held._replace(fingerprint=TWIN.fingerprint)) is None, "somebody renamed it"
    gone = plan([database([held])], trust_plan.Wanted("absent", name, "", None))
    assert [step.do for step in gone.steps] == (["delete"] if name.strip() else []), "found again by its name"


def database(held=(), there=True, protected=False, path="/home/alice/.pki/nssdb"):
    return nss_plan.Database(path, "alice", there, protected, None, list(held))


def held(pair, trust="C,,", name=None):
    nickname = nss_plan.nickname(name, pair.fingerprint) if name else "by hand " + pair.fingerprint[:4]
    return nss_plan.NssEntry(nickname, pair.fingerprint, pair.der, trust)


def want(pair, state="present", name=None):
    return trust_plan.Wanted(state, name, pair.fingerprint, x509.parse(pair.der))


def plan(databases, *wanted, **options):
    return nss_plan.plan(databases, list(wanted), **options)


def carried_out(databases, steps):
    """What certutil makes of databases by the steps; that it does is shown by the integration tests."""
    after = []
    for one in databases:
        now = {each.fingerprint: each for each in one.held}
        there = one.there
        for step in (step for step in steps if step.path == one.path):
            if step.do == "create":
                there = True
            elif step.do == "delete":
                del now[step.fingerprint]
            else:
                former = now.get(step.fingerprint)
                key = "u" if former and "u" in former.trust else ""
                now[step.fingerprint] = nss_plan.NssEntry(
                    former.nickname if former else step.nickname, step.fingerprint, step.certificate.der,
                    ",".join(part + key for part in step.trust.split(",")))
        after.append(one._replace(there=there, held=list(now.values())))
    return after


helds = st.lists(st.builds(held, st.sampled_from(ALL), st.sampled_from(TRUSTS), st.sampled_from([None, "corp"])),
                 max_size=4, unique_by=lambda one: one.fingerprint)
wishes = st.lists(st.builds(want, st.sampled_from(ALL), st.sampled_from(["present", "absent", "distrusted"]),
                            st.sampled_from([None, "corp", "a:b"])), max_size=4, unique_by=lambda one: one.fingerprint)


@settings(max_examples=300, deadline=None)
@given(helds, helds, wishes, st.sampled_from(["none", "managed", "all"]))
def test_what_is_carried_out_leaves_nothing_to_do(first, second, wanted, purge):
    before = [database(first), database(second, path="/etc/pki/nssdb"), database(there=False, path="/none")]
    planned = nss_plan.plan(before, wanted, purge)
    assert not planned.unsent
    after = carried_out(before, planned.steps)
    assert nss_plan.plan(after, wanted, purge).steps == []
    for old, new in zip(before, after):
        now = {one.fingerprint: one for one in new.held}
        for one in wanted:
            there = now.get(one.fingerprint)
            if one.state == "present":
                assert ("P" if BY_FINGERPRINT[one.fingerprint] is SERVER else "C") in there.trust.split(",")[0]
            elif one.state == "distrusted":
                assert there is None and not old.there or nss_plan.is_distrusted(there)
            else:
                assert there is None or not nss_plan.is_trusted(there)
        listed = {one.fingerprint for one in wanted}
        for one in old.held:
            keeps = purge == "none" or "u" in one.trust and nss_plan.name_of(one) is None or \
                nss_plan.is_distrusted(one) or not nss_plan.is_anchor(one)
            if one.fingerprint not in listed and keeps:
                assert now[one.fingerprint] == one, "not listed, not purged, not touched"


def test_trust_is_added_to_what_others_have_set():
    steps = plan([database([held(A, "T,C,"), held(SERVER, "p,p,p")])], want(A), want(SERVER)).steps
    assert [(step.action, step.trust, step.former) for step in steps] == [
        ("install", "CT,C,", "trusted"), ("undistrust", "P,,", "distrusted")]
    assert plan([database([held(A, "CT,C,C")])], want(A)).steps == []
    (step,) = plan([database([held(A, "P,,")])], want(A)).steps
    assert step.trust == "CP,,", "what is said of a CA itself helps none of its servers"


@pytest.mark.parametrize("pair, trust, vouches", [
    (A, "C,,", True), (A, "P,,", False), (A, "CP,,", True), (SERVER, "C,,", False), (SERVER, "P,,", True),
    (OLD, "C,,", True), (OLD, "P,,", True), (A, ",C,", False)])
def test_only_the_trust_that_nss_asks_for_counts(pair, trust, vouches):
    """Which that is was seen with certutil -V and vfychain; also in check mode, where the database stays as it is."""
    there = [database([held(pair, trust)])]
    planned = plan(there, want(pair))
    assert (planned.steps == []) == vouches
    (told,) = nss_result.report(nss_converge.NssOutcome(planned, there, []))["anchors"]
    assert told["found_in"] == [one.path for one in there if vouches]


def test_no_name_is_nobodys_name():
    unnamed = nss_plan.NssEntry("", A.fingerprint, A.der, "C,,")
    assert plan([database([unnamed])], trust_plan.Wanted("absent", "", "", None)).steps == []


def test_what_the_systems_own_store_knows_is_distrusted_by_its_fingerprint(debian, monkeypatch):
    monkeypatch.setattr(nss_converge.stores, "choose", lambda *_options: debian.store)
    there = [database()]
    monkeypatch.setattr(nss_converge, "find", lambda _patterns: ([], []))
    monkeypatch.setattr(nss_converge, "observe", lambda _places: there)
    gone = trust_plan.Wanted("distrusted", None, MOZILLA[0].fingerprint, None)
    unknown = gone._replace(fingerprint="ab" * 32)
    for state in ("trusted", "distrusted"):
        planned = nss_converge.converge([], [gone, unknown], check=True).plan
        assert planned.unsent == [unknown.fingerprint], state
        assert [step.certificate and step.certificate.der for step in planned.steps] == [MOZILLA[0].der, None]
        converge(debian, gone)


def test_a_certificate_with_its_key_is_never_deleted():
    for options in ({"purge": "all"}, {"purge": "managed"}):
        assert plan([database([held(A, "CTu,Cu,Cu")])], **options).steps == []
    (step,) = plan([database([held(A, "CTu,Cu,Cu")])], want(A, "absent")).steps
    assert (step.do, step.trust) == ("write", ",,")


def test_what_is_known_from_one_database_only():
    gone = trust_plan.Wanted("distrusted", None, A.fingerprint, None)
    assert plan([database()], gone).unsent == [A.fingerprint]
    both = plan([database([held(A)]), database(path="/etc/pki/nssdb")], gone)
    assert both.unsent == [] and [step.certificate.der for step in both.steps] == [A.der, A.der]


def test_a_password_and_a_contradiction_are_said():
    locked = [database(protected=True)]
    assert plan(locked, want(A, "absent")).steps == [], "nothing is to be changed there"
    with pytest.raises(trust_plan.PlanError, match="alice has set a password"):
        plan(locked, want(A))
    with pytest.raises(trust_plan.PlanError, match="leave one of them"):
        plan([database()], want(A), want(A, "absent"))


def test_a_database_that_is_not_there_is_made_for_something_only():
    missing = [database(there=False)]
    assert plan(missing, want(A, "absent"), purge="all").steps == []
    planned = plan(missing, want(A))
    assert [step.action for step in planned.steps] == ["create", "install"]
    told = nss_result.report(nss_converge.NssOutcome(planned, missing, []))
    assert told["diff"]["after"].startswith("database: /home/alice/.pki/nssdb\ntrusted in /home/alice/.pki/nssdb: CN=")


def test_a_distrusted_root_whose_issuing_ca_stays_trusted_is_warned_of():
    before = [database([held(ISSUING)])]
    planned = plan(before, want(A, "distrusted"))
    told = nss_result.report(nss_converge.NssOutcome(planned, carried_out(before, planned.steps), []))
    assert "CN=Issuing stays trusted in /home/alice/.pki/nssdb" in told["warnings"][0]
    assert hashlib.sha256(A.der).hexdigest() == told["anchors"][0]["fingerprint_sha256"]


def test_a_nickname_of_nothing_but_spaces_takes_no_time():
    begin = time.process_time()
    assert nss_database.listed(" " * 200000 + "x\n" + "a b  C,, \n") == {"a b": ["C,,"]}
    assert time.process_time() - begin < 1
