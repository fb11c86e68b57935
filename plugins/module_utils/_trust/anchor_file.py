# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""An anchor as it is written into a store: the name of its file, and what says there that it is ours."""

import re
import unicodedata

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

MARK = "# Managed by Ansible, fleetpki.host_trust.ca_trust_anchor: "


def comment_safe(text: str) -> str:
    """Text for a comment: one line of ASCII that no reader takes for the begin of a PEM block."""
    line = re.sub("[\x00-\x1f\x7f]", lambda match: "\\x%02x" % ord(match.group()), text)
    return re.sub("-{2,}", "-", line.encode("ascii", "backslashreplace").decode("ascii")).strip()


def managed_block(name: str, certificate: x509.Certificate) -> bytes:
    """A certificate as it is written into a store (bytes): a comment that says who manages it and what it is, PEM."""
    facts = x509.describe(certificate)
    comment = "%s%s\n# Subject: %s\n# SHA-256: %s\n# Expires: %s\n" % (
        MARK, comment_safe(name), comment_safe(facts["subject"]), certificate.fingerprint, facts["not_after"])
    return (comment + pem.to_pem(certificate.der)).encode("ascii")


def file_name(name: str, fingerprint: str, suffix: str) -> str:
    """A file name for an anchor: readable, harmless, never another anchor's, whatever the name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip(".-_")[:80]
    return "%s-%s%s" % (plain or "anchor", fingerprint[:16], suffix)
