# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What s_client of three generations prints, and its command line."""
import socket
import time

import pki
import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import s_client
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl

ISSUING = pki.root("Corp Issuing CA 1")
WEB = pki.server(issuer=ISSUING)
RESPONDER = pki.server("ocsp.example.com")
PRINTED = """CONNECTED(00000003)
OCSP response:%s
---
Certificate chain
 0 s:CN = web1.example.com
   i:CN = Corp Issuing CA 1
%s 1 s:CN = Corp Issuing CA 1
   i:CN = Corp Issuing CA 1
%s---
Server certificate
subject=CN = web1.example.com

---
No client certificate CA names sent
%s---
SSL handshake has read 1321 bytes and written 304 bytes
---
New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384
"""
SIGNED_OLD = "Peer signing digest: SHA256\nPeer signature type: RSA-PSS\n"
SIGNED_NEW = "Peer signing digest: SHA256\nPeer signature type: rsa_pss_rsae_sha256\n"


def printed(facts, staple=" no response sent"):
    return s_client.parse(PRINTED % (staple, WEB.pem, ISSUING.pem, facts))


@pytest.mark.parametrize("facts, key_exchange, signature", [
    (SIGNED_OLD + "Server Temp Key: X25519, 253 bits\n", "X25519", "RSA-PSS with SHA256"),
    (SIGNED_OLD + "Server Temp Key: ECDH, P-256, 256 bits\n", "P-256", "RSA-PSS with SHA256"),
    (SIGNED_OLD + "Server Temp Key: ECDH, prime256v1, 256 bits\n", "P-256", "RSA-PSS with SHA256"),
    (SIGNED_OLD + "Server Temp Key: ECDH, brainpoolP256r1, 256 bits\n", "brainpoolP256r1", "RSA-PSS with SHA256"),
    (SIGNED_OLD + "Server Temp Key: DH, 2048 bits\n", "DH 2048 bits", "RSA-PSS with SHA256"),
    (SIGNED_NEW + "Peer Temp Key: X25519, 253 bits\n", "X25519", "rsa_pss_rsae_sha256"),
    (SIGNED_NEW + "Negotiated TLS1.3 group: X25519MLKEM768\n", "X25519MLKEM768", "rsa_pss_rsae_sha256"),
    (SIGNED_NEW + "Negotiated TLS1.3 group: secp256r1\n", "P-256", "rsa_pss_rsae_sha256"),
    ("", None, None),
])
def test_facts(facts, key_exchange, signature):
    assert printed(facts) == {"chain": [WEB.der, ISSUING.der], "key_exchange": key_exchange,
                              "signature_algorithm": signature, "ocsp_staple": False,
                              "client_certificate_requested": False}


def test_a_staple_and_the_certificate_of_its_responder():
    """The responder's certificate is none of the chain."""
    found = printed("", "\n======\nOCSP Response Data:\n    OCSP Response Status: successful (0x0)\n%s======"
                    % RESPONDER.pem)
    assert found["ocsp_staple"] is True and found["chain"] == [WEB.der, ISSUING.der]


@pytest.mark.parametrize("answer, status, end, finding", [
    ("successful", "good", "Nov 25 10:00:00 2026 GMT", None),
    ("successful", "good", "Nov  3 10:00:00 2026 GMT",
     "the OCSP staple is out of date, a newer one was due at Nov  3 10:00:00 2026 GMT"),
    ("successful", "revoked", "Nov 25 10:00:00 2026 GMT", "the OCSP staple says that the certificate is revoked"),
    ("trylater", None, None, "the OCSP staple is no answer, its status is trylater"),
    ("successful", None, None, None),
    ("successful", "good", "soon", None),
])
def test_what_a_staple_says(answer, status, end, finding):
    text = "OCSP Response Data:\n    OCSP Response Status: %s (0x0)\n" % answer
    text += "    Cert Status: %s\n" % status if status else ""
    text += "    Next Update: %s\n" % end if end else ""
    assert s_client.staple_finding(text, 1795514400) == finding  # 2026-11-24


def test_a_certificate_called_like_the_begin_of_one():
    """It would be overlooked, and the verdict be on the next one."""
    text = PRINTED.replace("s:CN = web1.example.com", "s:CN = -----BEGIN CERTIFICATE-----") % (
        " no response sent", WEB.pem, ISSUING.pem, "")
    assert s_client.parse(text)["chain"] == [WEB.der, ISSUING.der]


def test_why_it_gave_up():
    assert s_client.complaint("4077F0:error:0A000098:SSL routines:read_state_machine:excessive message size:x.c:609:"
                              ) == "excessive message size"
    assert s_client.complaint("139988:error:14094410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:"
                              "ssl/record/rec_layer_s3.c:1544:SSL alert number 40") == "sslv3 alert handshake failure"
    assert s_client.complaint("CONNECTED(00000003)\n") == "it printed no reason"


@pytest.mark.parametrize("line", [
    "Client Certificate Types: RSA sign, DSA sign, ECDSA sign", "Requested Signature Algorithms: ECDSA+SHA256",
    "Acceptable client certificate CA names"])
def test_a_client_certificate_is_asked_for(line):
    assert printed(line + "\n")["client_certificate_requested"] is True


def test_nothing():
    for text in ["", "139988:error:14094410:SSL routines\n", "OCSP response: no response sent\n---\n"
                 "no peer certificate available\n---\nNo client certificate CA names sent\n"]:
        assert s_client.parse(text) == {"chain": [], "key_exchange": None, "signature_algorithm": None,
                                        "ocsp_staple": None, "client_certificate_requested": None}


def test_the_command():
    old = openssl.OpenSSL("/usr/bin/openssl", "OpenSSL 1.1.0", (1, 1, 0), "/")
    new = old._replace(release=(3, 5, 0))
    base = ["/usr/bin/openssl", "s_client", "-unix", "server", "-showcerts", "-status"]
    assert s_client.command(new, "TLSv1.3", "web1", ["h2", "http/1.1"], False) == base + [
        "-tls1_3", "-servername", "web1", "-alpn", "h2,http/1.1"]
    assert s_client.command(new, "TLSv1.2", None, [], False) == base + ["-tls1_2", "-noservername"]
    assert s_client.command(old, "TLSv1.0", None, [], True) == base + [
        "-tls1", "-cipher", "ALL:@SECLEVEL=0"]
    assert s_client.command(new, "TLSv1.2", None, [], False, "AES128-SHA")[6:] == [
        "-tls1_2", "-noservername", "-cipher", "AES128-SHA"]
    assert s_client.command(old, "TLSv1.2", None, [], True, "AES128-SHA")[6:] == [
        "-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"]
    assert s_client.command(new, "TLSv1.3", None, [], False, "TLS_AES_256_GCM_SHA384")[6:] == [
        "-tls1_3", "-noservername"]
    assert s_client.command(new, "TLSv1.0", None, [], True)[7:] == [
        "-noservername", "-cipher", "ALL:@SECLEVEL=0", "-legacy_server_connect"]


def look(talk, seconds, tmpdir):
    with servers.Server(talk) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        return s_client.look(sock, openssl.find(), "TLSv1.3", "web1.example.com", [], False,
                             time.monotonic() + seconds, tmpdir)


@pytest.mark.parametrize("depth", [0, 5])
def test_a_real_server_whatever_the_temporary_directory(tmp_path, depth):
    deep = tmp_path
    for _number in range(depth):
        deep = deep / ("ansible-moduletmp-" + "x" * 20)
    deep.mkdir(parents=True, exist_ok=True)
    found = look(servers.tls(servers.context(WEB, ISSUING), lambda secured: secured.recv(10)), 5, str(deep))
    assert found["chain"] == [WEB.der, ISSUING.der]
    assert found["signature_algorithm"] in ("ECDSA with SHA256", "ecdsa_secp256r1_sha256")
    assert not list(deep.iterdir())


def test_a_server_that_stalls_is_bounded(tmp_path):
    begin = time.time()
    assert look(servers.say(b"", 4), 0.5, str(tmp_path))["chain"] == []
    assert time.time() - begin < 2
    assert not list(tmp_path.iterdir())


def test_an_s_client_that_does_not_connect_is_not_waited_for(tmp_path):
    begin = time.time()
    program = openssl.find()._replace(command="/bin/false")
    with servers.Server(servers.say(b"")) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        found = s_client.look(sock, program, "TLSv1.3", None, [], False, time.monotonic() + 20, str(tmp_path))
    assert found["chain"] == [] and sock.fileno() == -1
    assert time.time() - begin < 3


def test_what_it_prints_of_a_server_is_harmless():
    assert s_client.parse(u"Peer signature type: \x1b[2Jed25519\n")["signature_algorithm"] == "\\1B[2Jed25519"
    assert s_client.complaint(u"error:0A000086:SSL routines:x:\x1b[2Jbad\n") == "\\1B[2Jbad"
