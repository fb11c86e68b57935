# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules that write a request, a certificate or a revocation list."""

from __future__ import annotations


class ModuleDocFragment:
    """What C(csr), C(selfsigned_cert), C(signed_cert) and C(crl) have in common."""

    DOCUMENTATION = r"""
options:
  backup:
    description:
      - Whether files that are replaced are kept beside the new ones, with a time in their names.
        A private key that is replaced is among them, with the mode that it had.
    type: bool
    default: false
  force:
    description:
      - Whether to write it anew though it is what is wanted. Never a
        private key.
    type: bool
    default: false
requirements:
  - cryptography 3.2 or later, for the Python that Ansible uses on the host (package C(python3-cryptography))
notes:
  - Files are complete before they take the place of others, and all of a task take it or none. O(unsafe_writes) has no
    effect.
  - In FIPS mode it works with what that allows. MD5 and SHA-1 sign nothing here.
attributes:
  check_mode:
    support: full
    description: >-
      All that can be known is computed, with a key that is thrown away where one would be made.
      What earlier tasks would have made in check mode is no error.
  diff_mode:
    support: full
    description: Shows what the old and the new file say, as text. Never a key.
  idempotent:
    support: full
    description: Compares what the files say. That relative times move on is no change.
  platform:
    support: full
    platforms: posix
    description: Any host with Python 3.6 or later and the package.
"""

    VALIDITY = r"""
options:
  not_before:
    description:
      - From when it is valid, relative to now, such as V(-1h) or V(+0s), or in UTC, such as V(20270131120000Z),
        V(2027-01-31T12:00:00Z) or V(2027-01-31).
      - The default lets hosts accept it whose clock is behind.
    type: str
    default: -1h
  not_after:
    description:
      - Until when it is valid, such as V(+90d) or V(20280131120000Z), in the same forms.
      - A relative time that moves on is no reason for a new certificate, O(renew_before) is. Another absolute one is.
    type: str
  renew_before:
    description:
      - How long before its end a new certificate is made, such as V(30d). It must be shorter than the validity.
      - With V(0), it is made when the old one has expired.
      - Weeks (C(w)), days (C(d)), hours (C(h)), minutes (C(m)) and seconds (C(s)); a plain number is seconds.
    type: str
    default: "0"
"""

    AUTHORITY = r"""
options:
  ca_path:
    description:
      - The certificate of the CA that signs. Certificates behind it in the file are its chain.
      - A name without a slash is a file in the folder that the system has for certificates.
      - Exactly one of O(ca_path) and O(ca_content) says which CA.
    type: path
    aliases: [ownca_path]
  ca_content:
    description: The same as text, in PEM form.
    type: str
    aliases: [ownca_content]
  ca_privatekey_path:
    description:
      - The private key of the CA. Exactly one of O(ca_privatekey_path) and O(ca_privatekey_content) is needed.
      - A name without a slash is a file in the folder that the system has for private keys.
    type: path
    aliases: [ownca_privatekey_path]
  ca_privatekey_content:
    description: The same as text, in PEM form, such as from a vault.
    type: str
    aliases: [ownca_privatekey_content]
  ca_privatekey_passphrase:
    description: The passphrase of the CA's private key.
    type: str
    aliases: [ownca_privatekey_passphrase]
"""
