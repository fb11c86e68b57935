# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of selfsigned_cert: its answer is read against its documentation."""

from __future__ import annotations

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers


class ActionModule(base.Action):
    """All of it is there: Ansible looks for an action by the name of its file."""

    ANSWER = host_answers.documented("selfsigned_cert")
