# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What a trust store holds: its anchors, what it distrusts, the distribution's certificates, the extracted bundles."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import collections
import hashlib
import os
import stat

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _der as der
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _pem as pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _stores as stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509

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
    "distribution",  # {fingerprint: path} of the distribution's certificates that it trusts
    "extracted",     # {path of a bundle: (set of fingerprints, time of change in seconds since the epoch)}
    "changed",       # when a local anchor was last added or removed, in seconds since the epoch
    "interrupted",   # whether an earlier run was killed in the middle of a change
])


def observe(store, recovered=True):
    """Reads the whole State of a store. Files that nobody can make sense of count as holding nothing.

    recovered: as it will be when an interrupted change is undone; False: as it is, in the middle of a change.
    """
    journal = files.Journal(store.staging)
    overlay = journal.overlay() if recovered else {}
    contents, untidy, anchors, distrusted = {}, {}, [], []

    def read(paths, into):
        for path in paths:
            data, problem = _read(path, overlay)
            if data is None:
                continue
            contents[path] = data
            held = list(certificates_in(path, data))
            into.extend(held)
            if problem and store.anchors and any(one.name is not None for one in held):
                untidy[path] = problem

    if store.anchors is None:
        read([store.bundles[0][1]], anchors)
    else:
        read(_listing(store.anchors, overlay, store.recursive and store.suffix), anchors)
    distribution = {}
    if store.distrust == "folder":
        for folder in store.distrusted:
            read(_listing(folder, overlay), distrusted)
        distribution = _certificates_of([path for folder in store.distribution for path in _listing(folder, {})])
    elif store.distrust == "configuration":
        path, folder = store.distrusted[0], store.distribution[0]
        contents[path] = _read(path, overlay)[0] or b""
        active, inactive = configured(contents[path])
        distribution = _certificates_of(os.path.join(folder, name) for name in active)
        for name in inactive:
            full = os.path.join(folder, name)
            distrusted.extend(certificates_in(full, _read(full, {})[0] or b""))
    extracted = dict((path, bundle(path, contents)) for path in bundle_paths(store))
    changed = os.stat(store.anchors).st_mtime if store.anchors and os.path.isdir(store.anchors) else 0
    return State(contents, untidy, anchors, distrusted, distribution, extracted, changed,
                 recovered and bool(journal.entries))


def _read(path, overlay):
    """(bytes of a file or None, what is wrong with its owner or mode or None); unreadable is an error by name."""
    place = overlay.get(path, path)
    if place is None:
        return None, None
    try:
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None, None
            problem = None
            if stat.S_IMODE(status.st_mode) != 0o644:
                problem = "its mode is %04o, not 0644" % stat.S_IMODE(status.st_mode)
            elif os.geteuid() == 0 and (status.st_uid, status.st_gid) != (0, 0):
                problem = "its owner is not root"
            return stream.read(), problem
    except EnvironmentError as error:
        if isinstance(error, PermissionError):
            raise files.explain(error, "read")
        return None, None  # not there, a dangling link, a folder: nothing that a store's tools would read


def _listing(folder, overlay, suffix=None):
    """Paths of the files in ``folder``, sorted; with ``suffix`` those that end so, in subfolders too."""
    found = set(path for path, kept in overlay.items() if kept and path.startswith(folder + "/"))
    if suffix:
        for parent, _folders, names in os.walk(folder, followlinks=True):
            found.update(os.path.join(parent, name) for name in names if name.endswith(suffix))
    else:
        try:
            found.update(entry.path for entry in os.scandir(folder) if entry.is_file())
        except PermissionError as error:
            raise files.explain(error, "read")
        except EnvironmentError:
            pass  # no such folder
    return sorted(path for path in found if overlay.get(path, path) is not None)


def certificates_in(path, data):
    """Yields what a source file holds, leniently: a block that can't be read is passed over, as p11-kit does."""
    position, blocks = 0, pem.blocks(data)
    while True:
        try:
            block = next(blocks)
        except (StopIteration, pem.CertificateFileError):
            break
        before, position = data[position:block.start], block.end
        plain = block.label in pem.CERTIFICATE_LABELS
        if not plain and block.label != pem.TRUSTED_LABEL:
            continue
        try:
            content = pem.decode(block)
            content = content[:der.element(content, 0, len(content))[2]]
        except (pem.CertificateFileError, der.DerError):
            continue
        mark = before.rfind(stores.MARK.encode("ascii"))
        name = None
        if mark >= 0:
            name = before[mark + len(stores.MARK):].split(b"\n")[0].decode("ascii", "replace").strip()
        start = block.start if mark < 0 else block.start - len(before) + mark
        end = block.end + len(data[block.end:block.end + 2]) - len(data[block.end:block.end + 2].lstrip(b"\r\n"))
        yield Held(path, start, end, content, hashlib.sha256(content).hexdigest(), plain, name)
    if position == 0 and data[:1] == b"\x30":
        try:
            x509.parse(data)
        except der.DerError:
            return
        yield Held(path, 0, len(data), data, hashlib.sha256(data).hexdigest(), True, None)


def _certificates_of(paths):
    found = {}
    for path in paths:
        data = _read(path, {})[0] or b""
        for fingerprint in pem.fingerprints(data) or [held.fingerprint for held in certificates_in(path, data)]:
            found.setdefault(fingerprint, path)
    return found


def find(path, fingerprint):
    """The certificate with that fingerprint in a source file (x509.Certificate), or None."""
    for held in certificates_in(path, _read(path, {})[0] or b""):
        if held.fingerprint == fingerprint:
            return x509.parse(held.der)
    return None


def of_distribution(observed):
    """The distribution's certificates that it trusts, as list of Held, by file."""
    found = []
    for path in sorted(set(observed.distribution.values())):
        found.extend(held for held in certificates_in(path, _read(path, {})[0] or b"")
                     if observed.distribution.get(held.fingerprint) == path)
    return found


def bundle_paths(store):
    """Paths of all PEM bundles that a store extracts (of the bundle store: itself)."""
    return [path for _purpose, path in store.bundles] + ([store.others] if store.others else [])


def bundle(path, contents=()):
    """(fingerprints of a PEM bundle, time of its change in seconds since the epoch or None where it is missing)."""
    data = contents[path] if path in contents else None
    try:
        if data is None:
            with open(path, "rb") as stream:
                data = stream.read()
        return frozenset(pem.fingerprints(data)), os.stat(path).st_mtime
    except PermissionError as error:
        raise files.explain(error, "read")
    except EnvironmentError:
        return frozenset(), None


def configured(data):
    """(names that are trusted, names that are not) of /etc/ca-certificates.conf; see update-ca-certificates(8)."""
    lines = [line.strip() for line in data.decode("utf-8", "surrogateescape").splitlines()]
    return ([line for line in lines if line and line[0] not in "#!"], [line[1:].strip() for line in lines if line[:1] == "!"])


def certificates_with_subject(path, subject_der):
    """The certificates of a PEM bundle whose subject is that Name; only what holds its bytes is parsed."""
    return [x509.parse(held.der) for held in certificates_in(path, _read(path, {})[0] or b"") if subject_der in held.der]
