# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An older certificate does not replace a newer one, unless there is a reason."""
import os

import pki
import pytest
from installing import NAME, Corp, renewed

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import install
from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import plan as cert_install_plan


def test_an_older_certificate_does_not_replace_a_newer_one(web1):
    web1.install(content=renewed((-1, 300)).pem + Corp.chain)
    before, old = web1.everything(), renewed((-9, 100))
    result = web1.install(content=old.pem + Corp.chain)
    assert not result["changed"] and web1.everything() == before
    assert "is in place; it stays, for what was offered is older: CN=%s (SHA-256 %s...), expires " % (
        NAME, old.fingerprint[:16]) in result["msg"]
    os.unlink(web1.at("full.crt"))  # what is missing beside it is made for the one that stays
    assert web1.install(content=old.pem + Corp.chain)["changed"]
    assert web1.read("full.crt") == web1.read("web.crt") + Corp.chain


def test_an_older_certificate_replaces_one_that_is_not_fit(web1):
    """The newer one has not the wanted names, or its chain is not trusted."""
    old = renewed((-9, 100))
    for bad in (renewed((-1, 300), dns=["web9.example.com"]).pem, pki.server(NAME, key=Corp.web.key).pem):
        for name in ("web.crt", "full.crt"):
            web1.write(name, bad)
        assert web1.install(content=old.pem + Corp.chain, subject_alt_name=["DNS:" + NAME])["changed"]
        assert web1.read("web.crt") == old.pem


def test_a_newer_certificate_that_is_valid_shorter_is_installed(web1):
    """The CA's policy changed: issued later, ends earlier."""
    web1.install(content=renewed((-9, 300)).pem + Corp.chain)
    later = renewed((-1, 90))
    assert web1.install(content=later.pem + Corp.chain)["fingerprint_sha256"] == later.fingerprint


def test_an_earlier_certificate_that_is_valid_longer_is_installed(web1):
    web1.install(content=renewed((-1, 90)).pem + Corp.chain)
    longer = renewed((-9, 300))
    assert web1.install(content=longer.pem + Corp.chain)["fingerprint_sha256"] == longer.fingerprint


def test_an_older_one_for_a_new_key_is_installed(web1):
    web1.install(content=renewed((-1, 300)).pem + Corp.chain)
    pair = pki.server(NAME, Corp.issuing, days=(-9, 100))
    web1.write("web.key.next", pair.key_pem())
    assert web1.install(content=pair.pem + Corp.chain)["fingerprint_sha256"] == pair.fingerprint


@pytest.mark.parametrize("begins, ends, stays", [
    (-1, -1, True), (-1, 0, True), (-1, 1, False), (0, -1, False), (0, 0, False), (1, -1, False)])
def test_older_means_issued_earlier_and_ending_no_later(web1, begins, ends, stays):
    """Two certificates from the same second have no order, so the offered one is installed."""
    (live,) = install.read_offer(Corp.web.pem)[0]
    offered = live._replace(not_before=live.not_before + begins, not_after=live.not_after + ends, fingerprint="0f")
    key = cert_install_plan.Key(web1.at("web.key"), None, live.spki_der)
    installed = {"path": cert_install_plan.InstalledFile(web1.at("web.crt"), [live], None)}
    state = cert_install_plan.InstallState(key, None, installed, "")
    kept = cert_install_plan.newer_in_use(cert_install_plan.Selection(offered, [], key, ""), state, live.not_before)
    assert bool(kept) is stays and (not kept or kept.leaf == live)
