"""A small function app that writes down what the host does with it."""

import json
import os
import time
from pathlib import Path
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
FOLDER = Path(os.environ["APP_FOLDER"])


def record(**facts: Any) -> None:
    """Append a line; short lines are written whole."""
    with (FOLDER / "record.jsonl").open("a") as file:
        file.write(json.dumps({"pid": os.getpid(), **facts}) + "\n")


@app.queue_trigger(arg_name="message", queue_name="%APP_QUEUE%", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    """Do what the message says."""
    body = message.get_json()
    record(begun=body["id"], count=message.dequeue_count, message=message.id)
    while body.get("held") and (FOLDER / "hold").exists():
        time.sleep(0.02)
    if body.get("fails"):
        raise ValueError("somebody@example.org")
    record(ended=body["id"])


@app.timer_trigger(arg_name="timer", schedule="%APP_TICK%")
def tick(timer: func.TimerRequest) -> None:
    """Every second or so."""
    record(tick=True, past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def yearly(timer: func.TimerRequest) -> None:
    """At the start, and every New Year."""
    record(yearly=True, past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def patient(timer: func.TimerRequest) -> None:
    """Every New Year, and when that was missed."""
    record(patient=True, past_due=timer.past_due)


@app.route(route="people/{number:int}", methods=[func.HttpMethod.POST], trigger_arg_name="request")
def person(request: func.HttpRequest) -> func.HttpResponse:
    """Say what was asked."""
    said = {"number": request.route_params["number"], "q": request.params.get("q"), "body": request.get_body().decode()}
    return func.HttpResponse(json.dumps(said), status_code=201, mimetype="application/json", headers={"x-said": "yes"})


@app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS, trigger_arg_name="request")
def anybody(request: func.HttpRequest) -> func.HttpResponse:
    """Needs no key."""
    return func.HttpResponse(f"hello {request.method}")


@app.route(route="broken", auth_level=func.AuthLevel.ANONYMOUS, trigger_arg_name="request")
def broken(request: func.HttpRequest) -> func.HttpResponse:
    """Raises."""
    del request
    raise ValueError("somebody@example.org")
