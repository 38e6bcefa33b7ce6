# Every target sets up by itself what it needs: a virtual environment in .venv with the dependencies of
# pyproject.toml, of which requirements/ has the versions and hashes. PYTHON names the interpreter to begin with.

# The system's own is taken where it will do: distributions build theirs optimized by profiles. One that is built
# without has the engine need a tenth more processor time, and the tests up to a quarter.
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell /usr/bin/python3 -c '$(SUITABLE)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
ARGS ?=
BIN := .venv/bin
READY := .venv/.ready
LOCKED := $(BIN)/python -m pip install --quiet --no-deps --require-hashes

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# Prometheus and promtool come from the system; root on a Debian gets them, everyone else is told.
define PROMETHEUS
command -v prometheus >/dev/null && command -v promtool >/dev/null || { \
  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
    echo "prometheus and promtool are needed: Debian's package prometheus has both." >&2; exit 1; }; \
  echo "Installing Prometheus ..."; \
  { apt-get update && apt-get install --yes --no-install-recommends prometheus; } >/dev/null 2>&1 || { \
    echo "apt-get could not install the package prometheus." >&2; exit 1; }; }
endef

# PgBouncer, in the same way.
define PGBOUNCER
command -v pgbouncer /usr/sbin/pgbouncer >/dev/null || { \
  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
    echo "pgbouncer is needed: Debian's package pgbouncer has it." >&2; exit 1; }; \
  echo "Installing PgBouncer ..."; \
  { apt-get update && apt-get install --yes --no-install-recommends pgbouncer; } >/dev/null 2>&1 || { \
    echo "apt-get could not install the package pgbouncer." >&2; exit 1; }; }
endef

# A browser, in the same way.
define CHROMIUM
command -v chromium >/dev/null || { \
  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
    echo "chromium is needed: Debian has it in the package of that name." >&2; exit 1; }; \
  echo "Installing Chromium ..."; \
  { apt-get update && apt-get install --yes --no-install-recommends chromium; } >/dev/null 2>&1 || { \
    echo "apt-get could not install the package chromium." >&2; exit 1; }; }
endef

.DEFAULT_GOAL := help
.PHONY: help demo test check bench bench-full chaos isolation soak fuzz verdicts readiness cutover dashboards pgbouncer
.PHONY: manifests format docs lock audit sbom clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## The whole story on one machine (ARGS=--keep leaves it running)
	@$(BIN)/understudy demo $(ARGS)

# Two processes, each with a database server of its own; on a server that is given they would share its roles.
test: $(READY) ## All tests (ARGS="-k name" for some)
	@$(BIN)/python -m pytest -q $(if $(TEST_DATABASE_URL),,--numprocesses 2 --dist loadfile) $(ARGS)

check: $(READY) ## Lint, format, types and architecture
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --check --output-format concise --quiet . || { echo "Run 'make format'." >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -q tests/test_architecture.py

bench: $(READY) ## Compare the speed of upstream, proxy and engine
	@$(BIN)/python -m tests.bench $(ARGS)

bench-full: $(READY) ## The same in full, with all goals; writes docs/benchmark.json and .svg
	@$(BIN)/python -m tests.bench --full --json docs/benchmark.json --chart docs/benchmark.svg $(ARGS)

verdicts: $(READY) ## Beside writers no false alarm, and every planted fault found
	@$(BIN)/python -m tests.verdicts $(ARGS)

readiness: $(READY) ## Simulate how often the statistics of readiness err
	@$(BIN)/python -m tests.readiness $(ARGS)

cutover: $(READY) ## Switch a table under live traffic, then let the engine fail in every way
	@$(BIN)/python -m tests.cutover $(ARGS)

chaos: $(READY) ## Break everything in every way and look what clients see and what is counted
	@$(BIN)/python -m tests.chaos $(ARGS)

isolation: $(READY) ## Whether clients notice what the engine does behind them
	@$(BIN)/python -m tests.isolation $(ARGS)

soak: $(READY) ## Mixed traffic while everything changes (ARGS="--requests 1000000 --minutes 30")
	@$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(READY) ## Inputs by the million for all that is parsed (ARGS="--inputs 2000000 --minutes 60")
	@$(BIN)/python -m tests.fuzz $(ARGS)

dashboards: $(READY) ## Prove dashboards and alerts with a real Prometheus that watches a live proxy
	@$(PROMETHEUS)
	@$(BIN)/python -m pytest -q tests/dashboards
	@$(BIN)/python -m tests.dashboards

pgbouncer: ## Install PgBouncer, without which the tests behind it are skipped
	@$(PGBOUNCER)

.PHONY: chromium screenshots
chromium: $(READY) ## Install Chromium, without which the tests of the console in a browser are skipped
	@$(CHROMIUM)
	@$(LOCKED) --requirement requirements/browser.txt

screenshots: chromium ## Every page of the console as a picture, light and dark (ARGS="--out DIR")
	@$(BIN)/python -m tests.web $(ARGS)

manifests: $(READY) ## Validate chart, compose file and Dockerfile
	@$(LOCKED) --requirement requirements/deploy.txt
	@$(BIN)/python -m pytest -q tests/deploy

format: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .

docs: $(READY) ## Write what is made from the code: reference pages, JSON Schema and dashboards
	@$(BIN)/python -m proxy.config.reference docs
	@$(BIN)/python -m proxy.commands docs
	@$(BIN)/python -m dashboards.generate
	@$(BIN)/python -m tests.chaos --document docs/chaos.md

lock: $(READY) ## Write requirements/ anew, from pyproject.toml and the versions of tests/constraints.txt
	@$(LOCKED) --requirement requirements/tools.txt
	@for set in runtime dev:dev deploy:deploy browser:browser tools:supply; do \
	  $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --constraint tests/constraints.txt --custom-compile-command 'make lock' \
	    $$([ $$set = runtime ] || echo --extra $${set#*:}) --output-file requirements/$${set%:*}.txt || exit 1; \
	done
	@$(BIN)/python -m tests.supply.licences docs/licences.md

audit: $(READY) ## Ask the advisory database about everything the runtime is made of
	@$(LOCKED) --requirement requirements/tools.txt
	@$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements/runtime.txt

sbom: $(READY) ## Write build/sbom.cdx.json, the bill of materials (CycloneDX) of the runtime
	@$(LOCKED) --requirement requirements/tools.txt
	@mkdir -p build
	@$(BIN)/cyclonedx-py requirements requirements/runtime.txt --pyproject pyproject.toml --output-reproducible \
	  --of JSON --output-file build/sbom.cdx.json
	@echo "build/sbom.cdx.json"

clean: ## Remove caches and build output; the virtual environment stays
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find dashboards deploy proxy tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements/dev.txt | $(BIN)/python
	@echo "Installing the dependencies ..."
	@$(LOCKED) --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
# pip compiles what it installs, and leaves this tree as it is: every process would do it anew at its start, where
# PYTHONDONTWRITEBYTECODE is set.
	@$(BIN)/python -m compileall -q proxy
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c '$(SUITABLE)' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, with venv and ensurepip (Debian's package python3-venv);" >&2; \
	  echo "'$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making a virtual environment in .venv ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
