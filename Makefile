# Two commands for a fresh machine: `make demo` runs the main job on an embedded table, `make test` passes the tests.
# Each makes its own virtual environment: CPU torch first, so that nothing pulls in another build, then the project.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
TORCH ?= torch==2.13.0
DEMO_VENV ?= .venv-demo
VENV ?= .venv-test
DEMO_OUT ?= demo-release
WORKERS ?= auto

.PHONY: help demo test check docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    install into $(DEMO_VENV), release the embedded table, leave the folder $(DEMO_OUT)"
	@echo "make test    install into $(VENV), run the tests"
	@echo "make check   ruff, mypy, import contracts, strict documentation build (in $(VENV))"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make clean   remove both environments and everything that was built"

$(DEMO_VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install --quiet "$(TORCH)"
	$(DEMO_VENV)/bin/python -m pip install --quiet --editable ".[demo]"
	touch $@

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet "$(TORCH)"
	$(VENV)/bin/python -m pip install --quiet --editable ".[all,docs,dev]"
	touch $@

demo: $(DEMO_VENV)/installed
	$(DEMO_VENV)/bin/dpsynth demo --out $(DEMO_OUT)

test: $(VENV)/installed
	$(VENV)/bin/python -m pytest -n $(WORKERS)

check: $(VENV)/installed docs
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo --no-cache

docs: $(VENV)/installed
	$(VENV)/bin/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

clean:
	rm -rf $(DEMO_VENV) $(DEMO_OUT) $(VENV) build dist docs/_build docs/_notebooks .mypy_cache .ruff_cache .pytest_cache .hypothesis
