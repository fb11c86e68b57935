# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of both sides share lies beside their folder."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
