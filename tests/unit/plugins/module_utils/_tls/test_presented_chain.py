# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain as it was sent: what is missing, misplaced or too much."""
import time

import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import presented_chain
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains

ROOT = pki.root("Corp Root CA")
MIDDLE = pki.root("Corp Middle CA", issuer=ROOT)
ISSUING = pki.root("Corp Issuing CA 1", issuer=MIDDLE)
WEB = pki.server("web1.example.com", ISSUING)
OTHER = pki.root("Other CA", issuer=ROOT)
ALONE = pki.server("alone.example.com")
MISSING = "the server does not send CN=Corp Issuing CA 1; browsers may hide this"


def examine(*sent, **options):
    anchors = [x509.parse(pair.der) for pair in options.get("anchors", [ROOT])]
    store = verify_reasons.TrustedStore(None, anchors, chains.index(anchors), [])
    return presented_chain.examine([x509.parse(pair.der) for pair in sent], store, int(time.time()))


def told(*sent, **options):
    """With the flaws as sentences alone."""
    complete, ordered, flaws = examine(*sent, **options)
    return complete, ordered, [flaw.sentence for flaw in flaws]


@pytest.mark.parametrize("sent, found", [
    ([WEB, ISSUING, MIDDLE], (True, True, [])),
    ([WEB], (False, True, [MISSING])),
    ([WEB, MIDDLE], (False, True, [MISSING, "the server sends CN=Corp Middle CA, which is no part of the chain"])),
    ([WEB, ISSUING], (None, True, [])),
    ([WEB, MIDDLE, ISSUING], (True, False, [
        "the server sends its chain out of order (CN=web1.example.com, CN=Corp Middle CA, CN=Corp Issuing CA 1 instead "
        "of CN=web1.example.com, CN=Corp Issuing CA 1, CN=Corp Middle CA), which some clients refuse"])),
    ([WEB, ISSUING, MIDDLE, ROOT], (True, True, [
        "the server sends the root CN=Corp Root CA too, which no client needs"])),
    ([WEB, OTHER, ISSUING, MIDDLE], (True, True, ["the server sends CN=Other CA, which is no part of the chain"])),
    ([WEB, ISSUING, ISSUING, MIDDLE, WEB], (True, True, [
        "the server sends CN=Corp Issuing CA 1 twice", "the server sends CN=web1.example.com twice"])),
    ([WEB, ISSUING, ISSUING, ISSUING, MIDDLE], (True, True, ["the server sends CN=Corp Issuing CA 1 twice"])),
    ([ALONE], (True, True, [])),
    ([ALONE, ROOT], (True, True, ["the server sends CN=Corp Root CA, which is no part of the chain"])),
])
def test_chains(sent, found):
    assert told(*sent) == found


@pytest.mark.parametrize("sent, kinds", [
    ([WEB], ["missing"]), ([WEB, MIDDLE, ISSUING, ROOT, ROOT, OTHER], ["disorder", "surplus", "surplus", "surplus"]),
])
def test_kinds(sent, kinds):
    assert [flaw.kind for flaw in examine(*sent)[2]] == kinds


def test_anchors_that_are_no_roots():
    assert [flaw.kind for flaw in examine(WEB, anchors=[ISSUING])[2]] == ["missing"]
    assert told(WEB, anchors=[MIDDLE, ISSUING]) == (False, True, [
        "the server does not send CN=Corp Issuing CA 1; this host knows it as an anchor, others will not"])
    assert examine(WEB, ISSUING, anchors=[ISSUING]) == (True, True, [])
    assert examine(WEB, ISSUING, anchors=[MIDDLE])[0] is False
    assert told(WEB, anchors=[]) == (False, True, [MISSING])


def test_description():
    pair = pki.server("web1.example.com", ROOT, ips=["192.0.2.1"])
    found = presented_chain.describe(x509.parse(pair.der))
    assert found["dns_names"] == ["web1.example.com"] and found["ip_addresses"] == ["192.0.2.1"]
    assert found["key_type"] == "EC P-256" and found["root"] is False and found["subject"] == "CN=web1.example.com"
    assert found["fingerprint_sha256"] == pair.fingerprint
    assert presented_chain.describe(x509.parse(ROOT.der))["root"] is True
