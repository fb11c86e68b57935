# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What cert_install will do: which of the offered certificates, its chain, which files change and why.

Pure: it knows what was offered and what was found on the host, and touches neither.
"""

import collections
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import default_paths, replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import chains, general_names, pem
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import hostnames as x509_hostnames

NEW_MODE, KEY_MODE = 0o644, 0o600  # of files that are not there yet
CERTIFICATE, CHAIN, FULLCHAIN = "path", "chain_path", "fullchain_path"
KINDS = collections.OrderedDict([("dns", "DNS"), ("ip", "IP"), ("uri", "URI"), ("email", "email"), ("rid", "RID")])


class Offer(t.NamedTuple):
    certificates: "t.List[x509.Certificate]"  # each once
    origins: "t.Dict[str, str]"               # by fingerprint: what sentences call the place that it comes from


class Key(t.NamedTuple):
    path: str
    content: "t.Optional[bytes]"  # None where it stays where it is
    spki: bytes                   # SubjectPublicKeyInfo (DER)


class InstalledFile(t.NamedTuple):
    path: str
    certificates: "t.Optional[t.List[x509.Certificate]]"  # those in the file, None where there is no file
    problem: "t.Optional[str]"                            # why what is there can't stay whatever it holds, or None


class InstallState(t.NamedTuple):
    key: "t.Optional[Key]"      # in use
    next: "t.Optional[Key]"     # waits for its certificate
    files: "t.Dict[str, InstalledFile]"  # by option, of the files that are wanted
    unread: str                 # why the key that waits can't be looked at, or ""


class Selection(t.NamedTuple):
    leaf: x509.Certificate
    chain: "t.List[x509.Certificate]"  # from the leaf's issuer up, without the root
    key: Key                           # that the leaf belongs to
    note: str                          # sentence on what else is to be known, or ""


class InstallPlan(t.NamedTuple):
    replacements: "t.List[replace.Replacement]"  # empty if all is as wanted
    reasons: "t.List[str]"


class InstallationError(Failure):
    """It can't be installed; the message says what, why and what to do; ``facts`` is what a failure returns, too."""


def split_names(listed: "t.Iterable[str]") -> "t.Dict[str, t.List[str]]":
    """``['DNS:a', 'IP:192.0.2.1']`` as {DNS: [...], IP: [...], URI: [...], email: [...], RID: [...]}."""
    found: t.Dict[str, t.List[str]] = {kind: [] for kind in KINDS.values()}
    for text in listed:
        try:
            kind, _colon, value = general_names.canonical(text).partition(":")
        except ValueError as error:
            raise InstallationError("subject_alt_name: %s" % error)
        found[kind].append(value)
    return found


def missing_literally(wanted: "t.Dict[str, t.List[str]]", leaf: x509.Certificate) -> "t.List[str]":
    """A sentence on wanted names other than hosts' that the certificate hasn't got (list)."""
    offered = [_canonical(name) for name in _written(x509.alt_names(leaf))]
    lacking = [name for kind in ("URI", "email", "RID") for name in ("%s:%s" % (kind, value) for value in wanted[kind])
               if name not in offered]
    return ["asked for %s, the certificate is for %s" % (
        ", ".join(lacking), ", ".join(alt_names(leaf)[:x509_hostnames.SHOWN]) or "no names at all")] * bool(lacking)


def _canonical(name: str) -> str:
    try:
        return general_names.canonical(name)
    except ValueError:  # a CA may have written what is no name
        return name


def alt_names(certificate: x509.Certificate) -> "t.List[str]":
    """Its subject alternative names for sentences, as ``DNS:web1.example.com``."""
    return _written(x509.shown_alt_names(certificate))


def _written(offered: "t.Dict[str, t.List[str]]") -> "t.List[str]":
    return ["%s:%s" % (written, value) for kind, written in KINDS.items() for value in offered[kind]]


def brief(certificate: x509.Certificate) -> str:
    """What sentences call a certificate: ``CN=web1.example.com (SHA-256 3f0e7ac8d90e1a1f...)``."""
    return "%s (SHA-256 %s...)" % (verify_reasons.short(certificate.subject_der), certificate.fingerprint[:16])


def origin(offer: Offer, certificate: x509.Certificate) -> str:
    """The same with where it comes from."""
    place = offer.origins.get(certificate.fingerprint)
    return "%s: %s" % (place, brief(certificate)) if place else brief(certificate)


def choose(offer: Offer, state: InstallState, now: int) -> Selection:
    """The Choice among what was offered: of those that fit the key, the one that is valid longest.

    A key that waits for its certificate goes before the one in use.
    """
    waiting = None if _is_left_over(state) else state.next
    for key in (waiting, state.key):
        fitting = [one for one in offer.certificates if key and openssl.same_key(key.spki, one.spki_der)]
        if key and fitting:
            leaf = max(fitting, key=lambda one: (one.not_before <= now, one.not_after, one.not_before))
            note = "; %s goes on waiting for its own certificate" % waiting.path if waiting and key != waiting else ""
            return Selection(leaf, chains.sent_with(leaf, offer.certificates, now), key, note)
    raise InstallationError(_nothing_fits(offer, [key.path for key in (state.key, waiting) if key]) + state.unread)


def _is_left_over(state: InstallState) -> bool:
    """Whether the key that waits is the one in use already: its run was killed before it could take it away."""
    return bool(state.next and state.key and openssl.same_key(state.key.spki, state.next.spki))


def _nothing_fits(offer: Offer, paths: "t.List[str]") -> str:
    leaves = [one for one in offer.certificates if not x509.basic_constraints(one)[0]] or offer.certificates
    shown = ", ".join(origin(offer, one) for one in leaves[:x509_hostnames.SHOWN])
    more = ", and %d more" % (len(leaves) - x509_hostnames.SHOWN) if len(leaves) > x509_hostnames.SHOWN else ""
    return ("none of the certificates belongs to the private key %s (offered: %s%s): was the request that was sent to "
            "the CA made with this key, and is this the answer to it?" % (" or ".join(paths), shown, more))


def installed(state: InstallState) -> "t.Tuple[t.Optional[x509.Certificate], t.List[x509.Certificate]]":
    """(the certificate that is in use or None, those that lie beside it as its chain)."""
    held = {option: one.certificates or [] for option, one in state.files.items()}
    first = held.get(CERTIFICATE) or held.get(FULLCHAIN) or []
    return first[0] if first else None, (held.get(CHAIN) or []) + first[1:] + (held.get(FULLCHAIN) or [])[1:]


def newer_in_use(choice: Selection, state: InstallState, now: int) -> "t.Optional[Selection]":
    """The Choice to leave the certificate that is there, where the offered one was made before it; else None."""
    live, beside = installed(state)
    offered = choice.leaf
    if (not live or live == offered or not openssl.same_key(live.spki_der, offered.spki_der)
            or not (offered.not_before < live.not_before and offered.not_after <= live.not_after)):
        return None
    once = collections.OrderedDict((one.fingerprint, one) for one in beside + choice.chain)
    note = "; it stays, for what was offered is older: %s, expires %s" % (
        brief(offered), x509.iso_time(offered.not_after))
    return Selection(live, chains.sent_with(live, once.values(), now), choice.key, note + choice.note)


def wanted_files(choice: Selection) -> "t.Dict[str, t.List[x509.Certificate]]":
    """What each of the files is to hold: {option: list of x509.Certificate}."""
    return {CERTIFICATE: [choice.leaf], CHAIN: choice.chain, FULLCHAIN: [choice.leaf] + choice.chain}


def plan(choice: Selection, state: InstallState) -> InstallPlan:
    """The Plan that makes the host's files what was chosen."""
    replacements, why, contents, waiting = [], [], wanted_files(choice), state.next
    for option, held in state.files.items():
        wanted = contents[option]
        if held.certificates == wanted and not held.problem:
            continue
        content = "".join(pem.to_pem(one.der) for one in wanted).encode("ascii")
        replacements.append(replace.Replacement(held.path, content, NEW_MODE))
        sentence = _difference(option, held, wanted)
        why += [sentence] if sentence not in why else []
    if waiting and choice.key is waiting:
        target = waiting.path[:-len(default_paths.NEXT)]
        replacements.append(replace.Replacement(target, choice.key.content, KEY_MODE))
        why.append("the private key %s is replaced by %s" % (target, waiting.path))
    elif waiting and _is_left_over(state):
        why.append("%s is left over: that key is in place already" % waiting.path)
    if waiting and (choice.key is waiting or _is_left_over(state)):
        replacements.append(replace.Replacement(waiting.path, None, KEY_MODE))
    return InstallPlan(replacements, why)


def _difference(option: str, held: InstalledFile, wanted: "t.List[x509.Certificate]") -> str:
    """A sentence on what makes a file not the wanted one."""
    if held.problem:
        return "%s is written anew: %s" % (held.path, held.problem)
    if option == CERTIFICATE and held.certificates is None:
        return "there is no certificate yet"
    if held.certificates is None:
        return "%s is not there yet" % held.path
    if option != CHAIN and held.certificates[:1] != wanted[:1]:
        return "it is another certificate: " + _changes(held.certificates[0], wanted[0])
    if option == CERTIFICATE:
        return "%s holds more than the certificate" % held.path
    first = 0 if option == CHAIN else 1
    return "the chain changed: %s instead of %s" % tuple(
        ", ".join(brief(one) for one in listed[first:]) or "nothing" for listed in (wanted, held.certificates))


def _changes(old: x509.Certificate, new: x509.Certificate) -> str:
    """In what two certificates differ, as far as it matters to people."""
    pairs = [
        ("subject", x509.name(new.subject_der), x509.name(old.subject_der)),
        ("issuer", x509.name(new.issuer_der), x509.name(old.issuer_der)),
        ("names", ", ".join(sorted(alt_names(new))) or "none", ", ".join(sorted(alt_names(old))) or "none"),
    ]
    found = ["%s %s instead of %s" % pair for pair in pairs if pair[1] != pair[2]]
    found += ["another key"] * (not openssl.same_key(new.spki_der, old.spki_der))
    if new.not_after != old.not_after:
        found.append("expires %s instead of %s" % (x509.iso_time(new.not_after), x509.iso_time(old.not_after)))
    return ", ".join(found) or "serial %x instead of %x" % (new.serial, old.serial)


def diff(choice: Selection, state: InstallState) -> "t.Dict[str, str]":
    """Before and after, for --diff: certificates described, nothing of keys."""
    header = ", ".join(held.path for held in state.files.values())
    live, beside = installed(state)
    if CERTIFICATE not in state.files and FULLCHAIN not in state.files:
        live = choice.leaf  # with the chain's file alone, the certificate is none of ours
    once = collections.OrderedDict((one.fingerprint, one) for one in beside)
    return {"before_header": header, "before": _described(live, list(once.values())),
            "after_header": header, "after": _described(choice.leaf, choice.chain)}


def _described(leaf: "t.Optional[x509.Certificate]", chain: "t.List[x509.Certificate]") -> str:
    lines = ["certificate: none"] if leaf is None else [
        "certificate:", "  subject: %s" % x509.name(leaf.subject_der), "  issuer: %s" % x509.name(leaf.issuer_der),
        "  serial: %x" % leaf.serial, "  names: %s" % (", ".join(alt_names(leaf)) or "none"),
        "  not_before: %s" % x509.iso_time(leaf.not_before), "  not_after: %s" % x509.iso_time(leaf.not_after)]
    lines += ["chain:" if chain else "chain: none"]
    lines += ["  - %s, expires %s, SHA-256 %s" % (
        x509.name(one.subject_der), x509.iso_time(one.not_after), one.fingerprint) for one in chain]
    return "\n".join(lines) + "\n"
