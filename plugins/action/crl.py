# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of crl: a private key that got into ca_content does not leave the controller."""

from __future__ import annotations

from ansible.plugins.action.normal import ActionModule as NormalAction

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _no_keys as no_keys


class ActionModule(NormalAction):
    """Runs the module as any other, after a look at its options."""

    def run(self, tmp=None, task_vars=None):
        """Runs the action (see ActionBase)."""
        try:
            no_keys.refuse(self._task.args, ("ca_content", "ownca_content"))
        except ValueError as error:
            return {"failed": True, "msg": str(error)}
        return super().run(tmp, task_vars)
