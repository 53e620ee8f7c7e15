# Everyday recipes. `make demo` and `make test` need only Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_CONSTRAINT
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types check clean

help: ## list the recipes
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "wallet-mcp needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## set up and show what the product answers, on sandbox data
	@$(BIN)/wallet-mcp demo

test: $(VENV)/.dev-installed ## set up and run the whole test suite
	@rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -q --cov --cov-report=
	@$(BIN)/python -m coverage report | tail -n 40

lint: $(VENV)/.dev-installed ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-installed ## mypy, strict
	$(BIN)/mypy

check: test lint types ## what main always passes

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
