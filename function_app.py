"""The triggers of Broadcast Bridge: each function calls one step and does nothing else."""

import json
from functools import cache

import azure.functions as func

from shared import telemetry
from shared.bridge import Bridge
from shared.config.settings import Settings
from shared.steps.gather_responses import gather_responses as gather_responses_step
from shared.steps.housekeeping import housekeeping as housekeeping_step
from shared.steps.load_responses import load_responses as load_responses_step
from shared.steps.monitor_import import monitor_import as monitor_import_step
from shared.steps.poll_jobs import poll_jobs as poll_jobs_step
from shared.steps.sync_suppressions import sync_suppressions
from shared.steps.upload_list import upload_list as upload_list_step
from shared.web.health import Health
from shared.web.peoplestage import answer as answer_of
from shared.web.status import status as status_of

telemetry.configure()
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@cache
def bridge() -> Bridge:
    """The bridge of this process, wired at the first invocation. Until it can start, every invocation fails anew."""
    return Bridge.started(Settings.load())


_health = Health(bridge)


def _json(status_code: int, text: str) -> func.HttpResponse:
    return func.HttpResponse(text, status_code=status_code, mimetype="application/json")


@app.timer_trigger(arg_name="timer", schedule="%POLL_JOBS_SCHEDULE%")
@telemetry.log_errors
def poll_jobs(timer: func.TimerRequest) -> None:
    """Take in what asks for a broadcast: dropped delivery files, and the waiting jobs of WS_DB."""
    del timer
    poll_jobs_step(bridge())


@app.queue_trigger(arg_name="message", queue_name="%UPLOAD_LIST_QUEUE%", connection="AzureWebJobsStorage")
@telemetry.log_errors
def upload_list(message: func.QueueMessage) -> None:
    """Stage and upload the list of a broadcast."""
    given = message.get_json()
    upload_list_step(bridge(), given["broadcast"], given["version"])


@app.queue_trigger(arg_name="message", queue_name="%MONITOR_IMPORT_QUEUE%", connection="AzureWebJobsStorage")
@telemetry.log_errors
def monitor_import(message: func.QueueMessage) -> None:
    """Follow a broadcast from its upload to its end."""
    given = message.get_json()
    monitor_import_step(bridge(), given["broadcast"], given["version"])


@app.timer_trigger(arg_name="timer", schedule="%GATHER_RESPONSES_SCHEDULE%")
@telemetry.log_errors
def gather_responses(timer: func.TimerRequest) -> None:
    """Gather new response files from the SFTP site."""
    del timer
    gather_responses_step(bridge())


@app.queue_trigger(arg_name="message", queue_name="%LOAD_RESPONSES_QUEUE%", connection="AzureWebJobsStorage")
@telemetry.log_errors
def load_responses(message: func.QueueMessage) -> None:
    """Load a gathered response file into RS_DB."""
    load_responses_step(bridge(), message.get_json()["response_file"])


@app.timer_trigger(arg_name="timer", schedule="%HOUSEKEEPING_SCHEDULE%")
@telemetry.log_errors
def housekeeping(timer: func.TimerRequest) -> None:
    """Queue again what was forgotten."""
    del timer
    housekeeping_step(bridge())


@app.timer_trigger(arg_name="timer", schedule="%DRAW_SUPPRESSIONS_SCHEDULE%")
@telemetry.log_errors
def draw_suppressions(timer: func.TimerRequest) -> None:
    """Sync from Optimizely who gets no mail."""
    del timer
    sync_suppressions(bridge())


@app.route(route="status", methods=[func.HttpMethod.GET], trigger_arg_name="request")
@telemetry.log_errors
def status(request: func.HttpRequest) -> func.HttpResponse:
    """Where every broadcast and response file stands, as JSON."""
    del request
    return func.HttpResponse(json.dumps(status_of(bridge())), mimetype="application/json")


@app.route(route="peoplestage/{slot}", methods=[func.HttpMethod.POST], trigger_arg_name="request")
def peoplestage(request: func.HttpRequest) -> func.HttpResponse:
    """Answer a script of PeopleStage's channel."""
    return _json(*answer_of(bridge, request.route_params["slot"], request.get_body()))


@app.route(
    route="health", methods=[func.HttpMethod.GET], trigger_arg_name="request", auth_level=func.AuthLevel.ANONYMOUS
)
def health(request: func.HttpRequest) -> func.HttpResponse:
    """Whether the app can work."""
    del request
    return _json(*_health.answer())
