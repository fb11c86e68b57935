# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each_call.py looks at on a host: a trust store; a private key and what was made with it."""
from __future__ import annotations

import base64
import collections
import functools
import hashlib
import os
import re
import shutil
import stat
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import serialization

BLOCK = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----(.*?)-----END", re.DOTALL)
SCRAP = re.compile(r"\.[A-Za-z0-9]{6}(?=$|/)")  # mkstemp(3)

# What is no fault of the collection, and told apart:
APART = "apart"  # between two renames, a certificate is in place and its key is still beside its own
WINDOW = "window"  # the platform's own command has taken OpenSSL's links away, and not made them anew yet
# With the trust of the host, to the server that interruptions.prepare has started.
CURL = ["curl", "--silent", "--show-error", "--max-time", "20", "--output", "/dev/null", "https://localhost:4433/"]

Look = collections.namedtuple("Look", ["files", "trusted"])


def picture(paths):
    """{path: (kind and mode, owner, what is in it)} of all that is there."""
    found = {}

    def add(path):
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb") as stream:
                content = stream.read()
        else:
            content = ""
        found[path] = (oct(status.st_mode), (status.st_uid, status.st_gid), content)

    for path in paths:
        if not os.path.lexists(path):
            continue
        add(path)
        for folder, folders, names in os.walk(path):
            for name in folders + names:
                add(os.path.join(folder, name))
    return found


def fingerprints(data):
    """SHA-256 of the certificates in PEM."""
    return {hashlib.sha256(base64.b64decode(block)).hexdigest() for block in BLOCK.findall(data)}


class Common:
    """What holds of all files, whatever they are for."""

    def __init__(self, scenario):
        self.scenario = scenario

    def secrets(self, look):
        for path, (mode, _owner, content) in look.files.items():
            if isinstance(content, bytes) and b"PRIVATE KEY" in content and int(mode, 8) & 0o077:
                yield f"{path} holds a private key, and its mode is {mode}"

    def essence(self, look):
        """What makes two looks the same for the run that follows: names by chance and what was only a look aside."""
        aside = self.scenario.get("aside", [])
        return hash(frozenset(
            (SCRAP.sub(".scrap", path), mode, owner, None if SCRAP.search(path) else content)
            for path, (mode, owner, content) in look.files.items()
            if not any(path.startswith(each) for each in aside)))

    def differences(self, wanted, look, exactly=False):
        """Sentences on where a look is not what is wanted; what is different in each run is left out."""
        loose = [] if exactly else [re.compile(each) for each in self.scenario.get("loose", [])]
        for path in sorted(set(wanted.files) | set(look.files)):
            one, other = wanted.files.get(path), look.files.get(path)
            if one is None and self.leads_nowhere(path, look):
                continue  # what p11-kit leaves in its own folder when it was killed there
            if not exactly and self.is_the_same(path, wanted, look):
                continue
            if one is None or other is None:
                yield f"{path} {'should not be there' if one is None else 'is missing'}"
            elif one[:2] != other[:2]:
                yield f"{path}: {other[:2]} instead of {one[:2]}"
            elif one[2] != other[2] and not any(each.search(path) for each in loose):
                blocks = [sorted(BLOCK.findall(each)) for each in (one[2], other[2]) if isinstance(each, bytes)]
                if not blocks or not blocks[0] or blocks[0] != blocks[1]:  # p11-kit has no order of its own
                    yield f"{path} holds something else"

    def is_the_same(self, path, wanted, look):
        """Whether what is different there does not matter."""
        return False

    @staticmethod
    def leads_nowhere(path, look):
        mode, _owner, content = look.files[path]
        target = os.path.normpath(os.path.join(os.path.dirname(path), str(content)))
        return stat.S_ISLNK(int(mode, 8)) and target not in look.files


class Store(Common):
    """A trust store: scenario says bundle, hashed (folder or None), extract (command), verify ({name: PEM})."""

    def now(self):
        files = picture(self.scenario["paths"])
        trusted = {self.scenario["bundle"]: self.bundle(files)}
        hashed = self.scenario["hashed"]
        if hashed:
            trusted[hashed] = set()
            for name in os.listdir(hashed):
                if re.fullmatch(r"[0-9a-f]{8}\.[0-9]+", name) and os.path.exists(f"{hashed}/{name}"):
                    with open(f"{hashed}/{name}", "rb") as stream:
                        trusted[hashed] |= fingerprints(stream.read())
        return Look(files, trusted)

    def bundle(self, files):
        return fingerprints(files.get(self.scenario["bundle"], ("", "", b""))[2])

    def is_the_same(self, path, wanted, look):
        """Links may have other names, where OpenSSL finds the same: scripts go on when what cuts names was killed."""
        there = [facts[0] for facts in (wanted.files.get(path), look.files.get(path)) if facts]
        return (os.path.dirname(path) == self.scenario["hashed"] and wanted.trusted == look.trusted
                and all(stat.S_ISLNK(int(mode, 8)) for mode in there))

    def between(self, *known):
        """Looks at what may be there; what is in all of them must always be trusted."""
        self.always = {path: set.intersection(*(look.trusted[path] for look in known)) for path in known[0].trusted}
        self.ever = {path: set.union(*(look.trusted[path] for look in known)) for path in known[0].trusted}
        links = "interrupted" in self.scenario and self.scenario["hashed"]  # a run that was killed may have left none
        assert all(trusted for path, trusted in self.always.items() if path != links), "nothing stays"
        self.seen, self.extracted = {}, set()

    def killed(self, look):
        yield from self.secrets(look)
        key = self.essence(look)
        if key not in self.seen:
            self.seen[key] = list(self._killed(look))
        yield from self.seen[key]

    def _killed(self, look):
        bundle, hashed = self.scenario["bundle"], self.scenario["hashed"]
        for path, trusted in look.trusted.items():
            if not self.always[path] <= trusted:
                yield WINDOW if path == hashed else f"{path} lacks what was trusted before, and is afterwards"
            if not trusted <= self.ever[path]:
                yield f"{path} trusts what nobody wanted"
        for name in self.scenario["verify"]:
            # Links by the hash of old releases are made, too, and do not count.
            if hashed and not os.path.exists(f"{hashed}/{self.hash_of(name)}.0"):
                yield WINDOW
            for options in [], ["-CAfile", bundle]:  # OpenSSL has the bundle where it has no links
                said = subprocess.run(["openssl", "verify", *options, name], capture_output=True, text=True,
                                      check=False)
                if said.returncode:
                    yield f"openssl verify {' '.join(options)} {name}: {said.stdout} {said.stderr}"
        said = subprocess.run(CURL, capture_output=True, text=True, check=False)
        if said.returncode:
            yield f"curl refuses a server that it has accepted: {said.stderr}"
        yield from self._extracted_by_itself(look)

    @staticmethod
    @functools.lru_cache
    def hash_of(path):
        """The name under which OpenSSL looks for the certificate in a file."""
        command = ["openssl", "x509", "-noout", "-hash", "-in", path]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def _extracted_by_itself(self, look):
        """No temporary file is trusted when somebody else runs the extract."""
        sources = frozenset((path, facts) for path, facts in look.files.items()
                            if any(path.startswith(each) for each in self.scenario["sources"]))
        if sources in self.extracted:
            return
        self.extracted.add(sources)
        shutil.rmtree("/srv/aside")
        os.mkdir("/srv/aside")
        subprocess.run(self.scenario["elsewhere"], check=True, capture_output=True)
        with open("/srv/aside/ca-certificates.crt", "rb") as stream:
            found = fingerprints(stream.read())
        ever, always = self.ever[self.scenario["bundle"]], self.always[self.scenario["bundle"]]
        if not always <= found <= ever:
            yield f"the platform's own extract would trust {len(found - ever)} too many, {len(always - found)} too few"


class Pair(Common):
    """A private key, what was made with it, and what lies around: scenario says key and certificate (paths)."""

    def now(self):
        return Look(picture(self.scenario["paths"]), {})

    def between(self, *known):
        self.before = known[0]
        assert not [what for look in known for what in self.settled(look)]

    def essence(self, look):
        """New keys are others in each run: of a file matters whether it is the old one, or a whole one."""
        return hash(frozenset(
            (path, mode, owner, content == self.before.files.get(path, ("", "", ""))[2] or content[-6:])
            for path, (mode, owner, content) in look.files.items()))

    def killed(self, look):
        yield from self.secrets(look)
        keys = {path: of_key(content) for path, (_mode, _owner, content) in look.files.items()
                if isinstance(content, bytes) and b"END PRIVATE KEY" in content}
        for path, (_mode, _owner, content) in look.files.items():
            if "host_trust" in path or not isinstance(content, bytes):
                continue
            if not content.strip().endswith(b"-----"):
                yield f"{path} is not whole"
            elif b"BEGIN CERTIFICATE-" in content and path in self.scenario["certificates"]:
                if of_certificate(content) not in keys.values():
                    yield f"{path} is there without its key"
                elif of_certificate(content) != keys.get(self.scenario["key"]):
                    yield APART

    def settled(self, look):
        """Sentences on certificates that do not fit the key."""
        for path in self.scenario["certificates"]:
            if of_certificate(look.files[path][2]) != of_key(look.files[self.scenario["key"]][2]):
                yield f"{path} is not for the key {self.scenario['key']}"

    def differences(self, wanted, look, exactly=False):
        yield from super().differences(wanted, look, exactly)
        yield from () if exactly else self.settled(look)


def of_certificate(data):
    """The public key of the first certificate in PEM."""
    return _spki(x509.load_pem_x509_certificate(data).public_key())


def of_key(data):
    """The public key of a private one in PEM."""
    return _spki(serialization.load_pem_private_key(data, None).public_key())


def _spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
