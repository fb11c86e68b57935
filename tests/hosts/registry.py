# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Images of a registry as test hosts: a build step installs what they lack (from-registry/)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

import images
import podman
import yaml
from images import Platform
from podman import HostError, on_machine

ROOT = images.HERE.parents[1]
INVENTORIES = images.BUILD / "molecule-inventories"
FACTS = "/usr/share/fleetpki-host-trust/facts"
# The hosts' Pythons that the ansible-core of .venv supports, and those of two others that tools/matrix installs.
HOST_PYTHONS = {"": ((3, 8), (3, 13)), "2.16": ((3, 6), (3, 12)), "2.21": ((3, 9), (3, 14))}


def prepare(platform: Platform) -> str:
    """Pull the platform's image and install what it lacks; return how the result came to be: 'built in 9 s'."""
    started = time.monotonic()
    reference = platform.override
    if on_machine("image", "exists", reference, check=False).returncode:
        pulled = on_machine("pull", "--quiet", reference, check=False)
        if pulled.returncode:
            raise HostError(f"{platform.name}: cannot pull {reference}:\n{_tail(pulled.stderr)}\n"
                            "Make sure that this machine reaches the registry, or redirect podman to a mirror "
                            "(registries.conf)")
    image = platform.image
    if on_machine("image", "exists", image, check=False).returncode == 0:
        return "cached"
    # Over the network, because package repositories are there.
    built = on_machine("build", "--layers=false", "--pull=never", f"--build-arg=BASE={reference}", f"--tag={image}",
                       str(images.REGISTRY_RECIPE), check=False)
    if built.returncode:
        raise HostError(_why(platform, (built.stdout + built.stderr).decode(errors="replace")))
    return f"built in {time.monotonic() - started:.0f} s"


def _why(platform: Platform, output: str) -> str:
    """What a failed build step reports: its own reason, what the package manager said last, the remedy."""
    ours = [line.removeprefix("host-trust: ") for line in output.splitlines() if line.startswith("host-trust: ")]
    others = "\n".join(line for line in output.splitlines()
                       if line.strip() and not re.match("host-trust: |STEP |COMMIT|Error: building at STEP", line))
    reason, *remedy = ours or ["the build step failed"]
    lines = [f"{platform.name} ({platform.override}): {reason}", _tail(others.encode()), *remedy]
    return "\n".join(line for line in lines if line)


def _tail(text: bytes, lines: int = 12) -> str:
    return "\n".join(f"  {line}" for line in text.decode(errors="replace").strip().splitlines()[-lines:])


def facts(image: str) -> dict[str, str]:
    """What the build step found in an image: system, Python, OpenSSL and so on, with versions."""
    said = on_machine("run", "--rm", "--network=none", "--pull=never", image, "cat", FACTS).stdout.decode()
    return dict(line.split("=", 1) for line in said.splitlines())


def described(image: str) -> str:
    """The same in one line."""
    found = facts(image)
    lacks = found.pop("lacks").split()
    parts = [found.pop("system"), *(f"{name} {value}" for name, value in found.items() if value)]
    if lacks:
        parts.append("without " + ", ".join(lacks))
    return ", ".join(parts)


def ansible_core(platforms: Iterable[Platform]) -> str:
    """The ansible-core that supports the Pythons of all these images; nothing if that of .venv does."""
    pythons = {one.name: facts(one.image)["Python"] for one in platforms}
    versions = [tuple(int(part) for part in python.split(".")[:2]) for python in pythons.values()]
    for core, (oldest, newest) in HOST_PYTHONS.items():
        if all(oldest <= version <= newest for version in versions):
            return core
    listed = ", ".join(f"{name} has Python {python}" for name, python in pythons.items())
    raise HostError(f"no ansible-core supports all of these hosts: {listed}. Run the oldest and the newest separately")


def write_inventories(platforms: Iterable[Platform]) -> Path:
    """Write Molecule's inventories with hosts of these images in place of their own; return their folder.

    A single image makes two hosts, because hosts prove their certificates to each other.
    """
    chosen = list(platforms)
    hosts = {one.name: one for one in chosen} if len(chosen) > 1 else {f"{chosen[0].name}{x}": chosen[0] for x in "ab"}
    for path in ROOT.glob("molecule/*/inventory.yml"):
        inventory = yaml.safe_load(path.read_text(encoding="utf-8"))
        for family in ("redhat", "debian"):
            group = _group(inventory["all"], family)
            group["hosts"] = {
                name: {"ansible_host": "{{ molecule_prefix }}-{{ inventory_hostname }}", "molecule_image": one.image}
                for name, one in hosts.items() if one.family == family}
        target = INVENTORIES / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(inventory, sort_keys=False, width=1000), encoding="utf-8")
    return INVENTORIES


def _group(parent: dict, name: str) -> dict | None:
    """A group of an inventory, wherever it is below another."""
    children = parent.get("children", {})
    found = (_group(child, name) for child in children.values())
    return children.get(name) or next(filter(None, found), None)


def environment(platforms: Iterable[Platform]) -> dict[str, str]:
    """What tools/molecule needs in its environment to run on these images."""
    chosen = list(platforms)
    return {**podman.environment(), "HOST_TRUST_INVENTORIES": str(write_inventories(chosen).relative_to(ROOT)),
            "HOST_TRUST_ANSIBLE_CORE": ansible_core(chosen)}
