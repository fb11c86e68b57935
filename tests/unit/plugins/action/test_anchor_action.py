# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ca_trust_anchor's controller side: when it asks the controller's OpenSSL, and what reaches a host."""

from __future__ import annotations

import pki
import pytest
import raw_pki
from ansible.plugins.action import ActionBase

from ansible_collections.fleetpki.host_trust.plugins.action import ca_trust_anchor
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._trust import anchor_policy

LATIN1 = raw_pki.latin1_root()
SETTLED = {"store": "redhat", "bundle": "/x", "extracted": False, "anchors": [], "plan": [], "diff": {}, "warnings": []}


class Task:
    """What an action plugin asks of its task."""

    diff, check_mode, delegate_to, async_val, action = False, False, None, 0, "fleetpki.host_trust.ca_trust_anchor"

    def __init__(self, content):
        self.args = {"anchors": [{"name": "corp", "content": content}]}


@pytest.fixture
def run(monkeypatch):
    """Runs the action with a CA; returns (its result, what the module was executed with)."""
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})

    def runs(content, look=None):
        action = object.__new__(ca_trust_anchor.ActionModule)
        action._task, executed = Task(content), []
        monkeypatch.setattr(action, "_look", lambda *_given: look, raising=False)
        monkeypatch.setattr(action, "_execute_module",
                            lambda **given: executed.append(given) or {**SETTLED, "changed": True}, raising=False)
        return action.run(), executed
    return runs


def test_a_good_ca_reaches_the_host(run):
    result, executed = run(pki.root().pem)
    assert result["changed"] and len(executed) == 1


@pytest.mark.parametrize("look", [None, {"unsent": []}, {**SETTLED, "changed": True}])
def test_what_the_controllers_openssl_refuses_reaches_no_host(run, monkeypatch, look):
    """Should our own reader let it pass: in the look of check mode and where the module is to run."""
    monkeypatch.setattr(anchor_policy.loadable, "fault", lambda data: None)
    result, executed = run(LATIN1.pem, look)
    assert result["failed"] and not executed
    assert "(corp)" in result["msg"] and "OpenSSL does not load it: the controller's OpenSSL " in result["msg"]


def test_a_host_that_has_all_costs_no_question(run, monkeypatch):
    monkeypatch.setattr(anchor_policy, "unloadable", None)
    result, executed = run(pki.root().pem, {**SETTLED, "changed": False})
    assert not result["changed"] and not executed


def test_what_our_reader_refuses_is_not_even_looked_for(run):
    result, executed = run(LATIN1.pem)
    assert result["failed"] and not executed and "is not valid UTF-8" in result["msg"]
