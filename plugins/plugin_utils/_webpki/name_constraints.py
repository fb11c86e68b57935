# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Name constraints (RFC 5280 section 4.2.1.10): which names a CA may issue for. Pure functions."""

from __future__ import annotations

import collections.abc as c
import typing as t

try:
    from cryptography import x509
except ImportError:  # _webpki.unable() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import names as webpki_names
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.certificate import PathCertificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.rules import Finding, finding

MAX_COMPARISONS = 250_000  # of names with constraints in one path: what a second is long enough for


def of_path(path: list[PathCertificate]) -> c.Iterator[Finding]:
    """Findings on a path, leaf first: malformed constraints, and names that one above them does not allow."""
    spent = 0
    for depth in range(len(path) - 1, 0, -1):
        constraints = path[depth].get(x509.NameConstraints)
        if constraints is None:
            continue
        who = path[depth].label
        permitted, excluded = list(constraints.permitted_subtrees or ()), list(constraints.excluded_subtrees or ())
        yield from _malformed(permitted, excluded, who)
        # A new key of the same CA is not bound by them, unless it is what is judged.
        bound = [one for number, one in enumerate(path[:depth]) if not number or not one.self_issued]
        listed = [(one, subjects(one)) for one in bound]
        spent += sum(len(names) for _one, names in listed) * (len(permitted) + len(excluded))
        if spent > MAX_COMPARISONS:
            yield finding("too-complex", f"{who} has so many name constraints for so many names that they are not "
                                         "compared")
            return
        for one, names in listed:
            below = "" if one is path[0] else f"{one.label} "
            for name in names:
                yield from _judged(name, permitted, excluded, below, who)


def _malformed(permitted: list[t.Any], excluded: list[t.Any], who: str) -> c.Iterator[Finding]:
    if not permitted and not excluded:
        yield finding("cabf-name-constraints", f"{who} has name constraints with nothing in them")
    for one in permitted + excluded:
        if _is_malformed(one):
            yield finding("rfc5280-constraint-form", f"{who} has a malformed name constraint: "
                                                     f"{plain_x509.printable(one.value)!r}")


def _is_malformed(one: t.Any) -> bool:
    if isinstance(one, x509.DNSName):
        return bool(one.value) and ("*" in one.value or not webpki_names.HOST_NAME.match(one.value))
    return isinstance(one, x509.RFC822Name) and one.value.count("@") > 1


class Name(t.NamedTuple):
    """A name of a certificate: the class of ``cryptography`` and what is in it."""

    kind: type[t.Any]
    value: t.Any


def subjects(one: PathCertificate) -> list[Name]:
    """All names that constraints bind: the subject and the alternative names, mail addresses in the subject too."""
    found = [Name(type(name), name.value) for name in one.get(x509.SubjectAlternativeName) or ()]
    if list(one.object.subject):
        found.append(Name(x509.DirectoryName, one.object.subject))
    if not any(name.kind is x509.RFC822Name for name in found):
        found += [Name(x509.RFC822Name, str(attribute.value))
                  for attribute in one.object.subject.get_attributes_for_oid(x509.NameOID.EMAIL_ADDRESS)]
    return found


def _judged(name: Name, permitted: list[t.Any], excluded: list[t.Any], below: str, who: str) -> c.Iterator[Finding]:
    of_kind = [one for one in permitted if isinstance(one, name.kind)]
    out = [one for one in excluded if isinstance(one, name.kind)]
    matches = MATCHES.get(name.kind.__name__)
    if matches is None:
        if of_kind or out:
            yield finding("rfc5280-name-constraints", f"{below}has a name of a kind that {who} constrains and that is "
                                                      "not known here")
    elif any(matches(name.value, one.value, True) for one in out):
        yield finding("rfc5280-name-constraints", f"{below}is for {_shown(name)}, which {who} must not issue for (name "
                                                  "constraints)")
    elif of_kind and not any(matches(name.value, one.value, False) for one in of_kind):
        yield finding("rfc5280-name-constraints", f"{below}is for {_shown(name)}, which {who} is not permitted to "
                                                  "issue for (name constraints)")


def _shown(name: Name) -> str:
    if name.kind is x509.DirectoryName:
        return plain_x509.printable(name.value.rfc4514_string())
    return plain_x509.printable(str(name.value))


def _host(name: str, constraint: str, excluding: bool) -> bool:
    """Zero or more labels before the constraint. What a wildcard may stand for is excluded along with it."""
    name, constraint = name.lower().rstrip("."), constraint.lower().rstrip(".")
    if constraint.startswith("."):  # malformed, and read by many as the hosts below it
        return name.endswith(constraint)
    if not constraint or name == constraint or name.endswith("." + constraint):
        return True
    star, _dot, tail = name.partition(".")
    return excluding and star == "*" and constraint.partition(".")[2] == tail


def _address(name: t.Any, constraint: t.Any, _excluding: bool) -> bool:
    return name.version == constraint.version and name in constraint


def _mailbox(name: str, constraint: str, _excluding: bool) -> bool:
    """A mailbox, all of a host, or all of a domain's hosts (with a dot before it). The part before @ has its case."""
    local, _at, host = name.rpartition("@")
    if "@" in constraint:
        wanted, _at, wanted_host = constraint.rpartition("@")
        return local == wanted and host.lower() == wanted_host.lower()
    return _in_domain(host, constraint)


def _address_of_web(name: str, constraint: str, excluding: bool) -> bool:
    """A URI by its host. One without a host is in nobody's domain, and excluded by any constraint."""
    host = name.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    return _in_domain(host, constraint) if host and not host.startswith("[") else excluding


def _in_domain(host: str, constraint: str) -> bool:
    host, constraint = host.lower(), constraint.lower()
    return host.endswith(constraint) if constraint.startswith(".") else not constraint or host == constraint


def _directory(name: t.Any, constraint: t.Any, _excluding: bool) -> bool:
    """The constraint's RDNs are the first of the name's; compared as RFC 5280 section 7.1 says."""
    wanted, offered = [_folded(rdn) for rdn in constraint.rdns], [_folded(rdn) for rdn in name.rdns]
    return offered[:len(wanted)] == wanted


def _folded(rdn: t.Any) -> set[tuple[str, str]]:
    return {(one.oid.dotted_string, " ".join(str(one.value).lower().split())) for one in rdn}


MATCHES: dict[str, c.Callable[[t.Any, t.Any, bool], bool]] = {
    "DNSName": _host, "IPAddress": _address, "RFC822Name": _mailbox, "UniformResourceIdentifier": _address_of_web,
    "DirectoryName": _directory}
