# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation alone: all of it is in plugins/action/run_builtin.py."""

DOCUMENTATION = r"""
module: run_builtin
short_description: Run a module of ansible.builtin, and keep only what is expected of its answer
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Runs a module that comes with Ansible, with its own options. What a host answers besides what is expected, such as
    facts, is dropped; a value of another type fails the task.
  - The roles of this collection run all that way which is not a module of this collection.
options:
  name:
    description: The module.
    type: str
    required: true
    choices: [command, copy, file, package, service, slurp, stat]
  options:
    description: Its options.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: As far as the module that is run supports it.
  diff_mode:
    support: full
    description: As far as the module that is run supports it.
  idempotent:
    support: full
    description: As far as the module that is run is idempotent.
  platform:
    support: full
    platforms: posix
    description: Those of the module that is run.
"""

EXAMPLES = r"""
- name: Read a file
  fleetpki.host_trust.run_builtin:
    name: slurp
    options:
      src: /srv/pki/root/root.crt
"""

RETURN = r"""
content:
  description: The file in Base64.
  returned: with O(name=slurp)
  type: str
  sample: LS0tLS1CRUdJTi4uLg==
stat:
  description: Whether there is a file, with O(name=stat).
  returned: with O(name=stat)
  type: dict
  contains:
    exists:
      description: Whether there is something.
      returned: always
      type: bool
      sample: true
stdout:
  description: What the command printed, with O(name=command).
  returned: with O(name=command)
  type: str
  sample: ""
stderr:
  description: What the command printed as errors, with O(name=command).
  returned: with O(name=command)
  type: str
  sample: ""
"""
