"""The Bicep files match the code and the documented guarantees. They are parsed, because no compiler is available."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pycep
import pytest
import yaml
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from function_app import app
from local.host.ncrontab import Schedule
from local.host.queue_trigger import poison_queue_name
from local.node import PROJECT
from shared.config.settings import Settings
from shared.database.bulk import bulk_insert
from shared.ledger.backlog import Waiting
from shared.steps.chores.report_backlog import backlog_fields, queues

INFRA = PROJECT / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))
#: Settings that the platform reads; the code reads all other app settings.
PLATFORM = {
    "AzureWebJobsStorage__credential",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}
#: Settings for a developer's machine only: in Azure there are no keys.
NOT_IN_AZURE = {"AzureWebJobsStorage"}
#: Built-in roles of Azure by their ids.
ROLES = {
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
#: Containers whose current blobs never expire, with the reason.
ONLY_VERSIONS = {"deployment": "the app runs from its newest blob; older versions are deleted"}


@cache
def parsed(path: Path) -> dict[str, Any]:
    """A Bicep file, parsed."""
    return dict(pycep.BicepParser().parse(text=path.read_text()))


def module(name: str) -> dict[str, Any]:
    return parsed(INFRA / "modules" / f"{name}.bicep")


def resources(kind: str) -> list[tuple[Path, str, dict[str, Any]]]:
    """Every resource of a type: file, symbol, configuration; loops and conditions are unwrapped."""
    return [
        (path, symbol, config_of(resource["config"]))
        for path in FILES
        for symbol, resource in parsed(path).get("resources", {}).items()
        if resource["type"] == kind and not resource["existing"]
    ]


def config_of(config: dict[str, Any]) -> dict[str, Any]:
    while "loop_type" in config or "condition" in config:
        config = config["config"]
    return config


def only(kind: str) -> dict[str, Any]:
    ((_, _, config),) = resources(kind)
    return config


def variable(file: str, name: str) -> Any:
    return module(file)["variables"][name]["value"]


def strings(value: Any) -> Iterator[str]:
    """Every string in a parsed value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def chosen(value: Any) -> tuple[Any, Any]:
    """The values of `privateNetworking ? a : b`: with private networking, and without.

    `closed` is private networking without allowed public addresses.
    """
    choice = value["operator"]["operands"]
    assert choice["condition"] in {"privateNetworking", "closed"}
    return choice["true_value"], choice["false_value"]


def settings_of_the_code() -> dict[str, Any]:
    return {str(field.alias): field for field in Settings.model_fields.values()}


def set_in_bicep() -> dict[str, Any]:
    return {**variable("function_app", "bridgeSettings"), **variable("function_app", "platformSettings")}


# The files are consistent, as a compiler would check


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_valid_and_uses_what_it_declares(path: Path) -> None:
    content, text = parsed(path), re.sub(r"(?m)^\s*//.*$", "", path.read_text())
    for kind in ("parameters", "variables"):
        for name in content.get(kind, {}):
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is not used"


def calls() -> Iterator[tuple[Path, str, Path, dict[str, Any]]]:
    """Every call of a module: the calling file, its symbol, the called file, its parameters."""
    for path in FILES:
        for symbol, call in parsed(path).get("modules", {}).items():
            config = config_of(call["config"])
            yield path, symbol, path.parent / call["detail"]["path"], config.get("params", {})


def test_every_module_is_called_once_with_its_required_parameters() -> None:
    called = [file.resolve() for _, _, file, _ in calls()]
    assert sorted(called) == [path for path in FILES if path != INFRA / "main.bicep"]
    for caller, symbol, file, given in calls():
        declared = parsed(file)["parameters"]
        required = {name for name, parameter in declared.items() if parameter["default"] is None}
        assert required <= set(given) <= set(declared), f"{caller.name} calls {symbol}"


def test_every_output_that_is_read_exists() -> None:
    for path in FILES:
        for symbol, output in re.findall(r"\b(\w+)\.outputs\.(\w+)", path.read_text()):
            detail = parsed(path)["modules"][symbol]["detail"]["path"]
            assert output in parsed(path.parent / detail)["outputs"], f"{path.name}: {symbol}.outputs.{output}"


def test_the_parameters_file_has_every_parameter_and_each_has_a_description() -> None:
    declared = parsed(INFRA / "main.bicep")["parameters"]
    for name, parameter in declared.items():
        assert any(decorator["type"] == "description" for decorator in parameter["decorators"]), name
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    assert set(given) == set(declared)
    for name, value in given.items():
        default, kept = declared[name]["default"], value["value"]
        if default is None or kept == default:
            continue
        variable = re.fullmatch(r"\$\{\w+(?:=(.*))?\}", str(kept))
        assert variable, f"{name} differs from its default in main.bicep"
        assert (variable[1] or "") == (str(default).lower() if isinstance(default, bool) else default), name


def test_resources_have_tags_and_names_that_follow_the_convention() -> None:
    # The resource group sets the base of the names; a link is named within its zone.
    exempt = {"Microsoft.Resources/resourceGroups", "Microsoft.Network/privateDnsZones/virtualNetworkLinks"}
    for path in FILES:
        for symbol, resource in parsed(path).get("resources", {}).items():
            config = config_of(resource["config"])
            if resource["existing"] or resource["type"] in exempt or "location" not in config:
                continue
            assert any("tags" in text for text in strings(config["tags"])), f"{path.name}: {symbol}"
            named = " ".join(strings(config["name"]))
            assert re.search(r"\bname\b|\w+Name\b|guid|\bitem\b", named), f"{path.name}: {symbol} is named {named}"


# Settings


def test_every_setting_of_the_code_is_set_and_no_unknown_setting() -> None:
    assert set(set_in_bicep()) - PLATFORM == set(settings_of_the_code()) - NOT_IN_AZURE


def test_a_setting_without_a_parameter_has_the_default_of_the_code() -> None:
    parameters = module("function_app")["parameters"]
    for name, value in variable("function_app", "bridgeSettings").items():
        default = settings_of_the_code()[name].default
        if not isinstance(value, str) or value in parameters:
            continue
        # A required setting without a parameter is a secret: its reference replaces the empty value.
        assert value == ("" if default in {None, PydanticUndefined} else str(default)), name


def test_retention_days_are_parameters_with_the_defaults_of_the_code() -> None:
    declared = parsed(INFRA / "main.bicep")["parameters"]
    kept = {name: value for name, value in set_in_bicep().items() if name.startswith("KEEP_")}
    assert len(kept) == 5
    for name, value in kept.items():
        (parameter,) = [text for text in strings(value) if text in declared]
        field = settings_of_the_code()[name]
        assert declared[parameter]["default"] == field.default
        decorators = declared[parameter]["decorators"]
        minimum = [decorator["argument"] for decorator in decorators if decorator["type"] == "min_value"]
        assert minimum == [field.metadata[0].ge]


def test_required_settings_are_required_parameters() -> None:
    declared = parsed(INFRA / "main.bicep")["parameters"]
    for name, field in settings_of_the_code().items():
        if field.is_required() and field.annotation is not SecretStr and name not in {"RS_DB", "DELIVERY_FILES"}:
            assert declared[set_in_bicep()[name]]["default"] is None, name


def test_secrets_are_key_vault_references_and_in_no_file() -> None:
    secret = {name for name, field in settings_of_the_code().items() if SecretStr in (field.annotation, *_args(field))}
    declared = parsed(INFRA / "main.bicep")["parameters"]
    assert set(declared["secretSettings"]["default"]) <= secret
    for name in secret - NOT_IN_AZURE:
        value = set_in_bicep()[name]
        assert value in {"", "wsDb", "rsDb", "psDb"}, f"{name}: by secretSettings, or a connection without a secret"
    text = (INFRA / "modules" / "function_app.bicep").read_text()
    assert "@Microsoft.KeyVault(SecretUri=${keyVaultUri}secrets/${toLower(replace(setting, '_', '-'))})" in text
    assert re.search(r"union\(bridgeSettings, settings, secretReferences, platformSettings\)", text)


def _args(field: Any) -> tuple[Any, ...]:
    return getattr(field.annotation, "__args__", ())


@pytest.mark.parametrize("path", [*FILES, INFRA / "main.parameters.json"], ids=lambda path: path.name)
def test_no_file_contains_or_lists_a_secret(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"listKeys|listAccountSas|AccountKey=|SharedAccess|(?i:password|pwd)\s*[=:]\s*'?\w", text)
    assert not re.search(r"-----BEGIN|[A-Za-z0-9+/]{60,}", text)


def test_schedules_are_ncrontab_and_the_triggers_use_their_settings() -> None:
    schedules = {name: value for name, value in set_in_bicep().items() if name.endswith("_SCHEDULE")}
    for value in schedules.values():
        Schedule(value)
    read = set()
    for function in app.get_functions():
        read |= set(re.findall(r"%(\w+)%", str(function.get_dict_repr())))
    assert read <= set(set_in_bicep())
    assert set(schedules) <= read


# Storage


def test_every_queue_is_created_with_its_poison_queue() -> None:
    named = {value for name, value in set_in_bicep().items() if name.endswith("_QUEUE")}
    assert named == {str(field.default) for name, field in settings_of_the_code().items() if name.endswith("_QUEUE")}
    assert set(variable("storage", "queueNames")) == named | {poison_queue_name(queue) for queue in named}


def test_every_poison_queue_has_an_alert() -> None:
    rules = parsed(INFRA / "modules" / "watching" / "log_alerts.bicep")["variables"]["rules"]["value"]
    assert "poison-messages" in {rule["name"] for rule in rules}
    query = (INFRA / "watching" / "poison-messages.kql").read_text()
    # Housekeeping logs the count of each queue in a field, and the query of the rule uses it.
    fields = backlog_fields({}, {}, Waiting(number=0), dict.fromkeys(queues(_settings()), 0), now=datetime.now(UTC))
    assert sum(field.startswith("poison_") for field in fields) * 2 == len(variable("storage", "queueNames"))
    for name in queues(_settings()):
        assert f'"{name}"' in query


def _settings() -> Settings:
    return Settings.model_construct(**{name: field.default for name, field in Settings.model_fields.items()})


def test_every_container_is_created_and_has_a_retention() -> None:
    retention = {container["name"]: container["days"] for container in variable("storage", "containers")}
    of_code = {value for name, value in set_in_bicep().items() if name.endswith("_CONTAINER")}
    assert of_code <= set(retention)
    location = parsed(INFRA / "main.bicep")["parameters"]["deliveryFiles"]["default"]
    assert location.removeprefix("container:") in retention
    created = resources("Microsoft.Storage/storageAccounts/blobServices/containers")
    names = [" ".join(strings(config["name"])) for _, _, config in created]
    assert len(names) == 2
    assert variable("storage", "deploymentContainer") in ONLY_VERSIONS
    rules = variable("storage", "contentRules")
    assert {"contentRules", "bulkRule", "versionRule"} <= set(strings(lifecycle_policy("storage")))
    assert rules["loop_type"]["detail"]["array_name"] == "containers"
    assert "prefixMatch" not in json.dumps(variable("storage", "versionRule"))


def test_files_of_bulk_insert_left_by_a_crash_are_deleted_after_a_day() -> None:
    rule = variable("storage", "bulkRule")["definition"]
    folder = bulk_insert._FILE.pattern.partition("/")[0]
    assert rule["filters"]["prefixMatch"] == [f"{set_in_bicep()['STAGING_CONTAINER']}/{folder}/"]
    assert rule["actions"]["baseBlob"]["delete"] == {"daysAfterModificationGreaterThan": 1}


def lifecycle_policy(file: str) -> dict[str, Any]:
    (policy,) = [
        config
        for path, _, config in resources("Microsoft.Storage/storageAccounts/managementPolicies")
        if path.stem == file
    ]
    return policy


def test_lifecycle_rules_apply_later_than_housekeeping() -> None:
    assert module("storage")["parameters"]["spareDays"]["default"] > 0
    by_name = {container["name"]: container["days"] for container in variable("storage", "containers")}
    for container, setting in (
        ("staging", "KEEP_STAGED_LISTS_DAYS"),
        ("rejects", "KEEP_REJECTS_DAYS"),
        ("responses", "KEEP_RESPONSE_FILES_DAYS"),
    ):
        names = set(strings(by_name[container]))
        assert "spareDays" in names
        assert set(strings(set_in_bicep()[setting])) & names, container


def test_every_retention_is_a_parameter() -> None:
    declared = set(parsed(INFRA / "main.bicep")["parameters"])
    for container in variable("storage", "containers"):
        assert set(strings(container["days"])) & declared, container["name"]
    for _, _, config in resources("Microsoft.Storage/storageAccounts/blobServices"):
        for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
            assert config["properties"][policy]["days"] in declared
    assert only("Microsoft.KeyVault/vaults")["properties"]["softDeleteRetentionInDays"] == "softDeleteDays"
    assert only("Microsoft.OperationalInsights/workspaces")["properties"]["retentionInDays"] in declared
    backups = only("Microsoft.Sql/servers/databases/backupShortTermRetentionPolicies")
    assert "softDeleteDays" in set(strings(backups["properties"]["retentionDays"]))
    # Azure refuses to change the days of a vault, so those of files are another parameter.
    (given,) = [params for _, symbol, _, params in calls() if symbol == "keyVault"]
    assert given["softDeleteDays"] == "vaultSoftDeleteDays"


def test_storage_refuses_keys_old_tls_and_anonymous_access() -> None:
    accounts = resources("Microsoft.Storage/storageAccounts")
    assert {path.stem for path, _, _ in accounts} == {"storage", "audit"}
    for _, _, config in accounts:
        properties = config["properties"]
        assert properties["allowSharedKeyAccess"] is False
        assert properties["allowBlobPublicAccess"] is False
        assert properties["minimumTlsVersion"] == "TLS1_2"
        assert properties["supportsHttpsTrafficOnly"] is True
        assert properties["isLocalUserEnabled"] is False
    for _, _, config in resources("Microsoft.Storage/storageAccounts/blobServices"):
        assert config["properties"]["deleteRetentionPolicy"]["enabled"] is True
        assert config["properties"]["containerDeleteRetentionPolicy"]["enabled"] is True


def test_the_account_for_audit_logs_is_immutable() -> None:
    (audit,) = [config for path, _, config in resources("Microsoft.Storage/storageAccounts") if path.stem == "audit"]
    policy = audit["properties"]["immutableStorageWithVersioning"]
    assert policy["enabled"] is True
    assert policy["immutabilityPolicy"]["immutabilityPeriodSinceCreationInDays"] == "auditDays"
    assert audit["properties"]["networkAcls"] == {"defaultAction": "Deny", "bypass": "AzureServices"}
    sent = [
        path.stem
        for path, _, config in resources("Microsoft.Insights/diagnosticSettings")
        if "auditStorageId" in set(strings(config["properties"].get("storageAccountId")))
    ]
    assert sorted(sent) == ["key_vault", "sql", "storage"]


# Identity, network


def test_role_assignments_are_minimal_and_for_the_identity_on_one_resource() -> None:
    assignments = resources("Microsoft.Authorization/roleAssignments")
    roles = set()
    for path, symbol, config in assignments:
        (role,) = [
            value["value"]
            for name, value in parsed(path)["variables"].items()
            if name in set(strings(config["properties"]["roleDefinitionId"]))
        ]
        roles.add(ROLES[role])
        assert config["scope"] in parsed(path)["resources"], f"{path.name}: {symbol}"
        assert config["properties"]["principalType"] == "ServicePrincipal"
    assert roles == set(ROLES.values())


def test_nothing_accepts_a_password_or_a_key() -> None:
    assert only("Microsoft.Insights/components")["properties"]["DisableLocalAuth"] is True
    assert only("Microsoft.OperationalInsights/workspaces")["properties"]["features"]["disableLocalAuth"] is True
    assert only("Microsoft.Sql/servers")["properties"]["administrators"]["azureADOnlyAuthentication"] is True
    assert "administratorLoginPassword" not in (INFRA / "modules" / "sql.bicep").read_text()
    assert only("Microsoft.KeyVault/vaults")["properties"]["enableRbacAuthorization"] is True
    publishing = resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {config["name"]: config["properties"]["allow"] for _, _, config in publishing} == {
        "ftp": False,
        "scm": False,
    }
    deployment = only("Microsoft.Web/sites")["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert deployment["authentication"]["type"] == "UserAssignedIdentity"
    # Without it references are resolved with the system-assigned identity, which the app does not have.
    assert only("Microsoft.Web/sites")["properties"]["keyVaultReferenceIdentity"] == "identityId"
    platform = variable("function_app", "platformSettings")
    assert platform["AzureWebJobsStorage__credential"] == "managedidentity"
    connection = next(text for text in strings(parsed(INFRA / "resources.bicep")) if "Initial Catalog=" in text)
    assert "Authentication=Active Directory Managed Identity" in connection


def test_connections_use_tls_1_2_or_later() -> None:
    assert only("Microsoft.Sql/servers")["properties"]["minimalTlsVersion"] == "1.2"
    site = only("Microsoft.Web/sites")["properties"]
    assert site["httpsOnly"] is True
    assert (site["siteConfig"]["minTlsVersion"], site["siteConfig"]["scmMinTlsVersion"]) == ("1.2", "1.2")


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("Microsoft.KeyVault/vaults", {"vault"}),
        ("Microsoft.Sql/servers", {"sqlServer"}),
        ("Microsoft.Web/sites", {"sites"}),
        ("Microsoft.Storage/storageAccounts", {"blob", "queue"}),
    ],
)
def test_with_private_networking_nothing_is_reachable_from_outside(kind: str, groups: set[str]) -> None:
    (config,) = [config for path, _, config in resources(kind) if path.stem != "audit"]
    assert chosen(config["properties"]["publicNetworkAccess"]) == ("Disabled", "Enabled")
    if "networkAcls" in config["properties"]:
        assert chosen(config["properties"]["networkAcls"]["defaultAction"]) == ("Deny", "Allow")
    endpoints = [*variable("private_endpoints", "required"), *variable("private_endpoints", "sql")]
    assert groups <= {endpoint["groupId"] for endpoint in endpoints}


def test_with_private_networking_only_allowed_addresses_have_access_from_outside() -> None:
    assert parsed(INFRA / "main.bicep")["parameters"]["allowedAddresses"]["default"] == []
    for file in ("storage", "function_app"):
        closed = variable(file, "closed")["operator"]
        assert closed["type"] == "and"
        operands = closed["operands"]
        assert operands["operand_1"] == "privateNetworking"
        assert operands["operand_2"]["function"] == {
            "type": "empty",
            "parameters": {"item_to_test": "allowedAddresses"},
        }
    (acls,) = [
        config["properties"]["networkAcls"]
        for path, _, config in resources("Microsoft.Storage/storageAccounts")
        if path.stem == "storage"
    ]
    site = only("Microsoft.Web/sites")["properties"]["siteConfig"]
    for rules in (acls["ipRules"], site["ipSecurityRestrictions"]):
        assert rules["loop_type"]["detail"]["array_name"] == "allowedAddresses"
        assert rules["config"]["action"] == "Allow"
    assert chosen(site["ipSecurityRestrictionsDefaultAction"]) == ("Deny", "Allow")
    assert site["scmIpSecurityRestrictionsUseMain"] is True


def test_each_endpoint_has_its_private_dns_zone() -> None:
    zones = {
        "blob": "privatelink.blob.${environment().suffixes.storage}",
        "queue": "privatelink.queue.${environment().suffixes.storage}",
        "vault": "privatelink.vaultcore.azure.net",
        "sites": "privatelink.azurewebsites.net",
        "sqlServer": "privatelink${environment().suffixes.sqlServerHostname}",
    }
    # Read from the text, because the parser turns the interpolation in `zone` into function calls.
    text = (INFRA / "modules" / "private_endpoints.bicep").read_text()
    assert dict(re.findall(r"groupId: '(\w+)'\n\s+zone: '(.+)'", text)) == zones


def test_outbound_traffic_has_a_fixed_address() -> None:
    assert only("Microsoft.Network/publicIPAddresses")["properties"]["publicIPAllocationMethod"] == "Static"
    subnets = {symbol: config for _, symbol, config in resources("Microsoft.Network/virtualNetworks/subnets")}
    app_subnet, endpoint_subnet = subnets["appSubnet"], subnets["endpointSubnet"]
    assert app_subnet["properties"]["natGateway"]
    assert app_subnet["properties"]["delegations"][0]["properties"]["serviceName"] == "Microsoft.App/environments"
    assert endpoint_subnet["properties"]["privateEndpointNetworkPolicies"] == "Enabled"
    assert only("Microsoft.Web/sites")["properties"]["virtualNetworkSubnetId"] == "subnetId"
    # Others add subnets, for a VPN gateway or machines: a deployment must not remove them.
    assert "subnets" not in only("Microsoft.Network/virtualNetworks")["properties"]
    assert "BRIDGE_EGRESS_ADDRESS" in parsed(INFRA / "main.bicep")["outputs"]


def test_data_can_be_restored_and_access_is_audited() -> None:
    vault = only("Microsoft.KeyVault/vaults")["properties"]
    assert (vault["enableSoftDelete"], vault["enablePurgeProtection"]) == (True, True)
    scopes = {
        config["scope"]
        for _, _, config in resources("Microsoft.Insights/diagnosticSettings")
        if isinstance(config["scope"], str)
    }
    assert {"blobs", "queues", "vault", "master", "app"} <= scopes
    assert only("Microsoft.Sql/servers/auditingSettings")["properties"]["state"] == "Enabled"


# Versions, azd, SQL


def test_versions_match_those_of_the_project() -> None:
    runtime = only("Microsoft.Web/sites")["properties"]["functionAppConfig"]["runtime"]
    required = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert runtime["name"] == "python"
    assert (PROJECT / ".python-version").read_text().strip().startswith(runtime["version"])
    assert runtime["version"] in required
    bundle = json.loads((PROJECT / "host.json").read_text())["extensionBundle"]
    assert bundle == {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}
    pinned = re.search(r"^azure-functions==(\d+)\.", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    # Python 3.13 and later use version 2 of the library.
    assert pinned
    assert pinned[1] == "2"


def test_azd_finds_its_service_its_environment_and_the_set_up_of_the_databases() -> None:
    azd = yaml.safe_load((PROJECT / "azure.yaml").read_text())
    (service,) = azd["services"]
    assert service in set(strings(only("Microsoft.Web/sites")["tags"]))
    hooks = azd["services"][service].pop("hooks")
    assert azd["services"][service] == {"project": ".", "language": "python", "host": "function"}
    assert hooks.keys() == {"prepackage", "postpackage"}
    assert "azd-env-name" in str(parsed(INFRA / "main.bicep")["variables"]["allTags"])
    hook = azd["hooks"]["postprovision"]["posix"]
    assert (PROJECT / hook["run"]).exists()
    text = (PROJECT / hook["run"]).read_text()
    outputs = set(parsed(INFRA / "main.bicep")["outputs"])
    by_hand = {"BRIDGE_DEPLOYER", "BRIDGE_DEPLOYER_OBJECT_ID", "BRIDGE_FASTSTATS_SCHEMA"}
    assert set(re.findall(r"\$\{?(BRIDGE_\w+)", text)) - by_hand <= outputs


def set_up(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(INFRA / "set_up_sql.sh"), *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_databases_are_set_up_in_the_order_roles_users_tables() -> None:
    process = set_up(
        "--plan",
        BRIDGE_DATABASE_KIND="azureSql",
        BRIDGE_SQL_SERVER="server",
        BRIDGE_WS_DATABASE="WS_Holidays",
        BRIDGE_RS_DATABASE="RS_Holidays",
        BRIDGE_IDENTITY="id-bridge",
        BRIDGE_IDENTITY_OBJECT_ID="0b1d",
        BRIDGE_DEPLOYER="id-deploy",
        BRIDGE_DEPLOYER_OBJECT_ID="0d1d",
    )
    assert process.returncode == 0, process.stderr
    lines = [line for line in process.stdout.splitlines() if line != "make setup"]
    assert [re.search(r"-d (\w+)_Holidays.* -i infra/sql/(\w+)\.sql", line).groups() for line in lines[:-1]] == [  # type: ignore[union-attr]
        ("RS", "rs_db_roles"),
        ("WS", "ws_db_roles"),
        ("RS", "user_managed_identity"),
        ("WS", "user_managed_identity"),
        ("RS", "user_managed_identity"),
    ]
    assert lines[-1] == ".venv/bin/bridge db migrate"
    assert "ObjectId=0d1d Role=bridge_migrations" in lines[-2]
    assert [line for line in lines if "UserName=id-bridge ObjectId=0b1d Role=bridge_app" in line] == lines[2:4]
    for line in lines[:-1]:
        file = PROJECT / line.rpartition(" -i ")[2]
        assert {name for name in re.findall(r"\$\((\w+)\)", file.read_text()) if f"{name}=" not in line} == set()


def test_an_existing_database_is_left_to_its_owner_and_a_missing_variable_is_named() -> None:
    own = set_up(BRIDGE_DATABASE_KIND="own")
    assert own.returncode == 0
    assert "bridge db migrate" in own.stdout
    assert set_up("--wrong").returncode == 2
    missing = set_up("--plan", BRIDGE_DATABASE_KIND="azureSql")
    assert missing.returncode != 0
    assert "BRIDGE_SQL_SERVER" in missing.stderr


# checkov


def test_every_skipped_check_of_checkov_has_a_reason() -> None:
    text = (INFRA / ".checkov.yaml").read_text()
    config = yaml.safe_load(text)
    assert config["framework"] == ["bicep"]
    assert "soft-fail" not in config
    reason = ""
    for line in text.partition("skip-check:")[2].splitlines():
        if line.strip().startswith("#"):
            reason = line
        elif line.strip().startswith("- CKV"):
            assert reason or "#" in line, line
    assert len(config["skip-check"]) == len(set(config["skip-check"]))
    assert "checkov" not in (PROJECT / "pyproject.toml").read_text(), "it has an environment of its own"
