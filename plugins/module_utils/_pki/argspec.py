# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The options of csr, selfsigned_cert, signed_cert and crl, put together from what they share."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import fields, key_selection, keys

if t.TYPE_CHECKING:
    Spec = t.Dict[str, t.Dict[str, t.Any]]  # options, as AnsibleModule takes them


# RFC 5280 section 5.3.1; 'unspecified' is told by leaving the reason out, and removeFromCRL is for delta lists.
REVOCATION_REASONS = (
    "unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation",
    "certificateHold", "privilegeWithdrawn", "aACompromise")
WRITTEN: "Spec" = {
    "backup": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "return_content": {"type": "bool", "default": False},
}
REQUEST: "Spec" = dict(
    WRITTEN,
    path={"type": "path", "required": True},
    root={"type": "path", "default": "/"},
    privatekey_path={"type": "path", "required": True, "no_log": False},  # where it lies is no secret
    privatekey_passphrase={"type": "str", "no_log": True},
    privatekey_mode={"type": "raw", "no_log": False},
    privatekey_owner={"type": "str", "no_log": False},
    privatekey_group={"type": "str", "no_log": False},
    key_type={"type": "str", "default": "EC P-256", "choices": list(keys.TYPES), "no_log": False},
    regenerate_key={"type": "str", "default": "never", "choices": list(key_selection.REGENERATE), "no_log": False},
    digest={"type": "str", "choices": list(keys.DIGESTS)},
    subject={"type": "dict"},
    subject_ordered={"type": "list", "elements": "dict"},
    country_name={"type": "str", "aliases": ["C", "countryName"]},
    state_or_province_name={"type": "str", "aliases": ["ST", "stateOrProvinceName"]},
    locality_name={"type": "str", "aliases": ["L", "localityName"]},
    organization_name={"type": "str", "aliases": ["O", "organizationName"]},
    organizational_unit_name={"type": "str", "aliases": ["OU", "organizationalUnitName"]},
    common_name={"type": "str", "aliases": ["CN", "commonName"]},
    email_address={"type": "str", "aliases": ["E", "emailAddress"]},
    subject_alt_name={"type": "list", "elements": "str", "aliases": ["subjectAltName"]},
    subject_alt_name_critical={"type": "bool", "default": False, "aliases": ["subjectAltName_critical"]},
    use_common_name_for_san={"type": "bool", "default": True, "aliases": ["useCommonNameForSAN"]},
    key_usage={"type": "list", "elements": "str", "aliases": ["keyUsage"], "no_log": False},
    key_usage_critical={"type": "bool", "default": True, "aliases": ["keyUsage_critical"], "no_log": False},
    extended_key_usage={"type": "list", "elements": "str", "aliases": ["extKeyUsage", "extendedKeyUsage"],
                        "no_log": False},
    extended_key_usage_critical={"type": "bool", "default": False, "no_log": False,
                                 "aliases": ["extKeyUsage_critical", "extendedKeyUsage_critical"]},
    basic_constraints={"type": "list", "elements": "str", "aliases": ["basicConstraints"]},
    basic_constraints_critical={"type": "bool", "default": True, "aliases": ["basicConstraints_critical"]},
    ocsp_must_staple={"type": "bool", "default": False, "aliases": ["ocspMustStaple"]},
    ocsp_must_staple_critical={"type": "bool", "default": False, "aliases": ["ocspMustStaple_critical"]},
    name_constraints_permitted={"type": "list", "elements": "str"},
    name_constraints_excluded={"type": "list", "elements": "str"},
    name_constraints_critical={"type": "bool", "default": True},
)
REQUEST_EXCLUSIVE = [["subject", "subject_ordered"]]
AUTHORITY: "Spec" = {
    "ca_path": {"type": "path", "aliases": ["ownca_path"]},
    "ca_content": {"type": "str", "aliases": ["ownca_content"]},
    "ca_privatekey_path": {"type": "path", "aliases": ["ownca_privatekey_path"], "no_log": False},
    "ca_privatekey_content": {"type": "str", "aliases": ["ownca_privatekey_content"], "no_log": True},
    "ca_privatekey_passphrase": {"type": "str", "aliases": ["ownca_privatekey_passphrase"], "no_log": True},
}
AUTHORITY_EXCLUSIVE = [["ca_path", "ca_content"], ["ca_privatekey_path", "ca_privatekey_content"]]
AUTHORITY_ONE_OF = [["ca_path", "ca_content"], ["ca_privatekey_path", "ca_privatekey_content"]]
HONOUR: "t.Dict[str, t.Any]" = {
    "type": "list", "elements": "str", "default": list(fields.HONOURED), "choices": list(fields.HONOUR)}


def validity(alias: str) -> "Spec":
    """From when until when; with the names that the options have with a provider of the modules people come from."""
    return {
        "not_before": {"type": "str", "default": "-1h", "aliases": ["%s_not_before" % alias]},
        "not_after": {"type": "str", "aliases": ["%s_not_after" % alias]},
        "renew_before": {"type": "str", "default": "0"},
    }


def csr() -> "Spec":
    """All options of csr."""
    return dict(REQUEST, create_subject_key_identifier={"type": "bool", "default": False},
                certificate_path={"type": "path"}, chain_path={"type": "path"}, fullchain_path={"type": "path"},
                renew_before={"type": "str", "default": "0"}, ca_content=AUTHORITY["ca_content"], honour=HONOUR)


def selfsigned_cert() -> "Spec":
    """All options of selfsigned_cert."""
    return dict(REQUEST, csr_path={"type": "path"}, digest=dict(REQUEST["digest"], aliases=["selfsigned_digest"]),
                purpose={"type": "str", "choices": ["server", "client", "root_ca"]}, **validity("selfsigned"))


def signed_cert() -> "Spec":
    """All options of signed_cert."""
    return dict(
        WRITTEN, path={"type": "path"}, fullchain_path={"type": "path"}, csr_path={"type": "path"},
        csr_content={"type": "str"}, subject=REQUEST["subject"], subject_ordered=REQUEST["subject_ordered"],
        common_name=REQUEST["common_name"], subject_alt_name=REQUEST["subject_alt_name"],
        digest={"type": "str", "choices": list(keys.DIGESTS), "aliases": ["ownca_digest"]},
        purpose={"type": "str", "default": "server", "choices": list(fields.SIGNED_PURPOSES)},
        pathlen={"type": "int", "default": 0},
        honour=HONOUR, crl_distribution_points={"type": "list", "elements": "str"},
        ca_issuers={"type": "list", "elements": "str"}, ocsp={"type": "list", "elements": "str"},
        **dict(AUTHORITY, **validity("ownca")))


def crl() -> "Spec":
    """All options of crl."""
    listed = {
        "serial": {"type": "str", "required": True},
        "revocation_date": {"type": "str"},
        "reason": {"type": "str", "default": "unspecified", "choices": list(REVOCATION_REASONS)},
    }
    return dict(
        AUTHORITY, backup=WRITTEN["backup"], force=WRITTEN["force"], path={"type": "path", "required": True},
        format={"type": "str", "default": "pem", "choices": ["pem", "der"]},
        revoked={"type": "list", "elements": "dict", "default": [], "options": listed},
        digest={"type": "str", "choices": list(keys.DIGESTS)},
        next_update={"type": "str", "default": "+30d"}, renew_before={"type": "str", "default": "7d"})


SIGNED_EXCLUSIVE = [["csr_path", "csr_content"]] + REQUEST_EXCLUSIVE + AUTHORITY_EXCLUSIVE
SIGNED_ONE_OF = [["csr_path", "csr_content"]] + AUTHORITY_ONE_OF
