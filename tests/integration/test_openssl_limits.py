# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CAs that load and are of no use: where a host's OpenSSL refuses what they issue, the task warns, and nowhere else."""

from __future__ import annotations

import datetime

import pki
import plays
import pytest
import raw_pki
from cryptography import x509 as builder
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

UNKNOWN = pki.root("Odd CA", more=[(
    builder.UnrecognizedExtension(builder.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)])
REFUSES = "refuses every certificate that it issues"
CRITICAL = """cd /root
for each in *.*.pem; do openssl verify -CAfile $each $each 2>&1 | grep -q 'error 34 ' && echo $each; done; true"""
ML_DSA = """cd /root
openssl req -x509 -newkey ML-DSA-65 -nodes -keyout ca.key -out ca.pem -subj /CN=PQ -days 99 \\
    -addext keyUsage=critical,keyCertSign
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf
openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -out leaf.pem"""
CONFIGURATION = "openssl_conf = d\n[d]\nssl_conf = s\n[s]\nsystem_default = p\n[p]\n"
VALUES = {  # of extensions that are valid
    "1.2.3.4": "0500", "2.5.29.14": "040431323334", "2.5.29.17": "300b82096c6f63616c686f7374",
    "2.5.29.30": "300fa00d300b82096c6f63616c686f7374", "2.5.29.32": "300630040602551d", "2.5.29.35": "3006800431323334",
    "2.5.29.36": "3003800100", "2.5.29.37": "300a06082b06010505070301", "2.5.29.54": "020100",
    "2.16.840.1.113730.1.1": "03020007"}
# The server's own security level must not keep it from sending its chain.
HANDSHAKE = """cd /root
openssl s_server -accept 4433 -cert leaf.pem -key leaf.key -quiet -cipher DEFAULT@SECLEVEL=0 > /dev/null 2>&1 &
for try in $(seq 20); do
    sleep 0.2
    echo | openssl s_client -connect localhost:4433 -verify_return_error -CAfile {bundle} > said 2>&1 && break
done
kill $!; grep -E 'Verify return code|verify error' said | sort -u"""


def issuer_of(raw, common_name):
    """A Raw CA with an EC key as pki wants an issuer: its key, and a certificate with its subject."""
    name = builder.Name([builder.NameAttribute(builder.NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    certificate = (builder.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
                   .public_key(raw.key.public_key()).not_valid_before(now).not_valid_after(now + pki.DAY)
                   .sign(raw.key, hashes.SHA256()))
    return pki.Pair(raw.key, certificate)


def warned(result):
    return [one for one in result.get("warnings", []) if REFUSES in one]


def installed_and_verified(hosts, ca, server):
    """By host: (whether its OpenSSL accepts what the CA has issued, the warnings of both runs)."""
    for host in hosts.values():
        host.write("/root/leaf.pem", server.pem.encode())
        host.write("/root/ca.pem", ca.pem.encode())
    verify = plays.command("openssl", "verify", "-CAfile", "/root/ca.pem", "/root/leaf.pem")
    play = plays.run(hosts.inventory, [plays.anchors(ca), plays.anchors(ca), verify])
    found = {}
    for name, (first, again, verified) in play.results.items():
        assert first["changed"] and not first.get("failed") and not again["changed"], (name, first)
        assert warned(first) == warned(again)
        found[name] = verified["rc"] == 0, warned(first)
    return found


def test_an_unknown_critical_extension(all_hosts):
    for name, (accepted, warnings) in installed_and_verified(
            all_hosts, UNKNOWN, pki.server(issuer=UNKNOWN)).items():
        assert not accepted and "1.2.3.4" in warnings[0], name


def test_known_critical_extensions(all_hosts):
    """Those of our table OpenSSL handles, be they critical; key identifiers it does not, in no version."""
    cas = {oid: raw_pki.root((raw_pki.COMMON_NAME, raw_pki.UTF8, b"A CA"), more=[
        raw_pki.extension(oid, bytes.fromhex(value), b"\1\1\xff")]) for oid, value in VALUES.items()}
    for host in all_hosts.values():
        for oid, ca in cas.items():
            host.write(f"/root/{oid}.pem", ca.pem.encode())
    play = plays.run(all_hosts.inventory, [plays.anchors(*cas.values())])
    for name, (result,) in play.results.items():
        refused = set(all_hosts[name].run("sh", "-c", CRITICAL).stdout.split())
        told = {f"{oid}.pem" for oid in VALUES for one in warned(result) if f"extension {oid}:" in one}
        assert refused == told, (name, refused, told)


def test_a_curve_spelled_out(all_hosts):
    ca = raw_pki.explicit_curve_root()
    server = pki.server(issuer=issuer_of(ca, "Explicit Curve CA"))
    for name, (accepted, warnings) in installed_and_verified(all_hosts, ca, server).items():
        assert accepted == (name == "el8") == (not warnings), (name, warnings)
        assert accepted or "spells out the parameters of the curve" in warnings[0]


def test_an_ml_dsa_key(all_hosts):
    """Made by the host whose OpenSSL can: that it is warned of is not because it does not load."""
    maker = all_hosts["el10"]
    maker.run("sh", "-c", ML_DSA)
    ca, server = (raw_pki.Raw(serialization_of(maker.read(f"/root/{name}.pem"))) for name in ("ca", "leaf"))
    for name, (accepted, warnings) in installed_and_verified(all_hosts, ca, server).items():
        assert accepted == (name in ("el10", "debian13")) == (not warnings), (name, warnings)


def serialization_of(text):
    return builder.load_pem_x509_certificate(text).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize(("weakness", "error", "warning"), [
    ("RSA 2048", "num=67:", "its RSA key has 2048 bits, and the security level 3, which on EL the crypto policy sets, "
                            "asks for 3072"),
    ("EC P-224", "num=67:", "its EC key has 224 bits, and the security level 3"),
    ("SHA-224", "num=68:", "signed with SHA-224, as this one is, because that has 112 bits, and the security level 3")])
def test_a_security_level(el9, level, weakness, error, warning):
    """What the crypto policy FUTURE does on EL, by OpenSSL's own configuration."""
    host = el9["el9"]
    key = {"RSA 2048": pki.new_key("rsa"), "EC P-224": ec.generate_private_key(ec.SECP224R1())}.get(weakness)
    digest = hashes.SHA224() if weakness == "SHA-224" else None
    ca = pki.root("Weak CA", key=key, digest=digest)
    server = pki.server("localhost", ca, digest=digest)
    host.write("/root/leaf.pem", server.pem.encode())
    host.write("/root/leaf.key", server.key_pem().encode())
    for path in ("/etc/pki/tls/openssl.cnf", "/etc/ssl/openssl.cnf"):  # EL's, and that of the stand-in's OpenSSL
        host.write(path, (CONFIGURATION + f"CipherString = DEFAULT@SECLEVEL={level}\n").encode())
    play = plays.run(el9.inventory, [plays.anchors(ca)])
    said = host.run("sh", "-c", HANDSHAKE.format(bundle="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem")).stdout
    (result,) = play.of("el9")
    found = [one for one in result.get("warnings", []) if "this host's OpenSSL refuses" in one]
    assert ("0 (ok)" in said) == (error not in said) == (level == 2) == (not found), (said, found)
    assert level == 2 or warning in found[0]
