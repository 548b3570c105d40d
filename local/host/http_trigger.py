"""HTTP triggers: routes, methods and keys as in Azure, on the loopback address only."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.host.route import RouteError, RouteTemplate
from local.host.settings import HostError
from local.host.worker import Datum, Function, InvocationError, Invoke

_MAX_BODY_BYTES = 100 * 1024**2


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that callers authenticate with."""

    #: For all functions.
    master: str
    #: For functions of the level `function`.
    function: str

    def authorize(self, level: str, request: web.Request) -> bool:
        """Whether a request may call a function of this level."""
        if level == "anonymous":
            return True
        key_sent = (request.headers.get("x-functions-key") or request.query.get("code", "")).encode()
        accepted = (self.master,) if level == "admin" else (self.master, self.function)
        # All keys are compared, so that the duration reveals nothing.
        return True in [hmac.compare_digest(key_sent, key.encode()) for key in accepted]


class HttpTrigger:
    """Handles the requests for a function.

    Args:
        invoke: invokes the function.
        function: the function.
        prefix: `routePrefix` of host.json.

    Raises:
        HostError: the route is not supported.
    """

    def __init__(self, invoke: Invoke, function: Function, prefix: str) -> None:
        trigger = function.trigger
        self._invoke = invoke
        #: Empty: all methods.
        self.methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
        self.level = str(trigger.get("authLevel") or "function").lower()
        try:
            self.route = RouteTemplate(f"{prefix}/{trigger.get('route') or function.name}")
        except RouteError as error:
            raise HostError(f"function {function.name}: {error}") from None

    async def handle(self, request: web.Request, params: Mapping[str, str]) -> web.Response:
        """Invoke the function with a request. The caller does not learn its error."""
        value = {
            "method": Datum(request.method, "string"),
            "url": Datum(str(request.url), "string"),
            "headers": _data({name.lower(): header for name, header in request.headers.items()}),
            "query": _data(request.query),
            "params": _data(params),
            "body": Datum(await request.read(), "bytes"),
        }
        try:
            returned = await self._invoke(Datum(value, "http"), reason=f"{request.method} request")
        except InvocationError:
            return web.Response(status=500)
        return _response(returned)


def http_app(triggers: list[HttpTrigger], keys: Keys) -> web.Application:
    """The web application of these triggers."""
    by_precedence = sorted(triggers, key=lambda trigger: trigger.route.precedence)

    async def handle(request: web.Request) -> web.Response:
        for trigger in by_precedence:
            params = trigger.route.match(request.path)
            if params is None or (trigger.methods and request.method not in trigger.methods):
                continue
            if not keys.authorize(trigger.level, request):
                return web.Response(status=401)
            return await trigger.handle(request, params)
        # As in Azure, a method without a function is 404 and not 405.
        return web.Response(status=404)

    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def _data(values: Mapping[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _response(returned: Datum | None) -> web.Response:
    if returned is None or returned.type is None:
        return web.Response(status=204)
    if returned.type != "http":
        return web.Response(text=str(returned.value))
    value: dict[str, Any] = returned.value
    response = web.Response(status=int(value["status_code"].value), body=value["body"].value)
    for name, header in value["headers"].items():
        response.headers[name] = header.value
    for cookie in value["cookies"] or ():
        response.cookies.update(cookie)
    return response
