# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The one gate for the package ``cryptography``, which key and certificate work needs (trust work does not)."""

import os
import re
import sys

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure

try:
    import cryptography
except ImportError:
    cryptography = None  # type: ignore[assignment]  # a module that may be missing is nothing that types can say

MINIMUM = (3, 2)


class CryptographyMissing(Failure):
    """This Python has no cryptography, or one that is too old; the fact missing_packages is what to install."""


def require() -> None:
    """Raises CryptographyMissing, which names the interpreter: each of a host has its own packages."""
    found = cryptography.__version__ if cryptography else None
    if found and tuple(int(part) for part in re.findall("[0-9]+", found)[:2]) >= MINIMUM:
        return
    packages = [_package(sys.executable or "python3", os.path.exists("/etc/redhat-release"))]
    raise CryptographyMissing(
        "%s (Python %d.%d), which Ansible uses on this host, has %s; %s or later is needed: install the package %s, or "
        "set ansible_python_interpreter to a Python that has it" % (
            sys.executable, sys.version_info[0], sys.version_info[1],
            "cryptography %s" % found if found else "no package cryptography",
            ".".join(str(part) for part in MINIMUM), packages[0]), missing_packages=packages)


def _package(interpreter: str, redhat: bool) -> str:
    """On EL each further Python has packages of its own, such as python3.12-cryptography."""
    name = os.path.basename(os.path.realpath(interpreter) if interpreter.endswith("/python3") else interpreter)
    further = re.match(r"python3\.[0-9]+\Z", name) and not interpreter.endswith(("/python3", "/platform-python"))
    return "%s-cryptography" % (name if redhat and further else "python3")
