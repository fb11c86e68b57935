# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say whom a request or a self-signed certificate is for, and with which key."""

from __future__ import annotations


class ModuleDocFragment:
    """What C(csr) and C(selfsigned_cert) have in common."""

    DOCUMENTATION = r"""
options:
  privatekey_path:
    description:
      - The private key. It is made where there is none, as PKCS#8 in PEM with mode 0600, and kept where there is one,
        of whatever type it is.
      - A name without a slash is a file in the folder that the system has for keys, C(/etc/pki/tls/private) where
        C(/etc/pki/tls) is there, C(/etc/ssl/private) otherwise.
    type: path
    required: true
  root:
    description:
      - Folder where the system is mounted that the files belong to, such as C(/mnt/sysimage) in a kickstart's C(%post).
      - All paths are inside it, links are followed inside it, and owners and groups are looked up there. The work is
        done by the Python of the machine that it is mounted on.
    type: path
    default: /
  privatekey_passphrase:
    description:
      - The passphrase that the private key is encrypted with.
      - An encrypted key without it, a wrong one, and one for a key that is not encrypted are errors.
        They never lead to a new key.
      - A new key is encrypted with AES-256 and PBKDF2 of 600,000 iterations. Its passphrase has 8 characters or more.
        Keys that are there keep their encryption, and may have a shorter passphrase.
    type: str
  privatekey_mode:
    description:
      - Mode of the private key. A new one has 0600 unless told otherwise, one that is there keeps its mode.
    type: raw
  privatekey_owner:
    description:
      - Owner of the private key.
    type: str
  privatekey_group:
    description:
      - Group of the private key.
    type: str
  key_type:
    description:
      - What kind of key is made.
    type: str
    choices: [EC P-256, EC P-384, EC P-521, RSA 2048, RSA 3072, RSA 4096, Ed25519, Ed448]
    default: EC P-256
  regenerate_key:
    description:
      - When a private key that is there is replaced.
      - V(never) keeps it, and warns where it is not what O(key_type) says.
      - V(mismatch) replaces one that is not what O(key_type) says.
      - V(always) replaces it in each run.
      - A key that can't be read, for whatever reason, is an error with all of them.
    type: str
    choices: [never, mismatch, always]
    default: never
  digest:
    description:
      - The digest of the signature. The default is the one that goes with the key, V(sha384) for EC P-384,
        V(sha512) for EC P-521, and V(sha256) for all others. Ed25519 and Ed448 have none.
    type: str
    choices: [sha256, sha384, sha512]
  subject:
    description:
      - The subject's attributes, such as C(CN), C(O), C(OU), C(C), C(ST), C(L), C(DC), C(serialNumber) or an object
        identifier. A value may be a list.
      - The single options such as O(common_name) are put behind these.
    type: dict
  subject_ordered:
    description:
      - The same as a list of dictionaries with one attribute each, where the order matters.
      - At most one of O(subject) and O(subject_ordered) can be given.
    type: list
    elements: dict
  country_name:
    description: C of the subject, two letters.
    type: str
    aliases: [C, countryName]
  state_or_province_name:
    description: ST of the subject.
    type: str
    aliases: [ST, stateOrProvinceName]
  locality_name:
    description: L of the subject.
    type: str
    aliases: [L, localityName]
  organization_name:
    description: O of the subject.
    type: str
    aliases: [O, organizationName]
  organizational_unit_name:
    description: OU of the subject.
    type: str
    aliases: [OU, organizationalUnitName]
  common_name:
    description:
      - CN of the subject, at most 64 characters (RFC 5280). Clients do not look for a server's name there.
    type: str
    aliases: [CN, commonName]
  email_address:
    description: emailAddress of the subject.
    type: str
    aliases: [E, emailAddress]
  subject_alt_name:
    description:
      - The names that it is for, such as V(DNS:web1.example.com), V(DNS:*.example.com), V(IP:192.0.2.1),
        V(IP:2001:db8::1), V(URI:spiffe://example.com/web), V(email:ops@example.com) or V(RID:1.2.3.4).
      - International host names may be given as they are read. They are encoded (IDNA).
    type: list
    elements: str
    aliases: [subjectAltName]
  subject_alt_name_critical:
    description: Whether the extension is critical. With an empty subject it always is (RFC 5280 section 4.2.1.6).
    type: bool
    default: false
    aliases: [subjectAltName_critical]
  use_common_name_for_san:
    description:
      - Whether the common name, if it is a host name or an IP address, is the subject alternative name where
        O(subject_alt_name) is not given. Not for a CA.
    type: bool
    default: true
    aliases: [useCommonNameForSAN]
  key_usage:
    description:
      - What the key may be used for, such as V(digitalSignature), V(keyEncipherment), V(keyCertSign), V(cRLSign).
        The long names that OpenSSL prints are understood, too.
    type: list
    elements: str
    aliases: [keyUsage]
  key_usage_critical:
    description: Whether the extension is critical, as RFC 5280 section 4.2.1.3 wants it.
    type: bool
    default: true
    aliases: [keyUsage_critical]
  extended_key_usage:
    description:
      - The purposes, such as V(serverAuth), V(clientAuth), V(codeSigning), V(emailProtection), or object identifiers.
    type: list
    elements: str
    aliases: [extKeyUsage, extendedKeyUsage]
  extended_key_usage_critical:
    description: Whether the extension is critical.
    type: bool
    default: false
    aliases: [extKeyUsage_critical, extendedKeyUsage_critical]
  basic_constraints:
    description:
      - Whether it is a CA, V(CA:TRUE) or V(CA:FALSE), and how many CAs may follow below it, such as V(pathlen:1).
    type: list
    elements: str
    aliases: [basicConstraints]
  basic_constraints_critical:
    description: Whether the extension is critical, as RFC 5280 section 4.2.1.9 wants it.
    type: bool
    default: true
    aliases: [basicConstraints_critical]
  ocsp_must_staple:
    description: Whether the server must staple an OCSP response (RFC 7633).
    type: bool
    default: false
    aliases: [ocspMustStaple]
  ocsp_must_staple_critical:
    description: Whether the extension is critical.
    type: bool
    default: false
    aliases: [ocspMustStaple_critical]
  name_constraints_permitted:
    description:
      - For a CA, the names that it may certify, such as V(DNS:example.com), V(IP:10.0.0.0/8), V(email:example.com)
        (RFC 5280 section 4.2.1.10).
    type: list
    elements: str
  name_constraints_excluded:
    description: For a CA, the names that it may not certify.
    type: list
    elements: str
  name_constraints_critical:
    description: Whether the extension is critical, as RFC 5280 wants it.
    type: bool
    default: true
"""
