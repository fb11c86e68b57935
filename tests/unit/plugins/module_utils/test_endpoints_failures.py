# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that can't be used, or break in the middle: a finding each, in bounded time."""
import os
import socket
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
import tls_servers as servers
from endpoint_looks import ISSUING, ROOT, WEB, look


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
