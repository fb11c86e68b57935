# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before each single system call that changes the file system: what was trusted is, and the next run repairs it.

How that is done, and why not with strace: on_host/supervised.py. What is looked at after each kill: on_host/looks.py.
``make kill-everywhere`` tries every scenario on every host; here, each kind of store has its share.
"""

from __future__ import annotations

import interruptions
import podman
import pytest

pytestmark = pytest.mark.faults

TRUST = {
    "el8": ["install", "replace", "remove", "distrust", "purge", "recover"],
    "el9": [],  # EL 10 has the same command, and more that may be lost
    "el10": ["replace"],
    "debian12": ["replace", "distrust", "recover"],
    "debian13": [],
}
ALL = ["install", "replace", "remove", "distrust", "purge", "recover"]


@pytest.mark.parametrize("platform", [name for name in TRUST if TRUST[name] or interruptions.EVERYWHERE])
def test_ca_trust_anchor(platform, record_property):
    with podman.Host("killed", platform) as host:
        interruptions.prepare(host)
        scenarios = interruptions.trust_scenarios(host)
        for name in ALL if interruptions.EVERYWHERE else TRUST[platform]:
            report = interruptions.interrupt(host, scenarios[name], ["KILL_ALL"])
            said = f"{name} on {platform}: killed at {report['places']} places"
            record_property("said", f"{said}, {report['seconds']} s")
            assert report["places"] > 30 and not report["found"], f"{said}\n" + "\n".join(report["found"])
            # EL 10's own command takes OpenSSL's links away, and makes them again last; so does Debian's, from scratch.
            # OpenSSL has the bundle meanwhile: _trust_extract.bridge on EL 10, a file of the system's on Debian.
            assert bool(report["window"]) is (platform == "el10" or name == "recover" and platform[:3] == "deb"), report


@pytest.mark.parametrize("platform", ["el8", "debian12"] + ["el9", "el10", "debian13"] * interruptions.EVERYWHERE)
def test_the_module_alone(platform, record_property):
    """Its extract goes on, and holds the lock until it is done: the next run begins after that."""
    with podman.Host("alone", platform) as host:
        interruptions.prepare(host)
        scenario = interruptions.trust_scenarios(host)["replace"]
        report = interruptions.interrupt(host, scenario, ["KILL_MODULE"])
        said = f"replace on {platform}: the module alone killed at {report['places']} places"
        record_property("said", f"{said}, {report['seconds']} s")
        assert report["places"] > 10 and not report["found"], f"{said}\n" + "\n".join(report["found"])


def test_keys_and_certificates(record_property):
    """No certificate is there without its key; only between two renames, that is not in its place yet."""
    with podman.Host("pairs", "debian12") as host:
        interruptions.prepare(host)
        for name, scenario in interruptions.pair_scenarios().items():
            report = interruptions.interrupt(host, scenario, ["KILL_ALL"])
            said = f"{name}: killed at {report['places']} places"
            record_property("said", f"{said}, {report['seconds']} s")
            assert report["places"] > 5 and not report["found"], f"{said}\n" + "\n".join(report["found"])
            assert len(report["apart"]) <= 4 and all(
                each.split(": ")[1].startswith("rename") for each in report["apart"]), report["apart"]
