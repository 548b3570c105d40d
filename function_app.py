"""The triggers of Broadcast Bridge: each function makes one call, of a step or of a page of `shared.web`."""

import json
from functools import cache

import azure.functions as func

import shared.steps.gather_responses
import shared.steps.housekeeping
import shared.steps.load_responses
import shared.steps.monitor_import
import shared.steps.poll_jobs
import shared.steps.sync_suppressions
import shared.steps.upload_list
import shared.web.health
import shared.web.peoplestage
import shared.web.status
from shared import telemetry
from shared.bridge import Bridge
from shared.config.settings import Settings
from shared.steps.patience import patiently

telemetry.configure()
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@cache
def bridge() -> Bridge:
    """The bridge of this process, wired at the first invocation. Until it can start, every invocation fails."""
    return Bridge.started(Settings.load())


_health = shared.web.health.Health(bridge)


def _json(status_code: int, text: str) -> func.HttpResponse:
    return func.HttpResponse(text, status_code=status_code, mimetype="application/json")


@app.timer_trigger(arg_name="timer", schedule="%POLL_JOBS_SCHEDULE%")
@telemetry.log_errors
def poll_jobs(timer: func.TimerRequest) -> None:
    """Claim what asks for a broadcast: dropped delivery files, and the waiting jobs of WS_DB."""
    del timer
    patiently(lambda: shared.steps.poll_jobs.poll_jobs(bridge()))


@app.queue_trigger(arg_name="message", queue_name="%UPLOAD_LIST_QUEUE%", connection="AzureWebJobsStorage")
@telemetry.log_errors
def upload_list(message: func.QueueMessage) -> None:
    """Stage and upload the list of a broadcast."""
    body = message.get_json()
    patiently(lambda: shared.steps.upload_list.upload_list(bridge(), body["broadcast"], body["version"]))


@app.queue_trigger(arg_name="message", queue_name="%MONITOR_IMPORT_QUEUE%", connection="AzureWebJobsStorage")
@telemetry.log_errors
def monitor_import(message: func.QueueMessage) -> None:
    """Follow a broadcast from its upload to its end."""
    body = message.get_json()
    patiently(lambda: shared.steps.monitor_import.monitor_import(bridge(), body["broadcast"], body["version"]))


@app.timer_trigger(arg_name="timer", schedule="%GATHER_RESPONSES_SCHEDULE%")
@telemetry.log_errors
def gather_responses(timer: func.TimerRequest) -> None:
    """Gather new response files from the SFTP site."""
    del timer
    patiently(lambda: shared.steps.gather_responses.gather_responses(bridge()))


@app.queue_trigger(arg_name="message", queue_name="%LOAD_RESPONSES_QUEUE%", connection="AzureWebJobsStorage")
@telemetry.log_errors
def load_responses(message: func.QueueMessage) -> None:
    """Load a gathered response file into RS_DB."""
    file_id = message.get_json()["response_file"]
    patiently(lambda: shared.steps.load_responses.load_responses(bridge(), file_id))


@app.timer_trigger(arg_name="timer", schedule="%HOUSEKEEPING_SCHEDULE%")
@telemetry.log_errors
def housekeeping(timer: func.TimerRequest) -> None:
    """Queue again what has no message, and run the chores."""
    del timer
    patiently(lambda: shared.steps.housekeeping.housekeeping(bridge()))


@app.timer_trigger(arg_name="timer", schedule="%DRAW_SUPPRESSIONS_SCHEDULE%")
@telemetry.log_errors
def draw_suppressions(timer: func.TimerRequest) -> None:
    """Sync from Optimizely who must not be mailed."""
    del timer
    patiently(lambda: shared.steps.sync_suppressions.sync_suppressions(bridge()))


@app.route(route="status", methods=[func.HttpMethod.GET], trigger_arg_name="request")
@telemetry.log_errors
def status(request: func.HttpRequest) -> func.HttpResponse:
    """The state of the newest broadcasts and response files, as JSON."""
    del request
    return func.HttpResponse(json.dumps(shared.web.status.status(bridge())), mimetype="application/json")


@app.route(route="peoplestage/{slot}", methods=[func.HttpMethod.POST], trigger_arg_name="request")
def peoplestage(request: func.HttpRequest) -> func.HttpResponse:
    """Answer a script of PeopleStage's channel."""
    return _json(*shared.web.peoplestage.answer(bridge, request.route_params["slot"], request.get_body()))


@app.route(
    route="health", methods=[func.HttpMethod.GET], trigger_arg_name="request", auth_level=func.AuthLevel.ANONYMOUS
)
def health(request: func.HttpRequest) -> func.HttpResponse:
    """Whether the app can work."""
    del request
    return _json(*_health.answer())
