# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of crl: a private key that got into ca_content does not leave the controller."""

from __future__ import annotations

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _private_key_guard
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers


class ActionModule(_private_key_guard.GuardedAction):
    """All of it is there: Ansible looks for an action by the name of its file."""

    ANSWER = host_answers.documented("crl")
