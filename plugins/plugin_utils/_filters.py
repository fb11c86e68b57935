# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What the filters of this collection have in common."""

from __future__ import annotations

import collections.abc as c
import contextlib

from ansible.errors import AnsibleFilterError


@contextlib.contextmanager
def given(wanted: str) -> c.Iterator[None]:
    """Raises AnsibleFilterError with the sentence ``wanted`` where what a filter was given has another form."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"{wanted}: {error!r}") from None
