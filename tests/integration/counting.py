# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python for hosts that writes down each time that Ansible executes something with it."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import podman

PYTHON = "/usr/local/bin/counting-python"
SCRIPT = b'#!/bin/sh\necho "$*" >> /root/executions\nexec /usr/bin/python3 "$@"\n'
LOOK = "look"  # a question to the host, without Ansible's code around it (plugin_utils/_pipelined_query.py)
MODULE = "module"


def bring(host: podman.Host) -> None:
    """Puts it on a host."""
    host.write(PYTHON, SCRIPT, 0o755)


def executed(host: podman.Host) -> list[str]:
    """What was executed since the last call: LOOK or MODULE, in order."""
    lines = host.run("sh", "-c", "cat /root/executions 2>/dev/null; rm -f /root/executions").stdout.splitlines()
    return [LOOK if line == "-I -B -S -" else MODULE for line in lines]
