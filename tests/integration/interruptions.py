# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios that on_host/each_call.py interrupts at every place on a test host, and the hosts for that."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path

import ansible
import pki

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EVERYWHERE = "EVERYWHERE" in os.environ  # everything on every host, as make kill-everywhere has it
PLACE = "/srv/interrupt"  # where the code lies on a host
TLS = "/srv/tls"  # where keys and certificates are
STAYS, FIRST, SECOND = pki.root("Stays Root CA"), pki.root("First Root CA"), pki.root("Second Root CA")
# It belongs to nobody that is killed, and ends with its host.
SERVE = """openssl s_server -quiet -www -accept 4433 -cert /srv/server.pem </dev/null >/dev/null 2>&1 &
for try in $(seq 500); do
    openssl s_client -connect localhost:4433 </dev/null 2>&1 | grep -q CONNECTED && exit; sleep 0.02
done; exit 1"""

# Few certificates of the distribution: what is tested does not depend on how many, and an extract takes 25 ms.
CUT = {
    "redhat": """
import re
path = '/usr/share/pki/ca-trust-source/anchors/ca-bundle.crt'
blocks = re.findall('-----BEGIN.*?-----END[^\\n]*\\n', open(path).read(), re.S)
open(path, 'w').write(''.join(blocks[:2]))
open('/srv/root.pem', 'w').write(blocks[1])
""",
    "debian": """
import shutil
path = '/etc/ca-certificates.conf'
names = [line for line in open(path) if line[0] not in '#!'][:2]
open(path, 'w').write(''.join(names))
shutil.copy('/usr/share/ca-certificates/' + names[1].strip(), '/srv/root.pem')
""",
}
STORES = {
    "redhat": {
        "paths": ["/etc/pki"],
        "sources": ["/etc/pki/ca-trust/source"],
        "bundle": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "aside": ["/etc/pki/ca-trust/.host_trust/preview"],
        "loose": ["/java/cacerts$", "/edk2/cacerts.bin$"],  # other bytes each time, and in no order
        "elsewhere": ["trust", "extract", "--overwrite", "--format=pem-bundle", "--filter=ca-anchors",
                      "--purpose=server-auth", "/srv/aside/ca-certificates.crt"],
        "extract": "update-ca-trust",
    },
    "debian": {
        "paths": ["/etc/ssl", "/usr/local/share", "/etc/ca-certificates.conf", "/etc/.host_trust"],
        "sources": ["/usr/local/share/ca-certificates", "/etc/ca-certificates.conf"],
        "bundle": "/etc/ssl/certs/ca-certificates.crt",
        "hashed": "/etc/ssl/certs",
        "elsewhere": ["update-ca-certificates", "--fresh", "--etccertsdir", "/srv/aside", "--hooksdir", "/nosuch"],
        "extract": "update-ca-certificates --fresh",
    },
}


def prepare(host):
    """Brings the modules and what interrupts them to a host, cuts its distribution's certificates to two, and starts a
    server that those who trust STAYS accept."""
    packed = io.BytesIO()
    ansible_folder = Path(ansible.__file__).parent
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("release.py", "module_utils"):
            archive.add(ansible_folder / name, f"ansible/{name}")
        for name in ("modules", "module_utils"):
            archive.add(ROOT / "plugins" / name, f"ansible_collections/fleetpki/host_trust/plugins/{name}")
        archive.add(HERE / "on_host", ".")
    host.write(f"{PLACE}.tar", packed.getvalue())
    host.run("sh", "-c", f"mkdir {PLACE} /srv/aside && tar -xf {PLACE}.tar -C {PLACE}")
    host.write(f"{PLACE}/ansible/__init__.py", b"")  # as in what Ansible sends
    family = host.platform.family
    host.run("python3", "-c", CUT[family])
    host.write("/srv/stays.pem", STAYS.pem.encode())
    host.run("sh", "-c", STORES[family]["extract"])
    server = pki.server("localhost", STAYS)
    host.write("/srv/server.pem", (server.pem + server.key_pem()).encode(), 0o600)
    host.run("sh", "-c", SERVE)


def store(host, before, task, **options):
    """A scenario of ca_trust_anchor on a host."""
    facts = {"hashed": None, "look": "Store", "loose": [], "verify": ["/srv/stays.pem", "/srv/root.pem"],
             **STORES[host.platform.family]}
    if host.platform.name == "el10":
        facts["hashed"] = "/etc/pki/tls/certs"
    return {**facts, "before": before, "task": task, **options}


def anchors(*elements, **options):
    """A task with ca_trust_anchor as the action plugin gives it to the host."""
    listed = [element if isinstance(element, dict) else present(element) for element in elements]
    return {"ca_trust_anchor": {"anchors": listed, **options}}


def present(pair, name=None):
    return {"name": name, "content": pair.pem}


def absent(pair):
    return {"content": pair.pem, "state": "absent"}


def interrupt(host, scenario, errors):
    """Runs a scenario on a host, and has each call meet the errors; the report of each_call.py."""
    asked = {"scenario": scenario, "errors": errors, "thrifty": not EVERYWHERE}
    done = host.run("env", f"PYTHONPATH={PLACE}", "python3", f"{PLACE}/each_call.py", input=json.dumps(asked))
    return json.loads(done.stdout)


def pair(task, *before, files=None, loose=(".",), certificates=("web.crt",)):
    """A scenario of what belongs to a key, all of it in one folder."""
    return {"look": "Pair", "paths": [TLS], "files": {f"{TLS}/{name}": text for name, text in (files or {}).items()},
            "key": f"{TLS}/web.key", "certificates": [f"{TLS}/{name}" for name in certificates], "loose": list(loose),
            "before": before, "task": task}


def at(**names):
    """Options that name files in that folder."""
    return {option: f"{TLS}/{name}" for option, name in names.items()}


def trust_scenarios(host):
    """{name: scenario} of what changes the trust of a host."""
    both = [anchors(STAYS, FIRST, purge="all")]  # purge: of what the scenario before has left
    return {
        "install": store(host, [anchors(STAYS, purge="all")], anchors(STAYS, FIRST)),
        "replace": store(host, both, anchors(STAYS, SECOND, absent(FIRST))),
        "remove": store(host, both, anchors(absent(FIRST))),
        "distrust": store(host, both, anchors({"content": host.read("/srv/root.pem").decode(), "state": "distrusted"}),
                          verify=["/srv/stays.pem"]),
        "purge": store(host, both, anchors(STAYS, purge="all")),
        # Killed in the middle of the extract; and then the repair of that is interrupted.
        "recover": store(host, both, anchors(STAYS, SECOND, absent(FIRST)),
                         interrupted="^" + re.escape(STORES[host.platform.family]["bundle"])),
    }


def pair_scenarios():
    """{name: scenario} of what changes keys and certificates; the same on all hosts."""
    issuing = pki.issue("Issuing CA", STAYS, ca=True)
    old, new = pki.server(issuer=issuing), pki.server(issuer=issuing)
    installed = {"cert_install": {
        **at(path="web.crt", chain_path="chain.pem", fullchain_path="web.pem", privatekey_path="web.key"),
        "trust_content": STAYS.pem, "content": old.pem + issuing.pem}}
    request = {"csr": {**at(path="web.csr", privatekey_path="web.key", certificate_path="web.crt"),
                       "common_name": "web1.example.com", "ca_content": issuing.pem}}
    made = {"selfsigned_cert": {**at(path="web.crt", privatekey_path="web.key"), "common_name": "web1.example.com"}}
    ca = {"selfsigned_cert": {**at(path="ca.crt", privatekey_path="ca.key"), "purpose": "root_ca",
                              "common_name": "Own CA"}}
    by_ca = at(ca_path="ca.crt", ca_privatekey_path="ca.key")
    signed = {"signed_cert": {**at(path="web.crt", fullchain_path="web.pem", csr_path="web.csr"), **by_ca}}
    crl = {"crl": {**at(path="ca.crl"), **by_ca}}
    other_key = {"key_type": "EC P-384", "regenerate_key": "mismatch"}
    keys = {"web.key": old.key_pem(), "web.key.next": new.key_pem()}
    return {
        "cert_install": pair(changed(installed, content=new.pem + issuing.pem), installed, files=keys, loose=(),
                             certificates=("web.crt", "web.pem")),
        "csr": pair(changed(request, **other_key), request, files={"web.key": old.key_pem(), "web.crt": old.pem}),
        "selfsigned_cert": pair(changed(made, **other_key), made),
        "signed_cert": pair(changed(signed, digest="sha512"), ca, request, signed, certificates=("web.crt", "web.pem")),
        "crl": pair(changed(crl, revoked=[{"serial": "4711"}]), ca, made, crl),
    }


def changed(task, **options):
    """The same task with other options."""
    ((name, given),) = task.items()
    return {name: {**given, **options}}
