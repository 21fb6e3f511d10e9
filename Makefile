# make serve | test | check | bench | lock. Everything stays inside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A machine with an NVIDIA GPU serves with TensorFlow on it; any other with the CPU engine alone.
SERVE_LOCK := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo serve-gpu || echo serve-cpu)

# Nothing outside the checkout: what packages would keep in the home folder stays in .venv.
export PIP_CACHE_DIR := $(CURDIR)/$(VENV)/cache/pip
export KERAS_HOME := $(CURDIR)/$(VENV)/cache/keras
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/cache/matplotlib

.PHONY: serve test check bench model lock clean

serve: $(VENV)/.$(SERVE_LOCK)
	$(BIN)/covidct serve

test: check
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

# The served model from labelled data, with every figure of its card. About two hours on two cores; goes on after a kill.
DATA ?= ../shared/data
BACKBONE ?= $(DATA)/resnet50-imagenet-partial
WORK ?= work
NAME ?= resnet50-1
TRAIN := $(BIN)/covidct-train
EVALUATE = $(TRAIN) evaluate $(WORK) --model $(WORK)/stage/$(NAME) -o $(WORK)/run/evaluations
model: $(VENV)/.dev
	$(TRAIN) prepare $(DATA) -o $(WORK) --drop-leaks
	$(TRAIN) fit served -w $(WORK) -o $(WORK)/run --resume --backbone-weights $(BACKBONE)
	$(TRAIN) release $(WORK)/run --name $(NAME) --to $(WORK)/stage --precision bf16
	$(EVALUATE)/validation-slices --where part=validation
	$(EVALUATE)/drenet-one-style --where part=validation --where dataset=drenet --where flags=style=plain
	$(EVALUATE)/drenet-patients --where part=validation --where dataset=drenet --by patient
	$(EVALUATE)/medseg-masks --where dataset=medseg48
	test -f $(WORK)/foreign/manifest.csv || $(BIN)/python -m tests.foreign.gather $(WORK)/foreign
	$(TRAIN) evaluate $(WORK)/foreign --model $(WORK)/stage/$(NAME) -o $(WORK)/run/refusals/foreign
	for set in covid-ct drenet soares; do \
		$(TRAIN) fit served -w $(WORK) -o $(WORK)/without-$$set --resume --backbone-weights $(BACKBONE) --without $$set && \
		$(TRAIN) release $(WORK)/without-$$set --name without-$$set --to $(WORK)/stage --precision bf16 && \
		$(TRAIN) evaluate $(WORK) --model $(WORK)/stage/without-$$set -o $(WORK)/run/transfers/without-$$set \
			--where dataset=$$set || exit 1; \
	done
	$(TRAIN) release $(WORK)/run --name $(NAME) --precision bf16

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
