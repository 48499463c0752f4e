# Every target says what to do next. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find protos -name '*.proto')
STAMP := $(VENV)/.installed
STUBS := sdk/vivant/.stubs

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(STAMP): requirements/dev.txt sdk/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable sdk
	@touch $@

$(STUBS): $(STAMP) $(PROTOS)
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=sdk --grpc_python_out=sdk --mypy_out=sdk --mypy_grpc_out=sdk \
	  --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc $(PROTOS)
	@for dir in $(patsubst protos/%,sdk/%,$(dir $(PROTOS))); do touch $$dir/__init__.py $$dir/../__init__.py; done
	@touch $@

.PHONY: setup
setup: $(STAMP) $(STUBS) ## make the environment and the contracts' stubs
	@echo 'The environment is ready. Next: make models'

.PHONY: protos
protos: $(STUBS) ## generate the contracts' stubs
	@echo 'The stubs are in sdk/vivant/<service>/v1. Next: make check'
