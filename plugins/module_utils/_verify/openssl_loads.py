# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Whether this host's OpenSSL loads a PEM file of anchors, asked of OpenSSL itself.

It is asked through Python's ``ssl``: load_verify_locations() calls SSL_CTX_load_verify_locations(), as curl, dnf and
Ansible's own downloads do, in the distribution's shared library. The program ``openssl`` may be missing or another one
(in /usr/local), 'openssl x509' reads files in another way than TLS clients, and each question would be a process.
A duplicate counts once; a certificate that is expired or not a CA counts like any other.
"""

import tempfile
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import folder as host_folder
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable, pem


def refusals(path: str, data: bytes, blocks: "loadable.Blocks") -> "t.List[loadable.Refusal]":
    """Has OpenSSL load the whole file; returns what keeps it from that, an empty list where it loads all certificates.

    data: the file's bytes. blocks: its certificates (``pem.certificate_blocks``). Raises OSError where OpenSSL can't
    read the file.
    """
    if not pem.holds_certificates(data):
        return []
    try:
        import ssl  # here, because it takes long, and few runs need it
    except ImportError:
        return loadable.suspicions(path, data, blocks)
    try:
        loaded = _load(path)
    except ssl.SSLError as error:
        return _found_culprits(path, data) or [loadable.Refusal(path, None, len(blocks), None, None, _words(error))]
    different = len({content for _block, content in blocks})
    if loaded == different:
        return []
    return [loadable.Refusal(path, None, len(blocks), None, None, "OpenSSL finds %d different certificates in it, and "
                             "not %d" % (loaded, different))]


def confirmed(path: str, data: bytes, blocks: "loadable.Blocks") -> "t.List[loadable.Refusal]":
    """Asks OpenSSL only about a file that our own reader suspects, which takes a twentieth of the time."""
    return refusals(path, data, blocks) if loadable.suspicions(path, data, blocks) else []


def _load(path: str) -> int:
    """How many certificates OpenSSL loads from a PEM file.

    Raises ssl.SSLError where it does not load the file, and OSError with its name where it can't read the file.
    """
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with host_folder.naming(path):
        context.load_verify_locations(path)
    return context.cert_store_stats()["x509"]


def _found_culprits(path: str, data: bytes) -> "t.List[loadable.Refusal]":
    """As ``_culprits``; none where there is no space for the file that it needs."""
    try:
        return _culprits(path, data)
    except EnvironmentError:
        return []


def _culprits(path: str, data: bytes) -> "t.List[loadable.Refusal]":
    """The certificates that OpenSSL does not load, each asked in a file of its own.

    Not through ``cadata``, which knows no trusted certificates (``BEGIN TRUSTED CERTIFICATE``).
    """
    import ssl
    blocks = [block for block in pem.any_blocks(data) if block.label in pem.LOADED_LABELS]
    found = []
    with tempfile.NamedTemporaryFile() as stream:
        for number, block in enumerate(blocks, 1):
            stream.seek(0)
            stream.truncate()
            stream.write(data[block.start:block.end] + b"\n")
            stream.flush()
            try:
                _load(stream.name)
            except ssl.SSLError as error:
                content = pem.lenient_certificate(block)
                reason = (loadable.fault(content) if content else None) or _words(error)
                found.append(loadable.refusal(path, number, len(blocks), content, reason))
    return found


def _words(error: Exception) -> str:
    """OpenSSL's own words, which are few, as the end of a sentence."""
    return "OpenSSL gives as the reason: %s" % (getattr(error, "reason", None) or error)
