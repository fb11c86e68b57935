# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the system's extract runs, how often, and what is done around it."""
import os

import pytest
from converging import MOZILLA, A, B, actions, converge, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extract as trust_extract
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores


@pytest.mark.parametrize("extract, expected", [("always", ["extract"]), ("auto", []), ("never", [])])
def test_extract(system, extract, expected):
    converge(system, want(A))
    assert actions(converge(system, want(A), extract=extract)) == expected


def test_extract_never_only_writes(system):
    done = converge(system, want(A), extract="never")
    assert actions(done) == ["install"] and not done.extracted
    assert A.fingerprint not in system.trusted() and len(system.anchors()) == 1
    assert actions(converge(system, want(A))) == ["extract"]


def test_other_peoples_extract_at_the_same_time_is_waited_out(system, monkeypatch):
    monkeypatch.setattr(trust_converge, "RETRY_AFTER_SECONDS", (0, 0))
    real, tries = system.run, []

    def busy(command, root):
        tries.append(command)
        return real(command, root) if len(tries) > 2 else (1, "File exists")
    monkeypatch.setattr(trust_extract, "run", busy)
    assert converge(system, want(A)).extracted
    # Debian's makes the links of new files only: what an attempt has missed is made from scratch.
    assert tries == [system.store.extract, system.store.extract_fresh, system.store.extract_fresh]


def test_a_failed_extract_is_retried_even_if_the_bundles_are_right(system, monkeypatch):
    """A step after the bundles may have failed."""
    monkeypatch.setattr(trust_converge, "RETRY_AFTER_SECONDS", (0,))
    codes = [1, 0]

    def run(command, root):
        system.run(command, root)
        return codes.pop(0), "File exists"
    monkeypatch.setattr(trust_extract, "run", run)
    assert converge(system, want(A)).extracted and codes == []


@pytest.mark.parametrize("good", [False, True])
def test_the_preview_is_checked_before_the_live_store_changes(redhat, monkeypatch, good):
    redhat.write("usr/bin/update-ca-trust", b'case "$1" in --output) DEST=$2 ;; esac', 0o755)
    before, commands = redhat.trusted(), []

    def run(command, root):
        commands.append(tuple(command))
        if "--output" not in command:
            return redhat.run(command, root)
        for path in trust_extracted.bundle_paths(redhat.store):
            inside = os.path.join(command[-1], os.path.relpath(path, redhat.store.extracted))
            redhat.write(inside.lstrip("/"), "".join(pair.pem for pair in MOZILLA + [A] * good).encode())
        return 0, ""
    monkeypatch.setattr(trust_extract, "run", run)
    preview = redhat.store.extract + ("--output", "/etc/pki/ca-trust/.host_trust/preview")
    if good:
        assert converge(redhat, want(A)).extracted and commands == [preview, redhat.store.extract]
    else:
        with pytest.raises(trust_converge.TrustError, match="lacks CN=Root A.*Nothing was changed"):
            converge(redhat, want(A))
        assert commands == [preview] and redhat.trusted() == before and not redhat.anchors()
    assert not os.path.lexists(redhat.store.staging[0][1])


@pytest.mark.parametrize("grows", [False, True])
def test_half_an_extracted_file_goes_before_the_next_attempt_unless_it_grows(system, monkeypatch, grows):
    (pattern,) = system.store.temp_patterns
    scrap = pattern.replace("/*/*.", "/pem/tls-ca-bundle.pem.").replace("[A-Za-z0-9]", "x")
    left = []

    def run(command, root):
        left.append(os.path.exists(scrap))
        if len(left) > 1:
            return system.run(command, root)
        system.write(scrap, B.pem.encode())
        return 137, "Killed"
    monkeypatch.setattr(trust_extract, "run", run)
    monkeypatch.setattr(trust_converge, "RETRY_AFTER_SECONDS", (0.1,))
    monkeypatch.setattr(trust_converge.time, "sleep", lambda _seconds: os.utime(scrap, (1, 1)) if grows else None)
    assert converge(system, want(A)).extracted and left == [False, grows]


def test_labels_are_restored_where_selinux_is_on(redhat, monkeypatch):
    calls = []
    redhat.write("usr/bin/restorecon", b"", 0o755)

    def run(command, root):
        calls.append(list(command))
        return redhat.run(command, root)

    def exists(path, real=os.path.exists):
        return path == "/sys/fs/selinux/enforce" or real(path)

    monkeypatch.setattr(trust_extract, "run", run)
    monkeypatch.setattr(os.path, "exists", exists)
    converge(redhat, want(A))
    assert calls[0] == ["/usr/bin/restorecon", "-F", "/etc/pki/ca-trust/source/anchors/" + list(redhat.anchors())[0]]


def test_openssl_has_the_bundle_while_hashed_links_are_made_anew(redhat, monkeypatch):
    """EL 10's extract takes them away first; what a run has left that was killed is not taken for a system's own."""
    link, seen = os.path.join(redhat.path, "etc/pki/tls/cert.pem"), []

    def looking(command, root):
        seen.append(os.path.realpath(link) == redhat.store.bundles[0][1])
        return redhat.run(command, root)
    monkeypatch.setattr(trust_extract, "run", looking)
    converge(redhat, want(A))
    assert seen == [True] and not os.path.lexists(link)
    os.symlink("../ca-trust/extracted/pem/tls-ca-bundle.pem", link)
    assert stores.choose("auto", None, redhat.path) == redhat.store
    redhat.said = (1, "broken")
    with pytest.raises(trust_converge.TrustError):
        converge(redhat, want(B))
    assert not os.path.lexists(link)
    redhat.said = (0, "")
    os.symlink(redhat.store.bundles[0][1], link)  # as on EL 9
    store = stores.choose("auto", None, redhat.path)
    assert store.hashed is None and store.fallback_bundle is None
    trust_converge.converge(store, [want(B)])
    assert os.readlink(link) == redhat.store.bundles[0][1]


def test_a_bundle_that_could_not_be_written_shows_though_the_command_succeeds(redhat, monkeypatch):
    """EL 8's does; later releases make fewer bundles, and leave those that they find."""
    monkeypatch.setattr(trust_converge, "RETRY_AFTER_SECONDS", (0,))
    bundle = redhat.store.untrusted_bundle

    def leaves_it(command, root):
        done = redhat.run(command, root)
        os.utime(bundle, (1, 1))
        return done
    os.utime(bundle, (1, 1))
    monkeypatch.setattr(trust_extract, "run", leaves_it)
    assert converge(redhat, want(A)).extracted
    redhat.write("usr/bin/update-ca-trust", b"trust extract $DEST/openssl/ca-bundle.trust.crt", 0o755)
    with pytest.raises(trust_converge.TrustError, match="%s was not made anew" % bundle):
        converge(redhat, want(B))
    assert A.fingerprint in redhat.trusted() and B.fingerprint not in redhat.trusted()


def test_the_folder_for_other_programs_holds_what_the_bundle_does(redhat, monkeypatch):
    """p11-kit passes over a source that it can't read, be it of distrust; each of its runs reads them anew."""
    monkeypatch.setattr(trust_converge, "RETRY_AFTER_SECONDS", (0,))
    redhat.write("usr/bin/update-ca-trust", b"trust extract $DEST/pem/directory-hash", 0o755)
    os.mkdir(redhat.store.directory_hash)
    said = "%s does not hold the same certificates as %s" % (redhat.store.directory_hash, redhat.store.bundles[0][1])

    def holds(*pairs):
        for name in os.listdir(redhat.store.directory_hash):
            os.unlink(os.path.join(redhat.store.directory_hash, name))
        for number, pair in enumerate(pairs):
            redhat.write(os.path.join(redhat.store.directory_hash, "%08x.0" % number), pair.pem.encode())
    monkeypatch.setattr(trust_extract, "run", redhat.run)
    for wrong in [], [A, B]:
        holds(*wrong)
        with pytest.raises(trust_converge.TrustError, match=said):
            converge(redhat, want(A))
    holds(A)
    assert converge(redhat, want(A)).extracted
