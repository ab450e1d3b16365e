# make demo   set up and run the daily digest on this repository (no key, no server)
# make test   lint, types and every test
# make check  lint, layers and types only
# make bench  the benchmarks, one table each
# make test-extras  the test of the task runners with Ray too, which is too large for every day
# make axe    axe-core into node_modules, for the test of accessibility (needs npm)
# make screenshots  every page of the report server as pictures, in docs/screenshots (needs Chromium)
# make test-guests  the examples of other libraries' agents, in an environment of their own
# make audit  known vulnerabilities of the locked packages, where a source of advisories can be reached

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
VENV_PYTHON ?= python3
SOURCE ?= .
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
# Text is UTF-8 whatever the machine's locale is.
export PYTHONUTF8 := 1
# Tests and commands start many processes: without its cache each of them compiles every library again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-extras check bench audit axe screenshots lock clean test-guests

demo: $(VENV)/ready
	@$(BIN)/farebox demo --source "$(SOURCE)"

test: check
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-extras: $(VENV)/dev-ready
	@grep -oE '^[a-z0-9._-]+==[^ ;]+' requirements-dev.lock > $(VENV)/pins
	$(BIN)/pip install --quiet --constraint $(VENV)/pins "prefect-ray>=0.6"
	$(BIN)/python -m pytest tests/runs/test_task_runners.py

# These libraries pin each other's versions, and older ones of OpenAI's SDK.
GUESTS := .venv-guests
test-guests: $(GUESTS)/ready
	$(GUESTS)/bin/python -m pytest tests/examples

$(GUESTS)/ready: requirements.lock pyproject.toml
	$(VENV_PYTHON) -m venv $(GUESTS)
	grep -oE '^[a-z0-9._-]+==[^ ;]+' requirements.lock > $(GUESTS)/pins
	uv pip install --quiet --python $(GUESTS)/bin/python --constraint $(GUESTS)/pins --editable . \
	  pytest pytest-asyncio pytest-timeout pytest-xdist hypothesis psutil langchain-openai \
	  "llama-index-llms-openai-like>=0.5" instructor openai-agents
	@touch $@

check: $(VENV)/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/dev-ready
	$(BIN)/python -m benchmarks

axe:
	npm install --no-save --no-package-lock --ignore-scripts axe-core@4.10.3

screenshots: $(VENV)/dev-ready
	$(BIN)/python -m benchmarks.screenshots

audit: $(VENV)/ready
	@$(BIN)/python .ci/audit.py

$(VENV)/made:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $$python -m venv $(VENV) && touch $@ && exit 0; \
	    echo "error: $$python cannot make a virtual environment." >&2; \
	    echo "  next: install its venv module (on Debian: python3-venv) and run make again." >&2; exit 1; \
	  fi; \
	done; \
	echo "error: Farebox needs Python 3.11 or newer, and none is on the PATH." >&2; \
	echo "  next: install it and run make again." >&2; exit 1

$(VENV)/ready: $(VENV)/made requirements.lock pyproject.toml
	@echo "Setting up Farebox in $(VENV) (once; about a minute)…"
	@$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev-ready: $(VENV)/ready requirements-dev.lock
	@$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# Exact versions and hashes, no index lines; needs uv.
lock:
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --quiet -o requirements.lock
	uv pip compile pyproject.toml --group dev --constraint requirements.lock --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet -o requirements-dev.lock
	uv pip compile --group audit --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --quiet -o requirements-audit.lock

clean:
	rm -rf $(VENV) $(GUESTS) .farebox .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build
