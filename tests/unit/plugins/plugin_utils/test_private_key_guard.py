# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private key in an option that takes certificates is refused before a module or a log sees it."""

from __future__ import annotations

import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import argspec
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _private_key_guard

ROOT = pki.root()


@pytest.mark.parametrize("name", ["ca_content", *argspec.AUTHORITY["ca_content"]["aliases"]])
@pytest.mark.parametrize("passphrase", [None, "sesame"])
def test_a_key_is_refused_under_each_name_of_the_option(name, passphrase):
    key = ROOT.key_pem(passphrase)
    with pytest.raises(ValueError, match=f"{name}: there is a private key in it") as error:
        _private_key_guard.refuse({name: ROOT.pem + key}, _private_key_guard.CA)
    assert not any(line in str(error.value) for line in key.splitlines())
    _private_key_guard.refuse({name: ROOT.pem}, _private_key_guard.CA)
    _private_key_guard.refuse({name: None}, _private_key_guard.CA)
