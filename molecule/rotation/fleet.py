# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host of the fleet does: it serves HTTPS and calls the others, through its own trust store, over and over.

fleet.py serve CERTIFICATES KEY   serves in the background; reads its files again on SIGHUP
fleet.py call NAME...             calls in the background, each time with a new connection and trust that is read anew
fleet.py stop                     ends the calls and prints what they met
"""

import itertools
import json
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler

PORT = 8443
FOLDER = "/root"
SECONDS = 20  # for a call; the machine is busy
BREATH = 0.5  # seconds after a call, so that twelve callers leave two cores to the rotation


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 64

    def finish_request(self, request, client_address):
        request.settimeout(SECONDS)
        with self.context.wrap_socket(request, server_side=True) as secured:
            Handler(secured, client_address, self)

    def handle_error(self, *_):
        pass  # who calls tells


def serve(certificates, key):
    def load(*_):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates, key)
        server.context = context

    server = Server(("", PORT), Handler)
    load()
    signal.signal(signal.SIGHUP, load)
    in_background("serve", server.serve_forever)


def by_python(name):
    """A complaint, or None."""
    try:
        context = ssl.create_default_context()
        with socket.create_connection((name, PORT), SECONDS) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secured:
                secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return None if secured.recv(12) == b"HTTP/1.0 200" else "no answer"
    except (OSError, ValueError) as error:
        return repr(error)


def by_curl(name):
    done = subprocess.run(["curl", "--silent", "--show-error", "--fail", "--max-time", str(SECONDS),
                           "https://%s:%d/" % (name, PORT)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode("utf-8", "replace") if done.returncode else None


def call(names):
    os.nice(19)
    told = {"python": 0, "curl": 0, "called": [], "refused": []}
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    clients = itertools.cycle((("python", by_python), ("curl", by_curl)))
    for name, (client, ask) in zip(itertools.cycle(names), clients):
        complaint = ask(name)
        told[client] += 1
        if complaint:
            told["refused"].append([time.strftime("%H:%M:%S"), client, name, complaint])
        if name not in told["called"]:
            told["called"].append(name)
        if ended:
            break
        time.sleep(BREATH)
    with open(os.path.join(FOLDER, "calls.new"), "w") as stream:
        json.dump(told, stream)
    os.rename(os.path.join(FOLDER, "calls.new"), os.path.join(FOLDER, "calls.json"))


def stop():
    with open(os.path.join(FOLDER, "call.pid")) as stream:
        os.kill(int(stream.read()), signal.SIGTERM)
    path, end = os.path.join(FOLDER, "calls.json"), time.time() + 3 * SECONDS
    while not os.path.exists(path):
        if time.time() > end:
            sys.exit("the calls do not end")
        time.sleep(0.1)
    with open(path) as stream:
        print(stream.read())


def in_background(name, work):
    """Returns when the work has begun, and leaves its process id."""
    child = os.fork()
    if child:
        with open(os.path.join(FOLDER, name + ".pid"), "w") as stream:
            stream.write(str(child))
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    work()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    elif sys.argv[1] == "call":
        in_background("call", lambda: call(sys.argv[2:]))
    else:
        stop()
