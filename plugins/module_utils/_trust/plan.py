# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""From what a trust store holds and what is wanted of it to the steps between: pure, nothing is touched here."""

import collections
import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import anchor_file, proof, stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import state as trust_state
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

if t.TYPE_CHECKING:
    Names = t.Dict[t.Tuple[bool, str], t.List[str]]  # as ``_names`` has them
    Anchors = t.Dict[t.Optional[str], t.List[trust_state.HeldAnchor]]  # the local ones, by fingerprint


class Wanted(t.NamedTuple):
    state: str                                   # present, absent or distrusted
    name: "t.Optional[str]"                      # what the user calls it, or None
    fingerprint: str                             # SHA-256, hex; empty: whatever is installed under the name
    certificate: "t.Optional[x509.Certificate]"  # None where only the fingerprint is known


class Step(t.NamedTuple):
    action: str
    path: str
    fingerprint: "t.Optional[str]"
    certificate: "t.Optional[x509.Certificate]"
    name: "t.Optional[str]"
    reason: str


class Plan(t.NamedTuple):
    wanted: "t.List[Wanted]"  # each with its fingerprint and, where anybody knows it, its certificate
    steps: "t.List[Step]"  # in the order in which they are taken
    changes: "t.Dict[str, t.Optional[bytes]]"  # new content by path, None to remove
    unsent: "t.List[str]"  # fingerprints of certificates that the steps need and nobody has given yet


One = t.TypeVar("One", trust_state.HeldAnchor, Step)


class PlanError(Failure):
    """What is wanted contradicts itself or what the host distrusts."""


def plan(
    store: stores.Store, observed: trust_state.TrustState, wanted: "t.List[Wanted]", purge: str = "none",
    extract: str = "auto"
) -> Plan:
    """The Plan that makes ``observed`` (TrustState) what is ``wanted`` (list of Wanted).

    purge: ``none``, ``managed`` (anchors of ours that are not wanted any more) or ``all`` (every local one).
    extract: ``auto`` (when the extracted store is not what is wanted, or will not be), ``always``, ``never``.
    """
    if store.anchors is None:
        _refuse_other_file(store, observed)
    wanted = resolve(store, observed, wanted)
    steps = _steps(store, observed, wanted, purge)
    if extract != "never":
        _refuse_unloadable(store, observed, steps)
    changes, unsent = _changes(store, observed, steps)
    if observed.interrupted:
        steps.insert(0, Step("recover", store.staging[0][1], None, None, None,
                             "an earlier run was interrupted: its half-done change is undone first"))
    if store.extract and extract != "never":
        reason = None
        if steps:
            reason = "what it is made from changes"
        else:
            reason = "; ".join(proof.deviations(store, observed, wanted, purge))
            reason = reason or ("asked for by extract: always" if extract == "always" else None)
        if reason:
            steps.append(Step("extract", store.extracted, None, None, None, reason))
    return Plan(wanted, steps, changes, unsent)


def _refuse_other_file(store: stores.Store, observed: trust_state.TrustState) -> None:
    """A bundle's path with a slip in it must not lead to the system's own store, or to other configuration."""
    path = store.bundles[0][1]
    if stores.is_the_systems(path, store.root):
        raise PlanError("%s belongs to the system's own trust store, with the distribution's certificates in it: for "
                        "anchors there, leave store and bundle_path out; an application's bundle is a file of its own"
                        % path)
    lines = observed.files.get(path, b"").split(b"\n")
    if not observed.anchors and any(line.strip() and not line.startswith(b"#") for line in lines):
        raise PlanError("%s is there and holds no certificate: is it the right file? If so, empty it first" % path)


def _refuse_unloadable(store: stores.Store, observed: trust_state.TrustState, steps: "t.List[Step]") -> None:
    """Raises PlanError where OpenSSL would not load an extracted bundle after these steps either."""
    gone = {(step.path, step.fingerprint) for step in steps if step.action == "remove"}
    distrusted = {step.fingerprint for step in steps if step.action == "distrust"}
    kept = [held for held in observed.anchors if (held.path, held.fingerprint) not in gone]
    distribution = {fingerprint: path for fingerprint, path in observed.distribution.items()
                    if fingerprint not in distrusted}
    after = observed._replace(anchors=kept, distribution=distribution)
    sources = proof.source_paths(after)
    refusals = [one for one in observed.refusals if one.fingerprint in sources
                or store.anchors is None and one.fingerprint not in {step.fingerprint for step in steps}]
    reasons = proof.unloadable(store, after._replace(refusals=refusals))
    if reasons:
        raise PlanError("%s. Nothing was changed" % "; ".join(reasons))


def resolve(
    store: "t.Optional[stores.Store]", observed: trust_state.TrustState, wanted: "t.List[Wanted]"
) -> "t.List[Wanted]":
    """Gives each Wanted its fingerprint and, where it is found anywhere on the host, its certificate.

    An ``absent`` by name becomes one for each certificate under that name. Raises PlanError for contradictions.
    """
    known = {held.fingerprint: held.der for held in observed.anchors + observed.distrusted}
    listed = {want.fingerprint for want in wanted}
    names = _names(store, observed) if not all(listed) else {}
    found: t.Dict[str, Wanted] = collections.OrderedDict()
    for want in wanted:
        # What a name stands for is less exact than a certificate: what is listed itself is not meant by it.
        fingerprints = [want.fingerprint] if want.fingerprint else [
            fingerprint for fingerprint in _named(names, want.name or "") if fingerprint not in listed]
        for fingerprint in fingerprints:
            certificate = want.certificate or x509.parse_leniently(known.get(fingerprint))
            entry = Wanted(want.state, want.name, fingerprint, certificate)
            earlier = found.setdefault(fingerprint, entry)
            if earlier.state != entry.state:
                raise PlanError("%s (SHA-256 %s) is wanted %s (%s) and %s (%s): leave one of them" % (
                    proof.label(certificate), fingerprint, earlier.state, earlier.name or "without a name",
                    entry.state, entry.name or "without a name"))
    return list(found.values())


def _names(store: "t.Optional[stores.Store]", observed: trust_state.TrustState) -> "Names":
    """{name: fingerprints of the local anchors that go by it}: ours by the name in the comment, others by the file.

    A name in a comment is as anchor_file.comment_safe writes it, and (True, name) here; a file's is (False, name).
    """
    found = collections.defaultdict(list)
    for held in observed.anchors:
        if held.name is not None:
            found[True, held.name].append(held.fingerprint)
        elif store and store.anchors:
            file_name = os.path.basename(held.path)
            for name in sorted({file_name, os.path.splitext(file_name)[0]}):
                found[False, name].append(held.fingerprint)
    return found


def _named(names: "Names", name: str) -> "t.List[str]":
    return names.get((True, anchor_file.comment_safe(name)), []) + names.get((False, name), [])


def by_fingerprint(listed: "t.Iterable[One]") -> "t.Dict[t.Optional[str], t.List[One]]":
    """{fingerprint: those of ``listed`` (Held or Step) that have it}, so that nobody searches the list for each."""
    found: t.Dict[t.Optional[str], t.List[One]] = collections.defaultdict(list)
    for one in listed:
        found[one.fingerprint].append(one)
    return found


def _steps(
    store: stores.Store, observed: trust_state.TrustState, wanted: "t.List[Wanted]", purge: str
) -> "t.List[Step]":
    local = by_fingerprint(observed.anchors)
    steps = _steps_for(store, observed, local, wanted)
    listed = {want.fingerprint for want in wanted}
    if purge != "none":
        purged = _purged(observed, local, listed, purge)
        listed.update(step.fingerprint or "" for step in purged)
        steps += purged
    steps += _without_refused(observed, listed)
    return steps + _repairs(observed, {one.path for one in steps})


def _step(action: str, path: str, want: Wanted, reason: str) -> Step:
    return Step(action, path, want.fingerprint, want.certificate, want.name, reason)


def _of_host(state: str, held: trust_state.HeldAnchor) -> Wanted:
    """What the host holds, as if it were listed."""
    return Wanted(state, held.name, held.fingerprint, x509.parse_leniently(held.der))


def _steps_for(
    store: stores.Store, observed: trust_state.TrustState, local: "Anchors", wanted: "t.List[Wanted]"
) -> "t.List[Step]":
    """What is to be done for what is listed."""
    steps: t.List[Step] = []
    distrust = by_fingerprint(observed.distrusted)
    in_force = trust_state.fingerprints_in_force(store, observed)
    blocked = proof.blocked_keys(store, observed, wanted)
    for want in wanted:
        held, blocks = local.get(want.fingerprint, []), distrust.get(want.fingerprint, [])
        if want.state == "present":
            steps += [_step("undistrust", path, want, "it is distrusted there") for path in _paths(blocks)]
            _refuse_blocked_key(blocked, want)
            if not any(one.plain for one in held):
                steps.append(_step("install", _anchor_path(store, want), want, "no local anchor holds it"))
            continue
        steps += [_step("remove", path, want, "wanted %s" % want.state) for path in _paths(held)]
        if want.state == "distrusted":
            _refuse_distrust_in_bundle(store, want)
            if want.fingerprint not in in_force:
                steps += [_step("distrust", path, want, "nothing distrusts it yet")
                          for path in _distrust_paths(store, observed, want)]
    return steps


def _purged(
    observed: trust_state.TrustState, local: "Anchors", listed: "t.Set[str]", purge: str
) -> "t.List[Step]":
    """Local anchors that are not listed: those of ours, or all; each file once."""
    places = collections.OrderedDict.fromkeys(
        (held.path, held.fingerprint) for held in observed.anchors
        if held.fingerprint not in listed and (purge == "all" or held.name is not None))
    return [_step("remove", path, _of_host("absent", local[fingerprint][0]), "not listed (purge: %s)" % purge)
            for path, fingerprint in places]


def _without_refused(observed: trust_state.TrustState, listed: "t.Set[str]") -> "t.List[Step]":
    """Anchors of ours that keep OpenSSL from loading the bundle."""
    refused = {one.fingerprint for one in observed.refusals} - listed
    return [_step("remove", one.path, _of_host("absent", one),
                  "this host's OpenSSL does not load it, and with it no other certificate of the bundle")
            for one in observed.anchors if one.name is not None and one.fingerprint in refused]


def _repairs(observed: trust_state.TrustState, touched: "t.Set[str]") -> "t.List[Step]":
    """Files of ours with a wrong owner or mode, but for those that are written or removed anyway."""
    first = {one.path: one for one in reversed(observed.anchors + observed.distrusted)}
    return [_step("repair", path, _of_host("present", first[path]), observed.untidy[path])
            for path in sorted(observed.untidy) if path not in touched]


def _refuse_distrust_in_bundle(store: stores.Store, want: Wanted) -> None:
    if store.distrust is None:
        raise PlanError("%s can't be distrusted in a bundle, which only lists what is trusted: "
                        "use state: absent" % proof.label(want.certificate))


def _paths(held: "t.Iterable[trust_state.HeldAnchor]") -> "t.List[str]":
    return list(collections.OrderedDict.fromkeys(one.path for one in held))


def _anchor_path(store: stores.Store, want: Wanted) -> str:
    if store.anchors is None:
        return store.bundles[0][1]
    return _file_in(store.anchors, store, want)


def _file_in(folder: str, store: stores.Store, want: Wanted) -> str:
    name = want.name or (want.certificate and x509.common_name(want.certificate.subject_der)) or ""
    return os.path.join(folder, anchor_file.file_name(name, want.fingerprint, store.suffix))


def _distrust_paths(store: stores.Store, observed: trust_state.TrustState, want: Wanted) -> "t.List[str]":
    """Where a certificate has to be distrusted; on Debian nowhere if the distribution does not trust it."""
    if store.distrust == "folder":
        return [_file_in(store.distrusted[0], store, want)]
    return [observed.distribution[want.fingerprint]] if want.fingerprint in observed.distribution else []


def _refuse_blocked_key(blocked: "t.Dict[bytes, t.Tuple[str, x509.Certificate]]", want: Wanted) -> None:
    """p11-kit distrusts by public key: another certificate with the same key blocks this one too."""
    if want.certificate and want.certificate.spki_der in blocked:
        place, other = blocked[want.certificate.spki_der]
        raise PlanError("%s (SHA-256 %s) can't be trusted: %s distrusts its public key, through the certificate %s "
                        "(SHA-256 %s); take that one off first" % (
                            proof.label(want.certificate), want.fingerprint, place, proof.label(other),
                            other.fingerprint))


def _changes(
    store: stores.Store, observed: trust_state.TrustState, steps: "t.List[Step]"
) -> "t.Tuple[t.Dict[str, t.Optional[bytes]], t.List[str]]":
    """The files' new contents ({path: bytes or None}), and fingerprints of certificates that are needed for them."""
    cut: t.Dict[str, t.Set[str]] = collections.defaultdict(set)
    add: t.Dict[str, t.List[bytes]] = collections.OrderedDict()
    unsent: t.List[str] = []
    switch_off, switch_on = set(), set()
    for step in steps:
        if step.fingerprint is None:
            continue  # it is about no certificate
        if step.action in ("install", "distrust"):
            if store.distrust == "configuration" and step.action == "distrust":
                switch_off.add(step.path)
            elif step.certificate is None:
                unsent.append(step.fingerprint)
            else:
                name = step.name or x509.common_name(step.certificate.subject_der) or "anchor"
                add.setdefault(step.path, []).append(anchor_file.managed_block(name, step.certificate))
        elif step.action == "undistrust" and store.distrust == "configuration":
            switch_on.add(step.path)
        elif step.action in ("remove", "undistrust"):
            cut[step.path].add(step.fingerprint)
    repaired = {step.path for step in steps if step.action == "repair"}
    changes: t.Dict[str, t.Optional[bytes]] = {}
    for path in set(cut) | set(add) | repaired:
        former = observed.files.get(path, b"")
        if store.anchors and path in add and not any(True for _held in trust_state.certificates_in(path, former)):
            former = b""  # a file of ours that was cut off
        for held in observed.anchors if store.anchors is None else ():
            if held.der == former:  # the whole file, in DER
                replaced = cut[path] | {step.fingerprint for step in steps if step.action == "install"}
                former = b"" if held.fingerprint in replaced else pem.to_pem(held.der).encode("ascii")
        changes[path] = _rewritten(path, former, cut[path], add.get(path, []), keep_empty=store.anchors is None)
    if switch_off or switch_on:
        path = store.distrusted[0]
        changes[path] = _switched(observed.files[path], store.distribution[0], switch_off, switch_on)
    return changes, unsent


def _rewritten(
    path: str, data: bytes, cut: "t.Set[str]", add: "t.List[bytes]", keep_empty: bool
) -> "t.Optional[bytes]":
    """A file without some certificates and with others at its end; None where nothing of worth is left."""
    kept, position = [], 0
    for held in trust_state.certificates_in(path, data):
        if held.fingerprint in cut:
            kept.append(data[position:held.start])
            position = held.end
    left = b"".join(kept + [data[position:]])
    if not add and not pem.MARKER.search(left) and left[:1] != b"\x30":
        comments = [line for line in left.splitlines(True) if line.startswith(b"#")]
        return b"".join(comments) if keep_empty else None
    if add and left and not left.endswith(b"\n"):
        left += b"\n"
    return left + b"".join(add)


def _switched(data: bytes, folder: str, off: "t.Set[str]", on: "t.Set[str]") -> bytes:
    """/etc/ca-certificates.conf with certificates of the distribution switched off and on."""
    lines = []
    for line in data.decode("utf-8", "surrogateescape").splitlines(True):
        name = line.strip()
        if name and name[0] not in "#!" and os.path.join(folder, name) in off:
            line = "!" + line.lstrip()
        elif name[:1] == "!" and os.path.join(folder, name[1:].strip()) in on:
            line = line.lstrip()[1:].lstrip()
        lines.append(line)
    return "".join(lines).encode("utf-8", "surrogateescape")
