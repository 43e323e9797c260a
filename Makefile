# The commands of this repository. `make` lists them.

PYTHON ?= python3
VENV   := .venv
LOCAL  := $(VENV)/bin/python localstack
# Marks the installation of the lock file; make compares their times.
TOOLS  := $(VENV)/.installed
# LocalStack has a Python and packages of its own.
NATIVE := .venv-localstack
# What an engine other than the default needs (ENGINE=localstack).
ENGINE_TOOLS := $(if $(filter localstack,$(ENGINE)),$(NATIVE)/.installed)
# The installed packages of bench/peers.
PEERS  := target/peers
# The environment in samconfig.toml for make deploy.
ENV    ?= dev
PORT   ?= 4566
# The port of make sam-api.
SAM_PORT ?= 3000
PROPTEST_CASES ?= 100
export PORT ENGINE CONTAINERS FUZZ_SECONDS FUZZ_SEED

.DEFAULT_GOAL := help
.PHONY: help run localstack localstack-image sam-invoke sam-api url stop demo codes redrive audit check unit e2e test stress test-browser test-localstack test-sam simulate soak planted-bugs endpoint-example deny bench bench-peers fuzz models openapi events numbering-plans build deploy clean-state

help: ## List the commands
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

run: $(TOOLS) $(ENGINE_TOOLS) ## Build, deploy and serve the platform on this machine until Ctrl-C (PORT=4566)
	@$(LOCAL)/run.py

localstack: ## Build, deploy and serve the platform on the open edition of LocalStack (needs Python 3.13)
	@$(MAKE) --no-print-directory run ENGINE=localstack

localstack-image: $(TOOLS) ## Deploy to LocalStack's own image (needs Docker and LOCALSTACK_AUTH_TOKEN)
	@$(LOCAL)/localstack_image.py

sam-invoke: $(TOOLS) ## Invoke a function by the SAM CLI, against make run CONTAINERS=1 (FUNCTION=me EVENT=events/me.json; needs Docker)
	@$(LOCAL)/sam_local.py invoke "$(FUNCTION)" "$(EVENT)"

sam-api: $(TOOLS) ## Serve the API by the SAM CLI, against make run CONTAINERS=1 (SAM_PORT=3000; needs Docker)
	@$(LOCAL)/sam_local.py api $(SAM_PORT)

url: $(TOOLS) ## Print the base URL of the running platform
	@$(LOCAL)/url.py

stop: $(TOOLS) ## Stop the running platform; its state is kept
	@$(LOCAL)/stop.py

demo: $(TOOLS) ## Send money and collect a payment on the running platform, and print each request
	@$(LOCAL)/demo.py

codes: $(TOOLS) ## Print the verification codes that the running platform has sent
	@$(LOCAL)/codes.py

redrive: $(TOOLS) ## Move the messages of a dead-letter queue back on the running platform (QUEUE=SyncDeadLetterQueue)
	@QUEUE="$(QUEUE)" $(LOCAL)/redrive.py

audit: $(TOOLS) ## Compare all accounts of the running platform with the journal of its transfers (FULL=1: closed days too)
	@FULL="$(FULL)" $(LOCAL)/audit.py

check: $(TOOLS) ## Check format, lints and the template
	@$(LOCAL)/verify.py check

unit: $(TOOLS) ## Run the Rust tests (P=payment: those of one crate)
	@$(LOCAL)/verify.py unit $(P)

e2e: $(TOOLS) $(ENGINE_TOOLS) ## Run the end-to-end tests on a new stack (T=revocation: those with this name; AWS_ENDPOINT_URL and API_URL: on that stack)
	@$(LOCAL)/e2e.py $(if $(T),-k "$(T)") $(PYTEST_ARGS)

test: $(TOOLS) ## Run everything: check, Rust tests, budgets of release builds, end-to-end tests
	@$(LOCAL)/verify.py test

stress: $(TOOLS) ## Load a new stack with 200 concurrent clients for a minute (RESILIENCE_SECONDS, RESILIENCE_CLIENTS)
	@$(LOCAL)/stress.py $(PYTEST_ARGS)

test-localstack: $(TOOLS) $(NATIVE)/.installed ## Run the tests of our plugins for LocalStack and all end-to-end tests on LocalStack (needs Python 3.13)
	@$(LOCAL)/verify.py localstack

test-sam: $(TOOLS) ## Run the sample events and the end-to-end tests in containers of the SAM CLI (needs Docker)
	@$(LOCAL)/sam_tests.py $(if $(T),-k "$(T)") $(PYTEST_ARGS)

simulate: ## Simulate the platform under faults from one seed (SEED=1 STEPS=2000; BUG=LostTransferDedupe: with a planted bug)
	@cargo run --quiet --package simulation --features cli -- run $(or $(SEED),1) $(or $(STEPS),2000) $(BUG)

soak: ## Simulate from fresh seeds until Ctrl-C, optimized (STEPS=2000 each; RUNS=500: that many)
	@cargo run --quiet --profile soak --package simulation --features cli -- soak $(or $(STEPS),2000) $(RUNS)

planted-bugs: ## Plant each known bug in the simulation, and search a seed that finds it
	@cargo run --quiet --package simulation --features cli -- bugs $(or $(STEPS),2000)

endpoint-example: $(TOOLS) ## Apply docs/adding-an-endpoint.md to a scratch copy and check it (E2E=1: with its end-to-end test)
	@$(LOCAL)/endpoint_example.py

deny: $(VENV)/bin/cargo-deny ## Check dependencies and licences (compiles cargo-deny once: two minutes)
	@$(VENV)/bin/cargo-deny --all-features check --allow unused-wrapper bans licenses

test-browser: $(TOOLS) $(ENGINE_TOOLS) ## Test the page at /docs in a headless Chromium
	@$(LOCAL)/browser.py $(PYTEST_ARGS)

bench: ## Measure requests and functions against their budgets, into bench/RESULTS.md (BENCH_ARGS="cold": one section, no file)
	@cargo bench --quiet --package bench --bench bench -- $(BENCH_ARGS)

bench-peers: $(PEERS)/typescript/bundle.js $(PEERS)/python/.installed ## Compare a transfer with Powertools (TypeScript, Python) and PostgreSQL, into bench/PEERS.md (needs Node.js)
	@cargo bench --quiet --package bench --bench peers

fuzz: ## Fuzz what strangers send, each target for FUZZ_SECONDS=20 (T=event: that target, until it finds something)
	@fuzz/run $(T)

models: ## Run the model-based tests with new cases (PROPTEST_CASES=100 each)
	PROPTEST_CASES=$(PROPTEST_CASES) cargo test --package account --package payment --lib model

openapi: ## Regenerate the API's OpenAPI document from the endpoints
	WRITE_OPENAPI=1 cargo test --quiet --package docs --test openapi

events: $(TOOLS) ## Regenerate the sample events of the HTTP functions from the OpenAPI document
	@$(LOCAL)/sample_events.py

numbering-plans: ## Regenerate the phone numbering plans from their library
	WRITE_NUMBERING_PLANS=1 cargo test --quiet --package contact --test numbering_plans numbering_plans_match

build: $(TOOLS) ## Compile and package the functions for this machine
	@$(LOCAL)/build.py

deploy: $(TOOLS) ## Build for AWS and deploy (ENV=dev, staging or prod; see samconfig.toml)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam build --config-env $(ENV)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sam deploy --config-env $(ENV)

clean-state: $(TOOLS) ## Delete the state of make run
	@if $(LOCAL)/url.py >/dev/null 2>&1; then echo "error: still running: make stop first" >&2; exit 1; fi
	rm -rf .state

$(NATIVE)/.installed: localstack/native/requirements.txt localstack/native/pyproject.toml
	@python=$$(localstack/native/find-python) && "$$python" -m venv $(NATIVE)
	@echo "installing LocalStack into $(NATIVE) ..." >&2
	@$(NATIVE)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@$(NATIVE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable localstack/native
	@touch $@

$(PEERS)/typescript/bundle.js: $(wildcard bench/peers/typescript/*)
	@command -v npm >/dev/null || { echo "error: npm is not installed: install Node.js 20 or newer" >&2; exit 1; }
	@mkdir -p $(@D)
	@cp $^ $(@D)
	@cd $(@D) && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

$(PEERS)/python/.installed: bench/peers/python/requirements.txt
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(VENV)/bin/cargo-deny: $(TOOLS)
	cargo install cargo-deny --version 0.20.2 --locked --force --debug --root $(VENV)

$(TOOLS): localstack/requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not installed: install Python 3.10 or newer, or name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "error: $$($(PYTHON) --version) is too old: install Python 3.10 or newer, or name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "error: $(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "installing the tools into $(VENV) ..." >&2
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $< || { echo "error: the tools could not be installed: see pip's message above" >&2; exit 1; }
	@touch $@
