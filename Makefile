# Everything runs in .venv, which is made and filled where it is missing or older than pyproject.toml.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)

# Tests start servers, workers and commands by the hundred; without it each of them would compile the sources anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test test-types test-suite test-clients soak bench format proto install clean

install: $(STAMP)

$(STAMP): pyproject.toml $(wildcard setup.py) $(wildcard engine/native/*.[ch])
	@test -n "$(PYTHON)" || { echo "grism needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing grism into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

demo: $(STAMP)
	@$(BIN)/python -m benchmarks.demo

test: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory --jobs 2 test-types test-suite

# A cold cache of mypy takes half a minute; the tests, which begin with Ray and servers that start, leave it the time.
test-types: $(STAMP)
	$(BIN)/mypy

# Tests wait for servers and workers for a third of their time: three processes keep two cores busy, and each takes a GB.
test-suite: $(STAMP)
	$(BIN)/python -m pytest -m "not soak and not clients" --numprocesses 3

test-clients: $(STAMP)
	$(BIN)/python -m pytest tests/real_clients tests/clients/test_node.py tests/engine/substrait tests/browser -m clients

soak: $(STAMP)
	$(BIN)/python -m pytest -m soak

bench: $(STAMP)
	$(BIN)/python -m benchmarks.local --scale 1
	$(BIN)/python -m benchmarks.bulk

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The generated modules go into the descriptor pool of the `pool.py` beside them instead of the process's one.
PROTOS := flight_server/proto engine/substrait/proto

proto: $(STAMP)
	for folder in $(PROTOS); do \
		$(BIN)/python -m grpc_tools.protoc -I $$folder --python_out=$$folder --pyi_out=$$folder $$folder/*.proto; \
		package=$${folder//\//.}; \
		sed -i.bak \
			-e "s/^from google.protobuf import descriptor_pool as _descriptor_pool$$/from $$package.pool import POOL as _pool/" \
			-e 's/_descriptor_pool\.Default()/_pool/' \
			-e "s/^import \([a-z_]*_pb2\) as/from $$package import \1 as/" $$folder/*_pb2.py $$folder/*_pb2.pyi; \
		rm $$folder/*.bak; \
	done

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
