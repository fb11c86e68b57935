# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What p11-kit makes of what people put into an EL host's trust store, and that ca_trust_info says the same.

The design rests on these facts: where an EL of the future differs, this is where it shows. Everything is put on a
host at once, each case with certificates of its own, and extracted once.
"""

from __future__ import annotations

import subprocess
import typing as t

import conftest
import pki
import plays
import podman
import pytest
from test_ca_trust_anchor import trusted

SOURCE = "/etc/pki/ca-trust/source"
ANCHORS = f"{SOURCE}/anchors"
VENDOR_SOURCE = "/usr/share/pki/ca-trust-source"
VENDOR = f"{VENDOR_SOURCE}/anchors"
NAMES = ("plain.pem", "plain.crt", "text.txt", "no ending", ".dot-file.pem", "Zürich.pem", "gone.bak",
         "name.12345.2026-01-01@10:00:00~")
# Which one p11-kit reads, and the one of another generation, which it does not.
BLOCKLISTS = {"el8": ("blacklist", "blocklist"), "el9": ("blocklist", "blacklist"), "el10": ("blocklist", "blacklist")}
INFO = {"fleetpki.host_trust.ca_trust_info": {}}
YES, NO = True, False


def link(target):
    """Stands for the content of a symbolic link."""
    return {"link": target}


class Case(t.NamedTuple):
    """Files (by path; without a folder in anchors/), and for each certificate in them whether it is trusted then."""

    files: dict
    trusted: list


def one(name, content=None, expected=YES, pair=None):
    """A case of one file with one certificate; ``content`` makes the file's bytes of it."""
    pair = pair or pki.root(name)
    return Case({name: content(pair) if content else pair.pem.encode()}, [(pair, expected)])


def openssl_trusted(pair, *settings):
    """OpenSSL's own form of a certificate, with trust settings."""
    command = ["openssl", "x509", "-trustout", *settings]
    return subprocess.run(command, input=pair.pem.encode(), capture_output=True, check=True).stdout


def garbage(pair):
    lines = pair.pem.splitlines()
    return "\n".join([lines[0], *["AAAA" + line[4:][::-1] for line in lines[1:-1]], lines[-1], ""]).encode()


def cases(platform):
    """{what it is: Case}, on this platform."""
    named = {name: pki.root(f"Named {number}") for number, name in enumerate(NAMES)}
    old, same, other = pki.root("Renewed"), pki.root("Same Subject"), pki.root("Same Subject")
    new = pki.root("Renewed", key=old.key, days=(-1, 900))
    linked = pki.root("Linked")
    chain = [pki.root("Root of a bundle"), pki.root("Second of a bundle")]
    twice, vendor = pki.root("Twice"), pki.root("Also the vendor's")
    good, bad = pki.root("Beside garbage"), pki.root("Garbage")
    root, blocked, elsewhere = pki.root("Root above a blocked one"), pki.root("Blocked"), pki.root("Blocked elsewhere")
    issuing = pki.issue("Blocked intermediate", root, ca=True)
    moved = pki.root("Blocked with its key")
    moved_on = pki.root("Blocked with its key", key=moved.key, days=(-1, 20))
    read, unread = (f"{SOURCE}/{name}" for name in BLOCKLISTS[platform])
    vendors, not_vendors = pki.root("Blocked by the vendor"), pki.root("Blocked by the vendor elsewhere")
    vendor_read, vendor_unread = (f"{VENDOR_SOURCE}/{name}" for name in BLOCKLISTS[platform])
    return {
        "any name": Case({name: pair.pem.encode() for name, pair in named.items()},
                         [(pair, YES) for pair in named.values()]),
        "DER": one("binary.der", lambda pair: pair.der),
        "a bundle": Case({"two.pem": "".join(pair.pem for pair in chain).encode()}, [(pair, YES) for pair in chain]),
        "twice, as PEM and DER": Case({"a.pem": twice.pem.encode(), "b.cer": twice.der}, [(twice, YES)]),
        "also the vendor's": Case({"v.pem": vendor.pem.encode(), f"{VENDOR}/v.pem": vendor.pem.encode()},
                                  [(vendor, YES)]),
        "one subject, two keys": Case({"same.pem": same.pem.encode(), "same2.pem": other.pem.encode()},
                                      [(same, YES), (other, YES)]),
        "renewed with its key": Case({"old.pem": old.pem.encode(), "new.pem": new.pem.encode()},
                                     [(old, YES), (new, YES)]),
        "CRLF": one("crlf.pem", lambda pair: pair.pem.replace("\n", "\r\n").encode()),
        "byte-order mark": one("bom.pem", lambda pair: b"\xef\xbb\xbf" + pair.pem.encode()),
        "text around it": one("words.pem", lambda pair: b"Subject: x\n--\n" + pair.pem.encode() + b"the end\n"),
        "a key beside it": one("key.pem", lambda pair: (pair.pem + pair.key_pem()).encode()),
        "expired": one("expired.pem", pair=pki.root("Expired", days=(-9, -2))),
        "not valid yet": one("later.pem", pair=pki.root("Later", days=(2, 9))),
        "serverAuth only": one("servers.pem", pair=pki.root("Servers", purposes=["server"])),
        "an intermediate alone": one("issuing.pem", pair=pki.issue("Issuing", pki.root("Elsewhere"), ca=True)),
        "a link": Case({"link.pem": link("/root/linked.pem"), "/root/linked.pem": linked.pem.encode()},
                       [(linked, YES)]),
        "a leaf": one("leaf.pem", expected=NO, pair=pki.server("leaf.example.com", pki.root("Elsewhere"))),
        "a self-signed leaf": one("self.pem", expected=NO, pair=pki.server("self.example.com")),
        "no basicConstraints": one("v1.pem", expected=NO, pair=pki.root("No constraints", basic_constraints=False)),
        "clientAuth only": one("clients.pem", expected=NO, pair=pki.root("Clients", purposes=["client"])),
        "garbage alone": one("garbage.pem", garbage, NO),
        "no PEM at all": one("words.txt", lambda pair: b"nothing to see here\n", NO),
        "garbage beside a good one": Case({"half.pem": garbage(bad) + good.pem.encode()}, [(bad, NO), (good, YES)]),
        "truncated": one("cut.pem", lambda pair: pair.pem[:300].encode(), NO),
        "truncated DER": one("cut.der", lambda pair: pair.der[:-9], NO),
        "empty": one("empty.pem", lambda pair: b"", NO),
        "dangling link": Case({"dangling.pem": link("/nosuch.pem")}, []),
        "link to itself": Case({"loop.pem": link("loop.pem")}, []),
        "in a subfolder": one("subfolder/below.pem", expected=NO),
        "a folder that ends in .pem": one("folder.pem/below.pem", expected=NO),
        "trusted form, rejected": one("rejected.pem", lambda pair: openssl_trusted(pair, "-addreject", "serverAuth"),
                                      NO),
        "trusted form, trusted": one("settings.pem", lambda pair: openssl_trusted(pair, "-addtrust", "serverAuth")),
        "plain, in source/": one(f"{SOURCE}/neutral.pem", expected=NO),
        "trusted form, in source/": one(f"{SOURCE}/settings.pem",
                                        lambda pair: openssl_trusted(pair, "-addtrust", "serverAuth")),
        "rejected form, in source/": one(f"{SOURCE}/rejected.pem",
                                         lambda pair: openssl_trusted(pair, "-addreject", "serverAuth"), NO),
        "blocked": Case({"blocked.pem": blocked.pem.encode(), f"{read}/x.pem": blocked.pem.encode()}, [(blocked, NO)]),
        "blocked by its key": Case({"moved.pem": moved.pem.encode(), f"{read}/m.pem": moved_on.pem.encode()},
                                   [(moved, NO)]),
        "blocked intermediate": Case({"above.pem": root.pem.encode(), "below.pem": issuing.pem.encode(),
                                      f"{read}/i.pem": issuing.pem.encode()}, [(root, YES), (issuing, NO)]),
        "in the list of another generation": Case(
            {"others.pem": elsewhere.pem.encode(), f"{unread}/o.pem": elsewhere.pem.encode()}, [(elsewhere, YES)]),
        "plain, in the vendor's folder itself": one(f"{VENDOR_SOURCE}/neutral.pem", expected=NO),
        "blocked by the vendor": Case(
            {"vendors.pem": vendors.pem.encode(), f"{vendor_read}/v.pem": vendors.pem.encode()}, [(vendors, NO)]),
        "in the vendor's list of another generation": Case(
            {"not.pem": not_vendors.pem.encode(), f"{vendor_unread}/v.pem": not_vendors.pem.encode()},
            [(not_vendors, YES)]),
    }


def found(given, fingerprints):
    """Which certificates of each case are among those."""
    return {what: [pair.fingerprint in fingerprints for pair, _expected in case.trusted]
            for what, case in given.items()}


def put(host, files):
    """Puts a case's files on a host."""
    for path, content in files.items():
        path = path if path.startswith("/") else f"{ANCHORS}/{path}"
        if isinstance(content, dict):
            host.run("ln", "-s", content["link"], path)
        else:
            host.write(path, content)


@pytest.mark.parametrize("platform", conftest.EL)
def test_what_becomes_trusted(platform):
    """Each line of the table: what the tools make of it, and the same in the words of ca_trust_info."""
    given = cases(platform)
    with podman.fleet([platform]) as fleet:
        host = fleet[platform]
        distribution = trusted(host)
        public = host.read("/usr/share/pki/ca-trust-source/anchors/ca-bundle.crt").decode()
        public = public[public.index("-----BEGIN"):public.index("-----END") + len("-----END CERTIFICATE-----")] + "\n"
        host.write(f"{SOURCE}/{BLOCKLISTS[platform][0]}/public.pem", public.encode())
        for case in given.values():
            put(host, case.files)
        extract = host.run("update-ca-trust", "extract")
        extracted = trusted(host)
        info, = plays.run(fleet.inventory, [INFO]).of(platform)

    assert extract.returncode == 0, "whatever is in there"
    expected = {what: [expected for _pair, expected in case.trusted] for what, case in given.items()}
    assert found(given, extracted) == expected
    assert len(distribution - extracted) == 1, "the distribution's own, blocked"

    assert not info.get("failed"), info.get("msg")
    told = {anchor["fingerprint_sha256"] for anchor in info["anchors"] + info["distribution"] if anchor["trusted"]}
    assert found(given, told) == expected
    assert told == extracted
    assert info["in_sync"] is True and info["deviations"] == []
    assert all(not anchor["managed"] for anchor in info["anchors"])
    (gone,) = distribution - extracted
    assert gone in {held["fingerprint_sha256"] for held in info["distrusted"]}
    blocked = {pair.fingerprint for what in ("blocked", "blocked by the vendor") for pair, _no in given[what].trusted}
    unread = {pair.fingerprint for what in given if "another generation" in what for pair, _yes in given[what].trusted}
    distrusted = {held["fingerprint_sha256"] for held in info["distrusted"]}
    assert blocked <= distrusted and not unread & distrusted and "distrusts nothing" in info["warnings"][0]


@pytest.mark.parametrize("platform", conftest.EL)
def test_a_truncated_block_beside_a_good_one(platform):
    """p11-kit finds the good one where it comes first; a block without an end that comes first may take it with it."""
    first, second = (pki.root(f"Good {place}") for place in ("before", "behind"))
    cut = pki.root("Cut").pem[:300].encode() + b"\n"
    with podman.fleet([platform]) as fleet:
        host = fleet[platform]
        put(host, {"before.pem": first.pem.encode() + cut, "behind.pem": cut + second.pem.encode()})
        host.run("update-ca-trust", "extract")
        extracted = trusted(host)
        info, = plays.run(fleet.inventory, [INFO]).of(platform)
    told = {anchor["fingerprint_sha256"] for anchor in info["anchors"] if anchor["trusted"]}
    assert first.fingerprint in extracted
    assert told == extracted & {first.fingerprint, second.fingerprint} and info["in_sync"] is True
