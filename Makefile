# `make test` and `make demo` each set everything up in a fresh clone, then run. `make test-all` adds
# the tests that are marked as slow, slurm or browser. `make docs` builds the documentation site.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup test test-all fuzz lint docs demo clean

# The stamp is newer than pyproject.toml while what is installed is what the project asks for.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

setup: $(VENV)/.installed

test: setup
	$(BIN)/python -m pytest -m "not (slow or slurm or browser)"

test-all: setup
	$(BIN)/python -m pytest

# Random files through strength=0, compared with independent decoders. A seed repeats a run.
SEED ?= $(shell date +%s)
FUZZ_EXAMPLES ?= 2000
fuzz: setup
	@echo "make fuzz SEED=$(SEED) FUZZ_EXAMPLES=$(FUZZ_EXAMPLES)"
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -m fuzz --hypothesis-seed=$(SEED) tests/fuzz

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation site, in site/: python -m http.server -d site
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Trains a style with nothing downloaded, then stylizes one of the photographs of data=samples. The
# training refines the base network of the package (docs/methods/base-network.md).
demo: setup
	$(BIN)/python scripts/train.py style=starry experiment=instant run_dir=runs/demo resume=true
	@photos=$$($(BIN)/python -c 'import skimage; print(skimage.__path__[0] + "/data")') && \
	    $(BIN)/python scripts/infer.py input=$$photos/astronaut.png checkpoint=runs/demo \
	    output=runs/demo/stylized.png
	@echo "before and after: $$(ls runs/demo/previews/*.png | tail -n 1)"

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .cache build dist site
