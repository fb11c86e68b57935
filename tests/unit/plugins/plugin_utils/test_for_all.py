# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that are to be the same for all hosts."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.fleetpki.host_trust.plugins.filter import variables_that_differ

differ = variables_that_differ.FilterModule().filters()["variables_that_differ"]
CA = {"private_ca_dir": None, "private_ca_host": "localhost", "private_ca_become": False}


def of(defaults, **hosts):
    return differ(defaults, hosts, list(hosts))


def test_what_is_the_same_is_not_named():
    assert of(CA, web1={"private_ca_dir": "/a"}, web2={"private_ca_dir": "/a", "other": 5}) == []
    assert of(CA, web1={"private_ca_dir": "/a", "private_ca_become": "no"},
              web2={"private_ca_dir": "/a", "private_ca_host": "localhost"}) == []
    assert of({"count": 0, "listed": []}, web1={"count": "0"}, web2={"listed": []}) == []
    assert of(CA, web1={"private_ca_dir": "/a"}) == of(CA) == []


def test_who_has_none_is_not_compared():
    assert of(CA, web1={"private_ca_host": "ca1"}, web2={"private_ca_dir": "/a"}, web3={"private_ca_dir": None}) == []


def test_each_variable_is_named_with_hosts_and_without_values():
    assert of(CA, web1={"private_ca_dir": "/secret", "private_ca_become": True}, web2={"private_ca_dir": "/b"}) == [
        "private_ca_dir has one value for web1, and another for web2",
        "private_ca_become has one value for web1, and another for web2"]
    many = {f"web{number}": {"listed": [number // 4]} for number in range(10)}
    assert of({"listed": []}, **many) == [
        "listed has one value for web0, web1, web2 and 1 more, and another for web4, web5, web6 and 3 more"]


def test_a_host_that_is_refused_itself_keeps_nobody_from_going_on():
    facts = {"private_ca_dir": "/evil"}
    assert of(CA, web1={"ansible_facts": facts, **facts}, web2={"private_ca_dir": "/a", "ansible_facts": {}},
              web3={"private_ca_dir": "/a", "ansible_facts": {"distribution": "Debian"}}) == []


def test_what_a_play_gives_wrongly_is_said_to_its_author():
    with pytest.raises(AnsibleFilterError, match="wants a dict of defaults, hostvars and names of hosts"):
        differ(["private_ca_dir"], {"a": {}, "b": {}}, ["a", "b"])
