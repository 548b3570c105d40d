"""A lock shared by hosts: the lease of a blob. When the holder dies, the lease expires."""

import asyncio
import contextlib
import time

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

#: As in Azure, where 15 s is the minimum. When the host that fires a timer dies, the timer pauses for this long.
_LEASE_SECONDS = 15
_RENEWAL_SECONDS, _RETRY_SECONDS = 5, 2
#: The holder considers the lease expired a little early.
_MARGIN_SECONDS = 2


class Lock:
    """A lock that one host at a time holds.

    Args:
        blob: the blob to lease; created if it is missing.
    """

    def __init__(self, blob: BlobClient) -> None:
        self._blob = blob
        self._lease = BlobLeaseClient(blob)
        self._held_until = 0.0

    @property
    def held(self) -> bool:
        """Whether this host holds the lock."""
        return time.monotonic() < self._held_until

    async def create(self) -> None:
        """Create the blob if it is missing."""
        # For a leased blob the response is that it must not be modified.
        with contextlib.suppress(ResourceExistsError, ResourceModifiedError):
            await self._blob.upload_blob(b"", overwrite=False)

    async def keep(self) -> None:
        """Acquire and renew the lease until cancelled; then release it."""
        try:
            while True:
                await self._acquire()
                await asyncio.sleep(_RENEWAL_SECONDS if self.held else _RETRY_SECONDS)
        finally:
            if self.held:
                self._held_until = 0.0
                with contextlib.suppress(AzureError):
                    await self._lease.release()

    async def _acquire(self) -> None:
        requested = time.monotonic()
        try:
            # With the ID of a held lease, this renews it.
            await self._lease.acquire(lease_duration=_LEASE_SECONDS)
        except HttpResponseError:
            self._held_until = 0.0
        except AzureError:
            return  # no response: a held lease remains valid until it expires
        else:
            self._held_until = requested + _LEASE_SECONDS - _MARGIN_SECONDS
