# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real certificates, judged by this machine's openssl; each sentence that a user can meet is met in these files."""
import os
import pathlib
import subprocess

import pki
import pytest
from verifying import Corp, sources, verify, why, write

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import command as host_command
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import default_paths
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


def der(path, pair):
    path.write_bytes(pair.der)
    return str(path)


def p7b(path, form, *pairs):
    """A PKCS#7 bundle, its certificates in the order in which DER sorts them."""
    files = [option for number, pair in enumerate(pairs)
             for option in ("-certfile", write(path.parent / ("p7b%d.pem" % number), pair))]
    subprocess.check_call(["openssl", "crl2pkcs7", "-nocrl", "-outform", form, "-out", str(path)] + files)
    return str(path)


# --- what verifies ---

def test_names_without_a_folder_are_where_the_system_keeps_them(host, monkeypatch):
    monkeypatch.setattr(default_paths, "SYSTEM", (str(host / "none"), str(host)))
    for folder in ("certs", "private"):
        (host / folder).mkdir()
    write(host / "certs" / "web1.crt", Corp.web)
    write(host / "certs" / "web1-chain.pem", Corp.issuing)
    write(host / "private" / "web1.key", Corp.web.key_pem())
    result, _message = verify({"path": "web1.crt", "chain": ["web1-chain.pem"], "privatekey_path": "web1.key"})
    assert result["path"] == str(host / "certs" / "web1.crt") and result["name"].startswith(result["path"])
    assert result["reasons"] == [] and result["private_key_matches"] is True


def test_a_full_chain_file_verifies(host):
    path = write(host / "web1.crt", Corp.web, Corp.issuing)
    result, message = verify({"path": path, "hostnames": ["web1.example.com"], "ips": ["192.0.2.1"]})
    assert message == "1 certificate verified against what this host trusts"
    expected = {
        "path": path, "name": path + " (CN=web1.example.com)", "verified": True, "reasons": [], "warnings": [],
        "subject": "CN=web1.example.com", "issuer": "CN=Corp Issuing CA 1", "purpose": "server", "key_type": "EC P-256",
        "fingerprint_sha256": Corp.web.fingerprint, "serial": "%x" % Corp.web.certificate.serial_number,
        "dns_names": ["web1.example.com"], "ip_addresses": ["192.0.2.1", "2001:db8::1"],
        "private_key_matches": None,
        "chain": [
            {"subject": "CN=web1.example.com", "source": "certificate", "fingerprint_sha256": Corp.web.fingerprint},
            {"subject": "CN=Corp Issuing CA 1", "source": "chain", "fingerprint_sha256": Corp.issuing.fingerprint},
            {"subject": "CN=Corp Root CA", "source": "trust", "fingerprint_sha256": Corp.root.fingerprint}],
    }
    assert {key: result[key] for key in expected} == expected
    assert result["openssl"]["output"].startswith("web1.crt: OK\n")
    assert result["openssl"]["return_code"] == 0
    assert result["openssl"]["command"].endswith(
        "openssl verify -show_chain -purpose sslserver -untrusted untrusted.pem web1.crt")
    assert result["openssl"]["version"].startswith("OpenSSL ")


def test_all_the_ways_to_give_a_chain(host):
    leaf, chain = write(host / "leaf.pem", Corp.web), write(host / "chain.pem", Corp.issuing)
    dashed = write(host / "-leaf with blanks.pem", Corp.web)
    for item in [
        {"path": leaf, "chain": [chain]},
        {"path": leaf, "chain_content": Corp.issuing.pem},
        {"path": leaf, "chain": [write(host / "full.pem", Corp.web, Corp.issuing, Corp.root)]},
        {"path": leaf, "chain": [der(host / "chain.der", Corp.issuing)]},
        {"path": der(host / "leaf.der", Corp.web), "chain": [chain, chain]},
        {"path": dashed, "chain": [chain]},
        {"path": p7b(host / "a.p7b", "DER", Corp.root, Corp.issuing, Corp.web)},
        {"path": p7b(host / "b.p7b", "PEM", Corp.issuing, Corp.root, Corp.web)},
        {"content": Corp.web.pem + Corp.issuing.pem},
        {"content": Corp.web.key_pem() + Corp.web.pem + Corp.issuing.pem},
        {"path": write(host / "untrusted.pem", Corp.web, Corp.issuing)},
    ]:
        result, message = verify(item)
        assert result["verified"], message
        assert result["fingerprint_sha256"] == Corp.web.fingerprint
        assert [source for _subject, source in sources(result)] == ["certificate", "chain", "trust"]


# --- names ---

def test_names(host):
    sent = [Corp.web, Corp.issuing]
    assert not why(*sent, hostnames=["WEB1.example.com.", "192.0.2.1"], ips=["2001:0db8::0:1"])
    assert why(*sent, hostnames=["www.example.com"]) == (
        "asked for www.example.com, the certificate is for web1.example.com, 192.0.2.1, 2001:db8::1")
    assert why(pki.server("old.example.com", Corp.root, dns=[]), hostnames=["old.example.com"]) == (
        "asked for old.example.com, the certificate has no subject alternative names; CN=old.example.com is not looked "
        "at (RFC 9525)")


def test_no_names_and_none_asked_for(host):
    nameless = pki.server("old.example.com", Corp.root, dns=[])
    assert verify({"content": nameless.pem})[0]["warnings"] == [
        "has no subject alternative names: no current client accepts it for any name (RFC 9525)"]
    assert not verify({"content": nameless.pem, "hostnames": ["a"]})[0]["warnings"]
    assert not verify({"content": Corp.issuing.pem, "purpose": "ca"})[0]["warnings"]


# --- revocation lists ---

def test_the_whole_chain_is_checked_against_the_lists(host):
    lists = {"issuing": pki.crl(Corp.issuing), "leaf revoked": pki.crl(Corp.issuing, Corp.web),
             "root": pki.crl(Corp.root), "issuing revoked": pki.crl(Corp.root, Corp.issuing)}

    def found(*names):
        return verify({"content": Corp.web.pem + Corp.issuing.pem}, crls=[{"content": lists[name]} for name in names])[
            0]["reasons"]
    assert found("issuing", "root") == []
    assert found("leaf revoked", "root") == ["is revoked"]
    assert found("issuing", "issuing revoked") == ["CN=Corp Issuing CA 1, sent in the chain, is revoked"]
    assert found("issuing") == ["CN=Corp Issuing CA 1, sent in the chain, may be revoked or not: no revocation list of "
                                "its issuer was given"]


def test_a_certificate_file_named_like_the_file_of_lists(host):
    path = write(host / "crls.pem", Corp.web, Corp.issuing)
    result, message = verify({"path": path}, crls=[{"content": pki.crl(Corp.issuing) + pki.crl(Corp.root)}])
    assert result["verified"], message


# --- signatures and damage ---

def test_a_signature_by_somebody_else(host):
    impostor = pki.issue("Corp Root CA", ca=True, identifiers=False)
    forged = pki.server(issuer=impostor, identifiers=False)
    assert why(forged) == (
        "has a signature that was not made with the key of CN=Corp Root CA (another CA of that name, or a damaged "
        "file)")


def test_a_small_key_is_warned_of(host):
    result, _message = verify({"content": pki.server(issuer=Corp.root, key_type="rsa1024").pem})
    assert "has an RSA key of 1024 bits, which TLS clients refuse" in result["warnings"]


def test_a_malformed_extension(host):
    text = Corp.web.pem
    data = pem.decode(next(pem.any_blocks(text.encode("ascii"))))
    broken = data.replace(b"\x06\x03\x55\x1d\x11\x04", b"\x06\x03\x55\x1d\x11\x04"[:5] + b"\x04", 1)
    position = broken.index(b"\x06\x03\x55\x1d\x11") + 7
    broken = broken[:position] + b"\x31" + broken[position + 1:]
    assert "it or a certificate of its chain is malformed: " in "; ".join(
        verify({"content": pem.to_pem(broken)})[0]["reasons"])


# --- the whole ---

def test_all_are_judged_and_each_has_its_sentence(host):
    items = [{"content": Corp.web.pem}, {"content": Corp.web.pem + Corp.issuing.pem}, {"path": "/nosuch"}]
    outcome = verification.verify(items)
    assert not outcome["verified"]
    assert [result["verified"] for result in outcome["results"]] == [False, True, False]
    first, second = outcome["msg"].splitlines()
    assert first.startswith("certificates[0] (CN=web1.example.com): issuer CN=Corp Issuing CA 1 is not trusted by")
    assert second == "/nosuch: there is no such file"


def test_nothing_to_verify(host):
    with pytest.raises(Failure, match="'certificates' is empty"):
        verification.verify([])


def test_a_host_without_openssl(host, monkeypatch):
    monkeypatch.setenv("PATH", "/nosuch")
    monkeypatch.setattr(openssl, "SYSTEM_PATH", "/nosuch")
    with pytest.raises(Failure, match="install the package 'openssl'") as error:
        verification.verify([{"content": Corp.web.pem}])
    assert error.value.facts == {"missing_packages": ["openssl"]}


def test_one_process_a_certificate_and_one_more(host, monkeypatch):
    seen, run = [], host_command.run
    monkeypatch.setattr(host_command, "run", lambda command, *rest, **more: seen.append(command[1]) or run(
        command, *rest, **more))
    verification.verify([{"content": Corp.web.pem + Corp.issuing.pem}] * 3)
    assert seen == ["version", "verify", "verify", "verify"]


def test_nothing_is_left_behind_and_no_key_is_written(host, monkeypatch, tmp_path):
    written = []
    real = openssl.verify

    def look(program, trust, purpose, directory, *files):
        written.extend(path.read_text() for path in pathlib.Path(directory).iterdir())
        return real(program, trust, purpose, directory, *files)
    monkeypatch.setattr(openssl, "verify", look)
    (tmp_path / "tmp").mkdir()
    verification.verify([{"content": Corp.web.pem + Corp.issuing.pem + Corp.web.key_pem()}],
                        tmpdir=str(tmp_path / "tmp"))
    assert len(written) == 2 and not any("KEY" in text for text in written)
    assert not os.listdir(str(tmp_path / "tmp"))
