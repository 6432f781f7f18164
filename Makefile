# SmartGrid-AI. `make help` lists the targets. Works with GNU make 3.81 (macOS) and later.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
STAMP := .venv/.installed
AWS_STAMP := .venv/.installed-aws
SOURCES := vpp features models agents topologies mcp_server console deploy tests
ARGS ?=
BASE ?= main

.PHONY: help setup up test browser screenshots coverage check lint format types deps audit unit docs test-files test-services generate drill drills drills-kafka test-image test-kube fuzz bench wheel constraints sbom aws-setup aws-synth test-aws aws-constraints clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make up ARGS='--source FILE --zone GB'   passes options to vpp up"
	@echo "  make unit ARGS='-k battery'              passes options to pytest"
	@echo "  make setup PYTHON=python3.12             uses that interpreter"

$(STAMP): pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON='$(PYTHON)' sh scripts/setup.sh

setup: $(STAMP) ## Make .venv with everything installed (a second run costs nothing)

up: $(STAMP) ## Run the virtual power plant: broker, workers, store, simulator (Ctrl-C ends it)
	@$(BIN)/vpp up $(ARGS)

test: lint types deps audit coverage browser ## Set up, then lint, types, pinned dependencies and all tests that need Python alone
	$(BIN)/python -m pytest -n 2 -m "not services and not bench" --ignore=tests/unit/agents --ignore=tests/browser --ignore=tests/aws $(ARGS)

browser: $(STAMP) ## Drive the page in a real Chromium (a process of its own, since its driver holds an event loop)
	$(BIN)/python -m pytest tests/browser

screenshots: $(STAMP) ## Take the pictures of README and docs in Chromium, of a simulated plant that it starts (minutes)
	$(BIN)/python -m scripts.screenshots $(ARGS)

coverage: $(STAMP) ## Run the tests of the agents with branch coverage and check the least share of each module
	$(BIN)/python -m pytest -n 2 --cov --cov-report=json --cov-report= tests/unit/agents
	$(BIN)/python scripts/coverage_check.py coverage.json

check: $(STAMP) ## The fast loop: style, types, and the fast tests of what changed against BASE (main)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not stream and not services and not e2e and not bench" \
	    $$($(BIN)/python scripts/changed_tests.py $(BASE)) $(ARGS)

lint: $(STAMP) ## Check style and formatting (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Mend style and formatting where ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## Check types (mypy --strict)
	$(BIN)/mypy

deps: $(STAMP) ## Check that the installed dependencies agree with each other and with constraints.txt
	$(BIN)/python -m pip check
	$(BIN)/python -m tests.contract.pins --check

audit: $(STAMP) ## Check the GitHub workflows for security mistakes (zizmor, offline)
	$(BIN)/zizmor --offline --no-progress --quiet .github

unit: $(STAMP) ## Run the fast tests only
	$(BIN)/python -m pytest -m "not slow and not stream and not services and not e2e and not bench" tests/unit tests/contract tests/parity $(ARGS)

test-files: $(STAMP) ## Write 2,000 files in random formats and compare what is read, cell by cell
	VPP_TEST_FILES=2000 $(BIN)/python -m pytest -m slow tests/unit/vpp/files/test_reader_any_format.py $(ARGS)

test-services: $(STAMP) ## Run the contract, stream and end-to-end tests on a real Kafka and InfluxDB
	@PYTHON="$(CURDIR)/$(BIN)/python" bash tests/services/run.sh $(ARGS)

drill: $(STAMP) ## Run five devices over three protocols for a day of 48 slots: cables pulled, gateways killed (12 min)
	$(BIN)/vpp devices drill --slots 48 --slot-s 15 $(ARGS)

drills: $(STAMP) ## Stage the faults that need Python alone (ARGS="-k disk_full"); the report is dist/drills.md
	$(BIN)/python -m pytest --timeout 1800 -p tests.drill_report -m "drill and not services" $(ARGS)

drills-kafka: $(STAMP) ## Stage the faults that need Kafka and InfluxDB, a cluster of three nodes too; the report is dist/drills.md
	@PYTHON="$(CURDIR)/$(BIN)/python" bash tests/services/run.sh drills $(ARGS)

test-image: $(STAMP) ## Build the container image of Debian's packages and run the compose file's workers from it (20 min, root)
	@PYTHON="$(CURDIR)/$(BIN)/python" bash tests/image/image.sh
	@PYTHON="$(CURDIR)/$(BIN)/python" bash tests/services/run.sh image $(ARGS)

test-kube: $(STAMP) ## Ask a real kube-apiserver, kube-score and checkov about every Kubernetes object (builds once, 15 min; needs Go, etcd)
	@PYTHON="$(CURDIR)/$(BIN)/python" bash tests/kube/run.sh $(ARGS)

fuzz: $(STAMP) ## Send 1,000,000 hostile records over all topics through every reducer and the store (minutes)
	VPP_TEST_FUZZ_RECORDS=1000000 $(BIN)/python -m pytest -s tests/stream/test_hostile_records.py $(ARGS)

generate: $(STAMP) ## Write what is made from code anew: topic scripts and pages, schemas, tables, dashboards
	$(BIN)/python -m deploy.generate

docs: $(STAMP) ## Build the documentation site into site/; a broken link or anchor fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

bench: $(STAMP) ## Measure throughput and latency
	$(BIN)/python -m pytest -m bench -s --durations=0 $(ARGS)

$(AWS_STAMP): $(STAMP) deploy/aws/requirements.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -r deploy/aws/requirements.txt
	touch $(AWS_STAMP)

aws-setup: $(AWS_STAMP) ## Add AWS CDK, its checks and a Node of its own to .venv (about 650 MB)

test-aws: $(AWS_STAMP) ## Synthesise the AWS stacks without an account; check them with cdk-nag and cfn-lint
	$(BIN)/python -m pytest tests/aws $(ARGS)

aws-synth: $(AWS_STAMP) ## Write the AWS templates into cdk.out (ARGS="-c image=NAME@sha256:... -c alarm_email=...")
	$(BIN)/python -m deploy.aws.app --outdir cdk.out $(ARGS)

aws-constraints: $(STAMP) ## Write deploy/aws/requirements.txt anew from what is installed
	$(BIN)/python -m tests.contract.pins --aws > aws.tmp && mv aws.tmp deploy/aws/requirements.txt && touch $(AWS_STAMP)

wheel: $(STAMP) ## Build the wheel into dist/
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

constraints: $(STAMP) ## Write constraints.txt anew from what is installed
	$(BIN)/python -m tests.contract.pins > constraints.tmp && mv constraints.tmp constraints.txt && touch $(STAMP)

sbom: $(STAMP) ## Write the software bill of materials (CycloneDX) of what runs into dist/sbom.json
	@mkdir -p dist
	$(BIN)/python -m scripts.sbom > dist/sbom.json

clean: ## Remove the environment, caches and builds (never run data: that is .vpp/)
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis site .coverage coverage.json htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
