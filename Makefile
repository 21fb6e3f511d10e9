# make serve | test | check | bench | lock. Everything stays inside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A machine with an NVIDIA GPU serves with TensorFlow on it; any other with the CPU engine alone.
SERVE_LOCK := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo serve-gpu || echo serve-cpu)
EXAM ?=

.PHONY: serve test check bench lock clean

serve: $(VENV)/.$(SERVE_LOCK)
	$(BIN)/covidct serve

test: check
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

$(VENV)/.%: requirements/%.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/$*.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Locks hold names, versions and hashes; never an address.
COMPILE := uv pip compile pyproject.toml requirements/build.in --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate
lock:
	$(COMPILE) --extra cpu -o requirements/serve-cpu.txt
	$(COMPILE) --extra gpu -o requirements/serve-gpu.txt
	$(COMPILE) --extra cpu --extra train --extra tensorflow-cpu --extra dev -o requirements/dev.txt

clean:
	rm -rf $(VENV)
