# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a secret got out: what it looks like, and where it is looked for, on the controller and on a host."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import leaking
import podman
from cryptography.hazmat.primitives import serialization

WATCHES = "/root/watches"  # on the host
SYSLOG, PROCESSES, CALLS = (f"{WATCHES}/{name}" for name in ("syslog", "processes", "calls"))
PYTHON = "/usr/local/bin/watched-python"

# Takes what modules log, and looks at every process again and again.
WATCH = """
import glob, os, socket, threading, time
os.umask(0o077)
def listen():
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); log.bind("/dev/log")
    with open("{syslog}", "ab", 0) as out:
        while True: out.write(log.recv(1 << 20) + b"\\n")
def look():
    seen = set()
    with open("{processes}", "ab", 0) as out:
        while True:
            for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
                try:
                    said = open(path, "rb").read()
                except OSError:
                    continue
                if said not in seen:
                    seen.add(said); out.write(said + b"\\n")
            time.sleep(0.01)  # or there would be nothing to see for all the looking
threading.Thread(target=listen, daemon=True).start()
look()
"""
# Everything that a module starts, with arguments and environment, and each file as it is opened; with an umask that
# forbids nothing.
WATCHED = """#!/bin/sh
umask 0
exec strace -f --seccomp-bpf -qq -v -s 200000 -e trace=execve,openat,open,creat -o {calls}.$$ /usr/bin/python3 "$@"
"""
# What holds one of the words, among the files that are newer than a mark: [path, whether others can read it, word].
SEARCH = """
import base64, json, os, stat, sys
words = [base64.b64decode(word) for word in json.load(sys.stdin)]
since = os.stat("{mark}").st_mtime_ns
found = []
def walk(folder, reachable):
    for entry in os.scandir(folder):
        if entry.is_symlink() or entry.path in ("/proc", "/sys"): continue
        status = entry.stat(follow_symlinks=False)
        if entry.is_dir():
            walk(entry.path, reachable and status.st_mode & 0o011)
        elif stat.S_ISREG(status.st_mode) and status.st_mtime_ns >= since:
            data = open(entry.path, "rb").read()
            for text in (data, b"".join(data.replace(b"\\\\n", b"").split())):
                found.extend([entry.path, bool(reachable and status.st_mode & 0o077), index]
                             for index, word in enumerate(words) if word in text)
walk("/", True)
print(json.dumps(found))
"""


class Secret(t.NamedTuple):
    """What must not be seen, and all that it can look like."""

    name: str
    words: list[bytes]


def passphrase(text: str) -> Secret:
    """A passphrase, also as hexadecimal and base64 have it."""
    data = text.encode()
    return Secret(text, [data, data.hex().encode(), *_in_base64(data)])


def private_key(name: str, pem: bytes | str, passphrase: str | None = None) -> Secret:
    """A private key: its number as bytes, hexadecimal and base64, and its file in PEM and DER."""
    pem = pem.encode() if isinstance(pem, str) else pem
    key = serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    parts = leaking.private_numbers(key)
    body = leaking.secret(pem)
    if b"ENCRYPTED" in pem:  # it begins with how it is encrypted, which others have in common with it
        body = body[-48:]
    words = [body[start:start + 24].encode() for start in range(0, len(body) - 23, 24)]
    words.append(base64.b64decode(b"".join(pem.splitlines()[1:-1]))[-24:] if b"ENCRYPTED" in pem else parts[0])
    for part in parts:
        words += [part[:24], part[-24:], part[:24].hex().encode(), part[:24].hex().upper().encode(), *_in_base64(part)]
    return Secret(name, words)


def _in_base64(data: bytes) -> list[bytes]:
    """What is in the base64 of anything that holds ``data``: wherever it begins, the middle looks one of three ways."""
    return [base64.b64encode(bytes(before) + data)[4 if before else 0:-4][:24] for before in range(3)]


def seen_in(text: bytes, secrets: t.Iterable[Secret]) -> set[str]:
    """The names of the secrets that are in a text, whatever the breaks of its lines."""
    both = (text, b"".join(text.replace(rb"\n", b"").split()))
    return {secret.name for secret in secrets for word in secret.words if any(word in one for one in both)}


def seen_below(folder: Path, secrets: list[Secret]) -> dict[str, set[str]]:
    """The same for all files below a folder of the controller: {path: names}."""
    found = {str(path.relative_to(folder)): seen_in(path.read_bytes(), secrets)
             for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    return {path: names for path, names in found.items() if names}


def watch(host: podman.Host) -> None:
    """Begins to watch a host; modules that are run with PYTHON are watched closely."""
    host.run("mkdir", "-m", "700", WATCHES)
    host.write(f"{WATCHES}/watch.py", WATCH.format(syslog=SYSLOG, processes=PROCESSES).encode(), 0o600)
    host.write(PYTHON, WATCHED.format(calls=CALLS).encode(), 0o755)
    host.run("sh", "-c", f"setsid python3 {WATCHES}/watch.py </dev/null >{WATCHES}/said 2>&1 & "
                         f"for i in $(seq 500); do [ -S /dev/log ] && [ -s {PROCESSES} ] && exit; sleep 0.02; done; "
                         f"cat {WATCHES}/said >&2; exit 1")


def seen_on(host: podman.Host, secrets: list[Secret]) -> dict[str, tuple[bool, set[str]]]:
    """Files of a host that were written since it is watched: {path: (whether others can read it, names in it)}."""
    names, words = zip(*((secret.name, word) for secret in secrets for word in secret.words), strict=True)
    listed = json.dumps([base64.b64encode(word).decode() for word in words])
    said = host.run("python3", "-c", SEARCH.format(mark=f"{WATCHES}/watch.py"), input=listed).stdout
    found: dict[str, tuple[bool, set[str]]] = {}
    for path, readable, word in json.loads(said):
        found.setdefault(path, (readable, set()))[1].add(names[word])
    return found


class Processes:
    """What the command lines and environments of a process and its descendants say while it runs."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process, self.said = process, set()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def text(self) -> bytes:
        """All of it, once the process has ended."""
        self.thread.join()
        return b"\n".join(self.said)

    def _look(self) -> None:
        while self.process.poll() is None:
            left = [self.process.pid]
            while left:
                pid = left.pop()
                try:
                    for name in ("cmdline", "environ"):
                        self.said.add(Path(f"/proc/{pid}/{name}").read_bytes())
                    for task in Path(f"/proc/{pid}/task").iterdir():
                        left += map(int, (task / "children").read_text().split())
                except OSError:
                    continue  # it has ended
            time.sleep(0.005)  # without it, a core would do nothing else
