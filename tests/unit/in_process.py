# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them on a host, in this process: from arguments in JSON to what they print."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os

import leaking
import pytest
from ansible.module_utils import basic

MODULES = "ansible_collections.fleetpki.host_trust.plugins.modules"
PASSPHRASE = "correct horse battery"
WRONG = "not correct"


class Modules:
    """Runs modules in a folder. In their options, ``{folder}`` is its path, and an option ``...`` is left out."""

    def __init__(self, folder, scratch, monkeypatch):
        self.folder, self.scratch, self.monkeypatch = folder, scratch, monkeypatch
        self.keys = []
        self.code = None  # what the last one exited with

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="ascii")

    def key(self, name, pem):
        """Writes a private key, which nothing may print from here on."""
        self.write(name, pem)
        self.keys.append(pem)

    def run(self, name, options):
        """Returns the module's result and everything that it printed, which is what -vvv shows."""
        given = {option: value for option, value in options.items() if value is not ...}
        filled = json.loads(json.dumps(given).replace("{folder}", str(self.folder)))
        internal = {"_ansible_diff": True, "_ansible_verbosity": 3, "_ansible_tmpdir": str(self.scratch)}
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**filled, **internal}}).encode()
        self.monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments)
        self.monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)  # from ansible-core 2.19 on
        module = importlib.import_module(f"{MODULES}.{name}")
        with contextlib.redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit) as end:
            module.main()
        self.code = end.value.code
        return json.loads(printed.getvalue()), printed.getvalue()

    def refused(self, name, options, *hidden):
        """Returns the one sentence of a refusal that leaves all files as they were and prints no secret.

        hidden: more private keys, which are in the options.
        """
        before = self.everything()
        result, printed = self.run(name, options)
        assert result.get("failed") and not result.get("changed"), printed
        assert "\n" not in result["msg"] and "Traceback" not in printed
        assert self.everything() == before
        assert PASSPHRASE not in printed and WRONG not in printed
        assert not leaking.leaks(printed, *self.keys, *hidden)
        return result["msg"]

    def everything(self):
        """All that is in the folder: modes, times, and what is in files."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            status = os.lstat(path)
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
            found[path] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
        return found
