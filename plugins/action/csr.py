# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of csr: no private key in ca_content, and the request is the one that was asked for."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import FILE_COMMON_ARGUMENTS
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_bool

from ansible_collections.fleetpki.host_trust.plugins.module_utils._pki import (
    argspec,
    cryptography_dep,
    extensions,
    fields,
    pkcs10,
)
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils import _private_key_guard
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers

LONGEST_REQUEST = 64 * 1024  # characters of PEM; one with RSA 8192 and 100 names has 7,000
# The host chooses its key, and nothing else that the request asks a CA for.
OF_THE_KEY = ("key_type", "public_key", "digest", "subject_key_identifier", "authority_key_identifier", "critical")
CHECKED = tuple(name for name in fields.SHOWN if name not in OF_THE_KEY)


class ActionModule(_private_key_guard.GuardedAction):
    """Runs the module, and reads the request before anybody signs it or writes it on the controller."""

    ANSWER = host_answers.documented("csr")

    def act(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """See base.Action."""
        answer = super().act(task_vars)
        if answer.get("csr") is None or answer.get("failed"):
            return answer
        try:
            return {**answer, "csr": self._request(answer["csr"])}
        except cryptography_dep.CryptographyMissing as error:
            return {"failed": True, "msg": f"on the controller: {error}"}
        except ValueError as error:
            return self.refusal(f"csr is not the request that was asked for: {error}")

    def _request(self, text: str) -> str | None:
        """The request as it is written here, without anything that is beside it; raises ValueError."""
        if not check_type_bool(self._task.args.get("return_content") or False):
            return None
        if len(text) > LONGEST_REQUEST:
            raise ValueError(f"it has {len(text):,} characters, and at most {LONGEST_REQUEST:,} are read")
        cryptography_dep.require()
        request = pkcs10.read(text.encode("utf-8", "surrogatepass"))
        if not request.signed:
            raise ValueError("its signature does not fit its key")
        wanted = fields.of_options(self._options())
        for name in CHECKED:
            have, want = (_listed(name, facts.get(name)) for facts in (request.facts, wanted))
            if have != want:
                raise ValueError(f"its {name} is {_shown(have)}, and is to be {_shown(want)}")
        return request.pem.decode("ascii")

    def _options(self) -> dict[str, t.Any]:
        """The task's options as the module has them; raises ValueError."""
        given = {name: value for name, value in self._task.args.items() if not name.startswith("_ansible_")}
        validated = ArgumentSpecValidator({**argspec.csr(), **FILE_COMMON_ARGUMENTS}).validate(given)
        if validated.error_messages:
            raise ValueError("; ".join(validated.error_messages))
        options: dict[str, t.Any] = validated.validated_parameters
        return options


def _listed(name: str, value: t.Any) -> list[t.Any]:
    """The values of a fact, sorted where their order has no meaning."""
    values = value if isinstance(value, list) else [value] if value else []
    return sorted(values) if name in extensions.SETS else values


def _shown(values: t.Any) -> str:
    return fields.said(str(value) for value in values) or "empty"
