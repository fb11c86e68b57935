# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of a private CA, verified as cert_verify does, and what is said of them."""
import pki

from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification


class Corp:
    """The certificates that most tests start from."""

    root = pki.root("Corp Root CA")
    issuing = pki.root("Corp Issuing CA 1", issuer=root)
    web = pki.server("web1.example.com", issuing, ips=["192.0.2.1", "2001:db8::1"])


def write(path, *pairs):
    path.write_text("".join(getattr(pair, "pem", pair) for pair in pairs))
    return str(path)


def verify(item, **options):
    """(the result of one certificate, the message)."""
    outcome = verification.verify([item], **options)
    assert outcome["verified"] is outcome["results"][0]["verified"]
    return outcome["results"][0], outcome["msg"]


def why(*pairs, **options):
    """The reasons against a certificate that is given with its chain, leaf first, as a string."""
    trust, purpose = options.pop("trust", None), options.pop("purpose", "server")
    item = dict(options, content="".join(pair.pem for pair in pairs))
    return "; ".join(verify(item, trust=trust, purpose=purpose)[0]["reasons"])


def sources(result):
    return [(link["subject"], link["source"]) for link in result["chain"]]
