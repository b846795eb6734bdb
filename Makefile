# Everything a developer or a CI machine does, each by one word. `make help` lists it.

SHELL := /bin/bash
BIN := .venv/bin
# Many tests wait for others: four processes keep two cores busy. A file's tests stay in one; the long files, of few
# tests, come before the many short ones. `make test PYTEST="-x tests/unit"` chooses.
PYTEST ?= -n 4 --dist loadfile --no-loadscope-reorder
ARGS ?=
# Tests start hundreds of processes: none should compile again what another has compiled.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup tools demo test check bench soak ui clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing: system packages, .venv, the project in it
	@deploy/setup

tools: ## what setup installs, and the programs that only tests use
	@deploy/setup tests

demo: setup ## a whole site on this machine, with simulated devices; ARGS="--for 30s" ends it
	$(BIN)/ovr demo $(ARGS)

test: tools ## all tests but the long ones
	$(BIN)/python -m pytest -m "not soak" $(PYTEST)

check: tools ## format, lint, types, tests: what CI asks for
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python deploy/audit
	$(BIN)/python -m pytest -m "not soak" $(PYTEST)

bench: setup ## measure the budgets
	$(BIN)/python -m bench $(ARGS)

soak: tools ## the long tests: faults in random order, and properties with many examples
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -m soak --timeout=0 $(ARGS)

ui: tools ## build the field UI anew into web/static, which is committed
	PATH="$(CURDIR)/.venv/bin:$$PATH" web/ui/build

clean: ## remove what can be made again: .venv, caches, builds; never recorded data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
