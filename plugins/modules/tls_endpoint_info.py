#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A live TLS handshake with real servers, looked at closely."""

DOCUMENTATION = r"""
module: tls_endpoint_info
short_description: Look closely at TLS servers, by handshakes from a host
version_added: 0.1.0
author:
  - fleetpki.host_trust contributors (@fleetpki)
description:
  - Connects from the host to TLS servers and tells what it found. Protocol, cipher, key exchange and signature, the
    chain as the server sent it, whether the host trusts it and why not, session resumption, HTTP keep-alive, and how
    long each step took.
  - Without O(min_remaining), O(min_protocol) and O(require) it only informs, whatever it finds. With them it fails with
    a sentence for each wish that is not met, after all endpoints were looked at. An endpoint without a usable
    connection meets none.
  - It never changes anything. A server sees about eight connections, two or three with O(resumption=false).
options:
  endpoints:
    description:
      - The servers to look at. An empty list is an error, so that a search that found nothing does not pass.
      - Exactly one of O(endpoints) and O(host) is given.
    type: list
    elements: dict
    suboptions:
      host:
        description:
          - The host name or IP address to connect to.
        type: str
        required: true
      port:
        description:
          - The TCP port.
        type: int
        default: 443
      server_name:
        description:
          - The host name that the server is asked for (SNI), and that its certificate must be for.
            The default is O(endpoints[].host). For an IP address no SNI is sent.
        type: str
      address:
        description:
          - Where to connect instead of what O(endpoints[].host) resolves to, such as one of several servers behind a
            name, or a server that is not in DNS yet.
        type: str
      starttls:
        description:
          - The protocol that is spoken before TLS begins. Without it, TLS begins at once.
        type: str
        choices: [imap, ldap, mysql, pop3, postgres, smtp, xmpp]
      alpn:
        description:
          - The application protocols that are offered, such as V(h2) and V(http/1.1), the preferred one first.
        type: list
        elements: str
      client_certificate:
        description:
          - A PEM file on the host with a client certificate, for mutual TLS, followed by its chain if it has one.
            It is shown whenever the server asks for it. Python before 3.7.4 can't after the handshake of TLS 1.3.
        type: path
      client_privatekey_path:
        description:
          - A PEM file on the host with its private key. The default is O(endpoints[].client_certificate).
        type: path
      client_privatekey_passphrase:
        description:
          - The passphrase of an encrypted O(endpoints[].client_privatekey_path).
        type: str
      proxy:
        description:
          - An HTTP proxy that connects to the server by CONNECT, as C(http://HOST:PORT).
            Without it the connection is direct, whatever the environment says.
        type: str
      purpose:
        description:
          - What the certificate must be good for.
        type: str
        choices: [any, ca, client, email, server]
        default: server
  host:
    description:
      - The same as O(endpoints[].host), for a single endpoint.
    type: str
  port:
    description:
      - The same as O(endpoints[].port), for O(host).
    type: int
  server_name:
    description:
      - The same as O(endpoints[].server_name), for O(host).
    type: str
  trust:
    description:
      - The anchors to judge against, as a PEM file or a directory that C(openssl rehash) made.
        The trust of the host does not count then.
      - The default is what the host's OpenSSL uses, with the environment variables C(SSL_CERT_FILE) and C(SSL_CERT_DIR)
        where they are set. An empty path is an error.
    type: path
  timeout:
    description:
      - Seconds that each step may take (name, TCP, proxy, STARTTLS, handshake, first byte).
        An endpoint as a whole takes no longer than about eight times as long; eight are looked at side by side.
    type: float
    default: 10
  resumption:
    description:
      - Whether to find out if the server resumes sessions, in a second connection each.
    type: bool
    default: true
  http:
    description:
      - Whether a GET request is sent after the handshake, to time the first byte and to look at O(keep_alive).
        Never with O(endpoints[].starttls).
      - Set it to V(false) for servers that do not speak HTTP, such as LDAPS.
    type: bool
    default: true
  keep_alive:
    description:
      - Whether to find out if the server keeps HTTP/1.1 connections, by two GET requests on one.
    type: bool
    default: false
  http_path:
    description:
      - The path that these requests ask for.
    type: str
    default: /
  versions:
    description:
      - Whether to find out which protocol versions the server accepts, with a connection for each.
    type: bool
    default: false
  min_remaining:
    description:
      - Fails if a certificate of the chain is valid for less, such as V(30d).
      - Weeks (C(w)), days (C(d)), hours (C(h)), minutes (C(m)) and seconds (C(s)); a plain number is seconds.
    type: str
  min_protocol:
    description:
      - Fails if the server accepts a lower protocol version, or if no connection or time was left to try it.
        It implies O(versions=true).
    type: str
    choices: [TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3]
  require:
    description:
      - What must be so. It fails with a sentence for each that is not.
      - V(trusted) is the host's verdict on chain, names and purpose.
      - V(complete_chain) is a chain that lacks nothing but the root, V(ordered_chain) one in the right order.
      - V(resumption) and V(keep_alive) imply the options of that name.
      - V(ocsp_staple) is an OCSP staple that says that the certificate is good. V(forward_secrecy) is a key exchange
        with ephemeral keys.
    type: list
    elements: str
    choices: [trusted, complete_chain, ordered_chain, resumption, keep_alive, ocsp_staple, forward_secrecy]
    default: []
notes:
  - It speaks as the host's own Python and OpenSSL do. Where their settings refuse a server altogether, it tries again
    with all that they are capable of, and says so among the warnings.
  - On the host, OpenSSL 1.1.0 or later and Python 3.6 or later are needed, and no other package.
  - Where a name has several addresses, all connections go to the first that answers. RV(results[].warnings) says which
    did not. To look at each of them, give them as O(endpoints[].address).
  - A session that is resumed by one of several servers behind an address and not by the others is told by chance.
    Where they show different certificates, the chain is not judged.
seealso:
  - module: fleetpki.host_trust.cert_verify
  - name: openssl-s_client(1)
    description: The command that tells the chain as it was sent.
    link: https://docs.openssl.org/master/man1/openssl-s_client/
  - name: RFC 8446
    description: TLS 1.3.
    link: https://www.rfc-editor.org/rfc/rfc8446
attributes:
  check_mode:
    support: full
    description: It does the same as outside of check mode, for it never changes anything.
  diff_mode:
    support: N/A
    description: It never changes anything.
  idempotent:
    support: full
    description: It never changes anything.
  platform:
    support: full
    platforms: posix
    description: Any host with OpenSSL.
"""

EXAMPLES = r"""
- name: The web server shows a complete, trusted chain that lasts another month, and speaks TLS 1.2 or later
  fleetpki.host_trust.tls_endpoint_info:
    host: web1.example.com
    require:
      - trusted
      - complete_chain
    min_remaining: 30d
    min_protocol: TLSv1.2

- name: What the fleet's services look like from here
  fleetpki.host_trust.tls_endpoint_info:
    endpoints:
      - host: web1.example.com
        alpn:
          - h2
          - http/1.1
      - host: mail.example.com
        port: 25
        starttls: smtp
      - host: db1.example.com
        port: 5432
        starttls: postgres
    versions: true
  register: seen

- name: Say which are not trusted, and why
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.finding or item.reasons | join('; ') }}"
  loop: "{{ seen.results | rejectattr('trusted', 'eq', true) }}"
  loop_control:
    label: "{{ item.name }}"

- name: The new server answers before DNS points to it
  fleetpki.host_trust.tls_endpoint_info:
    endpoints:
      - host: www.example.com
        address: 192.0.2.17
    require:
      - trusted

- name: An API with mutual TLS, behind a proxy, keeps connections and resumes sessions
  fleetpki.host_trust.tls_endpoint_info:
    endpoints:
      - host: api.example.com
        client_certificate: /etc/pki/tls/certs/client.crt
        client_privatekey_path: /etc/pki/tls/private/client.key
        client_privatekey_passphrase: "{{ vault_client_passphrase }}"
        proxy: http://proxy.example.com:3128
    http_path: /health
    require:
      - trusted
      - keep_alive
      - resumption
  become: true
"""

RETURN = r"""
requirements_met:
  description: Whether every wish is met. Always V(true) where none was given.
  returned: when endpoints were looked at
  type: bool
  sample: false
msg:
  description: >-
    A line for each endpoint that does not meet its wishes. Where all do, how many there are, and a line for each that
    could not be used.
  returned: always
  type: str
  sample: "web1.example.com:443: the server does not send CN=Corp Issuing CA 1; browsers may hide this"
results:
  description: What was found of each endpoint, in the order of O(endpoints). Values that are not known are null.
  returned: when endpoints were looked at
  type: list
  elements: dict
  contains:
    name:
      description: What messages call it.
      returned: always
      type: str
      sample: web1.example.com:443
    host:
      description: The host.
      returned: always
      type: str
      sample: web1.example.com
    port:
      description: The port.
      returned: always
      type: int
      sample: 443
    server_name:
      description: The name or IP address that the certificate must be for.
      returned: always
      type: str
      sample: web1.example.com
    reachable:
      description: Whether there was a TCP connection to it.
      returned: always
      type: bool
      sample: true
    address:
      description: The IP address that was connected to. With a proxy, the proxy's. V(null) where that is not known.
      returned: always
      type: str
      sample: 192.0.2.10
    finding:
      description:
        - Why there is no usable TLS connection, as a sentence; V(null) if there is one. A server that shakes hands and
          then does not answer in HTTP has one; RV(results[].http) tells of it.
      returned: always
      type: str
      sample: "192.0.2.10 refuses connections to port 443: nothing listens there"
    milliseconds:
      description: How long it took.
      returned: always
      type: dict
      contains:
        connect:
          description: The TCP connect. V(null) where that is not known.
          returned: always
          type: float
          sample: 0.41
        handshake:
          description: The full TLS handshake. V(null) where that is not known.
          returned: always
          type: float
          sample: 4.73
        first_byte:
          description: From a request to the first byte of the answer. V(null) where that is not known.
          returned: always
          type: float
          sample: 1.2
        resumed_handshake:
          description: The handshake that resumed the session. The difference is what the asymmetric part costs.
            V(null) where that is not known.
          returned: always
          type: float
          sample: 1.36
    protocol:
      description: The protocol version, from V(TLSv1.0) to V(TLSv1.3). V(null) where that is not known.
      returned: always
      type: str
      sample: TLSv1.3
    cipher:
      description: The cipher suite, by OpenSSL's name. V(null) where that is not known.
      returned: always
      type: str
      sample: TLS_AES_256_GCM_SHA384
    cipher_algorithm:
      description: Its symmetric algorithm. V(null) where that is not known.
      returned: always
      type: str
      sample: AES-256-GCM
    key_bits:
      description: The length of its symmetric key. V(null) where that is not known.
      returned: always
      type: int
      sample: 256
    key_exchange:
      description: The group of the key exchange, or V(RSA) where the key was encrypted with the certificate's.
        V(null) where that is not known.
      returned: always
      type: str
      sample: X25519
    signature_algorithm:
      description: What the server signed the handshake with, in the words of the host's OpenSSL. V(null) where that
        is not known.
      returned: always
      type: str
      sample: RSA-PSS with SHA256
    forward_secrecy:
      description: Whether the key exchange has ephemeral keys. V(null) where that is not known.
      returned: always
      type: bool
      sample: true
    alpn:
      description: The application protocol that the server chose. V(null) where that is not known.
      returned: always
      type: str
      sample: h2
    ocsp_staple:
      description: Whether the server sent an OCSP staple. V(null) where that is not known.
      returned: always
      type: bool
      sample: false
    ocsp_finding:
      description: What is wrong with that staple, as a sentence. Its signature is not checked. V(null) where that is
        not known.
      returned: always
      type: str
      sample: the OCSP staple says that the certificate is revoked
    client_certificate_requested:
      description: Whether the server asked for a client certificate. V(null) where that is not known.
      returned: always
      type: bool
      sample: false
    chain:
      description: The certificates as the server sent them.
      returned: always
      type: list
      elements: dict
      contains:
        subject:
          description: The subject, as in RFC 4514.
          returned: always
          type: str
          sample: CN=web1.example.com,O=Corp
        issuer:
          description: The issuer, as in RFC 4514.
          returned: always
          type: str
          sample: CN=Corp Issuing CA 1,O=Corp
        serial:
          description: The serial number in hexadecimal digits.
          returned: always
          type: str
          sample: 4c6ae2d1
        fingerprint_sha256:
          description: SHA-256 of it, in lower-case hexadecimal digits.
          returned: always
          type: str
          sample: 3f0e7ac8d90e1a1f9b2d3a4c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f7081
        not_before:
          description: Begin of its validity, in UTC.
          returned: always
          type: str
          sample: "2026-11-01T00:00:00Z"
        not_after:
          description: End of its validity, in UTC.
          returned: always
          type: str
          sample: "2027-11-01T00:00:00Z"
        dns_names:
          description: The host names that it is for.
          returned: always
          type: list
          elements: str
          sample: [web1.example.com]
        ip_addresses:
          description: The IP addresses that it is for.
          returned: always
          type: list
          elements: str
          sample: [192.0.2.10]
        key_type:
          description: The algorithm of its key, with size or curve.
          returned: always
          type: str
          sample: EC P-256
        root:
          description: Whether it is its own issuer.
          returned: always
          type: bool
          sample: false
    chain_findings:
      description: Sentences on what is missing in it, out of order or too much.
      returned: always
      type: list
      elements: str
      sample: ["the server sends the root CN=Corp Root CA too, which no client needs"]
    complete_chain:
      description: Whether it lacks nothing but the root. V(null) if nobody here knows who issued its last certificate.
      returned: always
      type: bool
      sample: true
    ordered_chain:
      description: Whether each certificate is followed by its issuer. V(null) where that is not known.
      returned: always
      type: bool
      sample: true
    trusted:
      description: Whether this host trusts it, for the name and the purpose. V(null) where that is not known.
      returned: always
      type: bool
      sample: true
    reasons:
      description: Sentences on why not.
      returned: always
      type: list
      elements: str
      sample: ["asked for a.example.com, the certificate is for b.example.com, c.example.com"]
    warnings:
      description: Sentences on what is no failure here and should be known.
      returned: always
      type: list
      elements: str
      sample: ["is signed with SHA-1, which TLS clients refuse"]
    remaining_days:
      description: Days until the server's certificate expires, rounded down; negative for an expired one. V(null)
        where that is not known.
      returned: always
      type: int
      sample: 342
    resumption:
      description: Session resumption. V(null) where it was not asked for or can't be found out; a warning says so.
      returned: always
      type: dict
      contains:
        offered:
          description: What the first session can be resumed by, V(ticket), V(session ID) or V(null).
          returned: always
          type: str
          sample: ticket
        resumed:
          description: Whether a second connection resumed it. V(null) where that is not known.
          returned: always
          type: bool
          sample: true
        tls13_ticket:
          description: Whether tickets of TLS 1.3 work. V(null) if that was not the protocol.
          returned: always
          type: bool
          sample: true
        tls12_ticket:
          description: Whether tickets of TLS 1.2 work. V(null) if the server has no TLS 1.2.
          returned: always
          type: bool
          sample: true
        tls12_session_id:
          description: Whether session IDs of TLS 1.2 work without tickets. V(null) if the server has no TLS 1.2.
          returned: always
          type: bool
          sample: false
    http:
      description: The answer to the GET request. V(null) if none was sent.
      returned: always
      type: dict
      contains:
        status:
          description: The status, V(null) if the answer was not HTTP.
          returned: always
          type: int
          sample: 200
        finding:
          description: Why there is no answer, or why the connection is not kept. V(null) where that is not known.
          returned: always
          type: str
          sample: "the server answers with 'Connection: close' (status 200)"
    keep_alive:
      description: Whether a second request was answered on the same connection. V(null) where it was not tried.
      returned: always
      type: bool
      sample: true
    versions:
      description:
        - Whether the server accepts each version. V(null) for one that this host can't try, and for all where it was
          not asked for.
      returned: always
      type: dict
      sample: {"TLSv1.0": false, "TLSv1.1": false, "TLSv1.2": true, "TLSv1.3": true}
    violations:
      description: A sentence for each wish that is not met.
      returned: always
      type: list
      elements: str
      sample: ["the server accepts TLSv1.1, lower than min_protocol=TLSv1.2 allows"]
trust:
  description: The anchors that the chains were judged against.
  returned: when endpoints were looked at
  type: dict
  contains:
    file:
      description: The file that OpenSSL looks into. V(null) where there is none.
      returned: always
      type: str
      sample: /etc/pki/tls/cert.pem
    directory:
      description: The directory that OpenSSL looks into. V(null) where there is none.
      returned: always
      type: str
      sample: /etc/pki/tls/certs
    anchors:
      description: How many certificates they hold.
      returned: always
      type: int
      sample: 142
missing_packages:
  description: Packages that the host lacks.
  returned: when it failed for that
  type: list
  elements: str
  sample: [openssl]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import (
    endpoint_info,
    handshake,
    requirements,
    starttls,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl

ENDPOINT = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 443},
    "server_name": {"type": "str"},
    "address": {"type": "str"},
    "starttls": {"type": "str", "choices": starttls.PROTOCOLS},
    "alpn": {"type": "list", "elements": "str"},
    "client_certificate": {"type": "path"},
    "client_privatekey_path": {"type": "path", "no_log": False},  # where it lies is no secret
    "client_privatekey_passphrase": {"type": "str", "no_log": True},
    "proxy": {"type": "str"},
    "purpose": {"type": "str", "choices": sorted(openssl.PURPOSES), "default": "server"},
}
ARGUMENTS = {
    "endpoints": {"type": "list", "elements": "dict", "options": ENDPOINT},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "server_name": {"type": "str"},
    "trust": {"type": "path"},
    "timeout": {"type": "float", "default": 10},
    "resumption": {"type": "bool", "default": True},
    "http": {"type": "bool", "default": True},
    "keep_alive": {"type": "bool", "default": False},
    "http_path": {"type": "str", "default": "/"},
    "versions": {"type": "bool", "default": False},
    "min_remaining": {"type": "str"},
    "min_protocol": {"type": "str", "choices": list(handshake.VERSIONS)},
    "require": {"type": "list", "elements": "str", "choices": list(requirements.REQUIRABLE), "default": []},
}


def look(options: "t.Dict[str, t.Any]", tmpdir: str) -> "t.Dict[str, t.Any]":
    """The module's result, or a Failure with all of it."""
    outcome = endpoint_info.look(options, tmpdir)
    return run_module.judged(outcome, outcome["requirements_met"])


def main() -> None:
    module = AnsibleModule(
        ARGUMENTS, supports_check_mode=True, required_one_of=[("endpoints", "host")],
        mutually_exclusive=[("endpoints", "host"), ("endpoints", "port"), ("endpoints", "server_name")])
    run_module.run(module, lambda: look(module.params, module.tmpdir), module.tmpdir)


if __name__ == "__main__":
    main()
