# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The command that makes the extracted store, and what is done around it: all that touches what it makes."""

import contextlib
import os
import shutil
import subprocess
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores

EXTRACT_SECONDS = 900  # 3,000 anchors take some 160 on the slowest generation


class Kept(t.NamedTuple):
    copies: "t.Dict[str, str]"  # {path of a bundle: path of its copy}
    links: "t.Dict[str, str]"   # {path of a link beside hashed ones: where it leads}


@contextlib.contextmanager
def bridge(store: stores.Store) -> "t.Iterator[None]":
    """Has OpenSSL read the bundle for as long as the extract may take hashed links away and make them anew.

    EL 10's does so, and in between a host would find no root at all. The bundle is replaced at once.
    """
    bundle = store.bundles[0][1]
    if store.fallback_bundle and not os.path.lexists(store.fallback_bundle):
        with contextlib.suppress(EnvironmentError):  # then it is as it would be without
            os.symlink(stores.bridge_to(store.fallback_bundle, bundle), store.fallback_bundle)
    try:
        yield
    finally:
        if store.fallback_bundle and stores.is_bridge(store.fallback_bundle, bundle):
            with contextlib.suppress(EnvironmentError):
                os.unlink(store.fallback_bundle)


def remove(scraps: "t.Set[t.Tuple[str, float]]") -> None:
    """Takes ``trust_extracted.scraps`` away."""
    for path, _changed in scraps:
        with contextlib.suppress(EnvironmentError):
            os.unlink(path)


def empty_keystore(store: stores.Store) -> None:
    """Has Java's keystore give up what the extracted bundle does not hold any more, where the extract does not."""
    if store.keystore and store.keystore.hook:
        trusted = trust_extracted.bundle(store.bundles[0][1])[0]
        gone = [alias for fingerprint, alias in sorted(trust_extracted.keystore(store.keystore)[0].items())
                if fingerprint not in trusted]
        if gone:  # that it worked is seen in what is held afterwards
            run([store.keystore.hook], store.root, "".join(
                "-%s\n" % alias[len(store.keystore.prefix):] for alias in gone).encode("utf-8", "replace"))


def keep(store: stores.Store) -> Kept:
    """The live bundles and links, for the case that the extract spoils them and can't make them again."""
    kept = Kept({}, {})
    try:
        for number, path in enumerate(extracted_files(store)):
            if os.path.exists(path):
                kept.copies[path] = os.path.join(store.staging[-1][1], "%d.bundle" % number)
                shutil.copy2(path, kept.copies[path])
        for entry in os.scandir(store.hashed) if store.hashed else ():
            if entry.is_symlink():
                kept.links[entry.path] = os.readlink(entry.path)
    except EnvironmentError as error:
        raise files.explain(error, "copied", path)
    return kept


def extracted_files(store: stores.Store) -> "t.List[str]":
    """Paths of the files that an extract may spoil: bundles, Java's keystore."""
    return trust_extracted.bundle_paths(store) + ([store.keystore.path] if store.keystore else [])


def put_back(store: stores.Store, kept: Kept) -> None:
    """Restores what ``keep`` has kept, each file and link by itself and as far as it goes."""
    for path in extracted_files(store):
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


def knows(store: stores.Store, word: str) -> bool:
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
        code, output, _errors = host_command.run(command, given or b"", EXTRACT_SECONDS, env=environment,
                                                 stderr=subprocess.STDOUT, close_fds=False)  # it inherits the lock
    except OSError as error:
        return 127, "%s can't be run: %s" % (command[0], error.strerror)
    if code is None:
        return 124, "it did not end within %d seconds, or printed without end" % EXTRACT_SECONDS
    text = output.decode("utf-8", "replace")
    return code, "".join(character for character in text if character.isprintable() or character == "\n")


def restore_labels(paths: "t.Iterable[str]", root: str) -> None:
    """SELinux contexts of new files as the policy has them, where SELinux is on (selinux(8), restorecon(8))."""
    command = stores.find_command("restorecon", root)
    if command and os.path.exists("/sys/fs/selinux/enforce"):
        inside = len(root.rstrip("/"))
        run([command, "-F"] + [path[inside:] for path in sorted(paths) if os.path.lexists(path)], root)
