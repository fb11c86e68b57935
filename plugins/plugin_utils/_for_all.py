# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What is done once for all hosts: it must not depend on which of them comes first."""

from __future__ import annotations

import collections.abc as c
import json
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import refused_facts

NAMED = 3  # hosts, where there are more


def differing(
    defaults: c.Mapping[str, t.Any], hostvars: c.Mapping[str, c.Mapping[str, t.Any]], hosts: c.Sequence[str]
) -> list[str]:
    """Phrases on the variables that do not have the same value for all hosts, without the values.

    defaults: what counts for a host without the variable; None: such a host is not compared.
    """
    found: dict[str, dict[str, list[str]]] = {name: {} for name in defaults}
    for host in hosts if len(hosts) > 1 else ():
        own = hostvars[host]
        if refused_facts.sentence(host, own.get("ansible_facts"), hostvars):
            continue  # it is refused itself, and must not keep the others from going on
        values = {name: own[name] if name in own else default for name, default in defaults.items()}
        if None not in values.values():
            for name, value in values.items():
                found[name].setdefault(_plain(value, defaults[name]), []).append(host)
    return [_phrase(name, *groups.values()) for name, groups in found.items() if len(groups) > 1]


def _plain(value: t.Any, default: t.Any) -> str:
    """A value as it is compared: an inventory may have numbers and words for true as text."""
    if isinstance(default, bool):
        return str(boolean(value, strict=False))
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, (dict, list)) else str(value)


def _phrase(name: str, first: list[str], *others: list[str]) -> str:
    return f"{name} has one value for {_few(first)}, and another for {_few([one for group in others for one in group])}"


def _few(hosts: list[str]) -> str:
    more = len(hosts) - NAMED
    return ", ".join(hosts[:NAMED]) + (f" and {more} more" if more > 0 else "")
