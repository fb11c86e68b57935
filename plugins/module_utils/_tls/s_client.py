# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What Python's ``ssl`` does not tell of a handshake, from ``openssl s_client``: the chain as sent, key exchange,
signature, OCSP staple.

s_client gets a socket in a private directory, and a thread carries the bytes between it and the server. So proxy,
STARTTLS and their limits of time are the same as everywhere here, and no option of s_client is needed for them.
"""

import calendar
import contextlib
import os
import re
import select
import shutil
import socket
import tempfile
import threading
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, handshake
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

MAX_PATH = 90  # of a socket; the limit is 107
OPTIONS = {"TLSv1.0": "-tls1", "TLSv1.1": "-tls1_1", "TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
CHAIN = re.compile(r"^Certificate chain$(.*?)^---$", re.MULTILINE | re.DOTALL)
# At the begin of lines alone: a certificate may be called -----BEGIN CERTIFICATE-----, and would be overlooked.
BLOCK = re.compile(r"^-----BEGIN CERTIFICATE-----$.*?^-----END CERTIFICATE-----$", re.MULTILINE | re.DOTALL)
GROUP = re.compile(r"^(?:(?:Server|Peer) Temp Key|Negotiated TLS1\.3 group): (.*)$", re.MULTILINE)
SIGNATURE = re.compile(r"^Peer signature type: (.*)$", re.MULTILINE)
DIGEST = re.compile(r"^Peer signing digest: (.*)$", re.MULTILINE)
STAPLE = re.compile(r"^OCSP response: ?(.*)$", re.MULTILINE)
STAPLE_ANSWER = re.compile(r"^ +OCSP Response Status: (\w+)", re.MULTILINE)
STAPLE_STATUS = re.compile(r"^ +Cert Status: (\w+)", re.MULTILINE)
STAPLE_END = re.compile(r"^ +Next Update: (.*?) *$", re.MULTILINE)
ERROR = re.compile(r"error:[0-9A-Fa-f]+:[^:\n]*:[^:\n]*:([^:\n]+)")
ASKED = re.compile(r"^(Client Certificate Types|Requested Signature Algorithms|Acceptable client certificate CA names)",
                   re.MULTILINE)
CURVES = {"prime256v1": "P-256", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def command(
    program: openssl.OpenSSL,
    protocol: str,
    server_name: "t.Optional[str]",
    alpn: "t.List[str]",
    lowered: bool,
    cipher: "t.Optional[str]" = None,
) -> "t.List[str]":
    """The command line; the socket is called ``server`` in its directory. cipher: the one to be chosen again."""
    made = [program.command, "s_client", "-unix", "server", "-showcerts", "-status", OPTIONS[protocol]]
    made += openssl.name_options(program, server_name)
    made += ["-alpn", ",".join(alpn)] if alpn else []
    if cipher and protocol != "TLSv1.3":
        made += ["-cipher", cipher + ":@SECLEVEL=0" * lowered]
    elif lowered:
        made += ["-cipher", handshake.LOWERED]
    if lowered:
        made += ["-legacy_server_connect"] * (program.release >= (3, 0, 0))  # which is the default before
    return made


def parse(printed: str) -> "t.Dict[str, t.Any]":
    """What s_client printed (str), as dict; each value is None where it says nothing."""
    printed = x509.printable_lines(printed)
    chain, group, staple = CHAIN.search(printed), GROUP.search(printed), STAPLE.search(printed)
    signature, digest = SIGNATURE.search(printed), DIGEST.search(printed)
    described = signature and signature.group(1).strip()
    if described and digest and "_" not in described:
        described = "%s with %s" % (described, digest.group(1).strip())
    return {
        "chain": [content for block in BLOCK.findall(chain.group(1))
                  for _block, content in pem.certificate_blocks(block.encode("utf-8"))] if chain else [],
        "key_exchange": group and _group(group.group(1).strip()),
        "signature_algorithm": described or None,
        "ocsp_staple": "no response sent" not in staple.group(1) if staple and chain else None,
        "client_certificate_requested": bool(ASKED.search(printed)) if chain else None,
    }


def _group(printed: str) -> str:
    """``ECDH, prime256v1, 256 bits`` as ``P-256``, ``X25519, 253 bits`` as ``X25519``, ``DH, 2048 bits`` as it is."""
    parts = [part.strip() for part in printed.split(",")]
    if parts[0] == "ECDH" and len(parts) > 2:
        return CURVES.get(parts[1], parts[1])
    return " ".join(parts[:2]) if parts[0] == "DH" else CURVES.get(parts[0], parts[0])


def staple_finding(printed: str, now: float) -> "t.Optional[str]":
    """What is wrong with an OCSP staple that s_client printed, as a sentence, or None. Its signature is not checked."""
    answer, status, end = (one.search(printed) for one in (STAPLE_ANSWER, STAPLE_STATUS, STAPLE_END))
    if answer and answer.group(1) != "successful":
        return "the OCSP staple is no answer, its status is %s" % answer.group(1)
    if status and status.group(1) != "good":
        return "the OCSP staple says that the certificate is %s" % status.group(1)
    try:
        ended = end and now > calendar.timegm(time.strptime(end.group(1), "%b %d %H:%M:%S %Y GMT"))
    except ValueError:
        return None
    return "the OCSP staple is out of date, a newer one was due at %s" % end.group(1) if end and ended else None


def complaint(printed: str) -> str:
    """Why s_client gave up, in OpenSSL's words."""
    reasons = ERROR.findall(printed)
    return x509.printable(reasons[0]) if reasons else "it printed no reason"


def look(
    sock: socket.socket,
    program: openssl.OpenSSL,
    protocol: str,
    server_name: "t.Optional[str]",
    alpn: "t.List[str]",
    lowered: bool,
    deadline: float,
    tmpdir: "t.Optional[str]",
    cipher: "t.Optional[str]" = None,
) -> "t.Dict[str, t.Any]":
    """What s_client says of the server at a connected socket, where TLS begins (dict as of ``parse``)."""
    directory = tempfile.mkdtemp(dir=tmpdir if len(tmpdir or "") < MAX_PATH - 20 else None)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.path.join(directory, "server"))
        listener.listen(1)
        relay = threading.Thread(target=_relay, args=(listener, sock, deadline))
        relay.daemon = True
        relay.start()
        _code, output, errors = host_command.run(
            command(program, protocol, server_name, alpn, lowered, cipher), cwd=directory,
            seconds=max(deadline - time.monotonic(), 0.1))
        # A socket is closed when no thread uses it any more: its number may belong to another one at once.
        _end(listener, relay)
    finally:
        listener.close()
        connection.close(sock)
        shutil.rmtree(directory, ignore_errors=True)
    found = parse(output.decode("utf-8", "replace"))
    return dict(found, printed=(errors + output).decode("utf-8", "replace"))


def _end(listener: socket.socket, relay: threading.Thread) -> None:
    """Waits for the thread of the relay; one that nobody connected to is connected to here, which ends it."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as waker:
        try:
            waker.connect(listener.getsockname())
        except OSError:
            pass
    relay.join()


def _relay(listener: socket.socket, server: socket.socket, deadline: float) -> None:
    """Carries bytes between the first connection to ``listener`` and the server, until either ends."""
    try:
        listener.settimeout(max(deadline - time.monotonic(), 0.1))
        client, _address = listener.accept()
    except OSError:
        return
    other = {client: server, server: client}
    try:
        while time.monotonic() < deadline:
            for ready in select.select(list(other), [], [], 0.2)[0]:
                data = connection.receive(ready, deadline)
                if not data:
                    return
                connection.send(other[ready], data, deadline)
    except (OSError, ValueError):
        pass
    finally:
        client.close()
