# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints as the module looks at them: real servers of this process, handshakes, verdicts, wishes."""
import json
import os
import socket
import subprocess
import sys
import time

import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _endpoints as endpoints
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _handshake as handshake
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _verification as verification

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
import tls_servers as servers

ROOT = pki.root("Corp Root CA")
ISSUING = pki.root("Corp Issuing CA 1", issuer=ROOT)
WEB = pki.server("web1.example.com", ISSUING, ips=["127.0.0.1"], days=(-1, 364.5))
CLIENT = pki.issue("client", ROOT, purposes=["client"])
DEFAULTS = {"endpoints": None, "host": None, "port": None, "server_name": None, "timeout": 2.0, "resumption": False,
            "http": False, "keep_alive": False, "path": "/", "versions": False, "min_remaining": None,
            "min_protocol": None, "require": []}


@pytest.fixture
def trust(tmp_path):
    (tmp_path / "root.pem").write_text(ROOT.pem)
    return str(tmp_path / "root.pem")


def https(*pairs, **options):
    """A server that answers over and over."""
    return servers.Server(servers.tls(servers.context(*pairs, **options), servers.http()))


def look(server, trust, name="web1.example.com", item=None, **options):
    """The result of one endpoint."""
    port = server if isinstance(server, int) else server.port
    given = dict(DEFAULTS, trust=trust, **options)
    given["endpoints"] = [dict({"host": "127.0.0.1", "port": port, "server_name": name}, **(item or {}))]
    outcome = endpoints.look(given)
    result, = outcome["results"]
    assert outcome["met"] is not bool(result["unmet"])
    json.dumps(outcome)  # plain values alone
    return result


def refused(**options):
    with pytest.raises(verification.Unable) as error:
        endpoints.look(dict(DEFAULTS, **options))
    return str(error.value)


# --- a good server ---

def test_all_that_is_known_of_a_good_server(trust):
    with https(WEB, ISSUING, version=0x304, alpn=["http/1.1"]) as server:
        result = look(server, trust, item={"alpn": ["h2", "http/1.1"]}, resumption=True, http=True, keep_alive=True,
                      versions=True)
        assert all(0 < took < 2000 for took in result.pop("milliseconds").values())
        assert [link["subject"] for link in result["chain"]] == ["CN=web1.example.com", "CN=Corp Issuing CA 1"]
        assert result["chain"][0]["fingerprint_sha256"] == WEB.fingerprint
        assert result["chain"][0]["dns_names"] == ["web1.example.com"]
        assert result["key_exchange"].startswith("X25519")
        expected = {
            "name": "127.0.0.1:%d" % server.port, "host": "127.0.0.1", "port": server.port,
            "server_name": "web1.example.com", "reachable": True, "address": "127.0.0.1", "finding": None,
            "protocol": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "cipher_algorithm": "AES-256-GCM",
            "key_bits": 256, "forward_secrecy": True, "alpn": "http/1.1", "ocsp_staple": False,
            "client_certificate_requested": False, "http": {"status": 200, "finding": None}, "keep_alive": True,
            "resumption": {"offered": "ticket", "resumed": True, "tls13_ticket": True, "tls12_ticket": None,
                           "tls12_session_id": None},
            "versions": {"TLSv1.0": False, "TLSv1.1": False, "TLSv1.2": False, "TLSv1.3": True},
            "chain_findings": [], "complete_chain": True, "ordered_chain": True, "trusted": True, "reasons": [],
            "warnings": [], "unmet": [], "remaining_days": 364,
        }
        assert {key: result[key] for key in expected} == expected
        assert set(result) == set(expected) | {"chain", "key_exchange", "signature_algorithm"}


def test_what_is_not_asked_for_is_not_done(trust):
    with https(WEB, ISSUING) as server:
        result = look(server, trust)
        assert server.count == 2  # Python's connection and s_client's
    assert [result[key] for key in ("resumption", "keep_alive", "versions", "http")] == [None] * 4
    assert result["milliseconds"]["first_byte"] is None and result["trusted"]


def test_the_top_level_endpoint(trust):
    with https(WEB, ISSUING) as server:
        outcome = endpoints.look(dict(DEFAULTS, trust=trust, host="127.0.0.1", port=server.port))
    result, = outcome["results"]
    assert result["server_name"] == "127.0.0.1" and result["trusted"]
    assert outcome["msg"] == "1 endpoint looked at" and outcome["trust"]["anchors"] == 1


def test_sni_is_sent_for_names_alone(trust):
    seen, settings = [], servers.context(WEB, ISSUING)
    settings.set_servername_callback(lambda _connection, name, _settings: seen.append(name))
    with servers.Server(servers.tls(settings, servers.http())) as server:
        look(server, trust)
        assert seen == ["web1.example.com"] * 2
        look(server, trust, name="127.0.0.1")
        assert seen[2:] == [None, None]


def test_connecting_elsewhere(trust):
    with https(WEB, ISSUING) as server:
        result = look(server, trust, item={"host": "web1.example.com", "server_name": None, "address": "127.0.0.1"})
    assert result["trusted"] and result["name"] == "web1.example.com:%d" % server.port


# --- verdicts ---

@pytest.mark.parametrize("pairs, name, reason", [
    ([WEB], "web1.example.com", "the server does not send CN=Corp Issuing CA 1; browsers may hide this"),
    ([WEB, ISSUING], "a.example.com", "asked for a.example.com, the certificate is for web1.example.com, 127.0.0.1"),
    ([WEB, ISSUING], "192.0.2.7", "asked for 192.0.2.7, the certificate is for web1.example.com, 127.0.0.1"),
    ([pki.server(issuer=ROOT, days=(-9, -3))], "web1.example.com", "expired 3 days ago ("),
    ([pki.server(issuer=ROOT, purposes=["client"])], "web1.example.com",
     "is not for servers: its extended key usage is clientAuth, without serverAuth"),
    ([pki.server()], "web1.example.com", "is self-signed and not among the anchors in"),
])
def test_verdicts(trust, pairs, name, reason):
    with https(*pairs) as server:
        result = look(server, trust, name)
    assert result["trusted"] is False and len(result["reasons"]) == 1
    assert result["reasons"][0].startswith(reason), result["reasons"]
    assert result["unmet"] == [] and result["finding"] is None  # it only informs


def test_unknown_roots(trust):
    stranger = pki.root("Strange Root")
    issuing = pki.root("Strange Issuing CA", issuer=stranger)
    for pairs, reason in [
            ([issuing], "CN=Strange Issuing CA, sent in the chain, was issued by CN=Strange Root, which is not among "
                        "the anchors in %s" % trust),
            ([issuing, stranger], "the root it chains to, CN=Strange Root, sent in the chain, is not an anchor of %s"
                                  % trust)]:
        with https(pki.server(issuer=issuing), *pairs) as server:
            result = look(server, trust)
        assert result["reasons"] == [reason]
        assert result["complete_chain"] is (True if len(pairs) == 2 else None)
    namesake = pki.root("Corp Root CA")
    with https(pki.server(issuer=namesake)) as server:
        reasons = look(server, trust)["reasons"]
    assert "issuer CN=Corp Root CA is not among the anchors" in reasons[0]
    assert "the anchor of that name has another key" in reasons[0] and "no chain came with it" not in reasons[0]


def test_purposes(trust):
    with https(pki.server(issuer=ROOT, purposes=["client"])) as server:
        assert look(server, trust, item={"purpose": "client"})["trusted"]


def test_chains_as_they_are_sent(trust):
    with https(WEB, ROOT, ISSUING) as server:
        result = look(server, trust)
    assert [link["subject"] for link in result["chain"]] == [
        "CN=web1.example.com", "CN=Corp Root CA", "CN=Corp Issuing CA 1"]
    assert result["trusted"] and result["complete_chain"] and not result["ordered_chain"]
    assert len(result["chain_findings"]) == 2


def test_a_staple(trust, tmp_path):
    """openssl ocsp makes the answer, openssl s_server staples it."""
    for name, pair in [("root", ROOT), ("issuing", ISSUING), ("web", WEB)]:
        (tmp_path / (name + ".pem")).write_text(pair.key_pem() + pair.pem)
    (tmp_path / "index").write_text(u"V\t371231000000Z\t\t%X\tunknown\t/CN=web1\n" % WEB.certificate.serial_number)
    run = {"cwd": str(tmp_path), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.check_call("openssl ocsp -index index -CA issuing.pem -issuer issuing.pem -rsigner issuing.pem -rkey "
                          "issuing.pem -cert web.pem -ndays 1 -respout staple.der".split(), **run)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(("openssl s_server -accept %d -cert web.pem -cert_chain issuing.pem -status_file "
                               "staple.der -www" % port).split(), **run)
    try:
        for _number in range(100):
            if socket.socket().connect_ex(("127.0.0.1", port)) == 0:
                break
            time.sleep(0.05)
        result = look(port, trust, require=["ocsp_staple", "trusted"], http=True)
    finally:
        server.kill()
        server.wait()
    assert result["ocsp_staple"] is True and result["unmet"] == [] and len(result["chain"]) == 2
    assert result["http"]["status"] == 200


# --- what goes wrong ---

@pytest.mark.parametrize("talk, reachable, sentence", [
    (servers.say(b"", 3), True, "the server accepts the connection and says nothing"),
    (servers.hear_then(b""), True, "the server closes the connection after the ClientHello"),
    (servers.reset, True, "the server resets the connection after the ClientHello"),
    (servers.hear_then(b"HTTP/1.1 400 Bad Request\r\n\r\n"), True, "does not speak TLS there but plain HTTP"),
    (None, False, "127.0.0.1 refuses connections to port"),
])
def test_unusable_endpoints(trust, talk, reachable, sentence):
    begin = time.time()
    with servers.Server(talk) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nothing listens
        result = look(server if talk else taken.getsockname()[1], trust, timeout=0.4, require=["trusted"],
                      min_remaining="1d", versions=True)
    assert result["reachable"] is reachable and sentence in result["finding"], result["finding"]
    assert result["unmet"] == [result["finding"]]
    assert result["trusted"] is None and result["chain"] == [] and result["versions"] is None
    assert time.time() - begin < 3


def test_one_bad_endpoint_does_not_hide_the_others(trust):
    with https(WEB, ISSUING) as good, servers.Server(servers.reset) as bad:
        items = [{"host": "127.0.0.1", "port": server.port, "server_name": "web1.example.com"}
                 for server in [bad, good] * 6]
        outcome = endpoints.look(dict(DEFAULTS, trust=trust, endpoints=items, require=["trusted"]))
    assert [result["trusted"] for result in outcome["results"]] == [None, True] * 6
    assert not outcome["met"] and len(outcome["msg"].splitlines()) == 6
    assert outcome["msg"].startswith("127.0.0.1:%d: the server resets the connection" % bad.port)


def test_slow_endpoints_wait_side_by_side(trust):
    with servers.Server(servers.say(b"", 5)) as server:
        begin = time.time()
        items = [{"host": "127.0.0.1", "port": server.port}] * 8
        outcome = endpoints.look(dict(DEFAULTS, trust=trust, endpoints=items, timeout=0.5))
    assert time.time() - begin < 2 and outcome["met"]


def test_a_server_that_dies_after_the_first_connection(trust):
    """What is known stays known, the rest is unknown, and nothing breaks."""
    good = servers.tls(servers.context(WEB, ISSUING), servers.http())
    seen = []

    def talk(connection):
        seen.append(1)
        if len(seen) == 1:
            good(connection)
    with servers.Server(talk) as server:
        result = look(server, trust, resumption=True, versions=True, http=True, require=["trusted", "resumption"],
                      min_remaining="1d")
    assert result["finding"] is None and result["protocol"] == "TLSv1.3" and result["http"]["status"] == 200
    assert result["chain"] == [] and result["trusted"] is None and result["ocsp_staple"] is None
    assert result["resumption"]["resumed"] is False
    assert any("openssl s_client did not get the chain" in warning for warning in result["warnings"])
    assert result["unmet"] == [
        "it is not known whether this host trusts it",
        "the server does not resume the session that it offered to resume (by ticket)",
        "how long the chain is valid is not known"]


def test_what_the_first_refusal_told_is_kept(trust):
    refuses, seen = servers.tls(servers.context(WEB, version=0x303, client_ca=ROOT), servers.http()), []

    def talk(connection):
        seen.append(1)
        if len(seen) == 1:
            refuses(connection)
    with servers.Server(talk) as server:
        result = look(server, trust)
    assert "it wants a client certificate" in result["finding"] and len(seen) == 3
    assert result["protocol"] == "TLSv1.2" and result["client_certificate_requested"] is True


# --- resumption, versions, keep-alive ---

@pytest.mark.parametrize("number, tickets, offered, resumed, ticket, session_id", [
    (0x303, True, "ticket", True, True, True),
    (0x303, False, "session ID", True, False, True),
])
def test_resumption_with_tls12(trust, number, tickets, offered, resumed, ticket, session_id):
    with https(WEB, ISSUING, version=number, tickets=tickets) as server:
        result = look(server, trust, require=["resumption"])
    assert result["resumption"] == {"offered": offered, "resumed": resumed, "tls13_ticket": None,
                                    "tls12_ticket": ticket, "tls12_session_id": session_id}
    assert result["milliseconds"]["resumed_handshake"] > 0 and result["unmet"] == []


@pytest.mark.parametrize("number, offered", [(0x303, "ticket"), (0x304, "ticket")])
def test_tickets_that_are_not_taken(trust, number, offered):
    """Each connection meets a server with keys of its own, as behind a careless load balancer."""
    def talk(connection):
        servers.tls(servers.context(WEB, ISSUING, version=number), servers.http())(connection)
    with servers.Server(talk) as server:
        result = look(server, trust, resumption=True)
    assert result["resumption"]["offered"] == offered and result["resumption"]["resumed"] is False
    assert result["milliseconds"]["resumed_handshake"] is None


def test_versions_and_the_lowest_that_is_wished(trust):
    with https(WEB, ISSUING) as server:  # whatever its OpenSSL accepts
        result = look(server, trust, min_protocol="TLSv1.3")
    assert result["versions"]["TLSv1.2"] is True and result["versions"]["TLSv1.3"] is True
    assert "TLSv1.2, lower than min_protocol=TLSv1.3 allows" in result["unmet"][0]


@pytest.mark.parametrize("number, name", [(0x301, "TLSv1.0"), (0x302, "TLSv1.1")])
def test_old_servers_are_looked_at_all_the_same(trust, number, name):
    with https(WEB, ISSUING, version=number) as server:
        result = look(server, trust, versions=True, min_protocol="TLSv1.2", require=["trusted"])
    assert result["finding"] is None and result["protocol"] == name and result["trusted"]
    assert result["versions"] == {version: version == name for version in handshake.VERSIONS}
    assert result["unmet"] == ["the server accepts %s, lower than min_protocol=TLSv1.2 allows" % name]
    if sys.version_info >= (3, 10):
        assert "this host's clients refuse it as they are set" in result["warnings"][0]


def test_versions_that_this_host_cannot_try(trust, monkeypatch):
    made = handshake.context

    def without(version=None, **options):
        if version == "TLSv1.0":
            raise handshake.Refused("this host's Python can't: it does not know TLSv1.0")
        return made(version=version, **options)
    monkeypatch.setattr(handshake, "context", without)
    with https(WEB, ISSUING, version=0x303) as server:
        result = look(server, trust, versions=True, min_protocol="TLSv1.2")
    assert result["versions"]["TLSv1.0"] is None and result["versions"]["TLSv1.2"] is True
    assert "this host's OpenSSL can't try TLSv1.0" in result["warnings"][0]
    assert result["unmet"] == []


def test_no_keep_alive(trust):
    closing = servers.http(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 1)
    with servers.Server(servers.tls(servers.context(WEB, ISSUING), closing)) as server:
        result = look(server, trust, http=True, require=["keep_alive"])
        assert result["unmet"] == [
            "connections are not kept alive: the server answers with 'Connection: close' (status 200)"]
        assert look(server, trust, http=True)["http"] == {"status": 200, "finding": None}
        result = look(server, trust, require=["keep_alive"])
    assert result["unmet"] == ["connections are not kept alive: the server was not asked for HTTP"]


def test_http2_is_greeted_and_keep_alive_asked_for_in_http11(trust):
    seen, http = [], servers.http()

    def talk(secured):
        if secured.selected_alpn_protocol() != "h2":
            http(secured)
            return
        seen.append(secured.recv(100))
        secured.sendall(b"\0\0\0\4\0\0\0\0\0")
    settings = servers.context(WEB, ISSUING, alpn=["h2", "http/1.1"])
    with servers.Server(servers.tls(settings, talk)) as server:
        result = look(server, trust, item={"alpn": ["h2", "http/1.1"]}, http=True, require=["keep_alive"])
    assert result["alpn"] == "h2" and result["keep_alive"] is True and result["unmet"] == []
    assert result["milliseconds"]["first_byte"] > 0 and seen[0].startswith(b"PRI * HTTP/2.0\r\n")
    assert len(http.requests) == 2


# --- mutual TLS, proxies, STARTTLS ---

def client(tmp_path, passphrase=None):
    (tmp_path / "client.pem").write_text(CLIENT.pem + ISSUING.pem)
    (tmp_path / "client.key").write_text(CLIENT.key_pem(passphrase))
    found = {"client_certificate": str(tmp_path / "client.pem"), "client_key": str(tmp_path / "client.key")}
    return dict(found, client_key_passphrase=passphrase) if passphrase else found


@pytest.mark.parametrize("number", [0x303, 0x304])
def test_mutual_tls(trust, tmp_path, number):
    with https(WEB, ISSUING, version=number, client_ca=ROOT) as server:
        result = look(server, trust, item=client(tmp_path, "secret"), http=True, require=["keep_alive", "resumption"])
        assert result["finding"] is None and result["trusted"] and result["client_certificate_requested"] is True
        result = look(server, trust, http=True, resumption=True)
        assert "it wants a client certificate that it trusts" in result["finding"]
        # What the server showed before it refused is told all the same.
        assert result["trusted"] and result["client_certificate_requested"] is True and result["resumption"] is None
        assert result["protocol"] == ("TLSv1.2" if number == 0x303 else "TLSv1.3")
        assert "it wants a client certificate" in look(server, trust)["finding"]


def test_client_certificates_that_cannot_be_used(trust, tmp_path):
    item = client(tmp_path, "secret")
    for change, sentence in [
            ({"client_key_passphrase": "wrong"}, "can't be decrypted: client_key_passphrase is wrong"),
            ({"client_key_passphrase": None}, "it is encrypted and no client_key_passphrase is given"),
            ({"client_certificate": str(tmp_path / "nosuch")}, "nosuch can't be used: there is no such file"),
            ({"client_key": None}, "client.pem can't be used: there is no private key in it"),
            ({"client_certificate": trust}, "belongs to another certificate than %s" % trust),
            ({"client_certificate": None}, "client_key is given without client_certificate")]:
        said = refused(trust=trust, endpoints=[dict(dict(item, **change), host="web1")])
        assert said.startswith("endpoints[0] (web1): ") and sentence in said, said
        assert "secret" not in said
    (tmp_path / "der").write_bytes(CLIENT.der)
    (tmp_path / "client.key").write_text(CLIENT.key_pem())
    assert "both must be PEM" in refused(trust=trust, endpoints=[{
        "host": "web1", "client_certificate": str(tmp_path / "der"), "client_key": str(tmp_path / "client.key")}])


def test_through_a_proxy(trust):
    with https(WEB, ISSUING) as server, servers.Server(servers.proxy) as proxy:
        item = {"host": "web1.example.com", "address": "127.0.0.1", "proxy": "http://127.0.0.1:%d" % proxy.port}
        result = look(server, trust, item=item, http=True, require=["trusted", "keep_alive", "resumption"])
        assert result["unmet"] == [] and result["reachable"]
        assert proxy.count == server.count > 2
    with servers.Server(servers.hear_then(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
        result = look(1, trust, item={"proxy": "http://127.0.0.1:%d" % proxy.port})
    assert "it answers 'HTTP/1.1 407 Proxy Authentication Required'" in result["finding"]
    assert result["reachable"] is False


def smtp(settings):
    """A talk of a mail server that begins TLS and knows QUIT."""
    def quit_alone(secured):
        if secured.recv(100) == b"QUIT\r\n":
            secured.sendall(b"221 bye\r\n")

    def talk(connection):
        connection.sendall(b"220 mx\r\n")
        connection.recv(100)
        connection.sendall(b"250-mx\r\n250 STARTTLS\r\n")
        connection.recv(100)
        connection.sendall(b"220 go\r\n")
        servers.tls(settings, quit_alone)(connection)
    return talk


def test_starttls_with_and_without_a_proxy(trust):
    with servers.Server(smtp(servers.context(WEB, ISSUING))) as server, servers.Server(servers.proxy) as proxy:
        for more in [{}, {"proxy": "http://127.0.0.1:%d" % proxy.port}]:
            result = look(server, trust, item=dict(more, starttls="smtp"), http=True, versions=True,
                          require=["trusted", "resumption"])
            assert result["unmet"] == [] and result["versions"]["TLSv1.2"] and result["http"] is None
            assert result["milliseconds"]["first_byte"] > 0
        assert proxy.count > 5
        assert "is 'starttls: smtp' meant?" in look(server, trust)["finding"]


def test_no_http_is_spoken_behind_starttls(trust):
    heard = []

    def talk(connection):
        connection.recv(8)
        connection.sendall(b"S")
        servers.tls(servers.context(WEB, ISSUING), lambda secured: heard.append(secured.recv(100)))(connection)
    with servers.Server(talk) as server:
        result = look(server, trust, item={"starttls": "postgres"}, http=True, require=["trusted", "keep_alive"])
    assert result["unmet"] == ["connections are not kept alive: the server was not asked for HTTP"]
    assert set(heard) == {b""} and result["milliseconds"]["first_byte"] is None


# --- wishes and options ---

def test_min_remaining(trust):
    with https(pki.server(issuer=ISSUING, days=(-1, 20.5)), ISSUING) as server:
        assert look(server, trust, min_remaining="19d")["unmet"] == []
        unmet = look(server, trust, min_remaining="30d")["unmet"]
        assert len(unmet) == 1 and unmet[0].startswith("expires in 20 days (")
        assert len(look(server, trust, min_remaining="500d")["unmet"]) == 3
    with https(pki.server(issuer=ROOT, days=(-9, -3))) as server:
        unmet = look(server, trust, min_remaining="0")["unmet"]
    assert len(unmet) == 1 and unmet[0].startswith("CN=web1.example.com expired 3 days ago")


@pytest.mark.parametrize("options, sentence", [
    ({"endpoints": []}, "'endpoints' is empty: there is nothing to look at"),
    ({"host": "a b"}, "endpoints[0] (a b): 'a b' is no host name"),
    ({"host": "x", "server_name": "a..b"}, "is no host name"),
    ({"host": "x", "port": 0}, "0 is no port"),
    ({"host": "x", "port": 65536}, "65536 is no port"),
    ({"endpoints": [{"host": "x"}, {"host": "y", "address": "/"}]}, "endpoints[1] (y): '/' is no host name"),
    ({"endpoints": [{"host": "x", "proxy": "proxy:3128"}]}, "'proxy:3128' is no proxy that can be used"),
    ({"endpoints": [{"host": "x", "alpn": [""]}]}, "alpn: [''] has a name that can't be one"),
    ({"endpoints": [{"host": "x", "alpn": ["h2,http/1.1"]}]}, "has a name that can't be one"),
    ({"host": "x", "timeout": 0.0}, "timeout: 0 is not between 0 and 600 seconds"),
    ({"host": "x", "timeout": 601.0}, "timeout: 601 is not"),
    ({"host": "x", "path": "health"}, "path: 'health' is not the path of a URL"),
    ({"host": "x", "min_remaining": "soon"}, "min_remaining: 'soon' is no span of time"),
])
def test_options_that_cannot_be_meant(trust, options, sentence):
    assert sentence in refused(trust=trust, **options)


def test_trust_that_cannot_be_used(tmp_path):
    assert "there is no such file" in refused(trust=str(tmp_path / "nosuch"), host="web1")
