"""Places: a mounted folder, a blob container (Azurite) and a folder on an SFTP site do the same."""

import asyncio
import os
import tracemalloc
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from shared.errors import (
    DeliveryFileMissing,
    FileNameRefused,
    PlaceUnavailable,
    SettingsInvalid,
    SftpRefused,
    SftpUnavailable,
    StorageUnavailable,
)
from shared.files.locations import Place, Places
from shared.storage.staging import Readable
from tests.contract.files.conftest import Held
from tests.unit.sftp.sftp_server import Server, Start

NAME = "PowerShell_1158984 ~ Dämo_55935023-0000-4000-8000-000000000000.txt"
MIB = 1024 * 1024


def read(place: Place, name: str, size: int = 100_000) -> bytes:
    with place.open(name) as file:
        return b"".join(iter(lambda: file.read(size), b""))


def read_on(file: Readable) -> None:
    while file.read(MIB):
        pass


@pytest.mark.parametrize("size", [0, 1, 99_999, 3 * MIB + 17])
def test_a_file_is_read_as_it_is(held: Held, size: int) -> None:
    content = os.urandom(size)
    held.write(NAME, content)
    assert read(held.place, NAME) == content


def test_a_read_gives_at_most_what_is_asked_for(held: Held) -> None:
    held.write(NAME, b"abcdefg")
    with held.place.open(NAME) as file:
        assert [file.read(3), file.read(3), file.read(3), file.read(3)] == [b"abc", b"def", b"g", b""]


def test_a_file_can_be_given_up_half_read(held: Held) -> None:
    held.write(NAME, bytes(5 * MIB))
    with held.place.open(NAME) as file:
        assert file.read(10) == bytes(10)
    assert read(held.place, NAME) == bytes(5 * MIB)


@pytest.mark.parametrize("name", ["nothing.txt", "below"])
def test_a_file_that_is_not_there_is_told_with_its_place(held: Held, name: str) -> None:
    held.write("below/file.txt", b"")
    with pytest.raises((DeliveryFileMissing, SftpRefused)) as caught, held.place.open(name):
        pass
    assert "folder" in str(caught.value) or "not a file" in str(caught.value)


OUTSIDE = ["", ".", "..", "../other.txt", "below/file.txt", "/etc/passwd", "..\\other.txt", "a\\b", "a\0b", "a\nb"]


@pytest.mark.parametrize("name", [*OUTSIDE, "a" * 256, "ä" * 128, "\ud800"])
def test_a_name_that_leads_out_of_the_place_is_refused(held: Held, name: str) -> None:
    held.write("below/file.txt", b"x")
    with pytest.raises(FileNameRefused) as caught, held.place.open(name):
        pass
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNameRefused):
        held.place.put(name, [b"x"])
    assert held.content("below/file.txt") == b"x"


def test_names_that_look_strange_are_names(held: Held) -> None:
    for name in ("a..b.txt", "...", ".hidden", "50% & more.txt", "a:b?c#d.txt", "'; DROP TABLE x.txt"):
        held.place.put(name, [name.encode()])
        assert read(held.place, name) == name.encode()


def test_files_are_listed_with_what_is_known_of_them(held: Held) -> None:
    held.write("b.txt", b"12345")
    held.write(NAME, b"1")
    held.write("a.csv", b"")
    held.write("c.txt.part", b"")
    held.write("d.TMP", b"")
    held.write("below/e.txt", b"")
    found = held.place.files("*.txt")
    assert [(file.name, file.size) for file in found] == [(NAME, 1), ("b.txt", 5)]
    assert [file.name for file in held.place.files("*")] == [NAME, "a.csv", "b.txt"]
    assert [file.name for file in held.place.files("?.csv")] == ["a.csv"]
    now = datetime.now(UTC)
    assert all(now - timedelta(minutes=5) < file.modified < now + timedelta(minutes=5) for file in found)
    assert [file.etag is not None for file in found] == [held.kind == "container"] * 2


def test_an_etag_tells_another_content_of_the_same_size(container_place: Held) -> None:
    tags = set()
    for content in (b"a", b"b"):
        container_place.write("x.txt", content)
        tags |= {file.etag for file in container_place.place.files("*")}
    assert len(tags) == 2


def test_an_empty_place_has_no_files(held: Held) -> None:
    assert list(held.place.files("*")) == []


def test_a_file_is_left_whole_and_takes_the_place_of_another(held: Held) -> None:
    for content in ([b"first"], [b"a" * MIB, b"", b"b" * MIB], []):
        held.place.put(NAME, content)
        assert held.content(NAME) == b"".join(content)
    assert [file.name for file in held.place.files("*")] == [NAME]


def test_a_file_whose_content_breaks_does_not_appear(held: Held) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"a" * 2 * MIB
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        held.place.put(NAME, breaking())
    assert held.content(NAME) is None
    assert list(held.place.files("*")) == []


def test_memory_does_not_grow_with_the_file(held: Held) -> None:
    peaks = []
    for size in (4, 16):
        held.write(NAME, bytes(size * MIB))
        tracemalloc.start()
        try:
            with held.place.open(NAME) as file:
                while file.read(256 * 1024):
                    pass
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < max(1.3 * peaks[0], 6 * MIB)


# What only one kind has


def test_a_pipe_is_no_file_and_is_not_waited_for(folder_place: Held, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "deliveries" / "pipe.txt")
    with pytest.raises(DeliveryFileMissing), folder_place.place.open("pipe.txt"):
        pass
    assert list(folder_place.place.files("*")) == []


def test_a_folder_that_is_not_mounted_may_be_there_later(tmp_path: Path, blobs: BlobServiceClient) -> None:
    place = Places(blobs, {}).of(str(tmp_path / "nowhere"))
    with pytest.raises(PlaceUnavailable, match="FileNotFoundError"):
        place.files("*")
    with pytest.raises(PlaceUnavailable):
        place.put("x", [b""])
    with pytest.raises(DeliveryFileMissing), place.open("x"):
        pass


def test_a_name_that_is_no_text_is_left_out(folder_place: Held, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path / "deliveries") + b"/\xff.txt")).touch()
    assert list(folder_place.place.files("*")) == []


def test_the_mark_of_a_folder_is_no_file(blobs: BlobServiceClient) -> None:
    name = f"test-{uuid.uuid4().hex[:12]}"
    container = blobs.create_container(name)
    container.upload_blob("x.txt", b"")
    container.upload_blob("below", b"", metadata={"hdi_isfolder": "true"})
    assert [file.name for file in Places(blobs, {}).of(f"container:{name}").files("*")] == ["x.txt"]


def test_an_account_that_does_not_answer_may_do_so_later() -> None:
    address = "http://127.0.0.1:1/account"
    connection = f"AccountName=account;AccountKey=a2V5;BlobEndpoint={address}"
    with BlobServiceClient.from_connection_string(connection, retry_total=0) as service:
        place = Places(service, {}).of("container:deliveries")
        with pytest.raises(StorageUnavailable):
            place.files("*")
        with pytest.raises(StorageUnavailable), place.open("x.txt"):
            pass


def test_an_sftp_file_that_becomes_shorter_while_it_is_read_is_told(sftp_place: Held, server: Server) -> None:
    path = server.root / "out" / "folder" / "x.txt"
    path.write_bytes(bytes(20 * MIB))
    with sftp_place.place.open("x.txt") as file:
        file.read(10)
        os.truncate(path, 10 * MIB)
        with pytest.raises(PlaceUnavailable, match="changed"):
            read_on(file)


def test_an_sftp_site_that_goes_away_may_come_back(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, blobs: BlobServiceClient
) -> None:
    (tmp_path / "x.txt").write_bytes(bytes(20 * MIB))
    with ExitStack() as stack:
        site = Start(loop, tmp_path, stack)().client()
        with Places(blobs, {"partner": site}).of("sftp:partner").open("x.txt") as file:
            file.read(10)
            stack.close()
            with pytest.raises(SftpUnavailable):
                read_on(file)


@pytest.mark.parametrize("text", ["deliveries", "container:X", "sftp:nobody/out"])
def test_a_text_that_names_no_place_is_a_wrong_setting(blobs: BlobServiceClient, text: str) -> None:
    with pytest.raises(SettingsInvalid):
        Places(blobs, {}).of(text)
