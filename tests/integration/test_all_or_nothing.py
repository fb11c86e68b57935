# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks in the middle: the real tools, a full or read-only file system. The store is as it was.

A kill and a failure at every single place: test_killed_anywhere.py, test_every_fault.py.
"""

from __future__ import annotations

import pki
import plays
import podman
import pytest

FIRST = pki.root("First Root CA")
SECOND = pki.root("Second Root CA")
EXTRACT = {"redhat": "/usr/bin/update-ca-trust", "debian": "/usr/sbin/update-ca-certificates"}
FOLDERS = {"redhat": ["/etc/pki/ca-trust/source", "/usr/share/pki"],
           "debian": ["/usr/local/share/ca-certificates", "/etc/ca-certificates.conf"]}
BUNDLE = {"redhat": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "debian": "/etc/ssl/certs/ca-certificates.crt"}
STAGE = {"redhat": ["/etc/pki/ca-trust/.host_trust"], "debian": ["/usr/local/share/.host_trust", "/etc/.host_trust"]}
LOCAL = {"redhat": "/etc/pki/ca-trust/source/anchors", "debian": "/usr/local/share/ca-certificates"}


def looks(host):
    """Everything that makes up the host's trust, as one text: the sources, and what is in the bundle."""
    family = host.platform.family
    sources = host.run("sh", "-c", f"find {' '.join(FOLDERS[family])} -type f -exec sha256sum {{}} + | sort -k2")
    bundle = host.run("sh", "-c", f"grep -v '^#' {BUNDLE[family]} | sha256sum; ls {EXTRACTED[family]}")
    staged = [path for path in STAGE[family] if host.exists(path)]
    return sources.stdout + bundle.stdout + str(staged)


EXTRACTED = {"redhat": "/etc/pki/ca-trust/extracted/pem /etc/pki/tls/certs", "debian": "/etc/ssl/certs"}

BROKEN = {
    "fails": "#!/bin/sh\necho 'p11-kit: no space left on device' >&2\nexit 1\n",
    "does nothing": "#!/bin/sh\nexit 0\n",
    "can't run": "#!/no/such/interpreter\n",
    "empties the bundle": "#!/bin/sh\n: > {bundle}\n",
    "fails only live": "#!/bin/sh\n[ \"$2\" = --output ] && exec {real} \"$@\"\necho broken disk; exit 3\n",
}
SAID = {"fails": "no space left on device", "does nothing": "lacks CN=Second Root CA", "can't run": "exit code 127",
        "empties the bundle": "lacks CN=Second Root CA"}


@pytest.fixture()
def kinds():
    """A fresh host of each kind of extract: EL 8's cannot write elsewhere for a look."""
    with podman.fleet(["el8", "el9", "debian12"]) as fleet:
        yield fleet


@pytest.mark.parametrize("how", [pytest.param(how, marks=[pytest.mark.faults] * (how not in ("does nothing", "fails")))
                                 for how in BROKEN])
def test_a_broken_extract_is_rolled_back(kinds, how):
    plays.run(kinds.inventory, [plays.anchors({"name": "stays", "content": FIRST.pem})])
    before = {name: looks(host) for name, host in kinds.items()}
    for host in kinds.values():
        path = EXTRACT[host.platform.family]
        host.run("mv", path, path + ".real")
        script = BROKEN[how].format(bundle=BUNDLE[host.platform.family], real=path + ".real")
        host.write(path, script.encode(), 0o755)
    task = plays.anchors(SECOND, {"content": FIRST.pem, "state": "absent"})
    play = plays.run(kinds.inventory, [task, {"fleetpki.host_trust.ca_trust_info": {}}])
    for name, (result, _info) in play.results.items():
        host = kinds[name]
        assert result["failed"], name
        message = result["msg"]
        assert "Traceback" not in message and "as they were before" in message or "as it was before" in message, message
        assert SAID.get(how, "") in message, message
        assert looks(host) == before[name], (name, message)
    for host in kinds.values():
        path = EXTRACT[host.platform.family]
        host.run("mv", path + ".real", path)
    repaired = plays.run(kinds.inventory, [task, task])
    assert [[one["changed"] for one in results] for results in repaired.results.values()] == [[True, False]] * 3


LOSES_LINKS = """#!/bin/sh
[ "$2" = --output ] && exec /usr/bin/update-ca-trust.real "$@"
find /etc/pki/tls/certs -type l -delete; echo 'died half way'; exit 3
"""


def test_openssl_keeps_its_roots_when_the_extract_dies_half_way():
    """EL 10's OpenSSL reads hashed links, which the extract removes first and makes last."""
    with podman.fleet(["el10"]) as fleet:
        host = fleet["el10"]
        root = host.run("sh", "-c", "ls /etc/pki/tls/certs/*.0 | head -n 1").stdout.strip()
        assert host.run("openssl", "verify", root).stdout == f"{root}: OK\n"
        before = looks(host)
        host.run("mv", "/usr/bin/update-ca-trust", "/usr/bin/update-ca-trust.real")
        host.write("/usr/bin/update-ca-trust", LOSES_LINKS.encode(), 0o755)
        (result,) = plays.run(fleet.inventory, [plays.anchors(FIRST)]).of("el10")
        assert result["failed"] and "died half way" in result["msg"] and "by copies of the former" in result["msg"]
        assert looks(host) == before
        assert host.run("openssl", "verify", root).stdout == f"{root}: OK\n"
        # Lost by somebody else: seen, and repaired.
        host.run("mv", "/usr/bin/update-ca-trust.real", "/usr/bin/update-ca-trust")
        host.run("sh", "-c", "update-ca-trust && find /etc/pki/tls/certs -type l -delete")
        play = plays.run(fleet.inventory, [{"fleetpki.host_trust.ca_trust_info": {}}, plays.anchors(FIRST)])
        info, done = play.of("el10")
        assert info["in_sync"] is False and any("/etc/pki/tls/certs lacks" in each for each in info["deviations"])
        assert done["changed"] and host.run("openssl", "verify", root).stdout == f"{root}: OK\n"


HANDSHAKES = """
import os, ssl
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain("/root/web.pem")
met = []
while not os.path.exists("/root/enough"):
    back, forth = ssl.MemoryBIO(), ssl.MemoryBIO()
    # Its trust is read anew each time, as a program does that has just been started.
    client = ssl.create_default_context().wrap_bio(back, forth, server_hostname="web1.example.com")
    other = server.wrap_bio(forth, back, server_side=True)
    said = "accepted"
    for step in (client, other, client, other):
        try:
            step.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            said = str(error)
            break
    met.append(said)
open("/root/met.new", "w").write("\\n".join(met))
os.rename("/root/met.new", "/root/met")
"""


def test_no_handshake_is_refused_while_the_store_changes():
    """By a program that looks its anchors up in hashed links, on EL 10: they go and come with each extract."""
    with podman.fleet(["el10"]) as fleet:
        host, pair = fleet["el10"], pki.server("web1.example.com", FIRST)
        plays.run(fleet.inventory, [plays.anchors(FIRST)])
        host.write("/root/web.pem", (pair.pem + pair.key_pem()).encode(), 0o600)
        host.run("sh", "-c", 'nohup python3 -c "$1" > /root/said 2>&1 &', "sh", HANDSHAKES)
        gone = {"content": SECOND.pem, "state": "absent"}
        play = plays.run(fleet.inventory, [plays.anchors(SECOND), plays.anchors(gone)])
        assert [result["changed"] for result in play.of("el10")] == [True, True]
        host.write("/root/enough", b"")
        waiting = "for try in $(seq 300); do [ -e /root/met ] && exit; sleep 0.1; done; cat /root/said; exit 1"
        host.run("sh", "-c", waiting)
        met = host.read("/root/met").decode().splitlines()
        assert len(met) > 50 and set(met) == {"accepted"}
        assert not host.exists("/etc/pki/tls/cert.pem")


def test_a_run_that_died_half_way_is_repaired(all_hosts):
    """Files in place and never extracted, an extracted store that somebody cut, an anchor with the wrong mode."""
    task = plays.anchors(FIRST, SECOND)
    plays.run(all_hosts.inventory, [task])
    for host in all_hosts.values():
        folder, bundle = LOCAL[host.platform.family], BUNDLE[host.platform.family]
        host.run("sh", "-c", f"chmod 600 {folder}/First*; head -c 20000 {bundle} > /root/cut; cat /root/cut > {bundle}")
    looked = {**task, "check_mode": True}
    play = plays.run(all_hosts.inventory, [looked, task, looked, task])
    for name, (foreseen, done, _idle, again) in play.results.items():
        assert foreseen["plan"] == done["plan"] and not again["changed"]
        assert [step["action"] for step in done["plan"]] == ["repair", "extract"], name
        assert all(anchor["found_in"] for anchor in done["anchors"])


def test_a_full_file_system():
    """A bundle on a file system without room, and an EL store on one: said, and nothing half-written."""
    roots = [pki.root(f"Root {number}", key=FIRST.key) for number in range(40)]
    with podman.Host("full", "el9", options=["--tmpfs=/small:size=16k"]) as host:
        inventory = f"{host.container},"
        connection = ["-e", "ansible_connection=containers.podman.podman",
                      "-e", "ansible_python_interpreter=/usr/bin/python3"]
        bundle = {"store": "bundle", "bundle_path": "/small/ca.pem"}
        play = plays.run(inventory, [plays.anchors(FIRST, **bundle), plays.anchors(*roots, **bundle)], *connection)
        first, second = play.of(host.container)
        assert first["changed"] and second["failed"]
        assert "No space left on device" in second["msg"] and "/small" in second["msg"]
        assert host.read("/small/ca.pem").count(b"BEGIN") == 1
        assert host.run("ls", "-A", "/small").stdout == "ca.pem\n"


def test_a_read_only_store(tmp_path):
    """A store that is mounted read-only into a container, as many do with the one of their machine."""
    with podman.Host("source", "el9") as host:
        podman.podman("cp", f"{host.container}:/etc/pki/ca-trust", str(tmp_path / "ca-trust"))
    with podman.Host("readonly", "el9", options=[f"--volume={tmp_path}/ca-trust:/etc/pki/ca-trust:ro"]) as host:
        play = plays.run(f"{host.container},", [plays.anchors(FIRST), {**plays.anchors(FIRST), "check_mode": True}],
                         "-e", "ansible_connection=containers.podman.podman",
                         "-e", "ansible_python_interpreter=/usr/bin/python3")
        refused, foreseen = play.of(host.container)
        assert refused["failed"] and "Read-only file system" in refused["msg"] and "mount it writable" in refused["msg"]
        assert foreseen["changed"]


def test_a_mounted_image(one_of_each):
    """``root``: paths and links are followed inside it, the extract runs in it, and the host itself is left alone."""
    for host in one_of_each.values():
        host.run("sh", "-c", "mkdir -p /mnt/image/tmp /mnt/image/dev && : > /mnt/image/dev/null && "
                             "chmod 666 /mnt/image/dev/null && cp -a /usr /etc /var /bin /sbin /lib* /mnt/image/")
    before = {name: looks(host) for name, host in one_of_each.items()}
    task = plays.anchors(FIRST, root="/mnt/image")
    play = plays.run(one_of_each.inventory, [
        task, task, {"fleetpki.host_trust.ca_trust_info": {"root": "/mnt/image"}},
        plays.anchors({"content": FIRST.pem, "state": "absent"}, root="/mnt/image")])
    for name, (first, again, info, gone) in play.results.items():
        assert first["changed"] and first["extracted"] and not again["changed"], (name, first)
        assert first["bundle"].startswith("/mnt/image/") and first["anchors"][0]["path"].startswith("/mnt/image/")
        assert info["in_sync"] and info["counts"]["managed"] == 1
        assert gone["changed"] and looks(one_of_each[name]) == before[name]


@pytest.mark.clients
def test_javas_keystore_on_debian_is_part_of_the_store():
    """update-ca-certificates tells Java's hook of local certificates that came, and of none that went."""
    keytool = ("sh", "-c", "keytool -list -cacerts -storepass changeit 2>/dev/null | grep -c corp-root")
    with podman.fleet({"java": "workstation"}) as fleet:
        host = fleet["java"]
        here = plays.anchors({"name": "corp-root", "content": FIRST.pem})
        gone = plays.anchors({"content": FIRST.pem, "state": "absent"})
        play = plays.run(fleet.inventory, [here, here, gone, gone, here])
        assert [result["changed"] for result in play.of("java")] == [True, False, True, False, True]
        assert "/etc/ssl/certs/java/cacerts" in play.of("java")[0]["anchors"][0]["found_in"]
        assert host.run(*keytool, check=False).stdout.strip() == "1"

        # A hook that does nothing: the anchor stays where it is, and that is said.
        hook = "/etc/ca-certificates/update.d/jks-keystore"
        former = host.read(hook)
        host.write(hook, b"#!/bin/sh\ncat >/dev/null\n", 0o755)
        refused = plays.run(fleet.inventory, [gone]).of("java")[0]
        assert "/etc/ssl/certs/java/cacerts still holds CN=" in refused["msg"], refused["msg"]
        assert "the store is as it was before" in refused["msg"]
        assert host.run(*keytool, check=False).stdout.strip() == "1"

        # What a run of others has left there is drift: the next run mends it.
        host.run("sh", "-c", "rm /usr/local/share/ca-certificates/corp-root*; update-ca-certificates --fresh")
        host.write(hook, former, 0o755)
        look = {"fleetpki.host_trust.ca_trust_info": {}}
        told, mended, again = plays.run(fleet.inventory, [look, gone, gone]).of("java")
        assert told["in_sync"] is False and "java/cacerts holds" in told["deviations"][0]
        assert mended["changed"] and not again["changed"]
        assert host.run(*keytool, check=False).stdout.strip() == "0"

        # Where the administrator keeps the keystore by hand, it is nobody's proof.
        host.run("sh", "-c", "sed -i s/cacerts_updates=yes/cacerts_updates=no/ /etc/default/cacerts")
        assert plays.run(fleet.inventory, [here]).of("java")[0]["changed"]


@pytest.mark.clients
@pytest.mark.parametrize("platform", ["el8", "el9"])
def test_javas_keystore_of_p11_kit_is_proven(platform):
    """EL 8's update-ca-trust says nothing when it could not be written; EL 9's fails, and so did its look aside."""
    with podman.fleet({"java": platform}) as fleet:
        host, keystore = fleet["java"], "/etc/pki/ca-trust/extracted/java/cacerts"
        here, before = plays.anchors(FIRST), host.read(keystore)
        host.run("mv", "/usr/bin/trust", "/usr/bin/trust.real")
        host.write("/usr/bin/trust", b'#!/bin/sh\ncase "$*" in *java*) exit 1;; esac\nexec trust.real "$@"\n', 0o755)
        refused, = plays.run(fleet.inventory, [here]).of("java")
        assert refused["failed"] and "the store is as it was before" in refused["msg"]
        assert (f"{keystore} lacks CN=" if platform == "el8" else "exit code 1") in refused["msg"], refused["msg"]
        assert host.read(keystore) == before
        host.run("mv", "/usr/bin/trust.real", "/usr/bin/trust")
        done, again = plays.run(fleet.inventory, [here, here]).of("java")
        assert done["changed"] and keystore in done["anchors"][0]["found_in"] and not again["changed"]

        host.write(keystore, before)  # an extract of others that came no further
        look = {"fleetpki.host_trust.ca_trust_info": {}}
        told, mended, again = plays.run(fleet.inventory, [look, here, here]).of("java")
        assert told["in_sync"] is False and f"{keystore} lacks CN=" in told["deviations"][0]
        assert mended["changed"] and not again["changed"]
