# Two commands matter on a new machine: `make demo` and `make test`. They need Python 3.11 or newer and a package registry.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SHARED ?= ../shared

.PHONY: demo test search soak check format bench conformance chart licences audit release lock clean

demo: $(VENV)/.demo
	$(BIN)/koppelpunt demo $(if $(ONCE),--once)

test: $(VENV)/.dev $(VENV)/.tools check
	PATH="$(abspath $(VENV))/tools/bin:$$PATH" $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

# Properties of rules tried with new random examples each time; what it finds becomes an example that stays.
search: $(VENV)/.dev
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -n 2 -m 'hypothesis and not soak' --timeout=0 $(PYTEST_ARGS)

# Too long for every day: traffic of many tenants while everything goes wrong, and the admin API asked at random by its own
# document; each for so many minutes. make soak MINUTES=5 TENANTS=200 SEED=1
soak: $(VENV)/.dev
	MINUTES=$(or $(MINUTES),5) TENANTS=$(or $(TENANTS),200) SEED=$(SEED) \
	  $(BIN)/python -m pytest -m soak --timeout=0 -s tests/soak tests/openapi $(PYTEST_ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks $(BENCH)

conformance: $(VENV)/.dev
	$(BIN)/python -m tests.conformance $(or $(CASES),$(SHARED)/brp/cases) $(if $(ONLY),--only $(ONLY))

# After a setting was added: the chart's schema is made from the configuration classes.
chart: $(VENV)/.dev
	$(BIN)/python -m tests.deploy.schema

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.dev: $(VENV)/bin/python requirements-dev.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# What tests call that is no Python package: promtool, testssl.
$(VENV)/.tools: $(VENV)/bin/python tests/install-tools
	tests/install-tools $(VENV)/tools
	touch $@

# After a dependency was added or moved: docs/licences.md is made from what is installed.
licences: $(VENV)/.dev
	$(BIN)/python -m tests.supply.licences

# Known vulnerabilities of what is pinned; says so and goes on where their database cannot be reached. `make test` does it too.
audit: $(VENV)/.dev
	$(BIN)/python -m tests.supply.audit

# `make release VERSION=1.2.3`: checks that everything is clean and green, then tags. Pushes nothing.
release: $(VENV)/.dev
	$(BIN)/python -m tests.supply.release "$(VERSION)"

# The lock files are made from pyproject.toml alone; uv is needed only here.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra demo --custom-compile-command "make lock" -o requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --extra demo --extra dev --constraint requirements.lock --custom-compile-command "make lock" -o requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
