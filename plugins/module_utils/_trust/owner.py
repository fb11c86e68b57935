# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A bundle in a user's folder, changed with that user's rights.

Whoever owns a folder, or one above it, can put a link in the place of anything in it, at any moment. Root would follow
it to any file of the system; the user gets no further than the user's own rights.
"""

import errno
import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files, run_as
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import dry_run, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan


def told(
    store: stores.Store, wanted: "t.List[trust_plan.Wanted]", purge: str, extract: str, check_mode: bool
) -> "t.Dict[str, t.Any]":
    """ca_trust_anchor's result for the store; as root, a bundle in a user's folder is that user's to change.

    Raises Failure.
    """
    def work() -> "t.Dict[str, t.Any]":
        outcome = trust_converge.converge(store, wanted, purge, extract, check_mode)
        return dry_run.told(store, outcome, check_mode)

    user = None
    if store.anchors is None and os.geteuid() == 0:
        user = run_as.first_owner(os.path.dirname(store.bundles[0][1]))
    return work() if user is None else _as(user, work)


def _as(user: run_as.User, work: "t.Callable[[], t.Dict[str, t.Any]]") -> "t.Dict[str, t.Any]":
    def with_hint() -> "t.Dict[str, t.Any]":
        hint = ("; %s owns a folder on the way there, so this is done with the rights of %s. Let that user write to "
                "the folder, or give all folders on the way to root" % (user.name, user.name))
        files.HINTS.update({errno.EACCES: hint, errno.EPERM: hint})  # of this process alone, which ends here
        return work()

    try:
        result: t.Dict[str, t.Any] = run_as.run(user, with_hint)
    except run_as.UserError as error:
        raise files.FilesError(str(error))
    return result
