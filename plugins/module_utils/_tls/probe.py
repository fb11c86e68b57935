# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""One endpoint, looked at closely: handshakes, resumption, HTTP, versions. No verdict: see _endpoints."""

import hashlib
import socket
import ssl
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import (
    connection,
    handshake,
    http1,
    records,
    s_client,
    starttls,
)

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint as tls_endpoint
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl

    Stream = handshake.Stream
    Shaken = t.Tuple[Stream, float, float]  # after the handshake; milliseconds of the TCP connect, of the handshake

TICKETS = 0.1  # of a step: how long tickets are waited for that come after the handshake of TLS 1.3
MILLISECONDS = ("connect", "handshake", "first_byte", "resumed_handshake")


class Seen(t.NamedTuple):
    result: "t.Dict[str, t.Any]"  # as of ``blank``
    chain: "t.List[bytes]"  # the certificates as they were sent, as DER
    # Versions that could not be tried, for the server could not be reached any more or time was up:
    untried: "t.List[str]"
    speaks_tls: bool  # whether the server has answered with TLS, be it that it refused
    shown: "t.Optional[bytes]"  # the server's own certificate in the first handshake, as DER, or None
    cut_off: bool  # whether it has ended the first handshake without a word


class ProbeOptions(t.NamedTuple):
    timeout: float
    resumption: bool
    keep_alive: bool
    versions: bool
    http: bool
    path: str


def blank(endpoint: "tls_endpoint.Endpoint") -> "t.Dict[str, t.Any]":
    """A result before anything is known (dict)."""
    return {
        "name": endpoint.name, "host": endpoint.host, "port": endpoint.port, "server_name": endpoint.asked,
        "reachable": False, "address": None, "finding": None, "milliseconds": dict.fromkeys(MILLISECONDS),
        "protocol": None, "cipher": None, "cipher_algorithm": None, "key_bits": None, "key_exchange": None,
        "signature_algorithm": None, "forward_secrecy": None, "alpn": None, "ocsp_staple": None, "ocsp_finding": None,
        "client_certificate_requested": None, "http": None, "keep_alive": None, "resumption": None, "versions": None,
        "warnings": [],
    }


def look(
    endpoint: "tls_endpoint.Endpoint", wanted: ProbeOptions, program: "openssl.OpenSSL", tmpdir: "t.Optional[str]"
) -> Seen:
    """What is seen of an endpoint, whatever the server does."""
    result = blank(endpoint)
    looker = _Looker(endpoint, wanted, program, tmpdir, result)
    try:
        looker.handshake()
        if result["finding"] is None and wanted.resumption:
            result["resumption"] = looker.resumption()
        if result["finding"] is None and wanted.keep_alive and result["keep_alive"] is None:
            looker.keep_alive()
    except (connection.ConnectionFailure, OSError, ValueError) as error:
        result["finding"] = result["finding"] or str(error)
    if wanted.versions and looker.speaks_tls:
        result["versions"] = looker.versions()
    return Seen(result, looker.chain, looker.untried, looker.speaks_tls, looker.shown, looker.cut_off)


class _Looker:
    """The state of looking at one endpoint."""

    def __init__(
        self,
        endpoint: "tls_endpoint.Endpoint",
        wanted: ProbeOptions,
        program: "openssl.OpenSSL",
        tmpdir: "t.Optional[str]",
        result: "t.Dict[str, t.Any]",
    ) -> None:
        self.endpoint, self.wanted, self.program, self.tmpdir, self.result = endpoint, wanted, program, tmpdir, result
        self.budget = connection.TimeBudget(wanted.timeout)
        self.lowered, self.speaks_tls, self.cut_off, self.heard = False, False, False, b""
        self.chain: t.List[bytes] = []
        self.session: t.Optional[ssl.SSLSession] = None
        self.too_large = False  # whether that could not be kept
        self.settings: t.Optional[ssl.SSLContext] = None
        self.shown: t.Optional[bytes] = None
        self.known: connection.Known = {}
        self.untried: t.List[str] = []
        self.broken: t.Optional[str] = None

    # --- connections ---

    def plain(self) -> "t.Tuple[socket.socket, float, bytes]":
        """(socket, milliseconds of the TCP connect, bytes read already) at the point where TLS begins."""
        endpoint, pending = self.endpoint, b""
        target = endpoint.address or endpoint.host
        if endpoint.proxy:
            host, port = connection.proxy_place(endpoint.proxy)
            sock, address, took, refusals = connection.connect(host, port, self.budget, "the proxy ", self.known)
        else:
            sock, address, took, refusals = connection.connect(target, endpoint.port, self.budget, "", self.known)
        self.result["address"] = self.result["address"] or address
        self.result["warnings"] += ["%s; %s was taken in its place" % (sentence, address) for sentence in refusals]
        try:
            if endpoint.proxy:
                pending = connection.through(sock, endpoint.proxy, target, endpoint.port, self.budget)
            self.result["reachable"] = True
            if endpoint.starttls:
                starttls.begin(endpoint.starttls, sock, endpoint.asked, self.budget, pending)
                pending = b""
        except connection.ConnectionFailure:
            sock.close()
            raise
        return sock, took, pending

    def context(self, **options: t.Any) -> ssl.SSLContext:
        options.setdefault("lowered", self.lowered)
        options.setdefault("alpn", self.endpoint.alpn)
        return handshake.context(certificate=self.endpoint.certificate, **options)

    def shake(self, settings: ssl.SSLContext, session: "t.Optional[ssl.SSLSession]" = None) -> "Shaken":
        """(handshake.Stream after the handshake, milliseconds of the TCP connect, of the handshake)."""
        sock, connected, pending = self.plain()
        stream = None
        try:
            stream = handshake.Stream(sock, settings, self.endpoint.server_name, self.wanted.timeout, session, pending)
            shaken = stream.handshake(self.budget.step())
        except (connection.ConnectionFailure, OSError, ValueError):
            connection.close(sock)
            raise
        finally:
            self.heard = stream.heard if stream else b""
        return stream, connected, shaken

    # --- the first connection ---

    def handshake(self) -> None:
        """Shakes hands with this host's settings, and with lower ones if these fail; looks at the connection."""
        result = self.result
        try:
            stream, connected, shaken = self.first()
        except connection.ConnectionFailure as error:
            result["finding"] = str(error)
            version = records.version_chosen(self.heard) if self.heard and records.is_tls(self.heard) else None
            self.speaks_tls = isinstance(error, (handshake.Alert, handshake.HandshakeRefused)) or bool(version)
            self.cut_off = isinstance(error, handshake.CutOff)
            if version in handshake.VERSIONS:
                result["protocol"] = version
                result["client_certificate_requested"] = records.wants_certificate(self.heard)
                self.look_closer(version)
            return
        self.speaks_tls = True
        result["milliseconds"].update(connect=connected, handshake=shaken)
        result.update(handshake.facts(stream))
        self.shown = stream.tls.getpeercert(True)
        try:
            self.talk(stream)
            self.settings, self.session = stream.settings, stream.session()
            self.too_large = stream.too_large
        except connection.ConnectionFailure as error:
            result["finding"] = str(error)
        finally:
            stream.close()
        self.look_closer(result["protocol"])
        if self.broken and result["client_certificate_requested"]:  # the alert that said why came too late
            result["finding"] = self.broken + ": it may want a client certificate that it trusts"

    def first(self) -> "Shaken":
        settings = self.context()
        try:
            return self.shake(settings)
        except (handshake.Alert, handshake.HandshakeRefused) as error:
            heard, self.lowered = self.heard, True
            try:
                found = self.shake(self.context())
            except connection.ConnectionFailure:
                self.lowered, self.heard = False, heard
                raise error
            self.result["warnings"].append("this host's clients refuse it as they are set; it was looked at with all "
                                           "versions and ciphers allowed (%s)" % error)
            return found

    def talk(self, stream: "Stream") -> None:
        """Times the first byte; waits for what TLS 1.3 sends after the handshake."""
        result, deadline = self.result, self.budget.step()
        if result["alpn"] == "h2":
            result["milliseconds"]["first_byte"] = http1.first_byte(stream, http1.H2_PREFACE, deadline)
        elif self.endpoint.starttls in starttls.FAREWELLS:
            words = starttls.FAREWELLS[self.endpoint.starttls]
            result["milliseconds"]["first_byte"] = http1.first_byte(stream, words, deadline)
        elif self.speaks_http():
            self.http(stream)
        if not self.broken:
            self.settle(stream)

    def speaks_http(self) -> bool:
        return self.wanted.http and not self.endpoint.starttls

    def http(self, stream: "Stream") -> None:
        """GET, and once more on the same connection where that is asked for."""
        host = http1.host_header(self.endpoint.asked, self.endpoint.port)
        try:
            answer = http1.get(stream, host, self.wanted.path, self.budget.step())
        except handshake.Broken as error:  # TLS is fine; it may be another protocol
            self.broken, self.result["keep_alive"] = str(error), False if self.wanted.keep_alive else None
            self.result["http"] = {"status": None, "finding": self.broken}
            return
        kept, why = None, None if answer.status else answer.ends
        if self.wanted.keep_alive:
            kept, why = http1.keep_alive(stream, host, self.wanted.path, self.budget.step(), answer)
        self.result["milliseconds"]["first_byte"] = answer.first_byte
        self.result["keep_alive"] = kept
        self.result["http"] = {"status": answer.status, "finding": why and "the server %s" % why}

    def settle(self, stream: "Stream") -> None:
        """Reads until a ticket is there, or nothing more can be expected; here, TLS 1.3 refuses client certificates."""
        deadline = self.budget.step(TICKETS)
        while handshake.protocol(stream) == "TLSv1.3":
            session = stream.session()
            if stream.too_large or session and session.has_ticket:
                return
            try:
                if not stream.read(deadline):
                    return
            except socket.timeout:
                return

    def look_closer(self, protocol: str) -> None:
        """What s_client tells; without its answer these facts stay unknown."""
        try:
            sock, _took, _pending = self.plain()
        except connection.ConnectionFailure as error:
            self.result["warnings"].append("a second connection failed, so that the chain is not known: %s" % error)
            return
        found = s_client.look(sock, self.program, protocol, self.endpoint.server_name, self.endpoint.alpn,
                              self.lowered, self.budget.step(), self.tmpdir, self.result["cipher"])
        if not found["chain"]:
            self.result["warnings"].append("openssl s_client did not get the chain: %s"
                                           % s_client.complaint(found["printed"]))
            return
        if self.shown and found["chain"][0] != self.shown:  # a verdict on the other one would say nothing
            self.result["warnings"].append(
                "two connections were shown two certificates (SHA-256 %s... and %s...), so that the chain is not known"
                % tuple(hashlib.sha256(one).hexdigest()[:16] for one in (self.shown, found["chain"][0])))
            return
        self.chain = found["chain"]
        for key in ("key_exchange", "signature_algorithm", "ocsp_staple", "client_certificate_requested"):
            self.result[key] = found[key]
        if found["ocsp_staple"]:
            self.result["ocsp_finding"] = s_client.staple_finding(found["printed"], time.time())
        if not self.result["key_exchange"] and self.result["forward_secrecy"] is False:
            self.result["key_exchange"] = "RSA"

    # --- more connections ---

    def resumption(self) -> "t.Optional[t.Dict[str, t.Any]]":
        """Whether a second connection resumes the first one's session, and each of the three ways by itself (dict).

        None where that can't be found out.
        """
        if self.too_large:
            self.result["warnings"].append("whether the server resumes sessions is not known: its certificate is too "
                                           "large for this host's OpenSSL to keep a session with it")
            return None
        offered, resumed = _offered(self.session, self.result["protocol"]), False
        if offered and self.settings:
            resumed, took = self.resumes(self.settings, self.session)
            self.result["milliseconds"]["resumed_handshake"] = took if resumed else None
        tls13 = resumed if self.result["protocol"] == "TLSv1.3" else None
        return {"offered": offered, "resumed": resumed, "tls13_ticket": tls13,
                "tls12_ticket": self.way(True), "tls12_session_id": self.way(False)}

    def resumes(
        self, settings: ssl.SSLContext, session: "t.Optional[ssl.SSLSession]"
    ) -> "t.Tuple[bool, t.Optional[float]]":
        """(whether the server resumes the session, milliseconds of that handshake)."""
        try:
            stream, _connected, took = self.shake(settings, session)
        except connection.ConnectionFailure:
            return False, None
        resumed = stream.tls.session_reused
        stream.close()
        return bool(resumed), took

    def way(self, tickets: bool) -> "t.Optional[bool]":
        """Whether TLS 1.2 resumes, with tickets or with session IDs alone; None where there is no TLS 1.2."""
        try:
            settings = self.context(version="TLSv1.2", tickets=tickets)
            stream = self.shake(settings)[0]
        except connection.ConnectionFailure:
            return None
        session = stream.session()
        stream.close()
        if _offered(session, "TLSv1.2") != ("ticket" if tickets else "session ID"):
            return False
        return self.resumes(settings, session)[0]

    def keep_alive(self) -> None:
        """Two requests on a connection of its own, where the first one's protocol was not HTTP/1.1."""
        if not self.speaks_http():
            self.result["http"] = {"status": None, "finding": "the server was not asked for HTTP"}
            return
        took = self.result["milliseconds"]["first_byte"]
        stream = self.shake(self.context(alpn=["http/1.1"]))[0]
        try:
            self.http(stream)
        finally:
            stream.close()
            self.result["milliseconds"]["first_byte"] = took

    def versions(self) -> "t.Dict[str, t.Optional[bool]]":
        """Which versions the server accepts (dict); None for those that this host's OpenSSL can't try."""
        return {version: self.accepts(version) for version in handshake.VERSIONS}

    def accepts(self, version: str) -> "t.Optional[bool]":
        """Whether the server chooses this version where it is the only one that is offered."""
        if time.monotonic() >= self.budget.end:
            self.result["warnings"].append("there was no time left to try %s" % version)
            self.untried.append(version)
            return None
        stream = None
        try:
            settings = self.context(lowered=True, version=version)
            sock, _took, pending = self.plain()
            stream = handshake.Stream(sock, settings, self.endpoint.server_name, self.wanted.timeout, None, pending)
            stream.handshake(self.budget.step())
        except handshake.HandshakeRefused as error:
            if not stream or not stream.spoken:
                self.result["warnings"].append("this host's OpenSSL can't try %s (%s)" % (version, error))
                return None
        except connection.ConnectionFailure:
            pass
        finally:
            if stream:
                stream.close()
        if not stream:
            self.result["warnings"].append("%s could not be tried: no connection" % version)
            self.untried.append(version)
            return None
        return bool(stream.heard) and records.is_tls(stream.heard) and records.version_chosen(stream.heard) == version


def _offered(session: "t.Optional[ssl.SSLSession]", protocol: "t.Optional[str]") -> "t.Optional[str]":
    """What a session can be resumed by: ``ticket``, ``session ID`` or None."""
    if session is None:
        return None
    if session.has_ticket:
        return "ticket"
    return "session ID" if session.id and protocol != "TLSv1.3" else None
