# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firefox's policies: ours put in and taken out, everybody else's kept, and a file that is none refused by name."""
import json

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import firefox

LIBRARY = "/usr/lib/pkcs11/p11-kit-trust.so"
CARD = {"Card": "/usr/lib/card.so"}
OTHERS = [
    {}, {"policies": {}}, {"policies": {"DisableTelemetry": True}}, {"policies": {"SecurityDevices": {}}},
    {"policies": {"SecurityDevices": CARD, "Homepage": {"URL": "https://example.com"}}},
    {"policies": {"SecurityDevices": {"Add": CARD, "Delete": ["Old card"]}}},
    {"policies": {"SecurityDevices": {"Delete": [firefox.DEVICE]}}},
]


@pytest.mark.parametrize("document", OTHERS)
def test_in_again_out_again(document):
    before = json.dumps(document)
    with_it, problem = firefox.with_trust(document, LIBRARY)
    assert problem is None and json.dumps(document) == before, "what was given stays as it is"
    devices = with_it["policies"]["SecurityDevices"]
    assert devices["Add"][firefox.DEVICE] == LIBRARY and firefox.DEVICE not in devices.get("Delete", [])
    assert firefox.with_trust(with_it, LIBRARY) == (with_it, None)
    without, problem = firefox.without(with_it)
    assert problem is None and firefox.without(without) == (without, None)
    assert without["policies"]["SecurityDevices"]["Delete"][-1] == firefox.DEVICE, "profiles are told to forget it"
    for one in (with_it, without):
        others = one["policies"]["SecurityDevices"].get("Add", {})
        assert ("Card" in others) == ("card.so" in before) and ("Old card" in json.dumps(one)) == ("Old card" in before)
        assert {name: value for name, value in one["policies"].items() if name != "SecurityDevices"} == {
            name: value for name, value in document.get("policies", {}).items() if name != "SecurityDevices"}


@pytest.mark.parametrize("document", OTHERS)
def test_nothing_is_taken_out_where_it_is_not(document):
    assert firefox.without(document) == (document, None)


def test_somebody_elses_is_as_good():
    document = {"policies": {"SecurityDevices": {"Add": {"p11-kit": LIBRARY}}}}
    assert firefox.with_trust(document, LIBRARY) == (document, None)


def test_a_system_that_is_mounted_elsewhere(tmp_path):
    """Its file is written, with its own p11-kit; an absolute link in it leads to nothing of this machine."""
    (tmp_path / "image/usr/lib64/pkcs11").mkdir(parents=True)
    (tmp_path / "image/usr/lib64/pkcs11/p11-kit-trust.so").touch()
    (tmp_path / "image/etc").mkdir()
    (tmp_path / "image/etc/firefox").symlink_to("/srv/firefox")
    made = str(tmp_path / "image/srv/firefox/policies/policies.json")
    outcome = firefox.converge("/etc/firefox/policies/policies.json", "present", root=str(tmp_path / "image"))
    assert (outcome.path, outcome.module) == (made, "/usr/lib64/pkcs11/p11-kit-trust.so")
    with open(made) as stream:
        assert json.load(stream)["policies"]["SecurityDevices"]["Add"] == {firefox.DEVICE: outcome.module}
    with pytest.raises(firefox.files.FilesError, match="is no folder"):
        firefox.converge("/etc/firefox/policies/policies.json", "present", root=str(tmp_path / "nosuch"))


@pytest.mark.parametrize("content, said", [
    (b"{", "is not JSON"), (b"\xff\xfe", "is not JSON"), (b"[]", "no object"), (b'{"policies": []}', "not as Firefox"),
    (b'{"policies": {"SecurityDevices": "x"}}', "not as Firefox"),
    (b'{"policies": {"SecurityDevices": {"Add": []}}}', "SecurityDevices is not"),
    (b'{"policies": {"SecurityDevices": {"Delete": {}}}}', "SecurityDevices is not")])
def test_a_file_that_is_no_policies_is_refused_by_name(tmp_path, monkeypatch, content, said):
    monkeypatch.setattr(firefox.stores, "p11_kit_modules", lambda root: [str(tmp_path)])
    path = tmp_path / "policies.json"
    path.write_bytes(content)
    for state in ("present", "absent"):
        with pytest.raises(firefox.PolicyError, match=said) as caught:
            firefox.converge(str(path), state)
        assert str(path) in str(caught.value) and path.read_bytes() == content


def test_the_file(tmp_path, monkeypatch):
    """Made with its folder, changed, the same again; in check mode foreseen."""
    monkeypatch.setattr(firefox.stores, "p11_kit_modules", lambda root: [str(tmp_path)])
    path = tmp_path / "firefox" / "policies" / "policies.json"
    assert not firefox.converge(str(path), "absent").changed and not path.exists()
    foreseen = firefox.converge(str(path), "present", check=True)
    assert not path.exists()
    done = firefox.converge(str(path), "present")
    assert foreseen == done and done.changed and path.read_text() == done.after
    assert oct(path.stat().st_mode)[-3:] == "644"
    assert not firefox.converge(str(path), "present").changed
    gone = firefox.converge(str(path), "absent")
    assert gone.before == done.after and json.loads(path.read_text()) == {
        "policies": {"SecurityDevices": {"Delete": [firefox.DEVICE]}}}
    assert not firefox.converge(str(path), "absent").changed


def test_json_that_is_nested_too_deeply_is_none(tmp_path):
    (tmp_path / "policies.json").write_text(u"[" * 100000)
    with pytest.raises(firefox.PolicyError, match="is not JSON"):
        firefox.converge(str(tmp_path / "policies.json"), "absent")
