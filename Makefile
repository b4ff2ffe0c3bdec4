# The chores. Each sets up what it needs in a virtual environment of this folder's own (.venv), once.
#
#   make lab     the notebooks, in JupyterLab
#   make demo    the same job in the terminal
#   make test    every check and every test
#   make fast    the tests without the slow ones, in some two minutes
#   make lint    the checks alone: style, layout, types
#   make fuzz    mutated captures are read for MINUTES (10); a fault prints its seed and keeps the file in fuzz/
#   make bench   how fast the readers are on this machine, beside other tools too, and what they find where packets are missing
#   make clean   removes what the others made
#
# Another Python than python3:  make test PYTHON=python3.12

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.smtplab-ready

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help lab demo test fast lint bench fuzz clean

help:
	@sed -n 's/^#   //p' Makefile

lab: $(READY)
	@$(BIN)/smtplab lab --folder .

demo: $(READY)
	@$(BIN)/smtplab demo

# On every processor; a file's tests stay together, for the cells of a notebook need each other. In the order of their names: by
# the number of its tests a file of few long ones would come last, and one processor would wait for the other.
BESIDE := -n auto --dist loadfile --no-loadscope-reorder

# The checks of `lint` are among the tests, so that one summary at the end tells all.
test: $(READY)
	@$(BIN)/python -m pytest $(BESIDE)

fast: $(READY)
	@$(BIN)/python -m pytest $(BESIDE) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python bench/run.py
	$(BIN)/python bench/live.py
	$(BIN)/python bench/loss.py --seeds 1
	$(BIN)/python bench/compare.py

MINUTES ?= 10

fuzz: $(READY)
	$(BIN)/python tests/fuzzing.py --minutes $(MINUTES)

# Made anew only when the list of packages in pyproject.toml is newer. pip learnt --group in 25.1.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "smtplab needs Python 3.11 or newer; $(PYTHON) gives: $$($(PYTHON) --version 2>&1 | head -n 1)" >&2; \
	  echo "Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "No virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $(READY)

clean:
	rm -rf $(VENV) build dist fuzz .pytest_cache .mypy_cache .ruff_cache .hypothesis
