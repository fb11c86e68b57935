# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of a private CA, and what path validation says of them."""

from __future__ import annotations

import pki
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import validate

NOW = 2000000000
at_now = pki.At(NOW)
ROOT = at_now.root("Corp Root")
ISSUING = at_now.root("Corp Issuing", issuer=ROOT)
NAME = "web1.example.com"
WEB = at_now.server(issuer=ISSUING)


def judge(*chain, anchors=(ROOT,), names=(NAME,), ips=(), purpose="server", waive=(), crls=(), now=NOW, **more):
    """The verdict on the first of ``chain``, with the others sent along."""
    question = validate.Question(
        list(names), list(ips), purpose, now, frozenset(waive), more.get("max_intermediates"))
    leaf, *sent = [pair if isinstance(pair, bytes) else pair.der for pair in chain]
    lists = [x509.load_pem_x509_crl(text.encode()).public_bytes(Encoding.DER) for text in crls]
    return validate.judge(leaf, sent, [pair.der for pair in anchors], question, lists)


def broken(verdict):
    return sorted({one.rule for one in verdict.findings})


def issuing(**options):
    return at_now.root("Corp Issuing", issuer=ROOT, **options)


def below(ca, **options):
    return [at_now.server(issuer=ca, **options), ca]


def leaf(**options):
    return [at_now.server(issuer=ISSUING, **options), ISSUING]


def constrained(permitted=None, excluded=None, critical=True):
    return issuing(more=[(x509.NameConstraints(permitted, excluded), critical)])
