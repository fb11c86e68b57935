# SPDX-FileCopyrightText: fleetpki.host_trust contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that lack packages, and a repository on themselves that has them: real apt-get, without a network."""

from __future__ import annotations

from pathlib import Path

import podman

# Makes a local repository, the only one that apt knows: of packages as they are installed here, and hollow ones
# ('package='), which have the name and bring nothing. Then takes the packages away that are named behind '--'.
REPOSITORY = r"""
set -e
mkdir -p /repository; cd /repository; : > Packages
while [ "$1" != -- ]; do
    package=${1%=}; tree=$(mktemp -d); mkdir -m 755 "$tree/DEBIAN"
    if [ "$package" = "$1" ]; then
        # Some packages name directories that are links on the host, such as /lib.
        dpkg -L "$package" | sed -E 's,^/((bin|lib|lib64|sbin)(/.*)?)$,/usr/\1,' | while read -r path; do
            if [ -e "$path" ] || [ -L "$path" ]; then echo ".$path"; fi
        done | tar -C / --no-recursion -cT - | tar -C "$tree" -x
        # Hosts have no documentation. A package without any file would disappear from dpkg when another replaces it.
        mkdir -p "$tree/usr/share/doc/$package"; : > "$tree/usr/share/doc/$package/rebuilt"
        for file in preinst postinst prerm postrm config templates triggers conffiles; do
            cp -a "/var/lib/dpkg/info/$package.$file" "$tree/DEBIAN/$file" 2>/dev/null || true
        done
        dpkg-query -s "$package" | awk '/^[^ ]/ {skip = /^(Conffiles|Status):/} !skip' > "$tree/DEBIAN/control"
    else
        printf 'Package: %s\nVersion: 99\nArchitecture: all\nMaintainer: nobody\nDescription: hollow\n' "$package" \
            > "$tree/DEBIAN/control"
    fi
    dpkg-deb --build --root-owner-group -Znone "$tree" "$package.deb" > /dev/null
    { dpkg-deb -f "$package.deb"; echo "Filename: ./$package.deb"; echo "Size: $(stat -c %s "$package.deb")"
      echo "SHA256: $(sha256sum "$package.deb" | cut -d' ' -f1)"; echo; } >> Packages
    shift
done
shift
rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/repository ./' > /etc/apt/sources.list
DEBIAN_FRONTEND=noninteractive dpkg --purge --force-depends "$@" > /dev/null 2>&1
"""

# Ansible's own module for apt wants python3-apt on the host; this one asks apt for the same.
APT_GET = r'''#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"name": {"type": "list", "elements": "str"}, "state": {}, "update_cache": {"type": "bool"}},
                       supports_check_mode=True)
if module.check_mode:
    module.exit_json(changed=True)
if module.params["update_cache"]:
    module.run_command(["apt-get", "update"], check_rc=True)
module.run_command(["apt-get", "install", "--yes", "--no-install-recommends"] + module.params["name"], check_rc=True,
                   environ_update={"DEBIAN_FRONTEND": "noninteractive"})
module.exit_json(changed=True)
'''

USE = {"ansible_package_use": "ansible.legacy.apt_get_install"}


def prepare(host: podman.Host, offered: list[str], missing: list[str]) -> None:
    """Offers packages in the host's repository (``name=``: a hollow one), and takes the missing ones away."""
    host.run("sh", "-c", REPOSITORY, "sh", *offered, "--", *missing)


def bring_module(folder: Path) -> None:
    """Puts what USE names beside the playbooks of a folder."""
    (folder / "library").mkdir(exist_ok=True)
    (folder / "library" / "apt_get_install.py").write_text(APT_GET)
