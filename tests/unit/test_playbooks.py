# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks whose hosts must act in step say so, whatever the user's ansible.cfg says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
# Roles and playbooks in which hosts use what other hosts have found in the task before.
IN_STEP = {"ca_rotation", "tls_smoke_test", "trust_report"}


def plays(name):
    return yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))


def roles(play):
    """The names of the roles that a play uses, without the collection's."""
    found = [role["role"] if isinstance(role, dict) else role for role in play.get("roles", [])]
    for task in play.get("tasks", []):
        found += [given["name"] for word, given in task.items() if word.endswith(("import_role", "include_role"))]
    return {name.rpartition(".")[2] for name in found}


@pytest.mark.parametrize("name", ["report", "rotate_ca", "smoke_test", "verify"])
def test_hosts_that_use_what_others_have_found_act_in_step(name):
    """With another strategy a host would go on before the others have found it."""
    on_hosts = [play for play in plays(name) if play["hosts"] != "localhost"]
    assert on_hosts and all(name == "verify" or roles(play) & IN_STEP for play in on_hosts)
    assert {play.get("strategy", "").rpartition(".")[2] for play in on_hosts} == {"linear"}


def test_each_playbook_with_such_a_role_is_looked_at():
    found = {path.stem for path in PLAYBOOKS.glob("**/*.yml")
             if any(roles(play) & IN_STEP for play in plays(path.relative_to(PLAYBOOKS).with_suffix("")))}
    assert found == {"report", "rotate_ca", "smoke_test"}


def test_a_failure_of_one_host_stops_the_rotation():
    """A batch with a failed host is the last one: what one host refuses, others may refuse as well."""
    first, *others = plays("rotate_ca")
    assert first["hosts"] == "localhost" and len(others) == 5
    assert [play["name"] for play in others if play.get("any_errors_fatal") is not True] == []


def test_services_are_reloaded_whose_host_fails_afterwards():
    """In each play that installs certificates."""
    reissue, = [play for play in plays("rotate_ca") if "serial" in play]
    certificates, = plays("parts/certificates")
    assert reissue["force_handlers"] is certificates["force_handlers"] is True
