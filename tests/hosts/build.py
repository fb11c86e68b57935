# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Build the test hosts' images.

python tests/hosts/build.py [--print-env] [PLATFORM ...]
python tests/hosts/build.py [--print-env] --registry IMAGE ...
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

try:
    import images
except ModuleNotFoundError as error:
    print(f"the Python package {error.name} is not installed: run this with the tests' Python", file=sys.stderr)
    sys.exit(2)
import podman as hosts
import registry
from images import BUILD, PREFIX, Platform
from podman import HostError, NotInstalled
from podman import on_machine as podman

# A release moves to the archive some years after its last update.
MIRRORS = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")


def ensure(platforms: Iterable[Platform]) -> dict[str, str]:
    """Build or pull what is missing; say for each platform how its image came to be: 'cached', 'built in 9 s'."""
    wanted = list(platforms)
    with _only_one_builder():
        if left := hosts.remove_abandoned():
            print(f"removed what killed test runs have left: {', '.join(left)}", file=sys.stderr)
        present = _present()
        missing = [platform for platform in wanted if not {platform.image, platform.few} <= present]
        outcome = {platform.name: "cached" for platform in wanted}
        roots: dict[str, list[Platform]] = {}
        for platform in missing:
            # A foreign image is a job by itself, and a root is one job, whatever is made from it.
            roots.setdefault(platform.override or platform.base, []).append(platform)
        with ThreadPoolExecutor(4) as pool:
            for done in pool.map(_make, roots.values()):
                outcome |= done
        for platform in missing:
            _prune(platform, present)
    return outcome


def _make(siblings: list[Platform]) -> dict[str, str]:
    """Make the images of platforms that share a root or a registry's image."""
    outcome = {}
    started = time.monotonic()
    for platform in siblings:
        if platform.override:
            outcome[platform.name] = registry.prepare(platform)
            continue
        if podman("image", "exists", platform.base, check=False).returncode:
            _import_root(platform)
        _make_image(platform)
        outcome[platform.name] = f"built in {time.monotonic() - started:.0f} s"
    return outcome


def _import_root(platform: Platform) -> None:
    """A root file system of Debian packages, as an image."""
    if not shutil.which("mmdebstrap"):
        raise NotInstalled("mmdebstrap is not installed (package: mmdebstrap)")
    environment = {**os.environ, **_apt_proxy()}
    with tempfile.TemporaryDirectory(prefix="root-", dir=BUILD) as folder:
        root = Path(folder, "root.tar")
        include = "--include=" + ",".join(platform.installed)
        command = ["mmdebstrap", *images.ROOT_OPTIONS, include, platform.suite, str(root), _mirror(platform.suite)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise HostError(f"{shlex.join(command)}: exit {done.returncode}\n{_tail(done.stderr)}")
        # A container that only sleeps doesn't heed SIGTERM; so stopping one takes no time, whoever does it.
        podman("import", "--quiet", "--change=STOPSIGNAL SIGKILL", str(root), platform.base)


def _make_image(platform: Platform) -> None:
    if podman("image", "exists", platform.image, check=False).returncode == 0:
        pass  # only what is made from it is missing
    elif platform.release:
        _build(images.EL_RECIPE, platform.image, BASE=platform.base, RELEASE=platform.release)
    else:
        podman("tag", platform.base, platform.image)
    if platform.few != platform.image:
        _build(images.FEW_RECIPE, platform.few, BASE=platform.image, ROOTS=images.ROOTS)


def _build(recipe: Path, image: str, **arguments: object) -> None:
    options = ("--layers=false", "--network=none", "--pull=never")
    podman("build", *options, *(f"--build-arg={name}={value}" for name, value in arguments.items()), f"--tag={image}",
           str(recipe))


def _mirror(suite: str) -> str:
    """The mirror that this machine's apt uses, where it has the suite; or the first of the public ones that does."""
    candidates = [*_apt_mirrors(), *MIRRORS]
    for mirror in candidates:
        request = urllib.request.Request(f"{mirror}/dists/{suite}/InRelease", method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=15):
                return mirror
        except (urllib.error.URLError, OSError, ValueError):
            continue
    return candidates[0]  # mmdebstrap will say what is wrong with it


def _apt_mirrors() -> Iterator[str]:
    for line in _output("apt-get", "indextargets", "--format", "$(REPO_URI)").splitlines():
        uri = line.rstrip("/")
        if uri.startswith(("http://", "https://")) and uri.endswith("/debian"):
            yield uri


def _apt_proxy() -> dict[str, str]:
    """The proxy that this machine's apt uses; mmdebstrap's apt would not know it."""
    setting = _output("apt-config", "shell", "PROXY", "Acquire::http::Proxy").strip()
    proxy = "".join(shlex.split(setting.removeprefix("PROXY=")))
    return {"http_proxy": proxy} if proxy.startswith("http") else {}


def _output(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def _present() -> set[str]:
    listed = podman("images", "--format={{.Repository}}:{{.Tag}}").stdout.decode()
    return set(listed.split())


def _prune(platform: Platform, present: set[str]) -> None:
    """Remove what earlier recipes have left. An image that a container runs from stays."""
    used = set(hosts.podman("ps", "--all", "--format={{.Image}}").stdout.decode().split())
    for current in (platform.image,) if platform.override else (platform.few, platform.image, platform.base):
        repository = current.rpartition(":")[0] + ":"
        for old in present:
            if repository.startswith(PREFIX) and old.startswith(repository) and old not in used | {current}:
                podman("rmi", old, check=False)


@contextmanager
def _only_one_builder() -> Iterator[None]:
    """Two test sessions at once: the second waits, and finds the first one's images."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "hosts.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the test hosts' images where they are missing.")
    parser.add_argument("name", nargs="*", help=f"{', '.join(images.platforms())}; without any, all of them")
    parser.add_argument("--registry", action="store_true", help="the names are sets or images of registry.yml")
    parser.add_argument("--print-env", action="store_true", help="print variables with the images, for molecule")
    arguments = parser.parse_args()
    try:
        if arguments.registry:
            chosen = images.registry_images(arguments.name)
        else:
            chosen = {name: images.platforms()[name] for name in arguments.name or images.platforms()}
    except (KeyError, images.UnknownImage) as error:
        parser.error(str(error) if arguments.registry else f"no such platform: {error.args[0]}")
    if not chosen:
        parser.error("--registry needs the name of a set or an image")
    try:
        outcome = ensure(chosen.values())
        if arguments.print_env and arguments.registry:
            printed = registry.environment(chosen.values())
        else:
            printed = {**hosts.environment(),
                       **{f"HOST_TRUST_IMAGE_{name.upper()}": one.image for name, one in chosen.items()}}
    except HostError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, NotInstalled) else 1
    if arguments.print_env:
        print("\n".join(f"{name}={value}" for name, value in printed.items()))
        return 0
    for name, one in chosen.items():
        print(f"{name:<11} {one.override or one.image}  {outcome[name]}")
        if one.override:
            print(f"{'':<11} {registry.described(one.image)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
