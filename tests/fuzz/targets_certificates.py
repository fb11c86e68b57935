# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and revocation lists, as they are and as files."""

from __future__ import annotations

import contextlib
import hashlib
import typing as t

import corpus
import mutations
from cryptography import x509 as pyca
from hypothesis import strategies as st
from targeting import NOW, file_of, harmless, target

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    certificates,
    crl,
    distinguished_names,
    extensions,
    fields,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import presented_chain
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl_limits
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, der, loadable, pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import crls as x509_crls

# Certificates


def described(certificate: x509.Certificate) -> dict[str, t.Any]:
    """All that is asked of a certificate anywhere; what can't be read is a DerError."""
    found: dict[str, t.Any] = {}
    for function in (x509.describe, x509.label, x509.basic_constraints, x509.key_usage, x509.extended_key_usage,
                     x509.shown_alt_names, x509.subject_key_identifier, x509.authority_key_identifier, x509.key_type,
                     presented_chain.describe, chains.is_root):
        with contextlib.suppress(der.DerError):
            found[function.__name__] = function(certificate)
    found["short"] = verify_reasons.short(certificate.subject_der)
    found["validity"] = verify_reasons.validity(certificate, NOW)
    return found


@target(mutations.der_of(corpus.certificates()), (der.DerError,), 3)
def a_certificate(data):
    parsed = x509.parse(data)
    found = described(parsed)
    as_pyca_says(parsed, found)
    anchor_file.managed_block("name", parsed).decode("ascii")
    return found


@target(mutations.der_of(corpus.certificates()), (der.DerError,))
def a_certificate_for_openssl(data):
    found = [loadable.fault(data), *openssl_limits.warnings(x509.parse(data), "/nowhere")]
    return [one for one in found if one]


@target(mutations.bytes_of(corpus.files()))
def a_bundle_for_openssl(data):
    blocks = list(pem.certificate_blocks(data))
    found = loadable.suspicions("/bundle", data, blocks)
    return loadable.explain("/bundle", found, {}) if found else None


def as_pyca_says(parsed: x509.Certificate, found: dict[str, t.Any]) -> None:
    """Where pyca/cryptography can read it too, which is strict, both must say the same."""
    try:
        theirs = pyca.load_der_x509_certificate(parsed.der)
        theirs_extensions = {one.oid.dotted_string: one.value for one in theirs.extensions}
        serial, begin, end = (theirs.serial_number, theirs.not_valid_before_utc, theirs.not_valid_after_utc)
        subject = theirs.subject
    except Exception:  # of many kinds; whatever it can't read, it says nothing about
        return
    assert parsed.serial == serial and parsed.version == theirs.version.value + 1
    assert (parsed.not_before, parsed.not_after) == (begin.timestamp(), end.timestamp())
    assert set(parsed.extensions) == set(theirs_extensions)
    common = subject.get_attributes_for_oid(pyca.NameOID.COMMON_NAME)
    ours = x509.common_name(parsed.subject_der)
    assert (ours is None) == (not common) and (ours is None or ours[:1] == "#" or ours == common[-1].value)
    constraints = theirs_extensions.get(x509.BASIC_CONSTRAINTS)
    assert found["basic_constraints"] == (
        (constraints.ca, constraints.path_length) if constraints else (False, None))
    usage = theirs_extensions.get(x509.KEY_USAGE)
    assert usage is None or ("key_cert_sign" in found["key_usage"]) == usage.key_cert_sign
    alt_names = theirs_extensions.get(x509.SUBJECT_ALT_NAME)
    if alt_names:
        ours = x509.alt_names(parsed)
        assert ours["dns"] == alt_names.get_values_for_type(pyca.DNSName)
        assert ours["ip"] == [str(ip) for ip in alt_names.get_values_for_type(pyca.IPAddress)]
        assert ours["rid"] == [one.dotted_string for one in alt_names.get_values_for_type(pyca.RegisteredID)]


@target(st.tuples(mutations.files_of("CERTIFICATE", corpus.certificates() + corpus.bundles()), st.booleans()),
        (pem.CertificateFileError,), 3)
def a_file_of_certificates(value):
    data, keys_allowed = value
    found = pem.read_certificates(data, keys_allowed)
    for one in found:
        assert one.fingerprint == hashlib.sha256(one.der).hexdigest()
        assert pem.read_certificates(pem.to_pem(one.der).encode()) == [one]
    assert keys_allowed or not pem.holds_key(pem._plain(data))
    return [described(one) for one in found]


@target(mutations.bytes_of([*corpus.files(), corpus.recorded("keytool.txt").replace(b"\n", b"\r\n")]), share=2)
def a_store_read_leniently(data):
    found = pem.fingerprints(data)
    held = list(trust_state.certificates_in("/file", data))
    assert [one.fingerprint for one in held][:len(found)] == found
    for one in held:
        assert 0 <= one.start < one.end <= len(data)
    trust_state.configured(data)
    return [one.name for one in held] + [x509.describe(certificate) for certificate in (
        x509.parse_leniently(one.der) for one in held) if certificate]


@target(st.binary(max_size=400))
def pem_there_and_back(data):
    for label in ("CERTIFICATE", "X509 CRL"):
        (block,) = pem.blocks(b"text\n" + pem.to_pem(data, label).encode() + b"text")
        assert block.label == label.encode() and pem.decode(block) == data


@target(mutations.bytes_of([b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", b"\x55\x1d\x13", b"\x88\x37",
                            b"\x2a" + b"\xff" * 3000 + b"\x7f", b"\xff" * 30_000 + b"\x7f"]), (der.DerError,))
def an_object_identifier(content):
    dotted = der.oid(content)
    assert x509.DOTTED.match(dotted)
    return dotted


@target(mutations.files_of("CERTIFICATE", corpus.certificates()), (pem.CertificateFileError,))
def a_certificate_as_facts(data):
    found = certificates.read(data)
    for one in found:
        issuer = certificates.issuer_of(one)
        want = certificates.wanted(fields.purpose_facts("server"), one.public_key, issuer)
        text = [certificates.label(one), *certificates.shown(one).split("\n"), *fields.deviations(one.facts, {})]
        text += certificates.deviations(one, dict(want, subject=["CN=x"]), issuer)
        harmless([text, extensions.is_ca(one.facts), distinguished_names.spoken(one.facts["subject"])])
    path = file_of(data)
    return certificates.present(path)[1]


# Revocation lists


@target(mutations.files_of("X509 CRL", corpus.revocation_lists()), (pem.CertificateFileError,))
def a_file_of_revocation_lists(data):
    for one in x509_crls.read(data):
        assert x509_crls.read(x509_crls.to_pem(one).encode()) == [one]


@target(mutations.files_of("X509 CRL", corpus.revocation_lists()))
def a_revocation_list_that_is_there(data):
    found = crl._present(file_of(data))
    return crl._shown(found, NOW).split("\n") if found else None
