# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Modes, owners and labels of the files that modules write, and keys that got into options where none belongs."""

import grp
import pwd
import re
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

WRONG = {"mode": "%r is no mode: write for example '0640' or u=rw,g=r", "owner": "there is no user %r",
         "group": "there is no group %r"}
NUMBERED = ("owner", "group", "privatekey_owner", "privatekey_group")


class AttributesError(Failure):
    """A mode, owner or group that can't be set; the message says which option, why, and what to write."""


def hide_keys(module: "AnsibleModule", names: "t.Iterable[str]") -> None:
    """Has Ansible take private keys out of all that it shows, should there be some in options where none belongs."""
    for name in names:
        value = module.params.get(name)
        if value and pem.holds_key(value.encode("utf-8", "replace")):
            module.no_log_values.add(value)


def check(params: "t.Dict[str, t.Any]") -> None:
    """Raises AttributesError for modes, owners and groups that can't be set, before anything is changed."""
    root = params.get("root", "/")
    for name in ("owner", "group", "mode"):
        for option in (name, "privatekey_" + name):
            value = params.get(option)
            if value is None:
                continue
            try:
                if name == "mode":
                    _mode(value)
                else:
                    _number(name, value, root)
            except (KeyError, ValueError):
                where = "" if name == "mode" else " on this host" if root == "/" else " in the system below %s" % root
                raise AttributesError("%s: %s%s" % (option, WRONG[name] % value, where))


def _number(name: str, value: str, root: str) -> int:
    """The number of an owner or group of the system whose root is ``root``; raises KeyError for an unknown one."""
    if re.match(r"-?[0-9]+\Z", value, re.ASCII):
        return int(value)
    if root == "/":
        return pwd.getpwnam(value).pw_uid if name == "owner" else grp.getgrnam(value).gr_gid
    try:
        with open(files.resolve(root, "/etc/passwd" if name == "owner" else "/etc/group"), "rb") as stream:
            rows = [line.decode("utf-8", "replace").strip().split(":") for line in stream]
    except EnvironmentError:
        rows = []
    return {row[0]: int(row[2]) for row in rows if len(row) > 3 and row[2].isdigit()}[value]


def _of_root(params: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """The options with an image's owners and groups as numbers: this machine has others by the same names."""
    root = params.get("root", "/")
    return params if root == "/" else dict(params, **{
        option: str(_number(option.rpartition("_")[2], params[option], root))
        for option in NUMBERED if params.get(option) is not None})


def _mode(value: t.Any) -> None:
    """Raises ValueError for what is neither the number of a mode nor a symbolic one (chmod(1))."""
    if not isinstance(value, int) and re.match(r"[ugoa]*[-+=][rwxXstugo]*([-+=,][ugoarwxXst]*)*\Z", str(value)):
        return
    if not 0 <= (value if isinstance(value, int) else int(str(value), 8)) <= 0o7777:
        raise ValueError("no mode is %s" % value)


def apply(
    module: "AnsibleModule", paths: "t.List[str]", private_key: "t.Optional[str]", there: "t.Collection[str]"
) -> "t.List[str]":
    """Sets mode, owner and SELinux's labels where they were asked for, of ``private_key`` those with a name of its own.

    Returns what that changed, as list of text, for files that were ``there`` before: new ones are a change anyway.
    """
    wanted = [(path, "") for path in paths] + ([(private_key, "privatekey_")] if private_key else [])
    found, params = [], _of_root(module.params)
    for path, prefix in wanted:
        try:
            real = files.own_place(path)
        except files.FilesError as error:  # planted since it was written
            module.fail_json(msg=str(error))
        common = module.load_file_common_arguments(params, path=real)
        if prefix:
            common = dict.fromkeys(common, None)
            common.update({name: params[prefix + name] for name in ("mode", "owner", "group")},
                          path=real, secontext=[None, None, None], attributes=None)
        changes: t.Dict[str, t.Dict[str, t.Any]] = {}
        if module.set_fs_attributes_if_different(common, False, changes) and path in there:
            before, after = changes.get("before", {}), changes.get("after", {})
            found += ["%s: %s %s instead of %s" % (path, name, after[name], before.get(name))
                      for name in sorted(after) if name != "path"] or ["%s: its attributes" % path]
    return found
