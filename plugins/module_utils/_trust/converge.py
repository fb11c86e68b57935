# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A trust store brought to what is wanted: observe, plan, apply, prove; all of it or nothing."""

import os
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import dry_run, proof, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extract as trust_extract
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl_loads
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable

LOCK_SECONDS = 120
# Others run the extract too (RPM's scriptlets), none of them takes a lock, and runs at the same time fail.
RETRY_AFTER_SECONDS = (0.2, 0.6, 1.5)

Outcome = dry_run.TrustOutcome


class TrustError(Failure):
    """The store could not be made what is wanted. The message says what was found, and what became of the store."""


def converge(
    store: stores.Store,
    wanted: "t.List[trust_plan.Wanted]",
    purge: str = "none",
    extract: str = "auto",
    check: bool = False,
) -> Outcome:
    """Makes the store what is ``wanted`` (list of Wanted) and proves it; returns an Outcome.

    With ``check`` nothing is touched. A plan whose ``unsent`` is not empty is not carried out either.
    Raises files.FilesError or trust_plan.PlanError before anything is changed, TrustError after taking it back.
    """
    outcome = dry_run.look(store, wanted, purge, extract, loads=openssl_loads.confirmed)
    idle = not outcome.plan.steps
    if check or outcome.plan.unsent or idle and not dry_run.left_over(store):
        return outcome
    if store.anchors:
        files.make_folder(store.anchors)
    with files.lock(store.anchors or os.path.dirname(store.bundles[0][1]), LOCK_SECONDS), trust_extract.bridge(store):
        journal = host_journal.Journal(store.staging)
        interrupted = journal.interrupted
        if interrupted:
            # The journal goes last: whatever happens until then, the next run starts here again.
            journal.undo(clean=False)
            if store.extract:
                trust_extract.remove(trust_extracted.scraps(store))
                trust_extract.run(store.extract_fresh, store.root)
            journal.clean()
        elif idle:
            journal.clean()
        # Others may have been here before the lock was.
        outcome = dry_run.look(store, wanted, purge, extract, interrupted, openssl_loads.confirmed)
        if outcome.plan.unsent or not outcome.plan.steps:
            return outcome
        return _apply(store, outcome, purge, journal)


def _apply(store: stores.Store, outcome: Outcome, purge: str, journal: host_journal.Journal) -> Outcome:
    """Carries the plan out under the lock; on any failure everything is taken back, and the failure is raised."""
    plan = outcome.plan
    extracts = any(step.action == "extract" for step in plan.steps)
    ours = {step.path for step in plan.steps if store.anchors and step.action in ("install", "distrust", "repair")}
    for folder in sorted({os.path.dirname(path) for path in plan.changes}):
        if store.anchors:
            files.make_folder(folder)
    journal.change(plan.changes, keep_owner=set(plan.changes) - ours)
    kept = None
    try:
        trust_extract.restore_labels(plan.changes, store.root)
        if extracts:
            kept = trust_extract.keep(store)
            _preview(store, outcome, purge)
            after = _until_proven(
                store, outcome, purge, store.extract, store.extract_fresh, lambda: _live(store, outcome))
        else:
            after = trust_state.observe(store, recovered=False, loads=openssl_loads.refusals)
            if not store.extract:  # with extract: never, nothing is proven
                _refuse(store, plan, proof.deviations(store, after, plan.wanted, purge))
        journal.clean()
    except TrustError as error:
        raise TrustError("%s. %s" % (error, _take_back(store, outcome, journal, kept)))
    except BaseException:
        _take_back(store, outcome, journal, kept)
        raise
    return outcome._replace(after=after, extracted=extracts)


def _until_proven(
    store: stores.Store,
    outcome: Outcome,
    purge: str,
    command: "stores.Command",
    again: "stores.Command",
    look: "t.Callable[[], t.Tuple[trust_state.TrustState, t.List[str]]]",
) -> trust_state.TrustState:
    """Runs an extract until it succeeds and ``look`` shows what is wanted.

    look: returns the State, and what else is wrong with it (list of reasons). Nothing may be gone that was there.
    Returns that State; raises TrustError where it does not come to that.
    """
    plan = outcome.plan
    for pause in RETRY_AFTER_SECONDS + (None,):
        code, output = trust_extract.run(command, store.root)
        trust_extract.empty_keystore(store)
        observed, found = look()
        found += proof.deviations(store, observed, plan.wanted, purge)
        found += proof.lost(store, outcome.before, observed)
        hopeless = any(one.fingerprint for one in observed.refusals)  # another attempt would extract the same
        if code == 0 and not found or pause is None or hopeless:
            break
        left = trust_extracted.scraps(store)
        time.sleep(pause)
        trust_extract.remove(left & trust_extracted.scraps(store))  # others', whose extract goes on, have changed
        command = again
    _refuse(store, plan, found, code, output)
    return observed


def _preview(store: stores.Store, outcome: Outcome, purge: str) -> None:
    """Looks at the outcome in a folder of its own before the live store is touched, where the command can do that."""
    if not store.preview or not trust_extract.knows(store, store.preview[0]):
        return
    option, folders = store.preview
    target = os.path.join(store.staging[0][1], "preview")
    for folder in folders:
        files.make_folder(os.path.join(target, folder))
    command = store.extract + (option, target[len(store.root.rstrip("/")):])

    def look() -> "t.Tuple[trust_state.TrustState, t.List[str]]":
        extracted, refusals = trust_extracted.bundles(store, target, openssl_loads.refusals)
        extracted.update(dict.fromkeys(stores.mirrors(store), extracted[store.bundles[0][1]]))
        observed = trust_state.observe(store, recovered=False, loads=loadable.anything)
        return observed._replace(extracted=extracted, refusals=refusals), []

    _until_proven(store, outcome, purge, command, command, look)


def _live(store: stores.Store, outcome: Outcome) -> "t.Tuple[trust_state.TrustState, t.List[str]]":
    """(State of the live store after its extract, what of it does not show in that: a list of reasons).

    EL 8's command succeeds though it could not write a bundle. And p11-kit passes over a source that it can't read, be
    it of distrust: so the folder with the same certificates as the first bundle must have those and no others.
    """
    observed, found = trust_state.observe(store, recovered=False, loads=openssl_loads.refusals), []

    def is_made(path: str) -> bool:  # later releases don't make all of them, and leave what they find
        return trust_extract.knows(store, os.path.basename(path))

    for path in trust_extracted.bundle_paths(store):
        changed = observed.extracted[path][1]
        if changed is not None and changed == outcome.before.extracted[path][1] and is_made(path):
            found.append("%s was not made anew" % path)
    if store.directory_hash and os.path.isdir(store.directory_hash) and is_made(store.directory_hash):
        bundle, there = store.bundles[0][1], trust_extracted.hashed(store.root, store.directory_hash)[0]
        wanted = {want.fingerprint for want in outcome.plan.wanted if want.state == "present"}
        trusted = observed.extracted[bundle][0]
        if there - trusted or (wanted & trusted) - there:
            found.append("%s does not hold the same certificates as %s" % (store.directory_hash, bundle))
    return observed, found


def _take_back(
    store: stores.Store, outcome: Outcome, journal: host_journal.Journal, kept: "t.Optional[trust_extract.Kept]"
) -> str:
    """Undoes a change: the sources, and the extracted store where it was touched. Says what became of it."""
    journal.undo(clean=False)
    trust_extract.restore_labels(outcome.plan.changes, store.root)
    said = "Nothing was changed: the store is as it was before"
    before = {path: fingerprints for path, (fingerprints, _time) in outcome.before.extracted.items()}
    if kept is not None and not _holds(store, before):
        code, _output = trust_extract.run(store.extract_fresh, store.root)
        trust_extract.empty_keystore(store)
        if not _holds(store, before):
            trust_extract.put_back(store, kept)
            said += ", by copies of the former bundles"
        if not _holds(store, before):
            said = "The store's files are as they were before, but what is extracted from them is not"
        if code != 0:
            said += " ('%s' fails with the former files too, with exit code %d)" % (" ".join(store.extract), code)
    journal.clean()
    return said


def _holds(store: stores.Store, before: "t.Mapping[str, t.FrozenSet[str]]") -> bool:
    after = trust_state.observe(store, recovered=False, loads=loadable.anything).extracted
    return all(after[path][0] == before[path] for path in before)


def _refuse(store: stores.Store, plan: trust_plan.Plan, found: "t.List[str]", code: int = 0, output: str = "") -> None:
    """Raises TrustError where the proof failed; nothing where there is nothing to say."""
    if not found and code == 0:
        return
    reasons = list(found)
    if code != 0:
        reasons.insert(0, "'%s' failed with exit code %d" % (" ".join(store.extract), code))
    for want in plan.wanted:
        if store.extract and want.state == "present" and want.certificate:
            if not x509.basic_constraints(want.certificate)[0]:
                reasons.append("%s is no CA certificate, and this store's tools leave such out of the bundles: give "
                               "it to the application that needs it (store: bundle)" % x509.label(want.certificate))
    said = " / ".join(line.strip() for line in output.splitlines() if line.strip())[:2000]
    raise TrustError("; ".join(reasons) + ("; it said: %s" % said if said else ""))
