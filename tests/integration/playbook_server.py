# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook in forks of a process that has already imported Ansible.

Importing Ansible and packing its modules take longer than most plays do. Ansible reads its settings from the
environment while it is imported, so each environment has a server of its own, which all workers of pytest share. A fork
runs the command line's own code. All it shares with other forks is the cache of packed modules, and compiled templates.

As a program, this is the server: ``playbook_server.py SOCKET``. It ends when its standard input does. And
``playbook_server.py --share COMMAND`` becomes a command that uses servers, and that deletes their folder in the end.
"""

from __future__ import annotations

import atexit
import collections.abc as c
import fcntl
import hashlib
import importlib
import json
import marshal
import os
import select
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

SHARED = "HOST_TRUST_PLAYBOOK_SERVERS"  # in the environment: the folder of the servers' sockets
# What nearly every play uses. What this ansible-core lacks is left to the fork.
PRELOADED = (
    "ansible.cli.playbook", "ansible.executor.playbook_executor", "ansible.executor.module_common",
    "ansible.plugins.action.assert", "ansible.plugins.action.command", "ansible.plugins.action.normal",
    "ansible.plugins.action.set_fact", "ansible.plugins.become.sudo", "ansible.plugins.callback.default",
    "ansible.plugins.connection.local", "ansible.plugins.connection.ssh", "ansible.plugins.filter.core",
    "ansible.plugins.inventory.auto", "ansible.plugins.inventory.ini", "ansible.plugins.inventory.script",
    "ansible.plugins.inventory.toml", "ansible.plugins.inventory.yaml", "ansible.plugins.shell.sh",
    "ansible.plugins.strategy.linear", "ansible.plugins.test.core", "cryptography.x509.verification",
    "multiprocessing.popen_fork",
)


class Unanswered(Exception):
    """The fork ended before it could report an exit code."""


def run(args: c.Iterable[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Runs ``ansible-playbook ARGS`` to its end, in the current folder and without standard input.

    The first run with an environment is ansible-playbook itself; from the second one on, a server pays off.
    """
    command = ["ansible-playbook", *args]
    # pytest keeps the name of the current test there.
    settings = {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}
    if SHARED in os.environ:
        place = Path(os.environ[SHARED], hashlib.sha256(json.dumps(sorted(settings.items())).encode()).hexdigest()[:16])
        with open(place.with_suffix(".lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            again = place.exists()
            place.touch()
            if again and not place.with_suffix(".socket").exists():
                start(place.with_suffix(".socket"), settings)
        if again:
            return ask(place.with_suffix(".socket"), command)
    return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=settings)


def share() -> None:
    """Has this process and those that it starts use servers, and ends these when it ends.

    Elsewhere, as in benchmarks, ansible-playbook itself is run.
    """
    if SHARED not in os.environ:
        hold_alive()
        atexit.register(shutil.rmtree, os.environ[SHARED])


def hold_alive() -> int:
    """Makes the folder of servers, and returns the descriptor that keeps them alive as long as it is open."""
    folder = os.environ[SHARED] = tempfile.mkdtemp(prefix="host-trust-playbooks-")
    # Servers read from it, and end when the last writer does. Nobody writes.
    os.mkfifo(f"{folder}/alive")
    return os.open(f"{folder}/alive", os.O_RDWR)


def become(command: list[str]) -> t.NoReturn:
    """Becomes a command that uses servers, as do those that it starts."""
    os.set_inheritable(hold_alive(), True)
    os.execvp(command[0], command)


def start(socket_path: Path, environment: dict[str, str]) -> None:
    """Starts a server, and returns when it listens. It holds none of this process's streams open."""
    with open(socket_path.with_name("alive"), "rb") as alive, open(log_of(socket_path), "wb") as log:
        server = subprocess.Popen([sys.executable, __file__, socket_path], env=environment, stdin=alive,
                                  stdout=subprocess.PIPE, stderr=log, text=True)
    with server.stdout as ready:
        if ready.readline() != "ready\n":
            raise RuntimeError(f"{__file__} exited with {server.wait()}: {log_of(socket_path).read_text()}")


def log_of(socket_path: Path) -> Path:
    return socket_path.with_suffix(".log")


def ask(socket_path: Path, command: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Has a server run a command."""
    request = json.dumps({"args": command[1:], "folder": os.getcwd()}).encode()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, socket.socket(socket.AF_UNIX) as to_fork:
        to_fork.connect(str(socket_path))
        socket.send_fds(to_fork, [len(request).to_bytes(4, "big")], [out.fileno(), err.fileno()])
        to_fork.sendall(request)
        with to_fork.makefile() as answer:
            code = answer.readline()
        for stream in (out, err):
            stream.seek(0)
        printed = out.read(), err.read()
    if not code:
        raise Unanswered(f"{' '.join(command)} was killed; it printed {printed}; {log_of(socket_path).read_text()}")
    return subprocess.CompletedProcess(command, int(code), *printed)


class Fork(socketserver.BaseRequestHandler):
    """One run of ansible-playbook, in a process of its own."""

    def handle(self) -> None:
        length, streams, _flags, _address = socket.recv_fds(self.request, 4, 2)
        with self.request.makefile("rb") as reader:
            request = json.loads(reader.read(int.from_bytes(length, "big")))
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in zip((null, *streams), range(3), strict=True):
            os.dup2(source, target)
            os.close(source)
        os.chdir(request["folder"])
        self.request.sendall(f"{exit_code(request['args'])}\n".encode())


def exit_code(args: list[str]) -> int:
    """Runs the code of the command line in this process."""
    from ansible.cli.playbook import PlaybookCLI

    sys.argv[:] = [shutil.which("ansible-playbook"), *args]
    try:
        PlaybookCLI.cli_executor(sys.argv)
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def keep_compiled_templates(folder: Path) -> None:
    """Has each template compiled once, and not by each task of each fork.

    Only with an ansible-core (2.19 and later) that folds no constants while it compiles: what is kept depends on the
    template's text alone.
    """
    try:
        from ansible._internal._templating import _jinja_bits as bits
    except ImportError:
        return
    compiled = bits.AnsibleEnvironment.compile
    folder.mkdir(exist_ok=True)

    def once(self, source, name=None, filename=None, raw=False, defer_init=False):
        if self.optimized or raw:
            return compiled(self, source, name, filename, raw, defer_init)
        settings = [getattr(self, field) for field in bits._TEMPLATE_OVERRIDE_FIELD_NAMES]
        key = repr((type(source).__name__, str(source), name, filename, defer_init, settings))
        path = folder / hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        try:
            return marshal.loads(path.read_bytes())
        except FileNotFoundError:
            code = compiled(self, source, name, filename, raw, defer_init)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(marshal.dumps(code))
        beside.replace(path)
        return code

    bits.AnsibleEnvironment.compile = once


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Forks for each request."""

    request_queue_size = 16
    max_children = 64
    block_on_close = False


def main(path: str) -> None:
    sys.path.remove(str(Path(__file__).parent))  # as for ansible-playbook, whose folder this is not
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    keep_compiled_templates(Path(path).with_suffix(".templates"))
    with Server(path, Fork) as server:
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            server.handle_request()
            server.service_actions()


if __name__ == "__main__":
    if sys.argv[1] == "--share":
        become(sys.argv[2:])
    main(sys.argv[1])
