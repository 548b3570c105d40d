# Installs the SFTP servers that tests/interop runs, where they are missing: OpenSSH's sshd and ProFTPD with
# mod_sftp. Only on Debian and its kin, and only as root. No daemon is started.
set -eu
if [ -x /usr/sbin/sshd ] && [ -x /usr/sbin/proftpd ] && [ -e /usr/lib/proftpd/mod_sftp.so ]; then
    exit
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "SFTP servers are missing, and installing them needs root and apt-get: tests/interop cannot run." >&2
    exit
fi
echo "Installing OpenSSH's and ProFTPD's SFTP servers"
# What Debian asks before it starts a daemon.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get install -y -qq --no-install-recommends openssh-server proftpd-core proftpd-mod-crypto >/dev/null
