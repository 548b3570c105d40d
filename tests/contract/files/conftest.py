"""The three kinds of place, each with files that a test puts there by another way."""

import asyncio
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite
from shared.files.locations import Place, Places
from tests.unit.sftp.sftp_server import Server, Start


@dataclass
class Held:
    """A place, and what is in it as its owner sees it."""

    place: Place
    kind: str
    #: Writes a file at a path below the folder of the place.
    write: Callable[[str, bytes], None]
    #: Reads one back; None when it is not there.
    content: Callable[[str], bytes | None]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own, for the SFTP servers."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def server(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "site"
    (root / "out" / "folder").mkdir(parents=True)
    with ExitStack() as stack:
        yield Start(loop, root, stack)()


@pytest.fixture
def blobs(azurite: Azurite) -> Iterator[BlobServiceClient]:
    block = 256 * 1024
    with BlobServiceClient.from_connection_string(
        azurite.connection_string, max_single_get_size=block, max_chunk_get_size=block
    ) as service:
        yield service


@pytest.fixture
def folder_place(tmp_path: Path, blobs: BlobServiceClient) -> Held:
    folder = tmp_path / "deliveries"
    folder.mkdir()
    return _held(Places(blobs, {}).of(str(folder)), "folder", folder)


@pytest.fixture
def sftp_place(server: Server, blobs: BlobServiceClient) -> Held:
    place = Places(blobs, {"partner": server.client()}).of("sftp:partner/out/folder")
    return _held(place, "sftp", server.root / "out" / "folder")


@pytest.fixture
def container_place(blobs: BlobServiceClient) -> Held:
    name = f"test-{uuid.uuid4().hex[:12]}"
    container = blobs.create_container(name)

    def write(path: str, data: bytes) -> None:
        container.upload_blob(f"some/folder/{path}", data, overwrite=True)

    def content(path: str) -> bytes | None:
        blob = container.get_blob_client(f"some/folder/{path}")
        return blob.download_blob().readall() if blob.exists() else None

    place = Places(blobs, {}).of(f"container:{name}/some/folder")
    return Held(place, "container", write, content)


@pytest.fixture(params=["folder", "container", "sftp"])
def held(request: pytest.FixtureRequest) -> Held:
    """A place of each kind."""
    found = request.getfixturevalue(f"{request.param}_place")
    assert isinstance(found, Held)
    return found


def _held(place: Place, kind: str, folder: Path) -> Held:
    def write(path: str, data: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        os.utime(folder / path)

    def content(path: str) -> bytes | None:
        return (folder / path).read_bytes() if (folder / path).exists() else None

    return Held(place, kind, write, content)
