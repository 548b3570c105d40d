# Installs what the ODBC driver of SQL Server depends on, if missing: the unixODBC driver manager and Kerberos. The
# driver itself comes with the Python package mssql-python-odbc. Needs Debian or a derivative, and root.
set -eu
if ldconfig -p | grep -q 'libodbc\.so\.2' && ldconfig -p | grep -q 'libgssapi_krb5\.so\.2'; then
    exit
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "ODBC is not installed, and the installation needs root and apt-get: tests of SQL Server cannot run." >&2
    exit
fi
echo "Installing ODBC"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get install -y -qq --no-install-recommends libodbc2 libodbcinst2 libgssapi-krb5-2 >/dev/null
