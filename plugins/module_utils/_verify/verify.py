# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Certificates judged against the trust that is installed on a host: what the module cert_verify does.

Reads files and asks ``openssl``; changes nothing. Everything comes in and goes out as plain values.
"""

import base64
import collections
import functools
import os
import re
import shutil
import tempfile
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import default_paths, duration
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl, openssl_loads
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, der, loadable, pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import crls as x509_crls
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}\Z", re.ASCII)
NOTHING_KNOWN = dict.fromkeys([
    "subject", "issuer", "serial", "fingerprint_sha256", "not_before", "not_after", "key_type", "remaining_days",
    "private_key_matches", "openssl"])


class Item(t.NamedTuple):
    """One certificate to judge. What is not said otherwise is a suboption of the module."""
    name: str  # what sentences call it
    purpose: str
    min_remaining: str = "0"
    path: "t.Optional[str]" = None     # one of path
    content: "t.Optional[str]" = None  # and content
    chain: "t.List[str]" = []
    chain_content: "t.Optional[str]" = None
    privatekey_path: "t.Optional[str]" = None
    privatekey_passphrase: "t.Optional[str]" = None
    hostnames: "t.List[str]" = []
    ips: "t.List[str]" = []
    server: bool = False        # whether it is what a server sent, and sentences are to say so
    crls: "t.List[bytes]" = []  # DER; with any, the whole chain is looked up in them
    collect: bool = False       # whether the result has ``material``, what the controller needs to judge it itself


class Material(t.NamedTuple):
    leaf: x509.Certificate  # the one to judge
    sent: "t.List[x509.Certificate]"  # what came with it, from its own file and from chain files
    misplaced: bool  # whether the leaf is a CA that stands before the certificate that its file is about


def verify(
    certificates: "t.List[t.Dict[str, t.Any]]",
    trust: "t.Optional[str]" = None,
    purpose: str = "server",
    min_remaining: str = "0",
    tmpdir: "t.Optional[str]" = None,
    now: "t.Optional[int]" = None,
    trust_name: "t.Optional[str]" = None,
    crls: "t.Iterable[t.Dict[str, t.Any]]" = (),
    collect: bool = False,
) -> "t.Dict[str, t.Any]":
    """Judges certificates; returns the module's result: verified, msg, results, trust.

    certificates: list of dict with the module's suboptions; what is None there is taken from the defaults beside it.
    trust: path of a PEM file or a hashed directory, None for what this host's OpenSSL uses.
    trust_name: what sentences call it, if not by its path.
    now: epoch seconds, for what is computed here; OpenSSL looks at the clock itself.
    crls: list of dict with ``path`` or ``content``.
    collect: as of Item; the whole has the crls then.
    Raises Failure where the host or the arguments leave nothing to judge.
    """
    if not certificates:
        raise Failure("'certificates' is empty: there is nothing to verify")
    items = [_item(number, given, purpose, min_remaining) for number, given in enumerate(certificates)]
    lists = _lists(crls)
    items = [item._replace(crls=lists, collect=collect) for item in items]
    program, store = host(trust, trust_name)
    results = judge(items, program, store, tmpdir, int(time.time()) if now is None else now)
    failed = [result for result in results if not result["verified"]]
    outcome = {
        "verified": not failed,
        "msg": "\n".join("%s: %s" % (result["name"], "; ".join(result["reasons"])) for result in failed)
               or _success(results, store),
        "results": results,
        "trust": {"file": store.trust.file, "directory": store.trust.directory, "anchors": len(store.anchors)},
    }
    return dict(outcome, crls=_sendable(lists)) if collect else outcome


def judge(
    items: "t.List[Item]",
    program: openssl.OpenSSL,
    store: verify_reasons.TrustedStore,
    tmpdir: "t.Optional[str]",
    now: int,
) -> "t.List[t.Dict[str, t.Any]]":
    """The results of certificates (list of dict), as the module returns them."""
    directory = tempfile.mkdtemp(dir=tmpdir)
    try:
        return [_result(item, program, store, directory, now) for item in items]
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _item(number: int, given: "t.Dict[str, t.Any]", purpose: str, min_remaining: str) -> Item:
    """One element of the list with its defaults filled in."""
    given = {key: value for key, value in given.items() if value is not None}
    for option, place in (("path", default_paths.certificate), ("privatekey_path", default_paths.key)):
        if option in given:
            given[option] = place(given[option])
    given["chain"] = [default_paths.certificate(path) for path in given.get("chain", [])]
    defaults = {"name": given.get("path") or "certificates[%d]" % number, "purpose": purpose,
                "min_remaining": min_remaining}
    item = Item(**dict(defaults, **given))
    try:
        duration.of_option("min_remaining", item.min_remaining)
    except ValueError as error:
        raise Failure("%s: %s" % (item.name, error))
    return item


def _lists(crls: "t.Iterable[t.Dict[str, t.Any]]") -> "t.List[bytes]":
    """The revocation lists (list of DER) of elements of the option; raises Failure."""
    found = []
    for number, given in enumerate(crls):
        name = given.get("name") or given.get("path") or "crls[%d]" % number
        if not (given.get("path") or given.get("content")):
            raise Failure("%s is empty: take it off, or give it a src, content or path" % name)
        try:
            data = _bytes(given["path"]) if given.get("path") else _encoded(given["content"])
            found += x509_crls.read(data)
        except pem.CertificateFileError as error:
            raise Failure("the revocation list %s can't be used: %s" % (name, error))
    return list(collections.OrderedDict.fromkeys(found))


def _sendable(listed: "t.Iterable[bytes]") -> "t.List[str]":
    """DER as text, for the module's answer."""
    return [base64.b64encode(data).decode("ascii") for data in listed]


def host(
    trust: "t.Optional[str]", name: "t.Optional[str]" = None
) -> "t.Tuple[openssl.OpenSSL, verify_reasons.TrustedStore]":
    """(this host's OpenSSL, its Store of anchors); raises Failure."""
    if trust == "":  # what is trusted by default would be more than was meant
        raise Failure("'trust' is empty: name a file or a directory, or leave it out for what this host trusts")
    program = openssl.find()
    place = openssl.trust_at(trust, program)
    anchors = chains.read_anchors(openssl.trust_files(place))
    if trust and not anchors:
        raise Failure("the trust in %s can't be used: %s" % (name or trust, _why_empty(place)))
    place = place._replace(given=name or place.given)
    fault = functools.lru_cache(maxsize=None)(functools.partial(unloadable, place))  # the file is read once a run
    return program, verify_reasons.TrustedStore(place, anchors, chains.index(anchors), openssl.unreadable(place), fault)


def unloadable(trust: openssl.Trust) -> "t.List[str]":
    """A sentence on a file of anchors that OpenSSL does not load, because of a single one of them; or none."""
    try:
        data = pem.read_file(trust.file or "")
        refusals = openssl_loads.confirmed(trust.file or "", data, list(pem.certificate_blocks(data)))
    except (pem.CertificateFileError, EnvironmentError):
        return []
    remedy = "; what the file is made from, and which file to remove, ca_trust_info says" if not trust.given else ""
    return [loadable.explain(trust.file or "", refusals, {}) + remedy] if refusals else []


def _why_empty(place: openssl.Trust) -> str:
    if place.directory:
        return pem.advised("the directory can't be read: Permission denied") if not os.access(
            place.directory, os.R_OK | os.X_OK) else (
            "the directory has no certificates under hashed names: run 'openssl rehash %s'" % place.directory)
    try:
        _bytes(place.file or "")
    except pem.CertificateFileError as error:
        return str(error)
    return "there is no PEM certificate in it"


def _result(
    item: Item, program: openssl.OpenSSL, store: verify_reasons.TrustedStore, directory: str, now: int
) -> "t.Dict[str, t.Any]":
    """The result of one certificate (dict)."""
    result: t.Dict[str, t.Any] = dict(
        NOTHING_KNOWN, path=item.path, name=item.name, purpose=item.purpose, verified=False, dns_names=[],
        ip_addresses=[], chain=[], reasons=[], warnings=[])
    try:
        material = _read(item)
        result.update(_facts(item, material.leaf, now))
        result.update(_judgement(item, material, program, store, directory, now))
        if item.collect and not material.misplaced:
            anchors = chains.above([material.leaf] + material.sent, store.pool)
            result["material"] = {"hostnames": item.hostnames, "ips": item.ips,
                                  "leaf": _sendable([material.leaf.der])[0],
                                  "sent": _sendable(one.der for one in material.sent),
                                  "anchors": _sendable(one.der for one in anchors)}
    except pem.CertificateFileError as error:
        result["reasons"] = [str(error)]
    except der.DerError as error:  # an extension that only now was looked into
        result["reasons"] = ["it or a certificate of its chain is malformed: %s" % error]
    if result["reasons"] and result["subject"] is not None and store.unread:
        result["reasons"].append("not all that this host trusts was seen, for this user can't read %s; does the task "
                                 "need 'become'?" % ", ".join(store.unread))
    verdicts = {"openssl": {"accepted": not result["reasons"], "reasons": result["reasons"]}}
    return dict(result, verified=not result["reasons"], verdicts=verdicts if result["subject"] is not None else {})


def _facts(item: Item, leaf: x509.Certificate, now: int) -> "t.Dict[str, t.Any]":
    """What is known of a certificate before anybody judges it (dict)."""
    return dict(x509.describe_leaf(leaf, now), name="%s (%s)" % (item.name, verify_reasons.short(leaf.subject_der)))


def _judgement(
    item: Item,
    material: Material,
    program: openssl.OpenSSL,
    store: verify_reasons.TrustedStore,
    directory: str,
    now: int,
) -> "t.Dict[str, t.Any]":
    """The verdict of OpenSSL, and what this collection looks at itself (dict)."""
    leaf, sent, purpose, hostnames = material.leaf, material.sent, item.purpose, item.hostnames
    if material.misplaced:
        return {"reasons": ["the first certificate in the file is %s, a CA; put %s first" % (
            verify_reasons.short(leaf.subject_der),
            "the one to be judged" if purpose == "ca" else "the host's own certificate")]}
    verdict = _ask(item, material, program, store, directory)
    if verdict.links:
        links = chains.follow(leaf, verdict.links, chains.index(sent), store.pool, now)
    else:
        links = chains.build(leaf, chains.index(sent), store.pool, now)
    key_matches, key_reasons, key_warnings = _private_key(item, leaf, program)
    common_name = x509.common_name(leaf.subject_der)

    found = [] if verdict.accepted else list(store.fault())
    # What OpenSSL says without its anchors says nothing of the certificate.
    found = found or verify_reasons.of_verdict(verdict, links, sent, store, purpose, now, item.server)
    expiry = verify_reasons.validity(leaf, now)
    found += [expiry] if expiry and expiry not in found else []
    found += verify_reasons.no_ca(links) if purpose == "ca" else []
    found += verify_reasons.too_short(links, item.min_remaining, store, now)
    found += x509_hostnames.findings(hostnames, item.ips, x509.alt_names(leaf),
                                     common_name and x509.escape(common_name))
    return {
        "reasons": found + key_reasons,
        "warnings": verify_reasons.warnings(links, sent, purpose, hostnames) + key_warnings,
        "private_key_matches": key_matches,
        "chain": [{"subject": link.subject, "source": link.source,
                   "fingerprint_sha256": link.certificate and link.certificate.fingerprint} for link in links],
        "openssl": {"version": program.version, "command": " ".join(verdict.command),
                    "return_code": verdict.return_code, "output": verdict.output},
    }


def _read(item: Item) -> Material:
    """The Material of an item; raises CertificateFileError."""
    data = _bytes(item.path) if item.path is not None else _encoded(item.content or "")
    found = pem.read_certificates(data, keys_allowed=True)
    ordered = pem.is_plain_pem(data)  # PKCS#7 holds a set
    leaf, others = chains.pick_leaf(found, ordered)
    sent = list(others)
    for path in item.chain:
        sent += _read_chain(_bytes, path, path)
    if item.chain_content is not None:
        sent += _read_chain(_encoded, item.chain_content, "chain_content")
    once = collections.OrderedDict((one.fingerprint, one) for one in sent)
    once.pop(leaf.fingerprint, None)
    return Material(leaf, list(once.values()), ordered and chains.comes_too_early(leaf, others))


def _read_chain(read: "t.Callable[[str], bytes]", source: str, name: str) -> "t.List[x509.Certificate]":
    try:
        return pem.read_certificates(read(source), keys_allowed=True)
    except pem.CertificateFileError as error:
        raise pem.CertificateFileError("its chain %s can't be used: %s" % (name, error))


def _bytes(path: str) -> bytes:
    try:
        return pem.read_file(path)
    except pem.CertificateFileError as error:
        raise pem.CertificateFileError(pem.advised(str(error)))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _ask(
    item: Item, material: Material, program: openssl.OpenSSL, store: verify_reasons.TrustedStore, directory: str
) -> openssl.OpensslVerdict:
    """OpenSSL's verdict. It is given what was read here, as PEM, under the name that the user knows."""
    name = os.path.basename(item.path or "")
    name = name if PLAIN_NAME.match(name) and name not in ("untrusted.pem", "crls.pem") else "certificate.pem"
    with open(os.path.join(directory, name), "w") as stream:
        stream.write(pem.to_pem(material.leaf.der))
    with open(os.path.join(directory, "untrusted.pem"), "w") as stream:
        stream.write("".join(pem.to_pem(one.der) for one in material.sent))
    options = []
    if item.crls:
        with open(os.path.join(directory, "crls.pem"), "w") as stream:
            stream.write("".join(x509_crls.to_pem(data) for data in item.crls))
        options = openssl.crl_options("crls.pem")
    return openssl.verify(program, store.trust, item.purpose, directory, name,
                          "untrusted.pem" if material.sent else None, options)


def _private_key(
    item: Item, leaf: x509.Certificate, program: openssl.OpenSSL
) -> "t.Tuple[t.Optional[bool], t.List[str], t.List[str]]":
    """(whether the private key belongs to the certificate, or None; reasons; warnings)."""
    path = item.privatekey_path
    if not path:
        return None, [], []
    try:
        spki = openssl.public_key(program, path, item.privatekey_passphrase)
    except (openssl.PrivateKeyError, pem.CertificateFileError) as error:
        return None, ["the private key %s can't be used: %s" % (path, pem.advised(str(error)))], []
    warnings = ["the private key %s is readable by every user of the host" % path] * openssl.readable_by_all(path)
    if not openssl.same_key(spki, leaf.spki_der):
        return False, ["the private key %s belongs to another certificate" % path], warnings
    stored, used = (x509.key_type(leaf._replace(spki_der=one)).partition(" ")[0] for one in (spki, leaf.spki_der))
    if stored != used:
        return False, ["the private key %s fits by its numbers, but is stored as %s where the certificate says %s: "
                       "OpenSSL refuses to use the two together" % (path, stored, used)], warnings
    return True, [], warnings


def _success(results: "t.List[t.Dict[str, t.Any]]", store: verify_reasons.TrustedStore) -> str:
    return "%d certificate%s verified against %s" % (
        len(results), "" if len(results) == 1 else "s", store.trust.given or "what this host trusts")
