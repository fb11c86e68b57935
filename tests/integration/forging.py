# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python for hosts that runs the real one and lies: it adds to or replaces what modules answer.

Root on a host can do that. The lies lie in a file of the host, ``{name of a module, or "*": changes}``: a dictionary
is merged into the answer's, key by key, and anything else takes the place of what was there.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import typing as t

import podman

PYTHON = "/usr/local/bin/forging-python"
LIES = "/root/lies.json"
LOOK = "look"  # the question of plugin_utils/_pipelined_query.py, which is no module
# ansible-core 2.19 and later have text in its clear form in the arguments; the name of the module is in all of them.
SCRIPT = br'''#!/usr/bin/python3
import base64, json, re, subprocess, sys

def lied(answer, lie):
    if not isinstance(lie, dict) or not isinstance(answer, dict):
        return lie
    made = dict(answer)
    for key, value in lie.items():
        made[key] = lied(made.get(key), value)
    return made

def unpacked(text):
    """What it was sent, with the arguments that older versions of ansible-core send encoded."""
    return text + b"".join(base64.b64decode(one) for one in re.findall(rb"[A-Za-z0-9+/]{60,10000}={0,2}", text)
                           if len(one) % 4 == 0)

program = sys.stdin.buffer.read() if not sys.stdin.isatty() else b""
path = next((one for one in sys.argv[1:] if not one.startswith("-")), None)
text = program or (open(path, "rb").read() if path else b"")
done = subprocess.run(["/usr/bin/python3"] + sys.argv[1:], input=program, stdout=subprocess.PIPE)
look = "-S" in sys.argv
names = re.findall(rb"(?:ansible_module|ansible_collections[./]fleetpki[./]host_trust[./]plugins[./]modules[./]|"
                   rb"ansible[./]modules[./]|ansible\.(?:legacy|builtin)\.|AnsiballZ_)(\w+)", text)
name = "look" if look else next((one.decode() for one in names), "?")
try:
    lies = json.load(open("/root/lies.json"))
except OSError:
    lies = {}
lie = lies.get(name, lies.get("*"))
printed = done.stdout.decode("utf-8", "surrogateescape")
with open("/root/executed", "a") as log:
    log.write(name + "\n")
with open("/root/received", "ab") as log:
    log.write(unpacked(text))
if lie is not None:
    lines = printed.splitlines() or ["{}"]
    for number, line in enumerate(lines):
        mark = "MARK_HERE" if look and line.startswith("MARK_HERE") else ""
        try:
            answer = json.loads(line[len(mark):])
        except ValueError:
            continue
        lines[number] = mark + (lie["__raw"] if isinstance(lie, dict) and "__raw" in lie else
                                json.dumps(lied(answer, lie)))
    printed = "\n".join(lines) + "\n"
sys.stdout.buffer.write(printed.encode("utf-8", "surrogateescape"))
sys.stdout.flush()
sys.exit(done.returncode)
'''


@contextlib.contextmanager
def fleet(evil: str, honest: str) -> c.Iterator[podman.Fleet]:
    """A host whose Python is the forging one, and one that does not lie."""
    with podman.fleet({evil: "el9", honest: "debian12"}) as hosts:
        bring(hosts[evil])
        inventory = json.loads(hosts.inventory.read_text())
        inventory["all"].setdefault("hosts", {})[evil] = {"ansible_python_interpreter": PYTHON}
        hosts.inventory.write_text(json.dumps(inventory))
        yield hosts


def as_facts(**facts: t.Any) -> dict[str, t.Any]:
    """A lie that every module can tell: facts."""
    return {"ansible_facts": facts}


def bring(host: podman.Host, **lies: t.Any) -> None:
    """Puts it on a host, as the Python that an inventory names, with its first lies."""
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import bootstrap

    host.write(PYTHON, SCRIPT.replace(b"MARK_HERE", bootstrap.MARK.encode()), 0o755)
    lie(host, **lies)


def lie(host: podman.Host, **lies: t.Any) -> None:
    """Changes what it says: by the name of a module, LOOK, or ``every`` for all."""
    made = {"*" if name == "every" else name: changes for name, changes in lies.items()}
    host.write(LIES, json.dumps(made).encode())


def executed(host: podman.Host) -> list[str]:
    """Which modules it was given, since the last call."""
    return host.run("sh", "-c", "cat /root/executed 2>/dev/null; rm -f /root/executed").stdout.split()


def received(host: podman.Host, secret: str) -> bool:
    """Whether it was ever sent a text."""
    return secret in host.run("sh", "-c", "cat /root/received 2>/dev/null || :").stdout
