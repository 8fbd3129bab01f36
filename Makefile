# `make run` and `make test` do all set-up themselves; .ci/setup says what that is.

PORT ?= 8700
PYTHON ?=
JOBS ?=

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest $(if $(JOBS),-n $(JOBS) --dist loadfile)
JS_TESTS := $(wildcard client_js/test/*.test.js client_js/test/*/*.test.js)

# The link to a Node that .ci/setup may have put there must come before an older one of the machine's.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test check lint imports types pytest js fmt bench chaos clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1	/p' Makefile

run: .venv/.ready-$(if $(HOLDFAST_MODEL),llm,run)  ## Serve the demo: PORT=8700; LAN=1 for a phone in the same network
	@exec $(BIN)/holdfast dev docs/examples/support/agent.py:app --port $(PORT) $(if $(filter-out 0 no,$(LAN)),--lan)

# Everything is run, whatever fails before it: who waited for the end wants to know all of it.
test: .venv/.ready-test  ## Check, then run all tests, Python and JavaScript: JOBS=2 for two at a time
	@$(MAKE) --no-print-directory --keep-going lint imports types pytest js

check: .venv/.ready-test  ## Style, import contracts, types
	@$(MAKE) --no-print-directory --keep-going lint imports types

lint: .venv/.ready-test
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

imports: .venv/.ready-test
	@$(BIN)/lint-imports --no-cache --no-logo

types: .venv/.ready-test
	@$(BIN)/pyright

pytest: .venv/.ready-test
	@$(PYTEST)

js: .venv/.ready-test
	@cd client_js && ../$(BIN)/node node_modules/typescript/bin/tsc && ../$(BIN)/node size.js
	@if [ -n "$(JS_TESTS)" ]; then $(BIN)/node --test --test-reporter=spec $(JS_TESTS); fi

fmt: .venv/.ready-test  ## Put the code in its usual form
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format .

bench: .venv/.ready-test  ## Measure
	@for bench in tests/bench/bench_*.py; do echo; echo "$$bench"; PYTHONPATH=. $(BIN)/python $$bench || exit 1; done

chaos: .venv/.ready-test  ## The tests that take long
	@$(PYTEST) -m long --timeout=3600

clean:  ## Remove what checks, tests and builds left behind; keeps .venv and .data
	@rm -rf .pytest_cache .ruff_cache .import_linter_cache .hypothesis .mypy_cache test-results dist build
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

.venv/.ready-test: client_js/package.json tests/ecosystem/package.json
.venv/.ready-%: pyproject.toml .ci/setup
	@PYTHON='$(PYTHON)' .ci/setup $*
