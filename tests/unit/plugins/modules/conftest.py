# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of modules begin with."""

from __future__ import annotations

import pytest
from in_process import Modules


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Runs modules in an empty folder."""
    for name in ("host", "scratch"):
        (tmp_path / name).mkdir()
    return Modules(tmp_path / "host", tmp_path / "scratch", monkeypatch)
