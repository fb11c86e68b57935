# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of revocation lists, and what is none."""
import pki
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import crls as x509_crls
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

ROOT = pki.root()
ONE, OTHER = pki.crl(ROOT), pki.crl(pki.root("Other"))


def test_one_and_many_in_both_forms():
    one, other = x509_crls.read((ONE + OTHER).encode())
    assert x509_crls.read(one) == [one] and one != other
    assert x509_crls.to_pem(one) == ONE
    assert x509_crls.read((ROOT.pem + ONE).encode()) == [one]  # a certificate beside it


@pytest.mark.parametrize("data, sentence", [
    (b"", "can't be read as a revocation list: truncated at byte 0"),
    (b"garbage", "can't be read as a revocation list"),
    (ROOT.pem.encode(), "there is no revocation list in it, but: CERTIFICATE"),
    (ROOT.der, "there is no revocation list in it"),
    (ONE.encode()[:200], "is the file truncated"),
    ((ONE + ROOT.key_pem()).encode(), "there is a private key in it"),
    (b"-----BEGIN X509 CRL-----\n*\n-----END X509 CRL-----\n", "is not valid base64"),
])
def test_what_is_none(data, sentence):
    with pytest.raises(pem.CertificateFileError) as caught:
        x509_crls.read(data)
    assert sentence in str(caught.value)
