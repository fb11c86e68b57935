# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done once for all hosts does not go by the variables of the first one."""

from __future__ import annotations

import json

import host_certificates
import plays
import podman
import pytest

FIRST, SECOND = "web1", "web2"


@pytest.fixture(scope="module")
def hosts():
    """Two hosts, the first of which may have variables of its own."""
    with podman.fleet({FIRST: "el9", SECOND: "debian12"}) as fleet:
        yield fleet


@pytest.fixture()
def folder(tmp_path):
    """A folder with two private CAs."""
    for name in ("a", "b"):
        host_certificates.existing_ca(tmp_path / name)
    return tmp_path


def inventory(hosts, folder, first, **variables):
    """With variables of all hosts, and of the first one alone."""
    listed = json.loads(hosts.inventory.read_text())
    listed["all"]["vars"].update(host_trust_become=False, private_ca_passphrase=host_certificates.PASSPHRASE,
                                 private_ca_name="Corp", **variables)
    listed["all"].setdefault("hosts", {})[FIRST] = first
    (folder / "hosts.json").write_text(json.dumps(listed))
    return folder / "hosts.json"


def refused(done):
    """The sentence that a run ended with."""
    assert done.code != 0, done.output
    return next(one["msg"] for found in done.results.values() for one in found if one.get("failed"))


def trusted(host, folder, name):
    """Whether a host has the root of a CA among its anchors."""
    script = "cat /etc/pki/ca-trust/source/anchors/* /usr/local/share/ca-certificates/* 2>/dev/null"
    listed = host.run("sh", "-c", script, check=False).stdout
    return (folder / name / "root/root.crt").read_text().splitlines()[5] in listed  # of its key


def test_the_ca_of_one_host_is_not_that_of_all(hosts, folder):
    """Each other host would trust the CA of the first one."""
    listed = inventory(hosts, folder, {"private_ca_dir": f"{folder}/b"}, private_ca_dir=f"{folder}/a")
    for playbook in ("distribute_trust", "site"):
        sentence = refused(plays.playbook(listed, f"fleetpki.host_trust.{playbook}"))
        assert sentence.startswith(
            f"The CA is read once for all hosts, and private_ca_dir has one value for {FIRST}, and another for "
            f"{SECOND}. One of these would decide for the others."), sentence
        assert not any(trusted(host, folder, name) for host in hosts.values() for name in "ab")
    for name, host, limit in (("b", hosts[FIRST], FIRST), ("a", hosts[SECOND], SECOND)):
        done = plays.playbook(listed, "fleetpki.host_trust.distribute_trust", "--limit", limit)
        assert done.code == 0 and trusted(host, folder, name), done.output
    assert not trusted(hosts[FIRST], folder, "a") and not trusted(hosts[SECOND], folder, "b")
    # A report refuses nobody: it compares each host with its own CA.
    found = plays.findings(listed, folder / "report", trust_report_certificates=[])
    assert not [kind for kind in found if kind.startswith(("anchor", "wanted"))], found


def test_where_the_ca_is_counts_too(hosts, folder):
    for name, value in (("private_ca_host", FIRST), ("private_ca_become", "yes")):
        listed = inventory(hosts, folder, {name: value}, private_ca_dir=f"{folder}/a")
        sentence = refused(plays.playbook(listed, "fleetpki.host_trust.distribute_trust"))
        assert f"{name} has one value for {FIRST}, and another for {SECOND}" in sentence


def test_the_same_in_other_words_is_the_same(hosts, folder):
    """And a host without a CA of its own has no say."""
    listed = inventory(hosts, folder, {"private_ca_dir": f"{folder}/a", "private_ca_become": "no",
                                       "private_ca_host": "localhost"})
    done = plays.playbook(listed, "fleetpki.host_trust.distribute_trust")
    assert done.code == 0, done.output
    assert trusted(hosts[FIRST], folder, "a") and trusted(hosts[SECOND], folder, "a")


@pytest.mark.parametrize("name", [
    "ca_rotation_new_dir", "ca_rotation_exclude_hosts", "ca_rotation_phases", "private_ca_dir"])
def test_a_rotation_is_one_for_all(hosts, folder, name):
    variables = {"private_ca_dir": f"{folder}/a", "ca_rotation_new_dir": f"{folder}/b", "ca_rotation_exclude_hosts": [],
                 "ca_rotation_phases": ["distribute"]}
    other = {"ca_rotation_exclude_hosts": [SECOND], "ca_rotation_phases": ["distribute", "reissue"]}
    listed = inventory(hosts, folder, {name: other.get(name, f"{folder}/c")}, **variables)
    sentence = refused(plays.playbook(listed, "fleetpki.host_trust.rotate_ca"))
    assert sentence.startswith(
        f"A rotation is one for all hosts, and {name} has one value for {FIRST}, and another for {SECOND}."), sentence


def test_a_report_is_one_for_all(hosts, folder):
    own = {"trust_report_prometheus": f"{folder}/precious"}
    listed = inventory(hosts, folder, own, trust_report_dir=f"{folder}/report")
    sentence = refused(plays.playbook(listed, "fleetpki.host_trust.report"))
    assert sentence.startswith("The report is written once for all hosts, and trust_report_prometheus has one value "
                               f"for {FIRST}, and another for {SECOND}."), sentence
    assert not (folder / "precious").exists() and not (folder / "report").exists()


def test_each_host_has_its_request_in_its_own_folder(hosts, folder):
    """The folder of the first one alone was made, and the others' requests were left out without a word."""
    listed = inventory(hosts, folder, {"host_certificate_external_dir": f"{folder}/first"},
                       host_certificate_external_dir=f"{folder}/others", host_certificate_source="external")
    done = plays.playbook(listed, "fleetpki.host_trust.issue_certificates")
    assert done.code == 0, done.output
    assert {path.relative_to(folder).as_posix() for path in folder.glob("*/*.csr")} == {
        f"first/{FIRST}.csr", f"others/{SECOND}.csr"}
