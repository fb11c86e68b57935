# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: BSD-2-Clause
# Private to this collection: may change without notice.
"""The end of every module: its result, or why there is none."""

import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import files

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(
    module: "AnsibleModule", function: "t.Callable[[], t.Dict[str, t.Any]]", path: "t.Optional[str]" = None
) -> None:
    """Ends the module with what the function returns, or with the Failure or OSError that it raises.

    Ansible shows ``warnings`` (list of str) of a result or a failure, and ``diff`` if it was asked for.
    path: what is named where an OSError names no file.
    """
    end: t.Callable[..., t.NoReturn] = module.exit_json
    try:
        result = function()
    except Failure as error:
        result, end = dict(error.facts, msg=str(error)), module.fail_json
    except EnvironmentError as error:
        result, end = {"msg": str(files.explain(error, "used", path))}, module.fail_json
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    if not module._diff:
        result.pop("diff", None)
    end(**dict({"changed": False}, **result))


def judged(outcome: "t.Dict[str, t.Any]", passed: bool) -> "t.Dict[str, t.Any]":
    """A result whose ``results`` have ``warnings`` each, which are shown with their names; a Failure if not passed."""
    warnings = ["%s: %s" % (one["name"], warning) for one in outcome["results"] for warning in one.get("warnings", ())]
    if not passed:
        raise Failure(outcome.pop("msg"), warnings=warnings, **outcome)
    return dict(outcome, warnings=warnings)
