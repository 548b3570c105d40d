"""Locations: a mounted folder, a blob container (Azurite) and a folder on an SFTP site behave alike."""

import asyncio
import os
import tracemalloc
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.storage.blob import BlobServiceClient

from shared.errors import (
    DeliveryFileMissing,
    FileNameRefused,
    LocationUnavailable,
    SettingsInvalid,
    SftpRefused,
    SftpUnavailable,
    StorageUnavailable,
)
from shared.files.locations import Location, Locations
from tests.contract.files.conftest import Site
from tests.unit.sftp.sftp_server import Server, Start

if TYPE_CHECKING:
    from _typeshed import SupportsRead

NAME = "PowerShell_1158984 ~ Dämo_55935023-0000-4000-8000-000000000000.txt"
MIB = 1024 * 1024


def read(location: Location, name: str, size: int = 100_000) -> bytes:
    with location.open(name) as file:
        return b"".join(iter(lambda: file.read(size), b""))


def read_on(file: "SupportsRead[bytes]") -> None:
    while file.read(MIB):
        pass


@pytest.mark.parametrize("size", [0, 1, 99_999, 3 * MIB + 17])
def test_a_file_is_read_as_it_is(site: Site, size: int) -> None:
    content = os.urandom(size)
    site.write(NAME, content)
    assert read(site.location, NAME) == content


def test_a_read_returns_at_most_what_was_requested(site: Site) -> None:
    site.write(NAME, b"abcdefg")
    with site.location.open(NAME) as file:
        assert [file.read(3), file.read(3), file.read(3), file.read(3)] == [b"abc", b"def", b"g", b""]


def test_a_file_can_be_closed_half_read(site: Site) -> None:
    site.write(NAME, bytes(5 * MIB))
    with site.location.open(NAME) as file:
        assert file.read(10) == bytes(10)
    assert read(site.location, NAME) == bytes(5 * MIB)


@pytest.mark.parametrize("name", ["nothing.txt", "below"])
def test_a_missing_file_is_reported_with_its_location(site: Site, name: str) -> None:
    site.write("below/file.txt", b"")
    with pytest.raises((DeliveryFileMissing, SftpRefused)) as caught, site.location.open(name):
        pass
    assert "folder" in str(caught.value) or "not a file" in str(caught.value)


OUTSIDE = ["", ".", "..", "../other.txt", "below/file.txt", "/etc/passwd", "..\\other.txt", "a\\b", "a\0b", "a\nb"]


@pytest.mark.parametrize("name", [*OUTSIDE, "a" * 256, "ä" * 128, "\ud800"])
def test_a_name_that_leads_out_of_the_location_is_refused(site: Site, name: str) -> None:
    site.write("below/file.txt", b"x")
    with pytest.raises(FileNameRefused) as caught, site.location.open(name):
        pass
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNameRefused):
        site.location.write(name, [b"x"])
    assert site.content("below/file.txt") == b"x"


def test_unusual_names_are_accepted(site: Site) -> None:
    for name in ("a..b.txt", "...", ".hidden", "50% & more.txt", "a:b?c#d.txt", "'; DROP TABLE x.txt"):
        site.location.write(name, [name.encode()])
        assert read(site.location, name) == name.encode()


def test_files_are_listed_with_their_attributes(site: Site) -> None:
    site.write("b.txt", b"12345")
    site.write(NAME, b"1")
    site.write("a.csv", b"")
    site.write("c.txt.part", b"")
    site.write("d.TMP", b"")
    site.write("below/e.txt", b"")
    files = site.location.list_files("*.txt")
    assert [(file.name, file.size) for file in files] == [(NAME, 1), ("b.txt", 5)]
    assert [file.name for file in site.location.list_files("*")] == [NAME, "a.csv", "b.txt"]
    assert [file.name for file in site.location.list_files("?.csv")] == ["a.csv"]
    now = datetime.now(UTC)
    assert all(now - timedelta(minutes=5) < file.modified < now + timedelta(minutes=5) for file in files)
    assert [file.etag is not None for file in files] == [site.kind == "container"] * 2


def test_the_etag_differs_for_other_content_of_the_same_size(container_site: Site) -> None:
    tags = set()
    for content in (b"a", b"b"):
        container_site.write("x.txt", content)
        tags |= {file.etag for file in container_site.location.list_files("*")}
    assert len(tags) == 2


def test_an_empty_location_has_no_files(site: Site) -> None:
    assert list(site.location.list_files("*")) == []


def test_a_written_file_is_complete_and_replaces_another(site: Site) -> None:
    for content in ([b"first"], [b"a" * MIB, b"", b"b" * MIB], []):
        site.location.write(NAME, content)
        assert site.content(NAME) == b"".join(content)
    assert [file.name for file in site.location.list_files("*")] == [NAME]


def test_a_file_whose_content_breaks_does_not_appear(site: Site) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"a" * 2 * MIB
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        site.location.write(NAME, breaking())
    assert site.content(NAME) is None
    assert list(site.location.list_files("*")) == []


def test_memory_does_not_grow_with_the_file(site: Site) -> None:
    peaks = []
    for size in (4, 16):
        site.write(NAME, bytes(size * MIB))
        tracemalloc.start()
        try:
            with site.location.open(NAME) as file:
                while file.read(256 * 1024):
                    pass
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < max(1.3 * peaks[0], 6 * MIB)


# Of one kind only


def test_a_pipe_is_not_a_file_and_does_not_block(folder_site: Site, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "deliveries" / "pipe.txt")
    with pytest.raises(DeliveryFileMissing), folder_site.location.open("pipe.txt"):
        pass
    assert list(folder_site.location.list_files("*")) == []


def test_a_folder_that_is_not_mounted_may_be_there_later(tmp_path: Path, blobs: BlobServiceClient) -> None:
    location = Locations(blobs, {}).get(str(tmp_path / "nowhere"))
    with pytest.raises(LocationUnavailable, match="FileNotFoundError"):
        location.list_files("*")
    with pytest.raises(LocationUnavailable):
        location.write("x", [b""])
    with pytest.raises(DeliveryFileMissing), location.open("x"):
        pass


def test_an_undecodable_name_is_excluded(folder_site: Site, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path / "deliveries") + b"/\xff.txt")).touch()
    assert list(folder_site.location.list_files("*")) == []


def test_the_marker_of_a_folder_is_not_a_file(blobs: BlobServiceClient) -> None:
    name = f"test-{uuid.uuid4().hex[:12]}"
    container = blobs.create_container(name)
    container.upload_blob("x.txt", b"")
    container.upload_blob("below", b"", metadata={"hdi_isfolder": "true"})
    assert [file.name for file in Locations(blobs, {}).get(f"container:{name}").list_files("*")] == ["x.txt"]


def test_an_account_that_does_not_answer_may_do_so_later() -> None:
    address = "http://127.0.0.1:1/account"
    connection = f"AccountName=account;AccountKey=a2V5;BlobEndpoint={address}"
    with BlobServiceClient.from_connection_string(connection, retry_total=0) as service:
        location = Locations(service, {}).get("container:deliveries")
        with pytest.raises(StorageUnavailable):
            location.list_files("*")
        with pytest.raises(StorageUnavailable), location.open("x.txt"):
            pass


def test_an_sftp_file_truncated_while_it_is_read_is_an_error(sftp_site: Site, server: Server) -> None:
    path = server.root / "out" / "folder" / "x.txt"
    path.write_bytes(bytes(20 * MIB))
    with sftp_site.location.open("x.txt") as file:
        file.read(10)
        os.truncate(path, 10 * MIB)
        with pytest.raises(LocationUnavailable, match="changed"):
            read_on(file)


def test_an_sftp_site_that_goes_away_may_come_back(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, blobs: BlobServiceClient
) -> None:
    (tmp_path / "x.txt").write_bytes(bytes(20 * MIB))
    with ExitStack() as stack:
        client = Start(loop, tmp_path, stack)().client()
        with Locations(blobs, {"partner": client}).get("sftp:partner").open("x.txt") as file:
            file.read(10)
            stack.close()
            with pytest.raises(SftpUnavailable):
                read_on(file)


@pytest.mark.parametrize("text", ["deliveries", "container:X", "sftp:nobody/out"])
def test_an_invalid_location_is_an_invalid_setting(blobs: BlobServiceClient, text: str) -> None:
    with pytest.raises(SettingsInvalid):
        Locations(blobs, {}).get(text)
