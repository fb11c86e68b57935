# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode says what the run would do and refuse, and touches nothing."""
import pytest
from installing import Corp

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import install


def test_check_mode_says_the_same_and_touches_nothing(web1):
    before = web1.everything()
    foreseen = web1.install(check_mode=True)
    assert web1.everything() == before
    done = web1.install()
    assert (foreseen["reasons"], foreseen["diff"]) == (done["reasons"], done["diff"])
    assert "would be installed" in foreseen["msg"] and "is installed" in done["msg"]
    assert not web1.install(check_mode=True)["changed"]


def test_check_mode_on_an_empty_host(web1):
    nowhere = {"path": "/nosuch/web.crt", "privatekey_path": "/nosuch/web.key"}
    for options, reason in [(dict(nowhere, content=""), "the certificate is not made yet"),
                            (dict(nowhere, content=None), "the certificate is not made yet"),
                            (nowhere, "the private key /nosuch/web.key is not there yet")]:
        result = web1.install(check_mode=True, **options)
        assert result["changed"] and result["reasons"] == [reason] and result["subject"] is None
    result = web1.install(check_mode=True, path="/nosuch/web.crt")
    assert result["changed"] and result["warnings"] == [
        "/nosuch/web.crt is to be written, and the folder /nosuch does not exist yet"]


def test_check_mode_refuses_what_the_run_will_refuse(web1):
    with pytest.raises(install.InstallationError, match="no chain came with it"):
        web1.install(check_mode=True, content=Corp.web.pem)
