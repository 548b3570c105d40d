"""Microsoft's driver: where it is found, and who may ask for it."""

import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import shared.database.odbc_driver
from shared.database.odbc_driver import find_driver, load_pyodbc
from shared.errors import OdbcDriverMissing

ROOT = Path(__file__).parents[4]

#: Everything that runs in Azure or at an operator's is loaded and both databases are used, as SQLite files.
_WITHOUT_ODBC = """
import pkgutil, sys
from importlib import import_module

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pyodbc", "mssql_python"}:
            raise AssertionError(f"{name} was asked for")

sys.meta_path.insert(0, Refuse())
import function_app, shared, cli
for package in (shared, cli):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
from shared.database.connections import Database
from shared.ledger.schema import Schema
for name in ("WS_DB", "RS_DB"):
    database = Database(f"sqlite:///{sys.argv[1]}/{name}.sqlite", name)
    Schema(database).migrate()
    database.close()
print("done")
"""


def test_what_works_on_sqlite_alone_never_asks_for_odbc(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT_ODBC, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("done\n", "", 0)


class PyOdbc:
    """Stands for the module where another system is played."""

    def __init__(self, *drivers: str) -> None:
        self.pooling = True
        self._drivers = list(drivers)

    def drivers(self) -> list[str]:
        return self._drivers


@pytest.fixture
def on_system(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plays a system on which these drivers are installed."""

    def install(*drivers: str) -> PyOdbc:
        monkeypatch.setitem(sys.modules, "pyodbc", module := PyOdbc(*drivers))
        return module

    return install


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of libraries in a wheel that is played, with every Linux and machine."""
    (tmp_path / "mssql_python_odbc").mkdir()
    (tmp_path / "mssql_python_odbc" / "__init__.py").touch()
    libraries = tmp_path / "mssql_python_odbc" / "libs" / "linux"
    for family in ("debian_ubuntu", "rhel", "suse", "alpine"):
        for machine in ("x86_64", "arm64"):
            (folder := libraries / family / machine / "lib").mkdir(parents=True)
            (folder / "libmsodbcsql-18.6.so.2.1").touch()
            (folder / "libodbcinst.so.2").touch()
    monkeypatch.syspath_prepend(tmp_path)
    # A test of bulk loading in the same process may have loaded the real one.
    monkeypatch.delitem(sys.modules, "mssql_python_odbc", raising=False)
    assert find_spec("mssql_python_odbc")
    return libraries


def test_the_drivers_own_pool_is_off(on_system: Any) -> None:
    module = on_system()
    load_pyodbc()
    assert module.pooling is False


def test_the_driver_of_the_system_comes_first(on_system: Any, wheel: Path) -> None:
    del wheel
    on_system("SQLite3", "ODBC Driver 17 for SQL Server", "ODBC Driver 18 for SQL Server")
    assert find_driver() == "ODBC Driver 18 for SQL Server"


@pytest.mark.parametrize(
    ("release", "machine", "folder"),
    [
        ({"ID": "debian"}, "x86_64", "debian_ubuntu/x86_64"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "aarch64", "debian_ubuntu/arm64"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "AMD64", "debian_ubuntu/x86_64"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "x86_64", "rhel/x86_64"),
        ({"ID": "azurelinux"}, "aarch64", "rhel/arm64"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "x86_64", "suse/x86_64"),
        ({"ID": "alpine"}, "aarch64", "alpine/arm64"),
        ({"ID": "somethingelse"}, "x86_64", "debian_ubuntu/x86_64"),
        (None, "x86_64", "debian_ubuntu/x86_64"),
    ],
)
def test_else_the_one_of_the_wheel_is_taken_that_fits_this_linux(
    on_system: Any,
    wheel: Path,
    monkeypatch: pytest.MonkeyPatch,
    release: dict[str, str] | None,
    machine: str,
    folder: str,
) -> None:
    def os_release() -> dict[str, str]:
        if release is None:
            raise OSError
        return release

    on_system("ODBC Driver 17 for SQL Server")
    monkeypatch.setattr(platform, "freedesktop_os_release", os_release)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert find_driver() == str(wheel / folder / "lib" / "libmsodbcsql-18.6.so.2.1")


def test_where_neither_is_there_it_is_said_which(on_system: Any, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del wheel
    on_system()
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OdbcDriverMissing, match="ODBC Driver 18 for SQL Server"):
        find_driver()
    monkeypatch.setattr(shared.database.odbc_driver, "find_spec", lambda _name: None)
    with pytest.raises(OdbcDriverMissing, match="ODBC Driver 18 for SQL Server"):
        find_driver()


def test_where_odbc_itself_is_missing_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyodbc", None)  # as when libodbc.so.2 cannot be loaded
    with pytest.raises(OdbcDriverMissing, match=r"libodbc\.so\.2.*apt-get install unixodbc"):
        find_driver()
