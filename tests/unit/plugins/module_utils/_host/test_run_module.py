# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a module: whatever happens is a result or a sentence, and never a traceback."""
import errno
import re

import pytest

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module


class Ended(Exception):
    pass


class Module:
    """What is asked of AnsibleModule, which ends the process."""

    def __init__(self, diff=False):
        self._diff, self.warned = diff, []
        self.warn = self.warned.append

    def exit_json(self, **result):
        raise Ended(dict(result, failed=False))

    def fail_json(self, msg, **result):
        raise Ended(dict(result, failed=True, msg=msg))


def ended(module, function, *path):
    with pytest.raises(Ended) as end:
        run_module.run(module, function, *path)
    return end.value.args[0]


def raising(error):
    def function():
        raise error
    return function


def test_a_result_is_shown_with_its_warnings_and_a_diff_where_one_is_asked_for():
    for diff in (True, False):
        module = Module(diff)
        found = {"changed": True, "warnings": ["careful"], "diff": {"before": "a", "after": "b"}}
        result = ended(module, lambda found=found: found)
        assert result.pop("diff", None) == ({"before": "a", "after": "b"} if diff else None)
        assert result == {"changed": True, "failed": False} and module.warned == ["careful"]
    assert ended(Module(), dict) == {"changed": False, "failed": False}


def test_a_failure_is_shown_with_its_facts():
    module = Module()
    failure = Failure("no", missing_packages=["openssl"], warnings=["careful"])
    assert ended(module, raising(failure)) == {
        "changed": False, "failed": True, "msg": "no", "missing_packages": ["openssl"]}
    assert module.warned == ["careful"]


@pytest.mark.parametrize("error, path, said", [
    (OSError(errno.EIO, "Input/output error", "/etc/x"), None, "/etc/x can't be used: Input/output error"),
    (OSError(errno.ENOSPC, "No space left on device"), "/tmp/y", "/tmp/y can't be used: No space left on device"),
    (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), None, "/etc/x can't be used: Permission denied"),
])
def test_an_error_of_the_system_is_a_sentence(error, path, said):
    result = ended(Module(), raising(error), path)
    assert result["failed"] and re.match(re.escape(said), result["msg"]), result


def test_what_is_judged_fails_with_all_of_it():
    outcome = {"msg": "web1: expired", "verified": False, "results": [{"name": "web1", "warnings": ["soon"]}]}
    assert run_module.judged(dict(outcome), True) == dict(outcome, warnings=["web1: soon"])
    module = Module()
    result = ended(module, lambda: run_module.judged(dict(outcome), False))
    assert result == dict(outcome, changed=False, failed=True) and module.warned == ["web1: soon"]
