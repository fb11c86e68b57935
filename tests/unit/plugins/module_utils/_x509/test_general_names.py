# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as people write them, as certificates carry them, and back."""
import ipaddress

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import general_name_objects
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import general_names

KEY = pki.new_key()
LABELS = st.from_regex(r"\A[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?\Z")
HOSTS = st.lists(LABELS, min_size=2, max_size=4).map(".".join).filter(
    lambda host: general_names.x509_hostnames.address(host) is None)
LOCAL = st.from_regex(r"\A[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,6}(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,6}){0,2}\Z")
NAMES = st.one_of(
    HOSTS.map("DNS:%s".__mod__), HOSTS.map("DNS:*.%s".__mod__),
    st.ip_addresses(v=4).map("IP:%s".__mod__), st.ip_addresses(v=6).map("IP:%s".__mod__),
    st.tuples(LOCAL, HOSTS).map("email:%s@%s".__mod__),
    st.from_regex(r"\A[a-z][a-z0-9+.-]{0,5}:[\x21-\x7e]{1,20}\Z").map("URI:%s".__mod__),
    st.tuples(st.integers(0, 39), st.lists(st.integers(0, 2 ** 28 - 1), min_size=1, max_size=5)).map(
        lambda arcs: "RID:1.%d.%s" % (arcs[0], ".".join(str(arc) for arc in arcs[1]))))


@pytest.mark.parametrize("text, expected", [
    ("DNS:Web1.Example.COM", "DNS:web1.example.com"),
    (" dns : web1.example.com. ", "DNS:web1.example.com"),
    ("DNS:localhost", "DNS:localhost"),
    ("DNS:my_host.example.com", "DNS:my_host.example.com"),
    ("DNS:*.example.com", "DNS:*.example.com"),
    (u"DNS:m\u00fcnchen.example", "DNS:xn--mnchen-3ya.example"),
    (u"DNS:*.M\u00dcNCHEN.example", "DNS:*.xn--mnchen-3ya.example"),
    ("IP:192.0.2.1", "IP:192.0.2.1"),
    ("ip:2001:0DB8:0:0::1", "IP:2001:db8::1"),
    ("IP:[2001:db8::1]", "IP:2001:db8::1"),
    ("IP:::1", "IP:::1"),
    ("URI:https://Web1.example.com/Path?q=1#x", "URI:https://Web1.example.com/Path?q=1#x"),
    ("uri:urn:uuid:0f1c", "URI:urn:uuid:0f1c"),
    ("URI:spiffe://corp/ns:web", "URI:spiffe://corp/ns:web"),
    ("EMAIL:Jane.Doe+x@Example.COM", "email:Jane.Doe+x@example.com"),
    (u"email:jane@m\u00fcnchen.example", "email:jane@xn--mnchen-3ya.example"),
    ("RID:1.3.6.1.4.1.311", "RID:1.3.6.1.4.1.311"),
])
def test_one_form(text, expected):
    assert general_names.canonical(text) == expected
    assert general_names.canonical(expected) == expected
    assert general_name_objects.read(general_name_objects.build(expected)) == expected


@pytest.mark.parametrize("text, sentence", [
    ("web1.example.com", "'web1.example.com' has no type that is known here: write DNS:web1.example.com"),
    ("*.example.com", "write DNS:*.example.com"),
    ("192.0.2.1", "write IP:192.0.2.1"),
    ("2001:db8::1", "write IP:2001:db8::1"),
    ("::1", "write IP:::1"),
    ("https://web1.example.com", "write DNS:, IP:, URI:, email:, RID: and the name, such as DNS:web1.example.com"),
    ("DNSName:web1", "write DNS:, IP:"),
    ("othername:1.2.3;UTF8:x", "write DNS:, IP:"),
    ("", "write DNS:, IP:"),
    ("DNS:", "'DNS:' has no name behind the colon: is its variable set?"),
    ("IP:  ", "has no name behind the colon"),
    ("DNS:192.0.2.1", "'192.0.2.1' is an IP address, which no client looks for among DNS names: write IP:192.0.2.1"),
    ("DNS:2001:db8::1", "write IP:2001:db8::1"),
    ("DNS:web1..example.com", "is no host name: it or a label of it is empty or too long"),
    ("DNS:" + "a" * 64 + ".example", "is no host name"),
    ("DNS:web 1.example.com", "is no host name: letters, digits and hyphens"),
    ("DNS:-web.example.com", "is no host name: letters, digits and hyphens"),
    ("DNS:web-.example.com", "is no host name: letters, digits and hyphens"),
    ("DNS:web1.example.com:443", "is no host name: letters, digits and hyphens"),
    ("DNS:https://web1.example.com/", "is no host name: letters, digits and hyphens"),
    ("DNS:w*.example.com", "a wildcard stands for the whole left-most label and nothing else"),
    ("DNS:web.*.com", "a wildcard stands for the whole left-most label"),
    ("DNS:*.*.com", "a wildcard stands for the whole left-most label"),
    ("DNS:*", "a wildcard stands for the whole left-most label"),
    (u"DNS:stra\u00dfe.example", "give it as it stands in DNS"),
    ("IP:web1", "'web1' is no IP address"),
    ("IP:192.0.2.0/24", "is no IP address"),
    ("IP:192.0.2.256", "is no IP address"),
    ("IP:fe80::1%eth0", "is no IP address"),
    ("URI:web1.example.com", "is no URI: it has a scheme"),
    (u"URI:https://m\u00fcnchen.example/", "is no URI"),
    ("URI:https://web1/a b", "is no URI"),
    ("URI:https:", "is no URI"),
    ("email:jane", "is no mail address of ASCII characters"),
    ("email:@example.com", "is no mail address"),
    ("email:a@b@example.com", "is no mail address"),
    ("email:a(b)@example.com", "is no mail address"),
    ("email:Jane <jane@example.com>", "is no mail address"),
    ("email:.a@example.com", "is no mail address"),
    (u"email:j\u00fcrgen@example.com", "is no mail address"),
    ("email:jane@exa mple.com", "is no host name"),
    ("RID:jane", "is no object identifier, such as 1.3.6.1.4.1.311"),
    ("RID:1", "is no object identifier"),
    ("RID:3.1", "is no object identifier"),
    ("RID:1.03", "is no object identifier"),
])
def test_what_is_no_name_and_what_to_write(text, sentence):
    with pytest.raises(ValueError) as error:
        general_names.canonical(text)
    assert sentence in str(error.value) and "\n" not in str(error.value)


@given(st.text())
def test_whatever_is_written_it_is_a_name_or_a_sentence(text):
    for start in ("", "DNS:", "IP:", "URI:", "email:", "RID:1."):
        for canonical in (general_names.canonical, general_names.canonical_constraint):
            try:
                assert canonical(canonical(start + text)) == canonical(start + text)
            except ValueError as error:
                assert str(error)


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=6))
def test_what_is_built_is_what_a_certificate_says_afterwards(given_names):
    wanted = [general_names.canonical(name) for name in given_names]
    request = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
               .add_extension(x509.SubjectAlternativeName([general_name_objects.build(name) for name in wanted]), False)
               .sign(KEY, hashes.SHA256(), default_backend()))
    again = x509.load_der_x509_csr(request.public_bytes(serialization.Encoding.DER), default_backend())
    names = again.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [general_name_objects.read(name) for name in names] == wanted


@pytest.mark.parametrize("text, expected", [
    ("IP:10.0.0.0/8", "IP:10.0.0.0/8"), ("IP:10.0.0.0/255.0.0.0", "IP:10.0.0.0/8"), ("IP:192.0.2.7", "IP:192.0.2.7/32"),
    ("IP:2001:DB8::/32", "IP:2001:db8::/32"), ("DNS:Example.COM", "DNS:example.com"),
    ("DNS:.Example.com", "DNS:.example.com"), ("email:Example.com", "email:example.com"),
    ("email:.example.com", "email:.example.com"), ("email:Jane@Example.com", "email:Jane@example.com"),
    ("URI:.Example.com", "URI:.example.com"), ("URI:Host.example.com", "URI:host.example.com"),
    ("RID:1.2.3", "RID:1.2.3"),
])
def test_constraints(text, expected):
    assert general_names.canonical_constraint(text) == expected
    assert general_names.canonical_constraint(expected) == expected
    assert general_name_objects.read(general_name_objects.build(expected)) == expected


@pytest.mark.parametrize("text, sentence", [
    ("IP:10.0.0.1/8", "is no network: write for example IP:10.0.0.0/8"), ("IP:ten", "is no network"),
    ("DNS:.", "is no host name"), ("DNS:*.example.com", "a wildcard"), ("email:exa mple", "is no host name"),
    ("URI:https://example.com/", "is no host name"), ("URI:..example.com", "is no host name"),
    ("example.com", "write DNS:example.com"), ("email:@example.com", "is no mail address"),
])
def test_what_is_no_constraint(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        general_names.canonical_constraint(text)


@pytest.mark.parametrize("text, expected", [
    ("web1.example.com", "DNS:web1.example.com"), ("192.0.2.1", "IP:192.0.2.1"), ("2001:DB8::1", "IP:2001:db8::1"),
    ("Corp Root CA", None), ("*.example.com", "DNS:*.example.com"), ("Jane", "DNS:jane"), ("a..b", None), ("", None)])
def test_of_host(text, expected):
    assert general_names.of_host(text) == expected


@pytest.mark.parametrize("name, certified, covered", [
    ("DNS:a.example.com", ["DNS:a.example.com"], True),
    ("DNS:a.example.com", ["DNS:*.example.com"], True),
    ("DNS:a.example.com", ["DNS:b.example.com", "email:a.example.com"], False),
    ("DNS:a.b.example.com", ["DNS:*.example.com"], False),
    ("DNS:*.example.com", ["DNS:*.example.com"], True),
    ("DNS:*.example.com", ["DNS:a.example.com"], False),
    ("IP:192.0.2.1", ["IP:192.0.2.1"], True),
    ("IP:192.0.2.1", ["DNS:*.0.2.1", "DNS:192.0.2.1"], False),
    ("email:a@example.com", ["DNS:*.example.com"], False),
    ("URI:a.example.com", ["DNS:*.example.com"], False),
    ("DNS:a.example.com", [], False),
])
def test_covered(name, certified, covered):
    assert bool(general_names.covered(name, certified)) is covered


def test_kinds_that_are_not_made_here_are_read_and_never_turned_into_others():
    name = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, u"Jane")]))
    assert general_name_objects.read(name) == "dirName:CN=Jane"
    other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01x")
    assert general_name_objects.read(other) == "otherName:1.3.6.1.4.1.311.20.2.3"
    for text in ("dirName:CN=Jane", "otherName:1.3.6.1.4.1.311.20.2.3"):
        with pytest.raises(ValueError, match="is of a kind that is not made here; these are: DNS, IP, URI, email, RID"):
            general_name_objects.build(text)


def test_upper_case_in_a_certificate_is_no_other_name():
    assert general_name_objects.read(x509.DNSName(u"Web1.Example.com")) == "DNS:web1.example.com"
    assert general_name_objects.read(x509.RFC822Name(u"Jane@Example.com")) == "email:Jane@example.com"
    assert general_name_objects.read(x509.IPAddress(ipaddress.ip_network(u"10.0.0.0/8"))) == "IP:10.0.0.0/8"


@pytest.mark.parametrize("text", ["DNS:web1\n.example.com", "email:a\n@example.com", "email:a@web1\n.example.com"])
def test_a_label_with_a_line_end_is_no_name(text):
    with pytest.raises(ValueError):
        general_names.canonical(text)
