# Gradiometer: `make demo` shows it at work, `make test` runs every test, `make check` runs every checker.
# Both make their own environment in .venv first; nothing is installed twice (stamp: .venv/.installed).

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXAMPLE := examples/digits_deep_mlp.py
DEMO := gradiometer-runs/demo
TEST_ARGS ?=
FAULTS_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo test fast check format bench faults pictures clean

help:
	@echo "make demo    watch a 20-layer sigmoid network fail to learn, and write an HTML report"
	@echo "make test    run all tests           make fast    run the tests that need no torch"
	@echo "make check   ruff, mypy, imports, docs   make bench   run the benchmarks"
	@echo "make faults  train the corpus of faulty and healthy scripts, and score the diagnosis (about an hour);"
	@echo "             FAULTS_ARGS=--prove tries the prescribed cures on it (an hour)"
	@echo "make pictures   draw the pictures of the manual, in a Chromium"
	@echo "make clean   remove what these commands made"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@python=$$(PYTHON="$(PYTHON)" bash scripts/find_python) || exit 1; \
	test -x $(BIN)/python || $$python -m venv $(VENV)
	@echo "Installing into $(VENV) (a minute or two, once) ..."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(STAMP)
	@mkdir -p $(dir $(DEMO)) && rm -f $(DEMO).gmr $(DEMO).html
	$(BIN)/gradiometer run --out $(DEMO).gmr $(EXAMPLE)
	$(BIN)/gradiometer report $(DEMO).gmr -o $(DEMO).html
	@test -s $(DEMO).html && echo && echo "The report: $(CURDIR)/$(DEMO).html"

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile $(TEST_ARGS)

fast: $(STAMP)
	$(BIN)/python -m pytest -m "not torch" $(TEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_docs.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	@for script in benchmarks/*.py; do \
		test -e "$$script" || { echo "There are no benchmarks."; exit 0; }; \
		echo "== $$script"; $(BIN)/python "$$script" || exit 1; \
	done

pictures: demo
	$(BIN)/python scripts/draw_profile.py $(DEMO).gmr docs/images/profile.svg
	$(BIN)/python scripts/draw_notebook.py
	$(BIN)/python scripts/draw_pages.py

faults: $(STAMP)
	$(BIN)/python benchmarks/faults/run.py $(FAULTS_ARGS)

clean:
	rm -rf $(VENV) build dist gradiometer-runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
