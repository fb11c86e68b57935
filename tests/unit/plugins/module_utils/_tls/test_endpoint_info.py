# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints as the module looks at them: what a result holds, several at once, options."""
import socket
import time

import pki
import pytest
import tls_servers as servers
from endpoint_looks import DEFAULTS, ISSUING, ROOT, WEB, https, look, refused

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint_info
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

DAY = 86400


def test_all_that_is_known_of_a_good_server(trust):
    with https(WEB, ISSUING, version=0x304, alpn=["http/1.1"]) as server:
        result = look(server, trust, item={"alpn": ["h2", "http/1.1"]}, resumption=True, http=True, keep_alive=True,
                      versions=True, now=x509.parse(WEB.der).not_after - 7 * DAY - 1)
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
            "ocsp_finding": None,
            "client_certificate_requested": False, "http": {"status": 200, "finding": None}, "keep_alive": True,
            "resumption": {"offered": "ticket", "resumed": True, "tls13_ticket": True, "tls12_ticket": None,
                           "tls12_session_id": None},
            "versions": {"TLSv1.0": False, "TLSv1.1": False, "TLSv1.2": False, "TLSv1.3": True},
            "chain_findings": [], "complete_chain": True, "ordered_chain": True, "trusted": True, "reasons": [],
            "warnings": [], "violations": [], "remaining_days": 7,
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
        outcome = endpoint_info.look(dict(DEFAULTS, trust=trust, host="127.0.0.1", port=server.port))
    result, = outcome["results"]
    assert result["server_name"] == "127.0.0.1" and result["trusted"]
    assert outcome["msg"] == "1 endpoint looked at" and outcome["trust"]["anchors"] == 1


def test_where_nothing_listens_the_message_says_so(trust):
    """Also where nothing was asked for that could fail."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        outcome = endpoint_info.look(dict(DEFAULTS, trust=trust, host="127.0.0.1", port=port))
    assert outcome["requirements_met"] and outcome["msg"].splitlines() == [
        "1 endpoint looked at",
        "127.0.0.1:%d: 127.0.0.1 refuses connections to port %d: nothing listens there" % (port, port)]


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


def test_one_bad_endpoint_does_not_hide_the_others(trust):
    with https(WEB, ISSUING) as good, servers.Server(servers.reset) as bad:
        items = [{"host": "127.0.0.1", "port": server.port, "server_name": "web1.example.com"}
                 for server in [bad, good] * 6]
        outcome = endpoint_info.look(dict(DEFAULTS, trust=trust, endpoints=items, require=["trusted"]))
    assert [result["trusted"] for result in outcome["results"]] == [None, True] * 6
    assert not outcome["requirements_met"] and len(outcome["msg"].splitlines()) == 6
    assert outcome["msg"].startswith("127.0.0.1:%d: the server resets the connection" % bad.port)


def test_slow_endpoints_wait_side_by_side(trust):
    with servers.Server(servers.say(b"", 5)) as server:
        begin = time.time()
        items = [{"host": "127.0.0.1", "port": server.port}] * 8
        outcome = endpoint_info.look(dict(DEFAULTS, trust=trust, endpoints=items, timeout=0.5))
    assert time.time() - begin < 2 and outcome["requirements_met"]


def test_min_remaining(trust):
    with https(pki.server(issuer=ISSUING, days=(-1, 20.5)), ISSUING) as server:
        assert look(server, trust, min_remaining="19d")["violations"] == []
        violations = look(server, trust, min_remaining="30d")["violations"]
        assert len(violations) == 1 and violations[0].startswith("expires in 20 days (")
        assert len(look(server, trust, min_remaining="500d")["violations"]) == 3
    with https(pki.server(issuer=ROOT, days=(-9, -3))) as server:
        violations = look(server, trust, min_remaining="0")["violations"]
    assert len(violations) == 1 and violations[0].startswith("CN=web1.example.com expired 3 days ago")


@pytest.mark.parametrize("options, sentence", [
    ({"endpoints": []}, "'endpoints' is empty: there is nothing to look at"),
    ({"host": "a b"}, "endpoints[0] (a b): 'a b' is no host name"),
    ({"host": "x", "server_name": "a..b"}, "is no host name"),
    ({"host": "-x"}, "endpoints[0] (-x): '-x' is not a host name: it begins with a hyphen"),
    ({"host": u"\uff0dx"}, "is not a host name: it begins with a hyphen"),
    ({"host": "x", "server_name": "--help"}, "is not a host name: it begins with a hyphen"),
    ({"endpoints": [{"host": "x", "address": "-x.example"}]}, "is not a host name: it begins with a hyphen"),
    ({"endpoints": [{"host": "x", "proxy": "http://-x:3128"}]}, "is no proxy that can be used"),
    ({"host": "x", "port": 0}, "0 is no port"),
    ({"host": "x", "port": 65536}, "65536 is no port"),
    ({"endpoints": [{"host": "x"}, {"host": "y", "address": "/"}]}, "endpoints[1] (y): '/' is no host name"),
    ({"endpoints": [{"host": "x", "proxy": "proxy:3128"}]}, "'proxy:3128' is no proxy that can be used"),
    ({"endpoints": [{"host": "x", "alpn": [""]}]}, "alpn: [''] has a name that can't be one"),
    ({"endpoints": [{"host": "x", "alpn": ["h2,http/1.1"]}]}, "has a name that can't be one"),
    ({"host": "x", "timeout": 0.0}, "timeout: 0 is not between 0 and 600 seconds"),
    ({"host": "x", "timeout": 601.0}, "timeout: 601 is not"),
    ({"host": "x", "http_path": "health"}, "http_path: 'health' is not the path of a URL"),
    ({"host": "x", "min_remaining": "soon"}, "min_remaining: 'soon' is no span of time"),
])
def test_options_that_cannot_be_meant(trust, options, sentence):
    assert sentence in refused(trust=trust, **options)


def test_trust_that_cannot_be_used(tmp_path):
    assert "there is no such file" in refused(trust=str(tmp_path / "nosuch"), host="web1")
