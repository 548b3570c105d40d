"""The REST API: operations of the vendor's OpenAPI description, in its serialisers.

Handlers are named after the operations. A response has no property that is missing from the description.
Where the description lists no status for a missing object or a malformed request, the status is 404 or 400.
"""

import base64
import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from local.simulator.clock import Clock
from local.simulator.faults import Faults
from local.simulator.identity import Identity
from local.simulator.rest import serialisers
from local.simulator.rest.jobs import Jobs
from local.simulator.rest.messages import Messages
from local.simulator.rest.middleware import LimitsAndFaults
from local.simulator.rest.parsing import RefusedError
from local.simulator.rest.recipient_lists import RecipientLists
from local.simulator.rest.recipients import Recipients
from local.simulator.rest.responses import Responses
from local.simulator.rest.sending_batches import SendingBatches
from local.simulator.rest.smart_campaigns import SmartCampaigns
from local.simulator.rest.wait_nodes import WaitNodes
from local.simulator.store import Store

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """The REST API over the simulator's records.

    Args:
        store: the simulator's records.
        clock: simulated time.
        identity: whose credentials are accepted.
        faults: the active faults.
    """

    def __init__(self, store: Store, clock: Clock, identity: Identity, faults: Faults) -> None:
        self._identity = identity
        self._limits_and_faults = LimitsAndFaults(faults)
        self._resources = [
            resource(store, clock, faults)
            for resource in (
                RecipientLists,
                Recipients,
                SmartCampaigns,
                WaitNodes,
                Messages,
                SendingBatches,
                Jobs,
                Responses,
            )
        ]

    def application(self) -> web.Application:
        """The web application, to be mounted at `/rest/<client id>`."""
        app = web.Application(middlewares=[self._limits_and_faults.middleware, self._login])
        app.add_routes([web.get("/users/authenticated", self.get_authenticated_user)])
        for resource in self._resources:
            app.add_routes(resource.routes())
        return app

    @web.middleware
    async def _login(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        user = f"{self._identity.api_user}:{self._identity.api_password}"
        expected = "Basic " + base64.b64encode(user.encode()).decode()
        if not hmac.compare_digest(
            request.headers.get("Authorization", "").encode(errors="replace"), expected.encode()
        ):
            return _error(401, "The user name or the password is wrong.")
        try:
            return await handler(request)
        except RefusedError as refused:
            return _error(refused.status, str(refused))
        except UnicodeEncodeError:
            return _error(400, "the text is not Unicode")
        except web.HTTPException as refused:
            return _error(refused.status, refused.reason)

    async def get_authenticated_user(self, _request: web.Request) -> web.Response:
        """The API user."""
        name = self._identity.api_user
        return web.json_response({"id": 1, "username": name, "email": name})


def _error(status: int, message: str) -> web.Response:
    return web.json_response(serialisers.error(status, message), status=status)
