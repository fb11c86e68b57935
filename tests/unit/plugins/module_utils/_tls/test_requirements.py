# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sentence for each wish that is not met, and none for one that is."""
import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import requirements
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls.presented_chain import Flaw as flaw

GOOD = {
    "finding": None, "trusted": True, "reasons": [], "complete_chain": True, "ordered_chain": True,
    "chain_findings": [], "chain": [{"issuer": "CN=Corp Root CA"}], "http": {"status": 200, "finding": None},
    "resumption": {"offered": "ticket", "resumed": True}, "keep_alive": True, "ocsp_staple": True,
    "ocsp_finding": None,
    "forward_secrecy": True, "cipher": "ECDHE-RSA-AES128-SHA", "protocol": "TLSv1.2",
    "versions": {"TLSv1.0": False, "TLSv1.1": None, "TLSv1.2": True, "TLSv1.3": False},
}


def violations(require=(), min_protocol=None, too_short=(), untried=(), **facts):
    return requirements.violations(dict(GOOD, **facts), list(require), min_protocol, list(too_short), untried)


def test_all_met():
    assert violations(requirements.REQUIRABLE, "TLSv1.2") == []
    assert sorted(requirements.WISHES) == sorted(requirements.REQUIRABLE)


@pytest.mark.parametrize("wish, facts, sentences", [
    ("trusted", {"trusted": False, "reasons": ["expired", "wrong name"]}, ["expired", "wrong name"]),
    ("trusted", {"trusted": None}, ["it is not known whether this host trusts it"]),
    ("complete_chain",
     {"complete_chain": False, "chain_findings": [flaw("surplus", "x is too much"), flaw("missing", "y is missing")]},
     ["y is missing"]),
    ("complete_chain", {"complete_chain": None},
     ["whether the chain is complete can't be told: CN=Corp Root CA is not known to this host"]),
    ("complete_chain", {"complete_chain": None, "chain": []},
     ["whether the chain is complete can't be told: the issuer is not known to this host"]),
    ("ordered_chain", {"ordered_chain": False, "chain_findings": [flaw("surplus", "a"), flaw("disorder", "b")]}, ["b"]),
    ("ordered_chain", {"ordered_chain": None}, ["the chain is not known"]),
    ("resumption", {"resumption": {"offered": "ticket", "resumed": False}},
     ["the server does not resume the session that it offered to resume (by ticket)"]),
    ("resumption", {"resumption": None}, ["whether the server resumes sessions is not known: the warnings say why"]),
    ("resumption", {"resumption": {"offered": None, "resumed": False}},
     ["the server does not resume sessions: it offers neither a ticket nor a session ID"]),
    ("keep_alive", {"keep_alive": False, "http": {"finding": "the server answers in HTTP/1.0"}},
     ["connections are not kept alive: the server answers in HTTP/1.0"]),
    ("keep_alive", {"keep_alive": None, "http": None}, ["connections are not kept alive: it was not tried"]),
    ("ocsp_staple", {"ocsp_staple": None}, ["the server sends no OCSP staple"]),
    ("ocsp_staple", {"ocsp_finding": "the staple says revoked"}, ["the staple says revoked"]),
    ("forward_secrecy", {"forward_secrecy": False, "cipher": "AES128-SHA"},
     ["the cipher AES128-SHA has no forward secrecy"]),
])
def test_each_wish(wish, facts, sentences):
    assert violations([wish], **facts) == sentences
    assert violations([other for other in requirements.REQUIRABLE if other != wish], **facts) == []


def test_one_sentence_for_one_reason():
    missing = "the server does not send CN=Corp Issuing CA 1; browsers may hide this"
    assert violations(["trusted", "complete_chain"], trusted=False, complete_chain=False, reasons=[missing],
                      chain_findings=[flaw("missing", missing)]) == [missing]


def test_protocols():
    low = {"versions": {"TLSv1.0": True, "TLSv1.1": True, "TLSv1.2": True, "TLSv1.3": True}}
    assert violations(min_protocol="TLSv1.2", **low) == [
        "the server accepts TLSv1.0, TLSv1.1, lower than min_protocol=TLSv1.2 allows"]
    assert violations(min_protocol="TLSv1.0", **low) == []
    assert violations(min_protocol="TLSv1.3", versions=None) == [
        "the server accepts TLSv1.2, lower than min_protocol=TLSv1.3 allows"]
    assert violations(min_protocol="TLSv1.2", versions=None) == []
    assert violations(min_protocol="TLSv1.2", untried=["TLSv1.1", "TLSv1.2"]) == [
        "whether the server accepts TLSv1.1 is not known: it could not be tried"]


def test_an_unusable_endpoint_meets_none_and_says_so_once():
    assert violations(requirements.REQUIRABLE, "TLSv1.3", ["short"], finding="it is down") == ["it is down"]
    assert violations(["trusted"], too_short=["short"]) == ["short"]
