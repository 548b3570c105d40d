"""Azurite, the emulator of the storage account, as a child process with ports of its own."""

import http.client
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from local.child import end_with_parent, free_port
from local.node import find_node

_SCRIPT = Path(__file__).resolve().parents[1] / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_ACCOUNT = "devstoreaccount1"
#: The key of the development account: published, the same everywhere, and of no use elsewhere.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_READY_SECONDS, _STOP_SECONDS = 60, 20
_TRIES = 3


class AzuriteError(Exception):
    """Azurite did not start."""


class Azurite:
    """Azurite for the length of a `with` block.

    Args:
        folder: where it keeps everything; what is there is gone on with.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection_string(self) -> str:
        """For `AzureWebJobsStorage`."""
        endpoints = ";".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{port}/{_ACCOUNT}"
            for service, port in self._ports.items()
        )
        return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{endpoints};"

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            AzuriteError: it did not start; its log is in the folder.
            NodeMissingError: there is no Node.js to run it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):  # a port that was free may be taken by now
            self._start()
            if self._answers():
                return self
            self._stop()
        msg = f"Azurite did not start; see {self._folder / 'azurite.log'}"
        raise AzuriteError(msg)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it; it writes down what it holds."""
        self._stop()

    def _start(self) -> None:
        self._ports = {service: free_port() for service in ("blob", "queue", "table")}
        arguments = [str(find_node()), str(_SCRIPT), "--location", str(self._folder)]
        arguments += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        for service, port in self._ports.items():
            arguments += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
        with (self._folder / "azurite.log").open("ab") as log:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(),  # noqa: PLW1509 - it makes one system call
            )

    def _answers(self) -> bool:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                return False
            if all(_answers(port) for port in self._ports.values()):
                return True
            time.sleep(0.05)
        return False

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/{_ACCOUNT}")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
