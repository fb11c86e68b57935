# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What a trust store holds: its anchors, what it distrusts, the distribution's certificates, the extracted bundles."""

import contextlib
import hashlib
import os
import stat
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import folder as host_folder
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extracted as trust_extracted
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable, pem

if t.TYPE_CHECKING:
    # By path: where to look for what will be there after recovery; None: nowhere.
    Overlay = t.Mapping[str, t.Optional[host_folder.FolderEntry]]


class HeldAnchor(t.NamedTuple):
    path: str                # of the file that holds the certificate
    start: int               # where it begins there, with the comment of ours before it
    end: int                 # where it ends there
    der: bytes               # the certificate
    fingerprint: str         # SHA-256, hex
    plain: bool              # whether it is a plain certificate, not OpenSSL's trusted form with settings of its own
    name: "t.Optional[str]"  # the name in our comment, escaped as there; None where we don't manage it


class TrustState(t.NamedTuple):
    files: "t.Dict[str, bytes]"  # by path: those that hold local anchors and distrust, as they are (after recovery)
    untidy: "t.Dict[str, str]"  # by path: why the owner or mode of a file of ours is not what it should be
    anchors: "t.List[HeldAnchor]"  # local anchors
    distrusted: "t.List[HeldAnchor]"  # what local settings or the vendor's distrust, or would: see in_force
    # Path by fingerprint of what is trusted by other settings, mostly the distribution's:
    distribution: "t.Dict[str, str]"
    extracted: "t.Dict[str, trust_extracted.Extracted]"  # by path of a bundle, hashed folder or keystore
    changed: float  # when a local anchor was last added or removed, in seconds since the epoch
    # Whether an earlier run was killed in the middle of a change; None where that can't be seen:
    interrupted: "t.Optional[bool]"
    refusals: "t.List[loadable.Refusal]" = []  # what keeps OpenSSL from loading one of the extracted PEM bundles


def observe(
    store: stores.Store,
    recovered: bool = True,
    unread: "t.Optional[t.List[str]]" = None,
    loads: "loadable.Loader" = loadable.suspicions,
) -> TrustState:
    """Reads the whole State of a store. Files that nobody can make sense of count as holding nothing.

    recovered: as it will be when an interrupted change is undone; False: as it is, in the middle of a change.
    unread: a list that takes sentences on sources that can't be read; without it, the first raises files.FilesError.
    loads: who is asked whether OpenSSL loads the extracted PEM bundles.
    """
    journal = host_journal.Journal(store.staging)
    local = _Sources(store, journal.overlay() if recovered else {}, unread)
    others = _Sources(store, {}, unread)
    anchors, changed = _anchors(local)
    distrusted: t.List[HeldAnchor] = []
    distribution: t.Dict[str, str] = {}
    if store.distrust == "folder":
        distrusted = _in_folders(local, store.distrusted) + _in_folders(others, store.vendors)
        distribution = _trusted_in_folders(others)
    elif store.distrust == "configuration":
        distribution, distrusted = _configured(local, others)
    extracted, refusals = trust_extracted.bundles(store, store.extracted, loads, local.contents)
    if store.hashed:
        extracted[store.hashed] = trust_extracted.hashed(store.root, store.hashed)
    if store.keystore:
        in_keystore, made = trust_extracted.keystore(store.keystore)
        extracted[store.keystore.path] = frozenset(in_keystore), made
    ours = {one.path for one in anchors + distrusted if one.name is not None} if store.anchors else set()
    untidy = {path: problem for path, problem in local.problems.items() if path in ours}
    return TrustState(local.contents, untidy, anchors, distrusted, distribution, extracted, changed,
                      None if recovered and journal.hidden else recovered and journal.interrupted, refusals)


class _Sources:
    """Reads the files that a store is made from, and keeps what it has read.

    What can't be read is nothing, and a sentence in ``unread``; where that is None, it is a files.FilesError.
    """

    def __init__(self, store: stores.Store, overlay: "Overlay", unread: "t.Optional[t.List[str]]") -> None:
        self.store, self.overlay, self.unread = store, overlay, unread
        self.contents: t.Dict[str, bytes] = {}
        self.problems: t.Dict[str, str] = {}  # by path: what is wrong with its owner or mode

    @contextlib.contextmanager
    def _noting(self) -> "t.Iterator[None]":
        try:
            yield
        except files.FilesError as error:
            if self.unread is None:
                raise
            self.unread.append(str(error))

    def read(self, path: str) -> bytes:
        """The bytes of a file, none where there is no such file."""
        with self._noting():
            data, problem = _read(self.store, path, self.overlay)
            if data is not None:
                self.contents[path] = data
            if problem is not None:
                self.problems[path] = problem
        return self.contents.get(path, b"")

    def listing(self, folder: str) -> "t.Tuple[t.List[str], float]":
        """As ``_listing``."""
        with self._noting():
            return _listing(self.store, folder, self.overlay)
        return [], 0

    def certificates(self, paths: "t.Iterable[str]") -> "t.List[HeldAnchor]":
        """What is in files."""
        return [held for path in paths for held in certificates_in(path, self.read(path))]


def _anchors(local: _Sources) -> "t.Tuple[t.List[HeldAnchor], float]":
    """(the local anchors, when one was last added or removed)."""
    store = local.store
    paths, changed = ([store.bundles[0][1]], 0.0) if store.anchors is None else local.listing(store.anchors)
    found = []
    for path in paths:
        held = local.certificates([path])
        in_der = [one.der for one in held] == [local.contents.get(path)]
        # update-ca-certificates takes both, openssl rehash does not: they are half trusted. Nor is a bundle a file in
        # DER, to which no other certificate can be added.
        if store.recursive and len(held) > 1 or in_der and store.distrust != "folder":
            held = [one._replace(plain=False) for one in held]
        found.extend(held)
    return found, changed


def _in_folders(sources: _Sources, folders: "t.Iterable[str]") -> "t.List[HeldAnchor]":
    return sources.certificates(path for folder in folders for path in sources.listing(folder)[0])


def _trusted_in_folders(others: _Sources) -> "t.Dict[str, str]":
    """Path by fingerprint of what is trusted there."""
    found: t.Dict[str, str] = {}
    for folder in others.store.distribution:
        # In the folders above those of anchors, p11-kit knows plain certificates, and trusts none.
        bare = os.path.basename(folder) != "anchors"
        for path in others.listing(folder)[0]:
            for held in _trusted_elsewhere(path, others.read(path), bare):
                found.setdefault(held.fingerprint, path)
    return found


def _configured(local: _Sources, others: _Sources) -> "t.Tuple[t.Dict[str, str], t.List[HeldAnchor]]":
    """(path by fingerprint of what /etc/ca-certificates.conf trusts, what it does not trust)."""
    path, folder = local.store.distrusted[0], local.store.distribution[0]
    local.contents[path] = local.read(path)
    active, inactive = ([os.path.join(folder, name) for name in names] for names in configured(local.contents[path]))
    trusted: t.Dict[str, str] = {}
    for held in others.certificates(active):
        trusted.setdefault(held.fingerprint, held.path)
    return trusted, others.certificates(inactive)


def in_force(store: stores.Store, observed: TrustState) -> "t.List[HeldAnchor]":
    """What of the distrust counts: p11-kit passes over a folder that is called as another generation wants it."""
    folders = store.distrusted[:1] + store.vendors
    return [held for held in observed.distrusted if store.distrust != "folder" or os.path.dirname(held.path) in folders]


def fingerprints_in_force(store: stores.Store, observed: TrustState) -> "t.Set[str]":
    """Those of what is distrusted in a way that counts."""
    return {held.fingerprint for held in in_force(store, observed)}


def _inside(store: stores.Store, path: str) -> str:
    """Where a path leads, its links followed inside the store's root."""
    return path if store.root == "/" else files.resolve(store.root, path[len(store.root):])


def _read(store: stores.Store, path: str, overlay: "Overlay") -> "t.Tuple[t.Optional[bytes], t.Optional[str]]":
    """(bytes of a file or None, what is wrong with its owner or mode or None); unreadable is an error by name."""
    if overlay.get(path, path) is None:
        return None, None
    try:
        data, status = trust_extracted.regular(_place(store, path, overlay.get(path)), path)
        problem = None
        if stat.S_IMODE(status.st_mode) != 0o644:
            problem = "its mode is %04o, not 0644" % stat.S_IMODE(status.st_mode)
        elif os.geteuid() == 0 and (status.st_uid, status.st_gid) != (0, 0):
            problem = "its owner is not root"
        return data, problem
    except EnvironmentError as error:
        trust_extracted.refuse_unreadable(error)
        return None, None


def _place(
    store: stores.Store, path: str, kept: "t.Optional[host_folder.FolderEntry]"
) -> "t.Union[str, host_folder.FolderEntry]":
    """Where a file is read: its path, what an interrupted change has kept of it, or without following any link."""
    if kept:
        if not stat.S_ISLNK(kept.folder.status(kept.name).st_mode):
            return kept
        return _inside(store, os.path.join(os.path.dirname(path), os.readlink(
            kept.name, dir_fd=kept.folder.descriptor)))
    if store.anchors is None:  # one file, which may be in a folder that others can write to
        folder, name = os.path.split(path)
        return host_folder.FolderEntry(host_folder.hold(folder), name)
    return _inside(store, path)


def _listing(store: stores.Store, folder: str, overlay: "Overlay") -> "t.Tuple[t.List[str], float]":
    """(paths of the files that the store's tools read in ``folder``, sorted; when one was last added or removed).

    The latter is in seconds since the epoch, 0 where there is no such folder.
    """
    found = {path for path, kept in overlay.items() if kept and path.startswith(folder + "/")}
    folders, seen, changed = [folder], set(), 0.0
    while folders:
        here = folders.pop()
        try:
            place = _inside(store, here)
            status = os.stat(place)
            entries = os.listdir(place) if (status.st_dev, status.st_ino) not in seen else []
        except files.FilesError:
            continue  # a loop of links
        except EnvironmentError as error:
            trust_extracted.refuse_unreadable(error)
            continue
        seen.add((status.st_dev, status.st_ino))
        changed = max(changed, status.st_mtime)
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
    return sorted(path for path in found if overlay.get(path, path) is not None), changed


def certificates_in(path: str, data: bytes) -> "t.Iterator[HeldAnchor]":
    """Yields what a source file holds, leniently: a block that can't be read is passed over, as p11-kit does."""
    position = 0
    for block, content in pem.certificate_blocks(data):
        before, position = data[position:block.start], block.end
        mark = before.rfind(anchor_file.MARK.encode("ascii"))
        name = None
        if mark >= 0:
            name = before[mark + len(anchor_file.MARK):].split(b"\n")[0].decode("ascii", "replace").strip()
        start = block.start if mark < 0 else block.start - len(before) + mark
        end = block.end + len(data[block.end:block.end + 2]) - len(data[block.end:block.end + 2].lstrip(b"\r\n"))
        yield HeldAnchor(path, start, end, content, hashlib.sha256(content).hexdigest(),
                         block.label in pem.CERTIFICATE_LABELS, name)
    if data[:1] == b"\x30" and position == 0:
        certificate = x509.parse_leniently(data)
        if certificate:
            yield HeldAnchor(path, 0, len(data), data, certificate.fingerprint, True, None)


def _trusted_elsewhere(path: str, data: bytes, bare: bool) -> "t.Iterator[HeldAnchor]":
    """What a file outside of the local anchors makes trusted: p11-kit's own format says of each object whether."""
    if path.endswith(".p11-kit"):
        for part in data.split(b"[p11-kit-object-v1]"):
            if b"x-distrusted: true" not in part and (b"trusted: true" in part or not bare):
                yield from certificates_in(path, part)
    else:
        yield from (held for held in certificates_in(path, data) if not (bare and held.plain))


def find(store: stores.Store, path: str, fingerprint: str) -> "t.Optional[x509.Certificate]":
    """The certificate with that fingerprint in a source file (x509.Certificate), or None."""
    for held in certificates_in(path, _read(store, path, {})[0] or b""):
        if held.fingerprint == fingerprint:
            return x509.parse_leniently(held.der)
    return None


def known(store: stores.Store, observed: TrustState, fingerprint: str) -> "t.Optional[x509.Certificate]":
    """The certificate with that fingerprint, wherever a store has it, be it distrusted there; or None."""
    for held in observed.anchors + observed.distrusted:
        if held.fingerprint == fingerprint:
            return x509.parse_leniently(held.der)
    path = observed.distribution.get(fingerprint)
    return find(store, path, fingerprint) if path else None


def of_distribution(store: stores.Store, observed: TrustState) -> "t.List[HeldAnchor]":
    """What is trusted without being a local anchor, as list of Held, by file."""
    found: t.List[HeldAnchor] = []
    for path in sorted(set(observed.distribution.values())):
        found.extend(held for held in certificates_in(path, _read(store, path, {})[0] or b"")
                     if observed.distribution.get(held.fingerprint) == path)
    return found


def configured(data: bytes) -> "t.Tuple[t.List[str], t.List[str]]":
    """(names that are trusted, names that are not) of /etc/ca-certificates.conf; see update-ca-certificates(8)."""
    lines = [line.strip() for line in data.decode("utf-8", "surrogateescape").splitlines()]
    lines = [line for line in lines if line and line[0] != "#" and ".." not in line and line.lstrip("! ")[:1] != "/"]
    return [line for line in lines if line[0] != "!"], [line[1:].strip() for line in lines if line[0] == "!"]
