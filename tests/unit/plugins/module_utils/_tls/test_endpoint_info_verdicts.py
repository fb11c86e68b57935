# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on endpoints: trusted or not and why, the chain as it was sent."""
import socket
import subprocess
import time

import pki
import pytest
import tls_servers as servers
from endpoint_looks import ISSUING, ROOT, WEB, https, look


@pytest.mark.parametrize("pairs, name, reason", [
    ([WEB], "web1.example.com", "the server does not send CN=Corp Issuing CA 1; browsers may hide this"),
    ([WEB, ISSUING], "a.example.com", "asked for a.example.com, the certificate is for web1.example.com, 127.0.0.1"),
    ([WEB, ISSUING], "192.0.2.7", "asked for 192.0.2.7, the certificate is for web1.example.com, 127.0.0.1"),
    (lambda: [pki.server(issuer=ROOT, days=(-9, -3))], "web1.example.com", "expired 3 days ago ("),
    ([pki.server(issuer=ROOT, purposes=["client"])], "web1.example.com",
     "is not for servers: its extended key usage is clientAuth, without serverAuth"),
    ([pki.server()], "web1.example.com", "is self-signed and not among the anchors in"),
])
def test_verdicts(trust, pairs, name, reason):
    with https(*(pairs() if callable(pairs) else pairs)) as server:
        result = look(server, trust, name)
    assert result["trusted"] is False and len(result["reasons"]) == 1
    assert result["reasons"][0].startswith(reason), result["reasons"]
    assert result["violations"] == [] and result["finding"] is None  # it only informs


@pytest.mark.parametrize("certificate, name, said", [
    (["*.example.com"], "WEB1.Example.com.", None),
    (["WEB1.example.COM"], "web1.example.com", None),
    (["*.example.com"], "a.b.example.com", "asked for a.b.example.com, the certificate is for *.example.com"),
    (["*.example.com"], "example.com", "asked for example.com, the certificate is for *.example.com"),
    (["w*.example.com", "*"], "web1.example.com", "the certificate is for w*.example.com, *"),
    ([], "web1.example.com", "the certificate has no subject alternative names; CN=web1.example.com is not looked at"),
])
def test_names(trust, certificate, name, said):
    with https(pki.server(issuer=ROOT, dns=certificate)) as server:
        result = look(server, trust, name)
    assert result["trusted"] is (said is None)
    assert len(result["reasons"]) == bool(said) and (said or "") in "".join(result["reasons"])


def test_a_certificate_by_the_name_that_is_asked_for(trust):
    other, settings = servers.context(pki.server("other.example.com")), servers.context(WEB, ISSUING)

    def choose(connection, name, _settings):
        if name != "web1.example.com":
            connection.context = other
    settings.set_servername_callback(choose)
    with servers.Server(servers.tls(settings, servers.http())) as server:
        assert look(server, trust)["trusted"]
        assert "is for other.example.com" in "".join(look(server, trust, "web2.example.com")["reasons"])
        assert "is for other.example.com" in "".join(look(server, trust, "127.0.0.1")["reasons"])


def test_a_name_that_looks_like_pem_hides_no_certificate(trust):
    """Or the verdict would be on another's certificate, which everybody can send along."""
    with https(pki.server("-----BEGIN CERTIFICATE-----", dns=["web1.example.com"]), WEB, ISSUING) as server:
        result = look(server, trust, require=["trusted"])
    assert len(result["chain"]) == 3 and result["trusted"] is False
    assert result["violations"] == ["is self-signed and not among the anchors in %s" % trust]


def test_two_certificates_at_one_address_are_not_judged(trust):
    """The verdict must be on the certificate of the handshake, not on what another connection was shown."""
    talks = [servers.tls(servers.context(pki.server()), servers.http()),
             servers.tls(servers.context(WEB, ISSUING), servers.http())]

    def talk(connection):
        talks.pop(0)(connection)
    with servers.Server(talk) as server:
        result = look(server, trust, require=["trusted"])
    assert result["chain"] == [] and result["trusted"] is None
    assert result["violations"] == ["it is not known whether this host trusts it"]
    assert "two connections were shown two certificates" in result["warnings"][0]


def test_long_chains(trust):
    chain = [ROOT]
    for number in range(50):
        chain.insert(0, pki.root("CA %d" % number, issuer=chain[0]))
    with https(pki.server(issuer=chain[0]), *chain[:-1]) as server:
        result = look(server, trust, require=["trusted", "complete_chain", "ordered_chain"])
        assert len(result["chain"]) == 51 and result["violations"] == []
    with https(pki.server(issuer=chain[0]), *(chain[:-1] * 6)) as server:
        assert "can't shake hands with the server: excessive message size" in look(server, trust)["finding"]


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
    assert result["ocsp_staple"] is True and result["violations"] == [] and len(result["chain"]) == 2
    assert result["http"]["status"] == 200
