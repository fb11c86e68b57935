# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ca_trust_anchor as users run it, judged by the hosts' own tools: what it installs, removes, distrusts and proves."""

from __future__ import annotations

import subprocess

import images
import pki
import plays

ROOT = pki.root([("O", "Corp"), ("CN", "Corp Root CA")], key_type="rsa")
ISSUING = pki.issue([("O", "Corp"), ("CN", "Corp Issuing CA")], ROOT, ca=True, path_length=0)
SERVER = pki.server(issuer=ISSUING)
OTHER = pki.root("Other Root CA")

VERIFY = plays.command("openssl", "verify", "-untrusted", "/root/issuing.crt", "/root/server.crt")
VERIFIED = "/root/server.crt: OK"
ANCHORS = {"redhat": "/etc/pki/ca-trust/source/anchors", "debian": "/usr/local/share/ca-certificates"}
BUNDLE = {"redhat": "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "debian": "/etc/ssl/certs/ca-certificates.crt"}


def bring_server(hosts):
    for host in hosts.values():
        host.write("/root/server.crt", SERVER.pem.encode())
        host.write("/root/issuing.crt", ISSUING.pem.encode())


def held(host):
    """{file name: content} of the host's local anchors."""
    folder = ANCHORS[host.platform.family]
    names = host.run("ls", "-A", folder).stdout.split("\n")[:-1]
    return {name: host.read(f"{folder}/{name}").decode() for name in names}


def fingerprint(text):
    """SHA-256 of the first certificate in a PEM text, by the openssl of this machine."""
    done = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=text.encode(),
                          capture_output=True, check=True)
    return done.stdout.decode().strip().split("=")[1].replace(":", "").lower()


def trusted(host):
    """Fingerprints in the host's extracted bundle, as somebody else than this collection reads it."""
    blocks = host.read(BUNDLE[host.platform.family]).decode().split("-----END CERTIFICATE-----")[:-1]
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    return {
        x509.load_pem_x509_certificate((block[block.index("-----BEGIN"):] + "-----END CERTIFICATE-----\n").encode())
        .fingerprint(hashes.SHA256()).hex() for block in blocks
    }


def leftovers(host):
    """Whatever a run could have left lying about."""
    return host.run("find", "/etc", "/usr/local", "/tmp", "-name", "*host_trust*").stdout


def test_the_life_of_an_anchor(all_hosts):
    bring_server(all_hosts)
    both = plays.anchors({"name": "corp-root", "content": ROOT.pem}, ISSUING)
    gone = plays.anchors({"name": "corp-root", "state": "absent"},
                         {"fingerprint": ISSUING.fingerprint, "state": "absent"})
    looked = {**both, "check_mode": True}
    play = plays.run(all_hosts.inventory, [VERIFY, looked, both, VERIFY, looked, both, {**gone, "check_mode": True},
                                           gone, VERIFY, gone], "--diff")
    for name, results in play.results.items():
        before, foreseen, done, after, foreseen_again, again, foreseen_gone, removed, at_last, idle = results
        assert before["rc"] != 0 and after["rc"] == 0 and VERIFIED in after["stdout"] and at_last["rc"] != 0, name
        changed = [foreseen, done, foreseen_again, again, foreseen_gone, removed, idle]
        assert [result["changed"] for result in changed] == [True, True, False, False, True, True, False], name
        for told, happened in ((foreseen, done), (foreseen_gone, removed)):
            assert told["plan"] == happened["plan"]
            assert told["diff"] == happened["diff"]
            assert [one["path"] for one in told["anchors"]] == [one["path"] for one in happened["anchors"]]
        assert [step["action"] for step in done["plan"]] == ["install", "install", "extract"]
        assert done["extracted"] and not again["extracted"]
        assert f"trusted: CN=Corp Root CA,O=Corp, SHA-256 {ROOT.fingerprint}, expires " in done["diff"]["after"]
        assert done["diff"]["before"] == "" == again["diff"]["after"]
        corp = again["anchors"][0]
        assert corp["name"] == "corp-root" and corp["fingerprint_sha256"] == ROOT.fingerprint
        assert "found_in" not in corp and BUNDLE[all_hosts[name].platform.family] in done["anchors"][0]["found_in"]
        assert "BEGIN" not in str(again), "the certificates themselves do not come back"
        assert held(all_hosts[name]) == {} and leftovers(all_hosts[name]) == ""


def test_files_are_roots_and_readable_by_all(one_of_each):
    plays.run(one_of_each.inventory, [plays.anchors(ROOT)])
    for host in one_of_each.values():
        (name,) = held(host)
        path = f"{ANCHORS[host.platform.family]}/{name}"
        assert host.run("stat", "-c", "%U:%G %a", path).stdout == "root:root 644\n"
        assert fingerprint(held(host)[name]) == ROOT.fingerprint


def test_distrust_purge_and_hand_made_anchors(all_hosts):
    """Also the distribution's own certificates: distrusted by fingerprint, never purged, trusted again on request."""
    public = {}
    for name, host in all_hosts.items():
        folder = ANCHORS[host.platform.family]
        host.write(f"{folder}/by-hand.crt", (OTHER.pem + "\n").replace("\n", "\r\n").encode())
        host.write(f"{folder}/second copy.crt", b"# old\n" + OTHER.pem.encode())
        public[name] = sorted(trusted(host))[0]
    inventory = all_hosts.inventory
    variables = {"vars": {"public": public}}
    distrust = plays.anchors(ROOT, {"fingerprint": "{{ public[inventory_hostname] }}", "state": "distrusted"})
    play = plays.run(inventory, [
        plays.anchors(OTHER), distrust, distrust, plays.anchors(ROOT, purge="managed"),
        plays.anchors({"content": OTHER.pem, "state": "absent"}),
        plays.anchors(ROOT, purge="all"), plays.anchors({"content": OTHER.pem}, purge="all"),
    ], **variables)
    for name, results in play.results.items():
        hand, first, second, managed, absent, every, purged = results
        host = all_hosts[name]
        changed = [result["changed"] for result in results]
        assert changed == [True, True, False, False, True, False, True], (name, results)
        assert [step["action"] for step in hand["plan"]] == ["extract"], "found by fingerprint, not installed twice"
        assert "distrust" in [step["action"] for step in first["plan"]]
        assert [step["action"] for step in absent["plan"]] == ["remove", "remove", "extract"]
        assert [step["action"] for step in purged["plan"]] == ["install", "remove", "extract"]
        now = trusted(host)
        assert public[name] not in now and OTHER.fingerprint in now and ROOT.fingerprint not in now
        assert len(now) == images.ROOTS, "the distribution's own are never touched"
    again = plays.run(inventory, [{"fleetpki.host_trust.ca_trust_info": {}}])
    for name, (info,) in again.results.items():
        assert info["counts"]["distrusted"] == 1 and info["distrusted"][0]["fingerprint_sha256"] == public[name]
        assert info["in_sync"] is True
        pem = all_hosts[name].run("cat", info["distrusted"][0]["path"]).stdout
        lift = plays.run(inventory, [plays.anchors({"content": pem})], "--limit", name).of(name)[0]
        assert lift["changed"] and "undistrust" in [step["action"] for step in lift["plan"]]
        assert public[name] in trusted(all_hosts[name])


FORMS = {
    "crlf.pem": (ROOT.pem + ISSUING.pem).replace("\n", "\r\n").encode(),
    "mark.pem": b"\xef\xbb\xbf" + ROOT.pem.encode(),
    "text.pem": b"Issuing\n=======\n" + ISSUING.pem.encode() + b"\nRoot:\n" + ROOT.pem.encode() + b"\nend\n",
    "utf16.pem": ROOT.pem.encode("utf-16"),
    "root.der": ROOT.der,
}


def test_forms_that_people_have(el9, tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    for name, content in FORMS.items():
        (files / name).write_bytes(content)
    (tmp_path / "both.pem").write_text(ROOT.pem + ISSUING.pem)
    subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", "both.pem", "-outform", "DER",
                    "-out", "files/win.p7b"], cwd=tmp_path, check=True)
    (files / "vault.pem").write_text(ROOT.pem)
    (tmp_path / "password").write_text("secret\n")
    password = ["--vault-password-file", str(tmp_path / "password")]
    subprocess.run(["ansible-vault", "encrypt", *password, str(files / "vault.pem")],
                   check=True, capture_output=True, env=plays.ansible_environment())
    el9["el9"].write("/root/on host.p7b", (files / "win.p7b").read_bytes())
    sources = [{"src": name} for name in [*FORMS, "win.p7b", "vault.pem", "both.pem"]] + [{"path": "/root/on host.p7b"}]
    tasks = []
    for source in sources:
        tasks += [plays.anchors(source), plays.anchors(source), plays.anchors(purge="all")]
    play = plays.run(el9.inventory, tasks, *password, folder=tmp_path)
    results = play.of("el9")
    for number, source in enumerate(sources):
        first, again, purged = results[3 * number:3 * number + 3]
        assert [first["changed"], again["changed"], purged["changed"]] == [True, False, True], (source, first)
        found = {one["fingerprint_sha256"] for one in first["anchors"]}
        assert ROOT.fingerprint in found and found <= {ROOT.fingerprint, ISSUING.fingerprint}
        alone = source.get("src") in ("mark.pem", "utf16.pem", "root.der", "vault.pem")
        assert len(found) == (1 if alone else 2), source


NAMES = ["with space", "Zürich Wurzel", "a/b", "../../../../etc/cron.d/x", "x" * 300, ".hidden", "-rf"]


def test_names_of_all_kinds(el9):
    roots = [pki.root("Same Subject", key=ROOT.key, serial=number + 1) for number in range(len(NAMES))]
    listed = [{"name": name, "content": root.pem} for name, root in zip(NAMES, roots, strict=True)]
    gone = [{"name": name, "state": "absent"} for name in NAMES]
    twice = [{"name": "one", "content": ROOT.pem}, {"name": "two", "content": ROOT.pem}]
    play = plays.run(el9.inventory, [plays.anchors(*listed), plays.anchors(*listed), plays.anchors(*gone),
                                     plays.anchors(*twice), plays.anchors(*twice)])
    for name, results in play.results.items():
        first, _again, _removed, two, _two_again = results
        assert [result["changed"] for result in results] == [True, False, True, True, False], name
        assert len(first["anchors"]) == len(listed) and len(two["anchors"]) == 1
        files = {one["path"].rpartition("/")[2] for one in first["anchors"]}
        assert {one["path"].rpartition("/")[0] for one in first["anchors"]} == {ANCHORS["redhat"]}
        assert len(files) == len(listed) and all(file.isascii() and file[0] not in ".-" for file in files)
        assert list(held(el9[name])) == [f"one-{ROOT.fingerprint[:16]}.pem"]


def test_the_mozilla_bundle(el_hosts, tmp_path):
    """Some 140 certificates with comments between them: by file into EL, and into a bundle; again by fingerprint."""
    import certifi

    (tmp_path / "mozilla.pem").write_bytes(b"# Mozilla's roots\n" + open(certifi.where(), "rb").read())
    everything = {"anchors": [{"src": "mozilla.pem"}], "allow_expired": True}
    bundle = {**everything, "store": "bundle", "bundle_path": "/root/app.pem"}
    tasks = [{"fleetpki.host_trust.ca_trust_anchor": options} for options in (everything, everything, bundle, bundle)]
    play = plays.run(el_hosts.inventory, tasks, folder=tmp_path)
    for name, results in play.results.items():
        assert [result["changed"] for result in results] == [True, False, True, False], name
        store, _again, app, _again = results
        assert len(store["anchors"]) == len(app["anchors"]) > 100
        assert {one["fingerprint_sha256"] for one in store["anchors"]} <= trusted(el_hosts[name])
        assert all(one["found_in"] == ["/root/app.pem"] for one in app["anchors"])
        assert any("trusted by the distribution, too" in note for one in store["anchors"] for note in one["notes"])


BAD = [
    ({"content": "garbage"}, "neither PEM nor DER"),
    ({"content": ROOT.pem[:300]}, "truncated"),
    ({"content": ROOT.pem + ROOT.key_pem()}, "private key"),
    ({"content": SERVER.pem}, "it is not a CA certificate"),
    ({"content": pki.root("Weak Root", key_type="rsa1024").pem}, "1024 bits"),
    ({"content": ISSUING.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE")}, "openssl x509 -in"),
    ({"src": "no such file.pem"}, "no such file on the controller"),
    ({"src": "/dev/zero"}, "not a regular file"),
    ({"path": "/root/none.pem"}, "no such file"),
    ({"path": "/root/key.pem"}, "private key"),
    ({}, "is empty"),
    ({"path": ""}, "element 2: path is empty: give it a value"),
    ({"name": "", "state": "absent"}, "element 2: name is empty: give it a value"),
    ({"path": "/root/a\0b"}, "it is no path: embedded null byte"),
    ({"name": " ", "state": "absent"}, "element 2: name is empty: give it a value"),
    ({"name": "x"}, "needs the certificate"),
    ({"fingerprint": "12:34", "state": "absent"}, "not a SHA-256 fingerprint"),
    ({"fingerprint": "ab" * 32, "state": "distrusted"}, "nothing on this host has it"),
    ({"content": ROOT.pem, "state": "gone"}, "must be one of"),
    ({"content": ROOT.pem, "src": "x"}, "mutually exclusive"),
]


def test_bad_input_changes_nothing_and_says_why(el9):
    host = el9["el9"]
    host.write("/root/key.pem", (ROOT.pem + ROOT.key_pem()).encode(), 0o600)
    before = host.run("sh", "-c", "find /etc/pki /usr/local -type f -printf '%p %T@ %s\\n' | sort").stdout
    bad = [*BAD, ({"content": pki.root("Old Root", days=(-9, -2)).pem}, "it expired 2 days ago"),
           ({"content": pki.root("Later Root", days=(2, 9)).pem}, "it is not valid yet")]
    tasks = [plays.anchors({"content": OTHER.pem}, element) for element, _sentence in bad]
    tasks += [
        plays.anchors(ROOT, {"content": ROOT.pem, "state": "distrusted"}),
        plays.anchors(ROOT, min_remaining="10000d"), plays.anchors(ROOT, min_remaining="a while"),
        plays.anchors(ROOT, store="bundle"), plays.anchors(ROOT, store="debian"), plays.anchors(ROOT, root="/none"),
        plays.anchors({"content": ROOT.pem, "state": "distrusted"}, store="bundle", bundle_path="/root/x.pem"),
        plays.anchors(ROOT, store="bundle", bundle_path="/none/x.pem"),
        plays.anchors(ROOT, store="bundle", bundle_path="/root/a\0b"),
        {**plays.anchors({"path": "/root/key.pem"}), "vars": {"ansible_python_interpreter": "/no/such/python"}},
    ]
    sentences = [sentence for _element, sentence in bad] + [
        "leave one of them", "min_remaining asks for", "min_remaining: 'a while' is no span of time", "bundle_path",
        "update-ca-certificates", "is no folder", "use state: absent", "create its folder first", "a NUL byte",
        "interpreter"]
    play = plays.run(el9.inventory, tasks, "-vvv")
    results = play.of("el9")
    assert len(results) == len(sentences)
    for result, sentence in zip(results, sentences, strict=True):
        assert result.get("failed") and sentence in result["msg"], (sentence, result.get("msg"))
        assert "Traceback" not in result["msg"]
    assert results[-1]["rc"] == 127 and "/no/such/python" in results[-1]["module_stderr"], "what the host said, too"
    assert host.run("sh", "-c", "find /etc/pki /usr/local -type f -printf '%p %T@ %s\\n' | sort").stdout == before
    secret = ROOT.key_pem().splitlines()[3]
    assert all(secret not in str({**result, "invocation": None}) for result in results)


def test_an_unknown_family_and_missing_tools(el_hosts):
    el_hosts["el8"].write("/etc/os-release", b"ID=gentoo\n")
    el_hosts["el9"].run("rm", "/usr/bin/update-ca-trust")
    el_hosts["el10"].run("mv", "/usr/bin/trust", "/usr/bin/gone")
    play = plays.run(el_hosts.inventory, [plays.anchors(ROOT), {**plays.anchors(ROOT), "check_mode": True}])
    assert all(result["failed"] for results in play.results.values() for result in results)
    assert "ID=gentoo" in play.of("el8")[0]["msg"]
    assert play.of("el9")[1]["missing_packages"] == ["ca-certificates"]
    assert "install the package p11-kit-trust" in play.of("el10")[0]["msg"]


def test_purposes_and_intermediates(el_hosts):
    clients, issuing = pki.root("Clients CA", purposes=["client"]), ISSUING
    bring_server(el_hosts)
    play = plays.run(el_hosts.inventory, [
        plays.anchors(clients), plays.anchors(clients), plays.anchors(issuing), VERIFY, plays.anchors(issuing, ROOT),
        VERIFY])
    for name, (first, again, alone, refused, both, accepted) in play.results.items():
        assert first["changed"] and not again["changed"], name
        assert clients.fingerprint not in trusted(el_hosts[name])
        assert first["anchors"][0]["found_in"] == ["/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt"]
        assert "the TLS bundle leaves it out" in first["anchors"][0]["notes"][0]
        assert "OpenSSL here refuses chains" in alone["anchors"][0]["warnings"][0] and refused["rc"] != 0
        assert not both["anchors"][0]["warnings"] and VERIFIED in accepted["stdout"]
        assert any("OpenSSL here refuses chains" in warning for warning in alone["warnings"])


def test_a_leaf_is_proven_or_refused(one_of_each):
    """With allow_non_ca: Debian's bundle takes it; EL's tools leave it out, so there it fails and is rolled back."""
    leaf = pki.issue("self-signed.example.com", dns=["self-signed.example.com"])
    play = plays.run(one_of_each.inventory, [plays.anchors(leaf, allow_non_ca=True)])
    for name, (result,) in play.results.items():
        host = one_of_each[name]
        if host.platform.family == "debian":
            assert result["changed"] and leaf.fingerprint in trusted(host)
        else:
            assert result["failed"] and "is no CA certificate" in result["msg"] and "store: bundle" in result["msg"]
            assert held(host) == {}


def test_ansible_without_root_says_so(one_of_each):
    """Without become, a bundle of the user's own can be written, and everything be looked at."""
    play = plays.run(one_of_each.inventory, [
        plays.anchors(ROOT), {"fleetpki.host_trust.ca_trust_info": {}},
        plays.anchors(ROOT, store="bundle", bundle_path="/tmp/mine.pem")], "-e", "ansible_user=user")
    for name, (refused, info, bundle) in play.results.items():
        assert refused["failed"] and "become: true" in refused["msg"], (name, refused["msg"])
        assert not info.get("failed") and info["in_sync"] is True and info["counts"]["distribution"] == images.ROOTS
        assert bundle["changed"]
        assert one_of_each[name].run("stat", "-c", "%U", "/tmp/mine.pem").stdout == "user\n"
