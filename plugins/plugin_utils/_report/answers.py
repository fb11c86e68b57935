# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: may change without notice.
"""What was registered on each host, read once more for the report: a wrong answer is a failure of that host alone.

Variables may hold what no task of this collection has registered.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible_collections.fleetpki.host_trust.plugins.module_utils._failure import Failure
from ansible_collections.fleetpki.host_trust.plugins.plugin_utils._action import host_answers

Value = dict[str, t.Any]

KINDS = {"trust": "ca_trust_info", "wanted": "ca_trust_anchor", "certificates": "cert_verify",
         "endpoints": "tls_endpoint_info"}  # whose results they are
LONGEST_CHAIN = 100  # OpenSSL's own limit; there is none of ten
# What describes a certificate. Of one that could be read, all of it is known.
DESCRIBED = ("subject", "issuer", "serial", "not_before", "not_after", "remaining_days", "key_type")


class Foreign(Failure, ValueError):
    """A result that seems to be another module's; ``failure`` is what stands for it where it is one host's alone."""

    def __init__(self, host: str, kind: str, why: str) -> None:
        super().__init__(f"{host}, {kind}: these are no results of {KINDS[kind]} ({why})")
        self.failure = failure(kind, why)


def read(host: str, kind: str, result: t.Any) -> Value:
    """A result as it is documented, or as a failure with the reason; raises Foreign for another module's."""
    if not isinstance(result, c.Mapping):
        raise Foreign(host, kind, f"{result!r:.80}")
    if result.get("failed") or result.get("unreachable") or result.get("skipped"):
        return {**{name: bool(result.get(name)) for name in ("failed", "unreachable", "skipped")},
                **({"msg": result["msg"]} if isinstance(result.get("msg"), str) else {})}
    try:
        found = host_answers.checked(dict(result), host_answers.documented(KINDS[kind]))
        for number, one in enumerate(found.get("results") or []):
            _check(one, f"results[{number}]")
    except host_answers.Incomplete as error:
        raise Foreign(host, kind, str(error)) from error
    except host_answers.Wrong as error:
        return failure(kind, str(error))
    return found


def failure(kind: str, why: str) -> Value:
    """What stands for the results of a host that can't have given them."""
    return {"failed": True, "msg": f"it does not answer as {KINDS[kind]} does: {why}"}


def _check(one: Value, name: str) -> None:
    """Raises Wrong for a result that no certificate and no server can have."""
    if len(one["chain"]) > LONGEST_CHAIN:
        raise host_answers.Wrong(
            f"{name}.chain has {len(one['chain']):,} certificates, and at most {LONGEST_CHAIN} are read")
    if "verified" not in one:
        return
    known = one["fingerprint_sha256"] is not None
    if one["verified"] and not known:
        raise host_answers.Wrong(f"{name} is verified, and is no certificate")
    missing = [key for key in DESCRIBED if known and one[key] is None]
    if missing:
        raise host_answers.Wrong(f"{name}.{missing[0]} is null")
