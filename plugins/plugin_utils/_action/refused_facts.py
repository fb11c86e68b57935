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
from ansible.inventory.helpers import get_group_vars
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

# The roles' variables, public and private, and those of the playbooks.
ROLES = sorted(path.name for path in Path(__file__).parents[3].joinpath("roles").iterdir() if path.is_dir())
NAMES = re.compile(rf"(?:__)?(?:{'|'.join([*ROLES, 'host_trust', 'quickstart'])})_")

OF_ANSIBLE = ("ansible_", "discovered_interpreter_", "module_setup", "gather_subset", "facter_", "ohai_")


def found(facts: t.Any) -> list[str]:
    """The names of facts that would be taken for variables of this collection."""
    return sorted(name for name in facts if isinstance(name, str) and NAMES.match(name)) \
        if isinstance(facts, c.Mapping) else []


def shadowed(hostvars: t.Any, host: str, facts: t.Any) -> list[str]:
    """The names of facts that the inventory sets for the host as well: variables of ours may be made of those.

    Facts of Ansible itself begin with ansible_, which is not in the names that it keeps them by.
    """
    try:
        manager, entry = hostvars._variable_manager, hostvars._inventory.get_host(host)
        raw = {name for name in manager._fact_cache.get(host) if not name.startswith(OF_ANSIBLE)}
    except (AttributeError, KeyError, TypeError):
        return []  # no facts
    if not raw or entry is None or not isinstance(facts, c.Mapping):
        return []
    given = set(entry.get_vars()) | set(get_group_vars(entry.get_groups()))
    entities = [*entry.get_groups(), entry]
    given |= set(get_vars_from_inventory_sources(hostvars._loader, hostvars._inventory._sources, entities, "task"))
    given |= set(get_vars_from_path(hostvars._loader, hostvars._loader.get_basedir(), entities, "task"))
    return sorted(raw & given)


def sentence(host: str, facts: t.Any, hostvars: t.Any = None) -> str:
    """Why nothing is done with a host that has such facts, and the way out; empty where it has none."""
    if not facts or not constants.config.get_config_value("INJECT_FACTS_AS_VARS"):
        return ""
    names = list(dict.fromkeys(found(facts) + shadowed(hostvars, host, facts)))
    if not names:
        return ""
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if names[5:] else "")
    return (
        f"{host} has set {listed} as a fact, and a fact outranks the inventory: the host would choose what you must "
        f"choose. Nothing was done. A module that ran on {host}, or in a task of {host} that was delegated, returned "
        "it in this run or, with a fact cache, in an earlier one. Find what sets it (set_fact with cacheable: true, or "
        "a module's ansible_facts). If nothing of yours does, treat the host that answered as compromised. Then run "
        f"ansible.builtin.meta: clear_facts, or remove {host} from the fact cache. With inject_facts_as_vars = false "
        "in ansible.cfg no fact is a variable")
