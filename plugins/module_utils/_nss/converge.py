# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The databases of NSS, which Chromium and Firefox read, brought to what is wanted: observe, plan, apply, prove.

All of them or none. Everything in a database is done with the rights of the user whom it belongs to.
"""

import base64
import collections
import contextlib
import functools
import glob
import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files, run_as
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import database as nss_database
from ansible_collections.fleetpki.host_trust.plugins.module_utils._nss import plan as nss_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores

LOCK_SECONDS = 120
PACKAGES = {"redhat": "nss-tools", "debian": "libnss3-tools"}


class DatabasePlace(t.NamedTuple):
    path: str
    user: run_as.User


class NssOutcome(t.NamedTuple):
    plan: nss_plan.NssPlan                 # that was carried out, or would be in check mode
    after: "t.List[nss_plan.Database]"  # in check mode as it is
    warnings: "t.List[str]"


class NssError(Failure):
    """The databases could not be made what is wanted; the message says what was found, and what became of them."""


def require(root: str) -> None:
    """Raises StoreError where certutil is missing, or for a system that does not run."""
    if root != "/":
        raise stores.StoreError("root: %s: databases of NSS are changed in a running system only, with the rights of "
                                "the users whom they belong to; leave root out" % root)
    if not stores.find_command("certutil", root):
        raise stores.missing_packages("the store nss needs the command certutil",
                                      [PACKAGES[stores.store_of_family(root)]])


def converge(
    patterns: "t.List[str]", wanted: "t.List[trust_plan.Wanted]", purge: str = "none", check: bool = False
) -> NssOutcome:
    """Makes the databases what is ``wanted`` (list of trust_plan.Wanted) and proves it; returns an Outcome.

    Raises Failure, with every database as it was.
    """
    places, warnings = find(patterns)
    before = observe(places)
    plan = nss_plan.plan(before, wanted, purge)
    if plan.unsent:
        wanted = _looked_up(wanted, plan.unsent)
        plan = nss_plan.plan(before, wanted, purge)
    if not check and plan.steps and not plan.unsent:
        with _lock():
            before = observe(places)  # others may have been here before the lock was
            plan = nss_plan.plan(before, wanted, purge)
            after = before if plan.unsent else _apply(places, before, plan, purge)
    else:
        after = before
    for database in before:
        if database.instead and any(step.path == database.path for step in plan.steps):
            warnings.append("Chromium has read %s until now, and reads %s from now on, because that is there: if %s "
                            "has certificates in the former, name that one" % (
                                database.instead, database.path, database.owner))
    return NssOutcome(plan, after, warnings)


def _looked_up(wanted: "t.List[trust_plan.Wanted]", unsent: "t.List[str]") -> "t.List[trust_plan.Wanted]":
    """Gives what is to be distrusted the certificate that the system's own store has of it; the user may have none."""
    missing = {want.fingerprint for want in wanted if want.state == "distrusted"} & set(unsent)
    if not missing:
        return wanted
    try:
        store = stores.choose("auto", None, "/")
        observed = trust_state.observe(store, unread=[])
    except (stores.StoreError, files.FilesError):
        return wanted
    return [want._replace(certificate=trust_state.known(store, observed, want.fingerprint))
            if want.fingerprint in missing else want for want in wanted]


def _lock() -> "t.ContextManager[t.Any]":
    """One run at a time; who is not root meets nobody else in his databases than himself, and SQLite's own locks."""
    return files.lock("/", LOCK_SECONDS) if os.geteuid() == 0 else contextlib.ExitStack()


def find(patterns: "t.List[str]") -> "t.Tuple[t.List[DatabasePlace], t.List[str]]":
    """(list of Place, each once; warnings) of what the user has listed. Patterns mean databases that are there."""
    found: t.Dict[str, DatabasePlace] = collections.OrderedDict()
    warnings: t.List[str] = []
    if not patterns:
        raise NssError("nss_databases: the list is empty: name the databases that are meant")
    for pattern in patterns:
        user = None
        if pattern.startswith("~"):
            name, _slash, rest = pattern[1:].partition("/")
            user = run_as.by_name(name)
            if not os.path.isdir(user.home):
                raise NssError("nss_databases: %s: there is no folder %s, the home of %s" % (
                    pattern, user.home, user.name))
            path = os.path.join(user.home, rest)
        else:
            path = pattern
        if not os.path.isabs(path) or "\0" in path:
            raise NssError("nss_databases: %s is given neither from / nor from ~ on" % (pattern or "(empty)"))
        paths = [os.path.normpath(path)]
        if glob.has_magic(path):
            paths = run_as.run(user or run_as.by_name(""), functools.partial(_matching, path))
            if not paths:
                warnings.append("nss_databases: %s: there is no such database on this host" % pattern)
        for each in paths:
            found.setdefault(each, DatabasePlace(each, _user_of(each, user)))
    return list(found.values()), warnings


def _matching(pattern: str) -> "t.List[str]":
    return sorted(os.path.dirname(path) for path in glob.glob(os.path.join(pattern, nss_database.FILES[0])))


def _user_of(path: str, user: "t.Optional[run_as.User]") -> run_as.User:
    """Who has to do what is done in a database; raises UserError where that can't be told."""
    if os.geteuid() != 0:
        return user or run_as.by_name("")
    if user is None or user.uid == 0:
        user = run_as.owner_of(path)
        for name in nss_database.FILES if user.uid == 0 else ():
            # root runs what stands in a database's pkcs11.txt: nobody else may have written that.
            other = run_as.owner_of(os.path.join(path, name))
            if other.uid != 0:
                raise run_as.UserError("%s can't be used: %s in it belongs to %s, and the folder to root; give both "
                                       "to one of them" % (path, name, other.name))
    return user


def observe(places: "t.List[DatabasePlace]") -> "t.List[nss_plan.Database]":
    """The nss_plan.Database of each Place."""
    found = []
    for place in places:
        seen = _as_owner(place, nss_database.look, place.path)
        held = [nss_plan.NssEntry(one["nickname"], one["fingerprint"], base64.b64decode(one["der"]), one["trust"])
                for one in seen["certificates"]]
        found.append(nss_plan.Database(place.path, place.user.name, seen["there"], seen["protected"], seen["instead"],
                                       held))
    return found


def _as_owner(place: DatabasePlace, function: "t.Callable[..., t.Any]", *arguments: t.Any) -> t.Any:
    return run_as.run(place.user, functools.partial(function, *arguments))


def _apply(
    places: "t.List[DatabasePlace]", before: "t.List[nss_plan.Database]", plan: nss_plan.NssPlan, purge: str
) -> "t.List[nss_plan.Database]":
    """Carries the plan out; on any failure every database is taken back, and the failure is raised."""
    begun = []
    try:
        for place, database in zip(places, before):
            steps = [step for step in plan.steps if step.path == place.path]
            if steps:
                begun.append((place, database, _as_owner(place, nss_database.missing, place.path)))
                _as_owner(place, nss_database.change, place.path, [_plain(step) for step in steps])
        after = observe(places)
        left = nss_plan.plan(after, plan.wanted, purge).steps
        if left:
            raise NssError("; ".join("%s: %s, and certutil reported no failure" % (step.path, step.reason)
                                     for step in left))
    except Failure as error:
        raise NssError("%s. %s" % (str(error).rstrip("."), _take_back(begun)))
    except BaseException:
        _take_back(begun)
        raise
    return after


def _plain(step: nss_plan.NssStep) -> "t.Dict[str, t.Any]":
    return {"do": step.do, "nickname": step.nickname, "fingerprint": step.fingerprint, "trust": step.trust,
            "der": base64.b64encode(step.certificate.der).decode("ascii") if step.certificate else None}


def _take_back(begun: "t.List[t.Tuple[DatabasePlace, nss_plan.Database, t.List[str]]]") -> str:
    """Undoes what was done to databases, the last one first. Says what became of them."""
    failed = []
    for place, database, missing in reversed(begun):
        former = {"there": database.there, "certificates": [
            {"nickname": one.nickname, "fingerprint": one.fingerprint, "trust": one.trust,
             "der": base64.b64encode(one.der).decode("ascii")} for one in database.held]}
        try:
            _as_owner(place, nss_database.take_back, place.path, former, missing)
        except run_as.UserError as error:
            failed.append(str(error))
    return ("Not all databases are as they were before: %s" % "; ".join(failed) if failed
            else "Nothing was changed: the databases are as they were before")
