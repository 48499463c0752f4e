# Every target says what to do next. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PROTOS := $(shell find protos -name '*.proto')
STUBS := sdk/vivant/.stubs
LOCKS := cpu asr turn llm tts face orchestrator gateway sdk models protos riva cuda xtts pocket vap audio2face speech
TORCH := torch==2.13.0
TORCH_SOUND := torchaudio==2.11.1 torchcodec==0.17.0
COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
  $(if $(UPGRADE),--upgrade)
# What `python -m bench.NAME` runs: a module, or a package, whose other programs are for doing by hand.
BENCHES := $(sort $(patsubst bench/%.py,bench-%,$(filter-out bench/__init__.py,$(shell grep -l __main__ bench/*.py 2>/dev/null))) \
  $(patsubst bench/%/__main__.py,bench-%,$(wildcard bench/*/__main__.py)))

# What is set for another Python, or for where pip puts things, is not meant for these environments.
unexport PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT
export PIP_USER := 0

# An environment is bound to its place: its programs, and the client package in it, name the folder in which it was made.
MOVED := $(shell [ -L $(VENV) ] || [ ! -s $(VENV)/.cpu ] || [ "$$(cat $(VENV)/.cpu)" = "$$(pwd -P)" ] || echo moved)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# --- environments: cpu runs the system, dev adds what checks and tests need, enroll and vllm stand alone ---

$(BIN)/pip:
	@"$(PYTHON)" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 with its venv module is needed. On Debian: sudo deploy/debian.sh' >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

.PHONY: moved
moved:
	@echo 'This folder was moved or copied since its environment was made; making it anew ...'
	@"$(PYTHON)" -m venv --clear $(VENV)

$(VENV)/.cpu: requirements/cpu.txt sdk/pyproject.toml $(MOVED) | $(BIN)/pip
	@echo 'Installing what the services need (about a minute) ...'
	@$(PIP) install --require-hashes -r requirements/cpu.txt
	@$(PIP) install --no-deps --no-build-isolation --editable sdk
	@pwd -P >$@

$(VENV)/.dev: requirements/dev.txt $(MOVED) | $(VENV)/.cpu
	@echo 'Installing the tools for checks and tests ...'
	@# Which build is the right one depends on the device, so no lock has them; the engines for GPUs are tested with them.
	@$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@$(PIP) install --no-deps $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH_SOUND)
	@# Where an index has torchaudio for CUDA only, its compiled part cannot be loaded; nothing that we use is in it.
	@$(BIN)/python -c 'import torchaudio' 2>/dev/null || rm -f $(VENV)/lib/python*/site-packages/torchaudio/lib/_torchaudio.so
	@# The lock is complete; without --no-deps pip would miss the packages that engines-overrides.txt leaves out.
	@$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

.venv-enroll/.installed: requirements/enroll.txt
	"$(PYTHON)" -m venv .venv-enroll
	@# The lock is complete; without --no-deps pip would miss the package that enroll-overrides.txt leaves out.
	@.venv-enroll/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r requirements/enroll.txt
	@touch $@

.venv-vllm/.installed: requirements/vllm.txt
	"$(PYTHON)" -m venv .venv-vllm
	@echo 'Installing vLLM for CPUs (3 GB, some minutes) ...'
	@# torch has a build for each kind of machine under one version, so it is in no lock.
	@.venv-vllm/bin/python -m pip --quiet --disable-pip-version-check install $(TORCH)
	@# As above: vllm-overrides.txt leaves packages out.
	@.venv-vllm/bin/python -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes -r requirements/vllm.txt
	@touch $@

$(STUBS): $(PROTOS) | $(VENV)/.cpu
	@deploy/stubs.sh $(BIN)/python
	@touch $@

.PHONY: setup
setup: $(VENV)/.cpu $(STUBS) ## make the environment that the services run in
	@echo 'The environment is ready. Next: make models'

.PHONY: models
models: $(VENV)/.cpu ## fetch the model files of the CPU default (0.8 GB)
	@$(BIN)/python -m models fetch
	@echo 'Next: make up'

.PHONY: protos
protos: $(STUBS) ## generate the contracts' stubs
	@echo 'The stubs are in sdk/vivant/<service>/v1. Next: make check'

.PHONY: enroll-env
enroll-env: .venv-enroll/.installed ## make the environment that enrols new portraits
	@echo 'Ready. Next: .venv/bin/vivant enroll --help'

.PHONY: vllm-env
vllm-env: .venv-vllm/.installed ## make the environment of vLLM for CPUs (3 GB)
	@echo 'Ready. Next: make test-vllm, or make bench-llm'

# --- running ---

.PHONY: up
up: $(VENV)/.cpu $(STUBS) ## set everything up, start all services, stop with Ctrl-C
	@$(BIN)/python -m models fetch
	@$(BIN)/python -m deploy.up

.PHONY: demo
demo: $(VENV)/.cpu $(STUBS) ## start the system, ask it two questions, write out/answer*.mp4
	@$(BIN)/python -m models fetch
	@$(BIN)/python -m deploy.demo

# --- checking ---

.PHONY: check
check: $(VENV)/.dev $(STUBS) ## lint, types, import rules, contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	@if git rev-parse --quiet --verify main >/dev/null; then \
	  $(BIN)/buf breaking --against "$$(git rev-parse --git-common-dir)#branch=main"; fi
	$(BIN)/python -m deploy.env_example --check
	@echo 'All checks pass. Next: make test'

.PHONY: test
test: $(VENV)/.dev $(STUBS) .venv-enroll/.installed ## run all tests, those on the real models among them
	@# The chat server of the tests is a real one, with a tiny model; and every voice passes the tests of voices.
	@$(BIN)/python -m models fetch default smollm2-135m kokoro
	$(BIN)/pytest
	@echo 'All tests pass. Next: make demo, or make bench'

.PHONY: test-containers
test-containers: $(VENV)/.dev $(STUBS) ## build the images, start them, talk to them, kill one, swap one (root, or a Docker Engine)
	@$(BIN)/python -m models fetch default kokoro
	$(BIN)/pytest -m containers --log-cli-level=INFO tests/containers
	@echo 'The containers do what they should. Next: docker compose --profile cpu up'

.PHONY: test-vllm
test-vllm: $(VENV)/.dev $(STUBS) .venv-vllm/.installed ## run the tests of the llm service with a real vLLM
	@$(BIN)/python -m models fetch
	$(BIN)/pytest -m vllm tests/contract
	@echo 'All of them pass. Next: make bench-llm'

.PHONY: bench $(BENCHES)
bench: $(BENCHES) ## run every benchmark; each is also a target of its own: make bench-asr
	@echo 'Each table above ends in one line of JSON.'

# It looks for faces in what it has recorded.
bench-face: .venv-enroll/.installed
# It starts a vLLM.
bench-llm: .venv-vllm/.installed

$(BENCHES): bench-%: $(VENV)/.dev $(STUBS)
	@$(BIN)/python -m models fetch
	$(BIN)/python -m bench.$*

# --- upkeep ---

.PHONY: lock
lock: $(VENV)/.dev ## renew the locks in requirements/ after an .in file has changed
	@cd requirements && ../$(COMPILE) --override engines-overrides.txt dev.in -o dev.txt
	@cd requirements && for name in $(LOCKS); do \
	  ../$(COMPILE) --override engines-overrides.txt -c dev.txt $$name.in -o $$name.txt || exit 1; done
	@cd requirements && ../$(COMPILE) moshi.in -o moshi.txt
	@cd requirements && ../$(COMPILE) --override enroll-overrides.txt enroll.in -o enroll.txt
	@cd requirements && ../$(COMPILE) --override vllm-overrides.txt vllm.in -o vllm.txt
	@echo 'The locks are renewed (newer versions: make lock UPGRADE=1). Next: make check test'

.PHONY: env-example
env-example: $(VENV)/.cpu $(STUBS) ## write .env.example anew from the settings classes
	@$(BIN)/python -m deploy.env_example
	@echo 'Next: make check'

.PHONY: clean
clean: ## remove environments, stubs and outputs; model files stay
	rm -rf .venv .venv-enroll .venv-vllm out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(STUBS)
	find sdk/vivant -mindepth 2 -maxdepth 2 -type d -name v1 -exec rm -rf {} +
	@echo 'Clean. Next: make up'
