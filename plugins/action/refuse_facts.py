# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fails for a host whose facts have the names of this collection's variables, as every action plugin here does."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base, host_answers


class ActionModule(base.Action):
    """Does nothing besides, and asks no host."""

    ANSWER = host_answers.documented("refuse_facts")
    _requires_connection = False

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        self.validate_argument_spec({})
        return {**self.begun(task_vars), "changed": False}
