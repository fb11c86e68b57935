# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules would have told of a fleet that is not there: for reports of any size, without a host."""

from __future__ import annotations

import hashlib
import time

NOW = 1800000000
DAY = 86400
HOSTILE = ("CN=<script>alert(1)</script> </script> {{ 7 * 7 }} {% raw %} \u202egpj.exe\x1b[31m\n\"'& a\\, "
           "O=<img src=x onerror=alert(2)>")


def fingerprint(name):
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def certificate(subject, issuer=None, days=(-100.0, 1000.0), name=None):
    """The facts of a certificate; ``name`` makes its fingerprint."""
    return {"subject": subject, "issuer": issuer or subject, "serial": "%x" % len(subject),
            "fingerprint_sha256": fingerprint(name or subject), "not_before": iso(days[0]), "not_after": iso(days[1])}


def iso(days):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW + days * DAY))


def anchor(facts, managed=True, trusted=True):
    return {**facts, "managed": managed, "trusted": trusted, "name": "corp" if managed else None,
            "path": "/etc/pki/ca-trust/source/anchors/%s.pem" % facts["fingerprint_sha256"][:16]}


ROOT = certificate("CN=Corp Root CA,O=Corp", days=(-100, 3000))
ISSUING = certificate("CN=Corp Issuing CA,O=Corp", ROOT["subject"], days=(-100, 100))
PUBLIC = [certificate("CN=Public Root %d" % number, days=(-1000, 2000)) for number in range(140)]


def trust(*anchors, distrusted=(), **more):
    """ca_trust_info's result."""
    return {"changed": False, "store": "redhat", "bundle": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "anchors": list(anchors), "distribution": [anchor(one, managed=False) for one in PUBLIC],
            "distrusted": [anchor(one, trusted=False) for one in distrusted],
            "counts": {"local": len(anchors), "managed": len(anchors), "distribution": len(PUBLIC), "distrusted": 0},
            "bundles": [], "interrupted": False, "in_sync": True, "deviations": [], "unloadable": [], "unread": [],
            **more}


def wanted(*listed, steps=()):
    """ca_trust_anchor's result in check mode: listed are facts with their state, steps (action, facts, reason)."""
    return {"changed": bool(steps), "store": "redhat", "bundle": "/etc/pki/bundle.pem", "extracted": False, "diff": {},
            "anchors": [{**facts, "state": state, "action": "none", "path": None, "name": None, "notes": [],
                         "warnings": []}
                        for facts, state in listed],
            "plan": [{"action": action, "fingerprint_sha256": facts and facts["fingerprint_sha256"], "path": "/etc/x",
                      "reason": reason, "subject": facts and facts["subject"]} for action, facts, reason in steps]}


def verified(facts, *chain, path="web1.crt", reasons=(), warnings=(), names=("web1.example.com",), trusted=True):
    """An element of cert_verify's results; the last of the chain is an anchor, if it is trusted."""
    links = [(facts, "certificate"), *((one, "chain") for one in chain)]
    links = [(one, "trust" if trusted and one is links[-1][0] else source) for one, source in links]
    days = None if facts is None else (epoch(facts["not_after"]) - NOW) // DAY
    return {**(facts or dict.fromkeys(ROOT)), "name": "%s (%s)" % (path, facts["subject"]) if facts else path,
            "path": path, "verified": not reasons, "reasons": list(reasons), "warnings": list(warnings),
            "dns_names": list(names), "ip_addresses": [], "key_type": "EC P-256", "remaining_days": days,
            "verdicts": {}, "purpose": "server", "private_key_matches": None, "openssl": None,
            "chain": [] if facts is None else [
                {"subject": one["subject"], "fingerprint_sha256": one["fingerprint_sha256"], "source": source}
                for one, source in links]}


def epoch(text):
    return int(time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone)


def seen(name, *chain, **more):
    """An element of tls_endpoint_info's results."""
    return {"name": name, "server_name": name.partition(":")[0], "host": name.partition(":")[0], "port": 443,
            "address": "192.0.2.1", "reachable": True, "finding": None, "protocol": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384", "key_exchange": "X25519", "signature_algorithm": "ECDSA with SHA256",
            "forward_secrecy": True, "alpn": None, "trusted": True, "reasons": [], "complete_chain": True,
            "ordered_chain": True, "chain_findings": [], "warnings": [], "keep_alive": None, "ocsp_staple": False,
            "ocsp_finding": None, "versions": dict.fromkeys(["TLSv1.0", "TLSv1.1"], False), "remaining_days": 100,
            "resumption": {"offered": "ticket", "resumed": True, "tls13_ticket": True, "tls12_ticket": None,
                           "tls12_session_id": None},
            "milliseconds": {"connect": 0.4, "handshake": 3.5, "first_byte": None, "resumed_handshake": 1.0,
                             **more.pop("milliseconds", {})},
            "cipher_algorithm": "AES-256-GCM", "key_bits": 256, "client_certificate_requested": False, "http": None,
            "violations": [], "chain": [
                {**one, "dns_names": [], "ip_addresses": [], "key_type": "EC P-256", "root": False} for one in chain],
            **more}


def results(*elements):
    return {"changed": False, "msg": "", "results": list(elements)}


UNREACHABLE = {"unreachable": True, "changed": False,
               "msg": "Failed to connect to the host via ssh: ssh: connect to host web3 port 22: No route to host"}


def large(hosts=1000, anchors=30, alike=False):
    """Many hosts, each with a certificate, that differ in what they trust (or nearly all are alike)."""
    local = [certificate("CN=Department %02d Root CA,O=Corp" % number, days=(-500, 30 * 1.22 ** number))
             for number in range(anchors - 2)]
    found = {}
    for number in range(hosts):
        name = "web%04d.example.com" % number
        if number % 333 == 7:
            found[name] = {"trust": UNREACHABLE}
            continue
        mine = [anchor(one, managed=(index + number) % 11 > 0) for index, one in enumerate(local)
                if (number % 50 == 3 and index < 5 if alike else (int(fingerprint(name)[:16], 16) >> index) % 4)]
        steps = [("install", ISSUING, "no local anchor holds it")] if number % 97 == 5 else []
        kept = [anchor(ROOT)] + ([] if steps else [anchor(ISSUING)])
        days = (number * 37) % 180 - 2 if not alike else 20 + number % 160
        own = certificate("CN=" + name, ISSUING["subject"], days=(days - 180, days + 0.3))
        reasons = ["expired %d days ago (%s)" % (-days, own["not_after"])] if days < 0 else []
        found[name] = {
            "trust": trust(*kept, *mine), "wanted": wanted((ROOT, "present"), (ISSUING, "present"), steps=steps),
            "certificates": results(verified(own, ISSUING, ROOT, path="/etc/pki/tls/certs/%s.crt" % name, names=[name],
                                             reasons=reasons)),
            "endpoints": results(seen("www.example.com:443", certificate("CN=www.example.com", ISSUING["subject"]),
                                      ISSUING), seen("mail.example.com:25", protocol=None, finding="nothing listens"))}
    return found
