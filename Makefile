# Every target sets up what it needs, once: stamp files under .venv and web/node_modules say what is done.

VENV := .venv
BIN := $(VENV)/bin
APP := src/unembed/server/static/index.html
NODE_NEEDED := 20.19

# The first Python that is new enough; set PYTHON to choose another.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,\
  $(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
# Processes that share the tests; each loads models of its own.
WORKERS ?= 4
# The tests use the browser that is here, or bring one; set CHROMIUM to name another.
CHROMIUM_PATH = "$$($(BIN)/python tests/chromium.py)"

PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
SAY := @printf '\033[1m%s\033[0m\n'
WEB_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) \
  $(wildcard web/index.html web/vite.config.ts web/vite.draw.config.ts web/tsconfig.json)

# Compiled Python is kept, whatever the surroundings say: tests and demo start processes again and again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test quick published families kills clouds check bench bench-peers bench-trainers format web wheel api constraints clean distclean node-is-there browser-is-there

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo $(APP) ## open the app on the demo model; ARGS="--port 9000" passes options
	$(BIN)/unembed demo $(ARGS)

test: $(VENV)/.dev $(APP) browser-is-there ## run every test, browser tests included
	$(SAY) 'Tests of the app'
	npm --prefix web test
	$(SAY) 'Tests of the package'
	OMP_NUM_THREADS=1 CHROMIUM=$(CHROMIUM_PATH) $(BIN)/python -m pytest \
	  -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

quick: $(VENV)/.dev ## lint, and the tests that a change breaks most often: a minute or so; says what it leaves out
	@$(BIN)/ruff check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quick -n 2 --dist worksteal $(ARGS)

published: $(VENV)/.dev ## compare with published figures: GPT2=/path GPT2_MEDIUM=/path GPT2_XL=/path BERT_CASED=/path ROBERTA=/path
	GPT2='$(GPT2)' GPT2_MEDIUM='$(GPT2_MEDIUM)' GPT2_XL='$(GPT2_XL)' BERT_CASED='$(BERT_CASED)' ROBERTA='$(ROBERTA)' \
	  $(BIN)/python -m pytest -m published tests/published $(ARGS)

families: $(VENV)/.dev ## examine every model type that transformers can build; writes the page about them
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.families $(ARGS)

kills: $(VENV)/.dev ## kill builds of a corpus at a hundred random moments, and go on with each; ARGS="--engine ray", "--tables s3", "--what training"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.kills $(ARGS)

clouds: $(VENV)/.dev .azurite/.installed ## test corpora in object storage with Azurite, too, which is set up in .azurite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/index/corpus/test_bucket.py $(ARGS)

check: $(VENV)/.dev web/node_modules/.installed ## check format, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm --prefix web run --silent check

bench: $(VENV)/.dev ## measure the promised figures
	@for file in bench/[a-z]*.py; do printf '\n%s\n' "$$file"; $(BIN)/python "$$file" || exit 1; done

bench-peers: $(VENV)/.dev ## a patching grid beside TransformerLens and nnsight, in an environment of its own
	@test -d .bench-peers || $(BIN)/python -m venv --without-pip .bench-peers
	@packages='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	  $(BIN)/python -c "$$packages" > "$$(.bench-peers/bin/python -c "$$packages")/shared.pth"
	.bench-peers/bin/python -m pip install --quiet transformer-lens==4.3.0 nnsight==0.8.1
	PYTHONPATH=src:bench .bench-peers/bin/python bench/_peers.py

format: $(VENV)/.dev web/node_modules/.installed ## rewrite the sources in the agreed format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	npm --prefix web run --silent format

bench-trainers: $(VENV)/.dev ## training of an autoencoder beside SAELens, in an environment of its own
	@test -d .bench-trainers || $(BIN)/python -m venv --without-pip .bench-trainers
	@packages='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	  $(BIN)/python -c "$$packages" > "$$(.bench-trainers/bin/python -c "$$packages")/shared.pth"
	.bench-trainers/bin/python -m pip install --quiet datasets nltk simple-parsing plotly-express \
	  python-dotenv tenacity wandb einops fancy-einsum better-abc typeguard sentencepiece
	.bench-trainers/bin/python -m pip install --quiet --no-deps sae-lens==6.54.12 \
	  transformer-lens==3.9.0 babe==0.0.7 py2store config2py dol graze i2 importlib-resources \
	  transformers-stream-generator
	PYTHONPATH=src:bench .bench-trainers/bin/python -W ignore bench/_trainers.py

web: $(APP) ## build the app into the package

wheel: $(VENV)/.dev $(APP) ## build the wheel and the source distribution into dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

api: $(VENV)/.dev web/node_modules/.installed ## write the OpenAPI schema and the app's client from it
	$(BIN)/python -m unembed.server.schema
	npm --prefix web run --silent api

constraints: $(VENV)/.made ## pin again what a clean environment installs
	rm -rf build/clean && $(PYTHON) -m venv build/clean
	build/clean/bin/python -m pip install -qq torch==2.13.0
	build/clean/bin/python -m pip install -qq hatchling editables
	build/clean/bin/python -m pip install -qq --no-build-isolation --editable '.[dev]'
	{ sed -n '/^#/p' constraints.txt; build/clean/bin/python -m pip freeze --exclude unembed \
	  | sed 's/+cpu$$//'; } > build/constraints.txt
	mv build/constraints.txt constraints.txt

clean: ## remove what was built, but not what was installed
	rm -rf dist build src/unembed/server/static src/unembed/figures/static web/test-results
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove what was installed, too
	rm -rf $(VENV) .azurite .bench-peers .bench-trainers web/node_modules

$(VENV)/.made:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed; none was found. https://www.python.org/downloads/'; exit 1; }
	$(SAY) 'Making a virtual environment with $(PYTHON)'
	@$(PYTHON) -m venv $(VENV) || { echo 'Could not make $(VENV); on Debian and Ubuntu: apt-get install python3-venv'; exit 1; }
	@touch $@

# First and alone: a range for torch would pull gigabytes of another build before the pin is seen.
$(VENV)/.torch: $(VENV)/.made constraints.txt
	$(SAY) 'Installing torch (about a minute)'
	@$(PIP) --constraint constraints.txt torch==2.13.0
	@$(PIP) --constraint constraints.txt hatchling editables
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml hatch_build.py
	$(SAY) 'Installing Unembed and its demo model (about a minute)'
	@$(PIP) --no-build-isolation --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml hatch_build.py
	$(SAY) 'Installing Unembed and what its tests need (about a minute)'
	@$(PIP) --no-build-isolation --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.demo

node-is-there:
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number), [c, d] = "$(NODE_NEEDED)".split(".").map(Number); process.exit(a > c || (a === c && b >= d) ? 0 : 1)' 2>/dev/null \
	  || { echo "Node $(NODE_NEEDED) or newer is needed to build the app; found: $$(node --version 2>/dev/null || echo none). https://nodejs.org"; exit 1; }

web/node_modules/.installed: web/package.json web/package-lock.json | node-is-there
	$(SAY) 'Installing what the app is built with'
	@npm --prefix web ci --loglevel=error --no-audit --no-fund
	@touch $@

.azurite/.installed: | node-is-there
	$(SAY) 'Installing Azurite (190 MB)'
	@npm install --prefix .azurite --loglevel=error --no-audit --no-fund azurite@3.35.0
	@touch $@

$(APP): web/node_modules/.installed $(WEB_SOURCES)
	$(SAY) 'Building the app'
	@npm --prefix web run --silent build
	@touch $@

browser-is-there: $(VENV)/.dev
	@$(BIN)/python tests/chromium.py >/dev/null
