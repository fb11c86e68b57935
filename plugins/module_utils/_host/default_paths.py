# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Where a system keeps its TLS keys and certificates, for files that are named without a folder."""

import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files

NEXT = ".next"  # the end of the name of a private key that waits for its certificate
SYSTEM = ("/etc/pki/tls", "/etc/ssl")  # the first that is there: RHEL, its relatives and Fedora; Debian and Ubuntu

Path = t.TypeVar("Path", str, t.Optional[str])


def check(options: "t.Dict[str, t.Any]", names: "t.Iterable[str]") -> None:
    """Raises files.FilesError where one of the options ``names``, which are paths, can't be one."""
    for name in names:
        if options.get(name) == "" or "\0" in (options.get(name) or ""):
            raise files.FilesError("%s is %s: name a file, or leave the option out" % (
                name, "no path" if options[name] else "empty"))


def check_apart(
    options: "t.Dict[str, t.Any]", written: "t.Sequence[str]", read: "t.Iterable[str]" = ()
) -> None:
    """Raises files.FilesError where a file would be written over another that is needed, such as a key.

    written, read: names of the options that say which files.
    """
    used: t.Dict[str, str] = {}
    for name in tuple(written) + tuple(name for name in read if name not in written):
        if options.get(name):
            other = used.setdefault(os.path.realpath(options[name]), name)
            if other != name and other in written:
                raise files.FilesError("%s and %s are the same file, %s: give each its own" % (
                    other, name, options[name]))


def key(path: Path, root: str = "/") -> Path:
    """``web.key`` as /etc/pki/tls/private/web.key or /etc/ssl/private/web.key; a path with a slash, and None, as is.

    Of a system that is mounted at ``root``, the real place on this machine. Raises files.FilesError.
    """
    placed = _placed(path, "private", root)
    if placed and root != "/" and os.path.islink(placed + NEXT):
        raise files.FilesError("%s is a link, which may lead out of %s: remove it" % (placed + NEXT, root))
    return placed


def certificate(path: Path, root: str = "/") -> Path:
    """``web.crt`` as /etc/pki/tls/certs/web.crt or /etc/ssl/certs/web.crt; else as ``key``."""
    return _placed(path, "certs", root)


def _placed(path: Path, folder: str, root: str) -> Path:
    if path and "/" not in path:
        system = [place for place in SYSTEM if os.path.isdir(files.resolve(root, place))] or SYSTEM[-1:]
        path = os.path.join(system[0], folder, path)
    if not path or root == "/":
        return path
    if not os.path.isabs(path):
        raise files.FilesError("%s is not given from / on, as files below root (%s) must be" % (path, root))
    return files.resolve(root, path)
