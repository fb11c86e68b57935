# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a store's folders that this collection did not write, whatever is in them."""
import os

import pytest
from converging import ISSUING, MOZILLA, RENEWED, TWIN, A, B, actions, converge, want

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import info as trust_info
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import proof, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import result as trust_result
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state


def put(system, name, content, folder=None, mode=0o644):
    system.write(os.path.join(folder or system.store.anchors, name), content.encode() if hasattr(content, "encode") else
                 content, mode)


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


def test_a_pipe_that_the_tools_ignore_is_ignored(debian):
    """update-ca-certificates reads only files that end in .crt."""
    os.mkfifo(os.path.join(debian.store.anchors, "notes"))
    assert actions(converge(debian, want(A))) == ["install", "extract"]
    os.mkfifo(os.path.join(debian.store.anchors, "notes.crt"))
    with pytest.raises(files.FilesError, match="notes.crt is a pipe or a device"):
        converge(debian, want(A))


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
    assert actions(converge(redhat, want(MOZILLA[0]))) == ["undistrust", "undistrust", "install", "extract"]
    os.rmdir(dead)
    redhat.write("usr/lib64/pkcs11/p11-kit-trust.so", b"...blacklist...")
    os.rmdir(redhat.path + "/etc/pki/ca-trust/source/blocklist")
    assert stores.choose("auto", None, redhat.path).distrusted[0].endswith("/blacklist")


def test_what_lies_in_that_folder_counts_nowhere(redhat):
    dead = redhat.path + "/etc/pki/ca-trust/source/blacklist"
    os.mkdir(dead)
    put(redhat, "old.pem", RENEWED.pem + MOZILLA[0].pem, dead)
    assert actions(converge(redhat, want(A))) == ["install", "extract"], "p11-kit does not go by that key"
    result = trust_result.report(redhat.store, converge(redhat, want(MOZILLA[0], "absent")), False)
    assert "it stays trusted through" in result["warnings"][0]
    before = trust_state.observe(redhat.store)
    for name in ("tls", "email"):
        redhat.write("etc/pki/ca-trust/extracted/pem/%s-ca-bundle.pem" % name, MOZILLA[1].pem.encode())
    lost = proof.lost(redhat.store, before, trust_state.observe(redhat.store))
    assert any("lacks CN=Root A" in reason for reason in lost) and any("lacks CN=Public 0" in reason for reason in lost)
    info = trust_info.info(redhat.store)
    assert info["distrusted"] == [] and "blacklist/old.pem distrusts nothing" in info["warnings"][-1]


def test_p11_kit_knows_which_of_the_folders_counts(redhat):
    """Also where the other one alone is there, or leads to it under its name."""
    os.makedirs(redhat.path + "/usr/lib64/pkcs11")
    redhat.write("usr/lib64/pkcs11/p11-kit-trust.so", b"...blacklist...")
    chosen = stores.choose("auto", None, redhat.path)
    assert chosen.distrusted[0].endswith("/blacklist") and chosen.vendors[0].endswith("-source/blacklist")
    redhat.write("usr/lib64/pkcs11/p11-kit-trust.so", b"...blocklist...")
    os.symlink("blocklist", redhat.path + "/etc/pki/ca-trust/source/blacklist")
    chosen = stores.choose("auto", None, redhat.path)
    assert len(chosen.distrusted) == 1 and chosen.vendors[0].endswith("-source/blocklist")


def test_distrust_of_the_vendors_is_told_and_never_taken_back(redhat):
    vendors = redhat.path + "/usr/share/pki/ca-trust-source/blocklist"
    os.mkdir(vendors)
    put(redhat, "v.pem", A.pem, vendors)
    for pair in (A, RENEWED):
        with pytest.raises(trust_plan.PlanError, match="blocklist/v.pem distrusts its public key"):
            converge(redhat, want(pair))
    done = converge(redhat, want(A, "distrusted"))
    assert actions(done) == []
    assert trust_result.report(redhat.store, done, False)["anchors"][0]["path"] == vendors + "/v.pem"
    assert [one["path"] for one in trust_info.info(redhat.store)["distrusted"]] == [vendors + "/v.pem"]


def test_only_folders_of_anchors_trust_plain_certificates(redhat):
    """Not so the folder above them: a bundle that holds one from there holds it without a source."""
    redhat.extract()
    put(redhat, "plain.pem", A.pem, redhat.path + "/usr/share/pki/ca-trust-source")
    assert A.fingerprint not in trust_state.observe(redhat.store).distribution
    bundle = redhat.path + "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    with open(bundle, "a") as stream:
        stream.write(A.pem)
    done = converge(redhat, want(A, "absent"))
    assert actions(done) == ["extract"] and A.fingerprint not in redhat.trusted()
    assert trust_result.report(redhat.store, done, False)["warnings"] == []


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
    put(redhat, "neutral.crt", RENEWED.pem, redhat.path + "/usr/share/pki/ca-trust-source")
    found = trust_state.observe(redhat.store).distribution
    assert A.fingerprint in found and TWIN.fingerprint in found
    assert not {B.fingerprint, ISSUING.fingerprint, RENEWED.fingerprint} & set(found)
    result = trust_result.report(redhat.store, converge(redhat, want(TWIN, "absent")), False)
    assert "source/own.p11-kit" in result["warnings"][0]


def test_a_removal_by_hand_from_a_folder_below_is_seen(debian):
    """update-ca-certificates reads folders below its own, too."""
    below = os.path.join(debian.store.anchors, "corp")
    os.mkdir(below)
    put(debian, "x.crt", B.pem, below)
    debian.extract()
    assert actions(converge(debian, purge="managed")) == []
    for folder in below, debian.store.anchors:
        os.utime(folder, (1, 1))
    os.unlink(os.path.join(below, "x.crt"))
    os.utime(below, (2 ** 31, 2 ** 31))
    assert actions(converge(debian, purge="managed")) == ["extract"] and B.fingerprint not in debian.trusted()


def test_what_can_not_be_looked_into_is_said(debian):
    debian.store = debian.store._replace(unproven=("cacerts is PKCS#12",))
    done = trust_result.report(debian.store, converge(debian, want(A)), False)
    assert done["warnings"] == trust_info.info(debian.store)["warnings"] == ["cacerts is PKCS#12"]
