# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role host_certificate with an external CA, and with one on one of the hosts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pki
import plays
import pytest
from host_certificates import CA_ROLE, NAMES, PASSPHRASE, ROLE, changes, failure, failures, files, play, reloaded, run

pytestmark = pytest.mark.roles

ROOT = pki.root("Outside Root CA")
ISSUING = pki.issue("Outside Issuing CA", ROOT, ca=True, path_length=0)


def answer(folder, request, answer, names, another_key=False):
    """What the external CA, played by openssl, makes of a request: for the names that it likes, or for another key."""
    (folder / "outside.crt").write_text(ISSUING.pem)
    (folder / "outside.key").write_text(ISSUING.key_pem())
    alt_names = ",".join(f"DNS:{name}" for name in names)
    (folder / "extensions").write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        f"subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName={alt_names}\n")
    if another_key:
        request = folder / "other.csr"
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                        "-keyout", "/dev/null", "-subj", "/CN=other", "-out", request], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", folder / "outside.crt", "-CAkey",
                    folder / "outside.key", "-days", "90", "-extfile", folder / "extensions", "-out", answer],
                   check=True, capture_output=True)


def test_an_external_ca(fleet, tmp_path):
    """Collected; answered in several forms; with other names, the old answer is none, and a wrong one is refused."""
    name, requests = "shop.example.com", tmp_path / "requests"
    (tmp_path / "root.pem").write_text(ROOT.pem)
    settings = {"host_certificate_source": "external", "host_certificate_external_dir": str(requests),
                "host_certificate_external_trust": str(tmp_path / "root.pem"),
                "host_certificate_certificates": [{"name": name, "services": ["httpd"]}]}
    pem = [requests / f"{name}@{host}.csr" for host in NAMES]

    def waiting(done):
        return [one["msg"] for one in done.of("web1") if one["task"] == "Say who waits for the CA" and "msg" in one]

    foreseen = run(fleet, [play(vars=settings)], "--check")
    assert foreseen.code == 0 and not requests.exists(), failures(foreseen)
    first = run(fleet, [play(vars=settings)])
    assert first.code == 0 and sorted(requests.iterdir()) == sorted(pem), failures(first)
    [[sentence, due]] = waiting(first)
    assert sentence.startswith("2 of 2 hosts wait for the CA (web1, web2.example.com). Send it the requests below")
    assert due == [f"{name}@{host}.csr: there is no certificate yet" for host in NAMES] and str(requests) in sentence

    # web1's answer is a certificate alone in DER, the chain is for all; web2's is a folder with a PKCS#7 file.
    answer(tmp_path, pem[0], tmp_path / "web1.pem", [name])
    subprocess.run(["openssl", "x509", "-in", tmp_path / "web1.pem", "-outform", "DER", "-out",
                    requests / f"{name}@web1.cer"], check=True)
    answer(tmp_path, pem[1], tmp_path / "web2.pem", [name])
    (requests / "chain").mkdir()
    (requests / "chain" / "outside.crt").write_text(ISSUING.pem)
    (requests / f"{name}@web2.example.com").mkdir()
    subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", tmp_path / "web2.pem", "-out",
                    requests / f"{name}@web2.example.com" / "answer.p7b"], check=True)
    # What waits in one use of the role is no matter of the next one in the play.
    later = {"role": ROLE, "vars": {"host_certificate_certificates": [{"name": "a"}, {"name": "b"}]}}
    second = run(fleet, [play(later, ROLE, vars=settings)])
    [[_sentence, due]] = waiting(second)
    assert second.code == 0 and [line.partition(".csr")[0] for line in due] == [
        f"{one}@{host}" for host in NAMES for one in ("a", "b")], failures(second)
    for host, one in files(fleet, name).items():
        fleet[host].write("/root/outside.pem", ROOT.pem.encode())
        assert one.verified(name, "-CAfile", "/root/outside.pem") and one.fits()
    assert reloaded(fleet) == dict.fromkeys(NAMES, ["httpd reload"])

    settings["host_certificate_certificates"][0]["subject_alt_name"] = [f"DNS:{name}", "DNS:www.example.com"]
    serials = {host: one.serial() for host, one in files(fleet, name).items()}
    shutil.rmtree(requests / f"{name}@web2.example.com")
    answer(tmp_path, pem[1], requests / f"{name}@web2.example.com.crt", [name], another_key=True)
    third = run(fleet, [play(vars=settings)])
    assert third.code != 0 and [host for host, *_rest in failures(third)] == NAMES[1:], failures(third)
    assert "none of the certificates belongs to the private key /etc/ssl/private/shop" in failure(third, NAMES[1])
    [[sentence, due]] = waiting(third)
    assert sentence.startswith("1 of 2 hosts wait for the CA (web1)") and "DNS:www.example.com" in due[0]
    assert f"what is there is no new answer: src {requests}/{name}@web1.cer: CN={name} " in due[0]
    assert "www.example.com" in subprocess.run(["openssl", "req", "-in", pem[0], "-noout", "-text"],
                                               capture_output=True, text=True, check=True).stdout
    for host, one in files(fleet, name).items():
        assert one.serial() == serials[host] and one.verified(name, "-CAfile", "/root/outside.pem") and one.fits()
    assert reloaded(fleet) == dict.fromkeys(NAMES, [])


def test_a_ca_on_one_of_the_hosts(fleet, tmp_path):
    """Made and used there, from a play that goes over the hosts one by one; its key never comes to the controller."""
    settings = {"private_ca_dir": "/root/pki", "private_ca_passphrase": PASSPHRASE, "private_ca_host": NAMES[1],
                "private_ca_become": True, "host_certificate_certificates": [{"name": "far.example.com"}]}
    first = run(fleet, [play(CA_ROLE, ROLE, vars=settings, serial=1)])
    # The root's key is on a stick by now, which is not plugged in.
    fleet[NAMES[1]].run("ln", "-sf", "/mnt/stick/root.key", "/root/pki/root/root.key")
    again = run(fleet, [play(CA_ROLE, ROLE, vars=settings)])
    assert first.code == again.code == 0 and changes(again) == {}, failures(first) + failures(again)
    looks = [host for host, found in again.results.items() for one in found if "of the issuing CA, and" in one["task"]]
    assert looks == ["web1"], "once for all hosts"
    assert "Make the root" in changes(first)["web1"] and "Make the root" not in changes(first)[NAMES[1]]
    root = fleet[NAMES[1]].read("/root/pki/root/root.crt")
    assert not Path("/root/pki").exists() and not fleet["web1"].exists("/root/pki")
    for host, one in files(fleet, "far.example.com").items():
        fleet[host].write("/root/far.pem", root)
        assert one.verified("far.example.com", "-CAfile", "/root/far.pem") and one.fits()
    # A report knows what hosts are to trust, wherever that is kept; and says so where it can't be read.
    distributed = plays.playbook(fleet.inventory, "fleetpki.host_trust.distribute_trust",
                                 variables={"host_trust_become": False, **settings})
    assert distributed.code == 0, failures(distributed)
    found = plays.findings(fleet.inventory, tmp_path / "report", **settings)
    assert [kind for kind in found if kind.startswith(("anchor", "wanted"))] == []
    lost = {**settings, "private_ca_dir": "/root/nosuch"}
    assert "wanted-refused" in plays.findings(fleet.inventory, tmp_path / "report", **lost)
