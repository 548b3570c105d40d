"""HTTP triggers: routes, methods and keys as in Azure, on the loopback address only."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.host.route import Route, RouteError
from local.host.settings import HostError
from local.host.worker import Datum, Function, InvocationError, Invoke

_MOST_BYTES = 100 * 1024**2


@dataclass(frozen=True, slots=True)
class Keys:
    """What callers have to know."""

    #: For every function.
    master: str
    #: For functions of the level `function`.
    function: str

    def admit(self, level: str, request: web.Request) -> bool:
        """Whether a request may call a function of this level."""
        if level == "anonymous":
            return True
        given = (request.headers.get("x-functions-key") or request.query.get("code", "")).encode()
        right = (self.master,) if level == "admin" else (self.master, self.function)
        # Every key is compared, so that the time taken tells nothing.
        return True in [hmac.compare_digest(given, key.encode()) for key in right]


class HttpTrigger:
    """Answers requests for one function.

    Args:
        invoke: invokes it.
        function: the function.
        prefix: `routePrefix` of host.json.

    Raises:
        HostError: this host does not know its route.
    """

    def __init__(self, invoke: Invoke, function: Function, prefix: str) -> None:
        trigger = function.trigger
        self._invoke = invoke
        #: Without methods it answers them all.
        self.methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
        self.level = str(trigger.get("authLevel") or "function").lower()
        try:
            self.route = Route(f"{prefix}/{trigger.get('route') or function.name}")
        except RouteError as error:
            raise HostError(f"function {function.name}: {error}") from None

    async def answer(self, request: web.Request, params: Mapping[str, str]) -> web.Response:
        """Invoke the function with a request; its error is not told to the caller."""
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
    in_order = sorted(triggers, key=lambda trigger: trigger.route.precedence)

    async def answer(request: web.Request) -> web.Response:
        for trigger in in_order:
            params = trigger.route.match(request.path)
            if params is None or (trigger.methods and request.method not in trigger.methods):
                continue
            if not keys.admit(trigger.level, request):
                return web.Response(status=401)
            return await trigger.answer(request, params)
        # As in Azure, a method that no function takes is not found rather than not allowed.
        return web.Response(status=404)

    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_route("*", "/{path:.*}", answer)
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
