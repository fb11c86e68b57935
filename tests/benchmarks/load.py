# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What much of everything costs, and whether twice as much costs twice: python tests/benchmarks/load.py [--help]

Time is what the processor spends on it, in the module on the host and in ansible-playbook on the controller, so that
other work on this machine does not count. Memory is that of the largest process on either. The extract of the trust
store is p11-kit's and is told by itself; so what Ansible spends on waiting for it, some 2 per cent of a processor, is
taken off.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import typing as t
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from common import BenchError, end_with, machine, pki, plays, podman, say
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

MEASURES = "/srv/measures"  # on the host
PYTHON = f"#!/bin/sh\nexec env PYTHONPATH={MEASURES} /usr/bin/python3 \"$@\"\n"
# Each Python of the host says at its end what it has used by itself, without what it has started.
AT_THE_END = f"""import atexit, resource
def tell():
    used = resource.getrusage(resource.RUSAGE_SELF)
    open("{MEASURES}/used", "a").write("%f %d\\n" % (used.ru_utime + used.ru_stime, used.ru_maxrss))
atexit.register(tell)
"""
# update-ca-trust by itself; --output is among its words, so that the module looks at the outcome first, as on EL 9.
EXTRACT = f"""#!/bin/sh
begin=$(date +%s.%N); /usr/bin/update-ca-trust.real "$@"; code=$?
echo "$begin $(date +%s.%N)" >> {MEASURES}/extracts; exit $code  # --output
"""
SMALLER = 4     # each case is measured with this fraction of its size as well
LINEAR = 1.5    # how many times as much as the size the costs may grow
STEP = 0.25     # seconds: less is not told from what it costs to begin
SPACE = 8       # MiB: the same
WAIT = 10       # seconds
ROOT = pki.root("Load Root CA")


class Cost(t.NamedTuple):
    """What one run has used."""

    host: float  # seconds of the processor
    controller: float
    host_memory: float  # MiB, the most of one process
    memory: float  # the same on the controller
    extract: float  # seconds of the clock
    counted: str  # what came of it


class Case(t.NamedTuple):
    """Something that there may be much of."""

    what: str
    size: int
    run: Callable[[Bench, int], str]


class Bench:
    """A host of one kind that is measured."""

    def __init__(self, fleet: podman.Fleet, folder: Path) -> None:
        self.host, self.folder = fleet["el9"], folder
        self.inventory = folder / "hosts.json"
        listed = json.loads(fleet.inventory.read_text(encoding="utf-8"))
        listed["all"]["vars"]["ansible_python_interpreter"] = "/usr/local/bin/measured-python"
        self.inventory.write_text(json.dumps(listed), encoding="utf-8")
        self.host.write("/usr/local/bin/measured-python", PYTHON.encode(), 0o755)
        self.host.write(f"{MEASURES}/sitecustomize.py", AT_THE_END.encode())
        self.host.run("mv", "/usr/bin/update-ca-trust", "/usr/bin/update-ca-trust.real")
        self.host.write("/usr/bin/update-ca-trust", EXTRACT.encode(), 0o755)
        self.waiting = 0.0  # seconds of the controller's processor for each that a task takes on the host
        begin, end = (self.measure(Case("seconds of sleep", seconds, sleep), seconds) for seconds in (0, WAIT))
        self.waiting = (end.controller - begin.controller) / WAIT

    def play(self, task: dict, *args: str, inventory: Path | None = None) -> list[dict]:
        """The results of a task; it must not fail."""
        done = plays.run(inventory or self.inventory, [task], *args, folder=self.folder)
        results = [result for results in done.results.values() for result in results]
        failed = [result["msg"] for result in results if result.get("failed")]
        if failed:
            raise BenchError(f"{len(failed)} of {len(results)} failed: {failed[0][:2000]}")
        return results

    def measure(self, case: Case, size: int) -> Cost:
        """What a case of that size costs; in a process of its own, which is told the most of all its children."""
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
            return pool.submit(self._measured, case, size).result()

    def _measured(self, case: Case, size: int) -> Cost:
        self.host.run("sh", "-c", f"rm -f {MEASURES}/used {MEASURES}/extracts")
        counted = case.run(self, size)
        here = resource.getrusage(resource.RUSAGE_CHILDREN)
        used, extracts = (self._numbers(name) for name in ("used", "extracts"))
        extract = sum(end - begin for begin, end in extracts)
        return Cost(sum(seconds for seconds, _kib in used), here.ru_utime + here.ru_stime - self.waiting * extract,
                    max([kib for _seconds, kib in used] or [0]) / 1024, here.ru_maxrss / 1024, extract, counted)

    def _numbers(self, name: str) -> list[list[float]]:
        text = self.host.run("cat", f"{MEASURES}/{name}", check=False).stdout
        return [list(map(float, line.split())) for line in text.splitlines()]


def alike(count: int) -> list[bytes]:
    """So many certificates of CAs (DER), each with a name and a serial number of its own; signed is only the first."""
    begin, name = 7 << 60, b"Load CA 00000000"
    first, serial = pki.root(name.decode(), serial=begin).der, begin.to_bytes(8, "big")
    return [first.replace(name, b"Load CA %08d" % each).replace(serial, (begin + each).to_bytes(8, "big"))
            for each in range(count)]


def pem(certificates: list[bytes]) -> str:
    """DER as PEM."""
    load = x509.load_der_x509_certificate
    return "".join(load(one).public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def sleep(bench: Bench, size: int) -> str:
    """Nothing, for so many seconds."""
    bench.play({"ansible.builtin.command": f"sleep {size}"})
    return ""


def install(bench: Bench, size: int) -> str:
    """So many anchors in one run, of a file on the controller, on a host that has none of them."""
    bench.host.run("sh", "-c", "rm -rf /etc/pki/ca-trust/source/anchors/*; /usr/bin/update-ca-trust.real extract; "
                               f"rm -f {MEASURES}/extracts")
    (bench.folder / "anchors.pem").write_text(pem(alike(size)), encoding="utf-8")
    result, = bench.play({"fleetpki.host_trust.ca_trust_anchor": {"anchors": [{"src": "anchors.pem"}]}})
    found = sum(bool(anchor["found_in"]) for anchor in result["anchors"])
    if found != size:
        raise BenchError(f"{found} of {size} anchors are trusted")
    return f"{found} trusted"


def converged(bench: Bench, size: int) -> str:
    """The same once more: nothing is to be done."""
    result, = bench.play({"fleetpki.host_trust.ca_trust_anchor": {"anchors": [{"src": "anchors.pem"}]}})
    if result["changed"] or len(result["anchors"]) != size:
        raise BenchError("the second run changed something")
    return "0 changed"


def many(size: int) -> list[bytes]:
    """As many certificates as make so many KiB."""
    return alike(size * 1024 // len(pem(alike(1))))


def large_list(bench: Bench, size: int) -> str:
    """A file of so many KiB on the controller, all of which is to be in an application's file."""
    listed = many(size)
    (bench.folder / "large.pem").write_text(pem(listed), encoding="utf-8")
    bench.host.run("rm", "-f", "/srv/large.pem")
    bench.play({"fleetpki.host_trust.ca_trust_anchor": {
        "anchors": [{"src": "large.pem"}], "store": "bundle", "bundle_path": "/srv/large.pem"}})
    return _counted(bench, len(listed))


def _counted(bench: Bench, size: int) -> str:
    found = bench.host.run("grep", "-c", "BEGIN CERT", "/srv/large.pem").stdout.strip()
    if int(found) != size:
        raise BenchError(f"{found} instead of {size} certificates are in the file")
    return f"{found} certificates"


def large_file(bench: Bench, size: int) -> str:
    """One anchor more in an application's file of so many KiB. (That OpenSSL reads such a file takes it minutes.)"""
    listed = many(size)
    bench.host.write("/srv/large.pem", pem(listed).encode())
    bench.play({"fleetpki.host_trust.ca_trust_anchor": {
        "anchors": [{"content": ROOT.pem}], "store": "bundle", "bundle_path": "/srv/large.pem"}})
    return _counted(bench, len(listed) + 1)


def verify(bench: Bench, size: int) -> str:
    """So many certificates for one task."""
    key = pki.new_key()
    listed = [{"content": pki.server(f"web{number}", ROOT, key=key).pem} for number in range(size)]
    bench.host.write("/srv/root.pem", ROOT.pem.encode())
    result, = bench.play({"fleetpki.host_trust.cert_verify": {"certificates": listed, "trust": "/srv/root.pem"}})
    verified = sum(one["verified"] for one in result["results"])
    if verified != size:
        raise BenchError(f"{verified} of {size} certificates verify")
    return f"{verified} verified"


def sign(bench: Bench, size: int) -> str:
    """The requests of so many hosts, signed by one CA on the controller, by as many processes as there are."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("web.example.com")]), critical=True)
    (bench.folder / "ca.pem").write_text(ROOT.pem, encoding="utf-8")
    (bench.folder / "ca.key").write_text(ROOT.key_pem("load-of-the-ca"), encoding="utf-8")
    requests = [request.sign(pki.new_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
                for _key in range(10)]  # of the hosts, in turn
    inventory = bench.folder / "many.json"
    inventory.write_text(json.dumps({"all": {
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
        "hosts": {f"web{number}": {"request": requests[number % 10]} for number in range(size)}}}), encoding="utf-8")
    results = bench.play({"fleetpki.host_trust.signed_cert": {
        "csr_content": "{{ request }}", "subject_alt_name": ["DNS:{{ inventory_hostname }}.example.com"],
        "ca_path": f"{bench.folder}/ca.pem", "ca_privatekey_path": f"{bench.folder}/ca.key",
        "ca_privatekey_passphrase": "load-of-the-ca"}}, "--forks", "20", inventory=inventory)
    serials = {result["serial"] for result in results}
    if len(serials) != size:
        raise BenchError(f"{size} certificates have {len(serials)} serial numbers")
    return f"{len(serials)} serial numbers"


CASES = [
    Case("anchors in one run", 2000, install),
    Case("the same, converged", 2000, converged),
    Case("KiB of certificates in a bundle", 64 * 1024, large_file),
    Case("KiB of certificates in a src", 64 * 1024, large_list),
    Case("certificates for one cert_verify", 500, verify),
    Case("requests signed by one CA", 1000, sign),
]


def growth(few: Cost, many: Cost, nothing: Cost) -> tuple[float, float]:
    """How much more time and memory the many take, in what the few take; without what it takes to begin at all.

    Of memory, that of the host or the controller, whichever grows more: both are of the largest of several processes,
    and which that is may change.
    """
    def time(cost: Cost) -> float:
        return cost.host + cost.controller - nothing.host - nothing.controller

    def space(of: str) -> float:
        least, less, more = (getattr(cost, of) for cost in (nothing, few, many))
        return (more - least) / max(less - least, SPACE)

    return time(many) / max(time(few), STEP), max(space("host_memory"), space("memory"))


def limit(costs: list[tuple[int, Cost]]) -> float:
    """What a growth may come to."""
    _nothing, (few, _its_cost), (many, _its_other) = costs
    return LINEAR * many / few


def sentence(costs: list[tuple[int, Cost]], grown: tuple[float, float]) -> str:
    """A growth in words."""
    (time, space), most = grown, limit(costs)
    return f"{most / LINEAR:.1f} times as much takes {time:.1f} times the time, {space:.1f} the memory (of {most:.1f})"


def judge(bench: Bench, cases: list[Case], divide: int = 1, rounds: int = 1) -> t.Iterator[
        tuple[Case, list[tuple[int, Cost]], tuple[float, float]]]:
    """Measures the cases, with a part of their size (``divide``): yields each with its costs and its growth.

    Of several rounds the least counts: what else the machine does can only add to it.
    """
    found: dict[str, list[tuple[int, Cost]]] = {case.what: [] for case in cases}
    for part in ("nothing", "few", "many"):
        for case in cases:  # in turn, for what comes after another builds on it
            size = {"nothing": 1, "few": case.size // divide // SMALLER, "many": case.size // divide}[part]
            say(f"{size} {case.what}")
            costs = [bench.measure(case, size) for _round in range(rounds)]
            found[case.what].append((size, Cost._make(map(min, zip(*costs, strict=True)))))
    for case in cases:
        nothing, few, many = (cost for _size, cost in found[case.what])
        yield case, found[case.what], growth(few, many, nothing)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure what much of everything costs.")
    parser.add_argument("--divide", type=int, default=1, help="only this part of each size")
    parser.add_argument("--rounds", type=int, default=1, help="of which the least counts")
    parser.add_argument("--only", type=int, nargs="+", default=list(range(len(CASES))), help="numbers of the cases")
    options = parser.parse_args()
    print(f"{machine()}\n{'':>8}{'':<36}{'host s':>9}{'MiB':>6}{'controller s':>14}{'MiB':>6}{'extract s':>11}")
    missed = 0
    with podman.fleet(["el9"], all_roots=True) as fleet, tempfile.TemporaryDirectory(prefix="load-") as folder:
        cases = [CASES[number] for number in options.only]
        for case, costs, grown in judge(Bench(fleet, Path(folder)), cases, options.divide, options.rounds):
            for size, cost in costs:
                print(f"{size:>8}{' ' + case.what:<36}{cost.host:>9.2f}{cost.host_memory:>6.0f}{cost.controller:>14.2f}"
                      f"{cost.memory:>6.0f}{cost.extract:>11.2f}   {cost.counted}")
            met = max(grown) <= limit(costs)
            missed += not met
            print(f"{'':>8} {case.what}: {sentence(costs, grown)}: {'met' if met else 'MISSED'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    end_with(main)
