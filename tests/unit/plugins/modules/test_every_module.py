# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module, as Ansible starts it, where the system refuses what it is asked for."""

from __future__ import annotations

import errno
import importlib
import os
from pathlib import Path

import in_process
import pytest

CA = {"ca_path": "/nosuch/ca.crt", "ca_privatekey_path": "/nosuch/ca.key"}
# Options that are enough, and what it begins with then.
MODULES = {
    "ca_trust_anchor": ({"anchors": []}, "stores.choose"),
    "ca_trust_info": ({}, "stores.choose"),
    "ca_usage_info": ({"authorities": ["x"]}, "ca_usage.look"),
    "cert_install": ({"path": "/nosuch/web.crt", "privatekey_path": "/nosuch/web.key"}, "install.install"),
    "cert_verify": ({"certificates": [{"path": "/nosuch/web.crt"}]}, "verification.verify"),
    "crl": ({"path": "/nosuch/ca.crl", **CA}, "crl.converge"),
    "csr": ({"path": "/nosuch/web.csr", "privatekey_path": "/nosuch/web.key", "common_name": "web"}, "csr.converge"),
    "firefox_trust": ({}, "firefox.converge"),
    "selfsigned_cert": ({"path": "/nosuch/web.crt", "privatekey_path": "/nosuch/web.key", "common_name": "web"},
                        "selfsigned_cert.converge"),
    "signed_cert": ({"csr_content": "-", **CA}, "signed_cert.converge"),
    "tls_client_info": ({"host": "web"}, "client_info.look"),
    "tls_endpoint_info": ({"host": "web"}, "endpoint_info.look"),
}


def test_none_is_missing_here():
    folder = Path(importlib.import_module(f"{in_process.MODULES}.csr").__file__).parent
    with_main = {path.stem for path in folder.glob("[a-z]*.py") if "def main(" in path.read_text(encoding="utf-8")}
    assert with_main == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_an_error_that_nobody_expected_is_a_sentence(name, modules, monkeypatch):
    options, begins_with = MODULES[name]
    place, function = begins_with.split(".")

    def fail(*_arguments, **_options):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/etc/broken")

    module = importlib.import_module(f"{in_process.MODULES}.{name}")
    monkeypatch.setattr(getattr(module, place), function, fail)
    # In check mode nothing asks for the folders first, which are not there.
    result, _printed = modules.run(name, {**options, "_ansible_check_mode": True})
    assert modules.code == 1 and result["failed"]
    assert result["msg"] == "/etc/broken can't be used: Input/output error"
