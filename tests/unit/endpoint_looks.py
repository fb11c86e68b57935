# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints looked at as the module does, with servers of this process and a private CA."""
import json

import pki
import pytest
import tls_servers as servers

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint_info

ROOT = pki.root("Corp Root CA")
ISSUING = pki.root("Corp Issuing CA 1", issuer=ROOT)
WEB = pki.server("web1.example.com", ISSUING, ips=["127.0.0.1"])
CLIENT = pki.issue("client", ROOT, purposes=["client"])
DEFAULTS = {"endpoints": None, "host": None, "port": None, "server_name": None, "timeout": 2.0, "resumption": False,
            "http": False, "keep_alive": False, "http_path": "/", "versions": False, "min_remaining": None,
            "min_protocol": None, "require": []}


def https(*pairs, **options):
    """A server that answers over and over."""
    return servers.Server(servers.tls(servers.context(*pairs, **options), servers.http()))


def look(server, trust, name="web1.example.com", item=None, now=None, **options):
    """The result of one endpoint. now: as of endpoint_info.look, which means the machine's clock without it."""
    port = server if isinstance(server, int) else server.port
    given = dict(DEFAULTS, trust=trust, **options)
    given["endpoints"] = [dict({"host": "127.0.0.1", "port": port, "server_name": name}, **(item or {}))]
    outcome = endpoint_info.look(given, now=now)
    result, = outcome["results"]
    assert outcome["requirements_met"] is not bool(result["violations"])
    json.dumps(outcome)  # plain values alone
    return result


def refused(**options):
    with pytest.raises(Failure) as error:
        endpoint_info.look(dict(DEFAULTS, **options))
    return str(error.value)
