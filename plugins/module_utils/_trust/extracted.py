# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What is extracted from a trust store, as TLS clients read it: bundles, hashed links, Java's keystore."""

import contextlib
import errno
import glob
import hashlib
import os
import re
import stat
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import folder as host_folder
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import jks, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable, pem

if t.TYPE_CHECKING:
    Extracted = t.Tuple[t.FrozenSet[str], t.Optional[float]]  # fingerprints of a bundle or such; when it changed

HASHED_LINK = re.compile(r"[0-9a-f]{8}\.[0-9]+\Z")


def refuse_unreadable(error: OSError) -> None:
    """Raises files.FilesError for what is there and can't be read: a store must not be taken for an empty one.

    A dangling link or a folder in the place of a file is nothing that a store's tools would read, either.
    """
    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
        raise files.explain(error, "read")


def regular(
    place: "t.Union[str, host_folder.FolderEntry]", path: "t.Optional[str]" = None
) -> "t.Tuple[bytes, os.stat_result]":
    """(bytes of a regular file, its os.stat_result); what is none is not there, and is not waited for.

    place: a path, or a name in a folder that is held open, which is not followed if it is a link. path: what messages
    call it.
    """
    if isinstance(place, host_folder.FolderEntry):
        with host_folder.naming(place.path):
            descriptor = os.open(place.name, files.READ_ALONE, dir_fd=place.folder.descriptor)
        place = place.path
    else:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", place)
        if status.st_size > pem.MAX_BYTES:
            raise files.FilesError("%s is larger than %d MiB, which no trust store needs: take it away"
                                   % (path or place, pem.MAX_BYTES // 1024 // 1024))
        return stream.read(), status


def bundle_paths(store: stores.Store) -> "t.List[str]":
    """Paths of all PEM bundles that a store extracts (of the bundle store: itself)."""
    return [path for _purpose, path in store.bundles] + ([store.untrusted_bundle] if store.untrusted_bundle else [])


def bundle(path: str, contents: "t.Optional[t.Mapping[str, bytes]]" = None) -> "Extracted":
    """(fingerprints of a PEM bundle, time of its change in seconds since the epoch or None where it is missing)."""
    return _loaded(path, loadable.anything, contents)[0]


def bundles(
    store: stores.Store, folder: str, loads: "loadable.Loader", contents: "t.Optional[t.Mapping[str, bytes]]" = None
) -> "t.Tuple[t.Dict[str, Extracted], t.List[loadable.Refusal]]":
    """(as ``bundle`` for each of ``bundle_paths``, what keeps OpenSSL from loading them all, as ``loads`` knows).

    folder: the extracted files are there, in place of the store's folder of them.
    """
    found, refusals = {}, []
    for path in bundle_paths(store):
        place = path if folder == store.extracted else os.path.join(folder, os.path.relpath(path, store.extracted))
        found[path], refused = _loaded(place, loads, contents)
        refusals += [one._replace(path=path) for one in refused]
    return found, refusals


def _loaded(
    path: str, loads: "loadable.Loader", contents: "t.Optional[t.Mapping[str, bytes]]"
) -> "t.Tuple[Extracted, t.List[loadable.Refusal]]":
    """(as ``bundle``, what keeps OpenSSL from loading it, as ``loads`` knows)."""
    data = contents.get(path) if contents else None
    try:
        data = regular(path)[0] if data is None else data
        blocks = list(pem.certificate_blocks(data))
        found = frozenset(hashlib.sha256(content).hexdigest() for _block, content in blocks), os.stat(path).st_mtime
        return found, loads(path, data, blocks)
    except EnvironmentError as error:
        refuse_unreadable(error)
        return (frozenset(), None), []


def hashed(root: str, folder: str) -> "Extracted":
    """The same of a folder of hashed links: what OpenSSL finds there, and when a link was last made."""
    try:
        changed = os.stat(folder).st_mtime
        return frozenset(hashlib.sha256(der).hexdigest() for der in linked(root, folder)), changed
    except EnvironmentError as error:
        refuse_unreadable(error)
        return frozenset(), None


def linked(root: str, folder: str) -> "t.Iterator[bytes]":
    """Yields the certificates (DER) that OpenSSL finds in the folder of hashed links (openssl-rehash(1))."""
    seen = set()
    for name in os.listdir(folder):
        if not HASHED_LINK.match(name):
            continue
        path = os.path.join(folder, name)
        try:
            # The running system's links the kernel follows: in a third of the time, and there are hundreds.
            place = path if root == "/" else files.resolve(root, path[len(root.rstrip("/")):])
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            data = regular(place)[0]
        except (EnvironmentError, files.FilesError):
            continue
        for _block, content in pem.certificate_blocks(data):
            yield content
            break  # OpenSSL reads no more than the first


def keystore(java: stores.Keystore) -> "t.Tuple[t.Dict[str, str], t.Optional[float]]":
    """({fingerprint: alias} of what the system has put into Java's keystore, time of its change as of a bundle)."""
    try:
        data, status = regular(java.path)
        return {hashlib.sha256(der).hexdigest(): alias for alias, der in jks.entries(data)
                if alias.startswith(java.prefix)}, status.st_mtime
    except ValueError:
        return {}, None
    except EnvironmentError as error:
        refuse_unreadable(error)
        return {}, None


def scraps(store: stores.Store) -> "t.Set[t.Tuple[str, float]]":
    """What an extract has not finished yet, as set of (path, time of its change); one that was killed leaves it."""
    found = set()
    for path in (path for pattern in store.temp_patterns for path in glob.glob(pattern)):
        with contextlib.suppress(EnvironmentError):
            found.add((path, os.lstat(path).st_mtime))
    return found


def certificates_with_subjects(path: str, names: "t.Collection[bytes]") -> "t.List[x509.Certificate]":
    """The certificates of a PEM bundle whose subject is one of these Names (DER); only what holds one is parsed."""
    blocks = pem.certificate_blocks(regular(path)[0])
    found = [x509.parse_leniently(content) for _block, content in blocks if any(name in content for name in names)]
    return [certificate for certificate in found if certificate]
