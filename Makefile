# Everyday recipes. `make demo` and `make test` need only Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_CONSTRAINT
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types fuzz soak bench check conformance wheel bundle clean

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
	$(BIN)/python -m pytest -q -n auto --cov --cov-report=
	@$(BIN)/python -m coverage report

lint: $(VENV)/.dev-installed ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-installed ## mypy, strict
	$(BIN)/mypy

fuzz: $(VENV)/.dev-installed ## other mutations of the API's answers each time, for about FUZZ_SECONDS (60)
	@end=$$(( $$(date +%s) + $${FUZZ_SECONDS:-60} )); while [ $$(date +%s) -lt $$end ]; do \
	  FUZZ_EXAMPLES=100 $(BIN)/python -m pytest -q -p no:randomly tests/test_fuzz.py || exit 1; done

soak: $(VENV)/.dev-installed ## 10,000 calls under faults; the report goes into docs/reliability.md (5 minutes)
	@$(BIN)/python -m benchmarks.soak --write

bench: $(VENV)/.dev-installed ## how well the rate window does; the tables go into docs/reliability.md (1 minute)
	@$(BIN)/python -m benchmarks.pacing --write

check: test lint types ## what main always passes

conformance: $(VENV)/.installed ## the official suite, the Inspector and the bundler; needs npm
	@$(BIN)/python -m scripts.conformance

wheel: $(VENV)/.installed ## build the wheel, install it into a new environment elsewhere, and run its demo
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir "$$folder" . && \
	  $(PYTHON) -m venv "$$folder/venv" && \
	  "$$folder/venv/bin/python" -m pip install --quiet "$$folder"/*.whl && \
	  cd "$$folder" && venv/bin/wallet-mcp demo > demo.txt && tail -n 1 demo.txt

bundle: $(VENV)/.installed ## pack dist/wallet-mcp-VERSION.mcpb for Claude Desktop; needs npm
	@$(BIN)/python -m scripts.bundle

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
