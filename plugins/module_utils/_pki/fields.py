# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What requests and certificates say, as plain values: what options ask for, what is different, how a diff shows it.

Facts are those of extensions.py and besides ``subject`` and ``issuer`` (lists of text), ``key_type``, ``public_key``
(SHA-256, hex) and ``digest`` (of the signature; None for Ed25519 and Ed448).
"""

import functools
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import distinguished_names, extensions
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import general_names

SHOWN = ("subject", "issuer", "subject_alt_name", "key_type", "public_key", "digest", "key_usage", "extended_key_usage",
         "basic_constraints", "name_constraints_permitted", "name_constraints_excluded", "ocsp_must_staple",
         "subject_key_identifier", "authority_key_identifier", "crl_distribution_points", "ca_issuers", "ocsp",
         "other_extensions", "critical", "serial", "not_before", "not_after")
CRITICAL = ("subject_alt_name", "key_usage", "extended_key_usage", "basic_constraints", "ocsp_must_staple")

# What a certificate is for: RFC 5280 section 4.2, CA/Browser Forum Baseline Requirements 7.1.2. With RSA, too, the key
# only signs: what encrypts with it, as TLS 1.2 could, is on its way out.
OF_PURPOSE = {
    "server": {"basic_constraints": ["CA:FALSE"], "key_usage": ["digitalSignature"],
               "extended_key_usage": ["serverAuth"], "critical": ["basic_constraints", "key_usage"]},
    "client": {"basic_constraints": ["CA:FALSE"], "key_usage": ["digitalSignature"],
               "extended_key_usage": ["clientAuth"], "critical": ["basic_constraints", "key_usage"]},
    "root_ca": {"basic_constraints": ["CA:TRUE"], "key_usage": ["keyCertSign", "cRLSign"],
                "critical": ["basic_constraints", "key_usage"]},
    # The purposes keep what it issues from being taken for anything else, such as signed software.
    "intermediate_ca": {"basic_constraints": ["CA:TRUE", "pathlen:0"], "key_usage": ["keyCertSign", "cRLSign"],
                        "extended_key_usage": ["serverAuth", "clientAuth"],
                        "critical": ["basic_constraints", "key_usage"]},
}

SIGNED_PURPOSES = ("server", "client", "intermediate_ca")
# What a CA can take over from a request, and what it does unless told otherwise.
HONOUR = ("subject", "subject_alt_name", "key_usage", "extended_key_usage", "basic_constraints", "name_constraints",
          "ocsp_must_staple")
HONOURED = ("subject", "subject_alt_name", "ocsp_must_staple")
PURPOSES = ("key_usage", "extended_key_usage", "basic_constraints")  # that the purpose has for a request without them


class OptionError(Failure, ValueError):
    """Options that can't be carried out; the message says which, why, and what to write."""


def of_options(options: "t.Dict[str, t.Any]", purpose: "t.Optional[str]" = None) -> "extensions.Facts":
    """The facts that the options of csr and selfsigned_cert ask for; what is not asked for has no key.

    Raises OptionError.
    """
    try:
        subject = distinguished_names.of_options(options)
        facts = dict(purpose_facts(purpose) if purpose else {"critical": []}, subject=subject)
        _set(facts, options, "key_usage", extensions.key_usages)
        _set(facts, options, "extended_key_usage", extensions.extended_key_usages)
        _set(facts, options, "basic_constraints", extensions.basic_constraints)
        for name in ("name_constraints_permitted", "name_constraints_excluded"):
            _set(facts, options, name, functools.partial(general_names.canonical_list, option=name,
                                                         read=general_names.canonical_constraint))
        _set(facts, options, "subject_alt_name", general_names.canonical_list)
        if options["ocsp_must_staple"]:
            facts["ocsp_must_staple"] = True
    except ValueError as error:
        raise OptionError(str(error))
    common_name = distinguished_names.common_name(subject)
    if options["subject_alt_name"] is None and options["use_common_name_for_san"] and not extensions.is_ca(facts):
        host = common_name and general_names.of_host(common_name)
        facts.update({"subject_alt_name": [host]} if host else {})
    critical = set(facts["critical"])
    for name in CRITICAL:
        wanted = options["%s_critical" % name]
        critical = critical | {name} if wanted else critical - {name} if wanted is False else critical
    if options["name_constraints_critical"]:
        critical.add("name_constraints")
    if not subject and "subject_alt_name" in facts:
        critical.add("subject_alt_name")  # RFC 5280 section 4.2.1.6
    if not subject and "subject_alt_name" not in facts:
        raise OptionError("there is neither a subject nor a subject_alt_name: whom is it for?")
    facts["critical"] = sorted(critical & _there(facts))
    return facts


def purpose_facts(purpose: str) -> "extensions.Facts":
    """The facts of a purpose, for the caller to change."""
    return {name: list(values) for name, values in OF_PURPOSE[purpose].items()}


def behind(name: str) -> "t.Tuple[str, ...]":
    """The facts that one of HONOUR is about."""
    return ("name_constraints_permitted", "name_constraints_excluded") if name == "name_constraints" else (name,)


def _set(
    facts: "extensions.Facts", options: "t.Dict[str, t.Any]", name: str, read: "t.Callable[[t.List[str]], t.List[str]]"
) -> None:
    if options[name] is not None:
        facts.pop(name, None)
        if options[name]:
            facts[name] = read(options[name])


def _there(facts: "extensions.Facts") -> "t.Set[str]":
    names = {name for name in facts if facts[name]}
    if names & {"name_constraints_permitted", "name_constraints_excluded"}:
        names.add("name_constraints")
    return names


def deviations(have: "extensions.Facts", want: "extensions.Facts", ignored: "t.Collection[str]" = ()) -> "t.List[str]":
    """What is different, a phrase each, as list of text: ``subject_alt_name: DNS:b.example.com is added``."""
    found = []
    for name in [name for name in SHOWN if name != "critical"]:
        if name not in ignored and have.get(name) != want.get(name):
            found += _deviation(name, have.get(name), want.get(name))
    had, wanted = set(have.get("critical", [])), set(want.get("critical", []))
    found += ["%s becomes critical" % name for name in sorted(wanted - had) if name not in ignored]
    found += ["%s is no longer critical" % name for name in sorted(had - wanted) if name in _there(want)]
    return found


def _deviation(name: str, have: t.Any, want: t.Any) -> "t.List[str]":
    if name == "subject":
        return ["subject: %s instead of %s" % (distinguished_names.spoken(want or []),
                                               distinguished_names.spoken(have or []))]
    if name in extensions.SETS:
        have, want = have or [], want or []
        added, removed = (sorted(set(one) - set(other)) for one, other in ((want, have), (have, want)))
        changes = ["%s %s added" % (said(added), "are" if added[1:] else "is")] if added else []
        changes += ["%s %s taken out" % (said(removed), "are" if removed[1:] else "is")] if removed else []
        return ["%s: %s" % (name, ", ".join(changes))] if changes else []
    if want is True or have is True:
        return ["%s is %s" % (name, "added" if want else "taken out")]
    return ["%s: %s instead of %s" % (name, want or "none", have or "none")]


def shown(facts: "extensions.Facts") -> str:
    """Facts as text for a diff, a line each."""
    lines = []
    for name in SHOWN:
        value = facts.get(name)
        if value:
            lines.append("%s: %s" % (name, said(value) if isinstance(value, list) else
                                     "true" if value is True else x509.printable(value)))
    return "".join(line + "\n" for line in lines)


def said(values: "t.Iterable[str]") -> str:
    """Values for sentences and diffs. They may come from a request that somebody made to deceive its reader."""
    return ", ".join(x509.printable(value) for value in values)
