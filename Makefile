# Permafrost. `make demo` shows it, `make test` proves it; `make help` lists the rest.
#
# The local stack is this checkout's own: an AWS emulator and a PostgreSQL server on free ports of 127.0.0.1, chosen
# once, with everything they write in `.local/`. Nothing is installed outside the checkout: tools are in `.venv/`
# (pinned by local/requirements.txt), build outputs in `target/` and `.aws-sam/`. For tests there is a server of each
# major version of PostgreSQL besides (pinned by local/server-lock.json).
#
# `make test` and `make demo` use the same running stack, so that warm runs are quick. Each stack test makes databases
# and instances with names of its own and leaves the rest alone. What a test run in doubt needs is an empty state:
# `make clean` first, as `.ci/run` does.

PYTHON ?= python3
LOCAL = $(PYTHON) local/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help demo test bench up vault servers down clean lint deploy settle lock
# One command at a time: they share the stack and the two cores.
.NOTPARALLEL:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Watch a database being protected, backed up and restored (under 30 minutes cold, 90 s warm)
	@$(LOCAL) demo

test: ## Run everything: unit, property and stack tests, lints of code, templates and state machines
	@$(LOCAL) test

bench: ## Measure dumps and restores against stock programs (docs/benchmarks.md); arguments in BENCH="..."
	@$(LOCAL) && cargo build --quiet --release -p permafrost-bench && \
	$${CARGO_TARGET_DIR:-target}/release/permafrost-bench run \
	    --pg-bin "$$(.venv/bin/python -c 'from local import postgres; print(postgres.programs().bin_dir)')" \
	    --clients "$$(find .aws-sam/build -maxdepth 2 -type d -name pg 2>/dev/null | head -1)" $(BENCH)

up: ## Build, start the emulator and PostgreSQL, deploy both stacks
	@$(LOCAL) up

vault: ## As `up`, but the servers and the vault alone: what tests of single crates need; compiles nothing
	@$(LOCAL) vault

servers: ## Start PostgreSQL 10 to 18 for tests; or some: make servers SERVERS="11 15 15-standby"
	@$(LOCAL) servers $(SERVERS)

down: ## Stop the emulator and all PostgreSQL servers; their state stays
	@$(LOCAL) down

clean: ## Stop them and remove their state (build outputs and tools stay)
	@$(LOCAL) clean

lint: ## Check formatting, code, templates and state machines
	@$(LOCAL) lint

deploy: ## Build for Lambda and deploy both stacks to AWS with your credentials (`default` in samconfig.toml)
	@$(LOCAL) deploy

settle: ## Check on AWS that everything the templates ask for is set
	@$(LOCAL) && .venv/bin/python -m local.settle --assert

lock: ## Resolve local/requirements.in and the PostgreSQL servers' versions anew into the lock files
	@$(LOCAL) && .venv/bin/python -m pip install --quiet uv && \
	{ echo "# Every package of requirements.in with all it pulls in, for Python 3.10 and newer. Written by \`make lock\`."; \
	  .venv/bin/uv pip compile --quiet --universal --upgrade --python-version 3.10 --no-emit-index-url \
	    --no-emit-find-links --no-annotate --no-header local/requirements.in; } > local/requirements.txt.new && \
	mv local/requirements.txt.new local/requirements.txt
	@.venv/bin/python -m local.server_programs
