# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Firefox's enterprise policies, so that it follows the system's trust store: the file read, changed and written.

The policy is SecurityDevices with p11-kit's trust module, and not Certificates.Install: what that imports stays in the
profiles for ever, whereas through p11-kit a CA that the system does not trust any more is refused by Firefox, too.
"""

import collections
import copy
import json
import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files, replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

DEVICE = "System trust (fleetpki.host_trust)"
PACKAGES = {"redhat": "p11-kit-trust", "debian": "p11-kit-modules"}
# Firefox reads these only where /etc has none.
OTHERS = ("/usr/lib*/firefox*/distribution/policies.json", "/opt/firefox*/distribution/policies.json")


class FirefoxOutcome(t.NamedTuple):
    changed: bool
    path: str
    before: str
    after: str
    module: "t.Optional[str]"
    warnings: "t.List[str]"


class PolicyError(Failure):
    """The file of policies can't be used; the message names it, the reason and the way out."""


def converge(path: str, state: str, check: bool = False, root: str = "/") -> FirefoxOutcome:
    """Has Firefox follow the system's trust store (``present``) or not any more (``absent``); returns an Outcome.

    root: where the system is mounted; its own place for the file is the Outcome's ``path``.
    Raises StoreError where p11-kit's module is missing, or another Failure; the file is as it was then.
    """
    if not os.path.isabs(path):
        raise PolicyError("path: %s is not given from / on" % (path or "(empty)"))
    root = files.system_root(root)
    path = path if root == "/" else files.resolve(root, path)
    module = _module(root) if state == "present" else None
    before = _read(path)
    policies, problem = with_trust(before or {}, module) if module else without(before or {})
    if policies is None:
        raise PolicyError("%s: %s" % (path, problem))
    after = None if before is None and not policies else policies
    warnings = []
    if after != before and before is None:
        warnings = ["%s is not read any more, because %s is there now: bring its policies along" % (other, path)
                    for pattern in OTHERS for other in files.matching(root, pattern)]
    if after is not None and after != before and not check:
        _write(path, after)
        if _read(path) != after:
            raise PolicyError("%s does not hold what was written to it; does something else manage it?" % path)
    return FirefoxOutcome(after != before, path, _text(before), _text(after), module, warnings)


def _module(root: str) -> str:
    """The path of p11-kit's module, as the system that is mounted there has it."""
    found = stores.p11_kit_modules(root)
    if not found:
        raise stores.missing_packages("Firefox needs p11-kit's trust module (p11-kit-trust.so)",
                                      [PACKAGES[stores.store_of_family(root)]])
    return found[0][len(root.rstrip("/")):]


def with_trust(
    document: "t.Dict[str, t.Any]", module: str
) -> "t.Tuple[t.Optional[t.Dict[str, t.Any]], t.Optional[str]]":
    """(the policies with the device, None), or (None, why they can't be changed); ``document`` stays as it is."""
    document = copy.deepcopy(document)
    devices, problem = _devices(document)
    if devices is None:
        return None, problem
    others = [name for name, library in devices["Add"].items() if library == module and name != DEVICE]
    if others:  # somebody else's is as good
        return document, None
    devices["Add"][DEVICE] = module
    devices["Delete"] = [name for name in devices["Delete"] if name != DEVICE]
    return _put(document, devices), None


def without(document: "t.Dict[str, t.Any]") -> "t.Tuple[t.Optional[t.Dict[str, t.Any]], t.Optional[str]]":
    """The same without the device. Profiles have it already: they are told to forget it."""
    document = copy.deepcopy(document)
    devices, problem = _devices(document)
    if devices is None:
        return None, problem
    if DEVICE not in devices["Add"]:
        return document, None
    del devices["Add"][DEVICE]
    devices["Delete"] = [name for name in devices["Delete"] if name != DEVICE] + [DEVICE]
    return _put(document, devices), None


def _devices(document: "t.Dict[str, t.Any]") -> "t.Tuple[t.Optional[t.Dict[str, t.Any]], t.Optional[str]]":
    """({"Add": {name: library}, "Delete": [name]}, None) of the policies, or (None, what is malformed)."""
    policies = document.get("policies", {})
    found = policies.get("SecurityDevices", {}) if isinstance(policies, dict) else None
    if not isinstance(found, dict):
        return None, "its policies are not as Firefox wants them (an object policies with objects in it): repair it"
    if "Add" not in found and "Delete" not in found:
        found = {"Add": found}  # the form of Firefox before 114, which means the same
    devices = {"Add": found.get("Add", {}), "Delete": found.get("Delete", [])}
    if not isinstance(devices["Add"], dict) or not isinstance(devices["Delete"], list):
        return None, "its policy SecurityDevices is not as Firefox wants it: repair it"
    return devices, None


def _put(document: "t.Dict[str, t.Any]", devices: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    document.setdefault("policies", {})["SecurityDevices"] = {name: value for name, value in devices.items() if value}
    return document


def _read(path: str) -> "t.Optional[t.Dict[str, t.Any]]":
    """The document in the file; None where there is no file."""
    if not os.path.lexists(path):
        return None
    try:
        # Firefox takes no comments and no byte-order mark either: a file that can't be read here, it does not read.
        document = json.loads(pem.read_file(path).decode("utf-8"), object_pairs_hook=collections.OrderedDict)
    except pem.CertificateFileError as error:
        raise PolicyError("%s: %s" % (path, pem.advised(str(error))))
    except (ValueError, RecursionError) as error:
        raise PolicyError("%s is not JSON (%s), so Firefox reads no policy from it: repair it, or move it away"
                          % (path, error))
    if not isinstance(document, dict):
        raise PolicyError("%s is JSON, but no object with policies: repair it, or move it away" % path)
    return document


def _text(document: "t.Optional[t.Dict[str, t.Any]]") -> str:
    return "" if document is None else json.dumps(document, indent=2) + "\n"


def _write(path: str, document: "t.Dict[str, t.Any]") -> None:
    files.make_folder(os.path.dirname(path))
    replace.check([path])
    with replace.lock([path]):
        replace.replace([replace.Replacement(path, _text(document).encode("ascii"), 0o644)])
