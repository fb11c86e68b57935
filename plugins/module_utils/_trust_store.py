# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A trust store brought to what is wanted: observe, plan, apply, prove; all of it or nothing."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import os
import shutil
import subprocess
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _journal as journals
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _stores as stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _trust_state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509

LOCK_SECONDS = 120
EXTRACT_SECONDS = 900  # 3,000 anchors take some 160 on the slowest generation
# Others run the extract too (RPM's scriptlets), none of them takes a lock, and runs at the same time fail.
RETRY_AFTER_SECONDS = (0.2, 0.6, 1.5)


class Kept(t.NamedTuple):
    copies: "t.Dict[str, str]"  # {path of a bundle: path of its copy}
    links: "t.Dict[str, str]"   # {path of a link beside hashed ones: where it leads}


class Outcome(t.NamedTuple):
    plan: trust_plan.Plan     # that was carried out, or would be in check mode
    before: trust_state.State
    after: trust_state.State  # in check mode the same as before
    extracted: bool           # whether the extract ran


class TrustError(Exception):
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
    outcome = _look(store, wanted, purge, extract)
    idle = not outcome.plan.steps
    if check or outcome.plan.unsent or idle and not _left_over(store):
        return outcome
    if store.anchors:
        files.make_folder(store.anchors)
    with files.lock(store.anchors or os.path.dirname(store.bundles[0][1]), LOCK_SECONDS), _bridge(store):
        journal = journals.Journal(store.staging)
        interrupted = journal.interrupted
        if interrupted:
            # The journal goes last: whatever happens until then, the next run starts here again.
            journal.undo(clean=False)
            if store.extract:
                _remove(trust_state.scraps(store))
                run(store.again, store.root)
            journal.clean()
        elif idle:
            journal.clean()
        outcome = _look(store, wanted, purge, extract, interrupted)  # others may have been here before the lock was
        if outcome.plan.unsent or not outcome.plan.steps:
            return outcome
        return _apply(store, outcome, purge, journal)


def _left_over(store: stores.Store) -> bool:
    """Whether a run that was killed has left something to be taken away, though nothing is to be changed."""
    return journals.Journal(store.staging).left_over() or bool(
        store.instead and stores.is_bridge(store.instead, store.bundles[0][1]))


@contextlib.contextmanager
def _bridge(store: stores.Store) -> "t.Iterator[None]":
    """Has OpenSSL read the bundle for as long as the extract may take hashed links away and make them anew.

    EL 10's does so, and in between a host would find no root at all. The bundle is replaced at once.
    """
    bundle = store.bundles[0][1]
    if store.instead and not os.path.lexists(store.instead):
        with contextlib.suppress(EnvironmentError):  # then it is as it would be without
            os.symlink(stores.bridge_to(store.instead, bundle), store.instead)
    try:
        yield
    finally:
        if store.instead and stores.is_bridge(store.instead, bundle):
            with contextlib.suppress(EnvironmentError):
                os.unlink(store.instead)


def _look(
    store: stores.Store, wanted: "t.List[trust_plan.Wanted]", purge: str, extract: str, interrupted: bool = False
) -> Outcome:
    observed = trust_state.observe(store)
    observed = observed._replace(interrupted=observed.interrupted or interrupted)
    wanted = [want if want.certificate or want.fingerprint not in observed.distribution else want._replace(
        certificate=trust_state.find(store, observed.distribution[want.fingerprint], want.fingerprint))
        for want in wanted]
    return Outcome(trust_plan.plan(store, observed, wanted, purge, extract), observed, observed, False)


def _apply(store: stores.Store, outcome: Outcome, purge: str, journal: journals.Journal) -> Outcome:
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
        _restore_labels(plan.changes, store.root)
        if extracts:
            kept = _keep(store)
            _preview(store, outcome, purge)
            after = _until_proven(store, outcome, purge, store.extract, store.again, lambda: _live(store, outcome))
        else:
            after = trust_state.observe(store, recovered=False)
            if not store.extract:  # with extract: never, nothing is proven
                _refuse(store, plan, trust_plan.deviations(store, after, plan.wanted, purge))
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
    look: "t.Callable[[], t.Tuple[trust_state.State, t.List[str]]]",
) -> trust_state.State:
    """Runs an extract until it succeeds and ``look`` shows what is wanted.

    look: returns the State, and what else is wrong with it (list of reasons). Nothing may be gone that was there.
    Returns that State; raises TrustError where it does not come to that.
    """
    plan = outcome.plan
    for pause in RETRY_AFTER_SECONDS + (None,):
        code, output = run(command, store.root)
        _empty_keystore(store)
        observed, found = look()
        found += trust_plan.deviations(store, observed, plan.wanted, purge)
        found += trust_plan.lost(store, outcome.before, observed)
        if code == 0 and not found or pause is None:
            break
        left = trust_state.scraps(store)
        time.sleep(pause)
        _remove(left & trust_state.scraps(store))  # others', whose extract goes on, have changed
        command = again
    _refuse(store, plan, found, code, output)
    return observed


def _remove(scraps: "t.Set[t.Tuple[str, float]]") -> None:
    for path, _changed in scraps:
        with contextlib.suppress(EnvironmentError):
            os.unlink(path)


def _empty_keystore(store: stores.Store) -> None:
    """Has Java's keystore give up what the extracted bundle does not hold any more, where the extract does not."""
    if store.keystore and store.keystore.hook:
        trusted = trust_state.bundle(store.bundles[0][1])[0]
        gone = [alias for fingerprint, alias in sorted(trust_state.keystore(store.keystore)[0].items())
                if fingerprint not in trusted]
        if gone:  # that it worked is seen in what is held afterwards
            run([store.keystore.hook], store.root, "".join(
                "-%s\n" % alias[len(store.keystore.prefix):] for alias in gone).encode("utf-8", "replace"))


def _preview(store: stores.Store, outcome: Outcome, purge: str) -> None:
    """Looks at the outcome in a folder of its own before the live store is touched, where the command can do that."""
    if not store.preview or not _knows(store, store.preview[0]):
        return
    option, folders = store.preview
    target = os.path.join(store.staging[0][1], "preview")
    for folder in folders:
        files.make_folder(os.path.join(target, folder))
    command = store.extract + (option, target[len(store.root.rstrip("/")):])

    def look() -> "t.Tuple[trust_state.State, t.List[str]]":
        extracted = {path: trust_state.bundle(os.path.join(target, os.path.relpath(path, store.extracted)))
                     for path in trust_state.bundle_paths(store)}
        extracted.update(dict.fromkeys(stores.mirrors(store), extracted[store.bundles[0][1]]))
        return trust_state.observe(store, recovered=False)._replace(extracted=extracted), []

    _until_proven(store, outcome, purge, command, command, look)


def _live(store: stores.Store, outcome: Outcome) -> "t.Tuple[trust_state.State, t.List[str]]":
    """(State of the live store after its extract, what of it does not show in that: a list of reasons).

    EL 8's command succeeds though it could not write a bundle. And p11-kit passes over a source that it can't read, be
    it of distrust: so the folder with the same certificates as the first bundle must have those and no others.
    """
    observed, found = trust_state.observe(store, recovered=False), []

    def is_made(path: str) -> bool:  # later releases don't make all of them, and leave what they find
        return _knows(store, os.path.basename(path))

    for path in trust_state.bundle_paths(store):
        changed = observed.extracted[path][1]
        if changed is not None and changed == outcome.before.extracted[path][1] and is_made(path):
            found.append("%s was not made anew" % path)
    if store.aside and os.path.isdir(store.aside) and is_made(store.aside):
        bundle, there = store.bundles[0][1], trust_state.hashed(store.root, store.aside)[0]
        wanted = {want.fingerprint for want in outcome.plan.wanted if want.state == "present"}
        trusted = observed.extracted[bundle][0]
        if there - trusted or (wanted & trusted) - there:
            found.append("%s does not hold the same certificates as %s" % (store.aside, bundle))
    return observed, found


def _keep(store: stores.Store) -> Kept:
    """The live bundles and links, for the case that the extract spoils them and can't make them again."""
    kept = Kept({}, {})
    try:
        for number, path in enumerate(_extracted_files(store)):
            if os.path.exists(path):
                kept.copies[path] = os.path.join(store.staging[-1][1], "%d.bundle" % number)
                shutil.copy2(path, kept.copies[path])
        for entry in os.scandir(store.hashed) if store.hashed else ():
            if entry.is_symlink():
                kept.links[entry.path] = os.readlink(entry.path)
    except EnvironmentError as error:
        raise files.explain(error, "copied", path)
    return kept


def _extracted_files(store: stores.Store) -> "t.List[str]":
    return trust_state.bundle_paths(store) + ([store.keystore.path] if store.keystore else [])


def _take_back(store: stores.Store, outcome: Outcome, journal: journals.Journal, kept: "t.Optional[Kept]") -> str:
    """Undoes a change: the sources, and the extracted store where it was touched. Says what became of it."""
    journal.undo(clean=False)
    _restore_labels(outcome.plan.changes, store.root)
    said = "Nothing was changed: the store is as it was before"
    before = {path: fingerprints for path, (fingerprints, _time) in outcome.before.extracted.items()}
    if kept is not None and not _holds(store, before):
        code, _output = run(store.again, store.root)
        _empty_keystore(store)
        if not _holds(store, before):
            _put_back(store, kept)
            said += ", by copies of the former bundles"
        if not _holds(store, before):
            said = "The store's files are as they were before, but what is extracted from them is not"
        if code != 0:
            said += " ('%s' fails with the former files too, with exit code %d)" % (" ".join(store.extract), code)
    journal.clean()
    return said


def _holds(store: stores.Store, before: "t.Mapping[str, t.FrozenSet[str]]") -> bool:
    after = trust_state.observe(store, recovered=False).extracted
    return all(after[path][0] == before[path] for path in before)


def _put_back(store: stores.Store, kept: Kept) -> None:
    """Restores what ``_keep`` has kept, each file and link by itself and as far as it goes."""
    for path in _extracted_files(store):
        with contextlib.suppress(EnvironmentError):
            if path not in kept.copies:
                os.unlink(path)
                continue
            beside = "%s.%d" % (path, os.getpid())  # the staging folder may be on another file system than the bundle
            shutil.copy2(kept.copies[path], beside)
            os.rename(beside, path)
    for path, target in kept.links.items():
        if not os.path.lexists(path):
            with contextlib.suppress(EnvironmentError):
                os.symlink(target, path)


def _knows(store: stores.Store, word: str) -> bool:
    """Whether the extract's command, a script, speaks of it. EL 7's and 8's ignores options that it does not know."""
    command = stores.find_command(store.extract[0], store.root)
    if not command:
        return False
    try:
        with open(files.resolve(store.root, command), "rb") as stream:
            return word.encode("ascii") in stream.read(1024 * 1024)
    except EnvironmentError:
        return False


def run(command: "t.Sequence[str]", root: str, given: "t.Optional[bytes]" = None) -> "t.Tuple[int, str]":
    """(exit code, output) of a command of the host, or of the system under ``root``; it reads ``given`` (bytes)."""
    command = list(command) if root == "/" else ["chroot", root] + list(command)
    environment = dict(os.environ, LC_ALL="C", PATH="/usr/sbin:/usr/bin:/sbin:/bin")
    environment.pop("TMPDIR", None)  # it may not be there under another root
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                                   start_new_session=True, close_fds=False)  # it inherits the lock
    except OSError as error:
        return 127, "%s can't be run: %s" % (command[0], error.strerror)
    try:
        output = process.communicate(given, timeout=EXTRACT_SECONDS)[0]
    except BaseException as error:
        os.killpg(process.pid, 9)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return 124, "it did not end within %d seconds" % EXTRACT_SECONDS
    text = output.decode("utf-8", "replace")
    return process.returncode, "".join(character for character in text if character.isprintable() or character == "\n")


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


def _restore_labels(paths: "t.Iterable[str]", root: str) -> None:
    """SELinux contexts of new files as the policy has them, where SELinux is on (selinux(8), restorecon(8))."""
    command = stores.find_command("restorecon", root)
    if command and os.path.exists("/sys/fs/selinux/enforce"):
        inside = len(root.rstrip("/"))
        run([command, "-F"] + [path[inside:] for path in sorted(paths) if os.path.lexists(path)], root)
