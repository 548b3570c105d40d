"""`bridge smoke`: checks that a deployed app works, through the app's own HTTP interface alone."""

import os
import time
from typing import Annotated, Any
from urllib.parse import urlsplit

import requests
import typer

from cli.wiring import fail, say
from shared.config.channels import DEFAULT

#: A variable of the environment, because a key on a command line is visible to others.
_KEY = "BRIDGE_FUNCTION_KEY"
_POLL_SECONDS = 2.0
_TIMEOUT_SECONDS = 60
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class _SmokeTestError(Exception):
    """The app does not work; the text says what is wrong."""


def smoke(
    url: Annotated[str, typer.Argument(help="URL of the app, such as https://<app>.azurewebsites.net.")],
    *,
    message: Annotated[
        str | None, typer.Option("--message", help="Name of a message to send to the channel's seed list.")
    ] = None,
    channel: Annotated[str, typer.Option(help="The channel whose seed list is used.")] = DEFAULT,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait for the app to become healthy.")] = 300,
) -> None:
    """Check that a deployed app works, and optionally have it send a test mail.

    First its health is checked: settings, tables, storage. With the function key in the environment variable
    BRIDGE_FUNCTION_KEY, the app then logs in to Optimizely's REST API and SFTP site, with its own secrets and from
    its own IP address.

    Exit status: 0 when every check passes, 1 when one fails.
    """
    address = _address(url)
    key = os.environ.get(_KEY)
    if message and not key:
        raise typer.BadParameter(
            f"a test mail needs the app's function key in the environment variable {_KEY}", param_hint="--message"
        )
    try:
        _wait_healthy(address, wait)
        say("The app is healthy.")
        if key:
            _call(address, key, "test")
            say("The app logs in to Optimizely's REST API and SFTP site.")
        else:
            say(f"The logins to Optimizely were not checked: {_KEY} is not set.")
        if message and key:
            say(_send_test(address, key, message, channel))
    except _SmokeTestError as error:
        raise fail(f"The app does not work: {error}.") from None


def _address(url: str) -> str:
    """The URL of the functions. A key must not be sent unencrypted."""
    parts = urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        raise typer.BadParameter("the URL must begin with https://", param_hint="URL")
    return url.rstrip("/").removesuffix("/api") + "/api"


def _wait_healthy(address: str, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        problem = _health_problem(address)
        if problem is None:
            return
        if time.monotonic() >= deadline:
            raise _SmokeTestError(f"after {wait} s {problem}")
        time.sleep(_POLL_SECONDS)


def _health_problem(address: str) -> str | None:
    """What is wrong; None when the app is healthy."""
    try:
        answer = requests.get(f"{address}/health", timeout=_TIMEOUT_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        return f"it does not answer ({type(error).__name__})"
    if answer.status_code == requests.codes.ok:
        return None
    checks = _json(answer).get("checks", [])
    failed = ", ".join(f"{check.get('check')} ({check.get('code')})" for check in checks if not check.get("ok"))
    return f"its health check returns status {answer.status_code}" + (f": {failed}" if failed else "")


def _send_test(address: str, key: str, message: str, channel: str) -> str:
    sent = _call(address, key, "send-test", MessageName=message, Channel=channel)
    if not sent["Recipients"]:
        raise _SmokeTestError("no recipient of the seed list can be sent a test mail")
    return f"Test mailing {sent['TransactionId']} is being sent to {sent['Recipients']} recipients of the seed list."


def _call(address: str, key: str, slot: str, **given: str) -> dict[str, Any]:
    """Call an endpoint of the PeopleStage channel, by which the app itself connects to Optimizely."""
    try:
        answer = requests.post(
            f"{address}/peoplestage/{slot}",
            json=given,
            headers={"x-functions-key": key},
            timeout=_TIMEOUT_SECONDS,
            # A redirect would take the key to wherever it points.
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise _SmokeTestError(f"{slot}: no answer ({type(error).__name__})") from None
    body = _json(answer)
    if answer.status_code != requests.codes.ok:
        if answer.status_code == requests.codes.unauthorized:
            raise _SmokeTestError(f"{slot}: the app does not accept the key in {_KEY}")
        reason = f"{body['error']} [{body['code']}]" if "code" in body else f"status {answer.status_code}"
        raise _SmokeTestError(f"{slot}: {reason}")
    if not body:
        raise _SmokeTestError(f"{slot}: something else answers in the app's place, such as a proxy")
    return body


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
