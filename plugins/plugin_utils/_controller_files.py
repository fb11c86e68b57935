# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Files of the controller: found as copy finds them, patterns and folders too, and decrypted where vault did it."""

from __future__ import annotations

import collections.abc as c
import glob
import os
import stat
import typing as t

from ansible.errors import AnsibleError, AnsibleFileNotFound

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

REQUEST = b"CERTIFICATE REQUEST"  # the end of the labels of PEM requests
PRIVATE_KEY = (
    "there is a private key in it, and only certificates are installed from here: leave only the certificates in the "
    "file; the host has its key already (privatekey_path)"
)


class Source(t.NamedTuple):
    """A file that certificates are read from; ``named`` if the user named it, and not only its folder or a pattern."""

    name: str
    path: str
    named: bool


class Finder(t.NamedTuple):
    """How a task finds files on the controller."""

    needle: c.Callable[[str], str]  # as ActionBase._find_needle does for the folder files
    folders: list[str]  # where patterns are tried, the first with a hit counts


def read(loader: t.Any, path: str) -> bytes:
    """The bytes of a regular file, decrypted where vault encrypted it; raises ValueError with a sentence."""
    try:
        # Looked at before the loader does: it would wait at a FIFO and read a device to its end.
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > pem.MAX_BYTES:
            return pem.read_file(path)
        real = loader.get_real_file(path)
        try:
            return pem.read_file(real)
        finally:
            loader.cleanup_tmp_file(real)
    except AnsibleError as error:
        raise ValueError(str(error)) from error
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error


def certificates(sources: list[str], finder: Finder, load: c.Callable[[str], bytes]) -> dict[str, tuple[str, str]]:
    """All certificates of files, folders and patterns, each once: {fingerprint: (name of its file, PEM)}.

    load: gives the bytes of a file. Raises ValueError with a sentence on each file that can't be used.
    """
    found: dict[str, tuple[str, str]] = {}
    passed: list[str] = []
    problems: list[str] = []
    for src in sources:
        try:
            files = _find(src, finder)
        except ValueError as error:
            problems.append(f"src {src}: {error}")
            continue
        for source in files:
            try:
                for one in _certificates(load(source.path), source.named):
                    found.setdefault(one.fingerprint, (source.name, pem.to_pem(one.der)))
            except pem.PrivateKeyFound:
                problems.append(f"src {source.name}: {PRIVATE_KEY}")
            except _NothingInIt:
                passed.append(source.name)
            except ValueError as error:
                problems.append(f"src {source.name}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
    if not found:
        there = f"what is there: {', '.join(passed)}" if passed else "there is no file at all"
        raise ValueError(f"src {', '.join(sources)}: no certificate was found; {there}")
    return found


class _NothingInIt(Failure, ValueError):
    """A file that has nothing to do with certificates lies beside them: a request, a letter of the CA."""


def _certificates(data: bytes, named: bool) -> list[x509.Certificate]:
    if pem.holds_key(data):
        raise pem.PrivateKeyFound(PRIVATE_KEY)
    labels = [marker.group(2) for marker in pem.MARKER.finditer(data)]
    if labels and all(label.endswith(REQUEST) for label in labels) and named:
        raise ValueError("it is a certificate request: name the file with the CA's answer to it")
    try:
        return pem.read_certificates(data)
    except pem.PrivateKeyFound:
        raise
    except pem.CertificateFileError:
        about_others = all(label.endswith(REQUEST) for label in labels) if labels else data[:1] != b"0"
        if about_others and not named:
            raise _NothingInIt from None
        raise


def _find(src: str, finder: Finder) -> list[Source]:
    """The files that ``src`` means; raises ValueError where there are none."""
    if glob.has_magic(src):
        return _matching(src, finder)
    try:
        path = finder.needle(src)
    except AnsibleFileNotFound as error:
        looked = ", ".join(dict.fromkeys(getattr(error, "paths", None) or [src]))
        raise ValueError(f"there is no such file on the controller (looked for: {looked})") from error
    return _in_folder(path, src) if os.path.isdir(path) else [Source(src, path, True)]


def _in_folder(path: str, name: str) -> list[Source]:
    try:
        entries = sorted(entry for entry in os.listdir(path) if not entry.startswith("."))
    except OSError as error:
        raise ValueError(f"the folder {path} can't be read: {error.strerror}") from error
    files = ((os.path.join(name, entry), os.path.join(path, entry)) for entry in entries)
    return [Source(shown, file, False) for shown, file in files if os.path.isfile(file)]


def _matching(src: str, finder: Finder) -> list[Source]:
    absolute = os.path.expanduser(src)
    folders = [""] if os.path.isabs(absolute) else finder.folders
    for folder in folders:
        hits = sorted(glob.glob(os.path.join(glob.escape(folder), absolute)))
        if hits:
            named = [(os.path.relpath(hit, folder) if folder else hit, hit) for hit in hits]
            return [source for name, hit in named for source in (
                _in_folder(hit, name) if os.path.isdir(hit) else [Source(name, hit, False)])]
    looked = f" (looked in: {', '.join(folders)})" if folders != [""] else ""
    raise ValueError(f"no file on the controller has such a name{looked}")
