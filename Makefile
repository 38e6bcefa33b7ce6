# Every target sets up by itself what it needs: a virtual environment in .venv with the dependencies of
# pyproject.toml, at the versions of tests/constraints.txt. PYTHON names the interpreter to begin with.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench verdicts format docs clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## The whole story on one machine (ARGS=--keep leaves it running)
	@$(BIN)/understudy demo $(ARGS)

test: $(READY) ## All tests (ARGS="-k name" for some)
	@$(BIN)/python -m pytest -q $(ARGS)

check: $(READY) ## Lint, format, types and architecture
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --check --output-format concise --quiet . || { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -q tests/test_architecture.py

bench: $(READY) ## Compare the speed of upstream, proxy and engine
	@$(BIN)/python -m tests.bench $(ARGS)

verdicts: $(READY) ## Beside writers no false alarm, and every planted fault found
	@$(BIN)/python -m tests.verdicts $(ARGS)

format: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .

docs: $(READY) ## Write docs/configuration.md and its JSON Schema anew
	@$(BIN)/python -m proxy.config.reference docs

clean: ## Remove caches and build output; the virtual environment stays
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find proxy tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml tests/constraints.txt | $(BIN)/python
	@echo "Installing the dependencies ..."
	@$(BIN)/python -m pip install --quiet --constraint tests/constraints.txt --editable '.[dev]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making a virtual environment in .venv ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
