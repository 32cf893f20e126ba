# make demo: track points through the bundled clip.   make test: run the tests.
# make parity: every reference output of the published code, also the long ones.
# make lint: style and types.   make docs: the site, in build/docs.
# make mutation: faults put into the code that the tests should notice; takes hours.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := 2.13.0

.PHONY: demo test lint docs mutation clean

demo: $(VENV)/.installed
	$(BIN)/motes demo -o demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal

parity: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist worksteal -m "slow or not slow" tests/parity

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

mutation: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --editable ".[mutation]"
	$(BIN)/python benchmarks/mutation.py

# torch comes first and pinned, so that where a plain CPU build of it can be had no other is pulled.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("motes needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "torch==$(TORCH)" || $(BIN)/python -m pip install --quiet "torch>=2.6"
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo build dist src/*.egg-info
