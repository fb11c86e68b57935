# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Others' tools, which say what they think of our keys, requests, certificates and lists; and what a host lets leak."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import subprocess
from pathlib import Path

PURPOSES = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}


def says(*argv: str | Path, input: str | None = None) -> str:
    """What a tool prints on this machine, with its exit code in front unless that is 0."""
    done = subprocess.run([str(arg) for arg in argv], input=input, capture_output=True, text=True, check=False)
    return (f"exit {done.returncode}: " if done.returncode else "") + done.stdout + done.stderr


def lint(linter: str, *args: str | Path) -> set[str]:
    """pkilint's findings from NOTICE on, as ``SEVERITY code``. Its commands, run in here: each takes a second to start.

    linter: the command's name, such as ``lint_pkix_cert``; args: what stands behind ``lint``.
    """
    main = importlib.import_module(f"pkilint.bin.{linter}").main
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(["lint", "-s", "NOTICE", "-f", "JSON", *map(str, args)])
    return {f"{finding['severity']} {finding['code']}" for result in json.loads(printed.getvalue())["results"]
            for finding in result["finding_descriptions"]}


def certtool(chain: Path, root: Path, name: str, purpose: str) -> bool:
    """Whether GnuTLS accepts a chain (leaf first) for a host's name and a purpose, with one root as trust."""
    return "Chain verification output: Verified. The certificate is trusted." in says(
        "certtool", "--verify", "--load-ca-certificate", root, "--infile", chain, "--verify-hostname", name,
        "--verify-purpose", PURPOSES[purpose])


def looks(host, folder: str) -> str:
    """Everything in a folder of a host: names, modes, owners, times and contents, as one text."""
    return host.run("sh", "-c", f"cd {folder} && ls -lA --full-time && find . -type f -exec sha256sum {{}} + | "
                                "sort -k2").stdout
