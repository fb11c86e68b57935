# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role ca_trust costs, side by side with a play that only pings: python tests/benchmarks/trust.py [--help]

All hosts are in one play. What is compared runs in turn, round by round, so that a machine that gets slower or faster
meanwhile does so for all of it alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import FORKS, BenchError, end_with, images, machine, pki, podman, say, spread, time_play, write_play

EL = [name for name, platform_ in images.platforms().items() if platform_.family == "redhat"]
CONNECTIONS = {
    "podman": "containers.podman.podman, which knows no pipelining",
    "ssh": "ssh as it is out of the box: ControlPersist, no pipelining; the connections are open already",
    "ssh-pipelining": "ssh with ControlPersist and pipelining; the connections are open already",
}
SINGLE_FILES = 20  # up to so many anchors are a file and a list element each; more are one bundle

# Targets. A ping is the least that any task costs; a module with some code in it may cost a little more.
PLAY = 1.3  # a converged play, and the first without its extract, in pings
SAME = 1.1  # a converged play with the most anchors, in converged plays with the fewest

EXTRACT = "update-ca-trust extract"
RESET = f"rm -rf /etc/pki/ca-trust/source/anchors/* && {EXTRACT}"
# ca_trust_anchor looks at the outcome in a folder first, where the script knows how to do that.
PREVIEW = f"grep -q -e --output /usr/bin/update-ca-trust || exit 0; exec {EXTRACT} --output /tmp/preview"
STOPWATCH = """import subprocess, sys, time
begin = time.time(); subprocess.check_call(["sh", "-c", sys.argv[1]]); print(time.time() - begin)"""

STEPS = ["ping", "first", "converged", "extract", "preview"]
Times = dict[str, list[float]]  # seconds of each of STEPS, and of the last two on each host


def write_plays(folder: Path, counts: list[int]) -> None:
    """Write ping.yml and a role-COUNT.yml for each count, with the anchors in files/ as users have them."""
    files = folder / "files"
    files.mkdir()
    key = pki.new_key()
    certificates = [pki.root(f"Benchmark Root CA {number}", key=key).pem for number in range(1, max(counts) + 1)]
    write_play(folder / "ping.yml", tasks=[{"ansible.builtin.ping": {}}])
    for count in counts:
        sources = [f"root-{number}.crt" for number in range(1, count + 1)]
        for source, certificate in zip(sources, certificates, strict=False):
            (files / source).write_text(certificate, encoding="utf-8")
        if count > SINGLE_FILES:
            sources = [f"bundle-{count}.pem"]
            (files / sources[0]).write_text("".join(certificates[:count]), encoding="utf-8")
        anchors = [{"src": source} for source in sources]
        role = {"role": "fleetpki.host_trust.ca_trust", "vars": {"ca_trust_anchors": anchors}}
        write_play(folder / f"role-{count}.yml", roles=[role])


def write_inventory(fleet: podman.Fleet, connection: str, path: Path) -> Path:
    """Write the fleet's inventory for one of CONNECTIONS."""
    inventory = json.loads(fleet.inventory.read_text(encoding="utf-8"))
    for group in inventory["all"]["children"].values():
        for name, variables in group["hosts"].items():
            if connection == "podman":
                variables.clear()
                variables.update(ansible_connection="containers.podman.podman", ansible_host=fleet[name].container)
            elif variables["ansible_connection"] != "ssh":
                raise BenchError(f"{name}: a registry's image has no SSH server: use --connection podman")
            variables["ansible_pipelining"] = variables["ansible_ssh_pipelining"] = connection == "ssh-pipelining"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    return path


def run_everywhere(fleet: podman.Fleet, script: str) -> dict[str, float]:
    """Run a shell script on all hosts at once; seconds by host, measured there."""
    def run(host: podman.Host) -> float:
        return float(host.run("/usr/bin/python3", "-c", STOPWATCH, script).stdout.split()[-1])

    with ThreadPoolExecutor(FORKS) as pool:
        return dict(zip(fleet, pool.map(run, fleet.values()), strict=True))


def measure(fleet: podman.Fleet, folder: Path, inventory: Path, counts: list[int], rounds: int) -> dict[int, Times]:
    """All times by number of anchors."""
    found: dict[int, Times] = {count: {} for count in counts}
    time_play(inventory, folder / "ping.yml", 0)  # opens the connections, and fills the caches
    for number in range(1, rounds + 1):
        for count in counts:
            say(f"round {number} of {rounds}, {count} anchors")
            run_everywhere(fleet, RESET)
            role = folder / f"role-{count}.yml"
            times = {
                "ping": time_play(inventory, folder / "ping.yml", 0),
                "first": time_play(inventory, role, 1),
                "converged": time_play(inventory, role, 0),
            }
            for name, script in (("extract", EXTRACT), ("preview", PREVIEW)):
                by_host = run_everywhere(fleet, script)
                times[name] = max(by_host.values())  # a task ends with its slowest host
                times.update({f"{name} {host}": seconds for host, seconds in by_host.items()})
            for name, seconds in times.items():
                found[count].setdefault(name, []).append(seconds)
    return found


def ratios(times: Times) -> dict[str, float]:
    """What a play costs in pings: medians of the rounds, as within one the machine is about as fast for all of it."""
    found: Times = {"converged/ping": [], "first/ping": [], "(first-extract)/ping": [], "(first-both)/ping": []}
    for ping, first, converged, extract, preview in zip(*(times[step] for step in STEPS), strict=True):
        costs = (converged, first, first - extract, first - extract - preview)
        for ratio, seconds in zip(found.values(), costs, strict=True):
            ratio.append(seconds / ping)
    return {name: statistics.median(each) for name, each in found.items()}


def judge(found: dict[int, Times]) -> list[tuple[str, float, float]]:
    """The targets: what is compared, what it came to, what it may come to."""
    judged = []
    for count, times in found.items():
        outcome = ratios(times)
        judged.append((f"{count} anchors: converged / ping", outcome["converged/ping"], PLAY))
        judged.append((f"{count} anchors: (first - extract) / ping", outcome["(first-extract)/ping"], PLAY))
    if (few := min(found)) != (many := max(found)):
        pairs = zip(found[many]["converged"], found[few]["converged"], strict=True)
        same = statistics.median(seconds / base for seconds, base in pairs)
        judged.append((f"converged with {many} anchors / with {few}", same, SAME))
    return judged


def show(found: dict[int, Times], hosts: list[str]) -> None:
    """Print the tables: seconds, the extract by host, ratios, targets."""
    print(_row("anchors", STEPS) + "    seconds: median (min-max)")
    for count, times in found.items():
        print(_row(count, [spread(times[step]) for step in STEPS]))
    print(_row("\nanchors", hosts) + "    extract + preview on each host, median seconds")
    for count, times in found.items():
        parts = ([statistics.median(times[f"{step} {host}"]) for step in ("extract", "preview")] for host in hosts)
        print(_row(count, [f"{extract:.2f} + {preview:.2f}" for extract, preview in parts]))
    print(_row("\nanchors", list(ratios(next(iter(found.values()))))) + "    medians of the rounds' ratios")
    for count, times in found.items():
        print(_row(count, [f"{ratio:.2f}" for ratio in ratios(times).values()]))
    print("\nTargets")
    for what, ratio, limit in judge(found):
        print(f"  {what:<42}{ratio:6.2f}, at most {limit}: {'met' if ratio <= limit else 'MISSED'}")
    print(flush=True)


def _row(first: object, cells: list[str]) -> str:
    return f"{first:<9}" + "".join(f"{cell:>22}" for cell in cells)


def facts(hosts: list[str], rounds: int) -> str:
    """What the times depend on."""
    return (
        f"{machine()}; {len(hosts)} hosts: {', '.join(hosts)}; rounds {rounds}\n"
        "ping: a play with ansible.builtin.ping alone, no facts. first, converged: the role ca_trust on hosts without\n"
        "the anchors, and once more. extract: update-ca-trust extract with them in place, on all hosts at once, the\n"
        "slowest. preview: the same with --output, where hosts know it; the role looks at the outcome there first.\n"
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare the role ca_trust with a ping.")
    parser.add_argument("--anchors", type=int, nargs="+", default=[1, 20, 150], help="numbers of anchors")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connection", nargs="+", choices=CONNECTIONS, default=list(CONNECTIONS))
    parser.add_argument("--hosts", nargs="+", choices=EL, default=EL)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    options = parser.parse_args()
    if min(options.anchors) < 1 or options.rounds < 1:
        parser.error("--anchors and --rounds are at least 1")
    print(facts(options.hosts, options.rounds), flush=True)
    missed = False
    for connection in options.connection:
        # New hosts for each, so that what one leaves behind is not there for the next.
        with podman.fleet(options.hosts, all_roots=True) as fleet, tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_plays(folder, options.anchors)
            inventory = write_inventory(fleet, connection, folder / "hosts.json")
            before = os.getloadavg()[0]
            found = measure(fleet, folder, inventory, options.anchors, options.rounds)
        print(f"== {connection}: {CONNECTIONS[connection]}")
        print(f"load of this machine {before:.1f} before, {os.getloadavg()[0]:.1f} after\n")
        show(found, options.hosts)
        missed = missed or any(ratio > limit for _what, ratio, limit in judge(found))
    return 1 if options.strict and missed else 0


if __name__ == "__main__":
    end_with(main)
