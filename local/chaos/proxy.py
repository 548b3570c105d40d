"""A proxy between the hosts and a server, which stops, slows or cuts the connections."""

import asyncio
import threading
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any

_BLOCK = 64 * 1024
#: Seconds by which each block is late while it slows.
_SLOW_SECONDS = 0.2


class Trouble(StrEnum):
    """What the proxy does."""

    NONE = "none"
    STOP = "stopped"  #: connections stay open, and nothing passes
    SLOW = "slowed"  #: everything passes late
    CUT = "cut"  #: connections are closed, and new ones too


class Proxies:
    """The proxies, in an event loop of their own thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def open(self, port: int) -> "Proxy":
        """A proxy to a port of this machine; its own port is free."""
        proxy = Proxy(self, port)
        self.run(proxy.start())
        return proxy

    def run[Result](self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run in the loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Stop the loop; its connections end with the process."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class Proxy:
    """A proxy to one server.

    Args:
        proxies: whose loop it runs in.
        target: port of the server.
    """

    def __init__(self, proxies: Proxies, target: int) -> None:
        self._proxies = proxies
        self._target = target
        self._trouble = Trouble.NONE
        self._passing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        #: Where the hosts connect.
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        self._passing.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def play(self, trouble: Trouble) -> None:
        """Play this trouble from now on."""
        self._proxies.run(self._play(trouble))

    async def _play(self, trouble: Trouble) -> None:
        self._trouble = trouble
        if trouble is Trouble.STOP:
            self._passing.clear()
        else:
            self._passing.set()
        if trouble is Trouble.CUT:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._trouble is Trouble.CUT:
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, back}
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, back))
                    both.create_task(self._pass(there, writer))
            finally:
                self._writers -= {writer, back}
                back.close()
        except (OSError, ExceptionGroup):
            pass  # one of the ends is gone, so the other is closed
        finally:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(_BLOCK):
            await self._passing.wait()
            if self._trouble is Trouble.SLOW:
                await asyncio.sleep(_SLOW_SECONDS)
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
