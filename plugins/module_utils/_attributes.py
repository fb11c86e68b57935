# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Modes, owners and labels of the files that modules write, and keys that got into options where none belongs."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import grp
import os
import pwd
import re

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _files as files
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _pem as pem

WRONG = {"mode": "%r is no mode: write for example '0640' or u=rw,g=r", "owner": "there is no user %r on this host",
         "group": "there is no group %r on this host"}


class AttributesError(Exception):
    """A mode, owner or group that can't be set; the message says which option, why, and what to write."""


def hide_keys(module, names):
    """Has Ansible take private keys out of all that it shows, should there be some in options where none belongs."""
    for name in names:
        value = module.params.get(name)
        if value and pem.holds_key(value.encode("utf-8", "replace")):
            module.no_log_values.add(value)


def check(params):
    """Raises AttributesError for modes, owners and groups that can't be set, before anything is changed."""
    for name, known in (("owner", pwd.getpwnam), ("group", grp.getgrnam), ("mode", None)):
        for option in (name, "privatekey_" + name):
            value = params.get(option)
            if value is None:
                continue
            try:
                if name == "mode":
                    _mode(value)
                elif not re.match("-?[0-9]+$", value, re.ASCII):
                    known(value)
            except (KeyError, ValueError):
                raise AttributesError("%s: %s" % (option, WRONG[name] % value))


def _mode(value):
    """Raises ValueError for what is neither a number nor a symbolic mode (chmod(1))."""
    if not isinstance(value, int) and not re.match(r"[ugoa]*[-+=][rwxXstugo]*([-+=,][ugoarwxXst]*)*$", str(value)):
        int(str(value), 8)


def apply(module, paths, private_key, there):
    """Sets mode, owner and SELinux's labels where they were asked for, of ``private_key`` those with a name of its own.

    Returns what that changed, as list of text, for files that were ``there`` before: new ones are a change anyway.
    """
    wanted = [(path, "") for path in paths] + ([(private_key, "privatekey_")] if private_key else [])
    found = []
    for path, prefix in wanted:
        try:
            real = files.resolve("/", os.path.join(os.getcwd(), path), own=True)
        except files.FilesError as error:  # planted since it was written
            module.fail_json(msg=str(error))
        common = module.load_file_common_arguments(module.params, path=real)
        if prefix:
            common = dict.fromkeys(common, None)
            common.update({name: module.params[prefix + name] for name in ("mode", "owner", "group")},
                          path=real, secontext=[None, None, None], attributes=None)
        changes = {}
        if module.set_fs_attributes_if_different(common, False, changes) and path in there:
            before, after = changes.get("before", {}), changes.get("after", {})
            found += ["%s: %s %s instead of %s" % (path, name, after[name], before.get(name))
                      for name in sorted(after) if name != "path"] or ["%s: its attributes" % path]
    return found
