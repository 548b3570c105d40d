"""A small function app that writes down what the host does with it."""

import json
import os
import time
from pathlib import Path
from typing import Any, List  # noqa: UP035 - the worker library does not know list[str]

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
FOLDER = Path(os.environ["APP_FOLDER"])
STORAGE = "AzureWebJobsStorage"


def record(**facts: Any) -> None:
    """Append a line; short lines are written whole."""
    with (FOLDER / "record.jsonl").open("a") as file:
        file.write(json.dumps({"pid": os.getpid(), "at": time.time(), **facts}, default=str) + "\n")


def wait_while(name: str) -> None:
    """Wait while a file of this name is there."""
    while (FOLDER / name).exists():
        time.sleep(0.02)


def status_of(timer: func.TimerRequest) -> Any:
    """What the host says of a timer's firings; a property of the SDK's own class, not of the public type."""
    return getattr(timer, "schedule_status")  # noqa: B009


@app.queue_trigger(arg_name="message", queue_name="%APP_QUEUE%", connection=STORAGE)
def work(message: func.QueueMessage) -> None:
    """Do what the message says."""
    body = message.get_json()
    # The SDK has these as properties of its own class, which the public type does not declare.
    times = {name: getattr(message, name) for name in ("insertion_time", "expiration_time", "time_next_visible")}
    record(
        begun=body["id"], count=message.dequeue_count, message=message.id, receipt=bool(message.pop_receipt), **times
    )
    if body.get("held"):
        wait_while("hold")
    if body.get("fails"):
        raise ValueError("somebody@example.org")
    record(ended=body["id"])


@app.queue_trigger(arg_name="message", queue_name="%APP_QUEUE%-async", connection=STORAGE)
@app.queue_output(arg_name="$return", queue_name="%APP_QUEUE%-returned", connection=STORAGE)
async def asynchronous(message: func.QueueMessage, context: func.Context) -> str:
    """Return what goes on a queue."""
    return f"{context.function_name} ä {message.get_json()['id']}"


@app.queue_trigger(arg_name="message", queue_name="%APP_QUEUE%-in", connection=STORAGE)
@app.queue_output(arg_name="several", queue_name="%APP_QUEUE%-several", connection=STORAGE)
@app.queue_output(arg_name="one", queue_name="%APP_QUEUE%-one", connection=STORAGE)
def copy(message: func.QueueMessage, several: func.Out[List[str]], one: func.Out[func.QueueMessage]) -> None:  # noqa: UP006
    """Put messages on two queues; a failure puts none."""
    body = message.get_json()
    several.set([f"{body['id']}-first", json.dumps({"second": body["id"]})])
    one.set(func.QueueMessage(body=f"one-{body['id']}"))
    if body.get("fails"):
        raise ValueError("somebody@example.org")


@app.timer_trigger(arg_name="timer", schedule="%APP_TICK%")
def tick(timer: func.TimerRequest) -> None:
    """Every second or so."""
    record(tick=True, past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def yearly(timer: func.TimerRequest) -> None:
    """At the start, and every New Year."""
    record(yearly=True, past_due=timer.past_due, status=status_of(timer))


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def patient(timer: func.TimerRequest) -> None:
    """Every New Year, and when that was missed."""
    record(patient=True, past_due=timer.past_due, status=status_of(timer))
    wait_while("hold-timer")


@app.route(route="people/{number:int}", methods=[func.HttpMethod.POST], trigger_arg_name="request")
def person(request: func.HttpRequest) -> func.HttpResponse:
    """Say what was asked."""
    said = {"number": request.route_params["number"], "q": request.params.get("q"), "body": request.get_body().decode()}
    return func.HttpResponse(json.dumps(said), status_code=201, mimetype="application/json", headers={"x-said": "yes"})


@app.route(route="people/{name}", auth_level=func.AuthLevel.ANONYMOUS, trigger_arg_name="request")
def somebody(request: func.HttpRequest) -> str:
    """Say who, as plain text."""
    return f"somebody {request.route_params['name']}"


@app.route(route="files/{*rest}", auth_level=func.AuthLevel.ANONYMOUS, trigger_arg_name="request")
def files(request: func.HttpRequest) -> func.HttpResponse:
    """Answer with bytes and cookies."""
    answer = func.HttpResponse(request.route_params.get("rest", "").encode() + b"\x00\xff", mimetype="image/png")
    answer.headers.add("Set-Cookie", "a=1; Path=/")
    answer.headers.add("Set-Cookie", "b=2; HttpOnly")
    return answer


@app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS, trigger_arg_name="request")
def anybody(request: func.HttpRequest) -> func.HttpResponse:
    """Needs no key."""
    wait_while("hold-request")
    return func.HttpResponse(f"hello {request.method} {request.headers.get('x-name')}")


@app.route(route="secret", auth_level=func.AuthLevel.ADMIN, trigger_arg_name="request")
def secret(request: func.HttpRequest) -> func.HttpResponse:
    """Needs the master key."""
    return func.HttpResponse(f"secret {request.method}")


@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS, trigger_arg_name="request")
def broken(request: func.HttpRequest) -> func.HttpResponse:
    """Raises."""
    del request
    record(broken=True)
    raise ValueError("somebody@example.org")
