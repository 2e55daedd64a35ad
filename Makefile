# `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready

.PHONY: setup demo test test-rest test-slow test-all chaos lint format train

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

setup: $(READY)

demo: $(READY)
	$(VENV)/bin/muse-batch run manifests/examples/demo.parquet --output out/demo
	@echo "Open out/demo/report.html"

# All promises, in a few minutes.
test: $(READY)
	$(VENV)/bin/pytest

# What takes longer: killed processes and full disks, statistics of the weights, the built package.
test-rest: $(READY)
	$(VENV)/bin/pytest -m "(research or faults) and not slow" -rs --timeout 1800

# Jobs on clusters that lose nodes, installed packages, compilation: minutes each.
test-slow: $(READY)
	$(VENV)/bin/pytest -m slow -rs --numprocesses 0 --timeout 1800

test-all: test test-rest test-slow

# 200 seeded faults against the real command, and a table of them; as root also on a small disk. Then
# every kind of fault at every file operation of every command, and every damage to every file.
chaos: $(READY)
	$(VENV)/bin/python tests/support/chaos.py --faults 200 --seed 1 --rounds 2
	$(VENV)/bin/pytest -m faults -n 0 --timeout 1800 -rP tests/pipeline/output/test_sweep_faults.py
	$(VENV)/bin/pytest -m faults -n 0 --timeout 1800 -rP tests/pipeline/output/test_sweep_damage.py

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

format: $(READY)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# The embedded model, from nothing; run it again after an interruption.
STAGES := vae clip diffusion guide judge examiner place subject content-clip export
train: $(READY)
	for stage in $(STAGES); do $(VENV)/bin/python -m jobs.world.train $$stage || exit; done
	$(VENV)/bin/python -m jobs.world.tokens
	$(VENV)/bin/python -m jobs.world.card
