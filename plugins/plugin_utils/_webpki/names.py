# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The names in the certificate that is judged: how they are written, and whether they are those asked for."""

from __future__ import annotations

import collections.abc as c
import functools
import ipaddress
import re
import socket
import typing as t

try:
    from cryptography import x509
except ImportError:  # _webpki.unable() says so
    pass
try:  # optional: https://pypi.org/project/publicsuffixlist/
    from publicsuffixlist import PublicSuffixList
except ImportError:
    PublicSuffixList = None  # type: ignore[assignment,misc]  # a class that may be missing is nothing types can say

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.certificate import PathCertificate
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.rules import Finding, finding

# RFC 1034 section 3.5 with RFC 1123 section 2.1, and a wildcard as the whole left-most label (RFC 9525 section 6.3).
HOST_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z",
                       re.ASCII | re.IGNORECASE)


@functools.cache
def _suffixes() -> t.Any:
    """The list with ICANN's part of it, or None where the library is not installed."""
    return PublicSuffixList(only_icann=True) if PublicSuffixList is not None else None


def of_leaf(leaf: PathCertificate, hostnames: list[str], ips: list[str], purpose: str) -> c.Iterator[Finding]:
    """Findings on the names of the certificate that is judged, and on those that it was asked for."""
    names_there = leaf.get(x509.SubjectAlternativeName)
    if purpose == "server" and names_there is None:
        yield finding("rfc9525-san", "has no subject alternative names")
    if names_there is not None:
        yield from _criticality(leaf)
        yield from _written(names_there)
    offered = alternative_names(leaf)
    if names_there is not None or purpose != "server":
        for sentence in x509_hostnames.findings(hostnames, ips, offered, None):
            yield finding("rfc9525-names", sentence)
    if purpose == "server":
        yield from _common_name(leaf, offered)
        yield from _wildcards(offered["dns"], hostnames)


def alternative_names(leaf: PathCertificate) -> dict[str, list[str]]:
    """{dns: [...], ip: [...]}, as _names takes them."""
    there = leaf.get(x509.SubjectAlternativeName) or ()
    return {"dns": [one.value for one in there if isinstance(one, x509.DNSName)],
            "ip": [str(one.value) for one in there if isinstance(one, x509.IPAddress)]}


def _criticality(leaf: PathCertificate) -> c.Iterator[Finding]:
    critical = leaf.is_critical(x509.SubjectAlternativeName)
    if critical and list(leaf.object.subject):
        yield finding("rfc5280-san-critical", "has critical subject alternative names beside a subject name")
    elif not critical and not list(leaf.object.subject):
        yield finding("rfc5280-san-critical", "has an empty subject name, and its subject alternative names are not "
                                              "critical")


def _written(there: x509.SubjectAlternativeName) -> c.Iterator[Finding]:
    if not list(there):
        yield finding("rfc5280-names", "has subject alternative names without a name in them")
    for one in there:
        if isinstance(one, x509.DNSName) and not (HOST_NAME.match(one.value) and len(one.value) <= 253):
            yield finding("rfc5280-names", f"has a DNS name that is no host name: {plain_x509.printable(one.value)!r}")


def _wildcards(patterns: list[str], hostnames: list[str]) -> c.Iterator[Finding]:
    """A wildcard must not stand for names that different owners can register, directly below a public suffix.

    One label is a public suffix always, whether it is known or not. Which others are, only the list says, and of that
    the part with ICANN's, as section 3.2.2.6 says. Only the wildcard that a name is covered by counts.
    """
    for text in hostnames:
        try:
            name = x509_hostnames.a_label(text)
        except ValueError:
            continue
        covering = [pattern.lower() for pattern in patterns if x509_hostnames.matches(pattern, name)]
        if covering and all(_is_too_wide(pattern) for pattern in covering):
            yield finding("cabf-wildcard", f"covers {plain_x509.printable(text)} with {covering[0]}, a wildcard "
                                           "directly below a public suffix")


def _is_too_wide(pattern: str) -> bool:
    star, _dot, tail = pattern.partition(".")
    if star != "*":
        return False
    return "." not in tail or _suffixes() is not None and _suffixes().publicsuffix(tail) == tail


def _common_name(leaf: PathCertificate, offered: dict[str, list[str]]) -> c.Iterator[Finding]:
    """A common name that is one of the alternative names must be written exactly as there (section 7.1.4.3).

    That it is one of them at all is asked for by that section too, and not looked at here: private CAs write people's
    and machines' names there, and no client reads them. An address that is none of them is no such name.
    """
    for attribute in leaf.object.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME):
        written = str(attribute.value)
        if written in offered["dns"] or written in offered["ip"]:
            continue
        meant = _same(written)
        same = [name for name in offered["dns"] + offered["ip"] if meant == _same(name)]
        if same:
            yield finding("cabf-common-name", f"writes its name {plain_x509.printable(same[0])} in another way as its "
                                              f"common name ({plain_x509.printable(written)!r})")


def _same(written: str) -> str:
    """A name for comparing, whatever its notation: lower case, A-labels, addresses in their shortest form."""
    text = written.strip().lower().rstrip(".")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if re.match(r"(0x)?[0-9a-f]+(\.(0x)?[0-9a-f]+){0,3}\Z", text) and re.match(r"[0-9x.a-f]*[0-9]", text):
        decimal = re.sub(r"(?<![0-9a-fx])0+(?=[0-9])", "", text)  # 001 is read as 1 by some, and as octal by others
        try:
            return socket.inet_ntoa(socket.inet_aton(decimal))
        except OSError:
            pass
    try:
        return text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return text
