"""An SFTP server for each test."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.sftp.session import SftpSession
from tests.unit.sftp.sftp_server import Start


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in its own thread, for the servers."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def start(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Start]:
    root = tmp_path / "site"
    (root / "import").mkdir(parents=True)
    with ExitStack() as stack:
        yield Start(loop, root, stack)


@pytest.fixture
def session(start: Start) -> Iterator[SftpSession]:
    with start().client().connect() as session:
        yield session
