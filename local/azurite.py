"""Azurite, the emulator of the storage account, as a child process with ports of its own."""

import re
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from local.child import start, stop
from local.node import PROJECT, find_node

_SCRIPT = PROJECT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_SERVICES = ("blob", "queue", "table")
_LISTENING = re.compile(r"Azurite (\w+) service is successfully listening at http://127\.0\.0\.1:(\d+)")
_ACCOUNT = "devstoreaccount1"
#: The key of the development account: public, identical everywhere, and useless elsewhere.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_READY_SECONDS, _STOP_SECONDS = 60, 20


class AzuriteError(Exception):
    """Azurite did not start."""


class Azurite:
    """Azurite for the duration of a `with` block.

    Args:
        folder: holds its data; existing data are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def connection_string(self) -> str:
        """For `AzureWebJobsStorage`."""
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{self._ports[service]}/{_ACCOUNT};"
            for service in _SERVICES
        )
        return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{endpoints}"

    def __enter__(self) -> Self:
        """Start Azurite and wait until it listens.

        Raises:
            AzuriteError: it did not start; its log is in the folder.
            NodeMissingError: there is no Node.js.
        """
        if not _SCRIPT.exists():
            raise AzuriteError("Azurite is not installed: run `.venv/bin/python -m local.node install`")
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "azurite.log"
        # Port 0: Azurite gets a free port from the system and reports it, so no other process can take it in between.
        arguments = [str(find_node()), str(_SCRIPT), "--location", str(self._folder)]
        arguments += ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        for service in _SERVICES:
            arguments += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
        with log.open("wb") as output:
            self._process = start(arguments, output)
        try:
            self._wait_until_listening(log)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop Azurite; it saves its data."""
        self._stop()

    def _wait_until_listening(self, log: Path) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            self._ports = {service.lower(): port for service, port in _LISTENING.findall(log.read_text())}
            if len(self._ports) == len(_SERVICES):
                return
            time.sleep(0.05)
        raise AzuriteError(f"Azurite did not start; see {log}")

    def _stop(self) -> None:
        if self._process is not None:
            stop(self._process, _STOP_SECONDS)
