# The project's commands. All of them work in .venv, which is made from the system's interpreter where that is new
# enough: as root a sandbox runs as another user, who could not execute an interpreter beneath a private home.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell /usr/bin/python3 -c '$(NEW_ENOUGH)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
# Arguments for pytest: make test ARGS="-k landlock -x"
ARGS ?=
# Test processes at once; each test file stays in one of them.
JOBS ?= 2
# What resolves the locks: its version only matters to `make lock`.
UV := uv==0.13.9
# What generates gateway/proto. The version that made the SDK's messages: ours then need no newer libraries than those.
PROTOC := grpcio-tools==1.78.0

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
SOURCES := $(shell find src -name '*.py')

help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.compiled ## Set up, run an agent and a CUDA-shaped program in sandboxes, and show what each might do
	@VENV=$(VENV) examples/demo.sh

test: $(VENV)/.compiled $(VENV)/.test ## Run the tests; as root and as a user they show different things
	@echo "· tests"
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

# Tests that end launches at random instants: make torture SEED=7 for other instants than the usual ones
SEED ?= 6

TORTURE := tests/confined/torture tests/confined/gateway/test_faults.py tests/confined/gateway/test_faults_clients.py
TORTURE += tests/confined/gateway/test_engine.py tests/confined/gateway/test_hostile_inside.py
torture: $(VENV)/.compiled $(VENV)/.test ## Run the torture in full: a thousand launches at once, thousands of kills at random instants
	@OPENSHELL_TORTURE=full OPENSHELL_TORTURE_SEED=$(SEED) $(BIN)/python -m pytest -q $(TORTURE) $(ARGS)

CHECKS := style types users-types imports dependencies unused
check: $(CHECKS:%=check-%) ## Run the static checks: style, types, import order, dependencies, dead code
	@echo "all checks passed"

check-style: $(VENV)/.check
	@echo "· style"
	@$(BIN)/ruff check --quiet && $(BIN)/ruff format --check --quiet

check-types: $(VENV)/.check
	@echo "· types"
	@$(BIN)/mypy --no-error-summary

# Pyright's wheel brings the checker, another one Node; without this variable it would ask the network for a newer one.
check-users-types: $(VENV)/.check | build
	@echo "· types, as users of the library see them"
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python --warnings >build/pyright.log || \
	    { cat build/pyright.log; exit 1; }

check-imports: $(VENV)/.check | build
	@echo "· import order"
	@PYTHONPATH=src $(BIN)/lint-imports --no-logo >build/imports.log || { cat build/imports.log; exit 1; }

check-dependencies: $(VENV)/.check | build
	@echo "· dependencies"
	@$(BIN)/deptry src >build/deptry.log 2>&1 || { cat build/deptry.log; exit 1; }

check-unused: $(VENV)/.check
	@echo "· dead code"
	@$(BIN)/vulture

bench: $(VENV)/.compiled build ## Measure start, file operations and memory side by side with the bare program
	@$(BIN)/python -m bench

# Arguments for the tests on other kernels: make test-kernels KERNELS="--only 6.1 --tests all"
KERNELS ?=

test-kernels: $(VENV)/.compiled ## Boot other kernels, Landlock ABI 0 to 11, and run the tests there that depend on them
	@$(BIN)/python -m tests.kernels $(KERNELS)

support: $(VENV)/.compiled ## Measure containers and all kernels, and write docs/support.md; takes podman or Docker, and 20 minutes
	@$(BIN)/python -m tests.places
	@$(BIN)/python -m tests.kernels --write $(KERNELS)

evidence: $(VENV)/.compiled build ## See which procfs files can be opened for writing, and write docs/evidence/procfs.md
	@$(BIN)/python -m evidence

test-clients: $(VENV)/.compiled $(VENV)/.test build/uv/bin/uv ## Run clients that others wrote, as the registry has them, against a gateway
	@$(BIN)/python -m tests.conformance.clients $(ARGS)

test-gpu: $(VENV)/.compiled $(VENV)/.test ## Run the tests that take a GPU; without one, say so
	@$(BIN)/python -m tests.gpu $(ARGS)

evidence-gpu: $(VENV)/.compiled ## Record what starting CUDA asks of the kernel, and write docs/evidence/gpu.md
	@$(BIN)/python -m evidence.gpu

lock: build/uv/bin/uv ## Resolve the dependencies again and write requirements/*.txt
	@for set in "run pyproject.toml --extra gateway" "build --group build" "test pyproject.toml --extra test -c requirements/run.txt" \
	    "check pyproject.toml --extra test --extra check -c requirements/test.txt"; do \
	    read -r name sources <<<"$$set"; echo "· requirements/$$name.txt"; \
	    build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	        --no-emit-index-url --custom-compile-command "make lock" -o requirements/$$name.txt $$sources; \
	done
	@$(PYTHON) -m tests.conformance.clients --lock

proto: build ## Generate the modules beside src/pyopenshell/gateway/proto/*.proto again
	@test -x build/protoc/bin/python || $(PYTHON) -m venv build/protoc
	@build/protoc/bin/python -m pip --quiet --disable-pip-version-check install $(PROTOC)
	@build/protoc/bin/python -m grpc_tools.protoc -Isrc --python_out=src --pyi_out=src --grpc_python_out=src \
	    src/pyopenshell/gateway/proto/*.proto

clean: ## Remove everything that was made here
	@rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find src tests bench evidence examples -name __pycache__ -type d -prune -exec rm -rf {} +

build:
	@mkdir -p build

build/uv/bin/uv: | build
	@$(PYTHON) -m venv build/uv && build/uv/bin/python -m pip --quiet install $(UV)

# The environment. Each stamp stands for one step, so that a repeated call does nothing.

$(VENV)/.made:
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is older than 3.11. Name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "· environment: $(VENV), from $$($(PYTHON) -c 'import sys; print(sys.executable, sys.version.split()[0])')"
	@rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/.run: $(VENV)/.made requirements/run.txt requirements/build.txt
	@echo "· dependencies"
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt && touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt
	@echo "· dependencies of the tests"
	@$(PIP) install --require-hashes -r requirements/test.txt && touch $@

$(VENV)/.check: $(VENV)/.test $(VENV)/.installed requirements/check.txt | build
	@echo "· dependencies of the checks"
	@$(PIP) install --require-hashes -r requirements/check.txt && touch $@

# The checkout itself is installed, so that nothing here is ever stale; tests/unit/test_packaging.py makes the wheel.
# Modules are compiled as pip would: a start must not do it, and as another user it could not keep the result.
$(VENV)/.installed: $(VENV)/.run pyproject.toml bin/openshell $(wildcard README.md)
	@echo "· pyopenshell"
	@$(PIP) install --no-deps --no-build-isolation --editable . && touch $@

$(VENV)/.compiled: $(VENV)/.installed $(SOURCES)
	@$(BIN)/python -m compileall -q src && touch $@

.PHONY: help demo test torture test-kernels test-clients check $(CHECKS:%=check-%) bench support evidence test-gpu evidence-gpu lock proto clean
