# make serve | test | check | words | bench | soak | sbom | lock. Everything stays inside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A machine with an NVIDIA GPU serves with TensorFlow on it; any other with the CPU engine alone.
SERVE_LOCK := $(shell command -v nvidia-smi >/dev/null 2>&1 && echo serve-gpu || echo serve-cpu)

# Nothing outside the checkout: what packages would keep in the home folder stays in .venv.
export PIP_CACHE_DIR := $(CURDIR)/$(VENV)/cache/pip
export KERAS_HOME := $(CURDIR)/$(VENV)/cache/keras
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/cache/matplotlib

.PHONY: serve test check words bench soak sbom bench-baseline bench-compare model transfers transfers-alone folds networks lock clean

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

# Every sentence for readers into every catalog; a new one stands there without a translation until somebody writes it.
LOCALE := app/web/locale
words: $(VENV)/.dev
	$(BIN)/pybabel --quiet extract -o $(VENV)/covidct.pot
	for language in $(notdir $(wildcard $(LOCALE)/*)); do \
		$(BIN)/pybabel --quiet update -l $$language -i $(VENV)/covidct.pot \
			-o $(LOCALE)/$$language/LC_MESSAGES/covidct.po || exit 1; \
	done

# BENCH="--quick --only engines", say, measures less. The baseline is of the reference machine and of a whole run.
bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench $(BENCH)

# SOAK="--only load --minutes 5", say; all of it takes hours.
soak: $(VENV)/.dev
	$(BIN)/python -m tests.soak $(SOAK)

# What the service is made of, as CycloneDX in JSON, from the locks it is installed from.
sbom: $(VENV)/.dev
	for lock in serve-cpu serve-gpu; do \
		$(BIN)/cyclonedx-py requirements requirements/$$lock.txt --pyproject pyproject.toml --mc-type application \
			--short-PURLs --output-reproducible --of JSON -o $(VENV)/sbom-$$lock.cdx.json || exit 1; \
		echo $(VENV)/sbom-$$lock.cdx.json; \
	done

bench-baseline: bench
	$(BIN)/python -m tests.bench.compare keep

bench-compare: bench
	$(BIN)/python -m tests.bench.compare show

# The served model from labelled data, with every figure of its weights. What is there is not made again: a killed run goes on,
# and to begin anew is to remove WORK. Transfers, folds and networks share it, need no run of the model, and add their figures to
# the card of the released one. FROM=model_store/resnet50-3, say, keeps the weights of that model and decides anew on them.
DATA ?= ../shared/data
BACKBONE ?= $(DATA)/resnet50-imagenet-partial
WORK ?= work
NAME ?= resnet50-3
FROM ?=
TRAIN := $(BIN)/covidct-train
PREPARE = $(TRAIN) prepare $(DATA) --drop-leaks -o
FIT = $(TRAIN) fit --resume --cache $(WORK)/cache
SERVED = $(FIT) served --backbone-weights $(BACKBONE)
STAGE = $(WORK)/stage
RECIPE = $(WORK)/recipe
AMEND = $(TRAIN) amend model_store/$(NAME) $(RECIPE)
RUN = $(WORK)/run
EVALUATE = $(TRAIN) evaluate $(WORK) --model $(STAGE)/$(NAME) -o $(@D)
FIGURES = $(RUN)/precision.json $(RUN)/exam_rules.json $(RUN)/affected.json $(RUN)/refusals/foreign/metrics.json \
	$(patsubst %,$(RUN)/evaluations/%/metrics.json,validation-slices drenet-one-style drenet-patients medseg-masks) \
	$(patsubst %,$(RUN)/audits/%/audit.json,covid-ct soares P002 medseg-maps)
model: $(FIGURES)
	$(TRAIN) release $(RUN) --name $(NAME)

.SECONDARY:
$(WORK)/catalog.csv: | $(VENV)/.dev
	$(PREPARE) $(WORK)
$(RUN)/digests.json: $(WORK)/catalog.csv
	$(if $(FROM),$(FIT) served --weights-of $(FROM),$(SERVED)) -w $(WORK) -o $(RUN)
$(RUN)/precision.json: $(RUN)/digests.json
	$(TRAIN) precision $(RUN) -w $(WORK)
$(STAGE)/$(NAME)/manifest.json: $(RUN)/precision.json
	$(TRAIN) release $(RUN) --name $(NAME) --to $(STAGE)
$(RUN)/evaluations/validation-slices/metrics.json: $(STAGE)/$(NAME)/manifest.json
	$(EVALUATE) --where part=validation
$(RUN)/evaluations/drenet-one-style/metrics.json: $(STAGE)/$(NAME)/manifest.json
	$(EVALUATE) --where part=validation --where dataset=drenet --where flags=style=plain
$(RUN)/evaluations/drenet-patients/metrics.json: $(STAGE)/$(NAME)/manifest.json
	$(EVALUATE) --where part=validation --where dataset=drenet --by patient
$(RUN)/evaluations/medseg-masks/metrics.json: $(STAGE)/$(NAME)/manifest.json
	$(EVALUATE) --where dataset=medseg48
$(RUN)/audits/%/audit.json: $(STAGE)/$(NAME)/manifest.json
	$(TRAIN) audit $(WORK) --model $(STAGE)/$(NAME) -o $(@D) --where part=validation --where dataset=$* --sample 40
# What was taken as DICOM, whole, and forgets what it learned where people drew lesions.
$(WORK)/dicom/covid/P002:
	mkdir -p $(@D)
	ln -s $(abspath $(DATA))/exams/P002 $@
$(RUN)/audits/P002/audit.json: $(STAGE)/$(NAME)/manifest.json | $(WORK)/dicom/covid/P002
	$(TRAIN) audit $(WORK)/dicom --model $(STAGE)/$(NAME) -o $(@D) --only jpeg --only robustness
$(RUN)/audits/medseg-maps/audit.json: $(STAGE)/$(NAME)/manifest.json
	$(TRAIN) audit $(WORK) --model $(STAGE)/$(NAME) -o $(@D) --where dataset=medseg48 --only randomized
$(RUN)/exam_rules.json: $(STAGE)/$(NAME)/manifest.json
	$(TRAIN) exam-rules -w $(WORK) --model $(STAGE)/$(NAME) -o $(RUN)
$(RUN)/affected.json: $(STAGE)/$(NAME)/manifest.json
	$(TRAIN) affected -w $(WORK) --model $(STAGE)/$(NAME) -o $(RUN)
$(WORK)/foreign/manifest.csv: | $(VENV)/.dev
	$(BIN)/python -m tests.foreign.gather $(WORK)/foreign
$(RUN)/refusals/foreign/metrics.json: $(STAGE)/$(NAME)/manifest.json $(WORK)/foreign/manifest.csv
	$(TRAIN) evaluate $(WORK)/foreign --model $(STAGE)/$(NAME) -o $(@D)

# The served recipe trained without a data set, and measured on all of it.
transfers: $(patsubst %,$(RECIPE)/transfers/without-%/metrics.json,soares covid-ct drenet)
	$(AMEND)

$(WORK)/without-%/digests.json: $(WORK)/catalog.csv
	$(SERVED) -w $(WORK) -o $(@D) --without $*
$(RECIPE)/transfers/without-%/metrics.json: $(WORK)/without-%/digests.json
	$(TRAIN) release $(WORK)/without-$* --name without-$* --to $(STAGE)
	$(TRAIN) evaluate $(WORK) --model $(STAGE)/without-$* -o $(@D) --where dataset=$*

# The same with one alone of the data sets that have both classes, measured on another.
SETS := covid-ct soares drenet covidhelper
transfers-alone: $(patsubst %,$(RECIPE)/transfers/%-alone/metrics.json,covid-ct soares)
	$(AMEND)

$(WORK)/%-alone/digests.json: $(WORK)/catalog.csv
	$(SERVED) -w $(WORK) -o $(@D) $(patsubst %,--without %,$(filter-out $*,$(SETS)))
$(RECIPE)/transfers/%-alone/metrics.json: $(WORK)/%-alone/digests.json
	$(TRAIN) release $(WORK)/$*-alone --name $*-alone --to $(STAGE)
	$(TRAIN) evaluate $(WORK) --model $(STAGE)/$*-alone -o $(@D) --where dataset=$(filter-out $*,covid-ct soares)

# The served recipe judged on folds that nothing of a run saw, all folds together. Folds that are measured already lie in
# training/folds (python -m training.studies.kept_fold WORK/3-folds/1 training/folds/3/1); they go when the recipe changes.
FOLDS ?= 3
FOLD = $(or $(wildcard training/folds/$(FOLDS)/$(1)/metrics.json),$(WORK)/$(FOLDS)-folds/$(1)/metrics.json)
EACH_FOLD = $(foreach n,$(shell seq $(FOLDS)),$(call FOLD,$(n)))
folds: $(EACH_FOLD)
	$(TRAIN) pool $(patsubst %/metrics.json,%,$(EACH_FOLD)) -o $(RECIPE)/cross-validations/$(FOLDS)-folds
	$(AMEND)

$(WORK)/$(FOLDS)-fold-%/catalog.csv: | $(VENV)/.dev
	$(PREPARE) $(@D) --test-fold $*/$(FOLDS)
$(WORK)/$(FOLDS)-fold-%/run/digests.json: $(WORK)/$(FOLDS)-fold-%/catalog.csv
	$(SERVED) -w $(WORK)/$(FOLDS)-fold-$* -o $(@D)
$(WORK)/$(FOLDS)-folds/%/metrics.json: $(WORK)/$(FOLDS)-fold-%/run/digests.json
	$(TRAIN) release $(WORK)/$(FOLDS)-fold-$*/run --name $(FOLDS)-fold-$* --to $(STAGE)
	$(TRAIN) evaluate $(WORK)/$(FOLDS)-fold-$* --model $(STAGE)/$(FOLDS)-fold-$* -o $(@D) --where part=test

# The paper's table: its three networks from one start on one split, ResNet50 from ImageNet's weights, and the served recipe.
SIZE ?= 112
PAPERS = $(patsubst %,$(WORK)/networks/%,paper paper-vgg16 paper-googlenet paper-pretrained)
networks: $(addsuffix /digests.json,$(PAPERS)) $(WORK)/$(FOLDS)-fold-1/run/digests.json
	ln -sfn ../$(FOLDS)-fold-1/run $(WORK)/networks/served
	$(TRAIN) compare $(PAPERS) $(WORK)/networks/served -o $(RECIPE)
	$(AMEND)

$(WORK)/networks/paper-pretrained/digests.json: $(WORK)/$(FOLDS)-fold-1/catalog.csv
	$(FIT) paper -w $(WORK)/$(FOLDS)-fold-1 -o $(@D) --size $(SIZE) --backbone-weights $(BACKBONE)
$(WORK)/networks/%/digests.json: $(WORK)/$(FOLDS)-fold-1/catalog.csv
	$(FIT) $* -w $(WORK)/$(FOLDS)-fold-1 -o $(@D) --size $(SIZE)

# As pyproject.toml requires. A .venv without a pip that works, or of another Python, is made anew. So is one that holds the other
# TensorFlow: that of serving on a GPU and that of the tests lie in the same folder, and pip would leave the one that is there.
OTHER_dev := serve-gpu
OTHER_serve-gpu := dev
IS_FIT := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))'
$(VENV)/.%: requirements/%.txt pyproject.toml
	@{ ! test -e $(VENV)/.$(or $(OTHER_$*),none) && $(BIN)/python $(IS_FIT) && $(BIN)/python -m pip --version; } >/dev/null 2>&1 || \
		{ $(PYTHON) $(IS_FIT) 2>/dev/null || \
			{ echo "Python 3.11 or 3.12 is needed: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }; \
		$(PYTHON) -m venv --clear $(VENV); }
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
