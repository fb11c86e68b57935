# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it is all for: a browser refuses a page of the private CA, loads it, and refuses it again after removal.

Chromium and Firefox are Debian's, started without a screen by a user without rights; the server runs on the same host.
"""

from __future__ import annotations

import re

import documented
import pki
import plays
import podman
import pytest

pytestmark = pytest.mark.clients

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")])
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA")], ROOT, ca=True, path_length=0)
WEB = pki.server("web1.example.com", ISSUING)
ALONE = pki.server("alone.example.com")
DATABASE = {"store": "nss", "nss_databases": ["~alice/.pki/nssdb"]}
FIREFOX = "fleetpki.host_trust.firefox_trust"
AUTHORITY_INVALID = "ERR_CERT_AUTHORITY_INVALID"

# Chromium's sandbox wants what a container does not give it.
CHROMIUM = """cd && rm -rf profile && timeout 100 chromium --headless --no-sandbox --disable-gpu --no-first-run \
--disable-background-networking --disable-component-update --disable-sync --disable-quic --user-data-dir=$HOME/profile \
--dump-dom https://{name}:8443/ 2>$HOME/chromium.log"""

# It ends when the first connection with Firefox's outcome is over, and says which that was.
SERVER = """
import select, socket, ssl, sys
listener = socket.create_server(("127.0.0.1", 8443))
contexts = {}
for name in ("web1", "alone"):
    contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    contexts[name].load_cert_chain("/srv/%s.pem" % name, "/srv/%s.key" % name)
def choose(connection, name, context):
    connection.context = contexts[(name or "web1").split(".")[0]]
contexts["web1"].sni_callback = choose
PAGE = b"<p>loaded from the private CA</p>"
print("ready", flush=True)
while True:
    connection, _peer = listener.accept()
    connection.settimeout(10)
    try:
        with contexts["web1"].wrap_socket(connection, server_side=True) as stream:
            if stream.recv(65536).startswith(b"GET / "):
                stream.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nConnection: close\\r\\n"
                               b"Content-Length: %d\\r\\n\\r\\n%s" % (len(PAGE), PAGE))
                print("loaded", flush=True)
    except ssl.SSLError as error:
        print("refused", error.reason, flush=True)
    except OSError:
        pass  # one that was opened in reserve
"""
# Waits for the server's word on one start of Firefox, which does not end by itself where it refuses.
START_FIREFOX = r"""
import os, subprocess, sys
log = open("/srv/log")
log.seek(0, 2)
os.makedirs("/home/alice/fx", exist_ok=True)
firefox = subprocess.Popen(["firefox-esr", "--headless", "--no-remote", "--profile", "/home/alice/fx", "--screenshot",
                            "/home/alice/shot.png", "https://web1.example.com:8443/"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, MOZ_HEADLESS="1"))
tail = subprocess.Popen(["timeout", "90", "tail", "-f", "-n", "0", "/srv/log"], stdout=subprocess.PIPE, text=True)
for line in tail.stdout:
    print(line, end="")
    break
tail.kill()
if line.startswith("refused"):
    firefox.terminate()
firefox.wait()
"""


@pytest.fixture()
def fleet():
    """A workstation with a user, and a server for web1.example.com and alone.example.com."""
    with podman.fleet({"web": "workstation"}) as fleet:
        host = fleet["web"]
        host.run("useradd", "--create-home", "--shell", "/bin/sh", "alice")
        host.write("/srv/web1.pem", (WEB.pem + ISSUING.pem).encode())
        host.write("/srv/web1.key", WEB.key_pem().encode(), 0o600)
        host.write("/srv/alone.pem", ALONE.pem.encode())
        host.write("/srv/alone.key", ALONE.key_pem().encode(), 0o600)
        host.write("/srv/server.py", SERVER.encode())
        host.write("/srv/start-firefox.py", START_FIREFOX.encode())
        host.run("sh", "-c", "echo 127.0.0.1 web1.example.com alone.example.com >> /etc/hosts; mkfifo /tmp/ready; "
                             "(python3 /srv/server.py 2>/srv/errors </dev/null | tee /srv/log > /tmp/ready) & "
                             "read word < /tmp/ready; [ $word = ready ]; cat /tmp/ready >/dev/null 2>&1 &")
        yield fleet


def chromium(host, name="web1.example.com"):
    """What a new Chromium without a profile makes of the page: ``loaded``, or its error."""
    page = host.run("su", "alice", "-c", CHROMIUM.format(name=name), check=False).stdout
    if "loaded from the private CA" in page:
        return "loaded"
    found = re.search(r"\b(?:net::)?(ERR_[A-Z_]+)", page)
    assert found, page[-2000:] + host.read("/home/alice/chromium.log").decode(errors="replace")[-2000:]
    return found.group(1)


def firefox(host):
    """What Firefox, with the same profile each time, makes of it, as the server sees it."""
    said = host.run("su", "alice", "-c", "python3 /srv/start-firefox.py").stdout.strip()
    assert said, "it has not connected"
    return said


def do(fleet, *tasks):
    results = plays.run(fleet.inventory, list(tasks), "--diff").of("web")
    assert not any(one.get("failed") for one in results), results
    return results


def test_chromium(fleet):
    """Refused before, loads with the root, refused after; distrust of the root and of the intermediate is obeyed."""
    host = fleet["web"]
    distrusted = {"content": ISSUING.pem, "state": "distrusted"}
    assert chromium(host) == AUTHORITY_INVALID
    host.run("rm", "-r", "/home/alice/.local")  # Chromium has made a database there, and would be asked to leave it
    for task, outcome in (
        (plays.anchors(ROOT, **DATABASE), "loaded"),
        (plays.anchors({"content": ROOT.pem, "state": "absent"}, **DATABASE), AUTHORITY_INVALID),
        (plays.anchors(ISSUING, **DATABASE), "loaded"),
        (plays.anchors(purge="managed", **DATABASE), AUTHORITY_INVALID),
        (plays.anchors(ROOT, distrusted, **DATABASE), AUTHORITY_INVALID),
        (plays.anchors(ROOT, ISSUING, **DATABASE), "loaded"),
        (plays.anchors({"content": ROOT.pem, "state": "distrusted"}, purge="managed", **DATABASE), AUTHORITY_INVALID),
    ):
        (done,) = do(fleet, task)
        assert done["changed"] and chromium(host) == outcome, done["plan"]


def test_a_server_that_vouches_for_itself(fleet):
    """With allow_non_ca: as a peer, for Chromium finds a server's certificate invalid that is trusted as a CA."""
    host = fleet["web"]
    assert chromium(host, "alone.example.com") == AUTHORITY_INVALID
    do(fleet, plays.anchors(ALONE, allow_non_ca=True, **DATABASE))
    assert chromium(host, "alone.example.com") == "loaded" and chromium(host) == AUTHORITY_INVALID


def test_firefox_follows_the_host(fleet):
    """By its policy: nothing is done in the profile, and what the host does not trust any more is refused."""
    host = fleet["web"]
    refused = "refused TLSV1_ALERT_UNKNOWN_CA"
    do(fleet, plays.anchors(ROOT))
    assert firefox(host) == refused, "on Debian it has a store of its own"
    (foreseen, done, again) = do(fleet, {FIREFOX: {}, "check_mode": True}, {FIREFOX: {}}, {FIREFOX: {}})
    assert [foreseen["changed"], done["changed"], again["changed"]] == [True, True, False]
    assert foreseen["diff"] == done["diff"] and done["library"] in done["diff"]["after"]
    assert firefox(host) == "loaded"
    do(fleet, plays.anchors({"content": ROOT.pem, "state": "absent"}))
    assert firefox(host) == refused
    do(fleet, plays.anchors(ROOT))
    assert firefox(host) == "loaded"
    do(fleet, {FIREFOX: {"state": "absent"}})
    assert firefox(host) == refused, "the profile was told to forget it"


def test_as_the_role_does_it(fleet, tmp_path):
    """The example of its README: the host's own store, Firefox's policy and users' databases."""
    host = fleet["web"]
    (tmp_path / "corp-root.crt").write_text(ROOT.pem, encoding="ascii")
    book = documented.example("roles/ca_trust/README.md", "- name: Trust the company's CA, also in the browsers")
    (tmp_path / "play.yml").write_text(book.replace("hosts: workstations", "hosts: all"), encoding="utf-8")
    host.run("su", "alice", "-c", "mkdir -p ~/.pki/nssdb")
    for changed in (True, False):
        done = plays.playbook(fleet.inventory, str(tmp_path / "play.yml"), variables={"ansible_become": False})
        assert done.code == 0, done.output
        assert any(one["changed"] for one in done.of("web")) is changed
    assert chromium(host) == firefox(host) == "loaded"


def test_a_profile_of_firefox(fleet):
    """Its database, named by a pattern, without the policy."""
    host = fleet["web"]
    profile = {"store": "nss", "nss_databases": ["~alice/f*"]}
    assert firefox(host).startswith("refused")
    (done,) = do(fleet, plays.anchors(ROOT, **profile))
    assert [step["path"] for step in done["plan"]] == ["/home/alice/fx"] and firefox(host) == "loaded"
    do(fleet, plays.anchors({"content": ROOT.pem, "state": "absent"}, **profile))
    assert firefox(host).startswith("refused")
