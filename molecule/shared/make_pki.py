# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the certificates of a scenario in a folder: make_pki.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import pki

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
root = pki.root([("O", "Corp"), ("CN", "Corp Root CA")], key_type="rsa")
issuing = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA")], root, ca=True, path_length=0)
server = pki.server("web1.example.com", issuing, ips=["127.0.0.1"])
for name, pair in {"issuing": issuing, "server": server, "stranger": pki.root("Stranger CA"), "root": root}.items():
    (folder / f"{name}.crt").write_text(pair.pem, encoding="ascii")
key = folder / "server.key"
key.touch(mode=0o600)
key.write_text(server.key_pem(), encoding="ascii")
