# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The options of ca_trust_anchor and ca_trust_info, for their modules and for the action plugin."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


def store_arguments() -> "t.Dict[str, t.Any]":
    """Which store: for both modules."""
    return {
        "store": {"type": "str", "default": "auto", "choices": ["auto"] + list(stores.STORES) + ["nss"]},
        "bundle_path": {"type": "path"},
        "nss_databases": {"type": "list", "elements": "str"},  # whose ~ it is must be seen
        "root": {"type": "path", "default": "/"},
    }


def anchor_arguments() -> "t.Dict[str, t.Any]":
    """All options of ca_trust_anchor."""
    return dict(
        store_arguments(),
        anchors={
            "type": "list", "elements": "dict", "default": [],
            "options": {
                "name": {"type": "str"},
                "src": {"type": "path"},
                "content": {"type": "str"},
                "path": {"type": "path"},
                "fingerprint": {"type": "str"},
                "state": {"type": "str", "default": "present", "choices": ["present", "absent", "distrusted"]},
                "allow_expired": {"type": "bool", "default": False},
            },
            "mutually_exclusive": [["src", "content", "path", "fingerprint"]],
            "required_one_of": [["name", "src", "content", "path", "fingerprint"]],
        },
        purge={"type": "str", "default": "none", "choices": ["none", "managed", "all"]},
        extract={"type": "str", "default": "auto", "choices": ["auto", "always", "never"]},
        allow_expired={"type": "bool", "default": False},
        allow_non_ca={"type": "bool", "default": False},
        min_remaining={"type": "str", "default": "0"},
    )


def on_controller() -> "t.Dict[str, t.Any]":
    """The same for the action plugin: paths of the host are left as they are, only the host can expand them."""
    spec = anchor_arguments()
    for name in ("bundle_path", "root"):
        spec[name]["type"] = "str"
    spec["anchors"]["options"]["path"]["type"] = "str"
    return spec


REQUIRED_IF = [["store", "bundle", ["bundle_path"]], ["store", "nss", ["nss_databases"]]]


def wanted(anchors: "t.List[t.Dict[str, t.Any]]") -> "t.List[trust_plan.Wanted]":
    """What the action plugin hands over, one certificate an element, as list of trust_plan.Wanted."""
    found = []
    for anchor in anchors:
        certificate = pem.read_certificates(anchor["content"].encode("ascii"))[0] if anchor.get("content") else None
        fingerprint = certificate.fingerprint if certificate else anchor.get("fingerprint")
        found.append(trust_plan.Wanted(anchor["state"], anchor["name"],
                                       x509.plain_fingerprint(fingerprint) if fingerprint else "", certificate))
    return found


def told(options: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """ca_trust_anchor's options as its result has them: with the certificates left out."""
    return dict(options, anchors=[
        {key: "(PEM)" if key == "content" else value for key, value in anchor.items() if value is not None}
        for anchor in options["anchors"]])
