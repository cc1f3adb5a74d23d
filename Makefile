# Two commands do all the set-up: `make demo` and `make test`. PIP_ARGS passes options to pip (an index, say).
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
export OMP_NUM_THREADS = 1
export MKL_NUM_THREADS = 1
export OPENBLAS_NUM_THREADS = 1

.PHONY: help demo test test-slow lint stubs clean

help:
	@echo "make demo       set up once, then grade the sample class in examples/submit"
	@echo "make test       set up once with the dev extra, then ruff, mypy and the test suite"
	@echo "make test-slow  what takes minutes: the whole attack matrix, kills at many moments, long attacks"
	@echo "make stubs      derive exercises/*.py from solutions/*.py"

demo: .venv/.installed
	$(BIN)/grade examples/submit -t backprop -t optimizers -t viola_jones -o report --exit-zero --i-trust-these-students

test: .venv/.dev lint
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-slow: .venv/.dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

stubs: .venv/.installed
	$(BIN)/python -m grader.course.stubs

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed, as $(PYTHON) (set PYTHON=... to choose another)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "python3 -m venv is missing: install it first (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/pyvenv.cfg pyproject.toml constraints.txt
	@echo "setting up .venv (once; torch is the large part) ..."
	$(INSTALL) -e .
	@$(BIN)/python -c 'import importlib.metadata as m; v = m.version("torch"); n = [d.metadata["Name"] for d in m.distributions() if (d.metadata["Name"] or "").startswith("nvidia-")]; n and print("note: a CUDA build of torch was installed; the course runs on CPU, and the smaller CPU build is found through PyTorch'"'"'s install page")'
	@touch $@

.venv/.dev: .venv/.installed
	$(INSTALL) -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv report .mypy_cache .ruff_cache .hypothesis
