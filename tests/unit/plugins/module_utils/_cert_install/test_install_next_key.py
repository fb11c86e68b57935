# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that waits for its certificate beside the key in use."""
import os
import stat

import pki
from installing import NAME, Corp, next_pair

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import replace


def test_the_next_key_moves_into_place_with_its_certificate(web1):
    web1.install()
    old = web1.read("web.key")
    pair = next_pair(web1)
    content = pair.pem + Corp.chain
    foreseen = web1.install(check_mode=True, content=content)
    result = web1.install(content=content, backup=True)
    assert foreseen["reasons"] == result["reasons"]
    assert "another key" in result["reasons"][0]
    assert result["reasons"][1:] == [
        "the private key %s is replaced by %s" % (web1.at("web.key"), web1.at("web.key.next"))]
    assert web1.read("web.key") == pair.key_pem() and stat.S_IMODE(os.stat(web1.at("web.key")).st_mode) == 0o640
    assert web1.read("web.crt") == pair.pem and result["privatekey_path"] == web1.at("web.key")
    with open(result["backup_files"][web1.at("web.key")]) as stream:
        assert stream.read() == old
    left = [name for name in os.listdir(str(web1.folder)) if ".next" in name or name.startswith(".")]
    assert not left, "the new key must not lie around a second time"
    assert not web1.install(content=content)["changed"]


def test_the_next_key_waits_while_the_answer_is_for_the_key_in_use(web1):
    pair = next_pair(web1)
    result = web1.install()
    assert result["msg"].endswith("; %s goes on waiting for its own certificate" % web1.at("web.key.next"))
    assert web1.read("web.key.next") == pair.key_pem() and web1.read("web.key") == Corp.web.key_pem()
    web1.install(content=Corp.web.pem + pair.pem + Corp.chain)  # both answers: the newer intent counts
    assert web1.read("web.key") == pair.key_pem() and not os.path.exists(web1.at("web.key.next"))


def test_a_kill_between_the_renames_is_repaired(web1):
    """Certificates are there and the key is not yet; the key is there and .next not yet taken away."""
    pair = next_pair(web1)
    content = pair.pem + Corp.chain
    for name, text in [("web.crt", pair.pem), ("chain.crt", Corp.chain), ("full.crt", content)]:
        web1.write(name, text)
    assert web1.install(content=content)["reasons"] == [
        "the private key %s is replaced by %s" % (web1.at("web.key"), web1.at("web.key.next"))]
    web1.write("web.key.next", pair.key_pem())
    assert web1.install(content=content)["reasons"] == [
        "%s is left over: that key is in place already" % web1.at("web.key.next")]
    assert web1.read("web.key") == pair.key_pem() and not os.path.exists(web1.at("web.key.next"))


def test_the_next_key_is_removed_after_it_is_in_place(web1, monkeypatch):
    """A kill between the two steps must not lose the key."""
    real, order = replace.replace, []

    def recorded(replacements, *more):
        order.extend((os.path.basename(one.path), one.content is None) for one in replacements)
        return real(replacements, *more)

    monkeypatch.setattr(replace, "replace", recorded)
    web1.install(content=next_pair(web1).pem + Corp.chain)
    assert order == [("web.crt", False), ("chain.crt", False), ("full.crt", False), ("web.key", False),
                     ("web.key.next", True)]


def test_without_a_key_in_use_the_next_one_becomes_it(web1):
    pair = next_pair(web1)
    os.unlink(web1.at("web.key"))
    assert web1.install(content=pair.pem + Corp.chain)["privatekey_path"] == web1.at("web.key")
    assert stat.S_IMODE(os.stat(web1.at("web.key")).st_mode) == 0o600


def test_a_damaged_next_key_is_told_and_stops_nothing(web1):
    web1.write("web.key.next", "hello")
    sentence = "the private key %s can't be used: there is no private key in it" % web1.at("web.key.next")
    assert sentence in web1.install()["warnings"][0]
    assert sentence in web1.refused(content=pki.server(NAME, Corp.issuing).pem + Corp.chain)
