# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What the filters of this collection have in common."""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers


@contextlib.contextmanager
def given(wanted: str) -> c.Iterator[None]:
    """Raises AnsibleFilterError with the sentence ``wanted`` where what a filter was given has another form."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"{wanted}: {error!r}") from None


def results(module: str, needed: tuple[str, ...]) -> host_answers.Shape:
    """The Shape of a module's results of which a filter needs these keys; the others may be missing."""
    whole = (host_answers.documented(module).keys or {})["results"]
    element = whole.elements or whole
    keys = {name: key._replace(needed=name in needed) for name, key in (element.keys or {}).items()}
    return host_answers.Shape("dict", keys={"results": whole._replace(elements=element._replace(keys=keys))})


def split(given: dict[str, t.Any], shape: host_answers.Shape) -> tuple[dict[str, list[t.Any]], dict[str, str]]:
    """({host: its results}, {host: why its results can't be read}); raises what ``given`` takes."""
    read: dict[str, list[t.Any]] = {}
    wrong: dict[str, str] = {}
    for host, listed in given.items():
        try:
            read[str(host)] = host_answers.checked({"results": listed}, shape)["results"]
        except host_answers.Wrong as error:
            wrong[str(host)] = f"what it says can't be read: {error}"
    if wrong and not read:  # not one host, but whoever has written the play
        raise TypeError(next(iter(wrong.values())))
    return read, wrong
