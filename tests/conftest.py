# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this checkout importable as the collection, with Ansible on the machine and (for old Pythons) without."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLLECTIONS = os.path.join(ROOT, ".build", "collections")
sys.path.insert(0, os.path.join(ROOT, "tests"))


def make_collection_importable():
    """Links the checkout to the path that Ansible demands, and tells Python's import system of it."""
    link = os.path.join(COLLECTIONS, "ansible_collections", "fleetpki", "host_trust")
    os.makedirs(os.path.dirname(link), exist_ok=True)
    try:
        os.symlink(ROOT, link)
    except FileExistsError:
        pass
    try:
        from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
    except ImportError:
        sys.path.insert(0, COLLECTIONS)  # a host's Python: plain namespace packages do
    else:
        _AnsibleCollectionFinder(paths=[COLLECTIONS])._install()


make_collection_importable()
