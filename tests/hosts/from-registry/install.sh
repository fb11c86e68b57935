#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: fleetpki.host_trust contributors
#
# Installs what test hosts need and the image lacks, with the image's own package manager and repositories.
# Writes down what the system is, and how its packages verify before any test has run: see FACTS.
# On failure, the lines that begin with 'host-trust: ' name the reason and the remedy.
set -u
PATH=$PATH:/usr/sbin:/sbin
FACTS=/usr/share/fleetpki-host-trust

has() { command -v "$1" >/dev/null 2>&1; }

fail() {
    printf 'host-trust: %s\n' "$@" >&2
    exit 1
}

manager=
for candidate in dnf microdnf apt-get; do
    if has "$candidate"; then
        manager=$candidate
        break
    fi
done
[ -n "$manager" ] || fail "the image has no package manager that this step knows (dnf, microdnf, apt-get)" \
    "Use an image that has one, or an image that already has everything."

has_seccomp() {
    for library in /usr/lib*/libseccomp.so.2 /usr/lib/*/libseccomp.so.2; do
        [ ! -e "$library" ] || return 0
    done
    return 1
}
# EL and Fedora have the program in p11-kit and the module in p11-kit-trust; Debian in p11-kit and p11-kit-modules.
has_trust() { trust list >/dev/null 2>&1; }
has_cryptography() { /usr/bin/python3 -c 'import cryptography' 2>/dev/null; }

# CHECK  RPM  DEB: no test can do without these
NEEDED='
/usr/bin/python3  python3      python3
openssl           openssl      openssl
has_trust         p11-kit,p11-kit-trust  p11-kit,p11-kit-modules
has_store         ca-certificates  ca-certificates
curl              curl         curl
pgrep             procps-ng    procps
hostname          hostname     hostname
awk               gawk         gawk
find              findutils    findutils
diff              diffutils    diffutils
'
# and some tests cannot do without these; some repositories do not offer all of them.
WANTED='
has_cryptography  python3-cryptography  python3-cryptography
/usr/sbin/sshd    openssh-server        openssh-server
ssh-keygen        openssh               openssh-client
strace            strace                strace
has_seccomp       libseccomp            libseccomp2
'

has_store() {
    if [ "$manager" = apt-get ]; then has update-ca-certificates; else has update-ca-trust; fi
}

# The packages of a table whose check fails.
lacking() {
    echo "$1" | while read -r check rpm deb; do
        [ -n "$check" ] || continue
        case $check in
            has_*) "$check" ;;
            *) has "$check" ;;
        esac && continue
        if [ "$manager" = apt-get ]; then echo "$deb"; else echo "$rpm"; fi
    done | tr ',\n' '  '
}

install() {
    case $manager in
        apt-get)
            DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
            ;;
        *) "$manager" -y --setopt=install_weak_deps=0 --setopt=tsflags=nodocs install "$@" ;;
    esac
}

# A package must not start its service here.
policy=/usr/sbin/policy-rc.d
own_policy=
if [ "$manager" = apt-get ] && [ ! -e $policy ]; then
    own_policy=yes
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 0755 $policy
fi

needed=$(lacking "$NEEDED")
wanted=$(lacking "$WANTED")
if [ -n "$needed$wanted" ]; then
    if [ "$manager" = apt-get ]; then
        apt-get -qq update || fail "apt-get cannot read the image's repositories" \
            "Make sure that a container on this machine reaches them (proxy: set http_proxy, https_proxy)."
    fi
    # All at once; or, if the repositories lack something, what is needed first and the rest one by one.
    # shellcheck disable=SC2086  # a list of names
    if ! install $needed $wanted; then
        # shellcheck disable=SC2086
        [ -z "$needed" ] || install $needed || fail "$manager cannot install: ${needed% }" \
            "Make sure that a container on this machine reaches the image's repositories (proxy: set http_proxy," \
            "https_proxy), and that they offer these packages (UBI offers fewer than RHEL with a subscription)."
        for package in $wanted; do
            install "$package" || true
        done
    fi
fi

[ -z "$own_policy" ] || rm $policy
still=$(lacking "$NEEDED")
[ -z "$still" ] || fail "$manager reported success, but the image still lacks: ${still% }" \
    "Use an image whose packages of these names bring their programs."
case $manager in
    apt-get) apt-get clean && rm -rf /var/lib/apt/lists/* ;;
    *) "$manager" clean all >/dev/null ;;
esac

# A container has no audit session, and sshd would end each of its own without one.
[ ! -e /etc/pam.d/sshd ] || sed -i 's/^\(session[[:space:]]*\)required\([[:space:]]*pam_loginuid\)/\1optional\2/' \
    /etc/pam.d/sshd

# How the packages that own the trust store verify. A role must not change that.
mkdir -p $FACTS
cat >$FACTS/verify-packages <<'END'
#!/bin/sh
if command -v rpm >/dev/null; then
    rpm --verify ca-certificates p11-kit p11-kit-trust openssl
else
    dpkg --verify ca-certificates p11-kit p11-kit-modules openssl
fi
exit 0
END
chmod 0755 $FACTS/verify-packages
$FACTS/verify-packages >$FACTS/packages-before

fact() { printf '%s=%s\n' "$1" "$2" >>$FACTS/facts; }
: >$FACTS/facts
# shellcheck disable=SC1091  # the image's
fact system "$(. /etc/os-release && echo "$PRETTY_NAME")"
fact Python "$(/usr/bin/python3 -c 'import platform; print(platform.python_version())')"
fact cryptography "$(/usr/bin/python3 -c 'import cryptography; print(cryptography.__version__)' 2>/dev/null)"
fact OpenSSL "$(openssl version | awk '{print $2}')"
if has rpm; then
    fact p11-kit "$(rpm --query --queryformat='%{version}' p11-kit)"
else
    fact p11-kit "$(dpkg-query --show --showformat='${source:Upstream-Version}' p11-kit)"
fi
fact crypto-policy "$(cat /etc/crypto-policies/state/current 2>/dev/null)"
fact lacks "$(lacking "$WANTED")"
