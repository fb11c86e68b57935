# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""A second opinion on a path: the verifier of pyca/cryptography, where it can judge the path."""

from __future__ import annotations

import datetime
import functools

try:
    from cryptography import x509
    from cryptography.x509 import verification
except ImportError:  # _webpki.unable() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as plain_x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.certificate import PathCertificate


def objection(path: list[PathCertificate], name: str | None, now: float) -> str | None:
    """What pyca has against a path (leaf first), as the rest of a sentence; None where it has nothing or can't judge.

    name: what a server's certificate is asked for, None for any other purpose or where no name was asked for.
    """
    if len(path) < 2 or any(one.self_issued for one in path[:-1]):
        return None  # it knows no leaf that is an anchor itself, and counts self-issued CAs where RFC 5280 does not
    moment = datetime.datetime.fromtimestamp(int(now), datetime.timezone.utc).replace(tzinfo=None)
    builder = verification.PolicyBuilder().store(verification.Store([path[-1].object])).time(moment)
    builder = builder.max_chain_depth(len(path))
    try:
        verifier = _for_server(builder, name) if name else builder.extension_policies(
            **_any_purpose()).build_client_verifier()
        verifier.verify(path[0].object, [one.object for one in path[1:-1]])
    except (verification.VerificationError, ValueError) as error:
        return f"is refused by pyca/cryptography: {plain_x509.printable(str(error)).splitlines()[0]}"
    return None


def _for_server(builder: verification.PolicyBuilder, name: str) -> verification.ServerVerifier:
    address = x509_hostnames.address(name)
    return builder.build_server_verifier(
        x509.DNSName(x509_hostnames.a_label(name)) if address is None else x509.IPAddress(address))


@functools.cache
def _any_purpose() -> dict[str, verification.ExtensionPolicy]:
    """Its client verifier with nothing asked of extensions: signatures, validity, path length, name constraints."""
    free = verification.ExtensionPolicy.permit_all()
    return {"ee_policy": free, "ca_policy": free.require_present(
        x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)}
