# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each system call on files fails once, be it of the module or of what it runs: clear words, and the former state.

Or success, where what failed does no harm; then everything is as wanted. ``make kill-everywhere`` has each call fail
with each error; here, they take turns.
"""

from __future__ import annotations

import interruptions
import podman
import pytest

pytestmark = pytest.mark.faults

ERRORS = ["ENOSPC", "EIO", "EACCES", "EROFS"]


@pytest.mark.parametrize("platform", ["el8", "el9", "el10", "debian12"] if interruptions.EVERYWHERE else
                         ["el8", "debian12"])
def test_ca_trust_anchor(platform, record_property):
    with podman.Host("faults", platform) as host:
        interruptions.prepare(host)
        for name in ("replace", "distrust") if interruptions.EVERYWHERE else ("replace",):
            _fail_each(host, name, interruptions.trust_scenarios(host)[name], [*ERRORS, "KILL_CALLER"], record_property)


def test_keys_and_certificates(record_property):
    with podman.Host("faults", "debian12") as host:
        interruptions.prepare(host)
        for name, scenario in interruptions.pair_scenarios().items():
            _fail_each(host, name, scenario, ERRORS, record_property)


def _fail_each(host, name, scenario, errors, record_property):
    # Where p11-kit can't read an anchor, it goes on without it and without a word: this bundle is not looked at.
    scenario["loose"] = [*scenario["loose"], "/openssl/ca-bundle.trust.crt$"]
    report = interruptions.interrupt(host, scenario, errors)
    harmless = sum(report["harmless"].values())
    said = f"{name} on {host.platform.name}: {report['places']} calls failed, {harmless} of them without harm"
    record_property("said", f"{said}, {report['seconds']} s")
    assert report["places"] > 20 and not report["found"], f"{said}\n" + "\n".join(report["found"])
