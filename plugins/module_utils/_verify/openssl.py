# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What this host's ``openssl`` says: of a chain, of its default trust, of a private key.

Works with OpenSSL 1.1.0 and later, with the standard library alone.
"""

import os
import re
import shutil
import stat
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der, pem

SYSTEM_PATH = os.pathsep.join(["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])

# What a certificate is asked to be good for, in openssl's words. A CA has no purpose of its own there:
# _verification looks at its extensions itself.
PURPOSES = {"server": "sslserver", "client": "sslclient", "email": "smimesign", "ca": "any", "any": "any"}

HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+\Z", re.ASCII)  # what 'openssl rehash' makes of a certificate
VERSION = re.compile(r"OpenSSL ([0-9]+)\.([0-9]+)\.([0-9]+)", re.ASCII)
DIRECTORY = re.compile(r'^OPENSSLDIR: "(.*)"', re.MULTILINE)
ERROR = re.compile(r"^error ([0-9]+) at ([0-9]+) depth lookup: ?(.*)$", re.MULTILINE | re.ASCII)
LINK = re.compile(r"^depth=[0-9]+: (.*?)( \(untrusted\))?$", re.MULTILINE)
# What an error of the system looks like among the errors of OpenSSL 1.1.1 and 3.
SYSTEM_ERROR = re.compile(rb"system library:\w*:([A-Z][^:\n]{3,60}):")


class OpenSSL(t.NamedTuple):
    command: str                  # path of the program
    version: str                  # as printed: "OpenSSL 3.0.19 27 Jan 2026"
    release: "t.Tuple[int, ...]"  # (major, minor, patch)
    directory: str                # OPENSSLDIR, where its default trust lies


class Trust(t.NamedTuple):
    given: "t.Optional[str]"      # path that the user asked for, or None for the host's default
    file: "t.Optional[str]"       # path of the PEM file with the anchors, or None
    directory: "t.Optional[str]"  # path of the hashed directory, or None


class OpensslVerdict(t.NamedTuple):
    accepted: bool
    errors: "t.List[t.Tuple[int, int, str]]"  # (number, depth, text as printed)
    # (subject as printed, whether it came from outside of the trust store), leaf first:
    links: "t.List[t.Tuple[str, bool]]"
    command: "t.List[str]"
    return_code: "t.Optional[int]"  # None if it gave no answer in time
    output: str  # what it printed


class OpensslMissing(Failure):
    """There is no openssl on this host, or none that can be used; the fact missing_packages is what to install."""

    def __init__(self, message: str) -> None:
        super().__init__(message, missing_packages=["openssl"])


class PrivateKeyError(Failure, ValueError):
    """A private key that can't be looked at; the message says why, without the file's name and without the key."""


def find() -> OpenSSL:
    """This host's OpenSSL; raises OpensslMissing."""
    command = shutil.which("openssl", path=os.pathsep.join([os.environ.get("PATH", ""), SYSTEM_PATH]))
    if not command:
        raise OpensslMissing("there is no 'openssl' on this host: install the package 'openssl'")
    try:
        _code, output, _errors = host_command.run([command, "version", "-v", "-d"])
    except OSError as error:
        raise OpensslMissing("%s can't be started: %s; install the package 'openssl' anew" % (
            command, os.strerror(error.errno or 0)))  # Python 3.6 has the path in error.strerror once more
    printed = output.decode("utf-8", "replace")
    version, directory = VERSION.match(printed), DIRECTORY.search(printed)
    release = tuple(int(number) for number in version.groups()) if version else (0, 0, 0)
    if release < (1, 1, 0) or not directory:
        raise OpensslMissing("%s is %r; OpenSSL 1.1.0 or later is needed: install the package 'openssl'"
                             % (command, printed.partition("\n")[0]))
    return OpenSSL(command, printed.partition("\n")[0], release, directory.group(1))


def trust_at(path: "t.Optional[str]", openssl: OpenSSL) -> Trust:
    """Where the anchors lie: at ``path`` (a PEM file or a hashed directory), or where this OpenSSL looks by default."""
    if path:
        path = os.path.abspath(path)
        return Trust(path, None, path) if os.path.isdir(path) else Trust(path, path, None)
    return Trust(None,
                 os.environ.get("SSL_CERT_FILE") or os.path.join(openssl.directory, "cert.pem"),
                 os.environ.get("SSL_CERT_DIR") or os.path.join(openssl.directory, "certs"))


def trust_files(trust: Trust) -> "t.List[str]":
    """Paths of all files that OpenSSL may take anchors from, existing or not.

    A default of several directories, separated by colons, is allowed (X509_LOOKUP_hash_dir(3)).
    """
    found = [trust.file] if trust.file else []
    for directory in _folders(trust):
        try:
            entries = sorted(os.listdir(directory)) if directory else []
        except OSError:
            continue
        found.extend(os.path.join(directory, entry) for entry in entries if HASHED_NAME.match(entry))
    return found


def _folders(trust: Trust) -> "t.List[str]":
    if not trust.directory:
        return []
    return [trust.directory] if trust.given else trust.directory.split(os.pathsep)


def unreadable(trust: Trust) -> "t.List[str]":
    """Of the places that OpenSSL may take anchors from, those that are there and that this user can't read."""
    return [path for path in _folders(trust) if path and _denied(path, os.R_OK | os.X_OK)] + [
        path for path in trust_files(trust) if _denied(path, os.R_OK)]


def _denied(path: str, rights: int) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return isinstance(error, PermissionError)
    return not os.access(path, rights)


def crl_options(lists: str) -> "t.List[str]":
    """Options that have the whole chain looked up in the revocation lists of the PEM file ``lists``, deltas too."""
    return ["-CRLfile", lists, "-crl_check", "-crl_check_all", "-extended_crl", "-use_deltas"]


def trust_options(openssl: OpenSSL, trust: Trust) -> "t.List[str]":
    """Options that have anchors come from a Trust alone; none for the default.

    -CAfile alone would have it look into its default directory and store too (openssl-verification-options(1)).
    """
    if not trust.given:
        return []
    options = ["-CAfile", trust.file, "-no-CApath"] if trust.file else []
    options += ["-CApath", trust.directory, "-no-CAfile"] if trust.directory else []
    return options + ["-no-CAstore"] * (openssl.release >= (3, 0, 0))


def name_options(openssl: OpenSSL, server_name: "t.Optional[str]") -> "t.List[str]":
    """Options of s_client that ask for a host name (SNI), or for none where there is no name."""
    if server_name:
        return ["-servername", server_name]
    return ["-noservername"] * (openssl.release >= (1, 1, 1))  # which is the default before


def asked_options(name: str, is_address: bool) -> "t.List[str]":
    """Options that have a certificate be for this host name or IP address."""
    return ["-verify_ip" if is_address else "-verify_hostname", name]


def verify_command(
    openssl: OpenSSL,
    trust: Trust,
    purpose: str,
    certificate: str,
    chain: "t.Optional[str]" = None,
    options: "t.Iterable[str]" = (),
) -> "t.List[str]":
    """The command line that judges the PEM file ``certificate``, with the untrusted PEM file ``chain``.

    Never -partial_chain: what is asked is what this host's OpenSSL does by default.
    """
    command = [openssl.command, "verify", "-show_chain", "-purpose", PURPOSES[purpose]]
    command += trust_options(openssl, trust)
    return command + list(options) + (["-untrusted", chain] if chain else []) + [certificate]


def parse_verdict(command: "t.List[str]", return_code: "t.Optional[int]", output: str) -> OpensslVerdict:
    """A Verdict from what ``openssl verify -show_chain`` of one certificate printed (str)."""
    output = x509.printable_lines(output)
    errors = [(int(number), int(depth), text) for number, depth, text in ERROR.findall(output)]
    links = [(subject, bool(mark)) for subject, mark in LINK.findall(output)]
    return OpensslVerdict(return_code == 0 and not errors, errors, links, command, return_code, output)


def verify(
    openssl: OpenSSL,
    trust: Trust,
    purpose: str,
    directory: str,
    certificate: str,
    chain: "t.Optional[str]" = None,
    options: "t.Iterable[str]" = (),
) -> OpensslVerdict:
    """Has openssl judge a certificate; the files are names in ``directory``, so that its words stay readable.

    options: more of openssl-verification-options(1), such as ``crl_options``.
    """
    command = verify_command(openssl, trust, purpose, certificate, chain, options)
    return_code, output, errors = host_command.run(command, cwd=directory)
    return parse_verdict(command, return_code, (output + errors).decode("utf-8", "replace"))


def public_key(
    openssl: OpenSSL, path: str, passphrase: "t.Optional[str]" = None, option: str = "privatekey_passphrase"
) -> bytes:
    """The SubjectPublicKeyInfo (DER) that belongs to the private key in the file ``path``; raises PrivateKeyError.

    ``option`` is what messages call the passphrase.

    The passphrase travels over stdin, where no other process can see it, and what openssl says of the key is
    not repeated.
    """
    path = os.path.abspath(path)
    inform, encrypted = key_form(pem.read_file(path))
    if encrypted and not passphrase:
        raise PrivateKeyError("it is encrypted and no %s is given" % option)
    if passphrase and re.search("[\0\r\n]", passphrase):
        raise PrivateKeyError("%s has a line end in it, which openssl can't be given" % option)
    command = [openssl.command, "pkey", "-inform", inform, "-in", path, "-passin", "stdin",
               "-pubout", "-outform", "DER"]
    answer = ((passphrase or "") + "\n").encode("utf-8", "surrogateescape")
    return_code, output, errors = host_command.run(command, answer)
    if return_code == 0 and output:
        return output
    reason = SYSTEM_ERROR.search(errors)
    if reason:
        raise PrivateKeyError("it can't be read: %s" % reason.group(1).decode("ascii", "replace"))
    if encrypted and inform == "DER" and openssl.release < (3, 0, 0):
        raise PrivateKeyError("%s does not read encrypted keys in DER: convert it to PEM" % openssl.version)
    if encrypted:
        raise PrivateKeyError("it can't be decrypted: %s is wrong, or the file is damaged" % option)
    raise PrivateKeyError("openssl can't read it as a private key: it is damaged, or something else")


def key_form(data: bytes) -> "t.Tuple[str, bool]":
    """(PEM or DER, whether encrypted) of a private key file's content; raises PrivateKeyError where it holds none."""
    labels = []
    for block in pem.blocks(data):
        if block.label == b"OPENSSH PRIVATE KEY":
            raise PrivateKeyError("it is in OpenSSH's own form: convert it with 'ssh-keygen -p -m PKCS8 -f FILE'")
        if block.label.endswith(b"PRIVATE KEY"):
            return "PEM", block.label.startswith(b"ENCRYPTED") or b"ENCRYPTED" in block.content[:200]
        labels.append(block.label.decode("ascii"))
    if labels:
        raise PrivateKeyError("there is no private key in it, but: %s" % ", ".join(sorted(set(labels))))
    try:
        content, end = der.expect(data, 0, len(data), der.SEQUENCE)
        tags = [part[0] for part in der.children(data, content, end)]
    except der.DerError:
        raise PrivateKeyError("there is no private key in it: it is neither PEM nor DER")
    return "DER", tags == [der.SEQUENCE, der.OCTET_STRING]  # EncryptedPrivateKeyInfo, RFC 5958 section 3


def same_key(one: bytes, other: bytes) -> bool:
    """Whether two SubjectPublicKeyInfo (DER) hold the same public key, however their parameters are encoded.

    RSA and RSA-PSS keys have the same numbers under two names, EC points can be compressed and curves spelled out
    (RFC 4055 section 1.2, RFC 5480 section 2).
    """
    return one == other or _key_bits(one) == _key_bits(other)


def _key_bits(spki: bytes) -> bytes:
    content, end = der.expect(spki, 0, len(spki), der.SEQUENCE)
    algorithm, behind = der.expect(spki, content, end, der.SEQUENCE)
    bits, end = der.expect(spki, behind, end, der.BIT_STRING)
    key = spki[bits + 1:end]
    kind, stop = der.expect(spki, algorithm, behind, der.OID)
    if der.oid(spki[kind:stop]) == "1.2.840.10045.2.1" and key[:1] == b"\4" and len(key) % 2:
        middle = 1 + len(key) // 2  # SEC 1 section 2.3.3: the same point, compressed
        return bytes(bytearray([2 + (key[-1] & 1)])) + key[1:middle]
    return key


def readable_by_all(path: str) -> bool:
    """Whether every user of the host may read the file, which a private key should not be."""
    return bool(os.stat(path).st_mode & stat.S_IROTH)
