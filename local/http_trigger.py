"""HTTP triggers: routes, methods and keys as the Functions host has them, on the loopback address only."""

import hmac
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.log import log
from local.worker import Datum, Function, InvocationError, Worker

_PARAMETER = re.compile(r"\{(\*)?(\w+)(?::(\w+))?\??\}")
_CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "guid": r"[0-9a-fA-F-]{36}",
    "alpha": "[A-Za-z]+",
    "bool": "true|false",
}


def http_app(worker: Worker, functions: list[Function], *, prefix: str, key: str) -> web.Application:
    """A web application with the routes of these functions.

    Args:
        worker: invokes them.
        functions: those with an HTTP trigger.
        prefix: `routePrefix` of host.json.
        key: what authorization levels `function` and `admin` ask for.
    """
    app = web.Application(client_max_size=100 * 1024**2)
    for function in functions:
        endpoint = _Endpoint(worker, function, key)
        route = function.trigger.get("route") or function.name
        methods = function.trigger.get("methods") or ["GET", "POST"]
        for method in methods:
            app.router.add_route(
                str(method).upper(), f"/{prefix}/{_pattern(route)}".replace("//", "/"), endpoint.answer
            )
    return app


class _Endpoint:
    def __init__(self, worker: Worker, function: Function, key: str) -> None:
        self._worker = worker
        self._function = function
        self._key = key
        self._open = str(function.trigger.get("authLevel", "function")).lower() == "anonymous"

    async def answer(self, request: web.Request) -> web.Response:
        given = request.headers.get("x-functions-key") or request.query.get("code", "")
        if not self._open and not hmac.compare_digest(given.encode(), self._key.encode()):
            return web.Response(status=401)
        try:
            outcome = await self._worker.invoke(self._function, await _request(request))
        except InvocationError as error:
            log(f"{self._function.name} failed: {error}.")
            return web.Response(status=500)
        return _response(outcome.returned)


async def _request(request: web.Request) -> Datum:
    value = {
        "method": Datum(request.method, "string"),
        "url": Datum(str(request.url), "string"),
        "headers": _data(request.headers),
        "query": _data(request.query),
        "params": _data(request.match_info),
        "body": Datum(await request.read(), "bytes"),
    }
    return Datum(value, "http")


def _data(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _response(returned: Datum | None) -> web.Response:
    if returned is None:
        return web.Response(status=204)
    if returned.type != "http":
        return web.Response(text=str(returned.value))
    value: dict[str, Any] = returned.value
    body = value["body"].value if value["body"] is not None else b""
    return web.Response(
        status=int(value["status_code"].value),
        headers={name: header.value for name, header in value["headers"].items()},
        body=body if isinstance(body, bytes) else str(body).encode(),
    )


def _pattern(route: str) -> str:
    """A route of ASP.NET as aiohttp writes it."""

    def parameter(found: re.Match[str]) -> str:
        everything, name, constraint = found.groups()
        return (
            f"{{{name}:.*}}"
            if everything
            else f"{{{name}:{_CONSTRAINTS[constraint]}}}"
            if constraint
            else f"{{{name}}}"
        )

    return _PARAMETER.sub(parameter, route)
