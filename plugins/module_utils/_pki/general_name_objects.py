# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Names in certificates as objects of cryptography, and back. Their text is _general_names', which needs no package."""

import ipaddress

try:
    from cryptography import x509
except ImportError:  # _cryptography.require() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import general_names


def build(text: str) -> "x509.GeneralName":
    """A canonical name as an object of cryptography; raises ValueError for what is none."""
    kind, _colon, value = text.partition(":")
    if kind == "DNS":
        return x509.DNSName(value)
    if kind == "IP":
        return x509.IPAddress(ipaddress.ip_network(value) if "/" in value else ipaddress.ip_address(value))
    if kind == "URI":
        return x509.UniformResourceIdentifier(value)
    if kind == "email":
        return x509.RFC822Name(value)
    if kind == "RID":
        return x509.RegisteredID(x509.ObjectIdentifier(value))
    raise ValueError("%s is of a kind that is not made here; these are: %s" % (text, ", ".join(general_names.KINDS)))


def read(name: "x509.GeneralName") -> str:
    """An object of cryptography as text; kinds that are not made here are told, too."""
    if isinstance(name, x509.DNSName):
        return "DNS:%s" % name.value.lower()
    if isinstance(name, x509.IPAddress):
        return "IP:%s" % name.value
    if isinstance(name, x509.UniformResourceIdentifier):
        return "URI:%s" % name.value
    if isinstance(name, x509.RFC822Name):
        local, _at, domain = name.value.rpartition("@")
        return "email:%s%s%s" % (local, _at, domain.lower())
    if isinstance(name, x509.RegisteredID):
        return "RID:%s" % name.value.dotted_string
    if isinstance(name, x509.DirectoryName):
        return "dirName:%s" % name.value.rfc4514_string()
    if isinstance(name, x509.OtherName):
        return "otherName:%s" % name.type_id.dotted_string
    raise ValueError("%r is of no kind that RFC 5280 knows" % name)
