# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several files of tests here begin with."""
import endpoint_looks
import pytest


@pytest.fixture
def trust(tmp_path):
    """The path of a file with the root that signed what servers in tests of endpoints show."""
    (tmp_path / "root.pem").write_text(endpoint_looks.ROOT.pem)
    return str(tmp_path / "root.pem")
