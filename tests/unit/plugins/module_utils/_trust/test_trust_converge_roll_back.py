# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an extract fails, or its outcome is not what was wanted, the former store is there again."""
import os

import pytest
from converging import MOZILLA, A, B, converge, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extract as trust_extract
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted


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
    with pytest.raises(trust_converge.TrustError) as caught:
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
    with pytest.raises(trust_converge.TrustError, match="by copies of the former bundles"):
        converge(redhat, want(B))
    assert redhat.trusted() == before


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
    monkeypatch.setattr(trust_extract, "run", run)
    monkeypatch.setattr(trust_converge, "RETRY_AFTER_SECONDS", (0,))
    if attempts == 1:
        assert converge(system, want(A)).extracted and MOZILLA[0].fingerprint in system.trusted()
        return
    with pytest.raises(trust_converge.TrustError, match="lacks CN=Public 0, which it held before and which .* still"):
        converge(system, want(A))
    assert snapshot(system) == before


def test_a_command_that_has_gone_since_is_an_extract_that_fails(redhat, monkeypatch):
    os.unlink(os.path.join(redhat.path, "usr/bin/update-ca-trust"))
    monkeypatch.setattr(trust_extract, "run", lambda *_arguments: (127, "update-ca-trust can't be run"))
    with pytest.raises(trust_converge.TrustError, match="failed with exit code 127"):
        converge(redhat, want(A))
    assert not redhat.anchors()


def test_the_first_extract_of_an_image_fails(system):
    """Nothing was extracted before: the bundles that a failed run has made go again."""
    for path in trust_extracted.bundle_paths(system.store):
        os.unlink(path)
    real = system.extract

    def half():
        real()
        with open(system.store.bundles[0][1], "w") as stream:
            stream.write(B.pem)
    system.extract = half
    with pytest.raises(trust_converge.TrustError):
        converge(system, want(A))
    assert not system.anchors()
    assert B.fingerprint not in system.trusted()


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
    with pytest.raises(trust_converge.TrustError, match="by copies of the former"):
        converge(system, want(B))
    assert all(os.readlink(os.path.join(system.store.hashed, name)) == target for name, target in links.items())
