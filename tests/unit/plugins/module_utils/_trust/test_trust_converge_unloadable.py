# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that keeps OpenSSL from loading the whole store: never installed, found where it is, repaired."""
import errno
import os
import ssl
import subprocess
import tempfile

import pytest
import raw_pki
from converging import A, B, actions, converge, want
from test_trust_dry_run import TO_BE_DONE, glance, listed

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import converge as trust_converge
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import info as trust_info
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import plan as trust_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl_loads
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import loadable, pem

POISON = raw_pki.latin1_root()
# What everybody reads at three in the morning:
AT_FAULT = (u'(SHA-256 %s), is at fault: subject O="M\u00fcller GmbH" is not valid UTF-8 (byte 0xFC at position 2 of a '
            u'UTF8String)' % POISON.fingerprint)


def by_hand(system, name="mueller.crt"):
    path = os.path.join(system.store.anchors, name)
    system.write(path, POISON.pem.encode())
    return path


def managed(system):
    """What version 0.1.0 has installed."""
    path = os.path.join(system.store.anchors, "mueller" + system.store.suffix)
    system.write(path, anchor_file.managed_block("mueller", x509.parse(POISON.der)))
    return path


def failure(system, *wanted, **options):
    with pytest.raises((trust_converge.TrustError, trust_plan.PlanError)) as caught:
        converge(system, *wanted, **options)
    return str(caught.value)


def test_it_is_not_installed(system):
    """The controller refuses it first; a host does so, too."""
    before = system.trusted()
    said = failure(system, want(POISON))
    assert AT_FAULT in said and "Nothing was changed" in said and system.store.bundles[0][1] in said
    assert not system.anchors() and system.trusted() == before


def test_what_is_copied_and_not_extracted_yet_is_named_and_left_alone(system):
    before = system.trusted()
    path = by_hand(system)
    said = failure(system, want(A))
    assert AT_FAULT in said and "remove %s" % path in said
    assert list(system.anchors()) == ["mueller.crt"] and system.trusted() == before


def test_where_it_is_by_hand_every_run_fails_and_names_it(system):
    converge(system, want(A))
    path = by_hand(system)
    system.extract()
    assert glance(system, listed(A)) == glance(system, listed(A), check_mode=True) == TO_BE_DONE
    for options in ({}, {"check": True}):
        said = failure(system, want(A), **options)
        assert AT_FAULT in said and "remove %s" % path in said and said.endswith("Nothing was changed")
        assert said.startswith("this host's OpenSSL loads no certificate of %s, so every TLS connection that relies on "
                               "it fails: certificate " % system.store.bundles[0][1])
    assert actions(converge(system, want(A), purge="all")) == ["remove", "extract"]
    assert actions(converge(system, want(A))) == []


def test_where_it_is_of_ours_a_run_takes_it_away(system):
    managed(system)
    system.extract()
    done = converge(system, want(A))
    assert sorted(actions(done)) == ["extract", "install", "remove"]
    (step,) = [step for step in done.plan.steps if step.action == "remove"]
    assert step.fingerprint == POISON.fingerprint and "OpenSSL does not load it" in step.reason
    assert POISON.fingerprint not in system.trusted() and A.fingerprint in system.trusted()
    assert actions(converge(system, want(A))) == []


def test_where_no_source_has_it_an_extract_repairs(system):
    converge(system, want(A))
    with open(system.store.bundles[0][1], "a") as stream:
        stream.write(POISON.pem)
    assert glance(system, listed(A)) == TO_BE_DONE
    assert actions(converge(system, want(A))) == ["extract"]
    assert POISON.fingerprint not in system.trusted()


def test_never_extract_does_not_ask(system):
    by_hand(system)
    system.extract()
    assert actions(converge(system, want(A), extract="never")) == ["install"]


def test_our_own_reader_is_not_the_last_word(system, monkeypatch):
    """Where it suspects what OpenSSL loads, the module finds nothing to do."""
    converge(system, want(A))
    monkeypatch.setattr(loadable, "fault", lambda data: "I don't like it")
    assert glance(system, listed(A)) == TO_BE_DONE
    assert actions(converge(system, want(A))) == []


def test_info_names_it(system, monkeypatch):
    converge(system, want(A))
    path = by_hand(system)
    system.extract()
    monkeypatch.setattr(trust_info, "_made_from_sources", lambda store: ({}, "not asked"))
    found = trust_info.info(system.store)
    assert found["in_sync"] is False and any(AT_FAULT in one and path in one for one in found["deviations"])
    first = found["unloadable"][0]
    assert (first["bundle"], first["fingerprint_sha256"], first["paths"]) == (
        system.store.bundles[0][1], POISON.fingerprint, [path])
    assert first["position"] <= first["certificates"] and "not valid UTF-8" in first["reason"]


@pytest.fixture
def application(tmp_path):
    return stores.choose("bundle", str(tmp_path / "app.pem"), "/")


def test_the_bundle_of_an_application(application):
    """It is not added, is named where somebody else has added it, and is taken away where we have."""
    path = application.bundles[0][1]
    with pytest.raises(trust_converge.TrustError) as caught:
        trust_converge.converge(application, [want(POISON)])
    assert AT_FAULT in str(caught.value) and not os.path.exists(path)
    trust_converge.converge(application, [want(A)])
    with open(path) as stream:
        good = stream.read()
    with open(path, "w") as stream:
        stream.write(good + POISON.pem)
    for wanted in ([want(A)], [want(B)]):
        with pytest.raises(trust_plan.PlanError) as raised:
            trust_converge.converge(application, wanted)
        assert AT_FAULT in str(raised.value) and "remove it from that file" in str(raised.value)
    gone = trust_plan.Wanted("absent", None, POISON.fingerprint, None)
    assert actions(trust_converge.converge(application, [want(A), gone])) == ["remove"]
    with open(path, "w") as stream:
        stream.write(good + anchor_file.managed_block("mueller", x509.parse(POISON.der)).decode("ascii"))
    assert actions(trust_converge.converge(application, [want(A)])) == ["remove"]
    with open(path) as stream:
        assert stream.read() == good


def test_beside_trusted_certificates_only_the_one_at_fault_is_named(tmp_path):
    """As in EL's ca-bundle.trust.crt."""
    (tmp_path / "good.pem").write_text(A.pem)
    trusted = subprocess.check_output(["openssl", "x509", "-in", str(tmp_path / "good.pem"), "-trustout"])
    assert b"BEGIN TRUSTED CERTIFICATE" in trusted
    bundle = tmp_path / "bundle.crt"
    for data, positions in ((trusted, []), (trusted + POISON.pem.encode() + B.pem.encode(), [2])):
        bundle.write_bytes(data)
        found = openssl_loads.confirmed(str(bundle), data, list(pem.certificate_blocks(data)))
        assert [one.position for one in found] == positions


def test_a_file_of_an_application_that_is_cut_off(application):
    """Its certificates are all right, and OpenSSL loads none of them."""
    path = application.bundles[0][1]
    trust_converge.converge(application, [want(A)])
    with open(path, "a") as stream:
        stream.write("".join(B.pem.splitlines(True)[:-1]))
    with pytest.raises(trust_plan.PlanError) as caught:
        trust_converge.converge(application, [want(A)])
    assert path in str(caught.value) and "OpenSSL gives as the reason" in str(caught.value)


def test_a_bundle_that_openssl_can_not_read_is_named(application, monkeypatch):
    """OpenSSL's error says what, and not where."""
    def fail(self, cafile):
        raise OSError(errno.EACCES, "Permission denied")

    trust_converge.converge(application, [want(A)])
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", fail)
    with pytest.raises(files.FilesError, match="%s can't be read: Permission denied" % application.bundles[0][1]):
        trust_info.info(application)


def test_without_space_for_a_file_the_bundle_is_named_all_the_same(application, monkeypatch):
    def fail():
        raise OSError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)
    with open(application.bundles[0][1], "ab") as stream:
        stream.write(POISON.pem.encode())
    found = trust_info.info(application)
    assert found["in_sync"] is False and "OpenSSL gives as the reason:" in found["deviations"][0]
