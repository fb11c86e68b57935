# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: fresh test hosts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "hosts"), str(TESTS / "integration")]

import host_certificates  # noqa: E402  (found through the path above)
import places  # noqa: E402
import playbook_server  # noqa: E402
import plays  # noqa: E402
import podman  # noqa: E402

ALL = ("el8", "el9", "el10", "debian12", "debian13")
EL = ("el8", "el9", "el10")


def pytest_configure():
    """All workers share the servers of this process."""
    playbook_server.share()


@pytest.fixture()
def all_hosts():
    """One fresh host of each platform."""
    with podman.fleet(ALL) as fleet:
        yield fleet


@pytest.fixture()
def one_of_each():
    """A fresh host of each kind of store."""
    with podman.fleet(["el9", "debian12"]) as fleet:
        yield fleet


@pytest.fixture()
def el9():
    """A fresh EL 9 stand-in."""
    with podman.fleet(["el9"]) as fleet:
        yield fleet


@pytest.fixture()
def el_hosts():
    """One fresh EL stand-in of each generation."""
    with podman.fleet(EL) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def fleet():
    """Hosts for tests of the role host_certificate; other files have fleets of their own."""
    with host_certificates.started() as fleet:
        yield fleet


@pytest.fixture()
def place(tmp_path):
    """What the documentation's examples are run in."""
    return places.Place(tmp_path)


@pytest.fixture()
def with_ca(place):
    """The same with the private CA in it, in /srv/pki and of the passphrase in the vault."""
    import documented  # it reads Markdown, with a library that tools/matrix does without

    variables = {"private_ca_passphrase": place.variables["vault_private_ca_passphrase"]}
    place.run(documented.example("roles/private_ca/README.md", "- name: Make the company's CA"), hosts="localhost",
              variables=variables)
    place.variables["private_ca_dir"] = f"{place.folder}/srv/pki"
    place.variables.update(variables)
    return place


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder in which the collection is installed as users install it: from its artifact."""
    folder = tmp_path_factory.mktemp("installed")
    environment = {**plays.ansible_environment(), "ANSIBLE_COLLECTIONS_PATH": str(folder)}

    def galaxy(*command):
        subprocess.run(["ansible-galaxy", "collection", *command], check=True, capture_output=True, env=environment)

    galaxy("build", str(plays.ROOT), "--output-path", str(folder))
    (artifact,) = folder.glob("*.tar.gz")
    galaxy("install", str(artifact), "--collections-path", str(folder))
    folder.chmod(0o755)
    return folder


def pytest_terminal_summary(terminalreporter):
    """Numbers that tests have counted (record_property "said"), for all to see."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name == "said" and report.when == "call":
                terminalreporter.write_line(value)
