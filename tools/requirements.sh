# Compiles the requirements from pyproject.toml, with pinned versions and hashes.
set -eu
cd "$(dirname "$0")/.."
uv=$(sh tools/uv.sh)
compile() {
    output=$1
    shift
    "$uv" pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --python-version 3.13 \
        --custom-compile-command "make requirements" --output-file "$output" "$@"
}
compile requirements.txt pyproject.toml
compile requirements-dev.txt pyproject.toml --extra cli --extra local --group dev
compile requirements-node.txt --group node
compile requirements-fuzz.txt --group fuzz
