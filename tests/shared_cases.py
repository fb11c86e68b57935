# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that people really have, from a folder beside the checkout that not every developer has."""
from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "cases"


def read(case: str, name: str = "ca.pem") -> str:
    """The text of a case's file; skips the test where there is none."""
    path = FOLDER / case / name
    if not path.is_file():
        pytest.skip(f"{path} is not here; the other tests of this file make equivalent certificates")
    return path.read_text(encoding="utf-8")
