#!/usr/bin/python
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firefox follows the system's trust store."""

DOCUMENTATION = r"""
module: firefox_trust
short_description: Have Firefox follow the trust store of the host
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Writes Firefox's enterprise policy C(SecurityDevices) with p11-kit's trust module. With it, Firefox trusts what the
    host's own store trusts, in every profile, and refuses again what is taken away from it.
  - So nothing is to be done for each CA and user. The policy C(Certificates) would import CAs into the profiles, and
    never take them away again.
  - All other policies in the file are kept.
options:
  state:
    description:
      - V(present) has Firefox follow the host's trust store.
      - V(absent) takes that back, and tells profiles to forget it. Where the policy is not there, nothing is done.
    type: str
    choices: [present, absent]
    default: present
  path:
    description:
      - The file of policies. The default is the one that Firefox reads on every Linux distribution.
      - Where it is not there, Firefox may read one in its own folder C(distribution); a warning names that, because it
        is not read any more when this one is there.
    type: path
    default: /etc/firefox/policies/policies.json
  root:
    description:
      - Folder where the system is mounted whose Firefox is meant, such as C(/mnt/sysimage) in a kickstart's C(%post).
      - O(path) is inside it, links are followed inside it, and so is the trust module that is looked for.
    type: path
    default: /
notes:
  - Firefox reads it when it is started. It takes Firefox 114 or later.
  - Firefox in a sandbox (Snap, Flatpak) does not see the host's p11-kit.
  - On EL, Firefox follows the host's trust store without it.
  - On hosts nothing but Python 3.6 or later and the distribution's p11-kit is needed.
seealso:
  - module: fleetpki.host_trust.ca_trust_anchor
attributes:
  check_mode:
    support: full
    description: Says exactly what the run will do, and touches nothing.
  diff_mode:
    support: full
    description: The file before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    platforms: posix
    description: Linux.
"""

EXAMPLES = r"""
- name: Firefox trusts what the host trusts
  fleetpki.host_trust.firefox_trust:
  become: true

- name: And not any more
  fleetpki.host_trust.firefox_trust:
    state: absent
  become: true
"""

RETURN = r"""
path:
  description: The file of policies; with O(root), where it is on this machine.
  type: str
  returned: success
  sample: /etc/firefox/policies/policies.json
library:
  description: The trust module of p11-kit that was found, as its own system has it. V(null) with O(state=absent).
  type: str
  returned: success
  sample: /usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-trust.so
missing_packages:
  description: The packages to install where p11-kit's trust module is missing.
  type: list
  elements: str
  returned: when it is missing
  sample: [p11-kit-modules]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetpki.host_trust.plugins.module_utils._host import run_module
from ansible_collections.fleetpki.host_trust.plugins.module_utils._trust import firefox

ARGUMENTS = {
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "path": {"type": "path", "default": "/etc/firefox/policies/policies.json"},
    "root": {"type": "path", "default": "/"},
}


def converge(options: "t.Dict[str, t.Any]", check_mode: bool) -> "t.Dict[str, t.Any]":
    """The module's result."""
    outcome = firefox.converge(options["path"], options["state"], check_mode, options["root"])
    diff = {"before_header": outcome.path, "after_header": outcome.path, "before": outcome.before,
            "after": outcome.after}
    return {"changed": outcome.changed, "path": outcome.path, "library": outcome.module, "diff": diff,
            "warnings": outcome.warnings}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    run_module.run(module, lambda: converge(module.params, module.check_mode))


if __name__ == "__main__":
    main()
