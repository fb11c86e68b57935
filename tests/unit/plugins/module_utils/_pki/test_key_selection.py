# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which key it is: the one that is there, a new one in its place, or a new one beside it."""
import os

import pytest
from certificate_options import SECRET, Bench

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import key_selection, keys

ED = keys.generate("Ed25519")


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def put(bench, name="web.key", key=ED, passphrase=None, mode=0o600):
    path = bench.write(name, keys.dump(key, passphrase))
    os.chmod(path, mode)
    return path


def test_a_key_is_made_where_there_is_none(bench):
    choice = key_selection.choose(bench.path("web.key"), SECRET, "EC P-384", "never")
    assert choice.reasons == ["there is no private key yet"] and choice.warnings == []
    assert choice.path == bench.path("web.key") and not bench.look()
    made = keys.read(choice.content, SECRET, "it")
    assert keys.fingerprint(made.public_key()) == keys.fingerprint(choice.key.public_key())
    assert keys.key_type(made.public_key()) == "EC P-384"


@pytest.mark.parametrize("regenerate, key_type, reasons, warned", [
    ("never", "Ed25519", [], False),
    ("never", "EC P-256", [], True),
    ("mismatch", "Ed25519", [], False),
    ("mismatch", "EC P-256", ["key_type: EC P-256 instead of Ed25519"], False),
    ("always", "Ed25519", ["a new private key with each certificate (regenerate_key: always)"], False),
    ("always", "EC P-256", ["a new private key with each certificate (regenerate_key: always)"], False),
])
def test_a_key_that_is_there(bench, regenerate, key_type, reasons, warned):
    path = put(bench)
    choice = key_selection.choose(path, None, key_type, regenerate)
    assert (choice.reasons, choice.path) == (reasons, path)
    assert (choice.content is None) is not bool(reasons)
    same = keys.fingerprint(choice.key.public_key()) == keys.fingerprint(ED.public_key())
    assert same is not bool(reasons)
    assert choice.warnings == (["the private key %s is Ed25519, and key_type asks for EC P-256: "
                                "regenerate_key=mismatch replaces it" % path] if warned else [])


def test_a_key_that_everybody_can_read_is_warned_of(bench):
    path = put(bench, mode=0o644)
    choice = key_selection.choose(path, None, "Ed25519", "never")
    assert choice.warnings == ["the private key %s is readable by every user of the host" % path]


class InUse:
    """A certificate that is there."""

    def __init__(self, key):
        self.facts = {"public_key": keys.fingerprint(key.public_key())}


@pytest.mark.parametrize("regenerate, due, certified, where", [
    ("never", True, "own", None),
    ("mismatch", False, "own", ".next"),
    ("mismatch", True, "own", ".next"),
    ("mismatch", False, "other", ".next"),
    ("mismatch", True, "none", ".next"),
    ("always", False, "own", ".next"),   # for the mismatch alone
    ("always", True, "own", ".next"),
    ("always", False, "none", ".next"),
])
def test_the_key_that_a_certificate_is_in_use_with_stays(bench, regenerate, due, certified, where):
    path = put(bench)
    certificate = {"own": InUse(ED), "other": InUse(keys.generate("Ed25519")), "none": None}[certified]
    choice = key_selection.choose_beside(path, None, "EC P-256", regenerate, certificate, due)
    assert choice.path == path + (where or "")
    assert (choice.content is None) is (where is None)


@pytest.mark.parametrize("due, certified, replaced", [
    (True, "own", True), (False, "own", False), (True, "none", False), (True, "other", False)])
def test_always_is_a_new_key_with_each_certificate_and_not_with_each_run(bench, due, certified, replaced):
    path = put(bench)
    certificate = {"own": InUse(ED), "other": InUse(keys.generate("Ed25519")), "none": None}[certified]
    choice = key_selection.choose_beside(path, None, "Ed25519", "always", certificate, due)
    assert choice.path == (path + ".next" if replaced else path)
    assert bool(choice.reasons) is replaced


def test_a_successor_that_waits_is_the_one(bench):
    path = put(bench)
    successor = keys.generate("EC P-256")
    put(bench, "web.key.next", successor)
    for regenerate, due in [("never", False), ("mismatch", True), ("always", True)]:
        choice = key_selection.choose_beside(path, None, "EC P-256", regenerate, InUse(ED), due)
        assert (choice.path, choice.content, choice.reasons) == (path + ".next", None, [])
        assert keys.fingerprint(choice.key.public_key()) == keys.fingerprint(successor.public_key())


@pytest.mark.parametrize("regenerate, name, new", [("never", ".next", False), ("mismatch", "", False),
                                                   ("always", ".next", True)])
def test_only_mismatch_abandons_a_successor(bench, regenerate, name, new):
    """With never, the CA may already have the request for the successor."""
    path = put(bench)
    put(bench, "web.key.next", keys.generate("EC P-256"))
    choice = key_selection.choose_beside(path, None, "Ed25519", regenerate, InUse(ED), True)
    assert (choice.path, bool(choice.content)) == (path + name, new)


def test_a_successor_of_a_type_that_is_wanted_no_more_is_replaced(bench):
    path = put(bench)
    put(bench, "web.key.next", keys.generate("EC P-256"))
    for regenerate in ("mismatch", "always"):
        choice = key_selection.choose_beside(path, None, "EC P-384", regenerate, InUse(ED), True)
        assert (choice.path, choice.reasons) == (path + ".next", ["key_type: EC P-384 instead of EC P-256"])
        assert keys.key_type(choice.key.public_key()) == "EC P-384" and choice.content
    assert key_selection.choose_beside(path, None, "EC P-384", "never", InUse(ED), True).content is None


def test_a_successor_that_can_not_be_read_is_an_error(bench):
    path = put(bench)
    put(bench, "web.key.next", keys.generate("EC P-256"), SECRET)
    with pytest.raises(keys.KeyFileError, match=r"web\.key\.next is encrypted and no privatekey_passphrase is given"):
        key_selection.choose_beside(path, None, "EC P-256", "mismatch", InUse(ED), True)


def test_beside_there_may_be_no_key_at_all(bench):
    choice = key_selection.choose_beside(bench.path("web.key"), None, "Ed25519", "never", InUse(ED), True)
    assert (choice.path, choice.reasons) == (bench.path("web.key"), ["there is no private key yet"])


def test_a_successor_waits_on_where_the_key_in_use_is_gone(bench):
    """The request that was sent to the CA is for it."""
    successor = keys.generate("EC P-256")
    put(bench, "web.key.next", successor)
    for regenerate in key_selection.REGENERATE:
        choice = key_selection.choose_beside(bench.path("web.key"), None, "EC P-256", regenerate, InUse(ED), True)
        assert (choice.path, choice.content, choice.reasons) == (bench.path("web.key.next"), None, [])
