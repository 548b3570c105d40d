"""Microsoft's ODBC Driver 18, found on the system or in the wheel `mssql-python-odbc`.

The only module that loads pyodbc, once a SQL Server is configured: pyodbc needs the system's `libodbc.so.2`, which an
installation on SQLite alone need not have.
"""

import platform
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from shared.errors import OdbcDriverMissing

_NAME: Final = "ODBC Driver 18 for SQL Server"
_WHEEL: Final = "mssql_python_odbc"
#: Folders of the wheel, by the `ID` or `ID_LIKE` of /etc/os-release. A musl wheel has `alpine` only.
_FAMILIES: Final = {
    **dict.fromkeys(("debian", "ubuntu"), "debian_ubuntu"),
    **dict.fromkeys(("rhel", "fedora", "centos", "azurelinux", "mariner"), "rhel"),
    **dict.fromkeys(("suse", "opensuse", "sles"), "suse"),
    "alpine": "alpine",
}


def load_pyodbc() -> Any:  # noqa: ANN401 - a module without types where it is not installed
    """Pyodbc without its own pool: SQLAlchemy's is the only one, and no token outlives it.

    Raises:
        OdbcDriverMissing: pyodbc or the system's ODBC library is not installed.
    """
    try:
        pyodbc: Any = import_module("pyodbc")
    except ImportError:
        raise OdbcDriverMissing(what="libodbc.so.2") from None
    pyodbc.pooling = False
    return pyodbc


def find_driver() -> str:
    """The value of ODBC's `Driver` keyword: the name of the system's driver 18, else the path of the one in the wheel.

    Raises:
        OdbcDriverMissing: neither is installed, or no ODBC at all.
    """
    if _NAME in load_pyodbc().drivers():
        return _NAME
    driver = _in_wheel()
    if driver is None:
        raise OdbcDriverMissing(what=_NAME)
    return str(driver)


def _in_wheel() -> Path | None:
    """The wheel's library for this system, or None."""
    package = find_spec(_WHEEL)
    if package is None or package.origin is None:
        return None
    machine = {"aarch64": "arm64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    libraries = Path(package.origin).parent / "libs" / "linux" / _family() / machine / "lib"
    return max(libraries.glob("libmsodbcsql-18*"), default=None)


def _family() -> str:
    """The wheel's folder for this Linux; Debian's for an unknown distribution."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "debian_ubuntu"
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    return next((_FAMILIES[name] for name in names if name in _FAMILIES), "debian_ubuntu")
