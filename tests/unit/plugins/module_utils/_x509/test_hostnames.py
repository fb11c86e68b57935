# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames

LABELS = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
HOSTS = st.lists(LABELS, min_size=2, max_size=5).map(".".join)


@pytest.mark.parametrize("pattern, name", [
    ("web1.example.com", "web1.example.com"),
    ("WEB1.Example.COM", "web1.example.com"),
    ("web1.example.com", "Web1.EXAMPLE.com."),
    ("*.example.com", "web1.example.com"),
    ("*.Example.com", "WEB1.example.com"),
    ("xn--mnchen-3ya.example", u"m\u00fcnchen.example"),
    ("xn--mnchen-3ya.example", u"M\u00dcNCHEN\u3002example"),
    ("*.example", u"m\u00fcnchen.example"),
    ("my_host.example.com", "my_host.example.com"),
    ("localhost", "localhost"),
    ("*.example.com", "*.example.com"),
])
def test_matches(pattern, name):
    assert x509_hostnames.matches(pattern, x509_hostnames.a_label(name))


@pytest.mark.parametrize("pattern, name", [
    ("*.example.com", "example.com"),
    ("*.example.com", "a.b.example.com"),
    ("w*.example.com", "web1.example.com"),
    ("*1.example.com", "web1.example.com"),
    ("web1.*.com", "web1.example.com"),
    ("*.*.com", "web1.example.com"),
    ("*", "localhost"),
    ("*.", "localhost"),
    ("*", "web1.example.com"),
    ("example.com", "web1.example.com"),
    ("web1.example.com.", "web1.example.com"),
    ("web1.example.com", "*.example.com"),
    ("*.com", "*.example.com"),
    ("", "web1.example.com"),
    (u"m\u00fcnchen.example", u"m\u00fcnchen.example"),
])
def test_does_not_match(pattern, name):
    assert not x509_hostnames.matches(pattern, x509_hostnames.a_label(name))


@given(HOSTS)
def test_a_name_matches_itself_and_the_wildcard_above_it(host):
    head, _dot, tail = host.partition(".")
    assert x509_hostnames.matches(host, x509_hostnames.a_label(host.upper()))
    assert x509_hostnames.matches("*." + tail, x509_hostnames.a_label(host))
    assert not x509_hostnames.matches("*." + tail, x509_hostnames.a_label(head + "." + host))


@given(st.text(), st.text())
def test_whatever_the_input_it_is_an_answer_or_a_value_error(pattern, name):
    try:
        x509_hostnames.matches(pattern, x509_hostnames.a_label(name))
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("name", ["", ".", "a..b", ".a", "a" * 64 + ".example", "a." * 130 + "b", u"\u00fc..b",
                                  u"\u00fc" * 60 + ".example", u"\u00e9\u0000\u200b\ud800"])
def test_what_can_not_be_a_host_name(name):
    with pytest.raises(ValueError, match=r"is no host name|can't be encoded"):
        x509_hostnames.a_label(name)


def test_names_that_the_standards_encode_differently_are_asked_for_as_in_dns():
    with pytest.raises(ValueError, match="as it stands in DNS"):
        x509_hostnames.a_label(u"stra\u00dfe.example")


@pytest.mark.parametrize("text, expected", [
    ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"), ("fe80::1%eth0", "fe80::1"), (" 192.0.2.1 ", "192.0.2.1"),
])
def test_addresses(text, expected):
    assert x509_hostnames.address(text) == ipaddress.ip_address(expected)


@pytest.mark.parametrize("text", ["", "web1", "192.0.2", "192.0.2.1%eth0", "192.0.2.1/24", "1.2.3.4.5", "::g"])
def test_no_addresses(text):
    assert x509_hostnames.address(text) is None


def found(hostnames=(), ips=(), dns=(), ip=(), common_name=None):
    return x509_hostnames.findings(list(hostnames), list(ips), {"dns": list(dns), "ip": list(ip)}, common_name)


def test_no_finding_when_all_names_are_covered():
    assert not found(["a.example.com", "192.0.2.1"], ["2001:db8:0::1"], ["*.example.com"],
                     ["192.0.2.1", "2001:db8::1"])


def test_a_missing_name_says_what_the_certificate_is_for():
    assert found(["a.example.com"], dns=["b.example.com", "c.example.com"], ip=["192.0.2.1"]) == [
        "asked for a.example.com, the certificate is for b.example.com, c.example.com, 192.0.2.1"]


def test_only_the_missing_names_are_named():
    assert found(["a.example.com", "b.example.com"], ["192.0.2.9"], ["b.example.com"]) == [
        "asked for a.example.com, 192.0.2.9, the certificate is for b.example.com"]


def test_a_long_list_is_cut():
    sentence, = found(["a"], dns=["n%d" % number for number in range(25)])
    assert sentence.endswith("n8, n9, and 15 more")


def test_the_common_name_is_no_fallback():
    assert found(["web1"], common_name="web1") == [
        "asked for web1, the certificate has no subject alternative names; CN=web1 is not looked at (RFC 9525)"]
    assert found(["web1"]) == ["asked for web1, the certificate has no subject alternative names"]
    assert found(["web1"], dns=["web2"], common_name="web1") == [
        "asked for web1, the certificate is for web2 (CN=web1 is not looked at, RFC 9525)"]


def test_a_wildcard_and_a_name_that_reads_so_are_not_for_an_address():
    assert found(ips=["192.0.2.1"], dns=["*.0.2.1", "192.0.2.1"])
    assert found(["192.0.2.1"], dns=["*.0.2.1", "192.0.2.1"])


def test_ipv4_in_ipv6_is_another_address():
    assert found(ips=["::ffff:192.0.2.1"], ip=["192.0.2.1"])


def test_what_is_no_address_or_name_is_said():
    assert found(ips=["web1"], dns=["web1"]) == ["asked for the IP address 'web1', which is none"]
    assert found(["a..b"]) == [
        "asked for a name that can't be one: 'a..b' is no host name: it or a label of it is empty or too long"]


def test_names_in_sentences_are_harmless():
    said = found([u"\u3030\u2066gnp.example"], dns=[u"\x1b[2J.example.com"]) + found([u"stra\u00dfe\u202e"])
    assert len(said) == 2 and all(sentence.isprintable() for sentence in said), said


def test_a_host_name_of_kilobytes_is_refused_before_it_is_encoded():
    assert "it is too long" in found([u"\u00fc" * 200000])[0]
