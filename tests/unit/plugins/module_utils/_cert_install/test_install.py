# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_install without Ansible: real certificates and keys, files in a folder, this machine's openssl."""
import os
import stat
import time

import pki
import pytest
from installing import NAME, Corp, next_pair, renewed

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import install
from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import plan as cert_install_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains

# --- what is installed ---


@pytest.mark.parametrize("order", ["web issuing middle", "middle web issuing", "root middle issuing web",
                                   "issuing root web middle"])
def test_any_order_becomes_leaf_and_chain_without_the_root(web1, order):
    result = web1.install(content="".join(getattr(Corp, name).pem for name in order.split()))
    assert result["changed"]
    assert web1.read("web.crt") == Corp.web.pem
    assert web1.read("chain.crt") == Corp.chain
    assert web1.read("full.crt") == Corp.web.pem + Corp.chain
    assert result["reasons"] == ["there is no certificate yet", web1.at("chain.crt") + " is not there yet",
                                 web1.at("full.crt") + " is not there yet"]
    assert result["chain"] == ["CN=Corp Issuing CA", "CN=Corp Middle CA"]
    assert (result["subject"], result["fingerprint_sha256"]) == ("CN=" + NAME, Corp.web.fingerprint)
    assert stat.S_IMODE(os.stat(web1.at("full.crt")).st_mode) == 0o644
    assert sorted(os.listdir(str(web1.folder))) == ["chain.crt", "full.crt", "web.crt", "web.key"]


def test_a_second_run_changes_nothing(web1):
    web1.install()
    before = web1.everything()
    again = web1.install()
    assert not again["changed"] and again["reasons"] == [] and again["backup_files"] == {}
    assert web1.everything() == before
    assert again["msg"] == "CN=%s, expires %s, is in place" % (NAME, again["not_after"])
    assert again["diff"]["before"] == again["diff"]["after"]


def test_text_around_the_same_certificates_is_no_change(web1):
    web1.install()
    web1.write("full.crt", "Bag Attributes\n" + Corp.web.pem + "\n# next\n" + Corp.chain)
    assert not web1.install()["changed"]


@pytest.mark.parametrize("name, text, reason", [
    ("web.crt", "", "is written anew: it is empty"),
    ("web.crt", Corp.web.pem[:200], "is the file truncated?"),
    ("web.crt", Corp.web.pem + Corp.chain, "holds more than the certificate"),
    ("chain.crt", "", "the chain changed: CN=Corp Issuing CA (SHA-256 "),
    ("full.crt", Corp.web.pem, "the chain changed: CN=Corp Issuing CA (SHA-256 "),
    ("full.crt", Corp.web.pem + Corp.middle.pem + Corp.issuing.pem, "the chain changed: "),
    ("full.crt", "hello", "there is no certificate in it"),
])
def test_one_damaged_file_is_repaired(web1, name, text, reason):
    web1.install()
    web1.write(name, text)
    result = web1.install()
    assert len(result["reasons"]) == 1 and reason in result["reasons"][0]
    assert web1.read("full.crt") == web1.read("web.crt") + web1.read("chain.crt") == Corp.web.pem + Corp.chain


def test_der_in_place_of_pem_is_repaired(web1):
    web1.install()
    (web1.folder / "web.crt").write_bytes(Corp.web.der)
    assert web1.install()["reasons"] == ["%s is written anew: it is not in PEM form" % web1.at("web.crt")]


def test_a_renewed_certificate_replaces_the_old_one_with_backup(web1):
    web1.install(content=renewed((-9, 3)).pem + Corp.chain)
    old = web1.read("web.crt")
    os.chmod(web1.at("web.crt"), 0o600)
    result = web1.install(backup=True)
    expiry = result["not_after"]
    assert result["reasons"][0].startswith("it is another certificate: names DNS:*.apps.example.com, DNS:web1")
    assert ", expires %s instead of " % expiry in result["reasons"][0]
    assert sorted(result["backup_files"]) == [web1.at("full.crt"), web1.at("web.crt")]
    with open(result["backup_files"][web1.at("web.crt")]) as stream:
        assert stream.read() == old
    assert stat.S_IMODE(os.stat(web1.at("web.crt")).st_mode) == 0o600
    assert "  not_after: %s\n" % expiry in result["diff"]["after"]
    assert expiry not in result["diff"]["before"].split("chain:")[0]


def test_of_several_the_one_that_is_valid_longest_now(web1):
    short, long_ = renewed((-2, 100)), renewed((-3, 200))
    future, other = renewed((2, 400)), pki.server(NAME, Corp.issuing)
    result = web1.install(content=short.pem + other.pem + future.pem + long_.pem + Corp.chain)
    assert result["fingerprint_sha256"] == long_.fingerprint


def test_a_certificate_is_valid_from_its_first_second(web1):
    now, (one,) = 2 * 10 ** 9, install.read_offer(Corp.web.pem)[0]
    older = one._replace(not_before=now - 9, not_after=now + 100, fingerprint="0f")
    newer = one._replace(not_before=now, not_after=now + 200, fingerprint="f0")
    state = cert_install_plan.InstallState(cert_install_plan.Key(web1.at("web.key"), None, one.spki_der), None, {}, "")
    for at, expected in ((now - 1, older), (now, newer)):
        assert cert_install_plan.choose(cert_install_plan.Offer([older, newer], {}), state, at).leaf == expected


def test_certificates_of_others_are_not_written(web1):
    stranger = pki.root("Elsewhere")
    web1.install(content=stranger.pem + pki.server("other", Corp.issuing).pem + Corp.web.pem + Corp.chain)
    assert web1.read("full.crt") == Corp.web.pem + Corp.chain


def test_issued_by_the_root_itself_the_chain_is_empty(web1):
    web = pki.server(NAME, Corp.root, key=Corp.web.key)
    assert web1.install(content=Corp.root.pem + web.pem)["chain"] == []
    assert web1.read("chain.crt") == "" and web1.read("full.crt") == web.pem
    assert not web1.install(content=web.pem)["changed"]


def test_a_cross_signed_issuer_is_kept_whatever_the_order(web1):
    new = pki.root("New Root")
    crossed = pki.root("Corp Root CA", issuer=new, key=Corp.root.key)
    for text in (Corp.root.pem + crossed.pem, crossed.pem + Corp.root.pem):
        result = web1.install(content=Corp.web.pem + Corp.chain + new.pem + text)
        assert web1.read("chain.crt") == Corp.chain + crossed.pem
    assert not result["changed"]
    assert not web1.install(content=Corp.web.pem + Corp.chain + crossed.pem, trust_content=new.pem)["changed"]
    web, issuer, other = install.read_offer(pki.server(issuer=Corp.root).pem + Corp.root.pem + crossed.pem)[0]
    for first, second in ("0f", "f0"):
        twins = [issuer._replace(fingerprint=first), other._replace(fingerprint=second)]
        assert chains.sent_with(web, twins, time.time()) == twins[1:]


@pytest.mark.parametrize("option", ["path", "chain_path", "fullchain_path"])
def test_each_file_alone(web1, option):
    only = dict({"path": None, "chain_path": None, "fullchain_path": None}, **{option: web1.at("x.crt")})
    result = web1.install(**only)
    assert result["changed"]
    assert ("certificate: none" in result["diff"]["before"]) is (option != "chain_path")
    assert sorted(os.listdir(str(web1.folder))) == ["web.key", "x.crt"]
    assert not web1.install(**only)["changed"]


def test_a_link_is_followed(web1):
    (web1.folder / "real").mkdir()
    os.symlink("real/web.crt", web1.at("web.crt"))
    web1.install()
    assert os.path.islink(web1.at("web.crt"))
    with open(web1.at("real/web.crt")) as stream:
        assert stream.read() == Corp.web.pem


def test_keys_of_other_kinds_and_encrypted(web1):
    for kind in ("rsa", "ed25519"):
        web = pki.server(NAME, Corp.issuing, key_type=kind)
        web1.write("web.key", web.key_pem("correct horse"))
        assert web1.install(content=web.pem + Corp.chain, privatekey_passphrase="correct horse")["changed"]
        content = {"content": web.pem + Corp.chain}
        assert "web.key can't be used: it is encrypted and no privatekey_passphrase is given" in web1.refused(**content)
        said = web1.refused(privatekey_passphrase="battery staple", **content)
        assert "it can't be decrypted: privatekey_passphrase is wrong" in said and "battery" not in said


# --- what is said ---


def test_no_byte_of_a_key_is_in_a_result(web1):
    pair = next_pair(web1)
    bodies = ["".join(one.key_pem().splitlines()[1:-1]) for one in (pair, Corp.web)]
    said = [str(web1.install(content=pair.pem + Corp.chain, backup=True))]
    said.append(web1.refused(content=pki.server().pem + Corp.chain))
    web1.write("web.key", pair.key_pem().replace(bodies[0][20], "*"))
    said.append(web1.refused(content=pair.pem + Corp.chain))
    for body in bodies:
        assert not any(body[start:start + 12] in text for text in said for start in range(len(body) - 11))


def test_differences_of_two_certificates():
    now = int(time.time())
    state = cert_install_plan.InstallState(None, None, {}, "")
    assert cert_install_plan.installed(state) == (None, [])
    offer = install.read_offer(Corp.web.pem)
    with pytest.raises(cert_install_plan.InstallationError, match="none of the certificates belongs"):
        cert_install_plan.choose(offer, state, now)
    one = offer.certificates[0]
    assert cert_install_plan._changes(one, one._replace(serial=255)) == "serial ff instead of %x" % one.serial
    assert cert_install_plan._changes(one, one._replace(issuer_der=one.subject_der)) == (
        "issuer CN=web1.example.com instead of CN=Corp Issuing CA")
    changes = cert_install_plan._changes(one, one._replace(extensions={}))
    assert changes.startswith("names none instead of DNS:*.apps.example.")


def test_the_key_is_warned_of_that_everybody_can_read(web1):
    os.chmod(web1.at("web.key"), 0o644)
    assert web1.install()["warnings"][0].endswith("web.key is readable by every user of the host")


# --- a mounted system ---


def test_below_a_root(web1, tmp_path):
    """The image's own anchors judge, and links in it lead nowhere else."""
    root = tmp_path / "image"
    for folder in ("etc/ssl/private", "etc/ssl/certs", "srv"):
        (root / folder).mkdir(parents=True)
    (root / "etc" / "ssl" / "certs" / "web.crt").symlink_to("/srv/web.crt")
    (root / "etc" / "ssl" / "private" / "web.key").write_text(u"%s" % Corp.web.key_pem())
    given = {"root": str(root), "path": "web.crt", "chain_path": None, "fullchain_path": "full.pem",
             "privatekey_path": "web.key", "trust_content": None}
    with pytest.raises(cert_install_plan.InstallationError,
                       match="family is not known .*name a file in the image with"):
        web1.install(**given)
    (root / "etc" / "os-release").write_text(u"ID=debian\n")
    with pytest.raises(Failure, match="etc/ssl/certs/ca-certificates.crt can't be used"):
        web1.install(**given)
    bundle = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    bundle.write_text(u"%s" % pki.root("Somebody Else").pem)
    with pytest.raises(cert_install_plan.InstallationError, match="CN=Corp Root CA, which is not among the anchors"):
        web1.install(**given)
    bundle.write_text(u"%s" % Corp.root.pem)
    assert web1.install(**given)["changed"] and not web1.install(**given)["changed"]
    assert (root / "srv" / "web.crt").read_text() == Corp.web.pem
    (root / "srv" / "own.pem").write_text(u"%s" % Corp.root.pem)
    bundle.unlink()
    assert not web1.install(**dict(given, trust="/srv/own.pem"))["changed"]
    with pytest.raises(cert_install_plan.InstallationError, match="is a folder, whose links may lead out"):
        web1.install(**dict(given, trust="/etc/ssl/certs"))
