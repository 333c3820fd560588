# Two commands: `make bench` (DATA=folder for your own images, ARGS="key=value ..." for overrides) and `make test`.
# `make docs` builds the documentation, build/site/index.html.
PYTHON ?= python3
SUITE ?= quick
DATA ?=
ARGS ?=
OUT ?= runs/$(SUITE)$(if $(DATA),-$(notdir $(abspath $(DATA))))
BIN := .venv/bin

.DELETE_ON_ERROR:
.PHONY: bench test lint format docs clean

# A run with failed cells (exit code 1) is still worth a report; a refused one (2) is not.
bench: .venv/installed
	@$(BIN)/skipbench run $(SUITE) --out $(OUT) $(if $(DATA),--data $(DATA)) $(ARGS); code=$$?; \
	if [ $$code -le 1 ]; then $(BIN)/skipbench report $(OUT) || exit; fi; exit $$code

test: .venv/installed  # `make lint` is one of the tests, beside which others run
	$(BIN)/python -m pytest -n auto

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p build/names/skipbench  # the rooms under the names that they are installed by
	ln -sfn $(addprefix ../../../,analysis archs bench reports $(wildcard skipbench/*.py*)) build/names/skipbench
	cd build/names && ../../$(BIN)/mypy --config-file ../../setup.cfg --cache-dir ../../.mypy_cache
	cd build/names && ../../$(BIN)/lint-imports --config ../../setup.cfg

docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q
	@echo "build/site/index.html"

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build *.egg-info

.venv/installed: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@
