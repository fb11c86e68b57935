# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""tls_endpoint_info before nginx, Apache and HAProxy, set up well and badly; and what other scanners say."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import socket
import ssl
import subprocess
import xml.etree.ElementTree as xml

import plays
import podman
import pytest
import real_servers as real
from real_servers import CLIENT, ISSUING, PLAIN, ROOT, RSA, SERVERS, WAYS, WEB, port

pytestmark = pytest.mark.clients

WISHES = ["trusted", "complete_chain", "ordered_chain", "resumption", "keep_alive", "forward_secrecy"]
OPTIONS = {"trust": "/trust.pem", "timeout": 15, "http_path": "/index.html", "versions": True, "require": WISHES,
           "min_protocol": "TLSv1.2"}
HIDDEN = "the server does not send CN=Corp Issuing CA 1; browsers may hide this"
WANTS = "the server refuses the handshake with the alert 'certificate required': it wants a client certificate"

# How each sentence on an violations wish begins, for each way of setting up; the same for all three servers.
SENTENCES = {
    "good": [],
    "no intermediate": [HIDDEN],
    "out of order": ["the server sends its chain out of order (CN=web, CN=Corp Root CA, CN=Corp Issuing CA 1 instead"],
    "expired": ["expired 3 days ago ("],
    "wrong name": ["asked for web, the certificate is for b.example.com, c.example.com"],
    "self-signed": ["is self-signed and not among the anchors in /trust.pem"],
    "old": ["the server accepts TLSv1.0, TLSv1.1, lower than min_protocol=TLSv1.2 allows"],
    "no resumption": ["the server does not resume the session that it offered to resume (by ticket)"],
    "no keep-alive": ["connections are not kept alive: the server answers with 'Connection: close' (status 200)"],
    "mutual": [WANTS],
    "another group": [],
    "no forward secrecy": ["the cipher AES128-GCM-SHA256 has no forward secrecy"],
}
# nginx shakes hands with anybody, and refuses in HTTP who has shown no certificate.
REFUSED_IN_HTTP = ["connections are not kept alive: the server answers with 'Connection: close' (status 400)"]


def look(fleet, items, **options):
    """The results of endpoints of the host web, as el9 sees them; an endpoint may be a port."""
    listed = [{"host": "web", **({"port": item} if isinstance(item, int) else item)} for item in items]
    task = {"fleetpki.host_trust.tls_endpoint_info": {"endpoints": listed, **OPTIONS, **options}}
    outcome, = plays.run(fleet.inventory, [task], hosts="el9").of("el9")
    assert "results" in outcome, outcome["msg"]
    return outcome["results"]


@pytest.fixture(scope="module")
def fleet():
    """A host with all servers, and one that looks at them."""
    with podman.fleet({"web": "workstation", "el9": "el9"}) as hosts:
        real.start(hosts["web"])
        hosts["el9"].write("/trust.pem", ROOT.pem.encode())
        hosts["el9"].write("/client.pem", (CLIENT.key_pem() + CLIENT.pem).encode(), 0o600)
        yield hosts


@pytest.fixture(scope="module")
def seen(fleet):
    """The result of each server in each way, by (server, way)."""
    keys = [(server, way) for server in SERVERS for way in [*WAYS, PLAIN]]
    return dict(zip(keys, look(fleet, [port(*key) for key in keys]), strict=True))


@pytest.mark.parametrize("server", SERVERS)
def test_all_ways_to_set_up_a_server(seen, server):
    for way, begins in SENTENCES.items():
        violations = seen[server, way]["violations"]
        expected = REFUSED_IN_HTTP if (server, way) == ("nginx", "mutual") else begins
        assert len(violations) == len(expected), (way, violations)
        assert all(sentence.startswith(begin) for sentence, begin in zip(violations, expected, strict=True)), violations
        assert seen[server, way]["address"] and seen[server, way]["milliseconds"]["handshake"] > 0
    plain = seen[server, PLAIN]
    assert re.match("the server does not speak TLS there but plain HTTP: it says 'HTTP/1.1 400 Bad", plain["finding"])
    assert seen[server, "mutual"]["client_certificate_requested"] and not plain["chain"]


@pytest.mark.parametrize("server", SERVERS)
def test_facts(seen, server):
    good, group, weak = (seen[server, way] for way in ("good", "another group", "no forward secrecy"))
    assert [(one["protocol"], one["cipher"], one["key_exchange"]) for one in (good, group, weak)] == [
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519"), ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "P-384"),
        ("TLSv1.2", "AES128-GCM-SHA256", "RSA")]
    assert [link["fingerprint_sha256"] for link in good["chain"]] == [WEB.fingerprint, ISSUING.fingerprint]
    assert weak["chain"][0]["fingerprint_sha256"] == RSA.fingerprint and weak["chain"][0]["key_type"] == "RSA 2048"
    left = (WEB.certificate.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)).days
    assert good["http"] == {"status": 200, "finding": None} and good["remaining_days"] in (left, left + 1)
    assert good["resumption"] == {"offered": "ticket", "resumed": True, "tls13_ticket": True, "tls12_ticket": True,
                                  "tls12_session_id": server == "nginx"}
    assert all(took > 0 for took in good["milliseconds"].values())
    assert seen[server, "old"]["protocol"] == "TLSv1.1" and seen[server, "old"]["trusted"]
    assert seen[server, "out of order"]["trusted"] and not seen[server, "out of order"]["ordered_chain"]


def test_client_certificates_and_http2(fleet):
    shown = {"client_certificate": "/client.pem"}
    results = look(fleet, [
        *({"port": port(server, "mutual"), **shown} for server in SERVERS),
        *({"port": port(server, "good"), "alpn": ["h2", "http/1.1"]} for server in SERVERS)])
    assert [result["violations"] for result in results] == [[]] * 6
    assert [result["alpn"] for result in results] == [None] * 3 + ["h2"] * 3
    # Apache asks for it only where a request wants to go, after the handshake.
    later = look(fleet, [{"port": real.AFTERWARDS}, {"port": real.AFTERWARDS, **shown}],
                 http_path="/private/index.html", require=["trusted"])
    assert [result["http"]["status"] for result in later] == [403, 200]
    assert [result["violations"] for result in later] == [[], []]


def test_staples_names_and_proxies(fleet):
    by_proxy = {"proxy": f"http://web:{real.PROXY}"}
    web1 = {"server_name": "web1.example.com"}
    results = look(fleet, [
        real.STAPLE, {"port": real.NAMES, **web1}, {"port": real.REFUSES_NAMES, **web1},
        {"port": port("nginx", "good"), **by_proxy},
        real.NAMES, real.REFUSES_NAMES, {"port": port("nginx", "expired"), **by_proxy}, real.CLOSES])
    results[-1:-1] = look(fleet, [real.SILENT], timeout=3)
    assert [result["violations"] for result in results[:4]] == [[]] * 4
    assert [result["ocsp_staple"] for result in results[:2]] == [True, False] and results[0]["ocsp_finding"] is None
    sentences = [
        "asked for web, the certificate is for b.example.com",
        "the server refuses the handshake with the alert 'unrecognized name': it has no certificate for this name",
        f"the proxy http://web:{real.PROXY} does not connect to web:{port('nginx', 'expired')}: it answers 'HTTP/1.1 "
        "403 Proxy Error'",
        "the server accepts the connection and says nothing: no answer to the ClientHello within 3 s"]
    for result, sentence in zip(results[4:-1], sentences, strict=True):
        assert len(result["violations"]) == 1 and result["violations"][0].startswith(sentence), result["violations"]
    # Which of the two it is, chance decides.
    assert re.match(r"the server resets the connection after the ClientHello, without a TLS alert|\S+ resets "
                    f"connections to port {real.CLOSES} at once", *results[-1]["violations"])


# --- what other scanners say ---

@pytest.fixture(scope="module")
def sslyze(fleet, tmp_path_factory):
    """What sslyze says of each server in each way (its ``scan_result``), by port."""
    address = fleet["web"].run("hostname", "-i").stdout.split()[0]
    try:
        socket.create_connection((address, port("nginx", "good")), 5).close()
    except OSError as error:
        pytest.skip(f"the containers' network can't be reached from here, as without root: {error}")
    folder = tmp_path_factory.mktemp("sslyze")
    (folder / "root.pem").write_text(ROOT.pem)
    venv = plays.ROOT / ".build" / "sslyze"
    subprocess.run(["tools/make-venv", "requirements/sslyze.txt", str(venv)], cwd=plays.ROOT, check=True)
    subprocess.run([
        venv / "bin" / "sslyze", "--quiet", "--mozilla_config", "disable", "--json_out", folder / "found.json",
        "--sni", "web", "--certinfo", "--certinfo_ca_file", folder / "root.pem", "--resum", "--resum_attempts", "1",
        "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3",
        *(f"{address}:{port(server, way)}" for server in SERVERS for way in WAYS)], check=True, capture_output=True)
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))["server_scan_results"]
    return {one["server_location"]["port"]: one["scan_result"] for one in found}


def part(scan, name):
    return scan[name]["result"]


def test_sslyze_agrees(seen, sslyze):
    """On versions, cipher, the chain and its order, the verdict, resumption."""
    for server, way in [(server, way) for server in SERVERS for way in WAYS]:
        ours, scan, where = seen[server, way], sslyze[port(server, way)], (server, way)
        theirs = {version: part(scan, "tls_" + version[4:].replace(".", "_") + "_cipher_suites")
                  for version in ours["versions"]}
        assert {version: found["is_tls_version_supported"] for version, found in theirs.items()} == ours["versions"]
        suites = {suite["cipher_suite"]["openssl_name"]: suite["cipher_suite"]["key_size"]
                  for suite in theirs[ours["protocol"]]["accepted_cipher_suites"]}
        assert suites.get(ours["cipher"]) == ours["key_bits"], where
        deployment, = part(scan, "certificate_info")["certificate_deployments"]
        assert [base64.b64decode(one["fingerprint_sha256"]).hex() for one in deployment["received_certificate_chain"]
                ] == [link["fingerprint_sha256"] for link in ours["chain"]], where
        assert deployment["received_chain_has_valid_order"] == ours["ordered_chain"], where
        verdict, = (one["was_validation_successful"] for one in deployment["path_validation_results"]
                    if one["trust_store"]["name"].startswith("Supplied"))
        assert verdict == ours["trusted"], where
        resumption = part(scan, "session_resumption")
        if ours["resumption"] and ours["resumption"]["tls12_ticket"] is not None:
            assert [resumption[f"{kind}_resumption_result"] == "FULLY_SUPPORTED" for kind in (
                "tls_ticket", "session_id")] == [
                ours["resumption"]["tls12_ticket"], ours["resumption"]["tls12_session_id"]], where


def test_sslscan_agrees(fleet, seen):
    """On versions, cipher with its key and group, the server's own certificate."""
    keys = [(server, way) for server in SERVERS for way in ("good", "old", "another group", "no forward secrecy")]
    ports = " ".join(str(port(*key)) for key in keys)
    fleet["web"].run("sh", "-ec", f"""for port in {ports}; do
    sslscan --xml=/tmp/$port.xml --show-certificate --no-heartbleed --no-compression --no-renegotiation --no-fallback \\
        --no-groups --sni-name=web 127.0.0.1:$port >/dev/null &
done; wait""")
    for key in keys:
        ours = seen[key]
        theirs = xml.fromstring(fleet["web"].read(f"/tmp/{port(*key)}.xml")).find("ssltest")
        assert {f"TLSv{one.get('version')}": one.get("enabled") == "1" for one in theirs.iter("protocol")
                if one.get("type") == "tls"} == ours["versions"]
        cipher, = (one for one in theirs.iter("cipher")
                   if (one.get("sslversion"), one.get("cipher")) == (ours["protocol"], ours["cipher"]))
        assert int(cipher.get("bits")) == ours["key_bits"]
        assert cipher.get("curve", "RSA").replace("25519", "X25519") == ours["key_exchange"]
        leaf = ssl.PEM_cert_to_DER_cert(theirs.findtext(".//certificate-blob").strip())
        assert hashlib.sha256(leaf).hexdigest() == ours["chain"][0]["fingerprint_sha256"]
