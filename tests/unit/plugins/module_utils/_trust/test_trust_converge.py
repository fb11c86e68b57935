# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is observed and what is wanted become steps; applying them and looking again leaves nothing to do."""
import contextlib
import os
import tempfile

import pki
import pytest
import raw_pki
from converging import ALL, CLIENTS, ISSUING, MOZILLA, RENEWED, TWIN, A, B, actions, converge, want
from fake_root import FakeRoot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extract as trust_extract
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import result as trust_result


def test_installed_once_then_nothing(system):
    foreseen = converge(system, want(A), want(ISSUING), check=True)
    assert not system.anchors()
    done = converge(system, want(A), want(ISSUING))
    assert actions(foreseen) == actions(done) == ["install", "install", "extract"]
    assert {A.fingerprint, ISSUING.fingerprint} <= system.trusted()
    assert actions(converge(system, want(A), want(ISSUING))) == []
    assert not any(name.startswith(".") for name in os.listdir(os.path.dirname(system.store.staging[0][1])))


def test_what_is_not_listed_stays_unless_purged(system):
    converge(system, want(A, name="first"))
    system.write(os.path.join(system.store.anchors, "by-hand.crt"), B.pem.encode())
    system.extract()
    assert actions(converge(system, want(ISSUING), want(TWIN))) == ["install", "install", "extract"]
    assert {A.fingerprint, B.fingerprint} <= system.trusted()
    assert actions(converge(system, want(ISSUING), purge="managed")) == ["remove", "remove", "extract"]
    assert B.fingerprint in system.trusted() and not {A.fingerprint, TWIN.fingerprint} & system.trusted()
    assert actions(converge(system, want(ISSUING), purge="all")) == ["remove", "extract"]
    assert B.fingerprint not in system.trusted()
    assert {pair.fingerprint for pair in MOZILLA} <= system.trusted()
    assert actions(converge(system, want(ISSUING), purge="all")) == []


def test_absent_by_name_and_by_fingerprint(system):
    converge(system, want(A, name=u"Z\u00fcrich/CA"), want(B, name="b"))
    system.write(os.path.join(system.store.anchors, "by-hand.crt"), TWIN.pem.encode())
    gone = [trust_plan.Wanted("absent", u"Z\u00fcrich/CA", "", None),
            trust_plan.Wanted("absent", None, B.fingerprint, None),
            trust_plan.Wanted("absent", "by-hand.crt", "", None),
            trust_plan.Wanted("absent", "never was", "", None)]
    assert actions(converge(system, *gone)) == ["remove"] * 3 + ["extract"]
    assert not system.anchors()


def test_two_certificates_with_one_subject_are_two(system):
    converge(system, want(A), want(TWIN))
    assert len(system.anchors()) == 2 and {A.fingerprint, TWIN.fingerprint} <= system.trusted()


def test_distrust_and_back_of_what_the_distribution_trusts(system):
    public = MOZILLA[0]
    done = converge(system, want(public, "distrusted"))
    assert actions(done) == ["distrust", "extract"]
    assert public.fingerprint not in system.trusted()
    assert actions(converge(system, want(public, "distrusted"))) == []
    assert actions(converge(system, want(A), purge="all")) == ["install", "extract"], "purging never widens trust"
    assert public.fingerprint not in system.trusted()
    assert actions(converge(system, want(public))) == ["undistrust", "install", "extract"]
    assert public.fingerprint in system.trusted()


def test_distrust_by_fingerprint_of_what_the_distribution_trusts(system):
    done = converge(system, trust_plan.Wanted("distrusted", None, MOZILLA[1].fingerprint, None))
    assert not done.plan.unsent and MOZILLA[1].fingerprint not in system.trusted()


def test_absent_of_what_the_distribution_trusts_says_so(system):
    done = converge(system, want(MOZILLA[0], "absent"))
    assert actions(done) == []
    result = trust_result.report(system.store, done, False)
    assert "it stays trusted through" in result["warnings"][0] and "state: distrusted" in result["warnings"][0]


def test_what_the_distribution_trusts_too_is_installed_and_said(system):
    done = converge(system, want(MOZILLA[0]))
    assert actions(done) == ["install", "extract"]
    (anchor,) = trust_result.report(system.store, done, False)["anchors"]
    assert "trusted by the distribution, too" in anchor["notes"][0]


def test_an_intermediate_without_its_root_is_warned_of(system):
    result = trust_result.report(system.store, converge(system, want(ISSUING)), False)
    assert "OpenSSL here refuses chains" in result["warnings"][0] and "CN=Root A" in result["warnings"][0]
    result = trust_result.report(system.store, converge(system, want(ISSUING), want(A)), False)
    assert not result["warnings"]


@pytest.mark.parametrize("listed, purge", [([want(A, "absent")], "none"), ([], "all")])
def test_a_removed_root_no_longer_counts_as_issuer(system, listed, purge):
    """In check mode the bundle still holds the root."""
    converge(system, want(A))
    for check in (True, False):
        outcome = converge(system, want(ISSUING), *listed, purge=purge, check=check)
        (warning,) = trust_result.report(system.store, outcome, check)["warnings"]
        assert "OpenSSL here refuses chains" in warning and "CN=Root A" in warning
    assert A.fingerprint not in system.trusted()


def test_a_root_whose_key_is_distrusted_no_longer_counts_as_issuer(redhat):
    converge(redhat, want(A))
    for check in (True, False):
        outcome = converge(redhat, want(ISSUING), want(RENEWED, "distrusted"), check=check)
        (warning,) = trust_result.report(redhat.store, outcome, check)["warnings"]
        assert "OpenSSL here refuses chains" in warning
    assert A.fingerprint not in redhat.trusted()


def test_a_removed_root_that_stays_trusted_counts_as_issuer(system):
    below = pki.issue("Below Public 0", MOZILLA[0], ca=True)
    converge(system, want(MOZILLA[0]))
    for check in (True, False):
        outcome = converge(system, want(below), want(MOZILLA[0], "absent"), check=check)
        (warning,) = trust_result.report(system.store, outcome, check)["warnings"]
        assert "it stays trusted through" in warning
    for check in (True, False):
        outcome = converge(system, want(below), want(MOZILLA[0], "distrusted"), check=check)
        assert "OpenSSL here refuses chains" in trust_result.report(system.store, outcome, check)["warnings"][0]


def test_the_diff_has_a_line_for_each_change(system):
    def diff(*wanted):
        found = trust_result.report(system.store, converge(system, *wanted), False)["diff"]
        return [[line.partition(", SHA-256")[0] for line in found[side].splitlines()] for side in ("before", "after")]

    assert diff(want(A), want(MOZILLA[0], "distrusted")) == [[], ["trusted: CN=Root A", "distrusted: CN=Public 0"]]
    assert diff(want(A, "absent"), want(MOZILLA[0])) == [["trusted: CN=Root A", "distrusted: CN=Public 0"],
                                                         ["trusted: CN=Public 0"]]
    os.chmod(os.path.join(system.store.anchors, list(system.anchors())[0]), 0o600)
    assert diff(want(MOZILLA[0])) == [["wrong owner or mode: CN=Public 0"], ["owner and mode in order: CN=Public 0"]]
    os.unlink(system.store.bundles[0][1])
    before, after = diff(want(MOZILLA[0]))
    assert before[0].startswith("extracted store not as wanted: ") and after == [
        "extracted store made again from its sources"]
    assert diff(want(MOZILLA[0])) == [[], []]


def test_a_ca_for_clients_is_proven_where_it_does_appear(redhat):
    done = converge(redhat, want(CLIENTS))
    result = trust_result.report(redhat.store, done, False)
    assert result["anchors"][0]["found_in"] == [redhat.store.untrusted_bundle]
    assert "the TLS bundle leaves it out" in result["anchors"][0]["notes"][0]
    assert actions(converge(redhat, want(CLIENTS))) == []


def test_a_distrusted_key_is_an_error_that_names_both(redhat):
    converge(redhat, want(RENEWED, "distrusted"))
    with pytest.raises(trust_plan.PlanError) as caught:
        converge(redhat, want(A))
    assert RENEWED.fingerprint in str(caught.value) and A.fingerprint in str(caught.value)


def test_what_goes_with_a_distrusted_key_is_not_lost(redhat):
    converge(redhat, want(A), want(RENEWED))
    converge(redhat, want(RENEWED, "distrusted"))
    assert not {A.fingerprint, RENEWED.fingerprint} & redhat.trusted()


def test_one_key_in_one_list(redhat):
    with pytest.raises(trust_plan.PlanError, match="this list distrusts its public key"):
        converge(redhat, want(A), want(RENEWED, "distrusted"), check=True)
    converge(redhat, want(RENEWED, "distrusted"))
    assert actions(converge(redhat, want(A), want(RENEWED))) == ["install", "undistrust", "install", "extract"]


def test_absent_does_not_lift_the_distrust_of_a_key(redhat):
    converge(redhat, want(RENEWED, "distrusted"))
    with pytest.raises(trust_plan.PlanError, match="distrusts its public key, through the certificate CN=Root A"):
        converge(redhat, want(A), want(RENEWED, "absent"))
    assert not redhat.anchors()


def test_the_plan_is_made_again_under_the_lock(system, monkeypatch):
    real = files.lock

    @contextlib.contextmanager
    def late(folder, seconds):
        monkeypatch.setattr(files, "lock", real)
        converge(system, want(A))
        with real(folder, seconds):
            yield

    monkeypatch.setattr(files, "lock", late)
    assert actions(converge(system, want(A), want(B))) == ["install", "extract"]
    assert len(system.anchors()) == 2 and {A.fingerprint, B.fingerprint} <= system.trusted()


def test_contradictions(system):
    with pytest.raises(trust_plan.PlanError, match="leave one of them"):
        converge(system, want(A), want(A, "absent"))


def test_what_is_listed_is_not_meant_by_its_name(system):
    """``name: corp, src: new`` with ``name: corp, state: absent`` is the exchange of one for the other."""
    converge(system, want(A, name="corp"))
    exchange = [want(B, name="corp"), trust_plan.Wanted("absent", "corp", "", None)]
    assert actions(converge(system, *exchange)) == ["install", "remove", "extract"]
    assert actions(converge(system, *exchange)) == []
    assert B.fingerprint in system.trusted() and A.fingerprint not in system.trusted()


def test_only_fingerprints_are_needed_of_what_is_there(system):
    converge(system, want(A))
    known = trust_plan.Wanted("present", None, A.fingerprint, None)
    done = converge(system, known)
    assert actions(done) == [] and not done.plan.unsent
    assert trust_result.report(system.store, done, False)["anchors"][0]["subject"] == "CN=Root A"
    missing = converge(system, known, trust_plan.Wanted("present", None, B.fingerprint, None))
    assert missing.plan.unsent == [B.fingerprint] and len(system.anchors()) == 1


def test_check_mode_warns_of_what_the_run_would(system):
    for wanted in ([want(ISSUING)], [want(ISSUING), want(A)]):
        foreseen = trust_result.report(system.store, converge(system, *wanted, check=True), True)
        done = trust_result.report(system.store, converge(system, *wanted), False)
        assert foreseen["warnings"] == done["warnings"]
        converge(system, purge="all")


wishes = st.dictionaries(st.sampled_from(range(len(ALL))), st.sampled_from(["present", "absent", "distrusted"]))


@settings(max_examples=60, deadline=None, suppress_health_check=HealthCheck.all())
@given(st.sampled_from(["redhat", "debian"]),
       st.lists(st.tuples(wishes, st.sampled_from(["none", "managed", "all"])), min_size=1, max_size=3),
       st.sets(st.sampled_from(range(len(ALL)))))
def test_applying_a_plan_and_looking_again_leaves_nothing(kind, rounds, by_hand):
    with tempfile.TemporaryDirectory() as folder:
        fake = FakeRoot(os.path.join(folder, "root"), kind, MOZILLA)
        real = trust_extract.run
        trust_extract.run = fake.run
        try:
            for number in by_hand:
                fake.write(os.path.join(fake.store.anchors, "hand%d.crt" % number), ALL[number].pem.encode())
            fake.extract()
            for states, purge in rounds:
                wanted = [want(ALL[number], state) for number, state in sorted(states.items())]
                foreseen = converge(fake, *wanted, purge=purge, check=True)
                done = converge(fake, *wanted, purge=purge)
                assert [tuple(step) for step in foreseen.plan.steps] == [tuple(step) for step in done.plan.steps]
                assert actions(converge(fake, *wanted, purge=purge)) == []
                trusted = fake.trusted()
                for number, state in states.items():
                    public = ALL[number] in MOZILLA
                    if state == "present" and (ALL[number] is not CLIENTS or kind == "debian"):
                        assert ALL[number].fingerprint in trusted
                    elif state == "distrusted" or not public:
                        assert state == "present" or ALL[number].fingerprint not in trusted
        finally:
            trust_extract.run = real


def test_a_ca_whose_certificates_openssl_refuses_is_a_warning_in_every_run(system):
    unknown = raw_pki.extension("1.2.3.4", b"", b"\1\1\xff")
    raw = raw_pki.root((raw_pki.COMMON_NAME, raw_pki.UTF8, b"Odd CA"), more=[unknown])
    for check in (True, False, False):
        outcome = converge(system, want(raw), check=check)
        (warning,) = trust_result.report(system.store, outcome, check)["warnings"]
        assert warning.startswith("CN=Odd CA: OpenSSL refuses every certificate that it issues, because it does not")
        assert "1.2.3.4" in warning
    assert not outcome.plan.steps


def test_a_roots_own_weak_signature_is_noted(system):
    algorithm = raw_pki.tlv(48, raw_pki.oid("1.2.840.10045.4.1"))
    sha1 = raw_pki.root((raw_pki.COMMON_NAME, raw_pki.UTF8, b"Old CA"), algorithm=algorithm)
    (anchor,) = trust_result.report(system.store, converge(system, want(sha1)), False)["anchors"]
    assert anchor["notes"] == ["its own signature is made with SHA-1, which nobody checks; what it signs with SHA-1, "
                               "TLS clients refuse"]
