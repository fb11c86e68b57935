# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTPS server, to prove that a key and a certificate work before anything depends on them.

    https_server.py start --certificate FILE --privatekey FILE [--port N] [--seconds N] [--client-ca FILE] ...
    https_server.py stop PID

``start`` returns once the server answers, and prints its port and process id as JSON; the server itself goes on in the
background, as an unprivileged user where it was started by root, and ends by itself after a time. With ``--passphrase``
that of the key is the first line of standard input. Python 3.6 or later, with its standard library alone.
"""
import argparse
import contextlib
import http.server
import json
import os
import pwd
import signal
import socket
import socketserver
import ssl
import sys
import threading
import time

# Where files are that are named without a folder: on EL and Fedora, on Debian and Ubuntu.
SYSTEM = ("/etc/pki/tls", "/etc/ssl")
PATIENCE = 10  # seconds that a client may take for a handshake or between two requests


class Refused(Exception):
    """Why there will be no server, as a sentence."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET and HEAD with a greeting, and keeps the connection for the next one."""

    protocol_version = "HTTP/1.1"  # in which connections are kept alive unless somebody says otherwise
    timeout = PATIENCE
    disable_nagle_algorithm = True  # or the body waits for the client's delayed acknowledgement of the head, some 40 ms

    def setup(self):
        # The handshake is made here, in the thread of the connection: a client that stalls keeps nobody else waiting.
        self.request.settimeout(PATIENCE)
        self.request.do_handshake()
        super().setup()

    def do_GET(self):
        body = ("This is %s.\n" % socket.gethostname()).encode("utf-8", "replace")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Listens for TLS connections on all addresses of the host, IPv6 and IPv4, each in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, context):
        self.context = context
        self.address_family = socket.AF_INET6 if _has_ipv6() else socket.AF_INET
        super().__init__(("", port), Handler)

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks DNS for a name that nobody needs here
        self.server_name, self.server_port = "", self.socket.getsockname()[1]

    def get_request(self):
        connection, address = super().get_request()
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def shutdown_request(self, request):
        # A connection that ends without a goodbye could have been cut off by anybody (RFC 8446 section 6.1).
        with contextlib.suppress(OSError, ValueError):
            request.settimeout(1)
            request.unwrap()
        super().shutdown_request(request)

    def handle_error(self, *_):
        pass  # a client that refuses the certificate says why by itself


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
        return True
    except OSError:
        return False


def tls(certificate, privatekey, passphrase, client_ca, client_required):
    """The settings of TLS: version 1.2 or later, session tickets (Python's default), client certificates if asked for.

    Raises Refused.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if hasattr(context, "minimum_version"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:  # Python 3.6
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    for path, what in ((certificate, "certificate"), (privatekey, "private key"), (client_ca, "clients' CA")):
        try:
            open(path or os.devnull, "rb").close()
        except OSError as error:
            raise Refused("the %s %s can't be read: %s" % (what, path, error.strerror))
    try:
        context.load_cert_chain(certificate, privatekey, lambda: passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Refused("the private key %s does not belong to the certificate %s" % (privatekey, certificate))
        raise Refused("the certificate %s and its private key %s can't be loaded: %s; they are to be PEM, and an "
                      "encrypted key needs its passphrase" % (certificate, privatekey, error.reason or error))
    if client_ca:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise Refused("the clients' CA %s can't be loaded: %s" % (client_ca, error.reason or error))
        context.verify_mode = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
    return context


def place(name, folder):
    """``web.key`` as /etc/pki/tls/private/web.key or /etc/ssl/private/web.key; a path as it is."""
    if not name or "/" in name:
        return name
    system = [root for root in SYSTEM if os.path.isdir(root)] or SYSTEM[-1:]
    return os.path.join(system[0], folder, name)


def start(options):
    """Makes the server and leaves it running; prints where."""
    passphrase = sys.stdin.buffer.readline().rstrip(b"\r\n") if options.passphrase else b""
    context = tls(place(options.certificate, "certs"), place(options.privatekey, "private"), passphrase,
                  place(options.client_ca, "certs"), options.client_required)
    try:
        server = Server(options.port, context)
    except OSError as error:
        raise Refused("port %d can't be listened on: %s" % (options.port, error.strerror))
    # The key is read and the port is open: from here on, nobody needs to be root.
    drop_privileges(options.user)
    detach(server.server_port)
    end = threading.Timer(options.seconds, server.shutdown)
    end.daemon = True
    end.start()
    server.serve_forever()


def drop_privileges(user):
    """Becomes an unprivileged user, where this is root."""
    if os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Refused("there is no user %s on this host to run the server as" % user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def detach(port):
    """Goes on in the background, in a session of its own. The process in front says where the server is, and ends."""
    pid = os.fork()
    if pid:
        print(json.dumps({"port": port, "pid": pid}))
        sys.stdout.flush()
        os._exit(0)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # whoever waits for the end of our output is not kept waiting
        os.dup2(null, descriptor)


def stop(pid):
    """Ends the server, which is no error where it has ended by itself. Never anybody else who got its number since."""
    for signal_number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
        if not is_ours(pid):
            return
        os.kill(pid, signal_number)
        end = time.monotonic() + seconds
        while is_ours(pid) and time.monotonic() < end:
            time.sleep(0.02)


def is_ours(pid):
    """Whether that process is a server of this kind: its command line is the same as ours, but for the arguments."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as theirs, open("/proc/self/cmdline", "rb") as ours:
            before = ours.read().split(b"\0stop\0")[0]
            return theirs.read().startswith(before + b"\0start\0")
    except OSError:
        return False


def number(lowest, highest):
    """A type for argparse: a number between these."""
    def convert(text):
        value = type(lowest)(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError("%s is not between %s and %s" % (text, lowest, highest))
        return value
    return convert


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command")
    serve = commands.add_parser("start")
    serve.add_argument("--certificate", required=True, help="PEM file: the certificate, then its chain")
    serve.add_argument("--privatekey", required=True, help="PEM file")
    serve.add_argument("--passphrase", action="store_true", help="read the key's passphrase from standard input")
    serve.add_argument("--port", type=number(0, 65535), default=0, help="0: any that is free")
    serve.add_argument("--seconds", type=number(0.1, 86400), default=300, help="after so long it ends by itself")
    serve.add_argument("--user", default="nobody", help="whom it runs as, where root starts it")
    serve.add_argument("--client-ca", default="", help="PEM file: ask clients for certificates that it has issued")
    serve.add_argument("--client-required", action="store_true", help="and refuse those that have none")
    commands.add_parser("stop").add_argument("pid", type=int)
    options = parser.parse_args()
    try:
        if options.command == "start":
            start(options)
        elif options.command == "stop":
            stop(options.pid)
        else:
            parser.error("start or stop?")
    except Refused as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
