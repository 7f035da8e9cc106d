# `make run` does the main job from a fresh clone; `make test` runs the whole suite. Everything else is the command `aru`.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: run test install data clean

run: data
	$(BIN)/aru run

# Two processes, each with whole files: fixtures such as Prefect's server are shared within a file.
test: data
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

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

clean:
	rm -rf .venv work .prefect
