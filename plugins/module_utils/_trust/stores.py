# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The table of trust stores: where each keeps its anchors, what it extracts, and how it is told to distrust.

A new trust store is a new row in STORES. What the rows' facts rest on: update-ca-trust(8) and p11-kit's trust module
for ``redhat``, update-ca-certificates(8) for ``debian``.
"""

import collections
import glob
import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

if t.TYPE_CHECKING:
    Command = t.Tuple[str, ...]  # with its arguments

ANY_PURPOSE = None


class Keystore(t.NamedTuple):
    path: str  # of the extracted keystore
    prefix: str  # of the aliases of what the hook has put there; others are the administrator's
    # Command that reads "-PATH" for each certificate that is to go, of which only the file's name counts; None where
    # the extract makes the keystore anew, and what follows does not matter:
    hook: "t.Optional[str]"
    settings: "t.Tuple[str, str]"  # (file, text in it that switches the hook off)
    requires: str  # command without which the hook does nothing


class Store(t.NamedTuple):
    name: str
    root: str = "/"  # of the system that it belongs to; all paths below are those of this machine, inside it
    families: "t.Tuple[str, ...]" = ()  # os-release's ID and ID_LIKE that stand for it
    # Folder of local anchors, one certificate a file; None where they are one file, the bundle:
    anchors: "t.Optional[str]" = None
    suffix: str = ""  # of the anchors' file names
    # Whether files in subfolders count, and then only those with the suffix; else every file does:
    recursive: bool = False
    distrust: "t.Optional[str]" = None  # how certificates are distrusted: "folder", "configuration" or None
    distrusted: "t.Tuple[str, ...]" = ()  # places of that: the folders, or the configuration file
    # Folders of the same names beside the distribution's certificates, of which only the one that counts is chosen:
    vendors: "t.Tuple[str, ...]" = ()
    distribution: "t.Tuple[str, ...]" = ()  # where the distribution's own certificates are
    # Extracted PEM bundles: (purpose that a certificate needs to be in it, path):
    bundles: "t.Tuple[t.Tuple[t.Optional[str], str], ...]" = ()
    # Folder of hashed links (openssl-rehash(1)) that OpenSSL looks issuers up in:
    hashed: "t.Optional[str]" = None
    fallback_bundle: "t.Optional[str]" = None  # the file that it reads where that is there: the links don't count then
    keystore: "t.Optional[Keystore]" = None  # Java's
    unproven: "t.Tuple[str, ...]" = ()  # sentences on what should follow the store, and can't be looked into
    untrusted_bundle: "t.Optional[str]" = None  # extracted bundle of what fits no purpose, or None
    extract: "Command" = ()  # makes the extracted store; empty: there is none beside the anchors
    extract_fresh: "Command" = ()  # the same from scratch, for another attempt
    # Patterns of what a killed extract leaves: it stays for ever, or the next one takes it up again:
    temp_patterns: "t.Tuple[str, ...]" = ()
    sources: "Command" = ()  # writes what a bundle should hold, but for purpose and file; empty: all there is
    # Option of that command that writes the same into another folder, and what it needs to be there:
    preview: "t.Optional[t.Tuple[str, t.Tuple[str, ...]]]" = None
    extracted: str = ""  # what the preview's folder stands for
    # Folder of hashed links that the extract fills besides, for programs that are told of it:
    directory_hash: "t.Optional[str]" = None
    tools: "t.Sequence[t.Tuple[str, str]]" = ()  # by command: the package that brings it
    # (folder whose files are changed, folder beside it to stage them in):
    staging: "t.Tuple[t.Tuple[str, str], ...]" = ()


STORES = collections.OrderedDict((store.name, store) for store in [
    Store(
        name="redhat",
        families=("rhel", "fedora", "centos"),
        anchors="/etc/pki/ca-trust/source/anchors",
        suffix=".pem",
        distrust="folder",
        # blocklist is read from p11-kit 0.24 on (EL 9), blacklist before (EL 8); each ignores the other.
        distrusted=("/etc/pki/ca-trust/source/blocklist", "/etc/pki/ca-trust/source/blacklist"),
        vendors=("/usr/share/pki/ca-trust-source/blocklist", "/usr/share/pki/ca-trust-source/blacklist"),
        # What lies in source/ itself is the administrator's; like the distribution's, it is read and left alone.
        distribution=("/usr/share/pki/ca-trust-source", "/usr/share/pki/ca-trust-source/anchors",
                      "/etc/pki/ca-trust/source"),
        bundles=(("server_auth", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
                 ("email_protection", "/etc/pki/ca-trust/extracted/pem/email-ca-bundle.pem"),
                 ("code_signing", "/etc/pki/ca-trust/extracted/pem/objsign-ca-bundle.pem")),
        # From EL 10 on: before, OpenSSL reads the bundle.
        hashed="/etc/pki/tls/certs",
        fallback_bundle="/etc/pki/tls/cert.pem",
        # p11-kit makes it from the same sources as the bundles. On EL 8, nobody is told when that fails.
        keystore=Keystore("/etc/pki/ca-trust/extracted/java/cacerts", "", None, ("", ""), ""),
        untrusted_bundle="/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt",
        extract=("update-ca-trust", "extract"),
        extract_fresh=("update-ca-trust", "extract"),
        temp_patterns=("/etc/pki/ca-trust/extracted/*/*." + 6 * "[A-Za-z0-9]",),  # of mkstemp(3)
        sources=("trust", "extract", "--overwrite", "--format=pem-bundle", "--filter=ca-anchors"),
        preview=("--output", ("openssl", "pem", "java", "edk2")),
        extracted="/etc/pki/ca-trust/extracted",
        directory_hash="/etc/pki/ca-trust/extracted/pem/directory-hash",
        tools=(("trust", "p11-kit-trust"), ("update-ca-trust", "ca-certificates")),
        staging=(("/etc/pki/ca-trust/source", "/etc/pki/ca-trust/.host_trust"),),
    ),
    Store(
        name="debian",
        families=("debian", "ubuntu"),
        anchors="/usr/local/share/ca-certificates",
        suffix=".crt",
        recursive=True,
        distrust="configuration",
        distrusted=("/etc/ca-certificates.conf",),
        distribution=("/usr/share/ca-certificates",),
        bundles=((ANY_PURPOSE, "/etc/ssl/certs/ca-certificates.crt"),),
        hashed="/etc/ssl/certs",
        # update-ca-certificates tells ca-certificates-java of local certificates that came, but not of those that went.
        keystore=Keystore("/etc/ssl/certs/java/cacerts", "debian:", "/etc/ca-certificates/update.d/jks-keystore",
                          ("/etc/default/cacerts", "cacerts_updates=no"), "java"),
        extract=("update-ca-certificates",),
        # It makes the links of new files only: those that an attempt before has missed want this.
        extract_fresh=("update-ca-certificates", "--fresh"),
        temp_patterns=("/etc/ssl/certs/ca-certificates.crt.new",),
        extracted="/etc/ssl/certs",
        tools=(("openssl", "openssl"), ("update-ca-certificates", "ca-certificates")),
        staging=(("/usr/local/share/ca-certificates", "/usr/local/share/.host_trust"), ("/etc", "/etc/.host_trust")),
    ),
    Store(name="bundle"),
])


class StoreError(Failure):
    """The store can't be used on this host; ``facts`` go into the module's result."""


def _bundle(store: Store, given: "t.Optional[str]", root: str) -> Store:
    """The row of a single PEM file, for the one that is named."""
    if not given or not os.path.isabs(given):
        raise StoreError("bundle_path: %s is not given from / on" % (given or "(empty)"))
    path = files.resolve(root, given, own=True)
    if os.path.lexists(path) and not os.path.isfile(path):  # or a device would be replaced, through a link
        raise StoreError("bundle_path: %s is there, and is not a regular file" % given)
    folder, base = os.path.split(path)
    stage = os.path.join(folder, ".%s.host_trust" % base)
    return store._replace(root=root, bundles=((ANY_PURPOSE, path),), staging=((folder, stage),))


def choose(name: str, bundle_path: "t.Optional[str]", root: str) -> Store:
    """The row of STORES for this host, with paths inside ``root``.

    name: a store's name, or ``auto`` for the one of the host's family (os-release(5)).
    Raises StoreError for an unknown family, or where the store's tools are missing (facts: missing_packages).
    """
    try:
        root = files.system_root(root)
    except files.FilesError as error:
        raise StoreError(str(error))
    if name == "auto":
        name = store_of_family(root)
    store = STORES[name]
    if name == "bundle":
        return _bundle(store, bundle_path, root)
    _require_tools(store, root)
    return _resolved(store, root)


def _resolved(store: Store, root: str) -> Store:
    """The row with paths inside ``root``, as they are there."""
    def inside(path: str) -> str:
        return files.resolve(root, path)

    outside = root.rstrip("/")
    hashed = store.hashed and inside(store.hashed)
    instead = store.fallback_bundle and os.path.join(root, store.fallback_bundle.lstrip("/"))
    bundle = inside(store.bundles[0][1])
    if hashed and (not os.path.isdir(hashed)
                   or instead and os.path.lexists(instead) and not is_bridge(instead, bundle)):
        hashed = None
    distrusted, vendors = _distrust(store, root)
    keystore = _keystore(store, root)
    locked = keystore and _is_pkcs12(keystore.path)
    return store._replace(
        root=root,
        anchors=store.anchors and inside(store.anchors),
        distrusted=distrusted,
        vendors=vendors,
        distribution=tuple(inside(path) for path in store.distribution),
        bundles=tuple((purpose, inside(path)) for purpose, path in store.bundles),
        hashed=hashed,
        fallback_bundle=instead if hashed else None,
        keystore=None if locked else keystore,
        unproven=("%s is PKCS#12, and not JKS: whether Java trusts what this host trusts is not proven"
                  % keystore.path,) if keystore and locked else (),
        untrusted_bundle=store.untrusted_bundle and inside(store.untrusted_bundle),
        temp_patterns=tuple(glob.escape(outside) + inside(pattern)[len(outside):] for pattern in store.temp_patterns),
        extracted=inside(store.extracted),
        directory_hash=store.directory_hash and inside(store.directory_hash),
        staging=tuple((inside(folder), inside(stage)) for folder, stage in store.staging),
    )


def mirrors(store: Store) -> "t.List[str]":
    """Paths of what is made from the first bundle's certificates, and is to hold the same: links, Java's keystore."""
    return ([store.hashed] if store.hashed else []) + ([store.keystore.path] if store.keystore else [])


def _keystore(store: Store, root: str) -> "t.Optional[Keystore]":
    """Java's keystore with its path inside ``root``; None where nothing on this host would keep it up to date."""
    if not store.keystore:
        return None
    keystore = store.keystore._replace(path=files.resolve(root, store.keystore.path))
    if not keystore.hook:
        return keystore if os.path.isfile(keystore.path) else None
    if not (os.path.isfile(keystore.path) and os.access(files.resolve(root, keystore.hook), os.X_OK)
            and find_command(keystore.requires, root) and os.path.isdir(os.path.join(root, "proc/self"))):
        return None
    try:
        with open(files.resolve(root, keystore.settings[0]), "rb") as stream:
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except EnvironmentError:
        return keystore
    return None if any(line.strip().startswith(keystore.settings[1]) for line in lines) else keystore


def _is_pkcs12(path: str) -> bool:
    """Whether it begins as a SEQUENCE does: Java takes that as well as JKS, and it can be encrypted as a whole."""
    try:
        with open(path, "rb") as stream:
            return stream.read(1) == b"\x30"
    except EnvironmentError:
        return False


def is_the_systems(path: str, root: str) -> bool:
    """Whether the file (a real path) is one that a system's store is extracted to, or that it is extracted from."""
    for store in STORES.values():
        extracted = [each for _purpose, each in store.bundles]
        extracted += [store.untrusted_bundle] if store.untrusted_bundle else []
        if path in [files.resolve(root, each) for each in extracted] or any(
                path.startswith(files.resolve(root, folder) + "/") for folder in store.distribution):
            return True
    return False


def bridge_to(path: str, bundle: str) -> str:
    """What the link says that stands in for the hashed links while they are made anew; no system's own is relative."""
    return os.path.relpath(bundle, os.path.dirname(path))


def is_bridge(path: str, bundle: str) -> bool:
    """Whether there is that link: a run that was killed has left it."""
    return os.path.islink(path) and os.readlink(path) == bridge_to(path, bundle)


def _distrust(store: Store, root: str) -> "t.Tuple[t.Tuple[str, ...], t.Tuple[str, ...]]":
    """(the places of distrust, the vendor's that count). Of folders, the one that counts on this host comes first."""
    names = [os.path.basename(path) for path in store.distrusted]
    # p11-kit itself knows the name. Which folders are there says less: both are after an upgrade, none in a bare image.
    known = _names_in_p11_kit(root, names) if store.distrust == "folder" else set()
    known = known or {name for name, path in zip(names, store.distrusted) if os.path.exists(files.resolve(root, path))}
    names.sort(key=lambda name: name not in known)
    places = sorted(store.distrusted, key=lambda path: names.index(os.path.basename(path)))
    return (tuple(collections.OrderedDict.fromkeys(files.resolve(root, path) for path in places)),
            tuple(files.resolve(root, path) for path in store.vendors if os.path.basename(path) == names[0]))


def _names_in_p11_kit(root: str, names: "t.List[str]") -> "t.Set[str]":
    found: t.Set[str] = set()
    for path in p11_kit_modules(root):
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except EnvironmentError:
            continue
        found.update(name for name in names if name.encode("ascii") in content)
    return found


def p11_kit_modules(root: str) -> "t.List[str]":
    """Paths of p11-kit's trust module, which serves the system's store to whoever speaks PKCS #11."""
    return [path for pattern in ("/usr/lib64/pkcs11", "/usr/lib/*/pkcs11", "/usr/lib/pkcs11")
            for path in files.matching(root, pattern + "/p11-kit-trust.so")]


def _os_release(root: str) -> "t.Dict[str, str]":
    """os-release(5) as a dict, harmless to a terminal: an image may be anybody's. Empty where there is none."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(files.resolve(root, path), "rb") as stream:
                lines = stream.read().decode("utf-8", "replace").splitlines()
        except EnvironmentError:
            continue
        pairs = (line.partition("=") for line in lines if "=" in line)
        return {key.strip(): x509.printable(value.strip().strip("\"'")) for key, _equals, value in pairs}
    return {}


def store_of_family(root: str) -> str:
    """The name of the store of the system's family; raises StoreError where that is not known."""
    release = _os_release(root)
    family = [release.get("ID", "")] + release.get("ID_LIKE", "").split()
    for store in STORES.values():
        if any(name in store.families for name in family):
            return store.name
    raise StoreError(
        "the trust store of this host's family is not known (os-release has ID=%s, ID_LIKE=%s); known are: %s. "
        "Choose one with the option store, or write a PEM file for an application with store: bundle and bundle_path"
        % (release.get("ID", "(nothing)"), release.get("ID_LIKE", "(nothing)"),
           ", ".join("%s (%s)" % (store.name, ", ".join(store.families))
                     for store in STORES.values() if store.families)))


def bundle_of(root: str) -> str:
    """Path of the extracted bundle that the TLS clients of the system under ``root`` read; raises StoreError."""
    return files.resolve(root, STORES[store_of_family(root)].bundles[0][1])


def find_command(name: str, root: str) -> "t.Optional[str]":
    """The command's path inside ``root``, or None."""
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        path = "%s/%s" % (folder, name)
        if os.access(files.resolve(root, path), os.X_OK):
            return path
    return None


def _require_tools(store: Store, root: str) -> None:
    packages = {command: package for command, package in store.tools if not find_command(command, root)}
    if packages:
        raise missing_packages("the store %s needs the command %s" % (store.name, " and ".join(packages)),
                               sorted(set(packages.values())), root)


def missing_packages(what: str, packages: "t.List[str]", root: str = "/") -> StoreError:
    """The StoreError that says what is needed and which packages bring it."""
    where = _os_release(root).get("PRETTY_NAME", "this host")
    return StoreError("%s, which %s does not have: install the package %s" % (what, where, " and ".join(packages)),
                      missing_packages=packages)
