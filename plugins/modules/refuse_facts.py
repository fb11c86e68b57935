# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation alone: all of it is in plugins/action/refuse_facts.py."""

DOCUMENTATION = r"""
module: refuse_facts
short_description: Fail for a host whose facts have the names of this collection's variables
version_added: 0.1.0
author: fleetpki.host_trust contributors (@fleetpki)
description:
  - Any module's answer can set facts, and a fact outranks the inventory. A compromised host could decide that way which
    names a certificate has, or where the CA is.
  - Every module of this collection that runs on a host refuses such a host first. The roles use this one where they
    decide something before the first of those.
  - It runs on the controller and asks the host nothing.
  - A fact is refused whose name begins with that of one of this collection's roles, such as C(private_ca_host), or that
    the inventory sets for the host as well.
  - With C(inject_facts_as_vars=false) in C(ansible.cfg), no fact is a variable, and none is refused.
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: full
    description: It changes nothing.
  platform:
    support: full
    description: It runs on the controller.
    platforms: posix
"""

EXAMPLES = r"""
- name: Refuse facts that would decide in the inventory's place
  fleetpki.host_trust.refuse_facts:
"""

RETURN = r""" # """
