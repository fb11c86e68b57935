# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name a trust store."""

from __future__ import annotations


class ModuleDocFragment:
    """What C(ca_trust_anchor) and C(ca_trust_info) have in common."""

    DOCUMENTATION = r"""
options:
  store:
    description:
      - Which trust store.
      - V(auto) is the one of the host's family, as its C(os-release) says.
      - V(redhat) is that of Red Hat Enterprise Linux, its relatives and Fedora, below C(/etc/pki/ca-trust).
      - V(debian) is that of Debian and Ubuntu, C(/usr/local/share/ca-certificates) and C(/etc/ssl/certs).
      - V(bundle) is one PEM file at O(bundle_path), for an application that has a CA file of its own.
        It needs neither root nor tools of the distribution.
    type: str
    choices: [auto, redhat, debian, bundle]
    default: auto
  bundle_path:
    description:
      - The PEM file of O(store=bundle), which is required then. Its folder must exist.
    type: path
  root:
    description:
      - Folder where the system is mounted whose store is meant, such as C(/mnt/sysimage) in a kickstart's C(%post).
      - All paths are inside it, links are followed inside it, and the extract runs with C(chroot).
    type: path
    default: /
"""
