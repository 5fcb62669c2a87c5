# Every target works from a fresh clone: `make test` runs what CI runs, `make demo` shows the whole thing.
VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
export PIP_CONSTRAINT := $(CURDIR)/deploy/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_RETRIES := 10
export HF_HUB_OFFLINE := 1

.DEFAULT_GOAL := help
# Every target that `help` tells of.
.PHONY: $(shell sed -nE 's/^([a-z0-9-]+):.*## .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help:  ## Show these targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP)  ## Make .venv with everything in it

$(STAMP): pyproject.toml deploy/constraints.txt
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --editable '.[service,async,tracing,polar,sam2,ray,train,dev]'
	# Only its caller of rewards is wanted, for a test; all else it needs wants a GPU.
	$(PY) -m pip install --quiet --no-deps 'openrlhf; python_version == "3.11"'
	touch $@

serve: venv  ## Start the service on http://127.0.0.1:8080
	$(VENV)/bin/reward-service serve

lint: venv  ## Format, lint, types, import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

test: lint  ## Everything that CI runs
	$(PY) -m pytest -m "not long"

test-long: lint  ## The same, and what takes minutes: exhaustive pairs, long fuzzing, new examples
	HYPOTHESIS=search $(PY) -m pytest

conformance: venv  ## Try the client in verl, ms-swift, NeMo-Gym and Ray, each in an environment of its own
	$(PY) -m tests.conformance

tools:  ## Fetch Prometheus for its tests into .tools, without root (Debian)
	mkdir -p .tools
	cd .tools && apt-get download prometheus && dpkg -x prometheus_*.deb . && rm prometheus_*.deb

bench: venv  ## How fast rewards and advantages are: build/bench/rewards.json, advantage.json
	$(PY) -m tests.benchmarks.rewards
	$(PY) -m tests.benchmarks.bench_advantage

test-faults: faults  ## The same as `make faults`

faults: venv  ## Kill, freeze and cut off services and stores at full length, some minutes
	FAULTS=long $(PY) -m pytest tests/faults

test-rolling: venv  ## Replace three replicas in turn under load, behind HAProxy
	FAULTS=long $(PY) -m pytest -rP tests/faults/test_rolling.py

overload: venv  ## Offer four times what the service can do for a minute: build/bench/overload.json
	$(PY) -m tests.benchmarks.load.overload

MINUTES ?= 30
soak: venv  ## Mixed work for half an hour (MINUTES=30): what grows? build/bench/soak.json
	$(PY) -m tests.benchmarks.load.soak $(MINUTES)

bench-sam2: venv  ## Measure mask rewards: SAM 2 anew for each rollout, and ours: build/bench/sam2.json
	$(PY) -m tests.benchmarks.bench_sam2

bench-polar: venv  ## Measure POLAR: the plain loop and ours, side by side
	$(PY) -m tests.benchmarks.bench_polar

bench-ray: venv  ## What Ray costs, and what a second replica brings: build/bench/ray.json
	$(PY) -m tests.benchmarks.bench_ray

scale: venv  ## Simulate 1, 100 and 10,000 training jobs: docs/scale.md and its picture
	$(PY) -m tests.benchmarks.scale

demo: venv  ## Train a small language model against the service and show what it learned
	$(PY) -m examples.demo

ablation: venv  ## Compare three estimators on four tasks, and our loop with TRL's: build/ablation
	$(PY) -m examples.ablation

readme: venv  ## Write anew the tables of the README, and the rules for Kubernetes
	$(PY) -m tests.house.readme
	$(PY) -m tests.deploy.operator_rules

clean:  ## Remove what was built
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
