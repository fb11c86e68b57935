# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates chain to a CA: in files, and with servers of this process, which this machine lists as such."""
import errno
import socket

import pki
import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import ca_usage, listeners

# Called alike, as after a rotation that says nothing of names.
OLD, NEW = pki.root("Corp Root CA"), pki.root("Corp Root CA")
OLD_ISSUING, NEW_ISSUING = (pki.issue("Corp Issuing CA", root, ca=True, path_length=0) for root in (OLD, NEW))
OLD_WEB, NEW_WEB = pki.server("web1", OLD_ISSUING), pki.server("web1", NEW_ISSUING)
GIVEN = {"authorities": [OLD.pem, OLD_ISSUING.pem], "successors": [NEW.pem, NEW_ISSUING.pem], "directories": [],
         "paths": [], "ignore_paths": [], "listeners": False, "ignore_ports": [], "server_names": [], "timeout": 20.0}


@pytest.fixture()
def look(tmp_path):
    def look(files=(), **options):
        for name, content in dict(files).items():
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return ca_usage.look(dict(GIVEN, directories=[str(tmp_path)], **options))
    return look


def told(result):
    return [(one["path"] or one["port"], one["fingerprint_sha256"]) for one in result["certificates"]]


def test_files_of_every_form(look, tmp_path):
    result = look({"a.crt": OLD_WEB.pem, "b.pem": OLD_WEB.pem + OLD_ISSUING.pem, "c.der": OLD_WEB.der,
                   "d.pem": OLD_WEB.key_pem() + OLD_WEB.pem, "new.crt": NEW_WEB.pem, "garbage": "garbage",
                   "cut.pem": OLD_WEB.pem[:-40], "self.crt": pki.server("self").pem})
    assert told(result) == [(str(tmp_path / name), OLD_WEB.fingerprint)
                            for name in ("a.crt", "b.pem", "c.der", "d.pem")]
    assert result["certificates"][0]["sentence"] == (
        "%s (CN=web1, SHA-256 %s...) was issued by CN=Corp Issuing CA" % (
            tmp_path / "a.crt", OLD_WEB.fingerprint[:16]))
    assert result["inconclusive"] == [] and result["looked_at"] == {"files": 6, "listeners": 0}


def test_two_certificates_called_alike_in_one_file(look, tmp_path):
    other = pki.server("web1", OLD_ISSUING)
    assert told(look({"both.pem": OLD_WEB.pem + other.pem})) == [
        (str(tmp_path / "both.pem"), one.fingerprint) for one in (OLD_WEB, other)]


def test_ca_certificates_expired_ones_and_backup_copies_are_not_in_use(look):
    expired = pki.server("web1", OLD_ISSUING, days=(-9, -1))
    result = look({"issuing.crt": OLD_ISSUING.pem, "bundle.pem": OLD.pem + OLD_ISSUING.pem, "expired.crt": expired.pem,
                   "web1.crt.2026-01-01@10:00:00~": OLD_WEB.pem})
    assert told(result) == [] and result["msg"] == "no certificate in use chains to them"


def test_further_and_ignored_files_and_links(look, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "web.crt").write_text(OLD_WEB.pem)
    (tmp_path / "link.crt").symlink_to(tmp_path / "elsewhere" / "web.crt")
    (tmp_path / "dangling.crt").symlink_to("nosuch")
    further = str(tmp_path / "elsewhere" / "web.crt")
    assert told(look(paths=[further, str(tmp_path / "nosuch")])) == [(further, OLD_WEB.fingerprint)]  # once
    assert told(look(ignore_paths=[further])) == []
    (tmp_path / "z.crt").write_text(OLD_WEB.pem)
    (tmp_path / "0a1b2c3d.0").symlink_to("z.crt")  # as update-ca-certificates links whatever lies there
    assert told(look(ignore_paths=[further])) == [(str(tmp_path / "z.crt"), OLD_WEB.fingerprint)]


def test_bare_names_are_those_of_the_systems_folder(look, tmp_path, monkeypatch):
    monkeypatch.setattr(ca_usage.default_paths, "SYSTEM", (str(tmp_path),))
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "web1.crt").write_text(OLD_WEB.pem)
    assert told(look(paths=["web1.crt"])) == [(str(tmp_path / "certs" / "web1.crt"), OLD_WEB.fingerprint)]
    assert told(look(paths=["web1.crt"], ignore_paths=["web1.crt"])) == []


def test_below_an_intermediate_that_only_lies_beside_it(look, tmp_path):
    """A branch of the old root that its folder knows nothing of; and an issuing CA that was renewed with its key."""
    branch = pki.issue("Branch CA", OLD, ca=True)
    renewed = pki.issue("Corp Issuing CA", OLD, ca=True, key=OLD_ISSUING.key)
    result = look({"a.pem": pki.server("a", branch).pem, "branch.crt": branch.pem,
                   "b.pem": pki.server("b", renewed).pem + renewed.pem})
    assert [one["path"] for one in result["certificates"]] == [str(tmp_path / "a.pem"), str(tmp_path / "b.pem")]
    assert [one["authority"] for one in result["certificates"]] == ["CN=Corp Root CA", "CN=Corp Issuing CA"]
    assert len(ca_usage.look(dict(GIVEN, authorities=[OLD.pem], directories=[str(tmp_path)]))["certificates"]) == 2
    former, = result["renewals"]
    assert (former["fingerprint_sha256"], former["path"]) == (renewed.fingerprint, str(tmp_path / "b.pem"))


def test_a_new_issuing_ca_below_the_same_root(look, tmp_path):
    second = pki.issue("Corp Issuing CA", OLD, ca=True)
    result = look({"old.crt": OLD_WEB.pem, "new.crt": pki.server("web1", second).pem}, authorities=[OLD_ISSUING.pem],
                  successors=[second.pem, OLD.pem])
    assert told(result) == [(str(tmp_path / "old.crt"), OLD_WEB.fingerprint)] and result["shared_keys"] == []


def test_a_new_root_that_the_old_one_has_cross_signed(look, tmp_path):
    """The way up from a new certificate ends at the new root, wherever else it leads."""
    cross = pki.issue("Corp Root CA", OLD, ca=True, key=NEW.key)
    files = {"new.crt": NEW_WEB.pem + NEW_ISSUING.pem + cross.pem, "old.crt": OLD_WEB.pem}
    assert told(look(files)) == [(str(tmp_path / "old.crt"), OLD_WEB.fingerprint)]
    assert {path for path, _one in told(look(files, successors=[]))} == {str(tmp_path / name) for name in files}


def test_shared_keys_are_told(look):
    renewed = pki.root("Corp Root CA 2", key=OLD.key)
    result = look(successors=[renewed.pem, OLD.pem])  # the same certificate is no other one
    assert result["shared_keys"] == [
        "CN=Corp Root CA 2 (SHA-256 %s) has the same key as CN=Corp Root CA (SHA-256 %s)" % (
            renewed.fingerprint, OLD.fingerprint)]


def test_files_that_can_not_be_read_are_told(look, tmp_path, monkeypatch):
    def denied(path):
        raise ca_usage.pem.CertificateFileError("it can't be read: Permission denied")
    monkeypatch.setattr(ca_usage.pem, "read_file", denied)
    result = look({"a.crt": OLD_WEB.pem})
    assert result["inconclusive"] == [
        "%s: it can't be read: Permission denied; does the task need 'become'?" % (tmp_path / "a.crt")]
    assert result["msg"] == result["inconclusive"][0]


def test_what_was_named_and_is_not_there_is_told_and_what_can_not_be_known_is_undecided(look, tmp_path, monkeypatch):
    """Rights are pretended, for these tests may run as root."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling.crt").symlink_to("nosuch")
    (tmp_path / "loop.crt").symlink_to("loop.crt")
    folder, file, nosuch, dangling = (str(tmp_path / name) for name in ("folder", "a.crt", "nosuch", "dangling.crt"))
    result = look({"a.crt": "garbage"}, paths=[nosuch, file + "/below", dangling])
    assert (result["inconclusive"], result["missing"]) == ([], [nosuch, file + "/below", dangling])
    result = ca_usage.look(dict(GIVEN, directories=[nosuch, file], paths=[folder]))
    assert result["missing"] == [nosuch] and result["inconclusive"] == [
        file + ": it can't be read: Not a directory", folder + ": it is not a regular file"]

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(ca_usage.os, "listdir", denied)
    monkeypatch.setattr(ca_usage.os, "stat", denied)
    result = look(paths=[file])
    assert result["missing"] == [] and result["inconclusive"] == [
        path + ": it can't be read: Permission denied; does the task need 'become'?" for path in (str(tmp_path), file)]


def test_unusable_options():
    with pytest.raises(Failure) as error:
        ca_usage.look(dict(GIVEN, successors=["nonsense"]))
    assert str(error.value).startswith("successors[0]: there is no certificate in it")
    with pytest.raises(Failure) as error:
        ca_usage.look(dict(GIVEN, listeners=True, timeout=0.0))
    assert "timeout: 0 is not between" in str(error.value)


# --- what listens ---

TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000 100 0 0 10 0
   2: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000 100 0 0 10 0
"""
TABLE6 = """  sl  local_address                         remote_address                        st ...
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4714 1 0000
   1: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 4715 1 0000
"""


def test_tables():
    assert listeners.parse(TABLE, socket.AF_INET) == [("127.0.0.1", 8080, "4711"), ("0.0.0.0", 22, "4712")]
    assert listeners.parse(TABLE6, socket.AF_INET6) == [("::", 443, "4714"), ("2001:db8::1", 443, "4715")]


def test_a_system_without_ipv6(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE)
    assert [one.port for one in listeners.listening(str(tmp_path))] == [8080, 22]


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_a_table_that_can_not_be_read_is_not_empty(tmp_path, table):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE)
    (tmp_path / "net" / table).unlink() if table == "tcp" else (tmp_path / "net" / table).mkdir()
    with pytest.raises(EnvironmentError):
        listeners.listening(str(tmp_path))


@pytest.mark.parametrize("place", ["-100007F:1F90", "0100007F", "0100007F:", "0100007F:-001", "01:1F90", "0:0", "x"])
def test_what_is_no_table_is_not_empty_either(tmp_path, place):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE.replace("0100007F:1F90", place))
    with pytest.raises(EnvironmentError, match="it is no table of sockets"):
        listeners.listening(str(tmp_path))


def test_an_address_that_each_link_may_have(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "if_inet6").write_text("""00000000000000000000000000000001 01 80 10 80       lo
fe80000000000000505400fffe000001 02 40 20 80     eth0
20010db8000000000000000000000001 02 40 00 80     eth0
fe80000000000000505400fffe000001 03 40 20 80 eth0.100
""")
    for address, wanted in {
            "fe80::5054:ff:fe00:1": ["fe80::5054:ff:fe00:1%eth0", "fe80::5054:ff:fe00:1%eth0.100"],
            "fe80::1": ["fe80::1"], "2001:db8::1": ["2001:db8::1"], "127.0.0.53": ["127.0.0.53"],
            "::": ["::1", "127.0.0.1"]}.items():
        assert listeners.places(listeners.Listener(address, 443, "1"), str(tmp_path)) == wanted
    assert listeners.places(listeners.Listener("fe80::1", 443, "1"), str(tmp_path / "nosuch")) == ["fe80::1"]


@pytest.fixture()
def only(monkeypatch):
    """Has no more listen on this machine than these."""
    every = listeners.listening

    def only(*chosen):
        ports = [server.port for server in chosen]
        monkeypatch.setattr(listeners, "listening", lambda: [one for one in every() if one.port in ports])
    return only


def https(*pairs, **options):
    return servers.Server(servers.tls(servers.context(*pairs, **options), servers.http()))


def test_what_a_service_shows(only):
    """One that shows the old certificate, whatever is in its file; one with a new one; one that does not speak TLS."""
    def banner(connection):
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    with https(OLD_WEB, OLD_ISSUING) as old, https(NEW_WEB, NEW_ISSUING) as new, servers.Server(banner) as ssh:
        only(old, new, ssh)
        result = ca_usage.look(dict(GIVEN, listeners=True, server_names=["web1"]))
        assert told(result) == [(old.port, OLD_WEB.fingerprint)]
        one, = result["certificates"]
        assert (one["address"], one["authority"]) == ("127.0.0.1", "CN=Corp Issuing CA") and one["program"]
        assert one["sentence"].startswith("port %d (%s) shows CN=web1 (SHA-256 " % (old.port, one["program"]))
        assert result["looked_at"] == {"files": 0, "listeners": 2} and result["inconclusive"] == []
        assert told(ca_usage.look(dict(GIVEN, listeners=True, ignore_ports=[old.port]))) == []


def test_a_chain_through_an_intermediate_that_only_the_service_sends(only):
    branch = pki.issue("Branch CA", OLD, ca=True)
    web = pki.server("web1", branch)
    with https(web, branch) as server:
        only(server)
        assert told(ca_usage.look(dict(GIVEN, listeners=True))) == [(server.port, web.fingerprint)]


def test_a_service_that_shows_nothing_is_told(only):
    def alert(connection):
        connection.recv(4096)
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x28")
    with servers.Server(alert) as server:
        only(server)
        sentence, = ca_usage.look(dict(GIVEN, listeners=True))["inconclusive"]
    assert sentence.startswith("127.0.0.1:%d speaks TLS, and its certificate could not be seen: " % server.port)
    assert "handshake failure" in sentence


def test_a_service_that_says_nothing_to_whoever_names_nobody(only):
    """As Envoy does with filters by name; and one that ends all connections shows nothing, whoever is named."""
    context = servers.context(OLD_WEB, OLD_ISSUING)

    def choosy(connection):
        hello = connection.recv(4096, socket.MSG_PEEK)
        if b"web1" in hello:
            servers.tls(context, servers.http())(connection)
    with servers.Server(choosy) as server, servers.Server(lambda connection: connection.recv(4096)) as closing:
        only(server, closing)
        result = ca_usage.look(dict(GIVEN, listeners=True, server_names=["other", "web1"]))
    assert told(result) == [(server.port, OLD_WEB.fingerprint)] and result["inconclusive"] == []
    assert result["certificates"][0]["server_name"] == "web1"


def test_a_service_that_can_not_be_reached_is_undecided_and_one_that_has_ended_is_not(monkeypatch):
    """One on a link that is not known, and a port that refuses, in a VRF or because nobody listens there any more."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = listeners.Listener("127.0.0.1", free.getsockname()[1], "2")
    linked = listeners.Listener("fe80::1234", 443, "1")
    monkeypatch.setattr(listeners, "listening", lambda: [linked, closed])
    given = dict(GIVEN, listeners=True, server_names=["web1"])
    result = ca_usage.look(given)
    for one, sentence in zip((linked, closed), result["inconclusive"]):
        place = ca_usage.connection.place(one.address, one.port)
        assert sentence.startswith(place + " listens, and can't be reached from the host itself, as in a VRF or behind")
        assert sentence.endswith(". See what it shows, and name its port in ignore_ports")
    assert len(result["inconclusive"]) == 2 and result["looked_at"]["listeners"] == 0
    assert ca_usage.look(dict(given, ignore_ports=[443, closed.port]))["inconclusive"] == []
    answers = [[closed], []]
    monkeypatch.setattr(listeners, "listening", lambda: answers.pop(0))
    assert ca_usage.look(given)["inconclusive"] == [] and answers == []
