"""The two pipelines: no third-party code, minimal permissions, and the same steps on both."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
TEST = "sudo --preserve-env=CI bash .ci/run"
TEST_NIGHTLY = "sudo --preserve-env=CI bash .ci/nightly"
#: The steps of a deployment in order: tables before code, because old code runs on new tables but not vice versa.
STEPS = [
    "sudo sh tools/odbc.sh",
    "make package",
    "sh tools/deploy.sh migrate",
    "sh tools/deploy.sh code dist/broadcast-bridge.zip",
    "sh tools/deploy.sh smoke",
]


def read(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as the value true.
    content = yaml.safe_load(path.read_text())
    return {"on" if key is True else key: value for key, value in content.items()}


def workflow(name: str) -> dict[str, Any]:
    return read(WORKFLOWS / name)


AZURE_DEVOPS = read(ROOT / "azure-pipelines.yml")
AZURE_DEVOPS_NIGHTLY = read(ROOT / "azure-pipelines-nightly.yml")
EVERY_WORKFLOW = sorted(path.name for path in WORKFLOWS.iterdir())
EVERY_FILE = [*sorted(WORKFLOWS.iterdir()), *sorted(ROOT.glob("azure-pipelines*.yml")), ROOT / "tools" / "deploy.sh"]


def every(content: Any, key: str) -> Iterator[Any]:
    """Every value of this key, at any depth."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == key:
                yield value
            yield from every(value, key)
    elif isinstance(content, list):
        for value in content:
            yield from every(value, key)


def github_commands(job: dict[str, Any]) -> list[str]:
    """The commands of the steps after the checkout."""
    first, *others = job["steps"]
    assert first["name"] == "Check out"
    return [step["run"] for step in others]


def devops_commands(steps: list[dict[str, Any]]) -> list[str]:
    first, *others = steps
    assert first["checkout"] == "self"
    return [step.get("script") or step["inputs"]["inlineScript"] for step in others]


def devops_deployment() -> tuple[dict[str, Any], dict[str, Any]]:
    """The stage of each environment, and its job."""
    (each,) = (stage for stage in AZURE_DEVOPS["stages"] if "stage" not in stage)
    assert list(each) == ["${{ each environment in parameters.environments }}"]
    ((stage,),) = each.values()
    (job,) = stage["jobs"]
    return stage, job


# Actions and tasks


@pytest.mark.parametrize("name", EVERY_WORKFLOW)
def test_whatever_a_workflow_uses_is_local_or_pinned_to_a_commit(name: str) -> None:
    unpinned = [
        used
        for used in every(workflow(name), "uses")
        if not re.fullmatch(r"\./\.github/workflows/[a-z-]+\.yml|[\w.-]+/[\w./-]+@[0-9a-f]{40}", used)
    ]
    assert unpinned == []
    assert all((ROOT / used).exists() for used in every(workflow(name), "uses") if used.startswith("./"))


def test_azure_devops_uses_one_task_by_its_major_version() -> None:
    assert set(every(AZURE_DEVOPS, "task")) == {"AzureCLI@2"}
    assert set(every(AZURE_DEVOPS_NIGHTLY, "task")) == set()


def test_the_workflow_auditor_reports_no_finding() -> None:
    process = subprocess.run(
        [
            Path(sys.executable).with_name("zizmor"),
            *("--offline", "--no-progress", "--min-severity", "medium", "--format", "plain", WORKFLOWS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout


# Permissions and secrets


@pytest.mark.parametrize("name", EVERY_WORKFLOW)
def test_a_workflow_may_read_and_only_deployments_may_request_an_identity(name: str) -> None:
    assert workflow(name)["permissions"] == {"contents": "read"}
    for job in workflow(name)["jobs"].values():
        deploys = "environment" in job or "environment" in job.get("with", {})
        assert job.get("permissions", {"contents": "read"}) == (
            {"contents": "read", "id-token": "write"} if deploys else {"contents": "read"}
        )


@pytest.mark.parametrize("path", EVERY_FILE, ids=lambda path: path.name)
def test_no_pipeline_contains_a_secret(path: Path) -> None:
    text = path.read_text()
    assert "secrets." not in text, "the login is federated, so there is no secret"
    assert not re.search(r"(?i)(password|client.?secret|account.?key|sas)\s*[:=]", text)
    assert not re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text), "identities are variables"
    assert "pull_request_target" not in text, "it would run untrusted code with our permissions"


@pytest.mark.parametrize("name", EVERY_WORKFLOW)
def test_no_expression_is_expanded_in_a_command(name: str) -> None:
    assert [run for run in every(workflow(name), "run") if "${{" in run] == []


def test_the_token_of_the_checkout_is_masked_and_not_left_in_the_clone() -> None:
    names = ("test.yml", "nightly.yml", "deploy-stage.yml")
    (test,), (nightly,), (deploy,) = (workflow(name)["jobs"].values() for name in names)
    assert test["steps"][0] == nightly["steps"][0] == deploy["steps"][0]
    assert list(every(AZURE_DEVOPS_NIGHTLY, "persistCredentials")) == [False]
    assert AZURE_DEVOPS["stages"][0]["jobs"][0]["steps"][0]["persistCredentials"] is False
    assert list(every(AZURE_DEVOPS, "persistCredentials")) == [False, False]


# Order


def test_both_run_the_tests_with_the_same_command() -> None:
    assert github_commands(workflow("test.yml")["jobs"]["test"]) == [TEST]
    stage = AZURE_DEVOPS["stages"][0]
    assert devops_commands(stage["jobs"][0]["steps"]) == [TEST]
    assert list(every(workflow("test.yml"), "CI")) == list(every(AZURE_DEVOPS, "CI")) == ["true"]


def test_both_run_the_nightly_tests_at_the_same_time_and_on_no_push() -> None:
    nightly = workflow("nightly.yml")
    assert github_commands(nightly["jobs"]["nightly"]) == [TEST_NIGHTLY]
    assert devops_commands(AZURE_DEVOPS_NIGHTLY["jobs"][0]["steps"]) == [TEST_NIGHTLY]
    assert list(every(nightly, "CI")) == list(every(AZURE_DEVOPS_NIGHTLY, "CI")) == ["true"]
    (schedule,) = AZURE_DEVOPS_NIGHTLY["schedules"]
    assert nightly["on"] == {"schedule": [{"cron": schedule["cron"]}], "workflow_dispatch": None}
    assert schedule["branches"] == {"include": ["main"]}
    assert AZURE_DEVOPS_NIGHTLY["trigger"] == AZURE_DEVOPS_NIGHTLY["pr"] == "none"


def test_the_linters_run_before_the_tests() -> None:
    commands = (ROOT / ".ci" / "run").read_text().splitlines()
    assert commands.index("make check") < commands.index("make test") < commands.index("make infra")


def test_both_deploy_with_the_same_commands_in_the_same_order() -> None:
    assert github_commands(workflow("deploy-stage.yml")["jobs"]["deploy"]) == STEPS
    _, job = devops_deployment()
    assert devops_commands(job["strategy"]["runOnce"]["deploy"]["steps"]) == STEPS


def test_production_follows_the_test_environment_which_follows_the_tests() -> None:
    jobs = workflow("deploy.yml")["jobs"]
    assert jobs["tests"]["uses"].endswith("/test.yml")
    assert (jobs["test"]["needs"], jobs["test"]["with"]["environment"]) == ("tests", "test")
    assert (jobs["production"]["needs"], jobs["production"]["with"]["environment"]) == ("test", "production")
    assert workflow("deploy-stage.yml")["jobs"]["deploy"]["environment"] == "${{ inputs.environment }}"
    stage, job = devops_deployment()
    assert AZURE_DEVOPS["parameters"][0] == {
        "name": "environments",
        "type": "object",
        "default": ["test", "production"],
    }
    assert "dependsOn" not in stage, "stages without it run in sequence"
    assert job["environment"] == "broadcast-bridge-${{ environment }}"


def test_only_main_is_deployed() -> None:
    deploy = workflow("deploy.yml")
    assert deploy["on"] == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert deploy["jobs"]["test"]["if"] == "github.ref == 'refs/heads/main'"
    assert workflow("test.yml")["on"]["push"] == {"branches-ignore": ["main"]}, (
        "main is tested once, before it is deployed"
    )
    stage, _ = devops_deployment()
    assert "eq(variables['Build.SourceBranch'], 'refs/heads/main')" in stage["condition"]
    assert "succeeded()" in stage["condition"]


def test_deployments_run_one_after_another_and_none_is_cancelled() -> None:
    assert workflow("deploy.yml")["concurrency"] == {"group": "deploy", "cancel-in-progress": False}
    assert AZURE_DEVOPS["lockBehavior"] == "sequential"


def test_every_job_has_a_time_out() -> None:
    for name in EVERY_WORKFLOW:
        for job in workflow(name)["jobs"].values():
            assert "uses" in job or 0 < job["timeout-minutes"] <= 60
    _, deployment = devops_deployment()
    for job in (AZURE_DEVOPS["stages"][0]["jobs"][0], AZURE_DEVOPS_NIGHTLY["jobs"][0], deployment):
        assert 0 < job["timeoutInMinutes"] <= 60


def test_every_variable_of_a_deployment_is_explained() -> None:
    explained = (ROOT / "docs" / "how-to" / "pipelines.md").read_text()
    given = workflow("deploy-stage.yml")["jobs"]["deploy"]["env"]
    assert all(value == f"${{{{ vars.{name} }}}}" for name, value in given.items())
    read_by_script = set(re.findall(r"\$\{?((?:AZURE|BRIDGE)_\w+)", (ROOT / "tools" / "deploy.sh").read_text()))
    assert read_by_script - {"BRIDGE_FUNCTION_KEY"} == given.keys()
    assert [name for name in [*given, "DEPLOY_RUNNER", "deployPool"] if f"`{name}`" not in explained] == []


# The commands themselves, with fakes of `az` and `curl` that record their arguments

FAKE = """#!/bin/sh
printf '%s' "{name}" >>"$CALLS"
for argument in "$@"; do printf '\\t%s' "$argument" >>"$CALLS"; done
printf '\\n' >>"$CALLS"
{answer}
"""
AZ = """case "$*" in
*"functionapp show"*) echo app.example.net ;;
*"keys list"*) echo "${FAKE_KEY-the-function-key}" ;;
esac"""
CURL = """cat >"$CALLS.header"; echo '{"value": "the-token"}'"""
BRIDGE = (
    """printf '%s|%s|%s' "${RS_DB:-}" "${AZURE_TOKEN_CREDENTIALS:-}" "${BRIDGE_FUNCTION_KEY:-}" >"$CALLS.bridge" """
)
SETTINGS = {
    "AZURE_RESOURCE_GROUP": "rg-bridge",
    "BRIDGE_APP": "func-bridge",
    "BRIDGE_RS_DB": "Server=tcp:sql.example.net;Initial Catalog=RS_Test;Authentication=Active Directory Default",
}
GITHUB = {
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example.net/?run=1",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-request-token",
    "AZURE_CLIENT_ID": "client",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_SUBSCRIPTION_ID": "subscription",
}

type Deploy = Callable[..., tuple[subprocess.CompletedProcess[str], list[list[str]]]]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Runs a step of tools/deploy.sh; returns its process and the recorded calls."""
    for path, answer in (("bin/az", AZ), ("bin/curl", CURL), (".venv/bin/bridge", BRIDGE)):
        command = tmp_path / path
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(FAKE.format(name=command.name, answer=answer))
        command.chmod(0o755)
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "deploy.sh"
    script.write_text((ROOT / "tools" / "deploy.sh").read_text())
    (tmp_path / "dist").mkdir()
    for package in ("broadcast-bridge.zip", "broadcast-bridge-whole.zip"):
        (tmp_path / "dist" / package).touch()
    calls = tmp_path / "calls"

    def run(*arguments: str, **settings: str) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
        calls.write_text("")
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.run(
            ["sh", str(script), *arguments],  # noqa: S607 - sh of the PATH
            env={"PATH": path, "CALLS": str(calls), "RUNNER_TEMP": str(tmp_path), **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        return process, [line.split("\t") for line in calls.read_text().splitlines()]

    return run


def test_migrating_needs_no_secret_and_no_other_setting(deploy: Deploy, tmp_path: Path) -> None:
    process, calls = deploy("migrate", BRIDGE_RS_DB=SETTINGS["BRIDGE_RS_DB"])
    assert (process.returncode, calls) == (0, [["bridge", "db", "migrate"]])
    # With the login of the pipeline, not the identity of the machine that it runs on.
    assert (tmp_path / "calls.bridge").read_text() == SETTINGS["BRIDGE_RS_DB"] + "|AzureCliCredential|"


@pytest.mark.parametrize(
    ("package", "built_in_azure"), [("broadcast-bridge.zip", "true"), ("broadcast-bridge-whole.zip", "false")]
)
def test_azure_installs_the_dependencies_that_the_package_lacks(
    deploy: Deploy, package: str, built_in_azure: str
) -> None:
    process, (call,) = deploy("code", f"dist/{package}", **SETTINGS)
    assert process.returncode == 0, process.stderr
    assert call[:5] == ["az", "functionapp", "deployment", "source", "config-zip"]
    options = dict(zip(call[5::2], call[6::2], strict=True))
    assert options["--src"] == f"dist/{package}"
    assert (options["--resource-group"], options["--name"]) == ("rg-bridge", "func-bridge")
    assert options["--build-remote"] == built_in_azure


@pytest.mark.parametrize(
    ("more", "options"), [({}, []), ({"BRIDGE_TEST_MESSAGE": "Spring Newsletter"}, ["--message", "Spring Newsletter"])]
)
def test_the_smoke_test_calls_the_app_with_its_key_and_shows_no_key(
    deploy: Deploy, tmp_path: Path, more: dict[str, str], options: list[str]
) -> None:
    process, calls = deploy("smoke", **SETTINGS, **more)
    assert calls[-1] == ["bridge", "smoke", "https://app.example.net", "--wait", "600", *options]
    assert (tmp_path / "calls.bridge").read_text().endswith("|the-function-key")
    assert "the-function-key" not in process.stdout + process.stderr + json.dumps(calls)


def test_an_app_without_a_key_fails_the_smoke_test(deploy: Deploy) -> None:
    process, calls = deploy("smoke", **SETTINGS, FAKE_KEY="")
    assert process.returncode != 0
    assert "the app has no function key" in process.stderr
    assert [call for call in calls if call[0] == "bridge"] == []


def test_a_missing_package_is_reported_before_anything_is_called(deploy: Deploy) -> None:
    process, calls = deploy("code", "dist/other.zip", **SETTINGS, **GITHUB)
    assert (process.returncode, calls) == (1, [])
    assert "no package dist/other.zip" in process.stderr


@pytest.mark.parametrize("step", [["migrate"], ["code", "dist/broadcast-bridge.zip"], ["smoke"]])
def test_on_github_every_step_logs_in_with_the_identity_of_its_job(
    deploy: Deploy, tmp_path: Path, step: list[str]
) -> None:
    process, calls = deploy(*step, **SETTINGS, **GITHUB)
    assert process.returncode == 0, process.stderr
    assert "https://token.example.net/?run=1&audience=api://AzureADTokenExchange" in calls[0]
    assert "the-request-token" not in json.dumps(calls), "other processes can read a command line"
    assert (tmp_path / "calls.header").read_text() == "Authorization: Bearer the-request-token\n"
    assert calls[1][:3] == ["az", "login", "--service-principal"]
    assert calls[1][3:9] == ["--username", "client", "--tenant", "tenant", "--federated-token", "the-token"]
    assert calls[2] == ["az", "account", "set", "--subscription", "subscription"]
    assert [line for line in process.stdout.splitlines() if "the-token" in line] == ["::add-mask::the-token"]


@pytest.mark.parametrize(
    ("step", "missing"),
    [
        (["migrate"], "BRIDGE_RS_DB"),
        (["code", "dist/broadcast-bridge.zip"], "BRIDGE_APP"),
        (["smoke"], "AZURE_RESOURCE_GROUP"),
    ],
)
def test_a_missing_variable_is_named_and_nothing_is_called(deploy: Deploy, step: list[str], missing: str) -> None:
    process, calls = deploy(*step, **{name: value for name, value in SETTINGS.items() if name != missing})
    assert process.returncode != 0
    assert missing in process.stderr
    assert calls == []


def test_an_unknown_step_is_refused(deploy: Deploy) -> None:
    process, calls = deploy("provision", **SETTINGS)
    assert (process.returncode, calls) == (2, [])
    assert "usage" in process.stderr


def test_the_checkout_fetches_one_commit_and_leaves_no_token(tmp_path: Path) -> None:
    """The step itself, with this repository in place of GitHub's."""
    commit = _git(ROOT, "rev-parse", "HEAD")
    (tmp_path / "owner").mkdir()
    (tmp_path / "owner" / "name").symlink_to(ROOT)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    script = workflow("test.yml")["jobs"]["test"]["steps"][0]["run"]
    process = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],  # noqa: S607 - bash of the PATH, as the runner has it
        cwd=workspace,
        env={
            "PATH": os.environ["PATH"],
            "TOKEN": "the-job-token",
            "GITHUB_SERVER_URL": f"file://{tmp_path}",
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_SHA": commit,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert _git(workspace, "rev-parse", "HEAD") == commit
    hidden = base64.b64encode(b"x-access-token:the-job-token").decode()
    assert process.stdout.splitlines() == [f"::add-mask::{hidden}"]
    assert "the-job-token" not in process.stdout + process.stderr
    assert hidden not in (workspace / ".git" / "config").read_text()


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
