# `make lab`, `make test` and so on: each target is one of start.py, which says what they do.
# Settings reach it through the environment: make lab PYTHON=/path/to/python3.12

SHELL := /bin/sh
# What a target prints is all that make prints, also where another make calls it.
MAKEFLAGS += --no-print-directory
TARGETS := lab setup course run test test-portable test-colab lint notebooks site bench claims git \
  catalogue constraints clean help

.PHONY: $(TARGETS)
.DEFAULT_GOAL := help

# Any Python 3 can read start.py, which looks for one that the course can use.
$(TARGETS):
	@for p in "$$PYTHON" python3 python3.13 python3.12 python3.11 python; do \
	  if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null; then \
	    exec "$$p" start.py $@ $(ARGS); \
	  fi; \
	done; \
	echo "The course needs Python 3.11, 3.12 or 3.13, but found no Python that runs; install one" \
	  "of them, or name yours: make $@ PYTHON=/path/to/python3.12" >&2; \
	exit 1
