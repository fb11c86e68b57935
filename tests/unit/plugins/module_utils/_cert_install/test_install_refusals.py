# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers, options and paths that are refused, with what is there left as it was."""
import subprocess

import pki
import pytest
from installing import NAME, Corp, next_pair, renewed

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import install
from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import plan as cert_install_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem


def test_an_answer_for_another_key(web1):
    web1.install()
    other = pki.server(NAME, Corp.issuing)
    next_pair(web1)
    said = web1.refused(content=other.pem + Corp.chain, src=["answers/web1.crt", "a.p7b", "a.p7b"])
    assert said == (
        "none of the certificates belongs to the private key %s or %s (offered: src answers/web1.crt: CN=%s "
        "(SHA-256 %s...)): was the request that was sent to the CA made with this key, and is this the answer to it?"
        % (web1.at("web.key"), web1.at("web.key.next"), NAME, other.fingerprint[:16]))
    assert "offered: CN=Corp Issuing CA (SHA-256" in web1.refused(content=Corp.chain)


@pytest.mark.parametrize("content, options, reason", [
    (Corp.web.pem, {}, "issuer CN=Corp Issuing CA is not among the anchors in trust_content (in the role "
                       "host_certificate: host_certificate_external_trust, or the private CA's root); no chain came "
                       "with it: if that issuer is an intermediate, give its certificate along with this one"),
    (Corp.web.pem + Corp.issuing.pem, {}, "CN=Corp Issuing CA, sent in the chain, was issued by CN=Corp Middle CA"),
    (Corp.web.pem + Corp.chain, {"trust_content": pki.root("Elsewhere").pem}, "was issued by CN=Corp Root CA, which is "
                                                                              "not among the anchors in trust_content"),
    (lambda: renewed((-9, -3)).pem + Corp.chain, {}, "expired 3 days ago"),
    (lambda: renewed((3.5, 9)).pem + Corp.chain, {}, "is not yet valid, begins in 3 days"),
    (lambda: renewed((-1, 9)).pem + Corp.chain, {"min_remaining": "30d"}, "sooner than min_remaining=30d allows"),
    (Corp.web.pem + Corp.chain, {"purpose": "client"}, "is not for clients"),
    (Corp.web.pem + Corp.chain, {"subject_alt_name": ["DNS:" + NAME, "DNS:www.example.com", "IP:192.0.2.7"]},
     "asked for www.example.com, 192.0.2.7, the certificate is for web1.example.com, *.apps.example.com, 2001:db8::1"),
    (Corp.web.pem + Corp.chain, {"subject_alt_name": ["URI:spiffe://a/b", "email:a@example.com"]},
     "asked for URI:spiffe://a/b, email:a@example.com, the certificate is for DNS:web1.example.com"),
], ids=["no chain", "half a chain", "another root", "expired", "not yet", "soon", "purpose", "names", "literal names"])
def test_a_wrong_answer_leaves_the_old_certificate(web1, content, options, reason):
    web1.install(content=renewed((-99, 200)).pem + Corp.chain)
    message = web1.refused(content=content() if callable(content) else content, **options)
    assert reason in message, message
    assert message.startswith("CN=web1.example.com (SHA-256 ") and " is refused: " in message
    assert message.endswith("Nothing is changed; the files on the host stay as they are")


def test_names_that_the_certificate_covers(web1):
    web1.install(subject_alt_name=["DNS:WEB1.example.com", "dns:x.apps.example.com", "DNS:*.apps.example.com",
                                   "IP:2001:DB8:0:0:0:0:0:1"])


def test_names_of_others_are_shown_harmlessly(web1):
    hostile = renewed((-1, 9), dns=[NAME, "\x1b[2J"])
    assert "DNS:\\1B[2J" in web1.refused(content=hostile.pem + Corp.chain, subject_alt_name=["URI:spiffe://a/b"])
    done = web1.install(content=hostile.pem + Corp.chain)
    assert "DNS:\\1B[2J" in done["diff"]["after"] and "\x1b" not in str(done)


def test_other_names_are_compared_literally(web1):
    config = "subjectAltName=URI:spiffe://a/b+c;d,email:Web+x@Example.com,RID:1.2.3.4,DNS:" + NAME
    (web1.folder / "ext").write_text(u"%s" % config)
    csr = subprocess.check_output(["openssl", "req", "-new", "-key", web1.at("web.key"), "-subj", "/CN=a"])
    web1.write("ca.pem", Corp.root.pem + Corp.root.key_pem())
    made = subprocess.Popen(["openssl", "x509", "-req", "-CA", web1.at("ca.pem"), "-set_serial", "7", "-extfile",
                             web1.at("ext")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    text = made.communicate(csr)[0].decode()
    web1.install(content=text, subject_alt_name=["URI:spiffe://a/b+c;d", "email:Web+x@example.com", "RID:1.2.3.4"])
    assert "asked for URI:spiffe://a/B, email:web@example.com, RID:1.2.3, the certificate is for DNS:web1.e" in (
        web1.refused(content=text, subject_alt_name=["URI:spiffe://a/B", "email:web@example.com", "RID:1.2.3"]))


@pytest.mark.parametrize("options, reason", [
    ({"subject_alt_name": ["web1.example.com"]}, "subject_alt_name: 'web1.example.com' has no type"),
    ({"min_remaining": "soon"}, "min_remaining: 'soon' is no span of time"),
    ({"content": ""}, "content: it is empty"),
    ({"content": "hello"}, "content: there is no certificate in it"),
    ({"content": Corp.web.pem[:200]}, "content: a PEM block in it has no end line"),
    ({"content": Corp.web.key_pem() + Corp.web.pem}, "content: there is a private key in it"),
    ({"trust_content": "hello"},
     "the trust in %s can't be used: there is no PEM certificate in it" % install.GIVEN),
    ({"trust_content": None, "trust": "/nosuch"}, "the trust in /nosuch can't be used: there is no such file"),
])
def test_options_that_make_no_sense(web1, options, reason):
    message = web1.refused(**options)
    assert message.startswith(reason)
    assert Corp.web.key_pem().splitlines()[1] not in message


def test_paths_that_make_no_sense(web1):
    web1.write("both.pem", Corp.web.pem + Corp.web.key_pem())
    for name in ("path", "chain_path", "fullchain_path", "privatekey_path", "trust"):
        for value, reason in (("", "empty"), ("a\0b", "no path")):
            assert web1.refused(**{name: value}) == "%s is %s: name a file, or leave the option out" % (name, reason)
    for options, reason in [
        ({"path": web1.at("full.crt")}, "path and fullchain_path are the same file, " + web1.at("full.crt")),
        ({"path": web1.at("web.key")}, "privatekey_path and path are the same file"),
        ({"path": web1.at("both.pem")}, "%s holds a private key, which would be lost" % web1.at("both.pem")),
        ({"path": web1.at("nosuch/web.crt")}, "the folder %s does not exist; create it first" % web1.at("nosuch")),
        ({"path": str(web1.folder)}, "something that is no file is there"),
        ({"privatekey_path": web1.at("a.key")}, "%s can't be used: there is no such file" % web1.at("a.key")),
        ({"privatekey_path": web1.at("both.pem"), "content": pki.server().pem}, "none of the certificates belongs to"),
    ]:
        assert reason in web1.refused(**options)


def test_what_is_installed_and_no_longer_good_does_not_pass(web1):
    soon = renewed((-9, 3)).pem + Corp.chain
    assert web1.install(content=soon)["changed"] and not web1.install(content=soon)["changed"]
    assert "it is what is installed already: have a new one made" in web1.refused(content=soon, min_remaining="30d")


def test_a_file_that_may_not_be_read_is_no_empty_one(web1, monkeypatch):
    """Tests may run as root, whom nothing is forbidden."""
    web1.install()

    def refused(path):
        raise pem.CertificateFileError("it can't be read: Permission denied")
    monkeypatch.setattr(pem, "read_file", refused)
    with pytest.raises(cert_install_plan.InstallationError,
                       match="web.crt: it can't be read: Permission denied; does the task"):
        install._held("path", web1.at("web.crt"))


def test_a_host_without_openssl(web1, monkeypatch):
    monkeypatch.setenv("PATH", "/nosuch")
    monkeypatch.setattr(openssl, "SYSTEM_PATH", "/nosuch")
    assert "install the package 'openssl'" in web1.refused()
