# `make help` lists the targets. Everything is installed into .venv from the hash-locked requirements.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
RUN ?= runs/demo
DOCKER ?= docker
KUBECTL ?= kubectl
PYTEST_ARGS ?=
BENCH_ARGS ?=
GPU_ARGS ?=
export TOKENIZERS_PARALLELISM = false

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##— use it
.PHONY: install
install: .venv/installed ## make .venv from the hash-locked requirements

.venv/installed: requirements/dev.txt requirements/uv.txt pyproject.toml
	@echo "installing into .venv (torch is large: a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; set PYTHON="; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(UV) pip sync --quiet --python $(BIN)/python --compile-bytecode --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: install ## from drawn pictures to a released model, on this machine (RUN=runs/demo)
	@$(BIN)/platen demo --settings examples/demo.yaml --run $(RUN) --workspace $(RUN)/workspace

.PHONY: serve
serve: install ## serve what the demo released, with a page at http://127.0.0.1:8000
	@$(BIN)/platen serve --settings examples/demo.yaml --workspace $(RUN)/workspace

##— put it on a cluster
.PHONY: images
images: ## build the container images (REGISTRY=platen TAG=version PUSH=1 DOCKER=docker NETWORK=)
	@DOCKER=$(DOCKER) images/build.sh

.PHONY: kind-up
kind-up: install ## a Kubernetes cluster in Docker with the training operator, Kubeflow Pipelines, and our images in it
	@DOCKER=$(DOCKER) manifests/kind/up.sh

.PHONY: manifests
manifests: ## render all overlays into build/manifests (KUBECTL=kubectl)
	@mkdir -p build/manifests
	@for overlay in manifests/overlays/*/; do \
		name=$$(basename $$overlay); \
		$(KUBECTL) kustomize $$overlay -o build/manifests/$$name.yaml && echo build/manifests/$$name.yaml || exit 1; \
	done

.PHONY: kind-down
kind-down: ## delete the cluster of kind-up and its storage
	@kind delete cluster --name platen
	@$(DOCKER) rm --force platen-storage

##— change it
.PHONY: test
test: check ## all checks, and all tests that need no cluster
	env -u KUBECONFIG $(BIN)/python -m pytest -n 2 --no-loadscope-reorder --ignore tests/cluster $(PYTEST_ARGS)

.PHONY: test-cluster
test-cluster: install ## the tests on the cluster that KUBECONFIG names, with the images it was given
	@[ -n "$$KUBECONFIG" ] || { echo "KUBECONFIG is not set; make kind-up starts a cluster"; exit 2; }
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder tests/cluster $(PYTEST_ARGS)

.PHONY: soak
soak: install ## what takes long: ranks killed 50 times at random, NVMe, torch.compile (KILLS=50 KILLS_SEED=0)
	SOAK=1 KILLS=$(or $(KILLS),50) $(BIN)/python -m pytest -s -m soak $(if $(KUBECONFIG),,--ignore tests/cluster) $(PYTEST_ARGS)

.PHONY: explore
explore: install ## the property tests with examples that they have not seen yet
	EXPLORE=1 $(BIN)/python -m pytest -n 2 -m hypothesis --ignore tests/cluster $(PYTEST_ARGS)

.PHONY: check
check: install ## format, lint, types, import direction, Dockerfiles, compiled YAML; writes nothing tracked
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p platen
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/hadolint images/*/Dockerfile
	$(BIN)/platen compile --check

.PHONY: bench
bench: .venv/bench ## measure on an idle machine, into docs/benchmarks.md (BENCH_ARGS=--short: only shown, without the long ones)
	$(BIN)/python -m bench.run $(BENCH_ARGS)

.PHONY: gpu-check
gpu-check: install ## on a machine with a CUDA GPU: its tests, training and serving, in 8 minutes, into docs/gpu.md (GPU_ARGS=)
	$(BIN)/python -m bench.gpu_check $(GPU_ARGS)

.venv/bench: .venv/installed requirements/bench.txt
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@touch $@

.PHONY: fix
fix: install ## format, mend what the linter can, compile the pipelines
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/platen compile

.PHONY: lock
lock: install ## resolve the requirements again
	$(UV) pip compile -q pyproject.toml --all-extras --group dev $(LOCK) --upgrade -o requirements/dev.txt
	$(UV) pip compile -q --group bench $(LOCK) -c requirements/dev.txt -o requirements/bench.txt
	$(UV) pip compile -q requirements/uv.in $(LOCK) --upgrade -o requirements/uv.txt
	$(UV) pip compile -q pyproject.toml --extra pipelines --extra gcs $(LOCK) -c requirements/dev.txt -o requirements/light.txt
	$(UV) pip compile -q pyproject.toml --all-extras $(LOCK) -c requirements/dev.txt -o requirements/torch.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: clean
clean: ## remove builds and caches; keeps .venv and runs
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
