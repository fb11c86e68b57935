# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Names in certificates (GeneralName, RFC 5280 section 4.2.1.6) as people write them: ``DNS:web1.example.com``.

Strings are the plain values; they are brought into one form, so that equal names are equal strings.
"""

import ipaddress
import re
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames

KINDS = ("DNS", "IP", "URI", "email", "RID")
CONSTRAINED = ("DNS", "IP")  # that ``within`` can tell
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\Z", re.ASCII)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+\Z", re.ASCII)
MAILBOX = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*\Z", re.ASCII)  # RFC 5321: Dot-string


def canonical(text: str) -> str:
    """A subject alternative name in its one form; raises ValueError with a sentence for what is none."""
    kind, value = _split(text)
    return "%s:%s" % (kind, {"DNS": _dns, "IP": _ip, "URI": _uri, "email": _email, "RID": _rid}[kind](value))


def canonical_constraint(text: str) -> str:
    """The same for a name constraint (RFC 5280 section 4.2.1.10): networks, domains and mail domains too."""
    kind, value = _split(text)
    if kind == "IP":
        try:
            return "IP:%s" % ipaddress.ip_network(value)
        except ValueError:
            raise ValueError("%r is no network: write for example IP:10.0.0.0/8" % text)
    if kind in ("DNS", "URI") or kind == "email" and "@" not in value:  # of URIs, the host is what can be constrained
        dot = "." if value.startswith(".") else ""
        return "%s:%s%s" % (kind, dot, _host(value[len(dot):]))
    return canonical(text)


def canonical_list(
    given: "t.Iterable[str]", option: str = "subject_alt_name", read: "t.Callable[[str], str]" = canonical
) -> "t.List[str]":
    """The names of an option in their one form (``read``), each once; raises ValueError that says which option."""
    found = []
    for text in given:
        try:
            name = read(text)
        except ValueError as error:
            raise ValueError("%s: %s" % (option, error))
        found += [name] if name not in found else []
    return found


def of_host(text: str) -> "t.Optional[str]":
    """The name of a host as it stands in a common name, as DNS or IP; None where it is neither."""
    try:
        return "IP:%s" % x509_hostnames.address(text) if x509_hostnames.address(text) else canonical("DNS:%s" % text)
    except ValueError:
        return None


def covered(name: str, certified: "t.Collection[str]") -> bool:
    """Whether a canonical name is among those of a certificate, a DNS name also under a wildcard (RFC 9525)."""
    return name in certified or name.startswith("DNS:") and any(
        x509_hostnames.matches(pattern[4:], name[4:]) for pattern in certified if pattern.startswith("DNS:"))


def within(name: str, constraint: str) -> bool:
    """Whether a canonical name, one of CONSTRAINED, is in the subtree of a constraint (RFC 5280 section 4.2.1.10)."""
    kind, _colon, value = name.partition(":")
    other, _colon, subtree = constraint.partition(":")
    if kind != other:
        return False
    if kind == "DNS":
        plain = value[2:] if value.startswith("*.") else value
        return subtree in ("", plain) and not subtree.startswith(".") or plain.endswith("." + subtree.lstrip("."))
    return ipaddress.ip_address(value) in ipaddress.ip_network(subtree)


def _split(text: str) -> "t.Tuple[str, str]":
    kind, colon, value = text.strip().partition(":")
    found = [known for known in KINDS if known.lower() == kind.strip().lower()]
    if not colon or not found:
        hint = of_host(text) if not colon or ":" in value or x509_hostnames.address(text) else None
        raise ValueError("%r has no type that is known here: write %s" % (
            text, hint or "%s and the name, such as DNS:web1.example.com"
            % ", ".join("%s:" % known for known in KINDS)))
    if not value.strip():
        raise ValueError("%r has no name behind the colon: is its variable set?" % text)
    return found[0], value.strip()


def _dns(value: str) -> str:
    return "*." + _host(value[2:]) if value.startswith("*.") else _host(value)


def _host(value: str) -> str:
    if x509_hostnames.address(value):
        raise ValueError("%r is an IP address, which no client looks for among DNS names: write IP:%s" % (value, value))
    host = x509_hostnames.a_label(value)
    if "*" in host:
        raise ValueError("%r: a wildcard stands for the whole left-most label and nothing else, such as *.example.com "
                         "(RFC 9525 section 6.3)" % value)
    if not all(LABEL.match(label) for label in host.split(".")):
        raise ValueError("%r is no host name: letters, digits and hyphens, in labels with dots between them" % value)
    return host


def _ip(value: str) -> "x509_hostnames.Address":
    found = x509_hostnames.address(value)
    if not found or "%" in value:
        raise ValueError("%r is no IP address" % value)
    return found


def _uri(value: str) -> str:
    if not SCHEME.match(value):
        raise ValueError("%r is no URI: it has a scheme, and of other than ASCII characters their encoded form" % value)
    return value


def _email(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at or not MAILBOX.match(local):
        raise ValueError("%r is no mail address of ASCII characters" % value)
    return "%s@%s" % (local, _host(domain))


def _rid(value: str) -> str:
    if not x509.DOTTED.match(value):
        raise ValueError("%r is no object identifier, such as 1.3.6.1.4.1.311" % value)
    return value
