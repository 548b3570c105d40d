"""The deployment package on its own: unpacked, with requirements.txt alone, in the worker library of Azure."""

import base64
import importlib.util
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.broadcast import RESTING, State
from shared.config.version import version
from tests.flow.harness import Flow, environment, until
from tools.package import empty_environment, package_contents, write

ROOT = Path(__file__).parents[2]
#: A worker process as Azure has it: the worker's library, the app's folder, the environment of requirements.txt. Asked
#: and answered in lines of JSON.
WORKER = """
import asyncio, importlib.util, json, sys
from pathlib import Path
sys.path.append(sys.argv[1])
from worker import Datum, InvocationError, Worker

async def work():
    worker = await Worker.start(Path.cwd())
    functions = {function.name: function for function in worker.functions}
    import function_app, shared.bridge, shared.config.version
    print(json.dumps({
        "functions": {name: function.bindings for name, function in functions.items()},
        "app": [function_app.__file__, shared.bridge.__file__],
        "prefix": sys.prefix,
        "version": shared.config.version.version(),
        "importable": [name for name in json.loads(sys.argv[2]) if importlib.util.find_spec(name)],
    }), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        metadata = {name: Datum(*value) for name, value in asked["metadata"].items()}
        try:
            await worker.invoke(functions[asked["function"]], Datum(*asked["value"]), metadata)
            print("null", flush=True)
        except InvocationError as error:
            print(json.dumps(str(error)), flush=True)
    worker.stop()

asyncio.run(work())
"""
#: What a developer's machine has and Azure has not.
NOT_IN_AZURE = ["local", "tests", "tools", "cli", "bench", "pytest", "typer", "rich", "aiohttp", "asyncssh", "croniter"]


class Packaged:
    """The worker process of the package."""

    def __init__(self, process: subprocess.Popen[str], flow: Flow) -> None:
        self._process = process
        settings = flow.bridge.settings
        #: By the function that takes from it.
        self._queues = {
            "upload_list": flow.queues.create_queue(settings.upload_list_queue),
            "monitor_import": flow.queues.create_queue(settings.monitor_import_queue),
        }
        self.result = self._answer()

    def fire(self, function: str) -> None:
        """Fire a timer."""
        timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        self._invoke(function, json.dumps(timer), "json", {})

    def deliver(self) -> None:
        """Give every visible message to its function."""
        for function, queue in self._queues.items():
            for message in queue.receive_messages(visibility_timeout=600):
                metadata = {"Id": (message.id, "string"), "DequeueCount": (json.dumps(message.dequeue_count), "json")}
                self._invoke(function, base64.b64decode(message.content).decode(), "string", metadata)
                queue.delete_message(message)

    def _invoke(self, function: str, value: str, kind: str, metadata: dict[str, tuple[str, str]]) -> None:
        assert self._process.stdin is not None
        asked = {"function": function, "value": (value, kind), "metadata": metadata}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        failure = self._answer()
        assert failure is None, f"{function}: {failure}"

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the worker process ended: see its messages above"
        return json.loads(line)


@contextmanager
def worker_process(flow: Flow, app: Path, python: Path, library: Path) -> Iterator[Packaged]:
    """The worker process, with the settings of the flow's bridge and nothing else of this environment."""
    command = [str(python), "-I", "-c", WORKER, str(library), json.dumps(NOT_IN_AZURE)]
    settings = environment(flow.bridge.settings) | {"PYTHON_THREADPOOL_THREAD_COUNT": "1"}
    with subprocess.Popen(
        command, cwd=app, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Packaged(process, flow)
        finally:
            process.kill()


@pytest.fixture
def packaged(flow: Flow, tmp_path: Path) -> Iterator[Packaged]:
    app, library = tmp_path / "wwwroot", tmp_path / "worker"
    write(package_contents(ROOT), tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        package.extractall(app)
    python = empty_environment(ROOT, app / "requirements.txt", tmp_path / "environment")
    # The worker is Azure's and no part of the app: its library, and the module here that drives it, come by themselves.
    library.mkdir()
    shutil.copy(ROOT / "local" / "host" / "worker.py", library)
    found = importlib.util.find_spec("azure_functions_runtime")
    assert found is not None
    assert found.origin is not None
    (library / "azure_functions_runtime").symlink_to(Path(found.origin).parent)
    with worker_process(flow, app, python, library) as process:
        yield process


@pytest.mark.sqlite
def test_the_package_alone_carries_a_broadcast(packaged: Packaged, flow: Flow, tmp_path: Path) -> None:
    result = packaged.result
    # Everything is that of the package and of its environment.
    assert all(Path(path).is_relative_to(tmp_path / "wwwroot") for path in result["app"])
    assert Path(result["prefix"]) == tmp_path / "environment"
    assert result["importable"] == []
    # Not that of the working tree, which may differ from its commit.
    assert result["version"] == version().removesuffix(".dirty")
    names = {"poll_jobs", "upload_list", "monitor_import", "gather_responses", "load_responses", "housekeeping"}
    assert result["functions"].keys() == names | {"draw_suppressions", "status", "peoplestage", "health"}
    job_id = flow.order(recipients=60)
    packaged.fire("poll_jobs")
    until(lambda: flow.broadcast(job_id).state in RESTING, "the broadcast at rest", between=packaged.deliver)
    broadcast = flow.broadcast(job_id)
    assert broadcast.state is State.CLOSED
    campaign = flow.campaign(broadcast)
    assert campaign["mails_sent"] == campaign["distinct_recipients_mailed"] == broadcast.sent
    assert broadcast.sent
    assert flow.job(job_id)[0] == "done"
    for timer in ("gather_responses", "draw_suppressions", "housekeeping"):
        packaged.fire(timer)
