#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors

# Makes the machine a controller and its only host. What the tests share is in /var/lib/host-trust-machines.
set -euo pipefail

state=/var/lib/host-trust-machines
# What the machine has as a host of a fleet; the rest is the controller's.
dnf install -y python3 python3-cryptography openssl curl ca-certificates policycoreutils crypto-policies-scripts
mkdir -p $state
rpm --verify ca-certificates p11-kit p11-kit-trust openssl crypto-policies >$state/packages-before || :
restorecon -Rnv /etc/pki >$state/labels-before

python=/usr/bin/python3
if ! $python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    dnf install -y python3.12
    python=/usr/bin/python3.12
fi
$python -m venv $state/venv
# The ansible-core that supports the Python of EL 8, or the one of the other tests.
requirements=quickstart
if /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info >= (3, 8))'; then
    requirements=ansible2.16
fi
$state/venv/bin/pip install --quiet --require-hashes --requirement "$TMT_TREE/requirements/$requirements.txt"

cat >$state/hosts.yml <<END
all:
  hosts:
    machine.example.com:
      ansible_connection: local
      ansible_python_interpreter: /usr/bin/python3
  vars:
    host_trust_become: false
    private_ca_dir: $state/ca
    private_ca_passphrase: not a secret, for the machine is gone after the test
    private_ca_name: Machine
    tls_smoke_test_address: 127.0.0.1
END
