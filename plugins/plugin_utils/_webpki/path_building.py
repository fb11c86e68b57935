# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""Paths from a certificate to anchors, the most promising first, with a bound on what the search may cost."""

from __future__ import annotations

import collections.abc as c

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
except ImportError:  # _webpki.unable() says so
    pass

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.certificate import PathCertificate, label
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._webpki.rules import Finding, finding

MAX_SIGNATURES = 100  # as many as Go allows itself
MAX_STEPS = 2_000     # certificates put on a path, for searches that know all signatures already
MAX_INTERMEDIATES = 8


class Exhausted(Failure):
    """The search cost too much."""


class Search:
    """Who issued what among some certificates. ``paths`` looks for paths; afterwards ``finding`` says why none."""

    def __init__(
        self, sent: list[PathCertificate], anchors: list[PathCertificate], now: float, depth: int | None = None
    ) -> None:
        self.now, self.anchors, self.roots = now, set(anchors), {one.subject for one in anchors}
        self.depth = MAX_INTERMEDIATES if depth is None else depth
        self.signatures, self.steps = MAX_SIGNATURES, MAX_STEPS
        self.by_subject: dict[bytes, list[PathCertificate]] = {}
        for one in dict.fromkeys([*anchors, *sent]):
            self.by_subject.setdefault(one.subject, []).append(one)
        self.known: dict[tuple[PathCertificate, PathCertificate], bool] = {}
        self.furthest: list[PathCertificate] = []
        self.wrong_key: list[tuple[PathCertificate, PathCertificate]] = []
        self.cut = False

    def paths(self, leaf: PathCertificate) -> c.Iterator[list[PathCertificate]]:
        """All paths, leaf first and anchor last; raises Exhausted."""
        if leaf in self.anchors:
            yield [leaf]
        yield from self._longer([leaf])

    def _longer(self, path: list[PathCertificate]) -> c.Iterator[list[PathCertificate]]:
        self.steps -= 1
        if self.steps < 0:
            raise Exhausted(f"{MAX_STEPS} steps")
        if len(path) > len(self.furthest):
            self.furthest = path
        for issuer in self._candidates(path):
            if not self._signed(path[-1], issuer):
                continue
            if issuer in self.anchors:
                yield [*path, issuer]
            # An anchor may be sent along with a path to another anchor, which is as good.
            if len(path) <= self.depth:
                yield from self._longer([*path, issuer])
            elif issuer not in self.anchors:
                self.cut = True

    def _candidates(self, path: list[PathCertificate]) -> list[PathCertificate]:
        """Who may have issued the last one, by name. Anchors come first and what an anchor has issued by its name, then
        those whose key fits, then those that are valid now.
        """
        last = path[-1]
        # The same name and key again is a loop, whichever certificate says so (RFC 4158 section 5.2).
        used = {(one.subject, one.spki) for one in path}
        found = [one for one in self.by_subject.get(last.issuer, ()) if (one.subject, one.spki) not in used]
        return sorted(found, key=lambda one: (
            one not in self.anchors, one.issuer not in self.roots,
            bool(last.issuer_key_id and one.key_id and last.issuer_key_id != one.key_id),
            not one.not_before <= self.now <= one.not_after))

    def _signed(self, one: PathCertificate, issuer: PathCertificate) -> bool:
        pair = (one, issuer)
        if pair not in self.known:
            if not self.signatures:
                raise Exhausted(f"{MAX_SIGNATURES} signatures")
            self.signatures -= 1
            self.known[pair] = _is_signed(one, issuer)
            if not self.known[pair]:
                self.wrong_key.append(pair)
        return self.known[pair]

    def finding(self) -> Finding:
        """Why no path was found."""
        last = self.furthest[-1]
        who = "" if len(self.furthest) == 1 else f"{last.label} "
        if self.cut:
            return finding("rfc5280-too-long", f"has a chain with more than {self.depth} CAs between it and an anchor")
        wrong = [issuer for one, issuer in self.wrong_key if one == last]
        if wrong:
            return finding("rfc5280-signature", f"{who}has a signature that was not made with the key of "
                                                f"{wrong[0].label}")
        if last.self_issued:
            return finding("rfc5280-no-path", f"{who}is self-signed and no anchor")
        return finding("rfc5280-no-path", f"{who}was issued by {label(last.issuer) or 'an empty name'}, which is "
                                          "neither an anchor nor sent along")


def _is_signed(one: PathCertificate, issuer: PathCertificate) -> bool:
    try:
        one.object.verify_directly_issued_by(issuer.object)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
