# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of tls_client_info: its answer is read against its documentation."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers


class ActionModule(base.Action):
    """Runs the module, which answers on the servers that it is asked for and on no others."""

    ANSWER = host_answers.documented("tls_client_info")

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        return self.asked(super().act(task_vars))
