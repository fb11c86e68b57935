# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_verify as users run it, on hosts of all platforms: OpenSSL 1.1.1, 3.0 and 3.5.

It changes nothing, so that most tests share their hosts.
"""

from __future__ import annotations

import json

import conftest
import images
import pki
import plays
import podman
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")], key_type="rsa")
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA 1")], ROOT, ca=True, path_length=0)
WEB = pki.server("web1.example.com", ISSUING, ips=["192.0.2.1"])
FULL = "/etc/ssl/web1.crt"
KEY = "/etc/ssl/web1.key"
PASSPHRASE = "correct horse battery"
ONE = "el8"  # for what does not depend on the platform


def bring(fleet):
    """A server's certificate with its chain and its key, which the hosts do not trust."""
    for host in fleet.values():
        host.write(FULL, (WEB.pem + ISSUING.pem).encode())
        host.write(KEY, WEB.key_pem(PASSPHRASE).encode(), 0o600)
        host.write("/trust.pem", ROOT.pem.encode())
    return fleet


@pytest.fixture(scope="module")
def hosts():
    """Hosts for tests that leave them as they were."""
    with podman.fleet(conftest.PLATFORMS) as fleet:
        yield bring(fleet)


@pytest.fixture()
def el9():
    """A fresh EL 9 stand-in."""
    with podman.fleet(["el9"]) as fleet:
        yield bring(fleet)


def cert_verify(*certificates, **options):
    listed = [{"path": one} if isinstance(one, str) else one for one in certificates]
    return {"fleetpki.host_trust.cert_verify": {"certificates": listed, **options}}


def sent(*pairs, **options):
    """An element of ``certificates`` with its chain in its content."""
    return {"content": "".join(pair.pem for pair in pairs), **options}


@pytest.mark.platforms
def test_untrusted_before_and_trusted_after(platform_hosts):
    """An intermediate alone is not enough for OpenSSL; with its root it is."""
    hosts = bring(platform_hosts)
    task = cert_verify({"path": FULL, "hostnames": ["web1.example.com"], "ips": ["192.0.2.1"]})
    says = plays.command("openssl", "verify", "-untrusted", FULL, FULL)
    play = plays.run(hosts.inventory, [task, says, plays.anchors(ISSUING), task, says, plays.anchors(ROOT), task, says])
    for name, host in hosts.items():
        before, said_before, _change, between, said_between, _change, after, said_after = play.of(name)
        assert before["failed"] and not before["changed"] and not before["verified"]
        assert before["msg"].startswith(
            f"{FULL} (CN=web1.example.com): CN=Corp Issuing CA 1, sent in the chain, was issued by CN=Corp Root CA, "
            "which is not trusted by this host"), before["msg"]
        assert "the chain ends at the anchor CN=Corp Issuing CA 1, whose issuer CN=Corp Root CA is no anchor" in (
            between["msg"])
        assert not after.get("failed") and not after["changed"] and after["verified"]
        assert ["OK" in said["stdout"] for said in (said_before, said_between, said_after)] == [False, False, True]
        result, = after["results"]
        assert [(link["source"], link["fingerprint_sha256"]) for link in result["chain"]] == [
            ("certificate", WEB.fingerprint), ("trust", ISSUING.fingerprint), ("trust", ROOT.fingerprint)]
        assert not result["warnings"]  # the intermediate is an anchor here, and is sent as well
        assert result["openssl"]["output"].startswith("web1.crt: OK\n")
        assert after["trust"]["anchors"] > images.ROOTS
        assert host.exists(after["trust"]["file"]) or host.exists(after["trust"]["directory"])


@pytest.mark.platforms
def test_check_mode_is_the_same_and_nothing_is_left(hosts):
    task = cert_verify({"path": FULL, "privatekey_path": KEY, "privatekey_passphrase": PASSPHRASE})
    for host in hosts.values():
        host.write("/mark", b"")
    real, check = plays.run(hosts.inventory, [task]), plays.run(hosts.inventory, [task], "--check")
    for name, host in hosts.items():
        assert real.of(name)[0] == check.of(name)[0]
        assert real.of(name)[0]["failed"] and not real.of(name)[0]["changed"]
        assert real.of(name)[0]["results"][0]["private_key_matches"] is True
        assert host.run("find", "/etc", "/tmp", "/usr", "/root", "/var", "-newer", "/mark", "-type", "f").stdout == ""


@pytest.mark.platforms
def test_every_kind_of_finding_on_every_openssl(hosts):
    """What verifies and what does not must not depend on the version; nor may the sentences."""
    old_ca = pki.root("Old CA", issuer=ROOT, days=(-9, -3))
    no_ca = pki.server("impostor", ROOT)
    cases = [
        (sent(WEB, ISSUING), None),
        (sent(WEB, ISSUING, min_remaining="30d", hostnames=["web1.example.com."]), None),
        (sent(ISSUING, purpose="ca"), None),
        (sent(WEB), "issuer CN=Corp Issuing CA 1 is not among the anchors in /trust.pem; no chain came with it"),
        (sent(pki.server(issuer=pki.root("Corp Root CB"))), "anchors with a near name: CN=Corp Root CA"),
        (sent(pki.server()), "is self-signed and not among the anchors in /trust.pem"),
        (sent(pki.server(issuer=ISSUING, days=(-9, -3)), ISSUING), "expired 3 days ago ("),
        (sent(pki.server(issuer=ISSUING, days=(3.5, 9)), ISSUING), "is not yet valid, begins in 3 days ("),
        (sent(pki.server(issuer=old_ca), old_ca), "CN=Old CA, sent in the chain, expired 3 days ago ("),
        (sent(WEB, ISSUING, min_remaining="90w"), "sooner than min_remaining=90w allows"),
        (sent(WEB, ISSUING, hostnames=["a.example.com"]),
         "asked for a.example.com, the certificate is for web1.example.com, 192.0.2.1"),
        (sent(WEB, ISSUING, purpose="client"),
         "is not for clients: its extended key usage is serverAuth, without clientAuth"),
        (sent(WEB, ISSUING, purpose="ca"), "is not a CA: its basicConstraints do not say CA"),
        (sent(pki.server(issuer=no_ca), no_ca), "CN=impostor, sent in the chain, issued a certificate and is not a CA"),
        (sent(ISSUING, WEB), "the first certificate in the file is CN=Corp Issuing CA 1, a CA; put the host's own"),
        (sent(WEB, ISSUING, privatekey_path=KEY), "it is encrypted and no privatekey_passphrase is given"),
        (sent(WEB, ISSUING, privatekey_path=KEY, privatekey_passphrase="12345"),
         "privatekey_passphrase is wrong"),
        (sent(no_ca, privatekey_path=KEY, privatekey_passphrase=PASSPHRASE),
         f"the private key {KEY} belongs to another certificate"),
        ({"path": "/nosuch"}, "/nosuch: there is no such file"),
    ]
    play = plays.run(hosts.inventory, [
        cert_verify(*[item for item, _reason in cases], trust="/trust.pem", fail_on_error=False),
        cert_verify(*[item for item, _reason in cases], trust="/trust.pem")])
    for name in hosts:
        lenient, strict = play.of(name)
        assert not lenient.get("failed") and strict["failed"] and lenient["msg"] == strict["msg"]
        assert len(strict["msg"].splitlines()) == sum(reason is not None for _item, reason in cases)
        for (_item, reason), result in zip(cases, lenient["results"], strict=True):
            said = f"{result['name']}: {'; '.join(result['reasons'])}"
            assert (reason in said if reason else not result["reasons"]), (name, reason, said)
    assert len({play.of(name)[0]["msg"] for name in hosts}) == 1


def test_no_secret_is_in_what_ansible_shows(hosts):
    body = "".join(WEB.key_pem().splitlines()[1:-1])
    for host in hosts.values():
        host.write("/plain.pem", (WEB.key_pem() + WEB.pem).encode(), 0o600)
        host.write("/damaged.key", WEB.key_pem().replace(body[40], "*").encode(), 0o600)
    play = plays.run(hosts.inventory, [cert_verify(
        {"path": FULL, "privatekey_path": KEY, "privatekey_passphrase": PASSPHRASE},
        {"path": FULL, "privatekey_path": KEY, "privatekey_passphrase": "battery staple"},
        {"path": "/plain.pem", "privatekey_path": "/plain.pem"},
        {"path": "/damaged.key", "privatekey_path": "/damaged.key"})], "-vvv")
    assert PASSPHRASE not in play.output and "battery staple" not in play.output
    assert not any(body[start:start + 8] in play.output for start in range(len(body) - 8))
    for name in hosts:
        assert [one["private_key_matches"] for one in play.of(name)[0]["results"]] == [True, None, True, None]


@pytest.mark.platforms
def test_trust_in_a_hashed_directory(hosts):
    for host in hosts.values():
        host.write("/trust/root.pem", ROOT.pem.encode())
    task = cert_verify(FULL, trust="/trust")
    play = plays.run(hosts.inventory, [task, plays.command("openssl", "rehash", "/trust"), task])
    for name in hosts:
        before, _rehash, after = play.of(name)
        assert before["msg"] == ("the trust in /trust can't be used: the directory has no certificates under hashed "
                                 "names: run 'openssl rehash /trust'")
        assert after["verified"] and after["trust"] == {"file": None, "directory": "/trust", "anchors": 1}


def test_warnings_are_shown(hosts):
    nameless = pki.server("old.example.com", ROOT, dns=[])
    task = cert_verify(sent(nameless), trust="/trust.pem", engine="host")  # the other one refuses it
    result, = plays.run(hosts.inventory, [task], hosts=ONE).of(ONE)
    assert result["verified"]
    assert result["warnings"] == ["certificates[0] (CN=old.example.com): has no subject alternative names: no current "
                                  "client accepts it for any name (RFC 9525)"]


@pytest.mark.platforms
def test_both_engines_and_what_only_one_minds(hosts):
    """The root lacks a keyUsage, which OpenSSL passes over; waived by name, nothing is left."""
    root = pki.root("Old Root", key_usage=False)
    for host in hosts.values():
        host.write("/old.pem", root.pem.encode())
    web = sent(pki.server(issuer=root), hostnames=["web1.example.com"])
    play = plays.run(hosts.inventory, [
        cert_verify(web, trust="/old.pem"), cert_verify(web, trust="/old.pem", engine="host"),
        cert_verify(web, trust="/old.pem", waive=["rfc5280-ca-key-usage"]),
        cert_verify(web, trust="/old.pem", waive=["rfc5280-signature"])])
    for name in hosts:
        strict, host, waived, refused = play.of(name)
        verdicts = strict["results"][0]["verdicts"]
        assert strict["failed"] and verdicts["openssl"]["accepted"] and not verdicts["strict"]["accepted"]
        assert strict["msg"].endswith("CN=Old Root has no keyUsage (rfc5280-ca-key-usage, RFC 5280 section 4.2.1.3)")
        assert "OpenSSL on this host accepts its chain; it is refused by Python 3.13" in strict["msg"]
        assert host["verified"] and list(host["results"][0]["verdicts"]) == ["openssl"]
        assert waived["verified"] and len(waived["results"][0]["verdicts"]["strict"]["waived"]) == 1
        assert not any({"material", "crls"} & set(one["results"][0]) | {"crls"} & set(one) for one in play.of(name)[:3])
        assert refused["msg"].startswith("waive: rfc5280-signature can't be waived") and "results" not in refused


@pytest.mark.platforms
def test_revocation_lists_on_every_openssl(hosts, tmp_path):
    """Of host and controller, good and bad ones: both engines mind the same, in sentences that say what to do."""
    critical = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    of_root = pki.crl(ROOT)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/root.crl").write_text(of_root)
    for host in hosts.values():
        host.write("/issuing.crl", x509.load_pem_x509_crl(pki.crl(ISSUING).encode()).public_bytes(Encoding.DER))
    cases = [
        ([{"path": "/issuing.crl"}, {"src": "root.crl"}], None, None),
        ([{"content": pki.crl(ISSUING, WEB) + of_root}], "is revoked", "rfc5280-revoked"),
        ([{"content": pki.crl(ISSUING, days=(-9, -3)) + of_root}],
         "has an issuer whose revocation list has expired: have the CA make a new one", "rfc5280-crl-expired"),
        ([{"content": pki.crl(pki.root("Other CA")) + of_root}],
         "may be revoked or not: no revocation list of its issuer was given", "rfc5280-crl-missing"),
        ([{"content": pki.crl(ISSUING, more=[(critical, True)]) + of_root}],
         "has an issuer whose revocation list has a critical extension that OpenSSL does not know",
         "rfc5280-crl-extension"),
        ([{"path": "/issuing.crl"}],
         "CN=Corp Issuing CA 1, sent in the chain, may be revoked or not: no revocation list of its issuer was given",
         "rfc5280-crl-missing"),
    ]
    play = plays.run(hosts.inventory, [
        cert_verify(sent(WEB, ISSUING), trust="/trust.pem", crls=crls) for crls, _said, _rule in cases],
        folder=tmp_path)
    for name in hosts:
        for (_crls, said, rule), answer in zip(cases, play.of(name), strict=True):
            result, = answer["results"]
            assert answer["verified"] is (said is None), (name, answer["msg"])
            assert {one["rule"] for one in result["verdicts"]["strict"]["findings"]} == ({rule} if rule else set())
            assert said is None or said in result["verdicts"]["openssl"]["reasons"], (name, result["reasons"])


def test_revocation_lists_that_can_t_be_read(hosts, tmp_path):
    (tmp_path / "key.pem").write_text(WEB.key_pem())
    """On the controller and on the host. All options: tests/unit/plugins/modules/test_refused_looks.py."""
    cases = [({"path": "/nosuch"}, "the revocation list /nosuch can't be used: there is no such file"),
             ({"src": "nosuch.crl"}, "crls, src nosuch.crl: there is no such file on the controller"),
             ({"src": str(tmp_path / "key.pem")}, "there is a private key in it"),
             ({"path": "/a", "src": "b"}, "parameters are mutually exclusive: path|src|content"),
             ({"src": ""}, "crls[0] is empty: ")]
    play = plays.run(hosts.inventory, [cert_verify(FULL, crls=[one]) for one, _said in cases], hosts=ONE)
    for (_one, said), result in zip(cases, play.of(ONE), strict=True):
        assert result["failed"] and said in result["msg"], result["msg"]


def test_a_controller_whose_cryptography_is_too_old(hosts, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import cryptography\ncryptography.__version__ = '43.0.0'\n")
    play = plays.run(hosts.inventory, [cert_verify(FULL, trust="/trust.pem"),
                                       cert_verify(FULL, trust="/trust.pem", engine="host")], hosts=ONE,
                     environment={"PYTHONPATH": str(tmp_path)})
    strict, host = play.of(ONE)
    assert strict["failed"] and host["verified"]
    assert all(said in strict["msg"] for said in (
        "needs cryptography 49 or later on the controller", "there it has 43.0.0", "or say 'engine: host'"))


def test_async_is_for_one_engine(hosts):
    play = plays.run(hosts.inventory, [{**cert_verify(FULL, trust="/trust.pem"), "async": 30, "poll": 1},
                                       {**cert_verify(FULL, trust="/trust.pem", engine="host"), "async": 30,
                                        "poll": 1}], hosts=ONE)
    strict, host = play.of(ONE)
    assert "take async away, or say 'engine: host'" in strict["msg"] and host.get("verified"), host


def test_a_host_without_openssl(el9):
    el9["el9"].run("rm", "/usr/bin/openssl")
    result, = plays.run(el9.inventory, [cert_verify(FULL)]).of("el9")
    assert result["failed"] and result["missing_packages"] == ["openssl"]
    assert result["msg"] == "there is no 'openssl' on this host: install the package 'openssl'"


def test_without_become(hosts):
    play = plays.run(hosts.inventory, [cert_verify({"path": FULL, "privatekey_path": KEY})], "-e", "ansible_user=user")
    for name in hosts:
        assert f"the private key {KEY} can't be used: it can't be read: Permission denied; does the task need " \
               "'become'?" in play.of(name)[0]["msg"]


def test_arguments_that_make_no_sense(hosts):
    """All of them: tests/unit/plugins/modules/test_refused_looks.py."""
    cases = [
        ({"certificates": []}, "'certificates' is empty: there is nothing to verify"),
        ({"certificates": [{}]}, "one of the following is required: path, content found in certificates"),
        ({"certificates": [{"path": FULL}], "trust": "/nosuch"},
         "the trust in /nosuch can't be used: there is no such file"),
    ]
    play = plays.run(hosts.inventory, [{"fleetpki.host_trust.cert_verify": arguments} for arguments, _said in cases],
                     hosts=ONE)
    for (_arguments, sentence), result in zip(cases, play.of(ONE), strict=True):
        assert result["failed"] and sentence in result["msg"], result["msg"]


def test_three_hundred_refusals_are_read_in_a_terminal(tmp_path):
    """From where verify.yml has judged: what 300 hosts are refused for, no two in the same words, whatever is set."""
    refused = {}
    for number in range(300):
        reasons = [f"expired {number + 1} days ago (2025-{number % 12 + 1:02}-{number % 28 + 1:02}T21:17:24Z)",
                   f"asked for web{number}.example.com, the certificate is for old{number}.example.com"]
        results = [{"name": f"/etc/web{number}.crt (CN=web{number})", "verified": False, "reasons": reasons},
                   {"name": "/etc/ca.crt (CN=CA)", "verified": True, "reasons": []}]
        refused[f"web{number}"] = {
            "host_trust_verified": {"verified": False, "msg": f"long words of web{number}", "results": results}}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": refused}}), encoding="utf-8")
    environment = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_STRATEGY": "ansible.builtin.free"}
    done = plays.started(inventory, "fleetpki.host_trust.verify", "--start-at-task", "Say what is refused*",
                         "-e", "host_trust_become=false", environment=environment)
    said = done.stdout.decode()
    summary, _task, failures = said.partition("TASK [All certificates verify]")
    failures, _recap, _counts = failures.partition("PLAY RECAP")
    assert done.returncode != 0 and summary.count("expired") == summary.count(", and the like") == 1, said
    assert len(summary.splitlines()) < 30 and "and 290 more" in summary and "web0: /etc/web0.crt (CN=web0)" in summary
    lines = [line for line in failures.splitlines() if line.startswith("fatal: ")]
    assert len(lines) == 300 and max(map(len, lines)) < 120 and "long words" not in said, said
    assert "1 of 2 certificates refused: said above" in lines[0]
