"""The queue trigger: receives messages from a storage queue and invokes the function with each.

The semantics are those of the storage extension (host.json, `extensions.queues`): a message is
invisible while its function runs, deleted when it succeeds, visible again after a while when it fails,
and moved to the poison queue after `maxDequeueCount` failures.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.host.log import log
from local.host.settings import HostError
from local.host.storage import create_queue, send_message
from local.host.timespan import parse_time_span
from local.host.waiting import is_set_within
from local.host.worker import Datum, InvocationError, Invoke

#: Visibility timeout of a received message; it is renewed. Messages of a host that died wait that long.
_INVISIBLE = timedelta(minutes=10)
_MIN_PAUSE_SECONDS = 0.1
_MAX_BATCH_SIZE = 32
_POISON, _MAX_NAME_LENGTH = "-poison", 63


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json."""

    #: Messages received at a time.
    batch_size: int
    #: More are received when at most this many are being processed.
    new_batch_threshold: int
    #: How long a message stays invisible after its function failed.
    visibility_timeout: timedelta
    max_dequeue_count: int
    max_polling_interval: timedelta
    base64_encoded: bool

    @classmethod
    def from_host_json(cls, host: Mapping[str, Any]) -> Self:
        """Read the options, with the defaults of the extension.

        Raises:
            HostError: a value is invalid.
        """
        queues = host.get("extensions", {}).get("queues", {})
        try:
            batch_size = int(queues.get("batchSize", 16))
            options = cls(
                batch_size=batch_size,
                new_batch_threshold=int(queues.get("newBatchThreshold", batch_size // 2)),
                visibility_timeout=parse_time_span(queues.get("visibilityTimeout", "00:00:00")),
                max_dequeue_count=int(queues.get("maxDequeueCount", 5)),
                max_polling_interval=parse_time_span(queues.get("maxPollingInterval", "00:01:00")),
                base64_encoded=("none", "base64").index(str(queues.get("messageEncoding", "base64")).lower()) == 1,
            )
        except ValueError as error:
            raise HostError(f"host.json, extensions.queues: {error}") from None
        if not 1 <= batch_size <= _MAX_BATCH_SIZE:
            raise HostError(f"host.json, extensions.queues: batchSize is {batch_size}, not 1 to {_MAX_BATCH_SIZE}")
        if options.new_batch_threshold < 0 or options.max_dequeue_count < 1:
            raise HostError("host.json, extensions.queues: newBatchThreshold or maxDequeueCount is too low")
        return options


class QueueTrigger:
    """Listens to the queue of one function.

    Args:
        invoke: invokes the function.
        queue: the queue.
        poison: queue for messages that cannot be processed. A poison queue has none itself.
        options: from host.json.
        binary: pass bytes to the function (`dataType`) instead of text.
        invisible: visibility timeout of a received message.
    """

    def __init__(
        self,
        invoke: Invoke,
        queue: QueueClient,
        poison: QueueClient | None,
        options: QueueOptions,
        *,
        binary: bool = False,
        invisible: timedelta = _INVISIBLE,
    ) -> None:
        self._invoke = invoke
        self._queue = queue
        self._poison = poison
        self._options = options
        self._binary = binary
        self._invisible = invisible

    async def start(self) -> None:
        """Create the queue if it is missing."""
        await create_queue(self._queue)

    async def run(self, stop: asyncio.Event) -> None:
        """Process messages until `stop` is set; then let running invocations finish."""
        pause, longest = _MIN_PAUSE_SECONDS, self._options.max_polling_interval.total_seconds()
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            stopped = group.create_task(stop.wait())
            while not stop.is_set():
                if len(running) > self._options.new_batch_threshold:
                    await asyncio.wait({*running, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    continue
                messages = await self._receive()
                for message in messages:
                    task = group.create_task(self._process(message))
                    running.add(task)
                    task.add_done_callback(running.discard)
                if messages:
                    pause = _MIN_PAUSE_SECONDS
                else:
                    await is_set_within(stop, pause)
                    pause = min(pause * 2, longest)

    async def _receive(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size, visibility_timeout=round(self._invisible.total_seconds())
        ).by_page()
        try:
            # One page only: the iterator would continue until the queue is empty.
            async for page in pages:
                return [message async for message in page]
        except AzureError as error:
            log(f"Queue {self._queue.queue_name} cannot be read ({type(error).__name__}); will retry.")
        return []

    async def _process(self, message: QueueMessage) -> None:
        try:
            if (message.dequeue_count or 1) > self._options.max_dequeue_count:
                await self._move_to_poison(message, "has been delivered too many times")
            elif (body := self._decoded(message)) is None:
                # A retry could not help, so the extension makes none.
                await self._move_to_poison(message, "is not in the encoding set in host.json")
            elif await self._succeeds(message, body):
                await self._queue.delete_message(message.id, message.pop_receipt)
            elif (message.dequeue_count or 1) >= self._options.max_dequeue_count:
                await self._move_to_poison(message, "has failed too many times")
            else:
                retry_after = round(self._options.visibility_timeout.total_seconds())
                await self._queue.update_message(message.id, message.pop_receipt, visibility_timeout=retry_after)
        except AzureError as error:
            # It becomes visible again by itself, or another host has received it meanwhile.
            log(
                f"Message {message.id} of {self._queue.queue_name} could not be deleted, moved or released "
                f"({type(error).__name__})."
            )

    async def _succeeds(self, message: QueueMessage, body: Datum) -> bool:
        done = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, done))
        try:
            reason = f"message {message.id}, delivery {message.dequeue_count}"
            await self._invoke(body, _metadata(message), reason=reason)
        except InvocationError:
            return False
        finally:
            # Not cancelled: a renewal that reached the queue has changed the pop receipt.
            done.set()
            await renewal
        return True

    async def _renew(self, message: QueueMessage, done: asyncio.Event) -> None:
        """Keep the message invisible while its function runs."""
        while not await is_set_within(done, self._invisible.total_seconds() / 2):
            with contextlib.suppress(AzureError):  # there is time for another attempt
                renewed = await self._queue.update_message(
                    message.id, message.pop_receipt, visibility_timeout=round(self._invisible.total_seconds())
                )
                message.pop_receipt = renewed.pop_receipt

    def _decoded(self, message: QueueMessage) -> Datum | None:
        try:
            content = str(message.content).encode()
            body = base64.b64decode(content, validate=True) if self._options.base64_encoded else content
            return Datum(body, "bytes") if self._binary else Datum(body.decode(), "string")
        except ValueError:
            return None

    async def _move_to_poison(self, message: QueueMessage, problem: str) -> None:
        if self._poison is None:
            log(f"Message {message.id} of {self._queue.queue_name} {problem}; it stays there.")
            return
        log(f"Message {message.id} of {self._queue.queue_name} {problem}; moving it to {self._poison.queue_name}.")
        await send_message(self._poison, str(message.content))
        await self._queue.delete_message(message.id, message.pop_receipt)


def poison_queue_name(queue: str) -> str | None:
    """Name of the poison queue of a queue; None where there cannot be one."""
    if queue.endswith(_POISON) or len(queue) + len(_POISON) > _MAX_NAME_LENGTH:
        return None
    return queue + _POISON


def _metadata(message: QueueMessage) -> dict[str, Datum]:
    """Trigger metadata as in Azure: values other than text are JSON."""
    times = {
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
    }
    return {
        "Id": Datum(message.id, "string"),
        "DequeueCount": Datum(json.dumps(message.dequeue_count), "json"),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        **{name: Datum(json.dumps(value.isoformat()), "json") for name, value in times.items() if value},
    }
