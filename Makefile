PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_FOLDER ?= demo-run
# Tests compute on one thread each; so many processes share them out, neighbours together.
TEST_WORKERS ?= 2
# What the quick selection looks at: all but whole programs and large models.
QUICK = tests/data tests/evaluation tests/faces tests/ledger tests/media tests/models \
  tests/objectives tests/weights tests/test_command_line.py tests/test_configs.py \
  tests/test_rooms.py tests/test_release.py --ignore tests/data/corpora/test_every_corpus.py \
  --ignore tests/evaluation/test_crossval.py --ignore tests/models/test_compile.py

.PHONY: help setup demo test coverage test-quick test-lowest check docs benchmark clean

help:
	@echo "make demo       set up, then corpus, pre-training, fine-tuning and test on a synthetic corpus"
	@echo "make test       set up, then the whole test suite"
	@echo "make coverage   the same, and which lines it runs"
	@echo "make test-quick the suite without what takes long, for the work at hand"
	@echo "make test-lowest  the same with the lowest versions that pyproject.toml allows"
	@echo "make check      set up, then formatting, lint and types"
	@echo "make benchmark  set up, then speed beside its targets, on an idle machine (10 minutes)"
	@echo "make docs       set up, then the documentation as a site in site/"
	@echo "make clean      remove the virtual environment and everything that was made"

# The stamp is older than pyproject.toml after a change of dependencies, which installs anew.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	# Its metadata asks for numpy 1, but the tests only read its schema of sweep files.
	$(BIN)/python -m pip install --quiet --no-deps 'sweeps==0.3.0'
	@touch $@

setup: $(VENV)/installed

demo: setup
	$(BIN)/hicmae demo --folder $(DEMO_FOLDER)

test: setup
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal --durations=20

# Apart, since counting lines takes its time.
coverage: setup
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal --cov --cov-report=term

test-quick: setup
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal -m "not slow" $(QUICK)

# An environment of its own. Versions are chosen by uv and installed by pip.
test-lowest: setup
	$(PYTHON) -m venv .venv-lowest
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --no-header --resolution lowest-direct --extra test \
	  --output-file .venv-lowest/versions.txt pyproject.toml
	.venv-lowest/bin/python -m pip install --quiet --requirement .venv-lowest/versions.txt
	.venv-lowest/bin/python -m pip install --quiet --no-deps --editable .
	.venv-lowest/bin/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal -m "not slow" $(QUICK)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: setup
	# The notice is about another program.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

benchmark: setup
	$(BIN)/python benchmarks/speed/run_all.py

clean:
	rm -rf $(VENV) .venv-lowest $(DEMO_FOLDER) runs site .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
