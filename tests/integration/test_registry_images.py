# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's images as test hosts: what they lack is installed, Molecule passes on them, failures name the remedy.

The registry is Debian's docker-registry on the loopback. Its images are Debian's essential packages and apt, with a
package repository on themselves. podman is redirected to it (registries.conf), so the names are the real ones. Images
lie in a store of these tests' own: a machine may have the real ones.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import local_apt
import plays
import podman
import pytest

pytestmark = pytest.mark.registry

PATH = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
BUILD = [sys.executable, "tests/hosts/build.py"]
TAGS = {"debian12": "debian:12", "debian13": "debian:13"}
# What an image of Debian's has: essential packages and apt. All others are in its repository, and nowhere else.
NOT_ESSENTIAL = """apt-mark auto $(dpkg-query --show --showformat '${Package} ') > /dev/null
apt-get --simulate autoremove -o APT::AutoRemove::RecommendsImportant=0 -o APT::AutoRemove::SuggestsImportant=0 |
awk '/^Remv / {print $2}'"""
LACKING = {"ca-certificates", "curl", "openssh-server", "openssl", "p11-kit", "procps", "python3",
           "python3-cryptography", "strace"}


class Registry:
    """A registry, and the environment in which podman finds it under the names of the real ones."""

    def __init__(self, folder):
        self.folder = folder
        config = folder / "registry.yml"
        config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
                          "http: {addr: '127.0.0.1:0'}\nlog: {formatter: json}\n", encoding="utf-8")
        with open(folder / "registry.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
        self.address = self._address()
        (folder / "registries.conf").write_text(
            f'[[registry]]\nprefix = "docker.io"\nlocation = "{self.address}"\ninsecure = true\n', encoding="utf-8")
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/store"\nrunroot = "{folder}/run"\n',
            encoding="utf-8")
        (folder / "containers.conf").write_text(
            podman._containers_conf().partition("[network]")[0] + '[network]\nnetwork_backend = "netavark"\n',
            encoding="utf-8")
        self.environment = {"CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
                            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
                            "CONTAINERS_CONF": str(folder / "containers.conf")}

    def _address(self):
        for _attempt in range(100):
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                found = re.search(r"listening on (127\.0\.0\.1:\d+)", (self.folder / "registry.log").read_text())
                if found:
                    return found[1]
        raise AssertionError((self.folder / "registry.log").read_text())

    def run(self, *command, **environment):
        return subprocess.run(command, cwd=plays.ROOT, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL,
                              env={**os.environ, **self.environment, "PATH": PATH, **environment})

    def podman(self, *args, check=True):
        done = self.run("podman", *args)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def serve(self, container, name):
        """Push the files of a container as an image of the registry."""
        archive, image = self.folder / f"{container}.tar", f"{self.address}/library/{name}"
        podman.podman("export", f"--output={archive}", container)
        self.podman("import", "--quiet", str(archive), image)
        archive.unlink()
        self.push(image)

    def push(self, image):
        """Push an image, and remove it here."""
        self.podman("push", "--quiet", "--tls-verify=false", image)
        self.podman("rmi", image)

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry with Debian 12 and 13, without the packages that test hosts need."""
    subprocess.run(["tools/system-packages", "docker-registry"], cwd=plays.ROOT, check=True)
    registry = Registry(tmp_path_factory.mktemp("registry"))
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda platform: serve_stripped(registry, platform), TAGS))
        yield registry
    finally:
        registry.podman("rm", "--all", "--force", "--time=0", check=False)
        registry.podman("rmi", "--all", "--force", check=False)
        subprocess.run(["umount", str(registry.folder / "store" / "overlay")], capture_output=True, check=False)
        registry.stop()


def serve_stripped(registry, platform):
    with podman.Host("stripped", platform) as host:
        packages = host.run("sh", "-c", NOT_ESSENTIAL).stdout.split()
        assert LACKING <= set(packages) and "apt" not in packages
        local_apt.prepare(host, packages, packages)
        for command in ("python3", "openssl", "trust", "curl", "pgrep", "/usr/sbin/sshd"):
            assert host.run("sh", "-c", f"command -v {command}", check=False).returncode, command
        registry.serve(host.container, TAGS[platform])


def changed(registry, name, script, base="docker.io/library/debian:12"):
    """Serve Debian 12, or another image that is here, once more after a change."""
    if base.startswith("docker.io/"):
        registry.podman("pull", "--quiet", base)
    container = f"host-trust-{os.getpid()}-changed-{uuid.uuid4().hex[:8]}"  # one that failed may still be there
    registry.podman("run", f"--name={container}", "--network=none", base, "sh", "-c", script)
    image = f"{registry.address}/library/{name}"
    registry.podman("commit", "--quiet", container, image)
    registry.podman("rm", container)
    registry.push(image)
    return f"docker.io/library/{name}"


def test_molecule_on_a_registrys_images(registry):
    """One command: pull, install what is missing, run every scenario on these hosts and on no others."""
    done = registry.run("make", "molecule", "IMAGES=debian", MAKEFLAGS="")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    recaps = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert set(re.findall(r"(\S+) +: ok=", recaps)) == {"debian12", "debian13", "localhost"}
    for name, system in (("debian12", "Debian GNU/Linux 12"), ("debian13", "Debian GNU/Linux 13")):
        assert re.search(rf"^{name} +docker.io/library/{TAGS[name]} .*\n +{system}.*, Python 3\.", done.stdout, re.M)
    assert "Not tested, because containers lack it: SELinux" in done.stdout
    listed = registry.podman("images", "--format={{.Repository}}")
    assert {"localhost/fleetpki-host-trust-el9", "localhost/fleetpki-host-trust-debian12"}.isdisjoint(listed.split())


def test_one_image_in_place_of_a_platforms_own(registry, monkeypatch):
    """HOST_TRUST_IMAGE_* goes through the same step, and tests reach the host by SSH."""
    for name, value in registry.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOST_TRUST_IMAGE_DEBIAN12", "docker.io/library/debian:12")
    first, second = (registry.run(*BUILD, "debian12") for _time in range(2))
    assert first.returncode == 0 and "cached" in second.stdout, first.stderr + second.stderr
    with podman.fleet(["debian12"]) as fleet:
        host = fleet["debian12"]
        assert host.ssh and host.exists("/usr/share/fleetpki-host-trust/facts")
        play = plays.run(fleet.inventory, [{"ansible.builtin.ping": {}}])
        assert play.code == 0 and '"ansible_connection": "ssh"' in fleet.inventory.read_text()


def refused(registry, reference, *expected):
    done = registry.run(*BUILD, "debian12", HOST_TRUST_IMAGE_DEBIAN12=reference)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stdout == "" and done.stderr.startswith("debian12"), done.stderr
    for part in expected:
        assert part in done.stderr, done.stderr
    return done.stderr


def test_a_registry_without_the_image_or_gone(registry, tmp_path):
    refused(registry, "docker.io/library/nothing:1", "debian12: cannot pull docker.io/library/nothing:1:", "manifest",
            "redirect podman to a mirror")
    away = tmp_path / "registries.conf"
    away.write_text('[[registry]]\nprefix = "docker.io"\nlocation = "127.0.0.1:1"\ninsecure = true\n')
    registry.run(*BUILD, "--registry", "debian12")
    done = registry.run(*BUILD, "--registry", "debian12", CONTAINERS_REGISTRIES_CONF=str(away))
    assert done.returncode == 0 and "cached" in done.stdout, "what is here needs no registry: " + done.stderr
    done = registry.run(*BUILD, "--registry", "ubuntu2404", CONTAINERS_REGISTRIES_CONF=str(away))
    assert done.returncode == 1 and "connection refused" in done.stderr, done.stderr
    assert done.stderr.startswith("ubuntu2404: cannot pull docker.io/library/ubuntu:24.04:\n"), done.stderr


def prepared(registry, name):
    """The image that the build step makes of a registry's."""
    done = registry.run(*BUILD, "--print-env", "debian12", HOST_TRUST_IMAGE_DEBIAN12=name)
    assert done.returncode == 0, done.stderr
    return re.search("HOST_TRUST_IMAGE_DEBIAN12=(.+)", done.stdout)[1]


def test_a_newer_image_is_prepared_again(registry):
    """The prepared image belongs to the id of what was pulled, and the one that it replaces is removed.

    What is pulled lacks nothing here: installing takes longer than all else.
    """
    whole = prepared(registry, "docker.io/library/debian:12")
    name = changed(registry, "own:1", "touch /older", whole)
    registry.podman("tag", whole, "localhost/whole")  # as soon as another is prepared, it is removed
    first = prepared(registry, name)
    changed(registry, "own:1", "touch /newer", "localhost/whole")
    registry.podman("pull", "--quiet", name)
    second = prepared(registry, name)
    assert first != second
    assert registry.run("podman", "image", "exists", second).returncode == 0
    assert registry.run("podman", "image", "exists", first).returncode == 1


def test_no_server_in_the_repositories(registry, monkeypatch):
    """A host is reached through podman then, and the build step names what is missing."""
    for name, value in registry.environment.items():
        monkeypatch.setenv(name, value)
    name = changed(registry, "no-server:1", without("openssh-server", "strace"))
    monkeypatch.setenv("HOST_TRUST_IMAGE_DEBIAN12", name)
    done = registry.run(*BUILD, "debian12", HOST_TRUST_IMAGE_DEBIAN12=name)
    assert re.search("Debian GNU/Linux 12.*, without openssh-server, strace$", done.stdout, re.MULTILINE), done.stderr
    with podman.fleet(["debian12"]) as fleet:
        assert not fleet["debian12"].ssh
        assert plays.run(fleet.inventory, [{"ansible.builtin.ping": {}}]).code == 0


def without(*packages):
    """A script that takes packages out of an image's repository."""
    names = "|".join(packages)
    return f"awk -v RS= -v ORS='\\n\\n' '!/^Package: ({names})\\n/' /repository/Packages > /new && " \
           "mv /new /repository/Packages"


# Takes the options that dnf 4, dnf 5 and microdnf have in common, and the names of EL's packages; it installs Debian's.
RPM_MANAGER = r"""#!/bin/sh
echo "$0 $*" >> /var/log/manager
[ "$1 $2 $3" != '-y --setopt=install_weak_deps=0 --setopt=tsflags=nodocs' ] || { shift 3; options=yes; }
case $1-$options in clean-) exit ;; install-yes) shift ;; *) exit 64 ;; esac
for package; do
    case $package in
        ca-certificates) ln -s update-ca-certificates /usr/sbin/update-ca-trust ;;
        libseccomp) package=libseccomp2 ;;
        openssh) package=openssh-client ;;
        p11-kit-trust) package=p11-kit-modules ;;
        procps-ng) package=procps ;;
    esac
    set -- "$@" "$package"; shift
done
mv /usr/bin/apt-get.away /usr/bin/apt-get
apt-get -qq update; apt-get -qq -y install --no-install-recommends "$@"; code=$?
mv /usr/bin/apt-get /usr/bin/apt-get.away
exit $code
"""


@pytest.mark.parametrize("manager", ["dnf", "microdnf"])
def test_a_manager_of_rpm_packages(registry, manager):
    """It is asked for EL's names, once, and for no program that the image has."""
    path = f"/usr/bin/{manager}"
    name = changed(registry, f"{manager}:1", f"mv /usr/bin/apt-get /usr/bin/apt-get.away && cat > {path} << 'END' && "
                                             f"chmod 755 {path}\n{RPM_MANAGER}END")
    image = prepared(registry, name)
    install, clean = registry.podman("run", "--rm", "--network=none", image, "cat", "/var/log/manager").splitlines()
    assert install.partition(" install ")[2].split() == [
        "python3", "openssl", "p11-kit", "p11-kit-trust", "ca-certificates", "curl", "procps-ng",
        "python3-cryptography", "openssh-server", "openssh", "strace"]
    assert clean == f"{path} clean all"


def test_an_unknown_package_manager(registry):
    name = changed(registry, "unmanaged:1", "rm /usr/bin/apt-get")
    refused(registry, name, f"debian12 ({name}): the image has no package manager that this step knows (dnf, microdnf, "
                            "apt-get)", "Use an image that has one")


def test_a_repository_that_lacks_a_package(registry):
    name = changed(registry, "poor:1", without("openssl"))
    said = refused(registry, name, f"debian12 ({name}): apt-get cannot install: ", "has no installation candidate",
                   "Make sure that a container on this machine reaches the image's repositories")
    assert "openssl" in said.splitlines()[0]


def test_a_repository_that_is_gone(registry):
    name = changed(registry, "no-repository:1", "rm -r /repository")
    refused(registry, name, f"debian12 ({name}): apt-get cannot read the image's repositories", "/repository",
            "proxy: set http_proxy")
