# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that have the name of one of this collection's variables."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible import constants
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import refused_facts

ROOT = pathlib.Path(refused_facts.__file__).resolve().parents[3]


def found(value):
    """What tasks register, loop with and set, wherever in a file."""
    for key, one in value.items() if isinstance(value, dict) else ():
        if key in ("register", "loop_var", "index_var"):
            yield one
        if key == "ansible.builtin.set_fact":
            yield from one
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from found(one)


def variables():
    """What the roles and playbooks define: defaults, vars, and what they register and set."""
    for path in [*ROOT.glob("roles/*/defaults/*.yml"), *ROOT.glob("roles/*/vars/*.yml")]:
        yield from yaml.safe_load(path.read_text())
    for path in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/**/*.yml")]:
        yield from found(yaml.safe_load(path.read_text()))


def test_all_variables_of_the_collection_are_known():
    known = sorted(set(variables()))
    assert len(known) > 200 and "__ca_trust_result" in known and "host_trust_store" in known
    assert refused_facts.found(dict.fromkeys(known)) == known


def test_what_ansible_gathers_is_no_variable_of_ours():
    assert refused_facts.found(dict.fromkeys([
        "distribution", "ansible_distribution", "discovered_interpreter_python", "module_setup", "services", "packages",
        "facter_hostname", "ca_trust", "my_ca_trust_store", "hosts", 5])) == []
    assert refused_facts.found(["ca_trust_store"]) == refused_facts.found(None) == []


@pytest.mark.parametrize("on", [True, False])
def test_facts_count_where_ansible_makes_variables_of_them(monkeypatch, on):
    monkeypatch.setenv("ANSIBLE_INJECT_FACT_VARS", str(on))
    said = refused_facts.sentence("web1", {f"private_ca_{number}": "x" for number in range(7)})
    assert (said != "") == on
    if on:
        assert said.startswith("web1 has set private_ca_0, private_ca_1, private_ca_2, private_ca_3, private_ca_4 and "
                               "2 more as a fact")
        assert "clear_facts" in said and "inject_facts_as_vars = false" in said
    assert constants.config.get_config_value("INJECT_FACTS_AS_VARS") is on


@pytest.fixture
def hostvars(tmp_path):
    """Variables of two hosts: in the inventory, for a group and for a host, and facts that web1 has set."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "hosts.yml").write_text("all: {vars: {in_inventory: x}, hosts: {web1: {of_host: x}, web2: {}}}")
    (tmp_path / "group_vars" / "all.yml").write_text("of_group: x")
    (tmp_path / "host_vars" / "web1.yml").write_text("in_host_vars: x")
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(tmp_path / "hosts.yml")])
    manager = VariableManager(loader=loader, inventory=inventory)
    return HostVars(inventory, manager, loader)


def test_facts_that_shadow_the_inventory(hostvars):
    """Ansible's own structures are read for this, which differ between versions of ansible-core."""
    ours = {"in_inventory": "y", "of_host": "y", "of_group": "y", "in_host_vars": "y"}
    facts = {**ours, "nobodys": "y", "ansible_distribution": "Debian", "discovered_interpreter_python": "/bin/python3"}
    hostvars._variable_manager.set_host_facts("web1", facts)
    assert refused_facts.shadowed(hostvars, "web1", facts) == sorted(ours)
    assert "web1 has set in_host_vars, in_inventory, of_group, of_host as a fact" in refused_facts.sentence(
        "web1", facts, hostvars)
    assert refused_facts.shadowed(hostvars, "web2", {"x": 1}) == []
    hostvars._variable_manager.set_host_facts("web2", {"of_host": "y", "in_host_vars": "y"})
    assert refused_facts.shadowed(hostvars, "web2", {"of_host": "y"}) == [], "no variables of this host"
