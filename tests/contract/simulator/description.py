"""Checks requests and responses against the vendor's OpenAPI description.

The description is loose: no object forbids further properties, and hardly any names required ones. Held
against it here, a request or an answer has nothing that the description does not name.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesParser
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from jsonschema import Draft202012Validator, FormatChecker

PATH = Path(
    os.environ.get("OPTIMIZELY_OPENAPI")
    or Path(__file__).parents[3].parent / "shared" / "reference" / "optimizely-campaign-openapi.json"
)
needed = pytest.mark.skipif(not PATH.exists(), reason="the vendor's description is not here")

#: Statuses that any operation may answer with, listed or not: the description lists hardly any for objects that are
#: not there, for states that do not fit, and for requests that cannot be understood.
UNLISTED = frozenset({400, 404, 409})
#: The vendor answers 500 to recipients whose data do not fit the list (docs/why/sources.md, Optimizely 5.2).
_OPAQUE = frozenset({"addRecipients_1", "importRecipientsAndSendBatch"})
_ERROR = {"httpStatusCode", "errorMessage", "violations"}
_RANGES = {"int32": 2**31, "int64": 2**63}

formats = FormatChecker(formats=())


@formats.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -_RANGES["int32"] <= value < _RANGES["int32"]


@formats.checks("int64")
def _is_int64(value: object) -> bool:
    return not isinstance(value, int) or -_RANGES["int64"] <= value < _RANGES["int64"]


@formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Operation:
    """An operation of the description."""

    id: str
    method: str
    #: Path with parameters in braces, from the client ID on.
    path: str
    parameters: tuple[dict[str, Any], ...]
    #: Schema of the body by content type.
    bodies: dict[str, Any]
    body_required: bool
    #: Schema of the answer by status; None: no body.
    answers: dict[int, Any]


class Description:
    """The vendor's description.

    Args:
        raw: as it is in the file.
    """

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.operations = {operation.id: operation for operation in self._read()}

    @classmethod
    @cache
    def load(cls) -> "Description":
        """The description of the file, read once."""
        return cls(json.loads(PATH.read_text()))

    def _read(self) -> Iterator[Operation]:
        for path, methods in self.raw["paths"].items():
            for method, described in methods.items():
                body = described.get("requestBody", {})
                yield Operation(
                    described["operationId"],
                    method.upper(),
                    path,
                    tuple(described.get("parameters", ())),
                    {kind: self.strict(content["schema"]) for kind, content in body.get("content", {}).items()},
                    body.get("required", False),
                    {int(status): self._answer_schema(answer) for status, answer in described["responses"].items()},
                )

    def _answer_schema(self, answer: Mapping[str, Any]) -> Any:
        content = answer.get("content", {})
        return self.strict(content["application/json"]["schema"]) if "application/json" in content else None

    def strict(self, schema: Any) -> Any:
        """A schema with its references resolved, whose objects may have no property that it does not know."""
        if isinstance(schema, list):
            return [self.strict(schema_part) for schema_part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self.strict(self.raw["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        resolved = {name: self.strict(value) for name, value in schema.items()}
        if "properties" in resolved:
            resolved.setdefault("additionalProperties", False)
        for name in ("additionalProperties", "items"):
            if resolved.get(name) == {"type": "object"}:
                # Data of recipients are described as objects, but every client sends plain values.
                resolved[name] = {"type": ["string", "number", "boolean", "null"]}
        return resolved

    def operation(self, method: str, url: str) -> tuple[Operation, dict[str, str]]:
        """The operation that an address belongs to, and the parameters in its path."""
        segments = urlsplit(url).path.removeprefix("/rest/").split("/")
        fitting = []
        for operation in self.operations.values():
            described = operation.path.strip("/").split("/")
            if operation.method == method and len(described) == len(segments):
                pairs = list(zip(described, segments, strict=True))
                if all(name.startswith("{") or name == value for name, value in pairs):
                    path_values = {name[1:-1]: unquote(value) for name, value in pairs if name.startswith("{")}
                    fitting.append((len(path_values), operation, path_values))
        assert fitting, f"no operation has {method} {urlsplit(url).path}"
        _, operation, path_values = min(fitting, key=lambda each: each[0])
        return operation, path_values

    def check_request(self, request: requests.PreparedRequest) -> Operation:
        """The operation that a request is for; AssertionError when the description does not allow the request."""
        assert request.method
        assert request.url
        operation, in_path = self.operation(request.method, request.url)
        query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
        described: dict[str, dict[str, Any]] = {"path": {}, "query": {}}
        for parameter in operation.parameters:
            described[parameter["in"]][parameter["name"]] = parameter
        _check_fields(
            operation.id, in_path.items(), {name: parameter["schema"] for name, parameter in described["path"].items()}
        )
        _check_fields(
            operation.id,
            query,
            {name: parameter["schema"] for name, parameter in described["query"].items()},
            [name for name, parameter in described["query"].items() if parameter.get("required")],
        )
        _check_body(operation, request)
        return operation

    def check_answer(self, operation: Operation, answer: requests.Response, *, listed: bool) -> None:
        """AssertionError when the description does not allow the answer.

        Args:
            operation: what was asked.
            answer: its answer.
            listed: only statuses count that the description lists for the operation.
        """
        status, said = answer.status_code, f"{operation.id} answered {answer.status_code}: {answer.text[:300]}"
        opaque = status == requests.codes.internal_server_error and operation.id in _OPAQUE
        assert status in operation.answers or opaque or (status in UNLISTED and not listed), said
        if not answer.ok:
            error = answer.json()
            assert error.keys() == _ERROR, said
            assert error["httpStatusCode"] == status, said
            return
        schema = operation.answers[status]
        if schema is None:
            assert not answer.content, said
            return
        assert answer.headers["Content-Type"].startswith("application/json"), said
        Draft202012Validator(schema, format_checker=formats).validate(answer.json())


def _check_fields(
    where: str, values: Iterable[tuple[str, str]], schemas: Mapping[str, Any], required: Iterable[str] = ()
) -> None:
    names = set()
    for name, value in values:
        assert name in schemas, f"{where} knows no {name}"
        assert _fits(value, schemas[name]), f"{where}: {name} does not fit {schemas[name]}"
        names.add(name)
    assert not (missing := set(required) - names), f"{where} requires {missing}"


def _fits(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether a value fits as it is written in an address or a form: arrays are comma-separated."""
    match schema["type"]:
        case "integer":
            return re.fullmatch(r"-?[0-9]+", text) is not None and abs(int(text)) < _RANGES[schema["format"]]
        case "number":
            return re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None
        case "boolean":
            return text in {"true", "false"}
        case "array":
            return all(_fits(item, schema["items"]) for item in text.split(","))
        case kind:
            assert kind == "string"
            return text in schema.get("enum", [text]) and formats.conforms(text, schema.get("format", ""))


def _check_body(operation: Operation, request: requests.PreparedRequest) -> None:
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    assert isinstance(body, bytes)
    if not body:
        assert not operation.body_required, f"{operation.id} requires a body"
        return
    said = request.headers.get("Content-Type", "")
    kind = said.partition(";")[0]
    assert kind in operation.bodies, f"{operation.id} takes {[*operation.bodies]}, not {kind!r}"
    schema = operation.bodies[kind]
    if kind == "application/json":
        Draft202012Validator(schema, format_checker=formats).validate(json.loads(body))
        return
    if kind == "multipart/form-data":
        message = BytesParser().parsebytes(b"Content-Type: " + said.encode() + b"\r\n\r\n" + body)
        fields = [
            (str(part.get_param("name", header="content-disposition")), str(part.get_payload()))
            for part in message.get_payload()
            if not isinstance(part, str)
        ]
    else:
        fields = parse_qsl(body.decode(), keep_blank_values=True)
    _check_fields(operation.id, fields, schema["properties"], schema.get("required", ()))
