# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""Certificate, chain and key put in place together, after this host's OpenSSL accepted them: what cert_install does."""

import collections
import contextlib
import os
import shutil
import tempfile
import time
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install import plan as cert_install_plan
from ansible_collections.fleetpki.host_trust.plugins.module_utils._cert_install.plan import InstallationError
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import default_paths, duration, files, replace
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import stores
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import openssl
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import reasons as verify_reasons
from ansible_collections.fleetpki.host_trust.plugins.module_utils._verify import verify as verification
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import certificate as x509
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import der, pem

FILES = (cert_install_plan.CERTIFICATE, cert_install_plan.CHAIN, cert_install_plan.FULLCHAIN)
# What sentences call the anchors that came as text; who uses the role has never heard of the option.
GIVEN = "trust_content (in the role host_certificate: host_certificate_external_trust, or the private CA's root)"
NOTHING_KNOWN = dict.fromkeys(["subject", "issuer", "serial", "fingerprint_sha256", "not_before", "not_after"])


def install(
    options: "t.Dict[str, t.Any]",
    check_mode: bool = False,
    tmpdir: "t.Optional[str]" = None,
    now: "t.Optional[int]" = None,
) -> "t.Dict[str, t.Any]":
    """Does what the options of cert_install (dict) say; returns the module's result, with ``files`` (paths) besides.

    Raises InstallationError, Failure and files.FilesError; the files are as they were then.
    """
    options, now = _placed(options), int(time.time()) if now is None else now
    paths = [options[option] for option in FILES if options[option]]
    key = options["privatekey_path"]
    if check_mode:
        if not (options["content"] or "").strip():
            return _foreseen("the certificate is not made yet", paths)
        if not os.path.lexists(key) and not os.path.lexists(key + default_paths.NEXT):
            return _foreseen("the private key %s is not there yet" % key, paths)
    try:
        offer = read_offer(options["content"], options["src"])
        warnings = replace.check(paths, check_mode)
        with contextlib.ExitStack() as stack:
            if not check_mode:
                keys = [key, key + default_paths.NEXT] if os.path.isdir(os.path.dirname(key)) else []
                stack.enter_context(replace.lock(paths + keys))
            result = _converge(options, offer, check_mode, tmpdir, now)
        result["warnings"] += warnings
        return result
    except der.DerError as error:  # of something in a certificate that is looked at only now
        raise InstallationError("one of the certificates is malformed: %s" % error)


def _placed(options: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """The options with whole paths; raises InstallationError and files.FilesError where they make no sense."""
    default_paths.check(options, ("privatekey_path", "trust") + FILES)
    root = files.system_root(options.get("root", "/"))
    options = dict(options, privatekey_path=os.path.abspath(default_paths.key(options["privatekey_path"], root)),
                   trust=_trust(options, root))
    options.update({option: os.path.abspath(default_paths.certificate(options[option], root))
                    for option in FILES if options[option]})
    default_paths.check_apart(options, ("privatekey_path",) + FILES)
    try:
        duration.of_option("min_remaining", options["min_remaining"])
    except ValueError as error:
        raise InstallationError(str(error))
    return dict(options, names=cert_install_plan.split_names(options["subject_alt_name"] or []))


def _trust(options: "t.Dict[str, t.Any]", root: str) -> "t.Optional[str]":
    """Path of the anchors to judge against, None for what this host's OpenSSL uses; an image is asked for its own."""
    given: t.Optional[str] = options["trust"]
    if root == "/" or options["trust_content"] is not None:
        return given
    try:
        path = default_paths.certificate(given, root) or stores.bundle_of(root)
    except stores.StoreError as error:
        raise InstallationError("%s; or name a file in the image with the option trust" % error)
    if os.path.isdir(path):
        raise InstallationError("trust: %s is a folder, whose links may lead out of %s: name a PEM file" % (path, root))
    return path


def _foreseen(sentence: str, paths: "t.List[str]") -> "t.Dict[str, t.Any]":
    """What check mode says where an earlier task of the play has not made its file, as it only checks too."""
    return dict(NOTHING_KNOWN, changed=True, reasons=[sentence], chain=[], warnings=[], backup_files={}, files=paths,
                privatekey_path=None, msg="%s, so that nothing can be verified before the real run" % sentence,
                diff={"before": "", "after": ""})


def read_offer(content: "t.Optional[str]", sources: "t.Optional[t.List[str]]" = None) -> cert_install_plan.Offer:
    """The Offer in PEM text; sources: the file of each of its certificates, where they came from the controller."""
    try:
        found = pem.read_certificates((content or "").encode("utf-8", "surrogateescape"))
    except pem.PrivateKeyFound:
        raise InstallationError("content: there is a private key in it: leave only the certificates, the key is on the "
                                "host already (privatekey_path)")
    except pem.CertificateFileError as error:
        raise InstallationError("content: %s" % error)
    return cert_install_plan.Offer(found, {one.fingerprint: "src %s" % name for one, name in zip(found, sources or [])})


def _converge(
    options: "t.Dict[str, t.Any]", offer: cert_install_plan.Offer, check_mode: bool, tmpdir: "t.Optional[str]", now: int
) -> "t.Dict[str, t.Any]":
    """Observe, plan, verify, apply, prove."""
    program = openssl.find()
    state = observe(options, program)
    choice = cert_install_plan.choose(offer, state, now)
    kept = cert_install_plan.newer_in_use(choice, state, now)
    judged = _judge(kept or choice, options, tmpdir, now)
    if kept and not judged["reasons"]:
        choice = kept
    elif kept:
        judged = _judge(choice, options, tmpdir, now)
    plan = cert_install_plan.plan(choice, state)
    if judged["reasons"]:
        in_use = cert_install_plan.installed(state)[0] == choice.leaf and not plan.replacements
        raise InstallationError(_refusal(choice, offer, judged["reasons"], in_use), in_use=in_use)
    backups = {}
    if plan.replacements and not check_mode:
        backups = replace.replace(plan.replacements, options["backup"], lambda: _prove(choice, options, program))
        with contextlib.suppress(OSError, KeyError):  # it is in its place now; there need be no copy
            os.unlink(backups.pop(options["privatekey_path"] + default_paths.NEXT))
    target = options["privatekey_path"] if choice.key is state.next else choice.key.path
    return dict(
        x509.describe(choice.leaf), changed=bool(plan.replacements), reasons=plan.reasons,
        msg=_message(choice, plan, check_mode), privatekey_path=target, backup_files=backups,
        chain=[x509.name(one.subject_der) for one in choice.chain], warnings=_warnings(judged, state, choice),
        diff=cert_install_plan.diff(choice, state), files=[held.path for held in state.files.values()])


def observe(options: "t.Dict[str, t.Any]", program: openssl.OpenSSL) -> cert_install_plan.InstallState:
    """What is on the host (planning.State)."""
    path = options["privatekey_path"]
    unread = ""
    try:
        waiting = _key(path + default_paths.NEXT, options, program, content=True)
    except InstallationError as error:
        waiting, unread = None, "; %s" % error
    key = _key(path, options, program)
    if not key and not waiting:
        raise InstallationError("the private key %s can't be used: there is no such file%s" % (path, unread))
    found = collections.OrderedDict(
        (option, _held(option, options[option])) for option in FILES if options[option])
    return cert_install_plan.InstallState(key, waiting, found, unread)


def _key(
    path: str, options: "t.Dict[str, t.Any]", program: openssl.OpenSSL, content: bool = False
) -> "t.Optional[cert_install_plan.Key]":
    if not os.path.lexists(path):
        return None
    try:
        spki = openssl.public_key(program, path, options["privatekey_passphrase"], "privatekey_passphrase")
        return cert_install_plan.Key(path, pem.read_file(path) if content else None, spki)
    except (openssl.PrivateKeyError, pem.CertificateFileError) as error:
        raise InstallationError("the private key %s can't be used: %s" % (path, pem.advised(str(error))))


def _held(option: str, path: str) -> cert_install_plan.InstalledFile:
    """What one of the files holds; raises InstallationError where a private key would be lost with it."""
    if not os.path.lexists(path):
        return cert_install_plan.InstalledFile(path, None, None)
    try:
        data = pem.read_file(path)
        if option == cert_install_plan.CHAIN and not data.strip():
            return cert_install_plan.InstalledFile(path, [], None)
        found = pem.read_certificates(data)
    except pem.PrivateKeyFound:
        raise InstallationError(pem.key_lost(path, option))
    except pem.CertificateFileError as error:
        if "can't be read:" in str(error):  # as opposed to: read, and no certificate
            raise InstallationError("%s: %s" % (path, pem.advised(str(error))))
        return cert_install_plan.InstalledFile(path, [], str(error))
    return cert_install_plan.InstalledFile(path, found, None if pem.is_plain_pem(data) else "it is not in PEM form")


def _judge(
    choice: cert_install_plan.Selection, options: "t.Dict[str, t.Any]", tmpdir: "t.Optional[str]", now: int
) -> "t.Dict[str, t.Any]":
    """The result of _verification on the certificate, with the chain and the key that it would be used with."""
    item = {
        "content": "".join(pem.to_pem(one.der) for one in [choice.leaf] + choice.chain),
        "privatekey_path": choice.key.path, "privatekey_passphrase": options["privatekey_passphrase"],
        "hostnames": options["names"]["DNS"], "ips": options["names"]["IP"],
    }
    trust, name, folder = options["trust"], None, None
    try:
        if options["trust_content"] is not None:
            folder, name = tempfile.mkdtemp(dir=tmpdir), GIVEN
            trust = os.path.join(folder, "trust.pem")
            with open(trust, "wb") as stream:
                stream.write(options["trust_content"].encode("utf-8", "surrogateescape"))
        outcome = verification.verify([item], trust, options["purpose"], options["min_remaining"], tmpdir, now, name)
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    result = outcome["results"][0]
    return dict(result, reasons=result["reasons"] + cert_install_plan.missing_literally(options["names"], choice.leaf))


def _refusal(
    choice: cert_install_plan.Selection, offer: cert_install_plan.Offer, why: "t.List[str]", in_use: bool
) -> str:
    end = ("it is what is installed already: have a new one made" if in_use else
           "the files on the host stay as they are")
    return "%s is refused: %s. Nothing is changed; %s" % (
        cert_install_plan.origin(offer, choice.leaf), "; ".join(why), end)


def _warnings(
    judged: "t.Dict[str, t.Any]", state: cert_install_plan.InstallState, choice: cert_install_plan.Selection
) -> "t.List[str]":
    """The warnings of a judgement, and that of a key that waits and can't be read."""
    name = cert_install_plan.brief(choice.leaf)
    return ["%s: %s" % (name, warning) for warning in judged["warnings"]] + [state.unread[2:]] * bool(state.unread)


def _prove(choice: cert_install_plan.Selection, options: "t.Dict[str, t.Any]", program: openssl.OpenSSL) -> None:
    """What was written is read once more: somebody else may write there too."""
    state = observe(options, program)
    key = state.key
    left = [one.path for one in cert_install_plan.plan(choice._replace(key=key), state).replacements] if key else []
    if not key or not openssl.same_key(key.spki, choice.leaf.spki_der):
        left.append(options["privatekey_path"])
    if left:
        raise files.FilesError("%s is not what was just written: something else writes there too; run this again"
                               % left[0])


def _message(choice: cert_install_plan.Selection, plan: cert_install_plan.InstallPlan, check_mode: bool) -> str:
    done = ("would be installed" if check_mode else "is installed") if plan.replacements else "is in place"
    return "%s, expires %s, %s%s%s" % (
        verify_reasons.short(choice.leaf.subject_der), x509.iso_time(choice.leaf.not_after), done,
        ": " * bool(plan.reasons) + "; ".join(plan.reasons), choice.note)
