"""The SFTP client against real servers that refuse something: OpenSSH with denied requests, ProFTPD with limits."""

import io
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from shared.errors import SftpRefused, SftpRenameRefused
from shared.sftp.capabilities import Gap
from shared.sftp.site import Direct, SftpSite
from tests.interop.servers import CuttingProxy, Server, openssh, proftpd

MIB = 1024 * 1024
SIZE = 5 * MIB + 17
CONTENT = random.Random(16).randbytes(SIZE)

type Run = Callable[[Path], AbstractContextManager[Server]]


def denied(*requests: str) -> Run:
    return partial(openssh, options=f"-P {','.join(requests)}")


def limited(*commands: str) -> Run:
    return partial(proftpd, more=[f"<Limit {' '.join(commands)}>", "DenyAll", "</Limit>"])


#: Servers, and what is found that they do not do.
SERVERS: dict[str, tuple[Run, set[Gap]]] = {
    "OpenSSH without stat": (denied("stat"), {Gap.STAT, Gap.MISSING}),
    "OpenSSH without stat and lstat": (denied("stat", "lstat"), {Gap.STAT, Gap.MISSING}),
    "OpenSSH without stat, lstat and fstat": (denied("stat", "lstat", "fstat"), {Gap.STAT, Gap.MISSING}),
    "OpenSSH without opendir and readdir": (denied("opendir", "readdir"), set()),
    "OpenSSH without stat, lstat and opendir": (denied("stat", "lstat", "opendir"), {Gap.LISTING, Gap.SIZE}),
    "OpenSSH without fstat": (denied("fstat"), set()),
    "OpenSSH without setstat and fsetstat": (denied("setstat", "fsetstat"), set()),
    "OpenSSH without posix-rename": (denied("posix-rename"), {Gap.REPLACE}),
    "OpenSSH without rename": (denied("rename"), {Gap.RENAME}),
    "OpenSSH without remove": (denied("remove"), {Gap.REMOVE}),
    "ProFTPD without STAT": (limited("STAT"), {Gap.STAT, Gap.MISSING}),
    "ProFTPD without STAT and LSTAT": (limited("STAT", "LSTAT"), {Gap.STAT, Gap.MISSING}),
    "ProFTPD without FSTAT": (limited("FSTAT"), set()),
    "ProFTPD without DELE": (limited("DELE"), {Gap.REMOVE}),
    "ProFTPD with HiddenStores": (partial(proftpd, more=["HiddenStores on"]), set()),
    "ProFTPD with HiddenStores and DeleteAbortedStores": (
        partial(proftpd, more=["HiddenStores on", "DeleteAbortedStores on"]),
        set(),
    ),
}
every_server = pytest.mark.parametrize(("run", "gaps"), SERVERS.values(), ids=SERVERS)


def upload(site: SftpSite, path: str, content: bytes = CONTENT, *, replace: bool = False) -> None:
    site.upload(lambda offset: io.BytesIO(content[offset:]), path, size=len(content), tag="t1", replace=replace)


@every_server
def test_a_file_arrives_is_resumed_and_replaced_and_the_gaps_are_known(
    run: Run, gaps: set[Gap], tmp_path: Path
) -> None:
    with run(tmp_path) as server:
        site = server.site()
        with site.connect() as session:
            assert session.find(f"{server.folder}/none.csv") is None
        upload(site, f"{server.folder}/whole.csv")
        with CuttingProxy(server.port, [3 * MIB]) as proxy:
            upload(server.site(port=proxy.port), f"{server.folder}/resumed.csv")
        assert len(proxy.passed) >= 2
        assert (server.folder / "resumed.csv").read_bytes() == CONTENT
        upload(site, f"{server.folder}/whole.csv", replace=True)
        assert (server.folder / "whole.csv").read_bytes() == CONTENT
        with site.connect() as session:
            if Gap.REMOVE in gaps:
                with pytest.raises(SftpRefused):
                    session.remove(f"{server.folder}/whole.csv")
            else:
                assert session.remove(f"{server.folder}/whole.csv")
        assert gaps <= set(site.capabilities.gaps())
        if not gaps:
            assert site.capabilities.gaps() == []


@every_server
def test_files_are_found_and_read(run: Run, gaps: set[Gap], tmp_path: Path) -> None:
    with run(tmp_path) as server:
        path = server.folder / "Response1.csv"
        path.write_bytes(CONTENT)
        with server.site().connect() as session:
            found = session.find(str(path))
            assert found is not None
            assert found.size == SIZE
            assert b"".join(session.read(str(path), SIZE)) == b"".join(session.read(str(path))) == CONTENT
            if Gap.LISTING not in gaps and run is not SERVERS["OpenSSH without opendir and readdir"][0]:
                assert session.list_files(str(server.folder), "*") == [found]


@pytest.mark.parametrize(
    "run",
    [denied("rename", "posix-rename"), limited("RNFR", "RNTO")],
    ids=["OpenSSH", "ProFTPD"],
)
def test_without_renames_an_upload_is_refused_unless_the_site_is_direct(run: Run, tmp_path: Path) -> None:
    with run(tmp_path) as server:
        with pytest.raises(SftpRenameRefused):
            upload(server.site(), f"{server.folder}/list.csv")
        assert not (server.folder / "list.csv").exists()
        upload(server.site(direct=Direct()), f"{server.folder}/direct.csv")
        upload(server.site(direct=Direct(marker="{name}.done")), f"{server.folder}/marked.csv")
        assert (server.folder / "direct.csv").read_bytes() == CONTENT
        assert (server.folder / "marked.csv").read_bytes() == CONTENT
        assert (server.folder / "marked.csv.done").read_bytes() == b""


def test_a_site_that_is_read_only(tmp_path: Path) -> None:
    with openssh(tmp_path, options="-R") as server:
        (server.folder / "Response1.csv").write_bytes(CONTENT)
        with pytest.raises(SftpRefused, match="permission denied"):
            upload(server.site(), f"{server.folder}/list.csv")
        with server.site().connect() as session:
            assert [file.name for file in session.list_files(str(server.folder), "*")] == ["Response1.csv"]
            assert b"".join(session.read(f"{server.folder}/Response1.csv", SIZE)) == CONTENT


@pytest.mark.parametrize(
    "run",
    [denied("posix-rename"), denied("rename"), proftpd],
    ids=["OpenSSH without posix-rename", "OpenSSH without rename", "ProFTPD"],
)
def test_an_existing_file_is_replaced_on_request(run: Run, tmp_path: Path) -> None:
    with run(tmp_path) as server:
        (server.folder / "list.csv").write_bytes(b"old")
        upload(server.site(), f"{server.folder}/list.csv", replace=True)
        assert (server.folder / "list.csv").read_bytes() == CONTENT
