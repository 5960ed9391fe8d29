# `make demo`, `make test` and `make test-all` need nothing but a clone of the repository, Python and pip. `make test-full` also needs a C++
# compiler.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
FULL_VENV := .venv-full
FULL_PY := $(FULL_VENV)/bin/python
DEMO_CONFIG := configs/fsptal_refined/fsptal-refined_synthetic.py
DEMO_DIR := work_dirs/demo
# Number of processes that run the tests, with one thread each
JOBS ?= 2
# The tests of a file run in the same process, since they share what the fixtures of the file trained
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist loadfile
# More arguments for the training of the demo, e.g. DEMO_ARGS='--cfg-options custom_hooks.1.begin=3 train_cfg.max_epochs=5'
DEMO_ARGS ?=

.PHONY: venv demo test test-all test-full robustness lint bench docs pictures

venv: $(VENV)/.installed

# If pyproject.toml changes, everything is installed again; otherwise, the environment is used as it is.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): some minutes, 2 GB or more"
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -e '.[lite,dev]'
	touch $@

demo: venv
	$(PY) tools/train.py $(DEMO_CONFIG) --quiet --work-dir $(DEMO_DIR) --seed 0 $(DEMO_ARGS)
	$(PY) tools/test.py $(DEMO_CONFIG) "$$(cat $(DEMO_DIR)/last_checkpoint)" --quiet --work-dir $(DEMO_DIR)
	@echo "Log files: $(DEMO_DIR)/*/*.log"
	@echo "Checkpoint: $$(cat $(DEMO_DIR)/last_checkpoint)"
	@echo "Detections in the test videos: $(DEMO_DIR)/results.json"
	@echo "One page about all of it: $(PY) tools/analysis_tools/report.py $(DEMO_DIR)"
	@echo "Your own videos: source $(VENV)/bin/activate, then docs/guides/own_data.md"

# Runs the tests that are quick and start no other program.
test: venv
	$(PYTEST)

# Runs all tests but those that need compiled mmcv. Some start and kill processes, fill a disk, build the wheel, drive a browser or train for longer.
test-all: venv
	$(PYTEST) -m 'not full'

# Compiles mmcv, which takes 12-20 minutes on two cores, once. It can only be compiled where torch and an older setuptools are installed.
$(FULL_VENV)/.mmcv:
	$(PYTHON) -m venv $(FULL_VENV)
	$(FULL_PY) -m pip install --quiet --upgrade pip
	$(FULL_PY) -m pip install 'setuptools==79.0.1' wheel ninja 'torch<2.14'
	$(FULL_PY) -m pip install --no-build-isolation mmcv==2.1.0
	touch $@

$(FULL_VENV)/.installed: pyproject.toml $(FULL_VENV)/.mmcv
	$(FULL_PY) -m pip install -e '.[full,test]'
	touch $@

# Runs only the tests that need compiled mmcv and mmdet. `make test-all` runs the others.
test-full: $(FULL_VENV)/.installed
	$(FULL_PY) -c 'import mmcv.ops, mmdet'  # fails if they are missing: without this check, the tests would only be skipped
	$(FULL_PY) -m pytest -m full

# Kills programs at random moments and feeds damaged files to readers, in thousands of cases; `make test-all` runs a small part of them.
robustness: venv
	FSPTAL_ROBUSTNESS=full $(PYTEST) --timeout 0 -m 'not full' tests/robustness

lint: venv
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check

# Builds the documentation. Warnings are errors, and nothing is fetched from the network.
docs: venv
	$(PY) -m sphinx -W --keep-going -q docs site
	@echo "Open site/index.html"

# Trains models on the embedded dataset, and draws the pictures of the guides with them into docs/images, which is then to be committed. This
# takes about twenty minutes in one thread. The pictures of the annotator and of the report need chromium and chromedriver.
PICTURES_DIR := work_dirs/pictures
TUNED_CONFIG := configs/fsptal_tuned/fsptal-tuned_synthetic.py
$(PICTURES_DIR)/%/results.json: CONFIG = configs/$*/$*_synthetic.py
$(PICTURES_DIR)/fsptal/results.json: CONFIG := $(TUNED_CONFIG)
$(PICTURES_DIR)/fsptal/results.json: OPTIONS := custom_hooks.0.dump=True
$(PICTURES_DIR)/refined/results.json: CONFIG := $(DEMO_CONFIG)
$(PICTURES_DIR)/%/results.json: | venv
	$(PY) tools/train.py $(CONFIG) --work-dir $(@D) --seed 0 --cfg-options default_hooks.checkpoint.interval=25 $(OPTIONS)
	$(PY) tools/test.py $(CONFIG) "$$(cat $(@D)/last_checkpoint)" --work-dir $(@D)

pictures: FSPTAL := $(PICTURES_DIR)/fsptal
pictures: BASE := $(PICTURES_DIR)/base
pictures: REFINED := $(PICTURES_DIR)/refined
pictures: ANNOTATIONS := $(or $(FSPTAL_DATA_ROOT),data)/synthetic/annotations.json
pictures: $(foreach name,fsptal base refined backtal asmloc lacp delu,$(PICTURES_DIR)/$(name)/results.json)
	$(PY) tools/docs/plot_modules.py $(TUNED_CONFIG) $(FSPTAL)/epoch_25.pth $(FSPTAL)/epoch_75.pth
	$(PY) tools/analysis_tools/plot_timeline.py $(TUNED_CONFIG) $(FSPTAL)/epoch_75.pth \
	    configs/base/base_synthetic.py $(BASE)/epoch_75.pth --names 'FS-PTAL tuned' 'base model' \
	    --videos test_007 --out docs/images/timeline.png
	$(PY) tools/analysis_tools/plot_timeline.py $(TUNED_CONFIG) $(FSPTAL)/epoch_25.pth --names 'FS-PTAL tuned, epoch 25' \
	    --split train --videos train_022 --out docs/images/timeline_train.png
	$(PY) tools/analysis_tools/diagnose.py $(FSPTAL)/results.json $(BASE)/results.json \
	    $(ANNOTATIONS) --subset test --names 'FS-PTAL tuned' 'base model' \
	    -o $(PICTURES_DIR)/diagnosis
	cp $(foreach name,error_profile sensitivity false_negatives,$(PICTURES_DIR)/diagnosis/$(name).png) docs/images
	$(PY) tools/analysis_tools/diagnose.py $(foreach name,backtal asmloc lacp fsptal,$(PICTURES_DIR)/$(name)/results.json) \
	    $(ANNOTATIONS) --subset test --names BackTAL 'ASM-Loc, base model' LACP 'FS-PTAL tuned' \
	    -o $(PICTURES_DIR)/methods
	cp $(PICTURES_DIR)/methods/best_detections.png docs/images
	$(PY) tools/analysis_tools/plot_timeline.py configs/delu/delu_synthetic.py "$$(cat $(PICTURES_DIR)/delu/last_checkpoint)" \
	    configs/lacp/lacp_synthetic.py "$$(cat $(PICTURES_DIR)/lacp/last_checkpoint)" $(TUNED_CONFIG) $(FSPTAL)/epoch_75.pth \
	    --names DELU LACP 'FS-PTAL tuned' --videos test_007 --max-proposals 30 --out docs/images/methods.png
	$(PY) tools/test.py $(DEMO_CONFIG) "$$(cat $(REFINED)/last_checkpoint)" --work-dir $(REFINED)/stage1 \
	    --cfg-options model.refine=False
	$(PY) tools/analysis_tools/plot_timeline.py --results $(REFINED)/stage1/results.json $(REFINED)/results.json \
	    --ann-file $(ANNOTATIONS) --names 'stage 1' 'both stages' --videos test_007 --max-proposals 30 --out docs/images/second_stage.png
	$(PY) tools/analysis_tools/pseudo_label_quality.py $(FSPTAL) --names 'FS-PTAL tuned' --plot docs/images/label_quality.png
	$(PY) tools/analysis_tools/report.py $(REFINED) -o $(PICTURES_DIR)/report.html
	$(PY) tools/docs/screenshots.py $(PICTURES_DIR)/report.html

bench: venv
	for script in tools/benchmarks/*.py; do $(PY) $$script || exit 1; done
