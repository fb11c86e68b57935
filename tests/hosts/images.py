# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Which platforms there are, and which image each of them runs from.

An image's tag is a hash over all that makes it. So a changed recipe has another name, and whether an image
is up to date is whether it exists.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / ".build"
PREFIX = "localhost/fleetpki-host-trust-"
EL_RECIPE = HERE / "el"

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


@dataclass(frozen=True)
class Platform:
    """One row of platforms.yml."""

    name: str
    title: str
    family: str
    suite: str
    release: str = ""
    packages: tuple[str, ...] = ()

    @property
    def override(self) -> str:
        """The image that the user wants in place of ours."""
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
            return self.override
        recipe = _recipe() if self.release else ()
        return f"{PREFIX}{self.name}:{_digest(self.base, self.release, recipe)}"


@cache
def _table() -> dict:
    return yaml.safe_load((HERE / "platforms.yml").read_text(encoding="utf-8"))


@cache
def platforms() -> dict[str, Platform]:
    """All platforms by name."""
    return {name: Platform(name, **{**row, "packages": tuple(row.get("packages", ()))})
            for name, row in _table()["platforms"].items()}


@cache
def _recipe() -> tuple[tuple[str, str], ...]:
    files = sorted(path for path in EL_RECIPE.iterdir() if path.is_file())
    return tuple((path.name, path.read_text(encoding="utf-8")) for path in files)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
