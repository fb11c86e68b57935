# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's certificate costs, side by side with community.crypto: python tests/benchmarks/certificates.py [--help]

Both do the same work, with the same type of key, in one run: round by round, in turn, from nothing each time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path

from common import end_with, machine, pki, podman, say, spread, time_play, write_play

KEY = {"ours": {"key_type": "EC P-256"}, "theirs": {"type": "ECC", "curve": "secp256r1"}}
HERE = "/etc/pki/tls/bench"  # on the hosts
TWICE = 2.0  # target: how many times as fast
SIDES = ("ours", "theirs")
NAME = "{{ inventory_hostname }}.example.com"
OURS, THEIRS = "fleetpki.host_trust", "community.crypto"
CONTROLLER = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}

Times = dict[str, list[float]]  # by side and step, seconds


def selfsigned() -> dict[str, list[dict]]:
    """Key, request and self-signed certificate on a host."""
    return {
        "ours": [{f"{OURS}.selfsigned_cert": {
            "path": f"{HERE}/s.crt", "csr_path": f"{HERE}/s.csr", "privatekey_path": f"{HERE}/s.key",
            "common_name": NAME, "purpose": "server", "not_after": "+90d", **KEY["ours"]}}],
        "theirs": [
            {f"{THEIRS}.openssl_privatekey": {"path": f"{HERE}/s.key", **KEY["theirs"]}},
            {f"{THEIRS}.openssl_csr": {"path": f"{HERE}/s.csr", "privatekey_path": f"{HERE}/s.key",
                                       "common_name": NAME}},
            {f"{THEIRS}.x509_certificate": {
                "path": f"{HERE}/s.crt", "csr_path": f"{HERE}/s.csr", "privatekey_path": f"{HERE}/s.key",
                "provider": "selfsigned", "selfsigned_not_after": "+90d"}},
        ],
    }


def signed(ca: Path) -> dict[str, list[dict]]:
    """Key and request on the host, signed by the CA on the controller, the certificate installed on the host."""
    ours = {"path": f"{HERE}/h.crt", "fullchain_path": f"{HERE}/h-full.pem", "privatekey_path": f"{HERE}/h.key"}
    due = "request.certificate_reasons | length > 0"
    return {
        "ours": [
            {f"{OURS}.csr": {
                "path": f"{HERE}/h.csr", "privatekey_path": f"{HERE}/h.key", "common_name": NAME,
                "certificate_path": f"{HERE}/h.crt", "renew_before": "30d", "return_content": True,
                "ca_content": f"{{{{ lookup('ansible.builtin.file', '{ca}/ca.crt') }}}}", **KEY["ours"]},
             "register": "request"},
            {f"{OURS}.signed_cert": {
                "csr_content": "{{ request.csr }}", "ca_path": f"{ca}/ca.crt", "ca_privatekey_path": f"{ca}/ca.key",
                "not_after": "+90d"},
             "delegate_to": "localhost", "vars": CONTROLLER, "register": "signed", "when": due, "changed_when": False},
            {f"{OURS}.cert_install": {
                **ours, "content": "{{ signed.fullchain }}",
                "trust_content": f"{{{{ lookup('ansible.builtin.file', '{ca}/ca.crt') }}}}"}, "when": due},
        ],
        "theirs": [
            {f"{THEIRS}.openssl_privatekey": {"path": f"{HERE}/h.key", **KEY["theirs"]}},
            {f"{THEIRS}.openssl_csr": {"path": f"{HERE}/h.csr", "privatekey_path": f"{HERE}/h.key",
                                       "common_name": NAME, "return_content": True},
             "register": "request"},
            {f"{THEIRS}.x509_certificate": {
                "path": f"{ca}/{{{{ inventory_hostname }}}}.crt", "csr_content": "{{ request.csr }}",
                "provider": "ownca", "ownca_path": f"{ca}/ca.crt", "ownca_privatekey_path": f"{ca}/ca.key",
                "ownca_not_after": "+90d"},
             "delegate_to": "localhost", "vars": CONTROLLER},
            {"ansible.builtin.copy": {"src": f"{ca}/{{{{ inventory_hostname }}}}.crt", "dest": f"{HERE}/h.crt",
                                      "mode": "0644"}},
        ],
    }


def make_ca(folder: Path) -> None:
    """The CA that both sides use, with a key that is not encrypted, which is the quickest to read for both."""
    pair = pki.root("Benchmark CA")
    folder.mkdir()
    (folder / "ca.crt").write_text(pair.pem, encoding="ascii")
    (folder / "ca.key").write_text(pair.key_pem(), encoding="ascii")


def clean(fleet: podman.Fleet, ca: Path) -> None:
    """Nothing of an earlier round is there, on hosts and controller."""
    for host in fleet.values():
        host.run("sh", "-c", f"rm -rf {HERE} && mkdir {HERE}")
    for certificate in ca.glob("host*.crt"):
        certificate.unlink()


def measure(fleet: podman.Fleet, folder: Path, jobs: dict[str, dict], rounds: int, changed: dict) -> dict[str, Times]:
    """All times by job."""
    inventory = folder / "hosts.json"
    ping = folder / "ping.yml"
    write_play(ping, tasks=[{"ansible.builtin.ping": {}}])
    found: dict[str, Times] = {job: {} for job in jobs}
    for number in range(1, rounds + 1):
        for job, sides in jobs.items():
            for side in SIDES if number % 2 else reversed(SIDES):
                say(f"round {number} of {rounds}: {job}, {side}")
                clean(fleet, folder / "ca")
                play = folder / f"{side}.yml"
                write_play(play, tasks=sides[side])
                time_play(inventory, ping, 0)  # the connections are open
                for step in ("first", "converged"):
                    seconds = time_play(inventory, play, changed[job, side] if step == "first" else 0)
                    found[job].setdefault(f"{side} {step}", []).append(seconds)
            found[job].setdefault("ping", []).append(time_play(inventory, ping, 0))
    return found


def ratios(times: Times) -> dict[str, float]:
    """How many times as fast, first and converged: medians of the rounds' ratios."""
    return {step: statistics.median(theirs / ours for theirs, ours in zip(
        times[f"theirs {step}"], times[f"ours {step}"], strict=True)) for step in ("first", "converged")}


def show(found: dict[str, Times]) -> bool:
    """Print the tables; returns whether all targets are met."""
    steps = [f"{side} {step}" for step in ("first", "converged") for side in SIDES] + ["ping"]
    print(f"{'':<22}" + "".join(f"{step:>22}" for step in steps) + "    seconds: median (min-max)")
    for job, times in found.items():
        print(f"{job:<22}" + "".join(f"{spread(times[step]):>22}" for step in steps))
    print("\nTargets")
    met = True
    for job, times in found.items():
        for step, ratio in ratios(times).items():
            met = met and ratio >= TWICE
            print(f"  {job + ', ' + step:<42}{ratio:6.2f} times as fast, at least {TWICE}: "
                  f"{'met' if ratio >= TWICE else 'MISSED'}")
    print(flush=True)
    return met


def run(hosts: int, rounds: int) -> bool:
    """Measure on so many hosts, the first job on one."""
    names = {f"host{number}": "el9" for number in range(1, hosts + 1)}
    all_met = True
    os.environ["ANSIBLE_SSH_ARGS"] = "-o ControlMaster=auto -o ControlPersist=30m"
    for job, count in (("self-signed, 1 host", 1), (f"CA-signed, {hosts} hosts", hosts)):
        chosen = dict(list(names.items())[:count])
        with podman.fleet(chosen, all_roots=True) as fleet, tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            make_ca(folder / "ca")
            inventory = json.loads(fleet.inventory.read_text(encoding="utf-8"))
            (folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
            jobs = {job: selfsigned() if count == 1 else signed(folder / "ca")}
            changed = {(job, "ours"): 1 if count == 1 else 2, (job, "theirs"): 3 if count == 1 else 4}
            found = measure(fleet, folder, jobs, rounds, changed)
            all_met = show(found) and all_met
            shutil.rmtree(folder / "ca")
    return all_met


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare certificates for hosts with community.crypto's.")
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    options = parser.parse_args()
    print(f"{machine()}; EL 9 stand-ins over SSH with pipelining, connections open; rounds {options.rounds}\n"
          "theirs: openssl_privatekey, openssl_csr and x509_certificate of community.crypto, and copy to the host.\n"
          "ours: selfsigned_cert; csr, signed_cert and cert_install. Keys are EC P-256.\n", flush=True)
    met = run(options.hosts, options.rounds)
    return 1 if options.strict and not met else 0


if __name__ == "__main__":
    end_with(main)
