# Runs one step of a deployment: `migrate`, then `code PACKAGE`, then `smoke`. Both pipelines call it, and you can too
# after `az login`. The required environment variables are listed in docs/how-to/pipelines.md.
set -eu
cd "$(dirname "$0")/.."

# On GitHub each step logs in again: the token of the identity is valid for minutes, and az needs a new one for each
# service that it has not called yet. Azure DevOps logs in before it calls this script. No token appears in a log.
log_in() {
    if [ -z "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ]; then
        return
    fi
    # The data of az are deleted with the job, also on a self-hosted runner.
    export AZURE_CONFIG_DIR="$RUNNER_TEMP/azure"
    # The header is passed on standard input: all processes of the machine can read a command line.
    token=$(printf 'Authorization: Bearer %s\n' "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" |
        curl --silent --show-error --fail --retry 3 --max-time 30 --header @- \
            "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=api://AzureADTokenExchange" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["value"])')
    echo "::add-mask::$token"
    az login --service-principal --username "$AZURE_CLIENT_ID" --tenant "$AZURE_TENANT_ID" \
        --federated-token "$token" --output none
    az account set --subscription "$AZURE_SUBSCRIPTION_ID"
}

case "${1:-}" in
migrate)
    log_in
    # Use the login of az, also on an Azure machine with a managed identity.
    AZURE_TOKEN_CREDENTIALS=AzureCliCredential RS_DB=${BRIDGE_RS_DB:?} .venv/bin/bridge db migrate
    ;;
code)
    package=${2:?the path of the package is missing}
    case "$package" in
    *-whole.zip) build=false ;; # the package contains its dependencies
    *) build=true ;;
    esac
    if [ ! -f "$package" ]; then
        echo "There is no package $package: build it with \`make package\`." >&2
        exit 1
    fi
    log_in
    az functionapp deployment source config-zip --resource-group "${AZURE_RESOURCE_GROUP:?}" --name "${BRIDGE_APP:?}" \
        --src "$package" --build-remote "$build" --timeout 1800 --output none
    ;;
smoke)
    log_in
    host=$(az functionapp show --resource-group "${AZURE_RESOURCE_GROUP:?}" --name "${BRIDGE_APP:?}" \
        --query "defaultHostName || properties.defaultHostName" --output tsv)
    BRIDGE_FUNCTION_KEY=$(az functionapp keys list --resource-group "$AZURE_RESOURCE_GROUP" --name "$BRIDGE_APP" \
        --query functionKeys.default --output tsv)
    # Without the key, the smoke test would check only the health, and pass.
    : "${BRIDGE_FUNCTION_KEY:?the app has no function key named default}"
    export BRIDGE_FUNCTION_KEY
    set -- "https://$host" --wait 600
    if [ -n "${BRIDGE_TEST_MESSAGE:-}" ]; then
        set -- "$@" --message "$BRIDGE_TEST_MESSAGE"
    fi
    .venv/bin/bridge smoke "$@"
    ;;
*)
    echo "usage: sh tools/deploy.sh migrate | code PACKAGE | smoke" >&2
    exit 2
    ;;
esac
