# Two commands for a newcomer: `make demo` and `make test`. Everything lands in .venv and runs/.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: help demo test check chaos format golden clean

help:
	@echo "make demo    install, train a small chat model from nothing, talk to it"
	@echo "make test    every test that needs neither a GPU nor the internet"
	@echo "make check   format, lint, types, architecture, fast tests: under a minute"
	@echo "make chaos   the breaking harnesses in full, figures into docs/results/chaos: half an hour"
	@echo "make format  let ruff format the code"
	@echo "make golden  write the golden files again after a wanted change (then read the diff)"
	@echo "make clean   remove .venv; runs/ is never touched"

$(READY): pyproject.toml constraints/cpu.txt
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON). Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "missing: Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "missing: the venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@command -v git >/dev/null || { echo "missing: git. Install it with your package manager"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (PyTorch is the large part) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/cpu.txt -e '.[dev]' || { echo "the installation failed: the lines above say why; a second 'make' tries again"; exit 1; }
	@touch $@

demo: $(READY)
	@$(BIN)/holdfast demo

test: $(READY)
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && $(BIN)/mypy --no-error-summary
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not gpu and not network"

check: $(READY)
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && $(BIN)/mypy --no-error-summary
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not gpu and not network"

chaos: $(READY)
	@HOLDFAST_CHAOS=full HOLDFAST_CHAOS_OUT=docs/results/chaos OMP_NUM_THREADS=1 \
	$(BIN)/python -m pytest -n 2 --dist loadfile -o timeout=7200 \
		tests/chaos tests/feed/test_elastic.py tests/vault/test_lifetimes.py tests/guardians/test_elastic.py
	@$(BIN)/python docs/promises.py && $(BIN)/python docs/faults.py

format: $(READY)
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix --quiet .

golden: $(READY)
	@HOLDFAST_GOLDEN=write $(BIN)/python -m pytest -k golden

clean:
	rm -rf $(VENV)
