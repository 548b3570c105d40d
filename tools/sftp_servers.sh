# Installs the SFTP servers for tests/interop, if missing: OpenSSH's sshd and ProFTPD with mod_sftp. Needs Debian or a
# derivative, and root. No daemon is started.
set -eu
if [ -x /usr/sbin/sshd ] && [ -x /usr/sbin/proftpd ] && [ -e /usr/lib/proftpd/mod_sftp.so ]; then
    exit
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The SFTP servers are not installed, and the installation needs root and apt-get: tests/interop cannot run." >&2
    exit
fi
echo "Installing OpenSSH's and ProFTPD's SFTP servers"
# Debian calls this before it starts a daemon.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get install -y -qq --no-install-recommends openssh-server proftpd-core proftpd-mod-crypto >/dev/null
