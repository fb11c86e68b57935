# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Private keys that got into options where none belongs are stopped on the controller.

What reaches a module is written into the host's system log before the module can look at it, and shown with -vvv.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import base

CA = ("ca_content", "ownca_content")  # the option with a CA's certificate, and its other name


def refuse(given: c.Mapping[str, t.Any], names: c.Iterable[str], where: str = "") -> None:
    """Raises ValueError, which quotes nothing, where one of these options holds a private key.

    where: what sentences say before the option's name, such as ``certificates[0].``
    """
    for name in names:
        if pem.holds_key(str(given.get(name) or "").encode("utf-8", "replace")):
            wanted = "the request" if name == "csr_content" else "the certificates"
            raise ValueError(f"{where}{name}: there is a private key in it, which belongs nowhere but into its file: "
                             f"leave only {wanted}")


class GuardedAction(base.Action):
    """Runs a module as any other, after a look at those of its options that take certificates."""

    def texts(self) -> c.Mapping[str, t.Any]:
        """What must hold no private key, by the name of its option; raises TypeError for what no module takes."""
        return {name: self._task.args.get(name) for name in CA}

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        try:
            texts = self.texts()
            refuse(texts, texts)
        except (TypeError, ValueError) as error:
            return {"failed": True, "msg": str(error)}
        return super().act(task_vars)
