# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: fresh test hosts."""

from __future__ import annotations

import fcntl
import os
import shutil
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

STORES = ("el8", "el9", "el10", "debian12", "debian13")  # for what trust stores do
EL = ("el8", "el9", "el10")
PLATFORMS_BY_PART = {
    "first": ("el8", "debian13"),  # `make integration`: a host of each family, the oldest and the newest OpenSSL
    "others": ("el9", "el10", "debian12"),  # `make integration-platforms`
}
FIRST = ("test_secrets.py", "test_role_tls_smoke_test.py")  # all would wait in the end for those that take longest
PLATFORMS = PLATFORMS_BY_PART[os.environ.get("PLATFORMS", "first")]  # for all else


def pytest_configure():
    """All workers share the servers of this process, and hosts what their Pythons have compiled."""
    playbook_server.share()
    os.environ.setdefault(podman.COMPILED, f"{os.environ[playbook_server.SHARED]}/compiled")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in FIRST)


@pytest.fixture()
def all_hosts():
    """One fresh host of each platform."""
    with podman.fleet(STORES) as fleet:
        yield fleet


@pytest.fixture()
def all_hosts_with_all_roots():
    """The same with all of the roots that distributions bring."""
    with podman.fleet(STORES, all_roots=True) as fleet:
        yield fleet


@pytest.fixture()
def one_of_each_with_all_roots():
    """A fresh host of each kind of store, with all of the roots that distributions bring."""
    with podman.fleet(["el9", "debian12"], all_roots=True) as fleet:
        yield fleet


@pytest.fixture()
def platform_hosts():
    """One fresh host of each platform of this part."""
    with podman.fleet(PLATFORMS) as fleet:
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


@pytest.fixture(scope="session")
def made_ca(tmp_path_factory):
    """The folder of the private CA that the documentation makes; one for all workers."""
    import documented  # it reads Markdown, with a library that tools/matrix does without

    shared = tmp_path_factory.getbasetemp()
    shared = (shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "documented-ca"
    with open(shared.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            place = places.Place(tmp_path_factory.mktemp("place"))
            place.run(documented.example("roles/private_ca/README.md", "- name: Make the company's CA"),
                      hosts="localhost", variables=places.PASSPHRASE)
            (place.folder / "srv/pki").rename(shared)
    return shared


@pytest.fixture()
def with_ca(place, made_ca):
    """The same with the private CA in it, in /srv/pki and of the passphrase in the vault."""
    shutil.copytree(made_ca, place.folder / "srv/pki")
    place.variables.update(places.PASSPHRASE, private_ca_dir=f"{place.folder}/srv/pki")
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
