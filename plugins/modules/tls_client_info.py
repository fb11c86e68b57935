#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a host's TLS clients accept a server."""

DOCUMENTATION = r"""
module: tls_client_info
short_description: Ask every TLS client of a host whether it accepts a server
version_added: 0.1.0
author:
  - fleetpki.host_trust contributors (@fleetpki)
description:
  - Has the TLS clients that are installed on a host connect to HTTPS servers, each with the trust that it has there by
    itself, and tells which of them accept the server and what the others say against it, in their own words.
  - OpenSSL, GnuTLS, NSS, Java, Node.js and Python do not agree on where anchors lie, nor on what a valid chain is. That
    one of them accepts a server says little of the others.
  - All of them verify the server's name. The servers must speak HTTP.
  - Without O(endpoints) and O(host) it only tells which clients there are.
  - It never changes anything.
options:
  endpoints:
    description:
      - The servers. An empty list is an error, so that a search that found nothing does not pass.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - What messages call it. The default is O(endpoints[].server_name) with the port.
        type: str
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
          - Where to connect instead of what O(endpoints[].host) resolves to.
        type: str
      client_certificate:
        description:
          - A PEM file on the host with a client certificate, for mutual TLS.
          - V(nss) and V(java) can't be given one here, and are left out then.
        type: path
      client_privatekey_path:
        description:
          - A PEM file on the host with its private key, not encrypted.
            The default is O(endpoints[].client_certificate).
        type: path
  host:
    description:
      - The same as O(endpoints[].host), for a single server.
    type: str
  port:
    description:
      - The same as O(endpoints[].port), for O(host).
    type: int
    default: 443
  clients:
    description:
      - The clients that are asked, where they are installed. The default is all of them.
      - V(openssl) is C(openssl s_client), V(gnutls) is C(gnutls-cli).
      - V(python) is the Python that the module runs with.
      - V(nss) is C(tstclnt) with the anchors of p11-kit, as the browsers of EL and Fedora use them.
      - V(java) connects with the Java that C(java) is. Where that is older than 11 or has no compiler, it runs no
        program from its source. Then OpenSSL judges instead, by the anchors of Java's store.
      - V(node) is told to use the system's anchors, which it does not do by itself.
    type: list
    elements: str
    choices: [openssl, curl, python, gnutls, nss, java, node]
  require:
    description:
      - The clients that must accept every server. It fails with a sentence for each that does not.
      - V(installed) is every client of O(clients) that is installed, of which one must be tried. Those that can't be
        tried, with what was given or because they are broken, don't count.
      - A client that is named must be among O(clients), be there, be tried, and accept.
    type: list
    elements: str
    choices: [installed, openssl, curl, python, gnutls, nss, java, node]
    default: []
  trust:
    description:
      - A PEM file on the host with the anchors that count instead of each client's own. An empty path is an error.
    type: path
  timeout:
    description:
      - Seconds that a connection may take.
    type: float
    default: 10
notes:
  - Clients see the environment of the task, such as E(SSL_CERT_FILE), E(CURL_CA_BUNDLE) and E(NODE_EXTRA_CA_CERTS), and
    the settings of its user, such as C(~/.curlrc). That they verify is not up to those. A proxy is not used.
  - Clients differ in small things. OpenSSL, NSS, Java and Node.js accept C(w*.example.com) for a name, which
    M(fleetpki.host_trust.cert_verify) does not, and some accept a common name where there is no alternative name.
  - Programs in Go bring their own client, and there is none to ask. They read the files that OpenSSL reads.
seealso:
  - module: fleetpki.host_trust.tls_endpoint_info
    description: A close look at a server, with advice on what is wrong with it.
  - name: The role tls_smoke_test
    description: Has hosts ask each other, each with the certificate that it has been given.
    link: https://github.com/fleetpki/host_trust/blob/main/roles/tls_smoke_test/README.md
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
    description: Linux.
"""

EXAMPLES = r"""
- name: Everything on this host that speaks TLS accepts the company's server
  fleetpki.host_trust.tls_client_info:
    host: intranet.example.com
    require:
      - installed

- name: Java and curl accept the new server before DNS points to it
  fleetpki.host_trust.tls_client_info:
    endpoints:
      - host: shop.example.com
        address: 192.0.2.17
    require:
      - java
      - curl
"""

RETURN = r"""
requirements_met:
  description: Whether every required client accepts every server.
  returned: always
  type: bool
  sample: false
msg:
  description: A line for each required client that refuses a server or is not there.
  returned: always
  type: str
  sample: "shop.example.com:443: curl refuses it: curl: (60) SSL certificate problem: certificate has expired"
clients:
  description: The clients that are installed, by name.
  returned: always
  type: dict
  contains:
    path:
      description: The program.
      returned: always
      type: str
      sample: /usr/bin/curl
    version:
      description: What it says of itself; V(null) where it can't be asked.
      returned: always
      type: str
      sample: curl 7.76.1 (x86_64-redhat-linux-gnu) libcurl/7.76.1 OpenSSL/3.5.1
  sample: {"curl": {"path": "/usr/bin/curl", "version": "curl 7.76.1"}}
missing:
  description: Clients that O(require) names and that are not installed.
  returned: always
  type: list
  elements: str
  sample: [java]
python:
  description: The path of the Python that the module runs with.
  returned: always
  type: str
  sample: /usr/bin/python3
results:
  description: What was said of each server, in the order of O(endpoints).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: What messages call it.
      returned: always
      type: str
      sample: shop.example.com:443
    host:
      description: The host.
      returned: always
      type: str
      sample: shop.example.com
    port:
      description: The port.
      returned: always
      type: int
      sample: 443
    server_name:
      description: The name or IP address that the certificate must be for.
      returned: always
      type: str
      sample: shop.example.com
    accepted:
      description: Whether a client accepts it and none refuses it, required or not.
      returned: always
      type: bool
      sample: false
    clients:
      description:
        - Each installed client by name.
      returned: always
      type: dict
      contains:
        accepted:
          description: Whether it accepts the server; V(null) where it could not be tried.
          returned: always
          type: bool
          sample: false
        message:
          description: Its own words.
          returned: always
          type: str
          sample: "curl: (60) SSL certificate problem: certificate has expired"
      sample: {"curl": {"accepted": false, "message": "curl: (60) SSL certificate problem: certificate has expired"}}
    violations:
      description: A sentence for each required client that refuses it.
      returned: always
      type: list
      elements: str
      sample: ["curl refuses it: curl: (60) SSL certificate problem: unable to get local issuer certificate"]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls_clients import client_info, clients

ENDPOINT = {
    "name": {"type": "str"},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 443},
    "server_name": {"type": "str"},
    "address": {"type": "str"},
    "client_certificate": {"type": "path"},
    "client_privatekey_path": {"type": "path", "no_log": False},  # where it lies is no secret
}
ARGUMENTS = {
    "endpoints": {"type": "list", "elements": "dict", "options": ENDPOINT},
    "host": {"type": "str"},
    "port": {"type": "int", "default": 443},
    "clients": {"type": "list", "elements": "str", "choices": list(clients.CLIENTS)},
    "require": {"type": "list", "elements": "str", "default": [],
                "choices": [client_info.INSTALLED] + list(clients.CLIENTS)},
    "trust": {"type": "path"},
    "timeout": {"type": "float", "default": 10},
}


def look(options: "t.Dict[str, t.Any]", tmpdir: str) -> "t.Dict[str, t.Any]":
    """The module's result, or a Failure with all of it."""
    outcome = client_info.look(options, tmpdir)
    return run_module.judged(outcome, outcome["requirements_met"])


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True, mutually_exclusive=[("endpoints", "host")])
    run_module.run(module, lambda: look(module.params, module.tmpdir), module.tmpdir)


if __name__ == "__main__":
    main()
