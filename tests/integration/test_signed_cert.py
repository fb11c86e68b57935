# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""signed_cert as users run it: a CA on the controller signs for hosts of all platforms, and a CA on a host itself.

The tests share their hosts; each has a folder of its own there.
"""

from __future__ import annotations

import sys

import conftest
import judges
import leaking
import pki
import plays
import podman
import pytest

PASSPHRASE = "correct horse battery"
TLS = {"redhat": "/etc/pki/tls", "debian": "/etc/ssl"}


def csr(folder, **options):
    return {"fleetpki.host_trust.csr": {"path": f"{folder}web.csr", "privatekey_path": f"{folder}web.key", **options}}


def signed_cert(folder, ca="", **options):
    defaults = {"csr_path": f"{folder}web.csr", "path": f"{folder}web.crt", "fullchain_path": f"{folder}web.pem",
                "ca_path": f"{ca or folder}issuing.pem", "ca_privatekey_path": f"{ca or folder}issuing.key",
                "ca_privatekey_passphrase": PASSPHRASE}
    given = {**defaults, **options}
    return {"fleetpki.host_trust.signed_cert": {name: value for name, value in given.items() if value is not ...}}


def private_ca(folder):
    """Tasks that make a root and an issuing CA."""
    issuing = {"path": f"{folder}issuing.csr", "privatekey_path": f"{folder}issuing.key",
               "privatekey_passphrase": PASSPHRASE, "common_name": "Corp Issuing CA"}
    return [
        {"fleetpki.host_trust.selfsigned_cert": {
            "path": f"{folder}root.crt", "privatekey_path": f"{folder}root.key", "privatekey_passphrase": PASSPHRASE,
            "purpose": "root_ca", "subject_ordered": [{"O": "Corp"}, {"CN": "Corp Root CA"}]}},
        {"fleetpki.host_trust.csr": issuing},
        {"fleetpki.host_trust.signed_cert": {
            "path": f"{folder}issuing.crt", "fullchain_path": f"{folder}issuing.pem",
            "csr_path": f"{folder}issuing.csr", "purpose": "intermediate_ca", "ca_path": f"{folder}root.crt",
            "ca_privatekey_path": f"{folder}root.key", "ca_privatekey_passphrase": PASSPHRASE}},
    ]


def checked(tasks):
    return [{**task, "check_mode": True} for task in tasks]


def local(tasks, *args, **play):
    return plays.run("localhost,", tasks, *args, connection="local",
                     vars={"ansible_python_interpreter": sys.executable}, **play).of("localhost")


@pytest.fixture(scope="module")
def hosts():
    """One host of each platform: cryptography 3.3, 38 and 43 (2.6 to 3.5 of OpenSSL's and Python's to go with them)."""
    with podman.fleet(conftest.PLATFORMS) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """The folder of a private CA on the controller, made by the modules; foreseen by check mode when it was empty."""
    folder = tmp_path_factory.mktemp("ca")
    tasks = private_ca(f"{folder}/")
    results = local(checked(tasks) + tasks + tasks + checked(tasks), "--diff")
    assert [result["changed"] for result in results] == [True] * 6 + [False] * 6, results
    foreseen = results[2]
    assert foreseen["reasons"] == [f"{folder}/{name} is not there yet" for name in (
        "issuing.csr", "root.crt", "root.key")], foreseen
    for name in ("root.key", "issuing.key"):
        path = folder / name
        assert path.stat().st_mode & 0o777 == 0o600 and "ENCRYPTED" in path.read_text()
    return folder


def way(ca, name="web", **options):
    """Tasks from nothing to an installed certificate; the CA's key stays on the controller. name: of the files."""
    request = csr("", path=f"{name}.csr", privatekey_path=f"{name}.key", certificate_path=f"{name}.crt",
                  common_name="{{ inventory_hostname }}.example.com", ca_content=(ca / "issuing.crt").read_text(),
                  return_content=True, **options)
    sign = {"fleetpki.host_trust.signed_cert": {
        "csr_content": "{{ request.csr }}", "ca_path": f"{ca}/issuing.pem", "ca_privatekey_path": f"{ca}/issuing.key",
        "ca_privatekey_passphrase": PASSPHRASE}}
    install = {"fleetpki.host_trust.cert_install": {
        "path": f"{name}.crt", "fullchain_path": f"{name}.pem", "privatekey_path": f"{name}.key",
        "content": "{{ signed.fullchain }}", "trust_content": (ca / "root.crt").read_text()}}
    return [
        {**request, "register": "request"},
        {**sign, "delegate_to": "localhost", "when": "request.certificate_reasons | length > 0", "register": "signed"},
        {**install, "when": "signed is changed"},
    ]


@pytest.mark.platforms
def test_a_fleet_from_nothing_to_its_certificates(hosts, ca):
    """Check mode on empty hosts, the run, a second run; what the hosts have then verifies strictly there."""
    foreseen = plays.run(hosts.inventory, way(ca), "--check", "--diff")
    done = plays.run(hosts.inventory, way(ca) + way(ca), "--diff", "-vvv")
    for name, host in hosts.items():
        request, signed, installed = foreseen.of(name)
        assert request["changed"] and signed["changed"] and installed["changed"], (name, foreseen.of(name))
        assert request["reasons"] == ["there is no private key yet", "there is no request yet"]
        assert request["certificate_reasons"] == ["there is no certificate yet"] and request["certificate"] is None
        assert installed["reasons"] == [f"the private key {request['privatekey']['path']} is not there yet"]
        tls = TLS[host.platform.family]
        request, signed, installed, again, *skipped = done.of(name)
        assert request["changed"] and signed["changed"] and installed["changed"], (name, done.of(name))
        assert "invocation" in request and "invocation" not in signed, "signed by a process of its own"
        assert f"subject: CN={name}.example.com\n" in request["diff"]["after"]
        assert request["diff"]["before"] == "" and "PRIVATE" not in str(request["diff"])
        assert request["filename"] == f"{tls}/certs/web.csr"
        assert request["privatekey"]["path"] == f"{tls}/private/web.key"
        assert not again["changed"] and again["certificate_reasons"] == [], (name, again)
        assert again["certificate"]["issuer"] == "CN=Corp Issuing CA" and all(one["skipped"] for one in skipped)
        host.write("/root.crt", (ca / "root.crt").read_bytes())
        said = host.run("sh", "-c", f"cd {tls}/certs; openssl verify -x509_strict -CAfile /root.crt -untrusted web.pem "
                        f"-purpose sslserver -verify_hostname {name}.example.com web.crt; stat -c '%a %U' "
                        f"{tls}/private/web.key web.csr web.crt web.pem").stdout
        assert said.splitlines() == ["web.crt: OK", "600 root", *["644 root"] * 3], said
        assert not leaking.leaks(done.output, host.read(f"{tls}/private/web.key"), (ca / "issuing.key").read_text())
    assert PASSPHRASE not in done.output + foreseen.output


def test_a_changed_name_and_a_renewal_go_the_same_way(hosts, ca):
    """A SAN more; then a new kind of key, which waits beside the old one until its certificate is there."""
    names = ["DNS:{{ inventory_hostname }}.example.com", "DNS:www.example.com"]
    more, other = {"subject_alt_name": names}, {"key_type": "EC P-384", "regenerate_key": "mismatch"}

    def renewed(**options):
        return way(ca, "renewed", **options)
    plays.run(hosts.inventory, renewed(), hosts="el8,debian13")
    play = plays.run(hosts.inventory, [
        *renewed(**more), *renewed(**more), *checked(renewed(**more, **other)[:2]), *renewed(**more, **other),
        *renewed(**more, **other)], hosts="el8,debian13")
    for name in ("el8", "debian13"):
        grown, _signed, installed, idle, _skip, _skip2, *rest = play.of(name)
        foreseen, signed, due, _signed2, moved, again, *_skips = rest
        tls = TLS[hosts[name].platform.family]
        assert grown["reasons"] == grown["certificate_reasons"] == ["subject_alt_name: DNS:www.example.com is added"]
        assert installed["changed"] and not idle["changed"] and not idle["certificate_reasons"]
        assert foreseen["reasons"] == due["reasons"] == [
            "key_type: EC P-384 instead of EC P-256", "the request is for another key",
            "digest: sha384 instead of sha256"], due["reasons"]
        assert signed["changed"]
        assert due["privatekey"]["path"] == f"{tls}/private/renewed.key.next" and moved["changed"]
        assert not again["changed"] and again["privatekey"]["path"] == f"{tls}/private/renewed.key", again
        assert hosts[name].run("ls", "-A", f"{tls}/private").stdout.split().count("renewed.key.next") == 0


@pytest.mark.platforms
def test_a_ca_on_the_hosts_themselves(hosts):
    """Root, request, certificate with its chain and revocation list, in one play: check, run, again."""
    crl = {"fleetpki.host_trust.crl": {
        "path": "issuing.crl", "ca_path": "own.crt", "ca_privatekey_path": "own.key",
        "revoked": [{"serial": "4711", "reason": "superseded"}]}}
    root = {"fleetpki.host_trust.selfsigned_cert": {
        "path": "own.crt", "privatekey_path": "own.key", "purpose": "root_ca", "common_name": "Own CA"}}
    options = {"csr_path": "leaf.csr", "path": "leaf.crt", "fullchain_path": "leaf.pem", "ca_path": "own.crt",
               "ca_privatekey_path": "own.key", "mode": "0640", "group": "daemon"}
    tasks = [root, csr("", path="leaf.csr", privatekey_path="leaf.key", common_name="leaf.example.com"),
             {"fleetpki.host_trust.signed_cert": options}, crl]
    play = plays.run(hosts.inventory, checked(tasks) + tasks + tasks)
    for name, host in hosts.items():
        results, tls = play.of(name), TLS[host.platform.family]
        assert [result["changed"] for result in results] == [True] * 8 + [False] * 4, (
            name, [result["msg"] for result in results if result.get("failed")])
        assert results[2]["reasons"] == [f"{tls}/{path} is not there yet" for path in (
            "certs/leaf.csr", "certs/own.crt", "private/own.key")]
        said = host.run("sh", "-c", f"cd {tls}/certs && openssl verify -x509_strict -CAfile own.crt -crl_check "
                        "-CRLfile issuing.crl leaf.crt; stat -c '%a %G %n' leaf.* ../private/*; "
                        "openssl crl -in issuing.crl -noout -text | grep 'Serial Number'").stdout.splitlines()
        assert said[0] == "leaf.crt: OK" and said[-1].split() == ["Serial", "Number:", "4711"], said
        assert {"640 daemon leaf.crt", "640 daemon leaf.pem", "644 root leaf.csr", "600 root ../private/own.key",
                "600 root ../private/leaf.key"} <= set(said), said


def bring(host, ca, folder):
    """The controller's CA in a folder of a host; returns the folder with its slash."""
    for one in ("issuing.pem", "issuing.crt", "issuing.key", "root.crt", "root.key"):
        host.write(f"{folder}/{one}", (ca / one).read_bytes(), 0o600)
    return f"{folder}/"


def test_drift_with_reasons(hosts, ca):
    """Each drift is foreseen by check mode, then mended; then none is left."""
    folder = bring(hosts["debian13"], ca, "/srv/drift")
    namesake, stranger = pki.root("Corp Issuing CA"), pki.root("Another CA")

    def by(pair):
        return {"ca_path": ..., "ca_content": pair.pem, "ca_privatekey_path": ..., "ca_privatekey_passphrase": ...,
                "ca_privatekey_content": pair.key_pem()}
    soon, urls = {"not_after": "2027-01-31"}, {"crl_distribution_points": ["http://pki/a.crl"], "ocsp": ["http://ocsp/"]}
    steps = [
        (csr(folder, common_name="a.example.com"), {}, ["there is no certificate yet"]),
        (csr(folder, common_name="a.example.com", subject_alt_name=["DNS:a.example.com", "IP:192.0.2.1"]), {},
         ["subject_alt_name: IP:192.0.2.1 is added"]),
        (csr(folder, common_name="b.example.com", key_type="RSA 2048", regenerate_key="mismatch"), {}, [
            "the key is another one", "subject: CN=b.example.com instead of CN=a.example.com",
            "subject_alt_name: DNS:b.example.com is added, DNS:a.example.com, IP:192.0.2.1 are taken out",
            "key_type: RSA 2048 instead of EC P-256"]),
        (None, {"digest": "sha512"}, ["digest: sha512 instead of sha256"]),
        (None, {"digest": "sha512", "not_after": "+20d"}, []),  # relative: no drift
        (None, {"digest": "sha512", "not_after": "+20d", "force": True}, ["force"]),
        (None, {"digest": "sha512", "not_after": "+90d", "renew_before": "30d"}, ["it expires in "]),
        (None, soon, ["digest: sha256 instead of sha512", "not_after: 2027-01-31T00:00:00Z instead of 20"]),
        (None, {**soon, "purpose": "client"}, ["extended_key_usage: clientAuth is added, serverAuth is taken out"]),
        (None, {**soon, **urls}, ["extended_key_usage: serverAuth is added, clientAuth is taken out",
                                  "crl_distribution_points: http://pki/a.crl is added", "ocsp: http://ocsp/ is added"]),
        (None, {**soon, **urls, **by(stranger)}, ["issuer: CN=Another CA instead of CN=Corp Issuing CA"]),
        (None, {**soon, **urls, **by(namesake)}, ["issuer: CN=Corp Issuing CA instead of CN=Another CA"]),
        (None, {**soon, **urls}, ["issuer: CN=Corp Issuing CA has another key now"]),
    ]
    tasks, expected = [], []
    for request, options, reasons in steps:
        task = signed_cert(folder, backup=True, **options)
        tasks += ([request] if request else []) + checked([task]) + [task]
        expected += ([None] if request else []) + [reasons, reasons]
    cut = plays.command("sh", "-c", f"sed -i '/END/q' {folder}web.pem")
    play = plays.run(hosts.inventory, [*tasks, cut, *checked(tasks[-1:]), *tasks[-1:] * 2], "--diff", "-vvv",
                     hosts="debian13")
    *results, _cut, foreseen, mended, again = play.of("debian13")
    for reasons, result in zip(expected, results, strict=True):
        assert "reasons" in result, result
        if reasons is not None:
            assert all(any(said.startswith(reason) for said in result["reasons"]) for reason in reasons), (
                reasons, result["reasons"])
            assert result["changed"] is bool(reasons) and not result.get("warnings"), result
    fresh = results[3:]
    assert "subject_alt_name: DNS:a.example.com\n" in fresh[0]["diff"]["before"]
    assert "subject_alt_name: DNS:a.example.com, IP:192.0.2.1\n" in fresh[1]["diff"]["after"]
    assert foreseen["reasons"] == mended["reasons"] == [f"{folder}web.pem does not hold the certificate and its chain"]
    assert not again["changed"]
    kept = results[-1]["backup_files"]
    assert sorted(kept) == [f"{folder}web.crt", f"{folder}web.pem"], kept
    old = hosts["debian13"].run("openssl", "x509", "-in", kept[f"{folder}web.crt"], "-noout", "-fingerprint").stdout
    assert old != hosts["debian13"].run("openssl", "x509", "-in", f"{folder}web.crt", "-noout", "-fingerprint").stdout
    assert not leaking.leaks(play.output, hosts["debian13"].read(f"{folder}web.key"), namesake.key_pem(),
                             stranger.key_pem(), (ca / "issuing.key").read_text())
    assert PASSPHRASE not in play.output


def test_a_refusal_reaches_the_user_and_nothing_is_left_behind(hosts, ca):
    """On the host and, for those without a file, by the controller itself; nothing secret is said at -vvv.

    All that is refused: tests/unit/plugins/modules/test_refused_signing.py.
    """
    host = hosts["el8"]
    folder = bring(host, ca, "/srv/bad")
    leaf, root = pki.server(), pki.root()
    request = judges.says("openssl", "req", "-new", "-key", "/dev/stdin", "-subj", "/CN=web.example.com",
                          input=leaf.key_pem())
    cases = [
        ({"ca_privatekey_passphrase": "not correct"}, "can't be decrypted: ca_privatekey_passphrase is wrong, or the"),
        ({"ca_path": ..., "ca_privatekey_path": ..., "ca_privatekey_passphrase": ..., "ca_content": root.pem,
          "ca_privatekey_content": leaf.key_pem()},
         "the private key ca_privatekey_content does not belong to the CA's certif"),
        ({"honour": ["everything"]}, "value of honour must be one or more of: subject, "),
        ({"csr_content": ...}, "one of the following is required: csr_path, csr_content"),
    ]

    def tasks(where, **common):
        return [signed_cert(folder, where, **{"csr_path": ..., "csr_content": request, **common, **options})
                for options, _sentence in cases]
    before = judges.looks(host, folder)
    play = plays.run(hosts.inventory, tasks(""), "-vvv", hosts="el8")
    here = plays.run("localhost,", tasks(f"{ca}/", path=..., fullchain_path=...), "-vvv", connection="local")
    for (_options, sentence), result in zip(cases * 2, play.of("el8") + here.of("localhost"), strict=True):
        assert result["failed"] and not result["changed"] and sentence in result["msg"], (sentence, result["msg"])
        assert "\n" not in result["msg"] and "Traceback" not in str(result), result["msg"]
    for output in (play.output, here.output):
        assert not leaking.leaks(output, leaf.key_pem(), (ca / "issuing.key").read_text())
        assert PASSPHRASE not in output and "not correct" not in output
    assert judges.looks(host, folder) == before
