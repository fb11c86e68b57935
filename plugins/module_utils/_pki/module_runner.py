# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""What the modules of keys and certificates have in common: their files written, their outcome shown."""

import contextlib
import os
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import (
    default_paths,
    file_attributes,
    files,
    replace,
    run_module,
)
from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import cryptography_dep, keys
from ansible_collections.fleetpki.host_trust.plugins.module_utils._x509 import pem

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Outcome(t.NamedTuple):
    reasons: "t.List[str]"          # why something was written; nothing was where it is empty
    warnings: "t.List[str]"
    result: "t.Dict[str, t.Any]"    # the module's own results
    diff: "t.Dict[str, str]"        # as Ansible shows it
    files: "t.List[str]"            # those that the options mode, owner and so on are about
    private_key: "t.Optional[str]"  # the one that privatekey_mode and so on are about


if t.TYPE_CHECKING:
    Converge = t.Callable[[t.Dict[str, t.Any], bool], Outcome]  # of the options and whether it is check mode


KEYS = ("privatekey_path", "ca_privatekey_path")
PASSPHRASES = ("privatekey_passphrase", "ca_privatekey_passphrase")
WRITTEN = ("privatekey_path", "path", "fullchain_path")
READ = ("csr_path", "certificate_path", "chain_path", "fullchain_path", "ca_path", "ca_privatekey_path")
CONTENTS = ("csr_content", "ca_content")
CERTIFICATES = ("path", "csr_path", "certificate_path", "chain_path", "fullchain_path", "ca_path")


def placed(options: "t.Dict[str, t.Any]") -> "t.Dict[str, t.Any]":
    """The options with files that are named without a folder in those of the system, and all inside its root.

    Raises files.FilesError.
    """
    root = files.system_root(options.get("root", "/"))
    made = dict(options)
    made.update({name: default_paths.key(options[name], root) for name in KEYS if name in options})
    made.update({name: default_paths.certificate(options[name], root) for name in CERTIFICATES if name in options})
    return made


def awaited(options: "t.Dict[str, t.Any]") -> "t.List[str]":
    """What is not there in check mode, and would be if the tasks before had not run in check mode, too (paths)."""
    given = [options.get(name) for name in ("csr_path", "ca_path", "ca_privatekey_path")]
    return [path for path in given if path and not os.path.lexists(path)]


def foreseen(options: "t.Dict[str, t.Any]", nothing: "t.Dict[str, t.Any]") -> Outcome:
    """The Outcome of check mode where that is so; ``nothing`` is the result without what is not known."""
    return Outcome(["%s is not there yet" % path for path in awaited(options)], [],
                   dict(nothing, filename=options["path"], backup_files={}),
                   diff(options["path"], "", "(made of %s, when that is there)\n" % ", ".join(awaited(options))),
                   [], None)


def carry_out(
    changes: "t.List[replace.Replacement]", options: "t.Dict[str, t.Any]", check_mode: bool
) -> "t.Dict[str, str]":
    """Writes the files, all or none; returns {path: backup}, nothing in check mode."""
    return {} if check_mode or not changes else replace.replace(changes, options["backup"])


def diff(path: "t.Optional[str]", before: str, after: str) -> "t.Dict[str, str]":
    """A diff of two texts, as Ansible shows it."""
    return {"before_header": path or "", "after_header": path or "", "before": before, "after": after}


def attempt(
    converge: "Converge", options: "t.Dict[str, t.Any]", check_mode: bool, written: "t.Sequence[str]" = WRITTEN
) -> Outcome:
    """The Outcome of one of the modules; ``options`` as placed. Raises Failure, with nothing changed.

    written: names of the options that say which files it may write.
    """
    cryptography_dep.require()
    for name in PASSPHRASES:
        keys.check_passphrase(name, options.get(name))
    default_paths.check(options, KEYS + CERTIFICATES)
    default_paths.check_apart(options, written, READ)
    _refuse_keys(options, written)
    warnings = replace.check([options[name] for name in written if options.get(name)], check_mode)
    with contextlib.ExitStack() as stack:
        if not check_mode:
            stack.enter_context(replace.lock(_paths(options, written)))
        outcome = converge(options, check_mode)
    return outcome._replace(warnings=warnings + outcome.warnings)


def _paths(options: "t.Dict[str, t.Any]", written: "t.Iterable[str]") -> "t.List[str]":
    """The files that may be written, with that of a key that waits for its certificate."""
    key = options.get("privatekey_path")
    return [options[name] for name in written if options.get(name)] + ([key + default_paths.NEXT] if key else [])


def _refuse_keys(options: "t.Dict[str, t.Any]", written: "t.Iterable[str]") -> None:
    """Raises Failure where a private key would be lost with what is written, or is given as something else."""
    for name in CONTENTS:
        if pem.holds_key((options.get(name) or "").encode("utf-8", "replace")):
            raise Failure("%s: there is a private key in it, which belongs nowhere but into its file: leave only %s"
                          % (name, "the request" if name == "csr_content" else "the certificates"))
    for name in written:
        if name not in KEYS and options.get(name) and os.path.isfile(options[name]):
            try:
                if pem.holds_key(pem.read_file(options[name])):
                    raise Failure(pem.key_lost(options[name], name))
            except pem.CertificateFileError:
                pass  # whoever reads it says so


def success(outcome: Outcome) -> "t.Dict[str, t.Any]":
    """An Outcome as a module's result."""
    return dict(outcome.result, changed=bool(outcome.reasons), reasons=outcome.reasons, diff=outcome.diff,
                warnings=outcome.warnings)


def run(module: "AnsibleModule", converge: "Converge", written: "t.Sequence[str]" = WRITTEN) -> None:
    """Runs one of the modules to its end. ``converge(options, check_mode)`` returns an Outcome; see ``attempt``."""
    file_attributes.hide_keys(module, CONTENTS)
    run_module.run(module, lambda: _result(module, converge, written))


def _result(module: "AnsibleModule", converge: "Converge", written: "t.Sequence[str]") -> "t.Dict[str, t.Any]":
    default_paths.check(module.params, KEYS + CERTIFICATES)
    options = placed(module.params)
    file_attributes.check(module.params)
    there = [path for path in _paths(options, written) if os.path.lexists(path)]
    outcome = attempt(converge, options, module.check_mode, written)
    changed = file_attributes.apply(module, [path for path in outcome.files if path], outcome.private_key, there)
    return success(outcome._replace(reasons=outcome.reasons + changed))
