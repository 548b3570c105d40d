"""Connections on which an answer has a deadline as a whole, and not only for each read.

A server that sends a byte now and then would keep a request, its connection and its step for as long as it likes.
"""

import io
import time
from http.client import HTTPResponse
from socket import socket
from typing import Any, Final, override

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager, ProxyManager


class DeadlineAdapter(HTTPAdapter):
    """Keeps the connections of a session.

    Args:
        seconds: from the request until its answer is complete, headers and body.
        connections: connections kept open; a further request waits for one.
    """

    def __init__(self, seconds: float, *, connections: int) -> None:
        self._seconds = seconds
        super().__init__(pool_connections=1, pool_maxsize=connections, pool_block=True, max_retries=0)

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._use_deadlines(self.poolmanager)

    @override
    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        self._use_deadlines(manager)
        return manager

    def _use_deadlines(self, manager: PoolManager) -> None:
        seconds = self._seconds

        class Response(_Response):
            total = seconds

        class Plain(HTTPConnection):
            response_class = Response

        class Encrypted(HTTPSConnection):
            response_class = Response

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}


class _Response(HTTPResponse):
    """An answer; it begins when the request is sent, and what it reads has to arrive until its deadline."""

    total: float

    def __init__(self, sock: socket, debuglevel: int = 0, method: str | None = None, url: str | None = None) -> None:
        super().__init__(sock, debuglevel, method, url)
        reader = _Reader(self.fp.detach(), sock, time.monotonic() + self.total)
        self.fp = io.BufferedReader(reader)


class _Reader(io.RawIOBase):
    """The bytes of a socket until a moment of the monotonic clock."""

    def __init__(self, raw: io.RawIOBase, sock: socket, deadline: float) -> None:
        self._raw: Final = raw
        self._sock: Final = sock
        self._deadline: Final = deadline
        self._each: Final = sock.gettimeout()

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left if self._each is None else min(left, self._each))
        return self._raw.readinto(buffer)

    @override
    def close(self) -> None:
        self._raw.close()
        super().close()
