# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Facts that have the name of one of this collection's variables: a host would decide what the inventory is to decide.

Any module's answer may set facts, and Ansible's precedence puts them above the inventory.
"""

from __future__ import annotations

import collections.abc as c
import re
import typing as t
from pathlib import Path

from ansible import constants

# The roles' variables, public and private, and those of the playbooks.
ROLES = sorted(path.name for path in Path(__file__).parents[2].joinpath("roles").iterdir() if path.is_dir())
NAMES = re.compile(rf"(?:__)?(?:{'|'.join([*ROLES, 'host_trust', 'quickstart'])})_")


def found(facts: t.Any) -> list[str]:
    """The names of facts that would be taken for variables of this collection."""
    return sorted(name for name in facts if isinstance(name, str) and NAMES.match(name)) \
        if isinstance(facts, c.Mapping) else []


def sentence(host: str, facts: t.Any) -> str:
    """Why nothing is done with a host that has such facts, and the way out; empty where it has none."""
    names = found(facts)
    if not names or not constants.config.get_config_value("INJECT_FACTS_AS_VARS"):
        return ""
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")
    return (
        f"{host} has set {listed} as a fact, and a fact outranks the inventory: the host would decide what you are to "
        "decide. Nothing was done. A module that ran on it has returned that in this run or, with a fact cache, in an "
        f"earlier one. Find what sets it (a set_fact with cacheable: true, or a module's ansible_facts); if nothing of "
        f"yours does, treat {host} as compromised. Then run ansible.builtin.meta: clear_facts, or take {host} out of "
        "the fact cache. With inject_facts_as_vars = false in ansible.cfg no fact is a variable")
