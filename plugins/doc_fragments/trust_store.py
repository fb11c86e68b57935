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
      - V(nss) is the databases at O(nss_databases), which Chromium, Chrome and Firefox read. It needs C(certutil) of
        NSS. On EL the system's store serves browsers through p11-kit; on Debian they have stores of their own.
    type: str
    choices: [auto, redhat, debian, bundle, nss]
    default: auto
  bundle_path:
    description:
      - The PEM file of O(store=bundle), which is required then. Its folder must exist.
        A file with one certificate in DER becomes PEM when it is changed.
        A file of the system's own store is not changed.
      - Where a user owns the folder, or one above it, root changes the file with that user's rights, and the file
        becomes that user's. The user must be allowed to write to the folder.
    type: path
  nss_databases:
    description:
      - The databases of O(store=nss), which are required then. Each is a folder with C(cert9.db) in it, given from
        C(/) or C(~) on. C(~alice) is the home of alice on the host.
      - Chromium and Chrome read C(~alice/.pki/nssdb), or C(~alice/.local/share/pki/nssdb) where only that is there.
        Firefox has one in each profile, C(~alice/.mozilla/firefox/*.default*).
        C(/etc/pki/nssdb) is the system's, for programs that are set up to read it.
      - A database that is not there is made. A pattern with C(*), C(?) or C([]) means those that are there.
      - What belongs to a user is read and changed with that user's rights, never with root's. A place of root's into
        which others may write is refused.
    type: list
    elements: str
  root:
    description:
      - Folder where the system is mounted whose store is meant, such as C(/mnt/sysimage) in a kickstart's C(%post).
      - All paths are inside it, links are followed inside it, and the extract runs with C(chroot).
      - Not with O(store=nss), which is for a running system.
    type: path
    default: /
"""
