# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Prints docs/options.md: every option of every module, by its name. Reads what ansible-doc tells of the modules."""

from __future__ import annotations

import collections
import json
import os
import re
import subprocess
import typing as t

COLLECTION = "fleetpki.host_trust"
HEAD = """<!-- SPDX-FileCopyrightText: fleetpki.host_trust contributors -->
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Made by tools/option_table.py. -->

# All options of all modules

An option has the same type and means the same in every module that has it. `list.name` is the option `name` of the
elements of `list`. Other names that an option may be given by are those of community.crypto.

| option | type | other names | in |
|---|---|---|---|
"""


class Use(t.NamedTuple):
    """An option of one module; ``within`` is the option whose suboption it is, or empty."""

    module: str
    within: str
    type: str
    aliases: tuple[str, ...]


def documented() -> dict[str, t.Any]:
    """What ansible-doc has of the modules, by name."""
    done = subprocess.run(["ansible-doc", "--json", "--metadata-dump", COLLECTION], capture_output=True, text=True,
                          check=True, env={**os.environ, "ANSIBLE_DEPRECATION_WARNINGS": "0"})
    return {name.rpartition(".")[2]: one["doc"] for name, one in json.loads(done.stdout)["all"]["module"].items()}


def uses(modules: dict[str, t.Any]) -> dict[str, list[Use]]:
    """Where each option is, by its name."""
    found = collections.defaultdict(list)

    def add(module: str, within: str, options: dict[str, t.Any]) -> None:
        for name, one in options.items():
            kind = one.get("type", "str") + (f" of {one['elements']}" if one.get("elements") else "")
            found[name].append(Use(module, within, kind, tuple(sorted(one.get("aliases", ())))))
            add(module, name, one.get("suboptions") or {})

    for module in sorted(modules):
        add(module, "", modules[module].get("options", {}))
    return dict(sorted(found.items()))


def rows(options: dict[str, list[Use]]) -> t.Iterator[str]:
    """A row for each option and type."""
    for name, all_of_it in options.items():
        for kind in dict.fromkeys(one.type for one in all_of_it):
            mine = [one for one in all_of_it if one.type == kind]
            aliases = ", ".join(f"`{one}`" for one in sorted({alias for one in mine for alias in one.aliases}))
            places = ", ".join(f"`{one.module}`" + (f" (`{one.within}.{name}`)" if one.within else "") for one in mine)
            yield re.sub(" +", " ", f"| `{name}` | {kind} | {aliases} | {places} |")


if __name__ == "__main__":
    print(HEAD + "\n".join(rows(uses(documented()))))
