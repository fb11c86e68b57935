# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The rules of path validation: what each is called, where it is written, and whom a breach of it matters to."""

from __future__ import annotations

import difflib
import typing as t

# Who refuses what breaks a rule, as their sources and documentation say. Users are told, so that they know what a
# waiver costs them.
ALL = "every current TLS client"
MOST = "Chrome, Firefox, Go and rustls"
BROWSERS = "Chrome, Safari and Firefox"
PYCA = "pyca/cryptography"
STRICT = "Python 3.13 and all others that verify with X509_V_FLAG_X509_STRICT"
PEDANTS = "clients that hold private CAs to the rules for public ones"
BOUNDED = "clients that bound their work, as all do"
REVOCATION = "every client that looks at revocation lists"


class Rule(t.NamedTuple):
    """A rule by which a chain is refused. ``refused_by`` continues 'is refused by'."""

    name: str
    section: str
    refused_by: str

    @property
    def waivable(self) -> bool:
        """Whether a chain that breaks it still proves something."""
        return self.refused_by not in (ALL, BOUNDED, REVOCATION)


class Finding(t.NamedTuple):
    """A breach of a rule. ``sentence`` names the certificate where it is not the one that is judged."""

    rule: str
    section: str
    sentence: str


_TABLE = [
    # What a chain is.
    Rule("rfc5280-no-path", "RFC 5280 section 6.1", ALL),
    Rule("rfc5280-signature", "RFC 5280 section 6.1.3", ALL),
    Rule("rfc5280-validity", "RFC 5280 section 4.1.2.5", ALL),
    Rule("rfc5280-not-a-ca", "RFC 5280 section 4.2.1.9", ALL),
    Rule("rfc5280-path-length", "RFC 5280 section 4.2.1.9", ALL),
    Rule("rfc5280-key-cert-sign", "RFC 5280 section 4.2.1.3", ALL),
    Rule("rfc5280-name-constraints", "RFC 5280 section 4.2.1.10", ALL),
    Rule("rfc5280-too-long", "RFC 5280 section 6.1", BOUNDED),
    Rule("too-complex", "RFC 5280 section 8", BOUNDED),
    Rule("pyca-verifier", "RFC 5280 section 6.1", PYCA),
    # How a certificate is written.
    Rule("rfc5280-malformed", "RFC 5280 section 4.2", ALL),
    Rule("rfc5280-critical-extension", "RFC 5280 section 4.2", ALL),
    Rule("rfc5280-algorithms-differ", "RFC 5280 section 4.1.1.2", ALL),
    Rule("rfc5280-version", "RFC 5280 section 4.1.2.1, CA/Browser Forum section 7.1.1", "rustls and pyca/cryptography"),
    Rule("rfc5280-serial", "RFC 5280 section 4.1.2.2", "Go if it is negative, and pyca/cryptography"),
    Rule("rfc5280-issuer-name", "RFC 5280 section 4.1.2.4", STRICT),
    Rule("rfc5280-ca-subject", "RFC 5280 section 4.1.2.6", STRICT),
    Rule("rfc5280-criticality", "RFC 5280 sections 4.2.1 and 4.2.2",
         "pyca/cryptography, and Python 3.13 if it is the identifier of a key"),
    Rule("rfc5280-basic-constraints-critical", "RFC 5280 section 4.2.1.9", STRICT),
    Rule("rfc5280-ca-key-usage", "RFC 5280 section 4.2.1.3", STRICT),
    Rule("rfc5280-ski", "RFC 5280 section 4.2.1.2", STRICT),
    Rule("rfc5280-aki", "RFC 5280 section 4.2.1.1", STRICT),
    Rule("rfc5280-aki-mismatch", "RFC 5280 section 4.2.1.1", "OpenSSL"),
    Rule("rfc5280-constraint-form", "RFC 5280 section 4.2.1.10", PYCA),
    Rule("rfc5280-leaf-name-constraints", "RFC 5280 section 4.2.1.10", PYCA),
    Rule("rfc5280-policies", "RFC 5280 section 4.2.1.11", "this path validation, which processes no policies"),
    # What it is for, and for whom.
    Rule("rfc9525-names", "RFC 9525 section 6", ALL),
    Rule("rfc5280-names", "RFC 5280 section 4.2.1.6", PYCA),
    Rule("rfc9525-san", "RFC 9525 section 2, CA/Browser Forum section 7.1.2.7.12", MOST),
    Rule("rfc5280-san-critical", "RFC 5280 section 4.2.1.6, CA/Browser Forum section 7.1.2.7.12",
         "pyca/cryptography, and Python 3.13 if the subject is empty"),
    Rule("rfc5280-eku", "RFC 5280 section 4.2.1.12", ALL),
    Rule("rfc5280-key-usage", "RFC 5280 section 4.2.1.3", "OpenSSL and browsers"),
    # What the CA/Browser Forum's Baseline Requirements add for servers.
    Rule("cabf-key-type", "CA/Browser Forum section 6.1.1.3", BROWSERS),
    Rule("cabf-key-size", "CA/Browser Forum section 6.1.5", BROWSERS),
    Rule("cabf-rsa-modulus", "CA/Browser Forum section 6.1.5", PEDANTS),
    Rule("cabf-signature", "CA/Browser Forum section 7.1.3.2", MOST),
    Rule("cabf-ca-as-leaf", "CA/Browser Forum sections 7.1.2.7.8 and 7.1.2.7.11", "rustls and Firefox"),
    Rule("cabf-eku", "CA/Browser Forum sections 7.1.2.1.2 and 7.1.2.7.10", PEDANTS),
    Rule("cabf-root-aki", "CA/Browser Forum section 7.1.2.1.3", PEDANTS),
    Rule("cabf-common-name", "CA/Browser Forum section 7.1.4.3", PEDANTS),
    Rule("cabf-wildcard", "CA/Browser Forum section 3.2.2.6", "Chrome, and Firefox below one label"),
    Rule("cabf-name-constraints", "CA/Browser Forum section 7.1.2.5.2", PYCA),
    # Revocation lists, where they were given.
    Rule("rfc5280-revoked", "RFC 5280 section 6.3", REVOCATION),
    Rule("rfc5280-crl-missing", "RFC 5280 section 6.3.3", "OpenSSL with -crl_check_all"),
    Rule("rfc5280-crl-expired", "RFC 5280 section 5.1.2.5", REVOCATION),
    Rule("rfc5280-crl-signature", "RFC 5280 section 6.3.3", REVOCATION),
    Rule("rfc5280-crl-sign", "RFC 5280 section 6.3.3", REVOCATION),
    Rule("rfc5280-crl-extension", "RFC 5280 section 5.2", REVOCATION),
    Rule("rfc5280-crl-scope", "RFC 5280 section 5.2.5", "this path validation, which knows only complete lists"),
    Rule("rfc5280-crl-malformed", "RFC 5280 section 5.1", REVOCATION),
]
RULES = {rule.name: rule for rule in _TABLE}


def finding(name: str, sentence: str) -> Finding:
    return Finding(name, RULES[name].section, sentence)


def not_waivable(names: list[str]) -> list[str]:
    """Sentences on names to be waived that are no rules, or rules without which nothing is proven."""
    found = []
    for name in names:
        if name not in RULES:
            near = difflib.get_close_matches(name, RULES, 1)
            found.append(f"waive: there is no rule {name!r}" + (f"; is {near[0]!r} meant?" if near else ""))
        elif not RULES[name].waivable:
            found.append(f"waive: {name} can't be waived: what breaks it is refused by {RULES[name].refused_by}")
    return found
