# Every target works from a clean clone on a machine that has Python >= 3.11, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
# What mypy reads beside the packages named in pyproject.toml; modules import their neighbours there.
# Tests call with wrong types on purpose.
SCRIPTS := benchmarks docs/images examples/chat_page examples/support_bot tests/typing

# Processes that execute tests; 0 is pytest itself, for its debugger.
PROCESSES ?= 4

# What `make bench-compare` compares with.
REV ?= HEAD~1
# The revision that the goals of docs/performance.md are compared with.
BEFORE ?= a7593bb

# Further arguments for the command behind a target: make test ARGS='-k flower'
ARGS ?=

# Tests start hundreds of interpreters; without bytecode each would compile all modules.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all monitoring clients browser chaos fuzz lint bench bench-compare \
	bench-page bench-watched requirements clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## Play three conversations on an embedded server and two workers
	$(BIN)/threadmill demo $(ARGS)

test: $(INSTALLED) ## Run all tests
	$(BIN)/python -m pytest -n $(PROCESSES) --dist=loadscope --no-loadscope-reorder $(ARGS)

test-all: ## Run all tests, also those that take long or need Prometheus; new seeds for fuzz and chaos
	$(MAKE) lint
	$(MAKE) test
	$(MAKE) monitoring
	$(MAKE) clients
	$(MAKE) browser
	$(MAKE) fuzz
	$(MAKE) chaos

monitoring: $(INSTALLED) ## Ask a real Prometheus for all that the dashboard and the alerts ask
	$(BIN)/python -m pytest tests/acceptance/test_monitoring.py --monitoring $(ARGS)

clients: $(INSTALLED) ## Play the Assistants API with seven versions of OpenAI's packages
	$(BIN)/python -m pytest tests/acceptance/gateway/test_clients.py tests/acceptance/gateway/test_repeating_clients.py --every-client $(ARGS)

browser: $(INSTALLED) ## Chat in the example's page with a real browser, Debian's Chromium
	$(BIN)/python -m pytest tests/acceptance/test_chat_page.py --browser $(ARGS)

chaos: $(INSTALLED) ## Kill, freeze and cut off workers and gateways at random for 5 minutes, and check all runs
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: $(INSTALLED) ## Read 10,000 odd streams, send 10,000 odd requests, refuse 4,000 threads, execute 2,000 runs
	FUZZ_EXAMPLES=5000 FUZZ_REQUESTS=10000 FUZZ_REFUSALS=2000 FUZZ_RUNS=500 $(BIN)/python -m pytest -n 2 \
		tests/unit/test_fuzzed_streams.py tests/acceptance/test_fuzzed_streams.py \
		tests/integration/execution/test_refused_histories.py \
		tests/acceptance/test_fuzzed_refusals.py \
		tests/acceptance/gateway/test_fuzzed_requests.py $(ARGS)

lint: $(INSTALLED) ## Check style, format, types and which package imports which
	$(BIN)/ruff check
	$(BIN)/ruff check --quiet --target-version py314 --select E9,F,PLE,W
	$(BIN)/ruff format --check
	$(BIN)/mypy --python-version 3.14 --no-warn-unreachable & newest=$$!; \
		$(BIN)/mypy --python-version 3.11 && wait $$newest
	set -e; for folder in $(SCRIPTS); do \
		MYPYPATH=$$folder $(BIN)/mypy --explicit-package-bases $$folder; \
	done
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports

bench: $(INSTALLED) ## Measure all that users feel, beside peers; ARGS=--quick: one small round
	$(BIN)/python benchmarks/bench.py $(ARGS)

bench-compare: $(INSTALLED) ## Measure this tree beside an earlier revision: REV=HEAD~1
	$(BIN)/python benchmarks/compare.py $(REV) $(ARGS)

bench-page: $(INSTALLED) ## Measure, and write the figures, tables and plots of the documents
	$(BIN)/python benchmarks/bench.py --json docs/performance/figures.json $(ARGS)
	$(BIN)/python benchmarks/compare.py $(BEFORE) --json docs/performance/compared.json \
		--only startup --only first_token --only tails --only memory
	$(BIN)/python benchmarks/report.py

bench-watched: $(INSTALLED) ## Measure what logs and metrics cost a worker
	$(BIN)/python benchmarks/watched.py $(ARGS)

requirements: $(INSTALLED) ## Pin what pyproject.toml asks for; ARGS=--upgrade renews the pins
	CUSTOM_COMPILE_COMMAND='make requirements' $(BIN)/pip-compile --quiet \
		--generate-hashes --allow-unsafe --strip-extras --no-emit-options \
		--build-deps-for wheel --build-deps-for editable --extra dev \
		--output-file requirements-dev.txt $(ARGS) pyproject.toml

clean: ## Remove what the other targets made, .venv included
	rm -rf $(VENV) build dist .threadmill .hypothesis .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "threadmill needs Python 3.11 or newer, and '$(PYTHON)' is not." \
			"Name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-compile --require-hashes --requirement requirements-dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@
