# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of ca_usage_info: a private key that got among the certificates does not leave the controller."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible.module_utils.common.validation import check_type_list

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _private_key_guard
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers


class ActionModule(_private_key_guard.GuardedAction):
    """Looks at each element of its lists."""

    ANSWER = host_answers.documented("ca_usage_info")

    def texts(self) -> c.Mapping[str, t.Any]:
        """See _private_key_guard.GuardedAction."""
        return {f"{option}[{number}]": text for option in ("authorities", "successors")
                for number, text in enumerate(check_type_list(self._task.args.get(option) or []))}
