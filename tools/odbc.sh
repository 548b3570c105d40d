# Installs ODBC itself, which the driver of SQL Server stands on, where it is missing: unixODBC's manager and Kerberos.
# The driver comes with the Python package mssql-python-odbc. Only on Debian and its kin, and only as root.
set -eu
if ldconfig -p | grep -q 'libodbc\.so\.2' && ldconfig -p | grep -q 'libgssapi_krb5\.so\.2'; then
    exit
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "ODBC is missing, and installing it needs root and apt-get: tests of SQL Server cannot run." >&2
    exit
fi
echo "Installing ODBC"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get install -y -qq --no-install-recommends libodbc2 libodbcinst2 libgssapi-krb5-2 >/dev/null
