# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, keystores and requests. What is wrong with a private key is said without it."""

from __future__ import annotations

import os

import corpus
import mutations
from cryptography import x509 as pyca
from targeting import file_of, target

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import fields, key_selection, keys, pkcs10
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import jks
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der

# Keys


@target(mutations.files_of("PRIVATE KEY", corpus.keys()), (keys.KeyFileError,), 0.2)
def a_private_key(data):
    key = keys.read(data, None, "the key")
    return keys.key_type(key.public_key())


@target(mutations.files_of("PRIVATE KEY", corpus.keys()), (keys.KeyFileError,))
def a_private_key_with_a_passphrase(data):
    path = file_of(data)
    os.chmod(path, 0o600)
    return key_selection.described(key_selection.choose(path, "passphrase", "Ed25519", "never"))["key_type"]


@target(mutations.der_of([x509.parse(data).spki_der for data in corpus.certificates()]), (der.DerError,))
def a_public_key(data):
    found = [x509.spki_type(data)]
    assert openssl.same_key(data, data)
    openssl.same_key(data, x509.parse(corpus.certificates()[0]).spki_der)
    return found


@target(mutations.bytes_of(corpus.java_keystores()), (ValueError,))
def a_java_keystore(data):
    for alias, content in jks.entries(data):
        assert isinstance(alias, str) and content in data


# Requests


@target(mutations.files_of("CERTIFICATE REQUEST", corpus.requests()), (pkcs10.RequestError,), 2)
def a_request(data):
    found = pkcs10.read(data)
    pkcs10.present(file_of(data))
    theirs = pyca.load_der_x509_csr(data) if data[:1] == b"0" else pyca.load_pem_x509_csr(found.pem)
    assert found.signed == theirs.is_signature_valid
    return fields.shown(found.facts).split("\n")
