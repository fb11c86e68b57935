# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is at a path may be anything: each way in which a path is read refuses it soon, with a sentence.

A FIFO that nobody writes to would be waited at for ever, a device and a huge file would be read for ever.
"""
import os

import fake_root
import pki
import pytest
from hostile_paths import KINDS, as_nobody, make, soon

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    certificates,
    issuing_ca,
    keys,
    signed_cert,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls_clients import client_info
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import firefox, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

WEB = pki.server("web1.example.com")


@pytest.fixture(params=sorted(KINDS))
def hostile(request, tmp_path, monkeypatch):
    """(what is there, its path)."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    os.chmod(str(tmp_path), 0o755)
    make(request.param, "a")  # a name without a slash would be one in the folder of certificates
    with as_nobody(request.param == "closed"):
        yield request.param, "./a"


def said(error, function, *arguments, **options):
    with soon(), pytest.raises(error) as raised:
        function(*arguments, **options)
    return str(raised.value)


def verified(**item):
    with soon():
        return verification.verify([item])["msg"]


CA = {"ca_content": None, "ca_privatekey_path": None, "ca_privatekey_content": None, "ca_privatekey_passphrase": None}
WAYS = {
    "read_file": lambda path: said(pem.CertificateFileError, pem.read_file, path),
    "certificate": lambda path: verified(path=path),
    "chain": lambda path: verified(content=WEB.pem, chain=[path]),
    "private key": lambda path: verified(content=WEB.pem, privatekey_path=path),
    "crls": lambda path: said(Failure, verification.verify, [{"content": WEB.pem}], crls=[{"path": path}]),
    "key": lambda path: said(keys.KeyFileError, keys.load, path),
    "request": lambda path: said(Failure, signed_cert._request, {"csr_path": path, "csr_content": None}),
    "ca": lambda path: said(Failure, issuing_ca.read, dict(CA, ca_path=path), 0),
    "present": lambda path: certificates.present(path)[1],
    "client trust": lambda path: said(Failure, client_info._check, {
        "endpoints": None, "timeout": 1, "trust": path}),
    "policies": lambda path: said(firefox.PolicyError, firefox._read, path),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_what_is_no_file_of_certificates(hostile, way):
    kind, path = hostile
    sentence = WAYS[way](path)
    assert KINDS[kind] in sentence and sentence.isprintable()
    assert way == "read_file" or path in sentence or way == "present"


def test_trust_that_is_none(hostile):
    """A folder can be trust, with hashed names in it."""
    kind, path = hostile
    sentence = said(Failure, verification.verify, [{"content": WEB.pem}], trust=path)
    assert ("under hashed names" if kind == "folder" else KINDS[kind]) in sentence


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_beside_the_anchors_of_a_store(tmp_path, kind, monkeypatch):
    """What a store's tools pass over counts as nothing; what they would wait at, or read for long, is named."""
    root = fake_root.FakeRoot(tmp_path / "root", "redhat", [pki.root()])
    monkeypatch.chdir(root.store.anchors)
    make(kind, "a")
    refused = {"huge": "/a is larger than", "fifo": "/a is a pipe or a device"}  # links lead nowhere outside of a root
    if kind in refused:
        assert refused[kind] in said(files.FilesError, trust_state.observe, root.store)
        return
    with soon():
        assert trust_state.observe(root.store).anchors == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_in_the_place_of_an_extracted_bundle(tmp_path, kind, monkeypatch):
    root = fake_root.FakeRoot(tmp_path / "root", "redhat", [pki.root()])
    extracted = root.store.bundles[0][1]
    os.unlink(extracted)
    monkeypatch.chdir(os.path.dirname(extracted))
    make(kind, os.path.basename(extracted))
    if kind == "huge":
        assert "larger than" in said(files.FilesError, trust_state.observe, root.store)
        return
    with soon():
        assert trust_state.observe(root.store).extracted[extracted][0] == frozenset()


def test_a_path_with_a_null_byte_leads_nowhere():
    assert "NUL byte" in said(files.FilesError, stores.choose, "bundle", "/etc/a\0b", "/")
    assert "NUL byte" in said(files.FilesError, files.own_place, "a\0b")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"closed", "dangling"}))
def test_in_the_place_of_an_applications_bundle(tmp_path, kind, monkeypatch):
    """What is there is not replaced, above all not /dev/zero through a link."""
    monkeypatch.chdir(tmp_path)
    path = str(tmp_path / make(kind, "a"))

    def observe():
        trust_state.observe(stores.choose("bundle", path, "/"))

    sentence = said((stores.StoreError, files.FilesError), observe)
    said_of = {"huge": "larger than", "loop": "too many links"}
    assert path in sentence and said_of.get(kind, "not a regular file") in sentence


def test_an_unreadable_store_is_an_error(tmp_path):
    """Treated as empty, it would seem to lack every anchor."""
    root = fake_root.FakeRoot(tmp_path / "root", "redhat", [pki.root()])
    for path in (root.store.bundles[0][1], root.store.anchors):
        os.chmod(path, 0)
        with as_nobody():
            assert "Permission denied; run the task as root" in said(files.FilesError, trust_state.observe, root.store)
        os.chmod(path, 0o755)
