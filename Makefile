# Everything sets itself up: an environment in .venv, the packages, the data. `make` alone explains the targets.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= all
PROFILE ?= smoke
# The versions that were tested. `make demo CONSTRAINTS=` takes the newest ones instead.
CONSTRAINTS ?= constraints.txt
ARGS ?=
# Processes that test at once, of one thread each: small networks gain nothing by a second.
WORKERS ?= 2

BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
DATA := $(if $(filter all,$(DEMO)),--all,$(DEMO))
comma := ,

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo bench test test-all check notebooks format constraints clean
# Make would delete the stamps as intermediate files.
.SECONDARY:

help: ## Show this list.
	@echo 'make TARGET [DEMO=slug] [PROFILE=smoke|cpu|gpu] [PYTHON=python3] [CONSTRAINTS=]'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(STAMPS)/install-$(DEMO) ## Run all demos (or DEMO=slug) and end with the path of one HTML report.
	$(BIN)/trendlab data fetch $(DATA)
	$(BIN)/trendlab run $(DEMO) --profile $(PROFILE) $(ARGS)

bench: $(STAMPS)/install-$(DEMO) ## Measure DEMO=slug beside its peers, at length.
	$(BIN)/trendlab data fetch $(DATA)
	$(BIN)/trendlab bench $(DEMO) --profile $(PROFILE) $(ARGS)

test: $(STAMPS)/install-all+dev+notebooks ## Run all tests but those that are slow or need a GPU, a browser or a peer's environment.
	$(BIN)/trendlab data fetch --all
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope -m "not gpu and not slow and not browser and not peer" $(ARGS)
	$(BIN)/python -m pytest --nbmake notebooks

test-all: $(STAMPS)/install-all+dev+notebooks+ray ## Run every test this machine can run.
	$(BIN)/trendlab data fetch --all
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)
	$(BIN)/python -m pytest --nbmake notebooks

check: $(STAMPS)/install-all+dev+notebooks ## Lint, check format and types, and hold the house rules.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python notebooks/build.py --check
	$(BIN)/python -m pytest -q tests/test_house.py -m "not slow"

notebooks: $(STAMPS)/install-all+dev+notebooks ## Make the notebooks from their sources in notebooks/src.
	$(BIN)/python notebooks/build.py

format: $(STAMPS)/install-all+dev+notebooks ## Format the code and mend what the linter can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: ## Write constraints.txt anew: the newest versions that install together, from a fresh environment.
	rm -rf $(VENV)-constraints
	$(PYTHON) -m venv $(VENV)-constraints
	$(VENV)-constraints/bin/python -m pip install -e ".[all,dev,notebooks,ray]"
	$(VENV)-constraints/bin/python -m pip list --format=freeze --exclude-editable --exclude pip --exclude setuptools > constraints.new
	mv constraints.new constraints.txt
	rm -rf $(VENV)-constraints

clean: ## Remove the environment and the caches of tools; runs and fetched data stay.
	rm -rf $(VENV) $(VENV)-constraints .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "trendlab needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

# install-all+dev installs the extras "all" and "dev". The stamp is written only after pip succeeded.
$(STAMPS)/install-%: pyproject.toml $(CONSTRAINTS) $(STAMPS)/venv
	$(BIN)/python -m pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) -e ".[$(subst +,$(comma),$*)]"
	@touch $@
