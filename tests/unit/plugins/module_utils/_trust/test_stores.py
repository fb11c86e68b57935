# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of stores: which one a host has, what is missing there, what anchors' files are called."""
import os

import fake_root
import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509


def system(tmp_path, release, commands=("update-ca-trust", "trust", "update-ca-certificates", "openssl")):
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "usr" / "bin").mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc" / "os-release").write_text(release)
    for command in commands:
        (tmp_path / "usr" / "bin" / command).write_text("#!/bin/sh\n")
        (tmp_path / "usr" / "bin" / command).chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize("release, store", [
    ('ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n', "redhat"), ("ID=fedora\n", "redhat"),
    ('ID="almalinux"\nID_LIKE="rhel centos fedora"\n', "redhat"), ('ID="ol"\nID_LIKE="fedora"\n', "redhat"),
    ("ID=debian\n", "debian"), ("ID=ubuntu\nID_LIKE=debian\n", "debian"),
    ("ID='linuxmint'\nID_LIKE='ubuntu debian'\n", "debian"),
])
def test_auto_goes_by_family(tmp_path, release, store):
    assert stores.choose("auto", None, system(tmp_path, release)).name == store


@pytest.mark.parametrize("release", ["ID=alpine\n", "", "garbage\n\xff"])
def test_an_unknown_family_is_an_error_that_says_what_is_known(tmp_path, release):
    with pytest.raises(stores.StoreError) as caught:
        stores.choose("auto", None, system(tmp_path, release))
    assert "redhat (rhel, fedora, centos)" in str(caught.value) and "store: bundle" in str(caught.value)


def test_an_image_has_no_say_in_how_a_terminal_looks(tmp_path):
    with pytest.raises(stores.StoreError, match=r"ID=\\1B\[2Jalpine") as caught:
        stores.choose("auto", None, system(tmp_path, "ID=\x1b[2Jalpine\nID_LIKE=\x00\n"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name, commands, packages", [
    ("redhat", [], ["ca-certificates", "p11-kit-trust"]), ("redhat", ["update-ca-trust"], ["p11-kit-trust"]),
    ("redhat", ["trust"], ["ca-certificates"]), ("debian", ["trust"], ["ca-certificates", "openssl"])])
def test_missing_tools_name_the_package(tmp_path, name, commands, packages):
    with pytest.raises(stores.StoreError) as caught:
        stores.choose(name, None, system(tmp_path, "PRETTY_NAME='Some Linux 7'\n", commands))
    assert caught.value.facts == {"missing_packages": packages}
    assert "Some Linux 7" in str(caught.value) and packages[0] in str(caught.value)


def test_a_root_that_is_none(tmp_path):
    with pytest.raises(stores.StoreError, match="is no folder"):
        stores.choose("auto", None, str(tmp_path / "none"))


def test_all_paths_are_inside_the_root(tmp_path):
    root = system(tmp_path, "ID=rhel\n")
    (tmp_path / "etc" / "pki").symlink_to("/elsewhere")
    store = stores.choose("auto", None, root)
    assert store.anchors == root + "/elsewhere/ca-trust/source/anchors"
    paths = list(store.distrusted + store.distribution) + [path for _purpose, path in store.bundles]
    paths += [store.untrusted_bundle, store.extracted, *store.staging[0]]
    assert all(path.startswith(root + "/") for path in paths)


def test_the_distrust_folder_that_is_there_comes_first(tmp_path):
    root = system(tmp_path, "ID=rhel\n")
    assert stores.choose("auto", None, root).distrusted[0].endswith("/blocklist")
    os.makedirs(root + "/etc/pki/ca-trust/source/blacklist")
    assert stores.choose("auto", None, root).distrusted[0].endswith("/blacklist")
    os.makedirs(root + "/etc/pki/ca-trust/source/blocklist")
    assert stores.choose("auto", None, root).distrusted[0].endswith("/blocklist")


def test_a_root_with_brackets_in_its_path(tmp_path):
    """It is no pattern: p11-kit's module is found below it, and what a killed extract has left."""
    (tmp_path / "[8]").mkdir()
    root = system(tmp_path / "[8]", "ID=rhel\n")
    for path in ("usr/lib64/pkcs11/p11-kit-trust.so", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem.aB3xyz"):
        (tmp_path / "[8]" / path).parent.mkdir(parents=True)
        (tmp_path / "[8]" / path).write_bytes(b"blacklist")
    assert len(stores.p11_kit_modules(root)) == 1
    store = stores.choose("auto", None, root)
    assert store.distrusted[0].endswith("/blacklist") and len(trust_extracted.scraps(store)) == 1


def test_staging_is_beside_what_is_read_and_never_in_it(tmp_path):
    for kind in ("redhat", "debian"):
        store = stores.choose(kind, None, system(tmp_path, "ID=rhel\n"))
        for folder, stage in store.staging:
            assert os.path.dirname(folder) == os.path.dirname(stage) or stage.startswith(folder + "/.")
            assert not stage.startswith(store.anchors + "/")
            assert not any(stage.startswith(path + "/") for path in store.distrusted)


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "a/b", u"Z\u00fcrich CA", "with space", "x" * 300,
                                  ".hidden", "-rf", "new\nline", "~", "a.12345.2026-01-01@10:00:00~", u"\u4e2d\u6587"])
def test_file_names_are_harmless(name):
    found = anchor_file.file_name(name, "ab" * 32, ".pem")
    assert found.endswith("-" + "ab" * 8 + ".pem") and len(found) < 128
    assert found[0] not in ".-" and "/" not in found
    assert all(character.isalnum() or character in "._-" for character in found)


def test_file_names_stay_readable():
    assert anchor_file.file_name(u"Z\u00fcrich Root CA 2", "ab" * 32, ".crt") == "Zurich-Root-CA-2-abababababababab.crt"


def test_names_of_different_certificates_never_meet():
    assert anchor_file.file_name("x", "ab" * 32, ".pem") != anchor_file.file_name("x", "cd" * 32, ".pem")


@pytest.mark.parametrize("subject", ["-----BEGIN CERTIFICATE-----", "line\nbreak", u"M\u00fcller", "\x1b[2J", "x" * 60])
def test_a_managed_block_holds_one_certificate_whatever_its_names(subject):
    certificate = x509.parse(pki.root(subject).der)
    block = anchor_file.managed_block(subject, certificate)
    assert block.count(b"-----BEGIN") == 1
    assert block.decode("ascii").splitlines()[0] == (anchor_file.MARK + anchor_file.comment_safe(subject)).strip()
    assert block.decode("ascii").splitlines()[4] == "-----BEGIN CERTIFICATE-----"


@pytest.mark.parametrize("kind", ["redhat", "debian"])
def test_which_files_are_the_systems(tmp_path, kind):
    """Those that its tools write, and those that these read; in an image, the image's."""
    root = fake_root.FakeRoot(tmp_path / "root", kind)
    (tmp_path / "root" / "etc" / "app.pem").write_text(u"")
    own = [path for _purpose, path in root.store.bundles] + [folder + "/x.pem" for folder in root.store.distribution]
    own += [root.store.untrusted_bundle] * bool(root.store.untrusted_bundle)
    assert all(stores.is_the_systems(path, root.path) and not stores.is_the_systems(path, "/") for path in own)
    assert not stores.is_the_systems(root.path + "/etc/app.pem", root.path)


def with_java(tmp_path):
    """The root of a Debian system with Java's keystore and the hook that updates it."""
    root = system(tmp_path, "ID=debian\n", ["update-ca-certificates", "openssl", "java", "jks-keystore"])
    for folder in ("proc/self", "etc/ssl/certs/java", "etc/default", "etc/ca-certificates/update.d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "usr/bin/jks-keystore").rename(tmp_path / "etc/ca-certificates/update.d/jks-keystore")
    (tmp_path / "etc/ssl/certs/java/cacerts").write_bytes(b"\xfe\xed\xfe\xed")
    return root


@pytest.mark.parametrize("content, settings, kept, unproven", [
    (b"\xfe\xed\xfe\xed", "", True, False), (b"\xfe\xed\xfe\xed", "cacerts_updates=no\n", False, False),
    (b"\x30\x82", "", False, True), (b"\x30\x82", "cacerts_updates=no\n", False, False)])
def test_javas_keystore_where_somebody_keeps_it_and_it_can_be_read(tmp_path, content, settings, kept, unproven):
    root = with_java(tmp_path)
    (tmp_path / "etc/ssl/certs/java/cacerts").write_bytes(content)
    (tmp_path / "etc/default/cacerts").write_text(settings)
    store = stores.choose("auto", None, root)
    assert bool(store.keystore) is kept
    assert [sentence.partition(" is PKCS#12")[0] for sentence in store.unproven] == [
        root + "/etc/ssl/certs/java/cacerts"] * unproven


@pytest.mark.parametrize("missing", ["proc/self", "usr/bin/java", "etc/ca-certificates/update.d/jks-keystore",
                                     "etc/ssl/certs/java/cacerts"])
def test_javas_keystore_is_ignored_if_nothing_updates_it(tmp_path, missing):
    """The hook needs Java, and Java needs /proc, which is not mounted in every image."""
    root = with_java(tmp_path)
    assert stores.choose("auto", None, root).keystore
    (tmp_path / missing).rename(tmp_path / "elsewhere")
    assert stores.choose("auto", None, root).keystore is None
