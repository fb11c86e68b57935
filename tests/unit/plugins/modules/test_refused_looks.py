# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules which only look refuse: cert_verify, tls_endpoint_info and tls_client_info."""

from __future__ import annotations

import pki
import pytest
from in_process import PASSPHRASE

ROOT = pki.root()
WEB = pki.server(issuer=ROOT)
FULL = {"path": "{folder}/web.pem"}


def lists(**one):
    """A certificate that is fine, with one revocation list."""
    return {"certificates": [FULL], "crls": [one]}


VERIFY = [
    ({"certificates": []}, "'certificates' is empty: there is nothing to verify"),
    ({"certificates": [{}]}, "one of the following is required: path, content found in certificates"),
    ({"certificates": [{**FULL, "content": "x"}]}, "parameters are mutually exclusive: path|content"),
    ({"certificates": [{**FULL, "min_remaining": "soon"}]}, "min_remaining: 'soon' is no span of time"),
    ({"certificates": [FULL], "trust": "/nosuch"}, "the trust in /nosuch can't be used: there is no such file"),
    ({"certificates": [FULL], "purpose": "servers"}, "value of purpose must be one of"),
    (lists(path="/nosuch"), "the revocation list /nosuch can't be used: there is no such file"),
    (lists(path="{folder}/trust.pem"), "/trust.pem can't be used: there is no revocation list in it, but: CERTIFICATE"),
    (lists(path="/a", src="b"), "parameters are mutually exclusive: path|src|content"),
    (lists(), "one of the following is required: path, src, content"),
    (lists(path=""), "crls[0] is empty: take it off, or give it a src, content or path"),
    (lists(src=""), "crls[0] is empty: "),
]


@pytest.mark.parametrize(("options", "sentence"), VERIFY)
def test_cert_verify(modules, options, sentence):
    modules.write("web.pem", WEB.pem)
    modules.write("trust.pem", ROOT.pem)
    modules.key("web.key", WEB.key_pem(PASSPHRASE))
    assert sentence in modules.refused("cert_verify", {"trust": "{folder}/trust.pem", **options})


ENDPOINT = [
    ({}, "one of the following is required: endpoints, host"),
    ({"host": "server", "endpoints": []}, "parameters are mutually exclusive: endpoints|host"),
    ({"endpoints": []}, "'endpoints' is empty: there is nothing to look at"),
    ({"host": "server", "trust": "/nosuch"}, "the trust in /nosuch can't be used: there is no such file"),
    ({"host": "server", "require": ["luck"]}, "value of require must be one or more of"),
]


@pytest.mark.parametrize(("options", "sentence"), ENDPOINT)
def test_tls_endpoint_info(modules, options, sentence):
    assert sentence in modules.refused("tls_endpoint_info", options)


CLIENT = [
    ({"endpoints": []}, "'endpoints' is empty: there is no server to ask"),
    ({"host": "a b"}, "'a b' is no host name"),
    ({"host": "-x"}, "'-x' is not a host name: it begins with a hyphen"),
    ({"host": "server", "timeout": 0}, "timeout: 0 is not between 0 and 600 seconds"),
    ({"host": "server", "trust": "/nosuch"}, "the trust in /nosuch can't be used: there is no such file"),
    ({"host": "server", "endpoints": [{"host": "server"}]}, "parameters are mutually exclusive: endpoints|host"),
]


@pytest.mark.parametrize(("options", "sentence"), CLIENT)
def test_tls_client_info(modules, options, sentence):
    assert sentence in modules.refused("tls_client_info", options)
