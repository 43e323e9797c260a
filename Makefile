# What a person does with this repository. `make` alone lists it.

PYTHON ?= python3
VENV   := .venv
LOCAL  := $(VENV)/bin/python localstack
# What has been installed from the lock; make reads its time.
TOOLS  := $(VENV)/.installed
# The environment of samconfig.toml that make deploy deploys.
ENV    ?= dev
PORT   ?= 4566
export PORT

.DEFAULT_GOAL := help
.PHONY: help run url stop demo codes test test-browser deny e2e bench openapi numbering-plans build deploy clean-state

help: ## List what make can do
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

run: $(TOOLS) ## Build, start and deploy the platform on this machine; serve until Ctrl-C (PORT=4566)
	@$(LOCAL)/run.py

url: $(TOOLS) ## Print the base URL of what make run serves
	@$(LOCAL)/url.py

stop: $(TOOLS) ## End what make run serves; its state is kept
	@$(LOCAL)/stop.py

demo: $(TOOLS) ## Walk from sign-up to money sent, and to a payment collected, against what make run serves
	@$(LOCAL)/demo.py

codes: $(TOOLS) ## Print the verification codes that what make run serves has sent
	@$(LOCAL)/codes.py

test: $(TOOLS) ## Check format and lints, run the Rust tests and the end-to-end tests
	@$(LOCAL)/verify.py

deny: $(VENV)/bin/cargo-deny ## Check what the dependencies are and under which licences (compiles cargo-deny once: 5 minutes)
	@$(VENV)/bin/cargo-deny --all-features check --allow unused-wrapper bans licenses

e2e: $(TOOLS) ## Run the end-to-end tests alone (PYTEST_ARGS="-k send"; AWS_ENDPOINT_URL and API_URL for a stack that is up)
	@$(LOCAL)/e2e.py $(PYTEST_ARGS)

test-browser: $(TOOLS) ## Use the page at /docs in a headless Chromium, as a person would
	@$(LOCAL)/browser.py $(PYTEST_ARGS)

bench: ## Measure requests and functions beside their budgets, into bench/RESULTS.md (BENCH_ARGS="cold": one section, and no file)
	@cargo bench --quiet --package bench --bench bench -- $(BENCH_ARGS)

openapi: ## Write the API's document anew from the endpoints' types
	WRITE_OPENAPI=1 cargo test --quiet --package docs --test openapi

numbering-plans: ## Write the numbering plans of phone numbers anew from the library that they are of
	WRITE_NUMBERING_PLANS=1 cargo test --quiet --package contact --test numbering_plans the_file_holds

build: $(TOOLS) ## Compile and package the functions for this machine
	@$(LOCAL)/build.py

deploy: $(TOOLS) ## Build for AWS and deploy (ENV=dev, staging or prod; see samconfig.toml)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam build --config-env $(ENV)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam deploy --config-env $(ENV)

clean-state: ## Forget everything that make run has stored
	@if [ -e .state/running.json ]; then echo "error: still running: make stop first" >&2; exit 1; fi
	rm -rf .state

$(VENV)/bin/cargo-deny: $(TOOLS)
	cargo install cargo-deny --version 0.20.2 --locked --force --root $(VENV)

$(TOOLS): localstack/requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed: install Python 3.10 or newer, or name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "error: $$($(PYTHON) --version) is too old: install Python 3.10 or newer, or name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "error: $(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "installing the tools into $(VENV) ..." >&2
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $< || { echo "error: the tools could not be installed: see pip's message above" >&2; exit 1; }
	@touch $@
