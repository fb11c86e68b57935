# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Which certificates in use on this host were issued by some CAs: what ca_usage_info tells. Plain values in and out.

Issuers are found by name and key identifier; no signature is checked.
"""

import collections
import errno
import os
import stat
import time
import typing as t
from concurrent import futures

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import default_paths
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, listeners
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, der, pem

SIDE_BY_SIDE = 8
BACKUP = "~"  # the end of the name of a file that was replaced, as Ansible calls it
NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # whoever looks
DIRECTORIES = tuple(place + "/certs" for place in default_paths.SYSTEM)


def look(
    given: "t.Dict[str, t.Any]", tmpdir: "t.Optional[str]" = None, now: "t.Optional[int]" = None
) -> "t.Dict[str, t.Any]":
    """The module's result: authorities, certificates, inconclusive, missing and so on. given: its options."""
    now = int(time.time()) if now is None else now
    old, new = _authorities(given["authorities"], "authorities"), _authorities(given["successors"], "successors")
    new = [one for one in new if one not in old]
    wanted = wanted_files(given["directories"], given["paths"], given["ignore_paths"])
    found, unreadable = read_files(wanted.paths)
    shown = _shown(given, tmpdir) if given["listeners"] else []
    pool = intermediates(old + new, list(found.values()) + [_parsed(one.chain) for one in shown])
    used, inconclusive = [], wanted.inconclusive + unreadable
    for path, certificates in found.items():
        used += _used({"path": path}, [one for one in certificates if not x509.is_ca(one)], pool, old, new, now)
    for one in shown:
        where = {"address": one.listener.address, "port": one.listener.port, "server_name": one.server_name,
                 "inode": one.listener.inode}
        sent = _parsed(one.chain)
        if sent:
            used += _used(where, sent[:1], pool, old, new, now)
        else:
            inconclusive.append("%s %s" % (connection.place(one.listener.address, one.listener.port),
                                           one.finding or "shows a certificate that can't be read"))
    used = _told(used, shown)
    inconclusive = list(collections.OrderedDict.fromkeys(inconclusive))  # several processes may listen on one port
    return {
        "authorities": [x509.describe(one) for one in old],
        "successors": [x509.describe(one) for one in new],
        "certificates": used,
        "inconclusive": inconclusive,
        "missing": wanted.missing,
        "renewals": renewals(old, found),
        "shared_keys": shared_keys(old, new),
        "looked_at": {"files": len(found), "listeners": len({one.listener for one in shown if one.chain})},
        "msg": "\n".join([one["sentence"] for one in used] + inconclusive) or "no certificate in use chains to them",
    }


def _authorities(texts: "t.List[str]", option: str) -> "t.List[x509.Certificate]":
    """The CAs of an option (list of x509.Certificate, each once); raises Failure."""
    found: t.Dict[str, x509.Certificate] = collections.OrderedDict()
    for number, text in enumerate(texts):
        try:
            found.update((one.fingerprint, one) for one in pem.read_certificates(text.encode("utf-8", "replace")))
        except pem.CertificateFileError as error:
            raise Failure("%s[%d]: %s" % (option, number, error))
    return list(found.values())


def shared_keys(old: "t.List[x509.Certificate]", new: "t.List[x509.Certificate]") -> "t.List[str]":
    """Sentences on those of the new CAs that have the key of an old one."""
    owners = {one.spki_der: one for one in old}
    return ["%s (SHA-256 %s) has the same key as %s (SHA-256 %s)" % (
        x509.label(one), one.fingerprint, x509.label(owners[one.spki_der]), owners[one.spki_der].fingerprint)
        for one in new if one.spki_der in owners]


def renewals(
    old: "t.List[x509.Certificate]", files: "t.Mapping[str, t.List[x509.Certificate]]"
) -> "t.List[t.Dict[str, t.Any]]":
    """Further certificates of the CAs themselves: with the key of one, and not given (list of dict)."""
    keys, given = {one.spki_der for one in old}, {one.fingerprint for one in old}
    found: t.Dict[str, t.Dict[str, t.Any]] = collections.OrderedDict()
    for path, certificates in files.items():
        for one in certificates:
            if one.spki_der in keys and one.fingerprint not in given and x509.is_ca(one):
                found.setdefault(one.fingerprint, dict(x509.describe(one), path=path))
    return list(found.values())


class WantedFiles(t.NamedTuple):
    paths: "t.List[str]"      # to be looked at
    missing: "t.List[str]"    # what was named and is not there, as it was named
    inconclusive: "t.List[str]"  # sentences on what may be there


def wanted_files(folders: "t.List[str]", named: "t.List[str]", ignored: "t.List[str]") -> WantedFiles:
    """The files to look at, by their own names rather than by those of links; backup copies are in nobody's use."""
    wanted: t.List[t.Tuple[str, t.Optional[str]]] = [(default_paths.certificate(path), path) for path in named]
    missing: t.List[str] = []
    inconclusive: t.List[str] = []
    for folder in folders:
        try:
            wanted += [(os.path.join(folder, name), None) for name in sorted(os.listdir(folder))]
        except EnvironmentError as error:
            if error.errno == errno.ENOENT:
                missing.append(folder)
            else:
                inconclusive.append(_unreadable(folder, error))
    passed = {os.path.realpath(default_paths.certificate(path)) for path in ignored}
    found: t.Dict[str, str] = collections.OrderedDict()
    for path, name in sorted(wanted, key=lambda one: os.path.islink(one[0])):
        real = os.path.realpath(path)
        if path.endswith(BACKUP) or real in passed:
            continue
        try:
            regular = stat.S_ISREG(os.stat(path).st_mode)
        except EnvironmentError as error:
            if error.errno not in NOTHING_THERE:
                inconclusive.append(_unreadable(path, error))
            elif name:
                missing.append(name)
            continue
        if regular or name:  # who names something else is told so when it is read
            found.setdefault(real, path)
    return WantedFiles(list(found.values()), missing, inconclusive)


def _unreadable(path: str, error: EnvironmentError) -> str:
    return "%s: %s" % (path, pem.advised("it can't be read: %s" % error.strerror))


def read_files(wanted: "t.List[str]") -> "t.Tuple[t.Dict[str, t.List[x509.Certificate]], t.List[str]]":
    """({path: its certificates}, sentences on files that can't be read); files without a certificate are left out."""
    found: t.Dict[str, t.List[x509.Certificate]] = collections.OrderedDict()
    unreadable: t.List[str] = []
    known: t.Dict[bytes, t.Optional[x509.Certificate]] = {}
    for path in wanted:
        try:
            data = pem.read_file(path)
        except pem.CertificateFileError as error:
            unreadable.append("%s: %s" % (path, pem.advised(str(error))))
            continue
        blocks = [raw for _block, raw in pem.certificate_blocks(data)] or ([data] if data[:1] == b"0" else [])
        for raw in blocks:
            if raw not in known:  # a trust store's folder holds each twice
                known[raw] = x509.parse_leniently(raw)
        certificates = [one for one in (known[raw] for raw in blocks) if one]
        if certificates:
            found[path] = certificates
    return found, unreadable


def _parsed(chain: "t.Iterable[bytes]") -> "t.List[x509.Certificate]":
    return [one for one in map(x509.parse_leniently, chain) if one]


def intermediates(cas: "t.Iterable[x509.Certificate]", files: "t.Iterable[t.List[x509.Certificate]]") -> "chains.Pool":
    """The pool that issuers are looked up in: the CAs that were given, and what lies on the host or was sent."""
    found = collections.OrderedDict((one.fingerprint, one) for one in cas)
    for certificates in files:
        found.update((one.fingerprint, one) for one in certificates if x509.is_ca(one))
    return chains.index(found.values())


def issued_by(
    certificate: x509.Certificate,
    pool: "chains.Pool",
    wanted: "t.List[x509.Certificate]",
    successors: "t.List[x509.Certificate]",
    now: int,
) -> "t.Optional[x509.Certificate]":
    """The first of the CAs ``wanted`` on the way up from a certificate, directly or at some remove, or None.

    A CA is known by its key: one that was renewed with the same key is the same CA. The way ends at one of the
    successors: who trusts it needs nothing above it, though a CA that is wanted may have cross-signed it.
    """
    owners = {one.spki_der: one for one in wanted}
    ends = {one.spki_der for one in successors}
    left, seen = [certificate], set()
    while left:
        one = left.pop(0)
        try:
            issuers = chains.issuers(one, pool, now)
        except der.DerError:
            continue  # what can't be read, nobody accepts
        for issuer in issuers:
            if issuer.spki_der in owners:
                return owners[issuer.spki_der]
            if issuer.fingerprint not in seen and issuer.spki_der not in ends:
                seen.add(issuer.fingerprint)
                left.append(issuer)
    return None


def _used(
    where: "t.Dict[str, t.Any]",
    certificates: "t.List[x509.Certificate]",
    pool: "chains.Pool",
    old: "t.List[x509.Certificate]",
    new: "t.List[x509.Certificate]",
    now: int,
) -> "t.List[t.Dict[str, t.Any]]":
    """The results (list of dict) of those certificates that chain to an old CA and are not expired."""
    blank = {"path": None, "address": None, "port": None, "server_name": None, "inode": None}
    found = [(one, issued_by(one, pool, old, new, now)) for one in certificates if one.not_after >= now]
    return [dict(blank, authority=x509.label(authority), **dict(x509.describe(one), **where))
            for one, authority in found if authority]


def _told(used: "t.List[t.Dict[str, t.Any]]", shown: "t.List[listeners.Shown]") -> "t.List[t.Dict[str, t.Any]]":
    """The same with the program that shows each, and with a sentence; one certificate of a socket is told once."""
    inodes = {one["inode"] for one in used}
    names = listeners.programs([one.listener for one in shown if one.listener.inode in inodes])
    found: t.Dict[str, t.Dict[str, t.Any]] = collections.OrderedDict()
    for one in used:
        one = dict(one, program=names.get(one["inode"]))
        if one["path"]:
            sentence = "%s (%s, SHA-256 %s...) was issued by %s" % (
                one["path"], one["subject"], one["fingerprint_sha256"][:16], one["authority"])
        else:
            sentence = "port %d%s shows %s (SHA-256 %s...), issued by %s: was the service not reloaded?" % (
                one["port"], " (%s)" % x509.printable(one["program"]) if one["program"] else "", one["subject"],
                one["fingerprint_sha256"][:16], one["authority"])
        del one["inode"]
        found.setdefault(sentence, dict(one, sentence=sentence))
    return list(found.values())


def _shown(given: "t.Dict[str, t.Any]", tmpdir: "t.Optional[str]") -> "t.List[listeners.Shown]":
    """What the listeners of this host show (list of listeners.Shown)."""
    if not 0 < given["timeout"] <= 60:
        raise Failure("timeout: %g is not between 0 and 60 seconds" % given["timeout"])
    program = openssl.find()
    wanted = [one for one in listeners.listening() if one.port not in given["ignore_ports"]]
    with futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        answers = list(pool.map(lambda one: listeners.shown(
            one, given["server_names"], program, given["timeout"], tmpdir), wanted))
    return [one for answer in answers for one in answer]
