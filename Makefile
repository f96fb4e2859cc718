# make lab    open the course in JupyterLab
# make run    execute every chapter without a browser; pages and results under build/
# make test   check helpers, data and notebooks
# Each builds .venv by itself when it is missing. Another Python: make lab PYTHON=/path/to/python3.12

SHELL := /bin/sh
VENV  := .venv
PY    := $(VENV)/bin/python
# The versions the course was last tested with; CONSTRAINTS= takes the newest instead.
CONSTRAINTS ?= requirements.txt
# One notebook or test file at a time on each of two processes: the kernels wait often enough.
TWO   := -n 2 --dist loadfile --no-loadscope-reorder
NBVAL := --nbval  # its settings stand in conftest.py

.PHONY: lab run test test-portable test-colab lint claims notebooks catalogue constraints clean help

help:
	@sed -n '1,4s/^# //p' Makefile

# Editable, so that an instructor's change in helpers/ counts at once.
$(VENV)/.ready: pyproject.toml .ci/install.py $(CONSTRAINTS)
	@found=; seen=; \
	for p in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	  v=$$("$$p" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  case $$v in 3.11|3.12|3.13) found=$$p; break;; *) seen="$$seen $$p is $$v;";; esac; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "The course needs Python 3.11, 3.12 or 3.13, but$${seen:- found no Python that runs;} install one of them, or name yours: make PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	if ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  echo "Setting up $(VENV) with $$found ($$v): a minute or two, once."; \
	  "$$found" -m venv --clear $(VENV); \
	fi
	@$(PY) .ci/install.py '$(CONSTRAINTS)' '.[lab,dev]'
	@touch $@

# A class's folder has a handout in place of the notebooks.
START ?= $(firstword $(wildcard notebooks/00_*.ipynb handout/00_*.ipynb) notebooks)
lab: $(VENV)/.ready
	$(PY) -m jupyter lab --LabApp.default_url=/lab/tree/$(START)

run: $(VENV)/.ready
	$(PY) -m course.run

test: $(VENV)/.ready lint
	$(PY) -m pytest $(TWO) $(NBVAL) tests notebooks

# The committed outputs must hold on the weakest processor, too: AVX2, no oneDNN, one thread.
test-portable: $(VENV)/.ready
	env $$($(PY) benchmarks/claims.py --weakest) $(PY) -m pytest $(TWO) $(NBVAL) notebooks

# How far the claims lie from their bounds, over draws and processors: docs/claims.md, in an hour.
claims: $(VENV)/.ready
	$(PY) benchmarks/claims.py

# Colab's versions, in an environment of their own: outside `make test`, as it takes long. The
# set-up cells believe to be on Colab and install what is lacking, so this needs the network, and
# one notebook runs after the other. One alone: make test-colab CHAPTERS=notebooks/01_images.ipynb
COLAB := build/colab
CHAPTERS ?= notebooks
$(COLAB)/.ready: tests/colab-requirements.txt
	@found=; for p in $(or $(PYTHON),python3.13 python3.12 python3); do \
	  v=$$("$$p" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
	  case $$v in 3.12|3.13) found=$$p; break;; esac; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Colab has Python 3.13, and 3.12 will do: name yours: make test-colab PYTHON=/path/to/python3.13" >&2; \
	  exit 1; \
	fi; \
	"$$found" -m venv --clear $(COLAB)
	@$(COLAB)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

test-colab: $(COLAB)/.ready
	COLAB_RELEASE_TAG=as-on-colab $(COLAB)/bin/python -m pytest $(NBVAL) $(CHAPTERS)

lint: $(VENV)/.ready
	@$(PY) -m ruff check --quiet .
	@$(PY) data/recipes/catalogue.py --check

# For authors: execute the notebooks in place, refresh the catalogue, refresh the pins.
notebooks: $(VENV)/.ready
	$(PY) -m course.run --in-place

catalogue: $(VENV)/.ready
	$(PY) data/recipes/catalogue.py --write

constraints:
	$(MAKE) CONSTRAINTS= VENV=build/newest build/newest/.ready
	@( echo "# The exact versions CI ran with: a pip constraints file, made by 'make constraints'."; \
	   build/newest/bin/python -m pip freeze --exclude-editable ) > requirements.txt

clean:
	rm -rf $(VENV) build
