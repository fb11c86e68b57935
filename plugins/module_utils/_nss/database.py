# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""One database of NSS, as Chromium and Firefox have them: what it holds, and changes of it by certutil.

All of this runs in a process of the database's owner (_host/run_as.py), and gives and takes plain JSON values.
Which certificates there are, and their nicknames, is read from the file itself, which is SQLite (certutil prints
certificates by nickname only, and several may share one). What each is trusted for is what certutil says, as NSS
sees it. Nothing is written but by certutil, which a running browser stands.
"""

import base64
import contextlib
import hashlib
import os
import re
import subprocess
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command

if t.TYPE_CHECKING:
    Record = t.Dict[str, str]  # of a certificate: fingerprint, nickname, trust, der (base64)

try:
    import sqlite3
    from urllib.parse import quote
except ImportError:  # Debian's python3-minimal is without
    sqlite3 = None  # type: ignore[assignment]  # a module that may be missing is nothing that types can say

SECONDS = 30  # for one call of certutil; it takes some 10 ms
MAX_OUTPUT = 4 * 1024 * 1024
FILES = ("cert9.db", "key4.db", "pkcs11.txt")
TOKEN = "NSS Certificate DB:"  # where certutil would take what stands before a colon for a token's name
WRONG_PASSWORD = "SEC_ERROR_BAD_PASSWORD"
CERTIFICATE_CLASS = b"\x00\x00\x00\x01"
NO_VALUE = b"\xa5\x00Z"
TRUST = re.compile(r"[A-Za-z]*,[A-Za-z]*,[A-Za-z]*\Z")
FINGERPRINT = re.compile(r" *Fingerprint \(SHA-256\): *\Z")
FLAGS = {"Terminal Record": "p", "Trusted": "P", "Valid CA": "c", "Trusted CA": "C", "Trusted Client CA": "T",
         "User": "u", "Warn When Sending": "w"}


class DatabaseError(Failure):
    """A database can't be read or changed; the message names it, the reason and the way out."""


def look(folder: str) -> "t.Dict[str, t.Any]":
    """What is in the database in ``folder`` (dict); ``there`` is False where there is none."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.lexists(folder):
            raise DatabaseError("%s is no folder: name the folder that has the database's files in it" % folder)
        names = []
    there = set(FILES[:2]) <= set(names)  # a creation that was killed leaves the one without the other
    held = _held(folder) if there else []
    return {"there": there, "protected": there and _is_protected(folder), "certificates": held,
            "instead": None if there else _read_until_now(folder)}


def _read_until_now(folder: str) -> "t.Optional[str]":
    """The database that Chromium reads as long as ~/.pki/nssdb is not there, where ``folder`` is that one; or None."""
    home = os.environ.get("HOME", "")
    other = os.path.join(home, ".local/share/pki/nssdb")
    return other if folder == os.path.join(home, ".pki/nssdb") and os.path.exists(other + "/cert9.db") else None


def change(folder: str, steps: "t.List[t.Dict[str, t.Any]]") -> None:
    """Carries out steps (list of dict): ``create``, ``write`` a certificate with its trust, ``delete`` one."""
    for step in steps:
        if step["do"] == "create":
            create(folder)
        elif step["do"] == "write":
            _write(folder, step["nickname"], base64.b64decode(step["der"]), step["trust"])
        else:
            _delete(folder, step["fingerprint"])


def create(folder: str) -> None:
    """Makes a database without a password, and its folder."""
    public = os.geteuid() == 0 and not (folder + "/").startswith(os.environ.get("HOME", "/root").rstrip("/") + "/")
    os.makedirs(folder, 0o755 if public else 0o700, exist_ok=True)
    if os.path.exists(os.path.join(folder, FILES[1])):  # keys, which stay: what else lacks is made to write into
        _certutil(folder, ["-L", "-X"])
    else:
        _certutil(folder, ["-N", "--empty-password"])
    for name in FILES if public else ():  # the system's, which all may read
        os.chmod(os.path.join(folder, name), 0o644)


def take_back(folder: str, before: "t.Dict[str, t.Any]", missing: "t.List[str]") -> None:
    """Makes a database what it was: ``before`` as ``look`` gave it. What was created with it goes.

    missing: what was not there, as ``missing`` gave it.
    """
    if not before["there"]:
        for path in missing:
            with contextlib.suppress(OSError):  # it was not made, or somebody has put something into the folder
                (os.rmdir if os.path.isdir(path) else os.unlink)(path)
        return
    former = {one["fingerprint"]: one for one in before["certificates"]}
    now = {one["fingerprint"]: one for one in _held(folder)}
    for fingerprint in sorted(set(now) - set(former)):
        _delete(folder, fingerprint)
    for fingerprint, one in sorted(former.items()):
        if now.get(fingerprint, {}).get("trust") != one["trust"]:
            _write(folder, one["nickname"], base64.b64decode(one["der"]), one["trust"])


def missing(folder: str) -> "t.List[str]":
    """What of a database is not there: its files and the folders on the way to it, in the order to remove them."""
    found = [path for path in (os.path.join(folder, name) for name in FILES) if not os.path.lexists(path)]
    while not os.path.lexists(folder):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found


def _held(folder: str) -> "t.List[Record]":
    """The certificates of a database: list of dict with fingerprint, nickname, der (base64) and trust."""
    rows = _rows(folder)
    lines = listed(_certutil(folder, ["-L"]))
    shown: t.Dict[str, t.List[bytes]] = {}
    found: t.List[Record] = []
    for nickname, content in rows:
        shown.setdefault(_shown(nickname), []).append(content)
    for nickname, content in rows:
        fingerprint = hashlib.sha256(content).hexdigest()
        trusts = set(lines.get(_shown(nickname), ()))
        if len(trusts) == 1 and len(lines[_shown(nickname)]) == len(shown[_shown(nickname)]):
            (trust,) = trusts
        else:  # certificates that share a nickname and differ in trust, or a nickname that is no line
            trust = flags(_certutil(folder, ["-L", "-n", _reference(nickname)], may_fail=True)).get(fingerprint, ",,")
        found.append({"fingerprint": fingerprint, "nickname": nickname, "trust": trust,
                      "der": base64.b64encode(content).decode("ascii")})
    return sorted(found, key=lambda one: (one["nickname"], one["fingerprint"]))


def _rows(folder: str) -> "t.List[t.Tuple[str, bytes]]":
    """(nickname, DER) of each certificate, from the database's file; see PKCS#11's CKA_LABEL and CKA_VALUE."""
    if sqlite3 is None:
        raise DatabaseError("%s can't be read: this host's Python is without sqlite3; install the whole python3"
                            % folder)
    path = os.path.join(folder, FILES[0])
    try:
        # Not read-only: what a writer that was killed has left half done is rolled back when it is opened.
        with contextlib.closing(sqlite3.connect("file:%s?mode=rw" % quote(path), uri=True, timeout=20)) as database:
            rows = database.execute("SELECT a3, a11 FROM nssPublic WHERE a0 = ?", (CERTIFICATE_CLASS,)).fetchall()
    except sqlite3.Error as error:
        raise DatabaseError("%s can't be read: %s. If it is broken, move it away: an empty one is made in its place"
                            % (path, error))
    return [((b"" if label in (None, NO_VALUE) else bytes(label)).decode("utf-8", "surrogateescape"), bytes(content))
            for label, content in rows if content]


def _shown(nickname: str) -> str:
    """A nickname as certutil lists it."""
    return _reference(nickname).rstrip()


def _reference(nickname: str) -> str:
    """A nickname as certutil takes it."""
    return TOKEN + nickname if ":" in nickname else nickname


def listed(output: str) -> "t.Dict[str, t.List[str]]":
    """{nickname: list of trust} of what ``certutil -L`` prints."""
    found: t.Dict[str, t.List[str]] = {}
    for line in output.splitlines():
        nickname, space, trust = line.rstrip(" ").rpartition(" ")
        if space and TRUST.match(trust):
            found.setdefault(nickname.rstrip(), []).append(trust)
    return found


def flags(output: str) -> "t.Dict[str, str]":
    """{fingerprint: trust} of what ``certutil -L -n NICKNAME`` prints: all certificates with that subject."""
    found: t.Dict[str, t.List[str]] = {}
    fingerprint, use = None, None
    lines = iter(output.splitlines())
    for line in lines:
        text = line.strip()
        if FINGERPRINT.match(line):
            fingerprint = next(lines, "").strip().replace(":", "").lower()
            use = None
        elif fingerprint and text in ("SSL Flags:", "Email Flags:", "Object Signing Flags:"):
            use = found.setdefault(fingerprint, [])
            use.append("")
        elif fingerprint and use and text in FLAGS:
            use[-1] += FLAGS[text]
    # "Terminal Record" alone is distrust; with "Trusted" it is a trusted peer, and "Trusted CA" implies "Valid CA".
    return {name: ",".join(_plain(each) for each in (uses + ["", "", ""])[:3]) for name, uses in found.items()}


def _plain(letters: str) -> str:
    if "P" in letters:
        letters = letters.replace("p", "")
    if "C" in letters or "T" in letters:
        letters = letters.replace("c", "")
    return letters


def _is_protected(folder: str) -> bool:
    """Whether a password is asked for changes."""
    return WRONG_PASSWORD in _certutil(folder, ["-K"], may_fail=True)


def _write(folder: str, nickname: str, content: bytes, trust: str) -> None:
    """Adds a certificate, or changes the trust of one that is there, whatever its nickname."""
    for one, other in _rows(folder):
        if other == content and one:
            nickname = one
    wanted = ",".join(part.replace("u", "") for part in trust.split(","))  # that its key is there is not settable
    _certutil(folder, ["-A", "-n", _reference(nickname), "-t", wanted], content)


def _delete(folder: str, fingerprint: str) -> None:
    """Takes one certificate out. Where several share its nickname, certutil chooses: what else it took comes back."""
    def there() -> "t.Dict[str, Record]":
        return {one["fingerprint"]: one for one in _held(folder)}

    before = now = there()
    while fingerprint in now:
        _certutil(folder, ["-D", "-n", _reference(before[fingerprint]["nickname"])])
        left = there()
        if len(left) >= len(now):
            raise DatabaseError("%s: certutil does not delete %s" % (folder, ascii(before[fingerprint]["nickname"])))
        now = left
    for lost in sorted(set(before) - set(now) - {fingerprint}):
        one = before[lost]
        _write(folder, one["nickname"], base64.b64decode(one["der"]), one["trust"])


def _certutil(folder: str, arguments: "t.List[str]", data: "t.Optional[bytes]" = None, may_fail: bool = False) -> str:
    """What certutil prints. It gets an empty password, for without a terminal it may ask for ever for a new one."""
    command = ["certutil", "-d", "sql:" + folder, "-f", os.devnull] + arguments
    code, output, _errors = host_command.run(
        [word.encode("utf-8", "surrogateescape") for word in command], data or b"", SECONDS, most=MAX_OUTPUT,
        env=os.environ, stderr=subprocess.STDOUT, start_new_session=False)  # it ends with the user's other processes
    text = output.decode("utf-8", "surrogateescape")
    if code != 0 and not may_fail:
        said = " / ".join(line.strip() for line in text.splitlines() if line.strip())[:500]
        raise DatabaseError("%s: certutil %s %s: %s" % (
            folder, arguments[0], "failed with exit code %d" % code if code is not None else
            "was ended, for it went on for %d seconds, or printed without end" % SECONDS,
            said.encode("ascii", "replace").decode("ascii") or "it printed nothing"))
    return text
