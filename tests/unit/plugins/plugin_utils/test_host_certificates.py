# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of the role host_certificate, as cert_verify and a server want them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fleetpki.host_trust.plugins.filter import certificate_to_serve, certificates_to_verify
from ansible_collections.fleetpki.host_trust.plugins.modules import cert_verify

verify = certificates_to_verify.FilterModule().filters()["certificates_to_verify"]
serve = certificate_to_serve.FilterModule().filters()["certificate_to_serve"]
WEB = {"path": "web1.crt", "chain": ["web1-chain.pem"], "privatekey_path": "web1.key", "hostnames": ["web1"], "ips": [],
       "purpose": "server"}
SERVED = {"name": "web1", "certificate": "web1-fullchain.pem", "privatekey": "web1.key", "privatekey_passphrase": ""}


@pytest.mark.parametrize("given, more", [
    ({}, {}),
    ({"name": "web1", "subject_alt_name": ["DNS:a", "dns:*.b", "IP:192.0.2.1", "URI:c"]},
     {"hostnames": ["a"], "ips": ["192.0.2.1"]}),
    ({"purpose": "client"}, {"purpose": "client"}),
    ({"path": "/a.crt", "chain_path": "/c.pem", "privatekey_path": "/k"},
     {"path": "/a.crt", "chain": ["/c.pem"], "privatekey_path": "/k"}),
    ({"privatekey_passphrase": "secret"}, {"privatekey_passphrase": "secret"}),
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
    assert "chain" not in verify([{}], "web1", source="selfsigned", purpose="client")[0]


@pytest.mark.parametrize("given, more", [
    ([{}], {}), ([{}, {"name": "other"}], {}), ([{"purpose": "client", "name": "a"}, {"purpose": "server"}], {}),
    ([], {"certificate": "", "privatekey": ""}),
    ([{"purpose": "client", "name": "a"}], {"certificate": "", "privatekey": ""}),
    ([{"privatekey_path": "/k", "fullchain_path": "/f.pem", "privatekey_passphrase": "secret"}],
     {"privatekey": "/k", "certificate": "/f.pem", "privatekey_passphrase": "secret"}),
    ([{"fullchain_path": "", "path": "/a.crt"}], {"certificate": "/a.crt"}),
    ([{"fullchain_path": ""}], {"certificate": "web1.crt"}),
    # What it is called need not be what it is for.
    ([{"subject_alt_name": ["DNS:*.a", "DNS:www.a", "DNS:web1"]}], {}),
    ([{"subject_alt_name": ["URI:x", "DNS:*.a", "IP:192.0.2.1", "DNS:www.a"]}], {"name": "www.a"}),
    ([{"subject_alt_name": ["DNS:*.a", "IP:192.0.2.1"]}], {"name": "192.0.2.1"}),
    ([{"name": "*.a"}],
     {"name": "wildcard.a", "certificate": "wildcard.a-fullchain.pem", "privatekey": "wildcard.a.key"}),
])
def test_what_a_server_needs(given, more):
    assert serve(given, "web1") == {**SERVED, **more}


def test_what_clients_need_is_nothing_for_a_server():
    assert serve([{}, {"purpose": "server", "name": "b"}], "web1", purpose="client")["certificate"] == "b-fullchain.pem"


def test_what_a_server_needs_that_is_self_signed():
    assert serve([{"fullchain_path": "/f.pem"}], "web1", source="selfsigned") == {**SERVED, "certificate": "web1.crt"}


@pytest.mark.parametrize("plugin", [verify, serve])
def test_what_is_no_list_of_certificates(plugin):
    with pytest.raises(AnsibleFilterError, match="a list of dicts"):
        plugin(["web1"], "web1")
