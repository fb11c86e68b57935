# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The certificates that the role host_certificate gives a host: where they are, and what they are for."""

from __future__ import annotations

import typing as t


def to_verify(certificates: list[dict[str, t.Any]], inventory_hostname: str, source: str = "private_ca",
              purpose: str = "server") -> list[dict[str, t.Any]]:
    """Elements of cert_verify's option ``certificates``, one for each of host_certificate_certificates."""
    return [_one(one, one.get("name") or inventory_hostname, source, one.get("purpose") or purpose)
            for one in certificates]


def to_serve(certificates: list[dict[str, t.Any]], inventory_hostname: str, source: str = "private_ca",
             purpose: str = "server") -> dict[str, str]:
    """What a server needs for the first of host_certificate_certificates that is for servers.

    name: what to ask it for. Without such a certificate all but the name is empty.
    """
    one = next((one for one in certificates if (one.get("purpose") or purpose) == "server"), None)
    if one is None:
        return {"name": inventory_hostname, "certificate": "", "privatekey": "", "privatekey_passphrase": ""}
    name = one.get("name") or inventory_hostname
    hostnames, ips = _names(one, name)
    return {
        "name": name if name in hostnames + ips else next(iter(hostnames + ips), _file(name)),
        "certificate": _with_chain(one, name, source),
        "privatekey": _key(one, name),
        "privatekey_passphrase": str(one.get("privatekey_passphrase") or ""),
    }


def _one(one: dict[str, t.Any], name: str, source: str, purpose: str) -> dict[str, t.Any]:
    key = {"privatekey_path": _key(one, name)}
    if one.get("privatekey_passphrase"):
        key["privatekey_passphrase"] = one["privatekey_passphrase"]
    hostnames, ips = _names(one, name)
    return {**_files(one, name, source), **key, "hostnames": hostnames, "ips": ips, "purpose": purpose}


def _names(one: dict[str, t.Any], name: str) -> tuple[list[str], list[str]]:
    """The host names and IP addresses that can be asked for: a wildcard stands for any name, and is none itself."""
    kind = "IP" if ":" in name or name.replace(".", "").isdigit() else "DNS"
    names = [str(text).partition(":") for text in one.get("subject_alt_name") or [f"{kind}:{name}"]]
    return ([value for what, _colon, value in names if what.upper() == "DNS" and "*" not in value],
            [value for what, _colon, value in names if what.upper() == "IP"])


# --- the files, as __host_certificate_paths of the role has them ---

def _file(name: str) -> str:
    return name.replace("*", "wildcard")


def _key(one: dict[str, t.Any], name: str) -> str:
    return str(one.get("privatekey_path") or f"{_file(name)}.key")


def _path(one: dict[str, t.Any], name: str) -> str:
    return str(one.get("path") or f"{_file(name)}.crt")


def _with_chain(one: dict[str, t.Any], name: str, source: str) -> str:
    """The file that has the chain as well; an empty name is a file that is not written."""
    fullchain = "" if source == "selfsigned" else one.get("fullchain_path", f"{_file(name)}-fullchain.pem")
    return str(fullchain or _path(one, name))


def _files(one: dict[str, t.Any], name: str, source: str) -> dict[str, t.Any]:
    """Where certificate and chain are."""
    chain = one.get("chain_path", f"{_file(name)}-chain.pem")
    if source == "selfsigned":
        return {"path": _path(one, name)}
    if chain:
        return {"path": _path(one, name), "chain": [chain]}
    return {"path": _with_chain(one, name, source)}
