# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Distinguished names (RFC 5280 section 4.1.2.6) as lists of text in their order: ``["C=DE", "O=Corp", "CN=web1"]``."""

import re
import typing as t

try:
    from cryptography import x509
except ImportError:  # _cryptography.require() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509

OIDS = {short: oid for oid, short in plain_x509.ATTRIBUTES.items()}
LONG_NAMES = {
    "commonname": "CN", "localityname": "L", "stateorprovincename": "ST", "organizationname": "O",
    "organizationalunitname": "OU", "countryname": "C", "streetaddress": "STREET", "domaincomponent": "DC",
    "userid": "UID", "email": "emailAddress", "s": "ST",
}
# RFC 5280 appendix A.1: upper bounds, in characters.
LONGEST = {"CN": 64, "L": 128, "ST": 128, "O": 64, "OU": 64, "STREET": 128, "serialNumber": 64, "emailAddress": 255}
# The order of 'openssl req' and of the modules that people come from.
FIELDS = (("country_name", "C"), ("state_or_province_name", "ST"), ("locality_name", "L"), ("organization_name", "O"),
          ("organizational_unit_name", "OU"), ("common_name", "CN"), ("email_address", "emailAddress"))


def of_options(options: "t.Dict[str, t.Any]") -> "t.List[str]":
    """The subject that a module's options ask for, as list of text; raises ValueError with a sentence."""
    pairs = []
    for element in [options.get("subject") or {}] + list(options.get("subject_ordered") or []):
        for name, values in element.items():
            pairs += [(name, value) for value in (values if isinstance(values, list) else [values])]
    pairs += [(short, options[field]) for field, short in FIELDS if options.get(field)]
    made = [_attribute(name, value) for name, value in pairs if value is not None and str(value) != ""]
    try:
        build(made)
    except ValueError as error:  # such as an object identifier of which there can be none
        raise ValueError("subject: this host's cryptography can't make %s: %s" % (spoken(made), error))
    return made


def _attribute(name: t.Any, value: t.Any) -> str:
    known = {short.lower(): short for short in OIDS}
    key = str(name).strip()
    short = known.get(key.lower()) or LONG_NAMES.get(key.lower()) or (key if plain_x509.DOTTED.match(key) else None)
    if not short:
        raise ValueError("subject: %r is no attribute that is known here: use one of %s, or an object identifier"
                         % (name, ", ".join(sorted(OIDS))))
    short = plain_x509.ATTRIBUTES.get(short, short)
    if isinstance(value, (dict, list)):
        raise ValueError("subject: the value of %s is no text" % short)
    text = str(value)
    if len(text) > LONGEST.get(short, 1000):
        raise ValueError("subject: %s is %d characters long, and RFC 5280 allows %d%s" % (
            short, len(text), LONGEST.get(short, 1000),
            ": leave the common name out and use subject_alt_name, which is what clients look at" * (short == "CN")))
    if short == "C" and not re.match(r"[A-Za-z]{2}\Z", text, re.ASCII):
        raise ValueError("subject: C is the two letters of a country (ISO 3166), not %r" % text)
    if short in ("DC", "emailAddress") and any(ord(character) > 126 for character in text):
        raise ValueError("subject: %s is ASCII, not %r" % (short, text))
    return "%s=%s" % (short, text)


def build(attributes: "t.Iterable[str]") -> "x509.Name":
    """A list of text as an x509.Name."""
    pairs = [attribute.partition("=")[::2] for attribute in attributes]
    return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(OIDS.get(short, short)), value)
                      for short, value in pairs])


def read(name: "x509.Name") -> "t.List[str]":
    """An x509.Name as list of text."""
    return ["%s=%s" % (plain_x509.ATTRIBUTES.get(attribute.oid.dotted_string, attribute.oid.dotted_string),
                       attribute.value if isinstance(attribute.value, str) else "#" + attribute.value.hex())
            for attribute in name]


def common_name(attributes: "t.Iterable[str]") -> "t.Optional[str]":
    """The last common name among them, or None."""
    found = [attribute[3:] for attribute in attributes if attribute.startswith("CN=")]
    return found[-1] if found else None


def spoken(attributes: "t.Sequence[str]") -> str:
    """A subject for sentences, in the order and with the escapes of RFC 4514."""
    return ",".join("%s=%s" % (short, plain_x509.escape(value)) for short, value in (
        attribute.partition("=")[::2] for attribute in reversed(attributes))) or "an empty subject"
