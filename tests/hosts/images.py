# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Which platforms there are, and which image each of them runs from.

An image's tag is a hash over all that makes it. So a changed recipe has another name, and whether an image
is up to date is whether it exists. That includes images that are made from a registry's: there, the hash covers the id
of the registry's image.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / ".build"
PREFIX = "localhost/fleetpki-host-trust-"
EL_RECIPE = HERE / "el"
REGISTRY_RECIPE = HERE / "from-registry"
FEW_RECIPE = HERE / "few"
ROOTS = 10  # that hosts with few roots have of their distribution's

# Everything that mmdebstrap is told, apart from suite, mirror and output.
ROOT_OPTIONS = (
    # 'custom' with the essential set is what the other variants do, but lets usr-is-merged stand in for
    # usrmerge, which would bring all of Perl.
    "--variant=custom",
    "--include=?essential",
    "--include=?exact-name(usr-is-merged)",
    "--setup-hook=for d in bin sbin lib lib64; do mkdir -p $1/usr/$d && ln -s usr/$d $1/$d; done",
    "--dpkgopt=force-unsafe-io",
    '--aptopt=Acquire::Languages "none"',
    # In the end rather than by dpkg's path-exclude: with that, mmdebstrap takes four times as long to unpack.
    "--customize-hook=cd $1/usr/share && rm -rf doc/* info/* locale/* man/*",
)


class UnknownImage(Exception):
    """A name that registry.yml does not have; the message is for the user."""


@dataclass(frozen=True)
class Platform:
    """One row of platforms.yml, or one image of registry.yml."""

    name: str
    title: str
    family: str
    suite: str = ""
    release: str = ""
    packages: tuple[str, ...] = ()
    reference: str = ""

    @property
    def override(self) -> str:
        """The registry's image that the user wants in place of ours."""
        if self.reference:
            return self.reference
        image = os.environ.get(f"HOST_TRUST_IMAGE_{self.name.upper()}", "")
        # What `build.py --print-env` said on an earlier day is no wish of the user's.
        return "" if image.startswith(PREFIX) else image

    @property
    def base(self) -> str:
        """The image of the suite's packages: the host itself, or what the EL stand-in is made from."""
        which = self.name if self.packages else self.suite
        return f"{PREFIX}base-{which}:{_digest(self.suite, ROOT_OPTIONS, self.installed)}"

    @property
    def installed(self) -> list[str]:
        """The packages that make its root, with what they depend on."""
        return [*_table()["packages"], *self.packages]

    @property
    def image(self) -> str:
        """The image that this platform's hosts run from."""
        if self.override:
            return f"{PREFIX}registry-{self.name}:{_digest(_id(self.override), _recipe(REGISTRY_RECIPE))}"
        recipe = _recipe(EL_RECIPE) if self.release else ()
        return f"{PREFIX}{self.name}:{_digest(self.base, self.release, recipe)}"

    @property
    def few(self) -> str:
        """The same with ROOTS of the distribution's roots, whose extract takes a tenth of the time.

        It is the whole image where that comes from a registry or has a Java keystore, which would keep the others.
        """
        if self.override or self.packages:
            return self.image
        return f"{PREFIX}{self.name}-few:{_digest(self.image, ROOTS, _recipe(FEW_RECIPE))}"


@cache
def _table() -> dict:
    return yaml.safe_load((HERE / "platforms.yml").read_text(encoding="utf-8"))


@cache
def platforms() -> dict[str, Platform]:
    """All platforms by name."""
    return {name: Platform(name, **{**row, "packages": tuple(row.get("packages", ()))})
            for name, row in _table()["platforms"].items()}


@cache
def registry_sets() -> dict[str, list[Platform]]:
    """The registries' images that have a name here, by the names of their sets."""
    table = yaml.safe_load((HERE / "registry.yml").read_text(encoding="utf-8"))
    return {name: [Platform(host, reference, row["family"], reference=reference)
                   for host, reference in row["images"].items()] for name, row in table.items()}


def registry_images(names: Iterable[str]) -> dict[str, Platform]:
    """The images that are meant by names of sets and of single images; each once."""
    sets = registry_sets()
    known = {image.name: [image] for members in sets.values() for image in members} | sets
    chosen = {}
    for name in names:
        if name not in known:
            listed = "; ".join(f"{group} ({', '.join(one.name for one in members)})" for group, members in sets.items())
            raise UnknownImage(f"unknown image: {name}. Name sets or images of tests/hosts/registry.yml: {listed}")
        chosen |= {image.name: image for image in known[name]}
    return chosen


def _id(reference: str) -> str:
    """The id of an image on this machine, or nothing if it is not there."""
    command = ["podman", "image", "inspect", "--format={{.Id}}", reference]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


@cache
def _recipe(folder: Path) -> tuple[tuple[str, str], ...]:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple((path.name, path.read_text(encoding="utf-8")) for path in files)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
