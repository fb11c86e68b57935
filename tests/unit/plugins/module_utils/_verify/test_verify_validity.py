# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expired, not yet valid, and sooner at its end than ``min_remaining`` allows."""
import pki
import pytest
from verifying import Corp, verify, why, write

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509

DAY = 86400


def test_expired_and_not_yet_valid(host):
    found = why(pki.server(issuer=Corp.issuing, days=(-10, -3)), Corp.issuing)
    assert found.startswith("expired 3 days ago (20") and found.endswith("Z)") and ";" not in found, found
    found = why(pki.server(issuer=Corp.issuing, days=(3.5, 9)), Corp.issuing)
    assert found.startswith("is not yet valid, begins in 3 days (20") and ";" not in found, found


def test_expiry_is_told_beside_what_openssl_stops_at(host):
    found = why(pki.server(issuer=pki.root("Elsewhere"), days=(-10, -3)))
    assert "CN=Elsewhere is not trusted by this host" in found and "; expired 3 days ago" in found


def test_an_expired_certificate_of_the_chain(host):
    old = pki.root("Old Issuing", issuer=Corp.root, days=(-10, -3))
    assert why(pki.server(issuer=old), old).startswith("CN=Old Issuing, sent in the chain, expired 3 days ago (")
    gone = pki.root("Old Root", days=(-10, -3))
    trust = write(host / "gone.pem", gone)
    assert why(pki.server(issuer=gone), trust=trust).startswith(
        "CN=Old Root, an anchor of %s, expired 3 days ago (" % trust)


def test_min_remaining_of_the_certificate_and_of_its_chain(host):
    short = pki.server(issuer=Corp.issuing, days=(-1, 5.5))
    assert why(short, Corp.issuing).startswith("") and not why(short, Corp.issuing)
    assert not why(short, Corp.issuing, min_remaining="5d")
    found = why(short, Corp.issuing, min_remaining="30d")
    assert found.startswith("expires in 5 days (") and found.endswith("sooner than min_remaining=30d allows")
    ending = pki.root("Ending CA", issuer=Corp.root, days=(-1, 5.5))
    assert why(pki.server(issuer=ending), ending, min_remaining="30d").startswith(
        "CN=Ending CA, sent in the chain, expires in 5 days (")


def test_min_remaining_is_the_task_s_unless_the_certificate_says_so(host):
    short = pki.server(issuer=Corp.root, days=(-1, 5.5))
    for given, verified in [(None, False), ("1d", True)]:
        assert verify({"content": short.pem, "min_remaining": given}, min_remaining="30d")[0]["verified"] is verified
    assert verify({"content": short.pem})[0]["remaining_days"] == 5
    end = x509.parse(short.der).not_after
    for now, days in [(end - 2 * DAY, 2), (end - 2 * DAY + 1, 1), (end + 2 * DAY, -2)]:
        assert verify({"content": short.pem}, now=now)[0]["remaining_days"] == days


def test_a_min_remaining_that_is_no_time(host):
    with pytest.raises(Failure, match=r"certificates\[0\]: min_remaining: 'soon' is no span of time"):
        verification.verify([{"content": Corp.web.pem, "min_remaining": "soon"}])
