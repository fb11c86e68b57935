# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several files of tests here begin with."""
import endpoint_looks
import pki
import pytest
import verifying
from converging import faked
from installing import Host

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import key_encryption

ITERATIONS = key_encryption.ITERATIONS


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch):
    """Keys encrypted in no time, but for tests that ask for ``strong_keys``: real ones take up to a second each."""
    monkeypatch.setattr(key_encryption, "ITERATIONS", 2048)


@pytest.fixture
def strong_keys(quick_keys, monkeypatch):
    """Keys encrypted as on hosts."""
    monkeypatch.setattr(key_encryption, "ITERATIONS", ITERATIONS)


@pytest.fixture
def trust(tmp_path):
    """The path of a file with the root that signed what servers in tests of endpoints show."""
    (tmp_path / "root.pem").write_text(endpoint_looks.ROOT.pem)
    return str(tmp_path / "root.pem")


@pytest.fixture(params=["redhat", "debian"])
def system(request, tmp_path, monkeypatch):
    """A fake root of each family, for tests of its trust store."""
    return faked(request.param, tmp_path, monkeypatch)


@pytest.fixture
def redhat(tmp_path, monkeypatch):
    return faked("redhat", tmp_path, monkeypatch)


@pytest.fixture
def debian(tmp_path, monkeypatch):
    return faked("debian", tmp_path, monkeypatch)


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host that trusts Corp Root CA and something else, as its default trust."""
    (tmp_path / "cert.pem").write_text(u"# the anchors\n" + pki.root("Unrelated").pem + verifying.Corp.root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "certs"))
    return tmp_path


@pytest.fixture
def web1(tmp_path):
    """A host whose key is there and whose certificate is to be installed."""
    return Host(tmp_path)
