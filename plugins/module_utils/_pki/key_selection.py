# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Which private key a request or certificate is for: the one that is there, or a new one.

A key is never replaced unless that is asked for, and while a certificate is in use with it, its successor waits
beside it (``web.key.next``) until its own certificate is there: see cert_install.
"""

import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import default_paths
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import keys
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import certificates

REGENERATE = ("never", "mismatch", "always")


class KeyChoice(t.NamedTuple):
    key: "keys.PrivateKey"
    path: str                     # where it is, or will be
    content: "t.Optional[bytes]"  # to be written there, None for a key that is there
    reasons: "t.List[str]"        # why one is made
    warnings: "t.List[str]"


def present(path: str, passphrase: "t.Optional[str]") -> "t.Optional[keys.PrivateKey]":
    """The private key at ``path``, None where there is no file; raises keys.KeyFileError for what can't be used."""
    return keys.load(path, passphrase) if os.path.lexists(path) else None


def choose(path: str, passphrase: "t.Optional[str]", key_type: str, regenerate: str) -> KeyChoice:
    """The Choice where a new key may take the place of the old one at once, since its certificate comes with it."""
    key = present(path, passphrase)
    if key is None:
        return _made(path, passphrase, key_type, "there is no private key yet")
    reason = replaced_because(key, key_type, regenerate, True)
    return _made(path, passphrase, key_type, reason) if reason else _kept(key, path, key_type, regenerate)


def choose_beside(
    path: str,
    passphrase: "t.Optional[str]",
    key_type: str,
    regenerate: str,
    certificate: "t.Optional[certificates.IssuedCertificate]",
    due: bool,
) -> KeyChoice:
    """The Choice where a certificate (of _certificates, or None) may be in use with the key that is there.

    due: whether a new certificate is needed anyway, which is when ``always`` takes a new key.
    """
    key = present(path, passphrase)
    abandoned = key and regenerate == "mismatch" and keys.key_type(key.public_key()) == key_type
    if os.path.lexists(path + default_paths.NEXT) and not abandoned:
        waiting = keys.load(path + default_paths.NEXT, passphrase)
        reason = replaced_because(waiting, key_type, regenerate, False)
        return (_made(path + default_paths.NEXT, passphrase, key_type, reason) if reason
                else _kept(waiting, path + default_paths.NEXT, key_type, regenerate))
    if key is None:
        return _made(path, passphrase, key_type, "there is no private key yet")
    in_use = certificate is not None and keys.fingerprint(key.public_key()) == certificate.facts["public_key"]
    # One that no certificate is for is a new one already: in any number of runs, it waits for its certificate.
    reason = replaced_because(key, key_type, regenerate, due and in_use)
    if not reason:
        return _kept(key, path, key_type, regenerate)
    return _made(path + default_paths.NEXT, passphrase, key_type, reason)


def described(choice: KeyChoice) -> "t.Dict[str, t.Any]":
    """What results say of a Choice (dict); nothing that is secret."""
    public_key = choice.key.public_key()
    return {"path": choice.path, "key_type": keys.key_type(public_key),
            "public_key_sha256": keys.fingerprint(public_key), "new": bool(choice.content)}


def replaced_because(key: "keys.PrivateKey", key_type: str, regenerate: str, always: bool) -> "t.Optional[str]":
    """Why a key that is there is replaced, or None."""
    found = keys.key_type(key.public_key())
    if regenerate == "always" and always:
        return "a new private key with each certificate (regenerate_key: always)"
    if regenerate != "never" and found != key_type:
        return "key_type: %s instead of %s" % (key_type, found)
    return None


def _made(path: str, passphrase: "t.Optional[str]", key_type: str, reason: str) -> KeyChoice:
    key = keys.generate(key_type)
    return KeyChoice(key, path, keys.dump(key, passphrase), [reason], [])


def _kept(key: "keys.PrivateKey", path: str, key_type: str, regenerate: str) -> KeyChoice:
    found, warnings = keys.key_type(key.public_key()), []
    if found != key_type and regenerate == "never":
        warnings.append("the private key %s is %s, and key_type asks for %s: regenerate_key=mismatch replaces it"
                        % (path, found, key_type))
    if openssl.readable_by_all(path):
        warnings.append("the private key %s is readable by every user of the host" % path)
    return KeyChoice(key, path, None, [], warnings)
