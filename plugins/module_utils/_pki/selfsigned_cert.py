# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A private key and a self-signed certificate in one go: a leaf to test with, or a root CA."""

import os
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    certificates,
    extensions,
    fields,
    key_selection,
    module_runner,
    pkcs10,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import validity as pki_validity
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

NOT_AFTER = {"root_ca": "+3650d"}
LEAF_NOT_AFTER = "+180d"


def converge(
    options: "t.Dict[str, t.Any]", check_mode: bool = False, now: "t.Optional[int]" = None
) -> module_runner.Outcome:
    """Makes key and certificate what is wanted; returns an Outcome. ``options`` are the module's, with places resolved.

    Raises Failure before anything is changed.
    """
    now = int(time.time()) if now is None else now
    want = _facts(options)
    span = pki_validity.wanted(options, NOT_AFTER.get(options["purpose"], LEAF_NOT_AFTER), now)
    before, unreadable = certificates.present(options["path"])
    _keep_the_root(options, before, unreadable)
    choice = key_selection.choose(options["privatekey_path"], options["privatekey_passphrase"], options["key_type"],
                                  options["regenerate_key"])
    asked = pkcs10.wanted(want, choice.key, options["digest"])
    request_reasons = _why_request(options, asked)
    issuer = certificates.self_issuer(want["subject"], choice.key)
    want = certificates.wanted(want, choice.key.public_key(), issuer, options["digest"])
    reasons = choice.reasons + certificates.why(before, unreadable, want, issuer, span, options, now)
    certificate = before if before and not reasons else certificates.issue(
        want, choice.key.public_key(), issuer, span)
    changes = [replace.Replacement(choice.path, choice.content, 0o600)] if choice.content else []
    if request_reasons:
        changes.append(replace.Replacement(options["csr_path"], pkcs10.build(asked, choice.key).pem, 0o644))
    changes += [replace.Replacement(options["path"], written(certificate), 0o644)] if reasons else []
    backups = module_runner.carry_out(changes, options, check_mode)
    return module_runner.Outcome(
        reasons + request_reasons, choice.warnings,
        dict(certificates.described(certificate), filename=options["path"], backup_files=backups,
             certificate=certificates.to_pem([certificate]) if options["return_content"] else None,
             privatekey=key_selection.described(choice)),
        module_runner.diff(options["path"], certificates.shown(before), certificates.shown(certificate)),
        [path for path in (options["path"], options["csr_path"]) if path], choice.path)


def _facts(options: "t.Dict[str, t.Any]") -> "extensions.Facts":
    """What the options ask for. Where they name no subject, the first of the names is it, for a certificate that is its
    own issuer has one (RFC 5280 section 4.1.2.4)."""
    facts = fields.of_options(options, options["purpose"])
    if facts["subject"]:
        return facts
    name = facts["subject_alt_name"][0].partition(":")[2]
    return fields.of_options(dict(options, common_name=name[:64]), options["purpose"])


def _why_request(options: "t.Dict[str, t.Any]", want: "extensions.Facts") -> "t.List[str]":
    path = options["csr_path"]
    return pkcs10.why(path, pkcs10.present(path), want, options["force"]) if path else []


def written(certificate: certificates.IssuedCertificate) -> bytes:
    """A certificate as its file's content (bytes)."""
    return certificates.to_pem([certificate]).encode("ascii")


def _keep_the_root(
    options: "t.Dict[str, t.Any]", before: "t.Optional[certificates.IssuedCertificate]", unreadable: "t.Optional[str]"
) -> None:
    """A CA whose key lies elsewhere, as that of an offline root, is not replaced by a new one with the same name."""
    is_ca = extensions.is_ca(before.facts) if before else unreadable and options["purpose"] == "root_ca"
    if is_ca and options["regenerate_key"] != "always" and not os.path.lexists(options["privatekey_path"]):
        what = "%s, SHA-256 %s" % (x509.label(before.plain), before.plain.fingerprint) if before else unreadable
        raise Failure(
            "%s is there (%s) and its private key %s is not: a new key would make it another CA, which nobody trusts. "
            "Bring the key back; or remove the certificate, if a new CA is what you want" % (
                options["path"], what, options["privatekey_path"]))
