# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are only looked at, without Ansible's code around ours: the same is said of them as by the module."""

from __future__ import annotations

import json

import counting
import pki
import plays
import pytest
from counting import LOOK, MODULE
from test_ca_trust_anchor import held, trusted

ROOT = pki.root("Corp Root CA")
LATER = pki.root("Later Root CA")
UNKNOWN = pki.root("Unknown Root CA")
ORPHAN = pki.issue("An Issuing CA", UNKNOWN, ca=True, path_length=0)
MANY = [pki.root(f"Root CA {number}", key=ROOT.key) for number in range(60)]  # more than are sent unasked
BUNDLE = {"store": "bundle", "bundle_path": "~/app/ca.pem"}
WITH_COUNTING = ("-e", f"ansible_python_interpreter={counting.PYTHON}")
AS_FILES = ("-e", "ansible_pipelining=false ansible_ssh_pipelining=false")  # the module is executed, always


@pytest.fixture()
def hosts(platform_hosts):
    for host in platform_hosts.values():
        counting.bring(host)
        host.run("mkdir", "/root/app")
    return platform_hosts


def gone(pair):
    return {"content": pair.pem, "state": "absent"}


def distrusted(pair):
    return {"content": pair.pem, "state": "distrusted"}


@pytest.mark.platforms
def test_a_look_says_what_the_module_says(hosts):
    """Of hosts that are to be left as they are, and in check mode of all that would be done."""
    root = {"name": "Corp Root \u00c5", "content": ROOT.pem}
    public = {name: sorted(trusted(host))[0] for name, host in hosts.items()}
    of_distribution = {"fingerprint": "{{ public[inventory_hostname] }}", "state": "distrusted"}
    settled = [
        plays.anchors(root, of_distribution, gone(UNKNOWN)),
        plays.anchors(root, gone(LATER), purge="none", extract="never"),
        plays.anchors(root, ORPHAN),
        plays.anchors(ROOT, ORPHAN, **BUNDLE),
        plays.anchors(root, *MANY, gone(UNKNOWN)),
    ]
    foreseen = [{**task, "check_mode": True, "diff": True} for task in (
        plays.anchors(gone(ROOT), {"name": "no such name", "state": "absent"}),
        plays.anchors(root, purge="managed"),
        plays.anchors(root, extract="always"),
        plays.anchors(ROOT, gone(ORPHAN), **BUNDLE),
        plays.anchors({"fingerprint": "{{ public[inventory_hostname] }}", "state": "distrusted"}, purge="all"),
    )]
    variables = {"vars": {"public": public}}
    first = plays.run(hosts.inventory, settled, *WITH_COUNTING, **variables)
    assert not [one for results in first.results.values() for one in results if one.get("failed")], first.output
    for host in hosts.values():
        counting.executed(host)
    looked = plays.run(hosts.inventory, settled + foreseen, *WITH_COUNTING, **variables)
    by_look = {name: counting.executed(host) for name, host in hosts.items()}
    done = plays.run(hosts.inventory, settled + foreseen, *WITH_COUNTING, *AS_FILES, **variables)
    by_module = {name: counting.executed(host) for name, host in hosts.items()}
    for name in hosts:
        assert by_look[name] == [LOOK] * len(settled + foreseen) and set(by_module[name]) == {MODULE}, name
        assert [one["changed"] for one in looked.of(name)] == [False] * len(settled) + [True] * len(foreseen), name
        assert looked.of(name) == done.of(name), name
        assert any("Install the root, too" in warning for warning in looked.of(name)[2]["warnings"])
        for long_or_short in (looked.of(name)[0], looked.of(name)[4]):
            said = long_or_short["anchors"][-1]["subject"]
            assert said == "CN=Unknown Root CA", "though the host has never seen it"


@pytest.mark.platforms
def test_the_module_does_what_a_look_finds_to_be_done(hosts):
    """Installed, distrusted, removed; and what was made by hand is not believed to be in order."""
    tasks = [plays.anchors(ROOT, LATER), plays.anchors(distrusted(UNKNOWN)), plays.anchors(gone(LATER))]
    play = plays.run(hosts.inventory, tasks, *WITH_COUNTING)
    for name, host in hosts.items():
        # Debian can't distrust what it has not got.
        assert [one["changed"] for one in play.of(name)] == [True, host.platform.family == "redhat", True], name
        pairs = [[LOOK, MODULE] if one["changed"] else [LOOK] for one in play.of(name)]
        assert counting.executed(host) == sum(pairs, []), name
        assert ROOT.fingerprint in trusted(host) and len(held(host)) == 1
        counting.executed(host)
    for host in hosts.values():
        host.run("sh", "-c", "rm -rf /usr/local/share/ca-certificates/* /etc/pki/ca-trust/source/anchors/*")
    play = plays.run(hosts.inventory, tasks[:1], *WITH_COUNTING)
    assert all(play.of(name)[0]["changed"] and ROOT.fingerprint in trusted(host) for name, host in hosts.items())


def test_where_the_interpreter_is_not_known_the_module_finds_it(el9):
    """And from then on, hosts are looked at; but not with a Python that fails, nor in somebody else's place."""
    host = el9["el9"]
    counting.bring(host)
    found = "-e", json.dumps({"ansible_python_interpreter": "auto_silent",
                              "ansible_interpreter_python_fallback": [counting.PYTHON]})
    play = plays.run(el9.inventory, [plays.anchors(ROOT)], *found)
    assert play.of("el9")[0]["changed"] and counting.executed(host)[-1] == MODULE
    play = plays.run(el9.inventory, [plays.anchors(ROOT), plays.anchors(ROOT)], *found)
    assert [one["changed"] for one in play.of("el9")] == [False, False]
    assert counting.executed(host)[-2:] == [MODULE, LOOK]
    play = plays.run(el9.inventory, [{**plays.anchors(ROOT), "delegate_to": "el9"}], *WITH_COUNTING)
    assert not play.of("el9")[0]["changed"] and counting.executed(host)[-1:] == [MODULE]
    # A look that comes to nothing costs time, and nothing else.
    host.write(counting.PYTHON, b'#!/bin/sh\n[ "$1" != -I ] || exit 3\nexec /usr/bin/python3 "$@"\n', 0o755)
    play = plays.run(el9.inventory, [plays.anchors(ROOT, LATER), plays.anchors(ROOT, LATER)], *WITH_COUNTING)
    assert [one["changed"] for one in play.of("el9")] == [True, False]


@pytest.mark.parametrize("others", [[], MANY])
def test_what_another_run_takes_away_after_the_look_is_there_again(el9, others):
    """Whether the list is short, and sent to the module whole, or the module has to ask for it as well."""
    host, path = el9["el9"], "/etc/pki/ca-trust/source/anchors/later.crt"
    host.write(path, LATER.pem.encode())
    host.run("update-ca-trust", "extract")
    host.write(counting.PYTHON, f"""#!/bin/sh
if [ "$1" = -I ]; then /usr/bin/python3 "$@" && rm -f {path} && update-ca-trust extract
else exec /usr/bin/python3 "$@"; fi
""".encode(), 0o755)
    play = plays.run(el9.inventory, [plays.anchors(ROOT, LATER, *others)], *WITH_COUNTING, ignore_errors=False)
    assert play.of("el9")[0]["changed"] and {ROOT.fingerprint, LATER.fingerprint} <= trusted(host)
