# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Extensions of requests and certificates (RFC 5280 section 4.2) as plain values, read, built and compared.

Facts are a dict: the option's name -> list of text, text, or True; and ``critical``, the list of those that are.
What is not there has no key. So two of them are compared as values, whatever the order and the encoding.
"""

import re
import typing as t

try:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID
except ImportError:  # _cryptography.require() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import general_name_objects
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509

if t.TYPE_CHECKING:
    Facts = t.Dict[str, t.Any]  # what a key, request or certificate says by the names of _facts.SHOWN: text, list, True

# In the order of the bits (RFC 5280 section 4.2.1.3), by the names that OpenSSL has for them.
KEY_USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
              "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly")
LONG_KEY_USAGES = {"contentcommitment": "nonRepudiation", "certificatesign": "keyCertSign", "certsign": "keyCertSign"}
EXTENDED_KEY_USAGES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1", "clientAuth": "1.3.6.1.5.5.7.3.2", "codeSigning": "1.3.6.1.5.5.7.3.3",
    "emailProtection": "1.3.6.1.5.5.7.3.4", "timeStamping": "1.3.6.1.5.5.7.3.8", "OCSPSigning": "1.3.6.1.5.5.7.3.9",
    "anyExtendedKeyUsage": "2.5.29.37.0",
}
LONG_EXTENDED_KEY_USAGES = {
    "tlswebserverauthentication": "serverAuth", "tlswebclientauthentication": "clientAuth",
    "any": "anyExtendedKeyUsage",
}
SETS = ("subject_alt_name", "key_usage", "extended_key_usage", "basic_constraints", "name_constraints_permitted",
        "name_constraints_excluded", "crl_distribution_points", "ca_issuers", "ocsp", "other_extensions")


def key_usages(given: "t.Iterable[str]") -> "t.List[str]":
    """Key usages as people write them, in their one form and order; raises ValueError."""
    found = [_named(usage, KEY_USAGES, LONG_KEY_USAGES, "key_usage") for usage in given]
    if {"encipherOnly", "decipherOnly"} & set(found) and "keyAgreement" not in found:
        raise ValueError("key_usage: encipherOnly and decipherOnly mean something with keyAgreement alone")
    return [usage for usage in KEY_USAGES if usage in found]


def extended_key_usages(given: "t.Iterable[str]") -> "t.List[str]":
    """Extended key usages in their one form, without doubles; raises ValueError."""
    found = [usage.strip() if plain_x509.DOTTED.match(usage.strip()) else
             _named(usage, EXTENDED_KEY_USAGES, LONG_EXTENDED_KEY_USAGES, "extended_key_usage") for usage in given]
    by_oid = {oid: usage for usage, oid in EXTENDED_KEY_USAGES.items()}
    found = [by_oid.get(usage, usage) for usage in found]
    return [usage for number, usage in enumerate(found) if usage not in found[:number]]


def basic_constraints(given: "t.Iterable[str]") -> "t.List[str]":
    """Basic constraints as ``["CA:TRUE", "pathlen:0"]``; raises ValueError."""
    ca, length = None, None
    for text in given:
        name, _colon, value = re.sub(r"\s", "", text).lower().partition(":")
        if name == "ca" and value in ("true", "false"):
            ca = value == "true"
        elif name == "pathlen" and re.match(r"[0-9]{1,3}\Z", value, re.ASCII):
            length = int(value)
        else:
            raise ValueError("basic_constraints: %r is none of CA:TRUE, CA:FALSE and pathlen:NUMBER" % text)
    if length is not None and not ca:
        raise ValueError("basic_constraints: pathlen is for a CA: add CA:TRUE, or leave it out")
    return ["CA:TRUE" if ca else "CA:FALSE"] + (["pathlen:%d" % length] if length is not None else [])


def is_ca(facts: "Facts") -> bool:
    """Whether the basic constraints say so."""
    return "CA:TRUE" in facts.get("basic_constraints", [])


def path_length(facts: "Facts") -> "t.Optional[int]":
    """How many CAs may follow below (int), None for any number."""
    found = [int(text[8:]) for text in facts.get("basic_constraints", []) if text.startswith("pathlen:")]
    return found[0] if found else None


def _named(text: str, known: "t.Iterable[str]", long_names: "t.Dict[str, str]", option: str) -> str:
    plain = re.sub(r"[\s_-]", "", text).lower()
    for name in known:
        if name.lower() == plain:
            return name
    if plain in long_names:
        return long_names[plain]
    raise ValueError("%s: %r is not known: use one of %s%s" % (
        option, text, ", ".join(known), ", or an object identifier" * (option != "key_usage")))


def build(facts: "Facts") -> "t.List[t.Tuple[x509.ExtensionType, bool]]":
    """[(extension, whether it is critical)] for a builder of cryptography; identifiers are facts as well."""
    made = []

    def add(name: str, extension: "x509.ExtensionType") -> None:
        made.append((extension, name in facts.get("critical", [])))
    if "basic_constraints" in facts:
        add("basic_constraints", x509.BasicConstraints(is_ca(facts), path_length(facts)))
    if "key_usage" in facts:
        add("key_usage", x509.KeyUsage(*[usage in facts["key_usage"] for usage in KEY_USAGES]))
    if "extended_key_usage" in facts:
        add("extended_key_usage", x509.ExtendedKeyUsage([
            x509.ObjectIdentifier(EXTENDED_KEY_USAGES.get(usage, usage)) for usage in facts["extended_key_usage"]]))
    if "subject_alt_name" in facts:
        add("subject_alt_name", x509.SubjectAlternativeName(_general(facts["subject_alt_name"])))
    if "name_constraints_permitted" in facts or "name_constraints_excluded" in facts:
        add("name_constraints", x509.NameConstraints(
            _general(facts.get("name_constraints_permitted", [])) or None,
            _general(facts.get("name_constraints_excluded", [])) or None))
    if facts.get("ocsp_must_staple"):
        add("ocsp_must_staple", x509.TLSFeature([x509.TLSFeatureType.status_request]))
    if "subject_key_identifier" in facts:
        add("subject_key_identifier", x509.SubjectKeyIdentifier(bytes.fromhex(facts["subject_key_identifier"])))
    if "authority_key_identifier" in facts:
        add("authority_key_identifier", x509.AuthorityKeyIdentifier(
            bytes.fromhex(facts["authority_key_identifier"]), None, None))
    if "crl_distribution_points" in facts:
        add("crl_distribution_points", x509.CRLDistributionPoints([
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            for url in facts["crl_distribution_points"]]))
    if "ocsp" in facts or "ca_issuers" in facts:
        add("authority_information_access", x509.AuthorityInformationAccess(
            [_access("OCSP", url) for url in facts.get("ocsp", [])]
            + [_access("CA_ISSUERS", url) for url in facts.get("ca_issuers", [])]))
    return made


def _general(texts: "t.Iterable[str]") -> "t.List[x509.GeneralName]":
    return [general_name_objects.build(text) for text in texts]


def _access(method: str, url: str) -> "x509.AccessDescription":
    return x509.AccessDescription(getattr(AuthorityInformationAccessOID, method), x509.UniformResourceIdentifier(url))


def read(extensions: "t.Callable[[], x509.Extensions]") -> "Facts":
    """The facts of what cryptography has read; raises ValueError for extensions that can't be read."""
    facts, critical = {}, set()
    try:
        found = list(extensions())
    except Exception as error:  # of many kinds, by version: malformed DER, doubles, unknown names
        raise ValueError("its extensions can't be read: %s" % plain_x509.escape(str(error)))
    for extension in found:
        name, values = _facts(extension.value)
        facts.update({key: value for key, value in values.items() if value})
        if name == "other_extensions":
            facts.setdefault(name, []).append(extension.oid.dotted_string)
        if extension.critical:
            critical.add(name)
    return dict(facts, critical=sorted(critical))


def _facts(value: "x509.ExtensionType") -> "t.Tuple[str, Facts]":
    """(the name of an extension, the facts in it)."""
    if isinstance(value, x509.BasicConstraints):
        return "basic_constraints", {"basic_constraints": ["CA:TRUE" if value.ca else "CA:FALSE"] + (
            ["pathlen:%d" % value.path_length] if value.path_length is not None else [])}
    if isinstance(value, x509.KeyUsage):
        return "key_usage", {"key_usage": _usages(value)}
    if isinstance(value, x509.ExtendedKeyUsage):
        return "extended_key_usage", {
            "extended_key_usage": extended_key_usages([usage.dotted_string for usage in value])}
    if isinstance(value, x509.SubjectAlternativeName):
        return "subject_alt_name", {"subject_alt_name": [general_name_objects.read(name) for name in value]}
    if isinstance(value, x509.NameConstraints):
        return "name_constraints", {
            "name_constraints_permitted": [general_name_objects.read(name) for name in value.permitted_subtrees or []],
            "name_constraints_excluded": [general_name_objects.read(name) for name in value.excluded_subtrees or []]}
    if isinstance(value, x509.TLSFeature):
        return "ocsp_must_staple", {"ocsp_must_staple": x509.TLSFeatureType.status_request in list(value)}
    if isinstance(value, x509.SubjectKeyIdentifier):
        return "subject_key_identifier", {"subject_key_identifier": value.digest.hex()}
    if isinstance(value, x509.AuthorityKeyIdentifier):
        return "authority_key_identifier", {"authority_key_identifier": (value.key_identifier or b"").hex()}
    if isinstance(value, x509.CRLDistributionPoints):
        return "crl_distribution_points", {"crl_distribution_points": [
            name.value for point in value for name in point.full_name or []
            if isinstance(name, x509.UniformResourceIdentifier)]}
    if isinstance(value, x509.AuthorityInformationAccess):
        return "authority_information_access", {
            "ocsp": _urls(value, AuthorityInformationAccessOID.OCSP),
            "ca_issuers": _urls(value, AuthorityInformationAccessOID.CA_ISSUERS)}
    return "other_extensions", {}


def _usages(value: "x509.KeyUsage") -> "t.List[str]":
    bits = [value.digital_signature, value.content_commitment, value.key_encipherment, value.data_encipherment,
            value.key_agreement, value.key_cert_sign, value.crl_sign]
    bits += [value.encipher_only, value.decipher_only] if value.key_agreement else []
    return [usage for usage, bit in zip(KEY_USAGES, bits) if bit]


def _urls(value: "x509.AuthorityInformationAccess", method: "x509.ObjectIdentifier") -> "t.List[str]":
    return [access.access_location.value for access in value if access.access_method == method
            and isinstance(access.access_location, x509.UniformResourceIdentifier)]
