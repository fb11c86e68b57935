# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains by name and key identifier. test_verify_chains.py has those that OpenSSL judges, too."""
import pki
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, pem

NOW = 2000000000
at_now = pki.At(NOW)
ROOT = at_now.root("Corp Root CA")
ISSUING = at_now.root("Corp Issuing CA 1", issuer=ROOT)
WEB = at_now.server(issuer=ISSUING)


def test_a_chain_that_openssl_found_elsewhere():
    leaf = x509.parse(WEB.der)
    links = chains.follow(leaf, [("CN = web1.example.com", True), ("CN = Issuing", True), ("CN = Root", False)],
                          {}, {}, NOW)
    assert links == [chains.Link(leaf, "CN=web1.example.com", "certificate"),
                     chains.Link(None, "CN = Issuing", "chain"), chains.Link(None, "CN = Root", "trust")]


def test_anchors_are_read_leniently(tmp_path):
    bad = u"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"
    one = tmp_path / "one.pem"
    one.write_text(u"# text\n" + ROOT.pem + bad + ISSUING.pem + u"-----BEGIN CERTIFICATE-----\nMIIC")
    found = chains.read_anchors([str(one), "/nosuch", str(one)])
    assert [certificate.fingerprint for certificate in found] == [ROOT.fingerprint, ISSUING.fingerprint]


def test_near_names():
    anchors = [x509.parse(pki.root(name).der) for name in ["Corp Root CA", "CORP ROOT CB", "Elsewhere", "Corp Root CA"]]
    near = chains.near_names(x509.parse(pki.root("Corp Root CC").der).subject_der, anchors)
    assert sorted(x509.name(one.subject_der) for one in near) == ["CN=CORP ROOT CB", "CN=Corp Root CA"]
    assert not chains.near_names(anchors[2].subject_der, anchors[:2])


def test_the_leaf_of_a_set_is_what_issued_none_of_the_others():
    leaf, issuing, root = (x509.parse(pair.der) for pair in (WEB, ISSUING, ROOT))
    assert chains.pick_leaf([root, leaf, issuing], ordered=False) == (leaf, [root, issuing])
    assert chains.pick_leaf([root, issuing], ordered=False) == (issuing, [root])
    assert chains.pick_leaf([root, leaf, issuing], ordered=True) == (root, [leaf, issuing])
    stranger, another = x509.parse(pki.root("Corp Root CA").der), x509.parse(pki.server().der)
    assert chains.pick_leaf([stranger, issuing, leaf], ordered=False) == (leaf, [stranger, issuing])
    for unclear in [[leaf, another, issuing], [issuing, stranger]]:
        with pytest.raises(pem.CertificateFileError, match="not clear which of the . certificates in it is meant"):
            chains.pick_leaf(unclear, ordered=False)


def test_the_order_of_a_file():
    leaf, issuing, root = (x509.parse(pair.der) for pair in (WEB, ISSUING, ROOT))
    for wrong in [[issuing, leaf], [root, issuing], [root, leaf]]:
        assert chains.comes_too_early(wrong[0], wrong[1:])
    for right in [[leaf], [leaf, issuing, root], [leaf, root, issuing], [issuing, root], [root]]:
        assert not chains.comes_too_early(right[0], right[1:])


def certificate(serial, issuer, subject):
    """What _chain looks at in a certificate, with one-letter names."""
    def name(letter):
        return b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01" + letter.encode("ascii")
    return x509.parse(ROOT.der)._replace(
        der=b"%d" % serial, fingerprint="%d" % serial, issuer_der=name(issuer), subject_der=name(subject),
        extensions={})


PAIRS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=8)


@given(PAIRS, PAIRS)
def test_whatever_the_names_a_chain_ends_and_each_link_fits_the_next(sent, anchors):
    leaf = certificate(0, "a", "z")
    sent = [certificate(1 + number, *pair) for number, pair in enumerate(sent)]
    anchors = [certificate(100 + number, *pair) for number, pair in enumerate(anchors)]
    links = chains.build(leaf, chains.index(sent), chains.index(anchors), NOW)
    assert links[0].certificate == leaf
    assert len({link.certificate.der for link in links}) == len(links) <= 17
    for below, above in zip(links, links[1:]):
        assert below.certificate.issuer_der == above.certificate.subject_der
        assert above.certificate in (anchors if above.source == "trust" else sent)
        assert below.source != "trust" or above.source == "trust"
