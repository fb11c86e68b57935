# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Is a certificate for this host name or IP address? (RFC 9525, which replaced RFC 6125.)

Only subject alternative names count, never the common name (RFC 9525 section 2).
"""

import ipaddress
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

if t.TYPE_CHECKING:
    Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

LONGEST = 1000  # characters of what is taken for a host name, before it is encoded
SHOWN = 10  # names of a certificate that a sentence lists

# IDNA 2003, which Python brings, and IDNA 2008 turn these into different names (RFC 5894 section 7.2).
DEVIATIONS = u"\u00df\u03c2\u200c\u200d"


def address(text: str) -> "t.Optional[Address]":
    """The IPv4Address or IPv6Address that ``text`` writes, in brackets and with a zone too; None where it is none."""
    written = text.strip()
    if written.startswith("[") and written.endswith("]"):
        written = written[1:-1]
    try:
        return ipaddress.ip_address(written.split("%")[0] if ":" in written else written)
    except ValueError:
        return None


def a_label(name: str) -> str:
    """A host name as certificates carry it: lower case, A-labels, no dot at the end (RFC 9525 section 6.3).

    Raises ValueError with a sentence for what can't be a host name.
    """
    written = name.strip()
    if len(written) > LONGEST:  # before it is encoded, which takes time
        raise ValueError("%r... is no host name: it is too long" % written[:50])
    bare = written[:-1] if written.endswith(".") else written
    if not all(32 < ord(character) < 127 for character in bare):
        if any(character in DEVIATIONS for character in bare):
            raise ValueError("%s: the standards disagree on how this name is encoded; give it as it stands in DNS "
                             "(xn--...)" % x509.printable(written))
        try:
            bare = bare.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("%s can't be encoded as an international host name" % ascii(written))
    labels = bare.lower().split(".")
    if not all(0 < len(label) <= 63 for label in labels) or len(bare) > 253:
        raise ValueError("%r is no host name: it or a label of it is empty or too long" % written)
    return ".".join(labels)


def matches(pattern: str, name: str) -> bool:
    """Whether the dNSName ``pattern`` of a certificate covers ``name``, which is an ``a_label``.

    A wildcard counts as the whole left-most label only and stands for exactly one label (RFC 9525 section 6.3).
    """
    pattern = pattern.lower()
    if pattern == name:
        return True
    head, _dot, tail = pattern.partition(".")
    return head == "*" and tail != "" and tail == name.partition(".")[2]


def findings(
    hostnames: "t.Iterable[str]",
    ips: "t.Iterable[str]",
    alt_names: "t.Mapping[str, t.List[str]]",
    common_name: "t.Optional[str]",
) -> "t.List[str]":
    """Sentences on each asked name that the certificate is not for; none when all are.

    hostnames, ips: list of str, as the user wrote them; an IP address among the host names is taken as one.
    alt_names: {dns: [...], ip: [...]} of the certificate. common_name: its CN or None, for the sentence alone.
    """
    found, unmatched = [], []
    for text, must_be_ip in [(name, False) for name in hostnames] + [(ip, True) for ip in ips]:
        ip = address(text)
        if ip is not None:
            covered = any(ip == address(offered) for offered in alt_names["ip"])
        elif must_be_ip:
            found.append("asked for the IP address %r, which is none" % text)
            continue
        else:
            try:
                name = a_label(text)
            except ValueError as error:
                found.append("asked for a name that can't be one: %s" % error)
                continue
            covered = any(matches(pattern, name) for pattern in alt_names["dns"])
        if not covered:
            unmatched.append(x509.printable(text))
    if unmatched:
        found.append(_unmatched(unmatched, alt_names, common_name))
    return found


def _unmatched(asked: "t.List[str]", alt_names: "t.Mapping[str, t.List[str]]", common_name: "t.Optional[str]") -> str:
    offered = [x509.printable(name) for name in alt_names["dns"] + alt_names["ip"]]
    if not offered:
        aside = "; CN=%s is not looked at (RFC 9525)" % common_name if common_name else ""
        return "asked for %s, the certificate has no subject alternative names%s" % (", ".join(asked), aside)
    more = ", and %d more" % (len(offered) - SHOWN) if len(offered) > SHOWN else ""
    sentence = "asked for %s, the certificate is for %s%s" % (", ".join(asked), ", ".join(offered[:SHOWN]), more)
    if common_name in asked:
        sentence += " (CN=%s is not looked at, RFC 9525)" % common_name
    return sentence
