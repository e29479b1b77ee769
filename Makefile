# All that is needed is Python 3.11 or newer and make; everything else goes into the folder .venv.

.PHONY: help quickstart test bench install clean
.DEFAULT_GOAL := help

PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
RUN := runs/quickstart

# uv reads none of pip's settings, so a machine that has its own place for packages tells them to uv through pip
PIP_FIND_LINKS ?= $(shell $(BIN)/python -m pip config get global.find-links 2>/dev/null)
PIP_INDEX_URL ?= $(shell $(BIN)/python -m pip config get global.index-url 2>/dev/null)
INSTALL = $(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt \
	$(addprefix --find-links=,$(PIP_FIND_LINKS)) $(addprefix --default-index=,$(PIP_INDEX_URL))

help:
	@echo "make quickstart   install, build the data, train on all eight tasks at once, evaluate, write $(RUN)/report.html"
	@echo "make test         install, then check style, types, imports and run all tests, as .ci/run does"
	@echo "make bench        install, build the data, measure speed and memory, write runs/bench/bench.md"
	@echo "make install      only make .venv and install into it"
	@echo "make clean        delete .venv and the tools' caches; runs and data stay"

# A second call goes on where the first was stopped; to train anew, delete $(RUN).
quickstart: install
	$(BIN)/multimodel data build mini8
	$(BIN)/multimodel train quickstart --out $(RUN) $(if $(wildcard $(RUN)/checkpoints/[0-9]*),--resume)
	$(BIN)/multimodel evaluate $(RUN)
	$(BIN)/multimodel report $(RUN)

test: export OMP_NUM_THREADS = 1
test: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist worksteal

bench: .venv/installed-bench
	$(BIN)/multimodel data build mini8
	$(BIN)/multimodel bench

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt | $(BIN)/uv
	$(INSTALL) --editable '.[mini8]'
	@touch $@

.venv/installed-test: pyproject.toml constraints.txt | $(BIN)/uv
	$(INSTALL) --editable '.[mini8,test]'
	@touch $@ .venv/installed

.venv/installed-bench: pyproject.toml constraints.txt | $(BIN)/uv
	$(INSTALL) --editable '.[mini8,bench]'
	@touch $@ .venv/installed

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module is needed (on Debian: apt install python3-venv)."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache build src/*.egg-info
