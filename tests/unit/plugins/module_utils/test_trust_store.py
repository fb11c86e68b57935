# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is observed and what is wanted become steps; applying them and looking again leaves nothing to do."""
import os
import sys
import tempfile

import pki
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _journal as journals
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _stores as stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_report as trust_report
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_store as trust_store
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from fake_root import FakeRoot

A, B = pki.root("Root A"), pki.root("Root B")
RENEWED = pki.root("Root A", key=A.key, serial=2)
TWIN = pki.root("Root A")
ISSUING = pki.issue("Issuing", A, ca=True)
CLIENTS = pki.root("Clients only", purposes=["client"])
MOZILLA = [pki.root("Public %d" % number) for number in range(3)]
ALL = [A, B, TWIN, ISSUING, CLIENTS] + MOZILLA[:2]


def want(pair, state="present", name=None):
    return trust_plan.Wanted(state, name, pair.fingerprint, x509.parse(pair.der))


def actions(outcome):
    return [step.action for step in outcome.plan.steps]


@pytest.fixture(params=["redhat", "debian"])
def system(request, tmp_path, monkeypatch):
    return one(request.param, tmp_path, monkeypatch)


def one(kind, tmp_path, monkeypatch):
    fake = FakeRoot(tmp_path / "root", kind, MOZILLA)
    monkeypatch.setattr(trust_store, "run", fake.run)
    monkeypatch.setattr(trust_store, "RETRY_AFTER_SECONDS", ())
    return fake


@pytest.fixture()
def redhat(tmp_path, monkeypatch):
    return one("redhat", tmp_path, monkeypatch)


@pytest.fixture()
def debian(tmp_path, monkeypatch):
    return one("debian", tmp_path, monkeypatch)


def converge(system, *wanted, **options):
    return trust_store.converge(system.store, list(wanted), **options)


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


def test_an_anchor_of_somebody_else_is_found_by_fingerprint(system):
    system.write(os.path.join(system.store.anchors, "whatever.crt"), (B.pem + A.pem).replace("\n", "\r\n").encode())
    system.extract()
    # On Debian, OpenSSL's hashed links pass over a file with two certificates: there it takes one of our own.
    assert actions(converge(system, want(A))) == ([] if system.kind == "redhat" else ["install", "extract"])
    done = converge(system, want(A, "absent"))
    assert actions(done) == ["remove"] * (1 if system.kind == "redhat" else 2) + ["extract"]
    assert A.fingerprint not in system.trusted() and B.fingerprint in system.trusted()
    assert list(system.anchors()) == ["whatever.crt"]


def test_absent_takes_every_file_that_holds_it(system):
    for number, content in enumerate([A.pem.encode(), A.pem.encode() + b"\n# more\n", A.der]):
        system.write(os.path.join(system.store.anchors, "copy%d.crt" % number), content)
    system.extract()
    assert actions(converge(system, want(A, "absent"))) == ["remove"] * 3 + ["extract"]
    assert not system.anchors() and A.fingerprint not in system.trusted()


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
    assert actions(converge(system, want(public))) == ["trust_again", "install", "extract"]
    assert public.fingerprint in system.trusted()


def test_distrust_by_fingerprint_of_what_the_distribution_trusts(system):
    done = converge(system, trust_plan.Wanted("distrusted", None, MOZILLA[1].fingerprint, None))
    assert not done.plan.unsent and MOZILLA[1].fingerprint not in system.trusted()


def test_absent_of_what_the_distribution_trusts_says_so(system):
    done = converge(system, want(MOZILLA[0], "absent"))
    assert actions(done) == []
    result = trust_report.report(system.store, done, False)
    assert "it stays trusted through" in result["warnings"][0] and "state: distrusted" in result["warnings"][0]


def test_what_the_distribution_trusts_too_is_installed_and_said(system):
    done = converge(system, want(MOZILLA[0]))
    assert actions(done) == ["install", "extract"]
    (anchor,) = trust_report.report(system.store, done, False)["anchors"]
    assert "trusted by the distribution, too" in anchor["notes"][0]


def test_an_intermediate_without_its_root_is_warned_of(system):
    result = trust_report.report(system.store, converge(system, want(ISSUING)), False)
    assert "OpenSSL here refuses chains" in result["warnings"][0] and "CN=Root A" in result["warnings"][0]
    result = trust_report.report(system.store, converge(system, want(ISSUING), want(A)), False)
    assert not result["warnings"]


def test_a_ca_for_clients_is_proven_where_it_does_appear(redhat):
    done = converge(redhat, want(CLIENTS))
    result = trust_report.report(redhat.store, done, False)
    assert result["anchors"][0]["found_in"] == [redhat.store.others]
    assert "the TLS bundle leaves it out" in result["anchors"][0]["notes"][0]
    assert actions(converge(redhat, want(CLIENTS))) == []


def test_a_distrusted_key_is_an_error_that_names_both(redhat):
    converge(redhat, want(RENEWED, "distrusted"))
    with pytest.raises(trust_plan.PlanError) as caught:
        converge(redhat, want(A))
    assert RENEWED.fingerprint in str(caught.value) and A.fingerprint in str(caught.value)


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


def test_a_half_finished_run_is_finished(system):
    """The files were copied and nobody extracted: the fault that other tools never notice again."""
    stored = os.path.join(system.store.anchors, stores.file_name("x", A.fingerprint, system.store.suffix))
    system.write(stored, stores.managed_block("x", x509.parse(A.der)))
    done = converge(system, want(A))
    assert actions(done) == ["extract"] and "lacks CN=Root A" in done.plan.steps[0].reason
    assert A.fingerprint in system.trusted()


def test_an_edited_store_is_repaired(system):
    converge(system, want(A))
    with open(system.store.bundles[0][1], "w") as stream:
        stream.write(MOZILLA[0].pem)
    assert actions(converge(system, want(A))) == ["extract"]
    assert A.fingerprint in system.trusted()


def test_removed_by_hand_and_not_extracted(system):
    converge(system, want(A), want(B))
    os.unlink(os.path.join(system.store.anchors, stores.file_name("Root B", B.fingerprint, system.store.suffix)))
    assert actions(converge(system, want(A))) == []
    assert actions(converge(system, want(A), purge="all")) == ["extract"]
    assert B.fingerprint not in system.trusted()
    assert actions(converge(system, want(A), purge="all")) == []


def test_a_source_that_is_not_known_here_is_no_reason_to_extract_for_ever(redhat):
    converge(redhat, want(A), purge="all")
    with open(redhat.store.bundles[0][1], "a") as stream:
        stream.write(B.pem)
    assert actions(converge(redhat, want(A), purge="all")) == []


def test_our_files_get_their_mode_back_and_are_made_again_when_cut(system):
    converge(system, want(A))
    path = os.path.join(system.store.anchors, list(system.anchors())[0])
    os.chmod(path, 0o600)
    done = converge(system, want(A))
    assert actions(done) == ["repair", "extract"] and "0600" in done.plan.steps[0].reason
    assert os.stat(path).st_mode & 0o7777 == 0o644
    with open(path, "rb+") as stream:
        stream.truncate(300)
    assert actions(converge(system, want(A))) == ["install", "extract"]
    assert actions(converge(system, want(A))) == []


@pytest.mark.parametrize("extract, expected", [("always", ["extract"]), ("auto", []), ("never", [])])
def test_extract(system, extract, expected):
    converge(system, want(A))
    assert actions(converge(system, want(A), extract=extract)) == expected


def test_extract_never_only_writes(system):
    done = converge(system, want(A), extract="never")
    assert actions(done) == ["install"] and not done.extracted
    assert A.fingerprint not in system.trusted() and len(system.anchors()) == 1
    assert actions(converge(system, want(A))) == ["extract"]


def snapshot(system):
    found = {}
    for folder, _folders, names in os.walk(system.path):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found[path] = os.readlink(path)
                continue
            with open(path, "rb") as stream:
                found[path] = stream.read()
    return found


@pytest.mark.parametrize("said", [(1, "no space left"), (127, "not found"), (0, "")])
def test_a_failed_extract_is_rolled_back(system, said):
    converge(system, want(A, name="stays"))
    before = snapshot(system)
    if said[0] == 0:
        system.extract = lambda: None
    else:
        system.said = said
    with pytest.raises(trust_store.TrustError) as caught:
        converge(system, want(B), want(A, "absent"))
    assert snapshot(system) == before
    assert (said[1] or "lacks CN=Root B") in str(caught.value)
    assert "as they were before" in str(caught.value) or "as it was before" in str(caught.value)


def test_an_extract_that_spoils_the_store_is_undone(redhat):
    converge(redhat, want(A))
    before = redhat.trusted()

    def spoil():
        for _purpose, path in redhat.store.bundles:
            open(path, "w").close()
    redhat.extract = spoil
    with pytest.raises(trust_store.TrustError, match="by copies of the former bundles"):
        converge(redhat, want(B))
    assert redhat.trusted() == before


def test_a_command_that_has_gone_since_is_an_extract_that_fails(redhat, monkeypatch):
    os.unlink(os.path.join(redhat.path, "usr/bin/update-ca-trust"))
    monkeypatch.setattr(trust_store, "run", lambda *_arguments: (127, "update-ca-trust can't be run"))
    with pytest.raises(trust_store.TrustError, match="failed with exit code 127"):
        converge(redhat, want(A))
    assert not redhat.anchors()


def test_other_peoples_extract_at_the_same_time_is_waited_out(system, monkeypatch):
    monkeypatch.setattr(trust_store, "RETRY_AFTER_SECONDS", (0, 0))
    real, tries = system.run, []

    def busy(command, root):
        tries.append(command)
        return real(command, root) if len(tries) > 2 else (1, "File exists")
    monkeypatch.setattr(trust_store, "run", busy)
    assert converge(system, want(A)).extracted
    # Debian's makes the links of new files only: what an attempt has missed is made from scratch.
    assert tries == [system.store.extract, system.store.again, system.store.again]


def test_interrupted_runs_are_undone_and_done_again(system):
    converge(system, want(A))
    outcome = trust_store._look(system.store, [want(B), want(A, "absent")], "none", "auto")
    journals.Journal(system.store.staging).change(outcome.plan.changes, ())
    # Killed here. What is said in check mode is what the next run does, whatever is asked of it.
    foreseen = converge(system, want(A), check=True)
    done = converge(system, want(A))
    assert actions(foreseen) == actions(done) == ["recover", "extract"]
    assert A.fingerprint in system.trusted() and len(system.anchors()) == 1
    assert actions(converge(system, want(A))) == []


def test_only_fingerprints_are_needed_of_what_is_there(system):
    converge(system, want(A))
    known = trust_plan.Wanted("present", None, A.fingerprint, None)
    done = converge(system, known)
    assert actions(done) == [] and not done.plan.unsent
    assert trust_report.report(system.store, done, False)["anchors"][0]["subject"] == "CN=Root A"
    missing = converge(system, known, trust_plan.Wanted("present", None, B.fingerprint, None))
    assert missing.plan.unsent == [B.fingerprint] and len(system.anchors()) == 1


def test_labels_are_restored_where_selinux_is_on(redhat, monkeypatch):
    calls = []
    redhat.write("usr/bin/restorecon", b"", 0o755)

    def run(command, root):
        calls.append(list(command))
        return redhat.run(command, root)

    def exists(path, real=os.path.exists):
        return path == "/sys/fs/selinux/enforce" or real(path)

    monkeypatch.setattr(trust_store, "run", run)
    monkeypatch.setattr(os.path, "exists", exists)
    converge(redhat, want(A))
    assert calls[0] == ["/usr/bin/restorecon", "-F", "/etc/pki/ca-trust/source/anchors/" + list(redhat.anchors())[0]]


def put(system, name, content, folder=None, mode=0o644):
    system.write(os.path.join(folder or system.store.anchors, name), content.encode() if hasattr(content, "encode") else
                 content, mode)


def test_what_openssl_finds_by_hash_counts_too(system):
    """Hashed links that are gone or were never made, while the bundle is in order."""
    converge(system, want(A))
    for name in os.listdir(system.store.hashed):
        if name.endswith(".0"):
            os.unlink(os.path.join(system.store.hashed, name))
    done = converge(system, want(A))
    assert actions(done) == ["extract"] and "%s lacks CN=Root A" % system.store.hashed in done.plan.steps[0].reason
    assert actions(converge(system, want(A))) == []


def test_openssl_has_the_bundle_while_hashed_links_are_made_anew(redhat, monkeypatch):
    """EL 10's extract takes them away first; what a run has left that was killed is not taken for a system's own."""
    link, seen = os.path.join(redhat.path, "etc/pki/tls/cert.pem"), []

    def looking(command, root):
        seen.append(os.path.realpath(link) == redhat.store.bundles[0][1])
        return redhat.run(command, root)
    monkeypatch.setattr(trust_store, "run", looking)
    converge(redhat, want(A))
    assert seen == [True] and not os.path.lexists(link)
    os.symlink("../ca-trust/extracted/pem/tls-ca-bundle.pem", link)
    assert stores.choose("auto", None, redhat.path) == redhat.store
    redhat.said = (1, "broken")
    with pytest.raises(trust_store.TrustError):
        converge(redhat, want(B))
    assert not os.path.lexists(link)
    redhat.said = (0, "")
    os.symlink(redhat.store.bundles[0][1], link)  # as on EL 9
    store = stores.choose("auto", None, redhat.path)
    assert store.hashed is None and store.instead is None
    trust_store.converge(store, [want(B)])
    assert os.readlink(link) == redhat.store.bundles[0][1]


def test_hashed_links_come_back_when_the_extract_loses_them(debian):
    """On EL 10 they do, too: see the integration tests, for here that family's hashed files are no links."""
    system = debian
    converge(system, want(A))
    links = {name: os.readlink(os.path.join(system.store.hashed, name)) for name in os.listdir(system.store.hashed)
             if os.path.islink(os.path.join(system.store.hashed, name))}

    def lose():
        for name in links:
            if os.path.lexists(os.path.join(system.store.hashed, name)):
                os.unlink(os.path.join(system.store.hashed, name))
    system.extract = lose
    with pytest.raises(trust_store.TrustError, match="by copies of the former"):
        converge(system, want(B))
    assert all(os.readlink(os.path.join(system.store.hashed, name)) == target for name, target in links.items())


def test_a_block_that_is_cut_off_hides_no_others(redhat):
    put(redhat, "mixed.pem", A.pem[:300] + "\n" + TWIN.pem + B.pem)
    redhat.extract()
    assert B.fingerprint in redhat.trusted()
    assert actions(converge(redhat, want(B, "absent"))) == ["remove", "extract"]
    assert B.fingerprint not in redhat.trusted()


def test_links_in_a_circle_hide_nothing(system):
    os.symlink("loop.crt", os.path.join(system.store.anchors, "loop.crt"))
    os.symlink(".", os.path.join(system.store.anchors, "again"))
    os.symlink("..", os.path.join(system.store.anchors, "up"))
    put(system, "z.crt", A.pem)
    system.extract()
    assert actions(converge(system, want(A))) == []
    assert actions(converge(system, want(A, "absent"))) == ["remove", "extract"]


def test_files_of_the_machine_are_out_of_an_images_reach(system, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "host.crt").write_text(A.pem)
    os.symlink(str(tmp_path / "outside"), os.path.join(system.store.anchors, "sub"))
    os.symlink(str(tmp_path / "outside" / "host.crt"), os.path.join(system.store.anchors, "link.crt"))
    converge(system, want(B), purge="all")
    assert (tmp_path / "outside" / "host.crt").read_text() == A.pem


def test_der_on_debian_is_half_trusted_and_gets_a_file_of_its_own(debian):
    fake = debian
    put(fake, "der.crt", A.der)
    fake.extract()
    assert A.fingerprint not in fake.trusted()
    assert actions(converge(fake, want(A))) == ["install", "extract"]
    assert actions(converge(fake, want(A))) == []


def test_distrust_in_the_folder_that_nobody_reads_is_none(redhat):
    """After an upgrade from EL 8: blacklist is still there and not read any more."""
    dead = redhat.path + "/etc/pki/ca-trust/source/blacklist"
    os.mkdir(dead)
    os.makedirs(redhat.path + "/usr/lib64/pkcs11")
    redhat.write("usr/lib64/pkcs11/p11-kit-trust.so", b"...blocklist...")
    put(redhat, "old.pem", MOZILLA[0].pem, dead)
    redhat.store = stores.choose("auto", None, redhat.path)
    done = converge(redhat, want(MOZILLA[0], "distrusted"))
    assert actions(done) == ["distrust", "extract"] and MOZILLA[0].fingerprint not in redhat.trusted()
    assert actions(converge(redhat, want(MOZILLA[0]))) == ["trust_again", "trust_again", "install", "extract"]
    os.rmdir(dead)
    redhat.write("usr/lib64/pkcs11/p11-kit-trust.so", b"...blacklist...")
    os.rmdir(redhat.path + "/etc/pki/ca-trust/source/blocklist")
    assert stores.choose("auto", None, redhat.path).distrusted[0].endswith("/blacklist")


def test_one_key_in_one_list(redhat):
    with pytest.raises(trust_plan.PlanError, match="this list distrusts its public key"):
        converge(redhat, want(A), want(RENEWED, "distrusted"), check=True)
    converge(redhat, want(RENEWED, "distrusted"))
    assert actions(converge(redhat, want(A), want(RENEWED))) == ["install", "trust_again", "install", "extract"]


def test_the_first_extract_of_an_image_fails(system):
    """Nothing was extracted before: the bundles that a failed run has made go again."""
    for path in trust_state.bundle_paths(system.store):
        os.unlink(path)
    real = system.extract

    def half():
        real()
        with open(system.store.bundles[0][1], "w") as stream:
            stream.write(B.pem)
    system.extract = half
    with pytest.raises(trust_store.TrustError):
        converge(system, want(A))
    assert not system.anchors()
    assert B.fingerprint not in system.trusted()


def test_an_interrupted_run_whose_successor_fails_is_not_forgotten(system):
    outcome = trust_store._look(system.store, [want(A)], "none", "auto")
    journals.Journal(system.store.staging).change(outcome.plan.changes, ())
    system.extract()  # and killed here
    leaf = pki.issue("leaf", dns=["leaf"])
    if system.kind == "redhat":
        with pytest.raises(trust_store.TrustError):
            converge(system, want(leaf))
    else:
        system.said = (1, "disk full")
        with pytest.raises(trust_store.TrustError):
            converge(system, want(B))
        system.said = (0, "")
        converge(system, want(B))
    assert A.fingerprint not in system.trusted()


def test_killed_in_the_middle_of_the_recovery(system, monkeypatch):
    outcome = trust_store._look(system.store, [want(A)], "none", "auto")
    journals.Journal(system.store.staging).change(outcome.plan.changes, ())
    system.extract()

    class Killed(BaseException):
        pass

    def killed(command, root):
        raise Killed()
    with monkeypatch.context() as patched:
        patched.setattr(trust_store, "run", killed)
        with pytest.raises(Killed):
            converge(system, want(B))
    assert actions(converge(system, want(B), check=True))[0] == "recover"
    converge(system, want(B))
    assert A.fingerprint not in system.trusted() and B.fingerprint in system.trusted()


def test_what_a_killed_run_left_is_cleaned_though_nothing_changes(system):
    """Killed after its last change, when only its folders were still there: no step, and yet they go."""
    converge(system, want(A))
    for _folder, stage in system.store.staging:
        os.mkdir(stage, 0o700)
        system.write(os.path.join(stage, "0.undo"), b"former")
    assert actions(converge(system, want(A), check=True)) == []
    assert os.path.exists(system.store.staging[0][1])
    assert actions(converge(system, want(A))) == []
    assert not any(os.path.lexists(stage) for _folder, stage in system.store.staging)


def test_half_an_extracted_file_goes_in_the_recovery(system):
    """Also where nothing but the extract was going on: the next one of Debian's would append to it."""
    converge(system, want(A))
    (pattern,) = system.store.scraps
    scrap = pattern.replace("/*/*.", "/pem/tls-ca-bundle.pem.").replace("[A-Za-z0-9]", "x")
    system.write(scrap, B.pem.encode())
    journals.Journal(system.store.staging).change({}, ())
    assert actions(converge(system, want(A), check=True)) == ["recover", "extract"]
    assert actions(converge(system, want(A))) == ["recover", "extract"]
    assert not os.path.exists(scrap) and actions(converge(system, want(A))) == []


@pytest.mark.parametrize("grows", [False, True])
def test_half_an_extracted_file_goes_before_the_next_attempt_unless_it_grows(system, monkeypatch, grows):
    (pattern,) = system.store.scraps
    scrap = pattern.replace("/*/*.", "/pem/tls-ca-bundle.pem.").replace("[A-Za-z0-9]", "x")
    left = []

    def run(command, root):
        left.append(os.path.exists(scrap))
        if len(left) > 1:
            return system.run(command, root)
        system.write(scrap, B.pem.encode())
        return 137, "Killed"
    monkeypatch.setattr(trust_store, "run", run)
    monkeypatch.setattr(trust_store, "RETRY_AFTER_SECONDS", (0.1,))
    monkeypatch.setattr(trust_store.time, "sleep", lambda _seconds: os.utime(scrap, (1, 1)) if grows else None)
    assert converge(system, want(A)).extracted and left == [False, grows]


@pytest.mark.parametrize("attempts", [1, 9])
def test_an_extract_that_drops_something_else_is_no_success(system, monkeypatch, attempts):
    """As Debian's does, with exit code 0, when it can't read the list of the distribution's certificates."""
    bundle, tries, before = system.store.bundles[0][1], [], snapshot(system)

    def run(command, root):
        tries.append(command)
        code, said = system.run(command, root)
        if len(tries) <= attempts:
            with open(bundle, "rb") as stream:
                content = stream.read()
            system.write(bundle, content.replace(MOZILLA[0].pem.encode(), b""))
        return code, said
    monkeypatch.setattr(trust_store, "run", run)
    monkeypatch.setattr(trust_store, "RETRY_AFTER_SECONDS", (0,))
    if attempts == 1:
        assert converge(system, want(A)).extracted and MOZILLA[0].fingerprint in system.trusted()
        return
    with pytest.raises(trust_store.TrustError, match="lacks CN=Public 0, which it held before and which .* still"):
        converge(system, want(A))
    assert snapshot(system) == before


def test_what_goes_with_a_distrusted_key_is_not_lost(redhat):
    converge(redhat, want(A), want(RENEWED))
    converge(redhat, want(RENEWED, "distrusted"))
    assert not {A.fingerprint, RENEWED.fingerprint} & redhat.trusted()


def test_a_private_key_beside_a_certificate_is_neither_lost_nor_exposed(redhat):
    put(redhat, "both.pem", A.pem + A.key_pem(), mode=0o600)
    redhat.extract()
    converge(redhat, want(A, "absent"))
    path = os.path.join(redhat.store.anchors, "both.pem")
    assert redhat.anchors()["both.pem"] == A.key_pem().encode()
    assert os.stat(path).st_mode & 0o7777 == 0o600


def test_what_p11_kit_says_of_its_own_objects(redhat):
    objects = "".join("[p11-kit-object-v1]\nlabel: x\n%s: true\n%s\n" % (word, pair.pem)
                      for word, pair in (("trusted", A), ("x-distrusted", B)))
    put(redhat, "bundle.p11-kit", objects, redhat.path + "/usr/share/pki/ca-trust-source")
    put(redhat, "own.p11-kit", objects.replace(A.pem, TWIN.pem), os.path.dirname(redhat.store.anchors))
    put(redhat, "plain.pem", ISSUING.pem, os.path.dirname(redhat.store.anchors))
    found = trust_state.observe(redhat.store).distribution
    assert A.fingerprint in found and TWIN.fingerprint in found
    assert B.fingerprint not in found and ISSUING.fingerprint not in found
    result = trust_report.report(redhat.store, converge(redhat, want(TWIN, "absent")), False)
    assert "source/own.p11-kit" in result["warnings"][0]


def test_a_removed_ca_for_clients_is_looked_for_where_it_was(redhat):
    converge(redhat, want(CLIENTS))
    os.unlink(os.path.join(redhat.store.anchors, list(redhat.anchors())[0]))
    assert actions(converge(redhat, want(CLIENTS, "absent"))) == ["extract"]
    assert actions(converge(redhat, want(CLIENTS, "absent"))) == []


def test_check_mode_warns_of_what_the_run_would(system):
    for wanted in ([want(ISSUING)], [want(ISSUING), want(A)]):
        foreseen = trust_report.report(system.store, converge(system, *wanted, check=True), True)
        done = trust_report.report(system.store, converge(system, *wanted), False)
        assert foreseen["warnings"] == done["warnings"]
        converge(system, purge="all")


def test_a_path_with_a_slip_in_it_is_no_bundle(tmp_path):
    (tmp_path / "ca.pem").write_text("127.0.0.1 localhost\n")
    with pytest.raises(trust_plan.PlanError, match="is it the right file"):
        trust_store.converge(bundle_store(tmp_path), [want(A)])


def bundle_store(folder):
    return stores.choose("bundle", os.path.join(str(folder), "ca.pem"), "/")


def test_a_bundle_keeps_its_other_certificates_owner_and_mode(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("my own comment\n" + B.pem.rstrip("\n"))
    path.chmod(0o640)
    store = bundle_store(tmp_path)
    done = trust_store.converge(store, [want(A)])
    assert actions(done) == ["install"]
    assert path.read_text().startswith("my own comment\n") and path.stat().st_mode & 0o7777 == 0o640
    assert actions(trust_store.converge(store, [want(A)])) == []
    assert actions(trust_store.converge(store, [want(A)], purge="managed")) == []
    assert actions(trust_store.converge(store, [want(A)], purge="all")) == ["remove"]
    assert actions(trust_store.converge(store, [], purge="all")) == ["remove"]
    assert os.listdir(str(tmp_path)) == ["ca.pem"]


def test_a_bundle_distrusts_nothing(tmp_path):
    with pytest.raises(trust_plan.PlanError, match="use state: absent"):
        trust_store.converge(bundle_store(tmp_path), [want(A, "distrusted")])


def test_a_bundle_needs_its_folder(tmp_path):
    with pytest.raises(files.FilesError, match="create its folder first"):
        trust_store.converge(bundle_store(tmp_path / "none"), [want(A)])


wishes = st.dictionaries(st.sampled_from(range(len(ALL))), st.sampled_from(["present", "absent", "distrusted"]))


@settings(max_examples=60, deadline=None, suppress_health_check=HealthCheck.all())
@given(st.sampled_from(["redhat", "debian"]),
       st.lists(st.tuples(wishes, st.sampled_from(["none", "managed", "all"])), min_size=1, max_size=3),
       st.sets(st.sampled_from(range(len(ALL)))))
def test_applying_a_plan_and_looking_again_leaves_nothing(kind, rounds, by_hand):
    with tempfile.TemporaryDirectory() as folder:
        fake = FakeRoot(os.path.join(folder, "root"), kind, MOZILLA)
        real = trust_store.run
        trust_store.run = fake.run
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
            trust_store.run = real


@settings(max_examples=60, deadline=None, suppress_health_check=HealthCheck.all())
@given(st.lists(st.tuples(st.dictionaries(st.sampled_from(range(len(ALL))), st.sampled_from(["present", "absent"])),
                          st.sampled_from(["none", "managed", "all"])), min_size=1, max_size=4), st.booleans())
def test_a_bundle_converges_too(rounds, begun):
    with tempfile.TemporaryDirectory() as folder:
        store = bundle_store(folder)
        if begun:
            with open(os.path.join(folder, "ca.pem"), "w") as stream:
                stream.write("text\n" + B.pem + "more text")
        for states, purge in rounds:
            wanted = [want(ALL[number], state) for number, state in sorted(states.items())]
            trust_store.converge(store, wanted, purge=purge)
            assert actions(trust_store.converge(store, wanted, purge=purge)) == []
            held = trust_state.bundle(store.bundles[0][1])[0]
            for number, state in states.items():
                assert (ALL[number].fingerprint in held) == (state == "present")
            if purge == "all":
                assert len(held) == sum(state == "present" for state in states.values())
