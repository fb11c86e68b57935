# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several files of tests here begin with."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
import endpoint_looks


@pytest.fixture
def trust(tmp_path):
    """The path of a file with the root that signed what servers in tests of endpoints show."""
    (tmp_path / "root.pem").write_text(endpoint_looks.ROOT.pem)
    return str(tmp_path / "root.pem")
