# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of the role host_certificate, as cert_verify wants them listed."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fleetpki.host_trust.plugins.filter import certificates_to_verify as plugin
from ansible_collections.fleetpki.host_trust.plugins.modules import cert_verify

verify = plugin.FilterModule().filters()["certificates_to_verify"]
WEB = {"path": "web1.crt", "chain": ["web1-chain.pem"], "private_key": "web1.key", "hostnames": ["web1"], "ips": [],
       "purpose": "server"}


@pytest.mark.parametrize("given, more", [
    ({}, {}),
    ({"name": "web1", "subject_alt_name": ["DNS:a", "dns:*.b", "IP:192.0.2.1", "URI:c"]},
     {"hostnames": ["a"], "ips": ["192.0.2.1"]}),
    ({"profile": "client"}, {"purpose": "client"}),
    ({"path": "/a.crt", "chain_path": "/c.pem", "privatekey_path": "/k"},
     {"path": "/a.crt", "chain": ["/c.pem"], "private_key": "/k"}),
    ({"privatekey_passphrase": "secret"}, {"private_key_passphrase": "secret"}),
])
def test_one(given, more):
    (found,) = verify([given], "web1")
    assert found == {**WEB, **more} and set(found) <= set(cert_verify.CERTIFICATE)


def test_names_that_are_addresses_or_wildcards():
    address, wildcard, six = verify([{"name": "192.0.2.7"}, {"name": "*.example.com"}, {"name": "2001:db8::1"}], "web1")
    assert (address["hostnames"], address["ips"], six["ips"]) == ([], ["192.0.2.7"], ["2001:db8::1"])
    assert wildcard["path"] == "wildcard.example.com.crt" and wildcard["hostnames"] == []


def test_files_that_are_not_written():
    no_chain, neither = verify([{"chain_path": ""}, {"chain_path": "", "fullchain_path": ""}], "web1")
    assert (no_chain["path"], neither["path"]) == ("web1-fullchain.pem", "web1.crt") and "chain" not in no_chain
    assert "chain" not in verify([{}], "web1", source="selfsigned", profile="client")[0]


def test_what_is_no_list_of_certificates():
    with pytest.raises(AnsibleFilterError, match="a list of dicts"):
        verify(["web1"], "web1")
