# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of 'make fuzz-openssl': what our own reader accepts, the OpenSSL of each generation of EL loads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "fuzz"))

import openssl_loads

pytestmark = pytest.mark.faults

EVERY = 29


def test_what_is_accepted_every_openssl_loads(el_hosts, record_property):
    lines, wrong = openssl_loads.run(EVERY, el_hosts)
    record_property("said", "; ".join(line.strip() for line in lines if "OpenSSL 1" in line or "OpenSSL 3." in line))
    assert wrong == []
    asked = [line.split()[1].rsplit(".", 1)[0] for line in lines if line.startswith("OpenSSL")]
    assert asked[1:] == ["1.1", "3.0", "3.5"]


def test_it_finds_a_reader_that_is_too_lenient(el_hosts, monkeypatch):
    """Strings are not looked at: each host's OpenSSL says so."""
    monkeypatch.setattr(openssl_loads.loadable, "_check_string", lambda tag, content: None)
    openssl_loads.loadable._check_name.cache_clear()
    _lines, wrong = openssl_loads.run(401, el_hosts)
    openssl_loads.loadable._check_name.cache_clear()
    assert {one.split(":")[0].split()[1].rsplit(".", 1)[0] for one in wrong} >= {"1.1", "3.0", "3.5"}
