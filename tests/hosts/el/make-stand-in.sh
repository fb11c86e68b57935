#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
#
# Makes an EL stand-in of the Debian root that it runs in: make-stand-in.sh RELEASE (8.10, 9.7, 10.1).
set -eu

release=$1
major=${release%%.*}
recipe=$(dirname "$0")

trust=/etc/pki/ca-trust
tls=/etc/pki/tls
vendor=/usr/share/pki/ca-trust-source
bundle=$trust/extracted/pem/tls-ca-bundle.pem

# p11-kit reads one name or the other, never both: EL 9 is where it changed.
if [ "$major" -ge 9 ]; then distrust=blocklist; else distrust=blacklist; fi

# --- EL's directories, with the Mozilla roots where EL's package has them
mkdir -p "$trust/source/anchors" "$trust/source/$distrust" "$vendor/anchors" "$vendor/$distrust"
mkdir -p "$trust/extracted/edk2" "$trust/extracted/java" "$trust/extracted/openssl" "$trust/extracted/pem"
mkdir -p "$tls/certs" "$tls/private" /etc/pki/java
cat /usr/share/ca-certificates/mozilla/*.crt >"$vendor/anchors/ca-bundle.crt"

# --- nothing of Debian's store may be left: code under test must find the host's store by what is there
mv /etc/ssl/openssl.cnf "$tls/openssl.cnf"
dpkg --purge --force-depends ca-certificates >/dev/null 2>&1
rm -rf /etc/ca-certificates /etc/ca-certificates.conf /etc/debian_version /etc/ssl /usr/lib/ssl \
    /usr/local/share/ca-certificates /usr/share/ca-certificates

# --- the names under which programs look for the store
ln -s "$tls" /usr/lib/ssl # where this OpenSSL was built to look; EL's is built to look in /etc/pki/tls
mkdir /etc/ssl
ln -s "$tls/certs" /etc/ssl/certs
ln -s "$tls/openssl.cnf" /etc/ssl/openssl.cnf
ln -s "$bundle" "$tls/certs/ca-bundle.crt"
ln -s "$trust/extracted/java/cacerts" /etc/pki/java/cacerts
# EL 10 has no cert.pem: there OpenSSL finds its roots by the hashed links in tls/certs.
if [ "$major" -lt 10 ]; then ln -s "$bundle" "$tls/cert.pem"; fi
# Debian's curl has Debian's path compiled in, as EL's has EL's.
echo "cacert = $tls/certs/ca-bundle.crt" | tee /root/.curlrc >/etc/skel/.curlrc

# --- p11-kit reads the sources, and update-ca-trust extracts from them
sed -i "s|^x-init-reserved:.*|x-init-reserved: paths=$trust/source:$vendor|" \
    /usr/share/p11-kit/modules/p11-kit-trust.module
if [ "$major" -ge 9 ]; then script=update-ca-trust.el9; else script=update-ca-trust.el8; fi
sed "s/@MAJOR@/$major/" "$recipe/$script" >/usr/bin/update-ca-trust
chmod 0755 /usr/bin/update-ca-trust

# --- what the host says it is; 'Red Hat' in redhat-release is what Ansible tells the family by
cat >/usr/lib/os-release <<END
NAME="Enterprise Linux stand-in"
VERSION="$release"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="$release"
PLATFORM_ID="platform:el$major"
PRETTY_NAME="EL $major stand-in (test host of fleetpki.host_trust)"
END
echo "Enterprise Linux stand-in release $release, Red Hat family (test host)" >/etc/redhat-release

# --- start from an extracted store, and refuse to make a host that has none
update-ca-trust extract
[ "$(grep -c 'BEGIN CERTIFICATE' "$bundle")" -gt 100 ]
