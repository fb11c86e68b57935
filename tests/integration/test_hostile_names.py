# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates whose names want to be more than text: at a terminal, in a template, as a path.

Who names a CA, a server or a request is not who runs the play. Here, all that a play shows is looked through, and a
template that is carried out somewhere leaves a file behind.
"""

from __future__ import annotations

import ipaddress
import re
import sys

import pki
import plays
import podman
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

pytestmark = pytest.mark.clients

ANCHORS = "/etc/pki/ca-trust/source/anchors"
COMMON = "\x1b[2J\u202e../../{{ 7 * '7' }}\r\nok: [forged]\x9b"
CARRIED_OUT = "7777777"


@pytest.fixture(scope="module")
def mark(tmp_path_factory):
    """A file of the controller that is not there, unless a name was a template somewhere."""
    return tmp_path_factory.mktemp("mark") / "owned"


@pytest.fixture(scope="module")
def papers(mark):
    """A CA, what it has signed, and all of their names hostile."""
    template = f"{{{{ lookup('pipe', 'touch {mark}') }}}}"
    hostile = [("O", f"<script>alert(1)</script>{template}\x1b]0;owned\x07"), ("CN", COMMON)]
    root = pki.root(hostile)
    dns = ["web", "\x1b[31m{{ 7 * '7' }}.example.com", "-rf", "../../../etc/passwd"]
    leaf = pki.issue([*hostile, ("OU", "leaf")], root, dns=dns, purposes=["server", "client"],
                     more=[(x509.CRLDistributionPoints([x509.DistributionPoint(
                         [x509.UniformResourceIdentifier("http://x/\x1b{{ 7 * '7' }}")], None, None, None)]), False)])
    return {"root": root, "leaf": leaf}


@pytest.fixture(scope="module")
def fleet(papers):
    """A workstation with every TLS client, and an EL host whose server shows the hostile certificate at port 4433."""
    with podman.fleet({"web": "workstation", "el9": "el9"}) as hosts:
        for host in hosts.values():
            host.write("/root/leaf.crt", papers["leaf"].pem.encode())
            host.write("/root/leaf.key", papers["leaf"].key_pem().encode(), 0o600)
        hosts["el9"].run("sh", "-c", "setsid openssl s_server -accept 4433 -cert /root/leaf.crt -key /root/leaf.key "
                                     "-www </dev/null >/dev/null 2>&1 &")
        yield hosts


def harmless(printed, mark):
    """Fails where a terminal would take what was printed for anything but text, or a name was a template."""
    wrong = sorted({character for character in printed if not character.isprintable() and character not in "\n\t"})
    assert not wrong, (wrong, [line for line in printed.splitlines() if any(one in line for one in wrong)][:3])
    assert CARRIED_OUT not in printed and not mark.exists()
    assert "\nok: [forged]" not in printed
    return printed


def used(name):
    """Tasks that do with a result what playbooks do with results."""
    said = f"{{{{ {name}.msg | default('') }}}}"
    return [{"ansible.builtin.debug": {"var": name}},
            {"ansible.builtin.set_fact": {"kept": f"{{{{ {name} }}}}", "word": f"it says {said}"}},
            {"ansible.builtin.debug": {"msg": "{{ kept | to_json }} {{ word }} {{ hostvars[inventory_hostname].word }}"
                                       }},
            {"ansible.builtin.debug": {"msg": "{{ item }}"}, "loop": f"{{{{ {name}.results | default([{name}]) }}}}"},
            {"ansible.builtin.fail": {"msg": f"no: {said} {{{{ word }}}}"}}]


def test_a_hostile_ca_as_anchor(fleet, papers, mark):
    role = {"role": "fleetpki.host_trust.ca_trust",
            "ca_trust_anchors": [{"content": papers["root"].pem},
                                 {"name": "../../\x1b[2J-x", "content": pki.root().pem}],
            "ca_trust_verify_certificates": [{"path": "/root/leaf.crt", "hostnames": ["other.example.com"]}]}
    look = [{"fleetpki.host_trust.ca_trust_info": {}, "register": "seen"}, *used("seen")]
    for arguments in (["--diff", "--check"], ["--diff"], ["-v"]):
        printed = harmless(plays.shown(fleet.inventory, look, *arguments, roles=[role]), mark)
        assert "\\1B[2J" in printed
    assert re.search(r"el9 .* changed=0", printed) and re.search(r"web .* changed=0", printed)
    names = fleet["el9"].run("ls", "-a", ANCHORS).stdout.split("\n")
    assert len([name for name in names if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]+-[0-9a-f]{16}\.pem", name)]) == 2
    assert set(names) <= {".", "..", "", *[name for name in names if name.endswith(".pem")]}


def test_a_hostile_server(fleet, mark):
    endpoint = {"host": "el9", "port": 4433, "require": ["trusted", "name"], "server_name": "other.example.com"}
    tasks = [{"fleetpki.host_trust.tls_endpoint_info": endpoint, "register": "looked"}, *used("looked"),
             {"fleetpki.host_trust.cert_verify": {"certificates": [{
                 "path": "/root/leaf.crt", "hostnames": ["other.example.com"]}]}, "register": "verified"},
             *used("verified"),
             {"fleetpki.host_trust.tls_client_info": {"host": "el9", "port": 4433, "require": ["installed"]},
              "register": "asked"}, *used("asked")]
    printed = harmless(plays.shown(fleet.inventory, tasks, "-v", hosts="web"), mark)
    assert "\\1B[2J" in printed and "script" in printed


def test_a_hostile_certificate_in_the_smoke_test(fleet, papers, mark):
    """What its clients say of it, with its names in it, goes through facts and a report."""
    task = {"ansible.builtin.include_role": {"name": "fleetpki.host_trust.tls_smoke_test"}, "vars": {
        "tls_smoke_test_certificate": "/root/leaf.crt", "tls_smoke_test_privatekey": "/root/leaf.key"}}
    tasks = [plays.anchors(papers["root"]), task, *used("tls_smoke_test_refusals")]
    printed = harmless(plays.shown(fleet.inventory, tasks, "-v"), mark)
    assert "The smoke test of el9 fails" in printed and "{{ 7 * '7' }}.example.com" in printed


def request(key, subject, names):
    """A signing request as PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(
        x509.SubjectAlternativeName(names), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_a_hostile_request(papers, mark, tmp_path):
    """A host that was taken over asks the CA on the controller for a certificate."""
    root, leaf = pki.root("Corp Root CA"), papers["leaf"]
    (tmp_path / "ca.crt").write_text(root.pem)
    (tmp_path / "ca.key").write_text(root.key_pem())
    (tmp_path / "ca.key").chmod(0o600)
    subject = leaf.certificate.subject
    hostile = [x509.DNSName("\x1b[2J{{ 7 * '7' }}"), x509.UniformResourceIdentifier("http://a\x1b{{ 7 * '7' }}\r\nb/"),
               x509.DirectoryName(subject), x509.RFC822Name("a\r\n@example.com")]
    fine = [x509.DNSName("web"), x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]
    tasks = []
    for name, names in (("refused", hostile), ("signed", fine)):
        signed = {"csr_content": request(leaf.key, subject, names), "path": str(tmp_path / f"{name}.crt"),
                  "ca_path": str(tmp_path / "ca.crt"), "ca_privatekey_path": str(tmp_path / "ca.key")}
        tasks += [{"fleetpki.host_trust.signed_cert": signed, "register": name}, *used(name)]
    tasks += [{"fleetpki.host_trust.cert_install": {"path": str(tmp_path / "web.crt"), "content": leaf.pem,
                                                    "privatekey_path": str(tmp_path / "ca.key")}, "register": "put"},
              *used("put")]
    here = f"ansible_python_interpreter={sys.executable}"
    printed = harmless(plays.shown("localhost,", tasks, "-v", "--diff", "-e", here, connection="local"), mark)
    assert not (tmp_path / "refused.crt").exists() and (tmp_path / "signed.crt").exists()
    assert "can't be signed" in printed


def test_a_private_ca_with_a_hostile_name(mark, tmp_path):
    """It is the user's own, who may have copied it from somewhere: no path is made of it, and no terminal sees it."""
    role = {"role": "fleetpki.host_trust.private_ca", "private_ca_dir": str(tmp_path / "ca"), "private_ca_name":
            "../../\x1b[2J\u202e<b>", "private_ca_passphrase": "sesame-of-the-tests"}
    printed = harmless(plays.shown("localhost,", [], "--diff", roles=[role], connection="local"), mark)
    assert "failed=0" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"ca"}
    assert all(re.fullmatch(r"[a-z.]+", path.name) for path in (tmp_path / "ca").rglob("*"))
