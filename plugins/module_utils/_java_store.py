# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Java where no program can be run from its source (before Java 11, or without its compiler): its store alone.

The chain that the server sends is fetched with openssl, and looked up among the anchors that ``keytool`` lists.
"""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import time

from ansible_collections.fleetpki.host_trust.plugins.module_utils import _chain as chains
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _connection as connection
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _openssl as openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _pem as pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _s_client as s_client
from ansible_collections.fleetpki.host_trust.plugins.module_utils import _x509 as x509

FEATURE = re.compile(r'version "(?:1\.)?([0-9]+)')
ASIDE = "only its store was looked at, for this Java runs no program from its source"


def runs_source(path):
    """Whether this ``java`` runs a program that is given as a source file (JEP 330)."""
    _code, output, errors = openssl.run([path, "-version"])
    feature = FEATURE.search((errors + output).decode("utf-8", "replace"))
    if not feature or int(feature.group(1)) < 11:
        return False
    code, output, _errors = openssl.run([path, "--list-modules"])
    return code == 0 and b"jdk.compiler" in output


def ask(path, endpoint, terms):
    """(accepted, said) of the server at an Endpoint; accepted is None where it can't be found out."""
    try:
        anchors = read_anchors(path) if not terms.trust else chains.read_anchors([terms.trust])
    except ValueError as error:
        return None, "not tried: %s" % error
    if not terms.program:
        return None, "not tried: this Java runs no program from its source, and there is no openssl to fetch the chain"
    command = [terms.program.command, "s_client", "-connect",
               connection.place(endpoint.address or endpoint.host, endpoint.port), "-showcerts"]
    command += ["-servername", endpoint.server_name] if endpoint.server_name else []
    _code, output, _errors = openssl.run(command, seconds=terms.seconds + 2)
    return judge(s_client.parse(output.decode("utf-8", "replace"))["chain"], anchors)


def read_anchors(path):
    """The anchors (x509.Certificate) of the Java that ``path`` is of; raises ValueError."""
    home = os.path.dirname(os.path.dirname(os.path.realpath(path)))
    keytool, store = os.path.join(home, "bin", "keytool"), os.path.join(home, "lib", "security", "cacerts")
    if not os.access(keytool, os.X_OK):
        raise ValueError("there is no %s to list Java's store with" % keytool)
    code, output, _errors = openssl.run([keytool, "-list", "-rfc", "-keystore", store, "-storepass", "changeit"])
    found = [x509.parse_leniently(content) for _block, content in pem.certificate_blocks(output)]
    if code != 0 or not found:
        raise ValueError("keytool can't list %s" % store)
    return [certificate for certificate in found if certificate]


def judge(sent, anchors):
    """(accepted, said) of a chain as it was sent (list of DER), by the anchors of Java's store."""
    found = [x509.parse_leniently(raw) for raw in sent]
    if not found or None in found:
        return False, "the server's chain could not be fetched"
    links = chains.build(found[0], chains.index(found[1:]), chains.index(anchors), int(time.time()))
    last = links[-1]
    if last.source == chains.TRUST:
        return True, "its store holds %s (%s)" % (last.subject, ASIDE)
    return False, "its store does not hold the issuer of %s (%s)" % (last.subject, ASIDE)
