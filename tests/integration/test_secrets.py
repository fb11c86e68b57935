# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No private key and no passphrase in anything that is printed, logged, listed or left behind, however much is asked.

And keys are their owner's alone from the moment they exist; a link that another user has planted leads nowhere.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys

import pki
import plays
import podman
import pytest
import secrecy
import yaml

pytestmark = pytest.mark.clients

HERE = "/srv/secrets"
# No words that stand anywhere else, so that each is seen wherever it is.
PHRASES = {name: f"Phrase-of-{name}-7d3f" for name in ("host", "ca", "client", "nobody", "root", "next")}
# Plays have them in variables: where a task fails, Ansible shows its text.
OWN, CA, CLIENT, WRONG, LOST, NEXT = (f"{{{{ phrase_of_{name} }}}}" for name in PHRASES)
ROOT = pki.root("Corp Root CA")
WEB, USER = pki.server("web", ROOT), pki.issue("user", ROOT, purposes=["client"])
LOOSE = pki.server("loose.example.com", ROOT, key_type="rsa")
SERVE = ("setsid openssl s_server -accept 4433 -cert {0}/web.crt -key {0}/web.key -Verify 1 -CAfile {0}/root.crt -www "
         "</dev/null >/dev/null 2>&1 & for i in $(seq 500); do openssl s_client -connect 127.0.0.1:4433 </dev/null "
         "2>&1 | grep -q CONNECTED && exit; sleep 0.02; done; exit 1")
FILES = {
    "root.crt": ROOT.pem, "web.crt": WEB.pem, "web.key": WEB.key_pem(), "user.crt": USER.pem,
    "user.key": USER.key_pem(), "user-locked.key": USER.key_pem(PHRASES["client"]),
    "ca.key": ROOT.key_pem(PHRASES["ca"]), "loose.key": LOOSE.key_pem()}


def module(name, **options):
    return {f"fleetpki.host_trust.{name}": options}


def at(name):
    return f"{HERE}/{name}"


def role(name, **variables):
    return {"ansible.builtin.include_role": {"name": f"fleetpki.host_trust.{name}"}, "vars": variables}


def pair(name, **more):
    """Options of a module that makes a key: its files are called so."""
    return {"path": at(f"{name}.crt"), "privatekey_path": at(f"{name}.key"), "common_name": "web", **more}


SIGNING = {"ca_path": at("root.crt"), "ca_privatekey_path": at("ca.key"), "ca_privatekey_passphrase": CA}
GIVEN = {"ca_content": ROOT.pem, "ca_privatekey_content": "{{ key_of_root }}", "ca_privatekey_passphrase": LOST}
THERE = {"host": "127.0.0.1", "port": 4433, "server_name": "web", "client_certificate": at("user.crt")}
LOCKED = {"client_privatekey_path": at("user-locked.key"), "client_privatekey_passphrase": CLIENT}
BOTH = "{{ certificate_and_key }}"
VARIABLES = {f"phrase_of_{name}": phrase for name, phrase in PHRASES.items()} | {
    "key_of_root": ROOT.key_pem(PHRASES["root"]), "key_of_nobody": LOOSE.key_pem(PHRASES["nobody"]),
    "certificate_and_key": LOOSE.pem + LOOSE.key_pem()}
WORKS = [
    module("csr", **pair("made", privatekey_passphrase=OWN) | {"path": at("made.csr")}),
    module("csr", **pair("made", privatekey_passphrase=OWN, key_type="RSA 2048", regenerate_key="mismatch",
                         backup=True) | {"path": at("made.csr")}),
    module("selfsigned_cert", **pair("self", privatekey_passphrase=OWN, key_type="Ed25519")),
    module("selfsigned_cert", **pair("open")),
    module("selfsigned_cert", **pair("open", key_type="EC P-384", regenerate_key="always", backup=True)),
    module("signed_cert", path=at("made.crt"), csr_path=at("made.csr"), **SIGNING),
    {**module("signed_cert", csr_path=at("made.csr"), **GIVEN), "register": "signed"},
    module("crl", path=at("ca.crl"), **GIVEN),
    module("crl", path=at("other.crl"), **SIGNING),
    module("cert_install", path=at("done.crt"), privatekey_path=at("made.key"), privatekey_passphrase=OWN,
           content="{{ signed.certificate }}", trust_content=ROOT.pem),
    module("cert_verify", trust=at("root.crt"), engine="host", certificates=[
        {"path": at("web.crt")},
        {"path": at("made.crt"), "privatekey_path": at("made.key"), "privatekey_passphrase": OWN}]),
    module("tls_endpoint_info", endpoints=[THERE | LOCKED], trust=at("root.crt")),
    module("tls_client_info", endpoints=[THERE | {"client_privatekey_path": at("user.key")}], trust=at("root.crt")),
]
REFUSED = [
    module("csr", **pair("self", privatekey_passphrase=WRONG) | {"path": at("self.csr")}),
    module("csr", **pair("new") | {"path": at("new.csr"), "ca_content": BOTH, "certificate_path": at("new.crt")}),
    module("selfsigned_cert", **pair("open", privatekey_passphrase=WRONG)),
    module("selfsigned_cert", **pair("self", privatekey_passphrase=[WRONG, OWN])),
    module("signed_cert", path=at("x.crt"), csr_content=BOTH, **SIGNING),
    module("signed_cert", path=at("x.crt"), csr_path=at("made.csr"), **GIVEN | {"ca_privatekey_passphrase": WRONG}),
    module("signed_cert", path=at("x.crt"), csr_path=at("made.csr"), **SIGNING | {"ca_privatekey_passphrase": WRONG}),
    module("crl", path=at("x.crl"), **GIVEN | {"ca_privatekey_content": "{{ key_of_nobody }}"}),
    module("crl", path=at("x.crl"), **SIGNING | {"ca_privatekey_passphrase": {"is": WRONG}}),
    module("cert_install", path=at("x.crt"), privatekey_path=at("made.key"), privatekey_passphrase=WRONG,
           content=LOOSE.pem),
    module("cert_install", path=at("x.crt"), privatekey_path=at("loose.key"), content=BOTH),
    module("cert_install", path=at("x.crt"), privatekey_path=at("loose.key"), content=LOOSE.pem, trust_content=BOTH),
    module("cert_verify", certificates=[{"path": at("web.crt"), "privatekey_path": at("made.key"),
                                         "privatekey_passphrase": WRONG}]),
    module("cert_verify", certificates=[{"path": at("web.crt"), "privatekey_path": at("made.key"),
                                         "privatekey_passphrase": OWN}]),
    module("cert_verify", certificates=[{"content": BOTH}]),
    module("cert_verify", certificates=[{"path": at("web.crt"), "chain_content": BOTH}]),
    module("cert_verify", certificates=[{"path": at("web.crt")}], crls=[{"content": BOTH}]),
    module("cert_verify", certificates=[{"path": at("web.crt"), "privatekey_path": at("web.key"),
                                         "privatekey_passphrase": [WRONG]}]),
    module("tls_endpoint_info", endpoints=[THERE | LOCKED | {"client_privatekey_passphrase": WRONG}]),
    module("tls_endpoint_info", endpoints=[THERE | LOCKED | {"port": 1}], require=["trusted"]),
    module("tls_client_info", endpoints=[THERE | {"client_privatekey_path": at("user-locked.key")}], require=["curl"]),
    module("ca_trust_anchor", anchors=[{"content": BOTH}]),
    module("ca_trust_anchor", anchors=[{"path": at("both.pem")}]),
    module("ca_trust_anchor", anchors=[{"content": "{{ key_of_root }}"}]),
    module("ca_usage_info", authorities=[BOTH]),
    module("ca_usage_info", authorities=[ROOT.pem], successors=[ROOT.pem, BOTH]),
]


@pytest.fixture(scope="module")
def fleet():
    """A host that has every TLS client, keys, and a server that asks for a client's certificate; it is watched."""
    with podman.fleet({"web": "workstation"}) as hosts:
        host = hosts["web"]
        host.run("mkdir", HERE)
        for name, content in {**FILES, "both.pem": VARIABLES["certificate_and_key"]}.items():
            host.write(at(name), content.encode(), 0o600)
        host.run("sh", "-c", SERVE.format(HERE))
        secrecy.watch(host)
        yield hosts


def run(fleet, folder, tasks, *args, python=secrecy.PYTHON, **environment):
    """Runs a play with all that makes Ansible talkative; returns what it printed and what its processes showed.

    What the controller writes is below ``folder``.
    """
    for name in ("cache", "local", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    listed = json.loads(fleet.inventory.read_text())
    listed["all"]["vars"]["ansible_python_interpreter"] = python
    listed["all"]["hosts"] = {"localhost": {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
        "ansible_remote_tmp": str(folder / "remote")}}
    book, inventory, variables = (fleet.inventory.with_name(name) for name in ("play.yml", "watched.json", "vars.json"))
    inventory.write_text(json.dumps(listed))
    variables.write_text(json.dumps(VARIABLES))
    book.write_text(yaml.safe_dump([{"hosts": "web", "gather_facts": True, "ignore_errors": True, "tasks": tasks}]))
    process = subprocess.Popen(
        ["ansible-playbook", "-vvvv", "--diff", "-i", str(inventory), "-e", f"@{variables}", str(book), *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env={
            **plays.ansible_environment(), "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_LOG_VERBOSITY": "4",
            "ANSIBLE_LOG_PATH": str(folder / "log"), "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "cache"), "ANSIBLE_LOCAL_TEMP": str(folder / "local"),
            "TMPDIR": str(folder / "tmp"), **environment})
    processes = secrecy.Processes(process)
    output = process.communicate()[0]
    return output, processes.text()


def known(host, folder):
    """All secrets: passphrases, and the keys that were there before and that there are now."""
    secrets = [*map(secrecy.passphrase, PHRASES.values()), secrecy.private_key("loose", LOOSE.key_pem()),
               secrecy.private_key("the root's", VARIABLES["key_of_root"], PHRASES["root"])]
    there = host.run("sh", "-c", f"ls {HERE}/*.key* /etc/ssl/private/*.key* 2>/dev/null").stdout.split()
    made = {path: host.read(path) for path in there} | {str(path): path.read_bytes() for path in folder.rglob("*.key")}
    for path, text in made.items():
        for phrase in PHRASES.values() if b"ENCRYPTED" in text else (None,):
            try:
                secrets.append(secrecy.private_key(path, text, phrase))
            except ValueError:
                continue
    assert len(secrets) >= len(made) + 8, made.keys()
    return secrets


def test_what_is_told_on_purpose_is_found(fleet, tmp_path):
    """The search itself: whatever gets out is seen, wherever it comes to lie."""
    host, folder = fleet["web"], tmp_path / "written"
    phrase, key = "Phrase-of-a-gossip-7d3f", pki.server("gossip")
    path = at("told.key")
    tasks = [
        {"ansible.builtin.debug": {"msg": "{{ [told, key] }}"}},
        {"ansible.builtin.set_fact": {"gossip": "{{ told }}", "cacheable": True}},
        {"ansible.builtin.command": {"argv": ["sleep", "0.3"]}, "environment": {"TOLD": "{{ told }}"}},
        {"ansible.builtin.command": {"argv": ["echo", "{{ told }}"]}},
        {"ansible.builtin.copy": {"content": "{{ key }}", "dest": path, "mode": "0644"}},
        {"ansible.builtin.command": {"argv": ["sh", "-c", "sleep 0.3", "{{ told }}"]}, "delegate_to": "localhost"},
    ]
    tasks = [{**task, "vars": {"told": phrase, "key": key.key_pem()}} for task in tasks]
    output, processes = run(fleet, folder, tasks, ANSIBLE_PIPELINING="0")
    secrets = [secrecy.passphrase(phrase), secrecy.private_key("key", key.key_pem())]
    both = {phrase, "key"}
    assert secrecy.seen_in(output, secrets) == both
    assert phrase in secrecy.seen_in(processes, secrets)
    below = secrecy.seen_below(folder, secrets)
    assert below["log"] == both and any(phrase in below[path] for path in below if path.startswith("cache/")), below
    seen = secrecy.seen_on(host, secrets)
    assert seen[path] == (True, {"key"}) and seen[secrecy.SYSLOG] == (False, {phrase}), seen
    assert phrase in seen[secrecy.PROCESSES][1]
    assert any(phrase in names for where, (_open, names) in seen.items() if where.startswith(secrecy.CALLS))
    in_der = base64.b64decode("".join(key.key_pem().splitlines()[1:-1]))
    for text in (in_der, in_der.hex().encode(), b"x" + in_der[1:], repr(key.key_pem()).encode()):
        assert secrecy.seen_in(text, secrets) == {"key"}, text
    host.run("rm", path)


def roles(folder):
    """Tasks with the roles that are given passphrases: that work on a host, that fail there, that fail at once."""
    private_ca = {"private_ca_dir": str(folder / "ca"), "private_ca_passphrase": CA, "private_ca_root_passphrase": LOST}
    certificate = {"name": "web", "privatekey_passphrase": OWN}
    smoke = {"tls_smoke_test_certificate": at("smoke.crt"), "tls_smoke_test_privatekey": at("smoke.key"),
             "tls_smoke_test_privatekey_passphrase": OWN, "tls_smoke_test_controller": False,
             # What traces this would end with the task, and the server with it; its processes are seen all the same.
             "ansible_python_interpreter": "/usr/bin/python3"}
    # Of two keys it is given wrong passphrases: the report says so.
    report = {"trust_report_dir": str(folder / "report"), "trust_report_endpoints_thorough": False,
              "trust_report_endpoints": [THERE | LOCKED, THERE | LOCKED | {"client_privatekey_passphrase": WRONG}],
              "host_certificate_certificates": [certificate], "trust_report_certificates": [
                  {"path": at("made.crt"), "privatekey_path": at("made.key"), "privatekey_passphrase": WRONG}]}
    rotation = {"ca_rotation_phase": "prepare", "ca_rotation_old_dir": str(folder / "ca"),
                "ca_rotation_new_dir": str(folder / "next"), "ca_rotation_passphrase": NEXT,
                "ansible_remote_tmp": str(folder / "remote")}  # it works on the controller alone
    works = [
        role("private_ca", **private_ca),
        role("ca_rotation", **rotation),
        role("host_certificate", **private_ca, host_certificate_certificates=[certificate]),
        module("selfsigned_cert", **pair("smoke", privatekey_passphrase=OWN, subject_alt_name=["DNS:web"])),
        module("ca_trust_anchor", anchors=[{"path": at("smoke.crt")}], allow_non_ca=True),
        role("tls_smoke_test", **smoke),
        role("trust_report", **report),
    ]
    fails = [role("tls_smoke_test", **smoke | {"tls_smoke_test_privatekey_passphrase": WRONG})]
    at_once = [
        role("private_ca", **private_ca | {"private_ca_root_passphrase": {"wrong": WRONG}}),
        role("host_certificate", **private_ca, host_certificate_certificates=[
            {**certificate, "privatekey_passphrase": WRONG}]),
        role("host_certificate", **private_ca, host_certificate_certificates=[
            {**certificate, "privatekey_passphrase": [WRONG], "unknown": OWN}]),
        role("tls_smoke_test", **smoke | {"tls_smoke_test_privatekey_passphrase": [WRONG]}),
        role("ca_rotation", **rotation | {"ca_rotation_passphrase": {"wrong": WRONG}}),
        role("trust_report", **report | {"host_certificate_certificates": [
            {**certificate, "privatekey_passphrase": [WRONG]}]}),
    ]
    return works, fails, at_once


def test_nothing_of_it_is_anywhere(fleet, tmp_path):
    """Modules and roles, as they work and as they fail: with -vvvv, --diff and --check, files kept on the host, both
    callbacks, the log, the system's log, the facts that are cached, the report, and everything that any process is
    started with."""
    host, folder = fleet["web"], tmp_path / "written"
    works, fails, at_once = roles(folder)
    first, processes = run(fleet, folder, [*WORKS, *works, *REFUSED[:3], *fails], ANSIBLE_PIPELINING="0")
    recap = re.search(rb"^web +: ok=[0-9]+ .* failed=0 .* ignored=([0-9]+)", first, re.MULTILINE)
    assert recap and int(recap.group(1)) == 5, first[-3000:].decode()  # with endpoints that can't be looked at
    report = (folder / "report" / "report.json").read_text()
    assert all(f"{option}_passphrase is wrong, or the file is damaged" in report for option in (
        "privatekey", "client_privatekey")), report
    second, more = run(fleet, folder, [*WORKS, *REFUSED, *at_once], "--check", python="/usr/bin/python3",
                       ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    results = results_of(second)
    assert not [result for result in results[1:len(WORKS) + 1] if result.get("failed")]
    refused = results[len(WORKS) + 1:][:len(REFUSED)]
    assert all(result.get("failed") for result in refused), [result for result in refused if not result.get("failed")]
    assert "Traceback" not in str(results)

    secrets = known(host, folder)
    for text in (first, second, processes, more):
        assert not secrecy.seen_in(text, secrets)
    below = secrecy.seen_below(folder, secrets)
    # The CAs' keys are the controller's; a module that is run there is kept there, too.
    keys = {path for path in below if path.startswith(("ca/", "next/")) and path.endswith(".key")}
    kept = {path for path in below if re.match(r"remote/ansible-tmp-[^/]*/AnsiballZ_[a-z_]+\.py$", path)}
    assert len(keys) == 4 and set(below) == keys | kept, below
    for path in keys | kept:
        there = folder / path
        assert not (there.stat().st_mode & 0o077 and there.parent.stat().st_mode & 0o011), path
    seen = secrecy.seen_on(host, secrets)
    assert not [path for path, (readable, _names) in seen.items() if readable], seen
    kept = re.compile(r"\.key(\.[0-9]+\..*~)?$|/root/\.ansible/tmp/[^/]*/AnsiballZ_")
    strangers = [path for path in seen if not kept.search(path)]
    assert not strangers, {path: seen[path] for path in strangers}
    assert len(host.read(secrecy.SYSLOG).split(b"Invoked with")) > 20, "modules have logged nothing"


def results_of(output):
    """The results of a play's tasks as the JSON callback prints them, behind what is printed before."""
    text = output.decode()
    report, _end = json.JSONDecoder().raw_decode(text, re.search(r"^\{$", text, re.MULTILINE).start())
    return [task["hosts"]["web"] for play in report["plays"] for task in play["tasks"] if "web" in task["hosts"]]


def test_keys_are_private_from_the_moment_they_exist(fleet):
    """Whatever the umask, here one that forbids nothing: each is opened for its owner alone, and as a new file."""
    host = fleet["web"]
    calls = host.run("sh", "-c", f"cat {secrecy.CALLS}*").stdout
    opened = re.findall(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]*\.key[^"]*)", ([A-Z_|]*O_CREAT[A-Z_|]*), ([0-7]+)', calls)
    assert {path.rpartition("/")[2].split(".")[1] for path, _flags, _mode in opened} >= {
        "made", "self", "open", "web", "smoke"}, opened
    assert {mode for _path, _flags, mode in opened} == {"0600"}
    assert all({"O_EXCL", "O_NOFOLLOW"} <= set(flags.split("|")) for _path, flags, _mode in opened), opened
    modes = host.run("sh", "-c", f"stat -c '%a %n' {HERE}/made.key* {HERE}/self.key {HERE}/open.key* {HERE}/smoke.key "
                                 "/etc/ssl/private/web.key").stdout.splitlines()
    assert len(modes) >= 7 and all(line.startswith("600 ") for line in modes), modes


SHARED, VICTIM = "/srv/shared", "/etc/victim"
PLANTED = {  # links of an ordinary user's in a folder like /tmp: a file, what would be beside it for a moment, a folder
    "link.key": VICTIM, "link.crt": VICTIM, "link.pem": VICTIM, ".beside.key.host_trust.new": VICTIM,
    ".beside.key.host_trust.old": VICTIM, ".beside.crt.host_trust.new": VICTIM, ".stage.pem.host_trust": "/etc",
    "folder": "/etc"}


def test_links_that_another_user_has_planted_lead_nowhere(fleet):
    """In the place of a key, a certificate, an anchor, a bundle, a temporary file, and of a folder on the way."""
    host = fleet["web"]
    host.run("mkdir", "-m", "1777", SHARED)
    anchors = "/usr/local/share/ca-certificates"
    anchor = f"{anchors}/planted-{ROOT.fingerprint[:16]}.crt"
    host.write(VICTIM, b"precious\n")
    before = host.run("sh", "-c", f"sha256sum {VICTIM}; stat -c '%a %u %Y' {VICTIM}; ls -A /etc").stdout
    for path, target in {**{f"{SHARED}/{name}": to for name, to in PLANTED.items()}, anchor: VICTIM}.items():
        host.run("sh", "-c", 'ln -s "$1" "$2"; chown -h 1000:1000 "$2"', "sh", target, path)
    host.write(f"{SHARED}/owned.key", WEB.key_pem().encode(), 0o600)
    host.run("chown", "1000:1000", f"{SHARED}/owned.key")

    def made(name, key=None):
        return module("selfsigned_cert", path=f"{SHARED}/{name}.crt", privatekey_path=f"{SHARED}/{key or name}.key",
                      common_name="web", regenerate_key="always", mode="0640", privatekey_mode="0600")

    def bundle(name):
        return module("ca_trust_anchor", anchors=[{"content": ROOT.pem}], store="bundle",
                      bundle_path=f"{SHARED}/{name}")
    refused = [made("x", "link"), made("link", "x"), made("folder/web", "x"), made("x", "folder/web"),
               made("x", "owned"),
               module("crl", path=f"{SHARED}/link.crt", **SIGNING),
               module("cert_install", path=f"{SHARED}/link.crt", privatekey_path=at("web.key"), content=WEB.pem,
                      trust_content=ROOT.pem),
               bundle("link.pem"), bundle("folder/ca.pem"), bundle("stage.pem")]
    done = [made("beside"), made("beside"),
            module("ca_trust_anchor", anchors=[{"name": "planted", "content": ROOT.pem}])]
    results = plays.run(fleet.inventory, [*refused, *done], vars=VARIABLES).of("web")
    for task, result in zip(refused, results, strict=False):
        said = result.get("msg", "")
        assert result.get("failed") and re.search("another user's|is in the way: it is not the private", said), (
            task, result)
    assert not [result for result in results[len(refused):] if result.get("failed")], results[len(refused):]
    assert host.run("sh", "-c", f"sha256sum {VICTIM}; stat -c '%a %u %Y' {VICTIM}; ls -A /etc").stdout == before
    kinds = host.run("stat", "-c", "%F %a %u", f"{SHARED}/beside.key", f"{SHARED}/beside.crt", anchor).stdout
    assert kinds.splitlines() == ["regular file 600 0", "regular file 640 0", "regular file 644 0"]
    assert not re.search(r"host_trust\.(new|old)", host.run("ls", "-A", SHARED).stdout)
