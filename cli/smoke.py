"""`bridge smoke`: whether an app that was just deployed works. It asks the app alone, over HTTPS."""

import os
import time
from typing import Annotated, Any
from urllib.parse import urlsplit

import requests
import typer

from cli.wiring import console, problems
from shared.config.channels import DEFAULT

#: App setting of whoever calls, for a key must not stand on a command line.
_KEY = "BRIDGE_FUNCTION_KEY"
_LOOK_SECONDS = 2.0
_TIMEOUT_SECONDS = 60
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class _NotWellError(Exception):
    """The app does not work; the text says what does not."""


def smoke(
    url: Annotated[str, typer.Argument(help="Address of the app, such as https://<app>.azurewebsites.net.")],
    *,
    message: Annotated[
        str | None, typer.Option("--message", help="Message name: send it to the channel's seed list.")
    ] = None,
    channel: Annotated[str, typer.Option(help="Channel whose seed list is taken.")] = DEFAULT,
    wait: Annotated[int, typer.Option(min=0, help="Seconds within which the app must be healthy.")] = 300,
) -> None:
    """Ask an app that was deployed whether it works, and let it send a test mail.

    First its health: settings, tables, storage. With the function key in BRIDGE_FUNCTION_KEY it then logs in to
    Optimizely's REST API and its SFTP site, with its own secrets and from its own address.

    Exit status: 0 when everything asked for works, 1 when anything does not.
    """
    address = _address(url)
    key = os.environ.get(_KEY)
    if message and not key:
        raise typer.BadParameter(f"a test mail needs the function key of the app in {_KEY}", param_hint="--message")
    try:
        _wait_healthy(address, wait)
        _say("The app is healthy.")
        if key:
            _call(address, key, "test")
            _say("It logs in to Optimizely's REST API and SFTP site.")
        else:
            _say(f"Whether it logs in to Optimizely was not asked: {_KEY} is not set.")
        if message and key:
            _say(_send_test(address, key, message, channel))
    except _NotWellError as error:
        problems.print(f"The app does not work: {error}.", style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _address(url: str) -> str:
    """The address of the functions. A key must not go over an open line."""
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        raise typer.BadParameter("it begins with https://", param_hint="URL")
    return url.rstrip("/").removesuffix("/api") + "/api"


def _wait_healthy(address: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        told = _health(address)
        if told is None:
            return
        if time.monotonic() >= deadline:
            raise _NotWellError(f"after {wait} s {told}")
        time.sleep(_LOOK_SECONDS)


def _health(address: str) -> str | None:
    """What is wrong; None when nothing is."""
    try:
        answer = requests.get(f"{address}/health", timeout=_TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        return f"it does not answer ({type(error).__name__})"
    if answer.status_code == requests.codes.ok:
        return None
    checks = _json(answer).get("checks", [])
    wrong = [f"{one.get('check')} ({one.get('code')})" for one in checks if not one.get("ok")]
    return f"its health has the status {answer.status_code}" + (f": {', '.join(wrong)}" if wrong else "")


def _send_test(address: str, key: str, message: str, channel: str) -> str:
    sent = _call(address, key, "send-test", MessageName=message, Channel=channel)
    if not sent["Recipients"]:
        raise _NotWellError("the seed list has nobody to whom a test mail could go")
    return f"Test mailing {sent['TransactionId']} goes to {sent['Recipients']} recipients of the seed list."


def _call(address: str, key: str, slot: str, **given: str) -> dict[str, Any]:
    """Call a slot of PeopleStage's channel: the app's own way to Optimizely."""
    try:
        answer = requests.post(
            f"{address}/peoplestage/{slot}",
            json=given,
            headers={"x-functions-key": key},
            timeout=_TIMEOUT_SECONDS,
            # Otherwise the key would go wherever the answer points.
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise _NotWellError(f"{slot}: no answer ({type(error).__name__})") from None
    told = _json(answer)
    if answer.status_code != requests.codes.ok:
        if answer.status_code == requests.codes.unauthorized:
            raise _NotWellError(f"{slot}: the app does not take the key in {_KEY}")
        reason = f"{told['error']} [{told['code']}]" if "code" in told else f"status {answer.status_code}"
        raise _NotWellError(f"{slot}: {reason}")
    return told


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _say(sentence: str) -> None:
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)
