# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""In tests: keeps what a host's Python compiles from archives, as Python itself does with files.

Ansible sends its modules in archives, whose code is compiled anew for each task: half of what a task costs a host. All
hosts of a test run share a folder of compiled code, in which a file's name is a digest of its source.
"""

import hashlib
import marshal
import os
import sys
import zipimport

FOLDER = os.environ.get("HOST_TRUST_COMPILED", "/run/compiled-once")  # on the controller; on hosts
compile_source = zipimport._compile_source


def compiled(path, source):
    kept = "%s/%s.%s" % (FOLDER, hashlib.sha256(source).hexdigest(), sys.implementation.cache_tag)
    try:
        with open(kept, "rb") as stream:
            return marshal.load(stream)
    except (OSError, EOFError, ValueError):
        return keep(kept, compile_source(path, source))


def keep(kept, code):
    new = "%s.%s" % (kept, os.urandom(8).hex())
    try:
        with open(new, "wb") as stream:
            marshal.dump(code, stream)
        os.rename(new, kept)
    except OSError:  # a user may not write there
        pass
    return code


zipimport._compile_source = compiled
