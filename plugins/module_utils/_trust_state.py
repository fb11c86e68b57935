# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What a trust store holds: its anchors, what it distrusts, the distribution's certificates, the extracted bundles."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import contextlib
import errno
import glob
import hashlib
import os
import re
import stat

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _journal as journals
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _keystore as keystores
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _pem as pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _stores as stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509

HASHED_LINK = re.compile(r"[0-9a-f]{8}\.[0-9]+\Z")

Held = collections.namedtuple("Held", [
    "path",         # of the file that holds the certificate
    "start",        # where it begins there, with the comment of ours before it
    "end",          # where it ends there
    "der",          # bytes: the certificate
    "fingerprint",  # SHA-256, hex
    "plain",        # whether it is a plain certificate, not OpenSSL's trusted form with settings of its own
    "name",         # the name in our comment, escaped as there; None where we don't manage it
])

State = collections.namedtuple("State", [
    "files",         # {path: bytes}: the files that hold local anchors and distrust, as they are (after recovery)
    "untidy",        # {path: reason}: files of ours whose owner or mode is not what it should be
    "anchors",       # list of Held: local anchors
    "distrusted",    # list of Held: what local settings distrust
    "distribution",  # {fingerprint: path} of certificates that are trusted by other settings, mostly the distribution's
    "extracted",     # {path of a bundle, hashed folder or keystore: (set of fingerprints, when it changed or None)}
    "changed",       # when a local anchor was last added or removed, in seconds since the epoch
    "interrupted",   # whether an earlier run was killed in the middle of a change; None where that can't be seen
])


def observe(store, recovered=True, unread=None):
    """Reads the whole State of a store. Files that nobody can make sense of count as holding nothing.

    recovered: as it will be when an interrupted change is undone; False: as it is, in the middle of a change.
    unread: a list that takes sentences on sources that can't be read; without it, the first raises files.FilesError.
    """
    journal = journals.Journal(store.staging)
    overlay = journal.overlay() if recovered else {}
    contents, untidy, anchors, distrusted = {}, {}, [], []

    def see(look, path, with_overlay, nothing):
        try:
            return look(store, path, with_overlay)
        except files.FilesError as error:
            if unread is None:
                raise
            unread.append(str(error))
            return nothing

    def content(path, with_overlay):
        return see(_read, path, with_overlay, (None, None))[0] or b""

    def read(paths, into):
        for path in paths:
            data, problem = see(_read, path, overlay, (None, None))
            if data is None:
                continue
            contents[path] = data
            held = list(certificates_in(path, data))
            if store.recursive and (len(held) != 1 or data[:1] == b"\x30"):
                # update-ca-certificates takes them, openssl rehash does not: they are half trusted.
                held = [one._replace(plain=False) for one in held]
            into.extend(held)
            if problem and store.anchors and any(one.name is not None for one in held):
                untidy[path] = problem

    if store.anchors is None:
        read([store.bundles[0][1]], anchors)
    else:
        read(see(_listing, store.anchors, overlay, []), anchors)
    distribution = {}
    if store.distrust == "folder":
        for folder in store.distrusted:
            read(see(_listing, folder, overlay, []), distrusted)
        for folder in store.distribution:
            bare = folder == os.path.dirname(store.anchors)  # p11-kit knows plain certificates there, and trusts none
            for path in see(_listing, folder, {}, []):
                for held in _trusted_elsewhere(path, content(path, {}), bare):
                    distribution.setdefault(held.fingerprint, path)
    elif store.distrust == "configuration":
        path, folder = store.distrusted[0], store.distribution[0]
        contents[path] = content(path, overlay)
        active, inactive = configured(contents[path])
        for name in active:
            full = os.path.join(folder, name)
            for held in certificates_in(full, content(full, {})):
                distribution.setdefault(held.fingerprint, full)
        for name in inactive:
            full = os.path.join(folder, name)
            distrusted.extend(certificates_in(full, content(full, {})))
    extracted = {path: bundle(path, contents) for path in bundle_paths(store)}
    if store.hashed:
        extracted[store.hashed] = hashed(store)
    if store.keystore:
        in_keystore, made = keystore(store)
        extracted[store.keystore.path] = frozenset(in_keystore), made
    changed = os.stat(store.anchors).st_mtime if store.anchors and os.path.isdir(store.anchors) else 0
    return State(contents, untidy, anchors, distrusted, distribution, extracted, changed,
                 None if recovered and journal.hidden else recovered and journal.interrupted)


def _inside(store, path):
    """Where a path leads, its links followed inside the store's root."""
    return path if store.root == "/" else files.resolve(store.root, path[len(store.root):])


def _read(store, path, overlay):
    """(bytes of a file or None, what is wrong with its owner or mode or None); unreadable is an error by name."""
    place = overlay.get(path, path)
    if place is None:
        return None, None
    try:
        data, status = _regular(_inside(store, place), path)
        problem = None
        if stat.S_IMODE(status.st_mode) != 0o644:
            problem = "its mode is %04o, not 0644" % stat.S_IMODE(status.st_mode)
        elif os.geteuid() == 0 and (status.st_uid, status.st_gid) != (0, 0):
            problem = "its owner is not root"
        return data, problem
    except EnvironmentError as error:
        _refuse_unreadable(error)
        return None, None


def _refuse_unreadable(error):
    """Raises files.FilesError for what is there and can't be read: a store must not be taken for an empty one.

    A dangling link or a folder in the place of a file is nothing that a store's tools would read, either.
    """
    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO):
        raise files.explain(error, "read")


def _regular(place, path=None):
    """(bytes of a regular file, its os.stat_result); what is none is not there, and is not waited for.

    path: what messages call it.
    """
    with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", place)
        if status.st_size > pem.MAX_BYTES:
            raise files.FilesError("%s is larger than %d MiB, which no trust store needs: take it away"
                                   % (path or place, pem.MAX_BYTES // 1024 // 1024))
        return stream.read(), status


def _listing(store, folder, overlay):
    """Paths of the files that the store's tools read in ``folder``, sorted."""
    found = {path for path, kept in overlay.items() if kept and path.startswith(folder + "/")}
    folders, seen = [folder], set()
    while folders:
        here = folders.pop()
        try:
            place = _inside(store, here)
            status = os.stat(place)
            entries = os.listdir(place) if (status.st_dev, status.st_ino) not in seen else []
        except files.FilesError:
            continue  # a loop of links
        except EnvironmentError as error:
            _refuse_unreadable(error)
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in entries:
            path = os.path.join(here, name)
            try:
                mode = os.stat(_inside(store, path)).st_mode
            except (EnvironmentError, files.FilesError):
                continue  # a link that leads nowhere, or in a circle
            counts = not store.recursive or name.endswith(store.suffix)
            if stat.S_ISDIR(mode) and store.recursive:
                folders.append(path)
            elif stat.S_ISREG(mode) and counts:
                found.add(path)
            elif (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)) and counts:
                raise files.FilesError("%s is a pipe or a device, at which the store's tools would wait for ever: take "
                                       "it away" % path)
    return sorted(path for path in found if overlay.get(path, path) is not None)


def certificates_in(path, data):
    """Yields what a source file holds, leniently: a block that can't be read is passed over, as p11-kit does."""
    position = 0
    for block, content in pem.certificate_blocks(data):
        before, position = data[position:block.start], block.end
        mark = before.rfind(stores.MARK.encode("ascii"))
        name = None
        if mark >= 0:
            name = before[mark + len(stores.MARK):].split(b"\n")[0].decode("ascii", "replace").strip()
        start = block.start if mark < 0 else block.start - len(before) + mark
        end = block.end + len(data[block.end:block.end + 2]) - len(data[block.end:block.end + 2].lstrip(b"\r\n"))
        yield Held(path, start, end, content, hashlib.sha256(content).hexdigest(),
                   block.label in pem.CERTIFICATE_LABELS, name)
    if data[:1] == b"\x30" and position == 0:
        certificate = x509.parse_leniently(data)
        if certificate:
            yield Held(path, 0, len(data), data, certificate.fingerprint, True, None)


def _trusted_elsewhere(path, data, bare):
    """What a file outside of the local anchors makes trusted: p11-kit's own format says of each object whether."""
    if path.endswith(".p11-kit"):
        for part in data.split(b"[p11-kit-object-v1]"):
            if b"x-distrusted: true" not in part and (b"trusted: true" in part or not bare):
                yield from certificates_in(path, part)
    else:
        yield from (held for held in certificates_in(path, data) if not (bare and held.plain))


def find(store, path, fingerprint):
    """The certificate with that fingerprint in a source file (x509.Certificate), or None."""
    for held in certificates_in(path, _read(store, path, {})[0] or b""):
        if held.fingerprint == fingerprint:
            return x509.parse_leniently(held.der)
    return None


def of_distribution(store, observed):
    """What is trusted without being a local anchor, as list of Held, by file."""
    found = []
    for path in sorted(set(observed.distribution.values())):
        found.extend(held for held in certificates_in(path, _read(store, path, {})[0] or b"")
                     if observed.distribution.get(held.fingerprint) == path)
    return found


def bundle_paths(store):
    """Paths of all PEM bundles that a store extracts (of the bundle store: itself)."""
    return [path for _purpose, path in store.bundles] + ([store.others] if store.others else [])


def bundle(path, contents=()):
    """(fingerprints of a PEM bundle, time of its change in seconds since the epoch or None where it is missing)."""
    data = contents[path] if path in contents else None
    try:
        data = _regular(path)[0] if data is None else data
        return frozenset(pem.fingerprints(data)), os.stat(path).st_mtime
    except EnvironmentError as error:
        _refuse_unreadable(error)
        return frozenset(), None


def hashed(store):
    """The same of the store's folder of hashed links: what OpenSSL finds there, and when a link was last made."""
    try:
        changed = os.stat(store.hashed).st_mtime
        return frozenset(hashlib.sha256(der).hexdigest() for der in linked(store)), changed
    except EnvironmentError as error:
        _refuse_unreadable(error)
        return frozenset(), None


def linked(store):
    """Yields the certificates (DER) that OpenSSL finds in the folder of hashed links (openssl-rehash(1))."""
    seen = set()
    for name in os.listdir(store.hashed):
        if not HASHED_LINK.match(name):
            continue
        try:
            real = files.resolve(store.root, os.path.join(store.hashed, name)[len(store.root.rstrip("/")):])
            if real in seen:
                continue
            seen.add(real)
            data = _regular(real)[0]
        except (EnvironmentError, files.FilesError):
            continue
        for _block, content in pem.certificate_blocks(data):
            yield content
            break  # OpenSSL reads no more than the first


def keystore(store):
    """({fingerprint: alias} of what the system has put into Java's keystore, time of its change as of a bundle)."""
    try:
        data, status = _regular(store.keystore.path)
        return {hashlib.sha256(der).hexdigest(): alias for alias, der in keystores.entries(data)
                if alias.startswith(store.keystore.prefix)}, status.st_mtime
    except ValueError:
        return {}, None
    except EnvironmentError as error:
        _refuse_unreadable(error)
        return {}, None


def scraps(store):
    """What an extract has not finished yet, as set of (path, time of its change); one that was killed leaves it."""
    found = set()
    for path in (path for pattern in store.scraps for path in glob.glob(pattern)):
        with contextlib.suppress(EnvironmentError):
            found.add((path, os.lstat(path).st_mtime))
    return found


def certificates_with_subjects(path, names):
    """The certificates of a PEM bundle whose subject is one of these Names (DER); only what holds one is parsed."""
    blocks = pem.certificate_blocks(_regular(path)[0])
    found = [x509.parse_leniently(content) for _block, content in blocks if any(name in content for name in names)]
    return [certificate for certificate in found if certificate]


def configured(data):
    """(names that are trusted, names that are not) of /etc/ca-certificates.conf; see update-ca-certificates(8)."""
    lines = [line.strip() for line in data.decode("utf-8", "surrogateescape").splitlines()]
    lines = [line for line in lines if line and line[0] != "#" and ".." not in line and line.lstrip("! ")[:1] != "/"]
    return [line for line in lines if line[0] != "!"], [line[1:].strip() for line in lines if line[0] == "!"]
