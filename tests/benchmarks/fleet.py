# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet costs, by its size, side by side with a ping and with plays as people write them today.

    python tests/benchmarks/fleet.py [--help]

The hosts are containers on the machine that runs Ansible, so their work counts, too: there, host and controller share
the same cores. What a play took of the controller alone is in the column "CPU".
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import FORKS, Cost, end_with, machine, pki, podman, run_play, say, write_play

PLATFORMS = ("el9", "el9", "debian12", "el8", "el10", "el9", "debian13")  # of the hosts, in turn
PASSPHRASE = "of this benchmark only"
ROLE = "fleetpki.host_trust.ca_trust"
PLACES = {"redhat": "/etc/pki/ca-trust/source/anchors", "debian": "/usr/local/share/ca-certificates"}
EXTRACTS = {"redhat": "update-ca-trust extract", "debian": "update-ca-certificates"}
TLS = {"redhat": "/etc/pki/tls", "debian": "/etc/ssl"}
NAME = "{{ inventory_hostname }}.example.com"
OF_FAMILY = "[group_names | first]"

# Targets
PLAY = 1.3  # a converged ca_trust, in pings
CONSTANT = 1.1  # cost per host in each of the larger fleets, in that of the smallest
MEMORY = 1.2  # of the controller, in a ping's
BUNDLE = 150  # anchors in a bundle that is not sent for nothing

# The plays in the order in which they run: name, what is undone before, changes that each host must report
ORDER: tuple[tuple[str, str | None, int | None], ...] = (
    ("empty", None, None),
    ("ping", None, 0),
    ("ca_trust first", "trust", 1),
    ("ca_trust converged", None, 0),
    ("its anchors converged", None, 0),
    ("host_certificate first", "certificates", 4),
    ("host_certificate converged", None, 0),
    ("cert_verify", None, 0),
    ("copy loop first", "trust", 2),
    ("copy loop converged", None, 0),
)
ONCE = ("copy loop first", "copy loop converged")  # they take minutes
OURS = ("ca_trust converged", "its anchors converged")
Found = dict[tuple[int, str], list[Cost]]  # by size of the fleet and play


def plays_of(folder: Path, anchors: int) -> dict[str, list[dict]]:
    """The plays by name; ``first`` and ``converged`` are the same one."""
    ca = {"private_ca_dir": str(folder / "ca"), "private_ca_passphrase": PASSPHRASE}
    sources = [f"root-{number}.crt" for number in range(1, anchors)] + [str(folder / "ca/root/root.crt")]
    listed = {"ca_trust_anchors": [{"src": source} for source in sources]}
    copies = [{"ansible.builtin.copy": {"src": "{{ item }}", "mode": "0644",
                                        "dest": f"{{{{ places{OF_FAMILY} }}}}/{{{{ item | basename }}}}"},
               "loop": sources, "notify": "extract"}]
    extract = [{"name": "extract", "ansible.builtin.command": f"{{{{ extracts{OF_FAMILY} }}}}"}]
    verified = {"path": f"{{{{ tls{OF_FAMILY} }}}}/certs/{NAME}-fullchain.pem", "hostnames": [NAME]}
    certificate = {**ca, "host_certificate_certificates": [{"name": NAME}]}
    return {
        "empty": [{"tasks": []}],
        "ping": [{"tasks": [{"ansible.builtin.ping": {}}]}],
        "ca_trust": [{"roles": [{"role": ROLE, "vars": listed}]}],
        "its anchors": [{"tasks": [{"ansible.builtin.import_role": {"name": ROLE, "tasks_from": "anchors"}}],
                         "vars": listed}],
        "host_certificate": [{"roles": [{"role": "fleetpki.host_trust.host_certificate", "vars": certificate}]}],
        "cert_verify": [{"tasks": [{"fleetpki.host_trust.cert_verify": {"certificates": [verified]}}],
                         "vars": {"tls": TLS}}],
        "copy loop": [{"tasks": copies, "handlers": extract, "vars": {"places": PLACES, "extracts": EXTRACTS}}],
    }


def prepare(folder: Path, anchors: int) -> None:
    """Writes the plays and the anchors, and makes the private CA."""
    files, key = folder / "files", pki.new_key()
    files.mkdir()
    roots = [pki.root(f"Benchmark Root CA {number}", key=key).pem for number in range(1, max(anchors, BUNDLE) + 1)]
    for number, root in enumerate(roots[:anchors - 1], 1):
        (files / f"root-{number}.crt").write_text(root, encoding="ascii")
    for count in (1, BUNDLE):
        (files / f"bundle-{count}.pem").write_text("".join(roots[:count]), encoding="ascii")
        task = {"fleetpki.host_trust.ca_trust_anchor": {"anchors": [{"src": f"bundle-{count}.pem"}]}}
        write_play(folder / f"bundle-{count}.yml", tasks=[task])
    for name, (play,) in plays_of(folder, anchors).items():
        write_play(folder / f"{name}.yml", **play)
    root = pki.root("Benchmark CA")
    issuing = pki.issue("Benchmark Issuing CA", root, ca=True, path_length=0)
    for name, content in (("root/root.crt", root.pem), ("issuing/issuing.crt", issuing.pem),
                          ("issuing/chain.pem", issuing.pem + root.pem),
                          ("issuing/issuing.key", issuing.key_pem(PASSPHRASE))):
        (folder / "ca" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "ca" / name).write_text(content, encoding="ascii")


def write_inventories(fleet: podman.Fleet, folder: Path, sizes: list[int]) -> None:
    """Writes HOSTS.json with the first so many hosts of the fleet, for each size."""
    groups = json.loads(fleet.inventory.read_text(encoding="utf-8"))["all"]
    for size in sizes:
        chosen = set(list(fleet)[:size])
        children = {family: {"hosts": {name: one for name, one in group["hosts"].items() if name in chosen}}
                    for family, group in groups["children"].items()}
        (folder / f"{size}.json").write_text(json.dumps({"all": {**groups, "children": children}}), encoding="utf-8")


def undo(hosts: list[podman.Host], what: str) -> None:
    """Takes away what an earlier play has put on hosts."""
    def run(host: podman.Host) -> None:
        family = host.platform.family
        if what == "trust":
            host.run("sh", "-c", f"rm -rf {PLACES[family]}/* && {EXTRACTS[family]}")
        else:
            host.run("sh", "-c", f"rm -f {TLS[family]}/certs/host*.example.com* {TLS[family]}/private/host*")

    with ThreadPoolExecutor(FORKS) as pool:
        list(pool.map(run, hosts))


def measure(fleet: podman.Fleet, folder: Path, sizes: list[int], rounds: int, options: argparse.Namespace) -> Found:
    """All costs."""
    found: Found = {}
    for number in range(1, rounds + 1):
        for size in sizes:
            inventory = folder / f"{size}.json"
            run_play(inventory, folder / "ping.yml", 0, options.forks)  # opens the connections
            for name, former, changed in ORDER:
                if name in ONCE and (number > 1 or options.without_copies):
                    continue
                say(f"round {number} of {rounds}, {size} hosts: {name}")
                if former:
                    undo(list(fleet.values())[:size], former)
                play = folder / f"{name.removesuffix(' first').removesuffix(' converged')}.yml"
                found.setdefault((size, name), []).append(run_play(inventory, play, changed, options.forks))
    return found


def traffic(fleet: podman.Fleet, folder: Path) -> dict[str, tuple[int, int]]:
    """Bytes to one host and back again, by what was done there."""
    host, inventory = next(iter(fleet.values())), folder / "1.json"
    write_inventories(fleet, folder, [1])
    undo([host], "trust")

    def counted() -> tuple[int, int]:
        counts = host.run("sh", "-c", "cd /sys/class/net/eth0/statistics && cat rx_bytes tx_bytes").stdout.split()
        return int(counts[0]), int(counts[1])

    found = {}
    for what, play, changed in (("ping", "ping", 0), (f"{BUNDLE} anchors, first", f"bundle-{BUNDLE}", 1),
                                (f"{BUNDLE} anchors, converged", f"bundle-{BUNDLE}", 0),
                                ("1 anchor, converged", "bundle-1", 0)):
        before = counted()
        run_play(inventory, folder / f"{play}.yml", changed)
        after = counted()
        found[what] = after[0] - before[0], after[1] - before[1]
    return found


def middle(costs: list[Cost]) -> Cost:
    """The median of each."""
    return Cost(*(statistics.median(each) for each in zip(*costs, strict=True)))


def by_round(found: Found, size: int, name: str) -> list[float]:
    """Seconds for each host in each round: what the play takes longer than one that asks none."""
    pairs = zip(found[size, name], found[size, "empty"], strict=False)  # some plays run in the first round only
    return [(cost.seconds - start.seconds) / size for cost, start in pairs]


def per_host(found: Found, size: int, name: str) -> float:
    """The median of these."""
    return statistics.median(by_round(found, size, name))


def in_pings(found: Found, size: int, name: str) -> float:
    """What a host costs in a play, in what it costs in a ping: the median of the rounds' ratios."""
    pairs = zip(by_round(found, size, name), by_round(found, size, "ping"), strict=False)
    return statistics.median(cost / ping for cost, ping in pairs)


def memory(found: Found, size: int, name: str) -> float:
    """The memory of a play in that of a ping: the median of the rounds' ratios."""
    pairs = zip(found[size, name], found[size, "ping"], strict=False)
    return statistics.median(cost.memory / ping.memory for cost, ping in pairs)


def slope(found: Found, sizes: list[int], name: str) -> float:
    """Seconds that one more host takes: least squares over the sizes."""
    if len(sizes) < 2:
        return float("nan")
    return statistics.linear_regression(sizes, [middle(found[size, name]).seconds for size in sizes]).slope


def judge(found: Found, sizes: list[int], sent: dict[str, tuple[int, int]], bundle: int) -> list[tuple]:
    """The targets: what is compared, what it came to, what it may come to."""
    judged: list[tuple[str, float, float]] = []
    for name in OURS:
        judged += [(f"{name}, {size} hosts: pings per host", in_pings(found, size, name), PLAY) for size in sizes]
        judged += [(f"{name}, {size} hosts: memory, in a ping's", memory(found, size, name), MEMORY)
                   for size in sizes]
    for name in (name for name, _former, changed in ORDER if changed is not None and name not in ONCE):
        least, *larger = sorted(sizes)
        judged += [(f"{name}: cost per host, {size} hosts / {least}",
                    per_host(found, size, name) / per_host(found, least, name), CONSTANT) for size in larger]
    # What is sent with 150 anchors in place and not with one: fingerprints, where it could be all of the bundle.
    more = sent[f"{BUNDLE} anchors, converged"][0] - sent["1 anchor, converged"][0]
    judged.append((f"{BUNDLE} anchors in place: bytes sent, in the bundle's size", more / bundle, 0.5))
    return judged


def show(found: Found, sizes: list[int], sent: dict[str, tuple[int, int]], bundle: int) -> None:
    """Prints the tables."""
    print(f"{'':<28}" + "".join(f"{f'{size} hosts':>36}" for size in sizes) + f"{'slope':>10}")
    head = f"{'s':>9}{'ms/host':>9}{'CPU s':>9}{'MiB':>9}"
    print(f"{'':<28}" + head * len(sizes) + f"{'ms/host':>10}")
    for name in (name for name, _former, _changed in ORDER if (sizes[0], name) in found):
        row = f"{name:<28}"
        for size in sizes:
            cost = middle(found[size, name])
            row += f"{cost.seconds:>9.2f}{1000 * per_host(found, size, name):>9.0f}{cost.cpu:>9.2f}{cost.memory:>9.0f}"
        print(row + f"{1000 * slope(found, sizes, name):>10.0f}")
    print(f"\n{'one host':<28}{'bytes to it':>12}{'from it':>12}     (the bundle of {BUNDLE} has {bundle} bytes)")
    for what, (to_host, from_host) in sent.items():
        print(f"{what:<28}{to_host:>12}{from_host:>12}")
    print("\nTargets")
    for what, ratio, limit in judge(found, sizes, sent, bundle):
        print(f"  {what:<62}{ratio:6.2f}, at most {limit}: {'met' if ratio <= limit else 'MISSED'}")
    print(flush=True)


def facts(options: argparse.Namespace) -> str:
    """What the figures depend on."""
    platforms = ", ".join(dict.fromkeys(PLATFORMS[:options.hosts]))
    return (
        f"{machine(options.forks)}; hosts ({platforms}) on the same machine, SSH with pipelining, connections open; "
        f"rounds {options.rounds}, medians\n"
        "ms/host: without what an empty play takes. CPU: of the controller. MiB: its largest process at its peak.\n"
        f"ca_trust: the role with {options.anchors} anchors; its anchors: the same with tasks_from: anchors.\n"
        "copy loop: copy in a loop over the same files, and a handler that runs the extract; in the first round only.\n"
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="What fleets of several sizes cost.")
    parser.add_argument("--hosts", type=int, default=100, help="the largest fleet")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30, 100], help="fleets, up to --hosts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--anchors", type=int, default=20)
    parser.add_argument("--forks", type=int, default=FORKS)
    parser.add_argument("--without-copies", action="store_true", help="leave the copy loop out, which takes longest")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    options = parser.parse_args()
    if min(options.hosts, options.rounds, options.anchors, options.forks, *options.sizes) < 1:
        parser.error("all numbers are at least 1")
    sizes = sorted({min(size, options.hosts) for size in options.sizes} | {options.hosts})
    os.environ["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=auto -o ControlPersist=60m"
    print(facts(options), flush=True)
    names = {f"host{number}": PLATFORMS[(number - 1) % len(PLATFORMS)] for number in range(1, options.hosts + 1)}
    say(f"starting {options.hosts} hosts")
    with podman.fleet(names, all_roots=True) as fleet, tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        prepare(folder, options.anchors)
        write_inventories(fleet, folder, sizes)
        before = os.getloadavg()[0]
        found = measure(fleet, folder, sizes, options.rounds, options)
        sent = traffic(fleet, folder)
        bundle = (folder / f"files/bundle-{BUNDLE}.pem").stat().st_size
    print(f"load of this machine {before:.1f} before, {os.getloadavg()[0]:.1f} after\n")
    show(found, sizes, sent, bundle)
    missed = any(ratio > limit for _what, ratio, limit in judge(found, sizes, sent, bundle))
    return 1 if options.strict and missed else 0


if __name__ == "__main__":
    end_with(main)
