# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on endpoints: trusted or not and why, the chain as it was sent."""
import os
import socket
import subprocess
import sys
import time

import pki
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from endpoint_looks import ISSUING, ROOT, WEB, https, look


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
