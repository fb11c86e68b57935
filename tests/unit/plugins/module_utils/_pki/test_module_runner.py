# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules have in common: the gate for cryptography, files' places, their attributes, their results."""
import os
import re
import sys

import pytest
from certificate_options import SECRET, Bench, assert_clear, options

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import (
    default_paths,
    file_attributes,
    files,
    replace,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    argspec,
    cryptography_dep,
    csr,
    keys,
    module_runner,
)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


# --- the gate ---

class Package:
    def __init__(self, version):
        self.__version__ = version


@pytest.mark.parametrize("version, enough", [
    ("3.2", True), ("3.2.1", True), ("3.10", True), ("36.0.1", True), ("43.0.0.dev1", True), ("3.1.9", False),
    ("2.9.2", False), ("3", False), ("", False)])
def test_versions_of_cryptography(monkeypatch, version, enough):
    monkeypatch.setattr(cryptography_dep, "cryptography", Package(version))
    if enough:
        cryptography_dep.require()
        return
    with pytest.raises(cryptography_dep.CryptographyMissing) as error:
        cryptography_dep.require()
    text = assert_clear(error.value)
    assert text.startswith("%s (Python %d.%d), which Ansible uses on this host, has " % (
        (sys.executable,) + sys.version_info[:2]))
    assert ("has cryptography %s; 3.2 or later is needed: install the package python" % version if version
            else "has no package cryptography; ") in text
    assert "or set ansible_python_interpreter to a Python that has it" in text


def test_no_cryptography_is_said_before_anything_is_done(bench, monkeypatch):
    monkeypatch.setattr(cryptography_dep, "cryptography", None)
    for check in (True, False):
        with pytest.raises(cryptography_dep.CryptographyMissing, match="no package cryptography; 3.2 or") as error:
            bench.csr(check, common_name="web1")
    assert re.match(r"python3[0-9.]*-cryptography$", error.value.facts["missing_packages"][0])
    assert not bench.look()


@pytest.mark.parametrize("interpreter, redhat, package", [
    ("/usr/bin/python3.12", True, "python3.12-cryptography"), ("/usr/bin/python3.12", False, "python3-cryptography"),
    ("/usr/libexec/platform-python", True, "python3-cryptography"), ("/nosuch/python3", True, "python3-cryptography"),
    ("/opt/venv/bin/python", True, "python3-cryptography"), ("/usr/bin/python3.6m", True, "python3-cryptography")])
def test_packages(interpreter, redhat, package):
    assert cryptography_dep._package(interpreter, redhat) == package


# --- places ---

def test_files_without_a_folder(tmp_path, monkeypatch):
    redhat, debian = str(tmp_path / "pki"), str(tmp_path / "ssl")
    monkeypatch.setattr(default_paths, "SYSTEM", (redhat, debian))
    assert default_paths.key("web.key") == debian + "/private/web.key"
    os.mkdir(debian)
    assert default_paths.certificate("web.crt") == debian + "/certs/web.crt"
    os.mkdir(redhat)
    assert (default_paths.key("web.key"), default_paths.certificate("web.crt")) == (
        redhat + "/private/web.key", redhat + "/certs/web.crt")
    for path in ("/srv/web.key", "./web.key", "a/web.key", None, ""):
        assert default_paths.key(path) == default_paths.certificate(path) == path
    names = {name: name for name in ("path", "privatekey_path", "csr_path", "certificate_path", "fullchain_path",
                                     "ca_path")}
    placed = module_runner.placed(dict(names, subject="web1"))
    assert placed.pop("subject") == "web1" and placed.pop("privatekey_path") == redhat + "/private/privatekey_path"
    assert placed == {name: "%s/certs/%s" % (redhat, name) for name in names if name != "privatekey_path"}


def image(folder):
    """A mounted system with links that lead out of it, and a user whom this machine does not know."""
    for name in ("etc/ssl/private", "etc/ssl/certs", "srv"):
        os.makedirs(os.path.join(folder, name))
    for link, target in (("etc/ssl/certs/web.crt", "/srv/web.crt"), ("srv/out", folder),
                         ("etc/ssl/private/up.key", "../../../../../etc/up.key")):
        os.symlink(target, os.path.join(folder, link))
    for name, text in (("passwd", "root:x:0:0::/root:/bin/sh\nof-image:x:4711:4712::/:/bin/sh\n"),
                       ("group", "root:x:0:\nof-image:x:4713:of-image\n")):
        with open(os.path.join(folder, "etc", name), "w") as stream:
            stream.write(text)
    return folder


def test_files_below_a_root(tmp_path):
    """Where a system is mounted, all is in it: links are followed inside it, whatever they say."""
    root = image(str(tmp_path / "image"))
    assert default_paths.key("web.key", root) == root + "/etc/ssl/private/web.key"
    assert default_paths.certificate("web.crt", root) == root + "/srv/web.crt"
    assert default_paths.key("/etc/ssl/private/up.key", root) == root + "/etc/up.key"
    assert default_paths.certificate("/srv/out/x", root) == root + root + "/x"
    assert default_paths.certificate(None, root) is None
    for wrong in ("./web.crt", "certs/web.crt"):
        with pytest.raises(files.FilesError, match="is not given from / on"):
            default_paths.certificate(wrong, root)
    os.symlink("/etc/shadow", root + "/etc/ssl/private/web.key.next")
    with pytest.raises(files.FilesError, match=r"web.key.next is a link, which may lead out of .*: remove it$"):
        default_paths.key("web.key", root)
    placed = module_runner.placed({"root": root, "path": "a.crt", "certificate_path": "/srv/b.crt", "chain_path": None})
    assert placed == {"root": root, "path": root + "/etc/ssl/certs/a.crt", "certificate_path": root + "/srv/b.crt",
                      "chain_path": None}


def test_key_and_certificate_below_a_root(tmp_path):
    """Nothing is written outside."""
    root = image(str(tmp_path / "image"))
    given = options(argspec.csr(), root=root, path="web.csr", privatekey_path="/etc/ssl/private/up.key",
                    certificate_path="web.crt", common_name="web")
    outcome = module_runner.attempt(csr.converge, given, False, ("privatekey_path", "path"))
    assert outcome.result["privatekey"]["path"] == root + "/etc/up.key"
    assert os.path.isfile(root + "/etc/up.key") and os.path.isfile(root + "/etc/ssl/certs/web.csr")
    assert os.listdir(str(tmp_path)) == ["image"]


def test_owners_are_those_of_the_root(tmp_path):
    root = image(str(tmp_path / "image"))
    params = {"root": root, "owner": "of-image", "privatekey_group": "of-image", "privatekey_owner": "12"}
    file_attributes.check(params)
    found = file_attributes._of_root(params)
    assert found == dict(params, owner="4711", privatekey_group="4713", privatekey_owner="12")
    with pytest.raises(file_attributes.AttributesError, match="^owner: there is no user 'daemon' in the system below "):
        file_attributes.check(dict(params, owner="daemon"))
    with pytest.raises(file_attributes.AttributesError, match="^owner: there is no user 'of-image' on this host$"):
        file_attributes.check(dict(params, root="/"))
    assert file_attributes._of_root(dict(params, root="/"))["owner"] == "of-image"


def test_the_real_places():
    assert default_paths.SYSTEM == ("/etc/pki/tls", "/etc/ssl")


# --- the module ---

class Exit(Exception):
    pass


class Module:
    """As much of AnsibleModule as is used."""

    def __init__(self, params, check_mode=False, diff=True, attributes=()):
        self.params, self.check_mode, self._diff = params, check_mode, diff
        self.attributes, self.asked, self.warnings, self.result = dict(attributes), [], [], None
        self.no_log_values = set()

    def fail_json(self, **result):
        self.result = dict(result, failed=True)
        raise Exit

    def exit_json(self, **result):
        self.result = result
        raise Exit

    def warn(self, text):
        self.warnings.append(text)

    def load_file_common_arguments(self, params, path):
        return {"path": path, "mode": params.get("mode"), "owner": params.get("owner"), "group": params.get("group"),
                "seuser": params.get("seuser"), "secontext": ["a"], "attributes": params.get("attributes")}

    def set_fs_attributes_if_different(self, common, changed, diff):
        self.asked.append(common)
        diff.update(self.attributes.get(os.path.basename(common["path"]), {}))
        return bool(diff)


def run(bench, check_mode=False, attributes=(), diff=True, **given):
    params = options(argspec.csr(), path=bench.path("web.csr"), privatekey_path=bench.path("web.key"), **given)
    module = Module(dict(params, mode="0640", owner="root", attributes="+i"), check_mode, diff, attributes)
    with pytest.raises(Exit):
        module_runner.run(module, csr.converge)
    return module


def test_success_and_failure(bench):
    module = run(bench, common_name="web1", privatekey_passphrase=SECRET)
    assert module.result["changed"] is True and len(module.result["reasons"]) == 2
    assert module.result["diff"]["after_header"] == bench.path("web.csr")
    assert "diff" not in run(bench, diff=False, common_name="web1", privatekey_passphrase=SECRET).result
    assert_clear(repr(module.result).replace("\\n", " "), SECRET, bench.read("web.key").decode())
    module = run(bench, common_name="web1", privatekey_passphrase=SECRET)
    assert module.result["changed"] is False and module.result["reasons"] == [] and module.warnings == []
    module = run(bench, common_name="web1", privatekey_passphrase="another")
    assert module.result["failed"] and "can't be decrypted" in module.result["msg"]
    module = run(bench, common_name="web1", privatekey_passphrase=SECRET, key_type="Ed25519")
    assert len(module.warnings) == 1 and "regenerate_key=mismatch" in module.warnings[0]


@pytest.mark.parametrize("given, message", [
    ({"privatekey_owner": "nosuchuser"}, "privatekey_owner: there is no user 'nosuchuser' on this host"),
    ({"privatekey_group": "nosuchgroup"}, "privatekey_group: there is no group 'nosuchgroup' on this host"),
    ({"privatekey_mode": "0999"}, "privatekey_mode: '0999' is no mode: write for example '0640' or u=rw,g=r"),
    ({"privatekey_mode": "rw"}, "privatekey_mode: 'rw' is no mode"),
    ({"privatekey_mode": "77777"}, "privatekey_mode: '77777' is no mode"),
    ({"privatekey_mode": "-1"}, "privatekey_mode: '-1' is no mode"),
    ({"privatekey_mode": 4096}, "privatekey_mode: 4096 is no mode"),
])
def test_what_can_not_be_set_is_known_before_anything_is_written(bench, given, message):
    module = run(bench, common_name="web1", **given)
    assert module.result["failed"] and module.result["msg"].startswith(message)
    assert os.listdir(bench.folder) == []


@pytest.mark.parametrize("mode", ["0640", "u=rw,g=r,o=", "a+r", 416, "640"])
def test_modes(bench, mode):
    assert "failed" not in run(bench, common_name="web1", privatekey_mode=mode).result


def test_links_are_followed_for_attributes_too(bench):
    run(bench, common_name="web1")
    os.rename(bench.path("web.key"), bench.path("real.key"))
    os.symlink("real.key", bench.path("web.key"))
    module = run(bench, common_name="web1", privatekey_mode="0640")
    assert bench.path("real.key") in [one["path"] for one in module.asked]


def test_attributes_of_a_key_that_waits_are_reasons_too(bench):
    """Its file is there, and is not that of privatekey_path."""
    attributes = {"web.key.next": {"before": {"mode": "0600"}, "after": {"mode": "0640"}}}
    run(bench, common_name="web1")
    bench.write("web.key.next", bench.read("web.key"))
    module = run(bench, attributes=attributes, common_name="web1", certificate_path=bench.path("web.crt"))
    assert module.result["changed"] is True
    assert module.result["reasons"] == ["%s: mode 0640 instead of 0600" % bench.path("web.key.next")]


@pytest.mark.parametrize("name", ["path", "privatekey_path", "certificate_path"])
def test_paths_that_are_none(bench, name):
    for value in ("", "a\0b"):
        given = dict({"path": bench.path("web.csr"), "privatekey_path": bench.path("web.key")}, **{name: value})
        module = Module(options(argspec.csr(), common_name="web1", **given))
        with pytest.raises(Exit):
            module_runner.run(module, csr.converge)
        assert module.result["failed"] and module.result["msg"].startswith(name + " is ")


def test_a_private_key_in_the_wrong_option_is_hidden(bench):
    key = keys.dump(keys.generate("EC P-256")).decode()
    module = run(bench, common_name="web1", certificate_path=bench.path("web.crt"), ca_content=key)
    assert module.result["failed"] and module.no_log_values == {key}


def test_attributes_of_the_key_are_its_own(bench):
    module = run(bench, common_name="web1", privatekey_mode="0440", privatekey_group="root")
    about = {one["path"]: one for one in module.asked}
    assert sorted(about) == [bench.path("web.csr"), bench.path("web.key")]
    request, key = about[bench.path("web.csr")], about[bench.path("web.key")]
    assert (request["mode"], request["owner"], request["group"], request["attributes"]) == ("0640", "root", None, "+i")
    assert (key["mode"], key["owner"], key["group"], key["attributes"]) == ("0440", None, "root", None)
    assert key["secontext"] == [None, None, None] and key["seuser"] is None


def test_attributes_that_change_are_reasons_for_files_that_were_there(bench):
    attributes = {"web.csr": {"before": {"path": "x", "mode": "0644"}, "after": {"path": "x", "mode": "0640"}},
                  "web.key": {"before": {}, "after": {}}}
    module = run(bench, attributes=attributes, common_name="web1")
    assert module.result["reasons"] == ["there is no private key yet", "there is no request yet"]
    module = run(bench, attributes=attributes, common_name="web1")
    assert module.result["changed"] is True
    assert module.result["reasons"] == ["%s: mode 0640 instead of 0644" % bench.path("web.csr"),
                                        "%s: its attributes" % bench.path("web.key")]


def test_the_folders_are_locked_while_it_runs(bench, monkeypatch):
    held = []
    os.mkdir(bench.path("keys"))
    real = replace.files.lock
    monkeypatch.setattr(replace.files, "lock", lambda folder, seconds: held.append((folder, seconds)) or real(folder,
                                                                                                              1))
    bench.csr(True, common_name="web1")
    assert not held
    bench.csr(common_name="web1", privatekey_path="keys/web.key")
    assert [folder for folder, _seconds in held] == [bench.folder, bench.path("keys")]
    assert replace.LOCK_SECONDS >= held[0][1] > held[1][1] > replace.LOCK_SECONDS - 30  # for all together


def test_a_lock_that_others_hold_is_waited_for_and_said(bench, monkeypatch):
    monkeypatch.setattr(replace, "LOCK_SECONDS", 0)
    with replace.files.lock(bench.folder, 0):
        with pytest.raises(Failure, match="is locked for more than 0 seconds by process"):
            bench.csr(common_name="web1")
    assert not bench.look()
    assert bench.csr(common_name="web1").reasons
