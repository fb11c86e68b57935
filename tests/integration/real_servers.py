# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx, Apache and HAProxy on one host, set up well and badly in the same ways, each way on a port of its own."""

from __future__ import annotations

import typing as t

import pki

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")], key_type="rsa")
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA 1")], ROOT, ca=True, path_length=0, key_type="rsa")
WEB = pki.server("web", ISSUING, dns=["web", "web1.example.com"])
RSA = pki.server("web", ISSUING, key_type="rsa", key_usage=["digital_signature", "key_encipherment"])
CLIENT = pki.issue("client", ROOT, purposes=["client"])

# What is sent, the server's own first. start() adds the expired chain.
CHAINS = {
    "full": [WEB, ISSUING],
    "leaf": [WEB],
    "swapped": [WEB, ROOT, ISSUING],
    "other": [pki.server("b", ISSUING, dns=["b.example.com", "c.example.com"]), ISSUING],
    "alone": [pki.server("web")],
    "rsa": [RSA, ISSUING],
}
SERVERS = {"nginx": 5000, "apache": 6000, "haproxy": 7000}


class Way(t.NamedTuple):
    """A way to set a server up: the chain, and what each program's configuration says for it."""

    number: int
    chain: str
    nginx: str = ""
    apache: str = ""
    haproxy: str = ""


WEAK = "ALL:@SECLEVEL=0"
HELLO = "http-request return status 200 content-type text/plain string hello"
WAYS = {
    "good": Way(1, "full", "ssl_session_cache shared:good:1m;", "Protocols h2 http/1.1", "alpn h2,http/1.1"),
    "no intermediate": Way(2, "leaf"),
    "out of order": Way(3, "swapped"),
    "expired": Way(4, "expired"),
    "wrong name": Way(5, "other"),
    "self-signed": Way(6, "alone"),
    "old": Way(7, "full", f"ssl_protocols TLSv1 TLSv1.1; ssl_ciphers {WEAK};",
               f"SSLProtocol -all +TLSv1 +TLSv1.1\nSSLCipherSuite {WEAK}",
               f"ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.1 ciphers {WEAK}"),
    "no resumption": Way(8, "full", "ssl_session_cache off; ssl_session_tickets off;", "SSLSessionTickets off",
                         "no-tls-tickets"),
    "no keep-alive": Way(9, "full", "keepalive_timeout 0;", "KeepAlive off", "\noption httpclose"),
    "mutual": Way(10, "full", "ssl_verify_client on; ssl_client_certificate root.pem; ssl_verify_depth 3;",
                  "SSLVerifyClient require\nSSLCACertificateFile root.pem",
                  "verify required ca-file /srv/tls/root.pem"),
    "another group": Way(11, "full", "ssl_ecdh_curve secp384r1;", "SSLOpenSSLConfCmd Groups secp384r1",
                         "curves secp384r1"),
    "no forward secrecy": Way(12, "rsa", "ssl_protocols TLSv1.2; ssl_ciphers AES128-GCM-SHA256;",
                              "SSLProtocol -all +TLSv1.2\nSSLCipherSuite AES128-GCM-SHA256",
                              "ssl-max-ver TLSv1.2 ciphers AES128-GCM-SHA256"),
}
PLAIN = 50   # HTTP without TLS
# Of one program each.
STAPLE, NAMES, REFUSES_NAMES = 5060, 5061, 5062
AFTERWARDS, PROXY = 6060, 6061
SILENT, CLOSES = 7060, 7061


def port(server: str, way: str | int) -> int:
    """Where a server listens that is set up so."""
    return SERVERS[server] + (way if isinstance(way, int) else WAYS[way].number)


def nginx() -> str:
    """Its configuration."""
    def server(number: int, chain: str, more: str = "", names: str = "") -> str:
        return (f"server {{ listen {number} ssl http2; server_name _ {names}; ssl_certificate {chain}.pem; "
                f"ssl_certificate_key {chain}.pem; {more} }}")
    lines = [server(port("nginx", name), way.chain, way.nginx) for name, way in WAYS.items()]
    lines += [
        server(STAPLE, "full", "ssl_stapling on; ssl_stapling_file staple.der;"),
        server(NAMES, "other"), server(NAMES, "full", "", "web1.example.com"),
        f"server {{ listen {REFUSES_NAMES} ssl default_server; ssl_reject_handshake on; }}",
        server(REFUSES_NAMES, "full", "", "web1.example.com"),
        f"server {{ listen {port('nginx', PLAIN)}; }}",
    ]
    return "\n".join([
        "user root; pid /run/nginx-ways.pid; error_log nginx.log; events { }",
        "http { access_log off; root /srv/www; ssl_protocols TLSv1.2 TLSv1.3;", *lines, "}"])


def apache() -> str:
    """Its configuration."""
    def server(number: int, chain: str, more: str = "") -> str:
        return (f"Listen {number}\n<VirtualHost *:{number}>\nSSLEngine on\nSSLCertificateFile {chain}.pem\n{more}\n"
                "</VirtualHost>")
    modules = ["mpm_event", "authz_core", "ssl", "http2", "proxy", "proxy_connect"]
    lines = [server(port("apache", name), way.chain, way.apache) for name, way in WAYS.items()]
    lines += [
        server(AFTERWARDS, "full", "SSLCACertificateFile root.pem\n<Location /private>\nSSLVerifyClient require\n"
                                   "</Location>"),
        f"Listen {PROXY}\n<VirtualHost *:{PROXY}>\nProxyRequests on\nAllowCONNECT {port('nginx', 'good')}\n"
        "</VirtualHost>",
        f"Listen {port('apache', PLAIN)}\n<VirtualHost *:{port('apache', PLAIN)}>\n</VirtualHost>",
    ]
    return "\n".join([
        *(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules),
        "ServerRoot /srv/tls", "ServerName web", "PidFile /run/apache-ways.pid", "ErrorLog apache.log",
        "User www-data", "Group www-data", "DocumentRoot /srv/www", "SSLSessionCache none",
        "SSLProtocol -all +TLSv1.2 +TLSv1.3", *lines, ""])


def haproxy() -> str:
    """Its configuration."""
    def server(number: int, chain: str, more: str = "") -> str:
        bind, _line, others = more.partition("\n")
        return (f"frontend f{number}\nbind :{number} ssl crt /srv/tls/{chain}.pem {bind}\n{others}\n"
                f"{HELLO}")
    lines = [server(port("haproxy", name), way.chain, way.haproxy) for name, way in WAYS.items()]
    lines += [
        f"frontend plain\nbind :{port('haproxy', PLAIN)}\n{HELLO}",
        f"frontend silent\nmode tcp\nbind :{SILENT}\ntcp-request inspect-delay 60s\n"
        "tcp-request content accept if WAIT_END",
        f"frontend closes\nmode tcp\nbind :{CLOSES}\ntcp-request connection reject",
    ]
    return "\n".join([
        "global\ntune.ssl.cachesize 0\ntune.ssl.default-dh-param 2048\nssl-default-bind-options ssl-min-ver TLSv1.2",
        "defaults\nmode http\ntimeout client 60s\ntimeout connect 2s\ntimeout server 60s", *lines, ""])


CONNECT = """
import socket, sys, time
for port in sys.argv[1:]:
    for _attempt in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                break
        time.sleep(0.1)
    else:
        sys.exit("nothing listens to port " + port)
"""


def start(host) -> None:
    """Starts all of them on a host of the platform workstation."""
    files = {"root.pem": ROOT.pem, "issuing.pem": ISSUING.pem, "issuing.key": ISSUING.key_pem() + ISSUING.pem,
             "index": f"V\t371231000000Z\t\t{WEB.certificate.serial_number:X}\tunknown\t/CN=web\n",
             "nginx.conf": nginx(), "apache.conf": apache(), "haproxy.cfg": haproxy()}
    expired = [pki.server("web", ISSUING, days=(-9, -3)), ISSUING]  # made now, because the test counts the days since
    for name, chain in {**CHAINS, "expired": expired}.items():
        files[f"{name}.pem"] = chain[0].key_pem() + "".join(pair.pem for pair in chain)
    for name, content in files.items():
        host.write(f"/srv/tls/{name}", content.encode(), 0o600)
    host.write("/srv/www/index.html", b"hello")
    host.write("/srv/www/private/index.html", b"secret")
    host.run("sh", "-ec", """chmod 755 /srv /srv/www /srv/www/private
cd /srv/tls
openssl ocsp -index index -CA issuing.pem -issuer issuing.pem -rsigner issuing.key -rkey issuing.key \\
    -cert leaf.pem -ndays 1 -respout staple.der
nginx -c /srv/tls/nginx.conf
apache2 -f /srv/tls/apache.conf
haproxy -D -f haproxy.cfg""")
    wanted = [port(server, way) for server in SERVERS for way in [*WAYS, PLAIN]]
    host.run("python3", "-c", CONNECT, *map(str, wanted))
