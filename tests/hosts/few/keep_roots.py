# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
"""Cuts the distribution's roots of a host to the first so many: keep_roots.py NUMBER"""

import os
import re
import subprocess
import sys

EL = "/usr/share/pki/ca-trust-source/anchors/ca-bundle.crt"
DEBIAN = "/etc/ca-certificates.conf"
number = int(sys.argv[1])
path, pattern, extract = (
    (EL, "-----BEGIN.*?-----END[^\n]*\n", ["update-ca-trust", "extract"]) if os.path.exists(EL) else
    (DEBIAN, "^[^#!\n][^\n]*\n", ["update-ca-certificates", "--fresh"]))
with open(path, encoding="utf-8") as stream:
    entries = re.findall(pattern, stream.read(), re.DOTALL | re.MULTILINE)
with open(path, "w", encoding="utf-8") as stream:
    stream.write("".join(entries[:number]))
subprocess.run(extract, check=True)
