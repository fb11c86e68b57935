# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Where a system keeps its TLS keys and certificates, for files that are named without a folder."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os

NEXT = ".next"  # the end of the name of a private key that waits for its certificate
SYSTEM = ("/etc/pki/tls", "/etc/ssl")  # the first that is there: RHEL, its relatives and Fedora; Debian and Ubuntu


def key(path):
    """``web.key`` as /etc/pki/tls/private/web.key or /etc/ssl/private/web.key; a path with a slash, and None, as is."""
    return _placed(path, "private")


def certificate(path):
    """``web.crt`` as /etc/pki/tls/certs/web.crt or /etc/ssl/certs/web.crt; a path with a slash, and None, as is."""
    return _placed(path, "certs")


def _placed(path, folder):
    if not path or "/" in path:
        return path
    system = [place for place in SYSTEM if os.path.isdir(place)] or SYSTEM[-1:]
    return os.path.join(system[0], folder, path)
