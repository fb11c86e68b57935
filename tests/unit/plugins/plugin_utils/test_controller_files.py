# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, folders and patterns on the controller, as a CA's answers lie there."""

from __future__ import annotations

import base64
import os
import subprocess

import hostile_paths
import pki
import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _controller_files

ROOT = pki.root("Corp Root CA")
ISSUING = pki.root("Corp Issuing CA", issuer=ROOT)
WEB = pki.server("web1.example.com", ISSUING)
REQUEST = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"


@pytest.fixture()
def folder(tmp_path):
    """A play's folder, with a folder ``files`` where the CA's answers lie."""
    answers = tmp_path / "files" / "web1"
    answers.mkdir(parents=True)
    (answers / "a-root.pem").write_text(ROOT.pem)
    (answers / "issuing.cer").write_bytes(ISSUING.der)
    (answers / "web1.crt").write_text(WEB.pem)
    (answers / "web1.csr").write_text(REQUEST)
    (answers / "README.txt").write_text("Dear customer, here is your certificate.")
    (answers / ".hidden").write_text("-----BEGIN CERTIFICATE-----")
    (answers / "old").mkdir()
    return tmp_path


def read(folder, *sources):
    loader = DataLoader()
    finder = _controller_files.Finder(
        lambda src: loader.path_dwim_relative_stack([str(folder)], "files", src),
        [os.path.join(folder, "files"), str(folder)])
    found = _controller_files.certificates(
        list(sources), finder, lambda path: _controller_files.read(loader, path))
    return list(found.values())


def why(folder, *sources):
    with pytest.raises(ValueError) as error:
        read(folder, *sources)
    return str(error.value)


EVERYTHING = [("web1/a-root.pem", ROOT.pem), ("web1/issuing.cer", ISSUING.pem), ("web1/web1.crt", WEB.pem)]


@pytest.mark.parametrize("src", ["web1", "web1/", "web*", "web1/*", "web1/[!.]*", "{}/files/web1", "{}/files/w?b1/*"])
def test_folders_and_patterns(folder, src):
    found = read(folder, src.format(folder))
    assert [(os.path.relpath(name, folder / "files") if os.path.isabs(name) else name, text)
            for name, text in found] == EVERYTHING


def test_files_by_name_each_certificate_once(folder):
    subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-out", str(folder / "all.p7b"), "-outform", "DER",
                    "-certfile", "/dev/stdin"], input=(ROOT.pem + WEB.pem).encode(), check=True)
    found = read(folder, "web1/web1.crt", "all.p7b", "web1/issuing.cer", "web1")
    assert found == [("web1/web1.crt", WEB.pem), ("all.p7b", ROOT.pem), ("web1/issuing.cer", ISSUING.pem)]


def test_nothing_found_says_where_it_looked(folder):
    # Where "." is, ansible-core says from 2.20 on.
    assert why(folder, "web2.crt", "web2*").replace(f"{os.getcwd()}/", "./") == (
        f"src web2.crt: there is no such file on the controller (looked for: {folder}/files/web2.crt, "
        f"{folder}/web2.crt, ./files/web2.crt, ./web2.crt)\n"
        f"src web2*: no file on the controller has such a name (looked in: {folder}/files, {folder})")
    assert why(folder, "/nosuch/a.crt") == (
        "src /nosuch/a.crt: there is no such file on the controller (looked for: /nosuch/a.crt)")
    assert why(folder, "/nosuch/*.crt") == "src /nosuch/*.crt: no file on the controller has such a name"


def test_a_folder_without_certificates(folder):
    assert why(folder, "web1/old") == "src web1/old: no certificate was found; there is no file at all"
    for name in ("a-root.pem", "issuing.cer", "web1.crt"):
        (folder / "files/web1" / name).unlink()
    assert why(folder, "web1") == (
        "src web1: no certificate was found; what is there: web1/README.txt, web1/web1.csr")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("content", [
    WEB.key_pem().encode(), WEB.key_pem("secret").encode(), (WEB.pem + WEB.key_pem()).encode(),
    WEB.key_pem()[:90].encode(), base64.b64decode("".join(WEB.key_pem().splitlines()[1:-1])),
], ids=["plain", "encrypted", "with a certificate", "cut off", "DER"])
def test_a_private_key_is_refused_and_not_shown(folder, content, named):
    (folder / "files/web1/z.pem").write_bytes(content)
    said = why(folder, "web1/z.pem" if named else "web1")
    assert said == f"src web1/z.pem: {_controller_files.PRIVATE_KEY}"


def test_a_play_in_a_folder_whose_name_looks_like_a_pattern(tmp_path):
    odd = tmp_path / "play[1]" / "files"
    odd.mkdir(parents=True)
    (odd / "web1.crt").write_text(WEB.pem)
    assert read(odd.parent, "web*") == [("web1.crt", WEB.pem)]


def test_files_that_can_not_be_read(folder):
    (folder / "files/web1/cut.pem").write_text(WEB.pem[:300])
    assert why(folder, "web1") == (
        "src web1/cut.pem: a PEM block in it has no end line of its own: is the file truncated?")
    assert why(folder, "web1/README.txt", "web1/web1.csr") == (
        "src web1/README.txt: there is no certificate in it: it is neither PEM nor DER nor PKCS#7\n"
        "src web1/web1.csr: it is a certificate request: name the file with the CA's answer to it")
    (folder / "files/web1/cut.pem").write_bytes(WEB.der[:-9])
    assert "src web1/cut.pem: it can't be read as DER" in why(folder, "web1")
    os.mkfifo(folder / "fifo")
    assert why(folder, "fifo") == "src fifo: it is not a regular file"


@pytest.mark.parametrize("kind", sorted(hostile_paths.KINDS))
def test_what_can_not_be_read_is_refused_soon(folder, kind, monkeypatch):
    """A FIFO, a device, ten gibibytes: by its name, and among others in a folder or by a pattern."""
    monkeypatch.chdir(folder / "files" / "web1")
    (folder / "files" / "web1").chmod(0o755)
    hostile_paths.make(kind, "odd")
    with hostile_paths.as_nobody(kind == "closed"), hostile_paths.soon(), pytest.raises(ValueError) as error:
        _controller_files.read(DataLoader(), "odd")
    # Of what can't be read, Ansible's loader says no more than that it can't.
    assert ("could not find or access 'odd'" if kind == "closed" else hostile_paths.KINDS[kind]).lower() in str(
        error.value).lower()
    if kind == "huge":  # the only one that is a regular file
        with hostile_paths.soon():
            assert "src web1/odd: it is larger than 128 MiB" in why(folder, "web1") and why(folder, "web1/o*")
    elif kind != "closed":
        with hostile_paths.soon():
            assert read(folder, "web1") == EVERYTHING
