# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the collection's own that somebody else may have written to, and files of systems that are mounted."""

from __future__ import annotations

import functools
import os

import mutations
from targeting import file_of, scratch, target

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import journal as host_journal
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import firefox, stores


@target(mutations.bytes_of([b'[{"folder": 0, "name": "a.crt", "number": 0, "existed": true}]', b"[]", b"{}", b"[[[[",
                            b'[{"folder": -1, "name": "../../etc/x", "number": 1e999, "existed": false}]',
                            b'[{"folder": 0, "name": "a", "number": NaN, "existed": []}]', b"[" * 5000, b"\xff"]),
        (files.FilesError,))
def a_journal(data):
    folder, stage = scratch() / "anchors", scratch() / "staged"
    stage.mkdir(mode=0o700, exist_ok=True)
    (stage / "journal.json").write_bytes(data)
    journal = host_journal.Journal([(str(folder), str(stage))])
    journal.overlay()
    for entry in journal.entries:
        assert os.path.normpath(entry["path"]).startswith(f"{folder}/") and not {"new", "undo"} - set(entry)
        assert "/" not in entry["new"] + entry["undo"]


@target(mutations.bytes_of([b'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\n', b"ID=alpine\n",
                            b"ID=debian\nPRETTY_NAME='Debian GNU/Linux 12'\n", b"ID\nID=\nID_LIKE=\n=\n"]),
        (stores.StoreError,))
def an_os_release(data):
    root = scratch() / "system"
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/os-release").write_bytes(data)
    assert stores.store_of_family(str(root)) in stores.STORES


@target(mutations.bytes_of([b'{"policies": {"SecurityDevices": {"Add": {"a": "b"}, "Delete": ["c"]}}}', b"[" * 5000,
                            b'{"policies": {"SecurityDevices": {"a": "b"}}}', b'{"policies": []}', b"{}", b"1e999"]),
        (firefox.PolicyError,))
def policies_of_firefox(data):
    document = firefox._read(file_of(data, "policies.json"))
    for change in (functools.partial(firefox.with_trust, module="/p11.so"), firefox.without):
        changed, problem = change(document)
        assert (changed is None) == (problem is not None)
        if changed is not None:
            assert change(changed)[0] == changed
            firefox._text(changed).encode("ascii")
