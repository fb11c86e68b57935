# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""A host's TLS clients asked for servers: what the module tls_client_info does. Plain values in and out."""

import shutil
import sys
import tempfile
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import connection
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls import endpoint as tls_endpoint
from ansible_collections.fleetpki.host_trust.plugins.module_utils._tls_clients import clients
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

INSTALLED = "installed"  # in require: whichever of them there are


def look(given: "t.Dict[str, t.Any]", tmpdir: "t.Optional[str]" = None) -> "t.Dict[str, t.Any]":
    """The module's result: met, msg, clients, results, python. given: its options. Raises Failure."""
    _check(given)
    names = given["clients"] or list(clients.CLIENTS)
    required = [name for name in given["require"] if name != INSTALLED]
    unasked = [name for name in required if name not in names]
    try:
        program = openssl.find()
    except openssl.OpensslMissing:
        program = None
        names = [name for name in names if name != "openssl"]
    installed = clients.find(names, given["trust"])
    missing = [name for name in required if name not in installed and name not in unasked]
    labels, endpoints = _endpoints(given, program)
    scratch = tempfile.mkdtemp(dir=tmpdir)
    try:
        terms = clients.ClientPolicy(given["timeout"], given["trust"], program, scratch)
        answers = clients.ask(installed, endpoints, terms) if endpoints else {}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    results = [_result(label, endpoint, {name: answers[name][number] for name in answers}, given["require"])
               for number, (label, endpoint) in enumerate(zip(labels, endpoints))]
    violations = ["the client %s is required and not among 'clients'" % name for name in unasked]
    violations += ["the client %s is required and not installed on this host" % name for name in missing]
    if INSTALLED in given["require"] and endpoints and not installed:
        violations.append("none of the clients is installed on this host that were to be asked: %s" % ", ".join(names))
    violations += ["%s: %s" % (result["name"], sentence) for result in results for sentence in result["violations"]]
    return {
        "requirements_met": not violations,
        "msg": "\n".join(violations) or "%d server%s asked by %d client%s" % (
            len(results), "" if len(results) == 1 else "s", len(installed), "" if len(installed) == 1 else "s"),
        "clients": {name: {"path": found.path, "version": found.version} for name, found in installed.items()},
        "missing": missing,
        "python": sys.executable,
        "results": results,
    }


def _check(given: "t.Dict[str, t.Any]") -> None:
    """Raises Failure for options that can't be meant."""
    if given["endpoints"] is not None and not given["endpoints"]:
        raise Failure("'endpoints' is empty: there is no server to ask")
    if not 0 < given["timeout"] <= 600:
        raise Failure("timeout: %g is not between 0 and 600 seconds" % given["timeout"])
    if given["trust"] == "":  # what is trusted by default would be more than was meant
        raise Failure("'trust' is empty: name a file, or leave it out for what each client trusts")
    if given["trust"] is not None:
        try:
            data = pem.read_file(given["trust"])
            pem.read_certificates(data)
            if not pem.fingerprints(data):
                raise pem.CertificateFileError("not all clients read this form: convert it to PEM")
        except pem.CertificateFileError as error:
            raise Failure("the trust in %s can't be used: %s" % (given["trust"], pem.advised(str(error))))


def _endpoints(
    given: "t.Dict[str, t.Any]", program: "t.Optional[openssl.OpenSSL]"
) -> "t.Tuple[t.List[str], t.List[tls_endpoint.Endpoint]]":
    """(what messages call them, the servers as list of Endpoint)."""
    listed = given["endpoints"]
    if listed is None:
        listed = [{"host": given["host"], "port": given["port"]}] if given["host"] else []
    try:
        endpoints = [tls_endpoint.read(number, item, program) for number, item in enumerate(listed)]
    except ValueError as error:
        raise Failure(str(error))
    return [item.get("name") or connection.place(endpoint.asked, endpoint.port)
            for item, endpoint in zip(listed, endpoints)], endpoints


def _result(
    label: str, endpoint: tls_endpoint.Endpoint, answers: "t.Dict[str, clients.ClientAnswer]", require: "t.List[str]"
) -> "t.Dict[str, t.Any]":
    """What the clients say of one server (dict). Who could not be tried has not accepted it, where it is named, and
    neither has anybody where nobody could.
    """
    untried = {name for name, answer in answers.items() if answer.accepted is None}
    mattering = untried if INSTALLED in require and len(untried) == len(answers) else untried.intersection(require)
    violations = ["%s refuses it: %s" % (name, answer.message) if answer.accepted is False else
                  "%s was %s" % (name, answer.message) for name, answer in answers.items()
                  if answer.accepted is False and (name in require or INSTALLED in require)
                  or name in mattering]
    return {
        "name": label, "host": endpoint.host, "port": endpoint.port, "server_name": endpoint.asked,
        "accepted": {True} <= {answer.accepted for answer in answers.values()} <= {True, None},
        "clients": {name: {"accepted": answer.accepted, "message": answer.message} for name, answer in answers.items()},
        "violations": violations,
    }
