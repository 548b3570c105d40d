# Installs atheris, the coverage-guided fuzzer of tests/fuzz, into .venv. `make setup` leaves it out: it is large.
set -eu
cd "$(dirname "$0")/.."
"$(sh tools/uv.sh)" pip install --quiet --require-hashes --python .venv -r requirements-fuzz.txt
