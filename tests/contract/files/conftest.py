"""The three kinds of location, with access for tests that bypasses the code under test."""

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
from shared.files.locations import Location, Locations
from tests.unit.sftp.sftp_server import Server, Start


@dataclass
class Site:
    """A location, and its files as its owner sees them."""

    location: Location
    kind: str
    #: Writes a file at a path below the folder of the location.
    write: Callable[[str, bytes], None]
    #: Reads a file; None if it does not exist.
    content: Callable[[str], bytes | None]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in its own thread, for the SFTP servers."""
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
def folder_site(tmp_path: Path, blobs: BlobServiceClient) -> Site:
    folder = tmp_path / "deliveries"
    folder.mkdir()
    return _site(Locations(blobs, {}).get(str(folder)), "folder", folder)


@pytest.fixture
def sftp_site(server: Server, blobs: BlobServiceClient) -> Site:
    location = Locations(blobs, {"partner": server.client()}).get("sftp:partner/out/folder")
    return _site(location, "sftp", server.root / "out" / "folder")


@pytest.fixture
def container_site(blobs: BlobServiceClient) -> Site:
    name = f"test-{uuid.uuid4().hex[:12]}"
    container = blobs.create_container(name)

    def write(path: str, data: bytes) -> None:
        container.upload_blob(f"some/folder/{path}", data, overwrite=True)

    def content(path: str) -> bytes | None:
        blob = container.get_blob_client(f"some/folder/{path}")
        return blob.download_blob().readall() if blob.exists() else None

    location = Locations(blobs, {}).get(f"container:{name}/some/folder")
    return Site(location, "container", write, content)


@pytest.fixture(params=["folder", "container", "sftp"])
def site(request: pytest.FixtureRequest) -> Site:
    """A location of each kind."""
    site = request.getfixturevalue(f"{request.param}_site")
    assert isinstance(site, Site)
    return site


def _site(location: Location, kind: str, folder: Path) -> Site:
    def write(path: str, data: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
        os.utime(folder / path)

    def content(path: str) -> bytes | None:
        return (folder / path).read_bytes() if (folder / path).exists() else None

    return Site(location, kind, write, content)
