# Everything from a bare clone with Python and pip alone: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
DEMO_CONFIG := configs/fsptal/fsptal_synthetic.py
DEMO_DIR := work_dirs/demo
# More arguments for the training of the demo, e.g. DEMO_ARGS='--cfg-options train_cfg.max_epochs=5'
DEMO_ARGS ?=

.PHONY: venv demo test lint bench

venv: $(VENV)/.installed

# A change of the dependencies installs again; otherwise the environment is reused.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install -e '.[lite,dev]'
	touch $@

demo: venv
	$(PY) tools/train.py $(DEMO_CONFIG) --work-dir $(DEMO_DIR) --seed 0 $(DEMO_ARGS)
	$(PY) tools/test.py $(DEMO_CONFIG) "$$(cat $(DEMO_DIR)/last_checkpoint)" --work-dir $(DEMO_DIR)
	@echo "Checkpoint: $$(cat $(DEMO_DIR)/last_checkpoint)"
	@echo "Localised actions of the test videos: $(DEMO_DIR)/results.json"

test: venv
	$(PY) -m pytest

lint: venv
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

bench: venv
	for script in tools/benchmarks/*.py; do $(PY) $$script || exit 1; done
