# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""TLS on a connected socket, by Python's ``ssl``, each step in bounded time; what goes wrong is a Finding.

The bytes go through memory, not through an ssl.SSLSocket: so the time of a step as a whole is bounded, and what
a server says in the clear is seen, be it TLS or not.
"""

import re
import socket
import ssl
import sys
import threading
import time
import typing as t
import warnings

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, records

if t.TYPE_CHECKING:
    ClientCertificate = t.Tuple[str, str, t.Optional[str]]  # its file, its key's file, the key's passphrase

MAX_HEARD = 65536
VERSIONS = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")
NUMBERS = {version: number for number, version in records.VERSIONS.items()}
OPTIONS = {"TLSv1.0": "OP_NO_TLSv1", "TLSv1.1": "OP_NO_TLSv1_1", "TLSv1.2": "OP_NO_TLSv1_2", "TLSv1.3": "OP_NO_TLSv1_3"}
LOWERED = "ALL:@SECLEVEL=0"
LEGACY_SERVER_CONNECT = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT: servers without RFC 5746
WORDS = re.compile(r"\] (?:[^:]*: )?(.*?) \(_ssl\.c")
ALERT = re.compile(r"(?:sslv3|tlsv1|tlsv13|ssl/tls) (?:alert )?([a-z ]+)\Z")
BANNERS = [  # how servers that don't speak TLS begin, and what they are
    (b"HTTP/", "plain HTTP", ""), (b"<!DOCTYPE HTML", "plain HTTP", ""), (b"SSH-", "SSH", ""),
    (b"220", "a protocol in the clear", "smtp"), (b"* OK", "IMAP in the clear", "imap"),
    (b"+OK", "POP3 in the clear", "pop3"),
]
Result = t.TypeVar("Result")
LOCK = threading.Lock()  # warnings.catch_warnings is for all threads


class Alert(connection.ConnectionFailure):
    """The server ended the handshake or the connection with a TLS alert."""


class Broken(connection.ConnectionFailure):
    """The server ended the connection, or stood still, after the handshake."""


class CutOff(connection.ConnectionFailure):
    """The server has ended the connection without a word."""


class HandshakeRefused(connection.ConnectionFailure):
    """This host's own OpenSSL ended the handshake."""


class _Ended(Failure):
    """The server closed the connection."""


def context(
    lowered: bool = False,
    version: "t.Optional[str]" = None,
    tickets: bool = True,
    alpn: "t.Iterable[str]" = (),
    certificate: "t.Optional[ClientCertificate]" = None,
) -> ssl.SSLContext:
    """An ssl.SSLContext that verifies nothing (the verdict is OpenSSL's on the chain that was sent).

    lowered: also what this host's settings refuse: old versions, weak ciphers, short keys. version: this one alone.
    tickets: whether it asks for session tickets. certificate: (file, key file, passphrase) of the client.
    Raises HandshakeRefused where this Python can't.
    """
    try:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        if lowered:
            made.set_ciphers(LOWERED)
            made.options |= LEGACY_SERVER_CONNECT
        if version or lowered:
            _limit(made, version or VERSIONS[0], version or VERSIONS[-1])
        if not tickets:
            made.options |= ssl.OP_NO_TICKET
        if alpn:
            made.set_alpn_protocols(list(alpn))
        if certificate:
            path, key, passphrase = certificate
            made.load_cert_chain(path, key, lambda: passphrase or "")
            if sys.version_info >= (3, 7, 4):  # before, it has the client verify the server (bpo-37428)
                made.post_handshake_auth = True  # some ask for it only where a request wants to go
    except (ssl.SSLError, ValueError, NotImplementedError) as error:
        raise HandshakeRefused("this host's Python can't: %s" % reason(error))
    return made


def _limit(made: ssl.SSLContext, lowest: str, highest: str) -> None:
    """Sets the versions of a context, in the way that this Python has."""
    with LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if hasattr(made, "minimum_version"):
            made.minimum_version = ssl.TLSVersion(NUMBERS[lowest])
            made.maximum_version = ssl.TLSVersion(NUMBERS[highest])
            return
        for name in VERSIONS:  # Python 3.6
            option = getattr(ssl, OPTIONS[name], 0)
            if not option and lowest == highest == name:
                raise ValueError("it does not know %s" % name)
            made.options |= option
            if NUMBERS[lowest] <= NUMBERS[name] <= NUMBERS[highest]:
                made.options &= ~option


def reason(error: Exception) -> str:
    """What an ssl.SSLError says, in its shortest form."""
    words = WORDS.search(str(error))  # where this Python does not know the reason by name, it prints OpenSSL's words
    return (getattr(error, "reason", None) or (words.group(1) if words else str(error))).lower().replace("_", " ")


class Stream:
    """TLS over a connected socket."""

    def __init__(
        self,
        sock: socket.socket,
        settings: ssl.SSLContext,
        server_name: "t.Optional[str]",
        seconds: float,
        session: "t.Optional[ssl.SSLSession]" = None,
        pending: bytes = b"",
    ) -> None:
        self.sock, self.seconds, self.settings, self.pending = sock, seconds, settings, pending
        self.done = False  # whether the handshake is
        self.broken: t.Optional[OSError] = None  # why nothing can be sent any more
        self.heard = b""  # the first bytes of the server
        self.spoken = 0   # bytes that were sent
        self.too_large = False  # whether the session could not be kept: see ``session``
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = settings.wrap_bio(self._in, self._out, server_hostname=server_name, session=session)

    def handshake(self, deadline: float) -> float:
        """Shakes hands; returns the milliseconds that it took. Raises Finding."""
        begin = time.monotonic()
        try:
            self._drive(self.tls.do_handshake, deadline)
            self.done = True
        except (ssl.SSLZeroReturnError, _Ended):  # with and without an alert that says so
            raise self._broken(_Ended())
        except ssl.SSLError as error:
            raise self._failure(error)
        except OSError as error:
            raise self._broken(error)
        return connection.milliseconds(begin)

    def write(self, data: bytes, deadline: float) -> None:
        """Sends all of it."""
        try:
            self._drive(lambda: self.tls.write(data), deadline)
        except (ssl.SSLZeroReturnError, _Ended):
            raise self._broken(_Ended())
        except ssl.SSLError as error:
            raise self._failure(error)
        except OSError as error:
            raise self._broken(error)

    def read(self, deadline: float, size: int = 16384) -> bytes:
        """What the server sent, b"" at its end; raises socket.timeout, and Finding for an alert or a reset."""
        try:
            return self._drive(lambda: self.tls.read(size), deadline)
        except (ssl.SSLZeroReturnError, _Ended):
            return b""
        except ssl.SSLError as error:
            raise self._failure(error)
        except socket.timeout:
            raise
        except OSError as error:
            raise self._broken(error)

    def session(self) -> "t.Optional[ssl.SSLSession]":
        """The session that can be resumed, or None.

        None and ``too_large`` where it can't be kept: the server's certificate is part of it, and OpenSSL writes no
        session of more than some 64 KiB.
        """
        try:
            return self.tls.session
        except ValueError:  # i2d() failed
            self.too_large = True
            return None

    def close(self) -> None:
        """Says goodbye, without which servers forget sessions, and ends the connection."""
        try:
            self.tls.unwrap()
        except (ssl.SSLError, OSError, ValueError):
            pass
        try:
            connection.send(self.sock, self._out.read(), time.monotonic() + connection.LINGER)
        except OSError:
            pass
        connection.close(self.sock)

    def _drive(self, action: "t.Callable[[], Result]", deadline: float) -> Result:
        """Does what needs bytes of the server, as they come."""
        while True:
            try:
                result = action()
                self._flush(deadline)
                return result
            except ssl.SSLWantReadError:
                self._flush(deadline)
            except ssl.SSLError:
                try:
                    self._flush(deadline)  # the alert that tells the server
                except OSError:
                    pass
                raise
            data, self.pending = self.pending or connection.receive(self.sock, deadline), b""
            if not data:
                raise self.broken or _Ended()
            self.heard += data[:MAX_HEARD - len(self.heard)]
            if not records.is_tls(self.heard):
                raise connection.ConnectionFailure(self._not_tls())
            self._in.write(data)

    def _flush(self, deadline: float) -> None:
        data = self._out.read()
        if data:
            try:
                connection.send(self.sock, data, deadline)
                self.spoken += len(data)
            except (BrokenPipeError, ConnectionResetError) as error:
                self.broken = error  # the alert that says why may be there to be read

    def _not_tls(self) -> str:
        for begin, kind, starttls in BANNERS:
            if self.heard.startswith(begin):
                return "the server does not speak TLS there but %s: it says %s%s" % (
                    kind, connection.quoted(self.heard), "; is 'starttls: %s' meant?" % starttls if starttls else "")
        return "the server does not speak TLS there: it says %s" % connection.quoted(self.heard)

    def _broken(self, error: Exception) -> connection.ConnectionFailure:
        """The sentence on a connection that ended or stands still."""
        does = "closes" if isinstance(error, _Ended) else "resets"
        if self.done:
            return Broken("the server stalls after the handshake: it takes nothing more within %s"
                          % connection.spoken(self.seconds) if isinstance(error, socket.timeout) else
                          "the server %s the connection after the handshake" % does)
        if isinstance(error, socket.timeout):
            return connection.ConnectionFailure(
                "the server stalls in the middle of the handshake: it did not go on within %s"
                % connection.spoken(self.seconds) if self.heard else
                "the server accepts the connection and says nothing: no answer to the ClientHello within %s"
                % connection.spoken(self.seconds))
        if not self.heard:
            return CutOff("the server %s the connection after the ClientHello, without a TLS alert: it does not speak "
                          "TLS there, or wants another version or name" % does)
        return connection.ConnectionFailure("the server %s the connection in the middle of the handshake" % does)

    def _failure(self, error: ssl.SSLError) -> connection.ConnectionFailure:
        """The sentence on a handshake that failed: whose OpenSSL ended it, and why."""
        match = ALERT.match(reason(error))
        if not match:
            aside = "; it sends more than 100 KiB of certificates" * ("excessive message size" in reason(error))
            return HandshakeRefused("this host's OpenSSL can't shake hands with the server: %s%s" % (
                reason(error), aside))
        alert = match.group(1)
        return Alert("the server refuses the handshake with the alert '%s'%s" % (alert, self._advice(alert)))

    def _advice(self, alert: str) -> str:
        if records.wants_certificate(self.heard) or alert == "certificate required":
            return ": it wants a client certificate that it trusts"
        return {
            "handshake failure": ": it may have no cipher or version in common with this host, or no certificate "
                                 "for this name",
            "protocol version": ": it does not accept the protocol versions that this host offers",
            "unrecognized name": ": it has no certificate for this name",
            "no application protocol": ": it speaks none of the protocols of 'alpn'",
        }.get(alert, "")


def protocol(stream: Stream) -> "t.Optional[str]":
    """The version, as this collection writes it: ``TLSv1.0`` to ``TLSv1.3``."""
    version = stream.tls.version()
    return "TLSv1.0" if version == "TLSv1" else version


def facts(stream: Stream) -> "t.Dict[str, t.Any]":
    """What Python's ssl knows of a connection (dict)."""
    name, _protocol, bits = stream.tls.cipher() or ("", "", 0)  # without a handshake
    details = [one for one in stream.settings.get_ciphers() if one["name"] == name]
    return {
        "protocol": protocol(stream),
        "cipher": name,
        "cipher_algorithm": ((details[0].get("symmetric") if details else None) or "").upper() or None,
        "key_bits": bits,
        "alpn": stream.tls.selected_alpn_protocol(),
        "forward_secrecy": protocol(stream) == "TLSv1.3" or name.startswith(("ECDHE-", "DHE-")),
    }
