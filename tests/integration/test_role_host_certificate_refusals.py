# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role host_certificate refuses: of what it is told, and of what a host asks for."""

from __future__ import annotations

import json
import subprocess

import plays
from host_certificates import ROLE, Files, existing_ca, failures, play, run

BAD_NAMES = ["../../../etc/web", "-web", ".web", "web\n", "a\x7fb", "$HOME"]


def test_a_host_chooses_nothing_but_its_key(tmp_path):
    """A request that somebody has forged on the host, for a name that is too long for a common name."""
    name = f"{'long.' * 15}example.com"
    request = subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout",
         "/dev/null", "-subj", "/O=system:masters/CN=admin", "-addext", "tlsfeature=status_request", "-addext",
         "subjectAltName=DNS:bank.example.com"], check=True, capture_output=True, text=True).stdout
    due = {"csr": request, "certificate_reasons": ["there is none"], "__host_certificate_number": 0}
    given = {"ansible_connection": "local", "__host_certificate_requested": {"results": [due]},
             "host_certificate_certificates": [{"name": name}], **existing_ca(tmp_path)}
    done = plays.run("localhost,", [{"ansible.builtin.include_role": {"name": ROLE, "tasks_from": "sign"}}], vars=given)
    [signed] = next(one for one in done.of("localhost") if one["task"].endswith("Sign the certificate"))["results"]
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=signed["certificate"], check=True,
                          capture_output=True, text=True).stdout
    assert signed["subject"] == "" and signed["subject_alt_name"] == [f"DNS:{name}"], signed
    assert "Subject Alternative Name: critical" in text and "status_request" not in text, text


def test_what_is_refused(fleet, tmp_path):
    """With a sentence that says what to do; what is installed stays."""
    ca = existing_ca(tmp_path / "ca")
    own = {"host_certificate_certificates": [{"name": "refused.example.com"}]}
    cases = {
        "no passphrase": {"private_ca_passphrase": ""},
        "wrong passphrase": {"private_ca_passphrase": "wrong"},
        "no folder": {"private_ca_dir": ""},
        "relative folder": {"private_ca_dir": "pki"},
        "no CA": {"private_ca_dir": str(tmp_path / "mnt")},
        "no requests": {"host_certificate_source": "external"},
        "relative": {"host_certificate_source": "external", "host_certificate_external_dir": "requests"},
        "relative trust": {"host_certificate_source": "external", "host_certificate_external_dir": str(tmp_path / "no"),
                           "host_certificate_external_trust": "root.pem"},
        "twice": {"host_certificate_certificates": [{}, {"name": "web1"}]},
        "same files": {"host_certificate_certificates": [{"name": "*.a"}, {"name": "wildcard.a"}]},
        "absolute": {"host_certificate_not_after": "20270101000000Z"},
        "absolute here": {"host_certificate_certificates": [{"not_after": "2027-01-01"}]},
        **{bad: {"host_certificate_certificates": [{}, {"name": bad}]} for bad in BAD_NAMES},
    }
    tasks = [{"block": [{"ansible.builtin.include_role": {"name": ROLE}, "vars": {**own, **given}}],
              "rescue": [{"name": name, "ansible.builtin.debug": {"var": "ansible_failed_result"}}]}
             for name, given in cases.items()]
    done = run(fleet, [{**play(hosts="web1", vars=ca, tasks=tasks), "roles": []}])
    said = {one["task"]: json.dumps(one["ansible_failed_result"]) for one in done.of("web1")
            if "ansible_failed_result" in one}
    assert set(said) == set(cases), failures(done)
    assert "private_ca_passphrase, which the issuing CA's key is encrypted with, is not set" in said["no passphrase"]
    assert "issuing.key" in said["wrong passphrase"] and "passphrase" in said["wrong passphrase"]
    assert "private_ca_dir is not set, and is to be the folder of the CA" in said["no folder"]
    assert "private_ca_dir is pki, and is to be the folder of the CA" in said["relative folder"]
    assert f"There is no CA in {tmp_path}/mnt on localhost" in said["no CA"]
    assert "Is private_ca_dir right, mounted, and readable" in said["no CA"]
    assert "host_certificate_external_dir is not set" in said["no requests"]
    assert "host_certificate_external_dir is requests, and is to be an absolute path" in said["relative"]
    assert '"{{ inventory_dir }}/requests"' in json.loads(said["relative"])["msg"]
    assert '"{{ inventory_dir }}/root.pem"' in json.loads(said["relative trust"])["msg"]
    assert "two with the same name (web1, web1)" in said["twice"]
    assert "two with the same name (*.a, wildcard.a)" in said["same files"]
    assert "host_certificate_not_after is 20270101000000Z, and is to be relative, such as +180d" in said["absolute"]
    assert "host_certificate_not_after is 2027-01-01, and" in said["absolute here"]
    for bad in BAD_NAMES:
        assert f"has the name {json.dumps(bad)}, and files" in json.loads(said[bad])["msg"]
    assert not fleet["web1"].exists(Files(fleet["web1"], "refused.example.com").certificate)
    assert not (tmp_path / "mnt").exists()
