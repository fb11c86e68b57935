# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_install without Ansible: real certificates and keys, files in a folder, this machine's openssl."""
import os
import stat
import subprocess
import time

import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _installation as installation
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _installation_plan as planning
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _openssl as openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _pem as pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _replace as replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _verification as verification

NAME = "web1.example.com"


class Corp:
    """The certificates that most tests start from."""

    root = pki.root("Corp Root CA")
    middle = pki.root("Corp Middle CA", issuer=root)
    issuing = pki.root("Corp Issuing CA", issuer=middle)
    web = pki.server(NAME, issuing, dns=[NAME, "*.apps.example.com"], ips=["2001:db8::1"])
    chain = issuing.pem + middle.pem


def renewed(days, key=None, **options):
    return pki.server(NAME, Corp.issuing, key=key or Corp.web.key, days=days, **options)


class Host:
    """A folder with a key in it, and cert_install's options for it."""

    def __init__(self, folder):
        self.folder = folder
        self.options = {
            "path": self.at("web.crt"), "chain_path": self.at("chain.crt"), "fullchain_path": self.at("full.crt"),
            "privatekey_path": self.at("web.key"), "privatekey_passphrase": None, "content": Corp.web.pem + Corp.chain,
            "src": None, "subject_alt_name": None, "trust": None, "trust_content": Corp.root.pem, "purpose": "server",
            "min_remaining": "0", "backup": False}
        self.write("web.key", Corp.web.key_pem(), 0o640)

    def at(self, name):
        return str(self.folder / name)

    def write(self, name, text, mode=0o644):
        (self.folder / name).write_text(u"%s" % text)
        os.chmod(self.at(name), mode)

    def read(self, name):
        return (self.folder / name).read_text()

    def install(self, check_mode=False, **options):
        return installation.install(dict(self.options, **options), check_mode, str(self.folder))

    def refused(self, **options):
        """The message of the refusal; nothing may have changed on the way, and nothing may be left behind."""
        before = self.everything()
        with pytest.raises((installation.InstallationError, verification.Unable, files.FilesError)) as error:
            self.install(**options)
        assert self.everything() == before
        return str(error.value)

    def everything(self):
        return {name: (self.read(name), os.stat(self.at(name)).st_mtime) for name in os.listdir(str(self.folder))}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


# --- what is installed ---

@pytest.mark.parametrize("order", ["web issuing middle", "middle web issuing", "root middle issuing web",
                                   "issuing root web middle"])
def test_any_order_becomes_leaf_and_chain_without_the_root(host, order):
    result = host.install(content="".join(getattr(Corp, name).pem for name in order.split()))
    assert result["changed"]
    assert host.read("web.crt") == Corp.web.pem
    assert host.read("chain.crt") == Corp.chain
    assert host.read("full.crt") == Corp.web.pem + Corp.chain
    assert result["reasons"] == ["there is no certificate yet", host.at("chain.crt") + " is not there yet",
                                 host.at("full.crt") + " is not there yet"]
    assert result["chain"] == ["CN=Corp Issuing CA", "CN=Corp Middle CA"]
    assert (result["subject"], result["fingerprint_sha256"]) == ("CN=" + NAME, Corp.web.fingerprint)
    assert stat.S_IMODE(os.stat(host.at("full.crt")).st_mode) == 0o644
    assert sorted(os.listdir(str(host.folder))) == ["chain.crt", "full.crt", "web.crt", "web.key"]


def test_a_second_run_changes_nothing(host):
    host.install()
    before = host.everything()
    again = host.install()
    assert not again["changed"] and again["reasons"] == [] and again["backup_files"] == {}
    assert host.everything() == before
    assert again["msg"] == "CN=%s, expires %s, is in place" % (NAME, again["not_after"])
    assert again["diff"]["before"] == again["diff"]["after"]


def test_text_around_the_same_certificates_is_no_change(host):
    host.install()
    host.write("full.crt", "Bag Attributes\n" + Corp.web.pem + "\n# next\n" + Corp.chain)
    assert not host.install()["changed"]


@pytest.mark.parametrize("name, text, reason", [
    ("web.crt", "", "is written anew: it is empty"),
    ("web.crt", Corp.web.pem[:200], "is the file truncated?"),
    ("web.crt", Corp.web.pem + Corp.chain, "holds more than the certificate"),
    ("chain.crt", "", "the chain changed: CN=Corp Issuing CA (SHA-256 "),
    ("full.crt", Corp.web.pem, "the chain changed: CN=Corp Issuing CA (SHA-256 "),
    ("full.crt", Corp.web.pem + Corp.middle.pem + Corp.issuing.pem, "the chain changed: "),
    ("full.crt", "hello", "there is no certificate in it"),
])
def test_one_damaged_file_is_repaired(host, name, text, reason):
    host.install()
    host.write(name, text)
    result = host.install()
    assert len(result["reasons"]) == 1 and reason in result["reasons"][0]
    assert host.read("full.crt") == host.read("web.crt") + host.read("chain.crt") == Corp.web.pem + Corp.chain


def test_der_in_place_of_pem_is_repaired(host):
    host.install()
    (host.folder / "web.crt").write_bytes(Corp.web.der)
    assert host.install()["reasons"] == ["%s is written anew: it is not in PEM form" % host.at("web.crt")]


def test_a_renewed_certificate_replaces_the_old_one_with_backup(host):
    host.install(content=renewed((-9, 3)).pem + Corp.chain)
    old = host.read("web.crt")
    os.chmod(host.at("web.crt"), 0o600)
    result = host.install(backup=True)
    expiry = result["not_after"]
    assert result["reasons"][0].startswith("it is another certificate: names DNS:*.apps.example.com, DNS:web1")
    assert ", expires %s instead of " % expiry in result["reasons"][0]
    assert sorted(result["backup_files"]) == [host.at("full.crt"), host.at("web.crt")]
    with open(result["backup_files"][host.at("web.crt")]) as stream:
        assert stream.read() == old
    assert stat.S_IMODE(os.stat(host.at("web.crt")).st_mode) == 0o600
    assert "  not_after: %s\n" % expiry in result["diff"]["after"]
    assert expiry not in result["diff"]["before"].split("chain:")[0]


def test_of_several_the_one_that_is_valid_longest_now(host):
    short, long_ = renewed((-2, 100)), renewed((-3, 200))
    future, other = renewed((2, 400)), pki.server(NAME, Corp.issuing)
    result = host.install(content=short.pem + other.pem + future.pem + long_.pem + Corp.chain)
    assert result["fingerprint_sha256"] == long_.fingerprint


def test_certificates_of_others_are_not_written(host):
    stranger = pki.root("Elsewhere")
    host.install(content=stranger.pem + pki.server("other", Corp.issuing).pem + Corp.web.pem + Corp.chain)
    assert host.read("full.crt") == Corp.web.pem + Corp.chain


def test_issued_by_the_root_itself_the_chain_is_empty(host):
    web = pki.server(NAME, Corp.root, key=Corp.web.key)
    assert host.install(content=Corp.root.pem + web.pem)["chain"] == []
    assert host.read("chain.crt") == "" and host.read("full.crt") == web.pem
    assert not host.install(content=web.pem)["changed"]


def test_a_cross_signed_issuer_is_kept_whatever_the_order(host):
    new = pki.root("New Root")
    crossed = pki.root("Corp Root CA", issuer=new, key=Corp.root.key)
    for text in (Corp.root.pem + crossed.pem, crossed.pem + Corp.root.pem):
        result = host.install(content=Corp.web.pem + Corp.chain + new.pem + text)
        assert host.read("chain.crt") == Corp.chain + crossed.pem
    assert not result["changed"]
    assert not host.install(content=Corp.web.pem + Corp.chain + crossed.pem, trust_content=new.pem)["changed"]
    web, issuer, other = installation.read_offer(pki.server(issuer=Corp.root).pem + Corp.root.pem + crossed.pem)[0]
    for first, second in ("0f", "f0"):
        twins = [issuer._replace(fingerprint=first), other._replace(fingerprint=second)]
        assert planning._chain(web, twins, time.time()) == twins[1:]


@pytest.mark.parametrize("option", ["path", "chain_path", "fullchain_path"])
def test_each_file_alone(host, option):
    only = dict({"path": None, "chain_path": None, "fullchain_path": None}, **{option: host.at("x.crt")})
    result = host.install(**only)
    assert result["changed"]
    assert ("certificate: none" in result["diff"]["before"]) is (option != "chain_path")
    assert sorted(os.listdir(str(host.folder))) == ["web.key", "x.crt"]
    assert not host.install(**only)["changed"]


def test_a_link_is_followed(host):
    (host.folder / "real").mkdir()
    os.symlink("real/web.crt", host.at("web.crt"))
    host.install()
    assert os.path.islink(host.at("web.crt"))
    with open(host.at("real/web.crt")) as stream:
        assert stream.read() == Corp.web.pem


def test_keys_of_other_kinds_and_encrypted(host):
    for kind in ("rsa", "ed25519"):
        web = pki.server(NAME, Corp.issuing, key_type=kind)
        host.write("web.key", web.key_pem("correct horse"))
        assert host.install(content=web.pem + Corp.chain, privatekey_passphrase="correct horse")["changed"]
        content = {"content": web.pem + Corp.chain}
        assert "web.key can't be used: it is encrypted and no privatekey_passphrase is given" in host.refused(**content)
        said = host.refused(privatekey_passphrase="battery staple", **content)
        assert "it can't be decrypted: privatekey_passphrase is wrong" in said and "battery" not in said


# --- the key that waits ---

def next_pair(host, mode=0o600):
    pair = pki.server(NAME, Corp.issuing)
    host.write("web.key.next", pair.key_pem(), mode)
    return pair


def test_the_next_key_moves_into_place_with_its_certificate(host):
    host.install()
    old = host.read("web.key")
    pair = next_pair(host)
    content = pair.pem + Corp.chain
    foreseen = host.install(check_mode=True, content=content)
    result = host.install(content=content, backup=True)
    assert foreseen["reasons"] == result["reasons"]
    assert "another key" in result["reasons"][0]
    assert result["reasons"][1:] == [
        "the private key %s is replaced by %s" % (host.at("web.key"), host.at("web.key.next"))]
    assert host.read("web.key") == pair.key_pem() and stat.S_IMODE(os.stat(host.at("web.key")).st_mode) == 0o640
    assert host.read("web.crt") == pair.pem and result["privatekey_path"] == host.at("web.key")
    with open(result["backup_files"][host.at("web.key")]) as stream:
        assert stream.read() == old
    left = [name for name in os.listdir(str(host.folder)) if ".next" in name or name.startswith(".")]
    assert not left, "the new key must not lie around a second time"
    assert not host.install(content=content)["changed"]


def test_the_next_key_waits_while_the_answer_is_for_the_key_in_use(host):
    pair = next_pair(host)
    result = host.install()
    assert result["msg"].endswith("; %s goes on waiting for its own certificate" % host.at("web.key.next"))
    assert host.read("web.key.next") == pair.key_pem() and host.read("web.key") == Corp.web.key_pem()
    host.install(content=Corp.web.pem + pair.pem + Corp.chain)  # both answers: the newer intent counts
    assert host.read("web.key") == pair.key_pem() and not os.path.exists(host.at("web.key.next"))


def test_a_kill_between_the_renames_is_repaired(host):
    """Certificates are there and the key is not yet; the key is there and .next not yet taken away."""
    pair = next_pair(host)
    content = pair.pem + Corp.chain
    for name, text in [("web.crt", pair.pem), ("chain.crt", Corp.chain), ("full.crt", content)]:
        host.write(name, text)
    assert host.install(content=content)["reasons"] == [
        "the private key %s is replaced by %s" % (host.at("web.key"), host.at("web.key.next"))]
    host.write("web.key.next", pair.key_pem())
    assert host.install(content=content)["reasons"] == [
        "%s is left over: that key is in place already" % host.at("web.key.next")]
    assert host.read("web.key") == pair.key_pem() and not os.path.exists(host.at("web.key.next"))


def test_without_a_key_in_use_the_next_one_becomes_it(host):
    pair = next_pair(host)
    os.unlink(host.at("web.key"))
    assert host.install(content=pair.pem + Corp.chain)["privatekey_path"] == host.at("web.key")
    assert stat.S_IMODE(os.stat(host.at("web.key")).st_mode) == 0o600


def test_a_damaged_next_key_is_told_and_stops_nothing(host):
    host.write("web.key.next", "hello")
    sentence = "the private key %s can't be used: there is no private key in it" % host.at("web.key.next")
    assert sentence in host.install()["warnings"][0]
    assert sentence in host.refused(content=pki.server(NAME, Corp.issuing).pem + Corp.chain)


# --- what is refused ---

def test_an_answer_for_another_key(host):
    host.install()
    other = pki.server(NAME, Corp.issuing)
    next_pair(host)
    said = host.refused(content=other.pem + Corp.chain, src=["answers/web1.crt", "a.p7b", "a.p7b"])
    assert said == (
        "none of the certificates belongs to the private key %s or %s (offered: src answers/web1.crt: CN=%s "
        "(SHA-256 %s...)): was the request that was sent to the CA made with this key, and is this the answer to it?"
        % (host.at("web.key"), host.at("web.key.next"), NAME, other.fingerprint[:16]))
    assert "offered: CN=Corp Issuing CA (SHA-256" in host.refused(content=Corp.chain)


@pytest.mark.parametrize("content, options, reason", [
    (Corp.web.pem, {}, "issuer CN=Corp Issuing CA is not among the anchors in trust_content; no chain came with it: if "
                       "that issuer is an intermediate, give its certificate along with this one"),
    (Corp.web.pem + Corp.issuing.pem, {}, "CN=Corp Issuing CA, sent in the chain, was issued by CN=Corp Middle CA"),
    (Corp.web.pem + Corp.chain, {"trust_content": pki.root("Elsewhere").pem}, "was issued by CN=Corp Root CA, which is "
                                                                              "not among the anchors in trust_content"),
    (renewed((-9, -3)).pem + Corp.chain, {}, "expired 3 days ago"),
    (renewed((3.5, 9)).pem + Corp.chain, {}, "is not yet valid, begins in 3 days"),
    (renewed((-1, 9)).pem + Corp.chain, {"min_remaining": "30d"}, "sooner than min_remaining=30d allows"),
    (Corp.web.pem + Corp.chain, {"purpose": "client"}, "is not for clients"),
    (Corp.web.pem + Corp.chain, {"subject_alt_name": ["DNS:" + NAME, "DNS:www.example.com", "IP:192.0.2.7"]},
     "asked for www.example.com, 192.0.2.7, the certificate is for web1.example.com, *.apps.example.com, 2001:db8::1"),
    (Corp.web.pem + Corp.chain, {"subject_alt_name": ["URI:spiffe://a/b", "email:a@example.com"]},
     "asked for URI:spiffe://a/b, email:a@example.com, the certificate is for DNS:web1.example.com"),
], ids=["no chain", "half a chain", "another root", "expired", "not yet", "soon", "purpose", "names", "literal names"])
def test_a_wrong_answer_leaves_the_old_certificate(host, content, options, reason):
    host.install(content=renewed((-99, 200)).pem + Corp.chain)
    message = host.refused(content=content, **options)
    assert reason in message, message
    assert message.startswith("CN=web1.example.com (SHA-256 ") and " is refused: " in message
    assert message.endswith("Nothing is changed; the files on the host stay as they are")


def test_names_that_the_certificate_covers(host):
    host.install(subject_alt_name=["DNS:WEB1.example.com", "dns:x.apps.example.com", "DNS:*.apps.example.com",
                                   "IP:2001:DB8:0:0:0:0:0:1"])


def test_uris_and_mail_addresses_are_compared_literally(host):
    config = "subjectAltName=URI:spiffe://a/b,email:Web@Example.com,DNS:" + NAME
    (host.folder / "ext").write_text(u"%s" % config)
    csr = subprocess.check_output(["openssl", "req", "-new", "-key", host.at("web.key"), "-subj", "/CN=a"])
    host.write("ca.pem", Corp.root.pem + Corp.root.key_pem())
    made = subprocess.Popen(["openssl", "x509", "-req", "-CA", host.at("ca.pem"), "-set_serial", "7", "-extfile",
                             host.at("ext")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = made.communicate(csr)[0].decode()
    host.install(content=text, subject_alt_name=["URI:spiffe://a/b", "email:Web@example.com"])
    assert "asked for URI:spiffe://a/B, email:web@example.com, the" in host.refused(
        content=text, subject_alt_name=["URI:spiffe://a/B", "email:web@example.com"])


@pytest.mark.parametrize("options, reason", [
    ({"subject_alt_name": ["web1.example.com"]}, "subject_alt_name: 'web1.example.com' has no type"),
    ({"subject_alt_name": ["RID:1.2.3"]}, "subject_alt_name: RID:1.2.3 is not looked for here, only DNS, IP, URI"),
    ({"min_remaining": "soon"}, "min_remaining: 'soon' is no span of time"),
    ({"content": ""}, "content: it is empty"),
    ({"content": "hello"}, "content: there is no certificate in it"),
    ({"content": Corp.web.pem[:200]}, "content: a PEM block in it has no end line"),
    ({"content": Corp.web.key_pem() + Corp.web.pem}, "content: there is a private key in it"),
    ({"trust_content": "hello"}, "the trust in trust_content can't be used: there is no PEM certificate in it"),
    ({"trust_content": None, "trust": "/nosuch"}, "the trust in /nosuch can't be used: there is no such file"),
])
def test_options_that_make_no_sense(host, options, reason):
    message = host.refused(**options)
    assert message.startswith(reason)
    assert Corp.web.key_pem().splitlines()[1] not in message


def test_paths_that_make_no_sense(host):
    host.write("both.pem", Corp.web.pem + Corp.web.key_pem())
    for options, reason in [
        ({"path": host.at("full.crt")}, "path and fullchain_path are the same file, " + host.at("full.crt")),
        ({"path": host.at("web.key")}, "privatekey_path and path are the same file"),
        ({"path": host.at("both.pem")}, "%s holds a private key, which would be lost" % host.at("both.pem")),
        ({"path": host.at("nosuch/web.crt")}, "the folder %s does not exist; create it first" % host.at("nosuch")),
        ({"path": str(host.folder)}, "something that is no file is there"),
        ({"privatekey_path": host.at("a.key")}, "%s can't be used: there is no such file" % host.at("a.key")),
        ({"privatekey_path": host.at("both.pem"), "content": pki.server().pem}, "none of the certificates belongs to"),
    ]:
        assert reason in host.refused(**options)


def test_what_is_installed_and_no_longer_good_does_not_pass(host):
    soon = renewed((-9, 3)).pem + Corp.chain
    assert host.install(content=soon)["changed"] and not host.install(content=soon)["changed"]
    assert "it is what is installed already: have a new one made" in host.refused(content=soon, min_remaining="30d")


def test_a_file_that_may_not_be_read_is_no_empty_one(host, monkeypatch):
    """Tests may run as root, whom nothing is forbidden."""
    host.install()

    def refused(path):
        raise pem.CertificateFileError("it can't be read: Permission denied")
    monkeypatch.setattr(pem, "read_file", refused)
    with pytest.raises(planning.InstallationError, match="web.crt: it can't be read: Permission denied; does the task"):
        installation._held("path", host.at("web.crt"))


def test_a_host_without_openssl(host, monkeypatch):
    monkeypatch.setenv("PATH", "/nosuch")
    monkeypatch.setattr(openssl, "SYSTEM_PATH", "/nosuch")
    assert "install the package 'openssl'" in host.refused()


def test_writing_fails_and_all_is_as_it_was(host, monkeypatch):
    host.install()
    pair, rename, done = next_pair(host), os.rename, []

    def fails_third(source, target):
        done.append(target)
        if len(done) == 3:
            raise OSError(28, "No space left on device", target)
        rename(source, target)
    monkeypatch.setattr(replace.os, "rename", fails_third)
    assert "No space left on device; free some space there" in host.refused(content=pair.pem + Corp.chain)
    assert len(done) > 3, "two files were put back"


def test_runs_at_the_same_time_wait_for_each_other(host, monkeypatch):
    monkeypatch.setattr(replace, "LOCK_SECONDS", 0)
    with files.lock(str(host.folder), 0):
        assert "%s is locked for more than 0 seconds by process %d " % (host.folder, os.getpid()) in host.refused()


def test_somebody_else_writes_there(host, monkeypatch):
    real = replace.replace

    def disturbed(replacements, backup, prove):
        def proven():
            host.write("web.crt", "mine")
            prove()
        return real(replacements, backup, proven)
    monkeypatch.setattr(replace, "replace", disturbed)
    before = host.everything()
    with pytest.raises(files.FilesError, match="web.crt is not what was just written"):
        host.install()
    assert host.everything() == before  # all or nothing


def test_what_was_written_and_cannot_be_read_is_taken_back(host, monkeypatch):
    host.install()
    before = host.everything()
    real = installation.observe

    def unreadable(*arguments):
        monkeypatch.setattr(installation, "observe", broken)
        return real(*arguments)

    def broken(*_arguments):
        raise installation.InstallationError("%s: it can't be read: Input/output error" % host.at("web.crt"))
    monkeypatch.setattr(installation, "observe", unreadable)
    with pytest.raises(installation.InstallationError, match="Input/output error"):
        host.install(content=renewed((-1, 300)).pem + Corp.chain)
    assert host.everything() == before


# --- an older one ---

def test_an_older_certificate_does_not_replace_a_newer_one(host):
    host.install(content=renewed((-1, 300)).pem + Corp.chain)
    before, old = host.everything(), renewed((-9, 100))
    result = host.install(content=old.pem + Corp.chain)
    assert not result["changed"] and host.everything() == before
    assert "is in place; it stays, for what was offered is older: CN=%s (SHA-256 %s...), expires " % (
        NAME, old.fingerprint[:16]) in result["msg"]
    os.unlink(host.at("full.crt"))  # what is missing beside it is made for the one that stays
    assert host.install(content=old.pem + Corp.chain)["changed"]
    assert host.read("full.crt") == host.read("web.crt") + Corp.chain


def test_an_older_certificate_replaces_one_that_is_not_fit(host):
    """The newer one has not the wanted names, or its chain is not trusted."""
    old = renewed((-9, 100))
    for bad in (renewed((-1, 300), dns=["web9.example.com"]).pem, pki.server(NAME, key=Corp.web.key).pem):
        for name in ("web.crt", "full.crt"):
            host.write(name, bad)
        assert host.install(content=old.pem + Corp.chain, subject_alt_name=["DNS:" + NAME])["changed"]
        assert host.read("web.crt") == old.pem


def test_a_newer_certificate_that_is_valid_shorter_is_installed(host):
    """The CA's policy changed: issued later, ends earlier."""
    host.install(content=renewed((-9, 300)).pem + Corp.chain)
    later = renewed((-1, 90))
    assert host.install(content=later.pem + Corp.chain)["fingerprint_sha256"] == later.fingerprint


def test_an_earlier_certificate_that_is_valid_longer_is_installed(host):
    host.install(content=renewed((-1, 90)).pem + Corp.chain)
    longer = renewed((-9, 300))
    assert host.install(content=longer.pem + Corp.chain)["fingerprint_sha256"] == longer.fingerprint


def test_an_older_one_for_a_new_key_is_installed(host):
    host.install(content=renewed((-1, 300)).pem + Corp.chain)
    pair = pki.server(NAME, Corp.issuing, days=(-9, 100))
    host.write("web.key.next", pair.key_pem())
    assert host.install(content=pair.pem + Corp.chain)["fingerprint_sha256"] == pair.fingerprint


# --- check mode ---

def test_check_mode_says_the_same_and_touches_nothing(host):
    before = host.everything()
    foreseen = host.install(check_mode=True)
    assert host.everything() == before
    done = host.install()
    assert (foreseen["reasons"], foreseen["diff"]) == (done["reasons"], done["diff"])
    assert "would be installed" in foreseen["msg"] and "is installed" in done["msg"]
    assert not host.install(check_mode=True)["changed"]


def test_check_mode_on_an_empty_host(host):
    nowhere = {"path": "/nosuch/web.crt", "privatekey_path": "/nosuch/web.key"}
    for options, reason in [(dict(nowhere, content=""), "the certificate is not made yet"),
                            (dict(nowhere, content=None), "the certificate is not made yet"),
                            (nowhere, "the private key /nosuch/web.key is not there yet")]:
        result = host.install(check_mode=True, **options)
        assert result["changed"] and result["reasons"] == [reason] and result["subject"] is None
    result = host.install(check_mode=True, path="/nosuch/web.crt")
    assert result["changed"] and result["warnings"] == [
        "/nosuch/web.crt is to be written, and the folder /nosuch does not exist yet"]


def test_check_mode_refuses_what_the_run_will_refuse(host):
    with pytest.raises(installation.InstallationError, match="no chain came with it"):
        host.install(check_mode=True, content=Corp.web.pem)


# --- what is said ---

def test_no_byte_of_a_key_is_in_a_result(host):
    pair = next_pair(host)
    bodies = ["".join(one.key_pem().splitlines()[1:-1]) for one in (pair, Corp.web)]
    said = [str(host.install(content=pair.pem + Corp.chain, backup=True))]
    said.append(host.refused(content=pki.server().pem + Corp.chain))
    host.write("web.key", pair.key_pem().replace(bodies[0][20], "*"))
    said.append(host.refused(content=pair.pem + Corp.chain))
    for body in bodies:
        assert not any(body[start:start + 12] in text for text in said for start in range(len(body) - 11))


def test_differences_of_two_certificates():
    now = int(time.time())
    state = planning.State(None, None, {}, "")
    assert planning.installed(state) == (None, [])
    offer = installation.read_offer(Corp.web.pem)
    with pytest.raises(planning.InstallationError, match="none of the certificates belongs"):
        planning.choose(offer, state, now)
    one = offer.certificates[0]
    assert planning._changes(one, one._replace(serial=255)) == "serial ff instead of %x" % one.serial
    assert planning._changes(one, one._replace(issuer_der=one.subject_der)) == (
        "issuer CN=web1.example.com instead of CN=Corp Issuing CA")
    assert planning._changes(one, one._replace(extensions={})).startswith("names none instead of DNS:*.apps.example.")


def test_the_key_is_warned_of_that_everybody_can_read(host):
    os.chmod(host.at("web.key"), 0o644)
    assert host.install()["warnings"][0].endswith("web.key is readable by every user of the host")


# --- a mounted system ---

def test_below_a_root(host, tmp_path):
    """The image's own anchors judge, and links in it lead nowhere else."""
    root = tmp_path / "image"
    for folder in ("etc/ssl/private", "etc/ssl/certs", "srv"):
        (root / folder).mkdir(parents=True)
    (root / "etc" / "ssl" / "certs" / "web.crt").symlink_to("/srv/web.crt")
    (root / "etc" / "ssl" / "private" / "web.key").write_text(u"%s" % Corp.web.key_pem())
    given = {"root": str(root), "path": "web.crt", "chain_path": None, "fullchain_path": "full.pem",
             "privatekey_path": "web.key", "trust_content": None}
    with pytest.raises(planning.InstallationError, match="family is not known .*name a file in the image with"):
        host.install(**given)
    (root / "etc" / "os-release").write_text(u"ID=debian\n")
    with pytest.raises(verification.Unable, match="etc/ssl/certs/ca-certificates.crt can't be used"):
        host.install(**given)
    bundle = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    bundle.write_text(u"%s" % pki.root("Somebody Else").pem)
    with pytest.raises(planning.InstallationError, match="CN=Corp Root CA, which is not among the anchors"):
        host.install(**given)
    bundle.write_text(u"%s" % Corp.root.pem)
    assert host.install(**given)["changed"] and not host.install(**given)["changed"]
    assert (root / "srv" / "web.crt").read_text() == Corp.web.pem
    (root / "srv" / "own.pem").write_text(u"%s" % Corp.root.pem)
    bundle.unlink()
    assert not host.install(**dict(given, trust="/srv/own.pem"))["changed"]
    with pytest.raises(planning.InstallationError, match="is a folder, whose links may lead out"):
        host.install(**dict(given, trust="/etc/ssl/certs"))
