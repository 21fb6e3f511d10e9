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

.PHONY: serve test check bench model folds networks lock clean

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

# The served model from labelled data, with every figure of its card; goes on after a kill.
DATA ?= ../shared/data
BACKBONE ?= $(DATA)/resnet50-imagenet-partial
WORK ?= work
NAME ?= resnet50-2
TRAIN := $(BIN)/covidct-train
FIT = $(TRAIN) fit served --resume --backbone-weights $(BACKBONE) --cache $(WORK)/cache
STAGED = --model $(WORK)/stage/$(NAME)
EVALUATE = $(TRAIN) evaluate $(WORK) $(STAGED) -o $(WORK)/run/evaluations
AUDIT = $(TRAIN) audit $(WORK) $(STAGED) -o $(WORK)/run/audits
model: $(VENV)/.dev
	$(TRAIN) prepare $(DATA) -o $(WORK) --drop-leaks
	$(FIT) -w $(WORK) -o $(WORK)/run
	$(TRAIN) precision $(WORK)/run -w $(WORK)
	$(TRAIN) release $(WORK)/run --name $(NAME) --to $(WORK)/stage
	$(EVALUATE)/validation-slices --where part=validation
	$(EVALUATE)/drenet-one-style --where part=validation --where dataset=drenet --where flags=style=plain
	$(EVALUATE)/drenet-patients --where part=validation --where dataset=drenet --by patient
	$(EVALUATE)/medseg-masks --where dataset=medseg48
	for set in covid-ct soares; do $(AUDIT)/$$set --where part=validation --where dataset=$$set --sample 40 || exit 1; done
	$(TRAIN) exam-rules -w $(WORK) $(STAGED) -o $(WORK)/run
	$(TRAIN) affected -w $(WORK) $(STAGED) -o $(WORK)/run
	test -f $(WORK)/foreign/manifest.csv || $(BIN)/python -m tests.foreign.gather $(WORK)/foreign
	$(TRAIN) evaluate $(WORK)/foreign $(STAGED) -o $(WORK)/run/refusals/foreign
	for set in covid-ct drenet soares; do \
		$(FIT) -w $(WORK) -o $(WORK)/without-$$set --without $$set && \
		$(TRAIN) release $(WORK)/without-$$set --name without-$$set --to $(WORK)/stage && \
		$(TRAIN) evaluate $(WORK) --model $(WORK)/stage/without-$$set -o $(WORK)/run/transfers/without-$$set \
			--where dataset=$$set || exit 1; \
	done
	$(TRAIN) release $(WORK)/run --name $(NAME)

# The served recipe judged on folds that nothing of a run saw, all folds together.
FOLDS ?= 3
folds: $(VENV)/.dev
	for fold in $$(seq $(FOLDS)); do \
		$(TRAIN) prepare $(DATA) -o $(WORK)/fold-$$fold --drop-leaks --test-fold $$fold/$(FOLDS) && \
		$(FIT) -w $(WORK)/fold-$$fold -o $(WORK)/fold-$$fold/run && \
		$(TRAIN) release $(WORK)/fold-$$fold/run --name fold-$$fold --to $(WORK)/stage && \
		$(TRAIN) evaluate $(WORK)/fold-$$fold --model $(WORK)/stage/fold-$$fold -o $(WORK)/folds/$$fold --where part=test || exit 1; \
	done
	$(TRAIN) pool $(WORK)/folds/* -o $(WORK)/pooled

# The paper's table: its three networks from one start on one split, ResNet50 from ImageNet's weights, and the served recipe.
SIZE ?= 112
networks: $(VENV)/.dev
	$(TRAIN) prepare $(DATA) -o $(WORK)/fold-1 --drop-leaks --test-fold 1/$(FOLDS)
	for recipe in paper paper-vgg16 paper-googlenet; do \
		$(TRAIN) fit $$recipe -w $(WORK)/fold-1 -o $(WORK)/networks/$$recipe --resume --size $(SIZE) --cache $(WORK)/cache || exit 1; \
	done
	$(TRAIN) fit paper -w $(WORK)/fold-1 -o $(WORK)/networks/paper-pretrained --resume --size $(SIZE) --cache $(WORK)/cache \
		--backbone-weights $(BACKBONE)
	$(FIT) -w $(WORK)/fold-1 -o $(WORK)/fold-1/run
	$(TRAIN) compare $(WORK)/networks/* $(WORK)/fold-1/run -o $(WORK)/table

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
