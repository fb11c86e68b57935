# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""The user's list of anchors, read and judged: what is sent to the host has one certificate an element, each once."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._trust import anchor_policy

# Up to this size certificates go along at once; above, their fingerprints go first, and the rest where it is missing.
SENT_AT_ONCE_BYTES = 16 * 1024
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")  # the option's type takes the second slash away


# Of files of the host, and of certificates that it is missing, the module says nothing else.
COLLECTED = host_answers.Shape("list", False, elements=host_answers.Shape("dict", False, keys={
    "pem": host_answers.TEXT, "error": host_answers.TEXT, "missing": host_answers.Shape("bool")}))
UNSENT = host_answers.Shape("list", elements=host_answers.Shape("str", False))
ANSWER = host_answers.extended(
    host_answers.optional(host_answers.documented("ca_trust_anchor")), collected=COLLECTED, unsent=UNSENT)
# What a host that has been looked at says of itself where it is left as it is.
LOOKED_AT = ("store", "bundle", "extracted", "anchors", "plan", "changed")
# What a certificate of the list says, which was read here.
READ_HERE = ("subject", "issuer", "serial", "not_before", "not_after")


class AnchorListError(Failure):
    """What is wrong with the list: all of it, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))


class Anchor(t.NamedTuple):
    """One certificate that is wanted, or (without one) a fingerprint or a name."""

    state: str
    name: str | None
    fingerprint: str | None
    certificate: x509.Certificate | None
    origin: str


def check(elements: list[dict[str, t.Any]]) -> None:
    """Raises AnchorListError for options that are there and empty, mostly from a variable that is not set.

    An empty name must not stand for all that has none, nor an empty path for no file.
    """
    problems = [f"anchors, element {number}: {option} is empty: give it a value, or leave it out (default(omit), where "
                "a variable may be missing)" for number, element in enumerate(elements, 1)
                for option, value in element.items() if isinstance(value, str) and not value.strip()]
    if problems:
        raise AnchorListError(problems)


def read(
    elements: list[dict[str, t.Any]],
    load: c.Callable[[str], bytes],
    collected: list[dict[str, t.Any]],
    terms: anchor_policy.AnchorPolicy,
) -> list[Anchor]:
    """Reads and judges the option ``anchors``; raises AnchorListError with all that is wrong with it.

    load: gives the bytes of a ``src``. collected: what the host sent of each ``path``, in order (pem, or error).
    """
    found: dict[str, Anchor] = {}
    problems: list[str] = []
    answers = iter(collected)
    for number, element in enumerate(elements, 1):
        origin = _origin(number, element)
        try:
            answer = next(answers) if element["path"] is not None else {}
            listed = list(_read_one(element, origin, load, answer))
        except (pem.CertificateFileError, ValueError) as error:
            problems.append(f"{origin}: {error}")
            continue
        fit = terms._replace(allow_expired=True) if element.get("allow_expired") else terms
        for anchor in listed:
            problems.extend(_objections(anchor, fit))
            key = anchor.fingerprint or f"name {anchor.name}"
            earlier = found.setdefault(key, anchor)
            if earlier.state != anchor.state:
                problems.append(
                    f"{origin}: {_label(anchor)} is wanted {anchor.state} here and {earlier.state} in "
                    f"{earlier.origin}: leave one of them"
                )
            elif earlier.certificate is None and anchor.certificate is not None:
                found[key] = anchor
    if problems:
        raise AnchorListError(problems)
    return list(found.values())


def _origin(number: int, element: dict[str, t.Any]) -> str:
    """What messages call an element: its place in the list, its name and where its certificates come from."""
    name = f" ({x509.escape(element['name'])})" if element["name"] else ""
    source = next((f", {kind} {x509.escape(str(element[kind]))}" for kind in ("src", "path") if element[kind]), "")
    return f"anchors, element {number}{name}{source}"


def _read_one(
    element: dict[str, t.Any], origin: str, load: c.Callable[[str], bytes], answer: dict[str, t.Any]
) -> c.Iterator[Anchor]:
    state, name = element["state"], element["name"]
    if element["fingerprint"] is not None:
        if state == "present":
            raise ValueError("a fingerprint alone can't be installed: give the certificate (src, content or path)")
        yield Anchor(state, name, x509.plain_fingerprint(element["fingerprint"]), None, origin)
        return
    for source in (element["src"], element["path"]):
        if source and ADDRESS.match(source):
            raise ValueError("nothing is downloaded here, for whoever can answer in its place would be trusted: "
                             "download it, compare its fingerprint with what the CA's people say, and give the file")
    if element["src"] is not None:
        data = load(element["src"])
    elif element["content"] is not None:
        data = element["content"].encode("utf-8", "replace")
    elif element["path"] is not None:
        if answer.get("missing") and state == "absent":
            return  # what is not there is in no store through this file
        if "error" in answer:
            raise ValueError(f"on the host: {answer['error']}")
        data = answer["pem"].encode("ascii")
    elif state == "absent":
        yield Anchor(state, name, None, None, origin)
        return
    else:
        raise ValueError(f"state {state} needs the certificate: give src, content or path")
    for certificate in pem.read_certificates(data):
        yield Anchor(state, name, certificate.fingerprint, certificate, origin)


def _objections(anchor: Anchor, terms: anchor_policy.AnchorPolicy) -> list[str]:
    if anchor.state != "present" or anchor.certificate is None:
        return []
    label = f"{anchor.origin}: {_label(anchor)} is refused"
    return [f"{label}: {reason}" for reason in anchor_policy.objections(anchor.certificate, terms)]


def unloadable(listed: list[Anchor]) -> list[str]:
    """Sentences on what is to be installed and the controller's OpenSSL does not load."""
    certificates = [one.certificate for one in listed if one.state == "present" and one.certificate]
    refused = anchor_policy.unloadable(certificates)
    return [f"{one.origin}: {_label(one)} is refused: {refused[one.fingerprint]}"
            for one in listed if one.fingerprint in refused]


def _label(anchor: Anchor) -> str:
    if anchor.certificate is None:
        return f"SHA-256 {anchor.fingerprint}" if anchor.fingerprint else "it"
    return f"{x509.label(anchor.certificate)} (SHA-256 {anchor.fingerprint})"


def to_send(listed: list[Anchor], asked: c.Container[str] = (), look: bool = False) -> list[dict[str, t.Any]]:
    """The list for the host: certificates that it has asked for (fingerprints), and those of a short list.

    look: whether it is only looked at. Then it is fingerprints, but for the few that it need not have to tell of them.
    """
    unwanted = [anchor for anchor in listed if anchor.state != "present"]
    small = _few(unwanted) if look else _few(listed) or _few(unwanted)
    few = {anchor.fingerprint for anchor in small}
    sent = []
    for anchor in listed:
        along = anchor.fingerprint in few or anchor.fingerprint in asked
        content = pem.to_pem(anchor.certificate.der) if anchor.certificate and along else None
        which = {"content": content} if content else {"fingerprint": anchor.fingerprint} if anchor.fingerprint else {}
        sent.append({"state": anchor.state, "name": anchor.name, **which})
    return sent


def _few(listed: list[Anchor]) -> list[Anchor]:
    """All of them, or none where they are too much to be sent unasked."""
    size = sum(len(anchor.certificate.der) for anchor in listed if anchor.certificate)
    return listed if size <= SENT_AT_ONCE_BYTES else []


def settled(answer: dict[str, t.Any] | None) -> dict[str, t.Any] | None:
    """The module's result where a look at the host has found that it is to be left as it is, else None."""
    if answer is None or None in [answer.get(name) for name in LOOKED_AT] + [answer.get("warnings", [])]:
        return None
    return {name: answer[name] for name in (*LOOKED_AT, "diff", "warnings") if name in LOOKED_AT or answer.get(name)}


def missing(answer: dict[str, t.Any]) -> str | None:
    """The name of what a whole answer has, and this one has not."""
    return next((name for name in LOOKED_AT if name not in answer), None)


def unsent(answer: dict[str, t.Any] | None) -> set[str]:
    """The fingerprints of the certificates that a host asks for."""
    asked = (answer or {}).get("unsent")
    return {one for one in asked if isinstance(one, str)} if isinstance(asked, list) else set()


def in_own_words(answer: dict[str, t.Any], listed: list[Anchor]) -> dict[str, t.Any]:
    """The answer with what the certificates of the list say themselves, whatever the host says of them.

    Where something changes, with what the controller notes of them. A note is no news to a host that is left as it is,
    and 144 of them cost 10 ms.
    """
    known = {anchor.fingerprint: anchor for anchor in listed if anchor.certificate}
    for one in answer.get("anchors") or []:
        anchor = known.get(one["fingerprint_sha256"])
        if not anchor or not anchor.certificate:
            continue
        facts = x509.describe(anchor.certificate)
        one.update({name: facts[name] for name in READ_HERE if name in one})
        if answer.get("changed") and anchor.state == "present":
            one["notes"] = [*(one.get("notes") or []), *anchor_policy.notes(anchor.certificate)]
    return answer
