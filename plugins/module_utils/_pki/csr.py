# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A private key and a certificate signing request in one go, and a look at the certificate that came of it."""

import os
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    certificates,
    distinguished_names,
    fields,
    key_selection,
    keys,
    module_runner,
    pkcs10,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, general_names, pem

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import extensions


def converge(
    options: "t.Dict[str, t.Any]", check_mode: bool = False, now: "t.Optional[int]" = None
) -> module_runner.Outcome:
    """Makes key and request what is wanted; returns an Outcome. ``options`` are the module's, with places resolved.

    Raises Failure before anything is changed.
    """
    now = int(time.time()) if now is None else now
    want = fields.of_options(options)
    renew = pki_validity.renew_before(options)
    if options["create_subject_key_identifier"]:
        want["subject_key_identifier"] = True
    certificate, unreadable = certificates.present(options["certificate_path"])
    ca = _ca(options)
    before = pkcs10.present(options["path"])
    due = _due(options, want, certificate, unreadable, ca, renew, now) if options["certificate_path"] else []
    choice = _choose(options, certificate, due)
    if options["certificate_path"]:
        due = _with_key(due, options, choice, certificate)
    want = pkcs10.wanted(want, choice.key, options["digest"])
    reasons = pkcs10.why(options["path"], before, want, options["force"])
    request = before if before and not reasons else pkcs10.build(want, choice.key)
    changes = [replace.Replacement(choice.path, choice.content, 0o600)] if choice.content else []
    changes += [replace.Replacement(options["path"], request.pem, 0o644)] if reasons else []
    backups = module_runner.carry_out(changes, options, check_mode)
    return module_runner.Outcome(
        choice.reasons + reasons, choice.warnings,
        _result(options, choice, request, certificate, due, backups),
        module_runner.diff(options["path"], _shown(before), _shown(request)),
        [options["path"]], choice.path)


def _choose(
    options: "t.Dict[str, t.Any]", certificate: "t.Optional[certificates.IssuedCertificate]", due: "t.List[str]"
) -> key_selection.KeyChoice:
    path, passphrase = options["privatekey_path"], options["privatekey_passphrase"]
    if not options["certificate_path"]:
        return key_selection.choose(path, passphrase, options["key_type"], options["regenerate_key"])
    return key_selection.choose_beside(path, passphrase, options["key_type"], options["regenerate_key"], certificate,
                                       bool(due))


def _due(
    options: "t.Dict[str, t.Any]",
    want: "extensions.Facts",
    certificate: "t.Optional[certificates.IssuedCertificate]",
    unreadable: "t.Optional[str]",
    ca: "t.Optional[certificates.IssuedCertificate]",
    renew: int,
    now: int,
) -> "t.List[str]":
    """Why a new certificate is needed, whatever its key, as list of text (the key: ``_with_key``)."""
    if certificate is None:
        return ["the certificate %s can't be read: %s" % (options["certificate_path"], unreadable) if unreadable
                else "there is no certificate yet"]
    unfit = ["%s: %s" % (options["certificate_path"], unreadable)] if unreadable else []
    unfit += _beside(options, certificate, ca)
    if ca:
        found = _by_ca(options, want, certificate, ca)
    else:
        missing = [name for name in want.get("subject_alt_name", [])
                   if not general_names.covered(name, certificate.facts.get("subject_alt_name", []))]
        found = ["subject_alt_name: the certificate is not for %s" % ", ".join(missing)] if missing else []
    expiry = pki_validity.expiry(certificate.plain, renew, now)
    return unfit + found + ([expiry] if expiry and not _ends_with_ca(certificate, ca, now) else [])


def _beside(
    options: "t.Dict[str, t.Any]", certificate: certificates.IssuedCertificate,
    ca: "t.Optional[certificates.IssuedCertificate]"
) -> "t.List[str]":
    """Why the files that were installed with the certificate call for a new one, as list of text."""
    behind = [] if ca is None or chains.is_root(ca.plain) else [ca.plain.fingerprint]
    wanted = {"chain_path": behind, "fullchain_path": [certificate.plain.fingerprint] + behind}
    begins = {"chain_path": "the CA's certificate",
              "fullchain_path": "the certificate%s" % (", and its CA's after it" * bool(behind))}
    found = []
    for name, fingerprints in sorted(wanted.items()):
        path = options[name]
        if path and not os.path.lexists(path):
            found.append("%s is not there" % path)
        elif path and fingerprints != _fingerprints(path)[:len(fingerprints)]:
            found.append("%s does not begin with %s" % (path, begins[name]))
    return found


def _fingerprints(path: str) -> "t.List[str]":
    try:
        return pem.fingerprints(pem.read_file(path))
    except pem.CertificateFileError:
        return []


def _ends_with_ca(
    certificate: certificates.IssuedCertificate, ca: "t.Optional[certificates.IssuedCertificate]", now: int
) -> bool:
    """Whether a new certificate would end at the same moment, for the CA itself does: that is no use, and no drift."""
    return ca is not None and now < certificate.plain.not_after and certificate.plain.not_after >= ca.plain.not_after


def _by_ca(
    options: "t.Dict[str, t.Any]",
    want: "extensions.Facts",
    certificate: certificates.IssuedCertificate,
    ca: certificates.IssuedCertificate,
) -> "t.List[str]":
    """What the certificate has different from what the CA would make of the request, as list of text."""
    issuer = certificates.issuer_of(ca)
    compared = [fact for name in options["honour"] for fact in fields.behind(name)
                if fact in want or name not in fields.PURPOSES]
    expected = dict(certificate.facts, **{fact: want.get(fact) for fact in compared})
    common_name = distinguished_names.common_name(want["subject"])
    host = common_name and general_names.of_host(common_name)
    if "subject_alt_name" not in want and certificate.facts.get("subject_alt_name") == [host]:
        expected["subject_alt_name"] = [host]  # which a server's certificate gets, though the request has none
    expected.update(issuer=distinguished_names.read(issuer.name), authority_key_identifier=issuer.key_identifier)
    if options["digest"]:
        expected["digest"] = keys.digest_name(options["digest"], issuer.public_key)
    return certificates.deviations(certificate, expected, issuer)


def _ca(options: "t.Dict[str, t.Any]") -> "t.Optional[certificates.IssuedCertificate]":
    """The CA's certificate, or None."""
    if options["ca_content"] is None:
        return None
    try:
        return certificates.read_first(options["ca_content"].encode("utf-8", "replace"))
    except pem.CertificateFileError as error:
        raise Failure("ca_content can't be used: %s" % error)


def _with_key(
    due: "t.List[str]",
    options: "t.Dict[str, t.Any]",
    choice: key_selection.KeyChoice,
    certificate: "t.Optional[certificates.IssuedCertificate]",
) -> "t.List[str]":
    """The same with what the key says: the certificate must be for the one in use, and its successor wants another."""
    if certificate is None:
        return due
    if choice.path != options["privatekey_path"]:
        return due + ["the private key is replaced by %s, whose certificate is awaited" % choice.path]
    if keys.fingerprint(choice.key.public_key()) != certificate.facts["public_key"]:
        return ["the certificate is for another key than %s" % choice.path] + due
    return due


def _shown(request: "t.Optional[pkcs10.Request]") -> str:
    return fields.shown(request.facts) if request else ""


def _result(
    options: "t.Dict[str, t.Any]",
    choice: key_selection.KeyChoice,
    request: pkcs10.Request,
    certificate: "t.Optional[certificates.IssuedCertificate]",
    due: "t.List[str]",
    backups: "t.Dict[str, str]",
) -> "t.Dict[str, t.Any]":
    result = {
        "filename": options["path"], "privatekey": key_selection.described(choice),
        "subject": distinguished_names.spoken(request.facts["subject"]),
        "subject_alt_name": request.facts.get("subject_alt_name", []),
        "key_type": request.facts["key_type"], "backup_files": backups,
        "csr": request.pem.decode("ascii") if options["return_content"] else None,
    }
    if options["certificate_path"]:
        result.update(certificate=certificate and x509.describe(certificate.plain), certificate_reasons=due,
                      certificate_path=options["certificate_path"])
    return result
