# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A CA signs a request: what it takes over, what it decides itself, what it refuses."""

import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    certificates,
    distinguished_names,
    extensions,
    fields,
    issuing_ca,
    keys,
    module_runner,
    pkcs10,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import general_names, pem

NOT_AFTER = {"server": "+180d", "client": "+180d", "intermediate_ca": "+1825d"}
NOTHING = dict.fromkeys(["subject", "issuer", "serial", "fingerprint_sha256", "not_before", "not_after", "certificate",
                         "chain", "fullchain", "key_type", "subject_alt_name"])


def converge(
    options: "t.Dict[str, t.Any]", check_mode: bool = False, now: "t.Optional[int]" = None
) -> module_runner.Outcome:
    """Makes the certificate what is wanted; returns an Outcome. ``options`` are the module's, with places resolved.

    Raises Failure before anything is changed.
    """
    now = int(time.time()) if now is None else now
    if check_mode and module_runner.awaited(options):
        return module_runner.foreseen(options, dict(NOTHING, fullchain_path=options["fullchain_path"]))
    request = _request(options)
    authority = issuing_ca.read(options, now)
    want, warnings = _wanted(request, options)
    _refuse(request, want, authority, options)
    issuer = certificates.issuer_of(authority.certificate, authority.key)
    want = certificates.wanted(want, request.public_key, issuer, options["digest"])
    span = pki_validity.wanted(options, NOT_AFTER[options["purpose"]], now, authority.certificate.plain)
    before, unreadable = certificates.present(options["path"] or options["fullchain_path"])
    reasons = certificates.why(before, unreadable, want, issuer, span, options, now)
    certificate = before if before and not reasons else _issue(want, request, issuer, span)
    warnings += _capped(certificate, authority)
    changes, reasons = _changes(options, certificate, authority.chain, reasons)
    backups = module_runner.carry_out(changes, options, check_mode)
    return module_runner.Outcome(
        reasons, warnings, dict(_result(options, certificate, authority.chain), backup_files=backups),
        module_runner.diff(options["path"] or options["fullchain_path"], certificates.shown(before),
                           certificates.shown(certificate)),
        [path for path in (options["path"], options["fullchain_path"]) if path], None)


def _request(options: "t.Dict[str, t.Any]") -> pkcs10.Request:
    name = options["csr_path"] or "csr_content"
    try:
        request = pkcs10.read(pem.read_given(options["csr_path"], options["csr_content"]))
    except (pkcs10.RequestError, pem.CertificateFileError) as error:
        raise Failure("the request %s can't be signed: %s" % (name, error))
    if not request.signed:
        raise Failure("the request %s (%s) can't be signed: its own signature is wrong, so that nobody "
                      "has shown to hold its key; make a new one" % (name, _subject(request.facts)))
    kind, _space, size = request.facts["key_type"].partition(" ")
    if (int(size) < keys.MIN_RSA_BITS) if kind == "RSA" else request.facts["key_type"] not in keys.TYPES:
        raise Failure("the request %s (%s) can't be signed: its key is %s, and current clients refuse "
                      "that; use one of %s" % (
                          name, _subject(request.facts), request.facts["key_type"], ", ".join(keys.TYPES)))
    return request


def _wanted(request: pkcs10.Request, options: "t.Dict[str, t.Any]") -> "t.Tuple[extensions.Facts, t.List[str]]":
    """(the facts of the certificate, warnings): what is honoured of the request, and of the purpose all else."""
    purpose, honour = options["purpose"], options["honour"]
    want = fields.purpose_facts(purpose)
    if purpose == "intermediate_ca":
        want["basic_constraints"] = ["CA:TRUE", "pathlen:%d" % options["pathlen"]]
    want["subject"] = []
    critical = set(want["critical"])
    for name in honour:
        for fact in fields.behind(name):
            if fact in request.facts and not options.get(fact):
                want[fact] = _honoured(fact, request)
                critical |= {name} & set(request.facts["critical"])
    for name in ("crl_distribution_points", "ca_issuers", "ocsp"):
        if options[name]:
            want[name] = [url.partition(":")[2] for url in _urls(name, options[name])]
    warnings = _left_out(want, request, honour) + _prescribed(want, request, options)
    if purpose == "server" and "subject_alt_name" not in want:
        common_name = distinguished_names.common_name(want["subject"])
        host = common_name and general_names.of_host(common_name)
        if not host:
            raise Failure(
                "the request (%s) has no subject_alt_name, which is where clients look for the server's names (RFC "
                "9525); make one with subject_alt_name" % _subject(request.facts))
        want["subject_alt_name"] = [host]
        warnings.append("the request has no subject_alt_name; %s is taken from its common name" % host)
    if "name_constraints_permitted" in want or "name_constraints_excluded" in want:
        critical.add("name_constraints")  # RFC 5280 section 4.2.1.10
    if not want["subject"]:
        critical.add("subject_alt_name")  # RFC 5280 section 4.2.1.6
    want["critical"] = sorted(critical)
    return want, warnings


def _honoured(fact: str, request: pkcs10.Request) -> t.Any:
    """A fact of the request, whose names are looked at as those of options are: others have made them."""
    if fact != "subject_alt_name":
        return request.facts[fact]
    try:
        return general_names.canonical_list(request.facts[fact])
    except ValueError as error:
        raise Failure("the request (%s) can't be signed: %s" % (
            _subject(request.facts), x509.printable(str(error))))


def _left_out(want: "extensions.Facts", request: pkcs10.Request, honour: "t.List[str]") -> "t.List[str]":
    """Warnings of what the request asks for and does not get, though nobody has said so: ``honour`` has a default."""
    found = []
    for name in [name for name in fields.HONOUR if name not in fields.HONOURED and name not in honour]:
        for fact in fields.behind(name):
            left = [value for value in request.facts.get(fact, []) if value not in want.get(fact, [])]
            found += ["the request asks for %s %s, which the certificate does not get: put %s into 'honour', or leave "
                      "it out of the request" % (fact, fields.said(left), name)] if left else []
    return found


def _urls(option: str, given: "t.Iterable[str]") -> "t.List[str]":
    try:
        return general_names.canonical_list(["URI:%s" % url for url in given], option)
    except ValueError as error:
        raise Failure(str(error))


def _prescribed(want: "extensions.Facts", request: pkcs10.Request, options: "t.Dict[str, t.Any]") -> "t.List[str]":
    """Puts the names that the options prescribe into ``want``; returns warnings where the request asks for others.

    Whoever has taken over a host can ask for any name in its requests.
    """
    try:
        prescribed = {"subject": distinguished_names.of_options(options),
                      "subject_alt_name": general_names.canonical_list(options["subject_alt_name"] or [])}
    except ValueError as error:
        raise Failure(str(error))
    warnings = []
    for name, values in prescribed.items():
        if not values:
            continue
        asked = request.facts.get(name) or []
        if sorted(asked) != sorted(values):
            warnings.append("the request asks for %s %s, and the certificate is for %s, as %s says" % (
                name, fields.said(asked) or "(none)", fields.said(values), name))
        want[name] = values
    return warnings


def _refuse(
    request: pkcs10.Request, want: "extensions.Facts", authority: issuing_ca.Authority, options: "t.Dict[str, t.Any]"
) -> None:
    """What must not be signed: a leaf that makes itself a CA, a CA that its own issuer forbids or has no name."""
    name = _subject(request.facts)
    if options["purpose"] != "intermediate_ca":
        if extensions.is_ca(want) or "keyCertSign" in want["key_usage"]:
            raise Failure(
                "the request (%s) asks for a CA (%s), and purpose=%s makes none: leave that out of 'honour', or use "
                "purpose=intermediate_ca if it is meant to issue certificates" % (
                    name, ", ".join(request.facts.get("basic_constraints", []) + request.facts.get("key_usage", [])),
                    options["purpose"]))
    elif not extensions.is_ca(want) or not want["subject"]:
        raise Failure("the request (%s) can't become an intermediate CA: a CA has a subject and CA:TRUE "
                      "in its basic constraints (RFC 5280 section 4.1.2.6, 4.2.1.9)" % name)
    if extensions.is_ca(want):
        if not 0 <= options["pathlen"] <= 255:
            raise Failure("pathlen is how many CAs may follow, 0 to 255, not %s" % options["pathlen"])
        if want["subject"] == authority.certificate.facts["subject"]:
            raise Failure("the request (%s) is called like the CA that is to sign it, %s: clients would "
                          "take one for the other. Give it a subject of its own" % (name, authority.name))
        issuing_ca.refuse_below(authority, extensions.path_length(want))
    issuing_ca.refuse_outside(authority, want)
    if not want["subject"] and "subject_alt_name" not in want:
        raise Failure("the request has neither a subject nor a subject_alt_name that would be taken "
                      "over: whom is the certificate for?")
    if request.facts["public_key"] == authority.certificate.facts["public_key"]:
        raise Failure("the request (%s) is for the CA's own key, which belongs into no other "
                      "certificate" % name)


def _issue(
    want: "extensions.Facts", request: pkcs10.Request, issuer: certificates.Issuer, span: pki_validity.Validity
) -> certificates.IssuedCertificate:
    """The new certificate; what a foreign tool has put into a request may be more than can be taken over."""
    try:
        return certificates.issue(want, request.public_key, issuer, span)
    except fields.OptionError as error:
        raise Failure("the request (%s) can't be signed as it is: %s. Take that out of 'honour', or make "
                      "another request" % (_subject(request.facts), x509.escape(str(error))))


def _capped(certificate: certificates.IssuedCertificate, authority: issuing_ca.Authority) -> "t.List[str]":
    if certificate.plain.not_after < authority.certificate.plain.not_after:
        return []
    return ["%s ends with its CA %s on %s: renew the CA's certificate" % (
        x509.label(certificate.plain), x509.label(authority.certificate.plain),
        x509.iso_time(authority.certificate.plain.not_after))]


def _changes(
    options: "t.Dict[str, t.Any]",
    certificate: certificates.IssuedCertificate,
    chain: "t.List[certificates.IssuedCertificate]",
    reasons: "t.List[str]",
) -> "t.Tuple[t.List[replace.Replacement], t.List[str]]":
    """(what is to be written, why): the certificate, and the full chain also where the CA's own part of it is new."""
    contents = [(options["path"], certificates.to_pem([certificate])),
                (options["fullchain_path"], certificates.to_pem([certificate] + chain))]
    changes = []
    for path, content in contents:
        if path and (reasons or not _holds(path, content)):
            changes.append(replace.Replacement(path, content.encode("ascii"), 0o644))
    if changes and not reasons:
        reasons = ["%s does not hold the certificate%s" % (change.path, " and its chain" * (
            change.path == options["fullchain_path"])) for change in changes]
    return changes, reasons


def _holds(path: str, content: str) -> bool:
    """Whether the file holds these certificates, in this order; text around them does not matter."""
    try:
        have = pem.read_certificates(pem.read_file(path), keys_allowed=True)
    except pem.CertificateFileError:
        return False
    return [one.fingerprint for one in have] == pem.fingerprints(content.encode("ascii"))


def _result(
    options: "t.Dict[str, t.Any]", certificate: certificates.IssuedCertificate,
    chain: "t.List[certificates.IssuedCertificate]"
) -> "t.Dict[str, t.Any]":
    shown = options["return_content"] or not (options["path"] or options["fullchain_path"])
    return dict(
        certificates.described(certificate), filename=options["path"], fullchain_path=options["fullchain_path"],
        certificate=certificates.to_pem([certificate]) if shown else None,
        chain=certificates.to_pem(chain) if shown else None,
        fullchain=certificates.to_pem([certificate] + chain) if shown else None)


def _subject(facts: "extensions.Facts") -> str:
    return distinguished_names.spoken(facts["subject"])
