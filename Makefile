# What a fresh machine needs: make and Python 3.11 or newer (with its venv module).
#   make demo   bundled real history -> ledger -> priced statement
#   make test   all tests but the long ones; a need that is not met skips, and says why
#   make lint   what must be clean before a commit
#   make soak   the random and kill tests with their full numbers: hours
#   make bench  the tables of docs/benchmarks.md, measured on this machine
#   make pool   a real HTCondor pool with a shell in it (root, Debian)
#   make docs   rewrite the pages and outputs that tests compare (--update-golden)

# `python3` if it is new enough, else the first of the named ones that is.
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
# Files of tests side by side, each whole in one process; `pytest` by hand has one.
SIDE_BY_SIDE = --numprocesses auto --dist loadfile --no-loadscope-reorder
INSTALL = $(BIN)/pip install --quiet --constraint constraints.txt --editable

.PHONY: demo test lint soak bench docs pool
demo: .venv/.demo
	$(BIN)/poolmeter demo
test: .venv/.dev
	$(BIN)/python -m tests.prepare
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)
soak: .venv/.dev
	$(INSTALL) '.[soak]'
	$(BIN)/python -m tests.prepare
	POOLMETER_SOAK=1 $(BIN)/python -m pytest --timeout 14400
bench: .venv/.dev
	$(BIN)/python -m bench.merge_memory
	$(BIN)/python -m bench.node_daemon
	$(BIN)/python -m bench.node_packets
	$(BIN)/python -m bench.probe_rate
	$(BIN)/python -m tests.prepare
	$(BIN)/python -m bench.history
	$(BIN)/python -m bench.gratia
	$(BIN)/python -m bench.statement
pool: .venv/.dev
	$(BIN)/python -m tests.pool.shell
docs: .venv/.dev
	$(BIN)/python -m pytest --update-golden tests/unit/test_docs.py tests/golden
lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/codespell

# Empty files that say what is installed; a changed requirement makes them anew.
.venv/.made:
	@test -n "$(PYTHON)" || { echo >&2 \
	'poolmeter needs Python 3.11 or newer; none of python3, python3.11 to 3.13 is'; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	touch $@
.venv/.demo: .venv/.made pyproject.toml constraints.txt
	$(INSTALL) '.[probe,reports]'
	touch $@
# python-iptables is compiled: where that fails, the tests that need it skip.
.venv/.dev: .venv/.made pyproject.toml constraints.txt
	$(INSTALL) '.[dev]'
	-$(BIN)/pip install --quiet --constraint constraints.txt python-iptables
	touch $@
