# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake root's trust store, certificates to converge it to, and what was done to it."""
import pki
from fake_root import FakeRoot

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import extract as trust_extract
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

A, B = pki.root("Root A"), pki.root("Root B")
RENEWED = pki.root("Root A", key=A.key, serial=2)
TWIN = pki.root("Root A")
ISSUING = pki.issue("Issuing", A, ca=True)
CLIENTS = pki.root("Clients only", purposes=["client"])
MOZILLA = [pki.root("Public %d" % number) for number in range(3)]
ALL = [A, B, TWIN, ISSUING, CLIENTS] + MOZILLA[:2]


def want(pair, state="present", name=None):
    return trust_plan.Wanted(state, name, pair.fingerprint, x509.parse(pair.der))


def faked(kind, tmp_path, monkeypatch):
    """A root in a temporary folder, whose extract is a function and is not tried again."""
    fake = FakeRoot(tmp_path / "root", kind, MOZILLA)
    monkeypatch.setattr(trust_extract, "run", fake.run)
    monkeypatch.setattr(trust_converge, "RETRY_AFTER_SECONDS", ())
    return fake


def converge(system, *wanted, **options):
    return trust_converge.converge(system.store, list(wanted), **options)


def actions(outcome):
    return [step.action for step in outcome.plan.steps]
