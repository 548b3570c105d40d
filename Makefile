# Two commands are all a newcomer needs: `make demo` and `make test`. Both set everything up first,
# in this folder only (.venv, .tools, node_modules).

PYTHON := .venv/bin/python
SETUP := .venv/.set-up

.PHONY: help setup hooks demo test test-fast nightly check infra bench docs package package-whole format requirements clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(SETUP) ## Make the environment: Python packages and Azurite

hooks: $(SETUP) ## Check every commit of this clone before it is made (.pre-commit-config.yaml)
	@.venv/bin/pre-commit install

demo: $(SETUP) ## Carry a broadcast of 10,000 recipients there and its responses back
	@.venv/bin/bridge demo

test: $(SETUP) ## Run the tests: all of them, but those that only the night has time for
	@$(PYTHON) -m pytest

test-fast: $(SETUP) ## Run the unit and policy tests only, within two to three minutes
	@$(PYTHON) -m pytest tests/unit tests/policy -m "not slow"

nightly: $(SETUP) ## Run the tests that take too long for `make test`
	@$(PYTHON) -m pytest --nightly

check: $(SETUP) ## Run the linters and type checks
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/codespell
	@$(PYTHON) tools/whitespace.py
	@.venv/bin/azure-functions-doctor doctor --path . --profile deploy

infra: ## Look through the Bicep files with checkov; build them where the Bicep CLI is
	@sh tools/checkov.sh

bench: $(SETUP) ## Measure how fast rows are, as ratios in one run
	@$(PYTHON) bench/rows.py
	@$(PYTHON) bench/bulk.py

docs: $(SETUP) ## Write the pages of docs/reference that are made from the code
	@$(PYTHON) -m tools.docs

package: $(SETUP) ## Build the deployment package of what is committed: dist/broadcast-bridge.zip
	@$(PYTHON) -m tools.package

package-whole: $(SETUP) ## Build it with its dependencies in it: dist/broadcast-bridge-whole.zip
	@$(PYTHON) -m tools.package --with-dependencies

format: $(SETUP) ## Format the code
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .
	@$(PYTHON) tools/whitespace.py --fix

requirements: ## Compile requirements*.txt anew from pyproject.toml
	@sh tools/requirements.sh

clean: ## Remove what `setup` and `demo` made
	rm -rf .venv .tools node_modules .demo dist

$(SETUP): requirements-dev.txt pyproject.toml package-lock.json tools/setup.sh
	@sh tools/setup.sh
	@touch $@
