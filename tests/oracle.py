# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the engines of cert_verify against path-validation cases that nobody here wrote.

    python tests/oracle.py FILE...    prints a table for each file and engine; ENGINES=strict,pyca names fewer

A file is JSON of x509-limbo's schema, compressed with xz or not. The engines are those that the module uses:
_webpki on the controller, _openssl on hosts (here: this machine's). ``pyca`` is pyca/cryptography's verifier alone, to
compare with.
"""

from __future__ import annotations

import base64
import collections
import collections.abc as c
import concurrent.futures
import datetime
import importlib
import json
import lzma
import os
import statistics
import sys
import tempfile
import time
import typing as t
import warnings
from pathlib import Path

from cryptography import x509 as pyca_x509
from cryptography.x509 import verification

if __name__ == "__main__":
    importlib.import_module("conftest")  # makes this checkout importable as the collection

from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki import validate

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "oracle"
SHOWN = 40  # cases that the lists below a table name
ANY_POLICY = "2.5.29.32.0"

Case = dict[str, t.Any]


class Outcome(t.NamedTuple):
    """What an engine made of a case; ``accepted`` is None where it can't judge it."""

    id: str
    expected: bool
    accepted: bool | None
    why: str
    seconds: float


def find(name: str, variable: str) -> Path | None:
    """A file of cases: where the environment says, else beside the checkout; None where there is none."""
    path = Path(os.environ.get(variable) or BESIDE / name)
    return path if path.exists() else None


def load(path: Path) -> list[Case]:
    data = path.read_bytes()
    return json.loads(lzma.decompress(data) if path.suffix == ".xz" else data)["testcases"]


def der(pem: str) -> bytes:
    return base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))


def asked(case: Case) -> tuple[list[str], list[str]]:
    """(host names, IP addresses) that a case asks for."""
    name = case["expected_peer_name"] or {"kind": None}
    return ([name["value"]] if name["kind"] == "DNS" else [], [name["value"]] if name["kind"] == "IP" else [])


def purpose(case: Case) -> str:
    if case["validation_kind"] == "CLIENT":
        return "client"
    return "server" if case["expected_peer_name"] else "any"


def moment(case: Case) -> float:
    when = case.get("validation_time")
    return datetime.datetime.fromisoformat(when).timestamp() if when else time.time()


def strict(case: Case) -> tuple[bool, str]:
    hostnames, ips = asked(case)
    question = validate.Question(hostnames, ips, purpose(case), moment(case),
                                 max_intermediates=case.get("max_chain_depth"))
    verdict = validate.judge(
        der(case["peer_certificate"]), [der(pem) for pem in case["untrusted_intermediates"]],
        [der(pem) for pem in case["trusted_certs"]], question, [der(pem) for pem in case.get("crls", [])])
    return verdict.accepted, "; ".join(f"{one.rule}: {one.sentence}" for one in verdict.findings)


def by_openssl(case: Case) -> tuple[bool, str]:
    """As cert_verify asks the host's OpenSSL, at the time of the case; what it leaves out of names is looked at too."""
    with tempfile.TemporaryDirectory() as directory:
        def write(name: str, pems: list[str]) -> str:
            Path(directory, name).write_text("".join(pems), encoding="ascii")
            return name
        write("certificate.pem", [case["peer_certificate"]])
        write("trusted.pem", case["trusted_certs"])
        untrusted = write("untrusted.pem", case["untrusted_intermediates"]) if case["untrusted_intermediates"] else None
        options = ["-attime", str(int(moment(case))), *_policies(case.get("policy_params"))]
        if case.get("crls"):
            options += openssl.crl_options(write("crls.pem", case["crls"]))
        if "pkits" in case["features"]:
            options += ["-auth_level", "0"]  # its RSA keys and dates are of another time
        verdict = openssl.verify(openssl.find(), openssl.Trust("trusted.pem", "trusted.pem", None), purpose(case),
                                 directory, "certificate.pem", untrusted, options)
    if not verdict.accepted:
        return False, "; ".join(text for _number, _depth, text in verdict.errors) or verdict.output.strip()
    found = x509_hostnames.findings(*asked(case), x509.alt_names(x509.parse(der(case["peer_certificate"]))), None)
    return not found, "; ".join(found)


def _policies(given: dict[str, t.Any] | None) -> list[str]:
    """The inputs of RFC 5280 section 6.1.1 c to g, in the words of openssl-verification-options(1)."""
    given = given or {}
    options = ["-policy_check"]
    for policy in given.get("user_initial_policy_set") or [ANY_POLICY]:
        options += ["-policy", policy]
    switches = {"initial_explicit_policy": "-explicit_policy", "initial_policy_mapping_inhibit": "-inhibit_map",
                "initial_any_policy_inhibit": "-inhibit_any"}
    return options + [switch for name, switch in switches.items() if given.get(name)]


def pyca(case: Case) -> tuple[bool, str]:
    """pyca/cryptography's verifier alone, with its own defaults."""
    read = pyca_x509.load_pem_x509_certificate
    store = verification.Store([read(pem.encode()) for pem in case["trusted_certs"]])
    when = datetime.datetime.fromtimestamp(moment(case), datetime.timezone.utc).replace(tzinfo=None)
    builder = verification.PolicyBuilder().store(store).time(when)
    if case.get("max_chain_depth") is not None:
        builder = builder.max_chain_depth(case["max_chain_depth"])
    name = (asked(case)[0] + asked(case)[1] or [None])[0]
    if case["validation_kind"] == "CLIENT":
        verifier: t.Any = builder.build_client_verifier()
    elif name is None:
        raise ValueError("a server without a name is nothing that it judges")
    else:
        address = x509_hostnames.address(name)
        verifier = builder.build_server_verifier(
            pyca_x509.DNSName(name) if address is None else pyca_x509.IPAddress(address))
    try:
        verifier.verify(read(case["peer_certificate"].encode()),
                        [read(pem.encode()) for pem in case["untrusted_intermediates"]])
    except verification.VerificationError as error:
        return False, str(error)
    return True, ""


ENGINES: dict[str, c.Callable[[Case], tuple[bool, str]]] = {"strict": strict, "openssl": by_openssl, "pyca": pyca}


def judge(cases: list[Case], engine: str) -> list[Outcome]:
    """What an engine makes of all cases; OpenSSL is a process each, two at a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if engine == "openssl":
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                return list(pool.map(lambda case: _outcome(case, by_openssl), cases))
        return [_outcome(case, ENGINES[engine]) for case in cases]


def _outcome(case: Case, ask: c.Callable[[Case], tuple[bool, str]]) -> Outcome:
    # Of this process, the CPU's time: on a busy machine the clock tells of the others.
    clock = time.perf_counter if ask is by_openssl else time.thread_time
    begin = clock()
    accepted: bool | None
    try:
        accepted, why = ask(case)
    except Exception as error:  # whatever an engine raises: it did not judge
        accepted, why = None, repr(error)
    return Outcome(case["id"], case["expected_result"] == "SUCCESS", accepted, why, clock() - begin)


def false_accepts(outcomes: list[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.accepted and not one.expected]


def false_rejects(outcomes: list[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.accepted is False and one.expected]


def unsupported(outcomes: list[Outcome]) -> list[Outcome]:
    return [one for one in outcomes if one.accepted is None]


def table(outcomes: list[Outcome]) -> list[str]:
    """Lines: a row for each namespace (the part of the id before the last ::), and one for all."""
    spaces: dict[str, list[Outcome]] = collections.defaultdict(list)
    for one in outcomes:
        spaces[one.id.rpartition("::")[0]].append(one)
    rows = [["", "SUCCESS", "FAILURE", "false accepts", "false rejects", "unsupported", "median ms", "max ms"]]
    rows += [[name, *_figures(spaces[name])] for name in sorted(spaces)]
    rows.append(["all", *_figures(outcomes)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(
        row[1:], widths[1:], strict=True))]) for row in rows]


def _figures(outcomes: list[Outcome]) -> list[str]:
    good, bad = ([one for one in outcomes if one.expected is expected] for expected in (True, False))
    took = [1000 * one.seconds for one in outcomes]
    return [f"{sum(one.accepted is True for one in good)} of {len(good)}",
            f"{sum(one.accepted is False for one in bad)} of {len(bad)}",
            *(str(len(select(outcomes))) for select in (false_accepts, false_rejects, unsupported)),
            f"{statistics.median(took):.2f}", f"{max(took):.1f}"]


def main(paths: list[str]) -> None:
    engines = os.environ.get("ENGINES") or ",".join(ENGINES)
    for path in paths:
        cases = load(Path(path))
        for engine in engines.split(","):
            outcomes = judge(cases, engine)
            print(f"\n{Path(path).name}, {engine}:")
            print("\n".join(table(outcomes)))
            for title, select in (("false accept", false_accepts), ("false reject", false_rejects),
                                  ("unsupported", unsupported)):
                found = select(outcomes)
                for one in found[:SHOWN]:
                    print(f"{title}: {one.id}" + (f" ({one.why})" if one.why else ""))
                if found[SHOWN:]:
                    print(f"{title}: and {len(found) - SHOWN} more")


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: make oracle LIMBO=FILE PKITS=FILE (either may be left out)")
    main(sys.argv[1:])
