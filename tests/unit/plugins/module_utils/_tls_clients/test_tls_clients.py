# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS clients: their command lines, what they say, and Python's and OpenSSL's own against servers of this process."""
import os
import stat
import sys
import time

import pki
import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint as tls_endpoint
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls_clients import (
    client_info,
    clients,
    java_fallback,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl

ROOT = pki.root("Corp Root CA")
ISSUING = pki.root("Corp Issuing CA 1", issuer=ROOT)
WEB = pki.server("web1.example.com", ISSUING, ips=["127.0.0.1"])
CLIENT = pki.issue("client", ROOT, purposes=["client"])
GIVEN = {"endpoints": None, "host": None, "port": 443, "clients": ["openssl", "python"], "require": [], "trust": None,
         "timeout": 2.0}
OLD = openssl.OpenSSL("/usr/bin/openssl", "OpenSSL 1.1.0", (1, 1, 0), "/etc/ssl")
NEW = openssl.OpenSSL("/usr/bin/openssl", "OpenSSL 3.5.1", (3, 5, 1), "/etc/ssl")


@pytest.fixture
def trust(tmp_path):
    (tmp_path / "root.pem").write_text(ROOT.pem)
    return str(tmp_path / "root.pem")


def endpoint(**item):
    return tls_endpoint.read(0, dict({"host": "web1.example.com"}, **item), None)


def terms(trust=None, program=NEW, scratch="/tmp"):
    return clients.ClientPolicy(5.0, trust, program, scratch)


def command(client, one, **options):
    return clients.CLIENTS[client].call("/usr/bin/" + client, one, terms(**options))


# --- command lines ---

def test_names_are_verified_by_every_command():
    one = endpoint(address="192.0.2.7", port=8443)
    assert command("openssl", one)[2:] == ["-connect", "192.0.2.7:8443", "-quiet", "-verify_return_error",
                                           "-verify_hostname", "web1.example.com", "-servername", "web1.example.com"]
    assert command("curl", one)[1:] == [
        "--silent", "--show-error", "--output", "/dev/null", "--noproxy", "*", "--no-insecure",
        "--connect-timeout", "5", "--max-time", "5", "--connect-to", "web1.example.com:8443:192.0.2.7:8443", "https://web1.example.com:8443/"]
    assert command("gnutls", one)[1:] == ["--port", "8443", "--verify-hostname", "web1.example.com", "--sni-hostname",
                                          "web1.example.com", "--", "192.0.2.7"]
    assert command("nss", one, trust="/ca.pem")[1:] == ["-h", "192.0.2.7", "-p", "8443", "-a", "web1.example.com",
                                                        "-d", "sql:/tmp/nssdb"]


@pytest.mark.parametrize("client", [name for name, client in clients.CLIENTS.items() if client.call])
def test_no_name_is_taken_for_an_option(client):
    """Such a name does not come here, and would do no harm if it did: it stands behind an option that takes it."""
    name = "-evil"
    one = endpoint()._replace(host=name, asked=name, server_name=name)
    made = command(client, one, trust="/ca.pem")
    takes = {"-connect", "-verify_hostname", "-servername", "--verify-hostname", "--sni-hostname", "--connect-to",
             "-h", "-a", "--"}
    found = [number for number, word in enumerate(made) if word.startswith(name)]
    assert found and all(made[number - 1] in takes for number in found)


def test_ip_addresses_have_no_sni():
    one = endpoint(host="2001:db8::7")
    assert command("openssl", one)[2:] == ["-connect", "[2001:db8::7]:443", "-quiet", "-verify_return_error",
                                           "-verify_ip", "2001:db8::7", "-noservername"]
    assert "-noservername" not in command("openssl", one, program=OLD)
    assert command("curl", one)[-3:] == ["--connect-to", "[2001:db8::7]:443:[2001:db8::7]:443",
                                         "https://[2001:db8::7]:443/"]
    assert "--disable-sni" in command("gnutls", one) and "-a" not in command("nss", one, trust="/ca.pem")


def test_anchors_that_are_given_count_alone():
    one = endpoint()
    assert command("openssl", one, trust="/ca.pem")[-4:] == ["-CAfile", "/ca.pem", "-no-CApath", "-no-CAstore"]
    assert command("openssl", one, trust="/ca.pem", program=OLD)[-3:] == ["-CAfile", "/ca.pem", "-no-CApath"]
    assert command("curl", one, trust="/ca.pem")[-5:-1] == ["--cacert", "/ca.pem", "--capath", "/tmp/nothing"]
    assert "--cacert" not in command("curl", one)
    assert "--x509cafile" in command("gnutls", one, trust="/ca.pem")


# --- what they say ---

@pytest.mark.parametrize("client, printed, said", [
    ("openssl", "depth=0 CN = a\nverify error:num=20:unable to get local issuer certificate\nx:error:1:y\n",
     "unable to get local issuer certificate"),
    ("openssl", "40E7CD:error:8000006F:system library:BIO_connect:Connection refused:../crypto/bio.c:117:calling\n"
                "connect:errno=111\n", "Connection refused"),
    ("openssl", "140:error:14094410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../ssl/rec.c:1:SSL\n",
     "sslv3 alert handshake failure"),
    ("curl", "curl: (60) SSL certificate problem: certificate has expired\nMore details here: https://…\n",
     "curl: (60) SSL certificate problem: certificate has expired"),
    ("gnutls", "Connecting to '127.0.0.1:9'...Could not connect to 127.0.0.1:9: Connection refused\n",
     "Could not connect to 127.0.0.1:9: Connection refused"),
    ("gnutls", "*** PKI verification of server certificate failed...\n- Status: The certificate is NOT trusted. \n",
     "The certificate is NOT trusted."),
    ("gnutls", "*** Fatal error: The TLS connection was non-properly terminated.\n",
     "Fatal error: The TLS connection was non-properly terminated."),
    ("nss", "tstclnt: authentication of server cert failed: SEC_ERROR_UNKNOWN_ISSUER: x\n",
     "authentication of server cert failed: SEC_ERROR_UNKNOWN_ISSUER: x"),
    ("curl", "something else\nand more\n\n", "and more"),
    ("curl", "", ""),
])
def test_words(client, printed, said):
    assert clients.words(printed, clients.CLIENTS[client].words) == said


def test_words_are_harmless_and_short():
    said = clients.plain("a\x1b[31mb\r\n\tc\u202e\0d " + 500 * "x")
    assert said.startswith("a [31mb c d xxx") and len(said) == clients.SHOWN + 3 and said.endswith("...")


# --- the programs of this machine ---

def look(trust=None, *items, **options):
    return client_info.look(dict(GIVEN, trust=trust, endpoints=list(items), **options))


def at(server, **item):
    return dict({"host": "127.0.0.1", "port": server.port, "server_name": "web1.example.com"}, **item)


def https(*pairs, **options):
    return servers.Server(servers.tls(servers.context(*pairs, **options), servers.http()))


def test_accepted_and_refused_in_one_go(trust):
    with https(WEB, ISSUING) as good, https(WEB) as bad:
        outcome = look(trust, at(good), at(bad), at(good, server_name="a.example.com"),
                       at(good, server_name="127.0.0.1"), require=["installed"])
    found = [{name: one["accepted"] for name, one in result["clients"].items()} for result in outcome["results"]]
    assert found == [dict.fromkeys(("openssl", "python"), accepted) for accepted in (True, False, False, True)]
    assert [result["accepted"] for result in outcome["results"]] == [True, False, False, True]
    assert not outcome["requirements_met"] and outcome["python"] == sys.executable
    lines = outcome["msg"].splitlines()
    assert len(lines) == 4 and lines[0] == "web1.example.com:%d: openssl refuses it: unable to get local issuer " \
                                           "certificate" % bad.port
    assert "a.example.com" in lines[3]


def test_one_that_is_refused_is_no_failure_unless_required(trust):
    with https(WEB) as bad:
        outcome = look(trust, at(bad, name="the new one"), require=["openssl"])
        informs = look(trust, at(bad))
    assert outcome["msg"] == "the new one: openssl refuses it: unable to get local issuer certificate"
    assert informs["requirements_met"] and informs["msg"] == "1 server asked by 2 clients"
    assert informs["results"][0]["violations"] == [] and not informs["results"][0]["accepted"]


def test_curl_takes_what_stands_behind_a_colon_for_a_passphrase():
    one = endpoint()._replace(certificate=("/a:b\\c.pem", "/k:y.pem", None))
    assert command("curl", one)[-5:-1] == ["--cert", "/a\\:b\\\\c.pem", "--key", "/k:y.pem"]


def test_client_certificates(trust, tmp_path):
    (tmp_path / "client.pem").write_text(CLIENT.pem + CLIENT.key_pem())
    settings = servers.context(WEB, ISSUING, client_ca=ROOT)
    with servers.Server(servers.tls(settings, servers.http(times=1))) as server:
        outcome = look(trust, at(server, client_certificate=str(tmp_path / "client.pem")), at(server))
    shown, bare = outcome["results"]
    assert shown["accepted"], shown
    assert [one["accepted"] for one in bare["clients"].values()] == [False, False], bare


def trickle(connection):
    """A talk that never ends, and never lets a second pass without a byte."""
    while True:
        connection.sendall(b"\x16")
        time.sleep(0.2)


@pytest.mark.parametrize("talk", [servers.say(b"HTTP/1.1 400 No\r\n\r\n"), servers.say(b"", 30), servers.reset,
                                  trickle])
def test_bad_servers_are_refused_in_bounded_time(trust, talk):
    begin = time.time()
    with servers.Server(talk) as server:
        result, = look(trust, at(server), timeout=0.5)["results"]
    assert [one["accepted"] for one in result["clients"].values()] == [False, False]
    assert all(one["message"] for one in result["clients"].values()) and time.time() - begin < 15


@pytest.mark.parametrize("begin, accepted", [(b"HTTP/1.0 200 OK\r\n\r\n", True), (b"", False)])
def test_a_flood_is_not_kept(trust, monkeypatch, begin, accepted):
    run, heard, most = host_command.run, [], host_command.SERVERS_BYTES

    def listen(*arguments, **options):
        done = run(*arguments, **options)
        heard.append(len(done[1]) + len(done[2]))
        return done

    def flood(connection):
        servers.head_of(connection)
        connection.sendall(begin)
        while True:
            connection.sendall(b"x" * 65536)

    monkeypatch.setattr(host_command, "run", listen)
    with servers.Server(servers.tls(servers.context(WEB, ISSUING), flood)) as server:
        result, = look(trust, at(server), clients=["openssl"])["results"]
        _code, output, _errors = run(["sh", "-c", "yes"], b"", 5, most=most)
    assert result["accepted"] is accepted and most < len(output) <= 3 * most
    assert max(heard) <= 3 * most and (max(heard) > most) is not accepted


def test_that_nobody_is_asked_is_no_success(trust, monkeypatch):
    """No client at all, or one that can't be tried."""
    monkeypatch.setattr(clients, "which", lambda command: None)
    outcome = look(trust, {"host": "192.0.2.1"}, clients=["curl", "java"], require=["installed"])
    assert not outcome["requirements_met"] and not outcome["results"][0]["accepted"]
    assert outcome["msg"] == "none of the clients is installed on this host that were to be asked: curl, java"
    answers = {"java": clients.ClientAnswer(None, "not tried: it can't"), "curl": clients.ClientAnswer(True, "")}
    told = {tuple(require): client_info._result("web", endpoint(), answers, require) for require in (
        ["java"], ["installed"], ["curl"])}
    assert told["java",]["violations"] == ["java was not tried: it can't"]
    assert told["installed",]["violations"] == told["curl",]["violations"] == [] and told["curl",]["accepted"]
    alone = client_info._result("web", endpoint(), {"java": answers["java"]}, ["installed"])
    assert alone["violations"] == ["java was not tried: it can't"]


def test_a_program_that_dies_answers_no(trust, tmp_path, monkeypatch):
    """A client that prints one line and no more: what it has not said is no acceptance."""
    program = tmp_path / "node"
    program.write_text("#!/bin/sh\n[ \"$1\" = --help ] && exit\n"
                       "echo OK TLSv1.3; echo 'Error: out of memory' >&2; exit 7\n")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    outcome = look(trust, {"host": "192.0.2.1"}, {"host": "192.0.2.2"}, clients=["node"])
    assert [result["clients"]["node"] for result in outcome["results"]] == [
        {"accepted": True, "message": "TLSv1.3"}, {"accepted": False, "message": "Error: out of memory"}]


def broken(path):
    """A program whose interpreter is not there."""
    path.write_text("#!/nosuch/interpreter\n")
    path.chmod(stat.S_IRWXU)


def test_one_that_cannot_be_started_says_nothing_of_a_server(trust, tmp_path, monkeypatch):
    """Of several clients, one is broken: the others are asked all the same. NSS' own is fine, what it needs is not."""
    names = ["curl", "node", "java", "gnutls", "nss"]
    for program in ("curl", "node", "java", "gnutls-cli", "certutil"):
        broken(tmp_path / program)
    (tmp_path / "tstclnt").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with https(WEB, ISSUING) as good:
        outcome = look(trust, at(good), at(good), clients=["python"] + names, require=["installed", "node"])
    programs = {name: clients.CLIENTS[name].command for name in names}
    programs["nss"] = "certutil"
    said = {name: "not tried: %s can't be started: No such file or directory" % (tmp_path / program)
            for name, program in programs.items()}
    for result in outcome["results"]:
        assert result["clients"].pop("python")["accepted"]
        assert result["clients"] == {name: {"accepted": None, "message": said[name]} for name in names}
        assert result["accepted"] and result["violations"] == ["node was " + said["node"]]
    assert outcome["clients"]["node"] == {"path": str(tmp_path / "node"), "version": None}


def test_java_is_told_its_program_once(tmp_path, monkeypatch):
    """With many servers several run at once, and what one reads the next must not write anew."""
    source, java = tmp_path / "TlsClient.java", tmp_path / "java"
    java.write_text("#!/bin/sh\nstat -c %%y%%i %s >> %s/read\n" % (source, tmp_path))
    java.chmod(stat.S_IRWXU)
    monkeypatch.setattr(java_fallback, "runs_source", lambda path: True)
    servers = [endpoint()] * (3 * clients.IN_ONE_PROGRAM)
    clients.ask({"java": clients.Installed(clients.CLIENTS["java"], str(java), None)}, servers,
                terms(scratch=str(tmp_path)))
    read = (tmp_path / "read").read_text().splitlines()
    assert len(read) == 3 and len(set(read)) == 1


def test_without_endpoints_it_tells_the_clients():
    outcome = client_info.look(dict(GIVEN))
    assert outcome["clients"]["python"]["path"] == sys.executable
    assert outcome["results"] == [] and outcome["requirements_met"]
    assert outcome["clients"]["openssl"]["version"].startswith("OpenSSL ")


def test_a_client_that_is_required_and_not_there(monkeypatch):
    monkeypatch.setattr(clients, "which", lambda command: None)
    outcome = client_info.look(dict(GIVEN, require=["curl", "installed"], clients=["curl", "python"]))
    assert outcome["msg"] == "the client curl is required and not installed on this host"
    assert outcome["missing"] == ["curl"] and not outcome["requirements_met"]
    outcome = client_info.look(dict(GIVEN, require=["openssl"], clients=["python"]))
    assert outcome["msg"] == "the client openssl is required and not among 'clients'"
    assert outcome["missing"] == [] and not outcome["requirements_met"]


@pytest.mark.parametrize("given, sentence", [
    ({"endpoints": []}, "'endpoints' is empty: there is no server to ask"),
    ({"host": "a", "timeout": -1.0}, "timeout: -1 is not between 0 and 600 seconds"),
    ({"host": "a b"}, "endpoints[0] (a b): 'a b' is no host name"),
    ({"host": "-x;$(id)"}, "is no host name"),
    ({"host": "127.1"}, "'127.1' is no host name"),
    ({"host": "a", "trust": "/nosuch"}, "the trust in /nosuch can't be used: there is no such file"),
    ({"host": "a", "trust": ""}, "'trust' is empty: name a file, or leave it out for what each client trusts"),
])
def test_refused_options(given, sentence):
    with pytest.raises(Failure) as error:
        client_info.look(dict(GIVEN, **given))
    assert sentence in str(error.value)


def test_a_client_certificate_needs_openssl(monkeypatch):
    def find():
        raise openssl.OpensslMissing("there is none")
    monkeypatch.setattr(openssl, "find", find)
    with pytest.raises(Failure, match="a client certificate is given, and there is no openssl on this host"):
        client_info.look(dict(GIVEN, clients=["python"], endpoints=[{"host": "a", "client_certificate": "/c.pem"}]))


# --- Java without source programs ---

@pytest.mark.parametrize("version, modules, runs", [
    ('openjdk version "17.0.19" 2026-04-21', "jdk.compiler@17.0.19", True),
    ('openjdk version "17.0.19" 2026-04-21', "java.base@17.0.19", False),
    ('openjdk version "1.8.0_462"', "jdk.compiler@8", False),
    ('java version "9.0.4"', "jdk.compiler@9", False),
    ("nonsense", "jdk.compiler@17", False),
])
def test_which_java_runs_source(tmp_path, version, modules, runs):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\ncase $1 in -version) echo '%s' >&2;; *) echo %s;; esac\n" % (version, modules))
    java.chmod(stat.S_IRWXU)
    assert java_fallback.runs_source(str(java)) is runs


FORGED = pki.issue("web1.example.com", pki.Pair(pki.new_key(), ROOT.certificate), dns=["web1.example.com"],
                   purposes=["server"], identifiers=False)


@pytest.mark.parametrize("sent, name, said", [
    ([WEB, ISSUING], "web1.example.com", None), ([WEB, ISSUING, ROOT], "127.0.0.1", None),
    ([WEB, ISSUING], "web2.example.com", "hostname mismatch"), ([WEB, ISSUING], "127.0.0.2", "IP address mismatch"),
    ([WEB], "web1.example.com", "unable to get local issuer certificate"),
    ([FORGED], "web1.example.com", "certificate signature failure"),
    ([pki.At(10 ** 9).server(issuer=ROOT)], "web1.example.com", "certificate has expired"),
    ([pki.server(issuer=ROOT, purposes=["client"])], "web1.example.com", "purpose"),
    ([pki.server(issuer=pki.issue("no CA", ROOT)), pki.issue("no CA", ROOT)], "web1.example.com", ""),
])
def test_chains_by_javas_store(tmp_path, sent, name, said):
    accepted, words = java_fallback.judge([pair.der for pair in sent], ROOT.pem.encode(), endpoint(host=name),
                                          terms(program=openssl.find(), scratch=str(tmp_path)))
    assert accepted is (said is None) and words.endswith(java_fallback.ASIDE + (")" if said is not None else ""))
    assert (said or "").lower() in words.lower()


def test_a_java_without_keytool(tmp_path):
    (tmp_path / "bin").mkdir()
    (accepted, said), = java_fallback.ask(str(tmp_path / "bin" / "java"), [endpoint()], terms())
    assert accepted is None and said == "not tried: there is no %s/bin/keytool to list Java's store with" % tmp_path
    (accepted, said), = java_fallback.ask("/usr/bin/java", [endpoint()], terms(program=None))
    assert accepted is None and said.startswith("not tried: ")


def test_secrets_in_javas_environment_are_not_its_version(tmp_path):
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'Picked up JAVA_TOOL_OPTIONS: -Dpassword=s3cret' >&2\necho 'java 17' >&2\n")
    java.chmod(stat.S_IRWXU)
    assert clients._version(clients.CLIENTS["java"], str(java)) == "java 17"
