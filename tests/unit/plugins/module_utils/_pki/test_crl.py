# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""crl: foreseen, made, made once; numbers grow, dates stay, and OpenSSL takes it for what it is."""
import os
import re
import subprocess
import time

import pytest
from certificate_options import DAY, NOW, SECRET, Bench, assert_clear, at_now, openssl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import crl, keys

CA = at_now.root("Corp Issuing", days=(-1, 3650))
TYPES = ["EC P-384", "RSA 2048", "Ed25519", "Ed448"]


def one(serial="4c6a", date=None, reason="unspecified"):
    return {"serial": serial, "revocation_date": date, "reason": reason}


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    made.ca(CA)
    return made


def number(bench, name="ca.crl", form="PEM"):
    text = openssl("crl", "-inform", form, "-in", bench.path(name), "-CAfile", bench.path("ca.crt"), "-noout",
                   "-crlnumber",
                   "-text")
    assert "verify OK" in text
    return int(re.search("crlNumber=(?:0x)?([0-9A-F]+)", text).group(1), 16), text


def test_an_empty_list(bench):
    done = bench.quartet(bench.crl)
    assert done.reasons == ["there is no revocation list yet"] and done.warnings == []
    assert done.result["revoked"] == [] and done.result["number"] == NOW
    assert done.result["filename"] == bench.path("ca.crl")
    assert os.stat(bench.path("ca.crl")).st_mode & 0o7777 == 0o644
    found, text = number(bench)
    assert found == done.result["number"] and "No Revoked Certificates" in text and "Authority Key Identifier" in text
    assert done.diff["before"] == "" and done.diff["after"].startswith("number: %d\nnext_update: " % found)


def test_numbers_grow_and_dates_stay(bench):
    bench.crl(now=NOW, revoked=[one("4C:6a", reason="keyCompromise")])
    first = {"serial": "4c6a", "reason": "keyCompromise", "revocation_date": keys.x509.iso_time(NOW)}
    done = bench.crl(now=NOW + DAY, revoked=[one("4c6a", reason="keyCompromise"), one("99", "20200101000000Z")])
    assert done.reasons == ["99 is added"] and done.result["number"] == NOW + 1
    assert done.result["revoked"] == [
        {"serial": "99", "reason": "unspecified", "revocation_date": "2020-01-01T00:00:00Z"}, first]
    done = bench.crl(now=NOW + 2 * DAY, revoked=[one("4c6a", reason="superseded")])
    assert done.reasons == ["99 is taken out", "4c6a: superseded instead of keyCompromise"]
    assert done.result["revoked"] == [dict(first, reason="superseded")] and done.result["number"] == NOW + 2
    done = bench.crl(now=NOW + 3 * DAY, revoked=[one("4c6a", "2021-01-01", "superseded")])
    assert done.reasons == ["4c6a: revoked on 2021-01-01T00:00:00Z instead of " + keys.x509.iso_time(NOW)]
    assert bench.crl(now=NOW + 3 * DAY, revoked=[one("4c6a", None, "superseded")]).reasons == []
    found, text = number(bench)
    assert found == NOW + 3 and "Superseded" in text and "Jan  1 00:00:00 2021" in text
    bench.write("ca.crl", "lost")
    assert bench.crl(now=NOW + 3 * DAY).result["number"] > found


def test_hosts_whose_clock_is_behind_accept_it_at_once(bench):
    bench.crl(now=NOW)
    assert "Last Update: %s" % time.strftime("%b %e %H:%M:%S %Y", time.gmtime(NOW - 3600)) in number(bench)[1]


@pytest.mark.parametrize("text, value", [
    ("4c6a", 0x4c6a), ("4C:6A", 0x4c6a), ("0x4c6a", 0x4c6a), (" 4c 6a ", 0x4c6a), ("00:4c:6a", 0x4c6a), (99, 0x99),
    ("7" + "f" * 39, (1 << 159) - 1)])
def test_serial_numbers(text, value):
    assert crl.serial_number(text) == value


@pytest.mark.parametrize("text", ["", "0", "00:00", "x", "4c6g", "-1", "f" * 41, "8" + "0" * 39, "0x", "web.crt",
                                  u"\u0664"])
def test_what_is_no_serial_number(bench, text):
    with pytest.raises(Failure, match="is no serial number: write its hexadecimal digits, in quotes"):
        bench.crl(revoked=[one(text)])
    assert not os.path.exists(bench.path("ca.crl"))


@pytest.mark.parametrize("reason", ["keyCompromise", "cACompromise", "affiliationChanged", "superseded",
                                    "certificateHold",
                                    "cessationOfOperation", "privilegeWithdrawn", "aACompromise", "unspecified"])
def test_every_reason(bench, reason):
    assert bench.quartet(bench.crl, revoked=[one(reason=reason)]).result["revoked"][0]["reason"] == reason


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_ca(bench, kind):
    os.unlink(bench.path("ca.crt"))
    bench.selfsigned(path="ca.crt", privatekey_path="new.key", purpose="root_ca", common_name="Root", key_type=kind)
    bench.quartet(bench.crl, ca_privatekey_path="new.key", revoked=[one()])
    assert "4C6A" in number(bench)[1]


def test_a_revoked_certificate_is_refused_and_others_are_not(bench):
    web, other = at_now.server("web1", CA), at_now.server("web2", CA)
    bench.write("web.crt", web.pem)
    bench.write("other.crt", other.pem)
    bench.crl(revoked=[one("%x" % web.certificate.serial_number)])
    check = ["verify", "-x509_strict", "-crl_check", "-CAfile", bench.path("ca.crt"), "-CRLfile", bench.path("ca.crl")]
    assert "other.crt: OK" in openssl(*(check + [bench.path("other.crt")]))
    with pytest.raises(subprocess.CalledProcessError) as error:
        openssl(*(check + [bench.path("web.crt")]))
    assert b"certificate revoked" in error.value.output


def test_forms(bench):
    first = bench.quartet(bench.crl, revoked=[one()]).result["number"]
    done = bench.quartet(bench.crl, revoked=[one()], format="der")
    assert done.reasons == ["format: der instead of pem"] and done.result["number"] == first + 1
    assert number(bench, form="DER")[0] == first + 1
    assert bench.quartet(bench.crl, revoked=[one()]).reasons == ["format: pem instead of der"]


def test_expiring(bench):
    bench.crl(now=NOW)
    before = bench.look()
    assert bench.crl(now=NOW + 23 * DAY - 1).reasons == [] and bench.look() == before
    assert bench.crl(now=NOW + 23 * DAY).reasons == ["its next_update is in 7 days"]
    assert bench.crl(now=NOW + 23 * DAY).reasons == []
    assert bench.crl(now=NOW + 60 * DAY).reasons == ["its next_update is over"]
    assert bench.crl(now=NOW + 60 * DAY, next_update="+90d").reasons == []
    assert bench.crl(now=NOW + 60 * DAY, renew_before="29d").reasons == []


def test_a_list_without_next_update_is_replaced(bench, monkeypatch):
    """RFC 5280 section 5.1.2.5 requires nextUpdate."""
    bench.crl()
    real = crl._present
    monkeypatch.setattr(crl, "_present", lambda path: real(path)._replace(next_update=None))
    assert bench.crl(True).reasons == ["its next_update is over"]
    assert bench.crl(True, next_update="20990101").reasons == ["next_update: 2099-01-01T00:00:00Z instead of none"]


def test_no_extension_of_a_list_is_critical(bench):
    """RFC 5280 sections 5.2.1, 5.2.3 and 5.3.1."""
    bench.crl(revoked=[one(reason="keyCompromise")])
    made = crl._present(bench.path("ca.crl")).object
    (entry,) = made
    assert [len(made.extensions), len(entry.extensions)] == [2, 1]
    assert not any(extension.critical for extension in list(made.extensions) + list(entry.extensions))


def test_another_end(bench):
    bench.quartet(bench.crl, next_update="20990101")
    assert bench.quartet(bench.crl, next_update="20980601").reasons == [
        "next_update: 2098-06-01T00:00:00Z instead of 2099-01-01T00:00:00Z"]
    assert bench.crl(next_update="+30d").reasons == []


def test_another_issuer(bench):
    first = bench.crl(now=NOW).result["number"]
    bench.ca(at_now.root("Corp Issuing", key=CA.key, serial=7))
    assert bench.crl().reasons == []
    for pair in (at_now.root("Corp Issuing"), at_now.root("Other", key=CA.key)):
        bench.ca(pair)
        done = bench.quartet(bench.crl)
        assert done.reasons == ["issuer: it is not signed by %s (%s)" % (
            bench.path("ca.crt"), crl.certificates.label(bench.certificate("ca.crt")))]
    assert done.result["number"] == first + 2


def test_what_is_no_list_is_written_anew_and_a_changed_one_is_too(bench):
    for content in (b"something else", b"", CA.pem.encode(), CA.der):
        bench.write("ca.crl", content)
        assert bench.quartet(bench.crl).reasons == ["there is something else at " + bench.path("ca.crl")]
    der = bytearray(keys.pem.decode(keys.pem.blocks(bench.read("ca.crl"))[0]))
    der[-1] ^= 1
    bench.write("ca.crl", bytes(der))
    assert bench.quartet(bench.crl).reasons[0].startswith("issuer: it is not signed by ")


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 249), st.integers(1, 255))
def test_whatever_byte_is_changed_there_is_a_list_afterwards(bench, position, change):
    if not os.path.exists(bench.path("good.crl")):
        bench.crl(path="good.crl", format="der", revoked=[one(reason="keyCompromise")])
    der = bytearray(bench.read("good.crl"))
    der[position % len(der)] ^= change
    bench.write("ca.crl", bytes(der))
    bench.crl(format="der", revoked=[one(reason="keyCompromise")])
    assert bench.crl(format="der", revoked=[one(reason="keyCompromise")]).reasons == []


def test_a_number_that_there_can_not_be_is_no_hindrance(bench):
    first = bench.crl(format="der").result["number"]
    der = bytearray(bench.read("ca.crl"))
    position = bytes(der).index(b"\x55\x1d\x14\x04\x06\x02\x04")  # cRLNumber
    der[position + 7] = 0x80  # negative
    bench.write("ca.crl", bytes(der))
    assert bench.crl(format="der").result["number"] >= first


def test_force_and_backup_and_digest(bench):
    first = bench.crl().result["number"]
    before = bench.read("ca.crl")
    done = bench.crl(force=True, backup=True, digest="sha512")
    assert done.reasons == ["digest: sha512 instead of sha256"] and done.result["number"] == first + 1
    assert bench.crl(digest="sha512").reasons == [] and bench.crl(digest="sha512", force=True).reasons == ["force"]
    assert bench.read(done.result["backup_files"][bench.path("ca.crl")]) == before
    assert "sha512" in number(bench)[1].lower()


@pytest.mark.parametrize("given, message", [
    ({"revoked": [one(date="soon")]}, "revocation_date: 'soon' is no time"),
    ({"revoked": [one(date="-1d")]}, "revocation_date: '-1d' (would be another moment in every run|.*)"),
    ({"revoked": [one(date="18000101")]}, "revocation_date: '18000101' is out of what certificates can say"),
    ({"revoked": [one("4c6a"), one("00:4C:6A", reason="superseded")]}, "revoked: 4c6a is listed twice: leave one of"),
    ({"next_update": "soon"}, "next_update: 'soon' is no time"),
    ({"next_update": "+450000w"}, "next_update: .* is out of what certificates can say"),
    ({"next_update": "20200101"}, r"renew_before \(7d\) is not shorter than next_update \(20200101\) is away"),
    ({"next_update": "+7d"}, r"renew_before \(7d\) is not shorter than next_update \(\+7d\) is away: every run"),
    ({"renew_before": "x"}, "renew_before: 'x' is no span of time"),
    ({"path": "none/ca.crl"}, "the folder .*none does not exist; create it first"),
])
def test_what_is_refused_changes_nothing(bench, given, message):
    bench.crl()
    before = bench.look()
    with pytest.raises(Failure, match=message) as error:
        bench.crl(**given)
    assert_clear(error.value, CA.key_pem(), SECRET)
    assert bench.look() == before


def test_check_mode_before_there_is_a_ca(tmp_path):
    bench = Bench(tmp_path)
    done = bench.crl(True, revoked=[one()])
    assert done.reasons == ["%s is not there yet" % bench.path(name) for name in ("ca.crt", "ca.key")]
    assert done.result["number"] is None and done.result["revoked"][0]["serial"] == "4c6a" and not bench.look()
