#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors

# Usage: check.sh NAME
# One of the tests in main.fmf, on a machine that plans/prepare.sh made a controller and its only host.
set -euo pipefail

state=/var/lib/host-trust-machines
name=machine.example.com
certs=/etc/pki/tls/certs
key=/etc/pki/tls/private/$name.key

mkdir -p $state/collections/ansible_collections/fleetpki
ln -sfn "${TMT_TREE:?run the plans in plans/ with tmt}" $state/collections/ansible_collections/fleetpki/host_trust
export PATH=$state/venv/bin:$PATH LC_ALL=C.UTF-8
export ANSIBLE_CONFIG=$TMT_TREE/tools/ansible.cfg ANSIBLE_HOME=$state/ansible
export ANSIBLE_COLLECTIONS_PATH=$state/collections

play() { ansible-playbook -i $state/hosts.yml "$@"; }

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

system() {
    local selinux fips policy
    selinux=$(getenforce)
    fips=$(cat /proc/sys/crypto/fips_enabled)
    policy=$(update-crypto-policies --show)
    # shellcheck disable=SC1091  # the machine's
    printf '%s: %s\n' system "$(. /etc/os-release && echo "$PRETTY_NAME")" kernel "$(uname -r)" SELinux "$selinux" \
        'FIPS mode' "$fips" 'crypto policy' "$policy"
    rpm --query ca-certificates p11-kit-trust openssl python3 python3-cryptography crypto-policies
    [ "$selinux" = Enforcing ] || fail "SELinux is $selinux, not Enforcing"
    [ "$fips" = "$EXPECTED_FIPS" ] || fail "fips_enabled is $fips, not $EXPECTED_FIPS"
    [ "$policy" = "$EXPECTED_POLICY" ] || fail "the crypto policy is $policy, not $EXPECTED_POLICY"
    # EL 10 no longer has this command.
    if [ "$fips" = 1 ] && command -v fips-mode-setup >/dev/null; then fips-mode-setup --check; fi
}

fleet() {
    play fleetpki.host_trust.site
    play fleetpki.host_trust.site | tee again.log
    grep -q "^$name .* changed=0 .* failed=0 " again.log || fail 'the second run changed something'
    play fleetpki.host_trust.smoke_test
    play fleetpki.host_trust.verify
}

labels() {
    ls -lZ $key $certs/$name.crt $certs/$name-chain.pem /etc/pki/ca-trust/source/anchors /etc/pki/ca-trust/extracted/pem
    restorecon -Rnv /etc/pki >labels-after
    diff $state/labels-before labels-after || fail 'restorecon would change the context of what was written'
}

packages() {
    rpm --verify ca-certificates p11-kit p11-kit-trust openssl crypto-policies >packages-after || :
    cat packages-after
    diff $state/packages-before packages-after || fail 'files of the distribution were changed'
}

handshake() {
    openssl verify -x509_strict -purpose sslserver -verify_hostname $name -untrusted $certs/$name-chain.pem \
        $certs/$name.crt
    openssl s_server -accept 127.0.0.1:8443 -www -quiet -cert $certs/$name.crt -cert_chain $certs/$name-chain.pem \
        -key $key &
    server=$!
    trap 'kill $server' EXIT
    for _ in $(seq 50); do
        openssl s_client -connect 127.0.0.1:8443 </dev/null >/dev/null 2>&1 && break
        sleep 0.2
    done
    openssl s_client -connect 127.0.0.1:8443 -servername $name -verify_hostname $name -verify_return_error -brief \
        </dev/null
    curl --silent --show-error --fail --resolve $name:8443:127.0.0.1 https://$name:8443/ >/dev/null
    /usr/bin/python3 -c "import socket, ssl
raw = socket.create_connection(('127.0.0.1', 8443))
connection = ssl.create_default_context().wrap_socket(raw, server_hostname='$name')
print('Python:', connection.version(), *connection.cipher())"
}

removal() {
    cat >absent.yml <<'END'
- name: Remove the private CA from the trust store
  hosts: all
  gather_facts: false
  tasks:
    - name: Remove its anchors
      fleetpki.host_trust.ca_trust_anchor:
        anchors:
          - src: "{{ private_ca_dir }}/root/root.crt"
            state: absent
          - src: "{{ private_ca_dir }}/issuing/issuing.crt"
            state: absent
END
    play absent.yml
    if openssl verify -untrusted $certs/$name-chain.pem $certs/$name.crt; then
        fail 'the certificate still verifies'
    fi
    labels
}

"$1"
