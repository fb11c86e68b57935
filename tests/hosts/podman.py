# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Test hosts as podman containers, for pytest and the benchmarks.

    with fleet(["el9", "debian12"]) as hosts:
        hosts["el9"].run("update-ca-trust", "extract")
        subprocess.run(["ansible-playbook", "-i", hosts.inventory, ...], env={**os.environ, **environment()})

A container starts in a fraction of a second, so a test that wants a pristine host takes a new one.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import images
import storage

LABEL = "fleetpki.host_trust.test-host"
COMPILED = "HOST_TRUST_COMPILED"  # in the environment: a folder for what hosts' Pythons compile; benchmarks have none
# Sleeps for ever, and as a host's first process takes in the orphans, which a bare `sleep` would leave as zombies.
# (podman's --init does so too, but wants a package that is not everywhere.)
SLEEP = ("sh", "-c", "sleep infinity & wait")


# Its own host key; the public key that comes over standard input lets root in, and a user without any rights.
# sshd goes into the background before it listens, and writes its process id when it does: until then, connections are
# refused.
SSHD = """set -e; umask 077
echo 'user:x:1000:1000::/home/user:/bin/sh' >> /etc/passwd
echo 'user:x:1000:' >> /etc/group
echo 'user:*:20000::::::' >> /etc/shadow
mkdir -p /run/sshd /root/.ssh /root/.ansible/tmp /home
cp -r /etc/skel /home/user
mkdir /home/user/.ssh
tee /home/user/.ssh/authorized_keys > /root/.ssh/authorized_keys
chown -R 1000:1000 /home/user
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_test; /usr/sbin/sshd -h /etc/ssh/ssh_host_test
for try in $(seq 500); do [ -s /run/sshd.pid ] && exit 0; sleep 0.02; done; echo 'sshd does not listen' >&2; exit 1"""


# How SSH runs a command on a host: with the environment and the umask that podman exec would give it, at a tenth of its
# cost. Its output goes through files, because sshd waits until nobody has a pipe open, be it a server that was started.
BY_SSH = """cd /; umask 022; said=$(mktemp -d /run/said.XXXXXX)
env -i PATH="$PATH" HOME=/root TERM=xterm container=podman HOSTNAME="$(hostname)" "$@" > "$said/out" 2> "$said/err"
code=$?; cat "$said/out"; cat "$said/err" >&2; rm -r "$said"; exit $code"""


SSH_OPTIONS = ("-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oLogLevel=ERROR")


class HostError(Exception):
    """A container or a command in it failed; the message is for the user."""


class NotInstalled(HostError):
    """This machine lacks a program."""


def environment() -> dict[str, str]:
    """What a process that calls podman, Ansible included, needs in its environment to see the test hosts.

    A user who has set CONTAINERS_CONF knows better.
    """
    own = machine()
    return {**own, **storage.environment()} if own else {}


def machine() -> dict[str, str]:
    """What podman needs in its environment on this machine.

    podman's own limits are above the hard limits of many CI machines, and crun refuses some of their cgroup
    layouts. So the tests bring a containers.conf of their own, and leave the machine's alone.
    """
    conf = images.BUILD / "containers.conf"
    if os.environ.get("CONTAINERS_CONF", str(conf)) != str(conf):
        return {}
    storage.keep(conf, _containers_conf())
    return {"CONTAINERS_CONF": str(conf)}


def _containers_conf() -> str:
    def limit(name: str, which: int, wanted: int) -> str:
        hard = resource.getrlimit(which)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        return f'"{name}={value}:{value}"'

    limits = ", ".join((limit("nofile", resource.RLIMIT_NOFILE, 1024), limit("nproc", resource.RLIMIT_NPROC, 4096)))
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    runtime = '[engine]\nruntime = "runc"\n' if shutil.which("runc", path=path) else ""
    # In a store that is still empty, podman would guess.
    network = '[network]\nnetwork_backend = "netavark"\n' if storage.environment() else ""
    return f"[containers]\ndefault_ulimits = [{limits}]\n{runtime}{network}"


def podman(*args: str, stdin: bytes | None = None, check: bool = True,
           environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run podman, by default where the hosts are; a failure is a HostError that says what podman said."""
    try:
        done = subprocess.run(
            ["podman", *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
            env={**os.environ, **environment()} if environ is None else environ,
        )
    except FileNotFoundError:
        raise NotInstalled("podman is not installed (package: podman)") from None
    if check and done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise HostError(f"podman {' '.join(args)}: exit {done.returncode}: {said}")
    return done


def on_machine(*args: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """podman with this machine's own store: images stay, where hosts may lie in memory."""
    return podman(*args, check=check, environ={**storage.without(os.environ), **machine()})


class Host:
    """One container. Its name in podman is its own, so neither runs side by side nor two fleets in one test meet."""

    _serial = itertools.count(1)

    def __init__(self, name: str, platform: str, network: str = "none", options: Iterable[str] = (), *,
                 all_roots: bool = False) -> None:
        """all_roots: it has all of the distribution's roots, and not images.ROOTS of them."""
        self.name = name
        self.all_roots = all_roots
        self.options = list(options)  # more of podman run's
        self.platform = images.platforms()[platform]
        self.network = network
        self.container = f"host-trust-{os.getpid()}-{next(self._serial)}-{name}"
        self.ssh: list[str] = []  # the command that reaches it by SSH, where it has a server

    def __enter__(self) -> Host:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self, key: Path | None = None) -> Host:
        """Start the container, with an SSH server that lets ``key`` in as root and as ``user``.

        Its image must be there: see build.ensure().
        """
        options = ["--pull=never", "--stop-timeout=0", f"--label={LABEL}", f"--hostname={self.name}", *self.options]
        options += [f"--network={self.network}", *_compiled_once(self.platform)]
        if self.network not in ("none", "host"):
            options += [f"--network-alias={self.name}", "--publish=127.0.0.1::22"]
        try:
            self._run_container(options)
            if key and self._has_ssh_server():
                self._exec("sh", "-c", SSHD, stdin=key.with_suffix(".pub").read_bytes())
                self.ssh = self._reached_by_ssh(key)
        except HostError:
            if podman("image", "exists", self.image, check=False).returncode:
                command = f"python tests/hosts/build.py {self.platform.name}"
                raise HostError(f"{self.platform.name}: no image {self.image}: run {command}") from None
            raise
        return self

    @property
    def image(self) -> str:
        """The image that it runs from."""
        return self.platform.image if self.all_roots else self.platform.few

    def _run_container(self, options: list[str]) -> None:
        """podman chooses free ports and takes them later; another fleet that starts may have been quicker."""
        for attempts_left in (4, 3, 2, 1, 0):
            try:
                podman("run", "--detach", f"--name={self.container}", *options, self.image, *SLEEP)
                return
            except HostError as error:
                if "address already in use" not in str(error) or not attempts_left:
                    raise
                self.remove()

    def connection(self, key: Path) -> dict[str, str]:
        """How Ansible reaches it: by SSH, as users do; through podman where the image has no server."""
        if not self.ssh:
            return {"ansible_connection": "containers.podman.podman", "ansible_host": self.container}
        address, port = self._port()
        return {
            "ansible_connection": "ssh",
            "ansible_host": address,
            "ansible_port": port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": " ".join(SSH_OPTIONS),
            "ansible_ssh_pipelining": "true",
            # With the default, a new host at an old port would get the old one's connection.
            "ansible_control_path_dir": str(key.with_name("ssh")),
        }

    def _has_ssh_server(self) -> bool:
        """Whether its image has sshd: ours always do, and a registry's if its repositories offer it."""
        return not self.platform.override or self._exec(
            "sh", "-c", "test -x /usr/sbin/sshd && command -v ssh-keygen", check=False).returncode == 0

    def _port(self) -> tuple[str, str]:
        where = podman("port", self.container, "22/tcp").stdout.decode().splitlines()[0]
        address, _colon, port = where.rpartition(":")
        return address, port

    def _reached_by_ssh(self, key: Path) -> list[str]:
        address, port = self._port()
        sockets = key.with_name("ssh")
        sockets.mkdir(exist_ok=True)
        return ["ssh", *SSH_OPTIONS, "-oControlMaster=auto", "-oControlPersist=600", f"-oControlPath={sockets}/%h-%p",
                "-oBatchMode=yes", f"-oIdentityFile={key}", f"-oPort={port}", f"root@{address}"]

    def remove(self) -> None:
        """Remove the container, whether it runs, failed to start or was never there."""
        podman("rm", "--force", "--ignore", "--time=0", self.container)

    def run(self, *argv: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on the host, as root."""
        done = self._exec(*argv, stdin=None if input is None else input.encode(), check=check)
        out, err = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(list(argv), done.returncode, out, err)

    def read(self, path: str) -> bytes:
        """The content of a file."""
        return self._exec("cat", "--", path).stdout

    def write(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Make a file, or replace the content of one; directories are made too."""
        script = 'mkdir -p "$(dirname "$1")" && (umask 077; cat >"$1") && chmod "$2" "$1"'
        self._exec("sh", "-c", script, "sh", path, f"{mode:o}", stdin=content)

    def exists(self, path: str) -> bool:
        """Whether there is something at a path, be it a dangling link."""
        return self._exec("sh", "-c", '[ -e "$1" ] || [ -L "$1" ]', "sh", path, check=False).returncode == 0

    def _exec(self, *argv: str, stdin: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        if self.ssh:
            return self._exec_by_ssh(*argv, stdin=stdin, check=check)
        interactive = [] if stdin is None else ["--interactive"]
        return podman("exec", *interactive, self.container, *argv, stdin=stdin, check=check)

    def _exec_by_ssh(self, *argv: str, stdin: bytes | None, check: bool) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([*self.ssh, shlex.join(["sh", "-c", BY_SSH, "sh", *argv])], input=stdin or b"",
                              capture_output=True, check=False)
        if check and done.returncode or done.returncode == 255:  # 255: ssh itself
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise HostError(f"{self.name}: {shlex.join(argv)}: exit {done.returncode}: {said}")
        return done


def _compiled_once(platform: images.Platform) -> list[str]:
    """Options that have a host keep compiled code, where COMPILED names the folder for that: see python/."""
    if COMPILED not in os.environ or platform.override:
        return []
    kept, code = Path(os.environ[COMPILED]), images.HERE / "python"
    kept.mkdir(exist_ok=True)
    shutil.copy(code / "compiled_once.py", kept)
    return [f"--volume={kept}:/run/compiled-once",
            f"--volume={code}/compiled_once.pth:/usr/lib/python3/dist-packages/compiled_once.pth:ro"]


@dataclass(frozen=True)
class Fleet(Mapping):
    """Running hosts by name, and the inventory that shows them to Ansible."""

    hosts: dict[str, Host]
    inventory: Path

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.hosts)

    def __len__(self) -> int:
        return len(self.hosts)


@contextmanager
def fleet(platforms: Iterable[str] | Mapping[str, str], options: Mapping[str, Iterable[str]] | None = None, *,
          all_roots: bool = False) -> Iterator[Fleet]:
    """Start hosts at once, on a network of their own where they find each other by name.

    `platforms` are platforms, one host each; or names of hosts with their platforms:
    ``{"web1": "el9", "web2": "el9"}``. `options` are more of podman run's, by the host's name. They have few of the
    distribution's roots, or all of them: see Host.
    """
    wanted = dict(platforms) if isinstance(platforms, Mapping) else {name: name for name in platforms}
    network = f"host-trust-{os.getpid()}-{os.urandom(3).hex()}"
    hosts = {name: Host(name, platform, network, (options or {}).get(name, ()), all_roots=all_roots)
             for name, platform in wanted.items()}
    with tempfile.TemporaryDirectory(prefix="host-trust-") as folder, ThreadPoolExecutor(8) as pool:
        inventory, key = Path(folder, "hosts.json"), Path(folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        podman("network", "create", network)
        starting = [pool.submit(host.start, key) for host in hosts.values()]
        try:
            for start in starting:
                start.result()
            inventory.write_text(json.dumps(_inventory(hosts.values(), key), indent=2), encoding="utf-8")
            yield Fleet(hosts, inventory)
        finally:
            wait(starting)  # or a host would be removed first and come up then
            for control in Path(folder, "ssh").glob("*"):  # Ansible leaves its connections open
                end = ["ssh", "-O", "exit", "-o", f"ControlPath={control}", "-"]
                subprocess.run(end, capture_output=True, check=False)
            list(pool.map(Host.remove, hosts.values()))
            podman("network", "rm", "--force", network)


def remove_abandoned() -> list[str]:
    """Remove the hosts and networks of test runs that have been killed; their names.

    They would go on for ever, and so would podman's redirection of their published ports: nothing else that listens
    on one of these, which the kernel gives away again, could be reached.
    """
    containers = _abandoned("ps", "--all", f"--filter=label={LABEL}", "--format={{.Names}}")
    networks = _abandoned("network", "ls", "--format={{.Name}}")
    for name in containers:
        podman("rm", "--force", "--ignore", "--time=0", name, check=False)
    for name in networks:
        podman("network", "rm", "--force", name, check=False)
    return containers + networks


def _abandoned(*listing: str) -> list[str]:
    """The names in a listing of podman's that a process gave which is no more."""
    names = podman(*listing).stdout.decode().split()
    owners = {name: re.match(r"host-trust-([0-9]+)-", name) for name in names}
    return [name for name, owner in owners.items() if owner and not Path("/proc", owner[1]).exists()]


def _inventory(hosts: Iterable[Host], key: Path) -> dict:
    groups: dict[str, dict] = {}
    for host in hosts:
        group = groups.setdefault(host.platform.family, {"hosts": {}})
        group["hosts"][host.name] = host.connection(key)
    return {"all": {"vars": {"ansible_python_interpreter": "/usr/bin/python3"}, "children": groups}}
