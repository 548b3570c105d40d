# Users, roles and tables of the bridge in WS_DB and RS_DB: `sh infra/set_up_sql.sh [--plan]`. Safe to run again, and
# safe while broadcasts run: it only adds, and never removes. azd runs it after it has created the resources.
#
# Environment variables, which azd sets (`azd env get-values`):
#   BRIDGE_DATABASE_KIND     azureSql: created by azd; for `own` it only prints what to do by hand
#   BRIDGE_SQL_SERVER        the server's host name
#   BRIDGE_WS_DATABASE, BRIDGE_RS_DATABASE
#   BRIDGE_IDENTITY, BRIDGE_IDENTITY_OBJECT_ID    name and object id of the function app's identity
#   BRIDGE_DEPLOYER, BRIDGE_DEPLOYER_OBJECT_ID    optional: the identity that migrates in the pipelines (docs/how-to/pipelines.md)
#   BRIDGE_FASTSTATS_SCHEMA  schema of FastStats' tables; dbo
# Run it as the server's Microsoft Entra administrator (`az login`, or AZURE_... of an identity), from a machine that can
# reach the server: with private networking one in the network, otherwise one whose address the firewall allows
# (docs/how-to/deploy.md). It needs sqlcmd (Go), because only that uses the login of `az`, and ODBC for the tables.
# With --plan it prints the commands instead of running them.
set -eu
cd "$(dirname "$0")/.."

plan=${1:-}
case "$plan" in
"" | --plan) ;;
*)
    echo "usage: sh infra/set_up_sql.sh [--plan]" >&2
    exit 2
    ;;
esac

kind=${BRIDGE_DATABASE_KIND:-own}
if [ "$kind" = own ]; then
    echo "You use an existing database: its owner runs the scripts in infra/sql in the order of infra/sql/README.md, then"
    echo "\`bridge db migrate\`, before the code is deployed (docs/how-to/deploy.md)."
    exit 0
fi

server=${BRIDGE_SQL_SERVER:?} ws=${BRIDGE_WS_DATABASE:?} rs=${BRIDGE_RS_DATABASE:?} identity=${BRIDGE_IDENTITY:?}
id=${BRIDGE_IDENTITY_OBJECT_ID:?}
schema=${BRIDGE_FASTSTATS_SCHEMA:-dbo}

run() {
    if [ "$plan" = --plan ]; then
        echo "$*"
    else
        "$@"
    fi
}

script() { # database, script, variables
    database=$1 file=$2
    shift 2
    run sqlcmd --authentication-method ActiveDirectoryDefault -b -S "$server" -d "$database" -v "$@" -i "infra/sql/$file"
}

script "$rs" rs_db_roles.sql FastStatsSchema="$schema"
script "$ws" ws_db_roles.sql FastStatsSchema="$schema"
script "$rs" user_managed_identity.sql UserName="$identity" ObjectId="$id" Role=bridge_app
script "$ws" user_managed_identity.sql UserName="$identity" ObjectId="$id" Role=bridge_app
if [ -n "${BRIDGE_DEPLOYER:-}" ]; then
    deployer_id=${BRIDGE_DEPLOYER_OBJECT_ID:?}
    script "$rs" user_managed_identity.sql UserName="$BRIDGE_DEPLOYER" ObjectId="$deployer_id" Role=bridge_migrations
fi

# Create the tables before the code that needs them is deployed.
[ -x .venv/bin/bridge ] || run make setup
export RS_DB="Server=tcp:$server,1433;Initial Catalog=$rs;Authentication=Active Directory Default"
run .venv/bin/bridge db migrate
