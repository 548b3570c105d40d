"""Alert rules, queries and the workbook match what the bridge logs; checked against the code, without Azure."""

import ast
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pycep
import pytest

from local.node import PROJECT, find_node
from shared.broadcast import State
from shared.config.settings import Settings
from shared.errors import catalogue
from shared.ledger.alerts import AlertKind
from shared.ledger.backlog import Waiting
from shared.response_file import FileState
from shared.steps.chores.report_backlog import UNDER_WAY, backlog_fields

QUERIES = PROJECT / "infra" / "watching"
MODULES = PROJECT / "infra" / "modules" / "watching"
LINES = (QUERIES / "lines.kql").read_text()
WORKBOOK = json.loads((QUERIES / "workbook.json").read_text())

#: The tables that the queries use, with their columns as Azure documents them.
SCHEMA = {
    "traces": "(timestamp: datetime, message: string, severityLevel: int, operation_Name: string)",
    "requests": "(timestamp: datetime, name: string, operation_Name: string, success: string, resultCode: string, "
    "duration: real)",
    "_LogOperation": "(TimeGenerated: datetime, Category: string, Operation: string, Level: string, Detail: string)",
}


@cache
def module(name: str) -> dict[str, Any]:
    """A parsed Bicep module."""
    return dict(pycep.BicepParser().parse(text=(MODULES / name).read_text()))


def resources(kind: str) -> list[dict[str, Any]]:
    """The configurations of every resource of a type."""
    return [
        resource["config"]
        for path in sorted(MODULES.glob("*.bicep"))
        for resource in module(path.name).get("resources", {}).values()
        if resource["type"] == kind
    ]


def rules() -> list[dict[str, Any]]:
    """The log search rules, each with the full text of its query."""
    declared = module("log_alerts.bicep")["variables"]["rules"]["value"]
    return [{**rule, "file": _file(rule["query"]), "text": _text(rule["query"])} for rule in declared]


def _file(query: Any) -> str:
    return Path(re.findall(r"[\w./-]+\.kql", json.dumps(query))[-1]).name


def _text(query: Any) -> str:
    own = (QUERIES / _file(query)).read_text()
    return f"{LINES}\n{own}" if "${lines}" in json.dumps(query) else own


def workbook_queries() -> dict[str, str]:
    return {item["name"]: item["content"]["query"] for item in WORKBOOK["items"] if item["type"] == 3}


def all_queries() -> dict[str, str]:
    """Every query, by the name of its rule or chart."""
    return {rule["name"]: rule["text"] for rule in rules()} | workbook_queries()


def own_part(query: str) -> str:
    """A query without the common prefix and without comments."""
    return re.sub(r"^\s*//.*$", "", query.replace(LINES, ""), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def analysed() -> dict[str, Any]:
    """The result of Kusto's own language service for every query."""
    process = subprocess.run(
        [str(find_node()), str(Path(__file__).with_name("analyse_kql.js")), str(PROJECT / "node_modules")],
        input=json.dumps({"schema": SCHEMA, "queries": all_queries()}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    results: dict[str, Any] = json.loads(process.stdout)
    return results


# What the code logs


@cache
def parsed_modules() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in (PROJECT / "shared").rglob("*.py")}


@cache
def functions() -> dict[str, list[ast.FunctionDef]]:
    """The functions and methods of the code by name; several may share a name."""
    named: dict[str, list[ast.FunctionDef]] = {}
    for module in parsed_modules().values():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef):
                named.setdefault(node.name, []).append(node)
    return named


@cache
def log_extras() -> tuple[dict[str, ast.expr], ...]:
    """The fields of every log line: each dict with an `action` in the code, and each call of `fenced`.

    A call that is unpacked into them, such as `**broadcast.log_context()`, adds the keys of the dicts that it returns.
    """
    (fence,) = functions()["fenced"]
    passed_on = set(ast.walk(fence))
    return tuple(
        fields
        for module in parsed_modules().values()
        for node in ast.walk(module)
        if node not in passed_on and "action" in (fields := _fields(node))
    )


def _fields(node: ast.AST) -> dict[str, ast.expr]:
    """The fields that a dict, or a call of `fenced`, gives to a log line."""
    if isinstance(node, ast.Dict):
        pairs = [(key.value if isinstance(key, ast.Constant) else None, value) for key, value in _items(node)]
    elif isinstance(node, ast.Call) and _name(node.func) == "fenced":
        pairs = [(keyword.arg, keyword.value) for keyword in node.keywords]
    else:
        return {}
    fields: dict[str, ast.expr] = {}
    for name, value in pairs:
        if isinstance(name, str):
            fields[name] = value
        elif isinstance(value, ast.Call):
            fields |= dict.fromkeys(_spread(_name(value.func)), value)
    return fields


def _items(node: ast.Dict) -> list[tuple[ast.expr | None, ast.expr]]:
    return list(zip(node.keys, node.values, strict=True))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _spread(name: str) -> set[str]:
    """The keys of the dicts in the functions of this name."""
    return {
        str(key.value)
        for function in functions().get(name, [])
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }


def logged_actions() -> set[str]:
    return {str(value.value) for extra in log_extras() if isinstance(value := extra["action"], ast.Constant)}


def heartbeat_fields() -> dict[str, Any]:
    """The fields of the log line `standing` when something waits in every state and queue."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    waiting = Waiting(1, now - timedelta(minutes=5), "J1-00000001")
    poison = dict.fromkeys(
        (name.removesuffix("_queue") for name in Settings.model_fields if name.endswith("_queue")), 1
    )
    return backlog_fields(
        dict.fromkeys(UNDER_WAY, waiting), dict.fromkeys(FileState, waiting), waiting, poison, now=now
    )


def logged_fields() -> set[str]:
    return {name for extra in log_extras() for name in extra} | set(heartbeat_fields())


def test_every_log_line_has_an_action() -> None:
    lines_without_action = [
        f"{path.name}:{node.lineno}"
        for path in (PROJECT / "shared").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical"}
        and "extra" not in {keyword.arg for keyword in node.keywords}
    ]
    assert lines_without_action == []


def test_every_action_is_a_literal_in_kebab_case() -> None:
    assert all(isinstance(extra["action"], ast.Constant) for extra in log_extras())
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", action) for action in logged_actions())


# Queries


@pytest.mark.parametrize("name", sorted(all_queries()))
def test_the_query_is_valid_kql(analysed: dict[str, Any], name: str) -> None:
    assert analysed[name]["faults"] == []


@pytest.mark.parametrize("name", sorted(all_queries()))
def test_a_query_uses_only_actions_fields_and_states_that_the_code_logs(name: str) -> None:
    query = own_part(all_queries()[name])
    actions = set(re.findall(r'action == "([^"]*)"', query))
    for group in re.findall(r"action in \(([^)]*)\)", query):
        actions |= set(re.findall(r'"([^"]*)"', group))
    assert actions <= logged_actions()
    fields = set(re.findall(r"\bfields\.(\w+)", query))
    for names, prefix, suffix in _computed(query):
        fields |= {f"{prefix}{part}{suffix}" for part in names}
    assert fields <= logged_fields()
    assert set(re.findall(r'fields\.state\) == "([^"]*)"', query)) <= set(State)


def _computed(query: str) -> list[tuple[set[str], str, str]]:
    """The field names that a query computes: the items of a list, with the prefix and suffix of each."""
    lists = {
        variable: set(re.findall(r'"([^"]*)"', names))
        for variable, names in re.findall(r"extend (\w+) = dynamic\(\[([^\]]*)\]\)", query)
    }
    plain = [(lists[name], "", "") for name in re.findall(r"fields\[(\w+)\]", query)]
    suffixed = [(lists[name], "", text) for name, text in re.findall(r'fields\[strcat\((\w+), "(\w+)"\)\]', query)]
    prefixed = [(lists[name], text, "") for text, name in re.findall(r'fields\[strcat\("(\w+)", (\w+)\)\]', query)]
    assert len(plain) + len(suffixed) + len(prefixed) == query.count("fields[")
    return plain + suffixed + prefixed


@pytest.mark.parametrize("name", sorted(all_queries()))
def test_codes_and_alerts_in_a_query_exist_in_the_code(name: str) -> None:
    query = own_part(all_queries()[name])
    codes = set(re.findall(r'\bcode == "([^"]*)"', query))
    for group in re.findall(r"\bcode in \(([^)]*)\)", query):
        codes |= set(re.findall(r'"([^"]*)"', group))
    assert codes <= {entry.code for entry in catalogue()}
    assert set(re.findall(r'fields\.alert\) == "([^"]*)"', query)) <= set(AlertKind)


def test_every_kind_of_alert_has_a_rule() -> None:
    everything = "".join(rule["text"] for rule in rules())
    assert all(f'fields.alert) == "{kind}"' in everything for kind in AlertKind)


def test_every_poison_queue_has_a_rule() -> None:
    (rule,) = (rule for rule in rules() if rule["name"] == "poison-messages")
    (names,) = re.findall(r"queue = dynamic\(\[([^\]]*)\]\)", rule["text"])
    queues = {name.removeprefix("poison_") for name in heartbeat_fields() if name.startswith("poison_")}
    assert set(re.findall(r'"([^"]*)"', names)) == queues
    assert len(queues) == 3


def test_every_state_in_which_a_broadcast_waits_has_a_limit() -> None:
    query = (QUERIES / "broadcast-stuck.kql").read_text()
    limits = {state for state, _ in re.findall(r'^\s*"(\w+)", (\d+),?$', query, flags=re.MULTILINE)}
    (names,) = re.findall(r"state = dynamic\(\[([^\]]*)\]\)", query)
    assert limits == set(re.findall(r'"(\w+)"', names)) == set(UNDER_WAY) - {State.NEEDS_OPERATOR}


def test_the_limits_are_above_the_time_outs_of_the_bridge() -> None:
    query = (QUERIES / "broadcast-stuck.kql").read_text()
    limits = {state: int(minutes) for state, minutes in re.findall(r'"(\w+)", (\d+)', query)}
    defaults = Settings.model_fields
    assert min(limits["uploaded"], limits["importing"]) > defaults["import_timeout_minutes"].default
    assert limits["imported"] > defaults["send_timeout_minutes"].default


# Rules


def test_each_query_file_belongs_to_one_rule() -> None:
    files = {path.name for path in QUERIES.glob("*.kql")} - {"lines.kql"}
    used = [rule["file"] for rule in rules()]
    assert sorted(used) == sorted(files)
    assert [f"{rule['name']}.kql" for rule in rules()] == used


def test_there_are_at_least_ten_rules() -> None:
    events = resources("Microsoft.EventGrid/systemTopics/eventSubscriptions")
    metrics = resources("Microsoft.Insights/metricAlerts")
    assert len(rules()) >= 10
    assert len(metrics) == 3
    assert len(events) == 1
    assert len(resources("Microsoft.Insights/activityLogAlerts")) == 1


@pytest.mark.parametrize(
    "kind",
    [
        "Microsoft.Insights/scheduledQueryRules",
        "Microsoft.Insights/metricAlerts",
        "Microsoft.Insights/activityLogAlerts",
        "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    ],
)
def test_every_rule_notifies_the_action_group(kind: str) -> None:
    of_kind = resources(kind)
    assert of_kind
    for resource in of_kind:
        config = resource.get("config", resource)
        properties = config["properties"]
        assert "actionGroupId" in json.dumps(properties.get("actions", properties.get("destination")))
    callers = [call for call in module("watching.bicep")["modules"].values() if "actionGroupId" in _params(call)]
    assert len(callers) == 6
    assert all("actionGroup" in json.dumps(_params(call)["actionGroupId"]) for call in callers)


def _params(called: dict[str, Any]) -> dict[str, Any]:
    config = called["config"]
    params: dict[str, Any] = config.get("config", config)["params"]
    return params


def test_every_module_is_called() -> None:
    called = {call["detail"]["path"] for call in module("watching.bicep")["modules"].values()}
    assert called == {path.name for path in MODULES.glob("*.bicep")} - {"watching.bicep"}


@pytest.mark.parametrize("name", sorted(path.name for path in MODULES.glob("*.bicep")))
def test_every_parameter_is_used_and_every_required_parameter_is_set(name: str) -> None:
    text, parameters = (MODULES / name).read_text(), module(name)["parameters"]
    for parameter in parameters:
        assert len(re.findall(rf"\b{parameter}\b", text)) > 1, parameter
    required = {parameter for parameter, declared in parameters.items() if declared.get("default") is None}
    for called in module("watching.bicep")["modules"].values():
        if called["detail"]["path"] == name:
            assert set(_params(called)) == required


def test_the_query_of_a_rule_returns_its_dimensions_and_a_time(analysed: dict[str, Any]) -> None:
    for rule in rules():
        columns = analysed[rule["name"]]["columns"]
        assert all(columns[dimension] == "string" for dimension in rule["dimensions"]), rule["name"]
        assert "datetime" in {columns.get("timestamp"), columns.get("TimeGenerated")}, rule["name"]
        assert rule["severity"] in range(5)


def test_the_window_of_a_rule_spans_three_evaluations() -> None:
    parameters = module("log_alerts.bicep")["parameters"]
    minutes = [int(parameters[name]["default"][2:-1]) for name in ("windowSize", "evaluationFrequency")]
    assert minutes[0] >= 3 * minutes[1]


def test_work_that_is_postponed_repeatedly_raises_an_alert() -> None:
    """No other rule would fire: a timer that runs every five minutes never fails more than three times in fifteen."""
    (rule,) = (rule for rule in rules() if rule["name"] == "work-put-off")
    assert rule["periods"] > 1
    postponed = {action for action in logged_actions() if action.endswith(("-later", "-failed"))}
    # These end by themselves, or have a rule about their broadcast or file.
    others = {"gather-later", "compare-later", "recall-failed"}
    assert {action for action in postponed if f'"{action}"' in rule["text"]} == postponed - others
    (periods,) = [
        resource.get("config", resource)["properties"]["criteria"]["allOf"][0]["failingPeriods"]
        for resource in resources("Microsoft.Insights/scheduledQueryRules")
    ]
    assert all("periods" in json.dumps(value) for value in periods.values())


def test_log_lines_are_exempt_from_sampling() -> None:
    host = json.loads((PROJECT / "host.json").read_text())
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert not sampling["isEnabled"] or "Trace" in sampling["excludedTypes"].split(";")


# The workbook


def test_the_workbook_has_its_charts() -> None:
    titles = [
        "under way",
        "by state and age",
        "Funnel",
        "Responses over time",
        "Rejected rows, by reason",
        "from a response file's last change to its gathering",
        "Waiting files, and minutes that the oldest has waited",
        "Errors by code",
    ]
    assert all(any(title in name for name in workbook_queries()) for title in titles)
    assert WORKBOOK["version"] == "Notebook/1.0"


def test_every_chart_has_the_common_prefix_and_follows_the_time_range() -> None:
    items = [item for item in WORKBOOK["items"] if item["type"] == 3]
    (parameters,) = (item["content"]["parameters"] for item in WORKBOOK["items"] if item["type"] == 9)
    for item in items:
        query = item["content"]["query"]
        assert query.startswith((LINES, "requests")), item["name"]
        assert item["content"]["timeContextFromParameter"] in {parameter["name"] for parameter in parameters}
    assert len({item["name"] for item in items}) == len(items)


# The page


def test_the_page_explains_every_alert_and_no_other() -> None:
    kinds = "metricAlerts|activityLogAlerts|eventSubscriptions"
    resource = rf"'[\w./]+/(?:{kinds})@[^']+' = .*?name: '(?:\$\{{baseName\}}-)?([\w-]+)'"
    modules = "\n".join(path.read_text() for path in sorted(MODULES.glob("*.bicep")))
    alerts = {rule["name"] for rule in rules()} | set(re.findall(resource, modules, flags=re.DOTALL))
    page = (PROJECT / "docs" / "how-to" / "watch.md").read_text()
    explained = re.findall(r"^### `([\w-]+)`$", page, flags=re.MULTILINE)
    assert len(alerts) >= 18
    assert sorted(explained) == sorted(alerts)
    assert set(AlertKind) <= alerts


def test_the_page_explains_every_chart() -> None:
    page = (PROJECT / "docs" / "how-to" / "watch.md").read_text()
    rows = re.findall(r"^\| ([^|]*) \| .* \|$", page, flags=re.MULTILINE)
    explained = [name for row in rows if row != "Chart" for name in row.split("; ")]
    assert sorted(explained) == sorted(workbook_queries())
