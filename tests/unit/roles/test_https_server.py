# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small server of the role tls_smoke_test, run as the role runs it. Python 3.6 syntax."""
import contextlib
import http.client
import json
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import sys
import time

import pki
import pytest

SOURCE = os.path.join(os.path.dirname(__file__), "../../../roles/tls_smoke_test/files/https_server.py")
ROOT = pki.root()
WEB = pki.server("web1.example.com", ROOT)
CLIENT = pki.issue("client", ROOT, purposes=["client"])


@pytest.fixture
def files(tmp_path):
    for name, content in {"web.crt": WEB.pem, "web.key": WEB.key_pem(), "secret.key": WEB.key_pem("p\u00e4ss phrase"),
                          "root.crt": ROOT.pem, "other.key": CLIENT.key_pem(),
                          "client.pem": CLIENT.pem + CLIENT.key_pem()}.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "web.key").chmod(0o600)
    return tmp_path


def run(*arguments, **options):
    """The program as the role runs it: from its text."""
    with open(SOURCE) as stream:
        command = [sys.executable, "-I", "-c", stream.read()]
    # Root is usually in no other group than its own: here it is.
    groups = (lambda: os.setgroups([1, 2])) if os.geteuid() == 0 else None
    process = subprocess.Popen(command + [str(argument) for argument in arguments], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=groups)
    out, err = process.communicate(options.get("stdin", "").encode("utf-8"), timeout=20)
    return process.returncode, out.decode("ascii"), err.decode("ascii")


@contextlib.contextmanager
def server(files, *more, **options):
    """A running server: {port, pid}."""
    code, out, err = run("start", "--certificate", files / "web.crt",
                         "--privatekey", files / options.pop("key", "web.key"), "--seconds", 30, *more, **options)
    assert (code, err) == (0, ""), err
    started = json.loads(out)
    try:
        yield started
    finally:
        assert run("stop", started["pid"]) == (0, "", "")
        assert not runs(started["pid"])


def runs(pid):
    """Whether a process still does something: what nobody has taken notice of yet has no command line any more."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            return stream.read() != b""
    except OSError:
        return False


def trusting(files):
    return ssl.create_default_context(cafile=str(files / "root.crt"))


def connection(started, context):
    return context.wrap_socket(socket.create_connection(("127.0.0.1", started["port"]), 5),
                               server_hostname="web1.example.com")


def get(sock):
    sock.sendall(b"GET / HTTP/1.1\r\nHost: web1.example.com\r\n\r\n")
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    return answer.status, answer.read().decode(), answer.will_close


def test_two_requests_on_one_verified_connection(files):
    with server(files) as started, connection(started, trusting(files)) as sock:
        answer = 200, "This is %s.\n" % socket.gethostname(), False
        assert get(sock) == get(sock) == answer


def test_it_says_goodbye_in_tls(files):
    with server(files) as started, connection(started, trusting(files)) as sock:
        sock.suppress_ragged_eofs = False  # an end without a goodbye is an error then
        sock.sendall(b"GET / HTTP/1.1\r\nHost: web1.example.com\r\nConnection: close\r\n\r\n")
        data = b""
        while not data.endswith(b".\n"):
            data += sock.recv(4096)
        assert sock.recv(4096) == b""


def test_sessions_are_resumed(files):
    context = trusting(files)
    context.options |= getattr(ssl, "OP_NO_TLSv1_3", 0)
    with server(files) as started:
        with connection(started, context) as first:
            get(first)
            session = first.session
        assert session.has_ticket
        with socket.create_connection(("127.0.0.1", started["port"]), 5) as plain:
            with context.wrap_socket(plain, server_hostname="web1.example.com", session=session) as again:
                assert again.session_reused


def test_nothing_below_tls_1_2(files):
    context = trusting(files)
    context.options |= ssl.OP_NO_TLSv1_2 | getattr(ssl, "OP_NO_TLSv1_3", 0)
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
    with server(files) as started, pytest.raises((ssl.SSLError, OSError)):
        connection(started, context)


def test_a_silent_client_keeps_nobody_waiting(files):
    with server(files) as started, contextlib.closing(socket.create_connection(("127.0.0.1", started["port"]), 5)):
        with connection(started, trusting(files)) as sock:
            assert get(sock)[0] == 200


def test_ipv6(files):
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    with server(files) as started:
        try:
            plain = socket.create_connection(("::1", started["port"]), 5)
        except OSError:
            pytest.skip("this machine has no IPv6")
        with trusting(files).wrap_socket(plain, server_hostname="web1.example.com") as sock:
            assert get(sock)[0] == 200


def test_it_ends_by_itself(files):
    with server(files, "--seconds", "0.5") as started:
        end = time.time() + 10
        while runs(started["pid"]) and time.time() < end:
            time.sleep(0.05)
        assert not runs(started["pid"])


def test_root_gives_up_its_rights_once_the_key_is_read(files):
    with server(files) as started:
        wanted = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
        with open("/proc/%d/status" % started["pid"]) as stream:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
        assert set(status["Uid"].split()) == {str(wanted)}
        if os.geteuid() == 0:
            assert status["Groups"].split() == []
        with open("/proc/%d/stat" % started["pid"]) as stream:  # proc(5): pid, comm, state, ppid, pgrp, session
            assert stream.read().rpartition(") ")[2].split()[3] == str(started["pid"])


def test_client_certificates(files):
    with server(files, "--client-ca", files / "root.crt", "--client-required") as started:
        context = trusting(files)
        context.load_cert_chain(str(files / "client.pem"))
        with connection(started, context) as sock:
            assert get(sock)[0] == 200
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            with connection(started, trusting(files)) as sock:
                get(sock)
    with server(files, "--client-ca", files / "root.crt") as started, connection(started, trusting(files)) as sock:
        assert get(sock)[0] == 200


def test_an_encrypted_key(files):
    with server(files, "--passphrase", key="secret.key", stdin="p\u00e4ss phrase\n") as started:
        with connection(started, trusting(files)) as sock:
            assert get(sock)[0] == 200


@pytest.mark.parametrize("arguments, stdin, sentence", [
    (["web.crt", "nosuch"], "", "the private key {}/nosuch can't be read: No such file or directory"),
    (["nosuch", "web.key"], "", "the certificate {}/nosuch can't be read: No such file or directory"),
    (["web.crt", "other.key"], "", "the private key {0}/other.key does not belong to the certificate {0}/web.crt"),
    (["web.crt", "secret.key"], "", "an encrypted key needs its passphrase"),
    (["web.crt", "secret.key", "--passphrase"], "wr\u00f6ng\n", "an encrypted key needs its passphrase"),
    (["web.crt", "root.crt"], "", "they are to be PEM"),
    (["web.key", "web.key"], "", "they are to be PEM"),
    (["web.crt", "web.key", "--client-ca", "web.key"], "", "the clients' CA {}/web.key can't be loaded"),
])
def test_sentences(files, arguments, stdin, sentence):
    paths = [str(files / argument) if "-" not in argument else argument for argument in arguments]
    code, out, err = run("start", "--certificate", *(paths[:1] + ["--privatekey"] + paths[1:]), stdin=stdin)
    assert (code, out) == (1, "") and sentence.format(files) in err and len(err.splitlines()) == 1
    assert "Traceback" not in err and "BEGIN" not in err


@pytest.mark.parametrize("option, value", [
    ("--port", "70000"), ("--port", "-1"), ("--seconds", "1e12"), ("--seconds", "x")])
def test_numbers_out_of_range(files, option, value):
    code, out, err = run("start", "--certificate", files / "web.crt", "--privatekey", files / "web.key", option, value)
    assert (code, out) == (2, "") and "Traceback" not in err and option in err


def test_the_lowest_version_is_set(files):
    """By its settings, for OpenSSL's own may keep old versions out of a handshake, too."""
    names = {"__name__": "server"}
    with open(SOURCE) as stream:
        exec(stream.read(), names)
    made = names["tls"](str(files / "web.crt"), str(files / "web.key"), b"", "", False)
    old = ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    assert made.minimum_version == 0x303 if hasattr(made, "minimum_version") else made.options & old == old


def test_a_port_that_is_taken(files):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        code, _out, err = run("start", "--certificate", files / "web.crt", "--privatekey", files / "web.key",
                              "--port", port)
    assert code == 1 and err == "port %d can't be listened on: Address already in use\n" % port


def test_stop_harms_nobody_else(files):
    other = subprocess.Popen([shutil.which("sleep"), "30"])
    try:
        assert run("stop", other.pid) == (0, "", "")
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
