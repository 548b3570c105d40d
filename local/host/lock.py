"""A lock that hosts share: the lease of a blob. When its holder dies, the lease runs out."""

import asyncio
import contextlib
import time

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

#: As in Azure. A lease lasts at least 15 s, so that long a timer rests when the host that fires it dies.
_LEASE_SECONDS = 15
_RENEWAL_SECONDS, _NEXT_TRY_SECONDS = 5, 2
#: Whoever holds the lease stops believing it a little before it runs out.
_MARGIN_SECONDS = 2


class Lock:
    """Held by one host at a time.

    Args:
        blob: whose lease it is; made if it is missing.
    """

    def __init__(self, blob: BlobClient) -> None:
        self._blob = blob
        self._lease = BlobLeaseClient(blob)
        self._held_until = 0.0

    @property
    def held(self) -> bool:
        """Whether this host holds it."""
        return time.monotonic() < self._held_until

    async def create(self) -> None:
        """Make the blob if it is missing."""
        # A blob that is leased already answers that it must not be modified.
        with contextlib.suppress(ResourceExistsError, ResourceModifiedError):
            await self._blob.upload_blob(b"", overwrite=False)

    async def keep(self) -> None:
        """Try to hold it, and go on trying, until cancelled; then let it go."""
        try:
            while True:
                await self._acquire()
                await asyncio.sleep(_RENEWAL_SECONDS if self.held else _NEXT_TRY_SECONDS)
        finally:
            if self.held:
                self._held_until = 0.0
                with contextlib.suppress(AzureError):
                    await self._lease.release()

    async def _acquire(self) -> None:
        asked = time.monotonic()
        try:
            # With the id of the lease that is held already, this renews it.
            await self._lease.acquire(lease_duration=_LEASE_SECONDS)
        except HttpResponseError:
            self._held_until = 0.0
        except AzureError:
            return  # no answer: what was held is held until it runs out
        else:
            self._held_until = asked + _LEASE_SECONDS - _MARGIN_SECONDS
