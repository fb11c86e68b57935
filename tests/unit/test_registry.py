# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images of registries there are, and what Molecule makes of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "hosts"))

import images  # noqa: E402  (found through the path above)
import registry  # noqa: E402
from podman import HostError  # noqa: E402

SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


def test_names_of_sets_and_of_images():
    assert list(images.registry_images(["ubi9", "debian", "ubi"])) == ["ubi9", "debian12", "debian13", "ubi8", "ubi10"]
    families = {image.family for image in images.registry_images(images.registry_sets()).values()}
    assert families == {"redhat", "debian"}
    with pytest.raises(images.UnknownImage, match=r"unknown image: ubi7\. .*: ubi \(ubi8, ubi9, ubi10\); stream \("):
        images.registry_images(["ubi9", "ubi7"])


def test_names_are_unique_and_references_complete():
    """A short name would depend on the machine's podman."""
    sets = images.registry_sets()
    every = [image for members in sets.values() for image in members]
    names = [image.name for image in every] + list(sets)
    assert len(set(names)) == len(names)
    for image in every:
        domain, *_path, last = image.override.split("/")
        assert "." in domain and ":" in last, image


def test_the_workflow_runs_every_image():
    workflow = yaml.safe_load((ROOT / ".github/workflows/images.yml").read_text())
    matrix = workflow["jobs"]["molecule"]["strategy"]["matrix"]["image"]
    assert matrix == [image.name for members in images.registry_sets().values() for image in members]


@pytest.fixture()
def inventories(tmp_path, monkeypatch):
    """Writes inventories for images with these names; returns them by scenario."""
    monkeypatch.setattr(registry, "INVENTORIES", tmp_path)
    monkeypatch.setattr(images, "_id", lambda reference: f"the id of {reference}")

    def write(*names):
        chosen = images.registry_images(names)
        registry.write_inventories(chosen.values())
        return {path.parent.name: yaml.safe_load(path.read_text()) for path in tmp_path.glob("*/inventory.yml")}

    return write


def hosts(inventory, family):
    return registry._group(inventory["all"], family)["hosts"]


def test_the_hosts_of_inventories(inventories):
    """Those of the images in each scenario, in the group of their family; a single image makes two."""
    written = inventories("ubi", "debian12")
    assert sorted(written) == SCENARIOS
    for inventory in written.values():
        assert list(hosts(inventory, "redhat")) == ["ubi8", "ubi9", "ubi10"]
        assert list(hosts(inventory, "debian")) == ["debian12"]
    single = inventories("rocky9")["certificates"]
    assert list(hosts(single, "redhat")) == ["rocky9a", "rocky9b"] and hosts(single, "debian") == {}
    assert hosts(single, "redhat")["rocky9a"]["molecule_image"] == images.registry_images(["rocky9"])["rocky9"].image
    assert single["all"]["vars"]["molecule_network"] == "host-trust-molecule-certificates"


def test_an_image_depends_on_its_recipe_and_on_what_was_pulled(monkeypatch):
    image, = images.registry_images(["ubi9"]).values()
    names = set()
    for pulled in ("", "one", "two"):
        monkeypatch.setattr(images, "_id", lambda reference, pulled=pulled: pulled)
        names.add(image.image)
    monkeypatch.setattr(images, "_recipe", lambda folder: (("install.sh", "other"),))
    names.add(image.image)
    assert len(names) == 4 and {name.rpartition(":")[0] for name in names} == {f"{images.PREFIX}registry-ubi9"}


@pytest.mark.parametrize("pythons, core", [
    (["3.9.25", "3.12.11"], ""), (["3.6.8"], "2.16"), (["3.6.8", "3.9.25", "3.12.11"], "2.16"),
    (["3.14.0"], "2.21"), (["3.14.0", "3.9.25"], "2.21")])
def test_the_ansible_core_for_hosts_pythons(monkeypatch, pythons, core):
    assert registry.ansible_core(platforms(monkeypatch, pythons)) == core


def test_pythons_that_no_ansible_core_supports_at_once(monkeypatch):
    with pytest.raises(HostError, match=r"all of these hosts: host0 has Python 3\.6\.8, host1 has Python 3\.14"):
        registry.ansible_core(platforms(monkeypatch, ["3.6.8", "3.14.0"]))


def platforms(monkeypatch, pythons):
    monkeypatch.setattr(registry, "facts", lambda image: {"Python": image})
    return [type("Platform", (), {"name": f"host{number}", "image": python}) for number, python in enumerate(pythons)]


def test_what_a_failed_build_step_reports():
    """The reason first, then the package manager's last lines, then the remedy; nothing of podman's own."""
    output = "\n".join(["STEP 1/5: FROM x", *(f"line {number}" for number in range(30)),
                        "host-trust: dnf cannot install: a", "host-trust: Make sure.",
                        "Error: building at STEP \"RUN sh\": exit status 1"])
    image, = images.registry_images(["ubi9"]).values()
    lines = registry._why(image, output).splitlines()
    assert lines[0] == "ubi9 (registry.access.redhat.com/ubi9/ubi:latest): dnf cannot install: a"
    nothing = registry._why(image, "host-trust: it has nothing\nhost-trust: Use another.").splitlines()
    assert nothing == [f"ubi9 ({image.override}): it has nothing", "Use another."]
    assert lines[1:-1] == [f"  line {number}" for number in range(18, 30)] and lines[-1] == "Make sure."
