# A newcomer needs only `make demo` and `make test`. Both first set up everything they need, in this folder only
# (.venv, .tools, node_modules).

PYTHON := .venv/bin/python
SETUP := .venv/.set-up

.PHONY: help setup hooks demo test test-fast nightly fuzz mutation chaos check infra bench docs package package-whole format requirements clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(SETUP) ## Set up the environment: Python packages and Azurite

hooks: $(SETUP) ## Install the git hooks that check each commit in this clone (.pre-commit-config.yaml)
	@.venv/bin/pre-commit install

demo: $(SETUP) ## Run the demo: a broadcast to 10,000 recipients, and its responses
	@.venv/bin/bridge demo

test: $(SETUP) ## Run all tests, except the nightly ones
	@$(PYTHON) -m pytest

test-fast: $(SETUP) ## Run only the unit and policy tests, in two to three minutes
	@$(PYTHON) -m pytest tests/unit tests/policy -m "not slow"

nightly: $(SETUP) ## Run the nightly tests, which take too long for `make test`
	@$(PYTHON) -m pytest --nightly

fuzz: $(SETUP) ## Fuzz what reads bytes of others, guided by coverage; FUZZ_SECONDS=600 for more of each target
	@sh tools/atheris.sh
	@$(PYTHON) -m pytest --nightly tests/fuzz

mutation: $(SETUP) ## Measure the strength of the tests by mutants of the ledger's code; SAMPLE=300 runs so many
	@$(PYTHON) -m tools.mutation $(if $(SAMPLE),--sample $(SAMPLE))

chaos: $(SETUP) ## Run 1,000 broadcasts through two hosts while everything fails in turn; CHAOS_BROADCASTS=50 for fewer
	@$(PYTHON) -m local.chaos

check: $(SETUP) ## Run the linters and type checks
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/codespell
	@$(PYTHON) tools/whitespace.py
	@.venv/bin/azure-functions-doctor doctor --path . --profile deploy

infra: ## Check the Bicep files with checkov; build them if the Bicep CLI is installed
	@sh tools/checkov.sh

bench: $(SETUP) ## Measure the throughput of rows, as ratios within one run
	@$(PYTHON) bench/rows.py
	@$(PYTHON) bench/bulk.py

docs: $(SETUP) ## Generate the pages of docs/reference that come from the code
	@$(PYTHON) -m tools.docs

package: $(SETUP) ## Build the deployment package from the last commit: dist/broadcast-bridge.zip
	@$(PYTHON) -m tools.package

package-whole: $(SETUP) ## Build the package with its dependencies: dist/broadcast-bridge-whole.zip
	@$(PYTHON) -m tools.package --with-dependencies

format: $(SETUP) ## Format the code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@$(PYTHON) tools/whitespace.py --fix

requirements: ## Recompile requirements*.txt from pyproject.toml
	@sh tools/requirements.sh

clean: ## Remove everything that `setup`, `demo` and `package` created
	rm -rf .venv .tools node_modules .demo dist

$(SETUP): requirements-dev.txt pyproject.toml package-lock.json tools/setup.sh
	@sh tools/setup.sh
	@touch $@
