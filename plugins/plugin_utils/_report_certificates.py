# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The certificates that the role host_certificate gives a host, as cert_verify wants them listed."""

from __future__ import annotations

import typing as t


def to_verify(certificates: list[dict[str, t.Any]], inventory_hostname: str, source: str = "private_ca",
              profile: str = "server") -> list[dict[str, t.Any]]:
    """Elements of cert_verify's option ``certificates``, one for each of host_certificate_certificates."""
    return [_one(one, one.get("name") or inventory_hostname, source, one.get("profile") or profile)
            for one in certificates]


def _one(one: dict[str, t.Any], name: str, source: str, profile: str) -> dict[str, t.Any]:
    file = name.replace("*", "wildcard")
    kind = "IP" if ":" in name or name.replace(".", "").isdigit() else "DNS"
    names = [str(text).partition(":") for text in one.get("subject_alt_name") or [f"{kind}:{name}"]]
    key = {"private_key": one.get("privatekey_path") or f"{file}.key"}
    if one.get("privatekey_passphrase"):
        key["private_key_passphrase"] = one["privatekey_passphrase"]
    return {
        **_files(one, file, source), **key,
        # A wildcard stands for any name, and is none that could be asked for.
        "hostnames": [value for what, _colon, value in names if what.upper() == "DNS" and "*" not in value],
        "ips": [value for what, _colon, value in names if what.upper() == "IP"],
        "purpose": profile,
    }


def _files(one: dict[str, t.Any], file: str, source: str) -> dict[str, t.Any]:
    """Where certificate and chain are; an empty name is a file that is not written."""
    path = one.get("path") or f"{file}.crt"
    chain = one.get("chain_path", f"{file}-chain.pem")
    if source == "selfsigned":
        return {"path": path}
    if chain:
        return {"path": path, "chain": [chain]}
    return {"path": one.get("fullchain_path", f"{file}-fullchain.pem") or path}
