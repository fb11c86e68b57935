# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subjects: as options give them, in their order, as certificates carry them, and as sentences say them."""
import collections

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import distinguished_names

of_options = distinguished_names.of_options


def test_fields_come_in_the_usual_order():
    assert of_options({
        "common_name": "web1", "email_address": "a@example.com", "organization_name": "Corp", "locality_name": "Ulm",
        "country_name": "DE", "organizational_unit_name": "IT", "state_or_province_name": "BW"}) == [
            "C=DE", "ST=BW", "L=Ulm", "O=Corp", "OU=IT", "CN=web1", "emailAddress=a@example.com"]


def test_a_dict_keeps_its_order_and_a_list_is_several():
    subject = collections.OrderedDict([("O", "Corp"), ("OU", ["One", "Two"]), ("CN", "web1")])
    assert of_options({"subject": subject}) == ["O=Corp", "OU=One", "OU=Two", "CN=web1"]
    assert of_options({"subject": subject, "common_name": "last"})[-1] == "CN=last"


def test_an_ordered_list():
    assert of_options({"subject_ordered": [{"CN": "web1"}, {"OU": "One"}, {"C": "DE"}, {"OU": ["Two"]}]}) == [
        "CN=web1", "OU=One", "C=DE", "OU=Two"]


@pytest.mark.parametrize("name, expected", [
    ("CN", "CN"), ("cn", "CN"), ("commonName", "CN"), ("COMMONNAME", "CN"), (" CN ", "CN"), ("2.5.4.3", "CN"),
    ("organizationName", "O"), ("stateOrProvinceName", "ST"), ("S", "ST"), ("email", "emailAddress"),
    ("emailAddress", "emailAddress"), ("DC", "DC"), ("UID", "UID"), ("serialNumber", "serialNumber"), ("street",
                                                                                                       "STREET"),
    ("2.5.4.42", "2.5.4.42"), ("1.3.6.1.4.1.311.60.2.1.2", "1.3.6.1.4.1.311.60.2.1.2")])
def test_attributes(name, expected):
    assert of_options({"subject": {name: "x"}}) == [expected + "=x"]


def test_values_that_are_nothing_are_left_out():
    assert of_options({"subject": {"O": "", "OU": None, "CN": 7}, "locality_name": ""}) == ["CN=7"]
    assert of_options({"subject": None, "subject_ordered": None}) == []


@pytest.mark.parametrize("subject, sentence", [
    ({"XX": "x"}, "subject: 'XX' is no attribute that is known here: use one of C, CN, DC, L, O, OU, ST, STREET, UID, "
                  "emailAddress, serialNumber, or an object identifier"),
    ({"1": "x"}, "'1' is no attribute"),
    ({"": "x"}, "'' is no attribute"),
    ({"CN": "x" * 65}, "subject: CN is 65 characters long, and RFC 5280 allows 64: leave the common name out and use "
                       "subject_alt_name, which is what clients look at"),
    ({"O": "x" * 65}, "subject: O is 65 characters long, and RFC 5280 allows 64"),
    ({"L": "x" * 129}, "allows 128"),
    ({"2.5.4.42": "x" * 1001}, "allows 1000"),
    ({"C": "Germany"}, "subject: C is the two letters of a country (ISO 3166), not 'Germany'"),
    ({"C": "D1"}, "two letters"),
    ({"emailAddress": u"j\u00fcrgen@example.com"}, "subject: emailAddress is ASCII"),
    ({"DC": u"m\u00fcnchen"}, "subject: DC is ASCII"),
    ({"1.50.1": "x"}, "subject: this host's cryptography can't make 1.50.1=x: "),
])
def test_what_is_no_subject(subject, sentence):
    with pytest.raises(ValueError) as error:
        of_options({"subject": subject})
    text = str(error.value)
    assert sentence in text and "\n" not in text and len(text) < 300


def test_the_longest_that_there_can_be():
    subject = [{"CN": "x" * 64}, {"O": u"\u00fc" * 32}, {"L": "x" * 128}, {"emailAddress": "x" * 255}, {"C": "de"}]
    assert len(of_options({"subject_ordered": subject})) == 5


def test_escapes_and_the_order_of_rfc_4514_in_sentences():
    assert distinguished_names.spoken(["C=DE", "O=Corp, Inc.", "CN=web1=a"]) == "CN=web1=a,O=Corp\\, Inc.,C=DE"
    assert distinguished_names.spoken(["CN=a\nb\x1b[31m"]) == "CN=a\\0Ab\\1B[31m"
    assert distinguished_names.spoken([]) == "an empty subject"


def test_the_common_name_is_the_last_one():
    assert distinguished_names.common_name(["CN=a", "CN=b", "O=CN=c"]) == "b"
    assert distinguished_names.common_name(["O=Corp", "2.5.4.42=CN=x"]) is None


@given(st.lists(st.tuples(
    st.sampled_from(["CN", "O", "OU", "L", "ST", "STREET", "UID", "serialNumber", "2.5.4.42"]),
    st.text(st.characters(blacklist_categories=("Cs",), min_codepoint=32, max_codepoint=0x2fff), min_size=1,
            max_size=15)),
    max_size=5))
def test_what_is_built_is_read(pairs):
    wanted = ["%s=%s" % pair for pair in pairs]
    name = distinguished_names.build(wanted)
    assert isinstance(name, x509.Name)
    assert distinguished_names.read(name) == wanted
    assert of_options({"subject_ordered": [{kind: value} for kind, value in pairs]}) == wanted


def test_a_country_with_a_line_end_is_none():
    with pytest.raises(ValueError, match="C is the two letters"):
        of_options({"country_name": "DE\n"})


def test_a_value_of_bytes_is_hex():
    oid = collections.namedtuple("ObjectIdentifier", ["dotted_string"])("2.5.4.45")  # x500UniqueIdentifier
    attribute = collections.namedtuple("NameAttribute", ["oid", "value"])
    assert distinguished_names.read([attribute(oid, b"\0\xff")]) == ["2.5.4.45=#00ff"]
