# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on 127.0.0.1 for tests, well-behaved and otherwise, each in threads of this process. Python 3.6 syntax."""
import contextlib
import os
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import time
import warnings


class Server:
    """Listens on a free port; ``talk(connection)`` has each connection in a thread of its own."""

    def __init__(self, talk, address="127.0.0.1"):
        self.talk, self.count, self.sockets = talk, 0, []
        self.listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.listener.bind((address, 0))
        self.listener.listen(16)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            self.count += 1
            self.sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(10)
        try:
            self.talk(connection)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()  # or it would accept what comes to the next socket of this number
        self.listener.close()
        for connection in self.sockets:
            connection.close()


def context(*pairs, **options):
    """A server's context: its own pair first, then the chain as it is sent.

    version: the only one, as a number (0x303). tickets, alpn, ciphers. client_ca: whose clients alone are served.
    """
    folder = tempfile.mkdtemp()
    try:
        path = os.path.join(folder, "both.pem")
        with open(path, "w") as stream:
            stream.write(pairs[0].key_pem() + "".join(pair.pem for pair in pairs))
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.set_ciphers(options.get("ciphers", "ALL:@SECLEVEL=0"))
        made.load_cert_chain(path)
    finally:
        shutil.rmtree(folder)
    version = options.get("version")
    if version:
        if hasattr(made, "minimum_version"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                made.minimum_version = made.maximum_version = ssl.TLSVersion(version)
        else:
            numbers = {0x301: "OP_NO_TLSv1", 0x302: "OP_NO_TLSv1_1", 0x303: "OP_NO_TLSv1_2", 0x304: "OP_NO_TLSv1_3"}
            for number, name in numbers.items():
                made.options |= getattr(ssl, name) if number != version else 0
    if not options.get("tickets", True):
        made.options |= ssl.OP_NO_TICKET
    if "alpn" in options:
        made.set_alpn_protocols(options["alpn"])
    if "client_ca" in options:
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=options["client_ca"].pem)
    return made


def tls(settings, talk):
    """A talk that begins with TLS."""
    def talk_tls(connection):
        with settings.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as secured:
            talk(secured)
            with contextlib.suppress(OSError, ValueError):
                secured.unwrap()
    return talk_tls


def head_of(connection):
    """The head of a request, b"" at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        if not more:
            return b""
        data += more
    return data


def http(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", times=100):
    """A talk in HTTP that ends the connection after so many requests. Requests are kept in ``talk.requests``."""
    def talk_http(connection):
        for _number in range(times):
            request = head_of(connection)
            if not request:
                return
            talk_http.requests.append(request)
            connection.sendall(answer)
    talk_http.requests = []
    return talk_http


def say(data, then=5):
    """A talk that says something, whatever it hears, and is silent for so many seconds."""
    def talk_say(connection):
        connection.sendall(data)
        time.sleep(then)
    return talk_say


def hear_then(data, then=0):
    """A talk that waits for the first bytes, says something, and ends after so many seconds."""
    def talk_hear(connection):
        connection.recv(4096)
        connection.sendall(data)
        time.sleep(then)
    return talk_hear


def reset(connection):
    """A talk that answers the first bytes with a reset."""
    connection.recv(4096)
    abort(connection)


def abort(connection):
    """Has the next close be a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def proxy(connection):
    """A talk of an HTTP proxy that knows CONNECT."""
    target = head_of(connection).split()[1].decode()
    host, _colon, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as other:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def carry(source, sink):
            with contextlib.suppress(OSError):
                while True:
                    data = source.recv(65536)
                    if not data:
                        break
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=carry, args=(other, connection), daemon=True)
        thread.start()
        carry(connection, other)
        thread.join(5)
