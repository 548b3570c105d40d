# Runs checkov over infra, in a separate environment because its packages conflict with ours. infra/.checkov.yaml lists
# the skipped checks with the reasons. If the Bicep CLI is installed, this builds and lints the files as well.
set -eu
cd "$(dirname "$0")/.."
version=3.3.30
uv=$(sh tools/uv.sh)
home=.tools/checkov-$version
if [ ! -x "$home/bin/checkov" ]; then
    echo "Setting up: checkov $version into $home"
    "$uv" venv --quiet --python 3.13 "$home"
    "$uv" pip install --quiet --python "$home" "checkov==$version"
    # The required version of the parser supports less of Bicep, and checkov skips what the parser cannot read.
    "$uv" pip install --quiet --python "$home" --no-deps "pycep-parser==0.7.1"
fi
LOG_LEVEL=ERROR "$home/bin/checkov" --config-file infra/.checkov.yaml

if command -v bicep >/dev/null 2>&1; then
    bicep build infra/main.bicep --stdout >/dev/null
    bicep lint infra/main.bicep
elif command -v az >/dev/null 2>&1 && az bicep version >/dev/null 2>&1; then
    az bicep build --file infra/main.bicep --stdout >/dev/null
    az bicep lint --file infra/main.bicep
else
    echo "The Bicep CLI is not installed: the files were not compiled."
fi
