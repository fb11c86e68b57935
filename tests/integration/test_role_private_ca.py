# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role private_ca on the controller, judged by openssl."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import plays
import pytest

ROLE = "fleetpki.host_trust.private_ca"
PASSPHRASE = "sesame-of-the-tests"
ROOT_PASSPHRASE = "sesame-of-the-root"
SETTINGS = {
    "private_ca_passphrase": PASSPHRASE, "private_ca_root_passphrase": ROOT_PASSPHRASE, "private_ca_name": "Corp",
    "private_ca_organization": "Corp Inc.", "private_ca_name_constraints_permitted": ["DNS:example.com"],
    "private_ca_issuing_not_after": "+400d", "private_ca_root_crl_url": "http://pki.example.com/root.crl",
}
FILES = {"root": {"root.crt", "root.key", "root.crl"},
         "issuing": {"issuing.crt", "issuing.key", "issuing.csr", "issuing.crl", "chain.pem"}}


def openssl(*args, passphrase=PASSPHRASE, check=True, text=None):
    """What openssl prints; with ``check`` it must succeed."""
    done = subprocess.run(["openssl", *map(str, args)], input=text, capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin", "PASS": passphrase})
    assert not check or done.returncode == 0, done.stderr
    return done.stdout if check else done.stdout + done.stderr


def role(folder, *args, **variables):
    """Runs the role for a CA in ``folder``, in a play of an inventory that has localhost in it."""
    return plays.run("localhost,", [], *args, roles=[ROLE], ignore_errors=False,
                     vars={"private_ca_dir": str(folder), **SETTINGS, **variables})


def failures(play):
    return [(one["task"], one.get("msg"), one.get("results")) for one in play.of("localhost") if one.get("failed")]


def changes(play):
    return [result["task"].rpartition(" : ")[2] for result in play.of("localhost") if result.get("changed")]


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


class CA:
    """A CA as the role made it, what the role said of it, and a server's certificate from it."""

    def __init__(self, folder, play):
        self.folder, self.play = folder, play
        self.root, self.issuing = folder / "root" / "root.crt", folder / "issuing" / "issuing.crt"
        self.leaf = folder.parent / "leaf.crt"

    def issue(self):
        """A certificate for web1.example.com, made with openssl."""
        request = openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout",
                          "/dev/null", "-subj", "/CN=web1", "-addext", "subjectAltName=DNS:web1.example.com")
        openssl("x509", "-req", "-CA", self.issuing, "-CAkey", self.issuing.with_suffix(".key"), "-passin", "env:PASS",
                "-copy_extensions", "copy", "-days", "30", "-out", self.leaf, text=request)

    def verify(self, *args):
        return openssl("verify", "-x509_strict", "-CAfile", self.root, "-untrusted", self.issuing, *args, self.leaf,
                       check=False)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A CA that the role has made in a folder that was not there, with -vvv."""
    folder = tmp_path_factory.mktemp("pki") / "ca"
    made = CA(folder, role(folder, "-vvv"))
    assert made.play.code == 0, failures(made.play)
    made.issue()
    return made


@pytest.fixture()
def ca(original, tmp_path):
    """A copy of it, to do anything with."""
    shutil.copytree(original.folder, tmp_path / "ca")
    shutil.copy(original.leaf, tmp_path / "leaf.crt")
    return CA(tmp_path / "ca", original.play)


def test_made(original):
    assert {folder: {path.name for path in (original.folder / folder).iterdir()} for folder in FILES} == FILES
    assert {path.stat().st_mode & 0o777 for path in original.folder.parent.rglob("*") if path.is_dir()} == {0o700}
    assert openssl("verify", "-x509_strict", "-CAfile", original.root, original.issuing).endswith(": OK\n")
    assert original.verify().endswith(": OK\n"), "what it issues verifies"
    chain = original.issuing.with_name("chain.pem").read_text()
    assert chain == original.issuing.read_text() + original.root.read_text()
    for certificate, passphrase in ((original.root, ROOT_PASSPHRASE), (original.issuing, PASSPHRASE)):
        key = certificate.with_suffix(".key")
        public = openssl("pkey", "-in", key, "-passin", "env:PASS", "-pubout", passphrase=passphrase)
        assert public == openssl("x509", "-in", certificate, "-noout", "-pubkey")
        assert "BEGIN ENCRYPTED PRIVATE KEY" in key.read_text() and key.stat().st_mode & 0o777 == 0o600
        crl = certificate.with_suffix(".crl")
        assert "verify OK" in openssl("crl", "-in", crl, "-CAfile", certificate, check=False)
    text = openssl("x509", "-in", original.issuing, "-noout", "-text")
    for expected in ("CN = Corp Issuing CA", "O = Corp Inc.", "CN = Corp Root CA", "CA:TRUE, pathlen:0",
                     "URI:http://pki.example.com/root.crl", "DNS:example.com"):
        assert expected in text, text


def test_nothing_secret_is_printed(original):
    """At -vvv, when keys were made."""
    assert PASSPHRASE not in original.play.output and ROOT_PASSPHRASE not in original.play.output
    assert "PRIVATE KEY" not in original.play.output
    assert "Make the root" in original.play.output


def test_the_second_run_changes_nothing(ca):
    before = content(ca.folder)
    again = role(ca.folder, "--diff", private_ca_become="no")
    assert again.code == 0 and changes(again) == [], failures(again)
    assert content(ca.folder) == before
    [read] = [one for one in again.of("localhost") if one["task"].endswith("Read the CA's certificates")]
    assert read["skipped"], "what the controller reads by itself costs no task"
    facts = again.of("localhost")[-2]["ansible_facts"]["private_ca_certificates"]
    assert facts == {"root": ca.root.read_text(), "issuing": ca.issuing.read_text(),
                     "chain": ca.issuing.read_text() + ca.root.read_text(), "besides": ""}


def test_check_mode_on_an_empty_controller(tmp_path):
    foreseen = role(tmp_path / "ca", "--check", "--diff")
    assert foreseen.code == 0 and {"Make the root", "Sign the issuing CA's certificate"} <= set(changes(foreseen))
    assert list(tmp_path.iterdir()) == [] and "PRIVATE KEY" not in foreseen.output


@pytest.mark.roles
def test_the_root_is_offline_until_the_issuing_ca_is_renewed(ca):
    """Nothing is made without the key; with it, certificates from before the renewal stay valid."""
    key, before = ca.root.with_suffix(".key"), content(ca.folder)
    kept = key.rename(ca.folder.parent / "stick.key")
    key.symlink_to(ca.folder / "not plugged in")
    idle = role(ca.folder)
    due = role(ca.folder, private_ca_issuing_renew_before="400d")
    assert idle.code == 0 and changes(idle) == [], failures(idle)
    said = due.of("localhost")[-1]["msg"]
    assert due.code != 0 and f"Bring {key} back to localhost" in said and "it expires in 399 days" in said
    key.unlink()
    kept.rename(key)
    assert content(ca.folder) == before, "as it was"
    renewed = role(ca.folder, private_ca_issuing_renew_before="400d", private_ca_issuing_not_after="+500d")
    assert renewed.code == 0, failures(renewed)
    assert changes(renewed) == ["Sign the issuing CA's certificate", "Write the chain of the issuing CA"]
    after = content(ca.folder)
    assert {name for name in before if before[name] != after[name]} == {
        Path("issuing/issuing.crt"), Path("issuing/chain.pem")}
    assert ca.verify().endswith(": OK\n")
    assert any(path.read_bytes() == before[Path("issuing/issuing.crt")] for path in ca.issuing.parent.glob("*.crt.*~"))


@pytest.mark.roles
def test_revoked(ca):
    serial = openssl("x509", "-in", ca.leaf, "-noout", "-serial").strip().partition("=")[2]
    assert ca.verify("-crl_check", "-CRLfile", ca.issuing.with_suffix(".crl")).endswith(": OK\n")
    revoked = {"private_ca_revoked": [{"serial": serial.lower(), "reason": "keyCompromise"}]}
    assert changes(role(ca.folder, **revoked)) == ["Make the issuing CA's list of revoked certificates"]
    assert "certificate revoked" in ca.verify("-crl_check", "-CRLfile", ca.issuing.with_suffix(".crl"))


def test_what_is_refused(ca, tmp_path):
    """Each with a sentence that says what to do, and nothing is made."""
    cases = {
        "empty": {"private_ca_passphrase": "", "private_ca_root_passphrase": ""},
        "wrong": {"private_ca_passphrase": "wrong"},
        "relative": {"private_ca_dir": "pki"},
        "nowhere": {"private_ca_dir": str(tmp_path / "mnt"), "private_ca_create": "false"},
        "rootless": {"private_ca_dir": str(tmp_path / "rootless")},
    }
    shutil.copytree(ca.folder, tmp_path / "rootless")
    (tmp_path / "rootless/root/root.crt").unlink()
    before = content(tmp_path)
    tasks = [{"block": [{"ansible.builtin.include_role": {"name": ROLE}, "vars": given}],
              "rescue": [{"name": name, "ansible.builtin.debug": {"var": "ansible_failed_result.msg"}}]}
             for name, given in cases.items()]
    done = plays.run("localhost,", tasks, ignore_errors=False, vars={"private_ca_dir": str(ca.folder), **SETTINGS})
    said = {result["task"]: result["ansible_failed_result.msg"] for result in done.of("localhost")
            if "ansible_failed_result.msg" in result}
    assert set(said) == set(cases), failures(done)
    assert "ansible-vault encrypt_string --stdin-name private_ca_passphrase" in said["empty"]
    assert "issuing.key" in said["wrong"] and "passphrase" in said["wrong"]
    assert "{{ inventory_dir }} is not known to localhost" in said["relative"]
    assert f"no CA in {tmp_path}/mnt" in said["nowhere"] and "Is private_ca_dir right, mounted" in said["nowhere"]
    assert "Bring it back from the backup" in said["rootless"]
    assert content(tmp_path) == before and not (tmp_path / "mnt").exists()


@pytest.mark.roles
def test_names_times_and_lists(tmp_path):
    """What the variables say of the CAs' names, of their ends, and of their revocation lists."""
    given = {"private_ca_root_subject": [{"CN": "Our Root"}, {"C": "SE"}], "private_ca_root_not_after": "+3000d",
             "private_ca_issuing_subject": [{"CN": "Our Issuer"}], "private_ca_crl_next_update": "+10d",
             "private_ca_root_crl_next_update": "+200d"}
    made = CA(tmp_path / "ca", role(tmp_path / "ca", **given))
    assert made.play.code == 0, failures(made.play)
    names = [openssl("x509", "-in", path, "-noout", "-subject", "-nameopt", "RFC2253").strip()
             for path in (made.root, made.issuing)]
    assert names == ["subject=C=SE,CN=Our Root", "subject=CN=Our Issuer"]

    def until(path, days):
        """Whether a certificate or list is valid for so many days, and no more than one longer."""
        kind, option = ("crl", "-nextupdate") if path.suffix == ".crl" else ("x509", "-enddate")
        end = openssl(kind, "-in", path, "-noout", option).strip().partition("=")[2]
        left = datetime.datetime.strptime(end, "%b %d %H:%M:%S %Y GMT") - datetime.datetime.now(
            datetime.timezone.utc).replace(tzinfo=None)
        return days - 1 <= left.days <= days

    lists = made.issuing.with_suffix(".crl"), made.root.with_suffix(".crl")
    assert until(made.root, 3000) and until(lists[0], 10) and until(lists[1], 200)
    before = [path.read_bytes() for path in lists]
    assert changes(role(tmp_path / "ca", **given)) == []
    sooner = {"private_ca_crl_renew_before": "9d", "private_ca_root_crl_renew_before": "199d"}
    assert changes(role(tmp_path / "ca", **given, **sooner)) == [], "they last longer than that"
    sooner = {"private_ca_crl_renew_before": "11d", "private_ca_root_crl_renew_before": "201d"}
    longer = {"private_ca_crl_next_update": "+20d", "private_ca_root_crl_next_update": "+300d"}
    again = role(tmp_path / "ca", **given | longer, **sooner)
    assert again.code == 0 and all(path.read_bytes() != old for path, old in zip(lists, before, strict=True))
    assert until(lists[0], 20) and until(lists[1], 300)

    serial = openssl("x509", "-in", made.issuing, "-noout", "-serial").strip().partition("=")[2]
    revoked = role(tmp_path / "ca", **given | longer, private_ca_root_revoked=[{"serial": serial}])
    assert revoked.code == 0 and f"Serial Number: {serial}" in openssl("crl", "-in", lists[1], "-noout", "-text")
