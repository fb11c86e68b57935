# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Who accepts whom: the answers of several hosts' TLS clients put together. Pure functions.

Answers are {who asks: results of tls_client_info}.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _filter_input

RESULTS = _filter_input.results("tls_client_info", ("name", "accepted", "clients", "violations"))
Answers = dict[str, list[dict[str, t.Any]]]


def matrix(answers: Answers) -> list[str]:
    """The lines of a table: a row for each that asks, a column for each that is asked."""
    names = sorted({result["name"] for results in answers.values() for result in results})
    rows = [["", *names]]
    for asker, results in answers.items():
        cells = {result["name"]: _cell(result) for result in results}
        rows.append([asker, *(cells.get(name, "-") for name in names)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(result: dict[str, t.Any]) -> str:
    clients = {name: client["accepted"] for name, client in result["clients"].items()}
    if result["accepted"]:
        return "%d accept" % list(clients.values()).count(True)
    refusing = [name for name, accepted in clients.items() if accepted is False]
    if not refusing:
        return "not judged" if clients else "not asked"
    return "REFUSED (%s)" % ("all" if len(refusing) == len(clients) else ", ".join(refusing))


def refusals(answers: Answers) -> dict[str, list[str]]:
    """{who fails: sentences why}; nothing of those that all required clients accept.

    Who is refused fails, with what the clients say. But somebody who refuses all that he asks, and all that others
    accept, fails himself: it is his trust that is at fault, and not their certificates.
    """
    accepted_by: dict[str, set[str]] = {}
    for asker, results in answers.items():
        for result in results:
            accepted_by.setdefault(result["name"], set()).update([asker] if not result["violations"] else [])
    found: dict[str, list[str]] = {}
    for asker, results in answers.items():
        if results and all(result["violations"] and accepted_by[result["name"]] for result in results):
            found.setdefault(asker, []).append(
                "it refuses all that it has asked (%s), and others accept those, so its own trust is at fault: %s"
                % (", ".join(result["name"] for result in results), "; ".join(results[0]["violations"])))
            continue
        for result in results:
            for sentence in result["violations"]:
                found.setdefault(result["name"], []).append("%s: %s" % (asker, sentence))
    return found
