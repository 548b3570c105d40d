"""Behaviour of triggers that takes minutes in a host, tested with short times and a real Azurite."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import timedelta
from itertools import pairwise

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, BlobServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

import local.host.lock
from local.azurite import Azurite
from local.host.lock import Lock
from local.host.ncrontab import Schedule
from local.host.queue_trigger import QueueOptions, QueueTrigger
from local.host.timer_trigger import TimerTrigger
from local.host.waiting import is_set_within
from local.host.worker import Datum, InvocationError

OPTIONS = QueueOptions.from_host_json({"extensions": {"queues": {"messageEncoding": "none", "maxDequeueCount": 1}}})


class Invocations:
    """Stands for a function that takes a while."""

    def __init__(self, seconds: float = 0, *, fails: bool = False) -> None:
        self.seconds = seconds
        self.fails = fails
        self.values: list[Datum] = []
        self.running = self.most = 0
        self.done = asyncio.Event()

    async def __call__(self, value: Datum, metadata: Mapping[str, Datum] | None = None, *, reason: str) -> Datum | None:
        del metadata, reason
        self.values.append(value)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.seconds)
        self.running -= 1
        self.done.set()
        if self.fails:
            raise InvocationError("ValueError")
        return None


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of things that do not know of an event
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def listening(trigger: QueueTrigger | TimerTrigger) -> AsyncIterator[None]:
    stop = asyncio.Event()
    await trigger.start()
    running = asyncio.create_task(trigger.run(stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await running


type QueueTest = Callable[[QueueClient], Coroutine[None, None, None]]
type BlobTest = Callable[[BlobServiceClient], Coroutine[None, None, None]]


@pytest.fixture
def with_queue(azurite: Azurite) -> Callable[[QueueTest], None]:
    """Runs a test with a queue of its own."""

    async def run(test: QueueTest) -> None:
        async with QueueServiceClient.from_connection_string(azurite.connection_string) as service:
            await test(service.get_queue_client(f"test-{uuid.uuid4().hex[:12]}"))

    return lambda test: asyncio.run(run(test))


@pytest.fixture
def with_blobs(azurite: Azurite) -> Callable[[BlobTest], None]:
    """Runs a test with the blobs of the account."""

    async def run(test: BlobTest) -> None:
        async with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
            await test(service)

    return lambda test: asyncio.run(run(test))


async def count(queue: QueueClient) -> int:
    return int((await queue.get_queue_properties()).approximate_message_count or 0)


def test_a_message_stays_invisible_as_long_as_its_function_runs(with_queue: Callable[[QueueTest], None]) -> None:
    async def check(queue: QueueClient) -> None:
        function = Invocations(3.5)
        trigger = QueueTrigger(function, queue, None, OPTIONS, invisible=timedelta(seconds=2))
        async with listening(trigger):
            await queue.send_message("long")
            await until(lambda: function.values)
            while not await is_set_within(function.done, 0.1):
                assert await queue.peek_messages() == [], "nobody else can take it"
        assert len(function.values) == 1
        assert await count(queue) == 0, "it was renewed several times and could still be deleted"

    with_queue(check)


def test_a_poison_queue_has_no_poison_queue_of_its_own(with_queue: Callable[[QueueTest], None]) -> None:
    async def check(queue: QueueClient) -> None:
        function = Invocations(fails=True)
        async with listening(QueueTrigger(function, queue, None, OPTIONS)):
            await queue.send_message("poison")
            assert await is_set_within(function.done, 30)
        assert await count(queue) == 1, "it stays, invisible"

    with_queue(check)


def test_a_message_that_another_client_deleted_is_no_error(with_queue: Callable[[QueueTest], None]) -> None:
    async def check(queue: QueueClient) -> None:
        function = Invocations(0.3)
        async with listening(QueueTrigger(function, queue, None, OPTIONS)):
            await queue.send_message("gone")
            await until(lambda: function.values)
            await queue.clear_messages()
            assert await is_set_within(function.done, 30)
            await queue.send_message("next")
            await until(lambda: len(function.values) == 2)

    with_queue(check)


def test_a_function_can_receive_bytes(with_queue: Callable[[QueueTest], None]) -> None:
    async def check(queue: QueueClient) -> None:
        function = Invocations()
        async with listening(QueueTrigger(function, queue, None, OPTIONS, binary=True)):
            await queue.send_message("bytes")
            assert await is_set_within(function.done, 30)
        assert function.values == [Datum(b"bytes", "bytes")]

    with_queue(check)


def test_a_queue_that_is_deleted_and_recreated_is_polled_again(
    with_queue: Callable[[QueueTest], None], capsys: pytest.CaptureFixture[str]
) -> None:
    async def check(queue: QueueClient) -> None:
        function = Invocations()
        async with listening(QueueTrigger(function, queue, None, OPTIONS)):
            await queue.delete_queue()
            await until(lambda: "cannot be read" in capsys.readouterr().out)
            await queue.create_queue()
            await queue.send_message("again")
            assert await is_set_within(function.done, 30)

    with_queue(check)


def test_an_empty_queue_is_polled_less_and_less_often(with_queue: Callable[[QueueTest], None]) -> None:
    async def check(queue: QueueClient) -> None:
        function, looks, clock = Invocations(), [], asyncio.get_running_loop().time
        original = queue.receive_messages

        def counted(**named: int) -> object:
            looks.append(clock())
            return original(**named)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(queue, "receive_messages", counted)
            async with listening(QueueTrigger(function, queue, None, OPTIONS)):
                await until(lambda: len(looks) >= 5)
                await queue.send_message("a message")
                await until(lambda: function.values)
                before = len(looks)
                await until(lambda: len(looks) >= before + 2)
        pauses = [later - earlier for earlier, later in pairwise(looks)]
        assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8), strict=False))
        assert pauses[before] < pauses[3], "after a message it is quick again"

    with_queue(check)


def test_a_timer_never_overlaps_itself_and_makes_up_for_one_firing(with_blobs: Callable[[BlobTest], None]) -> None:
    async def check(blobs: BlobServiceClient) -> None:
        function = Invocations(1.6)
        async with listening(TimerTrigger(function, "slow", blobs, uuid.uuid4().hex, Schedule("* * * * * *"))):
            await until(lambda: len(function.values) == 2)
            assert function.running == 1, "the next began after the one before had ended"
        assert function.most == 1
        assert not any(json.loads(value.value)["IsPastDue"] for value in function.values)

    with_blobs(check)


def test_a_timer_whose_function_fails_fires_again(with_blobs: Callable[[BlobTest], None]) -> None:
    async def check(blobs: BlobServiceClient) -> None:
        function = Invocations(fails=True)
        async with listening(TimerTrigger(function, "failing", blobs, uuid.uuid4().hex, Schedule("00:00:00.2"))):
            await until(lambda: len(function.values) >= 3)

    with_blobs(check)


@pytest.fixture
def quick_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.host.lock, "_RENEWAL_SECONDS", 0.1)
    monkeypatch.setattr(local.host.lock, "_RETRY_SECONDS", 0.1)


async def lock_blob(blobs: BlobServiceClient) -> BlobClient:
    container = blobs.get_container_client(f"test-{uuid.uuid4().hex[:12]}")
    await container.create_container()
    return container.get_blob_client("lock")


@contextlib.asynccontextmanager
async def keeping(lock: Lock) -> AsyncIterator[None]:
    await lock.create()
    task = asyncio.create_task(lock.keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.usefixtures("quick_locks")
def test_a_lock_has_one_holder_until_it_is_released(with_blobs: Callable[[BlobTest], None]) -> None:
    async def check(blobs: BlobServiceClient) -> None:
        blob = await lock_blob(blobs)
        first, second = Lock(blob), Lock(blob)
        acquire, tries = second._lease.acquire, []

        async def counted(lease_duration: int) -> None:
            tries.append(first.held)
            await acquire(lease_duration=lease_duration)

        async with contextlib.AsyncExitStack() as stack:
            async with keeping(first):
                await until(lambda: first.held)
                with pytest.MonkeyPatch.context() as patched:
                    patched.setattr(second._lease, "acquire", counted)
                    await stack.enter_async_context(keeping(second))
                    await until(lambda: len(tries) >= 4)
                assert not second.held
                assert all(tries), "the first held it all the time"
            assert not first.held
            await until(lambda: second.held)
        assert not second.held

    with_blobs(check)


@pytest.mark.usefixtures("quick_locks")
def test_a_holder_that_loses_a_lock_notices_and_tries_again(with_blobs: Callable[[BlobTest], None]) -> None:
    async def check(blobs: BlobServiceClient) -> None:
        blob = await lock_blob(blobs)
        lock = Lock(blob)
        async with keeping(lock):
            await until(lambda: lock.held)
            while True:
                await BlobLeaseClient(blob).break_lease(lease_break_period=0)
                with contextlib.suppress(ResourceExistsError):  # it was quicker
                    lease = await blob.acquire_lease(lease_duration=60)
                    break
            async with asyncio.timeout(8):  # sooner than the lease that it had would have run out
                await until(lambda: not lock.held)
            await lease.release()
            await until(lambda: lock.held)

    with_blobs(check)
