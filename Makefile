# `make run` does the main job from a fresh clone; `make test` runs the whole suite. Everything else is the command `aru`.
# `make coverage`, `make lint`, `make types` and `make upgrade-check` are for those who change the code (CONTRIBUTING.md).
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
# The processes of a test run and of a flow read each other's bytecode: without it each compiles the same modules anew.
unexport PYTHONDONTWRITEBYTECODE
# Whole files to a process: fixtures such as Prefect's server are shared within a file. One process more than two cores,
# because servers and programs are waited for. Files in the order of tests/conftest.py: those that take longest begin.
IN_PARALLEL := --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: run test coverage lint types install data upgrade-check clean

run: data
	$(BIN)/aru run

test: data
	$(BIN)/python -m pytest $(IN_PARALLEL)

# Lines and branches of flows/ that its tests reach, in their own and in the processes that they start.
coverage: data
	$(BIN)/python -m pytest tests/flows --cov --cov-report=term-missing:skip-covered

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

install: .venv/installed

# The environment of the constraints file, which pins what was tested together.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --progress-bar on --constraint constraints.txt --editable '.[dev]'
	touch $@

# The embedded benchmark, from the folder remote that comes with the project.
data: install
	$(BIN)/dvc pull --quiet --remote embedded data.dvc

# The newest versions that pyproject.toml allows, and those of LIFT beyond it, in an environment of their own.
upgrade-check: data
	$(PYTHON) -m venv --clear .upgrade
	.upgrade/bin/python -m pip install --quiet --upgrade pip
	.upgrade/bin/python -m pip install --progress-bar on --editable '.[dev]'
	$(if $(LIFT),.upgrade/bin/python -m pip install --no-deps $(LIFT))
	.upgrade/bin/python -m pip freeze --exclude-editable | LC_ALL=C sort -f > .upgrade/constraints.txt
	-grep -v '^#' constraints.txt | diff - .upgrade/constraints.txt
	.upgrade/bin/python -m pytest $(IN_PARALLEL)

clean:
	rm -rf .venv .upgrade work .prefect
