# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Java where no program can be run from its source (before Java 11, or without its compiler): its store alone.

The chain that the server sends is fetched with openssl, which also judges it, by the anchors that ``keytool`` lists.
"""

import os
import re
import tempfile
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection, s_client
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

if t.TYPE_CHECKING:
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint as tls_endpoint
    from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls_clients import clients

FEATURE = re.compile(r'version "(?:1\.)?([0-9]+)')
ASIDE = "judged by openssl with Java's anchors, for this Java runs no program from its source"


def runs_source(path: str) -> bool:
    """Whether this ``java`` runs a program that is given as a source file (JEP 330)."""
    _code, output, errors = host_command.run([path, "-version"])
    feature = FEATURE.search((errors + output).decode("utf-8", "replace"))
    if not feature or int(feature.group(1)) < 11:
        return False
    code, output, _errors = host_command.run([path, "--list-modules"])
    return code == 0 and b"jdk.compiler" in output


def ask(
    path: str, endpoints: "t.List[tls_endpoint.Endpoint]", terms: "clients.ClientPolicy"
) -> "t.List[t.Tuple[t.Optional[bool], str]]":
    """(accepted, said) of the server at each Endpoint; accepted is None where it can't be found out."""
    try:
        _openssl(terms)
        anchors = terms.trust or anchors_of(path)
    except ValueError as error:
        return [(None, "not tried: %s" % error)] * len(endpoints)
    return [judge(_chain(endpoint, terms), anchors, endpoint, terms) for endpoint in endpoints]


def _openssl(terms: "clients.ClientPolicy") -> openssl.OpenSSL:
    if not terms.program:
        raise ValueError("this Java runs no program from its source, and there is no openssl to judge instead")
    return terms.program


def _chain(endpoint: "tls_endpoint.Endpoint", terms: "clients.ClientPolicy") -> "t.List[bytes]":
    """The chain that a server sends, as list of DER; empty where it could not be fetched."""
    program = _openssl(terms)
    command = [program.command, "s_client", "-connect",
               connection.place(endpoint.address or endpoint.host, endpoint.port), "-showcerts"]
    command += openssl.name_options(program, endpoint.server_name)
    _code, output, _errors = host_command.run(command, b"Q\n", terms.seconds + 2, most=host_command.SERVERS_BYTES)
    found: t.List[bytes] = s_client.parse(output.decode("utf-8", "replace"))["chain"]
    return found


def anchors_of(path: str) -> bytes:
    """What keytool prints of the anchors of the Java that ``path`` is of (bytes, PEM); raises ValueError."""
    home = os.path.dirname(os.path.dirname(os.path.realpath(path)))
    keytool, store = os.path.join(home, "bin", "keytool"), os.path.join(home, "lib", "security", "cacerts")
    if not os.access(keytool, os.X_OK):
        raise ValueError("there is no %s to list Java's store with" % keytool)
    code, output, _errors = host_command.run([keytool, "-list", "-rfc", "-keystore", store, "-storepass", "changeit"])
    if code != 0 or not pem.fingerprints(output):
        raise ValueError("keytool can't list %s" % store)
    return output


def judge(
    sent: "t.List[bytes]", anchors: "t.Union[bytes, str]", endpoint: "tls_endpoint.Endpoint",
    terms: "clients.ClientPolicy"
) -> "t.Tuple[bool, str]":
    """(accepted, said) of a chain as it was sent (list of DER). anchors: bytes of PEM, or the path of such a file."""
    if not sent:
        return False, "the server's chain could not be fetched"
    folder = tempfile.mkdtemp(dir=terms.scratch)
    files = {"sent.pem": "".join(pem.to_pem(one) for one in sent).encode("ascii")}
    if isinstance(anchors, bytes):
        files["anchors.pem"], anchors = anchors, os.path.join(folder, "anchors.pem")
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(content)
    verdict = openssl.verify(_openssl(terms), openssl.Trust(anchors, anchors, None), "server", folder, "sent.pem",
                             "sent.pem", openssl.asked_options(endpoint.asked, not endpoint.server_name))
    if verdict.accepted:
        return True, ASIDE
    return False, "%s (%s)" % (verdict.errors[0][2] if verdict.errors else "its chain is not accepted", ASIDE)
