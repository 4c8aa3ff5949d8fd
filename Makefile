# The one door to the project. `make help` lists what is behind it.

PORT ?= 8000
PY := .venv/bin/python
MANAGE := $(PY) manage.py
# `make run` is for development; production sets its own environment and calls `manage.py serve` (docs/operations.md).
development := DEBUG=1

.DEFAULT_GOAL := help
.PHONY: help run run-production demo test bench check format lint types coverage schema lock clean base dev

help: ## list the doors
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: base ## serve at http://127.0.0.1:8000 (PORT= changes it) with an embedded database and demo users
	@$(development) $(MANAGE) migrate --verbosity 0
	@$(development) $(MANAGE) create_demo_users
	@$(development) exec $(MANAGE) serve --host 127.0.0.1 --port $(PORT)

run-production: dev ## serve the production shape: PostgreSQL and Redis of its own, two workers, all under var/production
	@exec $(PY) -m scripts.run_production --port $(PORT)

demo: base ## play a lifelike feed to the demo users of the running hub until stopped
	@$(development) exec $(MANAGE) demo

test: dev ## run everything: linters, types and the whole test-suite on SQLite and on PostgreSQL with Redis
	@scripts/chromium
	@scripts/nginx
	@$(PY) scripts/check.py --everything

bench: dev ## measure speed and memory against a bare asyncio server (ARGS= "--help" says what it takes)
	@$(PY) -m benchmarks $(ARGS)

check: dev ## run the linters, types, system checks and the embedded tests: what to do before a commit
	@$(PY) scripts/check.py

format: dev ## format the code
	@$(PY) -m ruff check --fix --quiet --exit-zero
	@$(PY) -m ruff format

lint: dev ## run the linters: ruff, djlint, import-linter
	@$(PY) scripts/check.py --only lint

types: dev ## run mypy
	@$(PY) scripts/check.py --only types

coverage: dev ## measure the tests' branch coverage, embedded, and write htmlcov/
	@rm -f .coverage .coverage.*
	@$(PY) -m coverage run -m pytest -q -n 2
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage html --quiet
	@$(PY) -m coverage report

schema: dev ## write the OpenAPI description anew, after a change of what the API takes or answers
	@$(PY) -m scripts.write_schema

lock: base ## pin the newest allowed versions of requirements/*.in
	@for name in tools base dev; do \
	    .tools/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --custom-compile-command 'make lock' requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

clean: ## remove everything that was made here, the embedded database included
	rm -rf .venv .tools .environment.lock var staticfiles htmlcov test-results .coverage .coverage.* \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

base:
	@scripts/environment base

dev:
	@scripts/environment dev
