# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way in short, with the ansible-core that runs this and each Python that it can talk to on hosts.

tools/matrix runs it with every ansible-core. Pythons of this machine are shown to the hosts as they are; those that are
not here are named.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pki
import plays
import podman
import pytest
from ansible.release import __version__ as core

pytestmark = pytest.mark.versions

ROOT = Path(__file__).resolve().parents[2]
CA = pki.root("Corp Root CA")
WEB = pki.server("web1.example.com", CA)
VERSION = core.rpartition(".")[0]
# What ansible-core says of target nodes in its support matrix.
HOST_PYTHONS = {
    "2.16": range(6, 13), "2.17": range(7, 13), "2.18": range(8, 14), "2.19": range(8, 14), "2.20": range(9, 15),
    "2.21": range(9, 15),
}


def prefix_of(version):
    """The folder of a Python of this machine, or None."""
    found = subprocess.run([str(ROOT / "tools/find-python"), version], capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()).resolve().parents[1] if found.returncode == 0 else None


@pytest.fixture(scope="module")
def pythons():
    """{version: folder} of the Pythons that hosts may have and this machine has outside of its system."""
    wanted = [f"3.{minor}" for minor in HOST_PYTHONS[VERSION]]
    found = {version: prefix_of(version) for version in wanted}
    found = {version: folder for version, folder in found.items() if folder and folder != Path("/usr")}
    print(f"\nansible-core {core} on {sys.version.split()[0]}, hosts with Python {', '.join(found)} besides their own")
    for missing in [version for version in wanted if version not in found]:
        print(f"skipped: Python {missing} for a host is not on this machine")
    return found


@pytest.fixture(scope="module")
def fleet(pythons):
    """An EL 9 stand-in and a Debian with this machine's Pythons beside their own, and an EL 8 stand-in."""
    volumes = [f"--volume={folder}:{folder}:ro" for folder in pythons.values()]
    more = {"el9": volumes, "debian12": volumes}
    with podman.fleet({"el8": "el8", "el9": "el9", "debian12": "debian12"}, more) as hosts:
        for host in hosts.values():
            host.write("/root/web1.crt", WEB.pem.encode())
        yield hosts


def test_the_whole_way_and_nothing_the_second_time(fleet, tmp_path):
    variables = {"private_ca_dir": str(tmp_path / "ca"), "private_ca_passphrase": "not a secret, for a test"}
    first = plays.playbook(fleet.inventory, "fleetpki.host_trust.site", variables=variables)
    again = plays.playbook(fleet.inventory, "fleetpki.host_trust.site", variables=variables)
    assert first.code == again.code == 0, first.output + again.output
    for name in fleet:
        assert any(result.get("changed") for result in first.of(name))
        assert not any(result.get("changed") for result in again.of(name))
    smoke = plays.playbook(fleet.inventory, "fleetpki.host_trust.smoke_test",
                           variables={**variables, "tls_smoke_test_controller": False})
    assert smoke.code == 0, smoke.output


def test_trust_with_each_python_of_a_host(fleet, pythons):
    certificates = [{"path": "/root/web1.crt", "hostnames": ["web1.example.com"]}]
    for version, folder in pythons.items():
        interpreter = {"ansible_python_interpreter": str(folder / "bin" / f"python{version}")}
        tasks = [
            plays.anchors({"name": "corp", "content": CA.pem}), plays.anchors({"name": "corp", "content": CA.pem}),
            {"fleetpki.host_trust.ca_trust_info": {}},
            {"fleetpki.host_trust.cert_verify": {"certificates": certificates}},
            {"fleetpki.host_trust.tls_endpoint_info": {"host": "127.0.0.1", "port": 1}},
            plays.anchors({"name": "corp", "state": "absent"}),
        ]
        play = plays.run(fleet.inventory, tasks, hosts="el9:debian12", vars=interpreter)
        for host in ("el9", "debian12"):
            installed, again, told, verified, endpoint, removed = play.of(host)
            assert installed["changed"] and not again["changed"] and removed["changed"], (version, play.output)
            assert told["in_sync"] is True and told["counts"]["managed"] >= 1, (version, told)
            assert not verified.get("failed"), (version, verified)
            assert "nothing listens there" in endpoint["results"][0]["finding"], (version, endpoint)


def test_no_traceback_where_the_python_of_a_host_lacks_cryptography(fleet, pythons):
    """Python from elsewhere has none; the message names the interpreter."""
    version, folder = next(iter(pythons.items()), (None, None))
    if version is None:
        pytest.skip("no Python outside of the system is on this machine")
    interpreter = str(folder / "bin" / f"python{version}")
    task = {"fleetpki.host_trust.csr": {"path": "/root/x.csr", "privatekey_path": "/root/x.key"}}
    play = plays.run(fleet.inventory, [task], hosts="el9", vars={"ansible_python_interpreter": interpreter})
    result = play.of("el9")[0]
    assert result["failed"] and "cryptography" in result["msg"] and str(folder) in result["msg"], result
