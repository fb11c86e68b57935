# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is fuzzed: every parser of what others wrote, from the modules that have them by what they read."""

from __future__ import annotations

import targets_answers
import targets_certificates
import targets_controller
import targets_keys
import targets_options
import targets_own_files
from targeting import Target

MODULES = (targets_certificates, targets_keys, targets_options, targets_answers, targets_controller, targets_own_files)
TARGETS = {one.name: one for module in MODULES for one in vars(module).values() if isinstance(one, Target)}
